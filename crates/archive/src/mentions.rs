//! The digests that a document mentions, found in its raw bytes.
//!
//! Readers skip what they do not know without a look at it: numbers beyond all bounds, text that is no text, lists in
//! lists. A parser that looked at all of it would fail where they do not, and find nothing.

use std::borrow::Cow;
use std::ops::Range;

use crate::reachable::{Kind, kind_of};

/// Lists and objects that lie deeper in each other are no descriptors: what looks like a digest there is only text.
const DEPTH: usize = 128;

/// Text that may be a digest, and what stands beside it.
#[derive(Debug)]
pub(crate) struct Mention<'a> {
    pub(crate) digest: Cow<'a, str>,
    pub(crate) kind: Kind,
    pub(crate) size: u64,
    /// The content, as a descriptor carries it.
    pub(crate) data: Option<Cow<'a, str>>,
}

/// Gives a function all text in a document that may be a digest, also in names of fields. It need not be JSON.
pub(crate) fn mentions(document: &[u8], take: &mut dyn FnMut(Mention<'_>)) {
    let mut scan = Scan { document, at: 0, open: Vec::new(), deeper: 0, take };
    while let Some(byte) = document.get(scan.at) {
        scan.at += 1;
        match byte {
            b'"' => scan.text(),
            b'{' | b'[' => scan.open(*byte),
            b'}' | b']' => scan.close(),
            b',' => scan.set_field(Field::Other),
            b'0'..=b'9' => scan.number(),
            _ => {}
        }
    }
    while !scan.open.is_empty() {
        scan.close();
    }
}

struct Scan<'a, 't> {
    document: &'a [u8],
    at: usize,
    /// The objects and lists around the place, the innermost last.
    open: Vec<Open>,
    /// How many more there are beyond [`DEPTH`].
    deeper: usize,
    take: &'t mut dyn FnMut(Mention<'_>),
}

/// An object or list, and what was found in it.
struct Open {
    place: Place,
    /// The field whose value is next.
    field: Field,
    kind: Option<Kind>,
    size: u64,
    digest: Option<Text>,
    data: Option<Text>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A list of manifests.
    Manifests,
    /// A document, or one of a list of manifests: it is read as one, whatever type it is said to be.
    Manifest,
    Elsewhere,
}

/// Where a text stands, without its quotes.
type Text = Range<usize>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    Digest,
    MediaType,
    Size,
    Data,
    Manifests,
    Other,
}

impl Field {
    /// In any letters, as some readers take them.
    fn of(name: &str) -> Self {
        const FIELDS: [(&str, Field); 5] = [
            ("digest", Field::Digest),
            ("mediaType", Field::MediaType),
            ("size", Field::Size),
            ("data", Field::Data),
            ("manifests", Field::Manifests),
        ];
        let field = FIELDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        field.map_or(Self::Other, |(_, field)| *field)
    }
}

impl Scan<'_, '_> {
    fn open(&mut self, byte: u8) {
        if self.open.len() == DEPTH {
            self.deeper += 1;
            return;
        }
        let place = match (self.open.last(), byte) {
            (None, b'{') => Place::Manifest,
            (Some(around), b'{') if around.place == Place::Manifests => Place::Manifest,
            (Some(around), b'[') if around.field == Field::Manifests => Place::Manifests,
            _ => Place::Elsewhere,
        };
        let (field, kind, size, digest, data) = (Field::Other, None, 0, None, None);
        self.open.push(Open { place, field, kind, size, digest, data });
    }

    fn close(&mut self) {
        if self.deeper > 0 {
            self.deeper -= 1;
            return;
        }
        let Some(Open { place, kind, size, digest, data, .. }) = self.open.pop() else { return };
        let text_at = |text: &Text| text_of(&self.document[text.clone()]);
        let data = data.as_ref().and_then(text_at);
        let Some(digest) = digest.as_ref().and_then(text_at) else {
            return data.map_or((), |data| mention(self.take, data));
        };
        let kind = match kind.unwrap_or(Kind::Unknown) {
            Kind::Blob if place == Place::Manifest => Kind::Unknown,
            kind => kind,
        };
        (self.take)(Mention { digest, kind, size, data });
    }

    /// The object or list around the place, but for those that lie too deep.
    fn around(&mut self) -> Option<&mut Open> {
        self.open.last_mut().filter(|_| self.deeper == 0)
    }

    fn set_field(&mut self, field: Field) {
        if let Some(around) = self.around() {
            around.field = field;
        }
    }

