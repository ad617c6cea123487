//! What is typed, and what it means.

use clap::Parser;

use super::*;

#[derive(Debug, Parser)]
struct Flags {
    #[command(flatten)]
    limits: LimitArgs,
}

fn limits(flags: &str) -> Result<Limits, String> {
    let words = std::iter::once("test").chain(flags.split_whitespace());
    Flags::parse_from(words).limits.limits(None).map_err(|error| error.to_string())
}

#[test]
fn flags_mean_what_they_mean_to_docker() {
    let cgroup = |flags: &str| limits(flags).unwrap().cgroup;
    let none = cgroup::Limits::default;
    assert_eq!(cgroup(""), none());
    assert_eq!(cgroup("-m 512m"), cgroup::Limits { memory: Some(512 << 20), ..none() });
    assert_eq!(cgroup("--memory=1.5GiB").memory, Some(3 << 29));
    assert_eq!(cgroup("-m 64m --memory-swap -1").memory_swap, Some(Swap::Unlimited));
    assert_eq!(cgroup("-m 64m --memory-swap 96m").memory_swap, Some(Swap::Total(96 << 20)));
    assert_eq!(cgroup("--cpus 1.5"), cgroup::Limits { cpu_quota: Some(150_000), ..none() });
    let both = cgroup::Limits { cpu_quota: Some(5000), cpu_period: Some(10_000), ..none() };
    assert_eq!(cgroup("--cpu-quota 5000 --cpu-period 10000"), both);
    assert_eq!(cgroup("--cpu-quota -1"), none());
    assert_eq!(cgroup("-c 512").cpu_shares, Some(512));
    assert_eq!(cgroup("--cpuset-cpus 0-3,5").cpuset_cpus.unwrap().to_string(), "0-3,5");
    assert_eq!(cgroup("--cgroup-parent /a/b").parent.as_deref(), Some("/a/b"));
    let limit = |resource, soft, hard| ResourceLimit { resource, soft, hard };
    assert_eq!(
        limits("--ulimit nofile=1024:2048 --ulimit core=-1 --shm-size 1g").unwrap(),
        Limits {
            resources: vec![limit(Resource::Nofile, 1024, 2048), limit(Resource::Core, u64::MAX, u64::MAX)],
            shm_size: Some(1 << 30),
            ..Limits::default()
        }
    );
    assert_eq!(pids("-1"), Ok(None));
    assert_eq!(pids("100"), Ok(Some(100)));
}

#[test]
fn what_is_wrong_is_said_with_the_flag_and_an_example() {
    let cases = [
        ("-m 12x", "`--memory 12x` is no size, as in `512m` or `1.5g`"),
        ("-m 1m", "`--memory` is 1MiB, and the least is `6m`"),
        ("--memory-swap 1g", "`--memory-swap` needs a `--memory`"),
        ("--cpus two", "`--cpus two` is no number of processors, as in `1.5`"),
        ("--cpus inf", "`--cpus inf` is no number of processors, as in `1.5`"),
        ("--cpus 0.001", "`--cpus 0.001` is less than 0.01, as in `1.5`"),
        (
            "--cpus 1 --cpu-quota 5000",
            "`--cpus` is `--cpu-quota` and `--cpu-period` in one: it cannot be given with one of them",
        ),
        ("--cpu-period 1", "`--cpu-period` is 1, and it must be from 1000 to 1000000"),
        ("--cpu-shares x", "`--cpu-shares x` is no number, as in `512`"),
        ("--cpuset-cpus 3-1", "`--cpuset-cpus 3-1` is no list of numbers, as in `0-3` or `0,2`"),
        ("--shm-size 0", "`--shm-size 0` is no size for it, as in `64m`"),
        ("--ulimit nofile", "`--ulimit nofile` is no limit, as in `nofile=1024:2048`"),
        ("--ulimit nofile=2:1", "`--ulimit nofile=2:1` has a soft limit above the hard one"),
        (
            "--ulimit files=1",
            "`--ulimit files=1` knows no limit `files`: there are core, cpu, data, fsize, locks, memlock, msgqueue, \
             nice, nofile, nproc, rss, rtprio, rttime, sigpending, stack",
        ),
        ("--cgroup-parent ../x", "`--cgroup-parent ../x` is no path below the root, as in `/builds`"),
    ];
    for (flags, expected) in cases {
        assert_eq!(limits(flags).unwrap_err(), expected, "{flags}");
    }
    assert_eq!(pids("many").unwrap_err().to_string(), "`--pids-limit many` is no number, as in `100`");
}

#[test]
fn hosts_are_read_in_both_spellings() {
    let shown = |text: &str| extra_host(text).map(|host| format!("{} {:?}", host.name, host.address));
    for (text, expected) in [
        ("db:10.0.0.2", "db Ip(10.0.0.2)"),
        ("db=10.0.0.2", "db Ip(10.0.0.2)"),
        ("db:::1", "db Ip(::1)"),
        ("db=[::1]", "db Ip(::1)"),
        ("machine:host-gateway", "machine Gateway"),
    ] {
        assert_eq!(shown(text).as_deref(), Ok(expected), "{text}");
    }
    for text in ["", "db", "db:", ":1.2.3.4", "db:here", "d b:1.2.3.4", "db:1.2.3.4\n"] {
        let error = shown(text);
        assert!(text.ends_with('\n') || error.is_err(), "{text:?}: {error:?}");
    }
}
