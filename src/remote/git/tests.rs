//! Against repositories that were made with `git`, served by `git daemon` or as plain files over HTTP.

mod daemon;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::dockerfile::remote::{ModificationTime, RemoteSource, parse};
use crate::remote::server::Server;
use daemon::{Daemon, Repository, TIME, git};

struct Place {
    dir: tempfile::TempDir,
    daemon: Daemon,
    count: Cell<u32>,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let daemon = Daemon::start(dir.path());
        Self { dir, daemon, count: Cell::new(0) }
    }

    fn repository(&self, name: &str) -> Repository {
        Repository::new(self.dir.path().join(name))
    }

    fn keep(&self) -> PathBuf {
        self.dir.path().join("git")
    }

    /// A new path for a tree.
    fn new_path(&self) -> PathBuf {
        self.count.set(self.count.get() + 1);
        self.dir.path().join(format!("into{}", self.count.get()))
    }

    /// Asks for a repository of this place, `end` being a fragment or a query.
    fn request(&self, name: &str, end: &str) -> GitRequest {
        request(&format!("{}{end}", self.daemon.url(name)))
    }

    fn resolve(&self, name: &str, end: &str) -> Result<Resolved, GitError> {
        Git::default().resolve(&self.request(name, end), &Watch::nothing())
    }

    fn get(&self, request: &GitRequest) -> Result<CheckedOut, GitError> {
        self.get_by(&Git::default(), request)
    }

    fn get_by(&self, git: &Git, request: &GitRequest) -> Result<CheckedOut, GitError> {
        let resolved = git.resolve(request, &Watch::nothing())?;
        git.checkout(request, &resolved, &self.keep(), &self.new_path(), &Watch::nothing())
    }

    fn checkout(&self, name: &str, end: &str) -> Result<CheckedOut, GitError> {
        self.get(&self.request(name, end))
    }
}

fn request(text: &str) -> GitRequest {
    let Some(Ok(RemoteSource::Git(source))) = parse(text) else { panic!("{text} is no repository") };
    GitRequest { source, authorization: None }
}

/// The paths below a directory, `/` behind directories, with what is in files and links.
fn files(directory: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(next) = directories.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(directory).unwrap().to_str().unwrap().to_owned();
            if path.is_symlink() {
                found.insert(name, fs::read_link(&path).unwrap().to_str().unwrap().to_owned());
            } else if path.is_dir() {
                found.insert(format!("{name}/"), String::new());
                directories.push(path);
            } else {
                found.insert(name, String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned());
            }
        }
    }
    found
}

fn names(directory: &Path) -> Vec<String> {
    files(directory).into_keys().collect()
}

#[test]
fn references_are_resolved_as_git_does() {
    let place = Place::new();
    let repository = place.repository("r.git");
    let first = repository.commit(&[("f", "1")]);
    repository.git(&["tag", "light"]);
    repository.git(&["tag", "--annotate", "--message=m", "v1"]);
    repository.git(&["tag", "both"]);
    repository.git(&["update-ref", "refs/pull/7/head", "HEAD"]);
    // Its last components are the name of a branch.
    repository.git(&["update-ref", "refs/other/refs/heads/side", "HEAD"]);
    repository.git(&["update-ref", "refs/tags/x/main", "HEAD"]);
    let second = repository.commit(&[("f", "2")]);
    repository.git(&["branch", "both"]);
    repository.git(&["branch", "side/way"]);
    let cases = [
        ("", &second),
        ("#main", &second),
        ("#side/way", &second),
        ("#both", &second),
        ("?tag=both", &first),
        ("?branch=both", &second),
        ("#light", &first),
        ("#v1", &first),
        ("#refs/tags/v1", &first),
        ("#pull/7/head", &first),
        ("#HEAD", &second),
    ];
    for (end, expected) in cases {
        assert_eq!(place.resolve("r.git", end).unwrap().commit(), expected, "{end}");
    }
    let url = place.daemon.url("r.git");
    let error = place.resolve("r.git", "#side").unwrap_err();
    assert_eq!(error.to_string(), format!("`{url}` has no branch or tag `side`"));
    let error = place.resolve("r.git", &format!("#{}", &first[..9])).unwrap_err();
    assert_eq!(error.remedy(), Some("a commit has to be named with all of its digits"));
}

