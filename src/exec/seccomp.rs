//! The seccomp filter of every command, made once in a process.
//!
//! libseccomp compiles the [profile](super::seccomp_profile); what it cannot express is put before its program:
//! calls newer than the library, and `ENOSYS` for calls newer than the profile.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::sync::OnceLock;

use libseccomp::error::SeccompError;
use libseccomp::{ScmpAction, ScmpArch, ScmpArgCompare, ScmpCompareOp, ScmpFilterContext, ScmpSyscall};

use rustix::fs::{MemfdFlags, memfd_create};

use super::error::ExecError;
use super::seccomp_profile::{
    ALLOWED, ALLOWED_HERE, CLONE_FORBIDDEN, LAST_KNOWN, NEW_ALLOWED, PERSONALITIES, SOCKET_FAMILIES,
};

/// Numbers from here on are private to an architecture (ARM) or marked (x32), and no newer calls.
const PRIVATE_NUMBERS: u32 = 1024;

/// The program, an array of `struct sock_filter`.
pub(super) fn program() -> Result<&'static [u8], ExecError> {
    static PROGRAM: OnceLock<Vec<u8>> = OnceLock::new();
    if let Some(program) = PROGRAM.get() {
        return Ok(program);
    }
    let mut program = prologue();
    let filter = compile().map_err(|source| ExecError::Seccomp { source })?;
    export(&filter, &mut program)?;
    // If another thread was faster, its program is the same.
    Ok(PROGRAM.get_or_init(|| program))
}

/// Appends the filter's program. libseccomp of Debian 12 writes it to a file only.
fn export(filter: &ScmpFilterContext, program: &mut Vec<u8>) -> Result<(), ExecError> {
    let failed = |source| ExecError::Engine { doing: "take the seccomp filter over", source };
    let file = memfd_create("seccomp", MemfdFlags::CLOEXEC).map_err(|errno| failed(errno.into()))?;
    filter.export_bpf(&file).map_err(|source| ExecError::Seccomp { source })?;
    let mut file = File::from(file);
    file.rewind().and_then(|()| file.read_to_end(program)).map_err(failed)?;
    Ok(())
}

/// The profile, ready to be compiled.
fn compile() -> Result<ScmpFilterContext, SeccompError> {
    let mut filter = ScmpFilterContext::new(ScmpAction::Errno(libc::EPERM))?;
    if cfg!(target_arch = "x86_64") {
        filter.add_arch(ScmpArch::X86)?.add_arch(ScmpArch::X32)?;
    } else if cfg!(target_arch = "aarch64") {
        filter.add_arch(ScmpArch::Arm)?;
    }
    // A binary search instead of a comparison with each call in turn.
    filter.set_ctl_optimize(2)?;
    for name in ALLOWED.split_whitespace().chain(ALLOWED_HERE.split_whitespace()) {
        // A name that libseccomp does not know is of a newer call, which the prologue allows.
        if let Ok(call) = ScmpSyscall::from_name(name) {
            filter.add_rule(ScmpAction::Allow, call)?;
        }
    }
    let equal = |value| ScmpArgCompare::new(0, ScmpCompareOp::Equal, value);
    for (name, values) in [("socket", SOCKET_FAMILIES), ("personality", PERSONALITIES)] {
        let call = ScmpSyscall::from_name(name)?;
        for &value in values {
            filter.add_rule_conditional(ScmpAction::Allow, call, &[equal(value)])?;
        }
    }
    let no_namespaces = ScmpArgCompare::new(0, ScmpCompareOp::MaskedEqual(CLONE_FORBIDDEN), 0);
    filter.add_rule_conditional(ScmpAction::Allow, ScmpSyscall::from_name("clone")?, &[no_namespaces])?;
    // Its flags lie in memory, where a filter cannot look; libc falls back to clone on this error.
    filter.add_rule(ScmpAction::Errno(libc::ENOSYS), ScmpSyscall::from_name("clone3")?)?;
    Ok(filter)
}

/// Instructions that decide on new calls and leave all others to the program that follows. Jumps are relative and
/// go forward, so programs can be put one after the other.
fn prologue() -> Vec<u8> {
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const JUMP_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const JUMP_GREATER: u16 = (libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K) as u16;
    const JUMP_NOT_LESS: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

    let first = NEW_ALLOWED.iter().copied().min().unwrap_or(LAST_KNOWN);
    let calls = NEW_ALLOWED.len() as u8;
    // Behind the comparisons: is it beyond the profile?, ENOSYS, ALLOW, then the program.
    let after = calls + 3;
    let mut code = vec![
        // The number is the first word of `struct seccomp_data`.
        (LOAD, 0, 0, 0),
        (JUMP_NOT_LESS, 0, after + 1, first),
        (JUMP_NOT_LESS, after, 0, PRIVATE_NUMBERS),
    ];
    for (index, &number) in NEW_ALLOWED.iter().enumerate() {
        code.push((JUMP_EQUAL, calls - index as u8 + 1, 0, number));
    }
    code.push((JUMP_GREATER, 0, 2, LAST_KNOWN));
    code.push((RETURN, 0, 0, libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32));
    code.push((RETURN, 0, 0, libc::SECCOMP_RET_ALLOW));
    code.into_iter()
        .flat_map(|(code, jump_true, jump_false, k): (u16, u8, u8, u32)| {
            let mut bytes = [0; 8];
            bytes[..2].copy_from_slice(&code.to_ne_bytes());
            bytes[2] = jump_true;
            bytes[3] = jump_false;
            bytes[4..].copy_from_slice(&k.to_ne_bytes());
            bytes
        })
        .collect()
}
