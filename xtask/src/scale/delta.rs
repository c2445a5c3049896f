//! The week after: one image of the bundle has changed, and a site without a network gets what that takes.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::make::{self, Shape};
use super::{Scale, Step, decided, row};
use crate::sh::{self, Result};

/// The image that changes.
const CHANGED: u64 = 7;
/// The exit code for what is not there.
const NOT_FOUND: i32 = 3;

/// Blobs by their digests, with their sizes.
pub(super) type Blobs = BTreeMap<String, u64>;

/// What the bundle has become, and what a site that has the old one lacks.
struct Week<'a> {
    scale: &'a Scale,
    shape: &'a Shape,
    /// The layout of this week.
    next: String,
    changed: Blobs,
    /// What this week's images need of last week's.
    needs: Blobs,
}

/// Beside last week's layout and archive.
pub(super) fn run(scale: &Scale, shape: &Shape) -> Result<bool> {
    let week = Week::new(scale, shape)?;
    let mut good = week.is_small()?;
    good &= week.is_refused("oci", "nothing")?;
    good &= week.is_refused("oci-archive", "nothing.tar")?;
    for (scheme, site) in [("oci", "site"), ("oci-archive", "site.tar")] {
        good &= week.completes(scheme, site)?;
    }
    Ok(good)
}

impl<'a> Week<'a> {
    /// Makes this week's bundle.
    fn new(scale: &'a Scale, shape: &'a Shape) -> Result<Self> {
        let archive = scale.folder.join("next.tar");
        make::archive(&shape.changing(CHANGED), &archive)?;
        let next = scale.at("oci", "next");
        let step = Step::new("this week's", &scale.at("docker-archive", "next.tar"), &next);
        scale.timed(&step)?;
        fs::remove_file(&archive).map_err(|e| format!("{}: {e}", archive.display()))?;
        let old = blobs(&scale.folder.join("layout"))?;
        let all = blobs(&scale.folder.join("next"))?;
        let (needs, changed) = all.into_iter().partition(|(digest, _)| old.contains_key(digest));
        Ok(Self { scale, shape, next, changed, needs })
    }

    /// Whether the delta has what changed, nothing else, and little around it.
    fn is_small(&self) -> Result<bool> {
        let scale = self.scale;
        let last = scale.folder.join("out.tar").display().to_string();
        let step = Step::new(
            "--since last week's archive",
            &self.next,
            &scale.at("oci-archive", "delta.tar"),
        );
        self.timed(&step.with(&["--since", &last]))?;
        let file = scale.folder.join("delta.tar");
        let size = fs::metadata(&file).map_err(|e| format!("{}: {e}", file.display()))?.len();
        let changed: u64 = self.changed.values().sum();
        let most = changed + changed / 100 + (64 << 10);
        let what = format!(
            "the delta has {size} bytes, the {} changed blobs {changed}: at most {most}",
            self.changed.len()
        );
        let mut good = decided(size <= most, &what);
        let held = held(&file)?;
        let wanted: Vec<&str> = self.changed.keys().map(String::as_str).collect();
        // A manifest, a config, a layer.
        good &=
            decided(held == wanted && held.len() == 3, "the delta holds the changed blobs alone");
        let digests = scale.folder.join("digests");
        let listed =
            sh::stdout(&mut scale.transship(&["digests", &scale.at("oci-archive", "out.tar")]))?;
        fs::write(&digests, listed).map_err(|e| format!("{}: {e}", digests.display()))?;
        let step = Step::new(
            "--since a list of digests",
            &self.next,
            &scale.at("oci-archive", "listed.tar"),
        );
        self.timed(&step.with(&["--since", &digests.display().to_string()]))?;
        let read = |path: &Path| fs::read(path).map_err(|e| format!("{}: {e}", path.display()));
        let same = read(&file)? == read(&scale.folder.join("listed.tar"))?;
        Ok(good & decided(same, "the delta since the list is the same"))
    }

