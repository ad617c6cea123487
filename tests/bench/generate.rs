//! Makes the contexts that are built: always the same bytes, all with the same old modification time.
//!
//! Content is of two kinds: random bytes, which do not compress, and lines of JavaScript words, which do.

use std::fmt::Write as _;
use std::fs::{self, File, Permissions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::Result;

/// What the text is made of.
const WORDS: &[&str] = &[
    "function",
    "return",
    "const",
    "let",
    "var",
    "module",
    "exports",
    "require",
    "this",
    "undefined",
    "null",
    "true",
    "false",
    "index",
    "value",
    "object",
    "string",
    "number",
    "array",
    "length",
    "prototype",
    "constructor",
    "options",
    "callback",
    "error",
    "promise",
    "async",
    "await",
    "resolve",
    "reject",
    "import",
    "from",
    "default",
    "class",
    "extends",
    "static",
    "get",
    "set",
    "new",
    "delete",
    "typeof",
    "instanceof",
    "in",
    "of",
    "for",
    "while",
    "do",
    "if",
    "else",
    "switch",
    "case",
    "break",
];
/// Nine words give a line the length of one of source code.
const WORDS_IN_A_LINE: usize = 9;
const CHUNK: usize = 64 << 10;
const ELF_MAGIC: &[u8] = b"\x7fELF";

/// Steps of the xorshift64* generator, which is as random as a benchmark needs.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        // The state must not be zero; multiplying spreads small seeds.
        Self((seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `end`.
    fn below(&mut self, end: usize) -> usize {
        // The high bits are the good ones.
        (((self.next() >> 32) * end as u64) >> 32) as usize
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
    }

    /// Text of exactly `length` bytes.
    pub(crate) fn text(&mut self, length: usize) -> Vec<u8> {
        let mut text = Vec::with_capacity(length + 128);
        while text.len() < length {
            for word in 0..WORDS_IN_A_LINE {
                if word > 0 {
                    text.push(b' ');
                }
                text.extend_from_slice(WORDS[self.below(WORDS.len())].as_bytes());
            }
            text.extend_from_slice(b";\n");
        }
        text.truncate(length);
        text
    }
}

/// Text made once, of which files are slices: a gigabyte of it takes no longer than writing it.
struct Pool(Vec<u8>);

impl Pool {
    fn new(random: &mut Random, length: usize) -> Self {
        Self(random.text(length))
    }

    fn slice(&self, random: &mut Random, length: usize) -> &[u8] {
        let start = random.below(self.0.len() - length);
        &self.0[start..start + length]
    }
}

/// Writes one file with its mode, making the directories above it.
pub(crate) fn file(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    let written = || -> std::io::Result<()> {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let mut file = File::create(path)?;
        file.write_all(content)?;
        finish(&file, mode)
    };
    written().map_err(|error| format!("write {}: {error}", path.display()).into())
}

/// Sets mode and times, so that every run's context is the same.
fn finish(file: &File, mode: u32) -> std::io::Result<()> {
    file.set_permissions(Permissions::from_mode(mode))?;
    // 2021-01-01: long before any scan.
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_609_459_200))
}

