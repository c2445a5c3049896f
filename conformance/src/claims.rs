//! [`Claims`]: what legitimately differs between transports.

/// What a transport says of itself where transports may differ. Everything defaults to the strictest; what is claimed
/// switches laws off or widens what counts as equal, and is reported.
///
/// ```
/// use transship_conformance::{Claims, Names, Signatures};
/// let claims = Claims::default().with(Names::Docker).with(Signatures::None);
/// assert_eq!(claims.names, Names::Docker);
/// ```
///
/// Profiles are where most transports begin: [`registry`](Self::registry), [`single_image`](Self::single_image),
/// [`in_memory`](Self::in_memory).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claims {
    /// Whether manifests keep their bytes.
    pub manifests: Manifests,
    /// Which names images may have.
    pub names: Names,
    /// How many images a place holds.
    pub holds: Holds,
    /// Whether indexes are held.
    pub indexes: Indexes,
    /// Which forms of layers are held.
    pub layers: Layers,
    /// Whether artifacts are held.
    pub artifacts: Artifacts,
    /// Whether manifests that are about an image are kept with it.
    pub referrers: Referrers,
    /// Whether an image may have several names.
    pub aliases: Aliases,
    /// Whether detached signatures are kept with an image.
    pub signatures: Signatures,
    /// Whether several images without a name may be in one place.
    pub untagged: Untagged,
    /// What becomes of an image whose last name was taken over.
    pub nameless: Nameless,
    /// Where an image stands that took over a name.
    pub taken: Taken,
    /// What a listing lists.
    pub listed: Listed,
    /// Whether a container of no images is there.
    pub empty: Empty,
    /// What is replaced.
    pub replaces: Replaces,
    /// What is left of what was replaced or deleted.
    pub leftover: Leftover,
    /// Whether images of a writer that is not finished show.
    pub unfinished: Unfinished,
    /// Which image a container's own reference opens.
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
    /// Whether images can be deleted.
    pub deletion: Deletion,
    /// Whether what no image needs can be collected.
    pub collection: Collection,
    /// Whether the kit can see what is stored.
    pub stored: Stored,
}

impl Claims {
    /// Of places that hold one image and are its name, such as a folder: nothing is joined, deleted or collected.
    pub fn single_image() -> Self {
        Self::default()
            .with(Names::None)
            .with(Holds::One)
            .with(Append::Refused)
            .with(Writers::One)
            .with(Deletion::None)
            .with(Collection::None)
    }

    /// Of repositories in a registry: they hold tags, come with their first image, and what is deleted or collected is the
    /// server's affair.
    pub fn registry() -> Self {
        Self::default()
            .with(Names::Docker)
            .with(Untagged::One)
            .with(Nameless::Goes)
            .with(Taken::InItsPlace)
            // The tag moves, and the manifest is found by its digest alone.
            .with(Listed::Names)
            .with(Deletion::None)
            .with(Signatures::None)
            .with(Stored::Hidden)
            .with(Empty::None)
            .with(Replaces::Images)
            .with(Unfinished::Shows)
            // A repository without a tag is its `latest`.
            .with(Chosen::ByName)
            // A mount says neither the size nor the bytes.
            .with(Found::Trusted)
            .with(Collection::None)
    }

    /// Of what one process keeps in memory, and nobody else sees.
    pub fn in_memory() -> Self {
        Self::default().with(Stored::Hidden).with(Processes::One)
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
    names: Names,
    holds: Holds,
    indexes: Indexes,
    layers: Layers,
    artifacts: Artifacts,
    referrers: Referrers,
    aliases: Aliases,
    signatures: Signatures,
    untagged: Untagged,
    nameless: Nameless,
    taken: Taken,
    listed: Listed,
    empty: Empty,
    replaces: Replaces,
    leftover: Leftover,
    unfinished: Unfinished,
    chosen: Chosen,
    found: Found,
    append: Append,
    writers: Writers,
    processes: Processes,
    abandoned: Abandoned,
    deletion: Deletion,
    collection: Collection,
    stored: Stored,
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

/// Which names images may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Names {
    /// Any text that is an [`ImageName`](transship_core::ImageName).
    #[default]
    AnyText,
    /// Those of the OCI layout's grammar, and docker names.
    OciOrDocker,
    /// Docker names with a tag.
    Docker,
    /// None: the place is the name.
    None,
}

/// How many images a place holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Holds {
    /// Any number.
    #[default]
    Many,
    /// One.
    One,
}

/// Whether indexes are held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Indexes {
    /// They are, nested and sparse ones too.
    #[default]
    Held,
    /// Single images only.
    Refused,
}

/// Which forms of layers are held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layers {
    /// Any bytes of any type.
    #[default]
    Any,
    /// Plain ones, whose digests are the config's diff IDs.
    Plain,
}

/// Whether artifacts are held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Artifacts {
    /// They are.
    #[default]
    Held,
    /// They are not.
    Refused,
}

/// Whether manifests that are about an image are kept with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Referrers {
    /// They are.
    #[default]
    Kept,
    /// They are not.
    Refused,
}

/// Whether an image may have several names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Aliases {
    /// Any number.
    #[default]
    Held,
    /// One at most: more are refused when it is opened.
    Refused,
}

/// Whether detached signatures are kept with an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Signatures {
    /// They are.
    #[default]
    Kept,
    /// They are not: destinations say so, by having no `signatures()`.
    None,
}

/// Whether several images without a name may be in one place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Untagged {
    /// Any number.
    #[default]
    Many,
    /// One.
    One,
}

/// What becomes of an image whose last name was taken over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Nameless {
    /// It stays, without a name.
    #[default]
    Stays,
    /// It goes.
    Goes,
}

/// Where an image stands that took over a name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Taken {
    /// At the end, as every new image.
    #[default]
    AtTheEnd,
    /// Where the one stood that had the name.
    InItsPlace,
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

/// Whether a container of no images is there.
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
    /// A container, with all that is in it.
    #[default]
    Containers,
    /// An image, by the one that gets its name. For a container as a whole, that is refused with `Unsupported`.
    Images,
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

/// Which image a container's own reference opens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Chosen {
    /// The only one that is there; of several it is `Ambiguous`.
    #[default]
    Only,
    /// The one of a name that is always meant where none is said, as `latest` is.
    ByName,
}

/// Whether blobs that are found or taken in place are looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Found {
    /// Their bytes are checked before they count.
    #[default]
    Checked,
    /// The word of a remote place counts, which has them by their digests.
    Trusted,
}

/// Whether images of a writer that is not finished show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unfinished {
    /// They do not: all of them show with `finish`.
    #[default]
    Hidden,
    /// Each shows with its commit, and `finish` has nothing left to do.
    Shows,
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

/// Whether images can be deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Deletion {
    /// They can.
    #[default]
    Deletes,
    /// They cannot.
    None,
}

/// Whether what no image needs can be collected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Collection {
    /// It can.
    #[default]
    Collects,
    /// It cannot.
    None,
}

/// Whether the kit can see what is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stored {
    /// As files in a folder: see [`Place::in_folder`](crate::Place::in_folder).
    #[default]
    Files,
    /// It cannot.
    Hidden,
}
