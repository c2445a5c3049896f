//! Deletion: a tag goes, or a manifest with all of its tags. Blobs, the children of an index and what is about an image stay for
//! the server's own collection.

use std::collections::HashSet;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use transship_core::{
    DeleteMode, DeleteOptions, DeletedNames, Descriptor, Digest, DockerName, Document, Error,
    ErrorKind, Hint, Result, ResultExt, few, is_index_type,
};

use crate::AT_ONCE;
use crate::client::{Access, Fetched, Network, Repository};
use crate::reference::{Locator, Wanted, repository_of};
use crate::source::with_tags;
use crate::{pull, push};

/// Deletes what a name says: its tag, or with a digest alone the manifest.
pub(crate) async fn delete(
    network: &Network,
    name: &DockerName,
    how: &DeleteOptions,
) -> Result<()> {
    let endpoint = network.write_endpoint(name).await?;
    let repository = Repository::new(network, &endpoint, Access::Delete, &how.observer);
    let deletion = Deletion { repository, name, how };
    match (name.tag(), name.digest()) {
        (None, Some(digest)) => deletion.by_digest(digest).await,
        (tag, digest) => deletion.by_tag(tag.unwrap_or("latest"), digest).await,
    }
}

struct Deletion<'a> {
    repository: Repository,
    name: &'a DockerName,
    how: &'a DeleteOptions,
}

/// What a server makes of a tag that is to go.
enum OfTag {
    Deleted,
    /// It deletes manifests by their digests, or nothing at all. These are its words.
    Refused(Error),
}

