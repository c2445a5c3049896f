//! Images that are open in one writer at once do not mix, and one that is dropped leaves no name.

use transship_core::{AcceptsOrder, WriteMode};

use crate::broken::{While, hold};
use crate::expected::{self, Entry};
use crate::lab::{Lab, Way, commit, put, put_all};
use crate::model::Image;
use super::referrers_come_with_their_image::{are_there, referrer};
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
        expected::check(&lab.snapshot()?, &want, lab.facts())?;
        if lab.has(Ability::Referrers) { referrers_do_not_mix(&lab.another()?) } else { Ok(()) }
    })
}

/// A manifest about the first image is put to it, and what that needs comes after the second image is committed.
fn referrers_do_not_mix(lab: &Lab) -> Held {
    let (first, second) = (entry(&Image::simple(1), 1)?, entry(&Image::simple(2), 2)?);
    let about = referrer(&first.built.root, 1)?;
    lab.step(async {
        let mut writer = lab.writer(WriteMode::Create).await?;
        let one = writer.image(&first.names).await.during(|| "opening an image")?;
        let two = writer.image(&second.names).await.during(|| "opening an image")?;
        let any_order = one.accepts().order == AcceptsOrder::Any;
        if any_order {
            one.put_manifest(&about.root).await.during(|| "putting a manifest about the first image")?;
        }
        put_all(&*two, &second.built).await?;
        let what = || "committing the second image before what is about the first one is whole";
        let of_second = commit(two, &second.built).await.during(what)?;
        put_all(&*one, &first.built).await?;
        put_all(&*one, &about).await?;
        if !any_order {
            one.put_manifest(&about.root).await.during(|| "putting a manifest about the first image")?;
        }
        let of_first = commit(one, &first.built).await?;
        writer.finish().await.during(|| "finishing")?;
        let source = lab.source(&of_first.references[0]).await?;
        are_there(lab, &*source, std::slice::from_ref(&about)).await?;
        let source = lab.source(&of_second.references[0]).await?;
        let Some(referrers) = source.referrers() else { return Ok(()) };
        let found = referrers.referrers(&second.built.root.descriptor().digest).await?;
        hold!(found.is_empty(), "what is about the first image is about the second one, too");
        Ok(())
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
