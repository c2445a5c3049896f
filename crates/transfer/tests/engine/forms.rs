//! The forms of layers.

use serde_json::json;
use transship_core::*;
use transship_transfer::*;

use crate::images::*;
use crate::memory::Memory;
use crate::{copy, options, plan};

fn only_image(at: &Memory) -> ImageDocument {
    let state = at.state();
    let [shown] = state.images.as_slice() else { panic!("{:?}", state.images) };
    let Document::Image(image) = shown.root.document() else { panic!("an index") };
    image.clone()
}

/// Each layer as it is there: its type, and its plain bytes.
fn layers(at: &Memory) -> Vec<(String, Vec<u8>)> {
    let image = only_image(at);
    let state = at.state();
    let bytes = |layer: &Descriptor| plain_of(&state.blobs[&layer.digest], layer);
    image.layers.iter().map(|layer| (layer.media_type.to_string(), bytes(layer))).collect()
}

fn plain_of(bytes: &[u8], layer: &Descriptor) -> Vec<u8> {
    assert_eq!(sha256(bytes), layer.digest);
    assert_eq!(bytes.len() as u64, layer.size);
    plain(bytes)
}

fn source(form: LayerForm) -> (Memory, Manifest) {
    let memory = Memory::new("from");
    let manifest = Image::of(form).put(&memory);
    memory.show(&["docker.io/library/x:1"], &manifest);
    (memory, manifest)
}

const FORMS: [LayerForm; 3] = [LayerForm::Plain, LayerForm::Gzip, LayerForm::Zstd];

#[tokio::test]
async fn what_need_not_change_keeps_its_bytes() {
    for form in FORMS {
        let (from, manifest) = source(form);
        let to = Memory::new("to");
        let report = copy(&from, &to, TransferOptions::default()).await.unwrap();
        assert_eq!(to.state().images[0].root.bytes(), manifest.bytes());
        assert_eq!(report.images[0].digest, manifest.descriptor().digest);
        assert_eq!(report.blobs_moved, 3);
        assert_eq!(report.bytes_read, report.bytes_written);
        assert!(report.images[0].lost.is_empty() && report.images[0].warnings.is_empty());
    }
}

#[tokio::test]
async fn every_form_becomes_every_form() {
    let asked = [
        (Compress::Plain, LayerForm::Plain, OCI_LAYER),
        (Compress::Gzip(None), LayerForm::Gzip, OCI_GZIP),
        (Compress::Zstd(None), LayerForm::Zstd, OCI_ZSTD),
    ];
    for has in FORMS {
        for (compress, form, media_type) in asked {
            let (from, manifest) = source(has);
            let to = Memory::new("to");
            let options = options(|o| o.compress = compress);
            let planned = plan(&from, &to, options.clone()).await.unwrap();
            assert_eq!(planned.images[0].digest_kept, has == form);
            let report = copy(&from, &to, options).await.unwrap();
            let found = layers(&to);
            assert_eq!(found[0], (media_type.to_owned(), content(1)), "{has:?} to {form:?}");
            assert_eq!(found[1], (media_type.to_owned(), content(2)), "{has:?} to {form:?}");
            assert_eq!(report.images[0].digest == manifest.descriptor().digest, has == form);
        }
    }
}

#[tokio::test]
async fn a_round_trip_gives_the_same_image() {
    let (from, manifest) = source(LayerForm::Plain);
    for compress in [Compress::Gzip(Some(9)), Compress::Zstd(Some(7))] {
        let (middle, to) = (Memory::new("middle"), Memory::new("to"));
        copy(&from, &middle, options(|o| o.compress = compress)).await.unwrap();
        copy(&middle, &to, options(|o| o.compress = Compress::Plain)).await.unwrap();
        // The second is written compactly.
        let (a, b) = (manifest.document(), only_image(&to));
        assert_eq!(*a, Document::Image(b));
    }
}

#[tokio::test]
async fn a_level_makes_layers_anew() {
    let (from, manifest) = source(LayerForm::Gzip);
    let to = Memory::new("to");
    copy(&from, &to, options(|o| o.compress = Compress::Gzip(Some(1)))).await.unwrap();
    assert_ne!(to.state().images[0].root.descriptor(), manifest.descriptor());
    assert_eq!(layers(&to)[0].1, content(1));
}

