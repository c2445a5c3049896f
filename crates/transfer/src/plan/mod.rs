//! Plans a batch: documents in, a [`TransferPlan`] out. No blob is copied.
//!
//! For each image: [`tree`] reads its documents, [`select`] chooses platforms, [`manifests`] says what becomes of each
//! manifest and, with [`layers`], of each layer; [`names`] holds the images against each other. What these decide follows
//! from documents and options alone.

mod description;
pub(crate) mod layers;
pub(crate) mod manifests;
mod names;
pub(crate) mod nodes;
mod referrers;
pub(crate) mod select;
pub(crate) mod since;
mod sniff;
pub(crate) mod tree;

use std::collections::HashMap;

use futures_util::stream::{self, StreamExt};
use transship_core::{
    AcceptsOrder, Committed, Descriptor, Error, ErrorKind, Hint, ImageDestination, ImageSource,
    Manifest, Result, ResultExt,
};

use crate::commit::{planned_root, sign, signatures};
use crate::copy::task::{BlobNumbers, BlobTask, tasks};
use crate::open::base::WithBase;
use crate::open::{Attaches, Batch, Handle, Target, boxed};
use crate::turn::{Turn, Turns};
use crate::{Compare, ImageFailure, ImageId, TransferOptions};
pub(crate) use description::form_name;
pub use description::{BlobFate, Plan, PlanTotals, PlannedBlob, PlannedImage, Sum};
use layers::LayerRules;
use names::NameTable;
use nodes::ImagePlan;
use select::{Room, choose};
use tree::Tree;

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
    fn blobs(&self) -> &[BlobTask] {
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
    fn weight(&self) -> usize {
        /// What is open, and small.
        const OPEN: usize = 16 << 10;
        match &self.action {
            Action::Copy { plan, .. } => OPEN.saturating_add(plan.weight()),
            Action::Nothing(_) => OPEN,
        }
    }

    /// What an observer should know of it before it is copied.
    fn warnings(&self) -> Vec<String> {
        let Action::Copy { plan, .. } = &self.action else { return Vec::new() };
        let lost = plan.lost.iter().map(|text| format!("lost: {text}"));
        plan.warnings.iter().cloned().chain(lost).collect()
    }
}

/// How many bytes of planned images are kept until it is their turn. Images beyond these are planned a second time: what is
/// planned is the same, and memory does not grow with their number.
const KEPT: usize = 64 << 20;

/// What a transfer will do, image by image. Shown, it is a [`Plan`]; copied, a [`Report`](crate::Report).
#[derive(Debug)]
pub(crate) struct TransferPlan<'a, 's> {
    pub(crate) batch: &'a Batch<'s>,
    /// The positions of the images that go, in the order of their commits.
    pub(crate) images: Vec<usize>,
    pub(crate) kept: HashMap<usize, ImageTask<'a>>,
    /// Bytes that all of them need.
    weight: usize,
    pub(crate) blobs: BlobNumbers,
    /// For each image that loses names to later ones, what to say of it.
    lost_names: HashMap<usize, Vec<String>>,
    /// Those that cannot be copied, where the others are to go on.
    pub(crate) failed: Vec<ImageFailure>,
    /// Whether the destination takes blobs only one after the other.
    pub(crate) in_order: bool,
}

/// Plans all images before the first blob is copied.
pub(crate) async fn plan<'a, 's>(batch: &'a Batch<'s>) -> Result<TransferPlan<'a, 's>> {
    let mut plan = TransferPlan::of(batch);
    let mut names = NameTable::of(&batch.sources);
    let mut places = Turns::default();
    // By position: a stream of references is not `Send`.
    let mut planned = stream::iter(0..batch.sources.len())
        .map(|at| boxed(plan_in_turn(batch, at, places.next())))
        .buffered(batch.options.streams());
    // Nothing is awaited in the loop: the other images, which it would not poll, may hold what that waits for.
    while let Some((at, image)) = planned.next().await {
        match image {
            Err(error) if batch.goes_on(&error) => plan.failed.push(batch.failure(at, &error)),
            image => plan.add(image?, &mut names)?,
        }
    }
    drop(planned);
    plan.lost_names = names.into_lost();
    for at in &plan.images {
        for text in plan.lost_names.get(at).into_iter().flatten() {
            batch.events.warn(Some(ImageId(*at)), text);
        }
    }
    plan.blobs.emit_planned(plan.images.len(), batch.events);
    Ok(plan)
}

