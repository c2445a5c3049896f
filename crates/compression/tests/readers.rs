//! What the encoders make is the same for any number of threads, and readers that are not ours find in it what went in: gzip, pigz,
//! Python's zlib, libdeflate and zlib-rs; zstd and the zstd crate. Programs that are not installed are skipped by name.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

use std::io::{Cursor, Read, Write};
use std::num::NonZeroUsize;
use std::process::{Command, Stdio};
use std::thread;

use transship_compression::{
    DEFAULT_GZIP_LEVEL, DEFAULT_ZSTD_LEVEL, GzipDecoder, GzipEncoder, ZstdDecoder, ZstdEncoder,
};

const MIB: usize = 1 << 20;

/// Reads all members from its input, and nothing after them.
const PYTHON: &str = "\
import sys, zlib
rest = sys.stdin.buffer.read()
while rest:
    member = zlib.decompressobj(31)
    sys.stdout.buffer.write(member.decompress(rest))
    assert member.eof
    rest = member.unused_data
";

#[test]
fn gzip_is_the_same_for_any_number_of_threads_and_five_readers_agree() {
    for (level, len) in [(1, 5 * MIB + 1), (DEFAULT_GZIP_LEVEL, 9 * MIB), (9, 2 * MIB - 1)] {
        let plain = layer(len);
        let encode = |n| read(GzipEncoder::new(Cursor::new(plain.clone()), level, n).unwrap());
        let packed = same_for_all_threads(encode);
        assert!(read(GzipDecoder::new(&packed[..])) == plain, "zlib-rs, level {level}");
        assert!(libdeflate(&packed, plain.len()) == plain, "libdeflate, level {level}");
        for line in [&["gzip", "-dc"][..], &["pigz", "-dc"], &["python3", "-c", PYTHON]] {
            agrees(line, &packed, &plain);
        }
    }
}

#[test]
fn zstd_is_the_same_for_any_number_of_threads_and_its_readers_agree() {
    for (level, len) in [(1, 9 * MIB), (DEFAULT_ZSTD_LEVEL, 21 * MIB + 1), (9, 17 * MIB)] {
        let plain = layer(len);
        let encode = |n| read(ZstdEncoder::new(Cursor::new(plain.clone()), level, n).unwrap());
        let packed = same_for_all_threads(encode);
        assert!(read(ZstdDecoder::new(&packed[..]).unwrap()) == plain, "our own, level {level}");
        agrees(&["zstd", "-dc"], &packed, &plain);
    }
}

fn same_for_all_threads(encode: impl Fn(NonZeroUsize) -> Vec<u8>) -> Vec<u8> {
    let [one, two, four] = [1, 2, 4].map(|n| encode(NonZeroUsize::new(n).unwrap()));
    assert!(one == two, "2 threads");
    assert!(one == four, "4 threads");
    one
}

fn read(mut reader: impl Read) -> Vec<u8> {
    let mut out = Vec::new();
    reader.read_to_end(&mut out).unwrap();
    out
}

/// Reads one member, which has to be all there is.
fn libdeflate(packed: &[u8], len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    let found = libdeflater::Decompressor::new().gzip_decompress(packed, &mut out).unwrap();
    assert_eq!(found, len);
    out
}

/// Whether a program makes `plain` of `packed`. The checks before a merge require all of them.
fn agrees(line: &[&str], packed: &[u8], plain: &[u8]) {
    let mut command = Command::new(line[0]);
    command.args(&line[1..]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let Ok(mut child) = command.spawn() else {
        assert!(std::env::var_os("TRANSSHIP_REQUIRE_PEERS").is_none(), "{} is required", line[0]);
        eprintln!("skipped: {} is not installed", line[0]);
        return;
    };
    let mut stdin = child.stdin.take().unwrap();
    let output = thread::scope(|scope| {
        // A reader that fails closes its end; its code says so.
        scope.spawn(move || stdin.write_all(packed).ok());
        child.wait_with_output().unwrap()
    });
    assert!(output.status.success(), "{}: {}", line[0], output.status);
    assert!(output.stdout == plain, "{} finds other bytes", line[0]);
}

/// Bytes as they are in layers, in stretches: words, zeros, what has been before, and what cannot be compressed.
fn layer(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap() % below
    };
    let mut out = Vec::with_capacity(len + 200_000);
    while out.len() < len {
        let stretch = 1 + next(100_000);
        match next(5) {
            0 => out.resize(out.len() + stretch, 0),
            1 => out.extend((0..stretch).map(|_| next(256).to_le_bytes()[0])),
            2 if !out.is_empty() => {
                let from = next(out.len());
                out.extend_from_within(from..(from + stretch).min(out.len()));
            }
            _ => {
                let end = out.len() + stretch;
                while out.len() < end {
                    write!(out, "{} /usr/lib/{:x} ", next(40) * next(300), next(5000)).unwrap();
                }
            }
        }
    }
    out.truncate(len);
    out
}
