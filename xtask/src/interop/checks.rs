//! Named checks: run, told apart into passed, failed and skipped, and counted.

use super::Options;
use super::peer::Peer;
use crate::counts::Counts;
use crate::sh::Result;

/// The checks of one run.
pub(crate) struct Checks<'a> {
    options: &'a Options,
    counts: Counts,
    failed: Vec<String>,
}

impl<'a> Checks<'a> {
    pub(crate) fn new(options: &'a Options) -> Self {
        Self { options, counts: Counts::default(), failed: Vec::new() }
    }

    /// Runs one check, unless the filter leaves it out or a peer it needs is missing.
    pub(crate) fn check(&mut self, name: &str, needs: &[Peer], check: impl FnOnce() -> Result<()>) {
        if !name.contains(&self.options.filter) {
            return;
        }
        let missing: Vec<String> = needs.iter().filter_map(|peer| peer.missing()).collect();
        if missing.is_empty() {
            match check() {
                Ok(()) => self.passed(name),
                Err(reason) => self.failed(name, &reason),
            }
        } else if self.options.require_peers {
            self.failed(name, &missing.join("; "));
        } else {
            self.counts.skipped += 1;
            println!("skipped  {name} ({})", missing.join("; "));
        }
    }

    /// Says again what failed, and how much of each there was.
    pub(crate) fn finish(self) -> Counts {
        if !self.failed.is_empty() {
            println!("interop: these failed:");
            self.failed.iter().for_each(|name| println!("  {name}"));
        }
        self.counts
    }

    fn passed(&mut self, name: &str) {
        self.counts.passed += 1;
        println!("ok       {name}");
    }

    fn failed(&mut self, name: &str, reason: &str) {
        self.counts.failed += 1;
        self.failed.push(name.to_owned());
        println!("FAILED   {name}");
        reason.lines().for_each(|line| println!("         {line}"));
    }
}

/// Two things that must be equal.
pub(crate) fn same<T: PartialEq + std::fmt::Debug>(
    what: &str,
    found: &T,
    expected: &T,
) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(format!("{what}:\n  found    {found:?}\n  expected {expected:?}"))
}
