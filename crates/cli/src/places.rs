//! From typed places to references. Besides references, the command accepts a path that exists, `-` for stdin or stdout, and an
//! alias of `registries.conf`.

use std::io::{IsTerminal, stdout};
use std::path::Path;

use transship::transport::{OptionSide, Passed, ReadOptions, ResultExt, Transport, parse_digest};
use transship::{Error, ErrorKind, ImageName, Reference, Result, Source, Transports};

use crate::args;
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

/// The reference of a path that a transport recognizes, with the name or digest behind it.
async fn recognized(
    (path, rest): (&str, &str),
    known: &Transports,
    how: &ReadOptions,
) -> Result<(Reference, Option<Passed>)> {
    check_digest(rest)?;
    let (transport, found) = known.recognize(Path::new(path), how).await?;
    let reference = transport.parse(&format!("{}{rest}", found.locator))?;
    Ok((reference, found.opened))
}

/// Refuses a malformed digest behind a path, which a transport may take for a name in what is called `PATH@sha256`.
fn check_digest(rest: &str) -> Result<()> {
    let is_one = |digest| parse_digest(digest).is_ok();
    if rest.strip_prefix('@').is_none_or(is_one) {
        return Ok(());
    }
    let message = "the digest is malformed: it is @sha256: and 64 lower-case hex digits";
    Err(Error::new(ErrorKind::InvalidInput, message))
}

/// A line of a list, which may be the name of an image as for `docker pull`. Without a `/` it may as well be a misspelled
/// transport.
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

/// Something to copy. The format of a pipe is known only at its end, so it is not detected here.
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

/// Text that is no path: a reference, an alias of `registries.conf`, or a name with the host of its registry, as for `docker
/// pull`.
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
        _ => Err(no_transport(text, error, known, OptionSide::Source)),
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

/// The image that an alias of `registries.conf` stands for. A malformed file is an error when a registry is used.
#[cfg(feature = "registry")]
async fn short_name(text: &str, session: &Session) -> Option<String> {
    use transship::registry::{self, RegistryOptions};
    let options = RegistryOptions::from_settings(&session.source_settings().ok()?).ok()?;
    let text = text.to_owned();
    transship::transport::run_blocking(move |_| registry::short_name(&options, &text))
        .await
        .ok()
        .flatten()
}

#[cfg(not(feature = "registry"))]
#[expect(clippy::unused_async, reason = "as with the feature")]
async fn short_name(_: &str, _: &Session) -> Option<String> {
    None
}

/// The reference of somewhere to write.
pub(crate) async fn output(text: &str, known: &Transports, session: &Session) -> Result<Reference> {
    let reference = match bare(text, known) {
        None => known
            .parse(text)
            .map_err(|error| no_transport(text, error, known, OptionSide::Destination))?,
        Some(("-", rest)) => known.parse(&format!("docker-archive:-{rest}"))?,
        Some(place) => recognized(place, known, &session.read_options()).await.context(|| text)?.0,
    };
    if is_stream(&reference) && stdout().is_terminal() {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            "the archive would be written to the terminal",
        )
        .hint("redirect it to a file or a pipe"));
    }
    Ok(reference)
}

/// The reference of a name in a place that holds several. Behind an engine, a namespace or a store, it stands without a colon.
pub(crate) fn named(
    transport: &dyn Transport,
    place: &Reference,
    name: &ImageName,
) -> Result<Reference> {
    let place = place.locator();
    let behind_a_colon = transport.parse(&format!("{place}:{name}"));
    behind_a_colon.or_else(|error| transport.parse(&format!("{place}{name}")).map_err(|_| error))
}

/// Whether it is standard input or output.
pub(crate) fn is_stream(reference: &Reference) -> bool {
    let locator = reference.locator();
    locator == "-" || locator.starts_with("-:") || locator.starts_with("-@")
}

