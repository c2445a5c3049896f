//! [`ImageTask`]: one image, planned.

use transship_core::{
    Committed, Descriptor, Error, ErrorKind, Hint, ImageDestination, ImageSource, Result, ResultExt,
};

use super::layers::LayerRules;
use super::manifests::plan;
use super::nodes::ImagePlan;
use super::referrers::attach;
use super::select::{Room, choose};
use super::sniff::sniff_layers;
use super::tree::Tree;
use crate::commit::{planned_root, signatures};
use crate::copy::task::{BlobTask, tasks};
use crate::open::base::WithBase;
use crate::open::{Batch, Handle, Target};
use crate::{Attached, ImageId, TransferOptions};

/// What a transfer does for one image.
#[derive(Debug)]
pub(crate) struct ImageTask<'a> {
    pub(crate) id: ImageId,
    /// Its root at the source.
    pub(crate) root: Descriptor,
    pub(crate) action: Action<'a>,
    pub(crate) target: Target<'a>,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all of them are copied")]
pub(crate) enum Action<'a> {
    Copy {
        from: Handle<'a, dyn ImageSource>,
        plan: ImagePlan,
        blobs: Vec<BlobTask>,
    },
    /// All names stand for it already.
    Nothing(Committed),
}

impl ImageTask<'_> {
    /// The blobs that it needs, in the order in which they go.
    pub(super) fn blobs(&self) -> &[BlobTask] {
        match &self.action {
            Action::Copy { blobs, .. } => blobs,
            Action::Nothing(_) => &[],
        }
    }

    /// The platforms that are copied; none where nothing has to be done.
    pub(crate) fn platforms(&self) -> Vec<String> {
        match &self.action {
            Action::Copy { plan, .. } => {
                plan.platforms.copied.iter().map(ToString::to_string).collect()
            }
            Action::Nothing(_) => Vec::new(),
        }
    }

    /// About how many bytes of memory it needs until it is its turn.
    pub(super) fn weight(&self) -> usize {
        /// What is open, and small.
        const OPEN: usize = 16 << 10;
        match &self.action {
            Action::Copy { plan, .. } => OPEN.saturating_add(plan.weight()),
            Action::Nothing(_) => OPEN,
        }
    }

    /// What an observer should know of it before it is copied.
    pub(super) fn warnings(&self) -> Vec<String> {
        let Action::Copy { plan, .. } = &self.action else { return Vec::new() };
        let lost = plan.lost.iter().map(|text| format!("lost: {text}"));
        plan.warnings.iter().cloned().chain(lost).collect()
    }
}

/// Opens an image and plans it for its place.
pub(super) async fn plan_image<'a>(
    batch: &'a Batch<'_>,
    at: usize,
    target: Target<'a>,
) -> Result<ImageTask<'a>> {
    let id = ImageId(at);
    let from = batch.sources.image(at).await?;
    let (source, place) = (from.get(), target.image.get());
    if let Some(root) = batch.sources.compared(source)
        && place.pinned().into_iter().all(|pinned| *pinned == root.digest)
        && let Some(there) = place.shows(root).await?
    {
        let (root, action) = (root.clone(), Action::Nothing(there));
        return Ok(ImageTask { id, root, action, target });
    }
    let plan = plan_for(source, place, batch.options).await;
    let mut plan = plan.context(|| source.reference())?;
    plan.warnings.splice(0..0, batch.sources.warnings(at).iter().cloned());
    let refused = target.refused.iter();
    plan.lost.extend(
        refused.map(|name| format!("the name {name}: {} cannot hold it", place.reference())),
    );
    let (root, blobs) = (plan.source.clone(), tasks(&plan));
    check_pinned(place, &plan, &blobs).context(|| source.reference())?;
    Ok(ImageTask { id, root, action: Action::Copy { from, plan, blobs }, target })
}

async fn plan_for(
    source: &dyn ImageSource,
    destination: &dyn ImageDestination,
    options: &TransferOptions,
) -> Result<ImagePlan> {
    let accepts = destination.accepts();
    let source = &WithBase::over(source, destination);
    source.check(destination).await?;
    let room = Room::of(accepts);
    let mut tree = Tree::load(source, options.platforms.reading(room)).await?;
    let choice = choose(&tree, &options.platforms, options.subset, room)?;
    tree.complete(source, &|leaf| choice.takes(leaf)).await?;
    let rules = LayerRules::new(options, accepts);
    let sniffed = sniff_layers(source, (&tree, &choice), &rules, options.streams()).await?;
    let mut plan = plan(&tree, &choice, options, accepts, &sniffed)?;
    signatures::check(source, destination, &plan).await?;
    if options.attached == Attached::Copy {
        attach(source, &mut plan, destination).await?;
    }
    Ok(plan)
}

/// That the root gets the digest that the destination says. Where layers change form, it is known after the copy only; then the
/// commit checks it.
fn check_pinned(place: &dyn ImageDestination, plan: &ImagePlan, blobs: &[BlobTask]) -> Result<()> {
    let pinned = place.pinned();
    if pinned.is_empty() {
        return Ok(());
    }
    let (at, was) = (place.reference(), &plan.root.manifest().descriptor().digest);
    let becomes = planned_root(plan, blobs)?;
    for wanted in pinned {
        let message = match &becomes {
            Some(digest) if digest == wanted => continue,
            Some(digest) => format!("{at} says the digest {wanted}, and the image has {digest}"),
            None if wanted != was => continue,
            None => format!("{at} says the digest {wanted}, which would change"),
        };
        let error = Error::new(ErrorKind::Corrupt, message);
        let changes = becomes.as_ref() != Some(was);
        return Err(if changes { error.hint(Hint::PreserveDigests) } else { error });
    }
    Ok(())
}
