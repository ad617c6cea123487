//! Which ids exist in a user namespace, and who they are outside of it.

use std::fmt;
use std::fs;
use std::str::FromStr;
use std::sync::OnceLock;

/// Ids that follow each other inside and outside (user_namespaces(7), "User and group ID mappings").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// The first id inside.
    pub inside: u32,
    /// Who that is outside.
    pub outside: u32,
    /// How many there are.
    pub count: u32,
}

impl Extent {
    fn outside_of(self, id: u32) -> Option<u32> {
        let offset = id.checked_sub(self.inside).filter(|offset| *offset < self.count)?;
        self.outside.checked_add(offset)
    }
}

/// The users and groups of a user namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdMap {
    /// The users.
    pub users: Vec<Extent>,
    /// The groups.
    pub groups: Vec<Extent>,
}

/// A text is no id map.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` does not say which ids are which")]
pub struct IdMapError(String);

impl IdMap {
    /// The map of the process. Asked once: a process that changes its namespace must do so before.
    pub fn current() -> &'static Self {
        static CURRENT: OnceLock<IdMap> = OnceLock::new();
        // Whoever came into a user namespace by way of this module had a /proc.
        CURRENT.get_or_init(|| Self::read().unwrap_or_else(Self::all))
    }

    /// The map that the process has now.
    pub(super) fn read() -> Option<Self> {
        let extents = |name: &str| {
            let text = fs::read_to_string(format!("/proc/self/{name}")).ok()?;
            text.lines().map(|line| extent(line).ok()).collect::<Option<Vec<_>>>()
        };
        Some(Self { users: extents("uid_map")?, groups: extents("gid_map")? })
    }

    /// Every id, unchanged: the first user namespace.
    pub fn all() -> Self {
        let all = vec![Extent { inside: 0, outside: 0, count: u32::MAX }];
        Self { users: all.clone(), groups: all }
    }

    /// Whether a file can belong to this owner.
    pub fn has_owner(&self, (uid, gid): (u32, u32)) -> bool {
        self.has_user(uid) && self.has_group(gid)
    }

    /// Whether there is such a user.
    pub fn has_user(&self, uid: u32) -> bool {
        outside(&self.users, uid).is_some()
    }

    /// Whether there is such a group.
    pub fn has_group(&self, gid: u32) -> bool {
        outside(&self.groups, gid).is_some()
    }

    /// Who a user is outside.
    pub fn outside_user(&self, uid: u32) -> Option<u32> {
        outside(&self.users, uid)
    }

    /// Whether there is one user only.
    pub fn is_single(&self) -> bool {
        matches!(self.users[..], [Extent { count: 1, .. }])
    }

    /// Whether every id of `other` exists here and is the same outside.
    pub fn contains(&self, other: &Self) -> bool {
        includes(&self.users, &other.users) && includes(&self.groups, &other.groups)
    }
}

fn outside(extents: &[Extent], id: u32) -> Option<u32> {
    extents.iter().find_map(|extent| extent.outside_of(id))
}

/// Whether each of `few` is covered by `many`. Extents that meet may be cut differently.
fn includes(many: &[Extent], few: &[Extent]) -> bool {
    few.iter().all(|extent| {
        let mut at = 0;
        while at < extent.count {
            let (inside, wanted) = (extent.inside.checked_add(at), extent.outside.checked_add(at));
            let covering = many.iter().find(|many| inside.and_then(|id| many.outside_of(id)) == wanted);
            let (Some(many), Some(inside), Some(_)) = (covering, inside, wanted) else { return false };
            at = at.saturating_add(many.count - (inside - many.inside));
        }
        true
    })
}

/// A line as in `/proc/PID/uid_map`.
fn extent(line: &str) -> Result<Extent, IdMapError> {
    let mut numbers = line.split_whitespace().map(|word| word.parse().ok());
    match (numbers.next(), numbers.next(), numbers.next(), numbers.next()) {
        (Some(Some(inside)), Some(Some(outside)), Some(Some(count)), None) => {
            Ok(Extent { inside, outside, count })
        }
        _ => Err(IdMapError(line.to_owned())),
    }
}

impl fmt::Display for IdMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let users = self.users.iter().map(|extent| ("user", extent));
        let groups = self.groups.iter().map(|extent| ("group", extent));
        users.chain(groups).try_for_each(|(kind, Extent { inside, outside, count })| {
            writeln!(f, "{kind} {inside} {outside} {count}")
        })
    }
}

impl FromStr for IdMap {
    type Err = IdMapError;

    fn from_str(text: &str) -> Result<Self, IdMapError> {
        let mut map = Self { users: Vec::new(), groups: Vec::new() };
        for line in text.lines() {
            match line.split_once(' ') {
                Some(("user", rest)) => map.users.push(extent(rest)?),
                Some(("group", rest)) => map.groups.push(extent(rest)?),
                _ => return Err(IdMapError(line.to_owned())),
            }
        }
        Ok(map)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(extents: &[(u32, u32, u32)]) -> IdMap {
        let extents: Vec<Extent> =
            extents.iter().map(|&(inside, outside, count)| Extent { inside, outside, count }).collect();
        IdMap { users: extents.clone(), groups: extents }
    }

    #[test]
    fn ids_are_looked_up_to_the_last_of_an_extent() {
        let map = map(&[(0, 1000, 1), (1, 100_000, 65_536)]);
        let outside = [0, 1, 65_536, 65_537, u32::MAX].map(|id| map.outside_user(id));
        assert_eq!(outside, [Some(1000), Some(100_000), Some(165_535), None, None]);
        assert!(map.has_owner((0, 65_536)) && !map.has_owner((0, 65_537)));
        assert!(IdMap::all().has_owner((u32::MAX - 1, 0)));
    }

    #[test]
    fn a_map_contains_those_that_say_the_same_of_fewer_ids() {
        let wide = map(&[(0, 1000, 1), (1, 100_000, 50), (51, 100_050, 50)]);
        for (other, expected) in [
            (&[(0, 1000, 1)][..], true),
            (&[(0, 1000, 1), (1, 100_000, 100)], true),
            (&[(0, 1000, 1), (1, 100_000, 101)], false),
            (&[(0, 1001, 1)], false),
            (&[(0, 0, u32::MAX)], false),
            (&[], true),
        ] {
            assert_eq!(wide.contains(&map(other)), expected, "{other:?}");
        }
        assert!(IdMap::all().contains(&IdMap::all()));
    }

    #[test]
    fn what_is_written_is_read() {
        let map = map(&[(0, 1000, 1), (1, 100_000, 65_536)]);
        assert_eq!(map.to_string().parse(), Ok(map));
        for wrong in ["user 0 0", "user 0 0 0 0", "users 0 0 1", "group a 0 1"] {
            assert!(wrong.parse::<IdMap>().is_err(), "{wrong}");
        }
    }
}
