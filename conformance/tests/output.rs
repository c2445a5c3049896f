//! What the kit says of a transport that is wrong, and that it always ends.
#![allow(clippy::panic, clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use transship_conformance::{Claims, Fixture, Memory, Outcome, Place, Settings, law, run};
use transship_core::{
    ArchiveReader, ArchiveWriter, Archives, Body, Commit, Committed, Descriptor, Expect,
    ImageDestination, ImageSource, ReadOptions, Reference, Result, Stored, Transport, WrapArchives,
    WrapDestination, WrapReader, WrapSource, WrapTransport, WriteOptions, run_blocking,
};

/// Where it hangs, or what it does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    Nothing,
    ParseBlocks,
    PutNeverEnds,
    BlockingWorkNeverEnds,
    CommitBlocks,
    LosesSha512,
    ListsBackwards,
}

#[derive(Debug)]
struct Odd(Memory, Wrong);

#[derive(Debug)]
struct OddPlace(Box<dyn ImageDestination>, Wrong);

#[derive(Debug)]
struct OddSource(Box<dyn ImageSource>, Wrong);

#[derive(Debug)]
struct OddReader(Box<dyn ArchiveReader>, Vec<transship_core::ArchiveEntry>, Wrong);

fn block() {
    std::thread::sleep(Duration::from_secs(3600));
}

#[async_trait]
impl WrapTransport for Odd {
    fn inner(&self) -> &dyn Transport {
        &self.0
    }

    fn parse(&self, locator: &str) -> Result<Reference> {
        if self.1 == Wrong::ParseBlocks {
            block();
        }
        self.0.parse(locator)
    }

    fn archives(&self) -> Option<&dyn Archives> {
        Some(self)
    }

    async fn source(&self, at: &Reference, how: &ReadOptions) -> Result<Box<dyn ImageSource>> {
        Ok(Box::new(OddSource(self.0.source(at, how).await?, self.1)))
    }

    async fn destination(
        &self,
        at: &Reference,
        how: &WriteOptions,
    ) -> Result<Box<dyn ImageDestination>> {
        Ok(Box::new(OddPlace(self.0.destination(at, how).await?, self.1)))
    }
}

#[async_trait]
impl WrapArchives for Odd {
    fn inner(&self) -> &dyn Archives {
        self.0.archives().unwrap()
    }

    async fn read(&self, at: &Reference, how: &ReadOptions) -> Result<Box<dyn ArchiveReader>> {
        let reader = WrapArchives::inner(self).read(at, how).await?;
        let mut entries = reader.entries().to_vec();
        if self.1 == Wrong::ListsBackwards {
            entries.reverse();
        }
        Ok(Box::new(OddReader(reader, entries, self.1)))
    }

    async fn write(&self, at: &Reference, how: &WriteOptions) -> Result<Box<dyn ArchiveWriter>> {
        WrapArchives::inner(self).write(at, how).await
    }
}

#[async_trait]
impl WrapReader for OddReader {
    fn inner(&self) -> &dyn ArchiveReader {
        &*self.0
    }

    fn entries(&self) -> &[transship_core::ArchiveEntry] {
        &self.1
    }

    async fn open(&self, entry: &transship_core::ArchiveEntry) -> Result<Box<dyn ImageSource>> {
        Ok(Box::new(OddSource(self.0.open(entry).await?, self.2)))
    }
}

#[async_trait]
impl WrapSource for OddSource {
    fn inner(&self) -> &dyn ImageSource {
        &*self.0
    }

    async fn blob(&self, of: &Descriptor) -> Result<Body> {
        if self.1 == Wrong::LosesSha512 && of.digest.algorithm().as_ref() == "sha512" {
            let other = Body::from_bytes(&b"other"[..]);
            return Ok(other);
        }
        self.0.blob(of).await
    }
}

#[async_trait]
impl WrapDestination for OddPlace {
    fn inner(&self) -> &dyn ImageDestination {
        &*self.0
    }

