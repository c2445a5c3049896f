//! What was typed as a place, as a reference. Beyond what the library takes, transports recognize a bare path that exists, a
//! bare `-` is stdin or stdout, and a short name of `registries.conf` is an image in a registry.

use std::io::{IsTerminal, stdout};
use std::path::Path;

use transship::transport::{Passed, ReadOptions, ResultExt, run_blocking};
use transship::{Error, ErrorKind, Reference, Result, Source, Transports};

use crate::session::Session;
use crate::stdin;

/// Something to read.
#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) reference: Reference,
    /// How to read it: what was opened to recognize it is not opened again.
    pub(crate) how: ReadOptions,
}

impl From<Input> for Source {
    fn from(input: Input) -> Self {
        Self::from(input.reference).opened(input.how.passed)
    }
}

/// Something to read.
pub(crate) async fn input(text: &str, known: &Transports, session: &Session) -> Result<Input> {
    let mut how = session.read_options();
    let Some((path, rest)) = bare(text, known) else {
        return Ok(Input { reference: unnamed(text, known, session).await?, how });
    };
    let found = recognized((through_stdin(path)?, rest), known, &how).await;
    let (reference, opened) = found.context(|| text)?;
    how.passed = opened;
    Ok(Input { reference, how })
}

/// The reference of a path, whose transport recognizes it, with what stands behind the path.
async fn recognized(
    (path, rest): (&str, &str),
    known: &Transports,
    how: &ReadOptions,
) -> Result<(Reference, Option<Passed>)> {
    let (transport, found) = known.recognize(Path::new(path), how).await?;
    let reference = transport.parse(&format!("{}{rest}", found.locator))?;
    Ok((reference, found.opened))
}

/// A line of a list, which may be the name of an image as `docker pull` takes it. One without a `/` is as
/// likely a transport that is misspelled.
pub(crate) async fn listed(text: &str, known: &Transports, session: &Session) -> Result<Input> {
    let has_parts =
        text.split_once(':').map_or(text, |(name, _)| name).contains('/') || has_host(text);
    let is_name = has_parts && bare(text, known).is_none() && !names_transport(text, known);
    match known.parse(&format!("docker://{text}")) {
        Ok(reference) if is_name && short_name(text, session).await.is_none() => {
            Ok(Input { reference, how: session.read_options() })
        }
        _ => input(text, known, session).await,
    }
}

/// Something to copy. Of what comes on a pipe only its end tells what it is: it is not looked at before.
pub(crate) async fn source(text: &str, known: &Transports, session: &Session) -> Result<Source> {
    if let Some((path, rest)) = bare(text, known)
        && through_stdin(path)? == "-"
        && !stdin::is_redirected()
    {
        let kinds = ["oci-archive", "docker-archive"];
        let places = kinds.map(|scheme| known.parse(&format!("{scheme}:-{rest}")));
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
    if path != "-" && stdin::is_pipe(Path::new(path)) {
        stdin::take_as_stdin(Path::new(path))?;
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
pub(crate) async fn output(text: &str, known: &Transports, session: &Session) -> Result<Reference> {
    let reference = match bare(text, known) {
        None => known.parse(text)?,
        Some(("-", rest)) => known.parse(&format!("docker-archive:-{rest}"))?,
        Some(place) => recognized(place, known, &session.read_options()).await.context(|| text)?.0,
    };
    if is_stream(&reference) && stdout().is_terminal() {
        return Err(Error::new(
            ErrorKind::InvalidInput,
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

/// Text that names no transport was most likely meant as a path.
fn missing(text: &str, error: Error) -> Error {
    if text.contains(':') || error.kind() != ErrorKind::InvalidInput {
        return error;
    }
    let hint = error.advice().map(|hint| format!(", or a path that exists; {hint}"));
    let hint = hint.as_deref().and_then(|hint| hint.strip_prefix(", or ")).unwrap_or_default();
    Error::new(ErrorKind::NotFound, format!("there is no file or folder {text:?}"))
        .hint(format!("give {hint}"))
}
