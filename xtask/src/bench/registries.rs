//! Pushing and pulling: the same docker-registry for everyone, over plain HTTP on loopback.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::pulls::{PULLS, Serving, row};
use super::rows::{Builds, Contender, Row, hash, skopeo, theirs, with, words};
use crate::distant::{distant, narrow};
use crate::scale::make::{Shape, archive};
use crate::served::{Served, Speaks};
use crate::sh::{self, Result};

const PUSH: &str = "push to a registry (gzip)";
const PULL: &str = "pull from a registry";
const PUSH_MANY: &str = "push 40 images to a registry";
const PULL_MANY: &str = "pull 40 images, registry";

const PUSH_FAR: &str = "push 20 layers, 50 ms away";
const PULL_FAR: &str = "pull 20 layers, 50 ms away";

const PULL_NARROW: &str = "pull 160 MB, 10 MB/s each";

/// How many bytes a second a connection to a limited registry brings, and how many there are in the one layer that is pulled.
const NARROW: (u32, u64) = (10_000_000, 160_000_000);

/// How much later each request arrives at a registry that is far away.
const FAR: Duration = Duration::from_millis(50);

/// The layers of what is pushed there and pulled, and their bytes.
const LAYERS: (usize, u64) = (20, 100_000);

/// How large the 40 images look together; they share layers.
const BUNDLE_MIB: u64 = 1024;
/// How they are called.
const BUNDLE: &str = "example/scale";

/// One registry to push to, emptied before each run, and one to pull from.
pub(super) struct Servers {
    push: Served,
    pull: Served,
    scratch: PathBuf,
    /// Of ours, which serve what docker-registry has.
    ours: Vec<Serving>,
}

impl Servers {
    /// Starts them; `None` where there is no docker-registry, or no row of theirs is asked for.
    pub(super) fn start(scratch: &Path, filter: &str) -> Result<Option<Self>> {
        let works = [PUSH, PULL, PUSH_MANY, PULL_MANY, PUSH_FAR, PULL_FAR, PULL_NARROW, PULLS];
        let wanted = works.iter().any(|work| work.contains(filter));
        if !wanted {
            return Ok(None);
        }
        if sh::find("docker-registry").is_none() {
            println!("no registries: docker-registry is not installed (.ci/install-peers)");
            return Ok(None);
        }
        let start = |name: &str| Served::start(&scratch.join(name), Speaks::Plain);
        let (push, pull) = (start("push")?, start("pull")?);
        Ok(Some(Self { push, pull, scratch: scratch.to_owned(), ours: Vec::new() }))
    }

    /// Fills the one to pull from, and lists the work.
    pub(super) fn rows(&mut self, builds: &Builds, image: &Path, filter: &str) -> Result<Vec<Row>> {
        let plain = format!("docker-archive:{}", image.display());
        let bundle = self.scratch.join("bundle.tar");
        archive(&Shape::bundle(BUNDLE_MIB), &bundle)?;
        let bundle = format!("docker-archive:{}", bundle.display());
        let base = self.pull.place("base:1");
        sh::stdout(&mut skopeo(&["copy", "-q", "--dest-tls-verify=false", &plain, &base]))?;
        let many = self.pull.place("many/");
        let ours = builds.copy(&["--all-images", &bundle, &many]).swap_remove(0).command;
        sh::stdout(&mut sh::command(&ours[0], &ours[1..]))?;
        let mut rows = vec![
            self.push(builds, image, &plain),
            self.pull(builds, &base),
            self.push_many(builds, &bundle),
            self.pull_many(builds),
        ];
        rows.extend(self.far_away(builds)?);
        if PULL_NARROW.contains(filter) {
            rows.push(self.narrow(builds)?);
        }
        if PULLS.contains(filter) {
            let repository = format!("http://{}/v2/base", self.pull.host);
            let (row, ours) = row(builds, &self.scratch, &base, &repository)?;
            rows.push(row);
            self.ours = ours;
        }
        Ok(rows)
    }

    fn push(&self, builds: &Builds, image: &Path, plain: &str) -> Row {
        let to = self.push.place("base:1");
        let theirs = theirs(&["copy", "-q", "--dest-tls-verify=false", plain, &to]);
        let contenders =
            with(builds.copy(&[plain, &to]), [theirs, hash(&image.display().to_string())]);
        Row { work: PUSH, makes: self.push.data(), before: None, contenders }
    }

