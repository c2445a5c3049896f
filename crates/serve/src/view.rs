//! [`View`]: all images at one time, by name and by digest.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;
use transship_core::{Descriptor, Digest, Error, ErrorKind, Observer, Result};

use crate::chunks::Chunks;
use crate::image::{Image, Opened};
use crate::index::{FindReferrers, Index};
use crate::names::FullName;
use crate::place::{Place, ReadPlace};
use crate::verdict::Verdicts;

/// All images, as they were when the places were last read.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) repositories: BTreeMap<FullName, Named>,
    /// The repositories of each path, whatever their hosts.
    paths: HashMap<String, Vec<FullName>>,
    images: Vec<Slot>,
    places: Arc<[Place]>,
    known: Mutex<Known>,
    /// Of the blobs, since then.
    pub(crate) verdicts: Arc<Verdicts>,
    /// Of all views of a registry.
    pub(crate) chunks: Arc<Chunks>,
    observer: Observer,
}

/// The images of a repository.
#[derive(Debug, Default)]
pub(crate) struct Named {
    /// The images that have each tag: of several, one in each place at most, in the order of the places.
    pub(crate) tags: BTreeMap<String, Vec<usize>>,
    pub(crate) images: Vec<usize>,
}

#[derive(Debug)]
struct Slot {
    image: Arc<Image>,
    place: usize,
    indexed: OnceCell<()>,
    /// Those that it was found to have.
    manifests: Mutex<HashSet<Digest>>,
}

/// What was found in the images that were indexed.
#[derive(Debug, Default)]
struct Known {
    manifests: HashMap<Digest, Held>,
    blobs: HashMap<Digest, Held>,
}

/// A descriptor, and an image of each place that has it.
#[derive(Clone, Debug)]
struct Held {
    descriptor: Descriptor,
    images: Vec<usize>,
}

/// What is asked for by digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Manifest,
    Blob,
}

/// The most images by which one place is asked: those that cannot be opened are passed over.
const TRIED: usize = 16;

/// A place that is asked about a manifest.
#[derive(Debug)]
pub(crate) struct AskedPlace {
    /// Images by which it is asked.
    pub(crate) images: Vec<usize>,
    /// Whether it has images of the repository, or the manifest.
    pub(crate) may_know: bool,
}

/// Why a name is no repository.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoRepository {
    Unknown,
    Ambiguous(Vec<FullName>),
}

impl View {
    pub(crate) fn new(
        places: Arc<[Place]>,
        read: &[Arc<ReadPlace>],
        chunks: Arc<Chunks>,
        observer: Observer,
    ) -> Self {
        let mut repositories = BTreeMap::<FullName, Named>::new();
        let mut images = Vec::<Slot>::new();
        for (place, image) in
            read.iter().enumerate().flat_map(|(at, read)| read.images.iter().map(move |i| (at, i)))
        {
            for one in &image.served {
                let named = repositories.entry(one.repository.clone()).or_default();
                if named.images.last() != Some(&images.len()) {
                    named.images.push(images.len());
                }
                if let Some(tag) = &one.tag {
                    let tagged = named.tags.entry(tag.clone()).or_default();
                    // In one place, the first counts: also of an image that has the name in two forms.
                    let last = tagged.last().map(|last| images.get(*last).map(|slot| slot.place));
                    if last.is_none_or(|last| last.is_some_and(|last| last != place)) {
                        tagged.push(images.len());
                    }
                }
            }
            images.push(Slot::new(image, place));
        }
        let mut paths = HashMap::<String, Vec<FullName>>::new();
        for name in repositories.keys() {
            paths.entry(name.path.clone()).or_default().push(name.clone());
        }
        let (known, verdicts) = (Mutex::default(), Arc::default());
        Self { repositories, paths, images, places, known, verdicts, chunks, observer }
    }

