//! What a transfer would do.

use std::collections::HashSet;

use transship_core::{ArchiveWriter, ImageDestination, ImageName, Result, Transports};

use crate::execute::{about, works};
use crate::forms::Handling;
use crate::open::{self, Opened};
use crate::prepare::{names_for, only, plan_one, untaken};
use crate::report::{BlobFate, Plan, PlannedBlob, PlannedImage};
use crate::target::{self, Target};
use crate::tell::Teller;
use crate::{Destination, Events, Source, TransferOptions};

/// Plans a transfer. What is opened for writing is dropped again.
pub(crate) async fn dry_run(
    sources: &[Source],
    destination: &Destination,
    options: &TransferOptions,
    (from, to): (Transports, Transports),
) -> Result<Plan> {
    // Nothing happens, so nobody is told.
    let teller = Teller::new(Events::default());
    let tell = teller.handle();
    let opened = open::open(sources, &from, options, &tell).await?;
    let names = opened.first().map_or(&[][..], |first| &first.names);
    let ours;
    match destination {
        Destination::Reference(at) => {
            ours = target::open(at, &to, options, opened.len(), names, &tell).await?;
            match &ours {
                Target::One(image) => foresee_one(&**image, &opened, options).await,
                Target::Many(writer) => foresee_many(&**writer, &opened, options).await,
            }
        }
        Destination::Image(image) => {
            target::check_fixed(&**image, options)?;
            foresee_one(&**image, &opened, options).await
        }
        Destination::Archive(writer) => foresee_many(&**writer, &opened, options).await,
    }
}

async fn foresee_one(
    image: &dyn ImageDestination,
    opened: &[Opened<'_>],
    options: &TransferOptions,
) -> Result<Plan> {
    let opened = only(image, opened)?;
    let names = image.names().to_vec();
    Ok(Plan { images: vec![foresee(opened, image, names, options).await?] })
}

async fn foresee_many(
    writer: &dyn ArchiveWriter,
    opened: &[Opened<'_>],
    options: &TransferOptions,
) -> Result<Plan> {
    target::check_names(options, opened.len())?;
    let mut plan = Plan::default();
    let mut told = HashSet::new();
    for opened in opened {
        let place = target::place(writer, names_for(opened, options)).await?;
        let mut image = foresee(opened, &*place.image, place.names.clone(), options).await?;
        image.blobs.retain(|blob| told.insert((blob.digest.clone(), blob.fate.to_string())));
        image.lost.extend(place.refused.iter().map(|name| untaken(name, &*place.image)));
        plan.images.push(image);
    }
    Ok(plan)
}

async fn foresee(
    opened: &Opened<'_>,
    destination: &dyn ImageDestination,
    names: Vec<ImageName>,
    options: &TransferOptions,
) -> Result<PlannedImage> {
    let source = opened.image.get();
    let plan = plan_one(source, destination, options).await.map_err(|e| about(source, e))?;
    let mut blobs = Vec::new();
    for work in works(&plan) {
        let expect = work.expect();
        let there = expect.digest.is_some() && destination.has(&expect).await?.is_some();
        let fate = match work.key.to {
            _ if there => BlobFate::Reused,
            Some(to) => BlobFate::Changed { to },
            None => BlobFate::Moved,
        };
        blobs.push(PlannedBlob::new(&work.source, fate));
    }
    for layer in plan.root.images().iter().flat_map(|leaf| &leaf.layers) {
        if layer.handling == Handling::LeaveOut {
            blobs.push(PlannedBlob::new(&layer.source, BlobFate::LeftOut));
        }
    }
    Ok(PlannedImage {
        source: source.reference().clone(),
        destination: destination.reference().clone(),
        names,
        source_digest: plan.source.digest.clone(),
        source_media_type: plan.source.media_type.clone(),
        media_type: plan.root.media_type(),
        digest_kept: plan.root.is_kept(),
        platforms: plan.platforms,
        blobs,
        lost: plan.lost,
        warnings: [opened.warnings.clone(), plan.warnings].concat(),
    })
}
