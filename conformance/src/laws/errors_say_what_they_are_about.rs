//! An error names the place, the image or the part that it is about.

use transship_core::{Body, Error, ErrorKind, Expect, ImageDestination, ImageName, ReadOptions, WriteMode};

use super::{fails, one_line, write_archive};
use crate::broken::hold;
use crate::expected::Entry;
use crate::lab::{Lab, Way, how};
use crate::model::Image;
use crate::runner::Kit;
use crate::streams::failing;
use crate::strategies::plain_images;
use crate::{Ability, Broken, Facts, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "errors_say_what_they_are_about",
    sentence: "An error names the place, the image or the part that it is about.",
    promises: &[
        "An expectation, `expect`'s or the body's own, that does not hold fails the put and stores nothing.",
        "What it lists can be committed; what it does not is refused with `Unsupported`.",
        "`NotFound` when the archive or the image is not there; the error lists the names that are.",
    ],
    needs: &[],
    cost: 4,
    check,
};

fn check(kit: &Kit) -> Held {
    kit.each(plain_images(kit.facts()), |lab, image| {
        lab.step(puts(lab, image))?;
        let other = lab.another()?;
        other.step(unsupported(&other, image))?;
        lab.step(other_name(lab, image))
    })
}

/// The names that are there.
const NAMES: [&str; 2] = ["kit:1", "more:1"];

/// Any of these has to be in the text.
fn names<T>(done: transship_core::Result<T>, any: &[&str], what: &str) -> Held<Option<Error>> {
    let Err(e) = done else { return Ok(None) };
    one_line(&e)?;
    let text = e.to_string();
    let one = any.iter().any(|name| text.contains(name));
    hold!(one, "{what}: the error names none of {any:?}: {text}");
    Ok(Some(e))
}

async fn puts(lab: &Lab, image: &Image) -> Held {
    let built = image.build()?;
    let destination = lab.destination(WriteMode::Create, &lab.facts().some_name()).await?;
    let place = lab.at().locator();
    for blob in &built.blobs {
        let digest = blob.descriptor.digest.to_string();
        let about = [place, digest.as_str()];
        let mut longer = blob.bytes.to_vec();
        longer.push(0);
        for way in [Way::Bytes, Way::Stream, Way::File] {
            let put = put(&*destination, &blob.descriptor, way.body(&longer.clone().into())?).await;
            let failed = names(put, &about, &format!("putting wrong bytes, {way}"))?;
            hold!(failed.is_some(), "putting wrong bytes succeeds");
        }
        let error = Error::new(ErrorKind::Unavailable, "the kit gave up");
        let body = Body::from_stream(failing(&blob.bytes, blob.bytes.len() / 2, error));
        let failed = names(put(&*destination, &blob.descriptor, body).await, &about, "a body that fails")?;
        hold!(failed.is_some(), "putting a body that fails succeeds");
    }
    Ok(())
}

async fn put(
    destination: &dyn ImageDestination,
    of: &transship_core::Descriptor,
    body: Body,
) -> transship_core::Result<transship_core::Stored> {
    destination.put_blob(Expect::from(of), body).await
}

/// What the claims leave out, where they do.
async fn unsupported(lab: &Lab, image: &Image) -> Held {
    let place = lab.at().locator();
    let opened = lab.transport().destination(lab.at(), &how(WriteMode::Append, &[])).await;
    names(opened, &[place], "joining")?;
    let named = how(WriteMode::Create, &Facts::strictest().some_name());
    names(lab.transport().destination(lab.at(), &named).await, &[place, "kit:1"], "a name")?;
    let child = crate::model::Child {
        node: crate::model::Node::Image(image.clone()),
        presence: crate::model::Presence::Here,
    };
    let format = crate::model::Format::Oci;
    let index = crate::model::Index { format, children: vec![child], described: false }.build()?;
    let destination = lab.destination(WriteMode::Create, &[]).await?;
    let digest = index.root.descriptor().digest.to_string();
    let about = [place, digest.as_str()];
    for blob in &index.blobs {
        let put = put(&*destination, &blob.descriptor, Way::Bytes.body(&blob.bytes)?).await;
        if names(put, &[place, blob.descriptor.digest.as_ref()], "a blob of an index")?.is_some() {
            return Ok(());
        }
    }
    for manifest in &index.below {
        let put = destination.put_manifest(manifest).await;
        if names(put, &[place, manifest.descriptor().digest.as_ref()], "a child")?.is_some() {
            return Ok(());
        }
    }
    let done = destination.commit(transship_core::Commit::new(&index.root)).await;
    names(done, &about, "committing an index").map(drop)
}

/// The images that are there have other names.
async fn other_name(lab: &Lab, image: &Image) -> Held {
    if lab.facts().some_name().is_empty() || !lab.has(Ability::ManyImages) {
        return Ok(());
    }
    let entry = |(seed, name): (u8, &str)| {
        let names = vec![ImageName::new(&format!("docker.io/library/{name}"))?];
        Ok(Entry { built: Image { seed, ..image.clone() }.build()?, names })
    };
    let entries = (0..).zip(NAMES).map(entry);
    write_archive(lab, WriteMode::Create, &entries.collect::<Held<Vec<_>>>()?).await?;
    let text = format!("{}:docker.io/library/other:1", lab.at().locator());
    let Ok(at) = lab.transport().parse(&text) else { return Ok(()) };
    let Err(e) = lab.transport().source(&at, &ReadOptions::default()).await else {
        return Err(Broken::new(format!("{at} opens, and no image has that name")));
    };
    fails::<()>(Err(e), &[ErrorKind::NotFound], &NAMES, "a name that no image has")
}