    fn pull(&self, builds: &Builds, base: &str) -> Row {
        let makes = self.scratch.join("pulled.oci");
        let to = format!("oci:{}:base", makes.display());
        let theirs = theirs(&["copy", "-q", "--src-tls-verify=false", base, &to]);
        let contenders = with(builds.copy(&[base, &to]), [theirs]);
        Row { work: PULL, makes, before: None, contenders }
    }

    /// An image of many small layers, by a way on which answers take long.
    fn far_away(&self, builds: &Builds) -> Result<[Row; 2]> {
        let tar = self.scratch.join("layers.tar");
        archive(&Shape::layered(LAYERS.0, LAYERS.1), &tar)?;
        let layout = format!("oci:{}:1", self.scratch.join("layers.oci").display());
        let from = format!("docker-archive:{}", tar.display());
        sh::stdout(&mut skopeo(&["copy", "-q", &from, &layout]))?;
        let to = format!("docker://{}/far:1", distant(&self.push.host, FAR)?);
        let theirs_to = theirs(&["copy", "-q", "--dest-tls-verify=false", &layout, &to]);
        let push = with(builds.copy(&[&layout, &to]), [theirs_to]);
        let (near, far) = (self.pull.place("far:1"), distant(&self.pull.host, FAR)?);
        sh::stdout(&mut skopeo(&["copy", "-q", "--dest-tls-verify=false", &layout, &near]))?;
        let (makes, far) = (self.scratch.join("far.oci"), format!("docker://{far}/far:1"));
        let to = format!("oci:{}:1", makes.display());
        let theirs_from = theirs(&["copy", "-q", "--src-tls-verify=false", &far, &to]);
        let pull = with(builds.copy(&[&far, &to]), [theirs_from]);
        Ok([
            Row { work: PUSH_FAR, makes: self.push.data(), before: None, contenders: push },
            Row { work: PULL_FAR, makes, before: None, contenders: pull },
        ])
    }

    /// A large layer from a registry that limits each connection.
    fn narrow(&self, builds: &Builds) -> Result<Row> {
        let (tar, near) = (self.scratch.join("large.tar"), self.pull.place("large:1"));
        archive(&Shape::layered(1, NARROW.1), &tar)?;
        let from = format!("docker-archive:{}", tar.display());
        sh::stdout(&mut skopeo(&["copy", "-q", "--dest-tls-verify=false", &from, &near]))?;
        let from = format!("docker://{}/large:1", narrow(&self.pull.host, NARROW.0)?);
        let makes = self.scratch.join("narrow.oci");
        let to = format!("oci:{}:1", makes.display());
        let one = builds.copy(&["--src-connections", "1", &from, &to]).swap_remove(0);
        let one = Contender { who: "one connection", ..one };
        let theirs = theirs(&["copy", "-q", "--src-tls-verify=false", &from, &to]);
        let contenders = with(builds.copy(&[&from, &to]), [one, theirs]);
        Ok(Row { work: PULL_NARROW, makes, before: None, contenders })
    }

    fn push_many(&self, builds: &Builds, bundle: &str) -> Row {
        let to = self.push.place("many/");
        let each = format!("{bundle}:docker.io/{BUNDLE}:$n");
        let theirs = loop_of_skopeo("--dest-tls-verify=false", &each, &format!("{to}{BUNDLE}:$n"));
        let contenders = with(builds.copy(&["--all-images", bundle, &to]), [theirs]);
        Row { work: PUSH_MANY, makes: self.push.data(), before: None, contenders }
    }

    fn pull_many(&self, builds: &Builds) -> Row {
        let makes = self.scratch.join("pulled-many.oci");
        let (from, to) =
            (self.pull.place(&format!("many/{BUNDLE}")), format!("oci:{}", makes.display()));
        let theirs =
            loop_of_skopeo("--src-tls-verify=false", &format!("{from}:$n"), &format!("{to}:$n"));
        let contenders = with(builds.copy(&["--all-images", &from, &to]), [theirs]);
        Row { work: PULL_MANY, makes, before: None, contenders }
    }
}

/// skopeo copies one image at a time.
fn loop_of_skopeo(option: &str, from: &str, to: &str) -> Contender {
    let script = format!(
        "n=0; while [ $n -lt 40 ]; do skopeo --insecure-policy copy -q {option} \"{from}\" \"{to}\" || exit 1; n=$((n+1)); done"
    );
    Contender { who: "skopeo, 40 times", command: words(&["sh", "-c", &script]) }
}
