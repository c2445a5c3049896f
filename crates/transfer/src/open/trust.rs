//! [`Trust`]: what the policy says of each image, before the destination is opened and before any blob is read.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use transship_core::{
    Descriptor, Digest, Document, Error, ErrorKind, Identity, ImageDocument, ImageSource,
    IndexDocument, Listed, Manifest, Reference, Result, ResultExt, Sparse, Transports, Visit,
    Visitor, is_index_type, run_blocking, walk_from,
};
use transship_trust::{Applied, Found as FoundSignature, Policy, SignatureKinds, Verdict};

use super::boxed;
use super::sources::Sources;
use super::writer::Output;
use crate::TransferOptions;
use crate::plan::select::{Choice, Room, choose, leaves};
use crate::plan::tree::{Child, Found, Node, Tree};

/// How many manifests of an image are checked at once.
const AT_ONCE: usize = 8;

/// What is known of an image before it is planned.
#[derive(Debug)]
pub(crate) enum Trust {
    /// No policy applies, or it accepts anything.
    Anything,
    /// These manifests were checked.
    Checked(Checked),
    /// It must not be copied.
    Rejected(Error),
}

#[derive(Debug)]
pub(crate) struct Checked {
    root: Digest,
    images: Images,
}

#[derive(Debug)]
enum Images {
    /// The root stands for all that it lists.
    All,
    Only(HashSet<Digest>),
}

impl Trust {
    /// That an image may be copied, as far as is known before it is read.
    pub(crate) fn admits(&self) -> Result<()> {
        match self {
            Self::Rejected(error) => Err(error.clone()),
            Self::Anything | Self::Checked(_) => Ok(()),
        }
    }

    /// That the root is the one that was checked.
    pub(crate) fn knows_root(&self, digest: &Digest) -> Result<()> {
        match self {
            Self::Checked(checked) if checked.root != *digest => Err(changed(digest)),
            _ => self.admits(),
        }
    }

    /// That all that is copied was checked: a source may give something else the second time.
    pub(crate) fn covers(&self, tree: &Tree, choice: &Choice) -> Result<()> {
        self.knows_root(&tree.manifest.descriptor().digest)?;
        let Self::Checked(Checked { images: Images::Only(checked), .. }) = self else {
            return Ok(());
        };
        let taken = leaves(tree).into_iter().enumerate().filter(|(at, _)| choice.takes(*at));
        let mut copied = taken.map(|(_, leaf)| leaf).filter(|leaf| leaf.is_present());
        match copied.find(|leaf| !checked.contains(&leaf.descriptor.digest)) {
            Some(leaf) => Err(changed(&leaf.descriptor.digest)),
            None => Ok(()),
        }
    }
}

fn changed(digest: &Digest) -> Error {
    let message =
        format!("{digest} is not what the policy was asked about: the source has changed");
    Error::new(ErrorKind::Untrusted, message).hint("copy it again")
}

/// Asks a policy about an image that is open: all of it that is there.
///
/// # Errors
/// `Untrusted` where it is rejected, and those of the source.
pub async fn check_policy(
    source: &dyn ImageSource,
    policy: &Policy,
    transports: &Transports,
) -> Result<()> {
    let reference = source.reference();
    let identity = identity(reference, transports).await?;
    let applied = policy.for_image(reference.scheme(), &identity);
    let asking = AskingOne { source, identity: &identity, applied: &applied };
    asking.image(Room::Indexes, &TransferOptions::default()).await?;
    Ok(())
}

/// Whether the policy says something of a place, so that what is there must not reach the destination before it is checked.
pub(super) async fn concerns(
    options: &TransferOptions,
    at: &Reference,
    transports: &Transports,
) -> Result<bool> {
    let Some(policy) = &options.policy else { return Ok(false) };
    let identity = identity(at, transports).await?;
    Ok(!policy.for_image(at.scheme(), &identity).accepts_anything())
}