#[test]
fn a_commit_with_all_digits_needs_no_server() {
    let commit = "0123456789abcdef0123456789abcdef01234567";
    for end in [
        format!("#{commit}"),
        format!("?commit={commit}"),
        format!("?ref=v1&commit={commit}&fetch-by-commit"),
    ] {
        let request = request(&format!("https://nowhere.invalid/r.git{end}"));
        assert_eq!(Git::default().resolve(&request, &Watch::nothing()).unwrap().commit(), commit, "{end}");
    }
}

#[test]
fn the_commit_has_to_be_the_one_that_was_asked_for() {
    let place = Place::new();
    let commit = place.repository("r.git").commit(&[]);
    place.repository("r.git").git(&["tag", "v1"]);
    for digits in [7, 40] {
        let end = format!("?tag=v1&checksum={}", &commit[..digits]);
        assert_eq!(place.checkout("r.git", &end).unwrap().commit, commit);
    }
    let error = place.resolve("r.git", "?tag=v1&checksum=0123456").unwrap_err();
    let url = place.daemon.url("r.git");
    let message = format!("`refs/tags/v1` of `{url}` is commit `{commit}`, but `0123456` was asked for");
    assert_eq!(error.to_string(), message);
}

#[test]
fn a_tree_has_plain_modes_and_no_git_directory() {
    let place = Place::new();
    let repository = place.repository("r.git");
    fs::write(repository.path().join("run"), "").unwrap();
    fs::set_permissions(repository.path().join("run"), fs::Permissions::from_mode(0o700)).unwrap();
    symlink("run", repository.path().join("link")).unwrap();
    repository.commit(&[("d/f", "text"), (".gitattributes", "*.crlf text eol=lf filter=evil")]);
    let out = place.checkout("r.git", "").unwrap();
    assert_eq!(out.commit_time, TIME);
    let found = files(&out.directory);
    assert_eq!(found.keys().collect::<Vec<_>>(), [".gitattributes", "d/", "d/f", "link", "run"]);
    assert_eq!((found["d/f"].as_str(), found["link"].as_str()), ("text", "run"));
    let mode = |name: &str| fs::symlink_metadata(out.directory.join(name)).unwrap().mode() & 0o7777;
    assert_eq!(["", "d", "d/f", "run"].map(mode), [0o755, 0o755, 0o644, 0o755]);
}

#[test]
fn files_may_have_the_time_of_the_commit() {
    let place = Place::new();
    let repository = place.repository("r.git");
    symlink("f", repository.path().join("link")).unwrap();
    repository.commit(&[("d/f", "")]);
    let time = |out: &CheckedOut, name| fs::symlink_metadata(out.directory.join(name)).unwrap().mtime();
    let out = place.checkout("r.git", "?mtime=commit").unwrap();
    assert_eq!(["", "d", "d/f", "link"].map(|name| time(&out, name)), [TIME; 4]);
    let out = place.checkout("r.git", "").unwrap();
    assert!(["", "d", "d/f", "link"].iter().all(|name| time(&out, name) > TIME));
}

#[test]
fn a_directory_of_a_repository_can_be_asked_for() {
    let place = Place::new();
    let repository = place.repository("r.git");
    symlink("sub/deep", repository.path().join("inner")).unwrap();
    symlink("/etc", repository.path().join("absolute")).unwrap();
    symlink("../..", repository.path().join("up")).unwrap();
    symlink(".git", repository.path().join("hidden")).unwrap();
    let commit = repository.commit(&[("sub/deep/f", ""), ("g", "")]);
    for end in ["#:sub/deep", "#main:/sub/./deep/", "?subdir=inner"] {
        assert_eq!(names(&place.checkout("r.git", end).unwrap().directory), ["f"], "{end}");
    }
    let url = place.daemon.url("r.git");
    for subdir in ["g", "nothing"] {
        let error = place.checkout("r.git", &format!("#:{subdir}")).unwrap_err();
        assert_eq!(error.to_string(), format!("`{subdir}` is no directory in commit `{commit}` of `{url}`"));
    }
    for subdir in ["absolute", "up", "hidden"] {
        let error = place.checkout("r.git", &format!("#:{subdir}")).unwrap_err();
        assert!(matches!(error, GitError::SubdirOutside { .. }), "{subdir}: {error}");
    }
    assert!(
        !place.dir.path().join(format!("into{}", place.count.get())).exists(),
        "a failed checkout leaves nothing"
    );
}

