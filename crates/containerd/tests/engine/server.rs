//! [`Running`]: a containerd.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use transship_containerd::ContainerdStore;
use transship_core::Settings;

/// A containerd, and the folder that it keeps everything in.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    folder: PathBuf,
    /// In memory, where that can be: containerd syncs with each step.
    _root: tempfile::TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        // Ours, by its id.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The folder of the containerd that a process of that id started. Paths of sockets are short.
pub(crate) fn folder(of: u32, name: &str) -> PathBuf {
    PathBuf::from(format!("/tmp/transship-{name}-{of}"))
}

/// The transport for a containerd in a folder.
pub(crate) fn store(folder: &Path) -> ContainerdStore {
    let socket = folder.join("s").display().to_string();
    ContainerdStore::new(&Settings::new().with("containerd", "containerd-address", socket))
}

/// Runs a collection of garbage, and waits for its end.
pub(crate) fn collect(folder: &Path, namespace: &str) {
    ctr_ok(folder, namespace, &["leases", "create", "--id", "of-a-test"]);
    ctr_ok(folder, namespace, &["leases", "delete", "--sync", "of-a-test"]);
}

fn ctr_ok(folder: &Path, namespace: &str, args: &[&str]) -> String {
    let (text, succeeded) = ctr(folder, namespace, args);
    assert!(succeeded, "ctr {args:?}: {text}");
    text
}

fn ctr(folder: &Path, namespace: &str, args: &[&str]) -> (String, bool) {
    let mut command = Command::new("ctr");
    command.arg("-a").arg(folder.join("s")).args(["-n", namespace]).args(args);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (String::from_utf8_lossy(&text).into_owned(), output.status.success())
}

impl Running {
    /// Starts one, if it is installed and this is root.
    pub(crate) fn start(name: &str) -> Option<Self> {
        let root = std::fs::metadata("/proc/self")
            .is_ok_and(|found| std::os::unix::fs::MetadataExt::uid(&found) == 0);
        if !root || Command::new("containerd").arg("--version").output().is_err() {
            assert!(
                std::env::var_os("TRANSSHIP_REQUIRE_PEERS").is_none(),
                "containerd is required"
            );
            eprintln!("skipped: containerd is not installed, or this is not root");
            return None;
        }
        let folder = folder(std::process::id(), name);
        std::fs::create_dir(&folder).unwrap();
        let memory = Path::new("/dev/shm");
        let root = tempfile::tempdir_in(if memory.is_dir() { memory } else { &folder }).unwrap();
        let (dir, content) = (folder.display(), root.path().display());
        let config = format!(
            "version = 2\nroot = \"{content}\"\nstate = \"{dir}/state\"\n[grpc]\naddress = \"{dir}/s\"\n\
             [plugins.\"io.containerd.gc.v1.scheduler\"]\npause_threshold = 0.5\nstartup_delay = \"0s\"\n"
        );
        std::fs::write(folder.join("config.toml"), config).unwrap();
        let mut command = Command::new("containerd");
        command.arg("-c").arg(folder.join("config.toml"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let running = Self { child: command.spawn().unwrap(), folder, _root: root };
        let began = Instant::now();
        while !running.ctr("default", &["version"]).1 {
            assert!(began.elapsed() < Duration::from_secs(60), "containerd does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(running)
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn store(&self) -> ContainerdStore {
        store(&self.folder)
    }

    /// What `ctr` says in a namespace, and whether it succeeds.
    pub(crate) fn ctr(&self, namespace: &str, args: &[&str]) -> (String, bool) {
        ctr(&self.folder, namespace, args)
    }

    /// The same, which succeeds.
    pub(crate) fn ctr_ok(&self, namespace: &str, args: &[&str]) -> String {
        ctr_ok(&self.folder, namespace, args)
    }

    /// The digests of all content of a namespace, sorted.
    pub(crate) fn content(&self, namespace: &str) -> Vec<String> {
        let mut all: Vec<String> =
            self.ctr_ok(namespace, &["content", "ls", "-q"]).lines().map(str::to_owned).collect();
        all.sort();
        all
    }

    /// Runs a collection of garbage, and waits for its end.
    pub(crate) fn collect(&self, namespace: &str) {
        collect(&self.folder, namespace);
    }

    /// Whether a namespace has neither leases nor unfinished uploads.
    pub(crate) fn is_tidy(&self, namespace: &str) -> bool {
        let leases = self.ctr_ok(namespace, &["leases", "ls", "-q"]);
        let active = self.ctr_ok(namespace, &["content", "active"]);
        leases.trim().is_empty() && active.lines().count() <= 1
    }

    /// Waits until something holds.
    pub(crate) fn until(what: &str, holds: impl Fn() -> bool) {
        let began = Instant::now();
        while !holds() {
            assert!(began.elapsed() < Duration::from_secs(30), "it does not come to pass: {what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
