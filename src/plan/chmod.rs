//! `--chmod`: modes as chmod(1) writes them.
//!
//! A symbolic mode without `u`, `g`, `o` or `a` means all three: there is no umask in a build.

use std::fmt;
use std::str::FromStr;

use crate::oci::{Fingerprint, FingerprintHasher};

const SET_UID: u32 = 0o4000;
const SET_GID: u32 = 0o2000;
const STICKY: u32 = 0o1000;
const ALL: u32 = 0o7777;

/// How a mode is changed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Chmod {
    /// To this one, 0 to 0o7777.
    Octal(u32),
    /// By these clauses, in order.
    Symbolic(Vec<Clause>),
}

/// One change of a symbolic mode, such as `u=rw` or the `+x` in `u=rw+x`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Clause {
    /// Whose bits, as the mask of `rwx` bits: `u` is 0o700, `g` 0o070, `o` 0o007.
    who: u32,
    operator: Operator,
    permissions: Permissions,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Operator {
    Add,
    Remove,
    Set,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Permissions {
    /// Letters.
    Letters {
        /// `r`, `w` and `x` as bits of one digit.
        bits: u32,
        /// `X`: `x` for directories and for what somebody may execute already.
        conditional_execute: bool,
        /// `s`
        set_id: bool,
        /// `t`
        sticky: bool,
    },
    /// The bits that `u` (shift 6), `g` (3) or `o` (0) has at that time.
    CopyOf { shift: u32 },
}

/// A text is not a mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChmodError {
    /// It begins like a number.
    #[error("`{text}` is not a mode: a number must be octal and between 0 and 07777")]
    Number {
        /// The text.
        text: String,
    },
    /// It does not.
    #[error(
        "`{text}` is not a mode: expected an octal number such as `755` or changes such as `u=rwX,go=rX`"
    )]
    Symbolic {
        /// The text.
        text: String,
    },
}

impl Chmod {
    /// The mode of a directory that is made on the way: a number as it is, and 0755 where clauses have nothing to change.
    pub fn made_directory(&self) -> u32 {
        match self {
            Self::Octal(mode) => *mode,
            Self::Symbolic(_) => 0o755,
        }
    }

    /// The mode (permission bits, set-id bits and sticky bit) that something with `mode` gets.
    #[must_use]
    pub fn apply(&self, mode: u32, is_directory: bool) -> u32 {
        match self {
            Self::Octal(octal) => *octal,
            Self::Symbolic(clauses) => {
                clauses.iter().fold(mode & ALL, |mode, clause| clause.apply(mode, is_directory))
            }
        }
    }
}

impl Clause {
    fn apply(self, mode: u32, is_directory: bool) -> u32 {
        let wanted = self.wanted(mode, is_directory);
        match self.operator {
            Operator::Add => mode | wanted,
            Operator::Remove => mode & !wanted,
            Operator::Set => mode & !self.replaced(is_directory) | wanted,
        }
    }

    /// The bits that the clause names.
    fn wanted(self, mode: u32, is_directory: bool) -> u32 {
        match self.permissions {
            Permissions::CopyOf { shift } => spread(mode >> shift & 7) & self.who,
            Permissions::Letters { bits, conditional_execute, set_id, sticky } => {
                let execute = conditional_execute && (is_directory || mode & 0o111 != 0);
                let mut wanted = spread(bits | u32::from(execute)) & self.who;
                if set_id {
                    wanted |= self.set_ids();
                }
                if sticky && self.who & 7 != 0 {
                    wanted |= STICKY;
                }
                wanted
            }
        }
    }

    /// The bits that `=` takes away. As in GNU chmod a directory keeps its set-id bits unless they are named.
    fn replaced(self, is_directory: bool) -> u32 {
        let set_ids = if is_directory { 0 } else { self.set_ids() };
        let sticky = if self.who & 7 != 0 { STICKY } else { 0 };
        self.who | set_ids | sticky
    }

    fn set_ids(self) -> u32 {
        let user = if self.who & 0o700 != 0 { SET_UID } else { 0 };
        let group = if self.who & 0o070 != 0 { SET_GID } else { 0 };
        user | group
    }
}

/// The bits of one digit in all three places.
fn spread(bits: u32) -> u32 {
    bits << 6 | bits << 3 | bits
}

