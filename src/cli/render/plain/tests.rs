//! Events at given times, and the text that they give.

use super::super::capture::Capture;
use super::*;
use crate::progress::Stream;

fn started(step: usize, name: &str) -> Event {
    Event::Started { step, name: name.to_owned() }
}

fn output(step: usize, text: &str) -> Event {
    Event::Output { step, stream: Stream::Stdout, bytes: text.as_bytes().to_vec() }
}

fn done(step: usize, millis: u64) -> Event {
    Event::Done { step, elapsed: Duration::from_millis(millis) }
}

fn failed(step: usize, canceled: bool, reason: &str) -> Event {
    Event::Failed { step, elapsed: Duration::ZERO, canceled, reason: reason.to_owned() }
}

/// The text that events at these milliseconds give.
fn shown(events: impl IntoIterator<Item = (u64, Event)>) -> String {
    let capture = Capture::default();
    let mut plain = Plain::new(capture.output());
    let mut last = 0;
    for (millis, event) in events {
        plain.event(event, Duration::from_millis(millis));
        last = millis;
    }
    plain.finish(Duration::from_millis(last));
    capture.take()
}

#[test]
fn steps_one_after_the_other() {
    let text = shown([
        (0, started(1, "[1/4] FROM node:12.20.1")),
        (1, Event::Cached { step: 1 }),
        (1, started(2, "[2/4] COPY . /app")),
        (100, done(2, 99)),
        (100, started(3, "[3/4] RUN npm i")),
        (223, output(3, "added 1\npack")),
        (300, output(3, "age\n")),
        (400, Event::Note { step: 3, text: "no lock file".to_owned() }),
        (500, output(3, "no end")),
        (600, failed(3, false, "exit code 1\nof `npm i`")),
        (600, started(4, "[4/4] RUN x")),
        (600, failed(4, true, "")),
    ]);
    assert_eq!(
        text,
        "\
#1 [1/4] FROM node:12.20.1
#1 CACHED

#2 [2/4] COPY . /app
#2 DONE 0.1s

#3 [3/4] RUN npm i
#3 0.123 added 1
#3 0.200 package
#3 no lock file
#3 0.500 no end
#3 ERROR: exit code 1 of `npm i`

#4 [4/4] RUN x
#4 CANCELED
------
 > [3/4] RUN npm i:
0.123 added 1
0.200 package
0.500 no end
------
"
    );
}

#[test]
fn what_a_failed_step_said_last_is_repeated_unless_it_stands_there_already() {
    let lines = |range: std::ops::RangeInclusive<usize>| -> String {
        range.map(|number| format!("{number}\n")).collect()
    };
    let alone = [(0, started(1, "A")), (0, output(1, &lines(1..=30))), (1, failed(1, false, "x"))];
    assert!(!shown(alone).contains("------"));

    // Another step's lines stood between the last ones.
    let mixed = || {
        vec![
            (0, started(1, "A")),
            (0, started(2, "B")),
            (0, output(1, &lines(1..=15))),
            (10, output(2, "b\n")),
            (20, done(2, 20)),
        ]
    };
    let mut few = mixed();
    few.extend([(30, output(1, &lines(16..=30))), (30, failed(1, false, "x"))]);
    let tail: String = (11..=30).map(|n| format!("0.0{} {n}\n", if n > 15 { "30" } else { "00" })).collect();
    let text = shown(few);
    assert!(text.ends_with(&format!("#1 ERROR: x\n------\n > A:\n{tail}------\n")), "{text}");

    // They stood before them all.
    let mut many = mixed();
    many.extend([(30, output(1, &lines(16..=35))), (30, failed(1, false, "x"))]);
    assert!(!shown(many).contains("------"));
}

#[test]
fn of_a_long_reason_only_the_beginning_is_shown() {
    let long = "é".repeat(REASON_MAX + 1);
    for (reason, text) in [
        (&long[..], format!("#1 ERROR: {}…", "é".repeat(REASON_MAX))),
        (&long[2..], format!("#1 ERROR: {}", "é".repeat(REASON_MAX))),
        ("", "#1 ERROR".to_owned()),
    ] {
        assert_eq!(shown([(0, started(1, "A")), (0, failed(1, false, reason))]), format!("#1 A\n{text}\n"));
    }
}

