//! [`RegistryDestination`]: one image being written.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Mutex, MutexGuard};

use crate::hints::option;
use async_trait::async_trait;
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use transship_core::{
    Accepts, AcceptsNameless, Body, Commit, Committed, Contents, Descriptor, Digest, DockerName,
    Document, Error, ErrorKind, Expect, ImageDestination, ImageName, LayerForm, Manifest,
    MediaType, PutBeside, Reference, Result, ResultExt, Sparse, Stored, TagsMove, WithoutBeside,
    WriteMode, is_index_type,
};

use crate::client::Repository;
use crate::locked;
use crate::pull;
use crate::push::{self, Mounted, Session, StoredManifest};
use crate::reference::{Locator, Wanted};
use crate::replicate::replicate;
use crate::target::{Target, has_manifest, written_as};
use crate::writer::ClaimedNames;
use crate::{AT_ONCE, SCHEME};

/// An image that goes to one repository, or to several under several names. Its bytes go to the first; the others get them from
/// there.
#[derive(Debug)]
pub(crate) struct RegistryDestination {
    reference: Reference,
    targets: Vec<Target>,
    names: Vec<ImageName>,
    accepts: Accepts,
    state: Mutex<State>,
    mode: Option<WriteMode>,
    /// In a writer: the names, which no other image may have.
    claimed: Mutex<Option<ClaimedNames>>,
}

#[derive(Debug, Default)]
struct State {
    /// What is known to be in the first repository, or will be before the root is.
    /// A manifest may be a layer of an artifact, too.
    there: HashSet<(Kind, Digest)>,
    /// Uploads that the server began when it could not mount.
    begun: HashMap<Digest, Session>,
    /// What was put, in order.
    blobs: Vec<Descriptor>,
    manifests: Vec<Manifest>,
    /// Tags of some of them.
    beside: Vec<(String, Manifest)>,
}

impl RegistryDestination {
    pub(crate) fn new(
        reference: Reference,
        targets: Vec<Target>,
        names: Vec<ImageName>,
        sparse: Sparse,
        claimed: Option<ClaimedNames>,
    ) -> Self {
        let mut accepts = Accepts::anything();
        accepts.prefers = Some(LayerForm::Gzip);
        accepts.sparse = sparse;
        accepts.nameless = AcceptsNameless::One;
        let (state, claimed) = (Mutex::default(), Mutex::new(claimed));
        Self { reference, targets, names, accepts, state, mode: None, claimed }
    }

    /// How it was opened.
    pub(crate) fn with_mode(mut self, mode: Option<WriteMode>) -> Self {
        self.mode = mode;
        self
    }

    fn first(&self) -> Result<&Target> {
        self.targets
            .first()
            .ok_or_else(|| Error::new(ErrorKind::InvalidInput, "the image has no name"))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }

    /// Remembers what is there now.
    fn arrived(&self, stored: &Stored, media_type: Option<&MediaType>) -> Result<()> {
        let repository = &self.first()?.repository;
        repository.host.place(&stored.digest, &repository.path);
        let mut state = self.state();
        if state.there.insert((Kind::Blob, stored.digest.clone())) {
            let media_type = media_type.cloned().unwrap_or_else(|| MediaType::from(""));
            state.blobs.push(Descriptor::new(media_type, stored.digest.clone(), stored.size));
        }
        Ok(())
    }

    /// Refuses a manifest that refers to what is neither there nor said to be absent: a server may not look.
    async fn check_children(&self, manifest: &Manifest, absent: &HashSet<&Digest>) -> Result<()> {
        let is_index = matches!(manifest.document(), Document::Index(_));
        let kind = |child: &Descriptor| {
            if is_index && child.may_be_manifest() { Kind::Manifest } else { Kind::Blob }
        };
        let asked = manifest.document().parts().map(|child| (child, kind(child)));
        let asked = asked.filter(|(child, kind)| {
            let known = self.state().there.contains(&(*kind, child.digest.clone()));
            !(known || absent.contains(&child.digest) || (*kind == Kind::Blob && is_foreign(child)))
        });
        stream::iter(asked.map(Ok))
            .try_for_each_concurrent(AT_ONCE, |(child, kind)| self.check_child(child, kind))
            .await
    }

