//! An archive that comes in one pass: it may list names, as registries do, so that each entry is one name of an image, and leaves the
//! runtime's thread to others.
#![allow(clippy::panic, clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use transship_conformance::{
    Claims, Fixture, Listed, Memory, Names, Outcome, Place, Settings, law, run,
};
use transship_core::{
    ArchiveEntry, ArchiveReader, Archives, EntryDetails, ImageSource, OnePass, Passed, ReadOptions,
    Reference, Result, Staging, Transport, WrapArchives, WrapReader, WrapTransport, is_index_type,
};

/// What the archive lists after a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Passes {
    /// All names, in another order than at random.
    All,
    /// The first name of each image.
    FirstNames,
    /// All names, each with the image of another one.
    Mixed,
    /// All names, and it reads on the thread of the runtime.
    Blocks,
}

/// Images in memory, listed by their names.
#[derive(Clone, Debug)]
struct ByNames(Memory, Passes);

impl WrapTransport for ByNames {
    fn inner(&self) -> &dyn Transport {
        &self.0
    }

    fn archives(&self) -> Option<&dyn Archives> {
        Some(self)
    }
}

#[async_trait]
impl WrapArchives for ByNames {
    fn inner(&self) -> &dyn Archives {
        &self.0
    }

    fn one_pass(&self) -> Option<&dyn OnePass> {
        Some(self)
    }

    async fn read(&self, at: &Reference, how: &ReadOptions) -> Result<Box<dyn ArchiveReader>> {
        let inner = Archives::read(&self.0, at, how).await?;
        let mut entries = Vec::new();
        for image in inner.entries() {
            let mut of_image = Vec::new();
            for (name, raw) in image.names.iter().zip(&image.raw_names) {
                let mut entry = image.clone();
                entry.reference = self.0.parse(&format!("{}:{name}", at.locator()))?;
                (entry.names, entry.raw_names) = (vec![name.clone()], vec![raw.clone()]);
                of_image.push(entry);
            }
            if of_image.is_empty() {
                of_image.push(image.clone());
            }
            if how.passed.is_some() && self.1 == Passes::FirstNames {
                of_image.truncate(1);
            }
            entries.extend(of_image);
        }
        if how.passed.is_some() {
            entries.reverse();
        }
        if how.passed.is_some() && self.1 == Passes::Mixed {
            let mut images: Vec<usize> = entries.iter().map(|entry| entry.index).collect();
            images.rotate_left(1);
            entries.iter_mut().zip(images).for_each(|(entry, image)| entry.index = image);
        }
        Ok(Box::new(Reader(inner, entries)))
    }
}

#[derive(Debug)]
struct Reader(Box<dyn ArchiveReader>, Vec<ArchiveEntry>);

#[async_trait]
impl WrapReader for Reader {
    fn inner(&self) -> &dyn ArchiveReader {
        &*self.0
    }

    fn entries(&self) -> &[ArchiveEntry] {
        &self.1
    }

    async fn open(&self, entry: &ArchiveEntry) -> Result<Box<dyn ImageSource>> {
        self.0.open(&self.0.entries()[entry.index]).await
    }

    async fn details(&self, entry: &ArchiveEntry) -> Result<EntryDetails> {
        self.0.details(&self.0.entries()[entry.index]).await
    }
}

#[async_trait]
impl OnePass for ByNames {
    async fn comes_once(&self, _: &Reference) -> bool {
        false
    }

    async fn pass(
        &self,
        at: &Reference,
        how: &ReadOptions,
        into: Option<&dyn Staging>,
    ) -> Result<Passed> {
        if self.1 == Passes::Blocks {
            std::thread::sleep(Duration::from_millis(1500));
        }
        let reader = Archives::read(&self.0, at, how).await?;
        for entry in reader.entries() {
            let Some(into) = into else { continue };
            let source = reader.open(entry).await?;
            let mut manifests = vec![source.root().await?];
            while let Some(manifest) = manifests.pop() {
                for part in manifest.document().parts() {
                    if is_index_type(&part.media_type).is_some() {
                        manifests.extend(source.manifest(part).await.ok());
                    } else if let Ok(body) = source.blob(part).await {
                        into.stage(body).await?;
                    }
                }
            }
        }
        Ok(Passed::new(()))
    }
}

#[derive(Debug)]
struct InMemory(ByNames);

impl Fixture for InMemory {
    fn transport(&self) -> Arc<dyn Transport> {
        Arc::new(self.0.clone())
    }

    fn place(&self) -> std::io::Result<Place> {
        Ok(Place::in_memory())
    }

    fn claims(&self) -> Claims {
        Claims::in_memory().with(Listed::Names).with(Names::Docker)
    }
}

fn outcome(passes: Passes, name: &str) -> Outcome {
    let fixture = InMemory(ByNames(Memory::new(), passes));
    let law = law(name).unwrap();
    run(Arc::new(fixture), law, &Settings::default().with_shrinks(0)).0
}

#[test]
fn each_name_that_passes_is_looked_at_in_whatever_order() {
    let name = "an_archive_in_one_pass_is_the_same";
    let whole = outcome(Passes::All, name);
    assert!(matches!(whole, Outcome::Held(_)), "{whole:?}");
    for passes in [Passes::FirstNames, Passes::Mixed] {
        let broken = outcome(passes, name);
        assert!(matches!(broken, Outcome::Broken { .. }), "{passes:?}: {broken:?}");
    }
}

#[test]
fn a_pass_that_blocks_the_runtime_is_seen() {
    let name = "a_runtime_of_one_thread_is_enough";
    let whole = outcome(Passes::All, name);
    assert!(matches!(whole, Outcome::Held(_)), "{whole:?}");
    let broken = outcome(Passes::Blocks, name);
    let Outcome::Broken { why, .. } = &broken else { panic!("{broken:?}") };
    assert!(why.contains("it is blocked"), "{why}");
}
