//! [`RegistrySource`]: one image being read.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::try_join_all;
use tokio::sync::OnceCell;
use transship_core::{
    Body, Descriptor, Digest, DockerName, Error, ErrorKind, Expect, ImageName, ImageSource,
    Manifest, Reference, Referrers, Result, ResultExt, Sparse, few, tags_beside,
};

use crate::client::Repository;
use crate::configs::Configs;
use crate::naming::shown;
use crate::places::Places;
use crate::pull::{self, Root};
use crate::push;
use crate::reference::{Wanted, manifest_of};

/// An image, opened: its tag leads to one manifest, whatever becomes of the tag.
#[derive(Debug)]
pub(crate) struct RegistrySource {
    reference: Reference,
    name: DockerName,
    names: Vec<ImageName>,
    /// Of an image that was opened to be compared, until its root is read.
    described: Option<Descriptor>,
    root: OnceCell<Manifest>,
    places: Places,
    configs: Configs,
    /// The tags beside images that the repository has, where they were listed.
    beside: Option<Arc<HashSet<String>>>,
}

impl RegistrySource {
    /// Opens an image at the first of some places that has it; where it is to be compared, by its descriptor.
    pub(crate) async fn open(
        reference: Reference,
        name: DockerName,
        places: Places,
        compare: bool,
    ) -> Result<Self> {
        let wanted = manifest_of(&name);
        let get = |place| async move {
            if compare {
                return pull::root_of(&place, wanted).await;
            }
            pull::by_name(&place, wanted).await.map(Root::Read)
        };
        let (found, at) = match places.first(get).await {
            Ok(found) => found,
            Err(error) => return Err(with_tags(error, places.authority(&name)?, &name).await),
        };
        let (described, root) = match found {
            Root::Described(descriptor) => (Some(descriptor), OnceCell::new()),
            Root::Read(root) => (None, OnceCell::new_with(Some(root))),
        };
        // A digest is no name.
        let names = shown(&[name.clone().or_latest()]);
        let (places, configs) = (places.from(at), Configs::of_image());
        Ok(Self { reference, name, names, described, root, places, configs, beside: None })
    }

    /// With the tags beside images that the repository has, so that others are not asked for.
    pub(crate) fn with_tags_beside(mut self, tags: Arc<HashSet<String>>) -> Self {
        self.beside = Some(tags);
        self
    }

    /// The root. It is asked for by its name also where its descriptor is known: what a server says of it may be wrong.
    async fn read_root(&self) -> Result<&Manifest> {
        let wanted = manifest_of(&self.name);
        let get = |place| async move { pull::by_name(&place, wanted).await };
        self.root.get_or_try_init(|| self.places.get(get)).await
    }

    /// What it means that a part is not there: if the root is not there any more either, the image was deleted.
    async fn missing(&self, error: Error) -> Error {
        let root = self.root_descriptor().filter(|_| error.kind() == ErrorKind::NotFound);
        let Some(wanted) = root.map(|root| Wanted::Digest(&root.digest)) else { return error };
        let gone = || Error::new(ErrorKind::NotFound, "it is not there any more");
        let ask =
            |place| async move { pull::head_manifest(&place, wanted).await?.ok_or_else(gone) };
        match self.places.get(ask).await {
            Err(e) if e.kind() == ErrorKind::NotFound => {
                Error::new(ErrorKind::Conflict, "the image was deleted while it was read")
                    .caused_by(error)
            }
            _ => error,
        }
    }

    /// A config, for which one request is enough.
    async fn config(&self, of: &Descriptor) -> Result<Body> {
        let get = |place| async move { pull::open_blob(&place, of).await?.bytes(of.size).await };
        let read = || async {
            match self.places.get(get).await {
                Err(e) => Err(self.missing(e).await),
                read => read,
            }
        };
        let place = self.places.first_place();
        let shared = place.and_then(|place| place.host.configs.cell(&place.path, &of.digest));
        let kept = shared.or_else(|| self.configs.cell("", &of.digest)).unwrap_or_default();
        let bytes = kept.get_or_try_init(read).await?.clone();
        Body::from_bytes(bytes).expecting(&Expect::from(of))
    }
}