    async fn check_child(&self, child: &Descriptor, kind: Kind) -> Result<()> {
        if !self.is_there(child, kind).await? {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("{kind} {} is not there, and the image needs it", child.digest),
            ));
        }
        self.state().there.insert((kind, child.digest.clone()));
        Ok(())
    }

    async fn is_there(&self, child: &Descriptor, kind: Kind) -> Result<bool> {
        let repository = &self.first()?.repository;
        match kind {
            Kind::Blob => Ok(push::look(repository, &Expect::from(child)).await?.is_some()),
            Kind::Manifest => has_manifest(repository, &child.digest).await,
        }
    }

    /// Holds an image to what has to be true of it before anything of it shows.
    async fn check(&self, what: &Commit<'_>, manifests: &[Manifest]) -> Result<()> {
        let root = &what.root.descriptor().digest;
        if let Some(absent) = what.absent.first()
            && self.accepts.sparse == Sparse::Refused
        {
            let message = format!(
                "{root} lacks {}, and most registries take whole indexes only",
                absent.digest
            );
            return Err(Error::new(ErrorKind::Unsupported, message).hint(option(
                "if this one takes others",
                "sparse",
                "true",
            )));
        }
        self.targets.iter().try_for_each(|target| target.check(what.root))?;
        let absent = what.absent_digests();
        for manifest in manifests.iter().chain([what.root]) {
            self.check_children(manifest, &absent).await?;
        }
        Ok(())
    }

    /// Puts what a root refers to, and what is beside it, into one repository. Gives what of it could not be kept.
    async fn put_below(&self, at: usize) -> Result<Vec<String>> {
        let (first, target) = (self.first()?, &self.targets[at]);
        let (blobs, manifests, beside) = {
            let state = self.state();
            (state.blobs.clone(), state.manifests.clone(), state.beside.clone())
        };
        if at > 0 {
            replicate(&first.repository, &target.repository, &blobs).await?;
        }
        let mut lost = put_manifests(&target.repository, &manifests).await?;
        for (tag, beside) in &beside {
            lost.extend(push::put_beside(&target.repository, tag, beside).await?);
        }
        Ok(lost)
    }

    /// Publishes an image under all its names, once all that belongs to it is in each repository.
    async fn publish(&self, what: &Commit<'_>) -> Result<Committed> {
        let mut committed = Committed::new(what.root.descriptor().clone(), Vec::new());
        for at in 0..self.targets.len() {
            committed.lost.extend(self.put_below(at).await?);
        }
        if what.without_beside == WithoutBeside::Fails && !committed.lost.is_empty() {
            let message =
                format!("the registry does not take all of it: {}", committed.lost.join("; "));
            return Err(Error::new(ErrorKind::Denied, message)
                .hint("change the settings of the registry so that it accepts them, and copy and sign again"));
        }
        for target in &self.targets {
            target.publish(what.root, &mut committed).await?;
        }
        committed.lost.dedup();
        Ok(committed)
    }

    /// The image is there: no other one may get its names.
    fn keep_names(&self) {
        let mut claimed = locked(&self.claimed);
        if let Some(claimed) = claimed.as_mut() {
            claimed.keep();
        }
    }

    /// Repositories of the host from which a blob may be had.
    fn nearby(&self, digest: &Digest, from: &Reference) -> Vec<String> {
        let Ok(Target { repository, .. }) = self.first() else { return Vec::new() };
        let mut all = Vec::new();
        if from.scheme() == SCHEME
            && let Ok(Locator::Name(name)) = Locator::of(from)
            && name.domain() == repository.host.name()
        {
            all.push(name.path().to_owned());
        }
        all.extend(repository.host.placed(digest));
        all.retain(|path| *path != repository.path);
        all.dedup();
        all
    }
}

/// Puts what a root refers to, and what is about it: at once what does not refer to each other, and the rest after that. Gives what of it
/// could not be listed.
async fn put_manifests(to: &Repository, manifests: &[Manifest]) -> Result<Vec<String>> {
    let mut lost = Vec::new();
    for together in by_height(manifests) {
        let put = |manifest: Manifest| async move {
            let name = Wanted::Digest(&manifest.descriptor().digest);
            push::put_manifest(to, &manifest, name).await.map(|taken| (manifest.clone(), taken))
        };
        let taken: Vec<(Manifest, StoredManifest)> =
            stream::iter(together.into_iter().map(put)).buffered(AT_ONCE).try_collect().await?;
        // In the order in which they were given.
        for (manifest, taken) in &taken {
            lost.extend(push::list_referrer(to, manifest, taken).await?);
        }
    }
    Ok(lost)
}

