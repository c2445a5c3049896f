//! What two readers could take differently is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use common::{Raw, text};
use transship_archive::EntryKind;
use transship_core::ErrorKind::{Corrupt, LimitExceeded, NotFound};

fn size(n: u64) -> Vec<u8> {
    format!("{n:011o}\0").into_bytes()
}

#[test]
fn names_that_honest_tools_write() {
    let index = Raw::new()
        .entry(b'5', "./", "", b"")
        .file("./a//b", b"1")
        .entry(b'5', "c/", "", b"")
        .entry(b'5', "c", "", b"")
        .file("sha256:00", b"2")
        // An old tar marks a folder by its slash.
        .header(0, "old/", "", &size(0), |block| block[257..265].fill(0))
        .header(b'0', "tail", "", &size(0), |block| {
            block[345..350].copy_from_slice(b"front");
        })
        .file("\u{fc}", b"3")
        .header(b'0', "x", "", &size(0), |block| block[0] = 0xff)
        .entry(b'3', "null", "", b"")
        .end()
        .index()
        .unwrap();
    let names = ["a/b", "c", "c", "sha256:00", "old", "front/tail", "\u{fc}", "null"];
    assert_eq!(index.names().collect::<Vec<_>>(), names);
    assert_eq!(text(&index, "a/b").unwrap(), "1");
    assert_eq!(text(&index, "./a/./b").unwrap(), "1");
    assert!(index.contains("c/") && !index.contains("a"));
    assert_eq!(index.entries()[4].kind, EntryKind::Folder);
    for no_file in ["c", "null"] {
        assert_eq!(index.get(no_file).unwrap_err().kind(), Corrupt);
    }
    assert_eq!(index.get("a").unwrap_err().kind(), NotFound);
}

#[test]
fn names_that_lead_outside() {
    for name in ["/a", "..", "../a", "a/../../b", "a/..", "./../a", "//a"] {
        assert_eq!(Raw::new().file(name, b"1").end().refused("outside"), Corrupt, "{name}");
    }
    assert_eq!(Raw::new().pax("13 path=../a\n").file("a", b"1").end().refused("outside"), Corrupt);
    let index = Raw::new().file("a", b"1").end().index().unwrap();
    for name in ["/a", "../a", "b/../../a", "b/../a"] {
        assert_eq!(index.get(name).unwrap_err().kind(), Corrupt, "{name}");
        assert!(!index.contains(name));
    }
}

#[test]
fn long_names() {
    let long = "n".repeat(300);
    let pax = format!("310 path={long}\n");
    let gnu = format!("{long}\0");
    for tar in [
        Raw::new().pax(&pax).file("short", b"1"),
        Raw::new().entry(b'L', "././@LongLink", "", gnu.as_bytes()).file("short", b"1"),
        // Both, which agree.
        Raw::new().pax(&pax).entry(b'L', "l", "", gnu.as_bytes()).file("short", b"1"),
        Raw::new().entry(b'g', "g", "", b"13 comment=x\n").pax(&pax).file("short", b"1"),
    ] {
        let index = tar.end().index().unwrap();
        assert_eq!(text(&index, &long).unwrap(), "1");
        assert!(!index.contains("short"));
    }
    let link = Raw::new().file("a", b"1").pax("14 linkpath=a\n").link("l", "b").end();
    assert_eq!(text(&link.index().unwrap(), "l").unwrap(), "1");
    let gnu = Raw::new().file("a", b"1").entry(b'K', "k", "", b"a\0\0\0").hard("l", "b").end();
    assert_eq!(text(&gnu.index().unwrap(), "l").unwrap(), "1");
}

#[test]
fn extensions_that_readers_take_differently() {
    let a = |tar: Raw| tar.file("a", b"1").end();
    let raw = Raw::new;
    for (tar, says) in [
        (raw().pax("10 path=x\n10 path=y\n"), "two PAX records"),
        (raw().pax("10 path=x\n").pax("10 path=x\n"), "second of its type"),
        (raw().pax("11 path=x\n"), "malformed"),
        (raw().pax("10 path=x"), "malformed"),
        (raw().pax("10 size=1\n10 size=1\n"), "two PAX records"),
        (raw().pax("10 size=9\n"), "readers differ"),
        (raw().pax("22 GNU.sparse.major=1\n"), "sparse"),
        (raw().pax("10 path=x\n").entry(b'L', "l", "", b"y"), "two different"),
        (raw().entry(b'L', "l", "", b"x").entry(b'L', "l", "", b"x"), "second of its type"),
        (raw().entry(b'L', "l", "", b"x\0y"), "NUL"),
        (raw().entry(b'K', "l", "", b""), "empty"),
        (raw().entry(b'g', "g", "", b"10 path=x\n"), "all entries"),
        (raw().entry(b'g', "g", "", b"10 size=1\n"), "all entries"),
        (raw().pax("10 path=x\n").entry(b'g', "g", "", b""), "between"),
        (raw().header(b'x', "x", "", &size(0), |b| b[257..265].fill(0)), "format"),
        (raw().entry(b'X', "x", "", b""), "changes the names"),
        (raw().entry(b'N', "x", "", b""), "changes the names"),
        (raw().entry(b'M', "x", "", b""), "changes the names"),
        (raw().entry(b'S', "x", "", b""), "sparse"),
    ] {
        assert_eq!(a(tar).refused(says), Corrupt);
    }
    let huge = vec![b'n'; (1 << 20) + 1];
    assert_eq!(a(raw().entry(b'L', "l", "", &huge)).refused("more than"), LimitExceeded);
    assert_eq!(a(raw().entry(b'L', "l", "", &[b'n'; 5000])).refused("more than"), LimitExceeded);
    for tar in [raw().pax("10 path=x\n").end(), raw().entry(b'L', "l", "", b"x")] {
        assert_eq!(tar.refused("announces"), Corrupt);
    }
}