    /// Whether a place that has nothing refuses the delta, says what it lacks, and stays nothing.
    fn is_refused(&self, scheme: &str, name: &str) -> Result<bool> {
        let place = self.scale.at(scheme, name);
        let before = names(&self.scale.folder)?;
        let delta = self.scale.at("oci-archive", "delta.tar");
        let words = ["copy", "--quiet", "--all-images", &delta, &place];
        let done = sh::finish(&mut self.scale.transship(&words))?;
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        let lacks = format!("lacks {} of what it needs: ", self.needs.len());
        let listed = said.split_once(&lacks).map_or("", |(_, list)| list);
        let listed: Vec<&str> = listed
            .split([',', ' ', '\n'])
            .filter_map(|word| word.strip_prefix("sha256:"))
            .collect();
        let mut good = decided(
            done.status.code() == Some(NOT_FOUND)
                && !listed.is_empty()
                && listed.iter().all(|digest| self.needs.contains_key(*digest)),
            &format!(
                "onto {scheme}:{name}: refused, with the {} blobs that are missing",
                self.needs.len()
            ),
        );
        if !good {
            println!("        {}: {}", done.status, said.trim_end());
        }
        good &= decided(names(&self.scale.folder)? == before, "nothing was written");
        Ok(good)
    }

    /// Whether a place with last week's bundle becomes what this week's is.
    fn completes(&self, scheme: &str, name: &str) -> Result<bool> {
        let (scale, site) = (self.scale, self.scale.at(scheme, name));
        let (last, delta) =
            (scale.at("oci-archive", "out.tar"), scale.at("oci-archive", "delta.tar"));
        self.timed(&Step::new("last week's to a site", &last, &site))?;
        let step = Step::new("the delta to the site", &delta, &site);
        self.timed(&if scheme == "oci" { step } else { step.with(&["--append"]) })?;
        let verified = sh::finish(&mut scale.transship(&["verify", "--quiet", &site]))?;
        let mut good = decided(
            verified.status.success(),
            &format!("verify {scheme}:{name}: {}", verified.status),
        );
        let digests = |place: &str| sh::text(&mut scale.transship(&["digests", place]));
        let same = digests(&site)? == digests(&self.next)?;
        good &= decided(same, &format!("the digests of {scheme}:{name} are those of a full copy"));
        let same = self.images(&site)? == self.images(&self.next)?;
        good &= decided(same, &format!("the images of {scheme}:{name} are those of a full copy"));
        Ok(good)
    }

    /// Names and digests, in the order of the names: an image that changed joins the others as the last one.
    fn images(&self, place: &str) -> Result<Vec<(String, String)>> {
        let images = self.scale.list(place)?.into_iter();
        let mut images: Vec<_> =
            images.map(|image| (image["names"].to_string(), image["digest"].to_string())).collect();
        images.sort();
        Ok(images)
    }

    fn timed(&self, step: &Step) -> Result<()> {
        row(self.shape, step, &self.scale.timed(step)?, None);
        Ok(())
    }
}

/// What is in a layout's folder.
pub(super) fn blobs(layout: &Path) -> Result<Blobs> {
    let folder = layout.join("blobs/sha256");
    let failed = |e: std::io::Error| format!("{}: {e}", folder.display());
    let mut blobs = Blobs::new();
    for entry in fs::read_dir(&folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let size = entry.metadata().map_err(failed)?.len();
        blobs.insert(entry.file_name().to_string_lossy().into_owned(), size);
    }
    Ok(blobs)
}

/// The blobs in an archive, sorted, as tar lists them.
fn held(archive: &Path) -> Result<Vec<String>> {
    let listed = sh::text(&mut sh::command("tar", ["-tf", &archive.display().to_string()]))?;
    let blobs = listed.lines().filter_map(|line| line.strip_prefix("blobs/sha256/"));
    let mut blobs: Vec<String> = blobs.filter(|name| !name.is_empty()).map(str::to_owned).collect();
    blobs.sort();
    Ok(blobs)
}

fn names(folder: &Path) -> Result<Vec<String>> {
    let failed = |e: std::io::Error| format!("{}: {e}", folder.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        names.push(entry.map_err(failed)?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}
