//! What the command may do: seccomp, capabilities, ids. The order is forced by the kernel: a filter is loaded with
//! `CAP_SYS_ADMIN` (no_new_privs stays off, or `su` and `sudo` would not work), the bounding set shrinks with
//! `CAP_SETPCAP`, ids change with `CAP_SETUID` and `CAP_SETGID`, and only then may those go. The filter allows all
//! calls that come after it.

use rustix::io::Errno;
use rustix::process::{Gid, Uid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capability_is_in_bounding_set, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_thread_groups, set_thread_res_gid,
    set_thread_res_uid,
};

use super::capabilities::Capabilities;
use super::channel::Failure;
use super::init::Step as _;
use super::spec::Spec;
use super::user::User;
use crate::sys::process::load_seccomp;
use crate::user::IdMap;

/// Gives up everything that the command must not have. The next call is exec. An empty filter allows all calls.
pub(super) fn reduce(user: &User, seccomp: &[u8], spec: &Spec) -> Result<(), Failure> {
    let allowed = if spec.insecure { Capabilities::ALL } else { spec.capabilities }.set();
    if !spec.insecure && !seccomp.is_empty() {
        load_seccomp(seccomp).step("load the seccomp filter")?;
    }
    bound(allowed).step("drop capabilities")?;
    let groups: Vec<Gid> = user.groups.iter().map(|&gid| Gid::from_raw(gid)).collect();
    // Whoever has a single id had to give setgroups(2) up for it, see user_namespaces(7).
    if !IdMap::current().is_single() {
        set_thread_groups(&groups).step("setgroups")?;
    }
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    set_thread_res_gid(gid, gid, gid).step("setresgid")?;
    set_thread_res_uid(uid, uid, uid).step("setresuid")?;
    // Leaving user 0 has cleared the permitted set already, and what is not there cannot be set.
    let mine = if user.uid == 0 { bounding(allowed) } else { CapabilitySet::empty() };
    let sets = CapabilitySets { effective: mine, permitted: mine, inheritable: CapabilitySet::empty() };
    set_capabilities(None, sets).step("capset")?;
    clear_ambient_capability_set().step("clear the ambient capabilities")
}

/// Every capability that a kernel may have, by number.
fn every_capability() -> impl Iterator<Item = CapabilitySet> {
    (0..64).map(|number| CapabilitySet::from_bits_retain(1 << number))
}

/// Drops all but the allowed capabilities from the bounding set.
fn bound(allowed: CapabilitySet) -> Result<(), Errno> {
    for capability in every_capability() {
        if allowed.contains(capability) {
            continue;
        }
        match remove_capability_from_bounding_set(capability) {
            // The kernel does not know that number, and none beyond.
            Err(Errno::INVAL) => break,
            result => result?,
        }
    }
    Ok(())
}

/// What is allowed and in the bounding set.
fn bounding(allowed: CapabilitySet) -> CapabilitySet {
    let held = |capability: &CapabilitySet| capability_is_in_bounding_set(*capability) == Ok(true);
    every_capability()
        .filter(|one| allowed.contains(*one))
        .filter(held)
        .fold(CapabilitySet::empty(), CapabilitySet::union)
}
