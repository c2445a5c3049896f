//! What a power cut takes: bytes of files that were not synced, and names in folders that were not.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::calls::Call;

/// What is at stake below a folder when the calls have ended, where `before` was there. Of names that were taken away only those
/// are reported that were made durable before, in the same calls: so a journal is written, which undoes the commit if it comes
/// back. Whether another old file that comes back does harm is its format's affair.
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
    let back = disk.back.iter().filter(|path| path.starts_with(folder));
    let back = back.map(|path| {
        let (name, parent) = (name(path), path.parent().unwrap_or(folder).display());
        format!("{name} was synced and removed, and comes back: {parent} is not synced after that")
    });
    late.chain(bytes).chain(names).chain(back).collect()
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
    /// New files whose bytes are synced.
    synced: BTreeSet<PathBuf>,
    /// Those whose names are synced, too.
    durable: BTreeSet<PathBuf>,
    /// Those that were removed, in folders that were not synced since.
    back: BTreeSet<PathBuf>,
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
                self.back.remove(Path::new(path));
            }
            Call::Wrote(path) => drop(self.bytes.insert(path.into())),
            Call::Synced(path) => {
                let path = Path::new(path);
                self.bytes.remove(path);
                if self.names.contains(path) {
                    self.synced.insert(path.to_owned());
                }
                let is_in = |name: &PathBuf| name.parent() == Some(path);
                self.durable.extend(self.synced.iter().filter(|name| is_in(name)).cloned());
                self.names.retain(|name| !is_in(name));
                self.back.retain(|name| !is_in(name));
            }
            Call::SyncedAll => {
                self.bytes.clear();
                self.names.clear();
                self.back.clear();
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
            Call::Removed(path) => {
                let path = Path::new(path);
                self.back.extend(self.durable.take(path));
                self.forget(path);
            }
        }
    }

    fn renamed(&mut self, from: &Path, to: &Path) {
        let replaces = self.there.contains(to);
        self.forget(to);
        for all in self.sets() {
            let moved = |path: &PathBuf| path.strip_prefix(from).ok().map(|rest| joined(to, rest));
            *all = all.iter().map(|path| moved(path).unwrap_or_else(|| path.clone())).collect();
        }
        if replaces {
            self.late.extend(self.bytes.iter().filter(|path| path.starts_with(to)).cloned());
        }
        self.there.insert(to.into());
        self.names.insert(to.into());
    }

    /// What is known of files by their names.
    fn sets(&mut self) -> [&mut BTreeSet<PathBuf>; 6] {
        let Self { there, bytes, names, late, synced, durable, back: _ } = self;
        [there, bytes, names, late, synced, durable]
    }

    fn forget(&mut self, path: &Path) {
        for all in self.sets() {
            all.retain(|other| !other.starts_with(path));
        }
    }
}

/// Nothing joined would end in a slash.
fn joined(folder: &Path, rest: &Path) -> PathBuf {
    if rest.as_os_str().is_empty() { folder.to_owned() } else { folder.join(rest) }
}
