//! `cargo xtask bench`: ours, skopeo's and the primitives on one real image, side by side; and into engines and out of them.
//!
//! `--old` takes another build of the command, which is measured beside ours, and `--image` an image of any size.
//! The runs are interleaved and each figure is a median; what is written is removed before each run, and so is the
//! cache that skopeo keeps. Timings never pass or fail anything.

mod engines;
mod measure;
mod pulls;
mod registries;
mod rows;

use std::fs;
use std::path::{Path, PathBuf};

use self::engines::Engines;
use self::measure::{Figures, measure, medians};
use self::registries::Servers;
use self::rows::{Builds, Row, rows};
use crate::args::Args;
use crate::built;
use crate::sh::{self, Result};

pub(crate) fn run(args: &mut Args) -> Result<bool> {
    let runs = args.number("--runs", 5)?;
    let image = args.value("--image")?;
    let old = args.value("--old")?;
    let filter = args.value("--filter")?.unwrap_or_default();
    args.finish()?;
    let folder = sh::target()?.join("bench");
    let image = match image {
        Some(image) => fs::canonicalize(&image).map_err(|e| format!("{image}: {e}"))?,
        None => base(&folder)?,
    };
    let mut builds = vec![("transship", built::released_command()?.display().to_string())];
    builds.extend(old.map(|old| ("old build", old)));
    let scratch = folder.join(format!("run-{}", std::process::id()));
    fs::create_dir_all(&scratch).map_err(|e| format!("{}: {e}", scratch.display()))?;
    let done = table(&Builds(builds), &image, &scratch, runs, &filter);
    let removed = fs::remove_dir_all(&scratch);
    done?;
    removed.map_err(|e| format!("{}: {e}", scratch.display()))?;
    Ok(true)
}

/// The image of a few hundred MB that is made once.
pub(crate) fn base(folder: &Path) -> Result<PathBuf> {
    let image = folder.join("base.tar");
    if !image.exists() {
        println!("making {} (once, a few minutes)", image.display());
        let script = sh::root().join("xtask/bench/make-images");
        let (made, _) = sh::watch(&mut sh::command(script, [folder]))?;
        if !made {
            return Err("the image to measure with could not be made".to_owned());
        }
    }
    Ok(image)
}

fn table(builds: &Builds, image: &Path, scratch: &Path, runs: usize, filter: &str) -> Result<()> {
    let mut rows = rows(builds, image, scratch)?;
    let mut servers = Servers::start(scratch, filter)?;
    if let Some(servers) = &mut servers {
        rows.extend(servers.rows(builds, image, filter)?);
    }
    let engines = Engines::start(scratch, filter)?;
    rows.extend(engines.rows(builds, image)?);
    println!("{}, {runs} runs, medians\n", image.display());
    println!(
        "{:<28} {:<20} {:>7} {:>15} {:>7} {:>9} {:>9} {:>9} {:>8}",
        "work",
        "who",
        "wall s",
        "best to worst",
        "CPU s",
        "peak MiB",
        "writes MB",
        "result MB",
        "ours is"
    );
    for row in rows.iter().filter(|row| row.work.contains(filter)) {
        print(row, &interleaved(row, runs)?);
    }
    Ok(())
}

/// One median for each tool that does the row's work.
fn interleaved(row: &Row, runs: usize) -> Result<Vec<Figures>> {
    let mut all = vec![Vec::new(); row.contenders.len()];
    // The first run warms the page cache and is not counted.
    for run in 0..=runs {
        for (contender, figures) in row.contenders.iter().zip(&mut all) {
            let measured = measure(contender, row)?;
            if run > 0 {
                figures.push(measured);
            }
        }
    }
    Ok(all.iter().map(|figures| medians(figures)).collect())
}

fn print(row: &Row, figures: &[Figures]) {
    let ours = figures.first().map_or(0.0, |ours| ours.wall);
    for (contender, it) in row.contenders.iter().zip(figures) {
        println!(
            "{:<28} {:<20} {:>7.3} {:>6.3} to {:>5.3} {:>7.2} {:>9.1} {:>9.1} {:>9.1} {:>7.2}x",
            row.work,
            contender.who,
            it.wall,
            it.best,
            it.worst,
            it.cpu,
            it.peak,
            it.written,
            it.result,
            it.wall / ours
        );
    }
}
