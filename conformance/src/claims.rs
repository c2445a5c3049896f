//! [`Claims`]: what legitimately differs between transports.

/// What an author says of a transport where transports may differ, and the traits do not say it. Everything defaults to the
/// strictest; what is claimed switches laws off or widens what counts as equal. A law that is switched off says what users
/// lose by it.
///
/// What a transport says itself is not claimed: [`Accepts`](transship_core::Accepts) of its destinations, whether it has
/// `archives()`, `deletion()`, `collection()` and `signatures()`. The kit [asks for it](crate::Facts).
///
/// Begin with the profile that fits: [`archive`](Self::archive), [`single_image`](Self::single_image),
/// [`registry`](Self::registry), [`engine`](Self::engine) or [`in_memory`](Self::in_memory).
///
/// ```
/// use transship_conformance::{Claims, Manifests, Names};
/// let claims = Claims::archive().with(Manifests::Rebuilt).with(Names::Docker);
/// assert_eq!(claims.names, Names::Docker);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claims {
    /// Whether manifests keep their bytes.
    pub manifests: Manifests,
    /// By which digests blobs may be named.
    pub digests: Digests,
    /// What may be a layer.
    pub layers: Layers,
    /// What becomes of an image that contradicts itself.
    pub contradictions: Contradictions,
    /// Which names images may have.
    pub names: Names,
    /// Where an image stands that took over a name.
    pub taken: Taken,
    /// What a listing lists.
    pub listed: Listed,
    /// Whether details say the variants of platforms.
    pub variants: Variants,
    /// Whether an image without a name is listed while another image is built on it.
    pub bases: Bases,
    /// Whether an archive of no images is there.
    pub empty: Empty,
    /// What is replaced.
    pub replaces: Replaces,
    /// What is left of what was replaced or deleted.
    pub leftover: Leftover,
    /// Whether files are as large as what is in them.
    pub space: Space,
    /// Which image an archive's own reference opens.
    pub chosen: Chosen,
    /// Whether blobs that are found or taken in place are looked at.
    pub found: Found,
    /// Whether a place that is there can be joined.
    pub append: Append,
    /// Whether several may write to one place at once, without one losing what another wrote.
    pub writers: Writers,
    /// Whether what one process writes is there for another.
    pub processes: Processes,
    /// What a destination that was dropped may leave in a place that holds images already.
    pub abandoned: Abandoned,
    /// Whether an archive can be read at random.
    pub reading: Reading,
    /// What cleans up after a dropped operation.
    pub dropped: Dropped,
}

impl Claims {
    /// For files and folders that hold several images. It claims nothing.
    pub fn archive() -> Self {
        Self::default()
    }

    /// For places that hold one image and are its name, such as a folder: one writes at a time.
    pub fn single_image() -> Self {
        Self::default().with(Append::Refused).with(Writers::One)
    }

    /// For repositories in a registry: they hold tags, and come with their first image.
    pub fn registry() -> Self {
        Self::default()
            .with(Names::Docker)
            .with(Taken::InItsPlace)
            // The tag moves, and the manifest is found by its digest alone.
            .with(Listed::Names)
            .with(Empty::None)
            .with(Replaces::Images)
            // A repository without a tag is its `latest`.
            .with(Chosen::ByName)
            // A mount says neither the size nor the bytes.
            .with(Found::Trusted)
    }

    /// For the store of a container engine, which a daemon answers for: it keeps configs and layers, and makes manifests of
    /// them. Nobody replaces it as a whole; an image whose name moves stays there without one; and it gives images as one tar.
    pub fn engine() -> Self {
        Self::default()
            .with(Manifests::Rebuilt)
            .with(Names::Docker)
            .with(Replaces::Names)
            .with(Reading::InOnePass)
            // What was loaded is removed again, or gets its names, by requests.
            .with(Dropped::InTasks)
            // The daemon says what it has.
            .with(Found::Trusted)
    }

    /// For what one process keeps in memory, and nobody else sees.
    pub fn in_memory() -> Self {
        Self::default().with(Processes::One)
    }

    /// Claims one thing more.
    #[must_use]
    pub fn with(mut self, claim: impl Claim) -> Self {
        claim.set(&mut self);
        self
    }
}

/// What can be claimed: each of the types of the fields of [`Claims`].
pub trait Claim {
    /// Claims it.
    fn set(self, claims: &mut Claims);
}

macro_rules! claims {
    ($($field:ident: $kind:ty),* $(,)?) => {
        $(impl Claim for $kind {
            fn set(self, claims: &mut Claims) {
                claims.$field = self;
            }
        })*
    };
}

claims! {
    manifests: Manifests,
    digests: Digests,
    layers: Layers,
    contradictions: Contradictions,
    names: Names,
    taken: Taken,
    listed: Listed,
    variants: Variants,
    bases: Bases,
    empty: Empty,
    replaces: Replaces,
    leftover: Leftover,
    space: Space,
    chosen: Chosen,
    found: Found,
    append: Append,
    writers: Writers,
    processes: Processes,
    abandoned: Abandoned,
    reading: Reading,
    dropped: Dropped,
}

/// Whether manifests keep their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Manifests {
    /// They are kept byte for byte.
    #[default]
    Kept,
    /// Only configs and layers are kept; a manifest is made of them when it is asked for. Images of one config are one.
    Rebuilt,
}

