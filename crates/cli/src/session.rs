//! The common options of a command line.

use std::path::PathBuf;
use std::time::Duration;

use transship::transfer::Published;
use transship::{ReadOptions, Settings, Transports};

use crate::args::Common;
use crate::progress::Reporter;
use crate::sides::Sides;

pub(crate) struct Session {
    pub(crate) reporter: Reporter,
    pub(crate) deadline: Option<Duration>,
    pub(crate) tmpdir: Option<PathBuf>,
    /// What a copy has published, also after it was stopped.
    pub(crate) published: Published,
    options: Vec<String>,
    sides: Sides,
}

/// Which side of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    Source,
    Destination,
}

impl Session {
    /// Commands that open nothing have no common options.
    pub(crate) fn new(common: Option<&Common>, sides: Sides) -> Self {
        Self {
            reporter: Reporter::new(common),
            deadline: common.and_then(|common| common.deadline),
            tmpdir: common.and_then(|common| common.tmpdir.clone()),
            published: Published::default(),
            options: common.map(|common| common.options.clone()).unwrap_or_default(),
            sides,
        }
    }

    /// The transports, set up for reading.
    pub(crate) fn sources(&self) -> transship::Result<Transports> {
        self.transports(&self.sides.source)
    }

    /// The transports, set up for writing.
    pub(crate) fn destinations(&self) -> transship::Result<Transports> {
        self.transports(&self.sides.destination)
    }

    #[cfg(feature = "registry")]
    pub(crate) fn source_settings(&self) -> transship::Result<Settings> {
        self.settings(&self.sides.source)
    }

    /// The transports of a side, with more settings; those of the command line win.
    pub(crate) fn transports_with(
        &self,
        side: Side,
        more: &Settings,
    ) -> transship::Result<Transports> {
        let own = match side {
            Side::Source => &self.sides.source,
            Side::Destination => &self.sides.destination,
        };
        let own = self.settings(own)?;
        let all =
            own.iter().fold(more.clone(), |all, (scheme, key, value)| all.with(scheme, key, value));
        Transports::linked(&all)
    }

    fn transports(&self, side: &Settings) -> transship::Result<Transports> {
        Transports::linked(&self.settings(side)?)
    }

    fn settings(&self, side: &Settings) -> transship::Result<Settings> {
        let mut settings = Settings::new();
        for option in &self.options {
            settings.set(option)?;
        }
        Ok(side.iter().fold(settings, |all, (scheme, key, value)| all.with(scheme, key, value)))
    }

    pub(crate) fn read_options(&self) -> ReadOptions {
        let mut options = ReadOptions::default();
        options.observer = self.reporter.observer();
        options.spool.clone_from(&self.tmpdir);
        options
    }
}
