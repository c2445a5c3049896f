//! Creating refuses a container that is there, joining is refused where it is not claimed, and neither changes anything.

use transship_core::{ErrorKind, WriteMode};

use super::{all, fails};
use crate::lab::{Lab, how};
use crate::runner::Kit;
use crate::strategies::plain_images;
use crate::{Append, Held, Holds, Law, Replaces};

pub(crate) const LAW: Law = Law {
    name: "create_refuses_what_is_there",
    sentence: "Creating refuses a container that is there, joining is refused where it is not claimed, and neither changes anything.",
    promises: &["`AlreadyExists` when the mode is [`Create`](WriteMode::Create) and the container is there."],
    not_claimed: all,
    cost: 2,
    check,
};

fn check(kit: &Kit) -> Held {
    kit.each(plain_images(kit.claims()), |lab, image| {
        lab.step(async { lab.write(&image.build()?, WriteMode::Create, &[]).await })?;
        let before = lab.snapshot()?;
        lab.step(refused(lab, WriteMode::Create, ErrorKind::AlreadyExists))?;
        if lab.claims().append == Append::Refused {
            lab.step(refused(lab, WriteMode::Append, ErrorKind::Unsupported))?;
        }
        if lab.claims().replaces == Replaces::Images {
            let opened = lab.step(async {
                Ok(lab.archives()?.write(lab.at(), &how(WriteMode::Replace, &[])).await)
            })?;
            fails(opened, &[ErrorKind::Unsupported], &[], "opening a writer, Replace")?;
        }
        lab.snapshot()?.same(&before)
    })
}

async fn refused(lab: &Lab, mode: WriteMode, kind: ErrorKind) -> Held {
    let (how, place) = (how(mode, &[]), lab.at().locator());
    let opened = lab.transport().destination(lab.at(), &how).await;
    fails(opened, &[kind], &[place], &format!("opening for an image, {mode:?}"))?;
    if lab.claims().holds == Holds::Many {
        let opened = lab.archives()?.write(lab.at(), &how).await;
        fails(opened, &[kind], &[place], &format!("opening a writer, {mode:?}"))?;
    }
    Ok(())
}
