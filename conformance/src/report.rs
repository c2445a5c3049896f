//! Tells what became of a law: in the test's output, and in files for `cargo xtask conformance`.

use std::env;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;

use crate::runner::run;
use crate::settings::Settings;
use crate::{ALL, Fixture, Law, Outcome};

/// Where the cases that once failed are kept, in the folder of the package.
const KEPT: &str = "tests/conformance.kept";

/// Runs a law as a test, and panics when it does not hold. For [`conformance!`](crate::conformance).
///
/// # Panics
/// When the law does not hold.
#[track_caller]
#[expect(clippy::panic, reason = "this is how a test fails")]
pub fn test(fixture: impl Fixture, law: &Law, package: &str, module: &str) {
    if crate::is_child(&fixture) {
        return;
    }
    let fixture: Arc<dyn Fixture> = Arc::new(fixture);
    let scheme = fixture.transport().scheme();
    if env::var("TRANSSHIP_TRANSPORT").is_ok_and(|only| only != scheme) {
        return;
    }
    let kept = Path::new(package).join(KEPT);
    let settings = Settings::default().with_env().with_kept(&kept, scheme, law.name);
    let name = name_of(module, law);
    let settings = settings.with_test(&name);
    let (outcome, took) = run(fixture, law, &settings);
    write_report(&name, scheme, law, &outcome, took, &settings);
    match outcome {
        Outcome::Held(_) => {}
        Outcome::NotClaimed(why) => say(&format!("{scheme}: {} is not run: {why}", law.name)),
        Outcome::Broken { why, .. } => panic!("{scheme}: {}: {why}", law.name),
    }
}

/// Runs all laws in one test, where places share what takes long to start, as an engine. It runs several laws at once, as `at_once`
/// says. `TRANSSHIP_LAW` chooses those whose names contain it. The settings have the name of the [test](Settings::with_test). Cases that
/// once failed are kept in a file of the package.
///
/// # Panics
/// When a law does not hold; when no law is chosen.
#[track_caller]
pub fn test_all(fixture: &Arc<dyn Fixture>, settings: &Settings, at_once: usize, package: &str) {
    let scheme = fixture.transport().scheme();
    let is_other = env::var("TRANSSHIP_TRANSPORT").is_ok_and(|only| only != scheme);
    if crate::is_child(&**fixture) || is_other {
        return;
    }
    let only = env::var("TRANSSHIP_LAW").unwrap_or_default();
    let chosen: Vec<&Law> = ALL.iter().filter(|law| law.name.contains(&only)).collect();
    assert!(!chosen.is_empty(), "no law has {only:?} in its name");
    let next = AtomicUsize::new(0);
    let next = || chosen.get(next.fetch_add(1, Ordering::Relaxed)).copied();
    let failed = Mutex::new(Vec::new());
    let hold = |law: &Law| {
        let kept = Path::new(package).join(KEPT);
        let settings = settings.clone().with_kept(&kept, scheme, law.name);
        if !held(fixture, law, &settings) {
            failed.lock().unwrap_or_else(PoisonError::into_inner).push(law.name);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..at_once.max(1) {
            scope.spawn(|| std::iter::from_fn(next).for_each(hold));
        }
    });
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    assert!(failed.is_empty(), "what is said above does not hold: {}", failed.join(", "));
}

/// Whether a law holds or is not claimed. Where it does not, that is said at once, as later laws may end the program.
fn held(fixture: &Arc<dyn Fixture>, law: &Law, settings: &Settings) -> bool {
    let scheme = fixture.transport().scheme();
    let (outcome, took) = run(Arc::clone(fixture), law, settings);
    let test = settings.test().unwrap_or_default();
    write_report(&format!("{test}::{}", law.name), scheme, law, &outcome, took, settings);
    match &outcome {
        Outcome::Held(_) => {}
        Outcome::NotClaimed(why) => say(&format!("{scheme}: {} is not run: {why}", law.name)),
        Outcome::Broken { why, .. } => say(&format!("{scheme}: {}: {why}", law.name)),
    }
    !matches!(outcome, Outcome::Broken { .. })
}

/// Not by a macro: the test harness would keep that to itself.
fn say(line: &str) {
    // Where standard error is closed, there is nowhere to say so.
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// The name of a law's test: the module's path without the crate's name, and the law.
fn name_of(module: &str, law: &Law) -> String {
    let (_, module) = module.split_once("::").unwrap_or_default();
    if module.is_empty() { law.name.to_owned() } else { format!("{module}::{}", law.name) }
}

/// Where somebody asks for it. A scheme may have several fixtures, in tests of other names.
fn write_report(
    test: &str,
    scheme: &str,
    law: &Law,
    outcome: &Outcome,
    took: Duration,
    settings: &Settings,
) {
    let Some(folder) = env::var_os("TRANSSHIP_REPORT") else { return };
    let file = Path::new(&folder).join(format!("{scheme}.{}.json", test.replace("::", ".")));
    let (what, cases, why) = match outcome {
        Outcome::Held(cases) => ("held", *cases, String::new()),
        Outcome::NotClaimed(why) => ("not claimed", 0, (*why).to_owned()),
        Outcome::Broken { why, .. } => ("broken", 0, why.clone()),
    };
    let replay = match outcome {
        Outcome::Broken { replay: Some(replay), .. } => json!([replay.seed, replay.case]),
        _ => json!(null),
    };
    let line = json!({
        "transport": scheme, "law": law.name, "order": law.order(), "outcome": what, "cases": cases, "why": why,
        "seed": settings.seed(), "replay": replay, "millis": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
    });
    // The table will lack it, which its reader sees.
    let _ = fs::write(file, line.to_string());
}
