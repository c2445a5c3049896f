//! Collection: blobs of a layout in a folder that no image needs.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use transship_archive::Reachable;
use transship_archive::layout::{BLOBS, INDEX_FILE, INDEX_LIMIT, LayoutIndex};
use transship_core::{
    Cancel, CollectMode, CollectOptions, Collected, Digest, Error, ErrorKind, Garbage, Kept,
    MANIFEST_LIMIT, Result, ResultExt, parse_digest,
};
use transship_local::{Lock, LockWait, Target, clean_stale, is_ours, list_folder, sync_folder};

use crate::layout::Layout;
use crate::storage::{FolderStorage, Storage, refuse_links};

/// Finds blobs that no image needs, and deletes them in [`CollectMode::Delete`].
pub(crate) fn collect(path: &Path, how: &CollectOptions, cancel: &Cancel) -> Result<Collected> {
    let target = Target::look_at(path)?.path().to_owned();
    refuse_links(&target, None)?;
    Layout::open(Box::new(FolderStorage::new(&target, None)), cancel)?;
    let blobs = target.join(BLOBS);
    let lock = match (how.mode, blobs.is_dir()) {
        // No writer's blobs go before their manifest shows.
        (CollectMode::Delete, true) => Some(Lock::exclusive(&blobs, &LockWait::from(how), cancel)?),
        _ => None,
    };
    loop {
        let index = index_bytes(&target)?;
        let survey = Survey::of(&target, &index, how, cancel)?;
        if lock.is_none() {
            return Ok(survey.found);
        }
        // Other tools take no lock, and may have listed an image meanwhile.
        if index_bytes(&target)? == index {
            survey.delete(&target, cancel)?;
            return Ok(survey.found);
        }
        cancel.check()?;
    }
}

fn index_bytes(target: &Path) -> Result<Vec<u8>> {
    let index = FolderStorage::new(target, None).document(INDEX_FILE, INDEX_LIMIT)?;
    index.ok_or_else(|| Error::new(ErrorKind::NotFound, "it has no file index.json"))
}

/// What was found in a layout.
struct Survey {
    files: BTreeMap<String, File>,
    found: Collected,
}

/// A blob.
struct File {
    digest: Digest,
    path: PathBuf,
    size: u64,
    age: Duration,
}

impl Survey {
    fn of(target: &Path, index: &[u8], how: &CollectOptions, cancel: &Cancel) -> Result<Self> {
        LayoutIndex::parse(index)?;
        let mut this = Self { files: BTreeMap::new(), found: Collected::default() };
        this.list(&target.join(BLOBS))?;
        let layout = Layout::over(Box::new(FolderStorage::new(target, None)));
        let read = |digest: &Digest| {
            cancel.check()?;
            layout.bytes_of(digest, MANIFEST_LIMIT)
        };
        let mut reach = Reachable::new(&read);
        reach.follow(index);
        this.add_about(&layout, &mut reach, cancel)?;
        cancel.check()?;
        let unreadable: Vec<Kept> = reach
            .unreadable()
            .iter()
            .map(|(digest, error)| {
                let why = format!("it cannot be read, and may need any other blob: {error}");
                Kept::new(digest.to_string(), why)
            })
            .collect();
        let everything_stays = !unreadable.is_empty();
        this.found.kept.extend(unreadable);
        for file in this.files.values().filter(|file| !reach.has(&file.digest)) {
            if everything_stays {
                let why = "it may be needed by what cannot be read";
                this.found.kept.push(Kept::new(file.digest.to_string(), why));
            } else if file.age < how.min_age {
                let why = format!(
                    "it is younger than {} s, and may belong to what is being written",
                    how.min_age.as_secs()
                );
                this.found.kept.push(Kept::new(file.digest.to_string(), why));
            } else {
                this.found.garbage.push(Garbage::new(file.digest.clone(), file.size));
            }
        }
        Ok(this)
    }

