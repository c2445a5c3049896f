//! [`Slipping`]: the transport in memory, with a slip.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use transship_conformance::Memory;
use transship_core::{
    Archives, Cancel, Candidate, CollectOptions, Collected, Collection, Deletion, Error, ErrorKind,
    ImageDestination, ImageName, ImageSource, ReadOptions, Recognized, Reference, Result,
    Transport, WriteMode, WriteOptions,
};

use super::destination::SlippingDestination;
use super::source::SlippingSource;
use super::{Slip, State};

/// So long nobody should have the thread of a runtime.
pub const LONG: Duration = Duration::from_millis(1500);

/// After this time what is done later is done.
pub const LATER: Duration = Duration::from_millis(30);

/// What is in the file that stands for a place.
pub const MARK: &[u8] = b"a place";

#[derive(Clone, Debug)]
pub struct Slipping {
    pub slip: Slip,
    pub memory: Memory,
    pub state: Arc<State>,
}

impl Slipping {
    /// The names as they are stored, or shown.
    pub fn spell(&self, name: &ImageName) -> ImageName {
        let text = name.as_str();
        let text = match self.slip {
            Slip::LatestIsDropped => text.strip_suffix(":latest").unwrap_or(text),
            Slip::NamesAreFamiliar => text.strip_prefix("docker.io/library/").unwrap_or(text),
            Slip::DigestInANameIsLost => text.split_once("@sha256:").map_or(text, |(name, _)| name),
            Slip::LongNamesAreCut => text.get(..60).unwrap_or(text),
            _ => text,
        };
        ImageName::new(text).unwrap_or_else(|_| name.clone())
    }

    /// Does work in the runtime that was the first.
    pub async fn in_first(&self) -> Result<()> {
        if self.slip != Slip::FirstRuntimeDoesAll {
            return Ok(());
        }
        let now = tokio::runtime::Handle::current();
        let first = self.state.first.lock().unwrap().get_or_insert(now).clone();
        let done = first.spawn(async {}).await;
        done.map_err(|_| Error::new(ErrorKind::Unexpected, "the work was given up"))
    }

    fn spelled(&self, locator: &str) -> String {
        match self.slip {
            Slip::PathIsDecoded => locator.replace("%41", "A"),
            Slip::PathIsTrimmed => locator.trim().to_owned(),
            Slip::PathIsFolded => {
                let end = locator.find([':', '#']).unwrap_or(locator.len());
                locator[..end].to_lowercase() + &locator[end..]
            }
            Slip::PlusIsASpace => locator.replace('+', " "),
            Slip::PathIsShortened => shortened(locator),
            _ => locator.to_owned(),
        }
    }

    pub fn place(&self, at: &Reference) -> Reference {
        crate::transport::place(&self.memory, at)
    }

    pub fn archives_of_memory(&self) -> &dyn Archives {
        self.memory.archives().unwrap()
    }
}

