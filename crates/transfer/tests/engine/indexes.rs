//! Indexes, and which platforms of them are copied.

use std::collections::HashSet;

use transship_core::*;
use transship_transfer::*;

use crate::images::*;
use crate::memory::Memory;
use crate::{copy, options};

/// An index of three platforms, its manifests, and a layer of each.
fn three() -> (Memory, Manifest, Vec<Manifest>) {
    let from = Memory::new("from");
    let host = Platform::host();
    let platforms = [host.to_string(), "linux/s390x".to_owned(), "linux/arm/v6".to_owned()];
    let mut made = Vec::new();
    for (at, platform) in (10..).zip(&platforms) {
        let architecture = platform.split('/').nth(1).unwrap().to_owned().leak();
        let image = Image::with(vec![
            Layer::new(&content(1), LayerForm::Gzip),
            Layer::new(&content(at), LayerForm::Gzip),
        ]);
        made.push(image.on("linux", architecture).put(&from));
    }
    let children: Vec<_> =
        made.iter().zip(&platforms).map(|(manifest, platform)| child(manifest, platform)).collect();
    let root = index(&from, OCI_INDEX, &children);
    from.show(&["docker.io/library/multi:1"], &root);
    (from, root, made)
}

fn single() -> Memory {
    Memory::new("to").accepting(|a| {
        a.manifests = AcceptsManifests::Only(vec![MediaType::ImageManifest]);
        a.layers = AcceptsLayers::PlainOnly;
    })
}

fn dense() -> Memory {
    Memory::new("to").accepting(|a| a.sparse = Sparse::Refused)
}

fn absent(from: &Memory, manifest: &Manifest) {
    from.state().faults.missing.insert(manifest.descriptor().digest.clone());
}

fn only(platforms: &[&str]) -> TransferOptions {
    let platforms = platforms.iter().map(|p| Platform::parse(p).unwrap()).collect();
    options(|o| o.platforms = Platforms::Only(platforms))
}

fn digest(manifest: &Manifest) -> Digest {
    manifest.descriptor().digest.clone()
}

