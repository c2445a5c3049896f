//! [`RegistryOptions`]: what can be set, from [`Settings`] or by a program.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use transship_core::{Error, ErrorKind, Result, Settings, TransportOption};

use crate::{Credential, SCHEME, Secret, Surroundings};

/// What can be set. Everything has a default that suits most registries.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RegistryOptions {
    /// The credential for every host, in place of what is configured. `creds=USER[:PASSWORD]`; out of sight of other users of
    /// the machine `creds-file=PATH`, a file whose first line is that, or `creds-env=NAME`, an environment variable; or
    /// `registry-token=TOKEN`.
    pub credential: Option<Credential>,
    /// Whether configured credentials are left alone. `no-creds=true`.
    pub anonymous: bool,
    /// The file with credentials, in place of the usual ones. `authfile=PATH`.
    pub authfile: Option<PathBuf>,
    /// A folder with `*.crt`, `*.cert` and `*.key`, for every host. `cert-dir=PATH`.
    pub cert_dir: Option<PathBuf>,
    /// Whether certificates are checked and plain HTTP is refused. `None`: as `registries.conf` says, and plain HTTP to loopback
    /// where it does not speak TLS. `tls-verify=BOOL`.
    pub tls_verify: Option<bool>,
    /// `registries.conf`, in place of the usual ones. `registries-conf=PATH`.
    pub registries_conf: Option<PathBuf>,
    /// The drop-in folder, in place of the usual ones. `registries-conf-dir=PATH`.
    pub registries_conf_dir: Option<PathBuf>,
    /// A folder as containerd's `certs.d`: `HOST/hosts.toml` says the mirrors of a registry, and goes before `registries.conf`.
    /// `hosts-dir=PATH`.
    pub hosts_dir: Option<PathBuf>,
    /// Where the files of the user and of the machine are. Not a setting.
    pub surroundings: Surroundings,
    /// The most requests to one host at once. Large blobs come in pieces over those that are free. `connections=N`.
    pub connections: NonZeroUsize,
    /// How often a request is tried again. `retries=N`.
    pub retries: u32,
    /// How long the first try again waits; each one after it waits twice as long. Not a setting.
    pub first_wait: Duration,
    /// How long nothing may happen on a connection. `idle-timeout=SECONDS`.
    pub idle_timeout: Duration,
    /// The size of the pieces in which uploads are sent, in bytes; `None`: in one. For servers or proxies with a limit.
    /// `chunk-size=BYTES`.
    pub chunk_size: Option<u64>,
    /// How many bytes of answers and uploads may pass in a second, over all connections; `None`: as many as come.
    /// `limit-rate=BYTES`, also as `500k`, `10M`, `1G`, in steps of 1024.
    pub limit_rate: Option<NonZeroU64>,
    /// Whether the servers take indexes of which parts are absent. `sparse=true`.
    pub sparse: bool,
}

/// The most that is read of a file with a credential.
const CREDS_LIMIT: u64 = 64 * 1024;

/// As many as there are blobs copied at once, of which only a few are large.
const CONNECTIONS: NonZeroUsize = NonZeroUsize::new(24).unwrap();

/// The options that can be set, for help.
pub(crate) const OPTIONS: &[TransportOption] = &[
    TransportOption::value(
        "authfile",
        "FILE",
        "The file with credentials for the {side} registry [default: podman's, then docker's]",
    ),
    TransportOption::value(
        "cert-dir",
        "DIR",
        "A folder with the CAs (*.crt) and client certificates (*.cert, *.key) for the {side} registry",
    ),
    TransportOption::value(
        "chunk-size",
        "BYTES",
        "Upload blobs in chunks of this size, for servers with a limit [default: in one request]",
    )
    .writing(),
    TransportOption::value(
        "connections",
        "N",
        "The most requests at the same time to one {side} host [default: 24]",
    ),
    TransportOption::value(
        "creds",
        "USER[:PASSWORD]",
        "Credentials for the {side} registry; other users see them in the list of processes",
    ),
    TransportOption::value(
        "creds-env",
        "VARIABLE",
        "An environment variable that holds USER:PASSWORD for the {side} registry",
    ),
    TransportOption::value(
        "creds-file",
        "FILE",
        "A file whose first line is USER:PASSWORD for the {side} registry",
    ),
    TransportOption::value(
        "hosts-dir",
        "DIR",
        "A folder as containerd's certs.d, whose HOST/hosts.toml has the mirrors of the {side} registry",
    ),
    TransportOption::value(
        "idle-timeout",
        "SECONDS",
        "Give up a {side} connection that is silent for so long [default: 60]",
    ),
    TransportOption::value(
        "limit-rate",
        "BYTES",
        "Read from and write to the {side} registry at most so many bytes a second, as 500k or 10M",
    ),
    TransportOption::flag(
        "no-creds",
        "Use no credentials for the {side} registry, even if some are configured",
    ),
    TransportOption::value(
        "registries-conf",
        "FILE",
        "The registries.conf for the {side} registry, with mirrors and aliases [default: podman's]",
    ),
    TransportOption::value(
        "registries-conf-dir",
        "DIR",
        "The folder of drop-in files for the {side} registries.conf",
    ),
    TransportOption::value("registry-token", "TOKEN", "A bearer token for the {side} registry"),
    TransportOption::value(
        "retries",
        "N",
        "How often a failed {side} request is sent again [default: 5]",
    ),
    TransportOption::flag(
        "sparse",
        "Say that the registry accepts an index whose images are not all there",
    )
    .writing(),
    TransportOption::flag(
        "tls-verify",
        "Whether the {side} registry must have a valid certificate; false also allows plain HTTP",
    ),
];