/// Manifests by the longest way down to one that refers to no other of them. They come with what is below before what is above.
fn by_height(manifests: &[Manifest]) -> Vec<Vec<Manifest>> {
    let mut heights: HashMap<&Digest, usize> = HashMap::new();
    let mut all: Vec<Vec<Manifest>> = Vec::new();
    for manifest in manifests {
        let document = manifest.document();
        let listed = match document {
            Document::Index(index) => &index.manifests[..],
            _ => &[],
        };
        let below = listed.iter().chain(document.subject());
        let below = below.filter_map(|below| heights.get(&below.digest));
        let height = below.map(|height| height + 1).max().unwrap_or(0);
        heights.insert(&manifest.descriptor().digest, height);
        if all.len() == height {
            all.push(Vec::new());
        }
        all[height].push(manifest.clone());
    }
    all
}

/// What a manifest refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Blob,
    Manifest,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Blob => "blob",
            Self::Manifest => "manifest",
        })
    }
}

/// Layers that a registry does not hold, and need not.
fn is_foreign(blob: &Descriptor) -> bool {
    !blob.urls.is_empty() && blob.is_nondistributable()
}

#[async_trait]
impl ImageDestination for RegistryDestination {
    fn reference(&self) -> &Reference {
        &self.reference
    }

    fn names(&self) -> &[ImageName] {
        &self.names
    }

    fn pinned(&self) -> Vec<&Digest> {
        let names = self.targets.iter().flat_map(|target| &target.names);
        names.filter_map(DockerName::digest).collect()
    }

    fn accepts(&self) -> &Accepts {
        &self.accepts
    }

    async fn has(&self, want: &Expect) -> Result<Option<Stored>> {
        let found = push::has(&self.first()?.repository, want).await?;
        if let Some(stored) = &found {
            self.arrived(stored, want.media_type.as_ref())?;
        }
        Ok(found)
    }

    async fn take_from(&self, want: &Expect, from: &Reference) -> Result<Option<Stored>> {
        let (Some(digest), Some(size)) = (&want.digest, want.size) else { return Ok(None) };
        let repository = &self.first()?.repository;
        for path in self.nearby(digest, from) {
            match push::mount(repository, digest, &path).await? {
                Some(Mounted::There) => {
                    let stored = Stored::new(digest.clone(), size);
                    self.arrived(&stored, want.media_type.as_ref())?;
                    return Ok(Some(stored));
                }
                // It is there for the put that follows; if none does, it is given up with the image.
                Some(Mounted::Upload(session)) => {
                    self.state().begun.insert(digest.clone(), session);
                }
                None => {}
            }
        }
        Ok(None)
    }

    async fn put_blob(&self, expect: Expect, body: Body) -> Result<Stored> {
        let repository = &self.first()?.repository;
        let begun = match &expect.digest {
            Some(digest) => self.state().begun.remove(digest),
            None => None,
        };
        let stored = push::upload(repository, &expect, body, begun).await?;
        self.arrived(&stored, expect.media_type.as_ref())?;
        Ok(stored)
    }

    /// Keeps it for the commit, so that nothing of an image that is given up is ever there under a name of its own.
    async fn put_manifest(&self, manifest: &Manifest) -> Result<()> {
        let mut state = self.state();
        if state.there.insert((Kind::Manifest, manifest.descriptor().digest.clone())) {
            state.manifests.push(manifest.clone());
        }
        Ok(())
    }

    fn beside(&self) -> Option<&dyn PutBeside> {
        Some(self)
    }

    fn contents(&self) -> Option<&dyn Contents> {
        Some(self)
    }

    async fn commit(self: Box<Self>, what: Commit<'_>) -> Result<Committed> {
        what.check_whole().context(|| &self.reference)?;
        let manifests = self.state().manifests.clone();
        self.check(&what, &manifests).await.context(|| &self.reference)?;
        if self.mode == Some(WriteMode::Create) {
            // A server has no step for it: who comes between this and the tag is overwritten.
            for target in &self.targets {
                target.refuse_what_is_there().await.context(|| &self.reference)?;
            }
        }
        let committed = self.publish(&what).await.context(|| &self.reference)?;
        self.keep_names();
        Ok(committed)
    }

