//! `cargo xtask trace`, `conformance --trace`: what the traits cannot see, looked at from below, with strace over a command.
//!
//! Parsing a reference does no I/O; files are synced before they are renamed, and folders after; nothing outside the
//! place is touched; reading changes nothing. [`rules`] judges what [`calls`] has read.

// The conformance kit holds the transports of all authors to durability by the same calls.
#[path = "../../../conformance/src/trace/calls.rs"]
mod calls;
mod rules;

use std::fs;
use std::path::{Path, PathBuf};

use crate::args::Args;
use crate::sh::{self, Result};

/// A command that is traced.
struct Case {
    name: &'static str,
    words: &'static [&'static str],
    rule: Rule,
}

/// What has to hold.
#[derive(Clone, Copy)]
enum Rule {
    /// The place is not touched at all.
    NoIo,
    /// Nothing is changed anywhere.
    Reads,
    /// What is written is durable before it shows, and nothing else is touched.
    Writes,
}

/// `@` stands for the place, in the order in which they run.
const CASES: &[Case] = &[
    Case { name: "parse", words: &["reference", "@"], rule: Rule::NoIo },
    Case { name: "write", words: &["copy", "--quiet", "hello:@0", "@"], rule: Rule::Writes },
    Case { name: "parse what is there", words: &["reference", "@"], rule: Rule::NoIo },
    Case { name: "list", words: &["list", "@"], rule: Rule::Reads },
    Case { name: "verify", words: &["verify", "--quiet", "@"], rule: Rule::Reads },
    Case {
        name: "replace",
        words: &["copy", "--quiet", "--replace", "hello:@0", "@"],
        rule: Rule::Writes,
    },
];

/// What changes a place that stays, where joining is another way of writing than replacing.
const CHANGES: &[Case] = &[
    Case { name: "join", words: &["copy", "--quiet", "hello:@1", "@:other"], rule: Rule::Writes },
    Case { name: "delete", words: &["delete", "@:other"], rule: Rule::Writes },
    Case { name: "look for garbage", words: &["gc", "@"], rule: Rule::Reads },
    Case { name: "collect", words: &["gc", "--delete", "--min-age", "0", "@"], rule: Rule::Writes },
];

/// Our transports on disk, and whether places of theirs can be joined and cleaned up.
const OURS: &[(&str, bool)] =
    &[("dir", false), ("docker-archive", false), ("oci", true), ("oci-archive", false)];

/// Looks at a program with any transport whose places are paths: `trace [--program FILE] [--scheme NAME] [--changes]`.
pub(crate) fn of_a_program(args: &mut Args) -> Result<bool> {
    let (program, scheme) = (args.value("--program")?, args.value("--scheme")?);
    let changes = args.flag("--changes");
    args.finish()?;
    match (program, scheme) {
        (None, None) => run(None),
        (None, Some(scheme)) if OURS.iter().any(|(ours, _)| *ours == scheme) => run(Some(&scheme)),
        (Some(program), Some(scheme)) => look_at(PathBuf::from(program), &[(&scheme, changes)]),
        _ => {
            Err("trace wants --program, a command with that transport linked, and --scheme".into())
        }
    }
}

/// Looks at all transports of our own, or at one.
pub(crate) fn run(only: Option<&str>) -> Result<bool> {
    let asked = OURS.iter().copied().filter(|(scheme, _)| only.is_none_or(|only| only == *scheme));
    look_at(built()?, &asked.collect::<Vec<_>>())
}

fn look_at(transship: PathBuf, schemes: &[(&str, bool)]) -> Result<bool> {
    let strace = sh::find("strace").ok_or("strace is not installed (Debian: strace)")?;
    let tracer = Tracer { strace, transship, hello: sh::root().join("examples/data/hello.tar") };
    let mut failed = 0;
    for (scheme, changed) in schemes {
        let folder = sh::target()?.join(format!("trace-{}-{scheme}", std::process::id()));
        for made in [&folder, &folder.with_extension("cache")] {
            fs::create_dir_all(made).map_err(|e| format!("{}: {e}", made.display()))?;
        }
        let changes = if *changed { CHANGES } else { &[] };
        for case in CASES.iter().chain(changes) {
            let complaints = tracer.look(case, scheme, &folder)?;
            println!(
                "{:<8}{scheme} {}",
                if complaints.is_empty() { "ok" } else { "FAILED" },
                case.name
            );
            for complaint in &complaints {
                println!("        {complaint}");
            }
            failed += complaints.len();
        }
        for made in [&folder, &folder.with_extension("cache")] {
            fs::remove_dir_all(made).map_err(|e| format!("{}: {e}", made.display()))?;
        }
    }
    Ok(failed == 0)
}

/// The command, built for debugging: it makes the same calls.
fn built() -> Result<PathBuf> {
    if let Some(other) = std::env::var_os("TRANSSHIP") {
        return Ok(PathBuf::from(other));
    }
    if !sh::cargo_quietly(&mut sh::cargo(["build", "--quiet", "-p", "transship-cli"]))? {
        return Err("the command does not build".to_owned());
    }
    Ok(sh::target()?.join("debug/transship"))
}

struct Tracer {
    strace: PathBuf,
    transship: PathBuf,
    hello: PathBuf,
}

impl Tracer {
    fn look(&self, case: &Case, scheme: &str, folder: &Path) -> Result<Vec<String>> {
        let place = format!("{scheme}:{}", folder.join("place").display());
        let hello = format!("docker-archive:{}", self.hello.display());
        let words = case.words.iter().map(|word| match word.split_once(':') {
            Some(("hello", rest)) => format!("{hello}:{rest}"),
            _ => word.replacen('@', &place, usize::from(word.starts_with('@'))),
        });
        let log = folder.with_extension("strace");
        let traced = ["-f", "-y", "-qq", "-s", "0", "-e", "trace=%file,%desc", "-o"];
        let mut command = sh::command(&self.strace, traced);
        command.arg(&log).arg(&self.transship).args(words);
        // Where unnamed temporary files go, and what is remembered of blobs: they are no part of the place.
        let cache = folder.with_extension("cache");
        command.env("TMPDIR", folder.join("spool")).env("XDG_CACHE_HOME", &cache);
        fs::create_dir_all(folder.join("spool"))
            .map_err(|e| format!("{}: {e}", folder.display()))?;
        sh::stdout(&mut command)?;
        let text = fs::read(&log).map_err(|e| format!("{}: {e}", log.display()))?;
        fs::remove_file(&log).map_err(|e| format!("{}: {e}", log.display()))?;
        let calls = calls::parse(&String::from_utf8_lossy(&text));
        if calls.is_empty() {
            return Err(format!("strace says nothing of {}", sh::show(&command)));
        }
        Ok(match case.rule {
            Rule::NoIo => rules::no_io(&calls, folder),
            Rule::Reads => rules::reads(&calls),
            Rule::Writes => rules::writes(&calls, folder, &cache),
        })
    }
}
