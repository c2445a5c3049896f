//! What an engine says: refusals, and the lines of a load, which may fail after a status of 200.

use serde_json::{Deserializer, Value};
use transship_core::{Error, ErrorKind, Result};

use crate::engine::kind_of;

/// What a containerd store says of an image that it named and could not unpack.
const NOT_UNPACKED: &str = "Error unpacking image";

/// The message of a refusal.
pub(crate) fn message(said: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(said).ok()?;
    failure(&value).or_else(|| text(value.get("message")?))
}

/// The ID of what was loaded, where the engine says it.
///
/// # Errors
/// What the engine says in a line; `Unexpected` when no line says that something was loaded.
pub(crate) fn loaded(said: &[u8]) -> Result<Option<String>> {
    let (mut done, mut id) = (false, None);
    for value in Deserializer::from_slice(said).into_iter::<Value>() {
        let value = value.map_err(|error| {
            Error::new(ErrorKind::Corrupt, "the engine's answer is malformed").caused_by(error)
        })?;
        if let Some(words) = failure(&value) {
            return Err(refused(&words));
        }
        let Some(line) = value.get("stream").and_then(Value::as_str) else { continue };
        if line.contains(NOT_UNPACKED) {
            return Err(refused(line.trim()));
        }
        if let Some(what) = line.trim().strip_prefix("Loaded image") {
            done = true;
            id =
                what.find("sha256:").and_then(|at| what.get(at..at + 71)).map(str::to_owned).or(id);
        }
    }
    if done {
        return Ok(id);
    }
    Err(refused("it does not say that it has loaded the image"))
}

/// The message of JSON text with which a save ends that failed.
pub(crate) fn at_the_end(tail: &[u8]) -> Option<String> {
    let end = tail.trim_ascii_end();
    let starts = (0..end.len()).rev().filter(|at| end[*at] == b'{');
    starts.into_iter().take(64).find_map(|at| message(&end[at..]))
}

fn failure(value: &Value) -> Option<String> {
    let detail = value.get("errorDetail").and_then(|detail| text(detail.get("message")?));
    detail.or_else(|| text(value.get("error")?))
}

fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

fn refused(words: &str) -> Error {
    Error::new(kind_of(words), format!("the engine could not load the image: {words}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_after_a_status_of_200_are_found() {
        let id = format!("sha256:{}", "a".repeat(64));
        let named = format!("{{\"stream\":\"Loaded image ID: {id}\\n\"}}\r\n");
        assert_eq!(loaded(named.as_bytes()).unwrap(), Some(id));
        assert_eq!(loaded(br#"{"stream":"Loaded image: x:1"}"#).unwrap(), None);
        for (said, words) in [
            (
                r#"{"errorDetail":{"message":"bad layer"},"error":"bad layer"}"#.to_owned(),
                "bad layer",
            ),
            (format!("{named}{{\"error\":\"late\"}}"), "late"),
            (
                format!("{named}{{\"stream\":\"Error unpacking image x: gone\\n\"}}"),
                "unpacking image x: gone",
            ),
            (r#"{"stream":"Loading layer"}"#.to_owned(), "does not say"),
            (String::new(), "does not say"),
            ("{".to_owned(), "malformed"),
        ] {
            let error = loaded(said.as_bytes()).unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
        }
    }

    #[test]
    fn json_at_the_end_of_a_save() {
        for (tail, words) in [
            (&b"\0\0\0{\"message\":\"open /x: gone\"}\n"[..], Some("open /x: gone")),
            (b"abc{\"errorDetail\":{\"message\":\"a\"},\"error\":\"a\"}", Some("a")),
            (b"\0\0\0", None),
            (b"{\"layers\":[]}", None),
        ] {
            assert_eq!(at_the_end(tail).as_deref(), words);
        }
    }
}