    fn text(&mut self) {
        let begin = self.at;
        while let Some(byte) = self.document.get(self.at).filter(|byte| **byte != b'"') {
            self.at += if *byte == b'\\' { 2 } else { 1 };
        }
        let end = self.at.min(self.document.len());
        self.at = end + 1;
        let raw = &self.document[begin..end];
        let rest = self.document.get(self.at..).unwrap_or_default().trim_ascii_start();
        if rest.first() == Some(&b':') {
            let name = text_of(raw).unwrap_or_default();
            self.set_field(Field::of(&name));
            return mention(self.take, name);
        }
        let field = self.around().map_or(Field::Other, |around| around.field);
        let said = match (field, self.around()) {
            (Field::Digest, Some(around))
                if text_of(raw).is_some_and(|text| may_be_digest(&text)) =>
            {
                let before = around.digest.replace(begin..end);
                before.and_then(|text| text_of(&self.document[text]))
            }
            (Field::Data, Some(around)) => {
                around.data = Some(begin..end);
                None
            }
            (Field::MediaType, Some(around)) => {
                let said = kind_of(text_of(raw).as_deref());
                // Of two, readers take the one or the other.
                around.kind = Some(around.kind.map_or(said, |kind| kind.max(said)));
                text_of(raw)
            }
            _ => text_of(raw),
        };
        if let Some(text) = said {
            mention(self.take, text);
        }
    }

    fn number(&mut self) {
        let begin = self.at - 1;
        while self.document.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        let number = text_of(&self.document[begin..self.at]).and_then(|text| text.parse().ok());
        if let (Some(number), Some(around)) = (number, self.around())
            && around.field == Field::Size
        {
            around.size = number;
        }
    }
}

/// What stands between quotes, if it is text.
fn text_of(raw: &[u8]) -> Option<Cow<'_, str>> {
    if !raw.contains(&b'\\') {
        return std::str::from_utf8(raw).ok().map(Cow::Borrowed);
    }
    serde_json::from_slice(&[b"\"", raw, b"\""].concat()).ok().map(Cow::Owned)
}

fn mention(take: &mut dyn FnMut(Mention<'_>), text: Cow<'_, str>) {
    if may_be_digest(&text) {
        take(Mention { digest: text, kind: Kind::Unknown, size: 0, data: None });
    }
}

/// Whether text is worth parsing: a digest names its algorithm and has 32 characters at least.
fn may_be_digest(text: &str) -> bool {
    text.len() > 32 && text.len() < 512 && text.contains(':')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The digests with their kinds.
    fn found(document: &str) -> Vec<(String, Kind)> {
        let mut found = Vec::new();
        mentions(document.as_bytes(), &mut |it| found.push((it.digest.into_owned(), it.kind)));
        found
    }

    fn digest(fill: &str) -> String {
        format!("sha256:{}", fill.repeat(64))
    }

    #[test]
    fn nothing_is_found_in_what_is_no_digest() {
        let many = |one: &str| format!("[{}]", vec![one; 100_000].join(","));
        for one in ["7", "{}", "[[]]", r#"{"a":null,"size":1}"#, r#""text""#] {
            assert_eq!(found(&many(one)), [], "{one}");
        }
        for broken in ["\"", "\"\\", "{\"a\":\"\\", "]}", "\"a\":", ",:1", "{\"digest\":\"x"] {
            assert_eq!(found(broken), [], "{broken}");
        }
        assert_eq!(found(&"{".repeat(1 << 20)), []);
        assert_eq!(found(&many(&format!(r#"{{"digest":"{}"}}"#, digest("0")))).len(), 100_000);
    }

    #[test]
    fn what_readers_skip_hides_nothing() {
        let (a, b) = (digest("a"), digest("b"));
        let escaped = a.replace('s', r"\u0073");
        let deep = format!("{}{}", "[".repeat(2000), "]".repeat(2000));
        for odd in ["1e999", r#""\ud800""#, &deep, "-0.5E+3", r#""a\"b""#, "{\"size\":{}}"] {
            let text = format!(r#"{{"x":{odd},"digest":"{escaped}","y":{odd},"z":["{b}"]}}"#);
            let both = [(b.clone(), Kind::Unknown), (a.clone(), Kind::Unknown)];
            assert_eq!(found(&text), both, "{odd}");
        }
        let far = format!(r#"{}{{"digest":"{a}"}}"#, "[".repeat(2000));
        assert_eq!(found(&far), [(a, Kind::Unknown)]);
    }

    #[test]
    fn of_two_types_the_one_that_is_read_holds() {
        let layer = "application/vnd.oci.image.layer.v1.tar";
        let index = "application/vnd.oci.image.index.v1+json";
        let one = |types: &str| format!(r#"{{{types}"digest":"{}"}}"#, digest("a"));
        let typed = |of: &str| one(&format!(r#""mediaType":"{of}","#));
        let both = one(&format!(r#""mediaType":"{index}","MediaType":"{layer}","#));
        for (text, kind) in [
            (format!(r#"{{"layers":[{}]}}"#, typed(layer)), Kind::Blob),
            (format!(r#"{{"layers":[{both}]}}"#), Kind::Manifest),
            (format!(r#"{{"layers":[{}]}}"#, one("")), Kind::Unknown),
            (format!(r#"{{"manifests":[{}]}}"#, typed(layer)), Kind::Unknown),
            (format!(r#"{{"manifests":[{}]}}"#, typed(index)), Kind::Manifest),
            (typed(layer), Kind::Unknown),
        ] {
            assert_eq!(found(&text), [(digest("a"), kind)], "{text}");
        }
    }
}
