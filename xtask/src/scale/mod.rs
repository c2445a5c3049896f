//! `cargo xtask scale`: many images, through every archive and back, with what it costs.
//!
//! The archives are made here, the same on every machine. Each step runs twice: timed, and traced, because tracing makes
//! it slow. Times decide nothing. What decides: each blob is read once and written once, a second run writes nothing, the
//! images come back the same; and for the bundle, what a week's delta costs and comes to.

mod delta;
mod disk;
pub(crate) mod make;
mod pipes;
mod trace;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::args::Args;
use crate::built;
use crate::sh::{self, Cost, Result};
use make::{Made, Shape};
use trace::Traffic;

pub(crate) fn run(args: &mut Args) -> Result<bool> {
    let images = args.value("--images")?;
    let mib = args.number("--mib", 5120)?;
    let bundle = args.flag("--bundle");
    let piped = args.flag("--pipes");
    args.finish()?;
    let scratch = sh::target()?.join(format!("scale-{}", std::process::id()));
    if piped {
        let done = pipes::run(mib, &scratch);
        fs::remove_dir_all(&scratch).map_err(|e| format!("{}: {e}", scratch.display()))?;
        return done;
    }
    let mut shapes = Vec::new();
    if bundle {
        shapes.push(Shape::bundle(mib));
    } else {
        for count in images.as_deref().unwrap_or("10,100,1000,4000").split(',') {
            let count = count.parse().map_err(|e| format!("--images {count}: {e}"))?;
            shapes.push(Shape::small(count));
        }
    }
    let scale = Scale {
        transship: built::released_command()?,
        traced: sh::find("strace").is_some(),
        folder: scratch.clone(),
    };
    if !scale.traced {
        println!("strace is not here: bytes are not counted");
    }
    println!("{}", HEAD.join("  "));
    let mut good = true;
    for shape in &shapes {
        let done = scale.shape(shape, bundle);
        fs::remove_dir_all(&scratch).map_err(|e| format!("{}: {e}", scratch.display()))?;
        good &= done?;
    }
    Ok(good)
}

/// The bytes of an image's documents, and of the headers around its blobs.
const DOCUMENTS: u64 = 16 << 10;

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
    options: Vec<String>,
}

impl Step {
    fn new(name: &'static str, from: &str, to: &str) -> Self {
        let (from, to) = (from.to_owned(), to.to_owned());
        Self { name, from, to, again: false, options: Vec::new() }
    }

    /// The same, which has been done.
    fn again(name: &'static str, done: &Self) -> Self {
        let again = Self { again: true, ..Self::new(name, &done.from, &done.to) };
        // A layout is joined unasked.
        if done.to.starts_with("oci:") { again } else { again.with(&["--append"]) }
    }

    fn with(mut self, options: &[&str]) -> Self {
        self.options.extend(options.iter().map(|&option| option.to_owned()));
        self
    }
}

impl Scale {
    fn shape(&self, shape: &Shape, is_bundle: bool) -> Result<bool> {
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
        for step in self.steps() {
            let traffic = self.step(shape, &made, &step)?;
            good &= traffic.is_none_or(|traffic| once(shape, &made, &step, traffic));
        }
        let back = self.ids(&archive)? == self.ids(&self.folder.join("back.tar"))?;
        good &= decided(back, "the images have come back the same");
        if is_bundle {
            good &= delta::run(self, shape)?;
        }
        Ok(good)
    }

    /// Something in the folder, as a reference.
    fn at(&self, scheme: &str, name: &str) -> String {
        format!("{scheme}:{}", self.folder.join(name).display())
    }

    fn steps(&self) -> Vec<Step> {
        let (from, layout) = (self.at("docker-archive", "in.tar"), self.at("oci", "layout"));
        let (tar, back) =
            (self.at("oci-archive", "out.tar"), self.at("docker-archive", "back.tar"));
        let to_layout = Step::new("docker-archive -> oci", &from, &layout);
        let to_archive = Step::new("oci -> oci-archive", &layout, &tar);
        let to_saved = Step::new("oci-archive -> docker-archive", &tar, &back);
        let again =
            [&to_layout, &to_archive, &to_saved].map(|done| Step::again("the same again", done));
        let [layout_again, archive_again, saved_again] = again;
        vec![to_layout, layout_again, to_archive, archive_again, to_saved, saved_again]
    }