    /// The repository that a path means: the one of that host, where the request names it; the one of that full name; the only
    /// one of that path. `library/` may be left out, as people do.
    pub(crate) fn find(&self, path: &str, host: Option<&str>) -> Result<&FullName, NoRepository> {
        let known = |name: &FullName| self.repositories.get_key_value(name).map(|(name, _)| name);
        let of_host = host.and_then(|host| known(&FullName::new(host, path)));
        let whole = path.split_once('/').and_then(|(host, rest)| known(&FullName::new(host, rest)));
        if let Some(found) = of_host.or(whole) {
            return Ok(found);
        }
        let library = format!("library/{path}");
        let named = self.paths.get(path).or_else(|| self.paths.get(&library));
        match named.map(Vec::as_slice) {
            None | Some([]) => Err(NoRepository::Unknown),
            Some([only]) => known(only).ok_or(NoRepository::Unknown),
            Some(several) => Err(NoRepository::Ambiguous(several.to_vec())),
        }
    }

    /// The repository that a request changes: as [`find`](Self::find), but where the request names a host, the one of that host
    /// alone. A change never goes to what only has the same path.
    pub(crate) fn find_to_change(
        &self,
        path: &str,
        host: Option<&str>,
    ) -> Result<&FullName, NoRepository> {
        let Some(host) = host else { return self.find(path, None) };
        let known = self.repositories.get_key_value(&FullName::canonical(host, path));
        known.map(|(name, _)| name).ok_or(NoRepository::Unknown)
    }

