//! The digests that a JSON document mentions, found while it is parsed: nothing else of it is kept in memory.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::reachable::{Kind, kind_of};

/// Text that may be a digest, and what stands beside it.
#[derive(Debug)]
pub(crate) struct Mention {
    pub(crate) digest: String,
    pub(crate) kind: Kind,
    pub(crate) size: u64,
    /// The content, as a descriptor carries it.
    pub(crate) data: Option<String>,
}

/// All text in a document that may be a digest, also in names of fields.
///
/// # Errors
/// When it is no JSON.
pub(crate) fn mentions(document: &[u8]) -> serde_json::Result<Vec<Mention>> {
    let mut found = Vec::new();
    let mut parser = serde_json::Deserializer::from_slice(document);
    Within(&mut found).deserialize(&mut parser)?;
    parser.end()?;
    Ok(found)
}

/// A value. Gives its text or number, which its object may ask for.
struct Within<'a>(&'a mut Vec<Mention>);

#[derive(Debug)]
enum Plain<'de> {
    Text(Cow<'de, str>),
    Number(u64),
    Other,
}

impl<'de> DeserializeSeed<'de> for Within<'_> {
    type Value = Plain<'de>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Within<'_> {
    type Value = Plain<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Plain::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Plain::Other)
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Plain::Number(number))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Plain::Other)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Plain::Other)
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Plain::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Plain::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        while let Some(value) = list.next_element_seed(Within(self.0))? {
            if let Plain::Text(text) = value {
                mention(self.0, &text);
            }
        }
        Ok(Plain::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        let (mut digest, mut media_type, mut data, mut size) = (None, None, None, 0);
        while let Some(Name(name)) = fields.next_key()? {
            mention(self.0, &name);
            match (&*name, fields.next_value_seed(Within(self.0))?) {
                ("digest", Plain::Text(text)) => digest = Some(text),
                ("data", Plain::Text(text)) => data = Some(text),
                ("size", Plain::Number(number)) => size = number,
                (name, Plain::Text(text)) => {
                    mention(self.0, &text);
                    if name == "mediaType" {
                        media_type = Some(text);
                    }
                }
                _ => {}
            }
        }
        match digest.filter(|digest| may_be_digest(digest)) {
            Some(digest) => self.0.push(Mention {
                digest: digest.into_owned(),
                kind: kind_of(media_type.as_deref()),
                size,
                data: data.map(Cow::into_owned),
            }),
            None => data.iter().for_each(|data| mention(self.0, data)),
        }
        Ok(Plain::Other)
    }
}

/// The name of a field.
struct Name<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a field")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }
        from.deserialize_str(Text)
    }
}

fn mention(found: &mut Vec<Mention>, text: &str) {
    if may_be_digest(text) {
        let digest = text.to_owned();
        found.push(Mention { digest, kind: Kind::Unknown, size: 0, data: None });
    }
}

/// Whether text is worth parsing: a digest names its algorithm and has 32 characters at least.
fn may_be_digest(text: &str) -> bool {
    text.len() > 32 && text.len() < 512 && text.contains(':')
}

#[cfg(test)]
mod tests {
    use super::mentions;

    #[test]
    fn nothing_is_kept_of_what_is_no_digest() {
        let many = |one: &str| format!("[{}]", vec![one; 100_000].join(","));
        for one in ["7", "{}", "[[]]", r#"{"a":null,"size":1}"#, r#""text""#] {
            let found = mentions(many(one).as_bytes()).unwrap();
            assert_eq!((found.len(), found.capacity()), (0, 0), "{one}");
        }
        let digest = format!("sha256:{}", "0".repeat(64));
        let found = mentions(many(&format!(r#"{{"digest":"{digest}"}}"#)).as_bytes()).unwrap();
        assert_eq!(found.len(), 100_000);
    }
}
