//! What is beside an image is there with all that it refers to, also after a collection.

use transship_core::{CollectMode, WriteMode};

use super::{collect, image_or_index};
use crate::beside::{has_list, list, put_list, show};
use crate::broken::While;
use crate::lab::{Lab, put_all};
use crate::model::{Built, Image};
use crate::runner::Kit;
use crate::{Ability, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "what_is_beside_is_whole",
    sentence: "What is beside an image is there with all that it refers to, also after a collection.",
    promises: &[
        "All that the manifest refers to shows with it, and stays when what no image needs is collected.",
    ],
    needs: &[Ability::Beside],
    cost: 8,
    check,
};

fn check(kit: &Kit) -> Held {
    kit.each(0_u8..50, |lab, seed| {
        lab.step(whole(lab, &image_or_index(lab, &Image::simple(*seed))?))
    })
}

/// The image, and each one in it, has a list of its own.
async fn whole(lab: &Lab, built: &Built) -> Held {
    let destination = lab.destination(WriteMode::Create, &lab.facts().some_name()).await?;
    put_all(&*destination, built).await?;
    let mut lists = Vec::new();
    for (of, at) in built.below.iter().chain([&built.root]).zip(0_u8..) {
        let list = list(&[3 * at, 3 * at + 1])?;
        put_list(&*destination, of, &list).await?;
        lists.push((of, list));
    }
    let at = show(destination, built).await?;
    let source = lab.source(&at).await?;
    for (of, list) in &lists {
        has_list(&*source, of, list).await?;
    }
    drop(source);
    if lab.has(Ability::Collection) {
        collect(lab, CollectMode::Delete).await?;
        let source = lab.source(&at).await?;
        for (of, list) in &lists {
            has_list(&*source, of, list).await.during(|| "after a collection")?;
        }
    }
    Ok(())
}
