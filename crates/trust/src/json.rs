//! [`Json`]: JSON read strictly. What it holds decides over trust, so no key may be read twice or passed over.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use transship_core::{Error, ErrorKind, Result};

/// A value of a document in which no object has a key twice.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

/// An object whose keys are taken one by one; none may be left at the end.
#[derive(Debug)]
pub(crate) struct Fields {
    what: String,
    fields: Vec<(String, Json)>,
}

impl Json {
    /// Reads a whole document.
    ///
    /// # Errors
    /// `Corrupt` for what is no JSON, for a key that an object has twice, and for trailing data.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self> {
        serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string()))
    }

    /// The fields of an object, which messages call `what`.
    pub(crate) fn fields(self, what: &str) -> Result<Fields> {
        match self {
            Self::Object(fields) => Ok(Fields { what: what.to_owned(), fields }),
            other => Err(other.is_no(what, "object")),
        }
    }

    pub(crate) fn list(self, what: &str) -> Result<Vec<Self>> {
        match self {
            Self::List(list) => Ok(list),
            other => Err(other.is_no(what, "list")),
        }
    }

    pub(crate) fn text(self, what: &str) -> Result<String> {
        match self {
            Self::Text(text) => Ok(text),
            other => Err(other.is_no(what, "text")),
        }
    }

    fn is_no(&self, what: &str, wanted: &str) -> Error {
        let is = match self {
            Self::Null => "null",
            Self::Bool(_) => "true or false",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        };
        malformed(format!("{what} is {is}, and has to be {wanted}"))
    }
}

impl Fields {
    /// Takes a field that may be absent.
    pub(crate) fn take(&mut self, key: &str) -> Option<Json> {
        let at = self.fields.iter().position(|(found, _)| found == key)?;
        Some(self.fields.remove(at).1)
    }

    /// Takes a field that has to be there.
    pub(crate) fn need(&mut self, key: &str) -> Result<Json> {
        self.take(key).ok_or_else(|| malformed(format!("{} has no {key:?}", self.what)))
    }

    /// Takes a text that has to be there.
    pub(crate) fn text(&mut self, key: &str) -> Result<String> {
        self.need(key)?.text(&self.named(key))
    }

    /// Takes bytes that have to be there, in base64.
    pub(crate) fn base64(&mut self, key: &str) -> Result<Vec<u8>> {
        let what = self.named(key);
        let bytes = STANDARD.decode(self.text(key)?);
        bytes.map_err(|error| malformed(format!("{what} is no base64: {error}")))
    }

    /// Takes a whole number that has to be there.
    pub(crate) fn whole_number(&mut self, key: &str) -> Result<i64> {
        let what = self.named(key);
        match self.need(key)? {
            Json::Number(number) => {
                number.as_i64().ok_or_else(|| malformed(format!("{what} is no whole number")))
            }
            other => Err(other.is_no(&what, "a whole number")),
        }
    }

    /// Takes an object that has to be there.
    pub(crate) fn object(&mut self, key: &str) -> Result<Fields> {
        self.need(key)?.fields(&self.named(key))
    }

    /// Takes a text that may be absent.
    pub(crate) fn optional_text(&mut self, key: &str) -> Result<Option<String>> {
        let what = self.named(key);
        self.take(key).map(|value| value.text(&what)).transpose()
    }

    /// Takes a list of texts that may be absent. An empty one is refused.
    pub(crate) fn optional_texts(&mut self, key: &str) -> Result<Option<Vec<String>>> {
        let what = self.named(key);
        let Some(list) = self.take(key) else { return Ok(None) };
        let list = list.list(&what)?;
        if list.is_empty() {
            return Err(malformed(format!("{what} is empty")));
        }
        list.into_iter().map(|one| one.text(&what)).collect::<Result<_>>().map(Some)
    }

    /// All fields that are left, as a map of anything.
    pub(crate) fn rest(self) -> Vec<(String, Json)> {
        self.fields
    }

    /// That every field was taken.
    pub(crate) fn end(self) -> Result<()> {
        match self.fields.first() {
            None => Ok(()),
            Some((key, _)) => Err(malformed(format!("unknown key {key:?} in {}", self.what))),
        }
    }

    /// What messages call one of its fields.
    pub(crate) fn named(&self, key: &str) -> String {
        format!("{key:?} in {}", self.what)
    }
}

pub(crate) fn malformed(message: String) -> Error {
    Error::new(ErrorKind::Corrupt, message)
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        from.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> std::result::Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> std::result::Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> std::result::Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> std::result::Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> std::result::Result<Json, E> {
        serde_json::Number::from_f64(value).map(Json::Number).ok_or_else(|| E::custom("no number"))
    }

    fn visit_str<E>(self, value: &str) -> std::result::Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> std::result::Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = from.next_element()? {
            list.push(value);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> std::result::Result<Json, A::Error> {
        let (mut fields, mut seen) = (Vec::new(), std::collections::HashSet::new());
        while let Some(key) = from.next_key::<String>()? {
            if !seen.insert(key.clone()) {
                return Err(A::Error::custom(format_args!("duplicate key {key:?}")));
            }
            fields.push((key, from.next_value()?));
        }
        Ok(Json::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for (text, why) in [
            (r#"{"a":1,"a":1}"#, "duplicate key \"a\""),
            (r#"{"a":{"b":1,"\u0062":2}}"#, "duplicate key \"b\""),
            ("{} {}", "trailing"),
            ("{", "EOF"),
            ("", "EOF"),
            (r#"{"a":1,}"#, "trailing comma"),
            ("\u{feff}{}", "expected value"),
        ] {
            let error = Json::parse(text.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
            assert!(error.to_string().contains(why), "{error}");
        }
        assert!(Json::parse(b"\"\xff\"").is_err());
        assert!(Json::parse("[".repeat(100_000).as_bytes()).is_err());
    }

    #[test]
    fn every_field_has_to_be_known() {
        let mut fields = Json::parse(br#"{"a":"x","b":[]}"#).unwrap().fields("it").unwrap();
        assert_eq!(fields.text("a").unwrap(), "x");
        assert!(fields.need("c").unwrap_err().to_string().contains("it has no \"c\""));
        assert!(fields.end().unwrap_err().to_string().contains("unknown key \"b\" in it"));
    }
}
