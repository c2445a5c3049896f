//! `transship sign`.

use std::sync::Arc;

use transship::transfer::{Digests, by_digest};
use transship::transport::run_blocking;
use transship::{
    DockerName, Error, ErrorKind, Hint, ImageName, Reference, Transfer, TransferOptions,
    Transports, WriteMode,
};

use crate::args;
use crate::exit::{Done, Result};
use crate::places;
use crate::session::Session;
use crate::trust;

/// How the name is said that a signature gives to the image.
const IDENTITY: &str = "--identity says the name that is signed, as registry.example.com/app:1";

/// What can be signed in place of an image whose place holds no signatures.
const SIGNABLE: &str = "images in docker://, oci:, oci-archive: and dir: can be signed; `transship copy --sign-key` copies an image there and signs it";

/// Writes the image where it is once more, with a signature: what is there is not written again.
pub(super) async fn run(args: args::Sign, session: &Session) -> Result {
    let (from, to) = (session.sources()?, session.destinations()?);
    let at = places::input(&args.reference, &from, session).await?.reference;
    if places::is_stream(&at) {
        let message = "an image in a pipe cannot be signed where it is";
        return Err(Error::new(ErrorKind::InvalidInput, message)
            .hint("copy it with --sign-key to where it shall be")
            .into());
    }
    let mut options = TransferOptions::default();
    let in_registry = from.of(&at)?.compares_roots();
    let identity = match args.identity {
        None if in_registry => name_of(&at, &from).await?,
        given => given,
    };
    // What is signed is what is there, in whatever form.
    options.digests = Digests::Preserve;
    options.sign = Some(trust::sign(&args.key, identity, args.form).await?);
    let joins = from.of(&at)?.archives().is_some();
    options.mode = joins.then_some(WriteMode::Append);
    options.observer = session.reporter.events();
    options.published = session.published.clone();
    options.spool.clone_from(&session.tmpdir);
    let (image, place) = if in_registry {
        let image = pinned(&at, &from, session).await.map_err(of_one_image)?;
        (image.clone(), image)
    } else {
        (at.clone(), place(&at, &from, session).await?)
    };
    let transfer =
        Transfer::new(&image, &place).options(options).from_transports(from).to_transports(to);
    let report = transfer.run().await.map_err(of_one_image)?;
    for image in &report.images {
        args.output.print(image, || format!("signed {} ({at})\n", image.digest))?;
    }
    Ok(Done::Success)
}

/// The image that a registry has at a tag now, by its digest: it is written once more, and a tag that another writer moves meanwhile
/// stays where it is.
async fn pinned(
    at: &Reference,
    known: &Transports,
    session: &Session,
) -> transship::Result<Reference> {
    let mut how = session.read_options();
    how.compare = true;
    let source = known.of(at)?.source(at, &how).await?;
    match source.root_descriptor() {
        Some(root) => by_digest(known, at, &root.digest),
        None => by_digest(known, at, &source.root().await?.descriptor().digest),
    }
}

/// The name that is signed where none is given. The tag says it, also beside a digest.
async fn name_of(at: &Reference, known: &Transports) -> transship::Result<Option<DockerName>> {
    let (transport, of) = (Arc::clone(known.of(at)?), at.clone());
    let identity = run_blocking(move |_| Ok(transport.identity(&of))).await?;
    let Some(name) = identity.name() else { return Ok(None) };
    match name.tag() {
        Some(tag) => {
            DockerName::parse(&format!("{}/{}:{tag}", name.domain(), name.path())).map(Some)
        }
        None => Ok(Some(name.clone())),
    }
}

/// Where the image is written elsewhere: under the name by which the place has it, which the reference may say in another form, or
/// under all of its names.
async fn place(
    at: &Reference,
    known: &Transports,
    session: &Session,
) -> transship::Result<Reference> {
    let transport = known.of(at)?;
    let Some(archives) = transport.archives() else { return Ok(at.clone()) };
    let reader = archives.read(at, &session.read_options()).await?;
    let place = reader.reference();
    let prefix = format!("{}:", place.locator());
    let Some(text) = at.locator().strip_prefix(&prefix) else { return Ok(place.clone()) };
    let mut names = reader.entries().iter().flat_map(|entry| &entry.names);
    if names.clone().any(|name| name.as_str() == text) {
        return Ok(at.clone());
    }
    let Ok(wanted) = ImageName::new(text) else { return Ok(place.clone()) };
    let full = |name: &ImageName| name.docker().map(DockerName::or_latest);
    let found = names.find(|name| full(name).is_some() && full(name) == full(&wanted));
    found.map_or_else(|| Ok(place.clone()), |name| places::named(&**transport, place, name))
}

/// Hints in the flags of this command: all images of a place cannot be signed at once.
fn of_one_image(error: Error) -> Error {
    match error.advice().cloned() {
        Some(Hint::SelectImage(which)) => error.with_hint(Hint::Text(which)),
        Some(Hint::AnyOf(hints)) if hints.contains(&Hint::SayIdentity) => error.with_hint(IDENTITY),
        Some(Hint::SayIdentity) => error.with_hint(IDENTITY),
        None if error.kind() == ErrorKind::Unsupported => error.hint(SIGNABLE),
        _ => error,
    }
}
