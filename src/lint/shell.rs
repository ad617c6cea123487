//! The simple commands in a shell's text, as far as rules need them: what is run with which words.
//!
//! No shell: expansions stay as they are written, and what a substitution runs counts as a part of a word. Whoever
//! draws conclusions does so only from words that are plain.

/// A command with its words, quotes removed; assignments and words before it that run it are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Simple {
    pub(super) words: Vec<String>,
}

/// Words before a command that do not change which one it is.
const PREFIXES: [&str; 16] = [
    "if", "then", "else", "elif", "do", "while", "until", "!", "{", "}", "time", "exec", "sudo", "env",
    "command", "nice",
];

/// Words that end a list of commands.
const ENDS: [&str; 3] = ["fi", "done", "esac"];

impl Simple {
    fn new(words: Vec<String>) -> Option<Self> {
        let mut words = words.into_iter().peekable();
        let mut after_prefix = false;
        while let Some(word) = words.peek() {
            let is_prefix = PREFIXES.contains(&word.as_str()) || ENDS.contains(&word.as_str());
            let is_option_of_prefix = after_prefix && word.starts_with('-');
            if !(is_prefix || is_assignment(word) || is_option_of_prefix) {
                break;
            }
            after_prefix |= is_prefix;
            words.next();
        }
        let words: Vec<String> = words.collect();
        (!words.is_empty()).then_some(Self { words })
    }

    /// A command that is an argument vector.
    pub(super) fn exec(words: &[String]) -> Option<Self> {
        Self::new(words.to_vec())
    }

    /// The program's name, without its directory.
    pub(super) fn program(&self) -> &str {
        self.words[0].rsplit('/').next().unwrap_or_default()
    }

    /// The words behind the program.
    pub(super) fn arguments(&self) -> &[String] {
        &self.words[1..]
    }

    /// Whether one of the arguments is `word`.
    pub(super) fn has(&self, word: &str) -> bool {
        self.arguments().iter().any(|argument| argument == word)
    }

    /// The first argument that is no option. `valued` are options whose value is the next word.
    pub(super) fn verb(&self, valued: &[&str]) -> Option<&str> {
        let mut arguments = self.arguments().iter();
        while let Some(argument) = arguments.next() {
            if valued.contains(&argument.as_str()) {
                arguments.next();
            } else if !argument.starts_with('-') {
                return Some(argument);
            }
        }
        None
    }
}

fn is_assignment(word: &str) -> bool {
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    word.split_once('=').is_some_and(|(name, _)| is_name(name))
}

/// The commands in a text, in order.
pub(super) fn commands(text: &str) -> Vec<Simple> {
    let mut splitter =
        Splitter { chars: text.chars().peekable(), commands: Vec::new(), words: Vec::new(), word: None };
    splitter.run();
    splitter.commands
}

struct Splitter<'t> {
    chars: std::iter::Peekable<std::str::Chars<'t>>,
    commands: Vec<Simple>,
    words: Vec<String>,
    word: Option<String>,
}

impl Splitter<'_> {
    fn run(&mut self) {
        while let Some(c) = self.chars.next() {
            match c {
                '\'' | '"' => self.quoted(c),
                '\\' => match self.chars.next() {
                    Some('\n') | None => {}
                    Some(next) => self.push(next),
                },
                '$' if self.chars.peek() == Some(&'(') => self.substitution(),
                '`' => {
                    self.push(c);
                    self.until('`');
                }
                '#' if self.word.is_none() => while self.chars.next_if(|&c| c != '\n').is_some() {},
                // `2>&1` and `&>file` are no ends.
                '&' if self.word.as_ref().is_some_and(|word| word.ends_with('>')) => self.push(c),
                '&' if self.chars.peek() == Some(&'>') => self.push(c),
                ';' | '|' | '&' | '\n' | '(' | ')' => self.end_command(),
                _ if c.is_whitespace() => self.end_word(),
                _ => self.push(c),
            }
        }
        self.end_command();
    }

    fn push(&mut self, c: char) {
        self.word.get_or_insert_default().push(c);
    }

    fn quoted(&mut self, quote: char) {
        self.word.get_or_insert_default();
        while let Some(c) = self.chars.next() {
            match c {
                _ if c == quote => return,
                '\\' if quote == '"' => {
                    if let Some(next) = self.chars.next() {
                        self.push(next);
                    }
                }
                _ => self.push(c),
            }
        }
    }

    /// Takes `$(…)` as a part of the word, blanks and all.
    fn substitution(&mut self) {
        self.push('$');
        let mut depth = 0_usize;
        while let Some(c) = self.chars.next() {
            self.push(c);
            match c {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return;
            }
        }
    }

    fn until(&mut self, end: char) {
        while let Some(c) = self.chars.next() {
            self.push(c);
            if c == end {
                return;
            }
        }
    }

    fn end_word(&mut self) {
        self.words.extend(self.word.take());
    }

    fn end_command(&mut self) {
        self.end_word();
        self.commands.extend(Simple::new(std::mem::take(&mut self.words)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_as_a_shell_does() {
        let cases = [
            ("a b && c 'd e'", "a b|c d e"),
            ("set -ex; apt-get update", "set -ex|apt-get update"),
            ("A=1 B=2 make all", "make all"),
            ("sudo -E apt-get install x", "apt-get install x"),
            ("if test -f x; then rm x; fi", "test -f x|rm x"),
            ("x 2>&1 | tee log", "x 2>&1|tee log"),
            ("echo \"a; b\" # c && d", "echo a; b"),
            ("x $(y && z) w", "x $(y && z) w"),
            ("(cd a && b)", "cd a|b"),
            ("one\ntwo", "one|two"),
            ("", ""),
            ("$(", "$("),
        ];
        for (text, expected) in cases {
            let found: Vec<String> = commands(text).iter().map(|simple| simple.words.join(" ")).collect();
            assert_eq!(found.join("|"), expected, "{text}");
        }
    }

    #[test]
    fn verbs_stand_behind_options() {
        let simple = &commands("apt-get -y -o A=b install x")[0];
        assert_eq!(simple.verb(&["-o"]), Some("install"));
        assert_eq!((simple.program(), simple.has("-y")), ("apt-get", true));
    }
}
