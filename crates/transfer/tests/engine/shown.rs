//! What shows in an archive in memory: it is whole, and the archive may say that it shows an image already.

use transship_core::*;
use transship_transfer::*;

use crate::images::*;
use crate::memory::Memory;
use crate::{copy, options};

impl Memory {
    /// All that a root refers to must be there, or named as absent.
    pub fn check_complete(&self, what: &Commit<'_>) {
        let accepts = &self.accepts;
        let mut next = vec![what.root.clone()];
        while let Some(manifest) = next.pop() {
            let said = manifest.document().media_type().clone();
            assert!(accepts.takes(&said), "{said} was not to come here");
            let state = self.state();
            match manifest.document() {
                Document::Image(image) => {
                    for blob in image.layers.iter().chain([&image.config]) {
                        let foreign = blob.media_type.as_ref().contains("nondistributable")
                            || blob.media_type.as_ref().contains("foreign");
                        assert!(
                            foreign
                                || what.needs.iter().any(|needed| needed.digest == blob.digest)
                                || state.blobs.contains_key(&blob.digest),
                            "{blob:?} is missing"
                        );
                    }
                }
                Document::Index(index) => {
                    for child in index.manifests.iter().filter(|c| !what.is_absent(&c.digest)) {
                        let found = state.manifests.get(&child.digest);
                        next.push(found.unwrap_or_else(|| panic!("{child:?} is missing")).clone());
                    }
                    assert!(what.absent.is_empty() || accepts.sparse == Sparse::Accepted);
                }
                _ => unreachable!(),
            }
        }
    }
    /// Whether names stand for a root. As a registry, it looks at the digest alone.
    pub fn shows(&self, names: &[ImageName], root: &Manifest) -> bool {
        let state = self.state();
        let stands = |name| {
            let last = state.images.iter().rev().find(|shown| shown.names.contains(name));
            last.is_some_and(|shown| shown.root == *root)
        };
        state.tells && !names.is_empty() && names.iter().all(stands)
    }
}

/// An index for two platforms, under a name.
fn two() -> Memory {
    let from = Memory::new("from");
    let amd = Image::of(LayerForm::Gzip).put(&from);
    let s390x = Image::of(LayerForm::Gzip).on("linux", "s390x").put(&from);
    let list = [child(&amd, "linux/amd64"), child(&s390x, "linux/s390x")];
    from.show(&["x"], &index(&from, OCI_INDEX, &list));
    from
}

fn telling() -> Memory {
    let to = Memory::new("to");
    to.state().tells = true;
    to
}

/// Whether a second copy finds that nothing is left to do.
async fn is_reported(from: &Memory, to: &Memory, how: &TransferOptions) -> bool {
    let first = copy(from, to, how.clone()).await.unwrap();
    assert!(!first.images[0].unchanged, "{how:?}");
    let commits = || to.state().log.iter().filter(|line| line.starts_with("commit ")).count();
    let before = commits();
    let second = copy(from, to, how.clone()).await.unwrap();
    let (unchanged, is_same) = (second.images[0].unchanged, commits() == before);
    assert_eq!(unchanged, is_same, "{how:?}");
    assert_eq!(second.images[0].digest, first.images[0].digest, "{how:?}");
    unchanged
}

fn amd64(change: impl FnOnce(&mut TransferOptions)) -> TransferOptions {
    options(|o| {
        o.platforms = Platforms::Only(vec![Platform::parse("linux/amd64").unwrap()]);
        change(o);
    })
}

#[tokio::test]
async fn an_image_of_which_no_other_form_is_wanted_is_asked_for() {
    for how in [
        TransferOptions::default(),
        amd64(|_| ()),
        options(|o| o.nondistributable = Nondistributable::Copy),
        options(|o| o.attached = Attached::Copy),
    ] {
        assert!(is_reported(&two(), &telling(), &how).await, "{how:?}");
    }
}

#[tokio::test]
async fn what_a_root_does_not_tell_is_copied() {
    for how in [
        // The place may have another part of the index.
        amd64(|o| o.subset = Subset::Sparse),
        // The place may know the image by its config, which other manifests have, too.
        amd64(|o| o.subset = Subset::Strip),
        amd64(|o| o.format = Some(Format::Docker)),
        amd64(|o| o.compress = Compress::Zstd(None)),
        options(|o| o.compress = Compress::Plain),
    ] {
        assert!(!is_reported(&two(), &telling(), &how).await, "{how:?}");
    }
    let foreign = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";
    let from = Memory::new("from");
    let layer = Layer::new(&content(1), LayerForm::Gzip).typed(foreign);
    from.show(&["x"], &Image::with(vec![layer]).put(&from));
    let (to, without) = (telling(), TransferOptions::default());
    assert!(is_reported(&from, &to, &without).await);
    let with = options(|o| o.nondistributable = Nondistributable::Copy);
    let puts = to.puts();
    assert!(!copy(&from, &to, with).await.unwrap().images[0].unchanged);
    assert_eq!(to.puts(), puts + 1, "the layer that it lacks");
}
