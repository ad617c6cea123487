//! References to Git repositories: `https://host/repo.git#ref:subdir`, or with a query instead of a fragment.

use std::fmt;

use super::{RemoteError, check_authority, host, is_http, percent_decoded, without_user};

/// What a query may ask for.
pub(super) const KEYS: [&str; 10] = [
    "ref",
    "tag",
    "branch",
    "commit",
    "checksum",
    "subdir",
    "keep-git-dir",
    "submodules",
    "mtime",
    "fetch-by-commit",
];

/// The fewest digits that a commit may be named with.
const MIN_DIGITS: usize = 7;

/// A tree in a Git repository.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GitRef {
    /// The repository's address, as git takes it. It may hold a password.
    pub remote: String,
    /// A branch, a tag, a full reference or a full commit; `None` for the default branch.
    pub reference: Option<String>,
    /// What the commit has to be or begin with, in lower case.
    pub commit: Option<String>,
    /// The directory in the repository, without `.` and `..`; `None` for all of it.
    pub subdir: Option<String>,
    /// Whether `.git` stays; `None` if nothing is said.
    pub keep_git_dir: Option<bool>,
    /// Whether submodules are fetched too.
    pub submodules: bool,
    /// What time files have.
    pub mtime: ModificationTime,
    /// Whether the commit is fetched by its id, without asking where the reference points to.
    pub fetch_by_commit: bool,
}

/// What modification time the files of a Git repository have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ModificationTime {
    /// When they were checked out.
    #[default]
    Checkout,
    /// When the commit was made.
    Commit,
}

impl GitRef {
    /// The default branch of the repository at an address, all of it, with its submodules.
    pub fn new(remote: String) -> Self {
        Self {
            remote,
            reference: None,
            commit: None,
            subdir: None,
            keep_git_dir: None,
            submodules: true,
            mtime: ModificationTime::default(),
            fetch_by_commit: false,
        }
    }

    /// The address without user and password. Ssh needs its user, which is no secret.
    pub fn redacted(&self) -> String {
        if is_http(&self.remote) { without_user(&self.remote) } else { self.remote.clone() }
    }

    /// Demands a commit, as `ADD --checksum` does, beside what the reference itself says.
    pub fn require_commit(&mut self, text: &str) -> Result<(), RemoteError> {
        let digits = text.len() >= MIN_DIGITS && text.len() <= 64;
        if !digits || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(RemoteError::Commit { text: text.to_owned() });
        }
        self.commit = Some(text.to_ascii_lowercase());
        Ok(())
    }

    /// Reads an address with its fragment or query.
    pub(super) fn parse(text: &str) -> Result<Self, RemoteError> {
        let (base, fragment) = text.split_once('#').unwrap_or((text, ""));
        let (remote, query) = base.split_once('?').unwrap_or((base, ""));
        check_remote(remote)?;
        let mut git = Self::new(remote.to_owned());
        git.read_fragment(fragment)?;
        git.read_query(query)?;
        Ok(git)
    }

    /// `ref:subdir`
    fn read_fragment(&mut self, fragment: &str) -> Result<(), RemoteError> {
        let fragment = percent_decoded(fragment)?;
        let (reference, subdir) = fragment.split_once(':').unwrap_or((&fragment, ""));
        if !reference.is_empty() {
            self.reference = Some(checked_reference(reference)?);
        }
        self.subdir = clean_subdir(subdir)?;
        Ok(())
    }

    fn read_query(&mut self, query: &str) -> Result<(), RemoteError> {
        let in_fragment = (self.reference.is_some(), self.subdir.is_some());
        let mut seen = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let key = KEYS.into_iter().find(|key| *key == name);
            let key = key.ok_or_else(|| RemoteError::UnknownKey { key: name.to_owned() })?;
            check_alone(key, &seen, in_fragment)?;
            seen.push(key);
            self.set(key, &percent_decoded(&value.replace('+', " "))?)?;
        }
        let is_full = self.commit.as_deref().is_some_and(is_full_commit);
        if self.fetch_by_commit && !is_full {
            return Err(RemoteError::FetchByCommit);
        }
        Ok(())
    }

    fn set(&mut self, key: &'static str, value: &str) -> Result<(), RemoteError> {
        let is_flag = matches!(key, "keep-git-dir" | "submodules" | "fetch-by-commit");
        if value.is_empty() && !is_flag {
            return Err(RemoteError::NoValue { key });
        }
        match key {
            "ref" => self.reference = Some(checked_reference(value)?),
            "tag" => self.reference = Some(below("refs/tags/", value)?),
            "branch" => self.reference = Some(below("refs/heads/", value)?),
            "commit" | "checksum" => self.require_commit(value)?,
            "subdir" => self.subdir = clean_subdir(value)?,
            "keep-git-dir" => self.keep_git_dir = Some(boolean(key, value)?),
            "submodules" => self.submodules = boolean(key, value)?,
            "fetch-by-commit" => self.fetch_by_commit = boolean(key, value)?,
            _ => self.mtime = modification_time(value)?,
        }
        Ok(())
    }
}

