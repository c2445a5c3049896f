//! What has to hold of a command's calls.

use std::collections::BTreeSet;
use std::path::Path;

use super::calls::{Call, paths};

/// Folders of the system, which programs look at when they start.
const SYSTEM: &[&str] = &["/proc/", "/sys/", "/dev/", "pipe:", "socket:", "anon_inode:"];

/// Nothing in a folder is touched.
pub(super) fn no_io(calls: &[Call], folder: &Path) -> Vec<String> {
    let inside = |path: &String| Path::new(path).starts_with(folder);
    let mut touched: Vec<String> = calls.iter().flat_map(paths).filter(inside).collect();
    touched.dedup();
    touched.iter().map(|path| format!("parsing touches {path}")).collect()
}

/// Nothing is changed.
pub(super) fn reads(calls: &[Call]) -> Vec<String> {
    let changes = calls.iter().filter(|call| is_change(call));
    let changes = changes.filter(|call| paths(call).iter().any(|path| !is_none_of_ours(path)));
    changes.map(|call| format!("reading changes something: {call:?}")).collect()
}

fn is_change(call: &Call) -> bool {
    !matches!(call, Call::Looked(_) | Call::Synced(_) | Call::SyncedAll | Call::Unnamed)
}

/// Whether it is a stream, or an unnamed temporary file.
fn is_none_of_ours(path: &str) -> bool {
    SYSTEM.iter().any(|system| path.starts_with(system)) || path.ends_with("(deleted)")
}

/// What is written below a folder is synced before it is renamed, and the folders after; nothing else is touched but the
/// cache, which may be lost; and what was there is never written to.
pub(super) fn writes(calls: &[Call], folder: &Path, cache: &Path) -> Vec<String> {
    let mut state = State::default();
    for call in calls {
        let paths = paths(call);
        let changes = is_change(call);
        let outside = paths.iter().find(|path| !Path::new(path).starts_with(folder));
        if let Some(outside) = outside.filter(|_| changes) {
            let remembers = paths.iter().all(|path| Path::new(path).starts_with(cache));
            if !is_none_of_ours(outside) && !remembers {
                state.complain(format!("something outside the place is changed: {outside}"));
            }
            // An unnamed file may still get a name here.
            if !matches!(call, Call::Linked(..)) {
                continue;
            }
        }
        state.take(call);
    }
    state.end(folder)
}

/// What is not durable yet.
#[derive(Default)]
struct State {
    /// Files and folders that were made in this run.
    made: BTreeSet<String>,
    /// Files whose bytes are not synced.
    dirty: BTreeSet<String>,
    /// Folders whose entries are not synced.
    unsynced: BTreeSet<String>,
    complaints: BTreeSet<String>,
}

impl State {
    fn complain(&mut self, what: String) {
        self.complaints.insert(what);
    }

    fn take(&mut self, call: &Call) {
        match call {
            Call::Looked(_) | Call::Unnamed => {}
            Call::Made(path) => {
                self.made.insert(path.clone());
                self.entry(path);
            }
            Call::Wrote(path) => {
                if !self.made.contains(path) && !path.ends_with("(deleted)") {
                    self.complain(format!("{path} is written to where it shows"));
                }
                self.dirty.insert(path.clone());
            }
            Call::Synced(path) => {
                self.dirty.remove(path);
                self.unsynced.remove(path);
            }
            Call::SyncedAll => {
                self.dirty.clear();
                self.unsynced.clear();
            }
            Call::Renamed(from, to) => self.renamed(from, to),
            Call::Exchanged(from, to) => {
                self.durable(from, "exchanged");
                self.moved(from, &format!("{from}\0"));
                self.moved(to, from);
                self.moved(&format!("{from}\0"), to);
                self.entry(from);
                self.entry(to);
            }
            Call::Linked(from, to) => {
                self.durable(from, "linked");
                self.made.insert(to.clone());
                self.entry(to);
            }
            Call::Removed(path) => {
                let inside = |other: &String| Path::new(other).starts_with(path);
                self.dirty.retain(|other| !inside(other));
                self.unsynced.retain(|other| !inside(other));
                self.made.retain(|other| !inside(other));
            }
        }
    }

