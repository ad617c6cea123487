//! A place of a test's own: a store, contexts, and the binary with an environment that holds nothing else.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use tempfile::TempDir;

use super::running::Running;
use super::user::User;

/// The name of the image that [`Env::with_busybox`] makes.
pub(crate) const BUSYBOX: &str = "busybox";

/// What a build says in a store of [`Env::without_overlays`].
pub(crate) const COPIES: &str =
    "warning: commands get copies of their files: no overlay can be mounted where the store is: for a test\n";

/// Where Debian's package `busybox-static` puts the program.
const PROGRAM: &str = "/bin/busybox";

const BUSYBOX_DOCKERFILE: &str = r#"FROM scratch
COPY busybox /bin/busybox
RUN ["/bin/busybox", "--install", "-s", "/bin"]
COPY passwd group /etc/
CMD ["sh"]
"#;

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nu:x:1000:1001:U:/home/u:/bin/sh\n";
const GROUP: &str = "root:x:0:\nug:x:1001:\nextra:x:50:u\n";

/// What scripts look into layouts with.
const LAYOUTS: &str = r#"
blob() { echo "$1/blobs/$(echo "$2" | tr : /)"; }
manifest() { dir=$1; shift; jq -r "$@" "$(blob "$dir" "$(jq -r '.manifests[0].digest' "$dir/index.json")")"; }
config() { dir=$1; shift; jq -r "$@" "$(blob "$dir" "$(manifest "$dir" .config.digest)")"; }
"#;

/// A directory with a store that is not there yet, removed at the end.
pub(crate) struct Env {
    dir: TempDir,
    /// Whom the binary is run by, if not by root.
    user: Option<User>,
}

impl Env {
    /// A place with an empty store.
    pub(crate) fn new() -> Self {
        Self { dir: TempDir::new_in(disk()).unwrap(), user: None }
    }

    /// A place where the binary is run by an ordinary user.
    pub(crate) fn as_user(user: User) -> Self {
        let env = Self { user: Some(user), ..Self::new() };
        env.hand_over(env.dir.path());
        env
    }

    /// A place whose store makes no overlays, as if they were refused where it is.
    pub(crate) fn without_overlays() -> Self {
        Self::new().copying()
    }

    /// This place, whose store is not there yet, as if overlays were refused where that is.
    pub(crate) fn copying(self) -> Self {
        fs::create_dir(self.root()).unwrap();
        fs::write(self.root().join("driver"), "native\nfor a test\n").unwrap();
        self.hand_over(&self.root());
        self
    }

    /// Gives the user of this place what root has put at and below `path`.
    pub(crate) fn hand_over(&self, path: &Path) {
        if let Some(user) = self.user {
            user.own(path);
        }
    }

    /// The same command, run by the user of this place.
    pub(crate) fn by_user(&self, command: &mut Command) {
        if let Some(User { uid, gid }) = self.user {
            command.uid(uid).gid(gid);
        }
    }

    /// A place whose store has the image `busybox`, with a shell, the users `root` and `u`, and the groups `root`,
    /// `ug` and `extra`.
    pub(crate) fn with_busybox() -> Self {
        let env = Self::new();
        env.add_busybox();
        env
    }

    /// Makes the image in the store that is there.
    pub(crate) fn add_busybox(&self) {
        assert!(Path::new(PROGRAM).exists(), "{PROGRAM} is missing: apt-get install busybox-static");
        let context = self.context("busybox-context");
        fs::copy(PROGRAM, context.join("busybox")).unwrap();
        for (name, text) in [("passwd", PASSWD), ("group", GROUP), ("Dockerfile", BUSYBOX_DOCKERFILE)] {
            fs::write(context.join(name), text).unwrap();
        }
        self.hand_over(&context);
        let _ = self
            .strata([OsStr::new("build"), "-q".as_ref(), "-t".as_ref(), BUSYBOX.as_ref(), context.as_ref()])
            .success();
    }

    /// Brings an image of another place's store into this one's.
    pub(crate) fn hand_image(&self, from: &Self, image: &str) {
        let archive = self.path("handed.tar");
        let _ = from.strata(["save", "-o", archive.to_str().unwrap(), image]).success();
        self.hand_over(&archive);
        let _ = self.strata(["load", "-q", "-i", archive.to_str().unwrap()]).success();
        fs::remove_file(archive).unwrap();
    }

    /// A path in this place.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The store's directory.
    pub(crate) fn root(&self) -> PathBuf {
        self.path("store")
    }