impl Default for RegistryOptions {
    fn default() -> Self {
        Self {
            credential: None,
            anonymous: false,
            authfile: None,
            cert_dir: None,
            tls_verify: None,
            registries_conf: None,
            registries_conf_dir: None,
            hosts_dir: None,
            surroundings: Surroundings::default(),
            connections: CONNECTIONS,
            retries: 5,
            first_wait: Duration::from_millis(250),
            idle_timeout: Duration::from_secs(60),
            chunk_size: None,
            limit_rate: None,
            sparse: false,
        }
    }
}

impl RegistryOptions {
    /// From settings, as `docker.KEY`.
    ///
    /// # Errors
    /// `InvalidInput` for a value that is malformed. Secrets are not in the message.
    pub fn from_settings(settings: &Settings) -> Result<Self> {
        let get = |key| settings.get(SCHEME, key);
        let defaults = Self::default();
        Ok(Self {
            credential: credential(settings)?,
            anonymous: get("no-creds").map_or(Ok(false), |v| boolean("no-creds", v))?,
            authfile: get("authfile").map(PathBuf::from),
            cert_dir: get("cert-dir").map(PathBuf::from),
            tls_verify: get("tls-verify").map(|v| boolean("tls-verify", v)).transpose()?,
            registries_conf: get("registries-conf").map(PathBuf::from),
            registries_conf_dir: get("registries-conf-dir").map(PathBuf::from),
            hosts_dir: get("hosts-dir").map(PathBuf::from),
            surroundings: defaults.surroundings,
            connections: number(settings, "connections", "a number from 1 on")?
                .unwrap_or(defaults.connections),
            retries: number(settings, "retries", "a number from 0 on")?.unwrap_or(defaults.retries),
            idle_timeout: number(settings, "idle-timeout", "a number from 1 on")?
                .map_or(defaults.idle_timeout, |seconds: std::num::NonZeroU32| {
                    Duration::from_secs(u64::from(seconds.get()))
                }),
            first_wait: defaults.first_wait,
            sparse: get("sparse").map_or(Ok(false), |v| boolean("sparse", v))?,
            chunk_size: size(settings, "chunk-size")?.map(NonZeroU64::get),
            limit_rate: size(settings, "limit-rate")?,
        })
    }
}

/// The ways to give a credential; each excludes the others.
const GIVEN: [&str; 4] = ["creds", "creds-file", "creds-env", "registry-token"];