    /// A folder has another entry now.
    fn entry(&mut self, path: &str) {
        if let Some(parent) = Path::new(path).parent() {
            self.unsynced.insert(parent.display().to_string());
        }
    }

    fn renamed(&mut self, from: &str, to: &str) {
        // Within one staging folder, which shows nothing, it may be synced later.
        if !(is_staging(from) && is_staging(to)) {
            self.durable(from, "renamed");
        }
        for all in [&mut self.dirty, &mut self.unsynced, &mut self.made] {
            // What was there is gone.
            all.retain(|path| !Path::new(path).starts_with(to));
        }
        self.moved(from, to);
        self.entry(to);
    }

    /// All of it has to be synced by now.
    fn durable(&mut self, path: &str, how: &str) {
        let inside = |other: &&String| Path::new(other).starts_with(path);
        let files: Vec<_> = self.dirty.iter().filter(inside).cloned().collect();
        let folders: Vec<_> = self.unsynced.iter().filter(inside).cloned().collect();
        for file in files {
            self.complain(format!("{file} is {how} before it is synced"));
        }
        for folder in folders {
            self.complain(format!("{folder} is {how} before its entries are synced"));
        }
    }

    fn moved(&mut self, from: &str, to: &str) {
        for all in [&mut self.dirty, &mut self.unsynced, &mut self.made] {
            let moved = |path: &String| {
                let rest = path.strip_prefix(from)?;
                (rest.is_empty() || rest.starts_with('/')).then(|| format!("{to}{rest}"))
            };
            *all = all.iter().map(|path| moved(path).unwrap_or_else(|| path.clone())).collect();
        }
    }

    /// Nothing is left to be synced, except files that are being deleted.
    fn end(mut self, folder: &Path) -> Vec<String> {
        let shows = |path: &&String| !is_staging(path) && Path::new(path).starts_with(folder);
        let files: Vec<_> = self.dirty.iter().filter(shows).cloned().collect();
        let folders: Vec<_> = self.unsynced.iter().filter(shows).cloned().collect();
        for file in files {
            self.complain(format!("{file} is never synced"));
        }
        for folder in folders {
            self.complain(format!("{folder} has a new entry and is never synced"));
        }
        self.complaints.into_iter().collect()
    }
}

