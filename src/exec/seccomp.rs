//! The seccomp filter of commands, for the usual ones made once in a process from the [profile](super::seccomp_profile).
//!
//! libseccomp only tells which number a name has on which architecture. Its compiler takes 10 to 20 ms, more than a
//! whole sandbox; a test compares what both compilers' programs answer.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::OnceLock;

use libseccomp::{ScmpArch, ScmpSyscall};

use super::bpf::{Instruction, bytes, choose, give, if_bits, load};
use super::capabilities::Capabilities;
use super::seccomp_profile::{
    ALLOWED, ALLOWED_HERE, ALLOWED_WITH, CLONE_FORBIDDEN, I386_DIRECT, IOCTLS_FORBIDDEN, LAST_KNOWN,
    NEW_ALLOWED, PERSONALITIES, SOCKET_FAMILIES, X32_OWN,
};

/// Where `struct seccomp_data` has the call's number, the architecture, the two halves of the first argument and the
/// low one of the second on a little-endian machine.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const ARG_LOW: u32 = 16;
const ARG_HIGH: u32 = 20;
const SECOND_LOW: u32 = 24;

/// Marks a call of the x32 ABI, which shares its architecture with x86-64.
const X32_BIT: u32 = 0x4000_0000;

/// Numbers from here on are private to an architecture and no newer calls.
const PRIVATE_NUMBERS: u32 = 1024;

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const REFUSE: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
const ABSENT: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Allow,
    Refuse,
    /// Fails as on a kernel that does not know the call.
    Absent,
    /// Allowed if the first argument is one of these, sorted.
    FirstIsOneOf(&'static [u32]),
    /// Allowed if the first argument has none of these bits.
    FirstLacks(u32),
    /// Allowed if the second argument, of which the kernel takes 32 bits, is none of these, sorted.
    SecondIsNoneOf(&'static [u32]),
}

/// Architectures whose programs run here: `AUDIT_ARCH_*` of linux/audit.h, and libseccomp's names for the ABIs.
#[cfg(target_arch = "x86_64")]
const ARCHITECTURES: &[(u32, &[ScmpArch])] =
    &[(0xc000_003e, &[ScmpArch::X8664, ScmpArch::X32]), (0x4000_0003, &[ScmpArch::X86])];
#[cfg(target_arch = "aarch64")]
const ARCHITECTURES: &[(u32, &[ScmpArch])] =
    &[(0xc000_00b7, &[ScmpArch::Aarch64]), (0x4000_0028, &[ScmpArch::Arm])];

/// The program for a command with these capabilities, an array of `struct sock_filter`.
pub(super) fn program(capabilities: Capabilities) -> Cow<'static, [u8]> {
    static USUAL: OnceLock<Vec<u8>> = OnceLock::new();
    let more = allowed_with(capabilities);
    if more.is_empty() {
        Cow::Borrowed(USUAL.get_or_init(|| bytes(&compile(&more))))
    } else {
        Cow::Owned(bytes(&compile(&more)))
    }
}

/// What is allowed besides, because there are capabilities that guard it.
fn allowed_with(capabilities: Capabilities) -> Vec<&'static str> {
    let held = |name: &str| Capabilities::named(name).is_some_and(|one| capabilities.contains(one));
    let rows = ALLOWED_WITH.iter().filter(|(name, _)| held(name));
    rows.flat_map(|(_, calls)| calls.split_whitespace()).collect()
}

fn compile(more: &[&str]) -> Vec<Instruction> {
    let mut runs = vec![(0, vec![give(libc::SECCOMP_RET_KILL_PROCESS)])];
    let mut architectures = ARCHITECTURES.to_vec();
    architectures.sort_unstable_by_key(|(audit, _)| *audit);
    for (audit, abis) in architectures {
        let mut calls = BTreeMap::new();
        for abi in abis {
            add_calls(*abi, more, &mut calls);
        }
        let mut code = vec![load(NUMBER)];
        code.extend(choose(&verdict_runs(&calls)));
        runs.push((audit, code));
        runs.push((audit + 1, vec![give(libc::SECCOMP_RET_KILL_PROCESS)]));
    }
    let mut code = vec![load(ARCH)];
    code.extend(choose(&runs));
    code
}

