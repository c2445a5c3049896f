//! `cargo xtask nightly`: the campaigns that take too long for each change, one after the other.

use crate::args::Args;
use crate::counts::Counts;
use crate::sh::Result;
use crate::{conformance, cuts, differential, faults, scale, seeded, trace};

type Campaign = (&'static str, fn(&mut Args) -> Result<bool>);

const CAMPAIGNS: [Campaign; 9] = [
    ("conformance", conformance::run),
    ("cuts", cuts::run),
    ("differential", differential::run),
    ("faults", faults::run),
    ("scale", scale::run),
    ("scale --bundle", scale::run),
    ("scale --pipes", scale::run),
    ("seeded", seeded::run),
    ("trace", trace::of_a_program),
];

/// Runs all of them, also after one failed; with `--filter S` those whose name holds S.
pub(crate) fn run(args: &mut Args) -> Result<bool> {
    let filter = args.value("--filter")?.unwrap_or_default();
    args.finish()?;
    let mut counts = Counts::default();
    for (name, campaign) in CAMPAIGNS.iter().filter(|(name, _)| name.contains(&filter)) {
        println!("nightly: {name}");
        let words = name.split(' ').skip(1).map(str::to_owned);
        let passed = campaign(&mut Args::new(words)).unwrap_or_else(|reason| {
            println!("{name}: {reason}");
            false
        });
        println!("{:<8} nightly: {name}", if passed { "ok" } else { "FAILED" });
        counts += Counts::one(passed);
    }
    println!("{counts}");
    Ok(counts.good())
}
