//! How a build's progress is shown: the three ways of `--progress`.
//!
//! A way is a `Screen`, a state machine that takes events with the time at which they came and writes to an
//! `Output`. `Shared` makes it a sink for any thread: one lock for each event, so that lines are never torn, and
//! a clock that ticks while nothing happens. An output that cannot be written to any more (a closed pipe) ends the
//! showing, not the build.

mod lines;
mod plain;
mod quiet;
mod tty;

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use super::signals;
use crate::progress::{Event, Sink};

/// Time between two ticks: how often a live display is drawn at most.
const TICK: Duration = Duration::from_millis(100);

/// The values of `--progress`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// `tty` on a terminal, `plain` elsewhere.
    #[default]
    Auto,
    /// Lines that only ever follow each other.
    Plain,
    /// A live list of steps.
    Tty,
    /// Nothing but the output of a step that fails.
    Quiet,
}

/// A sink that can be told that no more events come.
pub trait Renderer: Sink {
    /// Shows what was held back and leaves the output in order, so that others can write to it. Events that come
    /// later are dropped.
    fn finish(&self);

    /// Takes away what will be drawn over, then does `act`, during which nothing is shown.
    fn while_hidden(&self, act: &dyn Fn());
}

/// The columns and rows of a terminal, asked for at each drawing because they change.
pub type TerminalSize = Box<dyn Fn() -> Option<(usize, usize)> + Send>;

/// Shows progress on standard error. `dumb` says that the terminal cannot move its cursor (`TERM=dumb`).
pub fn on_stderr(mode: Mode, colour: bool, dumb: bool) -> Arc<dyn Renderer> {
    let live = io::stderr().is_terminal() && !dumb;
    let size = || {
        let size = rustix::termios::tcgetwinsize(io::stderr()).ok()?;
        (size.ws_col > 0 && size.ws_row > 0).then_some((usize::from(size.ws_col), usize::from(size.ws_row)))
    };
    let mode = match mode {
        Mode::Auto if live => Mode::Tty,
        mode => mode,
    };
    let renderer = on(mode, colour, Box::new(io::stderr()), Box::new(size));
    if mode == Mode::Tty {
        let shown = Arc::downgrade(&renderer);
        signals::on_stop(move |stop| match shown.upgrade() {
            Some(renderer) => renderer.while_hidden(stop),
            None => stop(),
        });
    }
    renderer
}

/// Shows progress on any output. [`Mode::Auto`] is plain, as nothing is known of the output.
pub fn on(mode: Mode, colour: bool, output: Box<dyn Write + Send>, size: TerminalSize) -> Arc<dyn Renderer> {
    let output = Output(Some(output));
    match mode {
        Mode::Auto | Mode::Plain => Shared::start(plain::Plain::new(output)),
        Mode::Tty => Shared::start(tty::Tty::new(output, size, colour)),
        Mode::Quiet => Shared::start(quiet::Quiet::new(output)),
    }
}

/// One way of showing events. Times are since the start of the showing.
trait Screen: Send + 'static {
    /// Takes an event.
    fn event(&mut self, event: Event, now: Duration);
    /// Some time has passed.
    fn tick(&mut self, now: Duration);
    /// Takes away what would be drawn over.
    fn hide(&mut self) {}
    /// No more events come.
    fn finish(&mut self, now: Duration);
}

/// A screen behind a lock.
struct Shared<S> {
    /// `None` once finished.
    screen: Mutex<Option<S>>,
    epoch: Instant,
}

impl<S: Screen> Shared<S> {
    fn start(screen: S) -> Arc<dyn Renderer> {
        let shared = Arc::new(Self { screen: Mutex::new(Some(screen)), epoch: Instant::now() });
        let weak = Arc::downgrade(&shared);
        // Without the thread, which the system may refuse, only less is shown between events.
        let _ = thread::Builder::new().name("progress".to_owned()).spawn(move || Self::ticks(&weak));
        shared
    }

