//! The machine's hierarchies: which there are, where they are mounted, and where in them this process is.

use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use super::controller::Controller;

/// Which of the kernel's interfaces a hierarchy has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Version 2: one hierarchy for all controllers.
    Unified,
    /// Version 1, with these controllers.
    Legacy {
        /// Their names, as the hierarchy is mounted with them.
        controllers: Vec<String>,
    },
}

/// A mounted hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hierarchy {
    pub(super) kind: Kind,
    /// Where it is mounted.
    pub(super) mount: PathBuf,
    /// The directory of this process's group; [`Self::mount`] if that cannot be seen from here.
    pub(super) own: PathBuf,
}

impl Hierarchy {
    /// All that are mounted; none if the kernel does not say.
    pub(super) fn find() -> Vec<Self> {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        parse(&read("/proc/self/mountinfo"), &read("/proc/self/cgroup"))
    }

    /// Whether its groups can have the controller.
    pub(super) fn has(&self, controller: Controller) -> bool {
        match &self.kind {
            Kind::Legacy { controllers } => controllers.iter().any(|name| name == controller.v1()),
            Kind::Unified => controller
                .v2()
                .is_none_or(|name| words(&self.mount.join("cgroup.controllers")).contains(name)),
        }
    }
}

/// The words of a file of the kernel's; none if it cannot be read.
pub(super) fn words(path: &Path) -> Words {
    Words(fs::read_to_string(path).unwrap_or_default())
}

/// Words between blanks.
pub(super) struct Words(String);

impl Words {
    pub(super) fn contains(&self, word: &str) -> bool {
        self.0.split_whitespace().any(|known| known == word)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.trim().is_empty()
    }
}

/// Reads proc_pid_mountinfo(5) and proc_pid_cgroup(5).
fn parse(mountinfo: &str, groups: &str) -> Vec<Hierarchy> {
    let mut found: Vec<Hierarchy> = Vec::new();
    for line in mountinfo.lines() {
        let Some((mount, file_system)) = line.split_once(" - ") else { continue };
        let (mount, file_system): (Vec<_>, Vec<_>) =
            (mount.split(' ').collect(), file_system.split(' ').collect());
        let (Some(root), Some(point), Some(fs_type)) = (mount.get(3), mount.get(4), file_system.first())
        else {
            continue;
        };
        let options = file_system.get(2).copied().unwrap_or_default();
        let Some((kind, own)) = group_of(fs_type, options, groups) else { continue };
        let (root, mount) = (unescaped(root), unescaped(point));
        let own = match Path::new(own).strip_prefix(&root) {
            Ok(below) if below != Path::new("") => mount.join(below),
            _ => mount.clone(),
        };
        if !found.iter().any(|known| known.kind == kind) {
            found.push(Hierarchy { kind, mount, own });
        }
    }
    found
}

/// The kind of a hierarchy that is mounted so, and this process's group in it.
fn group_of<'a>(fs_type: &str, options: &str, groups: &'a str) -> Option<(Kind, &'a str)> {
    let mut lines = groups.lines().filter_map(|line| {
        let (_, rest) = line.split_once(':')?;
        rest.split_once(':')
    });
    match fs_type {
        "cgroup2" => lines.find(|(names, _)| names.is_empty()).map(|(_, path)| (Kind::Unified, path)),
        "cgroup" => {
            let options: Vec<&str> = options.split(',').collect();
            let mounted = |names: &str| {
                let mut names = names.split(',');
                names.all(|name| !name.is_empty() && !name.contains('=') && options.contains(&name))
            };
            let (names, path) = lines.find(|(names, _)| mounted(names))?;
            Some((Kind::Legacy { controllers: names.split(',').map(str::to_owned).collect() }, path))
        }
        _ => None,
    }
}

/// Undoes the octal escapes of mountinfo.
fn unescaped(text: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let code =
            tail.get(..3).filter(|_| first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        if let Some(byte) = code.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            bytes.push(byte);
            rest = &tail[3..];
        } else {
            bytes.push(first);
            rest = tail;
        }
    }
    PathBuf::from(std::ffi::OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(mountinfo: &str, groups: &str) -> Vec<String> {
        let show = |hierarchy: Hierarchy| {
            let kind = match hierarchy.kind {
                Kind::Unified => "2".to_owned(),
                Kind::Legacy { controllers } => controllers.join("+"),
            };
            format!("{kind} {} {}", hierarchy.mount.display(), hierarchy.own.display())
        };
        parse(mountinfo, groups).into_iter().map(show).collect()
    }

    #[test]
    fn a_machine_with_version_2() {
        let mounts = "25 1 0:22 / / rw - ext4 /dev/vda rw\n\
                      35 24 0:30 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";
        let found = shown(mounts, "0::/user.slice/user-0.slice/session-3.scope\n");
        assert_eq!(found, ["2 /sys/fs/cgroup /sys/fs/cgroup/user.slice/user-0.slice/session-3.scope"]);
    }

    #[test]
    fn a_machine_with_version_1_and_an_empty_version_2() {
        let mounts = "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
                      35 31 0:32 / /sys/fs/cgroup/mem\\040ory rw - cgroup cgroup rw,xattr,memory\n\
                      40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n\
                      41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let groups = "9:name=systemd:/\n4:memory:/a/b\n2:cpu,cpuacct:/\n0::/\n";
        let expected = [
            "cpu+cpuacct /sys/fs/cgroup/cpu,cpuacct /sys/fs/cgroup/cpu,cpuacct",
            "memory /sys/fs/cgroup/mem ory /sys/fs/cgroup/mem ory/a/b",
            "2 /sys/fs/cgroup/unified /sys/fs/cgroup/unified",
        ];
        assert_eq!(shown(mounts, groups), expected);
    }

    #[test]
    fn a_container_that_sees_its_own_part_only() {
        let mounts = "32 31 0:29 /docker/1f /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";
        assert_eq!(
            shown(mounts, "4:memory:/docker/1f/x\n"),
            ["memory /sys/fs/cgroup/memory /sys/fs/cgroup/memory/x"]
        );
        // Moved out of what is mounted: the mount is the best place that there is.
        assert_eq!(
            shown(mounts, "4:memory:/other\n"),
            ["memory /sys/fs/cgroup/memory /sys/fs/cgroup/memory"]
        );
    }

    #[test]
    fn nothing_is_mounted() {
        assert_eq!(shown("25 1 0:22 / / rw - ext4 /dev/vda rw\n", "0::/\n"), Vec::<String>::new());
    }
}
