//! Tells what became of a law: in the test's output, and in files for `cargo xtask conformance`.

use std::env;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::runner::run;
use crate::settings::Settings;
use crate::{Fixture, Law, Outcome};

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
    let settings = Settings::from_env().with_kept(&kept, scheme, law.name);
    let name = name_of(module, law);
    let settings = settings.with_test(&name);
    let (outcome, took) = run(fixture, law, &settings);
    if let Some(folder) = env::var_os("TRANSSHIP_REPORT") {
        // A scheme may have several fixtures, in modules of their own.
        let file = Path::new(&folder).join(format!("{scheme}.{}.json", name.replace("::", ".")));
        write_report(&file, scheme, law, &outcome, took, &settings);
    }
    match outcome {
        Outcome::Held(_) => {}
        // Not by a macro: the test harness would keep that to itself.
        Outcome::NotClaimed(why) => {
            let line = format!("{scheme}: {} is not run: {why}\n", law.name);
            // Where standard error is closed, there is nowhere to say so.
            let _ = std::io::stderr().write_all(line.as_bytes());
        }
        Outcome::Broken { why, .. } => panic!("{scheme}: {}: {why}", law.name),
    }
}

/// The name of a law's test: the module's path without the crate's name, and the law.
fn name_of(module: &str, law: &Law) -> String {
    let (_, module) = module.split_once("::").unwrap_or_default();
    if module.is_empty() { law.name.to_owned() } else { format!("{module}::{}", law.name) }
}

fn write_report(
    file: &Path,
    scheme: &str,
    law: &Law,
    outcome: &Outcome,
    took: Duration,
    settings: &Settings,
) {
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
