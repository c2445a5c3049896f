//! What was typed as a place, as a reference. Beyond what the library takes, a bare path that exists is looked at, a
//! bare `-` is standard input or output, and a short name of `registries.conf` is an image in a registry.

use std::io::{IsTerminal, stdout};
use std::path::Path;

use transship::transport::{ResultExt, run_blocking};
use transship::{Error, ErrorKind, Reference, Result, Source, Transports};

use crate::session::Session;
use crate::sniff;

/// The reference of something to read.
pub(crate) async fn input(text: &str, known: &Transports, session: &Session) -> Result<Reference> {
    let Some((path, rest)) = bare(text, known) else {
        return unnamed(text, known, session).await;
    };
    let path = through_stdin(path)?;
    let scheme = if path == "-" {
        let spool = session.tmpdir.clone();
        run_blocking(move |cancel| sniff::stdin(spool.as_ref(), cancel)).await
    } else {
        let path = path.to_owned();
        run_blocking(move |_| sniff::path(Path::new(&path))).await
    };
    known.parse(&spelled(scheme.context(|| text)?, path, rest))
}

/// The reference of a line in a list, which may be the name of an image as `docker pull` takes it. One without a `/` is as
/// likely a transport that is misspelled.
pub(crate) async fn listed(text: &str, known: &Transports, session: &Session) -> Result<Reference> {
    let has_parts =
        text.split_once(':').map_or(text, |(name, _)| name).contains('/') || has_host(text);
    let is_name = has_parts && bare(text, known).is_none() && !names_transport(text, known);
    match known.parse(&format!("docker://{text}")) {
        Ok(name) if is_name && short_name(text, session).await.is_none() => Ok(name),
        _ => input(text, known, session).await,
    }
}

/// Something to copy. Of what comes on a pipe only its end tells what it is: it is not looked at before.
pub(crate) async fn source(text: &str, known: &Transports, session: &Session) -> Result<Source> {
    if let Some((path, rest)) = bare(text, known)
        && through_stdin(path)? == "-"
        && !sniff::is_redirected()
    {
        let kinds = ["oci-archive", "docker-archive"];
        let places = kinds.map(|scheme| known.parse(&spelled(scheme, "-", rest)));
        let [layout, saved] = places;
        return match (layout, saved) {
            (Ok(layout), Ok(saved)) => Ok(Source::either(layout, saved)),
            (Ok(one), Err(_)) | (Err(_), Ok(one)) => Ok(one.into()),
            (Err(_), Err(error)) => Err(error),
        };
    }
    input(text, known, session).await.map(Source::from)
}

/// Text that is no path: a reference, a short name of `registries.conf`, or a name with the host of its registry, as `docker
/// pull` takes it. What begins with the name of a transport is a reference, and else a mistake.
async fn unnamed(text: &str, known: &Transports, session: &Session) -> Result<Reference> {
    let error = match known.parse(text) {
        Ok(reference) => return Ok(reference),
        Err(error) if names_transport(text, known) => return Err(error),
        Err(error) => error,
    };
    if let Some(full) = short_name(text, session).await {
        return known.parse(&format!("docker://{full}"));
    }
    match known.parse(&format!("docker://{text}")) {
        Ok(name) if has_host(text) => Ok(name),
        _ => Err(missing(text, error)),
    }
}

fn names_transport(text: &str, known: &Transports) -> bool {
    text.split_once(':').is_some_and(|(scheme, _)| known.get(scheme).is_ok())
}

/// Whether the first part of a name is a host, by the rule of docker's names.
fn has_host(text: &str) -> bool {
    let host = text.split_once('/').map(|(host, _)| host);
    host.is_some_and(|host| host.contains(['.', ':']) || host == "localhost")
}

/// `-` for a path that is a pipe, which becomes the standard input; other paths as they are.
fn through_stdin(path: &str) -> Result<&str> {
    if path != "-" && sniff::is_pipe(Path::new(path)) {
        sniff::take_as_stdin(Path::new(path))?;
        return Ok("-");
    }
    Ok(path)
}

