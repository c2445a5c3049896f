//! Values that are worth a look each time, whatever chance gives: each thing that an image can be, alone.

use transship_core::ImageName;

use super::{distinct, spelled_names};
use crate::model::{
    Algorithm, Archive, Child, Config, Form, Format, Image, Index, Layer, Named, Node, Presence,
};
use crate::{Ability, Digests, Empty, Facts, Names};

/// One mebibyte.
const CHUNK: usize = 1 << 20;

/// Sizes of layers that come in one image.
const SIZES: &[&[usize]] = &[
    &[0, 1, 2, 511, 512, 513, 1023, 1024],
    &[1025, 4095, 4096, 4097, 8191, 8192, 8193, 0],
    &[65_024, 65_535, 65_536, 65_537, 66_048, 1],
    &[131_071, 131_072, 131_073, 262_143, 262_144, 262_145],
    &[CHUNK - 512, CHUNK - 1, CHUNK, CHUNK + 1, CHUNK + 512, 512],
    &[3 * CHUNK + 1, 2 * CHUNK],
];

/// Images that differ from a plain one in one property each: no layers, a sha512 digest, an unknown field.
pub fn corner_images(facts: &Facts) -> Vec<Image> {
    let with = |layers: Vec<Layer>| Image { layers, ..Image::simple(0) };
    let mut images = vec![with(vec![])];
    images.extend(SIZES.iter().map(|sizes| with(noise_of(sizes))));
    images.extend([
        with(vec![Layer::small(0, 0)]),
        with(vec![Layer::small(0, 512)]),
        // Of equal sizes.
        with([4, 8, 12, 5].map(|seed| Layer::small(seed, 700)).to_vec()),
        // One twice, side by side and not.
        with([1, 1, 4, 1].map(|seed| Layer::small(seed, 600)).to_vec()),
        // Zeros.
        with([512, 1024, 10_240, 1].map(|size| Layer::small(3, size)).to_vec()),
        // Tars.
        with([1536, 2048, 10_240, 70_000].map(|size| Layer::small(2, size)).to_vec()),
        with((0..8).map(|seed| Layer { described: true, ..Layer::small(seed, 900) }).collect()),
        with([100, 65_537].map(|size| sha512(Layer::small(1, size))).to_vec()),
        // The root is named by it, too.
        Image { algorithm: Algorithm::Sha512, ..Image::simple(6) },
    ]);
    images.extend(configs(facts));
    if facts.has(Ability::CompressedLayers) {
        images.extend(forms());
    }
    let has_docker = facts.formats().contains(&Format::Docker);
    let docker: Vec<_> = images
        .iter()
        .filter(|image| has_docker && image.config != Config::Artifact && !image.subject)
        .step_by(3)
        .map(|image| Image { format: Format::Docker, ..image.clone() })
        .collect();
    let images = images.clone().into_iter().chain(docker).map(|image| image.fit_for(facts));
    if facts.claims.digests == Digests::Any {
        return images.collect();
    }
    images.filter(|image| !has_sha512(image)).collect()
}

fn noise_of(sizes: &[usize]) -> Vec<Layer> {
    let seeds = [0_u8, 1, 4, 5, 8, 9, 12, 13];
    sizes.iter().zip(seeds).map(|(size, seed)| Layer::small(seed, *size)).collect()
}

fn sha512(mut layer: Layer) -> Layer {
    layer.algorithm = Algorithm::Sha512;
    layer
}

fn configs(facts: &Facts) -> Vec<Image> {
    let of = |config| Image { config, ..Image::simple(1) };
    let mut images = vec![of(Config::DockerFields), of(Config::UnknownFields), of(Config::Long)];
    images.push(Image { described: true, ..of(Config::Plain) });
    images.push(Image { architecture: "arm/v7", ..of(Config::Plain) });
    if facts.has(Ability::Artifacts) {
        images.push(Image { layers: vec![], ..of(Config::Artifact) });
        images.push(Image { described: true, ..of(Config::Artifact) });
        images.push(Image { subject: true, ..of(Config::Plain) });
    }
    images
}

fn forms() -> Vec<Image> {
    let of = |form, size| Layer { form, ..Layer::small(5, size) };
    let layers = |form: fn(usize) -> Form| {
        vec![
            of(form(1), 0),
            of(form(1), 1),
            of(form(1), 700),
            of(form(3), 700),
            of(form(2), 70_000),
        ]
    };
    let mixed = vec![
        of(Form::Plain, 700),
        of(Form::Gzip(1), 700),
        of(Form::Zstd(2), 700),
        of(Form::Unknown, 701),
        sha512(of(Form::Gzip(2), 700)),
    ];
    [layers(Form::Gzip), layers(Form::Zstd), mixed]
        .map(|layers| Image { layers, ..Image::simple(2) })
        .to_vec()
}

