//! From what is open to what is planned: for an image its names, a place, its documents, a choice, a plan.

use std::collections::HashMap;

use transship_core::{
    ArchiveWriter, Committed, Descriptor, Digest, Error, ErrorKind, ImageDestination, ImageName,
    ImageSource, Result, ResultExt,
};

use crate::codec::Compression;
use crate::commit::signatures;
use crate::copy::blob::{BlobTask, jobs, tasks};
use crate::open::base::WithBase;
use crate::open::destination::{self, Target};
use crate::open::rename::{WantedName, wanted};
use crate::open::sources::{OpenImage, Sources, about};
use crate::plan::layers::LayerRules;
use crate::plan::manifests::plan;
use crate::plan::nodes::{ImagePlan, room, to_sniff};
use crate::plan::referrers::attach;
use crate::plan::select::choose;
use crate::plan::sniff::sniff_layers;
use crate::plan::tree::Tree;
use crate::{Attached, ImageId, TransferOptions};

/// One image on its way, with a place to go to.
#[derive(Debug)]
pub(crate) struct ImageTask<'a> {
    pub(crate) id: ImageId,
    /// Its root at the source.
    pub(crate) root: Descriptor,
    pub(crate) action: Action<'a>,
    pub(crate) place: Target<'a>,
}

/// What there is to do for an image.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all of them are copied")]
pub(crate) enum Action<'a> {
    Copy {
        from: OpenImage<'a>,
        plan: ImagePlan,
        tasks: Vec<BlobTask>,
    },
    /// All names stand for it already.
    Nothing(Committed),
}

impl ImageTask<'_> {
    pub(crate) fn tasks(&self) -> &[BlobTask] {
        match &self.action {
            Action::Copy { tasks, .. } => tasks,
            Action::Nothing(_) => &[],
        }
    }

    /// About how many bytes of memory it needs until it is its turn.
    pub(crate) fn weight(&self) -> usize {
        /// What is open, and small.
        const OPEN: usize = 16 << 10;
        match &self.action {
            Action::Copy { plan, .. } => OPEN.saturating_add(plan.weight()),
            Action::Nothing(_) => OPEN,
        }
    }
}

/// Opens and plans an image that goes into a container.
pub(crate) async fn job<'a>(
    at: usize,
    sources: &'a Sources<'_>,
    writer: &'a dyn ArchiveWriter,
    options: &TransferOptions,
) -> Result<ImageTask<'a>> {
    let reference = sources.reference(at);
    let mut place = None;
    if let Some(root) = sources.root(at, options).await {
        let named = named(at, sources, writer, options).await;
        let named = named.map_err(|error| about(reference, error))?;
        if let Some(there) = named.image.shows(&root).await? {
            let (id, action) = (ImageId(at), Action::Nothing(there));
            return Ok(ImageTask { id, root, action, place: named });
        }
        place = Some(named);
    }
    let from = sources.image(at).await?;
    let place = if let Some(place) = place {
        place
    } else {
        let named = named(at, sources, writer, options).await;
        named.map_err(|error| about(reference, error))?
    };
    planned(at, from, place, options).await
}

async fn named<'a>(
    at: usize,
    sources: &Sources<'_>,
    writer: &'a dyn ArchiveWriter,
    options: &TransferOptions,
) -> Result<Target<'a>> {
    destination::place(writer, &names(at, sources, options)?).await
}

/// The names that an image is to get.
pub(crate) fn names(
    at: usize,
    sources: &Sources<'_>,
    options: &TransferOptions,
) -> Result<Vec<WantedName>> {
    wanted(sources.names(at), given(at, sources, options), &options.renames)
        .context(|| sources.reference(at))
}

/// The names that were given for an image.
pub(crate) fn given<'n>(
    at: usize,
    sources: &Sources<'n>,
    options: &'n TransferOptions,
) -> &'n [ImageName] {
    let given = sources.given(at);
    if given.is_empty() { &options.names } else { given }
}

/// Plans an image that has its place.
pub(crate) async fn planned<'a>(
    at: usize,
    from: OpenImage<'a>,
    place: Target<'a>,
    options: &TransferOptions,
) -> Result<ImageTask<'a>> {
    let mut plan = plan_for(&from, &*place.image, options).await?;
    plan.lost.extend(place.refused.iter().map(|name| untaken(name, &*place.image)));
    let tasks = tasks(&plan);
    let root = plan.source.clone();
    Ok(ImageTask { id: ImageId(at), root, action: Action::Copy { from, plan, tasks }, place })
}

/// Plans an image for a place.
pub(crate) async fn plan_for(
    from: &OpenImage<'_>,
    destination: &dyn ImageDestination,
    options: &TransferOptions,
) -> Result<ImagePlan> {
    let source = from.image.get();
    let mut plan = plan_one(source, destination, options)
        .await
        .map_err(|error| about(source.reference(), error))?;
    plan.warnings.splice(0..0, from.warnings.iter().cloned());
    Ok(plan)
}

async fn plan_one(
    source: &dyn ImageSource,
    destination: &dyn ImageDestination,
    options: &TransferOptions,
) -> Result<ImagePlan> {
    let accepts = destination.accepts();
    let source = &WithBase::over(source, destination);
    source.check(destination).await?;
    let room = room(accepts);
    let mut tree = Tree::load(source, options.platforms.reading(room)).await?;
    let choice = choose(&tree, &options.platforms, options.subset, room)?;
    tree.complete(source, &|leaf| choice.takes(leaf)).await?;
    let rules = LayerRules::new(options, accepts);
    let sniffed: HashMap<Digest, Compression> =
        sniff_layers(source, to_sniff(&tree, &choice, &rules), jobs(options)).await?;
    let mut plan = plan(&tree, &choice, options, accepts, &sniffed)?;
    signatures::check(source, destination, &plan).await?;
    if options.attached == Attached::Copy {
        attach(source, &mut plan, destination).await?;
    }
    Ok(plan)
}

/// That a place for one image gets one.
pub(crate) fn only(image: &dyn ImageDestination, sources: &Sources<'_>) -> Result<()> {
    if sources.len() == 1 && sources.asked() == 1 {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Unsupported,
        format!(
            "{} is a place for one image, and there are {}",
            image.reference(),
            sources.asked()
        ),
    )
    .hint("choose one image, or open a container"))
}

fn untaken(name: &ImageName, at: &dyn ImageDestination) -> String {
    format!("the name {name}: {} cannot hold it", at.reference())
}
