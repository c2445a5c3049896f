//! A place that is recognized by its bare path is the one that its reference opens, and looking at it changes nothing.

#[cfg(unix)]
use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use transship_core::{Cancel, Candidate, ReadOptions, Recognized, WriteMode};

use crate::broken::{While, hold};
use crate::child::{self, Job, Kind};
use crate::lab::Lab;
use crate::model::{Format, Layer};
use crate::runner::Kit;
use crate::seen::Seen;
use crate::{Ability, Broken, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "a_place_is_recognized_by_its_path",
    sentence: "A place that is recognized by its bare path is the one that its reference opens, and looking at it changes nothing.",
    promises: &[
        "What it recognizes can be read by the locator that it gives, and with what it opened.",
        "It changes nothing, and recognizes no empty file, no empty folder and no text.",
    ],
    needs: &[Ability::Files],
    cost: 8,
    check,
};

fn check(kit: &Kit) -> Held {
    kit.each(0_u8..50, |lab, seed| {
        others(lab)?;
        let built = child::image(*seed)?;
        lab.step(async {
            lab.write(&built, WriteMode::Create, &lab.facts().some_name()).await.map(drop)
        })?;
        let path = PathBuf::from(lab.at().locator());
        if !path.exists() {
            kit.not_able("its locators are no paths");
            return Ok(());
        }
        let before = lab.snapshot()?;
        let found = recognized(lab, &path)?;
        lab.snapshot()?.same(&before).during(|| "after it was recognized")?;
        let Some(found) = found else {
            kit.not_able("it recognizes no paths");
            return Ok(());
        };
        let at = lab.transport().parse(&found.locator).during(|| "parsing what was recognized")?;
        lab.step(async {
            for how in [ReadOptions::default(), ReadOptions::default().with_passed(found.opened)] {
                let transport = lab.other_transport();
                let what = || format!("{at}, recognized by its path");
                let source = transport.source(&at, &how).await.during(what)?;
                let seen = Seen::read(&*source).await.during(what)?;
                seen.is(&built, lab.facts()).during(what)?;
                let Some(archives) = transport.archives() else { continue };
                let listed = archives.read(&at, &how).await.during(what)?.entries().len();
                hold!(listed == 1, "{}: {listed} images are listed of one", what());
            }
            Ok(())
        })?;
        standard_input(lab, *seed, &path)?;
        no_text(lab, &path)
    })
}

/// `-` is the standard input, and no file of that name.
fn standard_input(lab: &Lab, number: u8, path: &Path) -> Held {
    let files: &[Kind] = if path.is_file() { &[Kind::ReadFile, Kind::ReadPipe] } else { &[] };
    for kind in files.iter().chain(&[Kind::ReadNothing]) {
        lab.process(Job { kind: *kind, first: number, count: 1 })?.end()?;
    }
    Ok(())
}

/// A locator is text: that of a place whose path is none could only name another place.
#[cfg(unix)]
fn no_text(lab: &Lab, path: &Path) -> Held {
    let name: OsString = std::os::unix::ffi::OsStringExt::from_vec(b"images\xff".to_vec());
    let other = path.with_file_name(name);
    // Some file systems have names of text alone.
    if fs::rename(path, &other).is_err() {
        return Ok(());
    }
    not_recognized(lab, &other, "a place whose path is no UTF-8")
}

#[cfg(not(unix))]
fn no_text(_: &Lab, _: &Path) -> Held {
    Ok(())
}

fn recognized(lab: &Lab, path: &Path) -> Held<Option<Recognized>> {
    let candidate = Candidate::look(path, &ReadOptions::default()).during(|| "looking at a path")?;
    let found = lab.transport().recognize(&candidate, &Cancel::new());
    found.during(|| format!("recognizing {}", path.display()))
}

/// What is no place of images.
fn others(lab: &Lab) -> Held {
    let folder = tempfile::tempdir()?;
    let inside = |name: &str| folder.path().join(name);
    fs::write(inside("empty"), b"")?;
    fs::write(inside("text"), b"nothing of images\n")?;
    fs::write(inside("json"), b"{\"a\": [1]}")?;
    fs::create_dir(inside("folder"))?;
    fs::create_dir(inside("full"))?;
    fs::write(inside("full/text"), b"nothing of images\n")?;
    for name in ["empty", "text", "json", "folder", "full"] {
        not_recognized(lab, &inside(name), name)?;
    }
    for (name, bytes) in foreign()? {
        fs::write(inside(name), bytes)?;
        not_recognized(lab, &inside(name), name)?;
    }
    Ok(())
}

/// Files of formats in which a place may be, and no place.
fn foreign() -> Held<[(&'static str, Vec<u8>); 5]> {
    let text = b"nothing of images\n";
    let tar = Layer::tar(1, 100).build(Format::Oci)?.bytes.to_vec();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(text)?;
    let zip = [b"PK\x05\x06".as_slice(), &[0; 18]].concat();
    // A database of one page without tables (https://www.sqlite.org/fileformat2.html).
    let mut sqlite = vec![0; 512];
    sqlite[..24].copy_from_slice(b"SQLite format 3\0\x02\0\x01\x01\0\x40\x20\x20");
    (sqlite[31], sqlite[59], sqlite[100], sqlite[105]) = (1, 1, 0x0d, 2);
    Ok([
        ("a tar of a text", tar),
        ("a gzip of a text", gzip.finish()?),
        ("an empty zip", zip),
        ("an empty database of SQLite", sqlite),
        ("text behind zeros", [&[0; 600], text.as_slice()].concat()),
    ])
}

fn not_recognized(lab: &Lab, path: &Path, what: &str) -> Held {
    let candidate = Candidate::look(path, &ReadOptions::default()).during(|| what)?;
    // An error tells nobody that it is a place.
    match lab.transport().recognize(&candidate, &Cancel::new()) {
        Ok(Some(found)) => Err(Broken::new(format!("it recognizes {what}: {}", found.locator))),
        _ => Ok(()),
    }
}
