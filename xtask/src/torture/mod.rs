//! `cargo xtask torture`: changes of a place that are killed, cancelled, or run out of disk, at random moments.
//!
//! After each, what was there before must still be there, whole, or what comes after it must be. Then the same change,
//! left alone, must succeed, and leave nothing over: in a layout, after `gc`, exactly the blobs that the images need. Only
//! cuts count that hit the change while it ran; where one came too late, another moment is drawn. Bounded in count; a seed
//! makes it repeatable, as far as the scheduling of the machine allows.

mod bench;
mod case;
pub(crate) mod disk;
mod rounds;

use crate::args::Args;
use crate::sh::Result;
use bench::Bench;
use case::CASES;
use disk::Random;
use rounds::Rounds;

/// How a change is cut short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    /// `kill -9`.
    Killed,
    /// Ctrl-C.
    Cancelled,
    /// Its disk is too small.
    Starved,
}

const CUTS: [Cut; 3] = [Cut::Killed, Cut::Cancelled, Cut::Starved];

pub(crate) fn run(args: &mut Args) -> Result<bool> {
    let number = |text: Option<String>, default: u64| match text {
        Some(text) => text.parse().map_err(|e| format!("{text}: {e}")),
        None => Ok(default),
    };
    let filter = args.value("--filter")?.unwrap_or_default();
    let points = number(args.value("--points")?, 200)?;
    let seed = number(args.value("--seed")?, 1)?;
    let mib = number(args.value("--mib")?, 16)?;
    args.finish()?;
    let bench = Bench::new(mib)?;
    let mut random = Random(seed);
    let (mut passed, mut failed) = (0, 0);
    for case in CASES {
        let sharing = CASES.iter().filter(|other| other.change == case.change).count() as u64;
        let hits = points.div_ceil(sharing * CUTS.len() as u64);
        for cut in CUTS {
            if !format!("{case} {cut:?}").contains(&filter) {
                continue;
            }
            match (Rounds { bench: &bench, case, cut }).run(hits, &mut random) {
                Ok(said) => {
                    passed += 1;
                    println!("ok      {case} {cut:?}: {said}");
                }
                Err(why) => {
                    failed += 1;
                    println!("FAILED  {case} {cut:?} (seed {seed}): {why}");
                }
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    Ok(failed == 0)
}