fn is_staging(path: &str) -> bool {
    path.contains("/.transship")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: &str = "/w";
    const CACHE: &str = "/c";

    /// A trace as commands leave it: a word for the call, and its paths.
    fn calls(text: &str) -> Vec<Call> {
        let one = |line: &str| {
            let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
            let path = |at: usize| words[at].clone();
            match words[0].as_str() {
                "look" => Call::Looked(path(1)),
                "make" => Call::Made(path(1)),
                "write" => Call::Wrote(path(1)),
                "sync" => Call::Synced(path(1)),
                "rename" => Call::Renamed(path(1), path(2)),
                "exchange" => Call::Exchanged(path(1), path(2)),
                "link" => Call::Linked(path(1), path(2)),
                _ => Call::Removed(path(1)),
            }
        };
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(one).collect()
    }

    fn judged(text: &str) -> Vec<String> {
        writes(&calls(text), Path::new(PLACE), Path::new(CACHE))
    }

    const FILE: &str = "
        make /w/.transship-1.tmp
        write /w/.transship-1.tmp
        write /w/.transship-1.tmp
        sync /w/.transship-1.tmp
        rename /w/.transship-1.tmp /w/place
        sync /w
    ";

    const FOLDER: &str = "
        make /w/.transship-1.tmp
        make /w/.transship-1.tmp/new
        make /w/.transship-1.tmp/new/a
        write /w/.transship-1.tmp/new/a
        rename /w/.transship-1.tmp/new/a /w/.transship-1.tmp/new/b
        sync /w/.transship-1.tmp/new/b
        sync /w/.transship-1.tmp/new
        rename /w/.transship-1.tmp/new /w/place
        sync /w
        remove /w/.transship-1.tmp
    ";

    #[test]
    fn what_is_right_is_not_complained_of() {
        for right in [FILE, FOLDER] {
            assert_eq!(judged(right), Vec::<String>::new(), "{right}");
            let swapped = right.replace(
                "rename /w/.transship-1.tmp /w/place",
                "exchange /w/.transship-1.tmp /w/place",
            );
            assert_eq!(judged(&swapped), Vec::<String>::new(), "{swapped}");
            let remembers = format!("make /c/new\nwrite /c/new\nrename /c/new /c/known\n{right}");
            assert_eq!(judged(&remembers), Vec::<String>::new(), "{remembers}");
        }
    }

    /// Each is a trace with one mistake, and what the complaint has to say.
    #[test]
    fn each_mistake_is_found() {
        let without = |text: &str, line: &str| {
            assert!(text.contains(line), "{line}");
            text.replacen(line, "", 1)
        };
        let mistakes = [
            (without(FILE, "sync /w/.transship-1.tmp\n"), "renamed before it is synced"),
            (without(FILE, "sync /w\n"), "never synced"),
            (
                FILE.replace(
                    "sync /w/.transship-1.tmp\n",
                    "sync /w/.transship-1.tmp\nwrite /w/.transship-1.tmp\n",
                ),
                "renamed before it is synced",
            ),
            (without(FOLDER, "sync /w/.transship-1.tmp/new/b\n"), "renamed before it is synced"),
            (without(FOLDER, "sync /w/.transship-1.tmp/new\n"), "before its entries are synced"),
            (without(FOLDER, "sync /w\n"), "never synced"),
            (FILE.replace("sync /w\n", "sync /w\nwrite /w/place\n"), "never synced"),
            (format!("{FILE}make /etc/passwd"), "outside the place"),
            (format!("{FILE}rename /w/place /elsewhere"), "outside the place"),
            (format!("{FILE}rename /w/place /c/place"), "outside the place"),
            (format!("{FILE}remove /home/me/file"), "outside the place"),
            (format!("make /w2/file\n{FILE}"), "outside the place"),
            ("write /w/place\nsync /w/place".to_owned(), "where it shows"),
            ("make /w/place\nwrite /w/place\nsync /w".to_owned(), "never synced"),
            (
                "write /x/#1(deleted)\nmake /w/a\nwrite /w/a\nlink /w/a /w/b\nsync /w/a\nsync /w"
                    .to_owned(),
                "linked before",
            ),
            (
                "make /w/a\nwrite /w/a\nexchange /w/a /w/b\nsync /w/b\nsync /w".to_owned(),
                "exchanged before",
            ),
        ];
        for (text, says) in mistakes {
            let found = judged(&text);
            assert!(found.iter().any(|one| one.contains(says)), "{says}: {found:?} of {text}");
        }
    }

    #[test]
    fn reading_and_parsing_change_and_touch_nothing() {
        let folder = Path::new(PLACE);
        assert!(reads(&calls("look /w/place\nwrite pipe:[7]\nwrite /dev/null")).is_empty());
        for change in
            ["make /w/a", "write /w/place", "rename /w/a /w/b", "remove /w/a", "link /w/a /w/b"]
        {
            assert_eq!(reads(&calls(change)).len(), 1, "{change}");
        }
        assert!(no_io(&calls("look /etc/ld.so.cache\nwrite pipe:[7]"), folder).is_empty());
        for touch in ["look /w/place", "look /w", "make /w/place"] {
            assert_eq!(no_io(&calls(touch), folder).len(), 1, "{touch}");
        }
    }
}
