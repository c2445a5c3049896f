//! Details of an image in a listing are what reading the whole image says.

use std::collections::HashMap;

use transship_core::{Document, EntryDetails, Platform, WriteMode};

use super::write_archive;
use crate::broken::{While, hold, listed};
use crate::expected;
use crate::lab::Lab;
use crate::runner::Kit;
use crate::strategies::{archives as generated, corner_archives};
use crate::{Ability, Held, Law, Layers, Variants};

pub(crate) const LAW: Law = Law {
    name: "details_are_true",
    sentence: "Details of an image in a listing are what reading the whole image says.",
    promises: &["What it says is what reading the image would say."],
    needs: &[Ability::ManyImages],
    cost: 2,
    check,
};

/// By how many bytes an estimate may be too high: what a place counts beside the tars is the layers' metadata.
const ESTIMATE: u64 = 1 << 20;

fn check(kit: &Kit) -> Held {
    kit.each_with(&corner_archives(kit.facts()), generated(kit.facts(), 8), |lab, archive| {
        let entries = expected::build(archive)?;
        lab.step(write_archive(lab, WriteMode::Create, &entries))?;
        lab.step(all_true(lab))
    })
}

/// Without what details may lack: fields that the specification does not have, and variants where the claim says so.
fn known(mut platforms: Vec<Platform>, variants: Variants) -> Vec<Platform> {
    for platform in &mut platforms {
        platform.other.clear();
        platform.variant.take_if(|_| variants == Variants::NotSaid);
    }
    platforms
}

/// What the layers take where they are unpacked: one that is there twice is unpacked twice, over others.
fn unpacked(root: &Document) -> u64 {
    let Document::Image(image) = root else { return 0 };
    image.layers.iter().map(|layer| layer.size).sum()
}

async fn all_true(lab: &Lab) -> Held {
    let reader = lab.reader().await?;
    let mut next = 0;
    // A place that unpacks layers says what they take there, until the image is read: about as much as their tars.
    let is_estimate = lab.claims().layers == Layers::Tars && reader.details_are_costly();
    for entry in reader.entries() {
        hold!(entry.index >= next, "entry {} comes after entry {next}", entry.index);
        next = entry.index + 1;
        let what = || format!("details of {}", entry.reference);
        let details = reader.details(entry).await.during(what)?;
        let source = reader.open(entry).await.during(what)?;
        hold!(
            source.reference() == &entry.reference,
            "the source of {} says that it is {}",
            entry.reference,
            source.reference()
        );
        hold!(source.names() == entry.names, "the source and the entry have different names");
        let root = source.root().await.during(what)?;
        let most = unpacked(root.document()) + ESTIMATE;
        let is_size = |said: u64, size: u64| {
            said == size || is_estimate && (said > 0 || size == 0) && said <= size.max(most)
        };
        if let Some(said) = &details.root {
            let found = root.descriptor();
            hold!(
                (&said.digest, said.size, &said.media_type) == (&found.digest, found.size, &found.media_type),
                "the root is {} and not {}",
                found.to_json(),
                said.to_json()
            );
        }
        let id = match root.document() {
            Document::Image(image) => Some(image.config.digest.clone()),
            _ => None,
        };
        if let Document::Image(image) = root.document() {
            // One that is there twice is stored once.
            let layers = image.layers.iter().map(|layer| (&layer.digest, layer.size));
            let size: u64 = layers.collect::<HashMap<_, _>>().values().sum();
            hold!(is_size(details.size, size), "the layers have {size} B and not {}", details.size);
            let platforms = details.platforms.len();
            let want = usize::from(image.is_runnable());
            hold!(platforms == want, "an image has {platforms} platforms");
        }
        let read = EntryDetails::read(&*source).await.during(what)?;
        let platforms = known(read.platforms, lab.claims().variants);
        let said = known(details.platforms, Variants::Said);
        hold!(platforms == said, "its platforms are {} and not {}", listed(platforms), listed(said));
        hold!(is_size(details.size, read.size), "it has {} B and not {}", read.size, details.size);
        // To say it may cost reading the image.
        let unsaid = details.image_id.is_none() && reader.details_are_costly();
        hold!(unsaid || details.image_id == id, "the image ID is {} and not {}", listed(id), listed(details.image_id));
    }
    Ok(())
}
