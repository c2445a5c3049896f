//! `cargo xtask test`: everything that decides. The last line sums it.

use std::process::Command;

use crate::args::Args;
use crate::ci;
use crate::conformance;
use crate::counts::Counts;
use crate::faults;
use crate::interop::{self, Options};
use crate::new_transport;
use crate::sh::{self, Result};

pub(crate) fn run(args: &mut Args) -> Result<bool> {
    let require_peers = args.flag("--require-peers");
    args.finish()?;
    let mut counts = ci::checks()?;
    let mut tests = tests();
    if require_peers {
        tests.env("TRANSSHIP_REQUIRE_PEERS", "1");
    }
    counts += runner(&mut tests)?;
    counts += runner(&mut sh::cargo(["test", "--quiet", "--doc", "--workspace"]))?;
    counts += conformance::fresh(require_peers).unwrap_or_else(|reason| {
        println!("FAILED   conformance: {reason}");
        Counts::one(false)
    });
    counts += new_transport::check().unwrap_or_else(|reason| {
        println!("FAILED   new-transport: {reason}");
        Counts::one(false)
    });
    counts += faults::part(require_peers).unwrap_or_else(|reason| {
        println!("FAILED   faults: {reason}");
        Counts::one(false)
    });
    let interop = Options { require_peers, filter: String::new() };
    counts += interop::checks(&interop).unwrap_or_else(|reason| {
        println!("FAILED   interop: {reason}");
        Counts::one(false)
    });
    println!("{counts}");
    Ok(counts.good())
}

/// `cargo xtask cases`: a part of the tests, alone.
pub(crate) fn cases(args: &mut Args) -> Result<bool> {
    args.finish()?;
    let mut tests = sh::cargo(["test", "--quiet", "--package", "transship-cli", "--test", "cases"]);
    let counts = runner(&mut tests)?;
    Ok(counts.good())
}

/// nextest where it is installed: it is faster, and one test that dies takes no other with it.
fn tests() -> Command {
    if sh::finish(&mut sh::cargo(["nextest", "--version"])).is_ok_and(|said| said.status.success())
    {
        sh::cargo([
            "nextest",
            "run",
            "--workspace",
            "--no-fail-fast",
            "--no-tests=pass",
            "--status-level=fail",
        ])
    } else {
        sh::cargo([
            "test",
            "--quiet",
            "--workspace",
            "--no-fail-fast",
            "--lib",
            "--bins",
            "--tests",
            "--examples",
        ])
    }
}

fn runner(command: &mut Command) -> Result<Counts> {
    let (succeeded, said) = sh::watch(command)?;
    let counts = Counts::of_runner(succeeded, &said);
    println!("{counts}: {}", sh::show(command));
    Ok(counts)
}
