//! A `finish` that failed loses nothing: called again without the obstacle, it writes all images.

use std::fs;
use std::path::{Path, PathBuf};

use transship_core::{ArchiveWriter, ErrorKind, WriteMode};

use super::deletion_removes_that_image_alone::delete;
use super::{fails, files_in, write_archive};
use crate::broken::{While, hold};
use crate::child;
use crate::expected::{self, Entry};
use crate::lab::{Lab, commit, put_all, put_missing};
use crate::model::{Archive, Built, Image, Named, Node};
use crate::runner::Kit;
use crate::snapshot::Shown;
use crate::strategies::archives as generated;
use crate::{Ability, Broken, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "a_finish_that_failed_can_be_called_again",
    sentence: "A `finish` that failed loses nothing: called again without the obstacle, it writes all images.",
    promises: &[
        "When it fails, it can be called again: all images that were committed are still there for it.",
    ],
    needs: &[Ability::ManyImages, Ability::ShowsAtFinish, Ability::ReplacesArchives],
    cost: 2,
    check,
};

fn check(kit: &Kit) -> Held {
    // Each file of a small archive.
    let node = Node::Image(Image::simple(5).fit_for(kit.facts()));
    let small = Archive { images: vec![Named { node, names: kit.facts().some_name() }] };
    let corners: Vec<_> = (0..6).map(|which| (small.clone(), which)).collect();
    let inputs = (generated(kit.facts(), 3), 0_usize..60);
    kit.each_with(&corners, inputs, |lab, (archive, which)| {
        another_came(lab, archive)?;
        if lab.files().is_none() || archive.images.is_empty() {
            return Ok(());
        }
        something_is_in_the_way(&lab.another()?, archive, *which)?;
        if !lab.has(Ability::Append) {
            return Ok(());
        }
        if lab.has(Ability::Deletion) {
            what_it_found_went(&lab.another()?, archive)?;
        }
        damaged_meanwhile(&lab.another()?, archive, *which)
    })
}

/// One that is not there.
fn other() -> Held<Built> {
    Image { seed: 77, ..Image::simple(9) }.build()
}

async fn fill(lab: &Lab, mode: WriteMode, entries: &[Entry]) -> Held<Box<dyn ArchiveWriter>> {
    let writer = lab.writer(mode).await?;
    for Entry { names, built } in entries {
        let destination = writer.image(names).await.during(|| "opening an image")?;
        put_all(&*destination, built).await?;
        commit(destination, built).await?;
    }
    Ok(writer)
}

/// What is to be created came meanwhile, and goes again.
fn another_came(lab: &Lab, archive: &Archive) -> Held {
    let entries = expected::build(archive)?;
    lab.step(async {
        let mut writer = fill(lab, WriteMode::Create, &entries).await?;
        lab.write(&other()?, WriteMode::Create, &lab.facts().some_name()).await?;
        for what in ["finishing a writer that was opened to create", "calling finish again"] {
            let what = format!("{what}, where another archive came meanwhile");
            fails(writer.finish().await, &[ErrorKind::AlreadyExists], &[], &what)?;
        }
        // The kit can take the other one away where it can see what is stored.
        if lab.files().is_none() {
            return Ok(());
        }
        remove(Path::new(lab.at().locator()))?;
        writer.finish().await.during(|| "calling finish again, when the other archive has gone")
    })?;
    if lab.files().is_none() {
        return Ok(());
    }
    shows(lab, entries)
}

/// What the last image has found goes meanwhile, and comes again.
fn what_it_found_went(lab: &Lab, archive: &Archive) -> Held {
    let entries = expected::build(archive)?;
    let entry = |number| {
        let names = child::names(number, lab.facts())?;
        Ok::<_, Broken>(Entry { built: child::image(number)?, names })
    };
    let (base, above) = (entry(1)?, entry(2)?);
    lab.step(async {
        let there = lab.write(&base.built, WriteMode::Create, &base.names).await?;
        let mut writer = fill(lab, WriteMode::Append, &entries).await?;
        let destination = writer.image(&above.names).await.during(|| "opening an image")?;
        put_missing(&*destination, &above.built).await?;
        commit(destination, &above.built).await?;
        delete(lab, &there.references[0].to_string()).await?;
        // No collection: it may wait for the writer.
        let failed = writer.finish().await.is_err();
        lab.write(&base.built, WriteMode::Append, &base.names).await?;
        if failed {
            let again = writer.finish().await;
            again.during(|| "calling finish again, when what it had found is back")?;
        }
        Ok(())
    })?;
    let snapshot = lab.snapshot()?;
    for Entry { built, .. } in entries.iter().chain([&base, &above]) {
        let is_it = |shown: &Shown| shown.seen.is(built, lab.facts()).is_ok();
        let root = &built.root.descriptor().digest;
        hold!(snapshot.images().iter().any(is_it), "{root} of the writer is lost");
    }
    Ok(())
}

