//! Into engines and out of them: ours, and the engines' own commands. Each engine is a child of ours, with nothing in it but this.

use std::fs;
use std::path::{Path, PathBuf};

use super::rows::{Builds, Contender, Row, with, words};
use crate::interop::daemon::Daemon;
use crate::interop::peer::Peer;
use crate::sh::{self, Result};

/// What the rows of one file are called. `--filter engine` shows them all.
struct Works {
    into_containerd: &'static str,
    from_containerd: &'static str,
    into_docker: &'static str,
    from_docker: &'static str,
    into_podman: &'static str,
    from_podman: &'static str,
}

const ONE: Works = Works {
    into_containerd: "engine: base into containerd",
    from_containerd: "engine: base from containerd",
    into_docker: "engine: base into docker",
    from_docker: "engine: base from docker",
    into_podman: "engine: base into podman",
    from_podman: "engine: base from podman",
};

/// Of seven images that share layers, which are made together with the base.
const SEVEN: Works = Works {
    into_containerd: "engine: 7 into containerd",
    from_containerd: "engine: 7 from containerd",
    into_docker: "engine: 7 into docker",
    from_docker: "engine: 7 from docker",
    into_podman: "engine: 7 into podman",
    from_podman: "engine: 7 from podman",
};

impl Works {
    fn all(&self) -> [&'static str; 6] {
        [
            self.into_containerd,
            self.from_containerd,
            self.into_docker,
            self.from_docker,
            self.into_podman,
            self.from_podman,
        ]
    }
}

/// The engines that are installed. They end, and their folder goes, when this is dropped.
pub(super) struct Engines {
    /// Holds sockets, whose paths must be short.
    folder: PathBuf,
    scratch: PathBuf,
    filter: String,
    containerd: Option<Daemon>,
    docker: Option<Daemon>,
    has_podman: bool,
}

