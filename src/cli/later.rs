//! What Docker's command line has and strata's does not have yet, by name only: so that it is refused as that, and not
//! taken for a mistyped something else. A row goes when its flag or command comes; a test says which rows are late.

/// Commands.
const COMMANDS: &str = "attach builder buildx compose context create events exec image info kill network pause plugin \
    port restart start stats stop top trust unpause update version volume wait";

/// Flags of commands, as they are typed.
const FLAGS: [(&str, &str); 5] = [
    (
        "build",
        "--builder --cache-from --cache-to --compress --disable-content-trust \
         --force-rm --isolation --policy --rm --security-opt --squash",
    ),
    (
        "run",
        "--annotation -a --attach --blkio-weight --blkio-weight-device --cgroupns \
         --cidfile --cpu-count --cpu-percent --cpu-rt-period --cpu-rt-runtime -d --detach --detach-keys \
         --device --device-cgroup-rule --device-read-bps --device-read-iops --device-write-bps \
         --device-write-iops --disable-content-trust --domainname \
         --expose --gpus --health-cmd --health-interval --health-retries --health-start-interval \
         --health-start-period --health-timeout --io-maxbandwidth --io-maxiops --ip --ip6 --ipc --isolation \
         --kernel-memory -l --label --label-file --link --link-local-ip --log-driver --log-opt --mac-address \
         --memory-reservation --memory-swappiness --mount --net-alias --network-alias --no-healthcheck \
         --oom-kill-disable --oom-score-adj --pid -P --publish-all \
         --restart --runtime --sig-proxy --stop-signal --stop-timeout --storage-opt --sysctl \
         --userns --uts --volume-driver --volumes-from",
    ),
    ("pull", "--disable-content-trust"),
    ("push", "--disable-content-trust"),
    ("rmi", "--no-prune --platform"),
];

/// Commands that stand behind `container`.
const CONTAINER: &str = "attach create exec kill pause port restart start stats stop top unpause update wait";

/// Whether Docker has this command, behind `parent` if that is one with commands of its own.
pub(super) fn is_command(parent: &str, name: &str) -> bool {
    let known = if parent == "container" { CONTAINER } else { COMMANDS };
    known.split(' ').any(|known| known == name)
}

/// Whether Docker's command has this flag.
pub(super) fn is_flag(command: &str, flag: &str) -> bool {
    flags(command).any(|known| known == flag)
}

fn flags(command: &str) -> impl Iterator<Item = &'static str> {
    let rows = FLAGS.iter().filter(move |(name, _)| *name == command);
    rows.flat_map(|(_, flags)| flags.split(' '))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn what_is_here_now_is_not_listed() {
        let mut strata = crate::cli::Arguments::command();
        strata.build();
        for name in COMMANDS.split(' ') {
            assert!(strata.find_subcommand(name).is_none(), "remove `{name}`");
        }
        let container = strata.find_subcommand("container").unwrap();
        for name in CONTAINER.split(' ') {
            assert!(container.find_subcommand(name).is_none(), "remove `{name}` of `container`");
        }
        for (name, flags) in FLAGS {
            let command = strata.find_subcommand(name).unwrap();
            let has = |flag: &str| {
                command.get_arguments().any(|argument| match flag.strip_prefix("--") {
                    Some(long) => argument.get_long() == Some(long),
                    None => argument.get_short() == flag.chars().nth(1),
                })
            };
            for flag in flags.split(' ') {
                assert!(!has(flag), "remove `{flag}` from the row of `{name}`");
            }
        }
    }
}