#[test]
fn a_kept_git_directory_has_the_commit_and_its_name() {
    let place = Place::new();
    let repository = place.repository("r.git");
    repository.commit(&[("f", "1")]);
    let commit = repository.commit(&[("f", "2")]);
    repository.git(&["tag", "--annotate", "--message=m", "v1"]);
    // The mirror has the commit then, but not the tag.
    place.checkout("r.git", "#main").unwrap();
    let out = place.checkout("r.git", "?tag=v1&keep-git-dir=1").unwrap();
    let git = |args: &[&str]| git(&out.directory, args);
    assert_eq!(git(&["rev-parse", "HEAD"]), commit);
    assert_eq!(git(&["describe", "--exact-match"]), "v1");
    assert_eq!(git(&["rev-list", "--count", "HEAD"]), "1");
    assert_eq!(git(&["status", "--porcelain"]), "");
    assert_eq!(git(&["config", "remote.origin.url"]), place.daemon.url("r.git"));
    fs::remove_dir_all(place.keep()).unwrap();
    assert_eq!(git(&["fsck"]), "", "it needs no mirror");
    for end in ["#main", &format!("#{commit}")] {
        let out = place.checkout("r.git", &format!("?keep-git-dir{end}")).unwrap();
        assert_eq!(daemon::git(&out.directory, &["rev-parse", "HEAD"]), commit, "{end}");
    }
}

#[test]
fn submodules_come_too_unless_they_are_not_wanted() {
    let place = Place::new();
    let inner = place.repository("inner.git").commit(&[("i", "")]);
    let middle = place.repository("middle.git");
    link(&middle, "in", "../inner.git", &inner);
    // Not the tip, so that it has to be asked for by its id.
    let wanted = middle.commit(&[("m", "")]);
    middle.commit(&[("later", "")]);
    let outer = place.repository("outer.git");
    link(&outer, "mid", "../middle.git", &wanted);
    outer.commit(&[("o", "")]);
    let all = [".gitmodules", "mid/", "mid/.gitmodules", "mid/in/", "mid/in/i", "mid/m", "o"];
    assert_eq!(names(&place.checkout("outer.git", "").unwrap().directory), all);
    let none = [".gitmodules", "mid/", "o"];
    assert_eq!(names(&place.checkout("outer.git", "?submodules=false").unwrap().directory), none);
    let kept = place.checkout("outer.git", "?keep-git-dir=true").unwrap().directory;
    assert_eq!(git(&kept.join("mid"), &["rev-parse", "HEAD"]), wanted);
}

/// Makes a commit of another repository a submodule.
fn link(repository: &Repository, path: &str, url: &str, commit: &str) {
    let modules = format!("[submodule \"{path}\"]\n\tpath = {path}\n\turl = {url}\n");
    fs::write(repository.path().join(".gitmodules"), modules).unwrap();
    // `git add --all` would take a commit without its files for one that was removed.
    fs::create_dir(repository.path().join(path)).unwrap();
    git(&repository.path().join(path), &["init", "--quiet"]);
    repository.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{commit},{path}")]);
    fs::remove_dir_all(repository.path().join(path).join(".git")).unwrap();
}

#[test]
fn a_submodule_is_never_a_directory_of_this_machine() {
    let place = Place::new();
    let secret = place.repository("secret");
    let commit = secret.commit(&[("s", "")]);
    let outer = place.repository("outer.git");
    link(&outer, "s", &format!("file://{}", secret.path().display()), &commit);
    outer.commit(&[]);
    for allow_file in [false, true] {
        let git = Git { allow_file, ..Git::default() };
        let error = place.get_by(&git, &place.request("outer.git", "")).unwrap_err();
        assert!(error.to_string().contains("transport 'file' not allowed"), "{error}");
    }
}