/// What text that is nothing else stands for by the aliases of `registries.conf`. A file that is wrong says so when a registry is
/// used.
#[cfg(feature = "registry")]
async fn short_name(text: &str, session: &Session) -> Option<String> {
    use transship::registry::{self, RegistryOptions};
    let options = RegistryOptions::from_settings(&session.source_settings().ok()?).ok()?;
    let text = text.to_owned();
    run_blocking(move |_| registry::short_name(&options, &text)).await.ok().flatten()
}

#[cfg(not(feature = "registry"))]
#[expect(clippy::unused_async, reason = "as with the feature")]
async fn short_name(_: &str, _: &Session) -> Option<String> {
    None
}

/// The reference of somewhere to write.
pub(crate) async fn output(text: &str, known: &Transports) -> Result<Reference> {
    let reference = match bare(text, known) {
        None => known.parse(text)?,
        Some(("-", rest)) => known.parse(&spelled("docker-archive", "-", rest))?,
        Some((path, rest)) => {
            let at = path.to_owned();
            let scheme = run_blocking(move |_| sniff::path(Path::new(&at))).await;
            known.parse(&spelled(scheme.context(|| text)?, path, rest))?
        }
    };
    if is_stream(&reference) && stdout().is_terminal() {
        return Err(Error::new(
            ErrorKind::InvalidReference,
            "an archive would be written to the terminal",
        )
        .hint("send it to a file or a pipe"));
    }
    Ok(reference)
}

/// Whether it is standard input or output.
pub(crate) fn is_stream(reference: &Reference) -> bool {
    let locator = reference.locator();
    locator == "-" || locator.starts_with("-:") || locator.starts_with("-@")
}

/// The path, and what stands behind it, of text that names no transport but something that is there.
fn bare<'a>(text: &'a str, known: &Transports) -> Option<(&'a str, &'a str)> {
    if names_transport(text, known) {
        return None;
    }
    let cuts = [text.len()].into_iter().chain(text.find("@sha256:")).chain(text.find(':'));
    cuts.map(|at| text.split_at(at))
        .find(|(path, _)| *path == "-" || Path::new(path).symlink_metadata().is_ok())
}

/// As a transport takes it: a colon in a path would end it, except where the whole locator is the path.
fn spelled(scheme: &str, path: &str, rest: &str) -> String {
    if scheme == "dir" {
        return format!("{scheme}:{path}{rest}");
    }
    let mut escaped = String::with_capacity(path.len());
    let mut after = path.chars().skip(1).map(Some).chain([None]);
    for c in path.chars() {
        let next = after.next().flatten();
        // A backslash is itself unless a colon or a backslash follows it.
        let special = c == ':' || (c == '\\' && matches!(next, None | Some(':' | '\\')));
        if special {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    format!("{scheme}:{escaped}{rest}")
}

/// Text that names no transport was most likely meant as a path.
fn missing(text: &str, error: Error) -> Error {
    if text.contains(':') || error.kind() != ErrorKind::InvalidReference {
        return error;
    }
    let hint = error.as_hint().map(|hint| format!(", or a path that exists; {hint}"));
    let hint = hint.as_deref().and_then(|hint| hint.strip_prefix(", or ")).unwrap_or_default();
    Error::new(ErrorKind::NotFound, format!("there is no file or folder {text:?}"))
        .hint(format!("give {hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_as_transports_take_them() {
        for (path, locator) in
            [("a:b", r"a\:b"), (r"a\b", r"a\b"), (r"a\:b", r"a\\\:b"), (r"a\", r"a\\")]
        {
            assert_eq!(spelled("oci", path, ":x:1"), format!("oci:{locator}:x:1"));
        }
        assert_eq!(spelled("dir", "a:b", ""), "dir:a:b");
    }
}
