//! Archives of images that share layers, configs and names.

use std::collections::HashSet;

use proptest::collection::vec;
use proptest::prelude::*;

use super::{images, names, nodes};
use transship_core::AcceptsNames;

use crate::model::{Algorithm, Archive, Form, Image, Layer, Named, Node};
use crate::{Ability, Empty, Facts, Manifests, Names};

/// Archives of up to `most` images, no two of which have a name in common. Large ones have small images.
pub fn archives(facts: &Facts, most: usize) -> BoxedStrategy<Archive> {
    let least = usize::from(facts.claims.empty == Empty::None);
    let few = vec(named(facts, nodes_without_subject(facts)), least..4.min(most + 1));
    let many = vec(named(facts, small(facts)), least..=most);
    let facts = facts.clone();
    prop_oneof![2 => few, 1 => many]
        .prop_map(move |images| Archive { images: distinct(images, &facts) })
        .boxed()
}

fn nodes_without_subject(facts: &Facts) -> BoxedStrategy<Node> {
    nodes(facts)
        .prop_map(|node| match node {
            Node::Image(image) => Node::Image(Image { subject: false, ..image }),
            index @ Node::Index(_) => index,
        })
        .boxed()
}

fn named(facts: &Facts, node: BoxedStrategy<Node>) -> BoxedStrategy<Named> {
    let count = match facts.accepts.names {
        AcceptsNames::None => 0..1,
        AcceptsNames::Many => 0..4_usize,
        _ => 0..2,
    };
    (node, vec(names(facts), count)).prop_map(|(node, names)| Named { node, names }).boxed()
}

/// Images of one or two layers out of a few.
fn small(facts: &Facts) -> BoxedStrategy<Node> {
    let plain = !facts.has(Ability::CompressedLayers);
    let layer = (0_u8..5, 0_usize..3).prop_map(move |(seed, size)| Layer {
        form: if plain || size < 2 { Form::Plain } else { Form::Gzip(1) },
        algorithm: Algorithm::Sha256,
        ..Layer::small(seed, [0, 512, 700][size])
    });
    let other = images(&facts.without_artifacts());
    // Of few seeds, so that images have one config in common, and not the manifest.
    let image = (0_u8..4, vec(layer, 0..3), any::<bool>())
        .prop_map(|(seed, layers, described)| Image { layers, described, ..Image::simple(seed) });
    let facts = facts.clone();
    let image = image.prop_map(move |image| image.fit_for(&facts));
    prop_oneof![15 => image, 1 => other.prop_map(|image| Image { subject: false, ..image })]
        .prop_map(Node::Image)
        .boxed()
}

/// Takes away names that an earlier image has, and images without a name where only one may be.
pub fn distinct(images: Vec<Named>, facts: &Facts) -> Vec<Named> {
    let (mut seen, mut nameless) = (HashSet::new(), 0);
    images
        .into_iter()
        .map(|mut image| {
            if facts.accepts.names == AcceptsNames::One {
                image.names.truncate(1);
            }
            image.names.retain(|name| seen.insert(meaning(name, facts)));
            image
        })
        .filter(|image| {
            nameless += usize::from(image.names.is_empty());
            !image.names.is_empty() || !facts.has(Ability::OneWithoutName) || nameless < 2
        })
        .collect()
}

/// What a name means where `alpine` is `docker.io/library/alpine:latest`.
pub(crate) fn meaning(name: &transship_core::ImageName, facts: &Facts) -> String {
    match facts.claims.names {
        Names::AnyText if facts.claims.manifests == Manifests::Kept => name.as_str().to_owned(),
        _ => name
            .docker()
            .map_or_else(|| name.as_str().to_owned(), |docker| docker.or_latest().to_string()),
    }
}
