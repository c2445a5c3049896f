//! From what is open to what is planned: for an image its names, a place, its documents, a choice, a plan.

use std::collections::HashMap;

use transship_core::{
    ArchiveWriter, Committed, Descriptor, Digest, Error, ErrorKind, ImageDestination, ImageName,
    ImageSource, Result, ResultExt,
};

use crate::base::Completed;
use crate::codec::Compression;
use crate::execute::{Work, jobs, works};
use crate::forms::Wish;
use crate::look::look;
use crate::open::{Opened, Sources, about};
use crate::plan::{ImagePlan, room, to_look_at};
use crate::planner::plan;
use crate::referrers::attach;
use crate::rename::{Wanted, wanted};
use crate::select::choose;
use crate::target::{self, Place};
use crate::tree::Tree;
use crate::{Attached, ImageId, TransferOptions, signatures};

/// One image on its way, with a place to go to.
#[derive(Debug)]
pub(crate) struct Job<'a> {
    pub(crate) id: ImageId,
    /// Its root at the source.
    pub(crate) root: Descriptor,
    pub(crate) todo: Todo<'a>,
    pub(crate) place: Place<'a>,
}

/// What there is to do for an image.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all of them are copied")]
pub(crate) enum Todo<'a> {
    Copy {
        from: Opened<'a>,
        plan: ImagePlan,
        works: Vec<Work>,
    },
    /// All names stand for it already.
    Nothing(Committed),
}

impl Job<'_> {
    pub(crate) fn works(&self) -> &[Work] {
        match &self.todo {
            Todo::Copy { works, .. } => works,
            Todo::Nothing(_) => &[],
        }
    }

    /// About how many bytes of memory it needs until it is its turn.
    pub(crate) fn weight(&self) -> usize {
        /// What is open, and small.
        const OPEN: usize = 16 << 10;
        match &self.todo {
            Todo::Copy { plan, .. } => OPEN.saturating_add(plan.weight()),
            Todo::Nothing(_) => OPEN,
        }
    }
}

/// Opens and plans an image that goes into a container.
pub(crate) async fn job<'a>(
    at: usize,
    sources: &'a Sources<'_>,
    writer: &'a dyn ArchiveWriter,
    options: &TransferOptions,
) -> Result<Job<'a>> {
    let reference = sources.reference(at);
    let mut place = None;
    if let Some(root) = sources.root(at, options).await {
        let named = named(at, sources, writer, options).await;
        let named = named.map_err(|error| about(reference, error))?;
        if let Some(there) = named.image.shows(&root).await? {
            let (id, todo) = (ImageId(at), Todo::Nothing(there));
            return Ok(Job { id, root, todo, place: named });
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
) -> Result<Place<'a>> {
    target::place(writer, &names(at, sources, options)?).await
}

/// The names that an image is to get.
pub(crate) fn names(
    at: usize,
    sources: &Sources<'_>,
    options: &TransferOptions,
) -> Result<Vec<Wanted>> {
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
    from: Opened<'a>,
    place: Place<'a>,
    options: &TransferOptions,
) -> Result<Job<'a>> {
    let mut plan = plan_for(&from, &*place.image, options).await?;
    plan.lost.extend(place.refused.iter().map(|name| untaken(name, &*place.image)));
    let works = works(&plan);
    let root = plan.source.clone();
    Ok(Job { id: ImageId(at), root, todo: Todo::Copy { from, plan, works }, place })
}

/// Plans an image for a place.
pub(crate) async fn plan_for(
    from: &Opened<'_>,
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
    let source = &Completed::over(source, destination);
    source.check(destination).await?;
    let room = room(accepts);
    let mut tree = Tree::load(source, options.platforms.reading(room)).await?;
    let choice = choose(&tree, &options.platforms, options.subset, room)?;
    tree.complete(source, &|leaf| choice.takes(leaf)).await?;
    let wish = Wish::new(options, accepts);
    let looked: HashMap<Digest, Compression> =
        look(source, to_look_at(&tree, &choice, &wish), jobs(options)).await?;
    let mut plan = plan(&tree, &choice, options, accepts, &looked)?;
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
