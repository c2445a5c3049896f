//! Runs laws: generated cases, each from a seed of its own, shrunk to a small counterexample when one fails.

use std::cell::Cell;
use std::fmt;
use std::panic;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use proptest::strategy::{Just, Strategy};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use transship_core::{Hasher, Transport};

use crate::lab::Lab;
use crate::settings::{CORNERS, Settings};
use crate::watch::Watch;
use crate::{ALL, Ability, Broken, Facts, Fixture, Held, Processes, inputs};

/// How often is looked whether a law takes too long.
const LOOK: Duration = Duration::from_millis(100);

/// One law.
#[derive(Clone, Copy, Debug)]
pub struct Law {
    /// Named after what holds.
    pub name: &'static str,
    /// What holds, in a sentence.
    pub sentence: &'static str,
    /// The promises of the traits that it holds a transport to: the beginnings of bullets in their docs.
    pub promises: &'static [&'static str],
    /// The abilities that a transport needs for it. Where one is missing, the law is not run, and the output says what users lose.
    pub(crate) needs: &'static [Ability],
    /// The number of cases is divided by this, as each takes longer than those of other laws; 1 for most.
    pub(crate) cost: u32,
    pub(crate) check: fn(&Kit) -> Held,
}

impl Law {
    /// Its place in the order in which to read laws, from 1.
    pub(crate) fn order(&self) -> usize {
        ALL.iter().position(|other| other.name == self.name).map_or(ALL.len(), |at| at + 1)
    }
}

/// What became of a law.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It holds in so many cases.
    Held(u32),
    /// The transport lacks the ability that the law is about, or does not claim it. In a sentence, what users lose by that.
    NotClaimed(&'static str),
    /// It does not hold.
    Broken {
        /// Why, with the counterexample.
        why: String,
        /// The case that shows it.
        replay: Option<Replay>,
    },
}

/// A case, exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replay {
    /// What the cases follow from.
    pub seed: u64,
    /// Its number.
    pub case: u32,
}

impl fmt::Display for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.seed {
            CORNERS => write!(f, "TRANSSHIP_SEED=corners TRANSSHIP_CASE={}", self.case),
            seed => write!(f, "TRANSSHIP_SEED={seed} TRANSSHIP_CASE={}", self.case),
        }
    }
}

/// What a law runs on.
#[derive(Debug)]
pub(crate) struct Kit {
    fixture: Arc<dyn Fixture>,
    facts: Arc<Facts>,
    settings: Settings,
    law: &'static str,
    cost: u32,
    watch: Arc<Watch>,
    ran: Cell<u32>,
    failed: Cell<Option<Replay>>,
    unable: Cell<Option<&'static str>>,
}

impl Kit {
    /// With facts that no transport was asked for, whatever a law needs: to see what it generates.
    #[cfg(test)]
    pub(crate) fn of(law: &Law, fixture: Arc<dyn Fixture>, facts: Facts) -> Self {
        let settings = Settings::default().with_shrinks(0);
        let watch = Arc::new(Watch::new(settings.limits(), 1));
        let (ran, failed, unable) = (Cell::new(0), Cell::new(None), Cell::new(None));
        let (facts, law, cost) = (Arc::new(facts), law.name, law.cost);
        Self { fixture, facts, settings, law, cost, watch, ran, failed, unable }
    }

    pub(crate) fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The transport, to see what it is able to do.
    pub(crate) fn transport(&self) -> Arc<dyn Transport> {
        self.fixture.transport()
    }

    /// Says that the law is about something that the transport does not have, which is no claim.
    pub(crate) fn not_able(&self, why: &'static str) {
        self.unable.set(Some(why));
    }

    /// Checks generated cases, each on a fresh place.
    pub(crate) fn each<S>(&self, strategy: S, check: impl Fn(&Lab, &S::Value) -> Held) -> Held
    where
        S: Strategy,
        S::Value: fmt::Debug,
    {
        for case in self.settings.cases(self.cost) {
            self.ran.set(self.ran.get() + 1);
            self.one(case, &strategy, &check).inspect_err(|_| self.failed.set(Some(case)))?;
        }
        Ok(())
    }

    /// The same for values that are worth a look each time, and then for generated ones.
    pub(crate) fn each_with<S>(
        &self,
        corners: &[S::Value],
        strategy: S,
        check: impl Fn(&Lab, &S::Value) -> Held,
    ) -> Held
    where
        S: Strategy,
        S::Value: fmt::Debug + Clone,
    {
        self.watch.more(corners.len());
        for case in self.settings.corners(corners.len()) {
            self.ran.set(self.ran.get() + 1);
            let corner = usize::try_from(case.case).ok().and_then(|at| corners.get(at)).cloned();
            let Some(corner) = corner else { continue };
            self.one(case, &Just(corner), &check).inspect_err(|_| self.failed.set(Some(case)))?;
        }
        self.each(strategy, check)
    }

