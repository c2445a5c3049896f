//! [`ImageDestination`]: one image being written.

use std::collections::HashSet;
use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{
    Body, Descriptor, Digest, Error, ErrorKind, Expect, ImageName, Manifest, MediaType, Platform,
    Reference, Result, Staging, Stored,
};

/// Writes one image. Nothing shows before [`commit`](Self::commit); dropping it abandons the image.
///
/// - After a drop, the place is as it was before. Blobs belong to the writer, not to the image: bytes of an abandoned
///   image may stay, unreferenced, in an archive that others are written to.
/// - Drop waits for nothing, so that it is safe in every runtime: where a step still runs, its end cleans up.
/// - Drop never publishes.
#[async_trait]
pub trait ImageDestination: fmt::Debug + Send + Sync {
    /// Where the image will be. Its name may have come from the options.
    fn reference(&self) -> &Reference;

    /// The names that the image will show under: those of the reference and the options that this place took.
    ///
    /// - They do not change.
    /// - Each is there once, however often it was given.
    /// - A fallback name that this place cannot hold is not among them. Nothing where the place is the name.
    fn names(&self) -> &[ImageName] {
        &[]
    }

    /// The digests that the root has to have, because the reference or a name says so. Known when it is opened. A copy that would
    /// give another root is refused before anything is written.
    ///
    /// - A commit of another root is `Corrupt`, and nothing shows.
    fn pinned(&self) -> Vec<&Digest> {
        Vec::new()
    }

    /// What it can hold.
    ///
    /// - It is known when the destination is opened, and does not change.
    /// - What it lists can be committed; what it does not is refused with `Unsupported`.
    fn accepts(&self) -> &Accepts;

    /// The blob, if it is here already. `None` is never wrong; then it is put.
    ///
    /// - Yes only for bytes that are whole and true to their digest.
    /// - Changes nothing.
    async fn has(&self, want: &Expect) -> Result<Option<Stored>>;

    /// Looks once more, right before the commit, at what [`has`](Self::has) has found, where a place can see only then whether it is
    /// so. Gives the blobs that have to be put after all; the caller puts these, and then commits.
    ///
    /// - When what it gives was put, the image can be committed.
    /// - It gives blobs of that image alone.
    async fn verify_found(&self, what: Commit<'_>) -> Result<Vec<Digest>> {
        let _ = what;
        Ok(Vec::new())
    }

    /// Gets the blob from a place nearby (a mount in a registry, a link on disk) without its bytes passing here.
    ///
    /// - `None` when it cannot; then nothing has changed.
    /// - What it says it has got is here, as if it had been put; where it came from nothing has changed.
    async fn take_from(&self, want: &Expect, from: &Reference) -> Result<Option<Stored>> {
        let _ = (want, from);
        Ok(None)
    }

    /// Stores a blob, and says what is there now, also when nothing of it was known before.
    ///
    /// - Several may be put at once, the same one too, where the order is [`Any`](AcceptsOrder::Any).
    /// - An expectation, `expect`'s or the body's own, that does not hold fails the put and stores nothing.
    /// - A body that fails midway fails the put with that cause.
    /// - A dropped put leaves no trace.
    /// - However large it is, a few pieces of it are in memory at once, unless memory is the place.
    /// - What is put takes the place of bytes that are there and are damaged.
    async fn put_blob(&self, expect: Expect, body: Body) -> Result<Stored>;

    /// Stores a manifest that an index refers to, or a referrer. Gives it no name.
    ///
    /// - Where [`Accepts::referrers`] refuses them, manifests about others are refused with `Unsupported`, here or by the commit.
    /// - What it refers to need not be there yet, its subject neither: the commit looks at that. The engine puts blobs before manifests, and what is below
    ///   before what is above.
    async fn put_manifest(&self, manifest: &Manifest) -> Result<()>;

    /// What a [`commit`](Self::commit) of this root would give, where all names of the image stand for it already, as it is. Then nothing is
    /// left to do. For places where that costs less to ask for than to write again; it changes nothing, and `None` is never wrong.
    ///
    /// - What it gives is what the commit of that root gave; of another root it gives nothing.
    /// - `None` for a [sparse](Accepts::sparse) index, as a copy may have more of it. A remote place, which would have to be asked for each
    ///   child, may take it for whole.
    /// - `None` with [`WriteMode::Replace`](crate::WriteMode::Replace) where the archive holds other images, too.
    async fn shows(&self, root: &Descriptor) -> Result<Option<Committed>> {
        let _ = root;
        Ok(None)
    }

