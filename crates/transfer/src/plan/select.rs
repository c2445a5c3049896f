//! Which platforms of an index. Pure: documents in, a choice out.

use transship_core::{
    Accepts, Descriptor, Error, ErrorKind, Hint, Platform, Result, few, is_index_type,
};

use crate::commit::attested;
use crate::plan::tree::{Child, Found, Node, Reading, Tree};
use crate::{Platforms, Subset};

/// What the destination can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// Indexes too.
    Indexes,
    /// Single images only.
    OneImage,
}

impl Room {
    pub(crate) fn of(accepts: &Accepts) -> Self {
        if accepts.takes_indexes() { Self::Indexes } else { Self::OneImage }
    }
}

impl Platforms {
    /// How much has to be read to choose.
    pub(crate) fn reading(&self, room: Room) -> Reading {
        match (self, room) {
            (Self::Present | Self::All, Room::Indexes) => Reading::Whole,
            _ => Reading::ToChoose,
        }
    }
}

/// What was chosen of an image's tree.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// All of it that is present.
    Whole,
    /// Those of the leaves for which this says so, in their order.
    Some(Vec<bool>),
    /// One image alone, without its index: the leaf at this position.
    Alone { at: usize, why: Option<String> },
}

impl Choice {
    pub(crate) fn takes(&self, leaf: usize) -> bool {
        match self {
            Self::Whole => true,
            Self::Some(taken) => taken.get(leaf).copied().unwrap_or(false),
            Self::Alone { at, .. } => *at == leaf,
        }
    }
}

/// The leaves of a tree: all that an index lists, in order, and in place of nested indexes that are here what those list.
pub(crate) fn leaves(tree: &Tree) -> Vec<&Child> {
    let mut all = Vec::new();
    collect(tree, &mut all);
    all
}

fn collect<'a>(tree: &'a Tree, all: &mut Vec<&'a Child>) {
    let Node::Index { children, .. } = &tree.node else { return };
    for child in children {
        match child.tree() {
            Some(nested @ Tree { node: Node::Index { .. }, .. }) => collect(nested, all),
            _ => all.push(child),
        }
    }
}

impl Child {
    /// The platform of something to run: no attestation, no artifact.
    fn runs_on(&self) -> Option<&Platform> {
        let platform = self.platform.as_ref()?;
        (!self.descriptor.is_attestation() && !platform.is_unknown()).then_some(platform)
    }

    /// Whether it is here, and an image that could run somewhere.
    fn is_image(&self) -> bool {
        let runnable = match (&self.found, self.tree().map(|tree| &tree.node)) {
            (_, Some(Node::Image(image))) => image.document.is_runnable(),
            (Found::Unread, _) => self.runs_on().is_some(),
            _ => false,
        };
        runnable && !self.descriptor.is_attestation()
    }
}

/// Chooses. For a tree that is a single image it only checks that it is what was asked for.
pub(crate) fn choose(
    tree: &Tree,
    platforms: &Platforms,
    subset: Subset,
    room: Room,
) -> Result<Choice> {
    let Node::Index { document, .. } = &tree.node else {
        check_single(tree, platforms)?;
        return Ok(Choice::Whole);
    };
    let leaves = leaves(tree);
    if room == Room::OneImage && subset != Subset::Auto {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "the destination holds single images, and a part of an index is asked for",
        )
        .hint(Hint::WholeIndex));
    }
    match (platforms, room) {
        (Platforms::Present | Platforms::All, Room::Indexes) => {
            check_presence(&leaves, platforms, document.manifests.is_empty())?;
            Ok(if subset == Subset::Strip { without_stale(&leaves) } else { Choice::Whole })
        }
        (Platforms::All, Room::OneImage) => {
            match leaves.iter().filter(|leaf| leaf.is_image()).count() {
                0 | 1 => check_presence(&leaves, platforms, false).and_then(|()| for_host(&leaves)),
                count => Err(too_many(count)),
            }
        }
        (Platforms::Present, Room::OneImage) => for_host(&leaves),
        (Platforms::Host, room) => some(&leaves, &[Platform::host()], subset, room),
        (Platforms::Only(wanted), room) => some(&leaves, wanted, subset, room),
    }
}

/// The layers of an artifact's manifest have no platform, and are never refused.
fn check_single(tree: &Tree, platforms: &Platforms) -> Result<()> {
    let Node::Image(image) = &tree.node else { return Ok(()) };
    let Some(has) = image.config.as_ref().and_then(|config| config.platform.as_ref()) else {
        return Ok(());
    };
    let fits = match platforms {
        Platforms::Present | Platforms::All => true,
        Platforms::Host => Platform::host().fit(has).is_some(),
        Platforms::Only(wanted) => wanted.iter().all(|wanted| wanted.fit(has).is_some()),
    };
    if fits {
        return Ok(());
    }
    let wanted = match platforms {
        Platforms::Only(wanted) => few(wanted),
        _ => Platform::host().to_string(),
    };
    Err(Error::new(
        ErrorKind::NotFound,
        format!("it is a single image for {has}, and {wanted} is asked for"),
    ))
}

