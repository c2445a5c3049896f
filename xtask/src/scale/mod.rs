//! `cargo xtask scale`: many images, through every archive and back, with what it costs.
//!
//! The archives are made here, the same on every machine. Each step runs twice: timed, and traced, because tracing makes
//! it slow. Times decide nothing; that a second run writes nothing, and that the images come back the same, does.

pub(crate) mod make;
mod trace;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::args::Args;
use crate::sh::{self, Result};
use make::{Made, Shape};
use trace::Traffic;

pub(crate) fn run(args: &mut Args) -> Result<bool> {
    let images = args.value("--images")?;
    let mib = args.value("--mib")?;
    let bundle = args.flag("--bundle");
    args.finish()?;
    let mut shapes = Vec::new();
    if bundle {
        let mib = mib.as_deref().unwrap_or("5120").parse().map_err(|e| format!("--mib: {e}"))?;
        shapes.push(Shape::bundle(mib));
    } else {
        for count in images.as_deref().unwrap_or("10,100,1000,4000").split(',') {
            let count = count.parse().map_err(|e| format!("--images {count}: {e}"))?;
            shapes.push(Shape::small(count));
        }
    }
    let scratch = sh::target()?.join(format!("scale-{}", std::process::id()));
    let scale = Scale {
        transship: sh::transship()?,
        traced: sh::find("strace").is_some(),
        folder: scratch.clone(),
    };
    if !scale.traced {
        println!("strace is not here: bytes are not counted");
    }
    println!("{}", HEAD.join("  "));
    let mut good = true;
    for shape in &shapes {
        let done = scale.shape(shape);
        fs::remove_dir_all(&scratch).map_err(|e| format!("{}: {e}", scratch.display()))?;
        good &= done?;
    }
    Ok(good)
}

const HEAD: [&str; 8] = [
    "images",
    "step                        ",
    "   wall s",
    "    cpu s",
    " peak MiB",
    "  read MB",
    " wrote MB",
    "wrote/unique",
];

struct Scale {
    transship: PathBuf,
    traced: bool,
    folder: PathBuf,
}

/// A copy, from one place to another.
struct Step {
    name: &'static str,
    from: String,
    to: String,
    /// Whether it finds everything in place.
    again: bool,
}

impl Scale {
    fn shape(&self, shape: &Shape) -> Result<bool> {
        fs::create_dir_all(&self.folder).map_err(|e| format!("{}: {e}", self.folder.display()))?;
        let archive = self.folder.join("in.tar");
        let made = make::archive(shape, &archive)?;
        println!(
            "{} images, {:.1} MB apparent, {} unique blobs of {:.1} MB",
            shape.images,
            megabytes(made.apparent),
            made.blobs,
            megabytes(made.unique)
        );
        let mut good = true;
        for step in self.steps(&archive) {
            let traffic = self.step(shape, &made, &step)?;
            if step.again && traffic.is_some_and(|traffic| traffic.written > 0) {
                println!("FAILED  {} has written", step.name);
                good = false;
            }
        }
        if self.ids(&archive)? != self.ids(&self.folder.join("back.tar"))? {
            println!("FAILED  the images have not come back the same");
            good = false;
        }
        Ok(good)
    }

    fn steps(&self, archive: &Path) -> Vec<Step> {
        let at =
            |scheme: &str, name: &str| format!("{scheme}:{}", self.folder.join(name).display());
        let from = format!("docker-archive:{}", archive.display());
        let step = |name, from: &str, to: &str, again| Step {
            name,
            from: from.to_owned(),
            to: to.to_owned(),
            again,
        };
        let (layout, tar, back) =
            (at("oci", "layout"), at("oci-archive", "out.tar"), at("docker-archive", "back.tar"));
        vec![
            step("docker-archive -> oci", &from, &layout, false),
            step("the same again", &from, &layout, true),
            step("oci -> oci-archive", &layout, &tar, false),
            step("oci-archive -> docker-archive", &tar, &back, false),
        ]
    }

    /// Runs it timed, then undoes it and runs it traced.
    fn step(&self, shape: &Shape, made: &Made, step: &Step) -> Result<Option<Traffic>> {
        let [wall, cpu, peak] = self.timed(step)?;
        let traffic = if self.traced {
            if !step.again {
                Self::undo(step)?;
            }
            Some(trace::run(&self.copy(step), &self.folder)?)
        } else {
            None
        };
        let shown = |bytes: Option<u64>| {
            bytes.map_or_else(|| "-".to_owned(), |bytes| format!("{:.1}", megabytes(bytes)))
        };
        let written = traffic.map(|traffic| traffic.written);
        let ratio = written.map_or_else(
            || "-".to_owned(),
            |written| format!("{:.3}", megabytes(written) / megabytes(made.unique)),
        );
        println!(
            "{:>6}  {:<28}  {wall:>9.2}  {cpu:>9.2}  {peak:>9.1}  {:>9}  {:>9}  {ratio:>12}",
            shape.images,
            step.name,
            shown(traffic.map(|traffic| traffic.read)),
            shown(written),
        );
        Ok(traffic)
    }

    fn copy(&self, step: &Step) -> Vec<String> {
        let words = ["copy", "--quiet", "--all-images", "--compress", "keep", &step.from, &step.to];
        let mut command = vec![self.transship.display().to_string()];
        // An archive of docker's holds plain layers; all of these are plain.
        command.extend(words.iter().map(|&word| word.to_owned()));
        command
    }

    /// Seconds, seconds of processors, MiB.
    fn timed(&self, step: &Step) -> Result<[f64; 3]> {
        let figures = self.folder.join("time");
        let told = figures.display().to_string();
        let mut time = self.command("time");
        time.args(["-f", "%U %S %M", "-o", &told]).args(self.copy(step));
        let begun = Instant::now();
        sh::stdout(&mut time)?;
        let wall = begun.elapsed().as_secs_f64();
        let text = fs::read_to_string(&figures).map_err(|e| format!("{told}: {e}"))?;
        let numbers: Vec<f64> = text.split_whitespace().filter_map(|n| n.parse().ok()).collect();
        let [user, system, kibibytes] = numbers[..] else {
            return Err(format!("time said {text:?}"));
        };
        Ok([wall, user + system, kibibytes / 1024.0])
    }

    /// With a cache of its own, which lives as long as the images.
    fn command(&self, program: &str) -> Command {
        let mut command = sh::command(program, [""; 0]);
        command.env("XDG_CACHE_HOME", self.folder.join("cache"));
        command
    }

    fn undo(step: &Step) -> Result<()> {
        let (_, path) = step.to.split_once(':').ok_or("a place without a path")?;
        let removed = match Path::new(path) {
            folder if folder.is_dir() => fs::remove_dir_all(folder),
            file => fs::remove_file(file),
        };
        removed.map_err(|e| format!("{path}: {e}"))
    }

    fn ids(&self, archive: &Path) -> Result<Vec<(String, String)>> {
        let place = format!("docker-archive:{}", archive.display());
        let mut list = self.command(&self.transship.display().to_string());
        let listed = sh::json(list.args(["list", "--json", &place]))?;
        let images = listed["images"].as_array().ok_or("list --json has no images")?;
        Ok(images.iter().map(|i| (i["image_id"].to_string(), i["names"].to_string())).collect())
    }
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
