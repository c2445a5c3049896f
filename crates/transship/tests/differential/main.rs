//! The differential campaign: archives that are mutated in every way we know of are read by us, as a file and as a pipe, and by
//! other tools. Each is refused by us, or every tool that accepts it sees the same images: config, layers, names.
//!
//! | variable | |
//! |---|---|
//! | `DIFFERENTIAL_CASES` | how many archives; 300 without it |
//! | `DIFFERENTIAL_SEED` | the first of them is made from this number; without it 1, and after that a fresh one, which is printed |
//! | `TRANSSHIP_REQUIRE_PEERS` | fail where a tool is not installed, in place of leaving it out |
//!
//! Other tools are skopeo, and Python's `tarfile` with a reader of a few lines; about one of [`LOADED_EVERY`] archives also
//! podman, docker and ctr, which load it. An archive that is read differently is kept, and
//! named with its seed: `DIFFERENTIAL_SEED=N DIFFERENTIAL_CASES=1` makes it again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
#![allow(clippy::print_stdout, reason = "a campaign says what it found")]
#![cfg(all(unix, feature = "docker-archive", feature = "oci-layout"))]

mod generate;
mod loaders;
mod mutate;
mod ours;
mod peers;
mod tar_bytes;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use generate::{Form, Made};
use loaders::Loaders;
use peers::{Python, Skopeo};

/// Of this many archives one is loaded by podman, docker and ctr: they take seconds each.
const LOADED_EVERY: u64 = 10;

/// An image as a reader sees it: the digest of its config, and those of its layers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) config: String,
    pub(crate) layers: Vec<String>,
    pub(crate) names: Vec<String>,
}

#[derive(Default)]
struct Totals {
    accepted: usize,
    refused: BTreeMap<String, usize>,
    asked: BTreeMap<&'static str, (usize, usize)>,
    disagreements: Vec<String>,
}

#[test]
fn tools_that_accept_an_archive_see_the_same_images() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let cases = number("DIFFERENTIAL_CASES").unwrap_or(300);
    let given = number("DIFFERENTIAL_SEED");
    let fresh = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() * 1_000_000;
    let seeds: Vec<u64> = match given {
        Some(seed) => (seed..seed + cases).collect(),
        None => (1..=cases / 2).chain(fresh..fresh + cases.div_ceil(2)).collect(),
    };
    println!(
        "differential: {} archives, seeds {} to {}",
        seeds.len(),
        seeds[0],
        seeds.last().unwrap()
    );
    let folder = room();
    let loaders = Mutex::new(Loaders::start(folder.path()));
    let totals = std::thread::scope(|scope| {
        let halves = seeds.chunks(seeds.len().div_ceil(2).max(1)).enumerate();
        let (folder, loaders) = (&folder, &loaders);
        let running: Vec<_> = halves
            .map(|(at, seeds)| {
                scope.spawn(move || campaign(seeds, &folder.path().join(at.to_string()), loaders))
            })
            .collect();
        running.into_iter().map(|one| one.join().unwrap()).reduce(Totals::and).unwrap()
    });
    totals.show();
    assert!(totals.disagreements.is_empty(), "{}", totals.disagreements.join("\n"));
    let shown = totals.accepted > 0 && !totals.refused.is_empty();
    // One that is made again is accepted or refused.
    assert!(shown || seeds.len() < 100, "nothing was shown");
}

/// In memory where that is possible: thousands of layouts are made durable.
fn room() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

fn campaign(seeds: &[u64], folder: &Path, loaders: &Mutex<Loaders>) -> Totals {
    std::fs::create_dir(folder).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let mut peers = Peers { python: Python::start(), skopeo: Skopeo::find(), loaders };
    let mut totals = Totals::default();
    for seed in seeds {
        let made = generate::archive(*seed);
        let path = folder.join("case.tar");
        std::fs::write(&path, &made.bytes).unwrap();
        let images = match ours(&made, &path, &runtime) {
            Ok(Ok(images)) => Ok(images),
            Ok(Err(refused)) => {
                *totals.refused.entry(reason(&refused)).or_default() += 1;
                continue;
            }
            Err(wrong) => Err(wrong),
        };
        let agreed = images.and_then(|images| {
            totals.accepted += 1;
            peers.agree(&made, &path, &images, &mut totals)?;
            let is_asked = seed % LOADED_EVERY == 0 && made.is_changed;
            if is_asked { peers.load_alike(&made, &path, &images, &mut totals) } else { Ok(()) }
        });
        if let Err(wrong) = agreed {
            let kept = keep(*seed, &made).display().to_string();
            totals.disagreements.push(format!("seed {seed} ({}): {wrong}\n  {kept}", made.what));
        }
    }
    totals
}