    fn into_inner<'a>(self: Box<Self>) -> Box<dyn ImageDestination + 'a>
    where
        Self: 'a,
    {
        self.0
    }

    async fn put_blob(&self, expect: Expect, body: Body) -> Result<Stored> {
        if self.1 == Wrong::PutNeverEnds {
            std::future::pending::<()>().await;
        }
        self.0.put_blob(expect, body).await
    }

    async fn commit(self: Box<Self>, what: Commit<'_>) -> Result<Committed> {
        match self.1 {
            Wrong::CommitBlocks => block(),
            Wrong::BlockingWorkNeverEnds => {
                let work = run_blocking(|_| {
                    block();
                    Ok(())
                });
                let _ = tokio::time::timeout(Duration::from_millis(10), work).await;
            }
            _ => {}
        }
        self.0.commit(what).await
    }
}

#[derive(Debug)]
struct Odds(Memory, Wrong);

impl Fixture for Odds {
    fn transport(&self) -> Arc<dyn Transport> {
        Arc::new(Odd(self.0.clone(), self.1))
    }

    fn place(&self) -> std::io::Result<Place> {
        Ok(Place::in_memory())
    }

    fn claims(&self) -> Claims {
        Claims::in_memory()
    }
}

fn why(wrong: Wrong, name: &str, settings: &Settings) -> String {
    let fixture = Arc::new(Odds(Memory::new(), wrong));
    let (outcome, _) = run(fixture, law(name).unwrap(), &settings.clone().with_cases(1));
    match outcome {
        Outcome::Broken { why, .. } => why,
        other => panic!("{wrong:?}: {other:?}"),
    }
}

const READS_BACK: &str = "a_committed_image_reads_back_equal";

#[test]
fn the_kit_always_ends_and_says_what_it_waited_for() {
    let settings = Settings::default().with_patience(Duration::from_millis(700)).with_shrinks(0);
    let names = "a_reference_is_a_fixed_point";
    for (wrong, law, awaited) in [
        (Wrong::ParseBlocks, names, "waiting for the place's locator to be parsed"),
        (Wrong::PutNeverEnds, READS_BACK, "to be put, from"),
        (Wrong::CommitBlocks, READS_BACK, "waiting for the commit"),
        (Wrong::BlockingWorkNeverEnds, READS_BACK, "waiting for the blocking work to end"),
    ] {
        let begun = Instant::now();
        let why = why(wrong, law, &settings);
        assert!(why.contains(awaited), "{wrong:?}: {why}");
        assert!(begun.elapsed() < Duration::from_secs(30), "{wrong:?}: {:?}", begun.elapsed());
    }
}

#[test]
fn a_failure_says_what_is_special_labels_its_inputs_and_tells_order() {
    let settings = Settings::default();
    let lost = why(Wrong::LosesSha512, READS_BACK, &settings);
    for part in [
        "named by sha512",
        "\n  image: ",
        "\n  names: ",
        "replay: TRANSSHIP_SEED=",
        "begin with the first",
    ] {
        assert!(lost.contains(part), "{part:?} is not in {lost}");
    }
    let order = why(Wrong::ListsBackwards, "names_stay_with_their_image", &settings);
    assert!(order.contains("listed in another order"), "{order}");
    for why in [lost, order] {
        let dumps = ["ImageName(", "Digest {", "Descriptor {", "Some(", "Sha512"];
        let dump = dumps.iter().find(|dump| why.contains(**dump));
        assert!(dump.is_none(), "{dump:?} is in {why}");
    }
}

#[test]
fn a_wrapper_that_changes_nothing_keeps_all_laws() {
    let settings = Settings::default().with_cases(1);
    for law in transship_conformance::ALL {
        let fixture = Arc::new(Odds(Memory::new(), Wrong::Nothing));
        let (outcome, _) = run(fixture, law, &settings);
        assert!(!matches!(outcome, Outcome::Broken { .. }), "{}: {outcome:?}", law.name);
    }
}
