//! Many who write to one place at once lose nothing: each image is there, whole, under its name.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use transship_core::{
    Commit, ErrorKind, Expect, ImageDestination, ImageName, ReadOptions, WriteMode,
};

use crate::broken::{While, hold};
use crate::lab::{Lab, how};
use crate::model::{Built, Image};
use crate::runner::Kit;
use crate::seen::Seen;
use crate::strategies::plain_images;
use crate::{Ability, Broken, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "many_writers_lose_nothing",
    sentence: "Many who write to one place at once lose nothing: each image is there, whole, under its name.",
    promises: &["Any number may append to one archive at once; none loses another's image."],
    needs: &[Ability::ManyImages, Ability::Append, Ability::Names, Ability::ManyWriters],
    cost: 2,
    check,
};

fn check(kit: &Kit) -> Held {
    kit.each(proptest::collection::vec(plain_images(kit.facts()), 2..6), |lab, images| {
        let all = images.iter().enumerate().map(|(at, image)| named(image, at));
        let all = all.collect::<Held<Vec<_>>>()?;
        lab.step(write_all(lab, &all))?;
        let snapshot = lab.snapshot()?;
        for (built, name) in &all {
            let found = snapshot.images().iter().find(|image| image.seen.names.contains(name));
            let found = found.ok_or_else(|| Broken::new(format!("{name} is lost")))?;
            found.seen.is(built, lab.facts()).during(|| name.to_string())?;
        }
        Ok(())
    })
}

fn named(image: &Image, at: usize) -> Held<(Built, ImageName)> {
    // Different images: equal ones would be one image with several names.
    let image = Image { seed: u8::try_from(at).unwrap_or(0), ..image.clone() };
    let name = format!("docker.io/library/kit:{at}");
    Ok((image.build()?, ImageName::new(&name)?))
}

async fn write_all(lab: &Lab, all: &[(Built, ImageName)]) -> Held {
    // Some have a value of the transport in common; some write archives, others images.
    let shared = lab.other_transport();
    let tasks = all.iter().enumerate().map(|(number, (built, name))| {
        let transport = if number % 2 == 0 { Arc::clone(&shared) } else { lab.other_transport() };
        let (at, built, name) = (lab.at().clone(), built.clone(), name.clone());
        tokio::spawn(async move {
            if number % 3 == 1 && let Some(archives) = transport.archives() {
                let mut writer = archives.write(&at, &how(WriteMode::Append, &[])).await?;
                fill(writer.image(&[name]).await?, &built).await?;
                return writer.finish().await;
            }
            let how = how(WriteMode::Append, &[name]);
            fill(transport.destination(&at, &how).await?, &built).await
        })
    });
    let looks = reads_meanwhile(lab, all);
    let (written, looked) = futures_util::future::join(join_all(tasks), looks).await;
    looked.during(|| "reading while others write")?;
    for done in written {
        let done = done.map_err(|e| Broken::new(format!("a writer panicked: {e}")))?;
        done.during(|| "one of many writers")?;
    }
    hold!(!all.is_empty(), "nobody wrote");
    Ok(())
}

/// What is listed while others write is whole, and one of their images.
async fn reads_meanwhile(lab: &Lab, all: &[(Built, ImageName)]) -> Held {
    let transport = lab.other_transport();
    for _ in 0..6 {
        tokio::task::yield_now().await;
        let Some(archives) = transport.archives() else { return Ok(()) };
        let reader = match archives.read(lab.at(), &ReadOptions::default()).await {
            Err(e) if e.kind() == ErrorKind::NotFound => continue,
            reader => reader?,
        };
        for entry in reader.entries() {
            let source = reader.open(entry).await.during(|| entry.reference.to_string())?;
            let seen = Seen::read(&*source).await.during(|| entry.reference.to_string())?;
            let known = all.iter().any(|(built, _)| seen.is(built, lab.facts()).is_ok());
            hold!(known, "{} is none of the images that are being written", entry.reference);
        }
    }
    Ok(())
}

async fn fill(
    destination: Box<dyn ImageDestination + '_>,
    built: &Built,
) -> transship_core::Result<()> {
    // The others open theirs meanwhile.
    tokio::time::sleep(Duration::from_millis(2)).await;
    for blob in &built.blobs {
        let expect = Expect::from(&blob.descriptor);
        if destination.has(&expect).await?.is_none() {
            let body = transship_core::Body::from_bytes(blob.bytes.clone());
            destination.put_blob(expect, body).await?;
        }
    }
    destination.commit(Commit::new(&built.root)).await.map(|_| ())
}