    /// The blobs there are. What is none stays.
    fn list(&mut self, blobs: &Path) -> Result<()> {
        for folder in list_folder(blobs)? {
            let Some(algorithm) = folder.file_name().and_then(|name| name.to_str()) else {
                continue;
            };
            let is_folder = folder.symlink_metadata().is_ok_and(|found| found.is_dir());
            if !is_folder || is_ours(algorithm) {
                continue;
            }
            for path in list_folder(&folder)? {
                let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                let digest = parse_digest(&format!("{algorithm}:{name}"));
                let found = match path.symlink_metadata() {
                    Ok(found) => found,
                    Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
                    Err(e) => return Err(Error::io("looking at", &path, e)),
                };
                match digest {
                    Ok(digest) if found.is_file() => {
                        let (size, age) = (found.len(), age_of(&found));
                        self.files.insert(digest.to_string(), File { digest, path, size, age });
                    }
                    _ if is_ours(name) => {}
                    _ => {
                        let what = path.display().to_string();
                        self.found.kept.push(Kept::new(what, "it is no blob"));
                    }
                }
            }
        }
        Ok(())
    }

    /// Follows manifests that are listed nowhere and about something that is reached.
    fn add_about(&self, layout: &Layout, reach: &mut Reachable<'_>, cancel: &Cancel) -> Result<()> {
        let mut about = HashMap::<Digest, Vec<&Digest>>::new();
        let small = self.files.values().filter(|file| file.size <= MANIFEST_LIMIT);
        for file in small.filter(|file| !reach.has(&file.digest)).collect::<Vec<_>>() {
            cancel.check()?;
            match subject_of(layout, file) {
                Ok(Some(subject)) => about.entry(subject).or_default().push(&file.digest),
                // Garbage may be corrupt.
                Ok(None) => {}
                Err(e) if e.kind() == ErrorKind::Corrupt => {}
                // It may be about something that is reached: then this notes that it cannot be read.
                Err(_) => reach.follow_manifest(&file.digest),
            }
        }
        let mut reached = reach.newly_reached();
        while let Some(subject) = reached.pop() {
            for digest in about.remove(&subject).unwrap_or_default() {
                reach.follow_manifest(digest);
            }
            reached.extend(reach.newly_reached());
        }
        Ok(())
    }

    fn delete(&self, target: &Path, cancel: &Cancel) -> Result<()> {
        let mut folders = BTreeSet::new();
        for garbage in &self.found.garbage {
            cancel.check()?;
            let Some(file) = self.files.get(garbage.digest.as_ref()) else { continue };
            match fs::remove_file(&file.path) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::io("removing", &file.path, e));
                }
                _ => folders.extend(file.path.parent()),
            }
        }
        folders.iter().try_for_each(|folder| sync_folder(folder))?;
        // The last blob of a digest that is seldom used takes its folder with it. That of sha256 stays: other tools may be about to
        // write to it.
        for folder in folders.iter().filter(|folder| !folder.ends_with("sha256")) {
            // It is not empty, most likely.
            let _ = fs::remove_dir(folder);
        }
        let blobs = target.join(BLOBS);
        [target, &blobs]
            .iter()
            .try_for_each(|folder| clean_stale(folder))
            .context(|| target.display())
    }
}

/// What a blob is about, if it is a manifest that says so. Blobs that do not begin as JSON does are not read.
fn subject_of(layout: &Layout, file: &File) -> Result<Option<Digest>> {
    #[derive(Deserialize)]
    struct About {
        subject: Option<Subject>,
    }
    #[derive(Deserialize)]
    struct Subject {
        digest: Option<String>,
    }
    if !layout.begins_as_json(&file.digest)? {
        return Ok(None);
    }
    let Some(bytes) = layout.bytes_of(&file.digest, MANIFEST_LIMIT)? else { return Ok(None) };
    let about = serde_json::from_slice::<About>(&bytes).ok();
    let subject = about.and_then(|about| about.subject).and_then(|subject| subject.digest);
    Ok(subject.and_then(|subject| parse_digest(&subject).ok()))
}

/// How long ago a file was written or got its name; nothing if that is to come.
fn age_of(found: &fs::Metadata) -> Duration {
    let since = |time: SystemTime| SystemTime::now().duration_since(time).unwrap_or_default();
    let written = found.modified().map(since).unwrap_or_default();
    written.min(changed(found).map_or(written, since))
}

/// When its name or owner changed last: what is moved in place keeps the time at which it was written.
#[cfg(unix)]
fn changed(found: &fs::Metadata) -> Option<SystemTime> {
    use std::os::unix::fs::MetadataExt;
    let seconds = u64::try_from(found.ctime()).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

#[cfg(not(unix))]
fn changed(_: &fs::Metadata) -> Option<SystemTime> {
    None
}
