//! Images, artifacts and indexes.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::layers;
use crate::model::{Algorithm, Child, Config, Format, Image, Index, Node, Presence};
use crate::{Ability, Digests, Facts};

/// Images of 0 to 8 layers, sometimes one layer twice.
pub fn images(facts: &Facts) -> BoxedStrategy<Image> {
    let config = if facts.has(Ability::Artifacts) { vec![Config::Artifact] } else { vec![] };
    let runnable = [Config::Plain, Config::Plain, Config::DockerFields, Config::UnknownFields];
    let config =
        select(config.into_iter().chain(runnable).chain([Config::Long]).collect::<Vec<_>>());
    let count = prop_oneof![8 => 0_usize..4, 1 => 4_usize..9];
    let layers = count.prop_flat_map({
        let facts = facts.clone();
        move |count| vec(layers(&facts), count)
    });
    let format = select(facts.formats());
    let architecture = select(vec!["amd64", "arm64", "arm/v7", "s390x"]);
    let flags = (any::<bool>(), prop::bool::weighted(0.1), prop::bool::weighted(0.2));
    (format, config, 0_u8..20, architecture, layers, flags)
        .prop_map(|(format, config, seed, architecture, mut layers, flags)| {
            let (described, subject, twice) = flags;
            if twice && let Some(first) = layers.first().cloned() {
                layers.push(first);
            }
            // Docker has no artifacts and no subjects.
            let format = if config == Config::Artifact || subject { Format::Oci } else { format };
            let algorithm = Algorithm::Sha256;
            Image { format, config, seed, architecture, layers, described, subject, algorithm }
        })
        .boxed()
}

/// Images that are never about others and no artifacts: those that `list` shows wherever they are.
pub fn plain_images(facts: &Facts) -> BoxedStrategy<Image> {
    let facts = facts.without_artifacts();
    images(&facts).prop_map(|image| Image { subject: false, ..image }).boxed()
}

/// Images and, where they are held, indexes: nested, with attestations, with gaps.
pub fn nodes(facts: &Facts) -> BoxedStrategy<Node> {
    let image = images(facts).prop_map(Node::Image);
    if !facts.has(Ability::Indexes) {
        return image.boxed();
    }
    let any_digest = facts.claims.digests == Digests::Any;
    let leaf = (plain_images(facts), prop::bool::weighted(0.1)).prop_map(move |(image, sha512)| {
        let algorithm = if sha512 && any_digest { Algorithm::Sha512 } else { Algorithm::Sha256 };
        Node::Image(Image { algorithm, ..image })
    });
    let leaf = leaf.boxed();
    let sparse = facts.has(Ability::SparseIndexes);
    let formats = facts.index_formats();
    let index = leaf.prop_recursive(2, 8, 3, move |inner| {
        let presence = prop_oneof![
            6 => Just(Presence::Here),
            1 => Just(if sparse { Presence::Absent } else { Presence::Here }),
            1 => Just(Presence::Attestation),
        ];
        let child = (inner, presence).prop_map(|(node, presence)| Child { node, presence });
        let format = select(formats.clone());
        (vec(child, 0..4), format, any::<bool>())
            .prop_map(|(children, format, described)| index(children, format, described))
    });
    prop_oneof![2 => image, 1 => index].boxed()
}

/// Docker's lists hold no indexes.
fn index(mut children: Vec<Child>, format: Format, described: bool) -> Node {
    let nested = children.iter().any(|child| matches!(child.node, Node::Index(_)));
    let format = if nested { Format::Oci } else { format };
    for child in &mut children {
        if matches!(child.node, Node::Index(_)) && child.presence == Presence::Attestation {
            child.presence = Presence::Here;
        }
    }
    Node::Index(Index { format, children, described })
}
