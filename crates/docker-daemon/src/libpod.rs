//! What only podman is asked, whose API for docker's clients cannot do it.

use serde::Deserialize;
use transship_core::{Error, ErrorKind, Result};

use crate::engine::kind_of;
use crate::http::{encoded, parsed};

/// What a DELETE that removes an image is sent to, below the version of the API. Images without names that it was built on stay: libpod's
/// request for one image alone, and the one of docker's API, remove them as well. podman 4.3 and later heed `noprune`:
/// <https://github.com/containers/podman/pull/15093>.
pub fn removal_path(image: &str) -> String {
    format!("/libpod/images/remove?images={}&noprune=true", encoded(image))
}

/// Reads podman's answer to that, whose status is 200 also where nothing was removed.
///
/// # Errors
/// What podman says: `NotFound`; `Conflict` where a container uses the image; `Corrupt` for an answer that cannot be read.
pub fn removed(answer: &[u8]) -> Result<()> {
    let removed: Removed = parsed(answer)?;
    let Some(words) = removed.errors.unwrap_or_default().into_iter().next() else { return Ok(()) };
    let kind = match removed.exit_code {
        1 => ErrorKind::NotFound,
        2 => ErrorKind::Conflict,
        _ => kind_of(&words),
    };
    Err(Error::new(kind, words))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Removed {
    #[serde(default)]
    errors: Option<Vec<String>>,
    /// As of `podman rmi`: 1 where the image is not there, 2 where it is used.
    #[serde(default)]
    exit_code: i32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_a_removal() {
        removed(br#"{"Deleted":["ab"],"Untagged":["localhost/x:1"],"ExitCode":0,"Errors":null}"#)
            .unwrap();
        for (code, words, kind) in [
            (1, "x: image not known", ErrorKind::NotFound),
            (2, "image used by ab", ErrorKind::Conflict),
            (125, "no space left on device", ErrorKind::NoSpace),
        ] {
            let said = format!(r#"{{"ExitCode":{code},"Errors":["{words}"]}}"#);
            let error = removed(said.as_bytes()).unwrap_err();
            assert_eq!((error.kind(), error.message()), (kind, words));
        }
    }
}
