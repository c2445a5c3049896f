//! Links are followed inside the archive, and nowhere else.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use common::{Raw, text};
use transship_core::ErrorKind::{Corrupt, LimitExceeded, NotFound};

fn chain(links: usize) -> Raw {
    (0..links)
        .fold(Raw::new(), |tar, n| tar.link(&format!("l{n}"), &format!("l{}", n + 1)))
        .file(&format!("l{links}"), b"end")
        .end()
}

#[test]
fn chains() {
    assert_eq!(text(&chain(40).index().unwrap(), "l0").unwrap(), "end");
    let long = chain(41).index().unwrap();
    assert_eq!(text(&long, "l1").unwrap(), "end");
    let error = text(&long, "l0").unwrap_err();
    assert_eq!(error.kind(), Corrupt);
    assert!(error.to_string().contains("more than 40 links"), "{error}");
}

#[test]
fn as_in_a_file_system() {
    let index = Raw::new()
        .link("id/layer.tar", "../hex.tar")
        .file("hex.tar", b"layer")
        .link("to-id", "./id/.")
        .link("deep/er/link", "../../to-id//layer.tar")
        .entry(b'5', "id/", "", b"")
        .link("folder", "id")
        .end()
        .index()
        .unwrap();
    for name in ["id/layer.tar", "to-id/layer.tar", "deep/er/link"] {
        assert_eq!(text(&index, name).unwrap(), "layer", "{name}");
    }
}

/// Readers that clean a path as text, and those that follow its links first, see two files.
#[test]
fn dot_dot_behind_a_name() {
    let index = Raw::new()
        .link("a/l", "../b/c")
        .file("b/x", b"b")
        .file("a/x", b"a")
        .link("there", "a/l/../x")
        .link("back", "./b/../a/x")
        .end()
        .index()
        .unwrap();
    for name in ["a/l/../x", "a/../a/x", "../a/x", "there", "back"] {
        let error = text(&index, name).unwrap_err();
        assert_eq!(error.kind(), Corrupt, "{name}");
        assert!(error.to_string().contains("differently"), "{error}");
    }
}

/// Forty links may have 4 kB of target each: what is walked is limited for all of them together.
#[test]
fn ways_of_too_many_parts() {
    let through = "a/".repeat(2040);
    let long = |tar: Raw, target: &str| tar.entry(b'K', "././@LongLink", "", target.as_bytes());
    let tar = long(Raw::new(), &through).link("l0", "short");
    let index = long(tar, &format!("{through}l0")).link("l1", "short").end().index().unwrap();
    let asked = format!("{through}{through}{through}l0");
    assert_eq!(index.get(&asked).unwrap_err().kind(), LimitExceeded);
    assert_eq!(index.get("l1").unwrap_err().kind(), NotFound);
}

#[test]
fn hard_links() {
    let index = Raw::new()
        .hard("early", "./late")
        .hard("other", "early")
        .file("late", b"1")
        .link("soft", "other")
        .end()
        .index()
        .unwrap();
    for name in ["early", "other", "soft"] {
        assert_eq!(text(&index, name).unwrap(), "1", "{name}");
    }
    let bad = Raw::new()
        .hard("gone", "nothing")
        .hard("self", "self")
        .hard("a", "b")
        .hard("b", "a")
        .hard("out", "../x")
        .hard("abs", "/x")
        .hard("to-link", "link")
        .link("link", "x/f")
        .hard("folder", "x")
        .entry(b'5', "x", "", b"")
        .file("x/f", b"1")
        .hard("empty", "")
        .end()
        .index()
        .unwrap();
    for name in ["gone", "self", "a", "out", "abs", "to-link", "folder", "folder/f", "empty"] {
        assert_eq!(bad.get(name).unwrap_err().kind(), Corrupt, "{name}");
    }
}

#[test]
fn links_that_lead_nowhere_good() {
    let index = Raw::new()
        .link("gone", "nothing")
        .link("self", "self")
        .link("a", "b")
        .link("b", "./a")
        .link("out", "../x")
        .link("d/out", "../../d/f")
        .link("abs", "/d/f")
        .file("d/f", b"1")
        .link("through", "d/f/x")
        .link("empty", "")
        .link("root", ".")
        .end()
        .index()
        .unwrap();
    for (name, kind, says) in [
        ("gone", NotFound, "which links lead to as \"nothing\""),
        ("self", Corrupt, "circle"),
        ("a", Corrupt, "circle"),
        ("out", Corrupt, "outside"),
        ("d/out", Corrupt, "outside"),
        ("abs", Corrupt, "outside"),
        ("d/f/x", Corrupt, "as if it were a folder"),
        ("through", Corrupt, "as if it were a folder"),
        ("empty", NotFound, "empty"),
        ("root", NotFound, "root"),
        ("", NotFound, "no entry \"\""),
    ] {
        let error = index.get(name).unwrap_err();
        assert_eq!(error.kind(), kind, "{name}: {error}");
        assert!(error.to_string().contains(says), "{error}");
    }
    assert_eq!(text(&index, "root/d/f").unwrap(), "1");
}