#[test]
fn a_repository_may_be_a_directory_if_the_caller_allows_it() {
    let place = Place::new();
    let repository = place.repository("r.git");
    repository.commit(&[("f", "")]);
    let source = GitRef::new(format!("file://{}", repository.path().display()));
    let request = GitRequest { source, authorization: None };
    let error = place.get(&request).unwrap_err();
    assert!(error.to_string().contains("transport 'file' not allowed"), "{error}");
    let git = Git { allow_file: true, ..Git::default() };
    assert_eq!(names(&place.get_by(&git, &request).unwrap().directory), ["f"]);
}

#[test]
fn nothing_that_is_asked_for_becomes_an_option_or_a_command() {
    let place = Place::new();
    let marker = place.dir.path().join("marker");
    let touch = format!("touch {}", marker.display());
    let remotes = [
        format!("--upload-pack={touch}"),
        format!("ext::sh -c \"{touch}\""),
        format!("ssh://-oProxyCommand={touch}/r"),
        "-u".to_owned(),
        String::new(),
    ];
    for remote in remotes {
        let request = GitRequest { source: GitRef::new(remote.clone()), authorization: None };
        place.get(&request).expect_err(&remote);
    }
    let repository = place.repository("r.git");
    repository.commit(&[("f", "")]);
    for text in [format!("--upload-pack={touch}"), "-h".to_owned(), "a:b".to_owned(), "*".to_owned()] {
        let mut request = place.request("r.git", "");
        request.source.reference = Some(text.clone());
        let error = place.get(&request).unwrap_err();
        assert!(matches!(error, GitError::Unsafe { .. }), "{text}: {error}");
    }
    assert!(!marker.exists());
}

#[test]
fn a_mirror_spares_fetching_and_stays_shallow() {
    let place = Place::new();
    let repository = place.repository("r.git");
    repository.commit(&[("f", "1")]);
    let commit = repository.commit(&[("f", "2")]);
    place.checkout("r.git", "#main").unwrap();
    let before = place.daemon.connections();
    place.checkout("r.git", &format!("#{commit}")).unwrap();
    assert_eq!(place.daemon.connections(), before);
    let mirror = fs::read_dir(place.keep()).unwrap().map(|entry| entry.unwrap().path());
    let mirror = mirror.into_iter().find(|path| path.is_dir()).unwrap();
    assert_eq!(git(&mirror, &["rev-list", "--count", &commit]), "1");
    // A killed git leaves its lock.
    fs::write(mirror.join("shallow.lock"), "").unwrap();
    let newer = repository.commit(&[("f", "3")]);
    assert_eq!(place.checkout("r.git", "#main").unwrap().commit, newer);
}

#[test]
fn what_was_resolved_is_checked_out_though_the_branch_has_moved() {
    let place = Place::new();
    let repository = place.repository("r.git");
    let old = repository.commit(&[("f", "old")]);
    let request = place.request("r.git", "#main");
    let resolved = Git::default().resolve(&request, &Watch::nothing()).unwrap();
    repository.commit(&[("f", "new")]);
    let out =
        Git::default().checkout(&request, &resolved, &place.keep(), &place.new_path(), &Watch::nothing());
    let out = out.unwrap();
    assert_eq!((out.commit, files(&out.directory)["f"].as_str()), (old, "old"));
}

#[test]
fn a_commit_that_is_not_there_is_named() {
    let place = Place::new();
    place.repository("r.git").commit(&[]);
    let commit = "0123456789abcdef0123456789abcdef01234567";
    let error = place.checkout("r.git", &format!("#{commit}")).unwrap_err();
    let url = place.daemon.url("r.git");
    assert_eq!(error.to_string(), format!("`{url}` has no commit `{commit}`"));
}

#[test]
fn an_empty_repository_has_no_default_branch() {
    let place = Place::new();
    place.repository("r.git");
    let error = place.resolve("r.git", "").unwrap_err();
    assert!(matches!(error, GitError::NoDefaultBranch { .. }), "{error}");
}

#[test]
fn repositories_of_both_object_formats_are_read() {
    let place = Place::new();
    let path = place.dir.path().join("r.git");
    fs::create_dir(&path).unwrap();
    git(&path, &["init", "--quiet", "--initial-branch=main", "--object-format=sha256"]);
    let repository = Repository::new(path);
    let commit = repository.commit(&[("f", "")]);
    for end in ["#main", "?keep-git-dir=1#main"] {
        let out = place.checkout("r.git", end).unwrap();
        assert_eq!((out.commit.as_str(), out.commit.len()), (commit.as_str(), 64));
    }
}

