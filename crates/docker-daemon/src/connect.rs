//! [`Address`]: where an engine listens, and a connection to it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio_rustls::TlsConnector;
use transship_core::{Error, ErrorKind, Escaped, Result, run_blocking, without_password};

use crate::connection::{Idle, Stream};
use crate::engine::invalid;
use crate::tls::{self, Ca};

/// Where an engine listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    place: Place,
    program: Program,
    idle: Idle,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Unix(PathBuf),
    Tcp { host: String, port: u16, base: String, tls: Option<Tls> },
    Ssh(Ssh),
}

/// A login on another machine, and the socket there.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ssh {
    user: Option<String>,
    host: String,
    port: Option<u16>,
    socket: Option<String>,
}

/// The command of an engine: it is run behind ssh, and hints name its ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// `docker`.
    Docker,
    /// `podman`.
    Podman,
}

/// TLS is spoken, with the certificates in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Tls {
    folder: Option<PathBuf>,
    ca: Ca,
}

impl Address {
    /// Reads a host as in `DOCKER_HOST` or `CONTAINER_HOST`. TLS is spoken where a folder with certificates is given.
    ///
    /// # Errors
    /// `InvalidInput`.
    pub fn parse(text: &str, certificates: Option<PathBuf>, program: Program) -> Result<Self> {
        Ok(Self::at(Place::parse(text, certificates)?, program))
    }

    /// The same of a context of docker, whose folder may lack files.
    pub(crate) fn of_context(text: &str, certificates: Option<PathBuf>) -> Result<Self> {
        let mut address = Self::parse(text, certificates, Program::Docker)?;
        if let Place::Tcp { tls: Some(tls), .. } = &mut address.place {
            tls.ca = Ca::MayBeMissing;
        }
        Ok(address)
    }

    /// A socket of this machine.
    pub fn unix(path: PathBuf, program: Program) -> Self {
        Self::at(Place::Unix(path), program)
    }

    fn at(place: Place, program: Program) -> Self {
        let idle = match place {
            Place::Ssh(_) => Idle::Kept(Arc::default()),
            _ => Idle::NotKept,
        };
        Self { place, program, idle }
    }

    /// Where a connection waits for the next request.
    pub(crate) fn idle(&self) -> &Idle {
        &self.idle
    }

    /// What stands before the path of each request.
    pub(crate) fn base(&self) -> &str {
        match &self.place {
            Place::Tcp { base, .. } => base,
            _ => "",
        }
    }

    pub(crate) fn is_ssh(&self) -> bool {
        matches!(self.place, Place::Ssh(_))
    }

    /// A new connection.
    pub(crate) async fn connect(&self) -> Result<Stream> {
        match &self.place {
            Place::Unix(path) => unix(path, self.program).await,
            Place::Tcp { host, port, tls, .. } => {
                let stream = TcpStream::connect((host.trim_matches(['[', ']']), *port)).await;
                let stream =
                    stream.map_err(|error| self.unreachable(error).hint(self.program.start()))?;
                let _ = stream.set_nodelay(true);
                match tls {
                    None => Ok(Stream::of(stream)),
                    Some(tls) => self.tls(stream, host, tls.clone()).await,
                }
            }
            Place::Ssh(ssh) => {
                let mut command = Command::new("ssh");
                command.args(ssh.login());
                // So that it notices itself when the other side has gone.
                command.args(["-o", "ConnectTimeout=30", "-o", "ServerAliveInterval=30"]);
                command.args(["-T", "--", &ssh.host]);
                command.args(ssh.dial(self.program));
                Stream::of_process(command).map_err(|error| self.unreachable(error))
            }
        }
    }

    async fn tls(&self, stream: TcpStream, host: &str, tls: Tls) -> Result<Stream> {
        let Tls { folder, ca } = tls;
        let config = run_blocking(move |_| tls::client_config(folder.as_deref(), ca)).await?;
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())
            .map_err(|error| invalid(format!("{host} is no name of a server")).caused_by(error))?;
        let connector = TlsConnector::from(Arc::new(config));
        let stream = connector.connect(name, stream).await;
        stream.map(Stream::of).map_err(|error| self.unreachable(error).hint(tls::FOLDER))
    }

    fn unreachable(&self, error: io::Error) -> Error {
        Error::new(ErrorKind::Unavailable, format!("no engine answers at {self}")).caused_by(error)
    }
}

