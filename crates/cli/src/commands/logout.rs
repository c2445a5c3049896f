//! `transship logout`.

use serde::Serialize;
use transship::registry::{self, RegistryOptions};
use transship::transport::run_blocking;
use transship::{Error, ErrorKind};

use crate::args::Logout;
use crate::exit::{Done, Result};
use crate::output::safe;
use crate::session::Session;

#[derive(Serialize)]
struct Forgotten<'a> {
    registry: &'a str,
    left_in: Option<String>,
}

pub(super) async fn run(args: Logout, session: &Session) -> Result {
    let mut options = RegistryOptions::default();
    options.authfile.clone_from(&args.place.authfile);
    let key = args.registry.clone();
    let out = run_blocking(move |_| registry::forget(&options, &key)).await?;
    let left_in = out.left_in.map(|path| path.display().to_string());
    if let Some(path) = &left_in {
        let registry = &args.registry;
        session
            .reporter
            .warn(&format!("{path} also has a password for {registry}; it is not changed"));
    }
    if !out.was_there {
        let message = format!("not logged in to {}", args.registry);
        return Err(Error::new(ErrorKind::Unexpected, message).into());
    }
    let forgotten = Forgotten { registry: &args.registry, left_in };
    args.output.print(&forgotten, || format!("logged out of {}\n", safe(&args.registry)))?;
    Ok(Done::Success)
}
