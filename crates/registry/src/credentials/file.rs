//! Files with credentials: containers' `auth.json`, docker's `config.json`, and the older `.dockercfg`.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, general_purpose::STANDARD};
use serde_json::{Map, Value};
use transship_core::{Error, ErrorKind, Result, ResultExt, small_file};

use super::{Credential, Secret, keys};

/// Written with and without padding.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A file with credentials. What it does not know of it keeps.
pub(super) struct AuthFile {
    path: PathBuf,
    document: Map<String, Value>,
}

impl AuthFile {
    /// Reads it; `None` if it is not there.
    pub(super) fn read(path: &Path) -> Result<Option<Self>> {
        let found = small_file(path, "reading credentials from").if_found()?;
        let Some(text) = found else { return Ok(None) };
        let document = if text.iter().all(u8::is_ascii_whitespace) {
            Map::new()
        } else {
            // The position alone: the text has secrets.
            serde_json::from_slice(&text).map_err(|error| {
                let (line, column) = (error.line(), error.column());
                corrupt(path, &format!("it is no JSON object (line {line}, column {column})"))
            })?
        };
        Ok(Some(Self { path: path.to_owned(), document }))
    }

    /// One that is not there yet.
    pub(super) fn empty(path: &Path) -> Self {
        Self { path: path.to_owned(), document: Map::new() }
    }

    /// The helper for a host, or the store for all hosts.
    pub(super) fn helper(&self, host: &str) -> Option<&str> {
        let helpers = self.document.get("credHelpers").and_then(Value::as_object);
        let exact = helpers.and_then(|helpers| helpers.get(host));
        let other =
            || helpers?.iter().find(|(key, _)| keys::is_of(key, host)).map(|(_, name)| name);
        let store = || self.document.get("credsStore");
        let named = |name: &&Value| name.as_str().is_some_and(|name| !name.is_empty());
        exact
            .or_else(other)
            .filter(named)
            .or_else(store)
            .and_then(Value::as_str)
            .filter(|n| !n.is_empty())
    }

