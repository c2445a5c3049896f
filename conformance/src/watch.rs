//! [`Watch`]: how long a law may take, and what it was waiting for when it takes longer.

use std::cell::RefCell;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::settings::PATIENCE;

thread_local! {
    /// The watch of the law that runs on this thread.
    static WATCH: RefCell<Option<Arc<Watch>>> = const { RefCell::new(None) };
}

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// One step: an operation of the transport, or a few that belong together.
    pub(crate) step: Duration,
}

impl Limits {
    /// One case, once: some steps, of which each may be slow.
    fn case(self) -> Duration {
        self.step * 4
    }

    /// A law with all its cases, and those by which a counterexample is made smaller.
    fn law(self, cases: u32) -> Duration {
        self.step * 10 + self.step / 4 * cases
    }
}

/// Where a law is. Its own thread writes, the one that waits for it looks.
#[derive(Debug)]
pub(crate) struct Watch {
    limits: Limits,
    begun: Instant,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    cases: u32,
    case: Option<String>,
    begun: Instant,
    awaited: String,
}

impl Watch {
    pub(crate) fn new(limits: Limits, cases: u32) -> Self {
        let begun = Instant::now();
        let state = State { cases, case: None, begun, awaited: "its beginning".to_owned() };
        Self { limits, begun, state: Mutex::new(state) }
    }

    /// Makes it the watch of this thread.
    pub(crate) fn enter(self: &Arc<Self>) {
        WATCH.set(Some(Arc::clone(self)));
    }

    /// So many cases are looked at besides.
    pub(crate) fn more(&self, cases: usize) {
        let mut state = self.state();
        state.cases = state.cases.saturating_add(u32::try_from(cases).unwrap_or(u32::MAX));
    }

    /// A case begins, or another try of it.
    pub(crate) fn case(&self, case: String) {
        let mut state = self.state();
        (state.case, state.begun) = (Some(case), Instant::now());
        "the case to begin".clone_into(&mut state.awaited);
    }

    /// Why the law is given up, if it takes too long.
    pub(crate) fn late(&self) -> Option<String> {
        let state = self.state();
        let (case, law) = (self.limits.case(), self.limits.law(state.cases));
        let what = if state.begun.elapsed() > case {
            format!("a case has not ended after {} s", case.as_secs())
        } else if self.begun.elapsed() > law {
            format!("it has not ended after {} s, with {} cases", law.as_secs(), state.cases)
        } else {
            return None;
        };
        let replay = state.case.as_ref().map(|case| format!("\n  replay: {case}"));
        let replay = replay.unwrap_or_default();
        Some(format!("{what}: it was waiting for {}{replay}", state.awaited))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says what this thread waits for from now on.
pub(crate) fn awaiting(what: impl Into<String>) {
    WATCH.with_borrow(|watch| {
        if let Some(watch) = watch {
            watch.state().awaited = what.into();
        }
    });
}

/// How long one step may take.
pub(crate) fn patience() -> Duration {
    WATCH.with_borrow(|watch| watch.as_ref().map_or(PATIENCE, |watch| watch.limits.step))
}

/// What this thread waits for, or waited for last.
pub(crate) fn awaited() -> String {
    WATCH.with_borrow(|watch| {
        watch.as_ref().map_or_else(|| "it".to_owned(), |watch| watch.state().awaited.clone())
    })
}

/// Says what is waited for, whenever the future is asked.
pub(crate) fn waiting<F: Future>(what: impl Into<String>, future: F) -> Waiting<F> {
    Waiting { what: what.into(), future: Box::pin(future) }
}

/// See [`waiting`].
pub(crate) struct Waiting<F> {
    what: String,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for Waiting<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        awaiting(self.what.clone());
        self.future.as_mut().poll(context)
    }
}
