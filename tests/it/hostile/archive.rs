//! Tars that no decent program writes, from a text.
//!
//! A line is an entry: its type and name, and what else it needs. `f NAME CONTENT` is a file, `d` a directory, `l` and `h`
//! are links (`l NAME TARGET`), `c` and `b` devices 1:3, `p` a pipe, `m MODE NAME` a file with that mode; `x KEY VALUE` is
//! a PAX record for the entry that follows, `r TEXT` an extended header of just that text, `L NAME` a long name of GNU's,
//! `z SIZE NAME` a header that announces so many bytes of which none come, `? T NAME` an entry of the type `T`. `empty` is
//! an empty block, `end` the mark of the end, and `cut` ends the archive where it is. `100* …` stands for the line a
//! hundred times, with its number for `#`, and ` ;; ` stands between two entries of such a line; `(TEXT)*9` repeats a
//! piece of a line; `\0` and `\e` are a zero and an escape.

use tar::Header;

/// Bytes of a block.
const BLOCK: usize = 512;

/// The tar of a text.
pub(super) fn of(text: &str) -> Vec<u8> {
    let mut tar = Vec::new();
    for line in text.lines() {
        let (times, line) = match line.split_once("* ") {
            Some((times, rest)) if times.bytes().all(|b| b.is_ascii_digit()) => {
                (times.parse().unwrap(), rest)
            }
            _ => (1, line),
        };
        let line = repeated(&line.replace("\\0", "\0").replace("\\e", "\x1b"));
        for number in 0..times {
            let line = line.replace('#', &number.to_string());
            if line == "cut" {
                return tar;
            }
            match &line[..] {
                "empty" => tar.resize(tar.len() + BLOCK, 0),
                "end" => tar.resize(tar.len() + 2 * BLOCK, 0),
                _ => line.split(" ;; ").for_each(|entry| add(&mut tar, entry)),
            }
        }
    }
    tar.resize(tar.len() + 2 * BLOCK, 0);
    tar
}

/// The line with its pieces `(TEXT)*N` written out.
fn repeated(line: &str) -> String {
    let Some((before, rest)) = line.split_once('(') else { return line.to_owned() };
    let (piece, rest) = rest.split_once(")*").unwrap();
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    format!("{before}{}{}", piece.repeat(rest[..digits].parse().unwrap()), repeated(&rest[digits..]))
}

fn add(tar: &mut Vec<u8>, line: &str) {
    let (kind, rest) = line.split_once(' ').unwrap();
    let (first, second) = rest.split_once(' ').unwrap_or((rest, ""));
    match kind {
        "f" => entry(tar, b'0', first, "", 0o644, second.as_bytes()),
        "d" => entry(tar, b'5', first, "", 0o755, b""),
        "l" => entry(tar, b'2', first, second, 0o777, b""),
        "h" => entry(tar, b'1', first, second, 0o644, b""),
        "c" => entry(tar, b'3', first, "", 0o666, b""),
        "b" => entry(tar, b'4', first, "", 0o666, b""),
        "p" => entry(tar, b'6', first, "", 0o666, b""),
        "m" => entry(tar, b'0', second, "", u32::from_str_radix(first, 8).unwrap(), b"x"),
        "x" => {
            let rest = first.len() + second.len() + 3;
            let length = (rest + 1..rest + 10).find(|length| rest + length.to_string().len() == *length);
            entry(tar, b'x', "x", "", 0o644, format!("{} {first}={second}\n", length.unwrap()).as_bytes());
        }
        "r" => entry(tar, b'x', "x", "", 0o644, format!("{rest}\n").as_bytes()),
        "L" => entry(tar, b'L', "././@LongLink", "", 0o644, format!("{rest}\0").as_bytes()),
        "z" => header(tar, b'0', second, "", 0o644, first.parse().unwrap()),
        "?" => entry(tar, first.as_bytes()[0], second, "", 0o644, b""),
        other => panic!("{other}: {line}"),
    }
}

fn entry(tar: &mut Vec<u8>, kind: u8, name: &str, link: &str, mode: u32, content: &[u8]) {
    header(tar, kind, name, link, mode, content.len() as u64);
    tar.extend_from_slice(content);
    tar.resize(tar.len().next_multiple_of(BLOCK), 0);
}

fn header(tar: &mut Vec<u8>, kind: u8, name: &str, link: &str, mode: u32, size: u64) {
    for (kind, text) in [(b'L', name), (b'K', link)] {
        if text.len() > 100 {
            entry(tar, kind, "././@LongLink", "", 0o644, text.as_bytes());
        }
    }
    let mut header = Header::new_gnu();
    let fields = header.as_old_mut();
    let cut = |text: &str| text.as_bytes()[..text.len().min(100)].to_vec();
    fields.name[..name.len().min(100)].copy_from_slice(&cut(name));
    fields.linkname[..link.len().min(100)].copy_from_slice(&cut(link));
    fields.linkflag = [kind];
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(1_500_000_000);
    header.set_size(size);
    if matches!(kind, b'3' | b'4') {
        header.set_device_major(1).unwrap();
        header.set_device_minor(3).unwrap();
    }
    header.set_cksum();
    tar.extend_from_slice(header.as_bytes());
}

/// A tar of files with these names, whatever they are.
pub(super) fn of_files<N: AsRef<str>>(files: &[(N, Vec<u8>)]) -> Vec<u8> {
    let mut tar = Vec::new();
    for (name, content) in files {
        entry(&mut tar, b'0', name.as_ref(), "", 0o644, content);
    }
    tar.resize(tar.len() + 2 * BLOCK, 0);
    tar
}

/// A tar of one file that can be run.
pub(super) fn of_program(name: &str, content: &[u8]) -> Vec<u8> {
    let mut tar = Vec::new();
    entry(&mut tar, b'0', name, "", 0o755, content);
    tar.resize(tar.len() + 2 * BLOCK, 0);
    tar
}
