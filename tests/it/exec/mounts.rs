//! The root: layers, mount points, and what is left in the upper.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use strata::exec::{ExecError, MountApi, Root, Upper};

use super::{Bench, run, try_run};

/// Something mounted for one test.
struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn nothing_is_left_in_the_upper() {
    let bench = Bench::new();
    let ran = run(
        &bench.sh("echo more >> /etc/hosts; echo more >> /etc/resolv.conf; cat /etc/hosts; ls /dev /sys")
    );
    assert!(ran.stdout.starts_with("127.0.0.1 localhost\nmore\n"), "{}", ran.stdout);
    assert_eq!(ran.outcome.stubs, Vec::<PathBuf>::new());
    assert_eq!(bench.changes(), Vec::<String>::new());
}

#[test]
fn what_the_command_writes_is_in_the_upper() {
    let bench = Bench::new();
    let ran = run(&bench.sh("mkdir /made; echo text > /made/file; rm /etc/group"));
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    assert_eq!(bench.changes(), ["etc", "etc/group", "made", "made/file"]);
    let whiteout = fs::symlink_metadata(bench.path("upper/etc/group")).unwrap();
    assert_eq!(whiteout.rdev(), 0);
    assert_eq!(fs::metadata(bench.path("upper/made")).unwrap().permissions().mode() & 0o7777, 0o755);
}

#[test]
fn a_resolv_conf_that_is_a_link_is_covered_and_not_followed() {
    for target in ["../run/systemd/resolve/stub-resolv.conf", "/etc/passwd", "../../../../../../etc/hostname"]
    {
        let bench = Bench::new();
        symlink(target, bench.path("base/etc/resolv.conf")).unwrap();
        let ran = run(&bench.sh("cat /etc/resolv.conf; echo x > /etc/resolv.conf; cat /etc/passwd | wc -l"));
        assert_eq!(ran.stdout, "nameserver 192.0.2.1\n2\n", "{target}: {}", ran.stderr);
        assert_eq!(bench.changes(), Vec::<String>::new(), "{target}");
    }
}

#[test]
fn mount_points_that_are_missing_come_from_the_skeleton() {
    let bench = Bench::new();
    fs::remove_dir_all(bench.path("base/etc")).unwrap();
    let ran = run(&bench.sh("cat /etc/hosts /etc/resolv.conf; ls / | tr '\\n' ' '"));
    assert_eq!(ran.stdout, "127.0.0.1 localhost\nnameserver 192.0.2.1\nbin dev etc home proc root sys tmp ");
    assert_eq!((ran.outcome.stubs, bench.changes()), (vec![], vec![]));
}

#[test]
fn mount_points_that_were_removed_are_made_and_reported() {
    let bench = Bench::new();
    let whiteout = bench.dir("removed").join("etc");
    let mode = rustix::fs::Mode::empty();
    rustix::fs::mknodat(rustix::fs::CWD, &whiteout, rustix::fs::FileType::CharacterDevice, mode, 0).unwrap();
    let mut spec = bench.sh("cat /etc/hosts");
    spec.root.lowers.insert(0, bench.path("removed"));
    let ran = run(&spec);
    assert_eq!(ran.stdout, "127.0.0.1 localhost\n");
    assert_eq!(ran.outcome.stubs, ["/etc", "/etc/hosts", "/etc/resolv.conf"].map(PathBuf::from));
    assert_eq!(bench.changes(), ["etc", "etc/hosts", "etc/resolv.conf"]);
}

#[test]
fn a_linked_etc_is_resolved_inside_the_root() {
    let bench = Bench::new();
    fs::create_dir(bench.path("base/usr")).unwrap();
    fs::rename(bench.path("base/etc"), bench.path("base/usr/etc")).unwrap();
    symlink("/usr/etc", bench.path("base/etc")).unwrap();
    let ran = run(&bench.sh("cat /etc/hosts; id -un"));
    assert_eq!(ran.stdout, "127.0.0.1 localhost\nroot\n", "{}", ran.stderr);
    assert_eq!(ran.outcome.stubs, ["/usr/etc/hosts", "/usr/etc/resolv.conf"].map(PathBuf::from));
}

#[test]
fn what_tells_of_the_machine_is_masked() {
    // Of Docker's list, what this kernel has; two that every kernel has must be among it.
    let masked = [
        "/proc/acpi",
        "/proc/asound",
        "/proc/interrupts",
        "/proc/kcore",
        "/proc/keys",
        "/proc/latency_stats",
        "/proc/sched_debug",
        "/proc/scsi",
        "/proc/timer_list",
        "/sys/devices/virtual/powercap",
        "/sys/firmware",
    ];
    let here: Vec<&str> = masked.into_iter().filter(|path| Path::new(path).exists()).collect();
    assert!(here.contains(&"/proc/interrupts") && here.contains(&"/sys/firmware"), "{here:?}");
    let script = "for p; do test -e $p && echo $p; if test -d $p; then ls -A $p; else cat $p; fi; done";
    let bench = Bench::new();
    let args = ["/bin/sh", "-c", script, "sh"].into_iter().chain(here.iter().copied());
    let ran = run(&bench.spec(args));
    assert_eq!(ran.stdout.lines().collect::<Vec<_>>(), here, "{}", ran.stderr);
}

