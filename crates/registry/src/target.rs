//! [`Target`]: a repository that an image goes to, and what it is called there.

use transship_core::{
    Committed, Digest, DockerName, Error, ErrorKind, Hint, ImageName, Manifest, Notice, Observer,
    Result, ResultExt,
};

use crate::client::{Access, Network, Repository};
use crate::reference::{Locator, Wanted};
use crate::{pull, push};

/// A repository, and what an image is called there.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) repository: Repository,
    /// In one repository, all of them.
    pub(crate) names: Vec<DockerName>,
}

/// The repositories that names are in, in the order of the names.
pub(crate) async fn targets(
    network: &Network,
    names: &[DockerName],
    observer: &Observer,
) -> Result<Vec<Target>> {
    let mut targets: Vec<Target> = Vec::new();
    for name in names {
        let same = |target: &&mut Target| {
            target
                .names
                .iter()
                .any(|known| (known.domain(), known.path()) == (name.domain(), name.path()))
        };
        if let Some(target) = targets.iter_mut().find(same) {
            target.names.push(name.clone());
            continue;
        }
        let repository = repository(network, name, observer).await?;
        targets.push(Target { repository, names: vec![name.clone()] });
    }
    Ok(targets)
}

/// Where a name is written: at the registry that it names, never at a mirror.
async fn repository(
    network: &Network,
    name: &DockerName,
    observer: &Observer,
) -> Result<Repository> {
    let endpoint = network.write_endpoint(name).await?;
    Ok(Repository::new(network, &endpoint, Access::Push, observer))
}

/// Refuses a repository that has tags.
pub(crate) async fn refuse_a_repository(
    network: &Network,
    name: &DockerName,
    observer: &Observer,
) -> Result<()> {
    let repository = repository(network, name, observer).await?;
    match pull::some_tags(&repository, 1).await.if_found()? {
        Some(tags) if !tags.is_empty() => {
            Err(Error::new(ErrorKind::AlreadyExists, format!("{name} has images already")))
        }
        _ => Ok(()),
    }
}

impl Target {
    /// Refuses a name that an image has.
    pub(crate) async fn refuse_what_is_there(&self) -> Result<()> {
        for name in &self.names {
            if pull::head_manifest(&self.repository, written_as(name)).await?.is_some() {
                let message = format!("{name} is there already");
                return Err(Error::new(ErrorKind::AlreadyExists, message));
            }
        }
        Ok(())
    }

    /// Holds a root to the digests that its names say.
    pub(crate) fn check(&self, root: &Manifest) -> Result<()> {
        let found = &root.descriptor().digest;
        for name in &self.names {
            if let Some(wanted) = name.digest().filter(|wanted| *wanted != found) {
                return Err(Error::new(
                    ErrorKind::Corrupt,
                    format!("the digest of the image is {found}, and the reference says {wanted}"),
                )
                .hint(Hint::PreserveDigests));
            }
        }
        Ok(())
    }

    /// Puts the root under all its names. The observer hears of each name before and after: the next one may fail.
    pub(crate) async fn publish(&self, root: &Manifest, committed: &mut Committed) -> Result<()> {
        let observer = &self.repository.observer;
        for name in &self.names {
            let reference = Locator::Name(name.clone()).reference();
            observer.notify(Notice::Publishing(reference.clone()));
            let taken = push::put_manifest(&self.repository, root, written_as(name)).await?;
            observer.notify(Notice::Published(reference.clone()));
            committed.references.push(reference);
            committed.lost.extend(push::list_referrer(&self.repository, root, &taken).await?);
            // The same of each, as long as the servers are alike.
            committed.descriptor.digest = taken.digest;
        }
        Ok(())
    }
}

/// What a root is put as: its tag moves to it; without one it is put under its digest.
pub(crate) fn written_as(name: &DockerName) -> Wanted<'_> {
    match (name.tag(), name.digest()) {
        (None, Some(digest)) => Wanted::Digest(digest),
        (tag, _) => Wanted::Tag(tag.unwrap_or("latest")),
    }
}

pub(crate) async fn has_manifest(repository: &Repository, digest: &Digest) -> Result<bool> {
    let found = pull::head_manifest(repository, Wanted::Digest(digest)).await?;
    Ok(found.is_some())
}

pub(crate) fn names_of(targets: &[Target]) -> Vec<ImageName> {
    targets.iter().flat_map(|target| crate::naming::shown(&target.names)).collect()
}