    /// Runs it timed, then undoes it and runs it traced.
    fn step(&self, shape: &Shape, made: &Made, step: &Step) -> Result<Option<Traffic>> {
        let cost = self.timed(step)?;
        let traffic = if self.traced {
            if !step.again {
                Self::undo(step)?;
            }
            Some(trace::run(&self.copy(step), &self.folder)?)
        } else {
            None
        };
        row(shape, step, &cost, traffic.map(|traffic| (traffic, made.unique)));
        Ok(traffic)
    }

    fn copy(&self, step: &Step) -> Vec<String> {
        let mut command = vec![self.transship.display().to_string()];
        // An archive of docker's holds plain layers; all of these are plain.
        let words = ["copy", "--quiet", "--all-images", "--compress", "keep"];
        command.extend(words.map(str::to_owned));
        command.extend(step.options.iter().chain([&step.from, &step.to]).cloned());
        command
    }

    fn timed(&self, step: &Step) -> Result<Cost> {
        let copy = self.copy(step);
        let mut command = self.command(&copy[0]);
        command.args(&copy[1..]);
        sh::timed(&command, &self.folder.join("time"))
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

    /// The command under test.
    fn transship(&self, words: &[&str]) -> Command {
        let mut command = self.command(&self.transship.display().to_string());
        command.args(words);
        command
    }

    fn list(&self, place: &str) -> Result<Vec<Value>> {
        let mut listed = sh::json(&mut self.transship(&["list", "--json", place]))?;
        match listed["images"].take() {
            Value::Array(images) => Ok(images),
            _ => Err("list --json has no images".to_owned()),
        }
    }

    fn ids(&self, archive: &Path) -> Result<Vec<(String, String)>> {
        let images = self.list(&format!("docker-archive:{}", archive.display()))?;
        Ok(images.iter().map(|i| (i["image_id"].to_string(), i["names"].to_string())).collect())
    }
}

/// Prints what a step cost; where it was traced, its bytes, also against those of the unique blobs.
fn row(shape: &Shape, step: &Step, cost: &Cost, traffic: Option<(Traffic, u64)>) {
    let Cost { wall, cpu, peak, .. } = cost;
    let shown = |bytes: Option<u64>| {
        bytes.map_or_else(|| "-".to_owned(), |bytes| format!("{:.1}", megabytes(bytes)))
    };
    let ratio = traffic.map_or_else(
        || "-".to_owned(),
        |(traffic, unique)| format!("{:.3}", megabytes(traffic.written) / megabytes(unique)),
    );
    println!(
        "{:>6}  {:<28}  {wall:>9.2}  {cpu:>9.2}  {peak:>9.1}  {:>9}  {:>9}  {ratio:>12}",
        shape.images,
        step.name,
        shown(traffic.map(|(traffic, _)| traffic.read)),
        shown(traffic.map(|(traffic, _)| traffic.written)),
    );
}

/// Whether each unique blob was read once and written once; nothing, by a step that has been done. Beside the blobs there
/// are documents and headers of tars, for which there is some room.
fn once(shape: &Shape, made: &Made, step: &Step, traffic: Traffic) -> bool {
    if step.again {
        return decided(traffic.written == 0, &format!("wrote {} bytes", traffic.written));
    }
    let most = made.unique + made.unique / 100 + shape.images * DOCUMENTS;
    let Traffic { read, written } = traffic;
    let what = format!("read {read} bytes and wrote {written}, at most {most}");
    decided(read <= most && written <= most, &what)
}

/// Says what holds or does not.
fn decided(holds: bool, what: &str) -> bool {
    println!("{}  {what}", if holds { "ok    " } else { "FAILED" });
    holds
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
