//! Builds whose commands have networks of their own, killed at moments that a seed chooses.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::each;
use crate::support::env::Env;
use crate::support::leftovers::{
    assert_clean, marker, mounts, networks_left, networks_of, wait_for_no_processes,
};
use crate::support::running::Running;

/// How many builds are killed.
const KILLS: usize = 50;

/// How many stores they share.
const STORES: usize = 2;

/// Lines of output of a build that is not killed, at least.
const LINES: u64 = 30;

/// Two stages beside each other, of which each step talks and leaves something behind it.
fn dockerfile(marker: &str) -> String {
    let talk = format!("RUN : {marker}; for i in $(seq 6); do echo $i; ip route | grep -q default; done");
    format!(
        "FROM busybox AS side\n{talk}; echo 1 >/side\nFROM busybox\n{talk}\n{talk} & wait\nCOPY --from=side /side /\n"
    )
}

/// When a build is killed.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// After this many lines of output.
    Line(u64),
    /// After it was looked at this many times since it began to make its first network.
    Network(u64),
}

/// A generator of numbers that look random (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn moment(&mut self) -> Moment {
        match self.below(3) {
            0 => Moment::Network(self.below(400)),
            _ => Moment::Line(1 + self.below(LINES)),
        }
    }
}

/// Lets a build go on until its moment has come; gives the networks that it had until then.
fn follow(build: &mut Running, moment: Moment) -> BTreeSet<u8> {
    let pid = build.pid();
    match moment {
        Moment::Line(mut left) => {
            let mut networks = BTreeSet::new();
            build.wait_for(|_| {
                left -= 1;
                networks.extend(networks_of(pid));
                left == 0
            });
            networks
        }
        Moment::Network(mut left) => {
            let start = Instant::now();
            loop {
                let networks = networks_of(pid);
                if !networks.is_empty() {
                    if left == 0 {
                        return networks;
                    }
                    left -= 1;
                }
                assert!(start.elapsed() < Duration::from_secs(60), "the build makes no network");
            }
        }
    }
}

/// Kills a build and sees that the next command clears what is left without a word.
fn kill(env: &Env, marker: &str, build: Running, mut networks: BTreeSet<u8>) {
    networks.extend(networks_of(build.pid()));
    build.signal(Signal::KILL);
    let _ = build.end();
    wait_for_no_processes(marker);
    let start = Instant::now();
    loop {
        let next = env.strata(["images"]).success();
        assert_eq!(next.stderr, "");
        let left = networks_left(&networks);
        if left.is_empty() {
            break;
        }
        // The other store's build may have taken a network over, to be killed meanwhile as well.
        assert!(start.elapsed() < Duration::from_secs(10), "{left:?} are left");
    }
    assert_eq!(mounts(&env.root()), Vec::<String>::new());
}

#[test]
fn a_build_with_networks_can_be_killed_at_any_moment() {
    let given = std::env::var("STRATA_SEED").ok();
    let seed = given.map_or_else(|| u64::from(std::process::id()), |seed| seed.parse().unwrap());
    println!("again with STRATA_SEED={seed}");
    each(STORES, |store| {
        let mut numbers = Numbers(seed.wrapping_add(store as u64));
        let (env, marker) = (Env::with_busybox(), marker(&format!("networks {store}")));
        let context = env.dockerfile("context", &dockerfile(&marker));
        let args = ["build", "--network=default", "--no-cache", "--progress=plain", "-t", "image"];
        let args = args.into_iter().chain(context.to_str());
        for _ in 0..KILLS / STORES {
            let moment = numbers.moment();
            println!("store {store}: {moment:?}");
            let mut build = env.spawn(args.clone());
            let networks = follow(&mut build, moment);
            kill(&env, &marker, build, networks);
        }
        let _ = env.strata(args).success();
        assert_eq!(env.sh("image", "cat /side"), "1\n");
        let _ = env.strata(["images"]).success();
        assert_clean(&env.root(), &marker);
    });
}
