//! What holds for the codecs as a whole, over streams of several blocks.

use std::io::{self, Cursor, ErrorKind, Read, Write};
use std::num::NonZeroUsize;
use std::process::{Command, Stdio};

use proptest::prelude::*;

use super::stitch::BLOCK_LEN;
use super::*;

fn threads(n: usize) -> NonZeroUsize {
    NonZeroUsize::new(n).unwrap()
}

fn read_all(mut reader: impl Read) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    reader.read_to_end(&mut out).map(|_| out)
}

fn gzip(plain: &[u8], level: u32, n: usize) -> Vec<u8> {
    read_all(GzipEncoder::new(plain, level, threads(n)).unwrap()).unwrap()
}

fn zstd(plain: &[u8], level: i32, n: usize) -> Vec<u8> {
    read_all(ZstdEncoder::new(Cursor::new(plain.to_vec()), level, threads(n)).unwrap()).unwrap()
}

fn gunzip(packed: &[u8]) -> io::Result<Vec<u8>> {
    read_all(GzipDecoder::new(packed))
}

fn unzstd(packed: &[u8]) -> io::Result<Vec<u8>> {
    read_all(ZstdDecoder::new(packed)?)
}

/// Bytes that cannot be compressed.
fn random(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut out: Vec<u8> = std::iter::repeat_with(&mut next).take(len / 8 + 1).flatten().collect();
    out.truncate(len);
    out
}

/// Bytes of all kinds, in stretches: text-like, zeros, repeats, random.
fn mixed(len: usize) -> Vec<u8> {
    let noise = random(len / 3 + 40_000);
    let mut out = Vec::with_capacity(len + 40_000);
    let mut at = 0;
    while out.len() < len {
        let stretch = 1000 + usize::from(noise[at]) * 100;
        out.extend(
            noise[at..at + stretch]
                .iter()
                .map(|byte| b"etaoin shrdlu\n\0\0"[usize::from(byte % 16)]),
        );
        out.extend(std::iter::repeat_n(0, stretch / 2));
        out.extend_from_slice(&noise[at..at + stretch / 4]);
        out.extend_from_within(out.len() - stretch..);
        at = (at + stretch) % (noise.len() - 30_000);
    }
    out.truncate(len);
    out
}

fn system_gzip_accepts(packed: &[u8]) -> bool {
    let mut child = Command::new("gzip").arg("-t").stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(packed).unwrap();
    child.wait().unwrap().success()
}

/// Yields its bytes in reads of odd sizes, then fails.
#[derive(Debug)]
struct Failing {
    bytes: Cursor<Vec<u8>>,
    reads: usize,
}

impl Failing {
    fn after(bytes: Vec<u8>) -> Self {
        Self { bytes: Cursor::new(bytes), reads: 0 }
    }
}

impl Read for Failing {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.reads += 1;
        if self.reads.is_multiple_of(3) {
            return Err(ErrorKind::Interrupted.into());
        }
        let most = buf.len().min(1 + self.reads % 7000);
        match self.bytes.read(&mut buf[..most])? {
            0 => Err(io::Error::new(ErrorKind::ConnectionReset, "the mark")),
            n => Ok(n),
        }
    }
}

fn fails_with_the_mark(mut reader: impl Read) {
    let mut out = Vec::new();
    let error = reader.read_to_end(&mut out).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(error.get_ref().unwrap().to_string(), "the mark");
    assert!(reader.read(&mut [0; 10]).is_err(), "an error, then the end");
}

fn is_one_member_of(packed: &[u8], plain: &[u8]) {
    let mut one = flate2::bufread::GzDecoder::new(packed);
    assert!(read_all(&mut one).unwrap() == plain);
    assert!(one.into_inner().is_empty(), "more than one member");
    assert!(system_gzip_accepts(packed));
}

#[test]
fn gzip_of_any_size_is_one_member() {
    for len in [0, 1, 2, 1000, BLOCK_LEN - 1, BLOCK_LEN, BLOCK_LEN + 1, 3 * BLOCK_LEN] {
        for plain in [mixed(len), random(len), vec![0; len]] {
            let packed = gzip(&plain, DEFAULT_GZIP_LEVEL, 2);
            is_one_member_of(&packed, &plain);
            assert!(gunzip(&packed).unwrap() == plain);
            assert!(packed.len() <= plain.len() + plain.len() / 1000 + 100);
        }
    }
}

