//! `transship man`.

use std::fs;

use clap_mangen::Man;
use transship::Error;

use crate::args;
use crate::exit::{Done, Failure, Result};
use crate::{output, sides};

pub(super) fn run(args: args::Man) -> Result {
    let command = sides::command().disable_help_subcommand(true);
    let Some(dir) = args.dir else {
        let mut page = Vec::new();
        Man::new(command).render(&mut page).map_err(Failure::stdout)?;
        output::print_bytes(&page)?;
        return Ok(Done::Success);
    };
    let failed = |e| Error::io("writing the manual pages to", &dir, e);
    fs::create_dir_all(&dir).map_err(failed)?;
    clap_mangen::generate_to(command, &dir).map_err(failed)?;
    Ok(Done::Success)
}
