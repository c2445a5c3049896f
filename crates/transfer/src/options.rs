//! [`TransferOptions`]: what a transfer is to do.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use transship_core::{
    Cache, DockerName, Error, ErrorKind, Format, ImageName, LayerForm, Platform, Result, WriteMode,
};
use transship_trust::{Policy, SigningKey};

use crate::codec::{GZIP_LEVELS, ZSTD_LEVELS};
use crate::{Events, Published, Rename, Since, Tags};

/// What a transfer is to do, where that does not follow from its source and destination.
///
/// ```
/// use transship_transfer::{Compress, TransferOptions};
/// let mut options = TransferOptions::default();
/// options.compress = Compress::Gzip(None);
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct TransferOptions {
    /// Which images of a source that does not say so itself.
    pub images: Images,
    /// Of an archive of which all images are copied, those with which tags. An image that a reference names
    /// beside other sources is copied whatever its tag.
    pub tags: Tags,
    /// Which platforms of an index.
    pub platforms: Platforms,
    /// What becomes of an index of which a part stays behind.
    pub subset: Subset,
    /// Which form layers get.
    pub compress: Compress,
    /// Of which kind manifests are; `None`: as they are, where the destination can hold that.
    pub format: Option<Format>,
    /// Names for the image at the destination, beside the one in its reference. Only for a single image.
    pub names: Vec<ImageName>,
    /// Rules that map the names that images have at their sources; the first that fits a name maps it, and a name that none
    /// fits is kept. Names that are given are not mapped. What comes out must be held by the destination.
    pub renames: Vec<Rename>,
    /// What the failure of one image does to the others.
    pub failures: Failures,
    /// What to do with an archive that is there already; `None`: as the transport does by default.
    pub mode: Option<WriteMode>,
    /// Whether digests may change.
    pub digests: Digests,
    /// What to do about layers that are not to be distributed.
    pub nondistributable: Nondistributable,
    /// What to do about detached signatures, as `dir:` keeps them.
    pub signatures: DetachedSignatures,
    /// What to do about manifests that are about an image.
    pub attached: Attached,
    /// Whether it is found out that the destination shows an image already, so that it is not copied.
    pub compare: Compare,
    /// Makes a delta: what these have is left out, and the copy says what it needs. A destination that holds whole images
    /// only is refused.
    pub since: Option<Since>,
    /// What images need to be trusted. It is asked before the destination is opened; what it rejects is `Untrusted`. None by
    /// default: nothing is enforced that the caller does not ask for.
    pub policy: Option<Arc<Policy>>,
    /// Signs each image, and what is below it, before it shows at the destination.
    pub sign: Option<Sign>,
    /// How many blobs are copied at once; `None`: 8, or in place of one of them
    /// three of 1 MiB at most. How many layers change form at once follows from processors and memory.
    pub jobs: Option<NonZeroUsize>,
    /// Keeps what was found true, and what layers became, from one transfer to the next. None by default; the command has
    /// one in the user's cache folder.
    pub cache: Cache,
    /// Hears what happens.
    pub observer: Events,
    /// Knows what shows already; of a new transfer, nothing.
    pub published: Published,
    /// The folder for unnamed temporary files; `None`: `$TMPDIR`, else `/var/tmp`.
    pub spool: Option<PathBuf>,
    /// How long to wait for a lock that another process holds on the destination; `None`: for as long as it is held.
    pub lock_timeout: Option<Duration>,
}

/// How many blobs are copied at once by default. More of them wait for disks and servers, not for processors: how
/// many layers change form at once is bounded apart.
const STREAMS: NonZeroUsize = NonZeroUsize::new(8).unwrap();

/// How many small blobs are copied in place of one large one by default: what they wait for is mostly answers of servers.
const SMALL_PER_STREAM: u32 = 3;

impl TransferOptions {
    transship_core::setters! {
        with_images(images: Images)
        with_tags(tags: Tags)
        with_platforms(platforms: Platforms)
        with_subset(subset: Subset)
        with_compress(compress: Compress)
        with_format(format: Option<Format>)
        with_names(names: Vec<ImageName>)
        with_renames(renames: Vec<Rename>)
        with_failures(failures: Failures)
        with_mode(mode: Option<WriteMode>)
        with_digests(digests: Digests)
        with_nondistributable(nondistributable: Nondistributable)
        with_signatures(signatures: DetachedSignatures)
        with_attached(attached: Attached)
        with_compare(compare: Compare)
        with_since(since: Option<Since>)
        with_policy(policy: Option<Arc<Policy>>)
        with_sign(sign: Option<Sign>)
        with_jobs(jobs: Option<NonZeroUsize>)
        with_cache(cache: Cache)
        with_observer(observer: Events)
        with_published(published: Published)
        with_spool(spool: Option<PathBuf>)
        with_lock_timeout(lock_timeout: Option<Duration>)
    }

