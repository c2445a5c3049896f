//! The way to podman: settings, the environment, the usual sockets, the command.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use transship_core::{Error, ErrorKind, Result, ResultExt, Settings};
use transship_docker_daemon::http::{Address, Program};

use crate::SCHEME;
use crate::command::Command;
use crate::podman::Route;
use crate::reference::Store;
use crate::service::Service;

/// Where the podman of root listens.
const SYSTEM_SOCKET: &str = "/run/podman/podman.sock";

/// What decides how podman is asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Surroundings {
    /// The settings.
    url: Option<String>,
    program: Option<OsString>,
    /// `CONTAINER_HOST`, and whether `CONTAINER_CONNECTION` is set, which the command follows.
    container_host: Option<String>,
    connection: bool,
    /// `PODMAN`.
    podman: Option<OsString>,
    /// Where podman usually listens.
    sockets: Vec<PathBuf>,
}

impl Surroundings {
    /// Of the process. A variable that is empty is not set.
    pub(crate) fn of_process(settings: &Settings) -> Self {
        let os = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let own = |key: &str| settings.get(SCHEME, key).filter(|value| !value.is_empty());
        let runtime =
            os("XDG_RUNTIME_DIR").map(|dir| PathBuf::from(dir).join("podman/podman.sock"));
        Self {
            url: own("podman-url").map(str::to_owned),
            program: own("podman").map(OsString::from),
            container_host: os("CONTAINER_HOST").map(|host| host.to_string_lossy().into_owned()),
            connection: os("CONTAINER_CONNECTION").is_some(),
            podman: os("PODMAN"),
            sockets: runtime.into_iter().chain([PathBuf::from(SYSTEM_SOCKET)]).collect(),
        }
    }

    /// The way to a store.
    pub(crate) async fn route(&self, store: &Store) -> Result<Box<dyn Route>> {
        if let Some(url) = &self.url {
            if store.is_own() {
                return service(url, "the option podman-url").await;
            }
            let message =
                format!("the API of podman has one store, and this is another one: {store}");
            return Err(Error::new(ErrorKind::Unsupported, message)
                .hint("without the option podman-url the command podman is asked"));
        }
        if let Some(program) = &self.program {
            return Ok(command(program, store));
        }
        if store.is_own() && !self.connection {
            if let Some(host) = &self.container_host {
                return service(host, "CONTAINER_HOST").await;
            }
            for socket in self.sockets.iter().filter(|socket| is_ours(socket)) {
                let address = Address::unix(socket.clone(), Program::Podman);
                match Service::open(address, "its usual place").await {
                    Ok(service) => return Ok(Box::new(service)),
                    // A socket that a service has left behind.
                    Err(error) if error.kind() == ErrorKind::Unavailable => {}
                    Err(error) => return Err(error),
                }
            }
        }
        let program = self.podman.as_deref().unwrap_or(OsStr::new("podman"));
        Ok(command(program, store))
    }
}

fn command(program: &OsStr, store: &Store) -> Box<dyn Route> {
    Box::new(Command::new(program.to_owned(), store.clone()))
}

async fn service(url: &str, from: &str) -> Result<Box<dyn Route>> {
    let address = Address::parse(url, None, Program::Podman).context(|| from.to_owned())?;
    Ok(Box::new(Service::open(address, from).await?))
}

/// Whether a socket is this user's: that of another one leads to another store.
#[cfg(unix)]
fn is_ours(socket: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(socket).is_ok_and(|found| found.uid() == rustix::process::geteuid().as_raw())
}

#[cfg(not(unix))]
fn is_ours(_: &Path) -> bool {
    false
}

/// The error for a command that does not start.
pub(crate) fn not_started(program: &OsStr, error: io::Error) -> Error {
    let shown = program.to_string_lossy();
    let (kind, message) = match error.kind() {
        io::ErrorKind::NotFound => (
            ErrorKind::Unavailable,
            format!("there is neither a podman that listens nor a command {shown}"),
        ),
        io::ErrorKind::PermissionDenied => {
            (ErrorKind::Denied, format!("no permission to run {shown}"))
        }
        _ => (ErrorKind::Unavailable, format!("{shown} does not start")),
    };
    Error::new(kind, message).caused_by(error).hint(
        "install the package podman; or set CONTAINER_HOST; or give this docker-archive:- and what podman save writes",
    )
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixListener;

    use super::*;
    use crate::reference;

    /// A podman that says who it is.
    fn listens(socket: &Path) {
        let listener = UnixListener::bind(socket).unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(
                    b"HTTP/1.1 200 OK\r\nLibpod-Api-Version: 4.3.1\r\nContent-Length: 2\r\n\r\nOK",
                );
            }
        });
    }

    async fn way(around: &Surroundings, text: &str) -> String {
        let (store, _) = reference::parse(text).unwrap();
        format!("{:?}", around.route(&store).await.unwrap())
    }

    #[tokio::test]
    async fn settings_the_environment_sockets_and_the_command() {
        let folder = tempfile::tempdir().unwrap();
        let (stale, live) = (folder.path().join("stale"), folder.path().join("live"));
        drop(UnixListener::bind(&stale).unwrap());
        listens(&live);
        let url = format!("unix://{}", live.display());
        let own = "Command { program: \"podman\"";
        let mut around = Surroundings {
            sockets: vec![folder.path().join("none"), stale],
            ..Surroundings::default()
        };
        assert!(way(&around, "").await.starts_with(own));
        around.podman = Some("/opt/podman".into());
        assert!(way(&around, "").await.contains("/opt/podman"));
        around.sockets.push(live);
        assert!(way(&around, "").await.contains("its usual place"));
        assert!(way(&around, "[/a]").await.contains("/opt/podman"), "another store");
        around.container_host = Some(url.clone());
        assert!(way(&around, "").await.contains("CONTAINER_HOST"));
        around.connection = true;
        assert!(way(&around, "").await.contains("/opt/podman"), "which follows the connection");
        around.program = Some("/my/podman".into());
        assert!(way(&around, "").await.contains("/my/podman"));
        around.url = Some(url);
        assert!(way(&around, "").await.contains("podman-url"));
        around.url = Some("docker.sock".to_owned());
        let error = around.route(&Store::default()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }
}