impl Drop for Engines {
    fn drop(&mut self) {
        drop((self.containerd.take(), self.docker.take()));
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Engines {
    /// Starts those of which a row is asked for.
    pub(super) fn start(scratch: &Path, filter: &str) -> Result<Self> {
        let folder = PathBuf::from(format!("/tmp/transship-bench-{}", std::process::id()));
        let mut engines = Self {
            folder,
            scratch: scratch.to_owned(),
            filter: filter.to_owned(),
            containerd: None,
            docker: None,
            has_podman: false,
        };
        let wants = |engine: &str, peer: Peer| {
            let works = ONE.all().into_iter().chain(SEVEN.all());
            let asked = works.filter(|work| work.ends_with(engine));
            if !asked.into_iter().any(|work| work.contains(filter)) {
                return false;
            }
            let missing = peer.missing();
            if let Some(missing) = &missing {
                println!("no rows of {engine}: {missing}");
            }
            missing.is_none()
        };
        engines.has_podman = wants("podman", Peer::Podman);
        if wants("containerd", Peer::Containerd) {
            engines.containerd = Some(Daemon::containerd(&engines.subfolder("c")?)?);
        }
        if wants("docker", Peer::Docker) {
            engines.docker = Some(Daemon::docker(&engines.subfolder("d")?)?);
        }
        Ok(engines)
    }

    /// The rows of the image, and of the seven beside it where they are.
    pub(super) fn rows(&self, builds: &Builds, image: &Path) -> Result<Vec<Row>> {
        let mut rows = self.rows_of(builds, &ONE, image, "base")?;
        let seven = image.with_file_name("seven.tar");
        if seven.exists() {
            rows.extend(self.rows_of(builds, &SEVEN, &seven, "seven")?);
        }
        Ok(rows)
    }

    fn rows_of(&self, builds: &Builds, works: &Works, file: &Path, at: &str) -> Result<Vec<Row>> {
        if !works.all().iter().any(|work| work.contains(&self.filter)) {
            return Ok(Vec::new());
        }
        let mut rows = Vec::new();
        if let Some(containerd) = &self.containerd {
            rows.extend(self.containerd_rows(containerd, builds, works, file, at)?);
        }
        if let Some(docker) = &self.docker {
            rows.extend(self.docker_rows(docker, builds, works, file));
        }
        if self.has_podman {
            rows.extend(self.podman_rows(builds, works, file)?);
        }
        Ok(rows)
    }

    fn containerd_rows(
        &self,
        containerd: &Daemon,
        builds: &Builds,
        works: &Works,
        file: &Path,
        at: &str,
    ) -> Result<[Row; 2]> {
        let ctr = |namespace: &str| sh::show(&containerd.ctr(namespace, &["images"]));
        let address = self.folder.join("c/s").display().to_string();
        let archive = format!("{}.oci.tar", self.scratch.join(at).display());
        let (plain, layout) = (archive_of(file), format!("oci-archive:{archive}"));
        all(builds, &[&plain, &layout])?;
        let full = format!("containerd:{at}-full//");
        all(builds, &["--dest-containerd-address", &address, &layout, &full])?;
        let (full_of, emptied) = (ctr(&format!("{at}-full")), ctr(at));
        let to = format!("containerd:{at}//");
        let ours =
            builds.copy(&["--all-images", "--dest-containerd-address", &address, &layout, &to]);
        let import =
            script("ctr images import", &format!("{emptied} import --no-unpack {archive}"));
        let into = Row {
            work: works.into_containerd,
            makes: self.makes(),
            before: Some(format!("{emptied} ls -q | xargs -r {emptied} rm --sync")),
            contenders: with(ours, [import]),
        };
        let to = format!("oci-archive:{}", self.makes().display());
        let ours = builds.copy(&["--all-images", "--src-containerd-address", &address, &full, &to]);
        let export = format!("{full_of} export {} $({full_of} ls -q)", self.makes().display());
        let from = Row {
            work: works.from_containerd,
            makes: self.makes(),
            before: None,
            contenders: with(ours, [script("ctr images export", &export)]),
        };
        Ok([into, from])
    }

    fn docker_rows(
        &self,
        docker: &Daemon,
        builds: &Builds,
        works: &Works,
        file: &Path,
    ) -> [Row; 2] {
        let client = sh::show(&docker.docker_client(&[]));
        let host = format!("unix://{}", self.folder.join("d/s").display());
        let makes = self.makes();
        let (plain, made) = (archive_of(file), archive_of(&makes));
        let load = format!("{client} load -q -i {}", file.display());
        let empty = format!("{client} images -aq | sort -u | xargs -r {client} rmi -f");
        let names = format!("{client} images --format '{{{{.Repository}}}}:{{{{.Tag}}}}'");
        let to = ["--all-images", "--dest-daemon-host", &host, &plain, "docker-daemon:"];
        let from = ["--all-images", "--src-daemon-host", &host, "docker-daemon:", &made];
        let save = format!("{client} save -o {} $({names})", makes.display());
        let mut into = with(builds.copy(&to), [script("docker load", &load)]);
        let durable = format!("{save} && sync {}", makes.display());
        let saves = [script("docker save", &save), script("docker save + sync", &durable)];
        let mut from = with(builds.copy(&from), saves);
        if works.into_docker == ONE.into_docker {
            // skopeo copies one image at a time.
            let skopeo = "skopeo --insecure-policy copy -q";
            let to = format!("{skopeo} --dest-daemon-host {host} {plain} docker-daemon:bench:1");
            into.push(script("skopeo", &to));
            let one = format!("docker-daemon:$({names} | head -n 1)");
            from.push(script("skopeo", &format!("{skopeo} --src-daemon-host {host} {one} {made}")));
        }
        self.both_ways([works.into_docker, works.from_docker], &empty, &load, [into, from])
    }

    fn podman_rows(&self, builds: &Builds, works: &Works, file: &Path) -> Result<[Row; 2]> {
        let (root, run) = (self.subfolder("p")?, self.subfolder("r")?);
        let (root, run) = (root.display(), run.display());
        let of = |driver: &str| {
            format!("podman --storage-driver {driver} --root {root} --runroot {run}")
        };
        // The usual one, where the kernel lets it.
        let overlay =
            sh::stdout(&mut sh::command("sh", ["-c", &format!("{} info", of("overlay"))]));
        let driver = if overlay.is_ok() { "overlay" } else { "vfs" };
        let podman = of(driver);
        let (store, makes) = (format!("containers-storage:[{driver}@{root}+{run}]"), self.makes());
        let load = format!("{podman} load -q -i {}", file.display());
        let names = format!("{podman} images --format '{{{{.Repository}}}}:{{{{.Tag}}}}'");
        let save = format!("{podman} save -q -m -o {} $({names})", makes.display());
        let durable = format!("{save} && sync {}", makes.display());
        let into = builds.copy(&["--all-images", &archive_of(file), &store]);
        let from = builds.copy(&["--all-images", &store, &archive_of(&makes)]);
        let contenders = [
            with(into, [script("podman load", &load)]),
            with(from, [script("podman save", &save), script("podman save + sync", &durable)]),
        ];
        let works = [works.into_podman, works.from_podman];
        Ok(self.both_ways(works, &format!("{podman} rmi -af"), &load, contenders))
    }

    /// Rows of an engine that is empty before each run into it, and has what the work says before each run from it.
    fn both_ways(
        &self,
        [into, from]: [&'static str; 2],
        empty: &str,
        load: &str,
        [contenders_into, contenders_from]: [Vec<Contender>; 2],
    ) -> [Row; 2] {
        let holds = self.folder.join("holds").display().to_string();
        let loaded = format!(
            "[ \"$(cat {holds})\" = \"{from}\" ] || {{ {empty}; {load} && echo \"{from}\" > {holds}; }}"
        );
        let emptied = format!("echo > {holds}; {empty}");
        let row = |work, before, contenders| Row {
            work,
            makes: self.makes(),
            before: Some(before),
            contenders,
        };
        [row(into, emptied, contenders_into), row(from, loaded, contenders_from)]
    }

    fn makes(&self) -> PathBuf {
        self.scratch.join("engine.tar")
    }

    fn subfolder(&self, name: &str) -> Result<PathBuf> {
        let path = self.folder.join(name);
        fs::create_dir_all(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(path)
    }
}

fn archive_of(file: &Path) -> String {
    format!("docker-archive:{}", file.display())
}

/// Copies all images of a place, as our build does it.
fn all(builds: &Builds, args: &[&str]) -> Result<()> {
    let ours = builds.copy(&[&["--all-images"], args].concat()).swap_remove(0).command;
    sh::stdout(&mut sh::command(&ours[0], &ours[1..])).map(drop)
}

fn script(who: &'static str, script: &str) -> Contender {
    Contender { who, command: words(&["sh", "-c", script]) }
}
