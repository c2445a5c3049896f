//! [`OncePer`]: values that are computed once for each key.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use crate::Result;

/// Values that are computed once for each key, however many ask for them at once. So is an error that
/// [says something of what is stored](crate::ErrorKind::is_of_content); after another one the next caller tries again.
pub struct OncePer<K, V>(Mutex<HashMap<K, Slot<V>>>);

/// Locked while the value is computed.
type Slot<V> = Arc<tokio::sync::Mutex<Option<Result<V>>>>;

impl<K: Eq + Hash, V: Clone> OncePer<K, V> {
    /// The value of a key, computed now if it is not known. It blocks while others compute it.
    ///
    /// # Errors
    /// Those of `compute`.
    pub fn get_or_compute(&self, key: K, compute: impl FnOnce() -> Result<V>) -> Result<V> {
        let slot = self.slot(key);
        let mut slot = slot.blocking_lock();
        slot.clone().unwrap_or_else(|| keep(&mut slot, compute()))
    }

    /// As [`get_or_compute`](Self::get_or_compute), for what takes a future to compute.
    pub(crate) async fn get_or_await(
        &self,
        key: K,
        compute: impl Future<Output = Result<V>>,
    ) -> Result<V> {
        let slot = self.slot(key);
        let mut slot = slot.lock().await;
        match slot.clone() {
            Some(known) => known,
            None => keep(&mut slot, compute.await),
        }
    }

    fn slot(&self, key: K) -> Slot<V> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(key).or_default())
    }
}

fn keep<V: Clone>(slot: &mut Option<Result<V>>, computed: Result<V>) -> Result<V> {
    if computed.as_ref().map_or_else(|error| error.kind().is_of_content(), |_| true) {
        *slot = Some(computed.clone());
    }
    computed
}

impl<K, V> Default for OncePer<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K, V> fmt::Debug for OncePer<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OncePer").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::{Error, ErrorKind, cancelled};

    #[test]
    fn values_and_errors_of_what_is_stored_are_kept() {
        let (memo, made) = (OncePer::default(), AtomicUsize::new(0));
        let ask = |key: u32, value: Result<u32>| {
            memo.get_or_compute(key, || {
                made.fetch_add(1, Ordering::Relaxed);
                value
            })
        };
        let corrupt =
            || Err(Error::new(ErrorKind::Corrupt, "torn").caused_by("cause").hint("hint"));
        assert_eq!((ask(1, Ok(10)).unwrap(), ask(1, Ok(11)).unwrap()), (10, 10));
        let shown = ask(2, corrupt()).unwrap_err().to_string();
        assert_eq!(ask(2, Ok(20)).unwrap_err().to_string(), shown);
        assert_eq!(ask(3, Err(cancelled())).unwrap_err().kind(), ErrorKind::Cancelled);
        assert_eq!(ask(3, Ok(30)).unwrap(), 30);
        assert_eq!(made.into_inner(), 4);
    }
}
