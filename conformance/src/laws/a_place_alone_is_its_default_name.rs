//! Where a place means a default name, it opens the image of that name, and without one it is `NotFound`.

use proptest::prelude::*;
use transship_core::{ErrorKind, ImageName, ReadOptions, WriteMode};

use super::{fails, write_archive};
use crate::broken::{While, hold};
use crate::expected::Entry;
use crate::lab::Lab;
use crate::model::Image;
use crate::runner::Kit;
use crate::seen::Seen;
use crate::{Ability, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "a_place_alone_is_its_default_name",
    sentence: "Where a place means a default name, it opens the image of that name, and without one it is `NotFound`.",
    promises: &[
        "`NotFound` when the archive or the image is not there; the error lists the names that are.",
    ],
    needs: &[Ability::ManyImages, Ability::DefaultName],
    cost: 8,
    check,
};

fn check(kit: &Kit) -> Held {
    kit.each((1_u8..4, any::<bool>()), |lab, (others, last)| {
        let named: Vec<Entry> = (0..*others).map(other).collect::<Held<_>>()?;
        lab.step(write_archive(lab, WriteMode::Create, &named))?;
        lab.step(async {
            let opened = lab.transport().source(lab.at(), &ReadOptions::default()).await;
            let naming = [lab.at().locator()];
            fails(opened, &[ErrorKind::NotFound], &naming, "opening the place without a name")?;
            let default = Image::simple(9).build()?;
            let committed = lab.write(&default, WriteMode::Append, &[]).await?;
            hold!(committed.references.len() == 1, "a commit without a name gives no reference");
            Ok(())
        })?;
        if *last {
            lab.step(write_archive(lab, WriteMode::Append, &[other(8)?]))?;
        }
        lab.step(opens_the_default(lab))
    })
}

fn other(seed: u8) -> Held<Entry> {
    let names = vec![ImageName::new(&format!("docker.io/library/kit:{seed}"))?];
    Ok(Entry { built: Image::simple(seed).build()?, names })
}

async fn opens_the_default(lab: &Lab) -> Held {
    let what = || "opening the place without a name, after an image was written so";
    let source = lab.source(lab.at()).await.during(what)?;
    Seen::read(&*source).await?.is(&Image::simple(9).build()?, lab.facts()).during(what)
}
