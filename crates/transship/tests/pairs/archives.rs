//! For every ordered pair of archives, all images -> A -> B -> A through the engine, over generated archives: each
//! comes back, in its place, under its names.

use proptest::strategy::{Strategy, ValueTree};
use transship::transfer::Digests;
use transship::transport::{
    AcceptsLayers, AcceptsManifests, AcceptsNameless, Artifacts, MediaType,
};
use transship::{
    Digest, Document, Images, ReadOptions, Reference, Transfer, TransferOptions, WriteOptions,
    media_types,
};
use transship_conformance::model::Archive;
use transship_conformance::{Claims, Facts, Manifests, Names, strategies};

use crate::lab::{Lab, cases, put, runner};

/// Places of several images. A repository has tags of its own for them, and is none of these.
const ARCHIVES: [&str; 3] = ["docker-archive", "oci", "oci-archive"];

/// The most images of an archive.
const MOST: usize = 6;

/// An image as it is listed, but for where.
#[derive(Debug, PartialEq, Eq)]
struct Listed {
    names: Vec<String>,
    /// Its manifest's digest, where that has to come back.
    root: Option<Digest>,
    /// Its config's digest; none for an index.
    config: Option<Digest>,
}

/// What both can hold.
fn facts(a: &str, b: &str) -> Facts {
    let mut facts = Facts::strictest();
    facts.accepts.nameless = AcceptsNameless::One;
    facts.claims = Claims::archive().with(Names::OciOrDocker);
    if keeps(a) && keeps(b) {
        return facts;
    }
    facts.claims = Claims::archive().with(Manifests::Rebuilt).with(Names::Docker);
    let docker = MediaType::from(media_types::DOCKER_MANIFEST);
    facts.accepts.manifests = AcceptsManifests::Only(vec![MediaType::ImageManifest, docker]);
    facts.accepts.layers = AcceptsLayers::PlainOnly;
    facts.accepts.artifacts = Artifacts::Refused;
    facts
}

fn keeps(scheme: &str) -> bool {
    scheme != "docker-archive"
}

async fn write(lab: &Lab, at: &Reference, archive: &Archive) {
    let archives = lab.transports.of(at).unwrap().archives().unwrap();
    let mut writer = archives.write(at, &WriteOptions::default()).await.unwrap();
    for image in &archive.images {
        put(writer.image(&image.names).await.unwrap(), &image.node.build().unwrap()).await;
    }
    writer.finish().await.unwrap();
}

async fn list(lab: &Lab, at: &Reference, roots: bool) -> Vec<Listed> {
    let archives = lab.transports.of(at).unwrap().archives().unwrap();
    let reader = archives.read(at, &ReadOptions::default()).await.unwrap();
    let mut all = Vec::new();
    for entry in reader.entries() {
        let root = reader.open(entry).await.unwrap().root().await.unwrap();
        let config = match root.document() {
            Document::Image(image) => Some(image.config.digest.clone()),
            _ => None,
        };
        let root = roots.then(|| root.descriptor().digest.clone());
        all.push(Listed { names: entry.raw_names.clone(), root, config });
    }
    all
}

/// Whether it was worth it: nothing of no images is copied, and a layout holds one image without a name.
async fn check(a: &str, b: &str, archive: &Archive) -> bool {
    let lab = Lab::new();
    let (first, second, last) = (lab.at(a, "first"), lab.at(b, "second"), lab.at(a, "last"));
    write(&lab, &first, archive).await;
    let roots = keeps(a) && keeps(b);
    let before = list(&lab, &first, roots).await;
    if before.is_empty() || before.iter().filter(|image| image.names.is_empty()).count() > 1 {
        return false;
    }
    let mut options = TransferOptions::default();
    options.images = Images::All;
    if roots {
        options.digests = Digests::Preserve;
    }
    for (from, to) in [(&first, &second), (&second, &last)] {
        let done = Transfer::new(from, to).options(options.clone()).run().await;
        done.unwrap_or_else(|e| panic!("{from} -> {to}: {e}\n{archive:?}"));
    }
    assert_eq!(list(&lab, &last, roots).await, before, "{a} -> {b} -> {a}\n{archive:?}");
    true
}

async fn pairs_of(a: &str) {
    for b in ARCHIVES {
        let mut runner = runner(&format!("archives {a} {b}"));
        let archives = strategies::archives(&facts(a, b), MOST);
        let mut checked = 0;
        for _ in 0..cases() {
            let archive = archives.new_tree(&mut runner).unwrap().current();
            checked += u32::from(check(a, b, &archive).await);
        }
        assert!(checked > 0, "no archive could be copied from {a} to {b}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_archive_and_back() {
    pairs_of("docker-archive").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn oci_and_back() {
    pairs_of("oci").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn oci_archive_and_back() {
    pairs_of("oci-archive").await;
}
