//! `cargo xtask cuts`: a large blob from and to a registry, over connections that break at random bytes.
//!
//! The registry is that of `crates/test-registry`; both are in a program of their own, so that this one needs neither.

use crate::args::Args;
use crate::sh::{self, Result};

pub(crate) fn run(args: &mut Args) -> Result<bool> {
    let defaults = [("--points", 100), ("--mib", 1024), ("--seed", 1)];
    let mut numbers = Vec::new();
    for (name, default) in defaults {
        numbers.push(args.number::<u64>(name, default)?.to_string());
    }
    args.finish()?;
    let cargo = "run --quiet --release -p transship-registry --example cuts --";
    let mut command = sh::cargo(cargo.split(' '));
    let status = command.args(numbers).status().map_err(|e| format!("cargo: {e}"))?;
    Ok(status.success())
}
