//! `cargo xtask cuts`: a large blob from and to a registry, over connections that break at random bytes.
//!
//! The registry is that of `crates/test-registry`; both are in a program of their own, so that this one needs neither.

use crate::args::Args;
use crate::sh::{self, Result};

pub(crate) fn run(args: &mut Args) -> Result<bool> {
    let mut number = |name: &str, default: &str| -> Result<String> {
        let text = args.value(name)?.unwrap_or_else(|| default.to_owned());
        text.parse::<u64>().map_err(|e| format!("{name} {text}: {e}"))?;
        Ok(text)
    };
    let numbers = [number("--points", "100")?, number("--mib", "1024")?, number("--seed", "1")?];
    args.finish()?;
    let cargo =
        ["run", "--quiet", "--release", "-p", "transship-registry", "--example", "cuts", "--"];
    let words = cargo.iter().map(|word| (*word).to_owned()).chain(numbers);
    let mut command = sh::command(env!("CARGO"), words);
    let status = command.current_dir(sh::root()).status().map_err(|e| format!("cargo: {e}"))?;
    Ok(status.success())
}
