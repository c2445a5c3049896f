//! [`Bench`]: changes a place, cuts it short, and looks at what is there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::Cut;
use super::case::{Case, Change};
use super::disk::{Mounted, Random, leftovers};
use crate::scale::make::{self, Shape};
use crate::sh::{self, Result};

/// The name of the image that comes or goes.
const NEW: &str = "docker.io/example/scale:3";

/// Where the images are, and where they are copied to.
pub(super) struct Bench {
    transship: PathBuf,
    /// Archives: three images, and a fourth that shares a layer with them.
    old: PathBuf,
    new: PathBuf,
    new_size: u64,
    folder: PathBuf,
}

/// What a place holds before and after a change.
struct Ends {
    before: Vec<String>,
    after: Vec<String>,
    took: Duration,
}

impl Bench {
    /// With images of so many MiB.
    pub(super) fn new(mib: u64) -> Result<Self> {
        let folder = sh::target()?.join(format!("torture-{}", std::process::id()));
        fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        let (old, new) = (folder.join("old.tar"), folder.join("new.tar"));
        make::archive(&Shape::alike(0, 3, mib), &old)?;
        make::archive(&Shape::alike(3, 1, mib), &new)?;
        let new_size = fs::metadata(&new).map_err(|e| e.to_string())?.len();
        Ok(Self { transship: sh::transship()?, old, new, new_size, folder })
    }

    /// Cuts a change short, again and again.
    pub(super) fn cut(
        &self,
        case: &Case,
        cut: Cut,
        rounds: u64,
        random: &mut Random,
    ) -> Result<String> {
        let template = self.folder.join("template");
        fresh(&template)?;
        self.prepare(case, &template)?;
        let work = self.folder.join("work");
        fresh(&work)?;
        let ends = self.ends(case, &template, &work)?;
        let mounted = match cut {
            Cut::Starved => Some(Mounted::new(&work)?),
            _ => None,
        };
        let (mut old, mut new) = (0, 0);
        for round in 0..rounds {
            let here = work.join(format!("round-{round}"));
            let at = || format!("round {round}");
            copy_tree(&template, &here)?;
            let how = self.cut_once(case, cut, &here, &ends, random, mounted.as_ref())?;
            let found = self.holds(case, &here).map_err(|e| format!("{}, {how}: {e}", at()))?;
            // Collected or not, the images are the same.
            if found == ends.before && found != ends.after {
                old += 1;
            } else if found == ends.after {
                new += 1;
            } else {
                return Err(format!("{}, {how}: {found:?} is neither old nor new", at()));
            }
            if let Some(mounted) = &mounted {
                mounted.leave(4 * self.new_size)?;
            }
            self.retry(case, &here, &found, &ends).map_err(|e| format!("{}, {how}: {e}", at()))?;
            fs::remove_dir_all(&here).map_err(|e| format!("{}: {e}", here.display()))?;
        }
        drop(mounted);
        Ok(format!("{rounds} times within {:.2?}: old in {old}, new in {new}", ends.took))
    }

    /// A place that the change is made to.
    fn prepare(&self, case: &Case, folder: &Path) -> Result<()> {
        let old = format!("docker-archive:{}", self.old.display());
        if case.is_single() {
            let one = format!("{old}:example/scale:0");
            return self.do_it(&["copy", &one, &place(case, folder)]);
        }
        self.do_it(&["copy", "--all-images", &old, &place(case, folder)])?;
        if matches!(case.change, Change::Delete | Change::Gc) {
            self.do_it(&self.joining(case, folder))?;
        }
        if case.change == Change::Gc {
            self.do_it(&["delete", &format!("{}:{NEW}", place(case, folder))])?;
        }
        Ok(())
    }

    /// The change, uncut.
    fn ends(&self, case: &Case, template: &Path, work: &Path) -> Result<Ends> {
        let here = work.join("whole");
        copy_tree(template, &here)?;
        let before = self.holds(case, &here)?;
        let began = Instant::now();
        sh::stdout(&mut self.change(case, &here))?;
        let took = began.elapsed();
        let after = self.holds(case, &here)?;
        if (before == after) != (case.change == Change::Gc) {
            return Err(format!("{before:?} became {after:?}"));
        }
        fs::remove_dir_all(&here).map_err(|e| e.to_string())?;
        Ok(Ends { before, after, took })
    }