    /// How many blobs may be copied, and how many documents read, at once.
    pub(crate) fn streams(&self) -> usize {
        self.jobs.unwrap_or(STREAMS).get()
    }

    /// How many small blobs may be copied in place of one large one.
    pub(crate) fn small_per_stream(&self) -> u32 {
        self.jobs.map_or(SMALL_PER_STREAM, |_| 1)
    }

    /// Whether nothing is asked for that would change an image, leave a part of it behind, or bring more than it.
    pub(crate) fn copies_as_it_is(&self) -> bool {
        self.attached == Attached::Auto
            && self.nondistributable == Nondistributable::LeaveOut
            && self.since.is_none()
            && self.takes_all_platforms()
            && self.keeps_manifests()
    }

    /// Whether an index is copied with all of its images that are there.
    pub(crate) fn takes_all_platforms(&self) -> bool {
        matches!(self.platforms, Platforms::Present | Platforms::All)
    }

    /// Whether no other manifest is asked for than the one that is there, where the destination can hold it.
    pub(crate) fn keeps_manifests(&self) -> bool {
        self.subset == Subset::Auto
            && matches!(self.compress, Compress::Auto | Compress::Keep)
            && self.format.is_none()
            && self.sign.is_none()
    }
}

/// How images are signed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Sign {
    /// The key.
    pub key: Arc<SigningKey>,
    /// The name that is signed; `None`: the one that the image gets, where the destination says one.
    pub identity: Option<DockerName>,
    /// Where the signature lies.
    pub form: SignatureForm,
}

impl Sign {
    /// With a key, under the name that the image gets, as a tag.
    pub fn new(key: SigningKey) -> Self {
        Self { key: Arc::new(key), identity: None, form: SignatureForm::Tag }
    }

    transship_core::setters! {
        with_identity(identity: Option<DockerName>)
        with_form(form: SignatureForm)
    }
}

/// Where a signature lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignatureForm {
    /// Under a tag beside the image, as cosign did up to its version 2, and as podman and skopeo read it; in `dir:`, as a file.
    /// It is added to the signatures that are there.
    #[default]
    Tag,
    /// As a referrer of the image, as cosign makes it since its version 3. It names no image.
    Bundle,
}

impl fmt::Display for SignatureForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tag => "tag",
            Self::Bundle => "bundle",
        })
    }
}

/// Which images of a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Images {
    /// The one that the reference names, or the only one.
    #[default]
    One,
    /// All of the archive, each under its own names. A reference that names one image stands for that one beside other
    /// sources; alone it contradicts this, and is refused.
    All,
}

/// Whether it is found out that the destination shows an image already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compare {
    /// Between registries, for images that are copied as they are: before they are read. In engines, unless another form of the
    /// image is asked for: before anything is sent.
    #[default]
    Roots,
    /// Wherever the destination can tell, also after the image was planned: so that the report says what changed.
    Plans,
}

/// What the failure of one image does to the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failures {
    /// It ends the transfer. In an archive that shows its images together, nothing shows.
    #[default]
    Stop,
    /// The others go on, and the report says what failed. No image is half there. An archive that shows its images
    /// together shows those that are good, unless all have failed. Where only one image is asked for, it ends the transfer.
    KeepGoing,
}

/// Which platforms of an index. With [`Host`](Self::Host) and [`Only`](Self::Only), a single image that says what it
/// runs on has to fit, else it is `NotFound`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Platforms {
    /// Every one that is present; those that are absent are reported. Absent is a manifest that a sparse place does not hold;
    /// one whose config or layers are gone, or that a registry lists and does not have, is damaged, and `Corrupt`: what is
    /// whole can be asked for with [`Only`](Self::Only). A destination that holds single images gets that of this machine.
    #[default]
    Present,
    /// Every one; one that is absent is `NotFound`. `Unsupported` where they are several and the destination holds single images.
    All,
    /// The one that fits this machine best, alone: without its index and its attestations.
    Host,
    /// For each of these the one that fits it best; one that nothing fits is `NotFound`. One image goes alone, unless a
    /// [`Subset`] is asked for; several stay in the index, with their attestations.
    Only(Vec<Platform>),
}

