//! The conformance kit of [transship](https://docs.rs/transship): whether a transport is right.
//!
//! A transport's author says where fresh places are ([`Fixture`]), what legitimately differs ([`Claims`]), and gets one
//! test for each law:
//!
//! ```
//! use std::sync::Arc;
//! use transship_conformance::{Claims, Fixture, Memory, Place};
//! use transship_core::Transport;
//!
//! #[derive(Debug)]
//! struct InMemory(Memory);
//!
//! impl Fixture for InMemory {
//!     fn transport(&self) -> Arc<dyn Transport> {
//!         Arc::new(self.0.clone())
//!     }
//!     fn place(&self) -> std::io::Result<Place> {
//!         Ok(Place::in_memory())
//!     }
//!     fn claims(&self) -> Claims {
//!         Claims::in_memory()
//!     }
//! }
//!
//! transship_conformance::conformance!(InMemory(Memory::new()));
//! ```
//!
//! ([`Memory`] is already a fixture of itself. This is what one of yours looks like.)
//!
//! # From nothing to green
//!
//! 1. Begin with the scaffold: `cargo xtask new-transport NAME --on file|folder|memory` writes a crate that keeps all laws. To
//!    understand it, read the manual (`transship::manual::write_a_transport`); a complete transport to read is
//!    `examples/sqlite`.
//! 2. Say where fresh places are. A place that is a file or folder comes from [`Place::in_folder`]: then everything that is
//!    left lying about, and every stored byte that changes, is seen.
//! 3. Begin with the profile that fits ([`Claims`]). What fails and cannot be otherwise in your place is one claim more; all
//!    else is a bug.
//! 4. A failure prints the smallest image and the texts that show it, and how to run that one case again. Of several that
//!    fail, begin with the first in the order of [`ALL`]; each says which it is.
//! 5. Now and then run more: `TRANSSHIP_CASES=1000 TRANSSHIP_SEED=random cargo test --test conformance`.
//!    With `TMPDIR` on a file system in memory (`/dev/shm` on Linux) nothing waits for the disk, which halves the time.
//!
//! # What is not looked at
//!
//! The manual has the list (`transship::manual::write_a_transport`, "What the kit cannot see"): sizes, interleavings, options,
//! configurations, places that come but once, processes that are killed, and what the traits cannot show.
//!
//! # Laws
//!
//! Each law is in a file of its own under `laws/`, named after what holds, and holds a transport to promises that the docs
//! of the traits in `transship-core` make. A law that the claims switch off, or
//! that is about an ability that a transport does not have, says so in the output.
//!
//! | variable | means |
//! |---|---|
//! | `TRANSSHIP_CASES` | the number of cases of each law (16) |
//! | `TRANSSHIP_SEED` | what the cases follow from, a number, `random`, or `corners` for those that are looked at each time (1) |
//! | `TRANSSHIP_CASE` | the one case to run again, as a failure prints it |
//! | `TRANSSHIP_CORNERS` | the most that are run of the cases that are looked at each time (all) |
//! | `TRANSSHIP_PATIENCE` | how many seconds one step may take (60); a case gets four times as much, and a law has a limit, too |
//! | `TRANSSHIP_TRANSPORT` | the scheme of the one transport to look at |
//! | `TRANSSHIP_LAW` | in a test of all laws ([`test_all`]): run those whose names contain this |
//! | `TRANSSHIP_REPORT` | a folder for one JSON file for each law that ran |
//!
//! Cases that once failed are run first: `tests/conformance.kept` of the package has a line `SCHEME LAW SEED CASE` for each.
//!
//! [`Memory`] is a correct transport to break, in tests of the kit and of your own.

mod beside;
mod broken;
mod child;
mod claims;
mod expected;
mod facts;
mod fixture;
mod inputs;
mod interrupt;
mod lab;
mod laws;
mod memory;
pub mod model;
mod report;
mod runner;
mod seen;
mod settings;
mod snapshot;
pub mod strategies;
mod streams;
mod trace;
mod watch;

pub use broken::{Broken, Held};
pub use claims::{
    Abandoned, Append, Bases, Chosen, Claim, Claims, Contradictions, Digests, Dropped, Empty,
    Found, Layers, Leftover, Listed, Manifests, Names, Processes, Reading, Replaces, Space, Taken,
    Variants, Writers,
};
pub use facts::{Ability, Facts};
pub use fixture::{Fixture, Place};
pub use laws::ALL;
pub use memory::Memory;
pub use runner::{Law, Outcome, Replay, run};
pub use settings::Settings;

pub use child::is_child;
#[doc(hidden)]
pub use report::test;
pub use report::test_all;

/// A law, by its name.
pub fn law(name: &str) -> Option<&'static Law> {
    ALL.iter().find(|law| law.name == name)
}
