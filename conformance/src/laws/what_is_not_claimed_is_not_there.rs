//! What a transport claims not to have it does not offer: no container where a place holds one image, no deletion, no
//! collection, no signatures, no referrers.

use transship_core::{ErrorKind, ImageName, ReadOptions, WriteMode};

use super::{all, fails, some_name};
use crate::broken::{While, hold};
use crate::lab::{Lab, how};
use crate::model::Image;
use crate::runner::Kit;
use crate::{
    Aliases, Collection, Deletion, Empty, Held, Holds, Law, Names, Referrers,
    Signatures,
};

pub(crate) const LAW: Law = Law {
    name: "what_is_not_claimed_is_not_there",
    sentence: "What a transport claims not to have it does not offer, and what it claims to have it does.",
    promises: &["It is there if, and only if, a place holds several images."],
    not_claimed: all,
    cost: 8,
    check,
};

fn check(kit: &Kit) -> Held {
    kit.each(0_u8..50, |lab, seed| {
        let (transport, claims) = (lab.transport(), lab.claims());
        let says = |has: bool, claimed: bool, what: &str| -> Held {
            hold!(has == claimed, "{what}: it has it is {has}, and it claims {claimed}");
            Ok(())
        };
        says(transport.archives().is_some(), claims.holds == Holds::Many, "archives()")?;
        says(transport.deletion().is_some(), claims.deletion == Deletion::Deletes, "deletion()")?;
        let collects = claims.collection == Collection::Collects;
        says(transport.collection().is_some(), collects, "collection()")?;
        let built = Image::simple(*seed).build()?;
        let names = some_name(claims);
        lab.step(lab.write(&built, WriteMode::Create, &names))?;
        lab.step(async {
            let source = transport.source(lab.at(), &ReadOptions::default()).await;
            let Ok(source) = source else { return Ok(()) };
            let kept = claims.referrers == Referrers::Kept;
            says(source.referrers().is_some(), kept, "referrers() of a source")?;
            let kept = claims.signatures == Signatures::Kept;
            says(source.signatures().is_some(), kept, "signatures() of a source")
        })?;
        let other = lab.another()?;
        other.step(of_no_images(&other))?;
        other.step(aliases(&other))
    })
}

/// A container that nothing was written to.
async fn of_no_images(lab: &Lab) -> Held {
    if !lab.holds_many() {
        return Ok(());
    }
    lab.writer(WriteMode::Create).await?.finish().await.during(|| "finishing without an image")?;
    let listed = lab.archives()?.read(lab.at(), &ReadOptions::default()).await;
    match lab.claims().empty {
        Empty::Held => {
            let count = listed.during(|| "listing a container of no images")?.entries().len();
            hold!(count == 0, "a container of no images lists {count}");
            Ok(())
        }
        Empty::None => {
            let kinds = [ErrorKind::NotFound];
            fails(listed.map(|_| ()), &kinds, &[], "listing where no image was written")
        }
    }
}

/// Two names for one image, where it may have one.
async fn aliases(lab: &Lab) -> Held {
    let claims = lab.claims();
    if claims.aliases == Aliases::Held || claims.names == Names::None {
        return Ok(());
    }
    let names: Vec<ImageName> = ["docker.io/library/kit:1", "docker.io/library/kit:2"]
        .iter()
        .map(|name| ImageName::new(name))
        .collect::<Result<_, _>>()?;
    let opened = lab.transport().destination(lab.at(), &how(lab.again(), &names)).await;
    fails(opened.map(|_| ()), &[ErrorKind::Unsupported], &[], "opening with two names")
}
