//! Plans a batch: documents in, a [`TransferPlan`] out. No blob is copied.
//!
//! For each image: [`tree`] reads its documents, [`select`] chooses platforms, [`manifests`] says what becomes of each
//! manifest and, with [`layers`], of each layer; [`names`] holds the images against each other. What these decide follows
//! from documents and options alone.

mod description;
mod image;
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
use transship_core::{AcceptsOrder, Result};

use crate::copy::task::BlobNumbers;
use crate::open::{Batch, boxed};
use crate::turn::{Turn, Turns};
use crate::{ImageFailure, ImageId};
pub(crate) use description::form_name;
pub use description::{BlobFate, Plan, PlanTotals, PlannedBlob, PlannedImage, Sum};
pub(crate) use image::{Action, ImageTask};
use names::NameTable;

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
        let target = batch.target(at).await;
        turn.end();
        image::plan_image(batch, at, target?).await
    };
    (at, planned.await)
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
            None => image::plan_image(self, at, self.target(at).await?).await,
        }
    }

    /// Says that an image cannot be copied.
    pub(crate) fn failure(&self, at: usize, error: &transship_core::Error) -> ImageFailure {
        let failure = ImageFailure::new(self.sources.reference(at).clone(), error);
        self.events.image_failed(&failure, Some(ImageId(at)));
        failure
    }
}
