//! [`Storage`]: a place with signatures of many images, and [`Folder`]: those of one manifest.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use transship_core::{Error, ErrorKind, Result, ResultExt, run_blocking, without_password};
use transship_local::read_document;

use super::Fetch;
use crate::PAYLOAD_LIMIT;
use crate::key::invalid;

/// A place with signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Storage {
    Folder(PathBuf),
    /// A URL of http or https, without a slash at the end.
    Server(String),
}

impl Storage {
    pub(super) fn parse(url: &str) -> Result<Self> {
        let shown = without_password(url);
        let (scheme, rest) = url.split_once("://").ok_or_else(|| {
            invalid(format!("{shown:?} is no URL: it begins with file://, http:// or https://"))
        })?;
        if rest.contains(['?', '#']) {
            return Err(invalid(format!("{shown:?} has a query or fragment")));
        }
        match &*scheme.to_ascii_lowercase() {
            "file" => {
                let path = rest.strip_prefix("localhost").unwrap_or(rest);
                if !path.starts_with('/') {
                    return Err(invalid(format!("{shown:?} has no absolute path")));
                }
                Ok(Self::Folder(decoded(path)?.into()))
            }
            "http" | "https" => {
                let host = rest.split('/').next().unwrap_or_default();
                if host.contains('@') {
                    return Err(invalid(format!(
                        "{shown:?} has a user or password, which are not sent"
                    )));
                }
                if host.is_empty() {
                    return Err(invalid(format!("{shown:?} has no host")));
                }
                Ok(Self::Server(url.trim_end_matches('/').to_owned()))
            }
            _ => Err(invalid(format!("{shown:?} is no URL of file, http or https"))),
        }
    }
}

/// A path of a URL, without its `%XX`.
fn decoded(path: &str) -> Result<String> {
    let wrong = || invalid(format!("{path:?} is no path of a URL"));
    let mut parts = path.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (hex, rest) = part.split_at_checked(2).ok_or_else(wrong)?;
        let digits = hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        let byte = u8::from_str_radix(hex, 16).ok().filter(|byte| digits && *byte != 0);
        bytes.push(byte.ok_or_else(wrong)?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

/// The signatures of one manifest in storage.
#[derive(Debug)]
pub(crate) struct Folder {
    pub(super) storage: Storage,
    /// `ns/app@sha256=HEX`
    pub(super) path: String,
    /// The file and its part that say so.
    pub(super) origin: String,
    pub(super) fetch: Option<Arc<dyn Fetch>>,
}

impl Folder {
    /// Where a signature is; the first has number 1.
    pub(crate) fn place(&self, number: usize) -> String {
        let Self { storage, path, .. } = self;
        format!("{storage}/{path}/signature-{number}")
    }

    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// A signature, if there are as many.
    ///
    /// # Errors
    /// `LimitExceeded` for a signature that is too large, and those of the place.
    pub(crate) async fn read(&self, number: usize) -> Result<Option<Bytes>> {
        let read = match (&self.storage, &self.fetch) {
            (Storage::Server(_), Some(fetch)) => {
                fetch.fetch(&self.place(number), PAYLOAD_LIMIT).await
            }
            (Storage::Server(_), None) => {
                Err(Error::new(ErrorKind::Unsupported, "no server can be asked here"))
            }
            (Storage::Folder(folder), _) => {
                let path = folder.join(&self.path).join(format!("signature-{number}"));
                run_blocking(move |_| read_file(&path)).await
            }
        };
        read.context(|| format!("a signature in lookaside storage ({})", self.origin))
    }
}

fn read_file(path: &Path) -> Result<Option<Bytes>> {
    Ok(read_document(path, PAYLOAD_LIMIT, "signature").if_found()?.map(Bytes::from))
}

impl fmt::Display for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => f.write_str(path.display().to_string().trim_end_matches('/')),
            Self::Server(url) => f.write_str(url),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        for (url, shown) in [
            ("file:///var/lib/sigs", "/var/lib/sigs"),
            ("file:///var/lib/sigs/", "/var/lib/sigs"),
            ("file://localhost/a%20b", "/a b"),
            ("http://127.0.0.1:80/sigs/", "http://127.0.0.1:80/sigs"),
            ("https://x.y", "https://x.y"),
            ("FILE:///a@b", "/a@b"),
        ] {
            assert_eq!(Storage::parse(url).unwrap().to_string(), shown);
        }
        for (url, why) in [
            ("/var/lib/sigs", "is no URL"),
            ("file://var/lib", "no absolute path"),
            ("file:///a%2", "no path"),
            ("file:///a%+1", "no path"),
            ("file:///a%00", "no path"),
            ("file:///a%é1", "no path"),
            ("file:///a?b", "query"),
            ("https://x.y/a#b", "fragment"),
            ("https:///a", "no host"),
            ("https://me:secret@x.y/a", "user or password"),
            ("https://me:secret@x.y/a?b", "\"https://***@x.y/a?b\" has a query"),
            ("s3://me:secret@x.y/a", "is no URL of file"),
            ("me:secret@x.y/a", "is no URL"),
            ("s3://x.y/a", "is no URL of file"),
        ] {
            let error = Storage::parse(url).unwrap_err().to_string();
            assert!(error.contains(why) && !error.contains("secret"), "{url}: {error}");
        }
    }
}
