//! Indexes of which a part stays behind.

use transship_core::*;
use transship_transfer::*;

use crate::images::*;
use crate::memory::Memory;
use crate::{copy, options};

/// An index of images for amd64 and s390x, each with an attestation.
struct Two {
    from: Memory,
    root: Manifest,
    amd: Manifest,
    s390x: Manifest,
    attestations: Vec<String>,
}

fn two() -> Two {
    let from = Memory::new("from");
    let amd = Image::of(LayerForm::Gzip).put(&from);
    let own = Image::with(vec![Layer::new(&content(7), LayerForm::Gzip)]);
    let s390x = own.on("linux", "s390x").put(&from);
    let about = [attestation(&from, &amd), attestation(&from, &s390x)];
    let attestations = about.iter().map(|one| one["digest"].as_str().unwrap().to_owned()).collect();
    let [first, second] = about;
    let list = [child(&amd, "linux/amd64"), child(&s390x, "linux/s390x"), first, second];
    let root = index(&from, OCI_INDEX, &list);
    from.show(&[], &root);
    Two { from, root, amd, s390x, attestations }
}

fn part(subset: Subset, platforms: &[&str]) -> TransferOptions {
    let platforms = platforms.iter().map(|p| Platform::parse(p).unwrap()).collect();
    options(|o| {
        o.subset = subset;
        o.platforms = Platforms::Only(platforms);
    })
}

fn listed(of: &Memory) -> Vec<String> {
    let root = of.state().images[0].root.clone();
    let Document::Index(index) = root.document() else { panic!() };
    index.manifests.iter().map(|child| child.digest.to_string()).collect()
}

fn text(manifest: &Manifest) -> String {
    manifest.descriptor().digest.to_string()
}

#[tokio::test]
async fn strip_keeps_the_attestation_of_what_stays() {
    let Two { from, amd, s390x, attestations, .. } = two();
    for (platform, image, note) in
        [("linux/amd64", &amd, &attestations[0]), ("linux/s390x", &s390x, &attestations[1])]
    {
        let to = Memory::new("to");
        let report = copy(&from, &to, part(Subset::Strip, &[platform])).await.unwrap();
        assert_eq!(listed(&to), [text(image), note.clone()]);
        assert!(to.state().images[0].absent.is_empty());
        let image = &report.images[0];
        assert_ne!(image.digest, image.source_digest);
        assert_eq!((image.platforms.copied.len(), image.platforms.skipped.len()), (1, 1));
    }
}

#[tokio::test]
async fn sparse_keeps_the_index_around_one_image() {
    let Two { from, root, s390x, attestations, .. } = two();
    let to = Memory::new("to");
    copy(&from, &to, part(Subset::Sparse, &["linux/amd64"])).await.unwrap();
    let state = to.state();
    assert_eq!(state.images[0].root.bytes(), root.bytes());
    let absent: Vec<_> = state.images[0].absent.iter().map(ToString::to_string).collect();
    assert_eq!(absent, [text(&s390x), attestations[1].clone()]);
}

#[tokio::test]
async fn sparse_is_refused_where_no_gaps_are_held_and_strip_is_not() {
    let from = two().from;
    let dense = || Memory::new("to").accepting(|a| a.sparse = Sparse::Refused);
    let error = copy(&from, &dense(), part(Subset::Sparse, &["linux/amd64"])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("linux/s390x"), "{error}");
    copy(&from, &dense(), part(Subset::Strip, &["linux/amd64"])).await.unwrap();
    // With all of it there is no gap.
    let all = part(Subset::Sparse, &["linux/amd64", "linux/s390x"]);
    copy(&from, &dense(), all).await.unwrap();
}

#[tokio::test]
async fn strip_takes_out_what_is_absent_and_what_is_about_it() {
    let Two { from, amd, s390x, attestations, .. } = two();
    from.state().faults.missing.insert(s390x.descriptor().digest.clone());
    let to = Memory::new("to");
    let report = copy(&from, &to, options(|o| o.subset = Subset::Strip)).await.unwrap();
    assert_eq!(listed(&to), [text(&amd), attestations[0].clone()]);
    let absent: Vec<_> =
        report.images[0].platforms.absent.iter().map(ToString::to_string).collect();
    assert_eq!(absent, ["linux/s390x"]);
}

#[tokio::test]
async fn a_part_of_an_index_needs_a_place_for_indexes() {
    let from = two().from;
    let single = || {
        Memory::new("to").accepting(|a| {
            a.manifests = AcceptsManifests::Only(vec![MediaType::ImageManifest]);
        })
    };
    for subset in [Subset::Strip, Subset::Sparse] {
        let error = copy(&from, &single(), part(subset, &["linux/amd64"])).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }
    copy(&from, &single(), part(Subset::Auto, &["linux/amd64"])).await.unwrap();
}

#[tokio::test]
async fn a_stripped_index_changes_form_with_its_images() {
    let Two { from, attestations, .. } = two();
    let mut how = part(Subset::Strip, &["linux/amd64"]);
    how.compress = Compress::Zstd(None);
    let to = Memory::new("to");
    copy(&from, &to, how).await.unwrap();
    let root = to.state().images[0].root.clone();
    let Document::Index(index) = root.document() else { panic!() };
    let [image, note] = &index.manifests[..] else { panic!("{index:?}") };
    assert_eq!(note.digest.to_string(), attestations[0]);
    assert_eq!(note.annotation("vnd.docker.reference.digest"), Some(image.digest.as_ref()));
}
