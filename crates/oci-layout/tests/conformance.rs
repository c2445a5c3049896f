//! The laws of the conformance kit, for layouts in folders and in tars.
#![allow(clippy::expect_used, reason = "tests")]

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use transship_conformance::{
    Abandoned, Claims, Fixture, Leftover, Names, Outcome, Place, Processes, Settings, Taken,
    is_child, law, run,
};
use transship_core::{
    Body, DeleteOptions, Deletion, Descriptor, Document, Error, Expect, ImageDestination,
    ImageSource, ReadOptions, Reference, Result, Stored, Transport, WrapDestination, WrapSource,
    WrapTransport, WriteOptions,
};
use transship_oci_layout::{OciArchive, OciLayout};

/// What holds of both.
fn layouts() -> Claims {
    Claims::archive().with(Names::OciOrDocker).with(Taken::InItsPlace)
}

#[derive(Debug)]
struct Folders;

impl Fixture for Folders {
    fn transport(&self) -> Arc<dyn Transport> {
        Arc::new(OciLayout::new())
    }

    fn place(&self) -> std::io::Result<Place> {
        Place::in_folder("layout")
    }

    fn claims(&self) -> Claims {
        // The folder stays, and with it the lock that is in it.
        let leftover = Leftover::UntilCollected;
        layouts().with(Abandoned::Blobs).with(leftover)
    }
}

#[derive(Debug)]
struct Archives;

impl Fixture for Archives {
    fn transport(&self) -> Arc<dyn Transport> {
        Arc::new(OciArchive::new())
    }

    fn place(&self) -> std::io::Result<Place> {
        Place::in_folder("layout.tar")
    }

    fn claims(&self) -> Claims {
        layouts()
    }
}

mod oci {
    transship_conformance::conformance!(super::Folders);
}

mod oci_archive {
    transship_conformance::conformance!(super::Archives);
}

/// A layout of which more is claimed than it needs.
#[derive(Debug)]
struct Needless(Claims);

impl Fixture for Needless {
    fn transport(&self) -> Arc<dyn Transport> {
        Arc::new(OciLayout::new())
    }

    fn place(&self) -> std::io::Result<Place> {
        Place::in_folder("layout")
    }

    fn claims(&self) -> Claims {
        self.0.clone()
    }
}

/// The claim is made without need, and this law fails.
fn is_needless(claims: Claims, name: &str, test: &str) {
    is_broken(Needless(claims), name, test);
}

/// This law fails.
fn is_broken(fixture: impl Fixture, name: &str, test: &str) {
    if is_child(&fixture) {
        return;
    }
    let law = law(name).expect("the law is listed");
    let settings = Settings::default().with_shrinks(0).with_test(test);
    let (outcome, _) = run(Arc::new(fixture), law, &settings);
    assert!(matches!(outcome, Outcome::Broken { .. }), "{name}: {outcome:?}");
}

#[test]
fn one_process_is_claimed_without_need() {
    let test = "one_process_is_claimed_without_need";
    is_needless(Folders.claims().with(Processes::One), "what_one_process_has_no_other_sees", test);
}

#[test]
fn names_of_docker_are_claimed_without_need() {
    let test = "names_of_docker_are_claimed_without_need";
    is_needless(
        Folders.claims().with(Names::Docker),
        "names_beyond_what_is_accepted_are_refused",
        test,
    );
}

#[test]
fn a_name_taken_over_stands_in_its_place() {
    let test = "a_name_taken_over_stands_in_its_place";
    is_needless(Folders.claims().with(Taken::AtTheEnd), "a_name_taken_over_moves", test);
}

/// A layout with a mistake that other processes see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mistake {
    /// A blob that is written is in memory as a whole.
    Written,
    /// A blob that is read is in memory as a whole.
    Read,
    /// The config of an image that is deleted goes first.
    ConfigGoesFirst,
}

impl Fixture for Mistake {
    fn transport(&self) -> Arc<dyn Transport> {
        Arc::new(With(*self, Arc::new(OciLayout::new())))
    }

    fn place(&self) -> std::io::Result<Place> {
        Place::in_folder("layout")
    }

    fn claims(&self) -> Claims {
        Folders.claims()
    }
}

#[derive(Debug)]
struct With<T>(Mistake, T);

async fn collected(body: Body) -> Result<Body> {
    Ok(Body::from_bytes(body.bytes(u64::MAX).await?))
}

#[async_trait]
impl WrapTransport for With<Arc<OciLayout>> {
    fn inner(&self) -> &dyn Transport {
        &*self.1
    }

    async fn source(&self, at: &Reference, how: &ReadOptions) -> Result<Box<dyn ImageSource>> {
        let source = self.1.source(at, how).await?;
        Ok(if self.0 == Mistake::Read { Box::new(With(self.0, source)) } else { source })
    }

    async fn destination(
        &self,
        at: &Reference,
        how: &WriteOptions,
    ) -> Result<Box<dyn ImageDestination>> {
        let written = self.1.destination(at, how).await?;
        Ok(if self.0 == Mistake::Written { Box::new(With(self.0, written)) } else { written })
    }

    fn deletion(&self) -> Option<&dyn Deletion> {
        if self.0 == Mistake::ConfigGoesFirst { Some(self) } else { self.1.deletion() }
    }
}

#[async_trait]
impl Deletion for With<Arc<OciLayout>> {
    async fn delete(&self, at: &Reference, how: &DeleteOptions) -> Result<()> {
        let root = self.1.source(at, &ReadOptions::default()).await?.root().await?;
        if let (Document::Image(image), Some((path, _))) =
            (root.document(), at.locator().split_once(':'))
        {
            let digest = image.config.digest.encoded();
            let config = Path::new(path).join("blobs/sha256").join(digest);
            std::fs::remove_file(&config).map_err(|e| Error::io("removing", &config, e))?;
        }
        self.1.deletion().expect("a layout has a deletion").delete(at, how).await
    }
}

#[async_trait]
impl WrapSource for With<Box<dyn ImageSource>> {
    fn inner(&self) -> &dyn ImageSource {
        &*self.1
    }

    async fn blob(&self, of: &Descriptor) -> Result<Body> {
        collected(self.1.blob(of).await?).await
    }
}

#[async_trait]
impl WrapDestination for With<Box<dyn ImageDestination>> {
    fn inner(&self) -> &dyn ImageDestination {
        &*self.1
    }

    fn into_inner<'a>(self: Box<Self>) -> Box<dyn ImageDestination + 'a>
    where
        Self: 'a,
    {
        self.1
    }

    async fn put_blob(&self, expect: Expect, body: Body) -> Result<Stored> {
        self.1.put_blob(expect, collected(body).await?).await
    }
}

#[test]
fn a_blob_is_in_memory_when_it_is_written() {
    let test = "a_blob_is_in_memory_when_it_is_written";
    is_broken(Mistake::Written, "a_large_layer_needs_little_memory", test);
}

#[test]
fn the_config_of_a_deleted_image_goes_first() {
    let test = "the_config_of_a_deleted_image_goes_first";
    is_broken(Mistake::ConfigGoesFirst, "a_killed_process_leaves_the_old_or_the_new", test);
}

#[test]
fn a_blob_is_in_memory_when_it_is_read() {
    let test = "a_blob_is_in_memory_when_it_is_read";
    is_broken(Mistake::Read, "a_large_layer_needs_little_memory", test);
}
