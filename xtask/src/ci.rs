//! `cargo xtask ci`: the checks that need no peers and run no tests.

use crate::args::Args;
use crate::counts::Counts;
use crate::sh::{self, Result};
use crate::{arrows, sizes};

pub(crate) fn run(args: &mut Args) -> Result<bool> {
    args.finish()?;
    let counts = checks()?;
    println!("{counts}");
    Ok(counts.good())
}

/// Runs all of them, also after one failed.
pub(crate) fn checks() -> Result<Counts> {
    let mut counts = Counts::default();
    counts += told("arrows between crates", &arrows::check()?);
    counts += told("sizes of files", &sizes::check()?);
    counts += cargo("formatting", &["fmt", "--all", "--check"])?;
    counts += cargo(
        "clippy",
        &["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"],
    )?;
    // What a build for archives alone compiles: the workspace's own build has every feature.
    counts += cargo("archives alone", &ARCHIVES)?;
    counts += cargo("rustdoc", &["doc", "--quiet", "--no-deps", "--workspace"])?;
    // Whether each crate can be published, in order: metadata, versions of the others, files.
    counts += cargo(
        "packages",
        &["package", "--quiet", "--workspace", "--no-verify", "--offline", "--allow-dirty"],
    )?;
    Ok(counts)
}

const ARCHIVES: [&str; 10] = [
    "clippy",
    "--quiet",
    "--package",
    "transship-cli",
    "--no-default-features",
    "--features",
    "docker-archive,oci-layout",
    "--",
    "-D",
    "warnings",
];

fn told(name: &str, complaints: &[String]) -> Counts {
    for complaint in complaints {
        println!("{complaint}");
    }
    line(name, complaints.is_empty())
}

fn cargo(name: &str, args: &[&str]) -> Result<Counts> {
    let (passed, _) = sh::watch(sh::cargo(args).env("RUSTDOCFLAGS", "-Dwarnings"))?;
    Ok(line(name, passed))
}

fn line(name: &str, passed: bool) -> Counts {
    println!("{:<8} ci: {name}", if passed { "ok" } else { "FAILED" });
    Counts::one(passed)
}