/// What is said of an engine that breaks off, or refuses, before its first answer.
impl Address {
    /// What may be wrong.
    pub(crate) fn why_no_answer(&self) -> String {
        let other = self.program.other();
        match &self.place {
            Place::Unix(_) => other.to_owned(),
            Place::Tcp { tls: None, .. } => format!("{other}; or {}", self.program.wants_tls()),
            Place::Tcp { tls: Some(Tls { folder, .. }), .. } => match folder {
                Some(folder) => format!(
                    "it may want a certificate that it knows: cert.pem and key.pem in {}",
                    folder.display()
                ),
                None => format!("it may want a certificate that it knows: {}", tls::FOLDER),
            },
            Place::Ssh(ssh) => {
                let words = ssh.login().into_iter().chain(["-T".to_owned(), ssh.host.clone()]);
                let words: Vec<_> = words.chain(ssh.dial(self.program)).collect();
                format!("this has to work by itself: ssh {}", words.join(" "))
            }
        }
    }

    /// What to do where plain HTTP is refused.
    pub(crate) fn wants_tls(&self) -> &'static str {
        self.program.wants_tls()
    }
}

impl Ssh {
    /// Who logs in, and at which port.
    fn login(&self) -> Vec<String> {
        let user = self.user.iter().flat_map(|user| ["-l".to_owned(), user.clone()]);
        let port = self.port.iter().flat_map(|port| ["-p".to_owned(), port.to_string()]);
        user.chain(port).collect()
    }

    /// The command there.
    fn dial(&self, program: Program) -> Vec<String> {
        let (name, option) = match program {
            Program::Docker => ("docker", "-H"),
            Program::Podman => ("podman", "--url"),
        };
        let mut words = vec![name.to_owned()];
        if let Some(socket) = &self.socket {
            words.extend([option.to_owned(), format!("unix://{socket}")]);
        }
        words.extend(["system", "dial-stdio"].map(str::to_owned));
        words
    }
}

impl Place {
    fn parse(text: &str, certificates: Option<PathBuf>) -> Result<Self> {
        let wrong = |why: &str| {
            let shown = without_password(text);
            invalid(format!("\"{}\" is no address of an engine: {why}", Escaped(&shown)))
                .hint("unix://PATH, tcp://HOST:PORT, https://HOST:PORT, ssh://[USER@]HOST")
        };
        let (scheme, rest) = text.split_once("://").ok_or_else(|| wrong("it has no scheme"))?;
        match scheme {
            "unix" if rest.is_empty() => Err(wrong("the path is empty")),
            "unix" => Ok(Self::Unix(PathBuf::from(rest))),
            "ssh" => Ssh::parse(rest).map(Self::Ssh).map_err(wrong),
            "tcp" | "http" | "https" => {
                let speaks_tls = scheme == "https" || scheme == "tcp" && certificates.is_some();
                let tls = speaks_tls.then_some(Tls { folder: certificates, ca: Ca::Needed });
                let port = if tls.is_some() { 2376 } else { 2375 };
                let (authority, base) = rest.split_once('/').unwrap_or((rest, ""));
                let base = base.trim_end_matches('/');
                let base = if base.is_empty() { String::new() } else { format!("/{base}") };
                if base.bytes().any(|b| !b.is_ascii_graphic() || matches!(b, b'?' | b'#')) {
                    return Err(wrong("its path has characters that no path has"));
                }
                let (host, port) =
                    host_and_port(authority).map_err(wrong).map(|(h, p)| (h, p.unwrap_or(port)))?;
                Ok(Self::Tcp { host, port, base, tls })
            }
            _ => Err(wrong("this scheme is not known")),
        }
    }
}

impl Ssh {
    fn parse(rest: &str) -> Result<Self, &'static str> {
        if rest.contains(['?', '#']) {
            return Err("a query or fragment has no meaning");
        }
        let (authority, socket) = match rest.split_once('/') {
            Some((authority, path)) if !path.is_empty() => (authority, Some(format!("/{path}"))),
            Some((authority, _)) => (authority, None),
            None => (rest, None),
        };
        let (user, place) = match authority.rsplit_once('@') {
            Some((user, _)) if user.contains(':') => return Err("a password has no place in it"),
            Some((user, place)) => (Some(user.to_owned()), place),
            None => (None, authority),
        };
        // ssh gives it to a shell of the other machine.
        let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
        if socket.as_ref().is_some_and(|socket| !socket.chars().all(plain)) {
            return Err("the path of a socket there has letters, digits, and any of / . _ - only");
        }
        let (host, port) = host_and_port(place)?;
        if host.starts_with('-')
            || user.as_ref().is_some_and(|u| u.starts_with('-') || u.is_empty())
        {
            return Err("ssh would take it for an option");
        }
        Ok(Self { user, host, port, socket })
    }
}

#[cfg(unix)]
async fn unix(path: &Path, program: Program) -> Result<Stream> {
    tokio::net::UnixStream::connect(path).await.map(Stream::of).map_err(|error| {
        let shown = path.display();
        let kind = error.kind();
        let failed = match kind {
            io::ErrorKind::PermissionDenied => {
                Error::new(ErrorKind::Denied, format!("no permission for unix://{shown}"))
            }
            _ => Error::new(ErrorKind::Unavailable, format!("no engine answers at unix://{shown}")),
        };
        failed.caused_by(error).hint(match kind {
            io::ErrorKind::PermissionDenied => program.permission().to_owned(),
            _ => elsewhere(path, program),
        })
    })
}

