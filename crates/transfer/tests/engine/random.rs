//! What holds for any image, any destination and any options.

use proptest::prelude::*;
use transship_core::*;
use transship_transfer::codec::{Compression, sniff};
use transship_transfer::*;

use crate::images::*;
use crate::memory::Memory;
use crate::{copy, options};

fn form() -> impl Strategy<Value = LayerForm> {
    prop::sample::select(vec![LayerForm::Plain, LayerForm::Gzip, LayerForm::Zstd])
}

fn image() -> impl Strategy<Value = Image> {
    let layer = (0..4_u8, form()).prop_map(|(seed, form)| Layer::new(&content(seed), form));
    (prop::collection::vec(layer, 0..5), any::<bool>())
        .prop_map(|(layers, docker)| Image { docker, ..Image::with(layers) })
}

fn accepts() -> impl Strategy<Value = Accepts> {
    use AcceptsLayers::{Any, CompressedOnly, PlainOnly};
    let layers = prop::sample::select(vec![Any, PlainOnly, CompressedOnly]);
    let types = prop::sample::select(vec![
        AcceptsManifests::Any,
        AcceptsManifests::Only(vec![MediaType::ImageManifest]),
        AcceptsManifests::Only(vec![MediaType::from(media_types::DOCKER_MANIFEST)]),
    ]);
    let order = prop::sample::select(vec![AcceptsOrder::Any, AcceptsOrder::AsPlanned]);
    (layers, types, order, prop::option::of(form())).prop_map(
        |(layers, manifests, order, prefers)| {
            let mut accepts = Accepts::anything();
            accepts.layers = layers;
            accepts.manifests = manifests;
            accepts.order = order;
            accepts.prefers = prefers;
            accepts
        },
    )
}

fn asked() -> impl Strategy<Value = TransferOptions> {
    let compress = prop::sample::select(vec![
        Compress::Auto,
        Compress::Keep,
        Compress::Plain,
        Compress::Gzip(None),
        Compress::Gzip(Some(1)),
        Compress::Zstd(None),
    ]);
    let format = prop::option::of(prop::sample::select(vec![Format::Oci, Format::Docker]));
    let digests = prop::sample::select(vec![Digests::MayChange, Digests::Preserve]);
    (compress, format, digests).prop_map(|(compress, format, digests)| {
        options(|o| {
            o.compress = compress;
            o.format = format;
            o.digests = digests;
        })
    })
}

/// What is there is the image that was copied, in a form that the destination holds.
fn check(from: &Memory, to: &Memory, asked: &TransferOptions, report: &ImageReport) {
    let (before, after) = (from.state().images[0].root.clone(), to.state().images[0].root.clone());
    let (Document::Image(old), Document::Image(new)) = (before.document(), after.document()) else {
        panic!("images")
    };
    assert!(to.accepts.takes(&after.descriptor().media_type));
    assert_eq!(report.digest, after.descriptor().digest);
    assert_eq!(report.digest == report.source_digest, before.bytes() == after.bytes());
    if asked.digests == Digests::Preserve {
        assert_eq!(before.bytes(), after.bytes());
    }
    assert_eq!(old.config.digest, new.config.digest);
    assert_eq!(old.layers.len(), new.layers.len());
    for (old, new) in old.layers.iter().zip(&new.layers) {
        let (was, is) =
            (from.state().blobs[&old.digest].clone(), to.state().blobs[&new.digest].clone());
        assert_eq!(plain(&was), plain(&is));
        let form = match sniff(&is) {
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
            _ => "tar",
        };
        assert!(new.media_type.as_ref().ends_with(form), "{} is {form}", new.media_type);
        match to.accepts.layers {
            AcceptsLayers::PlainOnly => assert_eq!(form, "tar"),
            AcceptsLayers::CompressedOnly => assert_ne!(form, "tar"),
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_copy_is_the_image_or_an_error_that_leaves_nothing(
        (image, accepts, asked) in (image(), accepts(), asked())
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let from = Memory::new("from");
            from.show(&["x"], &image.put(&from));
            let place = || Memory::new("to").accepting(|a| *a = accepts.clone());
            let (to, again) = (place(), place());
            match copy(&from, &to, asked.clone()).await {
                Ok(report) => {
                    check(&from, &to, &asked, &report.images[0]);
                    let second = copy(&from, &again, asked.clone()).await.unwrap();
                    assert_eq!(second.images[0].digest, report.images[0].digest);
                    // Once there, it is the same image for a copy that asks for nothing.
                    let kept = options(|o| o.digests = Digests::Preserve);
                    let third = copy(&to, &place(), kept).await.unwrap();
                    assert_eq!(third.images[0].digest, report.images[0].digest);
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
                    assert!(error.advice().is_some(), "{error}");
                    assert!(to.state().log.is_empty());
                }
            }
        });
    }
}
