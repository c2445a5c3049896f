//! [`Settings`]: how many cases, from which seed; read from the environment.

use std::env;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::runner::Replay;
use crate::watch::Limits;

/// How laws are run.
///
/// `TRANSSHIP_CASES` is the number of cases of each law, `TRANSSHIP_SEED` a number that they follow from (or `random`, or
/// `corners` for those that are not generated), `TRANSSHIP_CASE` the one case to run again, `TRANSSHIP_CORNERS` the most that are run of
/// the cases that are not generated, `TRANSSHIP_PATIENCE` the seconds that a step may take.
#[derive(Clone, Debug)]
pub struct Settings {
    cases: u32,
    most_corners: usize,
    seed: u64,
    only: Option<u32>,
    shrinks: u32,
    patience: Duration,
    kept: Vec<Replay>,
    test: Option<Arc<str>>,
}

/// Stands for a seed where a case is not generated, but one of those that are looked at each time.
pub(crate) const CORNERS: u64 = u64::MAX;

/// Cases of a law when nobody says how many. Few: many laws run with every build.
const CASES: u32 = 16;

/// How long one step may take. Many times what the slowest takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

impl Default for Settings {
    fn default() -> Self {
        Self {
            cases: CASES,
            most_corners: usize::MAX,
            seed: 1,
            only: None,
            shrinks: 200,
            patience: PATIENCE,
            kept: Vec::new(),
            test: None,
        }
    }
}

impl Settings {
    /// What the environment says takes precedence over these.
    #[must_use]
    pub fn with_env(self) -> Self {
        let number = |name: &str| env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
        let seed = env::var("TRANSSHIP_SEED").unwrap_or_default();
        let small = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        let most = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        Self {
            cases: number("TRANSSHIP_CASES").map_or(self.cases, small).max(1),
            most_corners: number("TRANSSHIP_CORNERS").map_or(self.most_corners, most),
            seed: match seed.as_str() {
                "random" => entropy(),
                "corners" => CORNERS,
                text => text.parse().unwrap_or(self.seed),
            },
            only: number("TRANSSHIP_CASE").map(small).or(self.only),
            patience: number("TRANSSHIP_PATIENCE").map_or(self.patience, Duration::from_secs),
            ..self
        }
    }

    /// With so many cases of each law.
    #[must_use]
    pub fn with_cases(mut self, cases: u32) -> Self {
        self.cases = cases;
        self
    }

    /// Runs at most this number of the corner cases of a law: for places that take seconds to answer.
    #[must_use]
    pub fn with_corners(mut self, most: usize) -> Self {
        self.most_corners = most;
        self
    }

    /// With so many tries to make a counterexample smaller.
    #[must_use]
    pub fn with_shrinks(mut self, shrinks: u32) -> Self {
        self.shrinks = shrinks;
        self
    }

    /// With so much time for one step. A case gets four times as much; a law has a limit, too.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits { step: self.patience }
    }

    /// With the name of the test that runs the law, by which other processes run it too: it has to ask
    /// [`is_child`](crate::is_child) first. Without it, laws about processes are not run. [`conformance!`](crate::conformance)
    /// says it.
    #[must_use]
    pub fn with_test(mut self, name: &str) -> Self {
        self.test = Some(name.into());
        self
    }

    pub(crate) fn test(&self) -> Option<Arc<str>> {
        self.test.clone()
    }

    /// The seed that cases follow from.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// With the cases of a law that once failed, out of a file with a line `SCHEME LAW SEED CASE` for each.
    #[must_use]
    pub(crate) fn with_kept(mut self, file: &Path, scheme: &str, law: &str) -> Self {
        // Most have none.
        let text = fs::read_to_string(file).unwrap_or_default();
        self.kept = text.lines().filter_map(|line| kept(line, scheme, law)).collect();
        self
    }

    pub(crate) fn shrinks(&self) -> u32 {
        self.shrinks
    }

    /// Which of so many cases that are looked at each time.
    pub(crate) fn corners(&self, count: usize) -> Vec<Replay> {
        let all = (0..u32::try_from(count).unwrap_or(u32::MAX)).filter(|case| match self.only {
            Some(only) => self.seed == CORNERS && *case == only,
            None => count <= self.most_corners || is_nth(*case, self.most_corners, count),
        });
        all.map(|case| Replay { seed: CORNERS, case }).collect()
    }

    /// The cases of a law whose cases take `cost` times as long as those of others.
    /// Those that once failed come first.
    pub(crate) fn cases(&self, cost: u32) -> Vec<Replay> {
        let of_seed = |case| Replay { seed: self.seed, case };
        if let Some(case) = self.only {
            return Some(of_seed(case)).filter(|case| case.seed != CORNERS).into_iter().collect();
        }
        let new = (0..(self.cases / cost.max(1)).max(1)).map(of_seed);
        // Corners are looked at anyhow.
        let kept = self.kept.iter().copied().filter(|case| case.seed != CORNERS);
        kept.chain(new).collect()
    }
}

/// Whether a case is one of so few, the first among them, that lie evenly among all.
fn is_nth(case: u32, of: usize, all: usize) -> bool {
    (0..of).any(|at| usize::try_from(case) == Ok(at * all / of))
}

fn kept(line: &str, scheme: &str, law: &str) -> Option<Replay> {
    match line.split_whitespace().collect::<Vec<_>>()[..] {
        [of, name, seed, case] if of == scheme && name == law => {
            Some(Replay { seed: seed.parse().ok()?, case: case.parse().ok()? })
        }
        _ => None,
    }
}

fn entropy() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0)
}
