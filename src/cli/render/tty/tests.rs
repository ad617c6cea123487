//! Frames at given times and sizes, and what is written to draw them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::capture::Capture;
use super::*;
use crate::progress::Stream;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn started(step: usize, name: &str) -> Event {
    Event::Started { step, name: name.to_owned() }
}

fn output(step: usize, text: &str) -> Event {
    Event::Output { step, stream: Stream::Stdout, bytes: text.as_bytes().to_vec() }
}

fn tty(capture: &Capture, columns: usize, rows: usize) -> Tty {
    Tty::new(capture.output(), Box::new(move || Some((columns, rows))), false)
}

/// The text of a drawing, without what moves and erases.
fn drawn(capture: &Capture) -> String {
    let text = capture.take();
    let start = text.find('A').filter(|_| text.starts_with("\r\x1b[")).map_or(0, |i| i + 1);
    text[start..].replace("\x1b[K", "").replace("\x1b[J", "")
}

fn example(tty: &mut Tty) {
    tty.event(started(1, "[1/4] FROM node:12.20.1"), ms(0));
    tty.event(Event::Cached { step: 1 }, ms(0));
    tty.event(started(2, "[2/4] COPY . /app"), ms(0));
    tty.event(Event::Done { step: 2, elapsed: ms(140) }, ms(140));
    tty.event(started(3, "[3/4] RUN npm i"), ms(200));
    for line in 1..=8 {
        tty.event(output(3, &format!("line\t{line}\n")), ms(300));
    }
}

#[test]
fn running_steps_show_their_last_lines() {
    let capture = Capture::default();
    let mut tty = tty(&capture, 50, 24);
    example(&mut tty);
    tty.tick(ms(1200));
    assert_eq!(
        drawn(&capture),
        "\
[+] Building 1.2s (2/3)
 => CACHED [1/4] FROM node:12.20.1           0.0s
 => [2/4] COPY . /app                        0.1s
 => [3/4] RUN npm i                          1.0s
 => => # line    3
 => => # line    4
 => => # line    5
 => => # line    6
 => => # line    7
 => => # line    8
"
    );
}

#[test]
fn a_low_terminal_shows_what_matters_most() {
    for (rows, text) in [(24, "hhcdr3"), (3, "hr"), (4, "hr8"), (7, "hr5678"), (10, "hdr345678")] {
        let capture = Capture::default();
        let mut tty = tty(&capture, 50, rows);
        example(&mut tty);
        tty.tick(ms(1200));
        let lines: Vec<String> = drawn(&capture).lines().map(str::to_owned).collect();
        assert!(lines.len() < rows, "{rows} rows: {lines:?}");
        if rows == 24 {
            continue;
        }
        let short: String = lines
            .iter()
            .map(|line| match line {
                line if line.starts_with("[+]") => 'h',
                line if line.contains("CACHED") => 'c',
                line if line.contains("COPY") => 'd',
                line if line.contains("RUN") => 'r',
                line => line.chars().last().unwrap(),
            })
            .collect();
        assert_eq!(short, text, "{rows} rows");
    }
}

#[test]
fn a_narrow_terminal_gets_cut_lines() {
    for columns in 1..60 {
        let capture = Capture::default();
        let mut tty = tty(&capture, columns, 24);
        example(&mut tty);
        tty.event(started(4, "[4/4] RUN echo 日本語日本語日本語"), ms(0));
        tty.tick(ms(1200));
        for line in drawn(&capture).lines() {
            let width = unicode_width::UnicodeWidthStr::width(line);
            assert!(width < columns, "{width} in {columns}: {line}");
        }
    }
}

#[test]
fn a_drawing_covers_the_last_one_even_when_the_terminal_has_shrunk() {
    let capture = Capture::default();
    let columns = Arc::new(AtomicUsize::new(50));
    let size = Arc::clone(&columns);
    let mut tty =
        Tty::new(capture.output(), Box::new(move || Some((size.load(Ordering::Relaxed), 24))), false);
    tty.event(started(1, "[1/1] RUN x"), ms(0));
    tty.tick(ms(100));
    assert!(!capture.take().contains('\r'), "there is nothing to cover at first");
    tty.tick(ms(200));
    assert!(capture.take().starts_with("\r\x1b[2A[+]"));
    columns.store(20, Ordering::Relaxed);
    tty.tick(ms(300));
    // The header's 23 columns wrap into two rows of 20, the step's 49 into three.
    assert!(capture.take().starts_with("\r\x1b[5A[+]"));
}

