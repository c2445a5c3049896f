//! `cargo xtask torture`: copies that are killed, and copies onto a disk that is too small, at random moments.
//!
//! After each, what was there before must still be there, whole, or the new image must be. In the end a copy that is
//! left alone must succeed and clean up what the killed ones left. Bounded in count; a seed makes it repeatable, as
//! far as the scheduling of the machine allows.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::args::Args;
use crate::sh::{self, Result};

pub(crate) fn run(args: &mut Args) -> Result<bool> {
    let number = |text: Option<String>, default: u64| match text {
        Some(text) => text.parse().map_err(|e| format!("{text}: {e}")),
        None => Ok(default),
    };
    let kills = number(args.value("--kills")?, 50)?;
    let seed = number(args.value("--seed")?, 1)?;
    let image = args.value("--image")?;
    args.finish()?;
    let image = match image {
        Some(image) => fs::canonicalize(&image).map_err(|e| format!("{image}: {e}"))?,
        None => crate::bench::base(&sh::target()?.join("bench"))?,
    };
    let bench = Bench {
        transship: sh::transship()?,
        old: sh::root().join("examples/data/hello.tar"),
        new: image,
        folder: sh::target()?.join(format!("torture-{}", std::process::id())),
    };
    let mut random = Random(seed);
    let mut failed = 0;
    for case in CASES {
        for (what, done) in [
            ("killed", bench.killed(case, kills, &mut random)),
            ("disk full", bench.starved(case, kills.div_ceil(5), &mut random)),
        ] {
            match done {
                Ok(said) => println!("ok      {} {what}: {said}", case.scheme),
                Err(why) => {
                    failed += 1;
                    println!("FAILED  {} {what} (seed {seed}): {why}", case.scheme);
                }
            }
        }
    }
    println!("{} passed, {failed} failed", CASES.len() * 2 - failed);
    Ok(failed == 0)
}

/// A transport, and how a second image comes to a place that has one.
struct Case {
    scheme: &'static str,
    place: &'static str,
    /// Behind the place, in the copy that makes it.
    old: &'static [&'static str],
    /// The same in the copy that is killed.
    new: &'static [&'static str],
    /// Whether the old images stay beside the new one.
    joins: bool,
}

const CASES: &[Case] = &[
    Case { scheme: "oci", place: "layout", old: &["--all-images"], new: &[], joins: true },
    Case {
        scheme: "oci-archive",
        place: "layout.tar",
        old: &["--all-images"],
        new: &["--replace"],
        joins: false,
    },
    Case {
        scheme: "docker-archive",
        place: "saved.tar",
        old: &["--all-images"],
        new: &["--replace"],
        joins: false,
    },
    Case { scheme: "dir", place: "folder", old: &[], new: &[], joins: false },
];

struct Bench {
    transship: PathBuf,
    old: PathBuf,
    new: PathBuf,
    folder: PathBuf,
}

impl Bench {
    /// Kills copies at random moments.
    fn killed(&self, case: &Case, kills: u64, random: &mut Random) -> Result<String> {
        self.prepare(case)?;
        let before = self.holds(case)?;
        let began = Instant::now();
        sh::stdout(&mut self.copy_new(case))?;
        let whole = began.elapsed();
        let after = self.holds(case)?;
        let (mut ended, mut shown) = (0, 0);
        for round in 0..kills {
            self.prepare(case)?;
            let delay = random.below(whole.mul_f64(1.1));
            if !self.kill_after(case, delay)? {
                ended += 1;
            }
            let found = self
                .holds(case)
                .map_err(|e| format!("round {round}, killed after {delay:?}: {e}"))?;
            if found == after {
                shown += 1;
            } else if found != before {
                return Err(format!(
                    "round {round}, killed after {delay:?}: {found:?} is neither old nor new"
                ));
            }
        }
        self.retry(case, &after)?;
        Ok(format!(
            "{kills} times within {whole:.1?}; {ended} had ended before, the new image showed in {shown}"
        ))
    }

    /// Copies to disks that are too small by a random amount.
    fn starved(&self, case: &Case, rounds: u64, random: &mut Random) -> Result<String> {
        let disk = self.folder.join("disk");
        let size = fs::metadata(&self.new).map_err(|e| e.to_string())?.len();
        let mut refused = 0;
        for round in 0..rounds {
            self.remove()?;
            fs::create_dir_all(&disk).map_err(|e| format!("{}: {e}", disk.display()))?;
            let room = 1_000_000 + random.next() % size;
            let mounted = Mounted::new(&disk, room)?;
            let bench = Self {
                folder: disk.clone(),
                transship: self.transship.clone(),
                old: self.old.clone(),
                new: self.new.clone(),
            };
            bench.copy_old(case)?;
            let before = bench.holds(case)?;
            let finished = sh::finish(&mut bench.copy_new(case))?;
            let found =
                bench.holds(case).map_err(|e| format!("round {round}, {room} bytes: {e}"))?;
            match finished.status.code() {
                Some(0) => {}
                Some(1) if found == before => refused += 1,
                code => {
                    return Err(format!(
                        "round {round}, {room} bytes: exit {code:?}, holds {found:?}"
                    ));
                }
            }
            leftovers(&disk)?;
            drop(mounted);
        }
        self.remove()?;
        Ok(format!("{rounds} times, {refused} refused"))
    }