    async fn shows(&self, root: &Descriptor) -> Result<Option<Committed>> {
        let names: Vec<(&Repository, &DockerName)> = self
            .targets
            .iter()
            .flat_map(|target| target.names.iter().map(|name| (&target.repository, name)))
            .collect();
        let shown = names.iter().map(|(repository, name)| async {
            // A hint that cannot be had is none.
            let found = pull::head_manifest(&repository.probed(), written_as(name)).await;
            found.is_ok_and(|found| found.is_some_and(|found| found.digest == root.digest))
        });
        if !join_all(shown).await.into_iter().all(|shows| shows) || names.is_empty() {
            return Ok(None);
        }
        self.keep_names();
        let references =
            names.iter().map(|(_, name)| Locator::Name((*name).clone()).reference()).collect();
        Ok(Some(Committed::new(root.clone(), references)))
    }
}

#[async_trait]
impl PutBeside for RegistryDestination {
    async fn put_beside(&self, tag: &str, root: &Manifest) -> Result<()> {
        self.state().beside.push((tag.to_owned(), root.clone()));
        Ok(())
    }

    async fn beside(&self, tag: &str) -> Result<Vec<Manifest>> {
        let mut all = Vec::new();
        for Target { repository, .. } in &self.targets {
            all.extend(pull::by_name(repository, Wanted::Tag(tag)).await.if_found()?);
        }
        Ok(all)
    }

    /// A server has no condition for writing a tag.
    fn tags_move(&self) -> TagsMove {
        TagsMove::Always
    }

    async fn blob_beside(&self, of: &Descriptor) -> Result<Body> {
        for Target { repository, .. } in &self.targets {
            if let Some(body) = pull::open_blob(repository, of).await.if_found()? {
                return Ok(body);
            }
        }
        Err(Error::new(ErrorKind::NotFound, format!("blob {} is not there", of.digest)))
    }
}

/// By what is in the repository a delta is completed.
#[async_trait]
impl Contents for RegistryDestination {
    async fn read(&self, of: &Descriptor) -> Result<Option<Body>> {
        let put =
            self.state().manifests.iter().find(|put| put.descriptor().digest == of.digest).cloned();
        if let Some(put) = put {
            return Body::from_bytes(put.bytes().clone()).expecting(&Expect::from(of)).map(Some);
        }
        let repository = &self.first()?.repository;
        let read = if may_be_manifest(&of.media_type) {
            let manifest = pull::by_descriptor(repository, of).await;
            manifest.and_then(|manifest| {
                Body::from_bytes(manifest.bytes().clone()).expecting(&Expect::from(of))
            })
        } else {
            pull::open_blob(repository, of).await
        };
        read.if_found()
    }

    async fn holds(&self, want: &Expect) -> Result<bool> {
        let repository = &self.first()?.repository;
        if push::look(repository, want).await?.is_some() {
            return Ok(true);
        }
        match &want.digest {
            Some(digest) if want.media_type.as_ref().is_none_or(may_be_manifest) => {
                has_manifest(repository, digest).await
            }
            _ => Ok(false),
        }
    }
}

/// Whether something is asked for where manifests are.
fn may_be_manifest(media_type: &MediaType) -> bool {
    media_type.as_ref().is_empty() || is_index_type(media_type).is_some()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_does_not_refer_to_each_other_goes_at_once() {
        let media_type = MediaType::ImageIndex.to_string();
        let index = |name: &str, below: &[&Manifest], subject: Option<&Manifest>| {
            let below: Vec<&Descriptor> = below.iter().map(|below| below.descriptor()).collect();
            let document = json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": below,
                "subject": subject.map(Manifest::descriptor), "annotations": { "name": name } });
            Manifest::new(document.to_string()).unwrap()
        };
        let (a, b) = (index("a", &[], None), index("b", &[], None));
        let (c, d) = (index("c", &[&a], None), index("d", &[&a, &b], None));
        let (about_d, top) = (index("about", &[], Some(&d)), index("top", &[&a, &c], None));
        let other = index("other", &[], Some(&index("elsewhere", &[], None)));
        let all = [&a, &b, &c, &d, &about_d, &top, &other].map(Clone::clone);
        let heights = [vec![a, b, other], vec![c, d], vec![about_d, top]];
        assert_eq!(by_height(&all), heights);
    }
}
