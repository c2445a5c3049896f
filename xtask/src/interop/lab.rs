//! Where a run takes place: its folder, the command under test, the daemons, and images made by peers.

use std::cell::{Cell, OnceCell};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::daemon::Daemon;
use super::images::Images;
use super::samples;
use crate::built;
use crate::served::{PASSWORD, Served, Speaks, USER};
use crate::sh::{self, Result};

/// Made once, when the first check needs it; a failure fails every check that does.
type Once<T> = OnceCell<Result<T>>;

/// An archive and the images that its maker says are in it.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) file: String,
    pub(crate) images: Images,
}

pub(crate) struct Lab {
    folder: PathBuf,
    /// Holds sockets and the like, whose paths must be short.
    short: PathBuf,
    transship: PathBuf,
    serial: Cell<u32>,
    docker: Once<Daemon>,
    containerd: Once<Daemon>,
    registry: Once<Served>,
    seven: Once<Sample>,
    docker_save: Once<Sample>,
    buildah: Once<Sample>,
}

impl Lab {
    pub(crate) fn new() -> Result<Self> {
        let transship = built::tested_command()?;
        let run = format!("{}", std::process::id());
        let folder = sh::target()?.join("interop").join(&run);
        // podman wants at most 50 bytes; a socket's path holds 107, of which dockerd wants 40. Not $TMPDIR: it may be long.
        let short = PathBuf::from(format!("/tmp/transship-{run}"));
        for made in [&folder, &short] {
            fs::create_dir_all(made).map_err(|e| format!("{}: {e}", made.display()))?;
        }
        Ok(Self {
            folder,
            short,
            transship,
            serial: Cell::new(0),
            docker: Once::new(),
            containerd: Once::new(),
            registry: Once::new(),
            seven: Once::new(),
            docker_save: Once::new(),
            buildah: Once::new(),
        })
    }

    /// Ends the daemons and removes the folder; after a failure it is kept to look at.
    pub(crate) fn finish(self, good: bool) {
        let Self { folder, short, docker, containerd, registry, .. } = self;
        drop((docker, containerd, registry));
        let _ = fs::remove_dir_all(&short);
        if good {
            let _ = fs::remove_dir_all(&folder);
        } else {
            println!("interop: kept {}", folder.display());
        }
    }

    /// A new empty folder.
    pub(crate) fn folder(&self, what: &str) -> Result<String> {
        let path = self.path(what);
        fs::create_dir_all(&path).map_err(|e| format!("{path}: {e}"))?;
        Ok(path)
    }

    /// A new path where nothing is.
    pub(crate) fn path(&self, what: &str) -> String {
        self.folder.join(format!("{}-{what}", self.serial())).display().to_string()
    }

    /// A number that was not given before.
    pub(crate) fn serial(&self) -> u32 {
        self.serial.set(self.serial.get() + 1);
        self.serial.get()
    }

    /// The command under test.
    pub(crate) fn transship(&self, args: &[&str]) -> Command {
        sh::command(&self.transship, args)
    }

    /// Runs it; it must exit with 0.
    pub(crate) fn run(&self, args: &[&str]) -> Result<String> {
        sh::text(&mut self.transship(args))
    }

    /// Copies with it.
    pub(crate) fn copy(&self, args: &[&str]) -> Result<()> {
        self.run(&[&["copy", "--quiet"], args].concat()).map(drop)
    }

    pub(crate) fn docker(&self) -> Result<&Daemon> {
        lazily(&self.docker, || self.short("d").and_then(|folder| Daemon::docker(&folder)))
    }

    /// The major number of dockerd's version.
    pub(crate) fn docker_version(&self) -> Result<u32> {
        let words = ["version", "--format", "{{.Server.Version}}"];
        let version = sh::text(&mut self.docker()?.docker_client(&words))?;
        let major = version.split('.').next().and_then(|major| major.parse().ok());
        major.ok_or_else(|| format!("docker has version {version:?}"))
    }

    pub(crate) fn containerd(&self) -> Result<&Daemon> {
        lazily(&self.containerd, || self.short("c").and_then(|folder| Daemon::containerd(&folder)))
    }

    /// A registry with TLS and a password, and beside its certificates an `auth.json` for it.
    pub(crate) fn registry(&self) -> Result<&Served> {
        lazily(&self.registry, || {
            let folder = self.folder.join("registry");
            let served = Served::start(&folder, Speaks::Securely)?;
            // As docker writes it, with `USER:PASSWORD` in base64: no tool under test makes it.
            let pair = format!("printf %s {USER}:{PASSWORD} | base64 -w0");
            let pair = sh::text(&mut sh::command("sh", ["-c", &pair]))?;
            let text = serde_json::json!({ "auths": { &served.host: { "auth": pair } } });
            let path = folder.join("auth.json");
            fs::write(&path, text.to_string()).map_err(|e| format!("{}: {e}", path.display()))?;
            Ok(served)
        })
    }

    /// Seven small images that share layers, one with two tags, as `podman save -m` writes them.
    pub(crate) fn seven(&self) -> Result<&Sample> {
        lazily(&self.seven, || samples::podman_save_seven(self))
    }

    /// The same images, and one more without a name, as `docker save` writes them.
    pub(crate) fn docker_save(&self) -> Result<&Sample> {
        lazily(&self.docker_save, || samples::docker_save(self, self.seven()?))
    }

    /// One of them as `buildah push` writes it.
    pub(crate) fn buildah(&self) -> Result<&Sample> {
        self.seven()?;
        lazily(&self.buildah, || samples::buildah_push(self))
    }

    /// podman and buildah's storage with the seven images, as options.
    pub(crate) fn storage(&self) -> [String; 6] {
        self.storage_in(&self.folder.join("storage").display().to_string())
    }

    /// The options of podman and buildah for a storage of their own.
    pub(crate) fn storage_in(&self, folder: &str) -> [String; 6] {
        // One storage, one folder for what is running in it: podman notes which.
        let name = folder.rsplit('/').next().unwrap_or_default();
        let text = str::to_owned;
        [
            text("--storage-driver"),
            text("vfs"),
            text("--root"),
            format!("{folder}/root"),
            text("--runroot"),
            self.short.join(name).display().to_string(),
        ]
    }

    /// A folder whose path is short enough for a socket.
    pub(crate) fn short(&self, name: &str) -> Result<PathBuf> {
        let folder = self.short.join(name);
        fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        Ok(folder)
    }
}

fn lazily<T>(cell: &Once<T>, make: impl FnOnce() -> Result<T>) -> Result<&T> {
    cell.get_or_init(make).as_ref().map_err(Clone::clone)
}