/// The images as we see them, or why we refuse the archive; an error where it is another one as a pipe than as a file.
fn ours(
    made: &Made,
    path: &Path,
    runtime: &tokio::runtime::Runtime,
) -> Result<Result<Vec<Option<Seen>>, String>, String> {
    let scheme = made.form.scheme();
    let read = runtime.block_on(ours::read(scheme, path));
    let file = runtime.block_on(ours::copied(scheme, path, false));
    let pipe = runtime.block_on(ours::copied(scheme, path, true));
    match (file, pipe) {
        (Ok(file), Ok(pipe)) if file != pipe => {
            Err(format!("as a file {file:?}, as a pipe {pipe:?}"))
        }
        (Ok(_), Err(error)) => Err(format!("read as a file, and as a pipe: {error}")),
        (Err(error), Ok(_)) => Err(format!("read as a pipe, and as a file: {error}")),
        _ => Ok(read),
    }
}

/// Other tools, those that are installed.
struct Peers<'a> {
    python: Option<Python>,
    skopeo: Option<Skopeo>,
    loaders: &'a Mutex<Loaders>,
}

impl Peers<'_> {
    /// Whether those that read single images see what we see, or what they see.
    fn agree(
        &mut self,
        made: &Made,
        path: &Path,
        images: &[Option<Seen>],
        totals: &mut Totals,
    ) -> Result<(), String> {
        if let (Form::Saved, Some(python)) = (made.form, &mut self.python) {
            let theirs = python.ask(path);
            totals.ask("python", theirs.is_some());
            if let Some(wrong) = theirs.and_then(|theirs| differs_from_python(images, &theirs)) {
                return Err(wrong);
            }
        }
        let Some(skopeo) = &self.skopeo else { return Ok(()) };
        if made.form == Form::Saved {
            let theirs = skopeo.names(path);
            totals.ask("skopeo's list", theirs.is_some());
            if let (Some(ours), Some(theirs)) = (names_of(images), theirs)
                && ours != theirs
            {
                return Err(format!("names: ours {ours:?}, skopeo {theirs:?}"));
            }
        }
        for (at, ours) in images.iter().enumerate() {
            let Some(ours) = ours else { continue };
            // We choose none of two by a name that both have.
            let others = images.iter().flatten().filter(|other| *other != ours);
            let shared: Vec<&String> = others.flat_map(|other| &other.names).collect();
            let name = ours.names.iter().find(|name| !shared.contains(name));
            let theirs = skopeo.ask(made.form, path, at, images.len(), name);
            totals.ask("skopeo", theirs.is_some());
            if let Some(theirs) = theirs
                && (ours.config != theirs.config || ours.layers != theirs.layers)
            {
                return Err(format!("image {at}: ours {ours:?}, skopeo {theirs:?}"));
            }
        }
        Ok(())
    }

    /// Whether those that load the archive have our images then, or what they have.
    fn load_alike(
        &self,
        made: &Made,
        path: &Path,
        images: &[Option<Seen>],
        totals: &mut Totals,
    ) -> Result<(), String> {
        let loaders = self.loaders.lock().unwrap_or_else(PoisonError::into_inner);
        for (who, theirs) in loaders.ask(path) {
            totals.ask(who, theirs.is_some());
            if let Some(wrong) =
                theirs.and_then(|theirs| differs_from_loaded(made, images, &theirs))
            {
                return Err(format!("{who}: {wrong}"));
            }
        }
        Ok(())
    }
}