/// Places are opened in order: of two images for one name, the order decides which comes first, and not what answers first.
async fn plan_in_turn<'a>(
    batch: &'a Batch<'_>,
    at: usize,
    mut turn: Turn,
) -> (usize, Result<ImageTask<'a>>) {
    let planned = async {
        turn.come().await?;
        let target = match batch.trust[at].admits() {
            Ok(()) => batch.target(at).await,
            Err(rejected) => Err(rejected),
        };
        // Also after a failure: the others may go on.
        turn.end();
        plan_image(batch, at, target?).await
    };
    (at, planned.await)
}

/// Opens an image and plans it for its place.
async fn plan_image<'a>(
    batch: &'a Batch<'_>,
    at: usize,
    target: Target<'a>,
) -> Result<ImageTask<'a>> {
    let id = ImageId(at);
    let from = batch.sources.image(at).await?;
    let (source, place) = (from.get(), target.image.get());
    if let Some(root) = batch.sources.compared(at, source)
        && place.pinned().into_iter().all(|pinned| *pinned == root.digest)
        && let Some(there) = place.shows(root).await?
    {
        batch.trust[at].knows_root(&root.digest).context(|| source.reference())?;
        let (root, action) = (root.clone(), Action::Nothing(there));
        return Ok(ImageTask { id, root, action, target });
    }
    if let Some(sign) = &batch.options.sign {
        sign::check(batch, sign, place).await?;
    }
    let mut plan = plan_for(batch, at, source, place).await.context(|| source.reference())?;
    plan.warnings.splice(0..0, batch.sources.warnings(at).iter().cloned());
    let refused = target.refused.iter();
    plan.lost.extend(
        refused.map(|name| format!("the name {name}: {} cannot hold it", place.reference())),
    );
    let (root, blobs) = (plan.source.clone(), tasks(&plan));
    check_pinned(place, &plan, &blobs).context(|| source.reference())?;
    if let Some(there) = shown(place, &plan, &blobs, batch.options).await? {
        return Ok(ImageTask { id, root, action: Action::Nothing(there), target });
    }
    Ok(ImageTask { id, root, action: Action::Copy { from, plan, blobs }, target })
}

async fn plan_for(
    batch: &Batch<'_>,
    at: usize,
    source: &dyn ImageSource,
    destination: &dyn ImageDestination,
) -> Result<ImagePlan> {
    let (trust, options) = (&batch.trust[at], batch.options);
    let accepts = destination.accepts();
    let source = &WithBase::over(source, destination);
    source.check(destination).await?;
    let room = Room::of(accepts);
    let mut tree = Tree::load(source, options.platforms.reading(room)).await?;
    let choice = choose(&tree, &options.platforms, options.subset, room)?;
    trust.covers(&tree, &choice)?;
    tree.complete(source, &|leaf| choice.takes(leaf)).await?;
    let rules = LayerRules::new(options, accepts);
    let sniffed = sniff::sniff_layers(source, (&tree, &choice), &rules, options.streams()).await?;
    let mut plan = manifests::plan(&tree, &choice, options, accepts, &sniffed)?;
    signatures::check(source, destination, &plan).await?;
    plan.attaches = batch.sources.attaches(at, options);
    referrers::attach(source, &mut plan, destination).await?;
    Ok(plan)
}

/// What the destination shows already of a plan.
async fn shown(
    place: &dyn ImageDestination,
    plan: &ImagePlan,
    blobs: &[BlobTask],
    options: &TransferOptions,
) -> Result<Option<Committed>> {
    match planned_root(plan, blobs)? {
        Some(root) => shows(place, plan, &root, options).await,
        None => Ok(None),
    }
}

