//! Debian's docker-registry as our child, on a free port of the loopback address.

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::sh::{self, Result};

/// The one user of a registry that asks who one is.
pub(crate) const USER: &str = "someone";
/// Her password.
pub(crate) const PASSWORD: &str = "correct-horse-battery";

/// How a registry is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaks {
    /// Plain HTTP, to everybody.
    Plain,
    /// TLS, and with [`USER`] alone.
    Securely,
}

/// A registry that serves until this is dropped.
#[derive(Debug)]
pub(crate) struct Served {
    child: Child,
    /// `127.0.0.1:PORT`
    pub(crate) host: String,
    folder: PathBuf,
}

impl Served {
    /// Starts one that keeps everything in a folder.
    pub(crate) fn start(folder: &Path, speaks: Speaks) -> Result<Self> {
        let failed = |e| format!("{}: {e}", folder.display());
        fs::create_dir_all(folder).map_err(failed)?;
        let host = free_port()?;
        let at = |name: &str| folder.join(name).display().to_string();
        if speaks == Speaks::Securely {
            certificates(folder)?;
            fs::write(folder.join("htpasswd"), htpasswd()?).map_err(failed)?;
        }
        let config = configuration(folder, &host, speaks);
        fs::write(folder.join("config.yml"), config).map_err(failed)?;
        let log = File::create(folder.join("log")).map_err(failed)?;
        let mut command = sh::ending_with_us("docker-registry");
        command.args(["serve", &at("config.yml")]).stdin(Stdio::null());
        command.stdout(log.try_clone().map_err(failed)?).stderr(log);
        let child = command.spawn().map_err(|e| format!("cannot start docker-registry: {e}"))?;
        let served = Self { child, host, folder: folder.to_owned() };
        served.ready().map(|()| served)
    }

    /// What it keeps; may be removed while it serves nobody.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The folder with the certificate to trust, as `--cert-dir` wants it.
    pub(crate) fn cert_dir(&self) -> String {
        self.folder.join("certs").display().to_string()
    }

    /// `docker://127.0.0.1:PORT/REST`
    pub(crate) fn place(&self, rest: &str) -> String {
        format!("docker://{}/{rest}", self.host)
    }

    fn ready(&self) -> Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(30) {
            if TcpStream::connect(&self.host).is_ok() {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(20));
        }
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        Err(format!("docker-registry does not answer; its log ends with:\n{}", sh::tail(&log)))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        sh::end(&mut self.child);
    }
}

fn configuration(folder: &Path, host: &str, speaks: Speaks) -> String {
    let folder = folder.display();
    let secure = match speaks {
        Speaks::Plain => String::new(),
        Speaks::Securely => format!(
            "  tls:\n    certificate: {folder}/server.crt\n    key: {folder}/server.key\n\
             auth:\n  htpasswd:\n    realm: interop\n    path: {folder}/htpasswd\n"
        ),
    };
    format!(
        "version: 0.1\nlog:\n  level: warn\n  accesslog:\n    disabled: true\n\
         storage:\n  filesystem:\n    rootdirectory: {folder}/data\n  delete:\n    enabled: true\n\
         http:\n  addr: {host}\n{secure}"
    )
}

fn free_port() -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    listener.map(|address| address.to_string()).map_err(|e| format!("no free port: {e}"))
}

/// A line for [`USER`]. The registry wants bcrypt, which libcrypt has.
fn htpasswd() -> Result<String> {
    let script = format!("print crypt('{PASSWORD}', '$2b$05$abcdefghijklmnopqrstuu')");
    let hash = sh::text(&mut sh::command("perl", ["-e", &script]))?;
    Ok(format!("{USER}:{hash}\n"))
}

/// A CA in `certs/`, and what it signed for the server: no CA may be a server too.
fn certificates(folder: &Path) -> Result<()> {
    let failed = |e| format!("{}: {e}", folder.display());
    fs::create_dir_all(folder.join("certs")).map_err(failed)?;
    fs::write(
        folder.join("extensions"),
        "subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n",
    )
    .map_err(failed)?;
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    let lines = [
        format!("req -x509 {key} -keyout ca.key -out certs/ca.crt -days 2 -subj /CN=interop-ca"),
        format!("req {key} -keyout server.key -out server.csr -subj /CN=127.0.0.1"),
        "x509 -req -in server.csr -CA certs/ca.crt -CAkey ca.key -CAcreateserial -out server.crt \
         -days 2 -extfile extensions"
            .to_owned(),
    ];
    for line in lines {
        let mut openssl = sh::command("openssl", line.split_whitespace());
        sh::stdout(openssl.current_dir(folder))?;
    }
    Ok(())
}