    /// A directory in this place, made if it is missing.
    pub(crate) fn context(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).unwrap();
        path
    }

    /// A context that has only a Dockerfile.
    pub(crate) fn dockerfile(&self, name: &str, text: &str) -> PathBuf {
        let context = self.context(name);
        fs::write(context.join("Dockerfile"), text).unwrap();
        context
    }

    /// The binary with arguments, to be run in this place with its store. A build or a container that does not choose
    /// a network has the machine's: making one would take longer than most tests. One that does not say when to pull
    /// never does: what a test needs is on this machine.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut args: Vec<OsString> = args.into_iter().map(|arg| arg.as_ref().to_owned()).collect();
        let chooses = args.iter().any(|arg| arg.as_encoded_bytes().starts_with(b"--network"));
        if !chooses && args.first().is_some_and(|command| command == "build" || command == "run") {
            args.insert(1, "--network=host".into());
        }
        let pulls = args.iter().any(|arg| arg.as_encoded_bytes().starts_with(b"--pull"));
        if !pulls && args.first().is_some_and(|command| command == "build" || command == "run") {
            args.insert(1, "--pull=never".into());
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_strata"));
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("HOME", self.dir.path());
        command.current_dir(self.dir.path()).arg("--root").arg(self.root()).args(args);
        self.by_user(&mut command);
        command
    }

    /// Runs the binary to its end.
    pub(crate) fn strata<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Output {
        self.run(self.command(args))
    }

    /// Runs a command of [`Env::command`] to its end.
    pub(crate) fn run(&self, mut command: Command) -> Output {
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| self.redact(&String::from_utf8_lossy(&bytes));
        Output {
            shown: command.get_args().skip(2).map(OsString::from).collect(),
            status: output.status,
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// Starts the binary; what it writes to standard error can be waited for.
    pub(crate) fn spawn<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Running {
        Running::start(self.command(args), Stdio::null())
    }

    /// The same, with something to read on standard input.
    pub(crate) fn spawn_reading<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
        stdin: impl Into<Stdio>,
    ) -> Running {
        Running::start(self.command(args), stdin.into())
    }

    /// The id of an image.
    pub(crate) fn image_id(&self, name: &str) -> String {
        self.strata(["inspect", "-f", "{{.Id}}", name]).success().stdout.trim().to_owned()
    }

    /// The config of an image, as the store holds it.
    pub(crate) fn image_config_text(&self, name: &str) -> String {
        let id = self.image_id(name);
        let blob = self.root().join("blobs/sha256").join(id.strip_prefix("sha256:").unwrap());
        fs::read_to_string(blob).unwrap()
    }

    /// The config of an image.
    pub(crate) fn image_config(&self, name: &str) -> serde_json::Value {
        serde_json::from_str(&self.image_config_text(name)).unwrap()
    }

    /// What a shell script prints on the machine, run as root in `dir`. What it calls `strata` is the binary with the
    /// store of this place, run by its user; `manifest DIR` and `config DIR` are jq on the documents of the first image
    /// of a layout.
    pub(crate) fn host(&self, dir: &Path, script: &str) -> String {
        let by_user = self.user.map_or_else(String::new, |User { uid, gid }| {
            format!("setpriv --reuid {uid} --regid {gid} --clear-groups ")
        });
        let program = format!(
            "strata() {{ {by_user}\"$STRATA\" --root \"$STRATA_STORE\" \"$@\"; }}\n{LAYOUTS}set -eu\n"
        );
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &format!("{program}{script}")]).current_dir(dir);
        command.env("STRATA", env!("CARGO_BIN_EXE_strata")).env("STRATA_STORE", self.root());
        command.env("HOME", self.dir.path()).env("GIT_CONFIG_NOSYSTEM", "1");
        if let Some(User { uid, gid }) = self.user {
            // The binary may write there; what the script packs keeps its owners.
            chown(dir, Some(uid), Some(gid)).unwrap();
        }
        // So that commits are the same every time.
        command.envs(["GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"].map(|name| (name, "@1700000000 +0000")));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{script}\n{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What a shell script prints in a container of an image.
    pub(crate) fn sh(&self, image: &str, script: &str) -> String {
        self.strata(["run", "--rm", "--network", "none", image, "/bin/sh", "-c", script]).success().stdout
    }

    /// The text with this place's path as `[DIR]`, and the id of a failed step as `[ID]`.
    pub(crate) fn redact(&self, text: &str) -> String {
        const COMMAND: &str = "`strata debug ";
        let text = text.replace(self.dir.path().to_str().unwrap(), "[DIR]");
        let mut pieces = text.split(COMMAND);
        let mut redacted = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            let rest = piece.trim_start_matches(|c: char| c.is_ascii_hexdigit());
            redacted.extend([COMMAND, "[ID]", rest]);
        }
        redacted
    }
}

/// What the binary said.
#[derive(Debug)]
#[must_use]
pub(crate) struct Output {
    shown: Vec<OsString>,
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Output {
    /// The same, after it was seen that the command succeeded.
    pub(crate) fn success(self) -> Self {
        self.code(0)
    }

    /// The same, after it was seen that the command ended with this code.
    pub(crate) fn code(self, code: i32) -> Self {
        let Self { shown, status, stdout, stderr } = &self;
        assert_eq!(status.code(), Some(code), "{shown:?} {status}\n--- stdout\n{stdout}--- stderr\n{stderr}");
        self
    }
}

/// A directory on a disk: a store needs a file system that can be an overlay's upper.
fn disk() -> PathBuf {
    let candidates = [Path::new(env!("CARGO_TARGET_TMPDIR")), Path::new("/var/tmp")];
    let found = candidates.iter().find(|path| {
        fs::create_dir_all(path).unwrap();
        ![OVERLAY, TMPFS].contains(&(rustix::fs::statfs(**path).unwrap().f_type as u64))
    });
    let found = found.unwrap_or_else(|| {
        panic!("none of {candidates:?} is on a disk; set CARGO_TARGET_DIR to one that is")
    });
    found.to_path_buf()
}

/// Magic numbers of statfs(2).
const OVERLAY: u64 = 0x794c_7630;
const TMPFS: u64 = 0x0102_1994;