#[test]
fn a_step_beside_waits_until_the_current_one_ends() {
    let text = shown([
        (0, started(1, "[a 1/1] RUN a")),
        (0, started(2, "[b 1/1] RUN b")),
        (100, output(2, "b1\n")),
        (200, output(1, "a1\n")),
        (300, done(1, 300)),
        (400, done(2, 400)),
    ]);
    assert_eq!(
        text,
        "\
#1 [a 1/1] RUN a
#1 0.200 a1
#1 DONE 0.3s

#2 [b 1/1] RUN b
#2 0.100 b1
#2 DONE 0.4s
"
    );
}

#[test]
fn a_step_that_ends_is_shown_at_once() {
    let text = shown([
        (0, started(1, "[a 1/1] RUN a")),
        (0, started(2, "[b 1/1] RUN b")),
        (10, done(2, 10)),
        (20, output(1, "a1\n")),
        (30, done(1, 30)),
    ]);
    assert_eq!(
        text,
        "\
#1 [a 1/1] RUN a
#1 ...

#2 [b 1/1] RUN b
#2 DONE 0.0s

#1 [a 1/1] RUN a
#1 0.020 a1
#1 DONE 0.0s
"
    );
}

#[test]
fn a_silent_step_makes_room() {
    let capture = Capture::default();
    let mut plain = Plain::new(capture.output());
    plain.event(started(1, "A"), Duration::ZERO);
    plain.event(started(2, "B"), Duration::ZERO);
    plain.event(output(2, "b1\n"), Duration::from_millis(10));
    plain.tick(Duration::from_millis(999));
    assert_eq!(capture.take(), "#1 A\n");
    plain.tick(Duration::from_secs(1));
    assert_eq!(capture.take(), "#1 ...\n\n#2 B\n#2 0.010 b1\n");
    plain.tick(Duration::from_secs(9));
    assert_eq!(capture.take(), "", "nothing is waiting");
}

#[test]
fn a_busy_step_makes_room_after_a_while() {
    let capture = Capture::default();
    let mut plain = Plain::new(capture.output());
    plain.event(started(1, "A"), Duration::ZERO);
    plain.event(started(2, "B"), Duration::from_millis(100));
    for tenths in 1..=50 {
        plain.event(output(1, "a\n"), Duration::from_millis(tenths * 100));
        plain.tick(Duration::from_millis(tenths * 100 + 1));
    }
    assert!(!capture.take().contains('B'));
    plain.tick(Duration::from_millis(5100));
    assert_eq!(capture.take(), "#1 ...\n\n#2 B\n");
}

#[test]
fn what_is_held_back_is_bounded() {
    let capture = Capture::default();
    let mut plain = Plain::new(capture.output());
    plain.event(started(1, "A"), Duration::ZERO);
    plain.event(started(2, "B"), Duration::ZERO);
    let line = format!("{}\n", "x".repeat(HELD_MAX));
    plain.event(output(2, &line), Duration::ZERO);
    assert!(capture.take().ends_with(&format!("#2 B\n#2 0.000 {line}")));
}

#[test]
fn warnings_stand_alone() {
    let text = shown([
        (0, started(1, "A")),
        (1, Event::Warning { text: "old syntax\nhelp: write new".to_owned() }),
        (2, done(1, 2)),
    ]);
    assert_eq!(text, "#1 A\n#1 ...\n\nwarning: old syntax\nhelp: write new\n\n#1 A\n#1 DONE 0.0s\n");
}

#[test]
fn transfers_are_told_of_now_and_then() {
    let transfer = |done| Event::Transfer { step: 1, done, total: Some(40_000_000) };
    let text = shown([
        (0, started(1, "load")),
        (0, transfer(0)),
        (1000, transfer(10_000_000)),
        (5000, transfer(12_345_678)),
        (6000, transfer(40_000_000)),
        (6000, done(1, 6000)),
    ]);
    assert_eq!(text, "#1 load\n#1 12.35MB / 40MB, 2.47MB/s\n#1 transferred 40MB\n#1 DONE 6.0s\n");
}

#[test]
fn an_interrupted_build_shows_what_is_left() {
    let text =
        shown([(0, started(1, "A")), (0, started(2, "B")), (1, output(1, "half")), (1, output(2, "x\n"))]);
    assert_eq!(text, "#1 A\n#1 0.001 half\n#1 ...\n\n#2 B\n#2 0.001 x\n");
}

#[test]
fn steps_that_nobody_started_are_ignored() {
    assert_eq!(shown([(0, output(7, "x\n")), (0, done(7, 1))]), "");
}