/// Asks the policy about each image.
///
/// # Errors
/// `Untrusted` where an image is rejected and the others do not go on without it, or all are rejected.
pub(super) async fn check(
    sources: &Sources<'_>,
    (output, to): (&Output<'_>, &Transports),
    options: &TransferOptions,
) -> Result<Vec<Trust>> {
    let Some(policy) = &options.policy else {
        return Ok((0..sources.len()).map(|_| Trust::Anything).collect());
    };
    let room = boxed(output.room(to)).await?;
    let asking = Asking { sources, room, options, policy };
    // By position: a stream of references is not `Send`.
    let asked = stream::iter(0..sources.len())
        .map(|at| boxed(asking.in_batch(at)))
        .buffered(options.streams());
    let all: Vec<Trust> = asked.try_collect().await?;
    let rejected = all.iter().filter_map(|trust| trust.admits().err());
    let (count, first) = (rejected.clone().count(), rejected.into_iter().next());
    match first {
        Some(error) if count == all.len() => Err(error.context("no image may be copied")),
        _ => Ok(all),
    }
}

pub(crate) async fn identity(at: &Reference, transports: &Transports) -> Result<Identity> {
    // What the caller opened may be of a transport that is not linked.
    let Ok(transport) = transports.of(at) else { return Ok(Identity::with_unknown_scopes()) };
    let (transport, at) = (Arc::clone(transport), at.clone());
    run_blocking(move |_| Ok(transport.identity(&at))).await
}

struct Asking<'a> {
    sources: &'a Sources<'a>,
    room: Room,
    options: &'a TransferOptions,
    policy: &'a Arc<Policy>,
}

impl Asking<'_> {
    async fn in_batch(&self, at: usize) -> Result<Trust> {
        let reference = self.sources.reference(at);
        match self.image(at).await.context(|| reference) {
            Err(error) if super::goes_on(self.options, self.sources.asked(), &error) => {
                Ok(Trust::Rejected(error))
            }
            trust => trust,
        }
    }

    async fn image(&self, at: usize) -> Result<Trust> {
        let reference = self.sources.reference(at);
        let identity = identity(reference, &self.sources.transports).await?;
        let applied = self.policy.for_image(reference.scheme(), &identity);
        if applied.accepts_anything() {
            return Ok(Trust::Anything);
        }
        let source = self.sources.image(at).await?;
        let asking = AskingOne { source: source.get(), identity: &identity, applied: &applied };
        asking.image(self.room, self.options).await.map(Trust::Checked)
    }
}

/// Says why the index did not stand for its images, where one of them is rejected, too.
fn with_index(of_image: Error, of_index: Option<Error>) -> Error {
    match of_index {
        Some(of_index) if of_image.kind() == ErrorKind::Untrusted => {
            let message = format!("{}; and the index {}", of_image.message(), of_index.message());
            Error::new(ErrorKind::Untrusted, message)
        }
        _ => of_image,
    }
}

struct AskingOne<'a> {
    source: &'a dyn ImageSource,
    identity: &'a Identity,
    applied: &'a Applied,
}

