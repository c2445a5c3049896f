//! `cargo xtask conformance`: the laws of the conformance kit, for every transport, as a table.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use serde_json::Value;

use crate::args::Args;
use crate::built::{self, Program};
use crate::counts::Counts;
use crate::sh::{self, Result};

/// Where a package keeps the cases that once failed.
const KEPT: &str = "tests/conformance.kept";

/// What became of a law.
struct Row {
    transport: String,
    law: String,
    report: Value,
}

pub(crate) fn run(args: &mut Args) -> Result<bool> {
    let (transport, law) = (args.value("--transport")?, args.value("--law")?);
    let (cases, seed) = (args.value("--cases")?, args.value("--seed")?);
    let (case, as_json) = (args.value("--case")?, args.flag("--json"));
    if args.flag("--trace") {
        args.finish()?;
        return crate::trace::run(transport.as_deref());
    }
    args.finish()?;
    // One for all programs, so that the whole run can be run again.
    let seed = seed.map(|seed| if seed == "random" { fresh_seed() } else { seed });
    let what = Selection {
        variables: vec![(TRANSPORT, transport), ("TRANSSHIP_SEED", seed), ("TRANSSHIP_CASE", case)],
        law,
        cases: cases.clone(),
        cases_of_engines: cases,
    };
    let (good, rows) = hold(&what)?;
    if rows.is_empty() {
        return Err("no law ran".to_owned());
    }
    if as_json {
        println!("{}", rows.iter().map(|row| row.report.clone()).collect::<Value>());
    } else {
        print(&rows);
    }
    Ok(good && rows.iter().all(|row| row.report["outcome"] != "broken"))
}

/// Which laws and cases a run has.
struct Selection {
    /// Of the environment, for the kit.
    variables: Vec<(&'static str, Option<String>)>,
    law: Option<String>,
    cases: Option<String>,
    /// Engines take seconds for each.
    cases_of_engines: Option<String>,
}

/// Chooses a transport, for the kit.
const TRANSPORT: &str = "TRANSSHIP_TRANSPORT";

/// Fewer cases than a run of its own has: the fixed seed has been looked at before.
const FRESH_CASES: &str = "8";

/// All transports, with a seed that nobody has seen before, which is printed. The cases that are not generated have been looked at
/// before.
pub(crate) fn fresh(require_peers: bool) -> Result<Counts> {
    let seed = fresh_seed();
    let what = Selection {
        variables: vec![
            ("TRANSSHIP_SEED", Some(seed)),
            ("TRANSSHIP_CORNERS", Some("0".to_owned())),
            ("TRANSSHIP_REQUIRE_PEERS", require_peers.then(|| "1".to_owned())),
        ],
        law: None,
        cases: Some(FRESH_CASES.to_owned()),
        // One, as their tests have.
        cases_of_engines: None,
    };
    let (good, rows) = hold(&what)?;
    let broken = || rows.iter().filter(|row| row.report["outcome"] == "broken");
    for row in broken() {
        println!(
            "{}: {}: {}",
            row.transport,
            row.law,
            row.report["why"].as_str().unwrap_or_default()
        );
    }
    let passed = good && broken().next().is_none() && !rows.is_empty();
    println!("{:<8} conformance with a fresh seed", if passed { "ok" } else { "FAILED" });
    Ok(Counts::one(passed))
}

/// A seed that the random state of this process chooses.
fn fresh_seed() -> String {
    use std::hash::{BuildHasher, RandomState};
    let seed = RandomState::new().hash_one(0) >> 1;
    println!("the seed of this run: {seed}");
    seed.to_string()
}

/// Runs the laws of all transports. Whether all programs succeeded, and what became of each law.
fn hold(what: &Selection) -> Result<(bool, Vec<Row>)> {
    let reports = sh::target()?.join("conformance");
    let (mut good, mut rows) = (true, Vec::new());
    for target in targets()? {
        // What an earlier run left is none of ours.
        let _ = fs::remove_dir_all(&reports);
        fs::create_dir_all(&reports).map_err(|e| format!("{}: {e}", reports.display()))?;
        let mut command = sh::command(&target.path, ["--quiet"]);
        command.current_dir(&target.folder).env("TRANSSHIP_REPORT", &reports);
        let given = what.variables.iter();
        command.envs(given.filter_map(|(name, value)| Some((name, value.as_ref()?))));
        let (filter, cases) = if is_engine(&target) {
            (Some(KIT), &what.cases_of_engines)
        } else {
            (what.law.as_deref(), &what.cases)
        };
        command.envs(what.law.iter().map(|law| ("TRANSSHIP_LAW", law)));
        command.args(filter).envs(cases.iter().map(|cases| ("TRANSSHIP_CASES", cases)));
        good &= sh::cargo_quietly(&mut command)?;
        let found = read(&reports)?;
        let chosen =
            what.variables.iter().any(|(name, value)| *name == TRANSPORT && value.is_some());
        if found.is_empty() && is_engine(&target) && !chosen {
            eprintln!("{}: no law ran; is its engine installed?", target.folder.display());
        }
        keep(&target.folder, &found)?;
        rows.extend(found);
    }
    Ok((good, rows))
}

/// The tests of an engine that hold it to all laws. Without the engine they are skipped.
const KIT: &str = "kit::";

fn is_engine(target: &Program) -> bool {
    ["containerd", "docker-daemon", "containers-storage"]
        .iter()
        .any(|of| target.folder.ends_with(of))
}

/// The test targets named `conformance`, and those of the kit's own transports in memory: of many images, of one, of OCI
/// manifests alone and of tars; and the tests of engines. The scaffold is left out: `new-transport --check` makes it and runs its
/// laws.
fn targets() -> Result<Vec<Program>> {
    let names = ["conformance", "memory", "oci_alone", "single", "tars", "engine", "podman"];
    let mut programs = built::tests(&names)?;
    programs.retain(|it| {
        it.name == "conformance" || it.folder.ends_with("conformance") || is_engine(it)
    });
    Ok(programs)
}

fn read(folder: &Path) -> Result<Vec<Row>> {
    let failed = |e| format!("{}: {e}", folder.display());
    let mut rows = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let text = fs::read_to_string(entry.map_err(failed)?.path()).map_err(failed)?;
        let report: Value =
            serde_json::from_str(&text).map_err(|e| format!("a report is no JSON: {e}"))?;
        let field = |name: &str| report[name].as_str().unwrap_or_default().to_owned();
        rows.push(Row { transport: field("transport"), law: field("law"), report: report.clone() });
    }
    let order = |row: &Row| row.report["order"].as_u64();
    rows.sort_by(|a, b| (&a.transport, order(a)).cmp(&(&b.transport, order(b))));
    Ok(rows)
}