/// Refuses a key that says again what the fragment or an earlier key has said.
fn check_alone(
    key: &'static str,
    seen: &[&'static str],
    (ref_in_fragment, subdir_in_fragment): (bool, bool),
) -> Result<(), RemoteError> {
    if seen.contains(&key) {
        return Err(RemoteError::Repeated { key });
    }
    let rivals: &[&str] = match key {
        "ref" | "tag" | "branch" => &["ref", "tag", "branch"],
        "commit" | "checksum" => &["commit", "checksum"],
        _ => &[],
    };
    if let Some(first) = seen.iter().find(|name| rivals.contains(name)) {
        return Err(RemoteError::Conflict { first, second: key });
    }
    let in_fragment = (ref_in_fragment && rivals.contains(&"ref")) || (subdir_in_fragment && key == "subdir");
    if in_fragment {
        return Err(RemoteError::Conflict { first: "#", second: key });
    }
    Ok(())
}

/// Does the text name a commit with all of its digits?
pub fn is_full_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Go's idea of a boolean; nothing means that it is so.
fn boolean(key: &'static str, value: &str) -> Result<bool, RemoteError> {
    match value {
        "" | "1" | "t" | "T" | "true" | "True" | "TRUE" => Ok(true),
        "0" | "f" | "F" | "false" | "False" | "FALSE" => Ok(false),
        _ => Err(RemoteError::Boolean { key, value: value.to_owned() }),
    }
}

fn modification_time(value: &str) -> Result<ModificationTime, RemoteError> {
    match value {
        "checkout" => Ok(ModificationTime::Checkout),
        "commit" => Ok(ModificationTime::Commit),
        _ => Err(RemoteError::ModificationTime { value: value.to_owned() }),
    }
}

fn below(prefix: &str, name: &str) -> Result<String, RemoteError> {
    let name = checked_reference(name)?;
    Ok(if name.starts_with(prefix) { name } else { format!("{prefix}{name}") })
}

/// git-check-ref-format(1), and nothing that git would take for an option or a pattern.
fn checked_reference(text: &str) -> Result<String, RemoteError> {
    let wrong_character = |c: char| c.is_control() || c.is_whitespace() || "~^:?*[\\".contains(c);
    let wrong_part =
        |part: &str| part.is_empty() || part.starts_with('.') || part.strip_suffix(".lock").is_some();
    let wrong = text.starts_with('-')
        || text.ends_with('.')
        || text == "@"
        || text.contains("..")
        || text.contains("@{")
        || text.contains(wrong_character)
        || text.split('/').any(wrong_part);
    if wrong {
        return Err(RemoteError::Reference { text: text.to_owned() });
    }
    Ok(text.to_owned())
}

fn clean_subdir(text: &str) -> Result<Option<String>, RemoteError> {
    let parts: Vec<&str> = text.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    if parts.contains(&"..") || text.contains('\0') {
        return Err(RemoteError::Subdir { text: text.to_owned() });
    }
    Ok((!parts.is_empty()).then(|| parts.join("/")))
}

fn check_remote(remote: &str) -> Result<(), RemoteError> {
    if is_scp_like(remote) {
        // Its user and host were looked at, and git refuses a path that looks like an option.
        return if remote.contains(char::is_control) { Err(RemoteError::Space) } else { Ok(()) };
    }
    check_authority(remote)?;
    let user = super::authority(remote).strip_suffix(host(remote)).unwrap_or_default();
    if user.starts_with('-') {
        return Err(RemoteError::Host { host: user.to_owned() });
    }
    if !is_http(remote) && user.contains(':') {
        return Err(RemoteError::Password);
    }
    Ok(())
}

/// `user@host:path`, as ssh's tools write it.
pub(super) fn is_scp_like(text: &str) -> bool {
    let Some((user, (host, _))) =
        text.split_once('@').and_then(|(user, rest)| Some((user, rest.split_once(':')?)))
    else {
        return false;
    };
    let plain = |text: &str, extra: &[u8]| {
        !text.is_empty()
            && !text.starts_with('-')
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || extra.contains(&b))
    };
    plain(user, b"_") && plain(host, b".")
}

