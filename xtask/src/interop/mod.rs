//! `cargo xtask interop`: real tools read what we write, and we read what they write.
//!
//! Everything happens in one private folder under `target/interop`; dockerd and containerd are our children there, on
//! unix sockets, and docker-registry is one on a loopback port. What we write is read by the peers and by `xtask/goldens/expect`, never by ourselves alone.

mod checks;
mod concurrent;
pub(crate) mod daemon;
mod directory;
mod docker_archive;
mod goldens;
mod grown;
mod images;
pub(crate) mod lab;
mod layouts;
mod oci_archive;
pub(crate) mod peer;
mod pipes;
mod readers;
mod registry;
mod samples;
mod terminal;

use crate::args::Args;
use crate::counts::Counts;
use crate::sh::Result;

use self::checks::Checks;
use self::lab::Lab;

/// What to run and how strictly.
pub(crate) struct Options {
    /// A peer that is missing fails instead of being skipped.
    pub(crate) require_peers: bool,
    /// Only the checks whose name holds this.
    pub(crate) filter: String,
}

pub(crate) fn run(args: &mut Args) -> Result<bool> {
    let require_peers = args.flag("--require-peers");
    let filter = args.value("--filter")?.unwrap_or_default();
    args.finish()?;
    let counts = checks(&Options { require_peers, filter })?;
    println!("{counts}");
    Ok(counts.good())
}

/// Runs the checks, printing a line for each.
pub(crate) fn checks(options: &Options) -> Result<Counts> {
    let lab = Lab::new()?;
    let mut checks = Checks::new(options);
    goldens::run(&lab, &mut checks)?;
    docker_archive::run(&lab, &mut checks);
    oci_archive::run(&lab, &mut checks);
    grown::run(&lab, &mut checks);
    pipes::run(&lab, &mut checks);
    directory::run(&lab, &mut checks);
    concurrent::run(&lab, &mut checks);
    registry::run(&lab, &mut checks);
    terminal::run(&lab, &mut checks);
    let counts = checks.finish();
    lab.finish(counts.good());
    Ok(counts)
}