    /// What clients may call a repository without its host: nothing where another host has the same path.
    pub(crate) fn short<'a>(&self, name: &'a FullName) -> Option<&'a str> {
        let is_only = self.paths.get(&name.path).is_some_and(|all| all.len() == 1);
        is_only.then_some(name.path.as_str())
    }

    pub(crate) fn named(&self, repository: &FullName) -> Option<&Named> {
        self.repositories.get(repository)
    }

    pub(crate) fn image(&self, at: usize) -> &Arc<Image> {
        &self.images[at].image
    }

    /// All images, with their positions.
    pub(crate) fn all_images(&self) -> impl Iterator<Item = (usize, &Arc<Image>)> {
        self.images.iter().map(|slot| &slot.image).enumerate()
    }

    pub(crate) fn place(&self, image: usize) -> &Place {
        &self.places[self.images[image].place]
    }

    /// One image of each place that a repository has images in.
    pub(crate) fn one_of_each_place(&self, repository: &FullName) -> Vec<usize> {
        let mut places = HashSet::new();
        let images = self.named(repository).map(|named| named.images.as_slice());
        let images = images.unwrap_or_default().iter().copied();
        images.filter(|at| places.insert(self.images[*at].place)).collect()
    }

    /// The places that are asked about a manifest: those with images of a repository, those with some images that hold it, then all
    /// that are at hand.
    pub(crate) fn asked_places(&self, repository: &FullName, holders: &[usize]) -> Vec<AskedPlace> {
        let own = self.named(repository).map_or(&[][..], |named| &named.images);
        let near = own.iter().chain(holders).map(|at| (*at, true));
        let at_hand = (0..self.images.len()).filter(|at| !self.images[*at].image.is_remote);
        self.by_place(near.chain(at_hand.map(|at| (at, false))))
    }

    /// Images by their places, with whether they are near what is asked about.
    fn by_place(&self, images: impl Iterator<Item = (usize, bool)>) -> Vec<AskedPlace> {
        let mut asked: Vec<AskedPlace> = Vec::new();
        let mut positions = HashMap::new();
        for (at, may_know) in images {
            let position = *positions.entry(self.images[at].place).or_insert(asked.len());
            if position == asked.len() {
                asked.push(AskedPlace { images: Vec::new(), may_know });
            }
            let images = &mut asked[position].images;
            if images.len() < TRIED && !images.contains(&at) {
                images.push(at);
            }
        }
        asked
    }

    /// The first of some images that can be opened: any image of a place leads to all that the place has.
    pub(crate) async fn first_opened(&self, images: &[usize]) -> Result<Arc<Opened>> {
        let mut failed = None;
        for at in images {
            match self.image(*at).opened().await {
                Ok(opened) => return Ok(opened),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        Err(failed.unwrap_or_else(|| Error::new(ErrorKind::NotFound, "it has no images")))
    }

    /// Tells the log.
    pub(crate) fn warn(&self, text: &str) {
        self.observer.warn(text);
    }

    /// Where a manifest or blob is known to be: images of different places, with its descriptor.
    pub(crate) fn holders(&self, part: Part, digest: &Digest) -> Option<(Descriptor, Vec<usize>)> {
        let known = lock(&self.known);
        let held = known.of(part).get(digest)?;
        Some((held.descriptor.clone(), held.images.clone()))
    }

    /// The images of a repository that have a manifest: the first one of each place. They are indexed until it is found.
    pub(crate) async fn own_holders(&self, repository: &FullName, manifest: &Digest) -> Vec<usize> {
        let mut holders: Vec<usize> = Vec::new();
        for at in self.named(repository).map_or(&[][..], |named| &named.images) {
            if holders.last().is_some_and(|last| self.images[*last].place == self.images[*at].place)
            {
                continue;
            }
            self.index(*at).await;
            if lock(&self.images[*at].manifests).contains(manifest) {
                holders.push(*at);
            }
        }
        holders
    }

    /// Indexes an image, if that was not done before.
    pub(crate) async fn index(&self, at: usize) {
        let slot = &self.images[at];
        let indexed = slot.indexed.get_or_try_init(|| async {
            let opened = slot.image.opened().await?;
            self.index_root(at, &opened).await
        });
        if let Err(error) = indexed.await {
            // It is served as far as it can be read: what is asked for says what is wrong.
            self.observer.warn(format!("{}: {error}", slot.image.reference));
            if !slot.image.is_remote {
                // It stays so until the place changes.
                let _ = slot.indexed.set(());
            }
        }
    }

    /// Indexes what a remote image has now.
    pub(crate) async fn index_root(&self, at: usize, opened: &Opened) -> Result<()> {
        let referrers =
            if self.images[at].image.is_remote { FindReferrers::No } else { FindReferrers::Yes };
        let index = Index::read(&*opened.source, &opened.root, referrers).await?;
        self.note(at, index);
        Ok(())
    }

    /// Indexes images until one has a digest that was not tried: first those of the repository, then all that are at hand. False where
    /// there is none.
    pub(crate) async fn index_more(
        &self,
        repository: &FullName,
        part: Part,
        digest: &Digest,
        tried: &[usize],
    ) -> bool {
        let own = self.named(repository).map(|named| named.images.clone()).unwrap_or_default();
        let others = (0..self.images.len()).filter(|at| !self.images[*at].image.is_remote);
        for at in own.into_iter().chain(others) {
            if self.images[at].indexed.initialized() {
                continue;
            }
            self.index(at).await;
            let held = self.holders(part, digest);
            if held.is_some_and(|(_, images)| images.iter().any(|at| !tried.contains(at))) {
                return true;
            }
        }
        false
    }

    /// The places at hand that are not among those of some images.
    pub(crate) fn other_places(&self, tried: &[usize]) -> Vec<AskedPlace> {
        let tried: HashSet<usize> = tried.iter().map(|at| self.images[*at].place).collect();
        let at_hand = self.images.iter().enumerate().filter(|(_, slot)| !slot.image.is_remote);
        let others = at_hand.filter(|(_, slot)| !tried.contains(&slot.place));
        self.by_place(others.map(|(at, _)| (at, false)))
    }

    /// Notes where manifests and blobs are.
    pub(crate) fn note(&self, at: usize, index: Index) {
        lock(&self.images[at].manifests).extend(index.manifests.keys().cloned());
        let mut known = lock(&self.known);
        let known = &mut *known;
        for (into, from) in
            [(&mut known.manifests, index.manifests), (&mut known.blobs, index.blobs)]
        {
            for (digest, descriptor) in from {
                let held =
                    into.entry(digest).or_insert_with(|| Held { descriptor, images: Vec::new() });
                let place = self.images[at].place;
                if !held.images.iter().any(|other| self.images[*other].place == place) {
                    held.images.push(at);
                }
            }
        }
    }
}

impl Slot {
    fn new(image: &Arc<Image>, place: usize) -> Self {
        let (indexed, manifests) = (OnceCell::new(), Mutex::default());
        Self { image: Arc::clone(image), place, indexed, manifests }
    }
}

impl Known {
    fn of(&self, part: Part) -> &HashMap<Digest, Held> {
        match part {
            Part::Manifest => &self.manifests,
            Part::Blob => &self.blobs,
        }
    }
}

fn lock<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
