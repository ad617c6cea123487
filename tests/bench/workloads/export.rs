//! What it costs to take in large files and to write images out: w4 and w7.

use std::fs::{self, File};
use std::io::{self, BufReader, Write};
use std::path::Path;
use std::thread;

use strata::layer::{Compression, Compressor};
use strata::oci::digest::Digester;

use super::context::time;
use crate::Result;
use crate::generate;
use crate::measure::{Sample, all_in_turns, alone, here, median};
use crate::subject::Bench;
use crate::table::{Row, Target};

const TAR: &str = "data.tar";
const PIGZ: &str = "pigz -6 -p $(nproc) -c data.tar >limit.out";
const ZSTD: &str = "zstd -3 -T0 -q -c data.tar >limit.out";
const OURS: &str = "ours.out";

/// Repetitions of an export and of what limits it.
const EXPORTS: usize = 5;

/// w4: a gigabyte into the store, and out of it in each compression.
pub(super) fn large_files(bench: &Bench) -> Result<Vec<Row>> {
    let context = bench.fresh("w4")?;
    generate::blobs(&context)?;

    let copy = "cp -r w4/data copy; sync --file-system copy";
    let (mut cold, mut copied) = (Vec::new(), Vec::new());
    for _ in 0..bench.runs(3) {
        cold.push(bench.store("store")?.build(&["-t", "w4"], &context)?);
        copied.push(bench.shell(copy)?);
        bench.shell_now("rm -r copy")?;
    }
    let (cold, copied) = (median(cold), median(copied).elapsed);
    let hashed = time(bench, 3, "sha256sum w4/data/*")?;
    let hashed_faster = time(bench, 3, "openssl dgst -sha256 w4/data/*")?;
    let mut rows = vec![
        Row::new("w4, 1 GiB, cold", cold)
            .limit(hashed + copied, "sha256sum, cp, sync -f")
            .target(Target::Times(1.3)),
        Row::new("w4, 1 GiB, cold", cold).limit(hashed_faster + copied, "openssl sha256, cp, sync -f"),
    ];

    rows.extend(gzip(bench, &context, "1 GiB", 2.3)?);
    rows.push(zstd(bench, &context)?);
    Ok(rows)
}

/// w4's second data: text.
pub(super) fn text(bench: &Bench) -> Result<Vec<Row>> {
    let text = bench.fresh("text")?;
    generate::prose(&text)?;
    gzip(bench, &text, "text", 3.0)
}

/// w4's third data: programs.
pub(super) fn programs(bench: &Bench) -> Result<Vec<Row>> {
    let elf = bench.fresh("elf")?;
    let root = bench.fresh("root")?;
    let tar = Bench::base_tar("debian:12-slim")?;
    bench.shell_now(&format!("tar -xf '{}' -C root", tar.display()))?;
    generate::programs(&elf, &root)?;
    gzip(bench, &elf, "ELF files", 3.0)
}

/// Export with gzip: time and size against pigz, which ours must be `faster` times as fast as; and against what no
/// export can do without, which is the compressor and the two digests; the disk is not in that.
fn gzip(bench: &Bench, context: &Path, what: &str, faster: f64) -> Result<Vec<Row>> {
    tar(bench, context)?;
    let (input, output) = (bench.path(TAR), bench.path(OURS));
    let [ours, pigz, compressor, digests] = all_in_turns(
        bench.runs(EXPORTS),
        [
            &mut |_| export(bench, context, "gzip"),
            &mut |_| bench.shell(PIGZ),
            &mut |_| here(|| compress(&input)),
            &mut |_| here(|| digest(&input).and_then(|()| digest(&output))),
        ],
    )?;
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let least = compressor.elapsed + digests.elapsed / cores as u32;
    let sizes = (size(bench, OURS)?, size(bench, "limit.out")?);
    let against_pigz = |row: Row| row.limit(pigz.elapsed, "pigz -6");
    Ok(vec![
        against_pigz(Row::new(format!("w4, {what}, gzip"), ours)).target(Target::Times(1.0 / faster)),
        Row::new(format!("w4, {what}, gzip"), ours).limit(least, "compressor, digests on all cores"),
        against_pigz(Row::new(format!("w4, {what}, compressor alone"), compressor)),
        against_pigz(Row::new(format!("w4, {what}, digests alone, one core"), digests)),
        Row::bytes(format!("w4, {what}, gzip, size"), sizes.0, sizes.1, "pigz -6")
            .target(Target::Times(1.02)),
    ])
}

/// The compressor of an export, on all cores, of a file that is in memory as a rule.
fn compress(input: &Path) -> io::Result<()> {
    let mut compressor = Compressor::new(io::sink(), Compression::GZIP, 0)?;
    pass(input, &mut compressor)?;
    compressor.finish().map(drop)
}

/// The digest of a file.
fn digest(input: &Path) -> io::Result<()> {
    pass(input, &mut Digester::new(io::sink()))
}

/// Writes a file to `to`, in pieces as an export reads them.
fn pass(input: &Path, to: &mut impl Write) -> io::Result<()> {
    io::copy(&mut BufReader::with_capacity(256 << 10, File::open(input)?), to).map(drop)
}