#[tokio::test]
async fn a_level_that_there_is_not_is_refused() {
    let (from, _) = source(LayerForm::Plain);
    for compress in [Compress::Gzip(Some(0)), Compress::Gzip(Some(10)), Compress::Zstd(Some(23))] {
        let to = Memory::new("to");
        let error = copy(&from, &to, options(|o| o.compress = compress)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{compress:?}");
    }
}

#[tokio::test]
async fn a_config_never_changes() {
    let (from, manifest) = source(LayerForm::Zstd);
    let to = Memory::new("to");
    let options = options(|o| {
        o.compress = Compress::Plain;
        o.format = Some(Format::Docker);
    });
    copy(&from, &to, options).await.unwrap();
    let Document::Image(before) = manifest.document() else { panic!() };
    let after = only_image(&to);
    assert_eq!(after.config.digest, before.config.digest);
    assert_eq!(after.config.media_type.as_ref(), media_types::DOCKER_CONFIG);
    assert_eq!(to.state().blobs[&after.config.digest], from.state().blobs[&after.config.digest]);
}

#[tokio::test]
async fn a_destination_of_plain_layers_gets_them() {
    let (from, _) = source(LayerForm::Gzip);
    let to = Memory::new("to").accepting(|a| a.layers = AcceptsLayers::PlainOnly);
    copy(&from, &to, TransferOptions::default()).await.unwrap();
    assert_eq!(layers(&to)[1], (OCI_LAYER.to_owned(), content(2)));

    for compress in [Compress::Keep, Compress::Gzip(None)] {
        let to = Memory::new("to").accepting(|a| a.layers = AcceptsLayers::PlainOnly);
        let error = copy(&from, &to, options(|o| o.compress = compress)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(to.state().log.is_empty());
    }
}

#[tokio::test]
async fn a_preference_is_for_plain_layers_and_gives_way() {
    let prefers = || Memory::new("to").accepting(|a| a.prefers = Some(LayerForm::Gzip));
    for (has, asked, gets) in [
        (LayerForm::Plain, Compress::Auto, OCI_GZIP),
        (LayerForm::Zstd, Compress::Auto, OCI_ZSTD),
        (LayerForm::Plain, Compress::Keep, OCI_LAYER),
        (LayerForm::Plain, Compress::Zstd(None), OCI_ZSTD),
    ] {
        let (from, _) = source(has);
        let to = prefers();
        copy(&from, &to, options(|o| o.compress = asked)).await.unwrap();
        assert_eq!(layers(&to)[0].0, gets, "{has:?} {asked:?}");
    }
    let (from, manifest) = source(LayerForm::Plain);
    let to = prefers();
    let report = copy(&from, &to, options(|o| o.digests = Digests::Preserve)).await.unwrap();
    assert_eq!(report.images[0].digest, manifest.descriptor().digest);
}

#[tokio::test]
async fn digests_that_must_stay_are_not_changed() {
    let (from, _) = source(LayerForm::Gzip);
    let to = Memory::new("to");
    for change in [(|o| o.compress = Compress::Zstd(None)) as fn(&mut TransferOptions), |o| {
        o.format = Some(Format::Docker);
    }] {
        let options = options(|o| {
            o.digests = Digests::Preserve;
            change(o);
        });
        let error = copy(&from, &to, options).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(error.advice(), Some(&Hint::AllowDigestChange), "{error}");
        assert!(to.state().log.is_empty());
    }
}

#[tokio::test]
async fn a_layer_that_unpacks_to_something_else_is_corrupt() {
    for form in [LayerForm::Gzip, LayerForm::Zstd] {
        for compress in [Compress::Plain, Compress::Zstd(Some(1))] {
            let from = Memory::new("from");
            let mut image = Image::of(form);
            image.diff_ids = Some(vec![sha256(&content(1)), sha256(b"other")]);
            from.show(&[], &image.put(&from));
            let to = Memory::new("to");
            let error = copy(&from, &to, options(|o| o.compress = compress)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
            assert!(error.to_string().contains("layer 2 of 2"), "{error}");
            assert!(to.state().images.is_empty());
        }
    }
}

#[tokio::test]
async fn a_plain_layer_is_its_diff_id() {
    let from = Memory::new("from");
    let mut image = Image::of(LayerForm::Plain);
    image.diff_ids = Some(vec![sha256(&content(1)), sha256(b"other")]);
    from.show(&[], &image.put(&from));
    let error = copy(&from, &Memory::new("to"), TransferOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn a_count_of_diff_ids_that_is_wrong_is_corrupt() {
    let from = Memory::new("from");
    let mut image = Image::of(LayerForm::Gzip);
    image.diff_ids = Some(vec![sha256(&content(1))]);
    from.show(&[], &image.put(&from));
    let error = copy(&from, &Memory::new("to"), TransferOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("1 diff IDs"), "{error}");
}

#[tokio::test]
async fn compression_is_looked_at_not_believed() {
    // It says gzip, and is plain; it says plain, and is zstd.
    let lying = || {
        Image::with(vec![
            Layer::new(&content(1), LayerForm::Plain).typed(OCI_GZIP),
            Layer::new(&content(2), LayerForm::Zstd).typed(OCI_LAYER),
        ])
    };
    let from = Memory::new("from");
    from.show(&[], &lying().put(&from));
    for (compress, media_type) in [
        (Compress::Plain, OCI_LAYER),
        (Compress::Gzip(None), OCI_GZIP),
        (Compress::Zstd(None), OCI_ZSTD),
    ] {
        let to = Memory::new("to");
        copy(&from, &to, options(|o| o.compress = compress)).await.unwrap();
        assert_eq!(layers(&to)[0], (media_type.to_owned(), content(1)));
        assert_eq!(layers(&to)[1], (media_type.to_owned(), content(2)));
    }
    // Nobody asked for a form: the bytes stay, lies too.
    let to = Memory::new("to");
    copy(&from, &to, TransferOptions::default()).await.unwrap();
    assert_eq!(layers(&to)[0], (OCI_GZIP.to_owned(), content(1)));
}

#[tokio::test]
async fn types_that_are_not_known_never_change() {
    let encrypted = "application/vnd.oci.image.layer.v1.tar+gzip+encrypted";
    let from = Memory::new("from");
    let image = Image::with(vec![
        Layer::new(&content(1), LayerForm::Plain),
        Layer::new(b"secret", LayerForm::Plain).typed(encrypted),
    ]);
    from.show(&[], &image.put(&from));
    let to = Memory::new("to");
    copy(&from, &to, options(|o| o.compress = Compress::Gzip(None))).await.unwrap();
    assert_eq!(layers(&to)[0].0, OCI_GZIP);
    assert_eq!(layers(&to)[1], (encrypted.to_owned(), b"secret".to_vec()));

    let to = Memory::new("to").accepting(|a| a.layers = AcceptsLayers::PlainOnly);
    let error = copy(&from, &to, TransferOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn annotations_about_old_bytes_go_with_them() {
    let from = Memory::new("from");
    let annotations = json!({
        "io.github.containers.zstd-chunked.manifest-checksum": "x",
        "containerd.io/snapshot/stargz/toc.digest": "x",
        "org.example.kept": "y",
    });
    let image =
        Image::with(vec![Layer::new(&content(1), LayerForm::Zstd).annotated(annotations.clone())]);
    from.show(&[], &image.put(&from));
    let to = Memory::new("to");
    copy(&from, &to, options(|o| o.compress = Compress::Gzip(None))).await.unwrap();
    let left: Vec<_> = only_image(&to).layers[0].annotations.clone().into_iter().collect();
    assert_eq!(left, [("org.example.kept".to_owned(), "y".to_owned())]);

    let to = Memory::new("to");
    copy(&from, &to, TransferOptions::default()).await.unwrap();
    assert_eq!(only_image(&to).layers[0].annotations.len(), 3);
}

#[tokio::test]
async fn layers_that_are_not_to_be_distributed_stay_behind() {
    let foreign = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";
    let layer = Layer::new(&content(1), LayerForm::Gzip).typed(foreign);
    let absent = Layer { there: false, ..layer.clone() };
    let from = Memory::new("from");
    let manifest = Image::with(vec![absent, Layer::new(&content(2), LayerForm::Gzip)]).put(&from);
    from.show(&[], &manifest);
    let to = Memory::new("to");
    let planned = plan(&from, &to, TransferOptions::default()).await.unwrap();
    assert_eq!(planned.images[0].blobs[2].fate, BlobFate::LeftOut);
    let of_plan = &planned.images[0].not_distributed;
    assert_eq!(of_plan[0].digest, planned.images[0].blobs[2].digest);
    assert!(planned.to_string().contains("not copied: sha256:"), "{planned}");
    let report = copy(&from, &to, TransferOptions::default()).await.unwrap();
    assert_eq!(report.images[0].digest, manifest.descriptor().digest);
    assert_eq!((report.images[0].not_distributed.len(), to.puts()), (1, 2));
    assert_eq!(report.images[0].not_distributed, *of_plan);

    let copy_them = options(|o| o.nondistributable = Nondistributable::Copy);
    let error = copy(&from, &Memory::new("to"), copy_them.clone()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);

    let from = Memory::new("from");
    from.show(&[], &Image::with(vec![layer]).put(&from));
    let to = Memory::new("to").accepting(|a| a.layers = AcceptsLayers::PlainOnly);
    let error = copy(&from, &to, TransferOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let report = copy(&from, &to, copy_them).await.unwrap();
    assert_eq!(report.images[0].not_distributed, []);
    assert_eq!(layers(&to)[0].1, content(1));
}

#[tokio::test]
async fn a_layer_is_opened_once_whatever_becomes_of_it() {
    for form in [LayerForm::Plain, LayerForm::Gzip, LayerForm::Zstd] {
        for compress in [Compress::Plain, Compress::Gzip(None), Compress::Zstd(None)] {
            let (from, _) = source(form);
            let image = only_image(&from);
            copy(&from, &Memory::new("to"), options(|o| o.compress = compress)).await.unwrap();
            for layer in &image.layers {
                let times = from.state().asked[&layer.digest];
                assert_eq!(times, 1, "{form:?} to {compress:?}: {layer:?}");
            }
        }
    }
}

#[tokio::test]
async fn what_has_the_form_already_is_not_made_anew_whatever_its_type_says() {
    let from = Memory::new("from");
    let lying = Layer::new(&content(2), LayerForm::Gzip).typed(OCI_LAYER);
    from.show(&[], &Image::with(vec![lying]).put(&from));
    let before = only_image(&from);
    let to = Memory::new("to");
    copy(&from, &to, options(|o| o.compress = Compress::Gzip(None))).await.unwrap();
    let after = only_image(&to);
    assert_eq!(after.layers[0].digest, before.layers[0].digest);
    assert_eq!(after.layers[0].media_type.as_ref(), OCI_GZIP);
}
