//! [`Surroundings`]: where the files of a user and of a machine are.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Where the files of a user and of a machine are. A value: tests, and programs that want none of the user's files, make
/// their own.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Surroundings {
    /// The user's folder, `$HOME`.
    pub home: Option<PathBuf>,
    /// `$XDG_CONFIG_HOME`, else `~/.config`.
    pub config_home: Option<PathBuf>,
    /// `$XDG_RUNTIME_DIR`, else `/run/containers/UID` as podman has it.
    pub runtime_dir: Option<PathBuf>,
    /// The folder of docker's `config.json`: `$DOCKER_CONFIG`, else `~/.docker`.
    pub docker_config: Option<PathBuf>,
    /// `$REGISTRY_AUTH_FILE`: the one file with credentials.
    pub auth_file: Option<PathBuf>,
    /// `$CONTAINERS_REGISTRIES_CONF`: the one `registries.conf`.
    pub registries_conf: Option<PathBuf>,
    /// `/etc`
    pub etc: PathBuf,
    /// Where credential helpers are looked for: `$PATH`.
    pub path: Option<OsString>,
}

impl Surroundings {
    fn of_process() -> Self {
        let path = |name: &str| {
            std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
        };
        let home = path("HOME");
        Self {
            config_home: path("XDG_CONFIG_HOME").or_else(|| Some(home.as_ref()?.join(".config"))),
            runtime_dir: path("XDG_RUNTIME_DIR").map(|dir| dir.join("containers")).or_else(run),
            docker_config: path("DOCKER_CONFIG").or_else(|| Some(home.as_ref()?.join(".docker"))),
            auth_file: path("REGISTRY_AUTH_FILE"),
            registries_conf: path("CONTAINERS_REGISTRIES_CONF"),
            etc: "/etc".into(),
            path: std::env::var_os("PATH"),
            home,
        }
    }

    /// All below one folder, and no environment variable is looked at: `home`, `etc`, `run`, `bin`.
    pub fn below(folder: impl AsRef<Path>) -> Self {
        let folder = folder.as_ref();
        let home = folder.join("home");
        Self {
            config_home: Some(home.join(".config")),
            runtime_dir: Some(folder.join("run/containers")),
            docker_config: Some(home.join(".docker")),
            auth_file: None,
            registries_conf: None,
            etc: folder.join("etc"),
            path: Some(folder.join("bin").into()),
            home: Some(home),
        }
    }

    /// The file that `login` writes to.
    pub(crate) fn primary_auth_file(&self) -> Option<PathBuf> {
        let containers = |folder: &PathBuf| folder.join("containers/auth.json");
        let runtime = self.runtime_dir.as_ref().map(|dir| dir.join("auth.json"));
        runtime.or_else(|| self.config_home.as_ref().map(containers))
    }

    /// The files with credentials, in the order in which they are read.
    pub(crate) fn auth_files(&self) -> Vec<PathBuf> {
        let config = self.config_home.as_ref().map(|home| home.join("containers/auth.json"));
        let docker = self.docker_config.as_ref().map(|folder| folder.join("config.json"));
        let legacy = self.home.as_ref().map(|home| home.join(".dockercfg"));
        let mut files: Vec<PathBuf> =
            [self.primary_auth_file(), config, docker, legacy].into_iter().flatten().collect();
        files.dedup();
        files
    }
}

/// Those of this process.
impl Default for Surroundings {
    fn default() -> Self {
        Self::of_process()
    }
}

/// Where podman keeps credentials when there is no `$XDG_RUNTIME_DIR`, as for root.
#[cfg(target_os = "linux")]
fn run() -> Option<PathBuf> {
    use std::os::unix::fs::MetadataExt;
    let uid = std::fs::metadata("/proc/self").ok()?.uid();
    Some(format!("/run/containers/{uid}").into())
}

#[cfg(not(target_os = "linux"))]
fn run() -> Option<PathBuf> {
    None
}