#[cfg(not(unix))]
async fn unix(path: &Path, _: Program) -> Result<Stream> {
    let message = format!("unix://{}: there are no such sockets on this system", path.display());
    Err(Error::new(ErrorKind::Unsupported, message).hint("tcp://HOST:PORT"))
}

/// Where else engines often listen.
#[cfg(unix)]
fn elsewhere(tried: &Path, program: Program) -> String {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let own = runtime
        .into_iter()
        .flat_map(|dir| [dir.join("docker.sock"), dir.join("podman/podman.sock")]);
    let system = ["/var/run/docker.sock", "/run/podman/podman.sock"].map(PathBuf::from);
    let there: Vec<_> = own
        .chain(system)
        .filter(|path| program == Program::Docker || path.ends_with("podman/podman.sock"))
        .filter(|path| path != tried && path.exists())
        .map(|path| format!("{}=unix://{}", program.variable(), path.display()))
        .collect();
    if there.is_empty() {
        return program.start().to_owned();
    }
    format!("another socket is there: {}", there.join(", "))
}

#[cfg(unix)]
impl Program {
    fn variable(self) -> &'static str {
        match self {
            Self::Docker => "DOCKER_HOST",
            Self::Podman => "CONTAINER_HOST",
        }
    }

    fn permission(self) -> &'static str {
        match self {
            Self::Docker => {
                "join the group that owns the socket (docker), or use a rootless engine: DOCKER_HOST"
            }
            Self::Podman => {
                "the socket of root is for root; your own is started by systemctl --user start podman.socket"
            }
        }
    }
}

impl Program {
    /// What is said where something else seems to listen.
    fn other(self) -> &'static str {
        match self {
            Self::Docker => {
                "what listens there may be no engine of docker: DOCKER_HOST, or the option daemon-host, names another one"
            }
            Self::Podman => "what listens there may be no podman: CONTAINER_HOST names another one",
        }
    }

    fn wants_tls(self) -> &'static str {
        match self {
            Self::Docker => {
                "the port may want TLS: DOCKER_TLS_VERIFY=1, and DOCKER_CERT_PATH with the folder of ca.pem, cert.pem and key.pem; a context of docker has these files itself"
            }
            Self::Podman => "the port may want TLS: https://HOST:PORT",
        }
    }

    fn start(self) -> &'static str {
        match self {
            Self::Docker => {
                "start the engine, or name another one: DOCKER_HOST, or the option daemon-host"
            }
            Self::Podman => {
                "start it by systemctl [--user] start podman.socket, or unset CONTAINER_HOST to use the command podman"
            }
        }
    }
}

fn host_and_port(authority: &str) -> Result<(String, Option<u16>), &'static str> {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let port = port.map(|port| port.parse().map_err(|_| "its port is no number")).transpose()?;
    let plain = host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b));
    if host.is_empty() || !plain {
        return Err("it has no host");
    }
    Ok((host.to_owned(), port))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Unix(path) => write!(f, "unix://{}", path.display()),
            Place::Tcp { host, port, base, tls } => {
                let scheme = if tls.is_some() { "https" } else { "tcp" };
                write!(f, "{scheme}://{host}:{port}{base}")
            }
            Place::Ssh(Ssh { user, host, port, socket }) => {
                f.write_str("ssh://")?;
                user.iter().try_for_each(|user| write!(f, "{user}@"))?;
                f.write_str(host)?;
                port.iter().try_for_each(|port| write!(f, ":{port}"))?;
                f.write_str(socket.as_deref().unwrap_or_default())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, canonical) in [
            ("unix:///run/x.sock", "unix:///run/x.sock"),
            ("tcp://h", "tcp://h:2375"),
            ("tcp://[::1]:5", "tcp://[::1]:5"),
            ("http://h:1/base/", "tcp://h:1/base"),
            ("https://h", "https://h:2376"),
            ("ssh://me@h:22/run/d.sock", "ssh://me@h:22/run/d.sock"),
            ("ssh://h/", "ssh://h"),
        ] {
            assert_eq!(
                Address::parse(text, None, Program::Docker).unwrap().to_string(),
                canonical,
                "{text}"
            );
        }
        for text in [
            "",
            "/run/x.sock",
            "unix://",
            "tcp://",
            "tcp://h:x",
            "tcp://h/a?b",
            "npipe:////./pipe/x",
            "ssh://-oProxyCommand=x",
            "ssh://-l@h",
            "ssh://me:secret@h",
            "tcp://me:secret@h",
            "ssh://h/?q",
            "ssh://h/x;touch /tmp/p",
            "ssh://h/$(id)",
            "ssh://",
        ] {
            let error = Address::parse(text, None, Program::Docker).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
