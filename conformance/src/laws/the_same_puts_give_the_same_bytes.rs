//! The same images, put in the same order, give the same bytes.

use proptest::strategy::Strategy;
use transship_core::WriteMode;

use super::write_archive;
use crate::expected;
use crate::broken::hold;
use crate::lab::{Lab, Way, put};
use crate::model::{Archive, Image, Named, Node};
use crate::runner::Kit;
use crate::strategies::{archives as generated, plain_images};
use crate::{Abandoned, Ability, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "the_same_puts_give_the_same_bytes",
    sentence: "The same images, put in the same order, give the same bytes.",
    promises: &["so that the same images give the same"],
    needs: &[],
    cost: 1,
    check,
};

fn check(kit: &Kit) -> Held {
    if kit.facts().has(Ability::ManyImages) {
        let named = Named { node: Node::Image(Image::simple(1)), names: Vec::new() };
        let corner = (Archive { images: vec![named] }, true);
        let archives = generated(kit.facts(), 10).prop_map(|archive| (archive, false));
        return kit.each_with(&[corner], archives, twice);
    }
    let one = plain_images(kit.facts()).prop_map(|image| Archive {
        images: vec![Named { node: Node::Image(image), names: Vec::new() }],
    });
    kit.each(one.prop_map(|archive| (archive, false)), twice)
}


/// The second time in another second, where `later` says so.
fn twice(lab: &Lab, (archive, later): &(Archive, bool)) -> Held {
    let other = lab.another()?;
    // What is given up before leaves the bytes as they are.
    other.step(given_up(&other, archive))?;
    for (number, lab) in [lab, &other].into_iter().enumerate() {
        if *later && number > 0 {
            std::thread::sleep(std::time::Duration::from_millis(1100));
        }
        let entries = expected::build(archive)?;
        lab.step(async {
            if lab.has(Ability::ManyImages) {
                return write_archive(lab, WriteMode::Create, &entries).await;
            }
            lab.write(&entries[0].built, WriteMode::Create, &[]).await.map(|_| ())
        })?;
    }
    let (first, second) = (lab.snapshot()?, other.snapshot()?);
    second.same_files(&first, Abandoned::Nothing)?;
    second.shows_equal(&first)
}

/// An image of which half was put, and one put that failed.
async fn given_up(lab: &Lab, archive: &Archive) -> Held {
    let Some(image) = archive.images.first() else { return Ok(()) };
    let built = image.node.build()?;
    let destination = lab.destination(WriteMode::Create, &image.names).await?;
    for (at, blob) in built.blobs.iter().enumerate().take(built.blobs.len().div_ceil(2)) {
        put(&*destination, blob, Way::nth(at)).await?;
        let wrong = transship_core::Body::from_bytes("other bytes");
        let failed = destination.put_blob((&blob.descriptor).into(), wrong).await;
        hold!(failed.is_err(), "a put of other bytes succeeds");
    }
    Ok(())
}
