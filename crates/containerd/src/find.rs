//! Which image of a namespace is meant, and what there is instead.

use std::collections::HashSet;

use transship_core::{
    Descriptor, Digest, DockerName, Error, ErrorKind, ImageName, MediaType, Result, ResultExt, few,
    parse_digest,
};

use crate::api::{self, Containerd};
use crate::proto::{self, Image};
use crate::reference::{Locator, Which};

/// How many other namespaces an error looks into.
const OTHERS: usize = 8;

/// One image: a root, and the records that stand for it.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) root: Descriptor,
    /// The names of its records, as they are.
    pub(crate) raw_names: Vec<String>,
}

impl Stored {
    /// Those of its names that are docker names: others are for programs, as Kubernetes' image IDs.
    pub(crate) fn names(&self) -> Vec<ImageName> {
        self.docker_names().map(|name| ImageName::from(&name)).collect()
    }

    fn docker_names(&self) -> impl Iterator<Item = DockerName> {
        self.raw_names.iter().filter_map(|raw| full_name(raw))
    }

    /// What opens it: its first name, else its root.
    pub(crate) fn which(&self) -> Which {
        match self.docker_names().next() {
            Some(name) => Which::Name(name),
            None => Which::Root(self.root.digest.clone()),
        }
    }
}

/// A record's name, where it is a docker name in full. Others do not open by what is shown.
pub(crate) fn full_name(raw: &str) -> Option<DockerName> {
    let name = DockerName::parse(raw).ok()?.or_latest();
    (name.to_string() == raw).then_some(name)
}

/// The images of a namespace, the oldest first.
pub(crate) async fn all(of: &Containerd) -> Result<Vec<Stored>> {
    let mut records = of.images(None).await?;
    by_age(&mut records);
    grouped(&records)
}

/// The images of a namespace that has some.
///
/// # Errors
/// `NotFound`, with the namespaces that have images.
pub(crate) async fn some(of: &Containerd) -> Result<Vec<Stored>> {
    let all = all(of).await?;
    if all.is_empty() { Err(empty(of).await) } else { Ok(all) }
}

/// Records by their roots.
fn grouped(records: &[Image]) -> Result<Vec<Stored>> {
    let mut places = std::collections::HashMap::<Digest, usize>::new();
    let mut found: Vec<Stored> = Vec::new();
    for record in records {
        let root = root(record)?;
        let at = *places.entry(root.digest.clone()).or_insert(found.len());
        if at == found.len() {
            found.push(Stored { root, raw_names: Vec::new() });
        }
        found[at].raw_names.push(record.name.clone());
    }
    Ok(found)
}

/// The one image that is meant.
///
/// # Errors
/// `NotFound` with what there is; `Ambiguous` where none is chosen of several.
pub(crate) async fn one(of: &Containerd, at: &Locator) -> Result<Stored> {
    let found = match &at.image {
        Which::All => return sole(of).await,
        Which::Name(name) => by_name(of, name).await?,
        Which::Id(id) => record(of, id.as_ref()).await?.map(|found| found.1),
        Which::Root(root) => grouped(&of.images_of(root).await?)?.into_iter().next(),
    };
    match found {
        Some(found) => with_all_names(of, found).await,
        None => Err(absent(of, &at.image).await),
    }
}

/// An image that was found by one of its records.
async fn with_all_names(of: &Containerd, mut found: Stored) -> Result<Stored> {
    let mut records = of.images_of(&found.root.digest).await?;
    by_age(&mut records);
    if !records.is_empty() {
        found.raw_names = records.into_iter().map(|record| record.name).collect();
    }
    Ok(found)
}

fn by_age(records: &mut [Image]) {
    records
        .sort_by_cached_key(|record| (record.created_at.unwrap_or_default(), record.name.clone()));
}

