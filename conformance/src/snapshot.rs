//! [`Snapshot`]: all that shows at a place.

use std::collections::{BTreeMap, HashSet};

use transship_core::{Archives, ErrorKind, ReadOptions};

use crate::broken::{While, hold};
use crate::lab::Lab;
use crate::seen::Seen;
use crate::{Abandoned, Broken, Held, Listed};

/// All that a transport lists and reads at a place, and what the fixture says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot {
    images: Option<Vec<Shown>>,
    files: BTreeMap<String, String>,
}

/// One image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    /// The reference that the listing gives.
    pub reference: String,
    /// Its names, as they stand there.
    pub names: Vec<String>,
    /// All of it.
    pub seen: Seen,
}

impl Snapshot {
    pub(crate) async fn take(lab: &Lab) -> Held<Self> {
        let files = lab.fixture_snapshot()?;
        Ok(Self { files, ..Self::shown(lab).await? })
    }

    /// What the transport lists and reads alone.
    pub(crate) async fn shown(lab: &Lab) -> Held<Self> {
        // A new value, which cannot know anything of what was not shown.
        let transport = lab.other_transport();
        let images = match transport.archives() {
            Some(archives) => {
                let entries = entries(lab, archives).await?;
                match lab.claims().listed {
                    Listed::Images => entries,
                    Listed::Names => entries.map(together),
                }
            }
            None => match transport.source(lab.at(), &ReadOptions::default()).await {
                Ok(source) => {
                    let seen = Seen::read(&*source).await?;
                    let reference = lab.at().to_string();
                    Some(vec![Shown { reference, names: Vec::new(), seen }])
                }
                Err(e) if e.kind() == ErrorKind::NotFound => None,
                Err(e) => return Err(e.into()),
            },
        };
        Ok(Self { images, files: BTreeMap::new() })
    }

    /// The images; none where no archive is.
    pub(crate) fn images(&self) -> &[Shown] {
        self.images.as_deref().unwrap_or_default()
    }

    pub(crate) fn is_absent(&self) -> bool {
        self.images.is_none()
    }

    /// Whether the same shows, and the files are the same.
    pub(crate) fn same(&self, before: &Self) -> Held {
        self.shows_the_same(before)?;
        self.same_files(before, Abandoned::Nothing)
    }

    /// As [`same`](Self::same), but for what a dropped destination may leave in a place that holds images.
    pub(crate) fn same_but_abandoned(&self, before: &Self, abandoned: Abandoned) -> Held {
        self.shows_the_same(before)?;
        let abandoned = if before.is_absent() { Abandoned::Nothing } else { abandoned };
        self.same_files(before, abandoned)
    }

    /// Whether the same files are there, of equal bytes.
    pub(crate) fn same_files(&self, before: &Self, abandoned: Abandoned) -> Held {
        for (name, was) in &before.files {
            match self.files.get(name) {
                Some(is) if is == was => {}
                Some(_) => return Err(Broken::new(format!("{name} has changed"))),
                None => return Err(Broken::new(format!("{name} is gone"))),
            }
        }
        let new: Vec<_> = self
            .files
            .keys()
            .filter(|name| !before.files.contains_key(*name))
            .map(String::as_str)
            .collect();
        if new.is_empty() || abandoned == Abandoned::Blobs {
            return Ok(());
        }
        Err(Broken::new(format!("these are new: {}", new.join(", "))))
    }

    /// Whether images of another place are the same, under the same names, in the same order.
    pub(crate) fn shows_equal(&self, other: &Self) -> Held {
        let all = |of: &Self| -> Vec<(Vec<String>, Seen)> {
            of.images().iter().map(|image| (image.names.clone(), image.seen.clone())).collect()
        };
        if all(self) == all(other) {
            return Ok(());
        }
        let (one, two) = (self.listing(), other.listing());
        Err(Broken::new(format!("two places show different things: {one} and {two}")))
    }

    /// Whether the same images are listed and read, whatever the files.
    pub(crate) fn shows_the_same(&self, before: &Self) -> Held {
        if self.images == before.images {
            return Ok(());
        }
        if self.images.is_none() != before.images.is_none() {
            let say = |absent| if absent { "no archive" } else { "an archive" };
            return Err(Broken::new(format!(
                "there was {}, and now there is {}",
                say(before.is_absent()),
                say(self.is_absent())
            )));
        }
        let (was, is) = (before.listing(), self.listing());
        if was == is {
            return Err(Broken::new(format!("parts of an image have changed, of {is}")));
        }
        Err(Broken::new(format!("what shows has changed: it was {was}, and now is {is}")))
    }

    /// The images with their names, in their order.
    fn listing(&self) -> String {
        let one = |image: &Shown| {
            let names =
                if image.names.is_empty() { "no name".to_owned() } else { image.names.join(", ") };
            format!("{} ({names})", image.seen.root.descriptor().digest)
        };
        let all: Vec<String> = self.images().iter().map(one).collect();
        if all.is_empty() { "no image".to_owned() } else { all.join(", then ") }
    }
}

/// Each entry of the listing; none where no archive is.
pub(crate) async fn entries(lab: &Lab, archives: &dyn Archives) -> Held<Option<Vec<Shown>>> {
    let reader = match archives.read(lab.at(), &ReadOptions::default()).await {
        Ok(reader) => reader,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Broken::from(e).while_doing("listing")),
    };
    let (mut images, mut listed) = (Vec::new(), HashSet::new());
    for entry in reader.entries() {
        let reference = entry.reference.to_string();
        for name in &entry.names {
            hold!(
                listed.insert(name),
                "the name {name} is listed twice, the second time as one of {reference}"
            );
        }
        let source = reader.open(entry).await.during(|| format!("opening {reference}"))?;
        let seen = Seen::read(&*source).await.during(|| format!("reading {reference}"))?;
        images.push(Shown { reference, names: entry.raw_names.clone(), seen });
    }
    Ok(Some(images))
}

/// The images of a listing of names, each once with all its names.
fn together(listed: Vec<Shown>) -> Vec<Shown> {
    let mut images: Vec<Shown> = Vec::new();
    for one in listed {
        let same = |image: &&mut Shown| image.seen.root.bytes() == one.seen.root.bytes();
        match images.iter_mut().find(same) {
            Some(image) => {
                image.names.extend(one.names);
                image.seen.names.extend(one.seen.names);
            }
            None => images.push(one),
        }
    }
    images
}
