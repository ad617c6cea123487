//! A small root file system: Debian's static busybox, a passwd and a group file.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

/// Where Debian's package `busybox-static` puts the program.
const BUSYBOX: &str = "/bin/busybox";

/// The users of [`make`]'s root.
const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nu:x:1000:1001:U:/home/u:/bin/sh\n";

/// The groups of [`make`]'s root.
const GROUP: &str = "root:x:0:\nug:x:1001:\nextra:x:50:u\n";

/// Fills `dir` with a root in which `sh` and the other busybox commands run.
pub(crate) fn make(dir: &Path) {
    let list = Command::new(BUSYBOX).arg("--list").output();
    let list = list.unwrap_or_else(|e| panic!("{BUSYBOX}: {e}; apt-get install busybox-static")).stdout;
    for sub in ["bin", "etc", "root", "home/u", "tmp"] {
        fs::create_dir_all(dir.join(sub)).unwrap();
    }
    fs::copy(BUSYBOX, dir.join("bin/busybox")).unwrap();
    for applet in String::from_utf8(list).unwrap().lines() {
        if applet != "busybox" {
            symlink("busybox", dir.join("bin").join(applet)).unwrap();
        }
    }
    fs::write(dir.join("etc/passwd"), PASSWD).unwrap();
    fs::write(dir.join("etc/group"), GROUP).unwrap();
}
