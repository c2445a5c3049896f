//! The week after: one image of the bundle has changed, and a site without a network gets what that takes. What a delta holds, and
//! who is refused one, is for the tests of the library (`pairs/deltas.rs`).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::make::{self, Shape};
use super::{Scale, Step, decided, row};
use crate::sh::{self, Result};

/// The image that changes.
const CHANGED: u64 = 7;

/// Blobs by their digests, with their sizes.
pub(super) type Blobs = BTreeMap<String, u64>;

/// What the bundle has become.
struct Week<'a> {
    scale: &'a Scale,
    shape: &'a Shape,
    /// The layout of this week.
    next: String,
    changed: Blobs,
}

/// Beside last week's layout and archive.
pub(super) fn run(scale: &Scale, shape: &Shape) -> Result<bool> {
    let week = Week::new(scale, shape)?;
    let mut good = week.is_small()?;
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
        let changed = all.into_iter().filter(|(digest, _)| !old.contains_key(digest)).collect();
        Ok(Self { scale, shape, next, changed })
    }

    /// Whether the delta is hardly larger than what changed.
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
        Ok(decided(size <= most, &what))
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
        Ok(good)
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
