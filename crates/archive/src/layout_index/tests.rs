use super::*;
use crate::layout::REF_NAME;
use transship_core::MediaType;
use transship_core::fields::{COMMAS_LIMIT, LISTS_LIMIT};

const ENTRY: &str = r#"{"size":2,"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","mediaType":"m","annotations":{"z":"1","a":"2"},"x":[1]}"#;

#[test]
fn nothing_that_is_not_touched_changes() {
    let text =
        format!(r#"{{"x":{{"b":1,"a":2}},"manifests":[{ENTRY},{ENTRY}],"schemaVersion":2}}"#);
    let mut index = LayoutIndex::parse(text.as_bytes()).unwrap();
    assert_eq!(String::from_utf8(index.to_bytes()).unwrap(), text);
    index.retain(|at, _| at == 1);
    index.push(Descriptor::new(MediaType::ImageManifest, transship_core::sha256(b""), 0));
    let after = String::from_utf8(index.to_bytes()).unwrap();
    assert!(after.starts_with(&format!(r#"{{"x":{{"b":1,"a":2}},"manifests":[{ENTRY},{{"media"#)));
    assert_eq!(LayoutIndex::parse(after.as_bytes()).unwrap().entries(), index.entries());
}

#[test]
fn what_is_lacking_is_said_and_unsaid() {
    let text = r#"{"annotations":{"a":"b"},"manifests":[],"schemaVersion":2}"#;
    let mut index = LayoutIndex::parse(text.as_bytes()).unwrap();
    let all: Vec<_> = [&b"1"[..], b"2"].map(transship_core::sha256).into();
    index.change_needs(all.iter().map(AsRef::as_ref), |_| true);
    index.change_needs([all[0].as_ref()], |_| true);
    let read = LayoutIndex::parse(&index.to_bytes()).unwrap();
    let mut needs = read.needs().unwrap();
    needs.sort_by_key(|digest| all.iter().position(|one| one == digest));
    assert_eq!(needs, all);
    index.change_needs([], |_| false);
    assert_eq!(index.to_bytes(), text.as_bytes());

    let mut fresh = LayoutIndex::new();
    let bytes = fresh.to_bytes();
    fresh.change_needs([all[0].as_ref()], |_| true);
    fresh.change_needs([], |_| false);
    assert_eq!(fresh.to_bytes(), bytes);
    let bad = format!(r#"{{"annotations":{{"{NEEDS}":"x"}},"manifests":[]}}"#);
    assert!(LayoutIndex::parse(bad.as_bytes()).unwrap().needs().is_err());
}

#[test]
fn what_is_no_index() {
    for text in
        ["", "{}", "[]", r#"{"manifests":[],"layers":[]}"#, r#"{"manifests":[],"manifests":[]}"#]
    {
        let error = LayoutIndex::parse(text.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{text}");
    }
    assert!(LayoutIndex::parse(br#"{"manifests":null}"#).unwrap().entries().is_empty());
    assert!(LayoutIndex::parse(&LayoutIndex::new().to_bytes()).unwrap().entries().is_empty());
}

fn entry(name: &str) -> String {
    format!(
        r#"{{"digest":"{}","size":1,"annotations":{{"{REF_NAME}":"{name}"}}}}"#,
        transship_core::sha256(name.as_bytes())
    )
}

#[test]
fn a_malformed_entry_hides_itself_only() {
    for bad in [
        "null",
        "7",
        "[]",
        r#""b""#,
        r#"{"digest":"sha256:short","size":1}"#,
        r#"{"digest":7,"size":1,"annotations":{"x":"b"}}"#,
        r#"{"size":1}"#,
        r#"{"size":-1,"digest":"x"}"#,
        r#"{"size":1,"platform":"linux"}"#,
        r#"{"size":1,"size":1}"#,
    ] {
        let text = format!(r#"{{"manifests":[{},{bad},{}],"x":1}}"#, entry("a"), entry("c"));
        let mut index = LayoutIndex::parse(text.as_bytes()).unwrap();
        assert_eq!(index.to_bytes(), text.as_bytes());
        let [a, c] = index.entries() else { panic!("{bad}: {:?}", index.entries()) };
        assert_eq!((a.annotation(REF_NAME), c.annotation(REF_NAME)), (Some("a"), Some("c")));
        assert_eq!((index.position(0), index.position(1), index.stored_len()), (0, 2, 3));
        let malformed: Vec<_> = index.malformed().collect();
        let error = malformed[0].error().to_string();
        assert!(malformed.len() == 1 && error.contains("entry 1 is malformed"), "{error}");
        assert_eq!(malformed[0].has_text(|text| text == "b"), bad.contains(r#""b""#));
        assert_eq!(index.stored_at(1).unwrap_err().kind(), ErrorKind::Corrupt);
        assert_eq!(index.stored_at(2).unwrap(), Some(1));
        assert_eq!(index.stored_at(3).unwrap(), None);
        // It stays where others go, and moves with them.
        index.retain(|at, _| at == 1);
        index.push(Descriptor::new(MediaType::ImageManifest, transship_core::sha256(b""), 0));
        assert_eq!((index.position(0), index.position(1), index.stored_len()), (1, 2, 3));
        let all = String::from_utf8(index.to_bytes()).unwrap();
        assert!(all.contains(&format!("[{bad},{},", entry("c"))), "{all}");
        index.retain_malformed(|_| false);
        assert_eq!((index.position(0), index.stored_len()), (0, 2));
    }
}

#[test]
fn what_other_readers_may_take_hides_all() {
    for bad in [
        // Go takes it for the known field, and for a name.
        format!(r#"{{"Size":1,{}"#, &entry("b")[1..]),
        r#"{"size":-1,"annotations":{"a":"\ud800"}}"#.to_owned(),
    ] {
        let text = format!(r#"{{"manifests":[{},{bad}]}}"#, entry("a"));
        let error = LayoutIndex::parse(text.as_bytes()).unwrap_err();
        assert!(
            error.kind() == ErrorKind::Corrupt && error.to_string().contains("entry 1"),
            "{error}"
        );
    }
    let many = format!(r#"{{"manifests":[{}0]}}"#, "0,".repeat(MALFORMED_LIMIT));
    assert_eq!(LayoutIndex::parse(many.as_bytes()).unwrap_err().kind(), ErrorKind::Corrupt);
    let some = format!(r#"{{"manifests":[{}0]}}"#, "0,".repeat(MALFORMED_LIMIT - 1));
    assert_eq!(LayoutIndex::parse(some.as_bytes()).unwrap().malformed().count(), MALFORMED_LIMIT);
}

#[test]
fn memory_is_bounded() {
    let refused = |text: &str| {
        let error = LayoutIndex::parse(text.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
    };
    refused(&format!(r#"{{"manifests":[],"x":[{}0]}}"#, "0,".repeat(COMMAS_LIMIT)));
    // No comma, and a list for each byte.
    let deep = ["[".repeat(100), "]".repeat(100)].concat();
    let lists = vec![&*deep; LISTS_LIMIT / 100 + 1].join(",");
    refused(&format!(r#"{{"manifests":[],"x":[{lists}]}}"#));
    let one = |lists: usize| format!(r#"{{"x":[{}0],{}"#, "[0],".repeat(lists), &entry("a")[1..]);
    refused(&format!(r#"{{"manifests":[{}]}}"#, one(ENTRY_LISTS_LIMIT)));
    let text = format!(r#"{{"manifests":[{}]}}"#, one(ENTRY_LISTS_LIMIT / 2));
    assert_eq!(LayoutIndex::parse(text.as_bytes()).unwrap().entries().len(), 1);
    let needs = vec![transship_core::sha256(b"").to_string(); NEEDS_LIMIT + 1].join(" ");
    let text = format!(r#"{{"annotations":{{"{NEEDS}":"{needs}"}},"manifests":[]}}"#);
    let index = LayoutIndex::parse(text.as_bytes()).unwrap();
    assert_eq!(index.needs().unwrap_err().kind(), ErrorKind::LimitExceeded);
}

#[test]
fn what_is_written_can_be_read() {
    let text = format!(r#"{{"manifests":[{}]}}"#, vec![entry("a"); ENTRIES_LIMIT].join(","));
    let mut index = LayoutIndex::parse(text.as_bytes()).unwrap();
    assert_eq!(index.to_file().unwrap(), text.as_bytes());
    index.push(Descriptor::new(MediaType::ImageManifest, transship_core::sha256(b""), 0));
    assert_eq!(index.to_file().unwrap_err().kind(), ErrorKind::LimitExceeded);
    let more = format!(r#"{{"manifests":[{}0]}}"#, "0,".repeat(ENTRIES_LIMIT));
    let error = LayoutIndex::parse(more.as_bytes()).unwrap_err();
    assert!(error.to_string().contains("40001 entries"), "{error}");
    index.retain(|at, _| at == 0);
    let mut long = index.entries()[0].clone();
    long.data = Some("A".repeat(usize::try_from(INDEX_LIMIT).unwrap()));
    index.push(long);
    assert_eq!(index.to_file().unwrap_err().kind(), ErrorKind::LimitExceeded);
}
