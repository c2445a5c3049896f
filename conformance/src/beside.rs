//! What stands beside an image under a tag, as laws put it and look at it.

use transship_core::{
    Commit, Committed, Descriptor, Expect, ImageDestination, ImageSource, Manifest, PutBeside,
    Reference, Result, WriteMode,
};

use crate::broken::{While, hold, listed};
use crate::lab::{Lab, Way, commit, put, put_all};
use crate::model::{Built, Image, Layer};
use crate::{Broken, Held};

/// More than a signature of the kit has.
const LIMIT: u64 = 1 << 20;

/// A list of signatures as cosign keeps it: an image with a layer for each. Here they are tars: some places take no other
/// layers.
pub(crate) fn list(signatures: &[u8]) -> Held<Built> {
    let mut list = Image::simple(signatures.first().copied().unwrap_or(0).wrapping_add(100));
    list.layers = signatures.iter().map(|seed| Layer::tar(*seed, 300)).collect();
    list.build()
}

pub(crate) fn tag(of: &Manifest) -> String {
    let of = &of.descriptor().digest;
    format!("{}-{}.sig", of.algorithm(), of.encoded())
}

pub(crate) fn ability(of: &dyn ImageDestination) -> Held<&dyn PutBeside> {
    of.beside()
        .ok_or_else(|| Broken::new("it keeps images beside others, and has no beside() here"))
}

/// Puts a list under the tag of a manifest.
pub(crate) async fn put_list(to: &dyn ImageDestination, of: &Manifest, list: &Built) -> Held {
    let able = ability(to)?;
    for blob in &list.blobs {
        let found = to.has(&Expect::from(&blob.descriptor)).await;
        if found.during(|| "looking for a blob")?.is_none() {
            put(to, blob, Way::Bytes).await?;
        }
    }
    to.put_manifest(&list.root).await.during(|| "putting a manifest")?;
    able.put_beside(&tag(of), &list.root).await.during(|| "putting it beside an image")
}

/// Writes an image, with a list beside its root.
pub(crate) async fn write(
    lab: &Lab,
    built: &Built,
    list: &Built,
    mode: WriteMode,
) -> Held<Reference> {
    let destination = lab.destination(mode, &lab.facts().some_name()).await?;
    put_all(&*destination, built).await?;
    put_list(&*destination, &built.root, list).await?;
    show(destination, built).await
}

pub(crate) async fn show(destination: Box<dyn ImageDestination>, built: &Built) -> Held<Reference> {
    let committed = commit(destination, built).await?;
    hold!(
        committed.lost.is_empty(),
        "it says that it lost something: {}",
        committed.lost.join("; ")
    );
    Ok(committed.references[0].clone())
}

/// That a list, with all of its blobs, is what has the tag of a manifest.
pub(crate) async fn has_list(source: &dyn ImageSource, of: &Manifest, list: &Built) -> Held {
    let Some(referrers) = source.referrers() else {
        return Err(Broken::new(
            "images are kept beside others, and the source has no referrers()",
        ));
    };
    let found =
        referrers.beside(&of.descriptor().digest).await.during(|| "asking what is beside it")?;
    let (tag, want) = (tag(of), list.root.descriptor());
    let [(name, root)] = &found[..] else {
        let found = listed(found.iter().map(|(name, root)| format!("{name}: {}", root.digest)));
        return Err(Broken::new(format!("{tag} alone should be there, and there is {found}")));
    };
    hold!(
        *name == tag && root.digest == want.digest,
        "{tag} should be {}, and {name} is {}",
        want.digest,
        root.digest
    );
    is_whole(source, root, list).await
}

async fn is_whole(source: &dyn ImageSource, root: &Descriptor, list: &Built) -> Held {
    let manifest =
        source.manifest(root).await.during(|| "reading the manifest that is beside an image")?;
    hold!(manifest.bytes() == list.root.bytes(), "the manifest beside an image has other bytes");
    for blob in &list.blobs {
        let digest = &blob.descriptor.digest;
        let what = || format!("reading blob {digest} of what is beside an image");
        let bytes =
            source.blob(&blob.descriptor).await.during(what)?.bytes(LIMIT).await.during(what)?;
        hold!(bytes == blob.bytes, "blob {digest} of what is beside an image has other bytes");
    }
    Ok(())
}

/// Asks a destination what has the tag, and for each blob of it.
pub(crate) async fn there(at: &dyn ImageDestination, of: &Manifest) -> Held<Vec<Manifest>> {
    let (able, tag) = (ability(at)?, tag(of));
    let found = able.beside(&tag).await.during(|| format!("asking what has {tag}"))?;
    for part in found.iter().flat_map(|manifest| manifest.document().parts()) {
        let what = || format!("reading blob {} of what has {tag}", part.digest);
        let bytes = able.blob_beside(part).await.during(what)?.bytes(LIMIT).await.during(what)?;
        hold!(
            transship_core::sha256(&bytes) == part.digest,
            "blob {} of what has {tag} has other bytes",
            part.digest
        );
    }
    Ok(found)
}

/// Writes an image once more, with a list beside it, after asking what is there.
pub(crate) async fn sign(lab: &Lab, built: &Built, list: &Built) -> Held<Reference> {
    let destination = lab.destination(WriteMode::Append, &lab.facts().some_name()).await?;
    there(&*destination, &built.root).await?;
    put_all(&*destination, built).await?;
    put_list(&*destination, &built.root, list).await?;
    show(destination, built).await
}

/// Two writers ask what has a tag, each puts what the other one has not seen, and both commit.
pub(crate) struct Late {
    pub(crate) built: Built,
    /// What the first to commit put.
    pub(crate) first: Built,
    /// What the other one put.
    pub(crate) second: Built,
    /// What the first one committed.
    pub(crate) at: Reference,
    /// How the commit of the other one ended.
    pub(crate) done: Result<Committed>,
}

impl Late {
    /// The image is signed before, or is not.
    pub(crate) async fn of(lab: &Lab, seed: u8, signed: bool) -> Held<Self> {
        let built = Image::simple(seed).build()?;
        if signed {
            write(lab, &built, &list(&[seed])?, WriteMode::Create).await?;
        } else {
            lab.write(&built, WriteMode::Create, &lab.facts().some_name()).await?;
        }
        let (first, second) = (list(&[60])?, list(&[61])?);
        let late = lab.destination(WriteMode::Append, &lab.facts().some_name()).await?;
        let (before, want) = (there(&*late, &built.root).await?.len(), usize::from(signed));
        hold!(before == want, "{before} manifests have the tag of an image with {want}");
        put_all(&*late, &built).await?;
        put_list(&*late, &built.root, &second).await?;
        let at = sign(lab, &built, &first).await?;
        let done = late.commit(Commit::new(&built.root)).await;
        Ok(Self { built, first, second, at, done })
    }
}
