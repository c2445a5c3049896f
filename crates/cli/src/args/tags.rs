//! Options that choose images by their tags.

use std::num::NonZeroUsize;

use clap::Args;
use transship::{Result, Tags};

use crate::values;

/// Which images, by their tags.
#[derive(Debug, Args)]
pub(crate) struct TagArgs {
    /// Only tags that match, as '3.*'
    ///
    /// `*` matches any text. May be repeated; a tag has to match one of the patterns. A name without a tag has the tag `latest`,
    /// and an image without a name matches nothing.
    #[arg(long = "tags", value_name = "PATTERN", value_parser = values::pattern)]
    only: Vec<String>,

    /// No tags that match; may be repeated
    #[arg(long = "not-tags", value_name = "PATTERN", value_parser = values::pattern)]
    not: Vec<String>,

    /// Only versions in this range, as '>=1.20, <2'
    ///
    /// Ranges are written as in Cargo.toml. Tags may begin with `v` and have one to three numbers. A tag with a suffix, as
    /// `3.18-slim`, is a pre-release: it is in a range only if the range names a pre-release. `>=1.20-0` has all from 1.20 on,
    /// with pre-releases.
    #[arg(long, value_name = "RANGE")]
    semver: Option<String>,

    /// Of each repository only the N newest versions
    ///
    /// Of those that the other options choose. Tags that are no versions are the oldest.
    #[arg(long, value_name = "N", value_parser = values::count)]
    newest: Option<NonZeroUsize>,
}

impl TagArgs {
    /// What is chosen.
    ///
    /// # Errors
    /// `InvalidInput` for text that is no range of versions.
    pub(crate) fn tags(&self) -> Result<Tags> {
        let mut tags = Tags::default();
        for pattern in &self.only {
            tags = tags.with_only(pattern);
        }
        for pattern in &self.not {
            tags = tags.with_not(pattern);
        }
        if let Some(range) = &self.semver {
            tags = tags.with_versions(range)?;
        }
        if let Some(count) = self.newest {
            tags = tags.with_newest(count);
        }
        Ok(tags)
    }
}