/// Export with zstd: the input's and the output's digests are part of an export, but both cores can share that.
fn zstd(bench: &Bench, context: &Path) -> Result<Row> {
    tar(bench, context)?;
    let [ours, limit, hashed] = all_in_turns(
        bench.runs(EXPORTS),
        [&mut |_| export(bench, context, "zstd"), &mut |_| bench.shell(ZSTD), &mut |_| {
            bench.shell("sha256sum data.tar limit.out")
        }],
    )?;
    Ok(Row::new("w4, 1 GiB, zstd", ours)
        .limit(limit.elapsed + hashed.elapsed / 2, "zstd -3, half of sha256sum")
        .target(Target::Times(1.3)))
}

/// An OCI export of a context that is built already, in a new store: compressed layers are remembered.
fn export(bench: &Bench, context: &Path, compression: &str) -> Result<Sample> {
    let output = format!("type=oci,dest={OURS},compression={compression}");
    let store = bench.store("store")?;
    store.build(&["-t", "exported"], context)?;
    let sample = store.build(&["-t", "exported", "-o", &output], context)?;
    store.remove()?;
    Ok(sample)
}

/// Makes the tar that the other compressors read, while the context grows old.
fn tar(bench: &Bench, context: &Path) -> Result<()> {
    bench.shell_now(&format!("tar -C '{}' -cf {TAR} data", context.display()))?;
    Bench::lie_still();
    Ok(())
}

fn size(bench: &Bench, name: &str) -> Result<u64> {
    Ok(fs::metadata(bench.path(name))?.len())
}

/// What an uncompressed image cannot be written faster than.
const COPY: &str = "cp data.tar limit.out; sha256sum data.tar";

/// w7: an image of six layers to archives and back.
pub(super) fn archives(bench: &Bench) -> Result<Vec<Row>> {
    let context = bench.fresh("w7")?;
    generate::layers(&context)?;
    let mut rows = Vec::new();
    for (compression, limit, what) in
        [("gzip", PIGZ, "pigz -6"), ("zstd", ZSTD, "zstd -3"), ("uncompressed", COPY, "cp, sha256sum")]
    {
        let output = format!("type=oci,dest={OURS},compression={compression}");
        let ours = alone(bench.runs(3), |_| {
            let store = bench.store("store")?;
            store.base("debian:12-slim")?;
            store.build(&["-t", "w7"], &context)?;
            store.build(&["-t", "w7", "-o", &output], &context)
        })?;
        if !bench.path("data.tar").exists() {
            whole_image(bench)?;
        }
        rows.push(Row::new(format!("w7, OCI, {compression}"), ours).limit(time(bench, 3, limit)?, what));
    }
    rows.extend(save_and_load(bench, &context)?);
    Ok(rows)
}

/// Makes one tar of all that the image contains.
fn whole_image(bench: &Bench) -> Result<()> {
    let base = Bench::base_tar("debian:12-slim")?;
    bench.shell_now(&format!("cp '{}' data.tar; tar -rf data.tar w7", base.display())).map(drop)
}

fn save_and_load(bench: &Bench, context: &Path) -> Result<[Row; 4]> {
    let store = bench.store("store")?;
    store.base("debian:12-slim")?;
    store.build(&["-t", "w7"], context)?;
    let [saved, copied] = all_in_turns(
        bench.runs(EXPORTS),
        [&mut |_| store.strata(&["save", "-o", OURS, "w7"]), &mut |_| bench.shell(COPY)],
    )?;
    let compressing = ["save", "--compress", "-o", OURS, "w7"];
    let [compressed, pigz] = all_in_turns(
        bench.runs(3),
        [
            &mut |_| {
                // Blobs are remembered: each time another store.
                let store = bench.store("compressing")?;
                store.base("debian:12-slim")?;
                store.build(&["-t", "w7"], context)?;
                let sample = store.strata(&compressing)?;
                store.remove()?;
                Ok(sample)
            },
            &mut |_| bench.shell(PIGZ),
        ],
    )?;
    store.strata(&compressing)?;
    let again = alone(bench.runs(3), |_| store.strata(&compressing))?;
    store.strata(&["save", "-o", OURS, "w7"])?;

    let (mut loaded, mut unpacked) = (Vec::new(), Vec::new());
    for _ in 0..bench.runs(3) {
        loaded.push(bench.store("other")?.strata(&["load", "-i", OURS])?);
        bench.fresh("unpacked")?;
        unpacked.push(bench.shell("tar -xf data.tar -C unpacked; sync --file-system unpacked")?);
    }
    Ok([
        Row::new("w7, save", saved).limit(copied.elapsed, "cp, sha256sum").target(Target::Times(1.2)),
        Row::new("w7, save, gzip", compressed)
            .limit(pigz.elapsed, "pigz -6")
            .target(Target::Times(1.0 / 2.3)),
        Row::new("w7, save, gzip, again", again).limit(compressed.elapsed, "the first time"),
        Row::new("w7, load", median(loaded))
            .limit(median(unpacked).elapsed, "tar -x, sync -f")
            .target(Target::Times(1.3)),
    ])
}
