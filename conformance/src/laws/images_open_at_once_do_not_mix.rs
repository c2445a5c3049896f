//! Images that are open in one writer at once do not mix, and one that is dropped leaves no name.

use transship_core::WriteMode;

use crate::broken::While;
use crate::expected::{self, Entry};
use crate::lab::{Lab, Way, commit, put};
use crate::model::Image;
use crate::runner::Kit;
use crate::strategies::plain_images;
use crate::{Ability, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "images_open_at_once_do_not_mix",
    sentence: "Images that are open in one writer at once do not mix, and one that is dropped leaves no name.",
    promises: &["Several may be open at once."],
    needs: &[Ability::ManyImages],
    cost: 2,
    check,
};

fn check(kit: &Kit) -> Held {
    let images = (plain_images(kit.facts()), plain_images(kit.facts()), plain_images(kit.facts()));
    kit.each(images, |lab, (first, second, dropped)| {
        lab.step(write(lab, [first, second, dropped]))?;
        // In the order of their commits.
        let want = expected::shown(vec![entry(second, 1)?, entry(first, 0)?], lab.facts());
        expected::check(&lab.snapshot()?, &want, lab.facts())
    })
}

fn entry(image: &Image, at: usize) -> Held<Entry> {
    let name = format!("docker.io/library/kit:{at}");
    Ok(Entry { built: image.build()?, names: vec![transship_core::ImageName::new(&name)?] })
}

async fn write(lab: &Lab, images: [&Image; 3]) -> Held {
    let mut writer = lab.writer(WriteMode::Create).await?;
    let mut open = Vec::new();
    for (at, image) in images.into_iter().enumerate() {
        let entry = entry(image, at)?;
        let destination = writer.image(&entry.names).await.during(|| "opening an image")?;
        open.push((entry, destination));
    }
    // In turns, the longest image decides.
    let most = open.iter().map(|(entry, _)| entry.built.blobs.len()).max().unwrap_or(0);
    for at in 0..most {
        for (entry, destination) in &open {
            if let Some(blob) = entry.built.blobs.get(at) {
                put(&**destination, blob, Way::nth(at)).await?;
            }
        }
    }
    drop(open.pop());
    while let Some((entry, destination)) = open.pop() {
        commit(destination, &entry.built).await?;
    }
    drop(open);
    writer.finish().await.during(|| "finishing")
}