#[test]
fn sizes() {
    let one = |field: &[u8]| Raw::new().header(b'0', "a", "", field, |_| {}).payload(b"1").end();
    for field in [&b"00000000001\0"[..], b"          1 ", b"1\0", b"\x80\0\0\0\0\0\0\0\0\0\0\x01"] {
        assert_eq!(text(&one(field).index().unwrap(), "a").unwrap(), "1", "{field:?}");
    }
    for field in [&b""[..], b"-1\0", b"+1\0", b"9\0", b"1x\0", b"\0\x001", &[0xff; 12], &[0x80; 12]]
    {
        assert_eq!(one(field).refused("size"), Corrupt, "{field:?}");
    }
    let huge = *b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff";
    for field in [&huge[..], b"77777777777\0", b"00000003001\0"] {
        assert_eq!(one(field).refused("ends early"), Corrupt, "{field:?}");
    }
    // More than an octal field can hold stands in the PAX record alone.
    let big = Raw::new().pax("19 size=9000000000\n").file("a", b"").end();
    assert_eq!(big.refused("ends early"), Corrupt);
}

#[test]
fn payloads_of_what_is_no_file() {
    for kind in [b'1', b'2', b'3', b'4', b'5', b'6'] {
        let tar = Raw::new().entry(kind, "a", "b", b"1").end();
        assert_eq!(tar.refused("is no file and has 1 bytes"), Corrupt, "{kind}");
        let pax = Raw::new().pax("10 size=1\n").header(kind, "a", "b", &size(1), |_| {});
        assert_eq!(pax.payload(b"1").end().refused("is no file"), Corrupt, "{kind}");
        // A blank size is none.
        assert!(Raw::new().header(kind, "a", "b", b"", |_| {}).end().index().is_ok());
    }
    assert_eq!(Raw::new().file("a/", b"1").end().refused("is no file"), Corrupt);
    // Vendors' entries may have payloads.
    let index = Raw::new().entry(b'V', "v", "", b"1").file("a", b"2").end().index().unwrap();
    assert_eq!(text(&index, "a").unwrap(), "2");
    assert_eq!(index.get("v").unwrap_err().kind(), Corrupt);
}

#[test]
fn headers_that_are_none() {
    let mut tar = Raw::new().file("a", b"1").end();
    tar.0[0] = b'b';
    assert_eq!(tar.refused("checksum"), Corrupt);
    let garbage = Raw(Raw::new().file("a", b"1").0.into_iter().chain([7; 512]).collect());
    assert_eq!(garbage.refused("checksum"), Corrupt);
    let prefixed = |change: fn(&mut [u8; 512])| {
        Raw::new().header(b'0', "a", "", &size(0), |block| {
            block[345..355].fill(b'p');
            change(block);
        })
    };
    assert_eq!(prefixed(|b| b[263..265].fill(b' ')).end().refused("version"), Corrupt);
    let star = |b: &mut [u8; 512]| {
        b[345..480].fill(b'p');
        b[508..].copy_from_slice(b"tar\0");
    };
    assert_eq!(prefixed(star).end().refused("format"), Corrupt);
    // Where GNU keeps times, Go sees a name if they are no numbers, and Python always.
    let gnu = |b: &mut [u8; 512]| b[257..265].copy_from_slice(b"ustar  \0");
    assert_eq!(prefixed(gnu).end().refused("345 to 500"), Corrupt);
    assert_eq!(prefixed(|b| b[257..265].fill(0)).end().refused("345 to 500"), Corrupt);
    let times = |b: &mut [u8; 512]| {
        b[257..265].copy_from_slice(b"ustar  \0");
        b[345..355].fill(0);
        b[357..368].fill(b'7');
    };
    assert_eq!(prefixed(times).end().refused("345 to 500"), Corrupt);
    let blank = |b: &mut [u8; 512]| {
        b[257..265].copy_from_slice(b"ustar  \0");
        b[345..500].fill(0);
    };
    assert!(prefixed(blank).end().index().unwrap().contains("a"));
}