fn check_presence(leaves: &[&Child], platforms: &Platforms, empty: bool) -> Result<()> {
    let missing = leaves.iter().find(|leaf| !leaf.is_present());
    match missing {
        Some(leaf) if *platforms == Platforms::All => Err(absent(leaf)),
        Some(leaf) if leaves.iter().all(|leaf| !leaf.is_present()) && !empty => {
            Err(absent(leaf).context("nothing that the index lists is present"))
        }
        _ => Ok(()),
    }
}

fn absent(child: &Child) -> Error {
    let what = describe(child.platform.as_ref(), &child.descriptor);
    let why = match &child.found {
        Found::Absent(why) => why.as_str(),
        Found::Here(_) | Found::Unread => "it is there",
    };
    Error::new(ErrorKind::NotFound, format!("{what} is listed, and is not present: {why}"))
}

/// A platform and a digest, for messages.
pub(crate) fn describe(platform: Option<&Platform>, descriptor: &Descriptor) -> String {
    let kind =
        if is_index_type(&descriptor.media_type) == Some(true) { "index" } else { "manifest" };
    match platform {
        _ if descriptor.is_attestation() => format!("attestation {}", descriptor.digest),
        Some(platform) => format!("{platform} ({})", descriptor.digest),
        None => format!("{kind} {}", descriptor.digest),
    }
}

/// For a destination that holds single images: this machine's, or the only one that there is.
fn for_host(leaves: &[&Child]) -> Result<Choice> {
    let present: Vec<usize> = (0..leaves.len()).filter(|at| leaves[*at].is_image()).collect();
    let only = |at: usize| {
        let child = leaves[at];
        let name = match leaves[at].runs_on() {
            Some(platform) => platform.to_string(),
            None => describe(None, &child.descriptor),
        };
        let why =
            format!("the destination holds single images: of the index only {name} is copied");
        Choice::Alone { at, why: Some(why) }
    };
    match (fitting(leaves, &Platform::host()), present.as_slice()) {
        (Ok(at), _) => Ok(only(at)),
        (Err(_), [at]) => Ok(only(*at)),
        (Err(error), _) => Err(error.context("the destination holds single images")),
    }
}

fn some(leaves: &[&Child], wanted: &[Platform], subset: Subset, room: Room) -> Result<Choice> {
    let mut taken = vec![false; leaves.len()];
    let mut last = None;
    for platform in wanted {
        let at = fitting(leaves, platform)?;
        taken[at] = true;
        last = Some(at);
    }
    let count = taken.iter().filter(|taken| **taken).count();
    for (at, subject) in attestations(leaves) {
        taken[at] |= subject.is_some_and(|subject| taken[subject]);
    }
    match (last, room) {
        (None, _) => Err(Error::new(ErrorKind::InvalidInput, "no platform is asked for")),
        (Some(at), _) if count == 1 && subset == Subset::Auto => {
            Ok(Choice::Alone { at, why: None })
        }
        (_, Room::Indexes) => Ok(Choice::Some(taken)),
        (_, Room::OneImage) => Err(too_many(count)),
    }
}

fn too_many(platforms: usize) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!("the destination holds single images, and {platforms} platforms are asked for"),
    )
    .hint("ask for one platform, or copy to oci:, oci-archive: or dir:")
}

/// The attestations, and what each is about, if that is listed too.
fn attestations(leaves: &[&Child]) -> Vec<(usize, Option<usize>)> {
    let about = |leaf: &&Child| {
        let subject = attested(&leaf.descriptor)?;
        leaves.iter().position(|other| other.descriptor.digest.as_ref() == subject)
    };
    let all = leaves.iter().enumerate();
    all.filter(|(_, leaf)| leaf.descriptor.is_attestation())
        .map(|(at, leaf)| (at, about(leaf)))
        .collect()
}

/// All but the attestations about what is absent.
fn without_stale(leaves: &[&Child]) -> Choice {
    let mut taken = vec![true; leaves.len()];
    for (at, subject) in attestations(leaves) {
        taken[at] = subject.is_none_or(|subject| leaves[subject].is_present());
    }
    Choice::Some(taken)
}

