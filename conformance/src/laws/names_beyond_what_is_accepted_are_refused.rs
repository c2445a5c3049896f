//! Names beyond what is accepted are refused at opening, with `Unsupported`, and fallback names are left out quietly.

use transship_core::{AcceptsNames, ErrorKind, ImageName, WriteMode};

use super::fails;
use crate::broken::{While, hold, listed};
use crate::lab::{Lab, how};
use crate::runner::Kit;
use crate::strategies::{docker_names, meaning, names};
use crate::{Ability, Chosen, Held, Law, Names};

pub(crate) const LAW: Law = Law {
    name: "names_beyond_what_is_accepted_are_refused",
    sentence: "Names beyond what is accepted are refused at opening, with `Unsupported`, and fallback names are left out quietly.",
    promises: &[
        "The image's names are fixed here",
        "They do not change.",
        "A fallback name that this place cannot hold is not among them.",
    ],
    needs: &[],
    cost: 2,
    check,
};

const NO_NAME: &str = "UPPER CASE and spaces";

/// A name of the OCI layout's grammar.
const OF_A_LAYOUT: &str = "kit+1";

/// A name whose host is an address of IPv6.
const IPV6: &str = "[::1]:5000/x:1";

fn check(kit: &Kit) -> Held {
    let name = match kit.facts().claims.names {
        Names::DockerNotIpv6 => names(kit.facts()),
        _ => docker_names(),
    };
    kit.each(proptest::collection::vec(name, 1..4), |lab, names| {
        let before = lab.snapshot()?;
        lab.step(given(lab, names))?;
        lab.step(fallback(lab, names))?;
        lab.snapshot()?.same(&before)
    })
}

async fn given(lab: &Lab, names: &[ImageName]) -> Held {
    let opened = lab.transport().destination(lab.at(), &how(WriteMode::Create, names)).await;
    if !lab.has(Ability::Names) {
        return fails(opened, &[ErrorKind::Unsupported], &[], "opening with a name");
    }
    let destination = opened.during(|| "opening with names")?;
    hold!(destination.accepts().names != AcceptsNames::None, "a destination opened without names accepts names, and one opened with names says `AcceptsNames::None`");
    let distinct: std::collections::BTreeSet<_> =
        names.iter().map(|name| meaning(name, lab.facts())).collect();
    let have: std::collections::BTreeSet<_> =
        destination.names().iter().map(|name| meaning(name, lab.facts())).collect();
    if destination.accepts().names == AcceptsNames::Many {
        hold!(have == distinct, "it took the names {} of {}", listed(have), listed(distinct));
    }
    let mut both = how(WriteMode::Create, names);
    both.fallback_names = vec![ImageName::new("docker.io/library/fallback:1")?];
    let opened = lab.transport().destination(lab.at(), &both).await.during(|| "opening")?;
    hold!(
        opened.names() == destination.names(),
        "given names, it takes those to fall back to: {}",
        listed(opened.names())
    );
    for name in no_names(lab.claims().names) {
        refused(lab, name).await?;
    }
    Ok(())
}

/// Names that a place cannot hold.
fn no_names(names: Names) -> &'static [&'static str] {
    match names {
        Names::AnyText => &[],
        Names::OciOrDocker => &[NO_NAME],
        Names::Docker => &[NO_NAME, OF_A_LAYOUT],
        Names::DockerNotIpv6 => &[NO_NAME, OF_A_LAYOUT, IPV6],
    }
}

async fn refused(lab: &Lab, name: &str) -> Held {
    let bad = ImageName::new(name)?;
    let how = how(WriteMode::Create, std::slice::from_ref(&bad));
    let opened = lab.transport().destination(lab.at(), &how).await;
    let kinds = [ErrorKind::Unsupported, ErrorKind::InvalidInput];
    fails(opened, &kinds, &[name], "opening with a name that is none here")?;
    if lab.has(Ability::ManyImages) {
        let writer = lab.writer(WriteMode::Create).await?;
        let opened = writer.image(&[bad]).await;
        fails(opened, &kinds, &[name], "opening an image of a writer with such a name")?;
    }
    Ok(())
}

async fn fallback(lab: &Lab, names: &[ImageName]) -> Held {
    let mut how = how(WriteMode::Create, &[]);
    how.fallback_names = names.to_vec();
    // A place that holds any text has to take this one, too.
    how.fallback_names.push(ImageName::new(NO_NAME)?);
    for name in no_names(lab.claims().names).iter().filter(|name| **name != NO_NAME) {
        how.fallback_names.push(ImageName::new(name)?);
    }
    let opened = lab.transport().destination(lab.at(), &how).await;
    let destination = opened.during(|| "opening with fallback names that it may not hold")?;
    if lab.claims().chosen == Chosen::ByName {
        // The reference has a name already.
        return Ok(());
    }
    let some = !destination.names().is_empty();
    hold!(some == (lab.has(Ability::Names)), "of fallback names it took {}", listed(destination.names()));
    Ok(())
}