/// By which digests blobs and manifests may be named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Digests {
    /// sha256 and sha512.
    #[default]
    Any,
    /// sha256 alone; others are refused with `Unsupported`.
    Sha256,
}

/// What may be a layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layers {
    /// Any bytes.
    #[default]
    Any,
    /// Tars, plain or compressed: so it is where layers are unpacked. What is none is refused. Where manifests are
    /// [rebuilt](Manifests::Rebuilt), what was compressed may come back as the tar that it is of, in another
    /// manifest than the commit said; and where details are costly, a size is what the place says that an image takes.
    Tars,
}

/// What becomes of an image whose layers are in another order than its config says, where manifests are
/// [rebuilt](Manifests::Rebuilt).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Contradictions {
    /// It is refused, or it reads back as it was given.
    #[default]
    Refused,
    /// Where its layers are compressed, it is taken, and reading them is `Corrupt`: so podman does.
    CorruptWhenRead,
}

/// Which names images may have, where they may have some.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Names {
    /// Any text that is an [`ImageName`](transship_core::ImageName).
    #[default]
    AnyText,
    /// Those of the OCI layout's grammar, and docker names.
    OciOrDocker,
    /// Docker names with a tag.
    Docker,
    /// Docker names with a tag. Those whose host is an IPv6 address in brackets are refused with `Unsupported` or `InvalidInput`.
    DockerNotIpv6,
}

/// Where an image stands that took over a name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Taken {
    /// At the end, as every new image.
    #[default]
    AtTheEnd,
    /// Where the one stood that had the name.
    InItsPlace,
    /// An image stands where the oldest of its names does. One that loses that name moves to where the next one is, and one that had
    /// no name moves to the end when it gets one. What took over a name may stand in its place or at the end.
    WithItsNames,
}

/// What a listing lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Listed {
    /// Images, each once with all its names, in the order in which they were written.
    #[default]
    Images,
    /// Names, in an order of their own: an image of several names stands there several times. So a registry lists its tags.
    Names,
}

/// Whether details say the variants of platforms, as the `v7` of `linux/arm/v7`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Variants {
    /// They do.
    #[default]
    Said,
    /// They say none, since an engine does not; the image that is read does.
    NotSaid,
}

/// Whether an image without a name is listed while another image is built on it, which has its layers and its history, and one
/// step more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bases {
    /// It is, as every image.
    #[default]
    Listed,
    /// It is not, as podman takes it for an intermediate image, that a build left. Its reference opens it, and it is listed again
    /// once the other image is deleted.
    Hidden,
}

/// Whether an archive of no images is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Empty {
    /// It is, once it was written.
    #[default]
    Held,
    /// Nothing is there where no image is: so it is with repositories, which come with their first image.
    None,
}

/// What is replaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Replaces {
    /// An archive, with all that is in it.
    #[default]
    Archives,
    /// An image, by the one that gets its name. For an archive as a whole, that is refused with `Unsupported`.
    Images,
    /// As that, and the image that had the name stays, whole and without a name, until it is deleted: so docker keeps what it
    /// calls dangling.
    Names,
}

/// What is left of what was replaced or deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Leftover {
    /// Nothing.
    #[default]
    Nothing,
    /// Blobs that no image needs, until they are collected.
    UntilCollected,
}

/// Whether files are as large as what is in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Space {
    /// They are: bytes are there once, and the files shrink when nothing needs them any more.
    #[default]
    Exact,
    /// For files that do not shrink after a deletion. A database allocates pages, and keeps free ones, with the old bytes in them,
    /// for what comes next. Then the files do not grow with each image that shares a layer, and not with each image that comes and
    /// is deleted again.
    Pages,
}

/// Which image an archive's own reference opens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Chosen {
    /// The only one that is there; of several it is `Ambiguous`.
    #[default]
    Only,
    /// The image with the default name, such as `latest`.
    ByName,
}

/// Whether blobs that are found or taken in place are looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Found {
    /// Their bytes are checked before they count.
    #[default]
    Checked,
    /// What a remote place says is enough, as it stores blobs by their digests.
    Trusted,
}

/// Whether a place that is there can be joined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Append {
    /// It can.
    #[default]
    Joins,
    /// It cannot: that is refused with `Unsupported`.
    Refused,
}

/// Whether several may write to one place at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Writers {
    /// Any number: none loses what another wrote.
    #[default]
    Many,
    /// One at a time is the caller's affair; what shows is still whole.
    One,
}

/// Whether what one process writes is there for another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Processes {
    /// It is. The kit starts the test's own program again, to write and to read.
    #[default]
    Many,
    /// It is not, as in memory.
    One,
}

/// What a destination that was dropped may leave in a place that holds images already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Abandoned {
    /// Nothing.
    #[default]
    Nothing,
    /// Blobs that nothing refers to, until they are collected.
    Blobs,
}

/// Whether an archive can be read at random, where it can be read in one pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reading {
    /// It can; it can be read in one pass, too.
    #[default]
    AtRandom,
    /// It comes in one pass, each time that it is read.
    InOnePass,
}

/// What cleans up after an operation that is dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dropped {
    /// The drop itself, or blocking work, which a runtime waits for: also where the runtime ends at once.
    #[default]
    AtOnce,
    /// Tasks of the runtime, as it takes requests to a daemon. The kit lets the runtime go on until they have ended, within seconds;
    /// where a program ends before, the daemon may keep what it was sent.
    InTasks,
}
