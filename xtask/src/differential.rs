//! `cargo xtask differential`: archives that are mutated, read by us as a file and as a pipe, and by other tools.
//!
//! The campaign is a test of the library, of which a few hundred archives are in every run of the tests.

use crate::args::Args;
use crate::sh::{self, Result};

pub(crate) fn run(args: &mut Args) -> Result<bool> {
    let mut number = |name: &str, default: &str| -> Result<String> {
        let text = args.value(name)?.unwrap_or_else(|| default.to_owned());
        text.parse::<u64>().map_err(|e| format!("{name} {text}: {e}"))?;
        Ok(text)
    };
    let (cases, seed) = (number("--cases", "20000")?, number("--seed", "1")?);
    args.finish()?;
    let mut command = sh::cargo([
        "test",
        "--quiet",
        "-p",
        "transship",
        "--test",
        "differential",
        "--",
        "--nocapture",
    ]);
    command.env("DIFFERENTIAL_CASES", cases).env("DIFFERENTIAL_SEED", seed);
    let status =
        command.env("DIFFERENTIAL_REQUIRE", "1").status().map_err(|e| format!("cargo: {e}"))?;
    Ok(status.success())
}