    /// As [`shows`](Self::shows), of a root that was read. For places that take each image whole, as engines load a tar: they are
    /// asked before an image is sent, unless another form of it is asked for.
    async fn shows_image(&self, root: &Manifest) -> Result<Option<Committed>> {
        let _ = root;
        Ok(None)
    }

    /// The ability to keep blobs before it is known what they are for.
    fn staging(&self) -> Option<&dyn Staging> {
        None
    }

    /// The ability to hold detached signatures.
    fn signatures(&self) -> Option<&dyn PutSignatures> {
        None
    }

    /// The ability to keep images beside this one, whose names say that they are about it.
    fn beside(&self) -> Option<&dyn PutBeside> {
        None
    }

    /// The ability to read what is here already, by which a delta is completed.
    fn contents(&self) -> Option<&dyn Contents> {
        None
    }

    /// Shows the image under the names it was opened with; in a writer, records it for
    /// [`finish`](crate::ArchiveWriter::finish).
    ///
    /// - Each name, durably, all at once or not at all, also when it fails or its future is dropped. Where a place is written as a
    ///   whole, all names show together; in a registry and an engine one shows after the other.
    /// - What the root refers to and is not there must be in [`Commit::absent`]; else it is refused.
    /// - A layer that is not to be distributed and says where else it is, in `urls`, may be missing; reading it is `NotFound`.
    /// - It stores the root, which need not be put before, and may be.
    /// - What was opened to create fails with `AlreadyExists` where the archive came meanwhile, and leaves it as it is.
    /// - An image that is there already gains what it lacked: children that were absent, manifests about it. It loses nothing.
    /// - What is in [`Commit::needs`] may be missing, too; sources of the image say it in
    ///   [`needs`](crate::ImageSource::needs).
    /// - Where [`Accepts::deltas`] refuses deltas, so does the commit, with `Unsupported`.
    /// - It shows at once where [`shows`](Accepts::shows) is `AtCommit`, and with the writer's `finish` where it is not.
    /// - Of the references that it gives, one for each name, each opens the image.
    /// - All of an index is kept, whatever [platform](Commit::platform) is preferred of it.
    /// - What it takes reads back as it was given: where that cannot be, because the image contradicts itself, it is
    ///   refused, or where an engine takes it, `Corrupt` when it is read.
    async fn commit(self: Box<Self>, what: Commit<'_>) -> Result<Committed>;
}

/// The ability to hold detached signatures.
#[async_trait]
pub trait PutSignatures: Send + Sync {
    /// Keeps the signatures of a manifest; `None` means the root.
    ///
    /// - They show with the commit, and not without it.
    async fn put_signatures(&self, of: Option<&Digest>, signatures: Vec<Bytes>) -> Result<()>;
}

/// The ability to keep images beside one, as [`Referrers::beside`](crate::Referrers::beside) gives them.
#[async_trait]
pub trait PutBeside: Send + Sync {
    /// Gives a tag to a manifest that was put, with its blobs.
    ///
    /// - It shows beside the image, with the commit, and not without it.
    /// - All that the manifest refers to shows with it, and stays when what no image needs is collected.
    /// - The tag moves to it from what has it. Where the tag may not move, the commit says so in [`Committed::lost`].
    async fn put_beside(&self, tag: &str, root: &Manifest) -> Result<()>;

    /// What has such a tag now. If the image goes to several repositories, what has it in each.
    ///
    /// - It gives what is there, and [`blob_beside`](Self::blob_beside) reads its blobs, so that a writer can add to it.
    /// - In an archive that is being written, what an earlier image of the same writer put is there.
    /// - Where tags move [`IfUnchanged`](TagsMove::IfUnchanged), and another writer moves it before the commit, the commit fails with
    ///   `Conflict`.
    async fn beside(&self, tag: &str) -> Result<Vec<Manifest>>;

