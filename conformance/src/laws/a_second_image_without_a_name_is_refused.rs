//! Where one image may be without a name, a second one is refused, and the first stays.

use transship_core::{AcceptsNameless, Commit, ErrorKind, WriteMode};

use super::fails;
use crate::broken::{While, hold};
use crate::lab::{Lab, commit, put_all};
use crate::model::{Built, Image};
use crate::runner::Kit;
use crate::{Ability, Broken, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "a_second_image_without_a_name_is_refused",
    sentence: "Where one image may be without a name, a second one is refused, and the first stays.",
    promises: &["Where [one](crate::AcceptsNameless::One) image may be without a name, a second one is refused"],
    needs: &[Ability::ManyImages, Ability::OneWithoutName],
    cost: 8,
    check,
};

fn check(kit: &Kit) -> Held {
    kit.each(0_u8..50, |lab, seed| {
        let (first, second) = (Image::simple(*seed).build()?, Image::simple(*seed + 1).build()?);
        let before = lab.snapshot()?;
        lab.step(refused(lab, &first, &second))?;
        if lab.has(Ability::ShowsAtFinish) {
            return lab.snapshot()?.same(&before);
        }
        let after = lab.snapshot()?;
        let [image] = after.images() else {
            return Err(Broken::new(format!("{} images are there", after.images().len())));
        };
        image.seen.is(&first, lab.facts()).during(|| "the image that was there")
    })
}

/// Both into one writer: somewhere on its way the second is refused.
async fn refused(lab: &Lab, first: &Built, second: &Built) -> Held {
    let mut writer = lab.writer(WriteMode::Create).await?;
    let image = writer.image(&[]).await.during(|| "opening an image without a name")?;
    hold!(
        image.accepts().nameless == AcceptsNameless::One,
        "its own destinations accept one image without a name, and those of its writer say {:?}",
        image.accepts().nameless
    );
    put_all(&*image, first).await?;
    commit(image, first).await?;
    let committed = match writer.image(&[]).await {
        Ok(image) => {
            put_all(&*image, second).await?;
            image.commit(Commit::new(&second.root)).await.map(|_| ())
        }
        Err(refused) => Err(refused),
    };
    let done = match committed {
        Ok(()) => writer.finish().await,
        refused => refused,
    };
    fails(done, &[ErrorKind::AlreadyExists], &[], "writing a second image without a name")
}