impl Deletion<'_> {
    async fn by_digest(&self, digest: &Digest) -> Result<()> {
        let found = self.find(Wanted::Digest(digest)).await?;
        match self.how.mode {
            DeleteMode::Look => self.tell_tags(&found.digest, None).await,
            _ => self.manifest(&found).await,
        }
    }

    /// The tag alone where the server can. A manifest is deleted in its place only where no other tag goes with it, or all may go.
    async fn by_tag(&self, tag: &str, expected: Option<&Digest>) -> Result<()> {
        let found = self.find(Wanted::Tag(tag)).await?;
        if let Some(expected) = expected.filter(|expected| **expected != found.digest) {
            let message = format!("{tag} is {} now, and not {expected}", found.digest);
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        let all = self.how.names == DeletedNames::All;
        if self.how.mode == DeleteMode::Look {
            return self.tell_tags(&found.digest, Some(tag)).await;
        }
        if all {
            return self.manifest(&found).await;
        }
        let refused = match self.tag(tag).await? {
            OfTag::Deleted => return self.look_again(Wanted::Tag(tag), &found.digest).await,
            OfTag::Refused(refused) => refused,
        };
        let others = self.others(&found.digest, Some(tag)).await?;
        if others.is_empty() {
            return self.manifest(&found).await;
        }
        let shared = few(&others);
        let message = format!(
            "the registry does not delete this tag alone, and {shared} would go with it, having the same image: {refused}"
        );
        Err(Error::new(ErrorKind::Unsupported, message).hint(Hint::DeleteAllNames))
    }

    async fn find(&self, wanted: Wanted<'_>) -> Result<Descriptor> {
        if let Some(found) = pull::head_manifest(&self.repository, wanted).await? {
            return Ok(found);
        }
        let message = format!("{} has no {wanted}", repository_of(self.name));
        let error = Error::new(ErrorKind::NotFound, message);
        Err(with_tags(error, &self.repository, self.name).await)
    }

    async fn tag(&self, tag: &str) -> Result<OfTag> {
        let (answer, what) = self.send(Wanted::Tag(tag)).await?;
        match answer.status.as_u16() {
            200..=299 => Ok(OfTag::Deleted),
            // An earlier try of this request may have deleted it, and its answer was lost.
            404 | 410 => match pull::head_manifest(&self.repository, Wanted::Tag(tag)).await? {
                None => Ok(OfTag::Deleted),
                Some(_) => Ok(OfTag::Refused(answer.error())),
            },
            400 | 405 | 501 => Ok(OfTag::Refused(answer.error())),
            _ if answer.code() == "UNSUPPORTED" => Ok(OfTag::Refused(answer.error())),
            _ => Err(answer.error()).context(|| what),
        }
    }

    /// Deletes a manifest with all of its tags. The list of what is about its subject loses it, where clients keep that list.
    async fn manifest(&self, found: &Descriptor) -> Result<()> {
        let (repository, digest) = (&self.repository, &found.digest);
        let subject = match pull::by_descriptor(repository, found).await {
            Ok(manifest) => manifest.document().subject().map(|subject| subject.digest.clone()),
            // What is broken can be deleted all the same.
            Err(e) if e.kind() != ErrorKind::NotFound && e.kind().is_of_content() => None,
            Err(e) => return Err(e),
        };
        let about = pull::referrers(repository, digest).await?.into_all().len();
        let (answer, what) = self.send(Wanted::Digest(digest)).await?;
        let gone = match answer.status.as_u16() {
            200..=299 => true,
            404 | 410 => pull::head_manifest(repository, Wanted::Digest(digest)).await?.is_none(),
            _ => false,
        };
        if !gone {
            return Err(refusal(&answer)).context(|| what);
        }
        if about > 0 {
            let text = format!("{}: {about} about {digest} stay", repository_of(self.name));
            self.how.observer.warn(text);
        }
        self.look_again(Wanted::Digest(digest), digest).await?;
        let Some(subject) = subject else { return Ok(()) };
        let what = || format!("{digest} stays listed among what is about {subject}");
        let unlisted = push::unlist_referrer(repository, &subject, digest).await;
        if let Some(lost) = push::lost_beside(unlisted, what)? {
            self.how.observer.warn(lost);
        }
        Ok(())
    }

    /// Warns of what a server has promised to delete, and still shows.
    async fn look_again(&self, wanted: Wanted<'_>, digest: &Digest) -> Result<()> {
        // Where that cannot be asked, the promise counts.
        let found = pull::head_manifest(&self.repository.probed(), wanted).await.unwrap_or(None);
        if found.is_some_and(|found| found.digest == *digest) {
            let repository = repository_of(self.name);
            let text = format!(
                "{repository}: the registry has accepted to delete {wanted}, and still shows it: it may delete later, or not at all"
            );
            self.how.observer.warn(text);
        }
        Ok(())
    }

    async fn send(&self, wanted: Wanted<'_>) -> Result<(Fetched, String)> {
        push::delete_manifest(&self.repository, wanted).await
    }

    /// Says which other tags a deletion takes along, or may.
    async fn tell_tags(&self, digest: &Digest, tag: Option<&str>) -> Result<()> {
        let others = self.others(digest, tag).await?;
        if others.is_empty() {
            return Ok(());
        }
        let (repository, shared) = (repository_of(self.name), few(&others));
        let go = if tag.is_some() && self.how.names != DeletedNames::All {
            "stay only if the registry can delete a tag alone"
        } else {
            "go too"
        };
        self.how.observer.warn(format!("{repository}: {shared}, of the same image, {go}"));
        Ok(())
    }

    /// The other tags of a manifest, and those of indexes that list it; but not those that are to go as well.
    async fn others(&self, digest: &Digest, tag: Option<&str>) -> Result<Vec<String>> {
        let tags = pull::tags(&self.repository).await.if_found()?.unwrap_or_default();
        let also = self.also(digest);
        let others = tags.into_iter().filter(|other| Some(&**other) != tag);
        let others = others.filter(|other| !also.contains(other));
        let asked = stream::iter(others).map(|other| async move {
            let found = pull::head_manifest(&self.repository, Wanted::Tag(&other)).await?;
            let Some(found) = found else { return Ok(None) };
            let needs = found.digest == *digest || self.lists(&found, digest).await?;
            Ok(needs.then_some(other))
        });
        asked.buffered(AT_ONCE).try_filter_map(|other| async { Ok(other) }).try_collect().await
    }

    /// The tags of this repository that are to go as well.
    fn also(&self, digest: &Digest) -> HashSet<String> {
        let names = self.how.also.iter().filter_map(|at| match Locator::of(at) {
            Ok(Locator::Name(name)) => Some(name),
            _ => None,
        });
        // What is held to another digest stays.
        let go = names.filter(|name| name.digest().is_none_or(|held| held == digest));
        let here = go.filter(|name| repository_of(name) == repository_of(self.name));
        here.filter_map(|name| name.tag().map(str::to_owned)).collect()
    }

    /// Whether a tag's manifest is an index that lists another one.
    async fn lists(&self, found: &Descriptor, digest: &Digest) -> Result<bool> {
        if is_index_type(&found.media_type) == Some(false) {
            return Ok(false);
        }
        let manifest = pull::by_descriptor(&self.repository, found).await?;
        let Document::Index(index) = manifest.document() else { return Ok(false) };
        Ok(index.manifests.iter().any(|child| child.digest == *digest))
    }
}

/// The error of a manifest that is not deleted. Few registries let anybody delete unless they are set up for it.
fn refusal(answer: &Fetched) -> Error {
    let error = answer.error();
    match error.kind() {
        ErrorKind::Unsupported => error.hint(
            "the registry has to be set up for it: docker's own with `storage.delete.enabled: true`",
        ),
        // It was looked for before and after.
        ErrorKind::NotFound => {
            let message = "the registry shows it, and does not delete it";
            Error::new(ErrorKind::Unsupported, message).caused_by(error)
        }
        _ => error,
    }
}