/// Splits text without a transport into a path that exists and the rest.
fn bare<'a>(text: &'a str, known: &Transports) -> Option<(&'a str, &'a str)> {
    if names_transport(text, known) {
        return None;
    }
    let is_there = |path: &str| path == "-" || Path::new(path).symlink_metadata().is_ok();
    // What is no digest is a name in what is called `PATH@sha256`, where that is there.
    let is_cut =
        |at: &usize| check_digest(&text[*at..]).is_ok() || !is_there(&text[..at + "@sha256".len()]);
    let digest = text.find("@sha256:").filter(is_cut);
    let cuts = [text.len()].into_iter().chain(digest).chain(text.find(':'));
    cuts.map(|at| text.split_at(at)).find(|(path, _)| is_there(path))
}

/// The error about text that names no transport, with what was probably meant.
fn no_transport(text: &str, error: Error, known: &Transports, side: OptionSide) -> Error {
    if error.kind() != ErrorKind::InvalidInput || names_transport(text, known) {
        return error;
    }
    if side == OptionSide::Source && !text.contains(':') {
        let error = Error::new(ErrorKind::NotFound, format!("there is no file or folder {text:?}"));
        return error.hint(match known.parse(&format!("docker://{text}")) {
            Ok(_) => format!("an image in a registry is docker://{text}"),
            Err(_) => "give a path that exists, or a reference, TRANSPORT:PLACE".to_owned(),
        });
    }
    match meant(text, known, side) {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

/// What text that names no transport was probably meant as.
fn meant(text: &str, known: &Transports, side: OptionSide) -> Option<String> {
    let (word, rest) = text.split_once(':').unwrap_or((text, ""));
    if let Some(tip) = args::transport_tip(word) {
        return Some(tip.to_owned());
    }
    let near = known.iter().map(|known| known.scheme());
    let near = near.map(|scheme| (strsim::osa_distance(word, scheme), scheme)).min();
    if let Some((distance, scheme)) = near
        && text.contains(':')
        && distance <= word.len() / 3
    {
        return Some(format!("did you mean {scheme}:{rest}"));
    }
    let is_name = has_host(text) || side == OptionSide::Source;
    if is_name && known.parse(&format!("docker://{text}")).is_ok() {
        return Some(format!("an image in a registry is docker://{text}"));
    }
    let tar =
        [".tar", ".tgz", ".tzst", ".tar.gz", ".tar.zst"].iter().any(|end| text.ends_with(end));
    (side == OptionSide::Destination).then(|| {
        let format = if tar {
            format!("docker-archive:{text} or oci-archive:{text}")
        } else {
            format!("oci:{text}, dir:{text}, or docker://HOST/REPOSITORY")
        };
        format!("name the format: {format}")
    })
}

#[cfg(all(
    test,
    feature = "containerd",
    feature = "containers-storage",
    feature = "docker-archive",
    feature = "docker-daemon",
    feature = "oci-layout"
))]
mod tests {
    use transship::Settings;

    use super::*;

    #[test]
    fn a_name_in_each_kind_of_place() {
        let known = Transports::linked(&Settings::new()).unwrap();
        let name = ImageName::new("quay.io/org/app:1").unwrap();
        for (place, expected) in [
            ("docker-archive:a.tar", "docker-archive:a.tar:quay.io/org/app:1"),
            ("oci:layout", "oci:layout:quay.io/org/app:1"),
            ("docker-daemon:", "docker-daemon:quay.io/org/app:1"),
            ("containerd:k8s.io//", "containerd:k8s.io//quay.io/org/app:1"),
            ("containers-storage:", "containers-storage:quay.io/org/app:1"),
            ("containers-storage:[vfs@/a+/b]", "containers-storage:[vfs@/a+/b]quay.io/org/app:1"),
        ] {
            let place = known.parse(place).unwrap();
            let found = named(&**known.of(&place).unwrap(), &place, &name).unwrap();
            assert_eq!(found.to_string(), expected);
        }
    }
}
