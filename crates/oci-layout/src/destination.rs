//! [`LayoutDestination`]: one image of a layout, being written.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use transship_core::{
    Accepts, AcceptsNameless, AcceptsOrder, Body, Cancel, Commit, Committed, Contents, Deltas,
    Descriptor, Digest, Error, ErrorKind, Expect, ImageDestination, ImageName, Manifest, PutBeside,
    Reference, Result, ResultExt, Shows, Staging, Stored, TagsMove, WriteOptions, without_repeats,
};

use crate::Kind;
use crate::names::Written;
use crate::reference::{Locator, Selector, parse_name};
use crate::write::{Content, Image, Medium, Put, Writing};

/// Opens a place for one image.
pub(crate) async fn open(
    medium: Medium,
    at: &Reference,
    how: &WriteOptions,
) -> Result<Box<dyn ImageDestination>> {
    let place = medium.kind().place(at)?;
    let names = names(&place, how).context(|| at)?;
    let writing = Writing::open(medium, &place, how).await.context(|| at)?;
    let opened = LayoutDestination::new(writing, &names, Shows::AtCommit);
    Ok(Box::new(opened.context(|| at)?))
}

/// Writes one image to a layout.
#[derive(Debug)]
pub(crate) struct LayoutDestination {
    writing: Arc<Writing>,
    reference: Reference,
    names: Vec<Written>,
    /// The same, as the trait gives them.
    given: Vec<ImageName>,
    accepts: Accepts,
    put: Arc<Mutex<Put>>,
}

impl LayoutDestination {
    /// Names that are given twice count once.
    pub(crate) fn new(writing: Arc<Writing>, names: &[ImageName], shows: Shows) -> Result<Self> {
        let given = without_repeats(names.to_vec());
        let names: Vec<Written> = given.iter().map(Written::new).collect::<Result<_>>()?;
        for name in &names {
            check_reference(&writing.reference(Selector::Name(name.name.clone())))?;
        }
        let select = names.first().map_or(Selector::None, |name| Selector::Name(name.name.clone()));
        let mut accepts = Accepts::anything();
        accepts.deltas = Deltas::Accepted;
        accepts.nameless = AcceptsNameless::One;
        if writing.kind() == Kind::Tar {
            accepts.order = AcceptsOrder::AsPlanned;
        }
        accepts.shows = shows;
        let reference = writing.reference(select);
        Ok(Self { writing, reference, names, given, accepts, put: Arc::default() })
    }

    pub(crate) fn writing(&self) -> &Arc<Writing> {
        &self.writing
    }

    fn references(&self, root: &Digest) -> Vec<Reference> {
        if self.names.is_empty() {
            return vec![self.writing.reference(Selector::Digest(root.clone()))];
        }
        let reference = |name: &Written| self.writing.reference(Selector::Name(name.name.clone()));
        self.names.iter().map(reference).collect()
    }
}

#[async_trait]
impl ImageDestination for LayoutDestination {
    fn reference(&self) -> &Reference {
        &self.reference
    }

    fn names(&self) -> &[ImageName] {
        &self.given
    }

    fn accepts(&self) -> &Accepts {
        &self.accepts
    }

    async fn has(&self, want: &Expect) -> Result<Option<Stored>> {
        let want = want.clone();
        self.writing
            .content()
            .step(move |content, cancel| content.has(&want, cancel))
            .await
            .context(|| &self.reference)
    }

    async fn put_blob(&self, expect: Expect, body: Body) -> Result<Stored> {
        let what =
            expect.digest.as_ref().map_or_else(|| "blob".to_owned(), |d| format!("blob {d}"));
        self.writing
            .content()
            .step(move |content, cancel| content.put(&expect, body, cancel).context(|| what))
            .await
            .context(|| &self.reference)
    }

    fn staging(&self) -> Option<&dyn Staging> {
        self.writing.stages().then_some(self as &dyn Staging)
    }

    async fn put_manifest(&self, manifest: &Manifest) -> Result<()> {
        let (manifest, put) = (manifest.clone(), Arc::clone(&self.put));
        self.writing
            .content()
            .step(move |content, cancel| {
                content.put_manifest(&manifest, cancel)?;
                put.lock().unwrap_or_else(PoisonError::into_inner).manifests.push(manifest);
                Ok(())
            })
            .await
            .context(|| &self.reference)
    }