fn absent(want: &Expect) -> Error {
    let digest = want.digest.as_ref().map(ToString::to_string).unwrap_or_default();
    Error::new(ErrorKind::NotFound, format!("blob {digest} is not there"))
}

/// Adds which tags there are to the error that one is not.
pub(crate) async fn with_tags(error: Error, place: &Repository, name: &DockerName) -> Error {
    // As many as `few` shows. One more is asked for, to see whether there are more: to count them would take all pages.
    const SHOWN: usize = 20;
    if error.kind() != ErrorKind::NotFound || name.digest().is_some() {
        return error;
    }
    match pull::some_tags(place, SHOWN + 1).await {
        Ok(tags) if !tags.is_empty() => {
            let shown = few(tags.iter().take(SHOWN));
            let more = if tags.len() > SHOWN { " and more" } else { "" };
            error.with_hint(format!("its tags are {shown}{more}"))
        }
        // That there is no such repository, or that it is not for this user.
        Err(why) if why.kind() == ErrorKind::NotFound => match why.advice() {
            Some(hint) => error.with_hint(hint.clone()),
            None => error,
        },
        _ => error,
    }
}

#[async_trait]
impl ImageSource for RegistrySource {
    fn reference(&self) -> &Reference {
        &self.reference
    }

    fn names(&self) -> &[ImageName] {
        &self.names
    }

    fn root_descriptor(&self) -> Option<&Descriptor> {
        self.root.get().map(Manifest::descriptor).or(self.described.as_ref())
    }

    async fn root(&self) -> Result<Manifest> {
        self.read_root().await.cloned()
    }

    async fn manifest(&self, of: &Descriptor) -> Result<Manifest> {
        if let Some(root) = self.root.get().filter(|root| root.descriptor().digest == of.digest) {
            return Manifest::verified(of, root.bytes().clone());
        }
        let get = |place| async move { pull::by_descriptor(&place, of).await };
        let read = match self.places.get(get).await {
            Err(e) => Err(self.missing(e).await),
            read => read,
        };
        read.context(|| format!("manifest {}", of.digest))
    }

    async fn blob(&self, of: &Descriptor) -> Result<Body> {
        if Configs::takes(of) {
            return self.config(of).await.context(|| format!("blob {}", of.digest));
        }
        let get = |place| async move { pull::open_blob(&place, of).await };
        let opened = match self.places.get(get).await {
            Err(e) => Err(self.missing(e).await),
            opened => opened,
        };
        opened.context(|| format!("blob {}", of.digest))
    }

    async fn holds(&self, of: &Descriptor) -> Result<bool> {
        let want = Expect::from(of);
        let ask = |place| {
            let want = &want;
            async move { push::look(&place, want).await?.ok_or_else(|| absent(want)) }
        };
        let found = self.places.get(ask).await.if_found();
        Ok(found.context(|| format!("blob {}", of.digest))?.is_some())
    }

    fn sparse(&self) -> Sparse {
        self.places.sparse()
    }

    fn referrers(&self) -> Option<&dyn Referrers> {
        Some(self)
    }
}

#[async_trait]
impl Referrers for RegistrySource {
    async fn referrers(&self, of: &Digest) -> Result<Vec<Descriptor>> {
        let found =
            self.places.get(|place| async move { pull::referrers(&place, of).await }).await?;
        Ok(found.into_all())
    }

    async fn beside(&self, of: &Digest) -> Result<Vec<(String, Descriptor)>> {
        let listed = |tag: &String| self.beside.as_ref().is_none_or(|tags| tags.contains(tag));
        let found = tags_beside(of).into_iter().filter(listed).map(|tag| async move {
            let root = self.places.root_beside(&tag).await?;
            Ok(root.map(|root| (tag, root)))
        });
        Ok(try_join_all(found).await?.into_iter().flatten().collect())
    }
}