fn shows(lab: &Lab, written: Vec<Entry>) -> Held {
    let want = expected::shown(written, lab.facts());
    expected::check_taken(&lab.snapshot()?, &want, lab.facts())
        .map_err(|e| e.while_doing("after the finish that succeeded"))
}

/// Where one of its files will be, a folder is.
fn something_is_in_the_way(lab: &Lab, archive: &Archive, which: usize) -> Held {
    // Where its files will be is seen in another place.
    let like = lab.another()?;
    like.step(write_archive(&like, WriteMode::Create, &expected::build(archive)?))?;
    let mut files = Vec::new();
    files_in(like.folder()?, &mut files)?;
    files.sort();
    let Some(file) = files.get(which % files.len().max(1)) else { return Ok(()) };
    let file = file.strip_prefix(like.folder()?).unwrap_or(file);
    let (shown, obstacle) = (file.display(), lab.folder()?.join(file));
    let entries = expected::build(archive)?;
    lab.step(async {
        let mut writer = fill(lab, WriteMode::Create, &entries).await?;
        if obstacle.exists() {
            return writer.finish().await.during(|| "finishing a writer");
        }
        let made = make_folder(&obstacle)?;
        fs::write(obstacle.join("obstacle"), b"obstacle")?;
        let done = writer.finish().await.is_ok();
        if !done || obstacle.join("obstacle").exists() {
            let what = || format!("{shown}, a folder that was in the way");
            fs::remove_dir_all(&obstacle).during(what)?;
        }
        // Those above it may be in use by now.
        for folder in made {
            let _ = fs::remove_dir(folder);
        }
        if done {
            return Ok(());
        }
        let again = writer.finish().await;
        again.during(|| format!("calling finish again, when a folder at {shown} has gone"))
    })?;
    shows(lab, entries)
}

/// Makes a folder, and gives those that were made above it, the lowest first.
fn make_folder(path: &Path) -> Held<Vec<PathBuf>> {
    let above = path.ancestors().skip(1).take_while(|above| !above.exists());
    let made = above.map(Path::to_owned).collect();
    fs::create_dir_all(path)?;
    Ok(made)
}

/// Where a file of what is joined was, a part of it is when it is to be joined, and then the file is back.
fn damaged_meanwhile(lab: &Lab, archive: &Archive, which: usize) -> Held {
    let entries = expected::build(archive)?;
    let there = Entry { built: other()?, names: lab.facts().some_name() };
    lab.step(lab.write(&there.built, WriteMode::Create, &there.names))?;
    let mut files = Vec::new();
    files_in(lab.folder()?, &mut files)?;
    files.sort();
    let Some(file) = files.get(which % files.len().max(1)) else { return Ok(()) };
    let elsewhere = lab.another()?;
    let away = elsewhere.folder()?.join("away");
    lab.step(async {
        let mut writer = fill(lab, WriteMode::Append, &entries).await?;
        let mut part = fs::read(file)?;
        part.truncate(part.len() / 2);
        fs::rename(file, &away)?;
        fs::write(file, &part)?;
        let failed = writer.finish().await.is_err();
        // What was made meanwhile is not taken away.
        if failed || fs::read(file).is_ok_and(|now| now == part) {
            fs::rename(&away, file)?;
        }
        let file = file.strip_prefix(lab.folder()?).unwrap_or(file).display();
        let again = if failed { writer.finish().await } else { Ok(()) };
        again.during(|| format!("calling finish again, when {file} was damaged and is well again"))
    })?;
    shows(lab, [there].into_iter().chain(entries).collect())
}

fn remove(place: &Path) -> Held {
    if place.is_dir() { fs::remove_dir_all(place)? } else { fs::remove_file(place)? }
    Ok(())
}
