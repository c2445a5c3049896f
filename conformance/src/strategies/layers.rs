//! Layers.

use proptest::prelude::*;
use proptest::sample::select;

use crate::model::{Algorithm, Form, Layer};
use crate::{Ability, Digests, Facts, Layers};

/// One mebibyte: the size of the chunks in which bodies pass.
const CHUNK: usize = 1 << 20;

/// Sizes around those of tar blocks and buffers; large ones are rare, because they take time.
pub fn sizes() -> impl Strategy<Value = usize> {
    prop_oneof![
        12 => select(vec![0, 1, 2, 100, 511, 512, 513, 1023, 1024, 1025]),
        4 => select(vec![4095, 4096, 4097, 8191, 8192, 8193, 65_024, 65_535, 65_536, 65_537, 66_048]),
        1 => select(vec![131_072, 262_143, 262_144, 262_145, CHUNK / 2]),
        1 => select(vec![
            CHUNK - 512, CHUNK - 1, CHUNK, CHUNK + 1, CHUNK + 512, 2 * CHUNK + 1, 3 * CHUNK,
        ]),
    ]
}

/// Layers that a transport holds. Their seeds are few, so that images share them.
pub fn layers(facts: &Facts) -> BoxedStrategy<Layer> {
    let form = if facts.has(Ability::CompressedLayers) {
        prop_oneof![
            4 => Just(Form::Plain),
            3 => (1_usize..4).prop_map(Form::Gzip),
            2 => (1_usize..4).prop_map(Form::Zstd),
            1 => Just(Form::Unknown),
        ]
        .boxed()
    } else {
        Just(Form::Plain).boxed()
    };
    let algorithm = match facts.claims.digests {
        Digests::Any => {
            prop_oneof![9 => Just(Algorithm::Sha256), 1 => Just(Algorithm::Sha512)].boxed()
        }
        Digests::Sha256 => Just(Algorithm::Sha256).boxed(),
    };
    let tars = facts.claims.layers == Layers::Tars;
    (0_u8..6, sizes(), form, algorithm, any::<bool>())
        .prop_map(|(seed, size, form, algorithm, described)| Layer {
            seed,
            size,
            form,
            algorithm,
            described,
        })
        .prop_map(move |layer| if tars { layer.into_tar() } else { layer })
        .boxed()
}