    /// The credential for a repository, by the key that says the most.
    pub(super) fn credential(&self, host: &str, repository: &str) -> Result<Option<Credential>> {
        let Some(auths) = self.auths() else { return Ok(None) };
        let exact = keys::of(host, repository).filter_map(|key| auths.get_key_value(&key));
        let other = auths.iter().filter(|(key, _)| keys::is_of(key, host));
        for (key, entry) in exact.chain(other) {
            let found = parse(entry)
                .map_err(|why| corrupt(&self.path, &format!("the entry {key}: {why}")))?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Whether there is an entry for a key, with or without a secret.
    pub(super) fn has(&self, key: &str) -> bool {
        self.auths().is_some_and(|auths| auths.keys().any(|known| same(known, key)))
    }

    pub(super) fn set(&mut self, key: &str, user: &str, secret: &Secret) {
        let encoded = STANDARD.encode(format!("{user}:{}", secret.reveal()));
        let mut entry = Map::new();
        entry.insert("auth".to_owned(), encoded.into());
        let auths = self.document.entry("auths").or_insert_with(|| Map::new().into());
        if !auths.is_object() {
            *auths = Map::new().into();
        }
        if let Some(auths) = auths.as_object_mut() {
            auths.insert(key.to_owned(), entry.into());
        }
    }

    /// Removes the entry of a key, and those by which docker knows the same host.
    pub(super) fn remove(&mut self, key: &str) -> bool {
        let Some(auths) = self.document.get_mut("auths").and_then(Value::as_object_mut) else {
            return false;
        };
        let before = auths.len();
        auths.retain(|known, _| !same(known, key));
        auths.len() < before
    }

    pub(super) fn to_text(&self) -> Result<Vec<u8>> {
        let mut text = serde_json::to_vec_pretty(&self.document).map_err(|error| {
            Error::new(ErrorKind::Unexpected, "writing credentials").caused_by(error)
        })?;
        text.push(b'\n');
        Ok(text)
    }

    /// `.dockercfg` has entries and nothing else.
    fn auths(&self) -> Option<&Map<String, Value>> {
        if self.path.file_name().is_some_and(|name| name == ".dockercfg") {
            return Some(&self.document);
        }
        self.document.get("auths")?.as_object()
    }
}

fn same(known: &str, key: &str) -> bool {
    known == key || (!key.contains('/') && keys::is_of(known, key))
}

/// An entry that says nothing (docker leaves one where a store has the secret) is none.
fn parse(entry: &Value) -> Result<Option<Credential>, &'static str> {
    let field =
        |name: &str| entry.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    if let Some(token) = field("registrytoken") {
        return Ok(Some(Credential::Bearer(Secret::new(token))));
    }
    if let Some(token) = field("identitytoken") {
        return Ok(Some(Credential::IdentityToken(Secret::new(token))));
    }
    if let Some(encoded) = field("auth") {
        let decoded = LENIENT.decode(encoded.trim()).map_err(|_| "auth is not base64")?;
        let decoded = String::from_utf8(decoded).map_err(|_| "auth is not UTF-8")?;
        let (user, secret) = decoded.split_once(':').ok_or("auth is not USER:PASSWORD")?;
        // docker pads.
        return Ok(Some(basic(user, secret.trim_end_matches('\0'))));
    }
    Ok(field("username").map(|user| basic(user, field("password").unwrap_or_default())))
}

fn basic(user: &str, secret: &str) -> Credential {
    Credential::Basic { user: user.to_owned(), secret: Secret::new(secret) }
}

fn corrupt(path: &Path, why: &str) -> Error {
    Error::new(ErrorKind::Corrupt, format!("{}: {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, text: &str) -> (tempfile::TempDir, AuthFile) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let file = AuthFile::read(&path).unwrap().unwrap();
        (folder, file)
    }

    fn user(found: Result<Option<Credential>>) -> String {
        match found.unwrap() {
            Some(Credential::Basic { user, .. }) => user,
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn the_longest_key_wins() {
        let entry =
            |user: &str| format!("{{\"auth\":\"{}\"}}", STANDARD.encode(format!("{user}:s")));
        let (_folder, file) = file(
            "auth.json",
            &format!(
                r#"{{"auths":{{"h":{},"h/a/b":{},"h/a":{},"https://index.docker.io/v1/":{}}}}}"#,
                entry("host"),
                entry("ab"),
                entry("a"),
                entry("hub"),
            ),
        );
        for (repository, expected) in
            [("a/b", "ab"), ("a/b/c", "ab"), ("a/c", "a"), ("ab", "host"), ("x", "host")]
        {
            assert_eq!(user(file.credential("h", repository)), expected, "{repository}");
        }
        assert_eq!(user(file.credential("docker.io", "library/x")), "hub");
        assert_eq!(user(file.credential("other", "a")), "None");
    }

    #[test]
    fn every_form_of_an_entry() {
        let (_folder, file) = file(
            "config.json",
            r#"{"auths":{
                "pair":{"username":"u","password":"p"},
                "padded":{"auth":"dTpwAAA="},
                "bare":{"auth":"dTpw"},
                "identity":{"auth":"dTo=","identitytoken":"it"},
                "bearer":{"registrytoken":"rt"},
                "empty":{}
            }}"#,
        );
        let pair = Some(basic("u", "p"));
        for host in ["pair", "padded", "bare"] {
            assert_eq!(file.credential(host, "r").unwrap(), pair, "{host}");
        }
        assert_eq!(
            file.credential("identity", "r").unwrap(),
            Some(Credential::IdentityToken(Secret::new("it")))
        );
        assert_eq!(
            file.credential("bearer", "r").unwrap(),
            Some(Credential::Bearer(Secret::new("rt")))
        );
        assert_eq!(file.credential("empty", "r").unwrap(), None);
    }

    #[test]
    fn the_older_form() {
        let (_folder, file) =
            file(".dockercfg", r#"{"https://h/v1/":{"auth":"dTpw","email":"e"}}"#);
        assert_eq!(user(file.credential("h", "r")), "u");
    }

    #[test]
    fn helpers_and_stores() {
        let (_folder, one) =
            file("config.json", r#"{"credHelpers":{"h":"one","https://x/":"two"}}"#);
        assert_eq!(
            (one.helper("h"), one.helper("x"), one.helper("y")),
            (Some("one"), Some("two"), None)
        );
        let (_folder, all) =
            file("config.json", r#"{"credHelpers":{"h":"one"},"credsStore":"all"}"#);
        assert_eq!((all.helper("h"), all.helper("y")), (Some("one"), Some("all")));
    }

    #[test]
    fn what_is_malformed_says_where_and_keeps_its_secrets() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("auth.json");
        std::fs::write(&path, r#"{"auths": hunter2"#).unwrap();
        let error = AuthFile::read(&path).err().unwrap().to_string();
        assert!(
            error.contains("auth.json") && error.contains("column") && !error.contains("hunter2"),
            "{error}"
        );
        std::fs::write(&path, r#"["hunter2"]"#).unwrap();
        let error = AuthFile::read(&path).err().unwrap().to_string();
        assert!(!error.contains("hunter2"), "{error}");
        let (_folder, bad) =
            file("auth.json", r#"{"auths":{"h":{"auth":"hunter2!"},"i":{"auth":"aHVudGVyMg=="}}}"#);
        for host in ["h", "i"] {
            let error = bad.credential(host, "r").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
            assert!(error.to_string().contains(&format!("entry {host}: auth")), "{error}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn other_entries_stay_as_they_are() {
        let (_folder, mut file) = file(
            "auth.json",
            r#"{"z":1,"auths":{"b":{"auth":"dTpw","x":2},"https://h/v1/":{}},"a":[]}"#,
        );
        file.set("h", "me", &Secret::new("s"));
        assert!(file.has("h"));
        assert!(file.remove("h") && !file.remove("h"));
        let text = String::from_utf8(file.to_text().unwrap()).unwrap();
        let text: String = text.split_whitespace().collect();
        assert_eq!(text, r#"{"z":1,"auths":{"b":{"auth":"dTpw","x":2}},"a":[]}"#);
    }
}