impl AskingOne<'_> {
    async fn image(&self, space: Room, options: &TransferOptions) -> Result<Checked> {
        let manifest = self.source.root().await?;
        let root = manifest.descriptor().digest.clone();
        let is_image = matches!(manifest.document(), Document::Image(_));
        if is_image || self.applied.rejects_anything() {
            self.manifest(&root).await?;
            return Ok(Checked { root, images: Images::All });
        }
        let mut of_index = None;
        if self.applied.index_covers_images() {
            match self.manifest(&root).await {
                Ok(()) => return Ok(Checked { root, images: Images::All }),
                Err(error) if error.kind() == ErrorKind::Untrusted => of_index = Some(error),
                Err(error) => return Err(error),
            }
        }
        let images = self.chosen(&manifest, space, options).await?;
        if images.is_empty() {
            self.manifest(&root).await?;
        }
        let checks = stream::iter(0..images.len())
            .map(|at| boxed(self.manifest(&images[at])))
            .buffered(AT_ONCE);
        checks.try_collect::<Vec<()>>().await.map_err(|error| with_index(error, of_index))?;
        Ok(Checked { root, images: Images::Only(images.into_iter().collect()) })
    }

    /// That the policy accepts a manifest. Bundles are looked for where other signatures are not enough.
    async fn manifest(&self, digest: &Digest) -> Result<()> {
        let kinds = self.applied.kinds();
        let mut found = Vec::new();
        if !self.applied.rejects_anything() {
            found = self.found(digest, kinds.without_bundles()).await?;
        }
        let mut verdict = self.verdict(digest, &found).await?;
        if matches!(verdict, Verdict::Rejected(_)) && kinds.bundles {
            let bundles = self.found(digest, kinds.only_bundles()).await?;
            if !bundles.is_empty() {
                found.extend(bundles);
                verdict = self.verdict(digest, &found).await?;
            }
        }
        match verdict {
            Verdict::Verified(_) => Ok(()),
            Verdict::Rejected(why) => Err(why.into_error()),
        }
    }

    async fn found(&self, digest: &Digest, kinds: SignatureKinds) -> Result<Vec<FoundSignature>> {
        self.applied.signatures(self.source, self.identity, digest, kinds).await
    }

    async fn verdict(&self, digest: &Digest, found: &[FoundSignature]) -> Result<Verdict> {
        let (applied, identity) = (self.applied.clone(), self.identity.clone());
        let (digest, found) = (digest.clone(), found.to_vec());
        // Keys are read, and other programs may be asked.
        run_blocking(move |cancel| Ok(applied.check_until(&identity, &digest, &found, cancel)))
            .await
    }

    /// The images of an index that are to be copied, as far as the index says their platforms: those of which it does not
    /// say them may be.
    async fn chosen(
        &self,
        root: &Manifest,
        space: Room,
        options: &TransferOptions,
    ) -> Result<Vec<Digest>> {
        let Found::Here(tree) = walk_from(self.source, root, &Indexes(self.source)).await? else {
            return Ok(Vec::new());
        };
        let leaves = leaves(&tree);
        let all_say = leaves.iter().all(|leaf| leaf.platform.is_some());
        let choice = if all_say {
            choose(&tree, &options.platforms, options.subset, space)?
        } else {
            Choice::Whole
        };
        let taken = leaves.iter().enumerate().filter(|(at, leaf)| {
            leaf.is_present() && (choice.takes(*at) || leaf.platform.is_none())
        });
        Ok(taken.map(|(_, leaf)| leaf.descriptor.digest.clone()).collect())
    }
}

/// Reads indexes only. Where a source may lack a manifest, it is asked for.
struct Indexes<'a>(&'a dyn ImageSource);

#[async_trait]
impl Visitor for Indexes<'_> {
    type Output = Found;

    fn skip(&self, listed: Listed<'_>) -> Option<Found> {
        let whole = self.0.sparse() == Sparse::Refused;
        let is_image = is_index_type(&listed.descriptor.media_type) == Some(false);
        (whole && is_image && !listed.is_first()).then_some(Found::Unread)
    }

    async fn image(&self, _: Visit<'_>, _: &ImageDocument) -> Result<Found> {
        Ok(Found::Unread)
    }

    async fn index(
        &self,
        of: Visit<'_>,
        index: &IndexDocument,
        found: Vec<Found>,
    ) -> Result<Found> {
        let child = |(of, found): (&Descriptor, Found)| Child::new(of, found);
        let children = index.manifests.iter().zip(found).map(child).collect();
        let node = Node::Index { document: index.clone(), children };
        Ok(Found::Here(Box::new(Tree { manifest: of.manifest.clone(), node })))
    }

    fn absent(&self, _: Listed<'_>, error: Error) -> Result<Found> {
        Ok(Found::Absent(error.to_string()))
    }
}
