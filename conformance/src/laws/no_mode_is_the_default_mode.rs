//! Writing without a mode does what the transport says that it does by default.

use transship_core::{ErrorKind, ImageName, WriteMode, WriteOptions};

use super::fails;
use crate::broken::{While, hold};
use crate::lab::{By, Lab, commit, put_all};
use crate::model::{Built, Image};
use crate::runner::Kit;
use crate::strategies::plain_images;
use crate::{Ability, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "no_mode_is_the_default_mode",
    sentence: "Writing without a mode does what the transport says that it does by default.",
    promises: &["Writing without a mode does just that."],
    needs: &[],
    cost: 4,
    check,
};

fn check(kit: &Kit) -> Held {
    let image = Image::simple(3).fit_for(kit.facts());
    let corners = [By::Itself, By::AWriter].map(|by| (image.clone(), by));
    kit.each_with(&corners, (plain_images(kit.facts()), By::any()), |lab, (image, by)| {
        write(lab, image, 1, By::Itself)?;
        let one = lab.snapshot()?;
        hold!(one.images().len() == 1, "{} images are there, one was written", one.images().len());
        match lab.transport().default_mode() {
            WriteMode::Create => {
                lab.step(refused(lab))?;
                return lab.snapshot()?.same(&one);
            }
            WriteMode::Append => {
                let claimed = lab.has(Ability::Append);
                hold!(claimed, "it joins by default, and claims that it cannot be joined");
            }
            _ => {}
        }
        write(lab, image, 2, *by)?;
        let two = lab.snapshot()?;
        let want = match lab.transport().default_mode() {
            WriteMode::Append => 2,
            _ => 1,
        };
        let (found, by) = (two.images().len(), by.what());
        hold!(found == want, "{found} images are there, where there should be {want}, {by}");
        Ok(())
    })
}

fn options(lab: &Lab, number: u8) -> Held<WriteOptions> {
    let mut how = WriteOptions::default();
    if lab.has(Ability::Names) {
        how.names = vec![ImageName::new(&format!("docker.io/library/kit:{number}"))?];
    }
    Ok(how)
}

fn write(lab: &Lab, image: &Image, number: u8, by: By) -> Held {
    // Two images, not one under two names.
    let built = Image { seed: number, ..image.clone() }.build()?;
    let how = options(lab, number)?;
    lab.step(async {
        if by == By::AWriter && lab.has(Ability::ManyImages) {
            return in_a_writer(lab, &built, &how.names).await;
        }
        let opened = lab.transport().destination(lab.at(), &how).await;
        let destination = opened.during(|| "opening without a mode")?;
        put_all(&*destination, &built).await?;
        commit(destination, &built).await.map(|_| ())
    })
}

async fn in_a_writer(lab: &Lab, built: &Built, names: &[ImageName]) -> Held {
    let opened = lab.archives()?.write(lab.at(), &WriteOptions::default()).await;
    let mut writer = opened.during(|| "opening a writer without a mode")?;
    let destination = writer.image(names).await.during(|| "opening an image")?;
    put_all(&*destination, built).await?;
    commit(destination, built).await?;
    writer.finish().await.during(|| "finishing a writer that was opened without a mode")
}

async fn refused(lab: &Lab) -> Held {
    let kinds = [ErrorKind::AlreadyExists];
    let opened = lab.transport().destination(lab.at(), &options(lab, 2)?).await;
    fails(opened, &kinds, &[], "opening without a mode, where the default is to create")?;
    if !lab.has(Ability::ManyImages) {
        return Ok(());
    }
    let opened = lab.archives()?.write(lab.at(), &WriteOptions::default()).await;
    fails(opened, &kinds, &[], "opening a writer without a mode, where the default is to create")
}