/// A screen that becomes higher and lower, as tmux does it: rows that it loses go above its top, and come back.
struct Terminal {
    /// All rows, with those above the top.
    rows: Vec<String>,
    cursor: usize,
    height: usize,
}

impl Terminal {
    fn top(&self) -> usize {
        self.rows.len().saturating_sub(self.height)
    }

    fn resize(&mut self, height: usize) {
        // Empty rows below the cursor go first.
        self.rows.truncate(self.cursor + 1);
        self.height = height;
    }

    fn write(&mut self, text: &str) {
        let mut rest = text;
        while !rest.is_empty() {
            if let Some((up, after)) = rest.strip_prefix("\r\x1b[").and_then(|rest| rest.split_once('A')) {
                self.cursor = self.cursor.saturating_sub(up.parse().unwrap()).max(self.top());
                rest = after;
            } else if let Some(after) = rest.strip_prefix("\x1b[K\n") {
                self.cursor += 1;
                if self.cursor == self.rows.len() {
                    self.rows.push(String::new());
                }
                rest = after;
            } else if let Some(after) = rest.strip_prefix("\x1b[J") {
                self.rows.truncate(self.cursor);
                self.rows.push(String::new());
                rest = after;
            } else {
                let end = rest.find('\x1b').unwrap_or(rest.len());
                self.rows[self.cursor] = rest[..end].to_owned();
                rest = &rest[end..];
            }
        }
    }
}

#[test]
fn a_terminal_that_becomes_lower_and_higher_shows_one_list() {
    let capture = Capture::default();
    let height = Arc::new(AtomicUsize::new(24));
    let size = Arc::clone(&height);
    let mut tty =
        Tty::new(capture.output(), Box::new(move || Some((40, size.load(Ordering::Relaxed)))), false);
    for step in 1..=15 {
        tty.event(started(step, &format!("[{step}/15] RUN x")), ms(0));
    }
    let mut screen =
        Terminal { rows: vec!["$ strata build".to_owned(), String::new()], cursor: 1, height: 24 };
    for rows in [24, 24, 8, 8, 8, 12, 12, 6, 24, 24, 5, 30] {
        screen.resize(rows);
        height.store(rows, Ordering::Relaxed);
        tty.tick(ms(100));
        screen.write(&capture.take());
        let seen = &screen.rows[screen.top()..];
        let headers = seen.iter().filter(|row| row.starts_with("[+]")).count();
        assert_eq!(headers, 1, "{rows} rows: {seen:#?}");
        if rows >= 24 {
            assert_eq!(screen.rows.len(), 18, "{:#?}", screen.rows);
            assert_eq!(screen.rows[0], "$ strata build");
        }
    }
}

#[test]
fn what_is_drawn_over_can_be_taken_away() {
    let capture = Capture::default();
    let mut tty = tty(&capture, 50, 24);
    tty.hide();
    assert_eq!(capture.take(), "", "there is nothing yet");
    tty.event(started(1, "[1/1] RUN x"), ms(0));
    tty.tick(ms(100));
    capture.take();
    tty.hide();
    assert_eq!(capture.take(), "\r\x1b[2A\x1b[J");
    tty.tick(ms(200));
    assert!(capture.take().starts_with("[+] "), "what came meanwhile is not drawn over");
}

