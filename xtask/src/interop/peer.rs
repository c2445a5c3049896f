//! The tools of other projects, and how to get those that are missing.

use std::process::Command;
use std::sync::OnceLock;

use crate::sh;

/// A tool that a check needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Skopeo,
    Podman,
    Buildah,
    Umoci,
    Docker,
    DockerRegistry,
    Containerd,
    Python,
    Tmux,
}

impl Peer {
    /// Why it cannot be used here, and what to do; `None` if it can.
    pub(crate) fn missing(self) -> Option<String> {
        let (programs, package, root) = match self {
            Self::Skopeo => (&["skopeo"][..], "skopeo", false),
            Self::Podman => (&["podman"][..], "podman", true),
            Self::Buildah => (&["buildah"][..], "buildah", true),
            Self::Umoci => (&["umoci"][..], "umoci", false),
            Self::Docker => (&["docker", "dockerd"][..], "docker.io", true),
            Self::DockerRegistry => {
                (&["docker-registry", "openssl", "perl"][..], "docker-registry openssl perl", false)
            }
            Self::Containerd => (&["ctr", "containerd"][..], "containerd", true),
            Self::Python => (&["python3"][..], "python3", false),
            Self::Tmux => (&["tmux"][..], "tmux", false),
        };
        if let Some(absent) = programs.iter().find(|program| sh::find(program).is_none()) {
            return Some(format!("{absent} is not installed: apt-get install {package}"));
        }
        (root && !is_root()).then(|| format!("{} needs root here", programs[0]))
    }
}

/// docker's client as Debian packages it: another one may be earlier in PATH.
pub(crate) fn docker() -> Command {
    let debian = "/usr/bin/docker";
    let program = if std::path::Path::new(debian).exists() { debian } else { "docker" };
    sh::command(program, [""; 0])
}

fn is_root() -> bool {
    static ROOT: OnceLock<bool> = OnceLock::new();
    *ROOT.get_or_init(|| sh::text(&mut sh::command("id", ["-u"])).is_ok_and(|id| id == "0"))
}