#[test]
fn modes_that_say_another_type() {
    let with = |kind: u8, mode: &'static [u8]| {
        let link = if matches!(kind, b'1' | b'2') { "b" } else { "" };
        Raw::new().header(kind, "a", link, &size(0), move |block| {
            block[100..108].fill(0);
            block[100..100 + mode.len()].copy_from_slice(mode);
        })
    };
    let link = with(b'0', b"0120644");
    assert_eq!(link.end().refused("another type"), Corrupt);
    for (kind, mode) in [
        (b'2', &b"0100644"[..]),
        (b'5', b"0120755"),
        (b'1', b"0120644"),
        (b'0', b"0020644"),
        (b'3', b"0100644"),
    ] {
        assert_eq!(with(kind, mode).end().refused("another type"), Corrupt, "{kind}");
    }
    assert_eq!(with(b'0', b"abc").end().refused("mode"), Corrupt);
    for (kind, mode) in [
        (b'0', &b"0100644"[..]),
        (b'0', b"0000644"),
        (b'0', b""),
        (b'2', b"0120777"),
        (b'5', b"0040755"),
        (b'1', b"0100644"),
    ] {
        assert!(with(kind, mode).end().index().is_ok(), "{kind} {mode:?}");
    }
}

#[test]
fn one_block_of_zeros_is_followed_by_another() {
    let with = |tail: &[u8]| {
        Raw(Raw::new().file("a", b"1").0.into_iter().chain(tail.iter().copied()).collect())
    };
    assert_eq!(with(&[&[0; 512][..], &[7; 512]].concat()).refused("one block of zeros"), Corrupt);
    assert!(with(&[0; 512]).index().is_ok());
    assert!(with(&[&[0; 1024][..], &[7; 512]].concat()).index().is_ok());
}

#[test]
fn signed_checksums_of_old_tools() {
    let mut tar = Raw::new().file("\u{fc}", b"1").end();
    let signed: i32 = (0..512)
        .map(|i| if (148..156).contains(&i) { 32 } else { i32::from(tar.0[i].cast_signed()) })
        .sum();
    tar.0[148..156].copy_from_slice(format!("{signed:06o}\0 ").as_bytes());
    assert_eq!(text(&tar.index().unwrap(), "\u{fc}").unwrap(), "1");
}

#[test]
fn two_entries_with_one_name() {
    let same = Raw::new().file("a", b"1").link("l", "a").file("./a", b"1").link("l", "a").end();
    assert_eq!(text(&same.index().unwrap(), "a").unwrap(), "1");
    let big = |last: u8| {
        let mut bytes = vec![b'x'; (600 << 10) + 7];
        *bytes.last_mut().unwrap() = last;
        bytes
    };
    let two = |last| Raw::new().file("a", &big(b'x')).file("a", &big(last)).end();
    assert!(two(b'x').index().is_ok());
    let error = two(b'y').index().unwrap_err();
    assert_eq!(error.kind(), Corrupt);
    assert!(error.to_string().contains("offsets 0 and 615424"), "{error}");
    let a = || Raw::new().file("a", b"1");
    for tar in [
        a().file("a", b"2"),
        a().file("a", b"12"),
        a().entry(b'5', "a/", "", b""),
        a().link("a", "b"),
        a().hard("a", "a"),
        a().entry(b'7', "a", "", b"1"),
        Raw::new().link("a", "b").link("a", "c"),
        Raw::new().entry(b'V', "a", "", b"").entry(b'V', "a", "", b""),
    ] {
        assert_eq!(tar.end().refused("two different entries"), Corrupt);
    }
}

#[test]
fn what_lies_below_a_file_or_link() {
    for tar in [
        Raw::new().file("a/b", b"1").file("a", b"2"),
        Raw::new().link("a", "c").file("a/b/d", b"1").file("c/b/d", b"2"),
        Raw::new().file("a/b/c", b"1").entry(b'5', "a/b", "", b"").hard("a", "x"),
    ] {
        let kind = tar.end().index().unwrap_err().kind();
        assert_eq!(kind, Corrupt);
    }
}

#[test]
fn what_follows_the_end() {
    let one = Raw::new().file("a", b"1").end();
    let with = |more: &[u8]| Raw([&one.0, more].concat());
    for padding in [&[0; 10240][..], &[0; 100], b"garbage", &[7; 600]] {
        assert_eq!(text(&with(padding).index().unwrap(), "a").unwrap(), "1");
    }
    let other = Raw::new().file("a", b"2").end().0;
    assert_eq!(with(&other).refused("another header follows at offset 2048"), Corrupt);
    assert_eq!(with(&[vec![0; 8192], other.clone()].concat()).refused("follows"), Corrupt);
    // One block of zeros ends it for some readers only.
    let lone = Raw([&one.0[..1536], &other].concat());
    assert_eq!(lone.refused("follows at offset 1536"), Corrupt);
    let end = |bytes: &[u8]| common::index_of(bytes).unwrap().end();
    assert_eq!([end(&one.0), end(&one.0[..1024]), end(&one.0[..1536])], [1024; 3]);
}
