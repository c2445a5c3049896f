//! A name that an earlier image has moves to the later one, in one writer and when appending.

use proptest::prelude::*;
use transship_core::WriteMode;

use super::{containers, write_container};
use crate::expected;
use crate::model::{Container, Named, Node};
use crate::runner::Kit;
use crate::strategies::{names, plain_images};
use crate::{Append, Held, Law, Nameless, Untagged};

pub(crate) const LAW: Law = Law {
    name: "a_name_taken_over_moves",
    sentence: "A name that an earlier image has moves to the later one, in one writer and when appending.",
    promises: &["A name that an earlier image has is taken over."],
    not_claimed: containers,
    cost: 1,
    check,
};

fn check(kit: &Kit) -> Held {
    let names = proptest::collection::vec(names(kit.claims()), 3);
    let takes = proptest::collection::vec((0_usize..3, 1_usize..4), 2..5);
    let images = proptest::collection::vec(plain_images(kit.claims()), 4);
    kit.each((names, takes, images, any::<bool>()), |lab, (names, takes, images, append)| {
        let mut written = takes.iter().zip(images).map(|((from, to), image)| Named {
            node: Node::Image(image.clone()),
            names: names.iter().skip(*from).take(*to).cloned().collect(),
        });
        let images: Vec<Named> = written.by_ref().filter(|image| !image.names.is_empty()).collect();
        let claims = lab.claims();
        let one_nameless = claims.untagged == Untagged::One && claims.nameless == Nameless::Stays;
        if one_nameless && images.len() > 2 {
            return Ok(());
        }
        let build = |images: &[Named]| expected::build(&Container { images: images.to_vec() });
        let joins = *append && claims.append == Append::Joins;
        let cut = if joins { images.len() / 2 } else { images.len() };
        lab.step(write_container(lab, WriteMode::Create, &build(&images[..cut])?))?;
        if joins {
            lab.step(write_container(lab, WriteMode::Append, &build(&images[cut..])?))?;
        }
        let want = expected::shown(build(&images)?, claims);
        expected::check_taken(&lab.snapshot()?, &want, claims)
    })
}