    fn cut_once(
        &self,
        case: &Case,
        cut: Cut,
        here: &Path,
        ends: &Ends,
        random: &mut Random,
        mounted: Option<&Mounted<'_>>,
    ) -> Result<String> {
        if let Some(mounted) = mounted {
            // What needs no room still needs a page or two.
            let room = random.next() % (room(case, here, self.new_size)? * 5 / 4);
            mounted.leave(room)?;
            let code = sh::finish(&mut self.change(case, here))?.status.code();
            return match code {
                Some(0 | 1) => Ok(format!("with {room} bytes of room")),
                code => Err(format!("with {room} bytes of room it ended with {code:?}")),
            };
        }
        let delay = random.below(ends.took.mul_f64(1.1));
        let mut command = self.change(case, here);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|e| e.to_string())?;
        sleep(delay);
        // It may have ended.
        if cut == Cut::Killed {
            let _ = child.kill();
        } else if child.try_wait().map_err(|e| e.to_string())?.is_none() {
            let pid = child.id().to_string();
            let _ = sh::finish(&mut sh::command("kill", ["-INT", &pid]));
        }
        let status = child.wait().map_err(|e| e.to_string())?;
        let how = format!("{cut:?} after {delay:?}");
        // Before it handles the signal, a process dies of it.
        match (cut, status.code()) {
            (Cut::Killed, _) | (_, Some(0 | 130) | None) => Ok(how),
            (_, code) => Err(format!("{how}: it ended with {code:?}")),
        }
    }

    /// The same change, uncut, leaves nothing over.
    fn retry(&self, case: &Case, here: &Path, found: &[String], ends: &Ends) -> Result<()> {
        // What is gone cannot be deleted again.
        if case.change != Change::Delete || found == ends.before {
            sh::stdout(&mut self.change(case, here))?;
        }
        let found = self.holds(case, here)?;
        if found != ends.after {
            return Err(format!("the retry left {found:?}, not {:?}", ends.after));
        }
        if case.collects() {
            self.do_it(&["gc", "--delete", "--min-age", "0", &place(case, here)])?;
            let words = ["gc", "--min-age", "0", "--json", &place(case, here)];
            let said = sh::json(&mut sh::command(&self.transship, words))?;
            let left = said["garbage"].as_array().is_none_or(|left| !left.is_empty());
            let spared = said["spared"].as_array().is_none_or(|left| !left.is_empty());
            if left || spared {
                return Err(format!("gc left {said}"));
            }
            if self.holds(case, here)? != ends.after {
                return Err("gc took an image".to_owned());
            }
        }
        leftovers(here)
    }

    /// The change as a command.
    fn change(&self, case: &Case, here: &Path) -> Command {
        let place = place(case, here);
        let new = format!("docker-archive:{}", self.new.display());
        let named = format!("{place}:{NEW}");
        let words = match case.change {
            Change::Append => return self.command(&self.joining(case, here)),
            Change::Replace => vec!["copy", "--replace", &new, &place],
            Change::Delete => vec!["delete", &named],
            Change::Gc => vec!["gc", "--delete", "--min-age", "0", &place],
        };
        self.command(&words)
    }

    fn joining(&self, case: &Case, here: &Path) -> Vec<String> {
        let new = format!("docker-archive:{}", self.new.display());
        let words = ["copy", "--append", &new, &place(case, here)];
        words.map(str::to_owned).to_vec()
    }

    fn command<S: AsRef<str>>(&self, words: &[S]) -> Command {
        let words = words.iter().map(AsRef::as_ref).chain(["--quiet"]);
        sh::command(&self.transship, words)
    }

    fn do_it<S: AsRef<str>>(&self, words: &[S]) -> Result<()> {
        sh::stdout(&mut self.command(words)).map(drop)
    }

    /// The image IDs at the place, all of them verified.
    fn holds(&self, case: &Case, folder: &Path) -> Result<Vec<String>> {
        let place = place(case, folder);
        self.do_it(&["verify", &place])?;
        let listed = sh::json(&mut sh::command(&self.transship, ["list", "--json", &place]))?;
        let images = listed["images"].as_array().ok_or("list --json has no images")?;
        let mut ids: Vec<String> = images.iter().map(|image| text(&image["image_id"])).collect();
        ids.sort();
        Ok(ids)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // What cannot be removed now is in the target folder.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// What the change may need of a disk.
fn room(case: &Case, here: &Path, new: u64) -> Result<u64> {
    let path = here.join(case.place);
    match case.change {
        Change::Append | Change::Replace if path.is_dir() => Ok(new),
        // The archive is written anew beside the old one.
        _ if path.is_file() => Ok(new + fs::metadata(&path).map_err(|e| e.to_string())?.len()),
        _ => Ok(1 << 14),
    }
}

fn place(case: &Case, folder: &Path) -> String {
    format!("{}:{}", case.scheme, folder.join(case.place).display())
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    let words = ["-a", &from.display().to_string(), &to.display().to_string()];
    sh::stdout(&mut sh::command("cp", words)).map(drop)
}

/// An empty folder.
fn fresh(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            return Err(format!("{}: {e}", folder.display()));
        }
        _ => {}
    }
    fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