#[test]
fn a_server_of_plain_files_gives_its_whole_history_and_gets_the_password() {
    let place = Place::new();
    let repository = place.repository("r");
    repository.commit(&[("f", "1")]);
    let commit = repository.commit(&[("f", "2")]);
    repository.git(&["update-server-info"]);
    let root = repository.path().join(".git");
    let server = Server::start(move |head, stream| {
        let path =
            head.split(' ').nth(1).unwrap().split('?').next().unwrap().strip_prefix("/r.git/").unwrap();
        let is_known = head.contains("Authorization: Basic dTpzZWNyZXQ=\r\n");
        let file = fs::read(root.join(path)).ok().filter(|_| is_known);
        let status = if file.is_some() { "200 OK" } else { "404 Not Found" };
        let body = file.unwrap_or_default();
        let head =
            format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
        let _ = stream.write_all(&[head.as_bytes(), &body].concat());
    });
    let url = server.url("/r.git").replace("http://", "http://u:secret@");
    let out = place.get(&request(&format!("{url}?keep-git-dir=1"))).unwrap();
    assert_eq!(out.commit, commit);
    assert!(!files(&out.directory).values().any(|content| content.contains("secret")));
    assert!(!files(&place.keep()).values().any(|content| content.contains("secret")));
    let error = place.get(&request(&url.replace("secret", "hidden"))).unwrap_err();
    assert!(matches!(error, GitError::Failed { .. }), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("hidden"));
}

#[test]
fn git_says_what_it_does_and_why_it_failed() {
    let place = Place::new();
    place.repository("r.git").commit(&[("f", "")]);
    let said = RefCell::new(Vec::new());
    let watch = Watch { log: &|line| said.borrow_mut().push(line.to_owned()), ..Watch::nothing() };
    let request = place.request("r.git", "");
    let resolved = Git::default().resolve(&request, &watch).unwrap();
    Git::default().checkout(&request, &resolved, &place.keep(), &place.new_path(), &watch).unwrap();
    assert!(said.borrow().iter().any(|line| line.contains("Counting objects")), "{said:?}");
    let error = place.resolve("nothing.git", "").unwrap_err().to_string();
    let url = place.daemon.url("nothing.git");
    assert!(error.starts_with(&format!("cannot ask for the references of `{url}`: fatal: ")), "{error}");
}

#[test]
fn a_machine_without_git_is_told_what_to_install() {
    let git = Git { program: "/nonexistent/git".into(), ..Git::default() };
    let error = git.resolve(&request("git://nowhere.invalid/r"), &Watch::nothing()).unwrap_err();
    assert!(matches!(error, GitError::Missing { .. }), "{error}");
    assert_eq!(error.remedy(), Some("install it: `apt-get install git`"));
}

#[test]
fn a_fetch_is_given_up_while_the_server_is_silent_and_git_ends() {
    for is_canceled in [true, false] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let request = request(&format!("git://{}/r", listener.local_addr().unwrap()));
        let asked = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let server = scope.spawn(|| {
                let (mut stream, _) = listener.accept().unwrap();
                asked.store(true, Ordering::SeqCst);
                // Ends when git does.
                stream.read_to_end(&mut Vec::new()).unwrap_or(0)
            });
            let watch =
                Watch { is_canceled: &|| is_canceled && asked.load(Ordering::SeqCst), ..Watch::nothing() };
            let stall_timeout = Duration::from_millis(if is_canceled { 600_000 } else { 300 });
            let error = Git { stall_timeout, ..Git::default() }.resolve(&request, &watch).unwrap_err();
            match error {
                GitError::Canceled { .. } => assert!(is_canceled),
                GitError::Timeout { .. } => assert!(!is_canceled),
                error => panic!("{error}"),
            }
            server.join().unwrap();
        });
    }
}

#[test]
fn a_policy_for_times_is_a_part_of_the_reference() {
    assert_eq!(request("git://h/r?mtime=commit").source.mtime, ModificationTime::Commit);
}