fn texts(platforms: &[Platform]) -> Vec<String> {
    platforms.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn a_whole_index_is_kept() {
    let (from, root, _) = three();
    let to = Memory::new("to");
    let report = copy(&from, &to, TransferOptions::default()).await.unwrap();
    assert_eq!(to.state().images[0].root.bytes(), root.bytes());
    assert_eq!(report.images[0].platforms.copied.len(), 3);
    // Four different layers and three configs: what is shared moves once.
    assert_eq!(report.blobs_moved, 7);
    assert_eq!(to.puts(), 7);
    let log = to.state().log.clone();
    assert_eq!(log.iter().filter(|line| line.starts_with("manifest ")).count(), 3);
    assert!(log.last().unwrap().starts_with("commit "));
}

#[tokio::test]
async fn what_is_absent_is_reported_and_the_index_kept() {
    let (from, root, images) = three();
    absent(&from, &images[1]);
    let to = Memory::new("to");
    let report = copy(&from, &to, TransferOptions::default()).await.unwrap();
    assert_eq!(to.state().images[0].root.bytes(), root.bytes());
    assert_eq!(to.state().images[0].absent, [digest(&images[1])]);
    assert_eq!(texts(&report.images[0].platforms.absent), ["linux/s390x"]);
    assert_eq!(report.images[0].platforms.copied.len(), 2);
}

/// What is gone of an image.
type Gone = fn(&Memory, &Manifest) -> Digest;

#[tokio::test]
async fn what_is_damaged_is_not_absent() {
    let manifest_of = |_: &Memory, image: &Manifest| digest(image);
    let config_of = |_: &Memory, image: &Manifest| match image.document() {
        Document::Image(image) => image.config.digest.clone(),
        _ => panic!(),
    };
    let layer_of = |_: &Memory, image: &Manifest| match image.document() {
        Document::Image(image) => image.layers[1].digest.clone(),
        _ => panic!(),
    };
    let cases: [(Gone, Sparse, Option<ErrorKind>); 6] = [
        (manifest_of, Sparse::Accepted, None),
        (config_of, Sparse::Accepted, Some(ErrorKind::Corrupt)),
        (layer_of, Sparse::Accepted, Some(ErrorKind::Corrupt)),
        (manifest_of, Sparse::Refused, Some(ErrorKind::Corrupt)),
        (config_of, Sparse::Refused, Some(ErrorKind::Corrupt)),
        // It is found missing when it is its turn.
        (layer_of, Sparse::Refused, Some(ErrorKind::Corrupt)),
    ];
    for (at, (gone, sparse, expected)) in cases.into_iter().enumerate() {
        let (mut from, _, images) = three();
        from.accepts.sparse = sparse;
        let gone = gone(&from, &images[2]);
        from.state().faults.missing.insert(gone.clone());
        for subset in [Subset::Auto, Subset::Strip] {
            let to = Memory::new("to");
            let copied = copy(&from, &to, options(|o| o.subset = subset)).await;
            let Some(kind) = expected else {
                assert_eq!(copied.unwrap().images[0].platforms.absent.len(), 1, "case {at}");
                continue;
            };
            let error = copied.unwrap_err();
            assert_eq!(error.kind(), kind, "case {at}: {error}");
            assert!(error.to_string().contains(&gone.to_string()), "case {at}: {error}");
            assert!(to.state().images.is_empty(), "case {at}");
        }
        // What is whole can be chosen.
        copy(&from, &Memory::new("to"), only(&["linux/s390x"])).await.unwrap();
        let damaged = copy(&from, &Memory::new("to"), only(&["linux/arm/v6"])).await.unwrap_err();
        assert!(damaged.to_string().contains(&gone.to_string()), "case {at}: {damaged}");
    }
}

#[tokio::test]
async fn only_what_is_chosen_is_read() {
    let (mut from, _, images) = three();
    from.accepts.sparse = Sparse::Refused;
    copy(&from, &Memory::new("to"), only(&["linux/s390x"])).await.unwrap();
    let Document::Image(image) = images[1].document() else { panic!() };
    let mut read: Vec<_> = vec![digest(&images[1])];
    read.extend(image.layers.iter().map(|layer| layer.digest.clone()));
    let asked = from.state().asked.clone();
    // The config is read to plan, and to copy.
    let others = asked.iter().filter(|(digest, _)| **digest != image.config.digest);
    for (digest, times) in others {
        assert!(read.contains(digest) && *times == 1, "{digest} was read {times} times");
    }
    assert_eq!((asked.len(), asked[&image.config.digest]), (4, 2));
}

#[tokio::test]
async fn what_is_absent_is_taken_out_where_no_gaps_are_held() {
    let (from, root, images) = three();
    absent(&from, &images[1]);
    let to = dense();
    let report = copy(&from, &to, TransferOptions::default()).await.unwrap();
    let shown = to.state().images[0].root.clone();
    let Document::Index(index) = shown.document() else { panic!() };
    let digests: Vec<_> = index.manifests.iter().map(|child| child.digest.clone()).collect();
    assert_eq!(digests, [digest(&images[0]), digest(&images[2])]);
    assert_ne!(digest(&shown), digest(&root));
    assert_eq!(report.images[0].lost.len(), 1);
    assert!(report.images[0].lost[0].contains("linux/s390x"), "{:?}", report.images[0].lost);

    let preserve = options(|o| o.digests = Digests::Preserve);
    let error = copy(&from, &dense(), preserve).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn all_platforms_means_all() {
    let (from, _, images) = three();
    let all = options(|o| o.platforms = Platforms::All);
    copy(&from, &Memory::new("to"), all.clone()).await.unwrap();
    absent(&from, &images[1]);
    let error = copy(&from, &Memory::new("to"), all).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("linux/s390x"), "{error}");
}

#[tokio::test]
async fn all_platforms_do_not_fit_into_a_single_image() {
    let (from, _, _) = three();
    let all = options(|o| o.platforms = Platforms::All);
    let error = copy(&from, &single(), all).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("3 platforms"), "{error}");
}