#[test]
fn every_gzip_level_works_and_no_other() {
    let plain = mixed(BLOCK_LEN + 5000);
    for level in GZIP_LEVELS {
        is_one_member_of(&gzip(&plain, level, 2), &plain);
    }
    for level in [0, 10, u32::MAX] {
        let error = GzipEncoder::new(&plain[..], level, threads(1)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
}

#[test]
fn gzip_bytes_do_not_depend_on_threads_or_reads() {
    let plain = mixed(5 * BLOCK_LEN + 12_345);
    let expected = gzip(&plain, DEFAULT_GZIP_LEVEL, 1);
    for n in [1, 2, 3, 8, 100] {
        for _ in 0..3 {
            assert!(gzip(&plain, DEFAULT_GZIP_LEVEL, n) == expected, "{n} threads");
        }
    }
    let input = Failing::after(plain);
    let mut got = Vec::new();
    let mut encoder = GzipEncoder::new(input, DEFAULT_GZIP_LEVEL, threads(2)).unwrap();
    // The blocks before the error are those of the whole.
    assert!(encoder.read_to_end(&mut got).is_err());
    assert!(expected.starts_with(&got));
}

#[test]
fn a_gzip_encoder_can_be_dropped_at_any_point() {
    for bytes in [0, 1, 10, 11, 5000] {
        let mut encoder = GzipEncoder::new(io::repeat(b'x'), 9, threads(3)).unwrap();
        encoder.read_exact(&mut vec![0; bytes]).unwrap();
    }
}

#[test]
fn errors_of_the_input_pass_through() {
    let plain = mixed(2 * BLOCK_LEN + 777);
    let packed = gzip(&plain, 1, 2);
    let half = packed[..packed.len() / 2].to_vec();
    fails_with_the_mark(GzipEncoder::new(Failing::after(plain.clone()), 1, threads(2)).unwrap());
    fails_with_the_mark(GzipDecoder::new(Failing::after(half)));
    fails_with_the_mark(GzipDecoder::new(Failing::after(Vec::new())));
    fails_with_the_mark(GzipDecoder::new(Failing::after(packed)));
    let packed = zstd(&plain, 1, 2);
    let half = packed[..packed.len() / 2].to_vec();
    fails_with_the_mark(ZstdEncoder::new(Failing::after(plain), 1, threads(2)).unwrap());
    fails_with_the_mark(ZstdDecoder::new(Failing::after(half)).unwrap());
    fails_with_the_mark(ZstdDecoder::new(Failing::after(Vec::new())).unwrap());
    fails_with_the_mark(ZstdDecoder::new(Failing::after(packed)).unwrap());
}

/// Where to cut `len` bytes: near both ends, and at each sixteenth.
fn cuts(len: usize) -> impl Iterator<Item = usize> {
    let near_start = 0..len.min(30);
    let near_end = len.saturating_sub(30)..len;
    near_start.chain((1..16).map(move |n| len * n / 16)).chain(near_end)
}

#[test]
fn truncated_gzip_is_an_error() {
    let plain = mixed(BLOCK_LEN + 100_000);
    let mut packed = gzip(&plain, 1, 2);
    let first = packed.len();
    packed.extend(gzip(b"a second member", 1, 1));
    for cut in cuts(first).chain(cuts(packed.len())).filter(|&cut| cut != first) {
        let error = gunzip(&packed[..cut]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "cut after {cut} bytes: {error}");
    }
}

#[test]
fn gzip_members_are_all_read_and_nothing_else() {
    let mut packed = gzip(b"one, ", 1, 1);
    packed.extend(gzip(b"", 1, 1));
    packed.extend(gzip(b"two", 1, 1));
    assert_eq!(gunzip(&packed).unwrap(), b"one, two");
    for garbage in [&b"x"[..], b"\0\0\0\0", b"\x1f", b"\x1f\x8bgarbage, more than a header"] {
        let error = gunzip(&[&packed, garbage].concat()).unwrap_err();
        let kinds = [ErrorKind::InvalidData, ErrorKind::UnexpectedEof];
        assert!(kinds.contains(&error.kind()), "{garbage:?}: {error:?}");
    }
}

#[test]
fn a_wrong_gzip_checksum_or_length_is_an_error_for_good() {
    let packed = gzip(&mixed(100_000), 1, 1);
    for back in 1..=8 {
        let mut packed = packed.clone();
        let at = packed.len() - back;
        packed[at] ^= 1;
        let mut decoder = GzipDecoder::new(&packed[..]);
        let error = read_all(&mut decoder).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert!(decoder.read(&mut [0; 10]).is_err());
    }
}

#[test]
fn zstd_bytes_do_not_depend_on_threads_or_reads() {
    // Several jobs of each level.
    let plain = mixed(10 * BLOCK_LEN);
    for level in [1, DEFAULT_ZSTD_LEVEL] {
        let expected = zstd(&plain, level, 1);
        for n in [1, 2, 3, 100] {
            assert!(zstd(&plain, level, n) == expected, "level {level}, {n} threads");
        }
        let small_reads = Failing::after(plain.clone()).take(plain.len() as u64);
        let encoder = ZstdEncoder::new(small_reads, level, threads(2)).unwrap();
        assert!(read_all(encoder).unwrap() == expected);
    }
}

#[test]
fn a_zstd_encoder_lets_go_at_any_level() {
    // One job takes seconds, more of them as long as there is input.
    let input = mixed(1 << 20).repeat(64);
    let mut encoder = ZstdEncoder::new(Cursor::new(input), 19, threads(2)).unwrap();
    let start = std::time::Instant::now();
    let error = loop {
        if let Err(error) = encoder.read(&mut [0; 4096]) {
            break error;
        }
    };
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    drop(encoder);
    assert!(start.elapsed() < std::time::Duration::from_secs(2), "{:?}", start.elapsed());
}

#[test]
fn zstd_of_any_size_comes_back() {
    for len in [0, 1, 2, 1000, BLOCK_LEN - 1, BLOCK_LEN, BLOCK_LEN + 1, 3 * BLOCK_LEN] {
        for plain in [mixed(len), random(len), vec![0; len]] {
            assert!(unzstd(&zstd(&plain, 1, 2)).unwrap() == plain);
        }
    }
    for level in [0, -1, 20, i32::MAX] {
        let error = ZstdEncoder::new(io::empty(), level, threads(1)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
}

#[test]
fn zstd_frames_are_all_read_skippable_ones_skipped_and_nothing_else() {
    let skippable = b"\x53\x2a\x4d\x18\x05\0\0\0junk!";
    let packed =
        [&skippable[..], &zstd(b"one, ", 1, 1), skippable, &zstd(b"two", 1, 1), skippable].concat();
    assert_eq!(unzstd(&packed).unwrap(), b"one, two");
    for garbage in [&b"x"[..], b"\0\0\0\0", b"\x28", b"\x28\xb5\x2f\xfd", b"more than a header is"]
    {
        let error = unzstd(&[&packed, garbage].concat()).unwrap_err();
        let kinds = [ErrorKind::InvalidData, ErrorKind::UnexpectedEof];
        assert!(kinds.contains(&error.kind()), "{garbage:?}: {error:?}");
    }
}

#[test]
fn truncated_zstd_is_an_error() {
    let mut packed = zstd(&mixed(BLOCK_LEN + 100_000), 1, 2);
    let first = packed.len();
    packed.extend(b"\x53\x2a\x4d\x18\x05\0\0\0junk!");
    let second = packed.len();
    packed.extend(zstd(b"a second frame", 1, 1));
    let all = cuts(first).chain(cuts(second)).chain(cuts(packed.len()));
    for cut in all.filter(|&cut| cut != first && cut != second) {
        let error = unzstd(&packed[..cut]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "cut after {cut} bytes: {error}");
    }
}

#[test]
fn zstd_has_a_checksum_and_a_limited_window() {
    let mut packed = zstd(&mixed(100_000), 1, 1);
    // RFC 8878 3.1.1.1.1: the descriptor's bit 2 is the checksum's; 6 and 7 the content size's.
    assert_eq!(packed[4] & 0b1110_0100, 0b0000_0100);
    *packed.last_mut().unwrap() ^= 1;
    assert_eq!(unzstd(&packed).unwrap_err().kind(), ErrorKind::InvalidData);
    // A window of 2^27 bytes and one of 2^28: an exponent of 17 and of 18, then an empty block.
    assert_eq!(unzstd(b"\x28\xb5\x2f\xfd\x00\x88\x01\x00\x00").unwrap(), b"");
    let error = unzstd(b"\x28\xb5\x2f\xfd\x00\x90\x01\x00\x00").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn anything_comes_back(
        plain in prop::collection::vec(any::<u8>(), 0..3000),
        repeat in 1_usize..50,
        level in 1_u32..10,
    ) {
        let plain = plain.repeat(repeat);
        prop_assert!(gunzip(&gzip(&plain, level, 2)).unwrap() == plain);
        prop_assert!(unzstd(&zstd(&plain, 3, 2)).unwrap() == plain);
    }

    #[test]
    fn decoders_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = gunzip(&[b"\x1f\x8b\x08\0\0\0\0\0\0\xff", &bytes[..]].concat());
        let _ = unzstd(&[b"\x28\xb5\x2f\xfd", &bytes[..]].concat());
    }
}