/// The address without user and password, and what of the repository is meant: `https://host/repo.git#ref:subdir`.
impl fmt::Display for GitRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.redacted())?;
        match (self.reference.as_deref().or(self.commit.as_deref()), &self.subdir) {
            (None, None) => Ok(()),
            (reference, None) => write!(f, "#{}", reference.unwrap_or_default()),
            (reference, Some(subdir)) => write!(f, "#{}:{subdir}", reference.unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a reference asks for beside its address, in a line.
    fn read(text: &str) -> Result<String, RemoteError> {
        let git = GitRef::parse(text)?;
        let mut words = vec![git.remote];
        words.extend(git.reference.map(|reference| format!("ref {reference}")));
        words.extend(git.commit.map(|commit| format!("commit {commit}")));
        words.extend(git.subdir.map(|subdir| format!("subdir {subdir}")));
        words.extend(git.keep_git_dir.map(|keep| format!("keep {keep}")));
        let rest = [
            (!git.submodules, "no submodules"),
            (git.mtime == ModificationTime::Commit, "commit's time"),
            (git.fetch_by_commit, "by commit"),
        ];
        words.extend(rest.into_iter().filter(|(is, _)| *is).map(|(_, word)| word.to_owned()));
        Ok(words.join(", "))
    }

    const FULL: &str = "0123456789abcdef0123456789abcdef01234567";

    #[test]
    fn reads_fragments_and_queries() {
        let cases = [
            ("https://h/r.git", "https://h/r.git"),
            ("https://h/r.git#", "https://h/r.git"),
            ("https://h/r.git#v1", "https://h/r.git, ref v1"),
            ("https://h/r.git#release/1.2:a/./b/", "https://h/r.git, ref release/1.2, subdir a/b"),
            ("https://h/r.git#:/sub", "https://h/r.git, subdir sub"),
            ("https://h/r.git#a%2Fb:c%20d", "https://h/r.git, ref a/b, subdir c d"),
            ("git@h:r.git#v1:sub", "git@h:r.git, ref v1, subdir sub"),
            ("git@h:r.git?tag=v1", "git@h:r.git, ref refs/tags/v1"),
            ("ssh://git@h:22/r#v1", "ssh://git@h:22/r, ref v1"),
            ("git://h/r?ref=a+", "invalid"),
            ("https://u:p@h/r.git", "https://u:p@h/r.git"),
            ("https://h/r.git?ref=x&subdir=/y/", "https://h/r.git, ref x, subdir y"),
            ("https://h/r.git?tag=refs/tags/x", "https://h/r.git, ref refs/tags/x"),
            ("https://h/r.git?branch=a%2Fb", "https://h/r.git, ref refs/heads/a/b"),
            ("https://h/r.git?commit=ABCDEF0#main", "https://h/r.git, ref main, commit abcdef0"),
            ("https://h/r.git?keep-git-dir&submodules=0", "https://h/r.git, keep true, no submodules"),
            ("https://h/r.git?keep-git-dir=false&mtime=commit", "https://h/r.git, keep false, commit's time"),
            ("https://h/r.git?subdir=a#main", "https://h/r.git, ref main, subdir a"),
        ];
        for (text, expected) in cases {
            let read = read(text).unwrap_or_else(|_| "invalid".to_owned());
            assert_eq!(read, expected, "{text}");
        }
        let by_commit = read(&format!("https://h/r.git?checksum={FULL}&fetch-by-commit=true")).unwrap();
        assert_eq!(by_commit, format!("https://h/r.git, commit {FULL}, by commit"));
    }

    #[test]
    fn refuses_what_contradicts_itself_or_is_unknown() {
        let conflict = |first, second| RemoteError::Conflict { first, second };
        let cases = [
            ("?x=1", RemoteError::UnknownKey { key: "x".to_owned() }),
            ("?ref=", RemoteError::NoValue { key: "ref" }),
            ("?subdir", RemoteError::NoValue { key: "subdir" }),
            ("?ref=a&ref=a", RemoteError::Repeated { key: "ref" }),
            ("?ref=a#a", conflict("#", "ref")),
            ("?tag=a#b", conflict("#", "tag")),
            ("?subdir=a#:b", conflict("#", "subdir")),
            ("?tag=a&branch=a", conflict("tag", "branch")),
            ("?checksum=abcdef0&commit=abcdef0", conflict("checksum", "commit")),
            ("?submodules=maybe", RemoteError::Boolean { key: "submodules", value: "maybe".to_owned() }),
            ("?mtime=now", RemoteError::ModificationTime { value: "now".to_owned() }),
            ("?commit=abcdef", RemoteError::Commit { text: "abcdef".to_owned() }),
            ("?commit=abcdefg", RemoteError::Commit { text: "abcdefg".to_owned() }),
            ("?subdir=a/../..", RemoteError::Subdir { text: "a/../..".to_owned() }),
            ("?fetch-by-commit=1&commit=abcdef0", RemoteError::FetchByCommit),
            ("?ref=%zz", RemoteError::Percent { text: "%zz".to_owned() }),
        ];
        for (end, expected) in cases {
            assert_eq!(read(&format!("https://h/r.git{end}")), Err(expected), "{end}");
        }
    }

    #[test]
    fn refuses_references_that_git_would_not_take_for_one() {
        for text in [
            "--upload-pack=x",
            "-x",
            "/a",
            "a/",
            "a//b",
            "a..b",
            "a~1",
            "a^{}",
            "a b",
            "a*",
            "a[",
            "a?",
            "a\\b",
            "@",
            "a@{1}",
            ".a",
            "a/.b",
            "a.lock",
            "a.",
        ] {
            let expected = RemoteError::Reference { text: text.to_owned() };
            assert_eq!(checked_reference(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn refuses_addresses_that_are_options_or_have_a_useless_password() {
        assert_eq!(
            read("ssh://-oProxyCommand=x/r"),
            Err(RemoteError::Host { host: "-oProxyCommand=x".to_owned() })
        );
        assert_eq!(read("ssh://-o@h/r"), Err(RemoteError::Host { host: "-o@".to_owned() }));
        assert_eq!(read("ssh://git:secret@h/r"), Err(RemoteError::Password));
        assert_eq!(read("git:///r"), Err(RemoteError::NoHost));
        assert!(!is_scp_like("-oProxyCommand=x@h:r") && !is_scp_like("git@-oProxyCommand:r"));
    }

    #[test]
    fn what_is_shown_has_no_password() {
        let cases = [
            ("https://u:p@h/r.git#v1", "https://h/r.git"),
            ("https://token@h/r.git", "https://h/r.git"),
            ("git@h:r", "git@h:r"),
            ("ssh://git@h/r", "ssh://git@h/r"),
        ];
        for (text, expected) in cases {
            assert_eq!(GitRef::parse(text).unwrap().redacted(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_meant_is_shown_in_one_form() {
        let cases = [
            ("https://u:p@h/r.git", "https://h/r.git"),
            ("https://h/r.git#v1:/sub/", "https://h/r.git#v1:sub"),
            ("https://h/r.git?subdir=a", "https://h/r.git#:a"),
            ("https://h/r.git?tag=v1", "https://h/r.git#refs/tags/v1"),
            ("https://h/r.git?commit=ABCDEF0", "https://h/r.git#abcdef0"),
        ];
        for (text, expected) in cases {
            assert_eq!(GitRef::parse(text).unwrap().to_string(), expected, "{text}");
        }
    }
}