/// Keeps the cases that failed, so that they run first from now on.
fn keep(package: &Path, rows: &[Row]) -> Result<()> {
    let path = package.join(KEPT);
    let there = fs::read_to_string(&path).unwrap_or_default();
    for Row { transport, law, report } in rows {
        let Some([seed, case]) = report["replay"].as_array().map(Vec::as_slice) else { continue };
        let line = format!("{transport} {law} {seed} {case}");
        if there.lines().any(|known| known == line) {
            continue;
        }
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let written = file.and_then(|mut file| writeln!(file, "{line}"));
        written.map_err(|e| format!("{}: {e}", path.display()))?;
        println!("kept in {}: {line}", path.display());
    }
    Ok(())
}

fn print(rows: &[Row]) {
    let transports: BTreeSet<&str> = rows.iter().map(|row| row.transport.as_str()).collect();
    // In the order in which to read them: what fails first may explain the rest.
    let mut laws: Vec<&Row> = rows.iter().collect();
    laws.sort_by_key(|row| row.report["order"].as_u64());
    let mut laws: Vec<&str> = laws.iter().map(|row| row.law.as_str()).collect();
    laws.dedup();
    // Of several fixtures of one transport, together.
    let mut reports: BTreeMap<(&str, &str), Vec<&Value>> = BTreeMap::new();
    for row in rows {
        reports.entry((&row.law, &row.transport)).or_default().push(&row.report);
    }
    let cells: BTreeMap<_, _> = reports.iter().map(|(of, all)| (*of, cell(all))).collect();
    let wide = laws.iter().map(|law| law.len()).max().unwrap_or_default();
    print!("{:wide$}", "law");
    for transport in &transports {
        print!("  {transport:>15}");
    }
    println!();
    for law in &laws {
        print!("{law:wide$}");
        for transport in &transports {
            let cell = cells.get(&(*law, *transport)).map_or("did not run", String::as_str);
            print!("  {cell:>15}");
        }
        println!();
    }
    print!("{:wide$}", "laws that held");
    for transport in &transports {
        print!("  {:>15}", total(rows.iter().filter(|row| row.transport == **transport)));
    }
    println!();
    for row in rows.iter().filter(|row| row.report["outcome"] == "broken") {
        let why = row.report["why"].as_str().unwrap_or_default();
        println!("\n{}: {}: {why}", row.transport, row.law);
    }
}

/// How many laws held, and how long all took.
fn total<'r>(rows: impl Iterator<Item = &'r Row>) -> String {
    let (mut held, mut millis) = (BTreeSet::new(), 0);
    for row in rows {
        if row.report["outcome"] == "held" {
            held.insert(&row.law);
        }
        millis += row.report["millis"].as_u64().unwrap_or_default();
    }
    format!("{} in {} s", held.len(), millis / 1000)
}

fn cell(reports: &[&Value]) -> String {
    let any = |outcome: &str| reports.iter().any(|report| report["outcome"] == outcome);
    let sum = |field: &str| reports.iter().filter_map(|report| report[field].as_u64()).sum::<u64>();
    if any("broken") {
        "BROKEN".to_owned()
    } else if any("held") {
        format!("{} in {} ms", sum("cases"), sum("millis"))
    } else {
        "not run".to_owned()
    }
}
