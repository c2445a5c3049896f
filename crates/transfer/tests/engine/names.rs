//! Names, and which images are copied.

use transship_core::*;
use transship_transfer::*;

use crate::images::*;
use crate::memory::Memory;
use crate::{copy, copy_at, options, plan, transfer};

fn image(seed: u8) -> Image {
    Image::with(vec![
        Layer::new(&content(1), LayerForm::Plain),
        Layer::new(&content(seed), LayerForm::Plain),
    ])
}

/// Three images: one with two names, one without, one with a name that is no docker name.
fn three() -> Memory {
    let from = Memory::new("from");
    for (seed, names) in [
        (2, &["docker.io/library/a:1", "docker.io/library/a:latest"][..]),
        (3, &[]),
        (4, &["No Docker Name"]),
    ] {
        let manifest = image(seed).put(&from);
        from.show(names, &manifest);
    }
    from
}

fn all() -> TransferOptions {
    options(|o| o.images = Images::All)
}

fn names(at: &Memory) -> Vec<Vec<String>> {
    let texts = |names: &[ImageName]| names.iter().map(ToString::to_string).collect();
    at.state().images.iter().map(|image| texts(&image.names)).collect()
}

#[tokio::test]
async fn all_images_keep_their_names_and_share_their_blobs() {
    let (from, to) = (three(), Memory::new("to"));
    let report = copy(&from, &to, all()).await.unwrap();
    assert_eq!(
        names(&to),
        [&["docker.io/library/a:1", "docker.io/library/a:latest"][..], &[], &["No Docker Name"]]
    );
    // Four layers, three configs.
    assert_eq!((to.puts(), report.blobs_moved), (7, 7));
    assert_eq!(to.state().log.last().unwrap(), "finish");
    assert_eq!(report.images.len(), 3);
}

#[tokio::test]
async fn names_that_cannot_be_held_are_reported() {
    let mut to = Memory::new("to");
    to.docker_names = true;
    let planned = plan(&three(), &to, all()).await.unwrap();
    assert!(planned.images[2].lost[0].contains("No Docker Name"), "{planned}");
    let report = copy(&three(), &to, all()).await.unwrap();
    assert_eq!(names(&to)[2], Vec::<String>::new());
    assert!(report.images[2].lost[0].contains("No Docker Name"), "{:?}", report.images[2]);
    assert!(report.images[0].lost.is_empty());

    // The same with one image, which keeps its name where it can.
    let report = copy_at(&three(), "box:@2", &to, TransferOptions::default()).await.unwrap();
    assert!(report.images[0].lost[0].contains("No Docker Name"), "{:?}", report.images[0]);
}

#[tokio::test]
async fn one_image_keeps_its_name_unless_it_gets_one() {
    let to = Memory::new("to");
    copy_at(&three(), "box:@0", &to, TransferOptions::default()).await.unwrap();
    assert_eq!(names(&to)[0], ["docker.io/library/a:1", "docker.io/library/a:latest"]);

    let to = Memory::new("to");
    let named = options(|o| o.names = vec![ImageName::new("b").unwrap()]);
    let report = copy_at(&three(), "box:@0", &to, named).await.unwrap();
    assert_eq!(names(&to)[0], ["b"]);
    assert!(report.images[0].lost.is_empty());

    let (from, to) = (three(), Memory::new("to"));
    let report = Transfer::new(from.at("box:@0"), to.at("box:c"))
        .from_transports(from.alone())
        .to_transports(to.alone())
        .run()
        .await
        .unwrap();
    assert_eq!(names(&to)[0], ["c"]);
    assert!(report.images[0].lost.is_empty());
}

#[tokio::test]
async fn several_images_and_none_chosen_is_ambiguous() {
    let (from, to) = (three(), Memory::new("to"));
    let error = copy(&from, &to, TransferOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Ambiguous);
    assert!(error.to_string().contains("name one; or take all images"), "{error}");

    let reader = from.archives().unwrap().read(&from.at("box"), &ReadOptions::default()).await;
    let error = Transfer::new(reader.unwrap(), to.at("box"))
        .to_transports(to.alone())
        .run()
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Ambiguous);
    assert!(error.to_string().contains("from:box:@2"), "{error}");
}

#[tokio::test]
async fn many_images_need_room_for_many() {
    let mut to = Memory::new("to");
    to.many = false;
    let error = copy(&three(), &to, all()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);

    let named = options(|o| {
        o.images = Images::All;
        o.names = vec![ImageName::new("b").unwrap()];
    });
    let error = copy(&three(), &Memory::new("to"), named).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);

    let from = three();
    let error = transfer(&from, &Memory::new("to"), all());
    let error = Transfer::new(from.at("box:@1"), to.at("box"))
        .options(all())
        .from_transports(from.alone())
        .to_transports(to.alone())
        .run()
        .await
        .map_or_else(|e| e, |_| panic!("{error:?}"));
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn many_sources_go_into_one_archive() {
    let (from, to) = (three(), Memory::new("to"));
    let sources = ["box:@2", "box:@0"].map(|at| Source::from(from.at(at)));
    Transfer::many(sources, to.at("box"))
        .from_transports(from.alone())
        .to_transports(to.alone())
        .run()
        .await
        .unwrap();
    assert_eq!(names(&to)[0], ["No Docker Name"]);
    assert_eq!(names(&to)[1].len(), 2);
}

