//! Tools that load a whole archive into a store of theirs: podman, docker, and ctr of containerd.
//!
//! They take seconds each, so that they are asked about a sample. Each has a store of its own, in a private folder, that is
//! emptied after each archive. All of them need root.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use transship::transport::sha256;

use crate::Seen;

/// How long a command of theirs may take, in seconds.
const LIMIT: &str = "60";
/// How long a daemon may take until it answers.
const READY: Duration = Duration::from_secs(30);

/// The tools of this kind that are installed.
pub(crate) struct Loaders(Vec<Loader>);

struct Loader {
    name: &'static str,
    folder: PathBuf,
    _daemon: Option<Daemon>,
    load: fn(&Loader, &Path) -> Option<Vec<Seen>>,
}

type Start = fn(&Path) -> Loader;

/// The programs of each, and what starts it in a folder.
const TOOLS: [(&[&str], Start); 3] =
    [(&["podman"], podman), (&["docker", "dockerd"], docker), (&["ctr", "containerd"], containerd)];

/// Ended when it is dropped.
struct Daemon(Child);

impl Loaders {
    /// Starts their daemons below a folder. What is not installed is left out by name; where all peers are required, that
    /// fails.
    pub(crate) fn start(folder: &Path) -> Self {
        let required = std::env::var_os("TRANSSHIP_REQUIRE_PEERS").is_some();
        let root = is_root();
        let mut loaders = Vec::new();
        for (programs, start) in TOOLS {
            let absent = programs.iter().find(|program| find(program).is_none());
            let why = match absent {
                Some(program) => format!("{program} is not installed"),
                None if !root => "it needs root".to_owned(),
                None => {
                    let folder = folder.join(programs[0]);
                    fs::create_dir(&folder).unwrap();
                    loaders.push(start(&folder));
                    continue;
                }
            };
            assert!(!required, "{} cannot be asked: {why}", programs[0]);
            println!("differential: {} is not asked: {why}", programs[0]);
        }
        Self(loaders)
    }

    /// What each of them has after it has loaded the archive; `None` for one that refuses it.
    pub(crate) fn ask(&self, path: &Path) -> Vec<(&'static str, Option<Vec<Seen>>)> {
        self.0.iter().map(|loader| (loader.name, (loader.load)(loader, path))).collect()
    }
}

fn podman(folder: &Path) -> Loader {
    Loader { name: "podman", folder: folder.to_owned(), _daemon: None, load: podman_load }
}

fn podman_load(podman: &Loader, path: &Path) -> Option<Vec<Seen>> {
    let at = |name: &str| podman.folder.join(name).display().to_string();
    let command = |args: &[&str]| {
        let mut command = limited("podman");
        command.args(["--storage-driver", "vfs", "--root", &at("root"), "--runroot", &at("run")]);
        command.args(["--tmpdir", &at("tmp")]).args(args).env("TMPDIR", &podman.folder);
        command
    };
    let loaded = output(command(&["load", "-q", "-i", &path.display().to_string()]));
    let seen = loaded.map(|_| {
        let ids = output(command(&["images", "-aq", "--no-trunc"])).unwrap();
        let mut seen = inspected(command(&["image", "inspect"]), &ids);
        // Its word for a name without a host.
        for name in seen.iter_mut().flat_map(|image| &mut image.names) {
            *name = name.trim_start_matches("localhost/").to_owned();
        }
        seen
    });
    for name in ["root", "run", "tmp"] {
        // Where nothing was loaded there may be none.
        let _ = fs::remove_dir_all(podman.folder.join(name));
    }
    seen
}

/// dockerd without a network, on the plainest storage.
fn docker(folder: &Path) -> Loader {
    let at = |name: &str| folder.join(name).display().to_string();
    fs::write(folder.join("daemon.json"), "{}").unwrap();
    let options = [
        format!("--config-file={}", at("daemon.json")),
        "--iptables=false".to_owned(),
        "--ip6tables=false".to_owned(),
        "--ip-forward=false".to_owned(),
        "--bridge=none".to_owned(),
        "--storage-driver=vfs".to_owned(),
        format!("--data-root={}", at("data")),
        format!("--exec-root={}", at("x")),
        format!("--pidfile={}", at("pid")),
        format!("--host=unix://{}", at("s")),
    ];
    let daemon = Daemon::start("dockerd", &options, folder, || docker_client(folder, &["info"]));
    Loader { name: "docker", folder: folder.to_owned(), _daemon: Some(daemon), load: docker_load }
}

fn docker_load(docker: &Loader, path: &Path) -> Option<Vec<Seen>> {
    let client = |args: &[&str]| docker_client(&docker.folder, args);
    let loaded = output(client(&["load", "-q", "-i", &path.display().to_string()]));
    // Some of it may be there after a failure, too.
    let ids = output(client(&["image", "ls", "-aq", "--no-trunc"])).unwrap();
    let seen = loaded.map(|_| inspected(client(&["image", "inspect"]), &ids));
    let ids = lines(&ids);
    if !ids.is_empty() {
        output(client(&[&["rmi", "-f"], ids.as_slice()].concat())).unwrap();
    }
    seen
}

