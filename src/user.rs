//! Ordinary users: how one becomes root of a user namespace, and which ids exist there.
//!
//! Owns the choice of ids, the calls of `newuidmap` and `newgidmap`, and the answer to "may a file belong to that
//! owner here". The whole program works in the namespace: after [`enter`] it is user 0 with every capability over
//! what belongs to its ids, and nothing else in the program asks who started it. Knows nothing of stores, layers or
//! sandboxes.
//!
//! # Which ids
//!
//! | Who | Ids inside |
//! |---|---|
//! | root that may do everything | no namespace is made |
//! | root of a container, without `CAP_SYS_ADMIN` | those of the container, unchanged |
//! | a user with ranges in `/etc/subuid` and `/etc/subgid` | 0 is the user, 1 and up are the ranges |
//! | any other user | 0 is the user, and there is no other |

mod enter;
mod map;
mod ranges;

pub use enter::{EnterError, enter, is_needed};
pub use map::{Extent, IdMap, IdMapError};

use crate::sys::user_namespace::account;

/// Whether the process is in another user namespace than the machine's first one, where extended attributes of
/// `trusted.*`, device nodes and a few mounts are beyond its reach.
pub fn is_confined() -> bool {
    !crate::sys::user_namespace::is_first()
}

/// What somebody who has a single id can do to get more; `None` where ids are not short.
pub fn remedy_for_single_id() -> Option<String> {
    let map = IdMap::current();
    if !map.is_single() {
        return None;
    }
    let uid = map.outside_user(0)?;
    let name = account(uid).map_or_else(|| uid.to_string(), |account| account.name);
    Some(if enter::helper("newuidmap").is_none() || enter::helper("newgidmap").is_none() {
        format!(
            "install the package `uidmap`, and see that /etc/subuid and /etc/subgid have ranges for `{name}`"
        )
    } else if ranges::of(uid).is_none() {
        let (first, last) = ranges::free();
        format!(
            "give `{name}` more ids, as root: `usermod --add-subuids {first}-{last} --add-subgids {first}-{last} {name}`"
        )
    } else {
        format!(
            "`newuidmap` refused the ranges of `{name}`; in a container it must be allowed to gain privileges"
        )
    })
}