fn credential(settings: &Settings) -> Result<Option<Credential>> {
    let mut given =
        GIVEN.into_iter().filter_map(|key| settings.get(SCHEME, key).map(|value| (key, value)));
    let Some((key, value)) = given.next() else { return Ok(None) };
    if let Some((other, _)) = given.next() {
        let message = format!("options docker.{key} and docker.{other} exclude each other");
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    match key {
        "creds" => pair(key, value),
        "creds-file" => pair(key, &first_line(Path::new(value))?),
        "creds-env" => {
            let text = std::env::var(value).map_err(|_| {
                let message = format!("there is no environment variable {value}");
                Error::new(ErrorKind::InvalidInput, message).context("option docker.creds-env")
            })?;
            pair(key, &text)
        }
        _ => Ok(Credential::Bearer(Secret::new(value))),
    }
    .map(Some)
}

fn pair(key: &str, text: &str) -> Result<Credential> {
    let (user, secret) = text.split_once(':').unwrap_or((text, ""));
    if user.is_empty() {
        let message = format!("option docker.{key} has no user: its form is USER[:PASSWORD]");
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    Ok(Credential::Basic { user: user.to_owned(), secret: Secret::new(secret) })
}

fn first_line(path: &Path) -> Result<String> {
    let failed = |error| Error::io("reading credentials from", path, error).of_option();
    let mut line = String::new();
    let file = File::open(path).map_err(failed)?;
    BufReader::new(file.take(CREDS_LIMIT)).read_line(&mut line).map_err(failed)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn boolean(key: &str, value: &str) -> Result<bool> {
    match value {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        other => Err(malformed(key, other, "true or false")),
    }
}

fn number<T: FromStr>(settings: &Settings, key: &str, wanted: &str) -> Result<Option<T>> {
    let Some(value) = settings.get(SCHEME, key) else { return Ok(None) };
    value.parse().map(Some).map_err(|_| malformed(key, value, wanted))
}

/// A number of bytes, also of KiB, MiB or GiB, as curl has them.
fn size(settings: &Settings, key: &str) -> Result<Option<NonZeroU64>> {
    let Some(value) = settings.get(SCHEME, key) else { return Ok(None) };
    let end = value.len() - value.bytes().rev().take_while(u8::is_ascii_alphabetic).count();
    let (digits, unit) = value.split_at(end);
    let unit: Option<u64> = match unit.to_ascii_lowercase().as_str() {
        "" => Some(1),
        "k" => Some(1 << 10),
        "m" => Some(1 << 20),
        "g" => Some(1 << 30),
        _ => None,
    };
    let bytes =
        digits.parse::<u64>().ok().zip(unit).and_then(|(count, unit)| count.checked_mul(unit));
    let wanted = "a number of bytes, as 500k or 10M,";
    bytes.and_then(NonZeroU64::new).map(Some).ok_or_else(|| malformed(key, value, wanted))
}

fn malformed(key: &str, value: &str, wanted: &str) -> Error {
    let message = format!("option docker.{key} is {value:?}, where {wanted} is expected");
    Error::new(ErrorKind::InvalidInput, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_become_options() {
        let settings = Settings::new()
            .with("docker", "creds", "me:a:b")
            .with("docker", "tls-verify", "false")
            .with("docker", "idle-timeout", "7")
            .with("docker", "limit-rate", "500k")
            .with("docker", "chunk-size", "1048576");
        let options = RegistryOptions::from_settings(&settings).unwrap();
        assert!(!format!("{options:?}").contains("a:b"), "{options:?}");
        assert_eq!(options.tls_verify, Some(false));
        assert_eq!(options.idle_timeout, Duration::from_secs(7));
        assert_eq!(options.chunk_size, Some(1 << 20));
        assert_eq!(options.limit_rate.map(NonZeroU64::get), Some(500 << 10));
    }

    #[test]
    fn malformed_settings_are_refused_without_secrets() {
        for (key, value) in [
            ("creds", ":hunter2"),
            ("tls-verify", "maybe"),
            ("connections", "0"),
            ("retries", "-1"),
            ("idle-timeout", "0"),
            ("limit-rate", "0"),
            ("limit-rate", "fast"),
            ("limit-rate", "10T"),
            ("limit-rate", "99999999999999999999"),
            ("limit-rate", "18446744073709551615k"),
        ] {
            let settings = Settings::new().with("docker", key, value);
            let error = RegistryOptions::from_settings(&settings).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(!error.to_string().contains("hunter2"), "{error}");
            if ["connections", "retries", "idle-timeout"].contains(&key) {
                assert!(error.to_string().contains("a number from"), "{error}");
            }
        }
        let both =
            Settings::new().with("docker", "creds", "a:b").with("docker", "registry-token", "c");
        assert!(RegistryOptions::from_settings(&both).is_err());
    }

    #[test]
    fn credentials_out_of_sight() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("creds");
        std::fs::write(&path, "me:a:b\nmore").unwrap();
        let with = |key, value: &str| {
            RegistryOptions::from_settings(&Settings::new().with("docker", key, value))
        };
        let expected = Credential::Basic { user: "me".into(), secret: Secret::new("a:b") };
        let found = with("creds-file", path.to_str().unwrap()).unwrap();
        assert_eq!(found.credential, Some(expected));
        std::fs::write(&path, "\n").unwrap();
        assert!(with("creds-file", path.to_str().unwrap()).is_err());
        assert_eq!(with("creds-file", "/absent").unwrap_err().kind(), ErrorKind::InvalidInput);
        let found = with("creds-env", "PATH").unwrap().credential;
        assert!(matches!(found, Some(Credential::Basic { .. })));
        assert_eq!(
            with("creds-env", "NOT_SET_AT_ALL").unwrap_err().kind(),
            ErrorKind::InvalidInput
        );
    }
}
