//! `transship sign`.

use transship::{Transfer, TransferOptions, WriteMode};

use crate::args;
use crate::exit::{Done, Result};
use crate::places;
use crate::session::Session;
use crate::trust;

/// Writes the image where it is once more, with a signature: what is there is not written again.
pub(super) async fn run(args: args::Sign, session: &Session) -> Result {
    let (from, to) = (session.sources()?, session.destinations()?);
    let at = places::input(&args.reference, &from, session).await?.reference;
    let mut options = TransferOptions::default();
    options.sign = Some(trust::sign(&args.key, args.identity.clone(), args.form)?);
    let joins = from.of(&at)?.archives().is_some();
    options.mode = joins.then_some(WriteMode::Append);
    options.observer = session.reporter.events();
    options.published = session.published.clone();
    options.spool.clone_from(&session.tmpdir);
    let transfer = Transfer::new(&at, &at).options(options).from_transports(from).to_transports(to);
    let report = transfer.run().await?;
    for image in &report.images {
        args.output.print(image, || format!("signed {} ({at})\n", image.digest))?;
    }
    Ok(Done::Success)
}