    fn prepare(&self, case: &Case) -> Result<()> {
        // What a killed copy left stays: the next one has to cope with it.
        let place = self.folder.join(case.place);
        let removed =
            if place.is_dir() { fs::remove_dir_all(&place) } else { fs::remove_file(&place) };
        drop(removed);
        fs::create_dir_all(&self.folder).map_err(|e| format!("{}: {e}", self.folder.display()))?;
        self.copy_old(case)
    }

    fn copy_old(&self, case: &Case) -> Result<()> {
        let select = if case.old.is_empty() { ":@0" } else { "" };
        let from = format!("docker-archive:{}{select}", self.old.display());
        sh::stdout(&mut self.copy(case.old, &from, case)).map(drop)
    }

    fn copy_new(&self, case: &Case) -> Command {
        self.copy(case.new, &format!("docker-archive:{}", self.new.display()), case)
    }

    fn copy(&self, options: &[&str], from: &str, case: &Case) -> Command {
        let to = self.reference(case);
        let words = ["copy", "--quiet"].iter().chain(options).copied().chain([from, &to]);
        sh::command(&self.transship, words)
    }

    fn reference(&self, case: &Case) -> String {
        format!("{}:{}", case.scheme, self.folder.join(case.place).display())
    }

    /// Whether it was still running.
    fn kill_after(&self, case: &Case, delay: Duration) -> Result<bool> {
        let mut child = self.copy_new(case).spawn().map_err(|e| e.to_string())?;
        sleep(delay);
        let running = child.try_wait().map_err(|e| e.to_string())?.is_none();
        // It may end between the look and the kill.
        let _ = child.kill();
        child.wait().map_err(|e| e.to_string())?;
        Ok(running)
    }

    /// The image IDs at the place, all of them verified.
    fn holds(&self, case: &Case) -> Result<Vec<String>> {
        let place = self.reference(case);
        sh::stdout(&mut sh::command(&self.transship, ["verify", "--quiet", &place]))?;
        let listed = sh::json(&mut sh::command(&self.transship, ["list", "--json", &place]))?;
        let images = listed["images"].as_array().ok_or("list --json has no images")?;
        let mut ids: Vec<String> = images.iter().map(|image| text(&image["image_id"])).collect();
        ids.sort();
        Ok(ids)
    }

    fn retry(&self, case: &Case, after: &[String]) -> Result<()> {
        self.prepare(case)?;
        let old = self.holds(case)?;
        sh::stdout(&mut self.copy_new(case))?;
        let found = self.holds(case)?;
        if found != after {
            return Err(format!("the retry left {found:?}, not {after:?}"));
        }
        if case.joins && !old.iter().all(|id| found.contains(id)) {
            return Err(format!("the retry lost one of {old:?}"));
        }
        leftovers(&self.folder)?;
        self.remove()
    }

    fn remove(&self) -> Result<()> {
        match fs::remove_dir_all(&self.folder) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                Err(format!("{}: {e}", self.folder.display()))
            }
            _ => Ok(()),
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Fails for any staging below a folder.
fn leftovers(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))? {
        let path = entry.map_err(|e| e.to_string())?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".transship")) {
            return Err(format!("{} was left over", path.display()));
        }
        if path.is_dir() && !path.is_symlink() {
            leftovers(&path)?;
        }
    }
    Ok(())
}

/// A small disk in memory, which only root can mount.
struct Mounted<'a>(&'a Path);

impl<'a> Mounted<'a> {
    fn new(at: &'a Path, bytes: u64) -> Result<Self> {
        let size = format!("size={bytes}");
        let at_text = at.display().to_string();
        sh::stdout(&mut sh::command("mount", ["-t", "tmpfs", "-o", &size, "tmpfs", &at_text]))?;
        Ok(Self(at))
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        // Nothing to be done when it fails; the next mount goes over it.
        let _ = sh::stdout(&mut sh::command("umount", [self.0]));
    }
}

/// splitmix64: repeatable, and good enough to choose moments.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: Duration) -> Duration {
        let nanos = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX).max(1);
        Duration::from_nanos(self.next() % nanos)
    }
}