impl fmt::Display for Chmod {
    /// A normal form that [`str::parse`] reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Octal(mode) => write!(f, "{mode:04o}"),
            Self::Symbolic(clauses) => {
                for (i, clause) in clauses.iter().enumerate() {
                    let comma = if i == 0 { "" } else { "," };
                    write!(f, "{comma}{clause}")?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (mask, letter) in [(0o700, "u"), (0o070, "g"), (0o007, "o")] {
            if self.who & mask != 0 {
                f.write_str(letter)?;
            }
        }
        f.write_str(match self.operator {
            Operator::Add => "+",
            Operator::Remove => "-",
            Operator::Set => "=",
        })?;
        match self.permissions {
            Permissions::CopyOf { shift: 6 } => f.write_str("u"),
            Permissions::CopyOf { shift: 3 } => f.write_str("g"),
            Permissions::CopyOf { .. } => f.write_str("o"),
            Permissions::Letters { bits, conditional_execute, set_id, sticky } => {
                let letters = [
                    (bits & 4 != 0, "r"),
                    (bits & 2 != 0, "w"),
                    (bits & 1 != 0, "x"),
                    (conditional_execute, "X"),
                    (set_id, "s"),
                    (sticky, "t"),
                ];
                letters.iter().filter(|(is_set, _)| *is_set).try_for_each(|(_, letter)| f.write_str(letter))
            }
        }
    }
}

impl FromStr for Chmod {
    type Err = ChmodError;

    fn from_str(text: &str) -> Result<Self, ChmodError> {
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            let digits = text.bytes().all(|b| matches!(b, b'0'..=b'7'));
            return match u32::from_str_radix(text, 8) {
                Ok(mode) if digits && mode <= ALL => Ok(Self::Octal(mode)),
                _ => Err(ChmodError::Number { text: text.to_owned() }),
            };
        }
        let mut clauses = Vec::new();
        for part in text.split(',') {
            parse_part(part, &mut clauses).ok_or_else(|| ChmodError::Symbolic { text: text.to_owned() })?;
        }
        Ok(Self::Symbolic(clauses))
    }
}

/// One part between commas: who, then one or more operators with permissions. `None` if it is not well formed.
fn parse_part(part: &str, clauses: &mut Vec<Clause>) -> Option<()> {
    let start = part.find(['+', '-', '='])?;
    let mut who = 0;
    for letter in part[..start].chars() {
        who |= match letter {
            'u' => 0o700,
            'g' => 0o070,
            'o' => 0o007,
            'a' => 0o777,
            _ => return None,
        };
    }
    let who = if start == 0 { 0o777 } else { who };
    let mut rest = &part[start..];
    while let Some(first) = rest.chars().next() {
        let operator = match first {
            '+' => Operator::Add,
            '-' => Operator::Remove,
            _ => Operator::Set,
        };
        let end = rest[1..].find(['+', '-', '=']).map_or(rest.len(), |at| at + 1);
        clauses.push(Clause { who, operator, permissions: parse_permissions(&rest[1..end])? });
        rest = &rest[end..];
    }
    Some(())
}

fn parse_permissions(text: &str) -> Option<Permissions> {
    match text {
        "u" => return Some(Permissions::CopyOf { shift: 6 }),
        "g" => return Some(Permissions::CopyOf { shift: 3 }),
        "o" => return Some(Permissions::CopyOf { shift: 0 }),
        _ => {}
    }
    let (mut bits, mut conditional_execute, mut set_id, mut sticky) = (0, false, false, false);
    for letter in text.chars() {
        match letter {
            'r' => bits |= 4,
            'w' => bits |= 2,
            'x' => bits |= 1,
            'X' => conditional_execute = true,
            's' => set_id = true,
            't' => sticky = true,
            _ => return None,
        }
    }
    Some(Permissions::Letters { bits, conditional_execute, set_id, sticky })
}

impl Fingerprint for Chmod {
    fn fingerprint(&self, hasher: &mut FingerprintHasher) {
        match self {
            Self::Octal(mode) => {
                hasher.number(0);
                hasher.number(u64::from(*mode));
            }
            Self::Symbolic(clauses) => {
                hasher.number(1);
                hasher.value(clauses);
            }
        }
    }
}