#[test]
fn notes_are_shown_while_a_step_runs_and_left_in_full() {
    let capture = Capture::default();
    let mut tty = tty(&capture, 40, 24);
    let note = "not cached: the file `/a/long/path/of/a/file` is new";
    tty.event(started(1, "[1/1] RUN x"), ms(0));
    tty.event(Event::Note { step: 1, text: note.to_owned() }, ms(0));
    tty.event(output(1, "x\n"), ms(0));
    tty.tick(ms(100));
    let live: Vec<String> = drawn(&capture).lines().skip(2).map(str::to_owned).collect();
    assert_eq!(live, [" => => not cached: the file `/a/long...", " => => # x"]);
    tty.event(Event::Note { step: 1, text: "warning: no user `u`".to_owned() }, ms(0));
    tty.event(Event::Done { step: 1, elapsed: ms(100) }, ms(100));
    tty.tick(ms(200));
    assert_eq!(drawn(&capture).lines().count(), 2);
    tty.finish(ms(200));
    let last: Vec<String> = drawn(&capture).lines().skip(2).map(str::to_owned).collect();
    assert_eq!(last, [format!(" => => {note}"), " => => warning: no user `u`".to_owned()]);
}

#[test]
fn the_whole_list_is_left_with_what_failed() {
    let capture = Capture::default();
    let mut tty = tty(&capture, 50, 3);
    example(&mut tty);
    tty.tick(ms(1000));
    tty.event(output(3, "npm ERR! \x1b[31mbad\x1b[0m\nhalf"), ms(1100));
    let reason = "exit code 1".to_owned();
    tty.event(Event::Failed { step: 3, elapsed: ms(1000), canceled: false, reason }, ms(1200));
    tty.event(started(4, "[b 1/1] RUN b"), ms(1200));
    let reason = String::new();
    tty.event(Event::Failed { step: 4, elapsed: ms(0), canceled: true, reason }, ms(1200));
    tty.event(Event::Warning { text: "old\nsyntax".to_owned() }, ms(1200));
    capture.take();
    tty.finish(ms(1200));
    let text = drawn(&capture);
    let (list, rest) = text.split_once("------\n").unwrap();
    assert_eq!(
        list,
        "\
[+] Building 1.2s (4/4)
 => CACHED [1/4] FROM node:12.20.1           0.0s
 => [2/4] COPY . /app                        0.1s
 => ERROR [3/4] RUN npm i                    1.0s
 => CANCELED [b 1/1] RUN b                   0.0s
"
    );
    assert!(rest.starts_with(" > [3/4] RUN npm i:\n0.100 line\t1\n"), "{rest}");
    assert!(rest.ends_with("0.900 npm ERR! bad\n1.000 half\n------\nwarning: old\nsyntax\n"), "{rest}");
}

#[test]
fn an_interrupted_build_is_not_finished() {
    let capture = Capture::default();
    let mut tty = tty(&capture, 50, 24);
    tty.event(started(1, "A"), ms(0));
    tty.event(Event::Failed { step: 1, elapsed: ms(0), canceled: true, reason: String::new() }, ms(0));
    tty.finish(ms(0));
    assert!(drawn(&capture).starts_with("[+] Building 0.0s (1/1)\n"));
}

#[test]
fn success_is_said_in_colour() {
    let capture = Capture::default();
    let mut tty = Tty::new(capture.output(), Box::new(|| None), true);
    tty.event(started(1, "A"), ms(0));
    tty.event(Event::Cached { step: 1 }, ms(0));
    tty.finish(ms(12));
    let text = capture.take();
    assert!(text.starts_with("\x1b[36m[+] Building 0.0s (1/1) FINISHED\x1b[0m\x1b[K\n"), "{text:?}");
    assert_eq!(text.matches("\x1b[36m").count(), 2);
}

#[test]
fn transfers_are_shown_while_they_run() {
    let capture = Capture::default();
    let mut tty = tty(&capture, 40, 24);
    tty.event(started(1, "load"), ms(0));
    tty.event(Event::Transfer { step: 1, done: 12_345_678, total: Some(40_000_000) }, ms(0));
    tty.event(output(1, "x\n"), ms(0));
    tty.tick(ms(100));
    assert!(drawn(&capture).ends_with("\n => => 12.35MB / 40MB\n => => # x\n"));
}

#[test]
fn nothing_is_drawn_without_steps() {
    let capture = Capture::default();
    let mut tty = tty(&capture, 40, 24);
    tty.tick(ms(100));
    tty.finish(ms(200));
    assert_eq!(capture.take(), "");
}
