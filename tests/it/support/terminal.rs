//! The binary on a terminal.

use std::ffi::OsStr;
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use super::env::Env;

/// Runs the binary on a terminal of 33 lines and 77 columns, types `input` once `cue` is shown, and gives its exit code
/// and what is on the terminal at the end.
pub(crate) fn on_a_terminal(env: &Env, args: &[&str], (cue, input): (&str, &str)) -> (Option<i32>, String) {
    let command = env.command(args);
    let quote = |word: &OsStr| format!("'{}'", word.to_str().unwrap().replace('\'', r"'\''"));
    let words: Vec<String> =
        [command.get_program()].into_iter().chain(command.get_args()).map(quote).collect();
    let line = format!("stty rows 33 cols 77; exec {}", words.join(" "));
    let mut terminal = Command::new("script");
    terminal.args(["--quiet", "--return", "--flush", "--echo", "never", "--command", &line, "/dev/null"]);
    terminal
        .current_dir(env.path(""))
        .env("SHELL", "/bin/sh")
        .env("NO_COLOR", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = terminal.spawn().expect("`script` makes the terminal: apt-get install bsdutils");
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let (mut shown, mut typed, mut buffer) = (String::new(), false, [0; 4096]);
    loop {
        if !typed && shown.contains(cue) {
            stdin.write_all(input.as_bytes()).unwrap();
            typed = true;
        }
        match stdout.read(&mut buffer).unwrap() {
            0 => break,
            count => shown.push_str(std::str::from_utf8(&buffer[..count]).unwrap()),
        }
    }
    drop(stdin);
    (child.wait().unwrap().code(), shown.replace('\r', ""))
}
