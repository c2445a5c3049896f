//! `cargo xtask differential`: archives that are mutated, read by us as a file and as a pipe, and by other tools.
//!
//! The campaign is a test of the library, of which a few hundred archives are in every run of the tests.

use crate::args::Args;
use crate::sh::{self, Result};

pub(crate) fn run(args: &mut Args) -> Result<bool> {
    let (cases, seed): (u64, u64) = (args.number("--cases", 20_000)?, args.number("--seed", 1)?);
    args.finish()?;
    let cargo = "test --quiet -p transship --test differential -- --nocapture";
    let mut command = sh::cargo(cargo.split(' '));
    command.env("DIFFERENTIAL_CASES", cases.to_string());
    command.env("DIFFERENTIAL_SEED", seed.to_string());
    let status =
        command.env("TRANSSHIP_REQUIRE_PEERS", "1").status().map_err(|e| format!("cargo: {e}"))?;
    Ok(status.success())
}
