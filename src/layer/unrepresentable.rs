//! What a layer may hold and the disk may not, because a user namespace lacks the ids or the right.
//!
//! Wrong owners are never written in the place of those that cannot be: the layer would not be what its digest says to
//! whoever runs on it.

use std::io;

use crate::user::{IdMap, is_confined};

/// Something that only the machine's root can put on disk. It travels inside an [`io::Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unrepresentable {
    /// An owner whose ids do not exist here.
    #[error("nothing can belong to {uid}:{gid}, which is not among the ids that this user has")]
    Owner {
        /// The user.
        uid: u32,
        /// The group.
        gid: u32,
    },
    /// A device node.
    #[error("only root can make device nodes")]
    Device,
}

impl Unrepresentable {
    /// What an error is about, if it is this; looks into the causes as well.
    pub fn find(error: &(dyn std::error::Error + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            let found = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            if let Some(found) = found.and_then(|inner| inner.downcast_ref::<Self>()) {
                return Some(*found);
            }
            next = error.source();
        }
        None
    }

    /// Says that nothing can have this owner, where that is so.
    pub fn check_owner((uid, gid): (u32, u32)) -> io::Result<()> {
        if IdMap::current().has_owner((uid, gid)) { Ok(()) } else { Err(Self::Owner { uid, gid }.into()) }
    }

    /// A clearer error for a device that could not be made.
    pub(super) fn instead_of(error: io::Error) -> io::Error {
        let refused = error.kind() == io::ErrorKind::PermissionDenied && is_confined();
        if refused { Self::Device.into() } else { error }
    }
}

impl From<Unrepresentable> for io::Error {
    fn from(what: Unrepresentable) -> Self {
        Self::new(io::ErrorKind::InvalidInput, what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::PlaceError;

    #[test]
    fn it_is_found_below_other_errors() {
        let owner = Unrepresentable::Owner { uid: 7, gid: 8 };
        let error = PlaceError { operation: "make", path: "a".into(), source: owner.into() };
        assert_eq!(Unrepresentable::find(&error), Some(owner));
        let other =
            PlaceError { operation: "make", path: "a".into(), source: io::ErrorKind::NotFound.into() };
        assert_eq!(Unrepresentable::find(&other), None);
    }
}