    fn beside(&self) -> Option<&dyn PutBeside> {
        Some(self)
    }

    fn contents(&self) -> Option<&dyn Contents> {
        Some(self)
    }

    async fn commit(self: Box<Self>, what: Commit<'_>) -> Result<Committed> {
        let (root, absent) = (what.root.clone(), what.absent.to_vec());
        let (needs, platform) = (what.needs.to_vec(), what.platform.cloned());
        let (names, put) = (self.names.clone(), Arc::clone(&self.put));
        let record = move |content: &Content, cancel: &Cancel| {
            let put = put.lock().unwrap_or_else(PoisonError::into_inner);
            let image = Image {
                root: &root,
                absent: &absent,
                needs: &needs,
                platform: platform.as_ref(),
                put: &put,
                names: &names,
            };
            content.record(&image, cancel)
        };
        let content = self.writing.content();
        let entry = content.commit(self.accepts.shows, record, Content::publish).await;
        let entry = entry.context(|| &self.reference)?;
        let references = self.references(&entry.digest);
        Ok(Committed::new(entry, references))
    }

    async fn shows(&self, root: &Descriptor) -> Result<Option<Committed>> {
        let (root, names) = (root.clone(), self.names.clone());
        let content = self.writing.content();
        let entry = content.step(move |content, cancel| content.shows(&root, &names, cancel)).await;
        let entry = entry.context(|| &self.reference)?;
        Ok(entry.map(|entry| {
            let references = self.references(&entry.digest);
            Committed::new(entry, references)
        }))
    }
}

#[async_trait]
impl PutBeside for LayoutDestination {
    async fn put_beside(&self, tag: &str, root: &Manifest) -> Result<()> {
        let name = ImageName::new(tag).and_then(|name| Written::new(&name));
        let name = name.context(|| &self.reference)?;
        let mut put = self.put.lock().unwrap_or_else(PoisonError::into_inner);
        put.beside.push((name, root.clone()));
        Ok(())
    }

    async fn beside(&self, tag: &str) -> Result<Vec<Manifest>> {
        let wanted = tag.to_owned();
        let there =
            self.writing.content().step(move |content, cancel| content.beside(&wanted, cancel));
        let there = there.await.context(|| &self.reference)?;
        let digest = there.as_ref().map(|manifest| manifest.descriptor().digest.clone());
        let mut put = self.put.lock().unwrap_or_else(PoisonError::into_inner);
        put.asked.entry(tag.to_owned()).or_insert(digest);
        Ok(there.into_iter().collect())
    }

    fn tags_move(&self) -> TagsMove {
        TagsMove::IfUnchanged
    }

    async fn blob_beside(&self, of: &Descriptor) -> Result<Body> {
        let read = Contents::read(self, of).await?;
        read.ok_or_else(|| {
            let message = format!("blob {} is not there", of.digest);
            Error::new(ErrorKind::NotFound, message).context(&self.reference)
        })
    }
}

#[async_trait]
impl Contents for LayoutDestination {
    async fn read(&self, of: &Descriptor) -> Result<Option<Body>> {
        let of = of.clone();
        self.writing
            .content()
            .step(move |content, cancel| content.read(&of, cancel))
            .await
            .context(|| &self.reference)
    }
}

/// The names of an image: the one in the reference, then those of the options; without either, those to fall back to,
/// of which a layout takes what it can hold.
fn names(place: &Locator, how: &WriteOptions) -> Result<Vec<ImageName>> {
    let mut names = match &place.select {
        Selector::None => Vec::new(),
        Selector::Name(name) => vec![name.clone()],
        Selector::Index(_) | Selector::Digest(_) => {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "an image is written under a name; an index or digest is for reading",
            )
            .hint("the form is PATH or PATH:NAME"));
        }
    };
    names.extend(how.names.iter().cloned());
    if names.is_empty() {
        let holds = |name: &&ImageName| parse_name(name.as_str()).is_ok();
        names.extend(how.fallback_names.iter().filter(holds).cloned());
    }
    Ok(names)
}

fn check_reference(reference: &Reference) -> Result<()> {
    let text = reference.locator();
    if Locator::parse(text).is_ok_and(|parsed| parsed.to_string() == text) {
        return Ok(());
    }
    let message = format!("{reference} would not be read back as this name at this path");
    Err(Error::new(ErrorKind::InvalidInput, message))
}