impl Platforms {
    pub(crate) fn first(&self) -> Option<Platform> {
        match self {
            Self::Present | Self::All => None,
            Self::Host => Some(Platform::host()),
            Self::Only(wanted) => wanted.first().cloned(),
        }
    }
}

/// What becomes of an index of which a part stays behind: platforms that were not asked for, or are absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Subset {
    /// One image that was chosen goes alone. An index is kept as it is, and names the others as absent; where the
    /// destination takes no gaps, they are taken out of it, and the report says so.
    #[default]
    Auto,
    /// The index is kept as it is, also around one image; a destination that takes no gaps is refused.
    Sparse,
    /// The others are taken out of the index, and so are the attestations about them; its digest changes.
    Strip,
}

/// Which form layers get. Only known types of layers ever change form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compress {
    /// As they are, unless the destination needs or prefers another form.
    #[default]
    Auto,
    /// As they are. A destination that cannot hold them so is refused.
    Keep,
    /// Plain tars.
    Plain,
    /// gzip. Without a level, layers that are gzip already are kept, others get
    /// [`DEFAULT_GZIP_LEVEL`](crate::codec::DEFAULT_GZIP_LEVEL). With one of
    /// [`GZIP_LEVELS`](crate::codec::GZIP_LEVELS), all are made anew.
    Gzip(Option<u32>),
    /// zstd. Without a level, layers that are zstd already are kept, others get
    /// [`DEFAULT_ZSTD_LEVEL`](crate::codec::DEFAULT_ZSTD_LEVEL). With one of
    /// [`ZSTD_LEVELS`](crate::codec::ZSTD_LEVELS), all are made anew.
    Zstd(Option<i32>),
}

impl Compress {
    pub(crate) fn form(self) -> Option<LayerForm> {
        match self {
            Self::Auto | Self::Keep => None,
            Self::Plain => Some(LayerForm::Plain),
            Self::Gzip(_) => Some(LayerForm::Gzip),
            Self::Zstd(_) => Some(LayerForm::Zstd),
        }
    }

    /// That there is such a level.
    pub(crate) fn check(self) -> Result<()> {
        let (name, level, levels) = match self {
            Self::Gzip(Some(level)) => {
                let (low, high) = (*GZIP_LEVELS.start(), *GZIP_LEVELS.end());
                ("gzip", i64::from(level), (i64::from(low), i64::from(high)))
            }
            Self::Zstd(Some(level)) => {
                let (low, high) = (*ZSTD_LEVELS.start(), *ZSTD_LEVELS.end());
                ("zstd", i64::from(level), (i64::from(low), i64::from(high)))
            }
            _ => return Ok(()),
        };
        let (low, high) = levels;
        if (low..=high).contains(&level) {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::InvalidInput,
            format!("{name} has no level {level}: its levels are {low} to {high}"),
        ))
    }
}

/// Whether digests may change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Digests {
    /// They change where something has to.
    #[default]
    MayChange,
    /// What would change one fails with `Unsupported` before anything is written. A preference of the destination
    /// gives way.
    Preserve,
}

/// What to do about manifests that are about an image: signatures, SBOMs, attestations whose `subject` it is, or one of its
/// manifests, and what is about those.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Attached {
    /// They stay behind, except for those under [cosign's tags](transship_core::tags_beside), which come where all images of
    /// a place are copied, as other tags do.
    #[default]
    Auto,
    /// They come with it, as they are. Where the digest of what they are about changes, or the destination cannot hold
    /// them, they stay behind, and the report says so.
    Copy,
}

/// What to do about layers that are not to be distributed (OCI's `nondistributable` types, docker's `foreign` ones).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Nondistributable {
    /// They stay in the manifest, and are neither read nor written.
    #[default]
    LeaveOut,
    /// They are copied as others are.
    Copy,
}

/// What to do about detached signatures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum DetachedSignatures {
    /// They come with their image. Where the destination cannot hold them, or they would not be true of a manifest that
    /// changes, it is `Unsupported` before anything is written.
    #[default]
    Keep,
    /// None are copied.
    Remove,
}