/// The leaf that fits a platform best, the first of equal ones; those that are present before others.
fn fitting(leaves: &[&Child], wanted: &Platform) -> Result<usize> {
    let best = |present: bool| {
        leaves
            .iter()
            .enumerate()
            .filter(|(_, leaf)| leaf.is_present() == present)
            .filter_map(|(at, leaf)| Some((wanted.fit(leaf.runs_on()?)?, at)))
            .min()
            .map(|(_, at)| at)
    };
    if let Some(at) = best(true) {
        return Ok(at);
    }
    if let Some(at) = best(false) {
        return Err(absent(leaves[at]));
    }
    let present = leaves.iter().filter(|leaf| leaf.is_present());
    let there = few(present.filter_map(|leaf| leaf.runs_on()));
    Err(Error::new(ErrorKind::NotFound, format!("there is no image for {wanted}"))
        .hint(Hint::SelectPlatform(there)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use transship_core::{ImageConfig, IndexDocument, Manifest, MediaType, sha256};

    use crate::plan::tree::Image;

    fn image(platform: &str) -> Tree {
        let config = r#"{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2}"#;
        let manifest =
            Manifest::new(format!(r#"{{"schemaVersion":2,"config":{config},"layers":[]}}"#));
        let manifest = manifest.unwrap();
        let transship_core::Document::Image(document) = manifest.document() else {
            panic!("an image")
        };
        let document = document.clone();
        let platform = Platform::parse(platform).ok();
        let mut config = ImageConfig::default();
        config.platform = platform;
        let config = Some(config);
        Tree { manifest, node: Node::Image(Image { document, config }) }
    }

    /// `-` in front: it is absent.
    fn child(text: &str) -> Child {
        let (platform, present) = match text.strip_prefix('-') {
            Some(platform) => (platform, false),
            None => (text, true),
        };
        let mut descriptor = Descriptor::new(MediaType::ImageManifest, sha256(text.as_bytes()), 1);
        if platform == "unknown/unknown" {
            let kind = ("vnd.docker.reference.type".to_owned(), "attestation-manifest".to_owned());
            descriptor.annotations.extend([kind]);
        }
        let found = if present {
            Found::Here(Box::new(image(platform)))
        } else {
            Found::Absent("it is gone".to_owned())
        };
        Child { descriptor, platform: Platform::parse(platform).ok(), found }
    }

    fn index(children: &[&str]) -> Tree {
        let manifest = Manifest::new(r#"{"schemaVersion":2,"manifests":[]}"#).unwrap();
        let transship_core::Document::Index(document) = manifest.document() else {
            panic!("an index")
        };
        let children: Vec<Child> = children.iter().map(|text| child(text)).collect();
        let manifests = children.iter().map(|child| child.descriptor.clone()).collect();
        let mut document: IndexDocument = document.clone();
        document.manifests = manifests;
        Tree { manifest, node: Node::Index { document, children } }
    }

    fn only(wanted: &[&str]) -> Platforms {
        Platforms::Only(wanted.iter().map(|text| Platform::parse(text).unwrap()).collect())
    }

    fn at(children: &[&str], wanted: &str) -> Result<usize> {
        match choose(&index(children), &only(&[wanted]), Subset::Auto, Room::Indexes)? {
            Choice::Alone { at, .. } => Ok(at),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_exact_one_then_what_the_machine_can_run_then_the_first() {
        let amd = ["linux/amd64", "linux/amd64/v2", "linux/amd64/v3", "linux/amd64"];
        assert_eq!(at(&amd, "linux/amd64/v3").unwrap(), 2);
        assert_eq!(at(&amd, "linux/amd64/v4").unwrap(), 2);
        assert_eq!(at(&amd, "linux/amd64").unwrap(), 0);
        let arm = ["linux/arm/v5", "linux/arm/v6", "linux/arm64"];
        assert_eq!(at(&arm, "linux/arm/v7").unwrap(), 1);
        assert_eq!(at(&arm, "linux/aarch64").unwrap(), 2);
        assert_eq!(at(&arm[..2], "linux/arm64").unwrap(), 1);
    }

    #[test]
    fn what_is_present_comes_before_what_fits_better() {
        assert_eq!(at(&["-linux/arm/v7", "linux/arm/v6"], "linux/arm/v7").unwrap(), 1);
        let error = at(&["-linux/arm/v7", "linux/amd64"], "linux/arm").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("it is gone"), "{error}");
    }

    #[test]
    fn attestations_are_no_platform() {
        let children = ["unknown/unknown", "linux/s390x"];
        assert_eq!(at(&children, "linux/s390x").unwrap(), 1);
        assert!(at(&children, "unknown/unknown").is_err());
        // The only image, whatever else there is.
        let choice =
            choose(&index(&children), &Platforms::Present, Subset::Auto, Room::OneImage).unwrap();
        assert!(matches!(choice, Choice::Alone { at: 1, why: Some(_) }), "{choice:?}");
    }

    #[test]
    fn two_that_one_image_fits_are_one() {
        let wanted = only(&["linux/arm/v7", "linux/arm/v6"]);
        let tree = index(&["linux/amd64", "linux/arm/v6"]);
        let choice = choose(&tree, &wanted, Subset::Auto, Room::OneImage).unwrap();
        assert_eq!(choice, Choice::Alone { at: 1, why: None });
    }

    #[test]
    fn an_empty_index_is_whole() {
        assert_eq!(
            choose(&index(&[]), &Platforms::Present, Subset::Auto, Room::Indexes).unwrap(),
            Choice::Whole
        );
        assert!(choose(&index(&[]), &Platforms::Present, Subset::Auto, Room::OneImage).is_err());
    }
}
