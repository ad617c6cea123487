//! Streams of contents: order, errors, and the same bytes for any number of threads.

use std::collections::HashMap;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::Mutex;

use super::super::compress::tests::noise;
use super::super::tar::TarWriter;
use super::*;
use crate::tree::{Kind, Time, Xattr};

/// Contents as files of a directory, copies in another; what was finished.
struct Disk {
    dir: tempfile::TempDir,
    copies: Option<tempfile::TempDir>,
    fail: Option<TreePath>,
    finished: Mutex<HashMap<TreePath, (u64, Option<Digest>)>>,
}

impl Content for Disk {
    type Error = TreePath;

    fn open(&self, entry: &Entry) -> Result<File, TreePath> {
        if self.fail.as_ref() == Some(&entry.path) {
            return Err(entry.path.clone());
        }
        File::open(self.dir.path().join(entry.path.name_as_path())).map_err(|_| entry.path.clone())
    }

    fn copy_to(&self, entry: &Entry) -> Result<Option<File>, TreePath> {
        let Some(copies) = &self.copies else { return Ok(None) };
        Ok(Some(File::create_new(copies.path().join(entry.path.name_as_path())).unwrap()))
    }

    fn finish(&self, entry: &Entry, copy: Option<&File>, digest: Option<&Digest>) -> Result<(), TreePath> {
        let size = copy.map_or(0, |copy| copy.metadata().unwrap().size());
        self.finished.lock().unwrap().insert(entry.path.clone(), (size, digest.copied()));
        Ok(())
    }
}

trait NameAsPath {
    fn name_as_path(&self) -> &std::path::Path;
}

impl NameAsPath for TreePath {
    /// The files of all directories lie in one.
    fn name_as_path(&self) -> &std::path::Path {
        self.as_path().file_name().unwrap().as_ref()
    }
}

/// A tree of files of these sizes, with directories and others in between.
fn tree(sizes: &[usize]) -> (Disk, Vec<Entry>) {
    let dir = tempfile::tempdir().unwrap();
    let mut entries = vec![Entry::directory(TreePath::root(), 0o755, Time::default())];
    for (i, &size) in sizes.iter().enumerate() {
        if i % 10 == 0 {
            entries.push(Entry::directory(format!("d{:05}", i / 10).as_str().into(), 0o755, Time::default()));
            entries.push(Entry::whiteout(format!("d{:05}/a", i / 10).as_str().into()));
        }
        let content = noise(i as u64 + 1, size);
        std::fs::write(dir.path().join(format!("f{i:05}")), &content).unwrap();
        let kind = Kind::File { size: size as u64, digest: Digest::of(&content) };
        let path = format!("d{:05}/f{i:05}", i / 10);
        entries.push(Entry::new(path.as_str().into(), kind, 0o644, Time::from_seconds(i as i64)));
    }
    let disk = Disk { dir, copies: None, fail: None, finished: Mutex::default() };
    (disk, entries)
}

fn sizes() -> Vec<usize> {
    let mut sizes: Vec<usize> = (0..700).map(|i| i * 37 % 9000).collect();
    let edges = [PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 5_000_001, 0, 1, 511, 512, 513, PIECE - tar::BLOCK];
    sizes.splice(300..300, edges);
    sizes.extend(edges);
    sizes
}

fn options(threads: usize) -> StreamOptions {
    StreamOptions { threads, ..StreamOptions::default() }
}

#[test]
fn it_is_the_tar_writer_but_faster() {
    let (disk, mut entries) = tree(&sizes());
    // More than a piece of headers.
    let huge = Xattr { name: b"user.huge".as_slice().into(), value: vec![7; 2 * PIECE].into() };
    entries[5].xattrs.push(huge);
    let mut writer = TarWriter::new(Vec::new());
    for entry in &entries {
        match entry.kind {
            Kind::File { .. } => writer.append(entry, disk.open(entry).unwrap()).unwrap(),
            _ => writer.append(entry, io::empty()).unwrap(),
        }
    }
    let expected = writer.finish().unwrap();
    let digests: Vec<_> = entries
        .iter()
        .map(|entry| match entry.kind {
            Kind::File { digest, .. } => Some(digest),
            _ => None,
        })
        .collect();
    for threads in [1, 2, 8, 100, 0] {
        let mut tar = Vec::new();
        let result = stream(&entries, &disk, &mut tar, options(threads)).unwrap();
        assert!(tar == expected, "{threads} threads");
        assert_eq!(result, digests, "{threads} threads");
    }
}

