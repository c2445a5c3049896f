//! [`Address`]: where an engine listens, and a connection to it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::Stdio;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio_rustls::TlsConnector;
use transship_core::{Error, ErrorKind, Escaped, Result, run_blocking, without_password};

use crate::connection::Idle;
use crate::engine::invalid;
use crate::tls;

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
    Ssh { user: Option<String>, host: String, port: Option<u16>, socket: Option<String> },
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
struct Tls(Option<PathBuf>);

impl Address {
    /// Reads a host as in `DOCKER_HOST` or `CONTAINER_HOST`. TLS is spoken where a folder with certificates is given.
    ///
    /// # Errors
    /// `InvalidInput`.
    pub fn parse(text: &str, certificates: Option<PathBuf>, program: Program) -> Result<Self> {
        Ok(Self::at(Place::parse(text, certificates)?, program))
    }

    /// A socket of this machine.
    pub fn unix(path: PathBuf, program: Program) -> Self {
        Self::at(Place::Unix(path), program)
    }

    fn at(place: Place, program: Program) -> Self {
        let idle = match place {
            Place::Ssh { .. } => Idle::Kept(Arc::default()),
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
        matches!(self.place, Place::Ssh { .. })
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
                    Some(Tls(folder)) => self.tls(stream, host, folder.clone()).await,
                }
            }
            Place::Ssh { user, host, port, socket } => {
                let mut command = Command::new("ssh");
                if let Some(user) = user {
                    command.args(["-l", user]);
                }
                if let Some(port) = port {
                    command.args(["-p", &port.to_string()]);
                }
                // So that it notices itself when the other side has gone.
                command.args(["-o", "ConnectTimeout=30", "-o", "ServerAliveInterval=30"]);
                command.args(["-T", "--", host]);
                let (program, option) = match self.program {
                    Program::Docker => ("docker", "-H"),
                    Program::Podman => ("podman", "--url"),
                };
                command.arg(program);
                if let Some(socket) = socket {
                    command.args([option, &format!("unix://{socket}")]);
                }
                command.args(["system", "dial-stdio"]);
                spawned(command).map_err(|error| self.unreachable(error))
            }
        }
    }

    async fn tls(&self, stream: TcpStream, host: &str, folder: Option<PathBuf>) -> Result<Stream> {
        let config = run_blocking(move |_| tls::client_config(folder.as_deref())).await?;
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())
            .map_err(|error| invalid(format!("{host} is no name of a server")).caused_by(error))?;
        let connector = TlsConnector::from(Arc::new(config));
        let stream = connector.connect(name, stream).await;
        stream.map(Stream::of).map_err(|error| {
            self.unreachable(error).hint(
                "the folder for certificates has ca.pem, cert.pem and key.pem: DOCKER_CERT_PATH",
            )
        })
    }

    fn unreachable(&self, error: io::Error) -> Error {
        Error::new(ErrorKind::Unavailable, format!("no engine answers at {self}")).caused_by(error)
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
            "ssh" => Self::ssh(rest).map_err(wrong),
            "tcp" | "http" | "https" => {
                let tls = match (scheme, certificates) {
                    ("https", folder) => Some(Tls(folder)),
                    ("tcp", Some(folder)) => Some(Tls(Some(folder))),
                    _ => None,
                };
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

    fn ssh(rest: &str) -> Result<Self, &'static str> {
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
        Ok(Self::Ssh { user, host, port, socket })
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

fn spawned(mut command: Command) -> io::Result<Stream> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn()?;
    let pipes = child.stdin.take().zip(child.stdout.take());
    let (stdin, stdout) = pipes.ok_or_else(|| io::Error::other("ssh has no pipes"))?;
    Ok(Stream::of(Piped { stdin, stdout, _child: child }))
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
            Place::Ssh { user, host, port, socket } => {
                f.write_str("ssh://")?;
                user.iter().try_for_each(|user| write!(f, "{user}@"))?;
                f.write_str(host)?;
                port.iter().try_for_each(|port| write!(f, ":{port}"))?;
                f.write_str(socket.as_deref().unwrap_or_default())
            }
        }
    }
}

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A connection of any kind.
pub(crate) struct Stream(Box<dyn Duplex>);

impl Stream {
    fn of(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        Self(Box::new(stream))
    }
}

/// A process that is spoken to through its pipes, and ends with the connection.
struct Piped {
    stdin: ChildStdin,
    stdout: ChildStdout,
    _child: Child,
}

impl AsyncRead for Piped {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stdout).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Piped {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stdin).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stdin).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stdin).poll_shutdown(cx)
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
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