#[tokio::test]
async fn what_is_open_already_is_used() {
    let (from, to) = (three(), Memory::new("to"));
    let source = from.source(&from.at("box:@0"), &ReadOptions::default()).await.unwrap();
    let writer = to.archives().unwrap().write(&to.at("box"), &WriteOptions::default()).await;
    Transfer::new(source, writer.unwrap()).run().await.unwrap();
    assert_eq!(names(&to)[0], ["docker.io/library/a:1", "docker.io/library/a:latest"]);

    let reader = from.archives().unwrap().read(&from.at("box"), &ReadOptions::default()).await;
    let place = to.destination(&to.at("box:q"), &WriteOptions::default()).await.unwrap();
    let error = Transfer::new(reader.unwrap(), place).options(all()).run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn an_empty_archive_has_nothing_to_copy() {
    let error = copy(&Memory::new("from"), &Memory::new("to"), all()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn signatures_stay_with_what_keeps_its_digest() {
    let mut from = three();
    from.signatures = true;
    from.state().signatures.insert(None, vec!["s".into()]);
    let mut to = Memory::new("to");
    to.signatures = true;
    copy_at(&from, "box:@0", &to, TransferOptions::default()).await.unwrap();
    assert_eq!(to.state().signatures[&None], ["s"]);

    let gzip = || options(|o| o.compress = Compress::Gzip(None));
    for (can, mut options) in [(true, gzip()), (false, gzip()), (false, TransferOptions::default())]
    {
        let mut to = Memory::new("to");
        to.signatures = can;
        let refused = copy_at(&from, "box:@0", &to, options.clone()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unsupported);
        assert!(refused.to_string().contains("1 signatures of"), "{refused}");
        assert!(to.state().log.is_empty(), "nothing was written");
        options.signatures = DetachedSignatures::Remove;
        copy_at(&from, "box:@0", &to, options).await.unwrap();
        assert!(to.state().signatures.is_empty());
    }
    // Asked to, they stay behind where they could come, too.
    let mut to = Memory::new("to");
    to.signatures = true;
    let remove = options(|o| o.signatures = DetachedSignatures::Remove);
    copy_at(&from, "box:@0", &to, remove).await.unwrap();
    assert!(to.state().signatures.is_empty());
}

#[tokio::test]
async fn a_plan_says_what_a_run_does() {
    let (from, to) = (three(), Memory::new("to"));
    let there = from.state().blobs[&sha256(&content(1))].clone();
    to.add_blob(there);
    let planned = plan(&from, &to, all()).await.unwrap();
    let fates: Vec<_> = planned.images.iter().flat_map(|i| &i.blobs).map(|b| b.fate).collect();
    assert_eq!(fates.iter().filter(|fate| **fate == BlobFate::Moved).count(), 6);
    assert_eq!(fates.iter().filter(|fate| **fate == BlobFate::Reused).count(), 1);
    let report = copy(&from, &to, all()).await.unwrap();
    assert_eq!((report.blobs_moved, report.blobs_reused), (6, 1));

    let text = planned.to_string();
    assert!(text.contains("from:box:@0 -> to:box:docker.io/library/a:1"), "{text}");
    let json = serde_json::to_value(&planned).unwrap();
    assert_eq!(json["images"][0]["blobs"][0]["fate"], "reused");
    assert_eq!(json["images"][0]["source"], "from:box:@0");
}

#[tokio::test]
async fn a_name_that_two_images_have_is_reported() {
    let from = three();
    let manifest = image(9).put(&from);
    from.show(&["docker.io/library/a:1"], &manifest);
    let report = copy(&from, &Memory::new("to"), all()).await.unwrap();
    let [told] = report.images[0].warnings.as_slice() else { panic!("{:?}", report.images[0]) };
    assert!(told.contains("docker.io/library/a:1 goes to from:box:@3"), "{told}");
}

#[tokio::test]
async fn names_of_a_place_that_is_open_are_fixed() {
    let (from, to) = (three(), Memory::new("to"));
    let place = to.destination(&to.at("box:q"), &WriteOptions::default()).await.unwrap();
    let named = options(|o| o.names = vec![ImageName::new("b").unwrap()]);
    let transfer = Transfer::new(from.at("box:@0"), place).from_transports(from.alone());
    let error = transfer.options(named).run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}