#[test]
fn dev_holds_the_usual_nodes() {
    let bench = Bench::new();
    let ran = run(&bench.sh(
        "echo $(ls /dev); echo x > /dev/null; head -c 3 /dev/zero | wc -c; head -c 5 /dev/urandom | wc -c; \
         test -c /dev/ptmx; echo $?; touch /dev/shm/x && stat -c %a /dev/shm; cat <&0 /dev/fd/0 | wc -c",
    ));
    let names = "core fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero";
    assert_eq!(ran.stdout, format!("{names}\n3\n5\n0\n1777\n0\n"), "{}", ran.stderr);
}

#[test]
fn both_mount_interfaces_stack_as_many_layers_as_two_overlays_take() {
    let bench = Bench::new();
    // The last that one overlay takes, the first that it does not, and the last of all.
    for count in [1, 130, 499, 500, 998] {
        let layers: Vec<PathBuf> = (1..count).map(|index| bench.dir(&format!("layer-{index}"))).collect();
        for (index, layer) in layers.iter().enumerate() {
            fs::write(layer.join(format!("own-{index}")), "").unwrap();
            fs::write(layer.join("common"), index.to_string()).unwrap();
        }
        // What the lowest has is hidden from the top, and from right above.
        if let [top, .., beside, lowest] = &layers[..] {
            for (layer, place) in [(top, "top"), (beside, "beside")] {
                let name = format!("hidden-{count}-{place}");
                fs::write(lowest.join(&name), "").unwrap();
                mknodat(CWD, layer.join(&name), FileType::CharacterDevice, Mode::empty(), 0).unwrap();
            }
        }
        for api in [MountApi::Best, MountApi::Classic] {
            let mut spec = bench.sh(
                "ls / | grep -c own; ls / | grep hidden; cat /common 2>/dev/null; echo > /written; rm -r /home",
            );
            spec.root.lowers = layers.iter().cloned().chain([bench.path("base")]).collect();
            spec.root.mount_api = api;
            let upper = bench.fresh_upper(count * 2 + usize::from(api == MountApi::Classic));
            spec.root.upper = Some(upper.clone());
            let top = if count > 1 { "0" } else { "" };
            assert_eq!(run(&spec).stdout, format!("{}\n{top}", count - 1), "{count} layers, {api:?}");
            assert!(upper.dir.join("written").is_file());
            assert_eq!(fs::symlink_metadata(upper.dir.join("home")).unwrap().rdev(), 0);
        }
    }
}

#[test]
fn without_an_upper_the_root_is_read_only() {
    let bench = Bench::new();
    for api in [MountApi::Best, MountApi::Classic] {
        let mut spec = bench.sh("touch /x 2>&1; cat /etc/hosts; touch /dev/shm/x && echo fine");
        spec.root.upper = None;
        spec.root.mount_api = api;
        assert_eq!(
            run(&spec).stdout,
            "touch: /x: Read-only file system\n127.0.0.1 localhost\nfine\n",
            "{api:?}"
        );
    }
    // The skeleton alone: overlayfs refuses a single lower, a bind mount takes its place.
    let mut spec = bench.spec(["/bin/true"]);
    spec.root = Root { upper: None, lowers: vec![], ..spec.root };
    assert!(matches!(try_run(&spec), Err(ExecError::Command { errno: libc::ENOENT, .. })));
}

#[test]
fn an_upper_that_overlayfs_refuses_is_an_error_with_a_remedy() {
    let bench = Bench::new();
    let merged = bench.dir("merged");
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        bench.path("base").display(),
        bench.path("upper").display(),
        bench.path("work").display()
    );
    let mounted =
        Command::new("mount").args(["-t", "overlay", "overlay", "-o", &options]).arg(&merged).status();
    assert!(mounted.unwrap().success());
    let _unmounted = Mounted(merged.clone());
    for (index, api) in [MountApi::Best, MountApi::Classic].into_iter().enumerate() {
        let mut spec = bench.sh("true");
        let (dir, work) = (merged.join(format!("u{index}")), merged.join(format!("w{index}")));
        fs::create_dir(&dir).unwrap();
        fs::create_dir(&work).unwrap();
        spec.root.upper = Some(Upper { dir: dir.clone(), work });
        spec.root.mount_api = api;
        match try_run(&spec) {
            Err(error @ ExecError::Upper { .. }) => {
                let text = error.to_string();
                assert!(
                    text.contains(dir.to_str().unwrap()) && text.contains("use a store on ext4"),
                    "{text}"
                );
            }
            other => panic!("{api:?}: {other:?}"),
        }
    }
}
