//! What a power cut takes: bytes of files that were not synced, and names in folders that were not.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::calls::Call;

/// What is at stake below a folder when the calls have ended, where `before` was there. Of names that were taken away nothing is
/// said: whether an old file that comes back does harm is its format's affair.
pub(super) fn lost(calls: &[Call], folder: &Path, before: &BTreeSet<PathBuf>) -> Vec<String> {
    let mut disk = Disk { there: before.clone(), ..Disk::default() };
    for call in calls {
        disk.take(call);
    }
    let shows = |path: &&PathBuf| path.starts_with(folder) && path.symlink_metadata().is_ok();
    let name = |path: &Path| path.strip_prefix(folder).unwrap_or(path).display().to_string();
    let late = disk.late.iter().filter(shows);
    let late = late.map(|path| format!("{} takes its place before it is synced", name(path)));
    let bytes = disk.bytes.iter().filter(shows);
    let bytes = bytes.map(|path| format!("the bytes of {} are never synced", name(path)));
    let names = disk.names.iter().filter(shows).map(|path| {
        let parent = path.parent().unwrap_or(folder);
        format!("{} is new in {}, which is never synced", name(path), parent.display())
    });
    late.chain(bytes).chain(names).collect()
}

/// What is not durable.
#[derive(Debug, Default)]
struct Disk {
    there: BTreeSet<PathBuf>,
    /// Files whose bytes are not synced.
    bytes: BTreeSet<PathBuf>,
    /// Files and folders whose names are not synced, in the folders that hold them.
    names: BTreeSet<PathBuf>,
    /// Files that took the place of others before their bytes were synced.
    late: BTreeSet<PathBuf>,
}

impl Disk {
    fn take(&mut self, call: &Call) {
        match call {
            Call::Looked(_) | Call::Unnamed => {}
            Call::Made(path) => {
                // An open that may make a file makes none where one is.
                if self.there.insert(path.into()) {
                    self.names.insert(path.into());
                }
            }
            Call::Wrote(path) => drop(self.bytes.insert(path.into())),
            Call::Synced(path) => {
                let path = Path::new(path);
                self.bytes.remove(path);
                self.names.retain(|name| name.parent() != Some(path));
            }
            Call::SyncedAll => {
                self.bytes.clear();
                self.names.clear();
            }
            Call::Renamed(from, to) => self.renamed(Path::new(from), Path::new(to)),
            Call::Exchanged(a, b) => {
                let between = PathBuf::from(format!("{a}\0"));
                self.renamed(Path::new(a), &between);
                self.renamed(Path::new(b), Path::new(a));
                self.renamed(&between, Path::new(b));
            }
            Call::Linked(from, to) => {
                if self.bytes.contains(Path::new(from)) {
                    self.bytes.insert(to.into());
                }
                self.there.insert(to.into());
                self.names.insert(to.into());
            }
            Call::Removed(path) => self.forget(Path::new(path)),
        }
    }

    fn renamed(&mut self, from: &Path, to: &Path) {
        let replaces = self.there.contains(to);
        self.forget(to);
        for all in [&mut self.there, &mut self.bytes, &mut self.names, &mut self.late] {
            let moved = |path: &PathBuf| path.strip_prefix(from).ok().map(|rest| joined(to, rest));
            *all = all.iter().map(|path| moved(path).unwrap_or_else(|| path.clone())).collect();
        }
        if replaces {
            self.late.extend(self.bytes.iter().filter(|path| path.starts_with(to)).cloned());
        }
        self.there.insert(to.into());
        self.names.insert(to.into());
    }

    fn forget(&mut self, path: &Path) {
        for all in [&mut self.there, &mut self.bytes, &mut self.names, &mut self.late] {
            all.retain(|other| !other.starts_with(path));
        }
    }
}

/// Nothing joined would end in a slash.
fn joined(folder: &Path, rest: &Path) -> PathBuf {
    if rest.as_os_str().is_empty() { folder.to_owned() } else { folder.join(rest) }
}
