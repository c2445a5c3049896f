//! An image that is written twice, or under two names, is one image with all of its names.

use proptest::prelude::*;
use transship_core::{ImageName, WriteMode};

use super::write_archive;
use crate::expected::{self, Entry};
use crate::model::{Image, Named, Node};
use crate::runner::Kit;
use crate::strategies::{distinct, names, plain_images};
use crate::{Ability, Held, Law, Manifests};

pub(crate) const LAW: Law = Law {
    name: "an_image_twice_is_one",
    sentence: "An image that is written twice, or under two names, is one image with all of its names.",
    promises: &[
        "An image that is there already gets the names in addition.",
        "Each name is there once, if a writer wrote it",
    ],
    needs: &[Ability::ManyImages],
    cost: 1,
    check,
};

fn check(kit: &Kit) -> Held {
    let names = || proptest::collection::vec(names(kit.facts()), 1..3);
    let other = (plain_images(kit.facts()), names());
    let again = (names(), any::<bool>());
    kit.each((plain_images(kit.facts()), names(), other, again), |lab, value| {
        let (image, first, (other, other_names), (second, same)) = value;
        let node = |image: &Image, names: &[ImageName]| Named {
            node: Node::Image(image.clone()),
            names: names.to_vec(),
        };
        let names = if *same { first } else { second };
        let mut written =
            distinct(vec![node(image, first), node(other, other_names)], lab.facts());
        // Where manifests are rebuilt, another one of the same config is the same image.
        let rebuilt = lab.claims().manifests == Manifests::Rebuilt;
        let again = Image { described: image.described != rebuilt, ..image.clone() };
        written.push(node(&again, names));
        if written.iter().any(|image| image.names.is_empty()) {
            return Ok(());
        }
        let entries = || {
            let entry = |named: &Named| {
                Ok(Entry { built: named.node.build()?, names: named.names.clone() })
            };
            written.iter().map(entry).collect::<Held<Vec<_>>>()
        };
        lab.step(write_archive(lab, WriteMode::Create, &entries()?))?;
        let want = expected::shown(entries()?, lab.facts());
        expected::check_taken(&lab.snapshot()?, &want, lab.facts())
    })
}
