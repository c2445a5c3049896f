//! `transship sign`.

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
    options.sign = Some(trust::sign(&args.key, args.identity.clone(), args.form).await?);
    let joins = from.of(&at)?.archives().is_some();
    options.mode = joins.then_some(WriteMode::Append);
    options.observer = session.reporter.events();
    options.published = session.published.clone();
    options.spool.clone_from(&session.tmpdir);
    let place = place(&at, &from, session).await?;
    let transfer =
        Transfer::new(&at, &place).options(options).from_transports(from).to_transports(to);
    let report = transfer.run().await.map_err(of_one_image)?;
    for image in &report.images {
        args.output.print(image, || format!("signed {} ({at})\n", image.digest))?;
    }
    Ok(Done::Success)
}

/// Where the image is written: under the name by which the place has it, which the reference may say in another form, or under
/// all of its names.
async fn place(
    at: &Reference,
    known: &Transports,
    session: &Session,
) -> transship::Result<Reference> {
    let transport = known.of(at)?;
    let archives = match transport.archives() {
        // A registry has one form of each name.
        Some(archives) if !transport.compares_roots() => archives,
        _ => return Ok(at.clone()),
    };
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
        _ => error,
    }
}