impl Fingerprint for Clause {
    fn fingerprint(&self, hasher: &mut FingerprintHasher) {
        let Self { who, operator, permissions } = self;
        hasher.number(u64::from(*who));
        hasher.number(match operator {
            Operator::Add => 0,
            Operator::Remove => 1,
            Operator::Set => 2,
        });
        match permissions {
            Permissions::Letters { bits, conditional_execute, set_id, sticky } => {
                hasher.number(u64::from(*bits));
                hasher.value(conditional_execute);
                hasher.value(set_id);
                hasher.value(sticky);
            }
            Permissions::CopyOf { shift } => hasher.number(0o100 + u64::from(*shift)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::Command;

    use super::*;

    const MODES: [u32; 8] = [0, 0o644, 0o755, 0o601, 0o4755, 0o2775, 0o1777, 0o7777];

    /// What chmod(1) makes of a file and of a directory with each of the modes. Under umask 0 a clause that does not
    /// say whose bits it means is about everybody's.
    fn chmod_1(text: &str) -> Vec<(u32, bool, u32)> {
        let dir = tempfile::tempdir().unwrap();
        let cases = MODES.iter().flat_map(|&mode| [(mode, false), (mode, true)]);
        let cases: Vec<(u32, bool, std::path::PathBuf)> =
            cases.map(|(mode, is_dir)| (mode, is_dir, dir.path().join(format!("{mode}{is_dir}")))).collect();
        for (mode, is_directory, path) in &cases {
            if *is_directory { fs::create_dir(path) } else { fs::write(path, "") }.unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(*mode)).unwrap();
        }
        let script = r#"umask 0 && exec chmod -- "$@""#;
        let paths = cases.iter().map(|(_, _, path)| path);
        let status = Command::new("/bin/sh").args(["-c", script, "sh", text]).args(paths).status().unwrap();
        assert!(status.success(), "chmod {text}");
        let mode = |path| fs::metadata(path).unwrap().permissions().mode() & ALL;
        cases.iter().map(|(before, is_directory, path)| (*before, *is_directory, mode(path))).collect()
    }

    #[test]
    fn symbolic_modes_are_those_of_chmod_1() {
        let texts = [
            "u=rwX,go=rX",
            "+x",
            "-w",
            "=r",
            "a+rwx",
            "u+s",
            "g+s,o+t",
            "ug-s",
            "+s",
            "+t",
            "=t",
            "o=t",
            "u=",
            "a=",
            "go=u",
            "u=g",
            "o+u-w",
            "u+x-r",
            "g=u,u=o",
            "a+X",
            "-x+X",
            "u=rws",
            "g=s",
            "o=s",
            "u+t",
            "ugo=rx",
            "-s",
            "u=rw",
            "g=rx",
            "a=rwx",
            "+rwxXst",
        ];
        for text in texts {
            let chmod: Chmod = text.parse().unwrap();
            assert_eq!(chmod.to_string().parse::<Chmod>().unwrap(), chmod, "{text}");
            for (mode, is_directory, expected) in chmod_1(text) {
                let found = chmod.apply(mode, is_directory);
                let case = format!("{text} on {mode:04o}, directory: {is_directory}");
                assert_eq!(format!("{found:04o}"), format!("{expected:04o}"), "{case}");
            }
        }
    }

    #[test]
    fn octal_modes_replace_all_bits() {
        for (text, mode) in [("0644", 0o644), ("777", 0o777), ("0", 0), ("07777", 0o7777)] {
            let chmod: Chmod = text.parse().unwrap();
            assert_eq!(chmod, Chmod::Octal(mode), "{text}");
            assert_eq!(chmod.apply(0o6755, true), mode, "{text}");
        }
    }

    #[test]
    fn what_is_no_mode_is_refused() {
        for text in ["64a", "10000", "8", "0x1", "99999999999999999999"] {
            assert_eq!(text.parse::<Chmod>(), Err(ChmodError::Number { text: text.to_owned() }));
        }
        for text in ["", "u", "x+r", "u+y", "u+rg", "+r,", ",", "u*r", "-é", "é+r", "uu"] {
            assert_eq!(text.parse::<Chmod>(), Err(ChmodError::Symbolic { text: text.to_owned() }));
        }
    }
}