    fn one<S>(&self, case: Replay, strategy: &S, check: &impl Fn(&Lab, &S::Value) -> Held) -> Held
    where
        S: Strategy,
        S::Value: fmt::Debug,
    {
        let config = Config {
            cases: 1,
            failure_persistence: None,
            max_shrink_iters: self.settings.shrinks(),
            max_shrink_time: 20_000,
            ..Config::default()
        };
        let mut runner = TestRunner::new_with_rng(config, self.rng(case));
        let done = runner.run(strategy, |value| {
            self.watch.case(case.to_string());
            let held = Lab::new(&self.fixture, self.settings.test(), &self.facts)
                .and_then(|lab| check(&lab, &value));
            held.map_err(|broken| TestCaseError::fail(broken.to_string()))
        });
        match done {
            Ok(()) => Ok(()),
            Err(TestError::Fail(why, value)) => {
                let inputs = inputs::lines(self.law, &value);
                Err(Broken::new(format!("{why}{inputs}\n  replay: {case}")))
            }
            Err(TestError::Abort(why)) => Err(Broken::new(format!("no case was generated: {why}"))),
        }
    }

    /// Depends on the seed, the law and the case alone.
    fn rng(&self, case: Replay) -> TestRng {
        let mut hasher = Hasher::sha256();
        hasher.update(&case.seed.to_le_bytes());
        hasher.update(&case.case.to_le_bytes());
        hasher.update(self.law.as_bytes());
        let digest = hasher.finish();
        TestRng::from_seed(RngAlgorithm::ChaCha, &digest.encoded().as_bytes()[..32])
    }
}

/// Looks whether a law holds for a transport.
pub fn run(fixture: Arc<dyn Fixture>, law: &Law, settings: &Settings) -> (Outcome, Duration) {
    let began = Instant::now();
    let cases = settings.cases(law.cost).len();
    let watch = Watch::new(settings.limits(), u32::try_from(cases).unwrap_or(u32::MAX));
    let outcome = watched(&Arc::new(watch), law, fixture, settings.clone());
    (outcome, began.elapsed())
}

/// Runs a law on a thread of its own, which is left behind when it takes too long: what blocks cannot be stopped.
fn watched(
    watch: &Arc<Watch>,
    law: &Law,
    fixture: Arc<dyn Fixture>,
    settings: Settings,
) -> Outcome {
    let (done, outcome) = channel();
    let (law, watched) = (*law, Arc::clone(watch));
    let work = move || {
        watched.enter();
        // Nobody waits for it when it was given up.
        let _ = done.send(checked(watched, &law, fixture, settings));
    };
    let thread = match thread::Builder::new().name(law.name.to_owned()).spawn(work) {
        Ok(thread) => thread,
        Err(e) => {
            return Outcome::Broken { why: format!("no thread can be started: {e}"), replay: None };
        }
    };
    loop {
        match outcome.recv_timeout(LOOK) {
            Ok(outcome) => return outcome,
            Err(RecvTimeoutError::Timeout) => {
                if let Some(why) = watch.late() {
                    return Outcome::Broken { why: explained(&law, &why), replay: None };
                }
            }
            Err(RecvTimeoutError::Disconnected) => {
                if let Err(panicked) = thread.join() {
                    panic::resume_unwind(panicked);
                }
                let why = "it ended without an outcome".to_owned();
                return Outcome::Broken { why, replay: None };
            }
        }
    }
}

fn checked(watch: Arc<Watch>, law: &Law, fixture: Arc<dyn Fixture>, settings: Settings) -> Outcome {
    let mut facts = match Facts::of(&*fixture) {
        Ok(facts) => facts,
        Err(broken) => {
            return Outcome::Broken { why: explained(law, &broken.to_string()), replay: None };
        }
    };
    if settings.test().is_none() {
        // Nobody said which test another process could run.
        facts.claims.processes = Processes::One;
        if law.needs.contains(&Ability::OneProcess) {
            return Outcome::NotClaimed("no test is named that another process could run");
        }
    }
    if let Some(why) = facts.lacks(law.needs) {
        return Outcome::NotClaimed(why);
    }
    let facts = Arc::new(facts);
    let (ran, failed, unable) = (Cell::new(0), Cell::new(None), Cell::new(None));
    let (name, cost) = (law.name, law.cost);
    let kit = Kit { fixture, facts, settings, law: name, cost, watch, ran, failed, unable };
    match (law.check)(&kit) {
        Ok(()) => match kit.unable.get() {
            Some(why) => Outcome::NotClaimed(why),
            None => Outcome::Held(kit.ran.get()),
        },
        Err(broken) => {
            let why = explained(law, &broken.to_string());
            Outcome::Broken { why, replay: kit.failed.get() }
        }
    }
}

/// What does not hold, why, and where the law is in the order in which to read them.
fn explained(law: &Law, why: &str) -> String {
    let (at, of) = (law.order(), ALL.len());
    let order = format!("law {at} of {of}: of several that fail, begin with the first");
    format!("{}\n  {why}\n  {order}", law.sentence)
}
