//! What only podman is asked, whose API for docker's clients cannot do it.

use serde::Deserialize;
use transship_core::{Error, ErrorKind, Result};

use crate::engine::{BaseImages, kind_of};
use crate::http::{encoded, parsed};

/// What a DELETE that removes an image is sent to, below the version of the API, to a podman of this version. Images without
/// names that it was built on stay, if podman is 4.3 or later: only then it heeds `noprune`, and only in this request
/// (<https://github.com/containers/podman/pull/15093>). libpod's request for one image, and the one of docker's API, remove them as well.
///
/// # Errors
/// `Unsupported` where they are to stay, and podman is older.
pub fn removal_path(image: &str, bases: BaseImages, podman: &str) -> Result<String> {
    if bases == BaseImages::Stay && !keeps_bases(podman) {
        return Err(removes_bases());
    }
    Ok(format!("/libpod/images/remove?images={}&noprune=true", encoded(image)))
}

/// The error of a podman that cannot remove an image alone.
pub fn removes_bases() -> Error {
    let message = "it was not removed, as podman before 4.3 would also remove images without names that it was built on";
    Error::new(ErrorKind::Unsupported, message)
}

fn keeps_bases(podman: &str) -> bool {
    let mut numbers = podman.split('.').map(|number| number.parse::<u32>().ok());
    let version = (numbers.next().flatten(), numbers.next().flatten());
    version >= (Some(4), Some(3))
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
    fn an_older_podman_removes_nothing_where_bases_are_to_stay() {
        for (podman, keeps) in [
            ("4.3.1", true),
            ("4.10.0", true),
            ("5.0.0-dev", true),
            ("4.2.0", false),
            ("3.4.4", false),
            ("", false),
        ] {
            let path = removal_path("x", BaseImages::Stay, podman);
            assert_eq!(path.map_err(|error| error.kind()).is_ok(), keeps, "{podman}");
            removal_path("x", BaseImages::StayIfPossible, podman).unwrap();
        }
    }

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