    /// When the commit moves a tag that [`beside`](Self::beside) was asked for.
    ///
    /// - Where tags move [`Always`](TagsMove::Always), the commit moves a tag, also if another writer moved it meanwhile.
    fn tags_move(&self) -> TagsMove;

    /// Reads a blob of what [`beside`](Self::beside) gives.
    async fn blob_beside(&self, of: &Descriptor) -> Result<Body>;
}

/// When a tag beside an image moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagsMove {
    /// Only if it still has what [`beside`](PutBeside::beside) gave this writer.
    IfUnchanged,
    /// Whatever it has: the place writes tags without a condition, as registries do. If two add to a tag at once, the later one
    /// takes away what the other one added. So each has to look again after its commit, as the engine does.
    Always,
}

/// The ability to read what is here already.
#[async_trait]
pub trait Contents: Send + Sync {
    /// A blob or manifest that [`has`](ImageDestination::has) knows; `None` for any other.
    ///
    /// - What was put is read back, also before the commit.
    async fn read(&self, of: &Descriptor) -> Result<Option<Body>>;

    /// Whether something is here that [`has`](ImageDestination::has) does not find: there, a place that cannot be asked for it has
    /// nothing, and here that is an error.
    async fn holds(&self, want: &Expect) -> Result<bool> {
        let _ = want;
        Ok(false)
    }
}

/// What to show.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Commit<'a> {
    /// The manifest or index that the names will stand for.
    pub root: &'a Manifest,
    /// Children that are knowingly left out.
    pub absent: &'a [Descriptor],
    /// What a delta leaves out because the receiver has it: blobs, manifests with all that is below them, the
    /// root itself.
    pub needs: &'a [Descriptor],
    /// Of an index, the platform that a place should show where it has to show a single image.
    pub platform: Option<&'a Platform>,
    /// Whether the image may show without what is to be beside it.
    pub without_beside: WithoutBeside,
}

/// Whether an image may show where a place does not take what is to be beside it: signatures, and others that are about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WithoutBeside {
    /// It shows, and the commit says in [`Committed::lost`] what is not there.
    #[default]
    Shows,
    /// The commit fails before any name shows the image. For images that are signed.
    Fails,
}

impl<'a> Commit<'a> {
    /// A root, of which nothing is left out.
    pub fn new(root: &'a Manifest) -> Self {
        let without_beside = WithoutBeside::Shows;
        Self { root, absent: &[], needs: &[], platform: None, without_beside }
    }

    /// Names what is left out because the receiver has it: then it is a delta.
    #[must_use]
    pub fn needing(mut self, needs: &'a [Descriptor]) -> Self {
        self.needs = needs;
        self
    }

    /// Says which platform of an index was asked for.
    #[must_use]
    pub fn preferring(mut self, platform: Option<&'a Platform>) -> Self {
        self.platform = platform;
        self
    }

    /// Says whether the image may show without what is to be beside it.
    #[must_use]
    pub fn where_beside_is_refused(mut self, then: WithoutBeside) -> Self {
        self.without_beside = then;
        self
    }

    /// Names the children that are knowingly left out.
    #[must_use]
    pub fn without(mut self, absent: &'a [Descriptor]) -> Self {
        self.absent = absent;
        self
    }

    /// For a place that holds whole images.
    ///
    /// # Errors
    /// `Unsupported` when it is a delta.
    pub fn check_whole(&self) -> Result<()> {
        let Some(needed) = self.needs.first() else { return Ok(()) };
        Err(Error::new(
            ErrorKind::Unsupported,
            format!("whole images are held here, and a delta leaves out {}", needed.digest),
        ))
    }

    /// Whether a child is knowingly left out. For one child; of many see [`absent_digests`](Self::absent_digests).
    pub fn is_absent(&self, digest: &Digest) -> bool {
        self.absent.iter().any(|absent| absent.digest == *digest)
    }

    /// The digests of the children that are knowingly left out.
    pub fn absent_digests(&self) -> HashSet<&'a Digest> {
        self.absent.iter().map(|absent| &absent.digest).collect()
    }
}

/// What shows now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Committed {
    /// The root as it is there; a transport that rebuilds manifests may have given it another digest.
    pub descriptor: Descriptor,
    /// References that open it, one for each name, at least one.
    pub references: Vec<Reference>,
    /// What is beside the image at its source, and could not be kept [beside](PutBeside) it: a sentence each.
    pub lost: Vec<String>,
}