#[test]
fn copies_are_complete_when_they_are_finished() {
    let (mut disk, entries) = tree(&sizes());
    for tar in [true, false] {
        disk.copies = Some(tempfile::tempdir().unwrap());
        disk.finished.lock().unwrap().clear();
        let mut out = Vec::new();
        let result = stream(&entries, &disk, &mut out, StreamOptions { tar, ..options(2) }).unwrap();
        assert_eq!(out.is_empty(), !tar);
        let copies = disk.copies.as_ref().unwrap();
        let mut finished = disk.finished.lock().unwrap();
        for (entry, digest) in entries.iter().zip(result).filter(|(_, digest)| digest.is_some()) {
            assert_eq!(finished.remove(&entry.path), Some((entry.size(), digest)), "{}", entry.path);
            let copy = std::fs::read(copies.path().join(entry.path.name_as_path())).unwrap();
            assert_eq!(Some(Digest::of(&copy)), digest, "{}", entry.path);
        }
        assert!(finished.is_empty());
    }
}

#[test]
fn without_digests_there_are_none() {
    let (disk, entries) = tree(&[10, PIECE * 2]);
    let (mut with, mut without) = (Vec::new(), Vec::new());
    stream(&entries, &disk, &mut with, options(2)).unwrap();
    let result =
        stream(&entries, &disk, &mut without, StreamOptions { digests: false, ..options(2) }).unwrap();
    assert!(with == without && result.iter().all(Option::is_none));
}

#[test]
fn nothing_is_an_empty_layer() {
    // image-spec and Docker know the empty layer by this digest.
    let (disk, entries) = tree(&[]);
    for entries in [&entries[..], &[]] {
        let mut tar = Vec::new();
        stream(entries, &disk, &mut tar, options(2)).unwrap();
        let empty = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";
        assert_eq!(Digest::of(&tar).to_string(), empty);
    }
}

#[test]
fn a_content_of_another_size_is_an_error() {
    for size in [0, 1000, 1024, PIECE, PIECE + 1, 3 * PIECE] {
        for change in [-1_i64, 1, 700_000] {
            let (disk, entries) = tree(&[10, size, 10]);
            let Some(actual) = (size as u64).checked_add_signed(change) else { continue };
            let file = File::options().write(true).open(disk.dir.path().join("f00001")).unwrap();
            file.set_len(actual).unwrap();
            match stream(&entries, &disk, &mut io::sink(), options(2)) {
                Err(StreamError::Size { path, expected }) => {
                    assert_eq!((path.to_string().as_str(), expected), ("/d00000/f00001", size as u64));
                }
                other => panic!("{size} bytes, really {actual}: {other:?}"),
            }
        }
    }
}

#[test]
fn the_first_error_in_order_counts_and_nothing_hangs() {
    let (mut disk, mut entries) = tree(&sizes());
    let victims = entries.len() - 1..entries.len();
    for i in (0..entries.len()).step_by(97).chain(victims) {
        disk.fail = Some(entries[i].path.clone());
        let result = stream(&entries, &disk, &mut io::sink(), options(4));
        match entries[i].kind {
            Kind::File { .. } => {
                assert!(matches!(result, Err(StreamError::Content(path)) if path == entries[i].path), "{i}");
            }
            _ => assert!(result.is_ok(), "{i}"),
        }
    }
    // An entry that has no tar form comes before the file that fails.
    entries[40].kind = Kind::Socket;
    disk.fail = Some(entries[60].path.clone());
    let result = stream(&entries, &disk, &mut io::sink(), options(4));
    assert!(matches!(result, Err(StreamError::Tar(TarError::Socket { path })) if path == entries[40].path));
}

#[test]
fn a_writer_that_fails_ends_everything() {
    struct Full(usize);
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (disk, entries) = tree(&sizes());
    for room in [0, 1 << 20, 4 << 20, 8 << 20] {
        for threads in [1, 4] {
            let result = stream(&entries, &disk, &mut Full(room), options(threads));
            match result {
                Err(StreamError::Write { source }) => assert_eq!(source.kind(), io::ErrorKind::StorageFull),
                other => panic!("{room} bytes of room: {other:?}"),
            }
        }
    }
}

#[test]
fn a_file_may_be_sparse() {
    let (disk, mut entries) = tree(&[10]);
    let size = 3_000_000;
    let file = File::create(disk.dir.path().join("f00000")).unwrap();
    file.set_len(size).unwrap();
    file.write_all_at(b"end", size - 3).unwrap();
    let content = [&vec![0; size as usize - 3][..], b"end"].concat();
    let digest = Digest::of(&content);
    entries.last_mut().unwrap().kind = Kind::File { size, digest };
    let result = stream(&entries, &disk, &mut io::sink(), options(2)).unwrap();
    assert_eq!(result.last(), Some(&Some(digest)));
}

#[test]
#[should_panic(expected = "unless they panic")]
fn a_panic_does_not_hang() {
    struct Panics(Disk);
    impl Content for Panics {
        type Error = TreePath;
        fn open(&self, entry: &Entry) -> Result<File, TreePath> {
            assert!(!entry.path.to_string().ends_with('7'), "as intended");
            self.0.open(entry)
        }
    }
    let (disk, entries) = tree(&sizes());
    let _ = stream(&entries, &Panics(disk), &mut io::sink(), options(4));
}
