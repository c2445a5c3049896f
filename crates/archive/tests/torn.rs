//! Archives that were cut off, and bytes that are nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use common::{Raw, index_of, open, text};
use proptest::prelude::*;
use transship_core::ErrorKind::{Corrupt, LimitExceeded};

fn some_tar() -> Raw {
    Raw::new()
        .file("one", &[1; 2000])
        .pax("12 path=two\n")
        .file("short", b"2")
        .link("three", "one")
        .file("four", &[4; 512])
        .end()
}

#[test]
fn cut_at_every_block() {
    let tar = some_tar().0;
    let whole = index_of(&tar).unwrap();
    // An entry begins with its extension header.
    let start = |e: &transship_archive::Entry| e.header - if &*e.name == "two" { 1024 } else { 0 };
    let between: Vec<u64> = whole.entries().iter().map(start).collect();
    for cut in (0..tar.len()).step_by(512) {
        match index_of(&tar[..cut]) {
            // Cut between two entries; what is missing is then said to be cut off.
            Ok(index) => {
                let at = cut as u64;
                assert!(between.contains(&at) || at >= whole.end(), "{cut}");
                let missing = index.get("five").unwrap_err();
                let ended = at > whole.end();
                assert_eq!(missing.kind() == Corrupt, !ended, "{cut}: {missing}");
            }
            Err(error) => assert_eq!(error.kind(), Corrupt, "{cut}: {error}"),
        }
    }
}

#[test]
fn what_is_no_tar_says_what_it_looks_like() {
    for (bytes, says) in [
        (&b""[..], "it is empty"),
        (b"PK\x03\x04rest", "zip"),
        (b" {\"a\": 1}", "JSON"),
        (b"<html>", "web page"),
        (b"hello\n", "text"),
        (&[0; 100], "only 100 bytes"),
        (&[0xaa; 600], "no header"),
        (b"\x7fELF\x02\x01\x01\0", "program"),
    ] {
        let error = open(bytes).unwrap_err();
        assert_eq!(error.kind(), Corrupt);
        assert!(error.to_string().contains(says), "{error}");
    }
    let mut tar = some_tar().0;
    tar[0] ^= 1;
    assert!(open(&tar).unwrap_err().to_string().contains("checksum"));
    // Nothing but an end mark is a tar without entries.
    assert!(open(&[0; 1024]).is_ok() && index_of(&[0; 1024]).unwrap().entries().is_empty());
}

proptest! {
    #[test]
    fn any_cut(cut in 0_usize..6000) {
        let tar = some_tar().0;
        let cut = cut.min(tar.len());
        if let Ok(index) = index_of(&tar[..cut]) {
            prop_assert_eq!(cut % 512, 0);
            for name in index.names().map(str::to_owned).collect::<Vec<_>>() {
                let range = index.get(&name).unwrap();
                prop_assert!(range.offset() + range.len() <= cut as u64);
            }
        }
    }

    #[test]
    fn a_flipped_byte_is_noticed_or_harmless(at in 0_usize..5632, bit in 0_u8..8) {
        let mut tar = some_tar().0;
        tar[at] ^= 1 << bit;
        // Payloads have digests of their own; the headers are the index's concern.
        match index_of(&tar) {
            Ok(index) => for name in ["one", "two", "four"] {
                if let Ok(range) = index.get(name) {
                    prop_assert!(range.offset() + range.len() <= tar.len() as u64);
                }
            },
            Err(error) => prop_assert!(matches!(error.kind(), Corrupt | LimitExceeded), "{}", error),
        }
    }

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..2048)) {
        if let Err(error) = open(&bytes) {
            prop_assert_eq!(error.kind(), Corrupt, "{}", error);
        }
        if let Err(error) = index_of(&bytes) {
            prop_assert_eq!(error.kind(), Corrupt, "{}", error);
        }
    }

    /// Headers with true checksums and any content get further in than random bytes.
    #[test]
    fn any_headers(
        entries in prop::collection::vec(
            (
                prop::sample::select(&b"\x000123456789xgLKSVXNMD?"[..]),
                "[a-c./\u{fc}]{0,8}",
                "[a-c./]{0,8}",
                prop::sample::select(vec![
                    b"".to_vec(), b"1\0".to_vec(), b"1000\0".to_vec(), vec![0x80; 12], vec![0xff; 12],
                    b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff".to_vec(),
                ]),
                prop::sample::select(vec![
                    &b""[..], b"1", b"10 path=a\n", b"14 linkpath=b\n", b"10 size=1\n", b"a\0", b"\0",
                ]),
                any::<bool>(),
            ),
            0..12,
        )
    ) {
        let mut tar = Raw::new();
        for (kind, name, link, size, payload, honest) in entries {
            let true_size = format!("{:011o}\0", payload.len());
            let size = if honest { true_size.as_bytes() } else { &size };
            tar = tar.header(kind, &name, &link, size, |_| {}).payload(payload);
        }
        let tar = tar.end();
        match tar.index() {
            Ok(index) => {
                for name in index.names().map(str::to_owned).collect::<Vec<_>>() {
                    prop_assert!(index.contains(&name));
                    if let Err(error) = text(&index, &name) {
                        prop_assert_ne!(error.kind(), LimitExceeded, "{}", error);
                    }
                }
            }
            Err(error) => prop_assert!(matches!(error.kind(), Corrupt | LimitExceeded), "{}", error),
        }
    }
}
