//! `transship completions`.

use crate::args::Completions;
use crate::exit::{Done, Result};
use crate::{output, sides};

pub(super) fn run(args: &Completions) -> Result {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut sides::command(), "transship", &mut script);
    output::print_bytes(&script)?;
    Ok(Done::Success)
}