/// What the destination shows already of an image with that root, and of all that comes with it.
pub(crate) async fn shows(
    place: &dyn ImageDestination,
    plan: &ImagePlan,
    root: &Manifest,
    options: &TransferOptions,
) -> Result<Option<Committed>> {
    // podman and docker know an image by its config: they do not tell it from one that another form was asked for.
    if !options.keeps_manifests() || !plan.is_told_by_its_root() {
        return Ok(None);
    }
    // A registry knows no more than the digest: its index may lack an image that is chosen now and was not before.
    let there = match place.shows_image(root).await? {
        None if options.compare == Compare::Plans && options.takes_all_platforms() => {
            place.shows(root.descriptor()).await?
        }
        there => there,
    };
    let Some(there) = there else { return Ok(None) };
    let all = plan.attaches == Attaches::Nothing || has_attached(place, plan).await?;
    Ok(all.then_some(there))
}

/// Whether a destination has what comes with an image: what stands beside it, under the same tags. Of what only refers to it, it does
/// not say that.
async fn has_attached(place: &dyn ImageDestination, plan: &ImagePlan) -> Result<bool> {
    // What is lost is said each time.
    if plan.referrers.len() > plan.beside.len() || !plan.lost.is_empty() {
        return Ok(false);
    }
    for (digest, tag) in &plan.beside {
        let Some(able) = place.beside() else { return Ok(false) };
        let there = able.beside(tag).await?;
        if there.is_empty() || there.iter().any(|one| one.descriptor().digest != *digest) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// That the root gets the digest that the destination says. Where layers change form, it is known after the copy only; then the
/// commit checks it.
fn check_pinned(place: &dyn ImageDestination, plan: &ImagePlan, blobs: &[BlobTask]) -> Result<()> {
    let pinned = place.pinned();
    if pinned.is_empty() {
        return Ok(());
    }
    let (at, was) = (place.reference(), &plan.root.manifest().descriptor().digest);
    let becomes = planned_root(plan, blobs)?.map(|root| root.descriptor().digest.clone());
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

impl<'a, 's> TransferPlan<'a, 's> {
    fn of(batch: &'a Batch<'s>) -> Self {
        Self {
            batch,
            images: Vec::new(),
            kept: HashMap::new(),
            weight: 0,
            blobs: BlobNumbers::default(),
            lost_names: HashMap::new(),
            failed: Vec::new(),
            in_order: false,
        }
    }

    fn add(&mut self, image: ImageTask<'a>, names: &mut NameTable<'_>) -> Result<()> {
        let at = image.id.0;
        names.add(&image)?;
        for text in image.warnings() {
            self.batch.events.warn(Some(image.id), text);
        }
        self.blobs.add(image.blobs());
        self.in_order |= image.target.image.get().accepts().order == AcceptsOrder::AsPlanned;
        self.images.push(at);
        self.weight = self.weight.saturating_add(image.weight());
        // A place for one image cannot be opened again, so the first is always kept.
        if self.weight <= KEPT || self.kept.is_empty() {
            self.kept.insert(at, image);
        }
        Ok(())
    }

    /// What to say of an image that loses names to later ones.
    pub(crate) fn lost_names(&mut self, at: usize) -> Vec<String> {
        self.lost_names.remove(&at).unwrap_or_default()
    }
}

impl Batch<'_> {
    /// An image whose turn it is: as it was planned, or planned again where that was not kept.
    pub(crate) async fn image<'a>(
        &'a self,
        at: usize,
        kept: Option<ImageTask<'a>>,
    ) -> Result<ImageTask<'a>> {
        match kept {
            Some(image) => Ok(image),
            None => plan_image(self, at, self.target(at).await?).await,
        }
    }

    /// Says that an image cannot be copied.
    pub(crate) fn failure(&self, at: usize, error: &Error) -> ImageFailure {
        let failure = ImageFailure::new(self.sources.reference(at).clone(), error);
        self.events.image_failed(&failure, Some(ImageId(at)));
        failure
    }
}
