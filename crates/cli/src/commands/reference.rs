//! `transship reference`.

use serde::Serialize;
use transship::{Settings, Transports};

use crate::args;
use crate::exit::{Done, Result};

#[derive(Serialize)]
struct Parts<'a> {
    reference: String,
    transport: &'a str,
    locator: &'a str,
}

pub(super) fn run(args: &args::Reference) -> Result {
    let reference = Transports::linked(&Settings::new())?.parse(&args.reference)?;
    let parts = Parts {
        reference: reference.to_string(),
        transport: reference.scheme(),
        locator: reference.locator(),
    };
    args.output.print(&parts, || {
        let Parts { reference, transport, locator } = &parts;
        format!("{reference}\ntransport  {transport}\nlocator    {locator}\n")
    })?;
    Ok(Done::Success)
}