    /// Ticks until the screen is finished or gone.
    fn ticks(shared: &Weak<Self>) {
        loop {
            thread::sleep(TICK);
            match shared.upgrade() {
                Some(shared) if shared.with(S::tick) => {}
                _ => return,
            }
        }
    }

    /// Whether there was still a screen to do it with.
    fn with(&self, act: impl FnOnce(&mut S, Duration)) -> bool {
        let mut screen = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
        match screen.as_mut() {
            Some(screen) => {
                act(screen, self.epoch.elapsed());
                true
            }
            None => false,
        }
    }
}

impl<S: Screen> Sink for Shared<S> {
    fn event(&self, event: Event) {
        self.with(|screen, now| screen.event(event, now));
    }
}

impl<S: Screen> Renderer for Shared<S> {
    fn finish(&self) {
        self.with(S::finish);
        *self.screen.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn while_hidden(&self, act: &dyn Fn()) {
        let mut screen = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(screen) = screen.as_mut() {
            screen.hide();
        }
        act();
    }
}

/// Where a screen writes, until that fails for the first time.
struct Output(Option<Box<dyn Write + Send>>);

impl Output {
    /// Writes all of `text` at once.
    fn write(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        if let Some(inner) = &mut self.0
            && inner.write_all(text.as_bytes()).and_then(|()| inner.flush()).is_err()
        {
            self.0 = None;
        }
    }
}

#[cfg(test)]
mod capture {
    //! An output that tests can look into.

    use super::*;

    /// Keeps what is written.
    #[derive(Clone, Default)]
    pub(super) struct Capture(Arc<Mutex<Vec<u8>>>);

    impl Capture {
        /// An output that writes here.
        pub(super) fn output(&self) -> Output {
            Output(Some(Box::new(self.clone())))
        }

        /// What was written since the last call.
        pub(super) fn take(&self) -> String {
            let bytes = std::mem::take(&mut *self.0.lock().unwrap());
            String::from_utf8(bytes).unwrap()
        }
    }

    impl Write for Capture {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::capture::Capture;
    use super::*;

    fn no_size() -> TerminalSize {
        Box::new(|| None)
    }

    fn started(step: usize) -> Event {
        Event::Started { step, name: format!("[{step}/2] RUN true") }
    }

    #[test]
    fn events_of_many_threads_give_whole_lines() {
        let capture = Capture::default();
        let renderer = on(Mode::Plain, false, Box::new(capture.clone()), no_size());
        thread::scope(|scope| {
            for step in 1..=4 {
                let renderer = &renderer;
                scope.spawn(move || {
                    renderer.event(started(step));
                    for _ in 0..200 {
                        let bytes = b"x\ny\n".to_vec();
                        renderer.event(Event::Output {
                            step,
                            stream: crate::progress::Stream::Stdout,
                            bytes,
                        });
                    }
                    renderer.event(Event::Done { step, elapsed: Duration::ZERO });
                });
            }
        });
        renderer.finish();
        let text = capture.take();
        let logged = text.lines().filter(|line| line.ends_with(" x") || line.ends_with(" y")).count();
        assert_eq!(logged, 4 * 200 * 2);
        assert!(text.lines().all(|line| line.is_empty() || line.starts_with('#')), "{text}");
    }

    #[test]
    fn a_closed_pipe_ends_the_showing_only() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        for mode in [Mode::Plain, Mode::Tty, Mode::Quiet] {
            let renderer = on(mode, true, Box::new(writer.try_clone().unwrap()), no_size());
            renderer.event(started(1));
            renderer.event(Event::Cached { step: 1 });
            renderer.finish();
        }
    }

    #[test]
    fn nothing_is_shown_after_the_finish() {
        for mode in [Mode::Plain, Mode::Tty] {
            let capture = Capture::default();
            let renderer = on(mode, false, Box::new(capture.clone()), no_size());
            renderer.event(started(1));
            renderer.finish();
            assert!(capture.take().contains("RUN true"));
            renderer.event(started(2));
            renderer.finish();
            assert_eq!(capture.take(), "", "{mode:?}");
        }
    }
}