/// w2: 20 instructions over 220 small files.
pub(crate) fn application(context: &Path) -> Result<()> {
    let mut random = Random::new(2);
    for number in 0..200 {
        file(&context.join(format!("src/{}/f{number}.js", number % 10)), &random.text(3000), 0o644)?;
    }
    for number in 0..20 {
        file(&context.join(format!("conf/c{number}.conf")), &random.text(500), 0o644)?;
    }
    file(&context.join("package.json"), b"{}", 0o644)?;
    file(&context.join("run.sh"), b"#!/bin/sh\nexec true\n", 0o755)?;
    let dockerfile = "\
FROM debian:12-slim
LABEL maintainer=test
ARG VERSION=1
ENV A=1 B=2
WORKDIR /app
COPY package.json ./
RUN echo one > /one
RUN mkdir -p /opt/x && echo two > /opt/x/two
COPY conf /etc/app
ENV VER=$VERSION
RUN cat /etc/app/*.conf | wc -c > /three
COPY src ./src
RUN find src -type f | wc -l > /count
COPY --chown=1000:1000 run.sh /usr/local/bin/run.sh
RUN chmod 755 /usr/local/bin/run.sh
USER 1000
WORKDIR /data
EXPOSE 8080
ENTRYPOINT [\"/usr/local/bin/run.sh\"]
CMD [\"x\"]
";
    file(&context.join("Dockerfile"), dockerfile.as_bytes(), 0o644)
}

/// w3: 500 packages of 100 files of 1 to 7 KiB each, as npm leaves them; a fifth of the packages lie within another. Returns one of the files.
pub(crate) fn packages(context: &Path) -> Result<PathBuf> {
    let mut random = Random::new(3);
    let pool = Pool::new(&mut random, 4 << 20);
    for package in 0..500 {
        let name = match package % 5 {
            0 => format!("node_modules/pkg{package:03}/node_modules/sub{package}"),
            _ => format!("node_modules/pkg{package:03}"),
        };
        for number in 0..100 {
            let folder = ["", "lib/", "lib/internal/", "dist/es/", "test/fixtures/deep/"][number % 5];
            let mut content = format!("// {package} {number}\n").into_bytes();
            let length = 1024 + random.below(6 * 1024 + 1);
            content.extend_from_slice(pool.slice(&mut random, length));
            file(&context.join(format!("{name}/{folder}f{number}.js")), &content, 0o644)?;
        }
    }
    file(&context.join("Dockerfile"), b"FROM scratch\nCOPY . /app\n", 0o644)?;
    Ok(context.join("node_modules/pkg251/lib/f1.js"))
}

/// w4: 16 files of 64 MiB in which random bytes and text alternate every 64 KiB.
pub(crate) fn blobs(context: &Path) -> Result<()> {
    let mut random = Random::new(4);
    let pool = Pool::new(&mut random, 8 << 20);
    for number in 0..16 {
        mixed(&context.join(format!("data/blob{number:02}.bin")), &mut random, &pool, 512)?;
    }
    file(&context.join("Dockerfile"), b"FROM scratch\nCOPY data /data\n", 0o644)
}

/// How much text w4's second data has at the most.
const TEXT: usize = 256 << 20;

/// How large its files are, about.
const PIECE: usize = 4 << 20;

/// w4's second data: text as people write it, the sources of the crates that this program is built from.
pub(crate) fn prose(context: &Path) -> Result<()> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")));
    let sources = home.unwrap_or_default().join("registry/src");
    let (mut folders, mut number, mut text) = (vec![sources.clone()], 0, Vec::new());
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder)
            .map_err(|error| format!("no crates' sources in {}: {error}", sources.display()))?;
        let mut entries = entries.collect::<std::io::Result<Vec<_>>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            let is_text =
                path.extension().is_some_and(|end| ["rs", "c", "h", "md"].iter().any(|text| end == *text));
            if entry.file_type()?.is_dir() {
                folders.push(path);
            } else if is_text && number * PIECE < TEXT {
                text.append(&mut fs::read(&path)?);
            }
            // Files large enough that reading them costs nothing beside their compression.
            if text.len() >= PIECE {
                file(&context.join(format!("data/{number:02}.txt")), &text, 0o644)?;
                text.clear();
                number += 1;
            }
        }
    }
    file(&context.join("Dockerfile"), b"FROM scratch\nCOPY data /data\n", 0o644)
}

/// w4's third data: the programs and libraries of an unpacked root file system.
pub(crate) fn programs(context: &Path, root: &Path) -> Result<()> {
    let mut folders = vec![root.join("usr")];
    let mut number = 0;
    while let Some(folder) = folders.pop() {
        let mut entries = fs::read_dir(&folder)?.collect::<std::io::Result<Vec<_>>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                let content = fs::read(entry.path())?;
                if content.starts_with(ELF_MAGIC) {
                    file(&context.join(format!("data/{number:04}")), &content, 0o755)?;
                    number += 1;
                }
            }
        }
    }
    file(&context.join("Dockerfile"), b"FROM scratch\nCOPY data /data\n", 0o644)
}

/// w7: five layers of a 32 MiB file and 300 small ones on Debian.
pub(crate) fn layers(context: &Path) -> Result<()> {
    let mut random = Random::new(7);
    let pool = Pool::new(&mut random, 4 << 20);
    let mut dockerfile = String::from("FROM debian:12-slim\n");
    for layer in 0..5 {
        mixed(&context.join(format!("l{layer}/data.bin")), &mut random, &pool, 256)?;
        for number in 0..300 {
            file(
                &context.join(format!("l{layer}/s/{}/{number}.txt", number % 7)),
                &random.text(2000),
                0o644,
            )?;
        }
        writeln!(dockerfile, "COPY l{layer} /opt/l{layer}")?;
    }
    file(&context.join("Dockerfile"), dockerfile.as_bytes(), 0o644)
}

/// w5's larger base: 10,000 small files in 100 directories.
pub(crate) fn small_files(root: &Path) -> Result<()> {
    let mut random = Random::new(6);
    for number in 0..10_000 {
        let path = root.join(format!("usr/share/many/{:02}/{number}", number % 100));
        file(&path, &random.text(200), 0o644)?;
    }
    Ok(())
}

/// A file of `pairs` times 64 KiB of random bytes and 64 KiB of text.
fn mixed(path: &Path, random: &mut Random, pool: &Pool, pairs: usize) -> Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut out = BufWriter::with_capacity(2 * CHUNK, File::create(path)?);
    let mut noise = vec![0; CHUNK];
    for _ in 0..pairs {
        random.fill(&mut noise);
        out.write_all(&noise)?;
        out.write_all(pool.slice(random, CHUNK))?;
    }
    let file = out.into_inner().map_err(std::io::IntoInnerError::into_error)?;
    Ok(finish(&file, 0o644)?)
}