/// The [`corner_images`], and indexes that differ in one property each.
pub fn corner_nodes(facts: &Facts) -> Vec<Node> {
    let images = corner_images(facts).into_iter().map(Node::Image);
    if !facts.has(Ability::Indexes) {
        return images.collect();
    }
    let sparse = facts.has(Ability::SparseIndexes);
    let indexes = indexes().into_iter().filter(|index| index.is_of(&facts.index_formats()));
    let all = images.chain(indexes).filter(|node| sparse || node.is_whole());
    all.filter(|node| facts.claims.digests == Digests::Any || !lists_sha512(node)).collect()
}

fn has_sha512(image: &Image) -> bool {
    let of_layers = image.layers.iter().map(|layer| layer.algorithm);
    of_layers.chain([image.algorithm]).any(|algorithm| algorithm == Algorithm::Sha512)
}

fn lists_sha512(node: &Node) -> bool {
    match node {
        Node::Image(image) => has_sha512(image),
        Node::Index(index) => index.children.iter().any(|child| lists_sha512(&child.node)),
    }
}

fn indexes() -> Vec<Node> {
    let image = |seed: u8| Node::Image(Image::simple(seed));
    let here = |node| Child { node, presence: Presence::Here };
    let absent = |node| Child { node, presence: Presence::Absent };
    let arm = Image { architecture: "arm/v7", ..Image::simple(3) };
    let long = Image { algorithm: Algorithm::Sha512, ..Image::simple(4) };
    let shares = Image { described: true, ..Image::simple(1) };
    let about = Child { node: image(5), presence: Presence::Attestation };
    let content = |seed, of| Child { node: image(seed), presence: Presence::Content(of) };
    let text = || content(6, "text/plain");
    let of = |children| index(Format::Oci, children);
    let nested = of(vec![here(image(2)), absent(image(3))]);
    vec![
        of(vec![]),
        of(vec![here(image(1))]),
        // Two with one config and the layers in common.
        of(vec![here(image(1)), here(Node::Image(shares))]),
        // One listed twice.
        of(vec![here(image(1)), here(image(2)), here(image(1))]),
        of(vec![absent(image(1)), here(image(2))]),
        of(vec![here(image(1)), absent(image(2))]),
        of(vec![absent(image(1)), absent(image(2))]),
        of(vec![here(image(1)), about]),
        of(vec![here(Node::Image(arm)), here(Node::Image(long))]),
        // What is absent below is here above.
        of(vec![here(nested.clone()), here(image(3))]),
        of(vec![here(of(vec![here(nested)])), here(of(vec![]))]),
        // What is no manifest, beside an image, alone, and in an index of an index.
        of(vec![text(), here(image(1)), content(7, "application/vnd.example.kit.unknown")]),
        of(vec![text()]),
        of(vec![here(of(vec![here(image(1)), text()])), here(image(2))]),
        index(Format::Docker, vec![here(image(1)), here(image(2))]),
    ]
}

fn index(format: Format, children: Vec<Child>) -> Node {
    Node::Index(Index { format, described: children.len() == 3, children })
}

