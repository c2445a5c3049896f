//! [`Lease`]: what keeps blobs until an image refers to them.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::runtime::Handle;
use tokio::sync::OnceCell;
use transship_core::{Digest, Result, spawn_to_end};

use crate::api::Containerd;
use crate::proto::CreateLeaseRequest;

/// When containerd drops the lease of a copy that was killed: as in its own client.
const EXPIRES: Duration = Duration::from_secs(24 * 3600);

const EXPIRE: &str = "containerd.io/gc.expire";

/// What becomes of content that nothing refers to any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Garbage {
    /// It is gone afterwards. containerd collects only so often, so that this may take seconds.
    Goes,
    /// The next collection takes it.
    Waits,
}

/// A lease, made when it is first needed.
#[derive(Debug)]
pub(crate) struct Lease {
    containerd: Containerd,
    id: OnceCell<String>,
}

impl Lease {
    pub(crate) fn new(containerd: Containerd) -> Self {
        Self { containerd, id: OnceCell::new() }
    }

    /// Its ID. From now on it keeps what is written under it.
    pub(crate) async fn id(&self) -> Result<&str> {
        self.id.get_or_try_init(|| self.create()).await.map(String::as_str)
    }

    /// Keeps a blob, and all that its labels refer to.
    ///
    /// # Errors
    /// `Conflict` if the lease has expired, or somebody has deleted it.
    pub(crate) async fn keep(&self, digest: &Digest) -> Result<()> {
        self.containerd.add_to_lease(self.id().await?, digest).await
    }

    async fn create(&self) -> Result<String> {
        let id = format!("transship-{}", random());
        let labels = HashMap::from([(EXPIRE.to_owned(), rfc3339(SystemTime::now() + EXPIRES))]);
        self.containerd.create_lease(CreateLeaseRequest { id: id.clone(), labels }).await?;
        Ok(id)
    }

    /// Lets go of what nothing else refers to.
    pub(crate) async fn end(mut self, garbage: Garbage) -> Result<()> {
        match self.id.take() {
            Some(id) => self.containerd.delete_lease(&id, garbage).await,
            None => Ok(()),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // Waits for nothing. Where no runtime is left to do it, the lease expires.
        if let (Some(id), Ok(_)) = (self.id.take(), Handle::try_current()) {
            let containerd = self.containerd.clone();
            drop(spawn_to_end(async move {
                let _ = containerd.delete_lease(&id, Garbage::Goes).await;
            }));
        }
    }
}

/// A text that nobody else has.
pub(crate) fn random() -> String {
    format!("{:016x}", RandomState::new().hash_one(SystemTime::now()))
}

/// A time as containerd reads it in labels.
fn rfc3339(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (days, second) = (seconds / 86400, seconds % 86400);
    // Years that begin in March have their leap day last: Howard Hinnant's `civil_from_days`.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_210_096, "2024-02-29T12:34:56Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
    }
}
