//! How much of a disk files take.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::iter::Sum;
use std::ops::{Add, AddAssign};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::Serialize;

use super::error::StoreError;
use crate::sys::reach::Reach;

/// The size of a block as stat(2) counts them, whatever blocks the file system has.
const BLOCK: u64 = 512;

/// What files take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Disk {
    /// Bytes of the disk: with directories and what a file system rounds up, without holes.
    pub used: u64,
    /// Bytes that the files have when they are read.
    pub apparent: u64,
}

impl Disk {
    /// What is at `path` and below. Names of one file count once; what goes away meanwhile counts nothing.
    pub fn of(path: &Path) -> Result<Self, StoreError> {
        let mut disk = Self::default();
        let mut seen = HashSet::new();
        let mut waiting = vec![path.to_owned()];
        while let Some(path) = waiting.pop() {
            let found = Reach::to(&path).and_then(|reached| Ok((fs::symlink_metadata(&reached)?, reached)));
            let Some((metadata, reached)) = present(&path, found)? else { continue };
            if metadata.is_dir() {
                disk.used += metadata.blocks() * BLOCK;
                let Some(entries) = present(&path, fs::read_dir(&reached))? else { continue };
                for entry in entries {
                    waiting.extend(present(&path, entry)?.map(|entry| path.join(entry.file_name())));
                }
            } else if metadata.nlink() == 1 || seen.insert((metadata.dev(), metadata.ino())) {
                disk.used += metadata.blocks() * BLOCK;
                disk.apparent += if metadata.is_file() { metadata.len() } else { 0 };
            }
        }
        Ok(disk)
    }
}

fn present<T>(path: &Path, result: io::Result<T>) -> Result<Option<T>, StoreError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::io("look at", path, error)),
    }
}

impl Add for Disk {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { used: self.used + other.used, apparent: self.apparent + other.apparent }
    }
}

impl AddAssign for Disk {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Disk {
    fn sum<I: Iterator<Item = Self>>(disks: I) -> Self {
        disks.fold(Self::default(), Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_take_no_disk_and_links_count_once() {
        let dir = tempfile::tempdir().unwrap();
        let empty = Disk::of(dir.path()).unwrap();
        fs::File::create(dir.path().join("hole")).unwrap().set_len(1 << 30).unwrap();
        fs::write(dir.path().join("full"), vec![7; 1 << 20]).unwrap();
        fs::hard_link(dir.path().join("full"), dir.path().join("again")).unwrap();
        // Some file systems count blocks when they are written.
        fs::File::open(dir.path().join("full")).unwrap().sync_all().unwrap();
        let disk = Disk::of(dir.path()).unwrap();
        assert_eq!(disk.apparent - empty.apparent, (1 << 30) + (1 << 20));
        assert!((1 << 20..2 << 20).contains(&(disk.used - empty.used)), "{disk:?}");
        assert_eq!(Disk::of(&dir.path().join("gone")).unwrap(), Disk::default());
    }
}