/// Archives that differ in one property each.
pub fn corner_archives(facts: &Facts) -> Vec<Archive> {
    let named = |image: Image, names: &[&str]| Named {
        node: Node::Image(image.fit_for(facts)),
        names: names.iter().filter_map(|name| given(name, facts)).collect(),
    };
    let shared = Layer::small(1, 70_000);
    // Twice in the first of them.
    let sharing = |seed: u8| {
        let mut layers = vec![shared.clone(); if seed == 1 { 2 } else { 1 }];
        layers.push(Layer::small(seed, 0));
        Image { layers, ..Image::simple(seed) }
    };
    let twin = Image { described: true, ..Image::simple(1) };
    let mut archives = vec![
        vec![],
        vec![named(Image::simple(1), &[])],
        // One layer and an empty one in common; names that begin alike.
        vec![
            named(sharing(1), &["a:1"]),
            named(sharing(2), &["a:10"]),
            named(sharing(3), &["b/a:1"]),
        ],
        vec![
            named(Image::simple(1), &["a:1", "b:latest", "a:2"]),
            named(Image::simple(2), &["a:3"]),
        ],
        // One config, two manifests.
        vec![named(Image::simple(1), &["a:1"]), named(twin, &["b:1"])],
        // The middle one without a name, and the last.
        vec![
            named(Image::simple(1), &["a:1"]),
            named(Image::simple(2), &[]),
            named(Image::simple(3), &["b:1"]),
        ],
        vec![
            named(Image::simple(1), &["a:1"]),
            named(Image::simple(2), &["b:1"]),
            named(Image::simple(3), &[]),
        ],
    ];
    // Names that are one only for who folds their case, or makes one character of others.
    let alike = ["a/b:v1", "a/b:V1", "a_b:v1", "a-b:v1", "a/b_v1:1", "a.b:v1"];
    archives.push((40..).zip(alike).map(|(at, name)| named(Image::simple(at), &[name])).collect());
    if facts.has(Ability::SeveralNames) {
        // One twice, under other names, with one in between.
        let of = |seed, name: &str| named(Image::simple(seed), &[name]);
        archives.push(vec![of(1, "a:1"), of(2, "b:1"), of(1, "c:1")]);
        let many: Vec<String> = (0..40).map(|at| format!("named:{at}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        archives.push(vec![named(Image::simple(1), &many)]);
    }
    archives.push((0..30).map(|at| named(Image::simple(at), &[&format!("many:{at}")])).collect());
    if facts.has(Ability::Indexes) {
        archives.push(with_an_index(facts));
        archives.push(attested_and_nested(facts));
    }
    archives.extend(of_texts(facts));
    if facts.claims.empty == Empty::None {
        archives.retain(|images| !images.is_empty());
    }
    let claimed = |images: Vec<Named>| Archive { images: distinct(images, facts) };
    archives.into_iter().map(claimed).collect()
}

/// Images whose names are any text.
fn of_texts(facts: &Facts) -> Vec<Vec<Named>> {
    if facts.claims.names != Names::AnyText {
        return Vec::new();
    }
    let named = |seed, name: Option<ImageName>| Named {
        node: Node::Image(Image::simple(seed).fit_for(facts)),
        names: name.into_iter().collect(),
    };
    // A name with a tag and a digest, which are one name.
    let pinned = format!("pinned:1@sha256:{}", "ab".repeat(32));
    let pinned = vec![named(1, given(&pinned, facts)), named(2, given("pinned:1", facts))];
    let spelled = (60..).zip(spelled_names(facts));
    vec![pinned, spelled.map(|(seed, name)| named(seed, Some(name))).collect()]
}

/// An index, and one of the images in it by itself.
fn with_an_index(facts: &Facts) -> Vec<Named> {
    let here = |seed| Child { node: Node::Image(Image::simple(seed)), presence: Presence::Here };
    // Of a layer that two have in common.
    let shares = Node::Image(Image { described: true, ..Image::simple(1) });
    let shares = Child { node: shares, presence: Presence::Here };
    let both = index(Format::Oci, vec![here(1), here(2), shares]);
    let name = |name| given(name, facts).into_iter().collect();
    vec![
        Named { node: both, names: name("a:1") },
        Named { node: Node::Image(Image::simple(2)), names: name("b:1") },
        Named { node: Node::Image(Image::simple(3)), names: name("c:1") },
    ]
}

/// An index with an attestation, and one that holds another, in which a text is.
fn attested_and_nested(facts: &Facts) -> Vec<Named> {
    let child = |seed, architecture, presence| {
        let node = Node::Image(Image { architecture, ..Image::simple(seed) });
        Child { node, presence }
    };
    let attested = vec![
        child(21, "amd64", Presence::Here),
        child(22, "s390x", Presence::Here),
        child(23, "amd64", Presence::Attestation),
    ];
    let text = child(26, "amd64", Presence::Content("text/plain"));
    let inner = index(Format::Oci, vec![child(24, "arm64", Presence::Here), text]);
    let inner = Child { node: inner, presence: Presence::Here };
    let nested = vec![child(25, "amd64", Presence::Here), inner];
    let named = |children, name| Named {
        node: index(Format::Oci, children),
        names: given(name, facts).into_iter().collect(),
    };
    vec![named(attested, "deep:1"), named(nested, "deep:2")]
}

fn given(name: &str, facts: &Facts) -> Option<ImageName> {
    if !facts.has(Ability::Names) {
        return None;
    }
    ImageName::new(&format!("docker.io/library/{name}")).ok()
}