/// Adds the calls of an ABI that are not simply refused.
fn add_calls(abi: ScmpArch, more: &[&str], calls: &mut BTreeMap<u32, Verdict>) {
    // libseccomp gives calls that an ABI lacks negative numbers.
    let number = |name| {
        ScmpSyscall::from_name_by_arch(name, abi)
            .ok()
            .and_then(|call| u32::try_from(call.as_raw_syscall()).ok())
    };
    let mark = if abi == ScmpArch::X32 { X32_BIT } else { 0 };
    let newer = (LAST_KNOWN + 1..PRIVATE_NUMBERS).filter(|number| mark == 0 || !X32_OWN.contains(number));
    calls.extend(newer.map(|number| (number | mark, Verdict::Absent)));
    let names = ALLOWED.split_whitespace().chain(ALLOWED_HERE.split_whitespace());
    let mut allowed: Vec<u32> = names.filter_map(number).collect();
    allowed.extend(NEW_ALLOWED.iter().map(|number| number | mark));
    if abi == ScmpArch::X86 {
        allowed.extend(I386_DIRECT.iter().cloned().flatten());
    }
    calls.extend(allowed.into_iter().map(|number| (number, Verdict::Allow)));
    let socket = if abi == ScmpArch::X86 { Some(359) } else { number("socket") };
    let conditional = [
        (socket, Verdict::FirstIsOneOf(SOCKET_FAMILIES)),
        (number("personality"), Verdict::FirstIsOneOf(PERSONALITIES)),
        (number("clone"), Verdict::FirstLacks(CLONE_FORBIDDEN)),
        (number("ioctl"), Verdict::SecondIsNoneOf(IOCTLS_FORBIDDEN)),
        // Its flags lie in memory, where a filter cannot look; libc falls back to clone on this error.
        (number("clone3"), Verdict::Absent),
    ];
    calls.extend(conditional.into_iter().filter_map(|(number, verdict)| Some((number?, verdict))));
    calls.extend(more.iter().copied().filter_map(number).map(|number| (number, Verdict::Allow)));
}

/// Runs of numbers with the same verdict, each as code; a number that is not in `calls` is refused.
fn verdict_runs(calls: &BTreeMap<u32, Verdict>) -> Vec<(u32, Vec<Instruction>)> {
    let mut runs: Vec<(u32, Verdict)> = Vec::new();
    let mut push = |first, verdict| match runs.last() {
        Some((_, last)) if *last == verdict => {}
        _ => runs.push((first, verdict)),
    };
    // The first number that nothing is said of yet; none after the last number that there is.
    let mut next = Some(0);
    for (&number, &verdict) in calls {
        if let Some(next) = next.filter(|next| number > *next) {
            push(next, Verdict::Refuse);
        }
        push(number, verdict);
        next = number.checked_add(1);
    }
    if let Some(next) = next {
        push(next, Verdict::Refuse);
    }
    runs.into_iter().map(|(first, verdict)| (first, code_of(verdict))).collect()
}

