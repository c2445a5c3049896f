//! A part of an image that was deleted or replaced since the image was opened is a `Conflict`, and not `NotFound`.

use bytes::Bytes;
use proptest::sample::select;
use transship_core::{
    CollectMode, Descriptor, Document, Error, ErrorKind, ImageSource, Manifest, ResultExt, WriteMode,
};

use super::collecting_takes_garbage_alone::collect;
use super::deletion_removes_that_image_alone::delete;
use super::referrers_come_with_their_image::{put_with, referrer};
use crate::broken::{While, hold};
use crate::lab::{Lab, commit, put_all};
use crate::model::{Built, Image};
use crate::runner::Kit;
use crate::seen::LIMIT;
use crate::strategies::nodes;
use crate::{Ability, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "what_has_gone_is_no_gap",
    sentence: "A part of an image that was deleted or replaced since the image was opened is a `Conflict`, and not `NotFound`.",
    promises: &["A part that was there when the image was opened, and was deleted or replaced since, is `Conflict`"],
    needs: &[],
    cost: 1,
    check,
};

/// How an image goes.
#[derive(Clone, Copy, Debug)]
enum Gone {
    Deleted,
    Replaced,
}

fn check(kit: &Kit) -> Held {
    let mut ways = vec![Gone::Replaced];
    if kit.facts().has(Ability::Deletion) {
        ways.push(Gone::Deleted);
    }
    let images = (nodes(kit.facts()), nodes(kit.facts()), select(ways));
    kit.each(images, |lab, (old, new, gone)| {
        let (old, new) = (old.build()?, new.build()?);
        if lab.files().is_some() && lab.has(Ability::Deletion) {
            let other = lab.another()?;
            other.step(about(&other))?;
        }
        lab.step(one(lab, &old, &new, *gone))
    })
}

async fn one(lab: &Lab, old: &Built, new: &Built, gone: Gone) -> Held {
    let names = lab.facts().some_name();
    let written = lab.write(old, WriteMode::Create, &names).await?;
    let at = &written.references[0];
    let source = lab.source(at).await?;
    let root = source.root().await.during(|| "reading the root")?;
    let parts = parts(&*lab.source(at).await?, root).await?;
    match gone {
        Gone::Deleted => delete(lab, &at.to_string()).await?,
        Gone::Replaced => drop(lab.write(new, WriteMode::Replace, &names).await?),
    }
    // A place that is its image has gone with it.
    let is_there = lab.has(Ability::ManyImages) || matches!(gone, Gone::Replaced);
    if lab.has(Ability::Collection) && is_there {
        collect(lab, CollectMode::Delete).await?;
    }
    for part in &parts {
        if let Err(error) = part.read(&*source).await {
            let (what, kind) = (&part.of.digest, error.kind());
            hold!(
                kind == ErrorKind::Conflict,
                "{what} is gone with its image, and fails as \"{kind}\" instead of \"{}\": {error}",
                ErrorKind::Conflict
            );
        }
    }
    Ok(())
}

/// What was about an image that is deleted is not taken for none.
async fn about(lab: &Lab) -> Held {
    let built = Image::simple(1).build()?;
    let destination = lab.destination(WriteMode::Create, &lab.facts().some_name()).await?;
    if let Some(able) = destination.signatures() {
        let put = able.put_signatures(None, vec![Bytes::from_static(b"a signature")]).await;
        put.during(|| "putting a signature")?;
    }
    if lab.has(Ability::Referrers) {
        put_with(&*destination, &built, &[referrer(&built.root, 1)?]).await?;
    } else {
        put_all(&*destination, &built).await?;
    }
    let committed = commit(destination, &built).await?;
    let source = lab.source(&committed.references[0]).await?;
    delete(lab, &committed.references[0].to_string()).await?;
    if let Some(able) = source.referrers().filter(|_| lab.has(Ability::Referrers)) {
        let found = able.referrers(&built.root.descriptor().digest).await;
        is_there_or_conflict(found.map(|all| all.len()), "a manifest about an image")?;
    }
    if let Some(able) = source.signatures() {
        is_there_or_conflict(able.signatures(None).await.map(|all| all.len()), "a signature")?;
    }
    Ok(())
}

fn is_there_or_conflict(found: transship_core::Result<usize>, what: &str) -> Held {
    match found {
        Ok(count) => hold!(count == 1, "{what} was there when its image was opened; it was deleted, and {count} are listed"),
        Err(error) => {
            let kind = error.kind();
            hold!(kind == ErrorKind::Conflict, "{what} is gone with its image, and fails as \"{kind}\": {error}");
        }
    }
    Ok(())
}

/// A manifest or blob that an image has.
#[derive(Debug)]
struct Part {
    of: Descriptor,
    is_manifest: bool,
}

impl Part {
    async fn read(&self, source: &dyn ImageSource) -> Result<(), Error> {
        if self.is_manifest {
            return source.manifest(&self.of).await.map(|_| ());
        }
        source.blob(&self.of).await?.bytes(LIMIT).await.map(|_| ())
    }
}

/// What is there of an image, without its root.
async fn parts(source: &dyn ImageSource, root: Manifest) -> Held<Vec<Part>> {
    let (mut parts, mut waiting) = (Vec::new(), vec![root]);
    while let Some(manifest) = waiting.pop() {
        match manifest.document() {
            Document::Image(image) => {
                let blobs = image.layers.iter().chain([&image.config]).cloned();
                parts.extend(blobs.map(|of| Part { of, is_manifest: false }));
            }
            Document::Index(index) => {
                for of in &index.manifests {
                    let Some(child) = source.manifest(of).await.if_found()? else { continue };
                    parts.push(Part { of: of.clone(), is_manifest: true });
                    waiting.push(child);
                }
            }
            _ => {}
        }
    }
    Ok(parts)
}
