//! [`Configs`]: configs that are read once.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::sync::OnceCell;
use transship_core::{Descriptor, Digest, ImageConfig};

use crate::locked;

/// One config, when it has been read.
pub(crate) type Kept = Arc<OnceCell<Bytes>>;

/// The configs that were read, as far as they are small, by repository and digest. A plan reads a config before the copy does, and
/// many tags share one.
pub(crate) struct Configs {
    most: usize,
    kept: Mutex<HashMap<(String, Digest), Kept>>,
}

impl Configs {
    /// The largest that is kept, in bytes; most have a few thousand.
    const LARGEST: u64 = 64 << 10;

    /// Of one image, for an index with a config for each platform.
    pub(crate) fn of_image() -> Self {
        Self { most: 16, kept: Mutex::default() }
    }

    /// Of all images of a host.
    pub(crate) fn of_host() -> Self {
        Self { most: 64, kept: Mutex::default() }
    }

    pub(crate) fn takes(of: &Descriptor) -> bool {
        of.size <= Self::LARGEST && ImageConfig::is_type(&of.media_type)
    }

    /// Where a config of a repository is kept, or will be when it has been read; `None` where there is no more room.
    pub(crate) fn cell(&self, repository: &str, digest: &Digest) -> Option<Kept> {
        let mut kept = locked(&self.kept);
        let key = (repository.to_owned(), digest.clone());
        if kept.len() >= self.most {
            return kept.get(&key).cloned();
        }
        Some(Arc::clone(kept.entry(key).or_default()))
    }
}

impl fmt::Debug for Configs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Configs").field("most", &self.most).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use transship_core::sha256;

    use super::*;

    #[test]
    fn they_are_kept_apart_by_repository_and_as_far_as_there_is_room() {
        let configs = Configs { most: 2, ..Configs::of_image() };
        let cell = |repository: &str, config: &[u8]| configs.cell(repository, &sha256(config));
        let one = cell("app", b"one").unwrap();
        assert!(Arc::ptr_eq(&one, &cell("app", b"one").unwrap()));
        assert!(!Arc::ptr_eq(&one, &cell("other", b"one").unwrap()));
        assert!(cell("app", b"two").is_none());
        assert!(Arc::ptr_eq(&one, &cell("app", b"one").unwrap()));
    }
}
