//! Commands for another architecture, by an emulator that the kernel knows. Needs `qemu-user-static`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::env::Env;

const HANDLERS: &str = "/proc/sys/fs/binfmt_misc";
const EMULATOR: &str = "/usr/bin/qemu-aarch64-static";

/// The start of programs for arm64 and what of it counts, as the kernel's table is written.
const MAGIC: &str = r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00";
const MASK: &str = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff";

/// A handler of the kernel's that goes at the end.
struct Handler(PathBuf);

impl Handler {
    /// Has programs for arm64 emulated. Mounts the kernel's table if nobody has.
    fn register() -> Self {
        assert!(Path::new(EMULATOR).exists(), "{EMULATOR} is missing: apt-get install qemu-user-static");
        let table = Path::new(HANDLERS).join("register");
        if !table.exists() {
            let status = Command::new("mount").args(["-t", "binfmt_misc", "binfmt_misc", HANDLERS]).status();
            let help = "the kernel needs CONFIG_BINFMT_MISC (`modprobe binfmt_misc`), and the test root";
            assert!(status.unwrap().success(), "cannot mount binfmt_misc: {help}");
        }
        let name = format!("strata-test-{}", std::process::id());
        fs::write(table, format!(":{name}:M:0:{MAGIC}:{MASK}:{EMULATOR}:PFC")).unwrap();
        Self(Path::new(HANDLERS).join(name))
    }
}

impl Drop for Handler {
    fn drop(&mut self) {
        let _ = fs::write(&self.0, "-1");
    }
}

#[test]
fn commands_for_another_architecture_are_emulated() {
    if cfg!(target_arch = "aarch64") {
        return;
    }
    let _handler = Handler::register();
    let make = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/bases/make");
    let made = Command::new(make).args(["--tar", "busybox:arm64"]).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let env = Env::new();
    let text = "FROM scratch\nADD root.tar /\nRUN uname -m >/machine\n";
    let context = env.dockerfile("context", text);
    fs::copy(String::from_utf8(made.stdout).unwrap().trim(), context.join("root.tar")).unwrap();
    let args = ["build", "-q", "--platform", "linux/arm64", "-t", "image", context.to_str().unwrap()];
    let _ = env.strata(args).success();
    assert_eq!(env.image_config("image")["architecture"], "arm64");
    assert_eq!(env.sh("image", "cat /machine; uname -m"), "aarch64\naarch64\n");
}
