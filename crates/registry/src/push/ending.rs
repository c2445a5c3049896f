//! The request that ends an upload. Before its answer, servers move the blob into its place, which takes minutes where it is large.

use std::pin::pin;

use futures_util::future::{Either, select};
use tokio::time::sleep;
use transship_core::{Expect, Stored};

use super::blob;
use super::recover::Setback;
use super::upload::Upload;
use crate::client::{Call, Failure, Fetched, Idle};

/// How many times longer than for anything else is waited for this answer: ten minutes, where it is one else.
const PATIENCE: u32 = 10;

impl Upload {
    /// A clock that waits longer for the answer than for all else, unless that did not help before.
    pub(super) fn patient(&self) -> Idle {
        let limit = self.repository.host.idle_timeout();
        if self.recovery.waited {
            return Idle::new(limit);
        }
        Idle::patient(limit, limit.saturating_mul(PATIENCE))
    }

    /// Sends the request that ends the session, with nothing in it.
    pub(super) async fn end(
        &mut self,
        mut call: Call,
        stored: &Stored,
    ) -> Result<Option<Fetched>, Failure> {
        let idle = self.patient();
        idle.sent();
        call.idle = Some(idle.clone());
        self.watch(&call, &idle, stored).await
    }

    /// Sends a request that ends the session, and looks for the blob while there is no answer. `None` when the blob is there before the
    /// answer is.
    pub(super) async fn watch(
        &mut self,
        call: &Call,
        idle: &Idle,
        stored: &Stored,
    ) -> Result<Option<Fetched>, Failure> {
        let answer = {
            let answer = pin!(self.repository.host.fetch_once(call, 0));
            match select(answer, pin!(self.appears(idle, stored))).await {
                Either::Left((answer, _)) => answer.map(Some),
                Either::Right(((), _)) => Ok(None),
            }
        };
        self.recovery.waited |= answer.is_err() && idle.has_expired();
        answer
    }

    /// Ends when the blob is there.
    async fn appears(&self, idle: &Idle, stored: &Stored) {
        let want = Expect::digest(stored.digest.clone()).with_size(stored.size);
        loop {
            sleep(self.repository.host.idle_timeout()).await;
            if idle.is_sent() && matches!(blob::has(&self.repository, &want).await, Ok(Some(_))) {
                return;
            }
        }
    }
}

impl From<Failure> for Setback {
    fn from(failure: Failure) -> Self {
        if failure.lasting { Self::Lasting(failure.error) } else { Self::Passing(failure) }
    }
}