#[tokio::test]
async fn nothing_present_is_not_found() {
    let (from, _, images) = three();
    for image in &images {
        absent(&from, image);
    }
    let error = copy(&from, &Memory::new("to"), TransferOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn one_platform_is_the_image_alone() {
    let (from, _, images) = three();
    let to = Memory::new("to");
    let report = copy(&from, &to, only(&["linux/s390x"])).await.unwrap();
    assert_eq!(to.state().images[0].root.bytes(), images[1].bytes());
    assert_eq!(texts(&report.images[0].platforms.copied), ["linux/s390x"]);
    assert_eq!(report.images[0].platforms.skipped.len(), 2);
    assert_eq!(to.puts(), 3);
}

#[tokio::test]
async fn several_platforms_are_a_part_of_the_index() {
    let (from, root, images) = three();
    let to = Memory::new("to");
    // The machine arm/v7 runs v6.
    let report = copy(&from, &to, only(&["linux/s390x", "linux/arm/v7"])).await.unwrap();
    assert_eq!(to.state().images[0].root.bytes(), root.bytes());
    assert_eq!(to.state().images[0].absent, [digest(&images[0])]);
    assert_eq!(texts(&report.images[0].platforms.copied), ["linux/s390x", "linux/arm/v6"]);

    let to = dense();
    copy(&from, &to, only(&["linux/s390x", "linux/arm/v7"])).await.unwrap();
    let root = to.state().images[0].root.clone();
    let Document::Index(index) = root.document() else { panic!() };
    assert_eq!(index.manifests.len(), 2);

    let error = copy(&from, &single(), only(&["linux/s390x", "linux/arm"])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn a_platform_that_is_not_there_is_not_found_and_says_what_is() {
    let (from, _, images) = three();
    let error = copy(&from, &Memory::new("to"), only(&["windows/amd64"])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("linux/s390x, linux/arm/v6"), "{error}");

    absent(&from, &images[1]);
    let error = copy(&from, &Memory::new("to"), only(&["linux/s390x"])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("not present"), "{error}");
}

#[tokio::test]
async fn a_place_for_single_images_gets_this_machines() {
    let (from, _, images) = three();
    let to = single();
    let report = copy(&from, &to, TransferOptions::default()).await.unwrap();
    assert_eq!(texts(&report.images[0].platforms.copied), [Platform::host().to_string()]);
    assert!(report.images[0].warnings[0].contains("single images"), "{:?}", report.images[0]);

    // With this machine's not there, and one other, it is that.
    absent(&from, &images[0]);
    let error = copy(&from, &single(), TransferOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    absent(&from, &images[1]);
    let report = copy(&from, &single(), TransferOptions::default()).await.unwrap();
    assert_eq!(texts(&report.images[0].platforms.copied), ["linux/arm/v6"]);
}

#[tokio::test]
async fn a_single_image_that_is_for_another_platform_is_not_what_was_asked_for() {
    let from = Memory::new("from");
    from.show(&[], &Image::of(LayerForm::Gzip).on("linux", "s390x").put(&from));
    copy(&from, &Memory::new("to"), only(&["linux/s390x"])).await.unwrap();
    let error = copy(&from, &Memory::new("to"), only(&["linux/arm64"])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("linux/s390x"), "{error}");
}

#[tokio::test]
async fn nested_indexes_are_followed() {
    let (from, root, images) = three();
    let mut nested = child(&root, "x/y");
    nested.as_object_mut().unwrap().remove("platform");
    let other = Image::of(LayerForm::Zstd).on("linux", "ppc64le").put(&from);
    let top = index(&from, OCI_INDEX, &[nested, child(&other, "linux/ppc64le")]);
    from.state().images.clear();
    from.show(&[], &top);
    let to = Memory::new("to");
    let report = copy(&from, &to, TransferOptions::default()).await.unwrap();
    assert_eq!(report.images[0].platforms.copied.len(), 4);
    assert_eq!(to.state().images[0].root.bytes(), top.bytes());
    // Each manifest comes before the index that lists it.
    let log = to.state().log.clone();
    let at = |m: &Manifest| log.iter().position(|l| *l == format!("manifest {}", digest(m)));
    assert!(images.iter().all(|image| at(image) < at(&root)));

    let to = Memory::new("to");
    copy(&from, &to, only(&["linux/arm/v6"])).await.unwrap();
    assert_eq!(to.state().images[0].root.bytes(), images[2].bytes());

    // What nothing is chosen of stays behind as a whole.
    let unlisted = |manifest: &Manifest| {
        let mut listed = child(manifest, "x/y");
        listed.as_object_mut().unwrap().remove("platform");
        listed
    };
    let second = index(&from, OCI_INDEX, &[child(&other, "linux/ppc64le")]);
    let both = index(&from, OCI_INDEX, &[unlisted(&root), unlisted(&second)]);
    from.state().images[0].root = both;
    let to = dense();
    copy(&from, &to, only(&["linux/s390x", "linux/arm/v6"])).await.unwrap();
    let stripped = to.state().images[0].root.clone();
    let Document::Index(shown) = stripped.document() else { panic!() };
    assert_eq!(shown.manifests.len(), 1);
    from.state().images[0].root = top.clone();

    // A change at the bottom goes up to the top.
    let to = Memory::new("to");
    copy(&from, &to, options(|o| o.compress = Compress::Gzip(None))).await.unwrap();
    let state = to.state();
    let kept: HashSet<_> = state.manifests.keys().cloned().collect();
    assert!(kept.contains(&digest(&root)), "the nested index is gzip already");
    assert_ne!(state.images[0].root.bytes(), top.bytes());
}

#[tokio::test]
async fn indexes_that_are_nested_too_deep_are_refused() {
    let from = Memory::new("from");
    let mut top = index(&from, OCI_INDEX, &[]);
    for _ in 0..20 {
        let mut listed = child(&top, "x/y");
        listed.as_object_mut().unwrap().remove("platform");
        top = index(&from, OCI_INDEX, &[listed]);
    }
    from.show(&[], &top);
    let error = copy(&from, &Memory::new("to"), TransferOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded);
}

/// Each index lists the one below it a hundred times: a few kilobytes, and more visits than there is time for.
#[tokio::test]
async fn an_index_that_multiplies_is_refused_by_all_who_walk_it() {
    let from = Memory::new("from");
    let mut top = index(&from, OCI_INDEX, &[]);
    for _ in 0..6 {
        let mut listed = child(&top, "x/y");
        listed.as_object_mut().unwrap().remove("platform");
        top = index(&from, OCI_INDEX, &vec![listed; 100]);
    }
    from.show(&[], &top);
    let error = copy(&from, &Memory::new("to"), TransferOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
    let at = from.at("box");
    let source = from.source(&at, &ReadOptions::default()).await.unwrap();
    let error = EntryDetails::read(&*source).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
    // What is met a second time is not walked a second time.
    let there =
        digests(&at, &Tags::default(), &from.alone(), &ReadOptions::default()).await.unwrap();
    assert_eq!(there.len(), 7);
    let findings = Verifier::new().image(&*source).await.unwrap();
    assert_eq!((findings.checked.manifests, findings.problems.len()), (7, 0));
}

#[tokio::test]
async fn artifacts_in_an_index_are_copied_or_left_out() {
    let from = Memory::new("from");
    let image = Image::of(LayerForm::Gzip).put(&from);
    let mut beside = child(&artifact(&from), "x/y");
    beside.as_object_mut().unwrap().remove("platform");
    let root = index(&from, OCI_INDEX, &[child(&image, "linux/amd64"), beside]);
    from.show(&[], &root);
    let to = Memory::new("to");
    copy(&from, &to, TransferOptions::default()).await.unwrap();
    assert_eq!(to.state().images[0].root.bytes(), root.bytes());
    assert!(to.state().images[0].absent.is_empty());

    let to = Memory::new("to").accepting(|a| {
        a.artifacts = Artifacts::Refused;
        a.sparse = Sparse::Refused;
    });
    let report = copy(&from, &to, TransferOptions::default()).await.unwrap();
    assert!(report.images[0].lost[0].contains("cannot hold it"), "{:?}", report.images[0].lost);
}