/// A client of the dockerd that was started in a folder. Debian's, as another one may be earlier in PATH.
fn docker_client(folder: &Path, args: &[&str]) -> Command {
    let debian = Path::new("/usr/bin/docker");
    let mut command = limited(if debian.exists() { "/usr/bin/docker" } else { "docker" });
    command.args(["-H", &format!("unix://{}", folder.join("s").display())]).args(args);
    command
}

fn containerd(folder: &Path) -> Loader {
    let config = folder.join("config.toml");
    let text = format!(
        "version = 2\nroot = \"{0}/root\"\nstate = \"{0}/state\"\n\
         disabled_plugins = [\"io.containerd.grpc.v1.cri\", \"io.containerd.internal.v1.opt\"]\n\
         [grpc]\n  address = \"{0}/s\"\n[ttrpc]\n  address = \"{0}/t\"\n",
        folder.display()
    );
    fs::write(&config, text).unwrap();
    let options = ["-c".to_owned(), config.display().to_string()];
    let daemon = Daemon::start("containerd", &options, folder, || ctr(folder, &["version"]));
    Loader { name: "ctr", folder: folder.to_owned(), _daemon: Some(daemon), load: ctr_load }
}

/// It keeps images that have a name, and no others.
fn ctr_load(containerd: &Loader, path: &Path) -> Option<Vec<Seen>> {
    let run = |args: &[&str]| output(ctr(&containerd.folder, args));
    let loaded = run(&["images", "import", "--no-unpack", &path.display().to_string()]);
    let listed = String::from_utf8(run(&["images", "ls"]).unwrap()).unwrap();
    let images: Vec<Vec<&str>> =
        listed.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
    let digest = |of: &Value| {
        let of = of["digest"].as_str()?;
        run(&["content", "get", of]).map(|blob| sha256(&blob).to_string())
    };
    // An import does not look whether the blobs of a manifest are there: it is refused when it is unpacked.
    let seen = loaded.and_then(|_| {
        let all = images.iter().map(|columns| {
            let manifest: Value =
                serde_json::from_slice(&run(&["content", "get", columns[2]])?).ok()?;
            let layers = manifest["layers"].as_array().into_iter().flatten().map(digest);
            let (config, layers) = (digest(&manifest["config"])?, layers.collect::<Option<_>>()?);
            Some(Seen { config, layers, names: vec![columns[0].to_owned()] })
        });
        all.collect()
    });
    let names = images.iter().map(|columns| columns[0]);
    let remove: Vec<&str> = ["images", "rm", "--sync"].into_iter().chain(names).collect();
    if remove.len() > 3 {
        run(&remove).unwrap();
    }
    seen
}

fn ctr(folder: &Path, args: &[&str]) -> Command {
    let mut command = limited("ctr");
    command.arg("-a").arg(folder.join("s")).args(["-n", "differential"]).args(args);
    command
}

impl Daemon {
    fn start(program: &str, options: &[String], folder: &Path, ask: impl Fn() -> Command) -> Self {
        let log = File::create(folder.join("log")).unwrap();
        // Not left behind when this process is killed.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM"]).arg(find(program).unwrap()).args(options);
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let daemon = Self(command.spawn().unwrap());
        let begun = Instant::now();
        while !folder.join("s").exists() || output(ask()).is_none() {
            let said = || fs::read_to_string(folder.join("log")).unwrap_or_default();
            assert!(begun.elapsed() < READY, "{program} does not answer: {}", said());
            thread::sleep(Duration::from_millis(50));
        }
        daemon
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Asked to end, dockerd ends the containerd that it started.
        let _ = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status();
        let _ = self.0.wait();
    }
}

/// What `image inspect` says of images, as docker and podman show it.
fn inspected(mut command: Command, ids: &[u8]) -> Vec<Seen> {
    let mut ids = lines(ids);
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Vec::new();
    }
    command.args(ids);
    let said: Value = serde_json::from_slice(&output(command).unwrap()).unwrap();
    let texts = |list: &Value| -> Vec<String> {
        let list = list.as_array().into_iter().flatten();
        list.map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let seen = |image: &Value| Seen {
        config: format!("sha256:{}", image["Id"].as_str().unwrap().trim_start_matches("sha256:")),
        layers: texts(&image["RootFS"]["Layers"]),
        names: texts(&image["RepoTags"]),
    };
    said.as_array().unwrap().iter().map(seen).collect()
}

fn lines(text: &[u8]) -> Vec<&str> {
    std::str::from_utf8(text).unwrap().lines().collect()
}

/// Where a program is: in PATH, or where Debian keeps daemons.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}

fn limited(program: &str) -> Command {
    let mut command = Command::new("timeout");
    command.args(["-s", "KILL", LIMIT, program]).stdin(Stdio::null());
    command
}

/// What a command prints; `None` where it fails.
fn output(mut command: Command) -> Option<Vec<u8>> {
    let output = command.output().unwrap();
    output.status.success().then_some(output.stdout)
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|id| id.stdout == b"0\n")
}
