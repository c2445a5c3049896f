//! [`Bench`]: places, how they change, and what they hold.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::case::{Case, Change};
use super::disk::leftovers;
use crate::scale::make::{self, Shape};
use crate::sh::{self, Result};

/// The name of the image that comes or goes.
const NEW: &str = "docker.io/example/scale:3";
/// Blobs that no image ever needed, for `gc`.
const GARBAGE: u32 = 400;

/// Where the images are, and where they are copied to.
pub(super) struct Bench {
    transship: PathBuf,
    /// Archives: three images, and a fourth that shares a layer with them.
    old: PathBuf,
    new: PathBuf,
    pub(super) new_size: u64,
    pub(super) folder: PathBuf,
}

/// What a place holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// The image IDs, sorted.
    pub(super) images: Vec<String>,
    /// The blobs of a layout, all of them true; none of other places.
    pub(super) blobs: BTreeSet<String>,
}

/// What a place holds before and after a change.
pub(super) struct Ends {
    pub(super) before: Held,
    pub(super) after: Held,
    /// The blobs of a layout after the change and `gc`.
    needed: BTreeSet<String>,
    pub(super) took: Duration,
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
        let transship = sh::transship()?;
        println!("torture: {}", transship.display());
        Ok(Self { transship, old, new, new_size, folder })
    }

    /// A place that the change is made to.
    pub(super) fn prepare(&self, case: &Case, folder: &Path) -> Result<()> {
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
            (0..GARBAGE).try_for_each(|number| litter(&folder.join(case.place), number))?;
        }
        Ok(())
    }

    /// The change, uncut.
    pub(super) fn ends(&self, case: &Case, template: &Path, work: &Path) -> Result<Ends> {
        let here = work.join("whole");
        copy_tree(template, &here)?;
        let before = self.holds(case, &here)?;
        let began = Instant::now();
        sh::stdout(&mut self.change(case, &here))?;
        let took = began.elapsed();
        let after = self.holds(case, &here)?;
        if (before.images == after.images) != (case.change == Change::Gc) || before == after {
            return Err(format!("{before:?} became {after:?}"));
        }
        if case.collects() {
            self.do_it(&["gc", "--delete", "--min-age", "0", &place(case, &here)])?;
        }
        let needed = self.holds(case, &here)?.blobs;
        fs::remove_dir_all(&here).map_err(|e| e.to_string())?;
        Ok(Ends { before, after, needed, took })
    }

    /// The same change, uncut, leaves nothing over.
    pub(super) fn retry(&self, case: &Case, here: &Path, found: &Held, ends: &Ends) -> Result<()> {
        // What is gone cannot be deleted again.
        if case.change != Change::Delete || found.images == ends.before.images {
            sh::stdout(&mut self.change(case, here))?;
        }
        let found = self.holds(case, here)?;
        if found.images != ends.after.images {
            return Err(format!("the retry left {:?}, not {:?}", found.images, ends.after.images));
        }
        if case.change == Change::Gc && found.blobs != ends.after.blobs {
            return Err(format!("the retry left {} blobs", found.blobs.len()));
        }
        if case.collects() {
            self.collected(case, here, ends)?;
        }
        leftovers(here)
    }

    /// Whether `gc` leaves what the images need, and nothing else.
    fn collected(&self, case: &Case, here: &Path, ends: &Ends) -> Result<()> {
        self.do_it(&["gc", "--delete", "--min-age", "0", &place(case, here)])?;
        let words = ["gc", "--min-age", "0", "--json", &place(case, here)];
        let said = sh::json(&mut sh::command(&self.transship, words))?;
        let left = said["garbage"].as_array().is_none_or(|left| !left.is_empty());
        let spared = said["spared"].as_array().is_none_or(|left| !left.is_empty());
        if left || spared {
            return Err(format!("gc left {said}"));
        }
        let found = self.holds(case, here)?;
        if found.images != ends.after.images {
            return Err("gc took an image".to_owned());
        }
        if found.blobs != ends.needed {
            return Err(format!("gc left {:?}, not {:?}", found.blobs, ends.needed));
        }
        Ok(())
    }

    /// The change as a command.
    pub(super) fn change(&self, case: &Case, here: &Path) -> Command {
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

    /// What is at the place, all of it verified.
    pub(super) fn holds(&self, case: &Case, folder: &Path) -> Result<Held> {
        let place = place(case, folder);
        self.do_it(&["verify", &place])?;
        let listed = sh::json(&mut sh::command(&self.transship, ["list", "--json", &place]))?;
        let images = listed["images"].as_array().ok_or("list --json has no images")?;
        let mut images: Vec<String> = images.iter().map(|image| text(&image["image_id"])).collect();
        images.sort();
        let blobs =
            if case.collects() { blobs(&folder.join(case.place))? } else { BTreeSet::new() };
        Ok(Held { images, blobs })
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // What cannot be removed now is in the target folder.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn place(case: &Case, folder: &Path) -> String {
    format!("{}:{}", case.scheme, folder.join(case.place).display())
}

pub(super) fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    let words = ["-a", &from.display().to_string(), &to.display().to_string()];
    sh::stdout(&mut sh::command("cp", words)).map(drop)
}

/// An empty folder.
pub(super) fn fresh(folder: &Path) -> Result<()> {
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

/// A blob that no image needs.
fn litter(layout: &Path, number: u32) -> Result<()> {
    let content = format!("garbage {number}");
    let path = layout.join("blobs/sha256").join(make::hex(&Sha256::digest(&content)));
    fs::write(&path, content).map_err(|e| format!("{}: {e}", path.display()))
}

/// The blobs of a layout, each hashed by `sha256sum`.
fn blobs(layout: &Path) -> Result<BTreeSet<String>> {
    let mut sums = sh::command("sh", ["-c", "sha256sum -- *"]);
    let sums = sh::text(sums.current_dir(layout.join("blobs/sha256")))?;
    let mut blobs = BTreeSet::new();
    for line in sums.lines() {
        let (sum, name) =
            line.split_once("  ").ok_or_else(|| format!("sha256sum said {line:?}"))?;
        if sum != name {
            return Err(format!("{name} holds {sum}"));
        }
        blobs.insert(name.to_owned());
    }
    Ok(blobs)
}
