//! What holds for every archive that is unpacked. Tests and the fuzz target both call this; a law that is broken panics.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::layer::{Applied, ApplyError, ApplyOptions, Marks, TarWriter, apply, padding};
use crate::oci::Digest;
use crate::tree::Kind;

/// The most that is unpacked.
const OPTIONS: ApplyOptions =
    ApplyOptions { max_bytes: 1 << 20, max_entries: 1000, ..ApplyOptions::new(Marks::Trusted) };

/// Unpacks `bytes` as a tar in the empty directory `place`. Nothing beside it is touched. What was unpacked is what its
/// index says: the tar that our writer makes of the two is unpacked to the same.
pub(crate) fn unpacking(bytes: &[u8], place: &Path) {
    let victim = place.join("victim");
    fs::create_dir(&victim).expect("a directory");
    fs::write(victim.join("file"), "safe").expect("a file");
    let before = beside(place);
    let tar = with_checksums(bytes);
    let applied = unpack(&tar, &place.join("root"));
    assert_eq!(beside(place), before, "something outside was touched");
    let Ok(applied) = applied else { return };
    assert_eq!((applied.bytes, applied.diff_id.0), (tar.len() as u64, Digest::of(&tar)));

    let mut entries = applied.index.into_entries();
    let mut writer = TarWriter::new(Vec::new());
    for entry in &mut entries {
        entry.implied = false;
        let content = match &entry.kind {
            Kind::File { digest, size } => {
                let content =
                    fs::read(place.join("root").join(entry.path.as_path())).expect("what the index has");
                assert_eq!((Digest::of(&content), content.len() as u64), (*digest, *size), "{}", entry.path);
                content
            }
            _ => Vec::new(),
        };
        // Times before the first year of tars, and the like.
        if writer.append(entry, &content[..]).is_err() {
            return;
        }
    }
    let again =
        unpack(&writer.finish().expect("memory"), &place.join("again")).expect("what was unpacked once");
    assert_eq!(again.index.entries(), entries);
    assert!(again.regenerates, "{entries:#?}");
}

fn unpack(tar: &[u8], root: &Path) -> Result<Applied, ApplyError> {
    fs::create_dir(root).expect("a directory");
    apply(tar, File::open(root).expect("the directory").into(), OPTIONS)
}

/// What lies beside the roots, and when it was changed last.
fn beside(place: &Path) -> Vec<String> {
    let mut seen = Vec::new();
    for dir in [place.to_owned(), place.join("victim")] {
        for entry in fs::read_dir(dir).expect("the directory") {
            let path = entry.expect("its entries").path();
            let now = fs::symlink_metadata(&path).expect("its metadata");
            let what = (now.mode(), now.uid(), now.nlink(), now.ctime(), now.ctime_nsec());
            if !path.ends_with("root") {
                seen.push(format!("{path:?} {what:?} {:?}", fs::read(&path).ok()));
            }
        }
    }
    seen.sort();
    seen
}

/// The bytes with right checksums where headers are: hardly a header that was made up would be read otherwise.
fn with_checksums(bytes: &[u8]) -> Vec<u8> {
    let (mut tar, mut at) = (bytes.to_vec(), 0);
    while let Some(header) = tar.get_mut(at..at + 512) {
        if header.iter().any(|&byte| byte != 0) {
            header[148..156].fill(b' ');
            let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
            header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
        let has_content = matches!(header[156], 0 | b'0' | b'7' | b'x' | b'g' | b'L' | b'K');
        let digits = header[124..136].iter().take_while(|byte| byte.is_ascii_digit());
        let size = digits.fold(0_u64, |size, byte| size.wrapping_mul(8) + u64::from(byte - b'0'));
        let size = if has_content { size.min(tar.len() as u64) } else { 0 };
        at += 512 + size as usize + padding(size);
    }
    tar
}
