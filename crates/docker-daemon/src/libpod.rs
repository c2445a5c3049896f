//! What only podman is asked, whose API for docker's clients cannot do it.

use serde::Deserialize;
use transship_core::{Error, Result};

use crate::engine::kind_of;
use crate::http::{encoded, parsed};

/// The path for a DELETE that removes an image, below the one of the API. Images without names that it was built on stay: the
/// request for one image alone, and docker's, take them with it. podman does as it says here since 4.3:
/// <https://github.com/containers/podman/pull/15093>.
pub fn removal(image: &str) -> String {
    format!("/libpod/images/remove?images={}&noprune=true", encoded(image))
}

/// Reads what podman answers to that, whose status is 200 also where it removes nothing.
///
/// # Errors
/// podman's own; `Corrupt`.
pub fn removed(answer: &[u8]) -> Result<()> {
    let removed: Removed = parsed(answer)?;
    let words = removed.errors.unwrap_or_default().into_iter().next();
    words.map_or(Ok(()), |words| Err(Error::new(kind_of(&words), words)))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Removed {
    #[serde(default)]
    errors: Option<Vec<String>>,
}

#[cfg(test)]
mod tests {
    use transship_core::ErrorKind;

    use super::*;

    #[test]
    fn errors_of_a_removal() {
        removed(br#"{"Deleted":["ab"],"Untagged":["localhost/x:1"],"ExitCode":0,"Errors":null}"#)
            .unwrap();
        for (words, kind) in [
            ("x: image not known", ErrorKind::NotFound),
            ("image used by ab: image is in use by a container", ErrorKind::Conflict),
        ] {
            let error = removed(format!(r#"{{"ExitCode":1,"Errors":["{words}"]}}"#).as_bytes())
                .unwrap_err();
            assert_eq!((error.kind(), error.message()), (kind, words));
        }
    }
}