/// The record of a name, if it is there.
pub(crate) async fn record(of: &Containerd, name: &str) -> Result<Option<(Image, Stored)>> {
    match of.image(name).await {
        Ok(record) => {
            let stored = Stored { root: root(&record)?, raw_names: vec![record.name.clone()] };
            Ok(Some((record, stored)))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// By the record of that name. One with a digest may be stored under another name of its repository.
async fn by_name(of: &Containerd, name: &DockerName) -> Result<Option<Stored>> {
    if let Some((_, found)) = record(of, &name.to_string()).await? {
        return check_pin(name, found).map(Some);
    }
    let Some(digest) = name.digest() else { return Ok(None) };
    let is_named = |record: &Image| {
        let stored = DockerName::parse(&record.name);
        stored.is_ok_and(|stored| {
            let tag = name.tag().is_none() || stored.tag() == name.tag();
            stored.domain() == name.domain() && stored.path() == name.path() && tag
        })
    };
    let mut records = of.images_of(digest).await?;
    records.retain(is_named);
    Ok(grouped(&records)?.into_iter().next())
}

/// A name with a digest stands for that root, whatever a record says.
fn check_pin(name: &DockerName, found: Stored) -> Result<Stored> {
    match name.digest() {
        Some(digest) if *digest != found.root.digest => {
            let message = format!("the image that is named {name} is {}", found.root.digest);
            Err(Error::new(ErrorKind::Corrupt, message))
        }
        _ => Ok(found),
    }
}

async fn sole(of: &Containerd) -> Result<Stored> {
    let mut all = some(of).await?;
    if all.len() > 1 {
        let message = format!("{} holds {} images, and none is chosen", of.namespace(), all.len());
        return Err(Error::new(ErrorKind::Ambiguous, message).hint(listed(&all)));
    }
    match all.pop() {
        Some(sole) => Ok(sole),
        None => Err(empty(of).await),
    }
}

async fn absent(of: &Containerd, what: &Which) -> Error {
    match all(of).await {
        Ok(all) if all.is_empty() => empty(of).await,
        Ok(all) => {
            let (namespace, at) = (of.namespace(), of.shown());
            let message =
                format!("the namespace {namespace} of the containerd at {at} has no image {what}");
            Error::new(ErrorKind::NotFound, message).hint(listed(&all))
        }
        Err(error) => error,
    }
}

/// That a namespace has nothing, and which others have something: a wrong namespace is the most frequent mistake.
async fn empty(of: &Containerd) -> Error {
    let (namespace, at) = (of.namespace(), of.shown());
    let message =
        format!("there are no images in the namespace {namespace} of the containerd at {at}");
    let error = Error::new(ErrorKind::NotFound, message);
    let mut others = Vec::new();
    for namespace in of.namespaces().await.unwrap_or_default().into_iter().take(OTHERS) {
        match of.within(&namespace).images(None).await {
            Ok(records) if !records.is_empty() => {
                // An image has a record for each name, and Kubernetes adds one.
                let roots: HashSet<_> = records
                    .iter()
                    .filter_map(|record| Some(&record.target.as_ref()?.digest))
                    .collect();
                others.push(format!("{namespace} has {}", roots.len()));
            }
            _ => {}
        }
    }
    if others.is_empty() {
        return error.hint(of.elsewhere());
    }
    error.hint(format!("{}; name one as NAMESPACE//NAME", others.join(", ")))
}

fn listed(all: &[Stored]) -> String {
    format!("it holds {}", few(all.iter().map(Stored::which)))
}

/// The root of a record.
pub(crate) fn root(record: &Image) -> Result<Descriptor> {
    let target = record.target.clone().unwrap_or_default();
    let digest = parse_digest(&target.digest)
        .map_err(|error| Error::new(ErrorKind::Corrupt, "its target is no digest").caused_by(error))
        .context(|| format!("image {}", record.name))?;
    Ok(Descriptor::new(
        MediaType::from(target.media_type.as_str()),
        digest,
        api::size(target.size)?,
    ))
}

/// A root as a record's target.
pub(crate) fn target(root: &Descriptor) -> Result<proto::Descriptor> {
    let size = i64::try_from(root.size)
        .map_err(|error| Error::new(ErrorKind::LimitExceeded, "its size").caused_by(error))?;
    Ok(proto::Descriptor {
        media_type: root.media_type.to_string(),
        digest: root.digest.to_string(),
        size,
        ..proto::Descriptor::default()
    })
}