impl Committed {
    /// What shows, and where.
    pub fn new(descriptor: Descriptor, references: Vec<Reference>) -> Self {
        Self { descriptor, references, lost: Vec::new() }
    }
}

/// What a destination can hold.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Accepts {
    /// Which manifests.
    pub manifests: AcceptsManifests,
    /// Which forms of layers.
    pub layers: AcceptsLayers,
    /// The form of layers that is best here, when the caller does not say.
    pub prefers: Option<LayerForm>,
    /// How many names an image may have.
    pub names: AcceptsNames,
    /// How many images may be without a name.
    pub nameless: AcceptsNameless,
    /// In which order blobs may come.
    pub order: AcceptsOrder,
    /// When images show.
    pub shows: Shows,
    /// Whether an index may lack children.
    pub sparse: Sparse,
    /// Whether artifacts can be held: manifests whose config is no image config, whatever a descriptor says of their type.
    pub artifacts: Artifacts,
    /// Whether manifests that are about an image are kept with it.
    pub referrers: AcceptsReferrers,
    /// Whether an image can be held of which a part is somewhere else.
    pub deltas: Deltas,
}

impl Accepts {
    /// Anything whole, in any order and any form, under many names, shown at commit.
    pub fn anything() -> Self {
        Self {
            manifests: AcceptsManifests::Any,
            layers: AcceptsLayers::Any,
            prefers: None,
            names: AcceptsNames::Many,
            nameless: AcceptsNameless::Many,
            order: AcceptsOrder::Any,
            shows: Shows::AtCommit,
            sparse: Sparse::Accepted,
            artifacts: Artifacts::Accepted,
            referrers: AcceptsReferrers::Accepted,
            deltas: Deltas::Refused,
        }
    }

    /// Whether a manifest of a media type can be held.
    pub fn takes(&self, media_type: &MediaType) -> bool {
        match &self.manifests {
            AcceptsManifests::Any => true,
            AcceptsManifests::Only(types) => types.contains(media_type),
        }
    }

    /// Whether indexes can be held.
    pub fn takes_indexes(&self) -> bool {
        match &self.manifests {
            AcceptsManifests::Any => true,
            AcceptsManifests::Only(types) => {
                types.iter().any(|t| crate::is_index_type(t) == Some(true))
            }
        }
    }
}

/// Which manifests.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AcceptsManifests {
    /// Of any type.
    Any,
    /// Of these types, the preferred first.
    Only(Vec<MediaType>),
}

/// Which forms of layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AcceptsLayers {
    /// Plain and compressed ones.
    Any,
    /// Plain tars.
    PlainOnly,
    /// Compressed ones.
    CompressedOnly,
}

/// The form of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LayerForm {
    /// A plain tar.
    Plain,
    /// gzip.
    Gzip,
    /// zstd.
    Zstd,
}

/// How many names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AcceptsNames {
    /// None: the place is the name.
    None,
    /// At most one.
    One,
    /// Any number.
    Many,
}

/// How many images of one place may be without a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AcceptsNameless {
    /// Any number. An image whose last name another one gets stays.
    Many,
    /// One: a second one is refused with `AlreadyExists`. An image whose last name another one gets goes.
    One,
}

/// In which order blobs may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AcceptsOrder {
    /// In any, concurrently.
    Any,
    /// One after the other, in the order of the plan, so that the same images give the same bytes.
    AsPlanned,
}

/// When images show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shows {
    /// With their commit.
    AtCommit,
    /// All together, when the writer finishes.
    AtFinish,
}

/// Whether an index may lack children.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sparse {
    /// It may; they are named in [`Commit::absent`].
    Accepted,
    /// It may not.
    Refused,
}

/// Whether artifacts can be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Artifacts {
    /// They can.
    Accepted,
    /// They cannot.
    Refused,
}

/// Whether manifests that are about an image are kept with it: those that have it as their subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AcceptsReferrers {
    /// They are.
    Accepted,
    /// They are not.
    Refused,
}

/// Whether an image can be held of which a part is somewhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Deltas {
    /// It can; the part is named in [`Commit::needs`], and its sources say so.
    Accepted,
    /// It cannot.
    Refused,
}