#[async_trait]
impl Transport for Slipping {
    fn scheme(&self) -> &'static str {
        self.memory.scheme()
    }

    fn syntax(&self) -> &'static str {
        self.memory.syntax()
    }

    fn default_mode(&self) -> WriteMode {
        self.memory.default_mode()
    }

    fn parse(&self, locator: &str) -> Result<Reference> {
        self.memory.parse(&self.spelled(locator))
    }

    fn recognize(&self, found: &Candidate, _: &Cancel) -> Result<Option<Recognized>> {
        let path = found.path().display().to_string();
        Ok(match self.slip {
            Slip::EachFileIsAPlace if !found.is_folder() => Some(Recognized::new(path)),
            Slip::AnotherIsRecognized if found.head() == MARK => {
                let above = found.path().parent().unwrap().display();
                Some(Recognized::new(above.to_string()))
            }
            Slip::DashIsAFile if std::fs::read(found.path()).is_ok_and(|it| it == MARK) => {
                Some(Recognized::new(path))
            }
            Slip::RecognizingLeavesAFile if found.head() == MARK => {
                std::fs::write(found.path().with_extension("seen"), b"").unwrap();
                Some(Recognized::new(path))
            }
            _ => None,
        })
    }

    async fn source(&self, at: &Reference, how: &ReadOptions) -> Result<Box<dyn ImageSource>> {
        self.in_first().await?;
        if self.slip == Slip::OpeningBlocks {
            std::thread::sleep(LONG);
        }
        if self.slip == Slip::ReadingWritesTheFile {
            grow(&self.place(at), 1)?;
        }
        let at = &self.only_named(at).await;
        let opened = self.memory.source(at, how).await;
        if self.slip == Slip::NotFoundSaysNoNames {
            return opened.map_err(|e| match e.kind() {
                ErrorKind::NotFound => Error::new(ErrorKind::NotFound, e.message().to_owned()),
                _ => e,
            });
        }
        let opened = opened?;
        let mut source = SlippingSource::new(self.clone(), opened);
        source.root = source.said().await?;
        Ok(Box::new(source))
    }

    async fn destination(
        &self,
        at: &Reference,
        how: &WriteOptions,
    ) -> Result<Box<dyn ImageDestination>> {
        let mut how = how.clone();
        how.names = how.names.iter().map(|name| self.spell(name)).collect();
        if self.slip == Slip::FallbackIsNotTaken {
            how.fallback_names.clear();
        }
        if self.slip == Slip::OptionsNamesAreIgnored && *at != self.place(at) {
            how.names.clear();
        }
        self.go_to_next(at, how.mode).await?;
        let mut inner = self.memory.destination(at, &how).await?;
        if self.slip == Slip::LateNameIsNotTaken {
            let is_there = self.names(at).await;
            how.names.retain(|name| is_there.contains(name));
        }
        if how.mode == Some(WriteMode::Create) {
            match self.slip {
                Slip::CreateLooksOnce => how.mode = Some(WriteMode::Replace),
                Slip::CreateJoins => how.mode = Some(WriteMode::Append),
                _ => {}
            }
            inner = self.memory.destination(at, &how).await?;
        }
        Ok(Box::new(SlippingDestination::new(self.clone(), at.clone(), Some(how), inner)))
    }

    fn archives(&self) -> Option<&dyn Archives> {
        Some(self)
    }

    fn deletion(&self) -> Option<&dyn Deletion> {
        Some(self)
    }

    fn collection(&self) -> Option<&dyn Collection> {
        Some(self)
    }
}

#[async_trait]
impl Collection for Slipping {
    async fn collect(&self, at: &Reference, how: &CollectOptions) -> Result<Collected> {
        if self.slip == Slip::CollectionBlocks {
            std::thread::sleep(LONG);
        }
        self.memory.collection().unwrap().collect(at, how).await
    }
}

impl Slipping {
    /// The only image of a place that has a name, where that is meant.
    async fn only_named(&self, at: &Reference) -> Reference {
        let names = match self.slip {
            Slip::OnlyNamedIsMeant if *at == self.place(at) => self.names(at).await,
            _ => Vec::new(),
        };
        match &names[..] {
            [only] => self.memory.parse(&format!("{}:{only}", at.locator())).unwrap(),
            _ => at.clone(),
        }
    }

    /// The names of a place.
    pub async fn names(&self, at: &Reference) -> Vec<ImageName> {
        let reader = self.archives_of_memory().read(&self.place(at), &ReadOptions::default()).await;
        let Ok(reader) = reader else { return Vec::new() };
        reader.entries().iter().flat_map(|entry| entry.names.clone()).collect()
    }
}

/// Without a folder that is left at once.
fn shortened(locator: &str) -> String {
    let Some((before, after)) = locator.split_once("/../") else { return locator.to_owned() };
    let above = before.rsplit_once('/').map_or("", |(above, _)| above);
    format!("{above}/{after}")
}

/// Makes the file of a place larger.
pub fn grow(place: &Reference, by: usize) -> Result<()> {
    let path = std::path::Path::new(place.locator());
    let mut bytes = std::fs::read(path).unwrap_or_default();
    bytes.resize(bytes.len() + by, 7);
    std::fs::write(path, bytes).map_err(|e| Error::io("writing", path, e))
}

/// Goes on with something when the runtime has ended, too.
pub fn later(work: impl Future<Output = ()> + Send + 'static) {
    std::thread::spawn(move || {
        std::thread::sleep(LATER);
        futures_util::FutureExt::now_or_never(work)
    });
}