/// What a tool has loaded that we do not see, or has under another name.
fn differs_from_loaded(made: &Made, ours: &[Option<Seen>], theirs: &[Seen]) -> Option<String> {
    let seen: Vec<&Seen> = ours.iter().flatten().collect();
    let is_whole = seen.len() == ours.len();
    for image in theirs {
        let same = seen.iter().find(|ours| ours.config == image.config);
        // One that we refuse alone.
        let Some(same) = same else {
            if is_whole {
                return Some(format!("ours {ours:?}, theirs {image:?}"));
            }
            continue;
        };
        if same.layers != image.layers {
            return Some(format!("layers: ours {same:?}, theirs {image:?}"));
        }
        for name in image.names.iter().map(|name| full_name(name)) {
            let have =
                |ours: &&&Seen| ours.names.iter().any(|ours| made.form.same_name(ours, &name));
            // Of two images with a name the last one keeps it there; we choose none by it.
            let of: Vec<_> = seen.iter().filter(have).collect();
            if is_whole && !of.iter().any(|ours| ours.config == image.config) {
                return Some(format!("name {name}: ours {ours:?}, theirs {image:?}"));
            }
        }
    }
    None
}

fn differs_from_python(ours: &[Option<Seen>], theirs: &[Option<Seen>]) -> Option<String> {
    if ours.len() != theirs.len() {
        return Some(format!("ours {} images, python {}", ours.len(), theirs.len()));
    }
    let both = ours.iter().zip(theirs).enumerate();
    let mut both =
        both.filter_map(|(at, (ours, theirs))| Some((at, ours.as_ref()?, theirs.as_ref()?)));
    both.find(|(_, ours, theirs)| !are_alike(ours, theirs))
        .map(|(at, ours, theirs)| format!("image {at}: ours {ours:?}, python {theirs:?}"))
}

/// A name that is written twice is one.
fn are_alike(one: &Seen, other: &Seen) -> bool {
    let names = |seen: &Seen| seen.names.iter().cloned().collect::<BTreeSet<_>>();
    one.config == other.config && one.layers == other.layers && names(one) == names(other)
}

/// All names; `None` where one image is refused, whose names are not seen.
fn names_of(images: &[Option<Seen>]) -> Option<BTreeSet<String>> {
    let seen = images.iter().map(Option::as_ref).collect::<Option<Vec<_>>>()?;
    Some(seen.into_iter().flat_map(|image| image.names.iter().cloned()).collect())
}

/// A name as we show it: docker's own host is written out.
pub(crate) fn full_name(name: &str) -> String {
    if name.contains('/') { name.to_owned() } else { format!("docker.io/library/{name}") }
}

/// A refusal without what is of this archive alone.
fn reason(error: &str) -> String {
    let text = error.rsplit(": ").next().unwrap_or(error);
    let text = text.split("sha256:").next().filter(|text| !text.is_empty()).unwrap_or("a digest");
    let text: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let mut quoted = false;
    let plain: String = text
        .chars()
        .filter(|c| {
            quoted ^= *c == '"';
            !quoted && *c != '"'
        })
        .collect();
    plain.chars().take(90).collect()
}

fn keep(seed: u64, made: &Made) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("differential");
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("{seed}.tar"));
    std::fs::write(&path, &made.bytes).unwrap();
    path
}

impl Totals {
    fn ask(&mut self, who: &'static str, accepted: bool) {
        let (asked, yes) = self.asked.entry(who).or_default();
        *asked += 1;
        *yes += usize::from(accepted);
    }

    fn and(mut self, other: Self) -> Self {
        self.accepted += other.accepted;
        for (reason, count) in other.refused {
            *self.refused.entry(reason).or_default() += count;
        }
        for (who, (asked, yes)) in other.asked {
            let mine = self.asked.entry(who).or_default();
            *mine = (mine.0 + asked, mine.1 + yes);
        }
        self.disagreements.extend(other.disagreements);
        self
    }

    fn show(&self) {
        let refused: usize = self.refused.values().sum();
        println!(
            "differential: {} accepted, {refused} refused, {} read differently",
            self.accepted,
            self.disagreements.len()
        );
        for (who, (asked, yes)) in &self.asked {
            println!("  {who}: asked of {asked} images or archives, accepted {yes}");
        }
        let mut reasons: Vec<_> = self.refused.iter().collect();
        reasons.sort_by_key(|(reason, count)| (std::cmp::Reverse(**count), (*reason).clone()));
        for (reason, count) in reasons {
            println!("  {count:>6} {reason}");
        }
    }
}
