//! dockerd and containerd as our children, on unix sockets in the run's folder.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::peer;
use crate::sh::{self, Result};

/// A running daemon, ended when this is dropped: whatever the checks came to.
pub(crate) struct Daemon {
    child: Child,
    socket: PathBuf,
}

impl Daemon {
    /// dockerd without a network, on the plainest storage.
    pub(crate) fn docker(folder: &Path) -> Result<Self> {
        let config = folder.join("daemon.json");
        fs::write(&config, "{}").map_err(|e| format!("{}: {e}", config.display()))?;
        let socket = folder.join("s");
        let at = |name: &str| folder.join(name).display().to_string();
        let options = [
            format!("--config-file={}", config.display()),
            "--iptables=false".to_owned(),
            "--ip6tables=false".to_owned(),
            "--ip-forward=false".to_owned(),
            "--bridge=none".to_owned(),
            "--storage-driver=vfs".to_owned(),
            format!("--data-root={}", at("data")),
            format!("--exec-root={}", at("x")),
            format!("--pidfile={}", at("pid")),
            format!("--host=unix://{}", socket.display()),
        ];
        let daemon = Self::start("dockerd", &options, folder, socket)?;
        daemon.ready(folder, || daemon.docker_client(&["info"])).map(|()| daemon)
    }

    pub(crate) fn containerd(folder: &Path) -> Result<Self> {
        let config = folder.join("config.toml");
        let socket = folder.join("s");
        let text = format!(
            "version = 2\nroot = \"{0}/root\"\nstate = \"{0}/state\"\n\
             disabled_plugins = [\"io.containerd.grpc.v1.cri\", \"io.containerd.internal.v1.opt\"]\n\
             [grpc]\n  address = \"{0}/s\"\n[ttrpc]\n  address = \"{0}/t\"\n",
            folder.display()
        );
        fs::write(&config, text).map_err(|e| format!("{}: {e}", config.display()))?;
        let options = ["-c".to_owned(), config.display().to_string()];
        let daemon = Self::start("containerd", &options, folder, socket)?;
        daemon.ready(folder, || daemon.ctr("check", &["version"])).map(|()| daemon)
    }

    /// A client of this dockerd.
    pub(crate) fn docker_client(&self, args: &[&str]) -> Command {
        let mut docker = peer::docker();
        docker.arg("-H").arg(format!("unix://{}", self.socket.display())).args(args);
        docker
    }

    /// A client of this containerd, in a namespace.
    pub(crate) fn ctr(&self, namespace: &str, args: &[&str]) -> Command {
        let mut ctr = sh::command("ctr", ["-a"]);
        ctr.arg(&self.socket).args(["-n", namespace]).args(args);
        ctr
    }

    fn start(program: &str, options: &[String], folder: &Path, socket: PathBuf) -> Result<Self> {
        let log = folder.join("log");
        let failed = |e| format!("cannot start {program}: {e}");
        let out = File::create(log).map_err(failed)?;
        let mut command = sh::ending_with_us(program);
        command.args(options).stdin(Stdio::null());
        command.stdout(out.try_clone().map_err(failed)?).stderr(out);
        Ok(Self { child: command.spawn().map_err(failed)?, socket })
    }

    fn ready(&self, folder: &Path, ask: impl Fn() -> Command) -> Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(30) {
            if self.socket.exists() && sh::stdout(&mut ask()).is_ok() {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(50));
        }
        let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
        Err(format!("the daemon does not answer; its log ends with:\n{}", sh::tail(&log)))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Asked to end, dockerd ends the containerd it started; killed, it would leave it behind.
        sh::end(&mut self.child);
    }
}