fn code_of(verdict: Verdict) -> Vec<Instruction> {
    match verdict {
        Verdict::Allow => vec![give(ALLOW)],
        Verdict::Refuse => vec![give(REFUSE)],
        Verdict::Absent => vec![give(ABSENT)],
        Verdict::FirstLacks(bits) => vec![load(ARG_LOW), if_bits(bits, 0, 1), give(REFUSE), give(ALLOW)],
        Verdict::FirstIsOneOf(values) => {
            let allowed = values.iter().map(|&value| (value, Verdict::Allow)).collect();
            let mut code = vec![load(ARG_HIGH), if_bits(u32::MAX, 0, 1), give(REFUSE), load(ARG_LOW)];
            code.extend(choose(&verdict_runs(&allowed)));
            code
        }
        Verdict::SecondIsNoneOf(values) => {
            let mut runs = vec![(0, vec![give(ALLOW)])];
            for &value in values {
                runs.extend([(value, vec![give(REFUSE)]), (value + 1, vec![give(ALLOW)])]);
            }
            [vec![load(SECOND_LOW)], choose(&runs)].concat()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read as _, Seek as _};

    use libseccomp::{ScmpAction, ScmpArgCompare, ScmpCompareOp, ScmpFilterContext};
    use rustix::fs::{MemfdFlags, memfd_create};

    use super::*;

    /// What a program answers, by the rules of the kernel's interpreter.
    fn answer(program: &[u8], number: u32, arch: u32, argument: u64) -> u32 {
        let mut accumulator = 0;
        let mut at = 0;
        loop {
            let word = &program[at * 8..at * 8 + 8];
            let code = u32::from(u16::from_ne_bytes([word[0], word[1]]));
            let (jump_true, jump_false) = (usize::from(word[2]), usize::from(word[3]));
            let operand = u32::from_ne_bytes(word[4..].try_into().unwrap());
            at += 1;
            let jump = |holds| if holds { jump_true } else { jump_false };
            at += match (code & 0x07, code & 0xf0) {
                (0x00, _) => {
                    accumulator = match operand {
                        NUMBER => number,
                        ARCH => arch,
                        ARG_LOW | SECOND_LOW => argument as u32,
                        ARG_HIGH => (argument >> 32) as u32,
                        other => panic!("load from {other}"),
                    };
                    0
                }
                (0x04, 0x50) => {
                    accumulator &= operand;
                    0
                }
                (0x05, 0x00) => operand as usize,
                (0x05, 0x10) => jump(accumulator == operand),
                (0x05, 0x20) => jump(accumulator > operand),
                (0x05, 0x30) => jump(accumulator >= operand),
                (0x05, 0x40) => jump(accumulator & operand != 0),
                (0x06, _) => return operand,
                other => panic!("instruction {other:?}"),
            };
        }
    }

    /// The profile as libseccomp compiles it.
    fn reference() -> Vec<u8> {
        let mut filter = ScmpFilterContext::new(ScmpAction::Errno(libc::EPERM)).unwrap();
        for (_, abis) in ARCHITECTURES {
            for abi in *abis {
                if !filter.is_arch_present(*abi).unwrap() {
                    filter.add_arch(*abi).unwrap();
                }
            }
        }
        for name in ALLOWED.split_whitespace().chain(ALLOWED_HERE.split_whitespace()) {
            if let Ok(call) = ScmpSyscall::from_name(name) {
                filter.add_rule(ScmpAction::Allow, call).unwrap();
            }
        }
        let first = |op, value| [ScmpArgCompare::new(0, op, value)];
        for (name, values) in [("socket", SOCKET_FAMILIES), ("personality", PERSONALITIES)] {
            let call = ScmpSyscall::from_name(name).unwrap();
            for &value in values {
                let condition = first(ScmpCompareOp::Equal, value.into());
                filter.add_rule_conditional(ScmpAction::Allow, call, &condition).unwrap();
            }
        }
        let condition = first(ScmpCompareOp::MaskedEqual(CLONE_FORBIDDEN.into()), 0);
        let call = |name| ScmpSyscall::from_name(name).unwrap();
        filter.add_rule_conditional(ScmpAction::Allow, call("clone"), &condition).unwrap();
        filter.add_rule(ScmpAction::Errno(libc::ENOSYS), call("clone3")).unwrap();
        let memory = memfd_create("reference", MemfdFlags::CLOEXEC).unwrap();
        filter.export_bpf(&memory).unwrap();
        let mut file = File::from(memory);
        let mut program = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut program).unwrap();
        program
    }

    #[test]
    fn the_program_answers_as_libseccomps_does() {
        let (ours, reference) = (program(Capabilities::default()), reference());
        let arguments: Vec<u64> = (0..64)
            .chain([0x2_0000, 0x2_0008, 0x7e02_0000, 0x1000_0000, 0x11, 0xffff_ffff, 0x1_0000_0001, u64::MAX])
            .collect();
        let wide = [ScmpArch::X8664, ScmpArch::Aarch64];
        // Up to here libseccomp 2.5.4 knows the calls; what comes then is the next test's.
        let known = 0..451;
        for (audit, abis) in ARCHITECTURES {
            for abi in *abis {
                let mark = if *abi == ScmpArch::X32 { X32_BIT } else { 0 };
                let own = if *abi == ScmpArch::X32 { 512..548 } else { 0..0 };
                for number in known.clone().chain(own) {
                    // Programs of 32-bit ABIs have no larger arguments; libseccomp looks at the low half only.
                    for &argument in arguments.iter().filter(|&&a| wide.contains(abi) || a < 1 << 32) {
                        let ask = |program: &[u8]| answer(program, number | mark, *audit, argument);
                        let (ours, theirs) = (ask(&ours), ask(&reference));
                        assert_eq!(ours, theirs, "{abi:?} call {number} with {argument:#x}");
                    }
                }
            }
        }
    }

    #[test]
    fn calls_newer_than_libseccomp_are_decided_by_number() {
        for (audit, abis) in ARCHITECTURES {
            for abi in *abis {
                let mark = if *abi == ScmpArch::X32 { X32_BIT } else { 0 };
                let ask = |number: u32| answer(&program(Capabilities::default()), number | mark, *audit, 0);
                assert!(NEW_ALLOWED.iter().all(|&number| ask(number) == ALLOW), "{abi:?}");
                assert_eq!([459, 460, 461].map(ask), [REFUSE; 3], "{abi:?}: lsm_*");
                assert_eq!([467, 511, 1023].map(ask), [ABSENT; 3], "{abi:?}");
                assert_eq!([1024, 100_000].map(ask), [REFUSE; 2], "{abi:?}");
            }
        }
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn what_a_capability_guards_is_allowed_with_it_alone() {
        let (audit, call) =
            (0xc000_003e, |name| ScmpSyscall::from_name(name).unwrap().as_raw_syscall() as u32);
        let admin = Capabilities::default().with(Capabilities::named("SYS_ADMIN").unwrap());
        let namespaces = u64::from(CLONE_FORBIDDEN);
        for (name, argument) in [("mount", 0), ("unshare", namespaces), ("clone", namespaces), ("clone3", 0)]
        {
            let ask = |capabilities| answer(&program(capabilities), call(name), audit, argument);
            assert_ne!(ask(Capabilities::default()), ALLOW, "{name}");
            assert_eq!(ask(admin), ALLOW, "{name}");
            assert_ne!(ask(Capabilities::named("SYS_TIME").unwrap()), ALLOW, "{name}");
        }
        assert_eq!(answer(&program(admin), call("init_module"), audit, 0), REFUSE);
        assert_eq!(answer(&program(Capabilities::ALL), call("init_module"), audit, 0), ALLOW);
    }

    #[test]
    fn input_cannot_be_put_into_a_terminal() {
        for (audit, abis) in ARCHITECTURES {
            for abi in *abis {
                let ioctl = ScmpSyscall::from_name_by_arch("ioctl", *abi).unwrap().as_raw_syscall() as u32;
                let ask = |request| answer(&program(Capabilities::default()), ioctl, *audit, request);
                let around: [u64; 5] = [0, 0x5411, 0x5413, 0x541b, 0x541d];
                assert!(around.into_iter().all(|request| ask(request) == ALLOW), "{abi:?}");
                // The kernel does not look at the upper half.
                let put = [0x5412, 0x541c, 0x1_0000_5412];
                assert!(put.into_iter().all(|request| ask(request) == REFUSE), "{abi:?}");
            }
        }
    }

    #[test]
    fn calls_of_other_architectures_kill() {
        for arch in [0, 0xc000_00f3, u32::MAX] {
            assert_eq!(
                answer(&program(Capabilities::default()), 1, arch, 0),
                libc::SECCOMP_RET_KILL_PROCESS,
                "{arch:#x}"
            );
        }
    }
}
