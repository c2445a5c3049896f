//! Which engine: the option, the environment, and the contexts of docker's command, in its order.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use transship_core::{Error, ErrorKind, Result, ResultExt, Settings, sha256, small_file};

use crate::SCHEME;
use crate::connect::{Address, Program};
use crate::engine::invalid;

const DEFAULT: &str = "unix:///var/run/docker.sock";

/// What decides which engine is spoken to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Surroundings {
    /// The setting.
    pub(crate) host: Option<String>,
    pub(crate) cert_path: Option<PathBuf>,
    /// `DOCKER_HOST` and so on.
    pub(crate) docker_host: Option<String>,
    pub(crate) context: Option<String>,
    pub(crate) tls_verify: bool,
    pub(crate) docker_cert_path: Option<PathBuf>,
    /// `DOCKER_CONFIG`, else `~/.docker`.
    pub(crate) config: Option<PathBuf>,
    pub(crate) api_version: Option<String>,
}

impl Surroundings {
    /// Of the process. A variable that is empty is not set.
    pub(crate) fn of_process(settings: &Settings) -> Self {
        let os = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let text = |name: &str| os(name).map(|value| value.to_string_lossy().into_owned());
        let own = |key: &str| settings.get(SCHEME, key).filter(|value| !value.is_empty());
        let home = || os("HOME").or_else(|| os("USERPROFILE")).map(PathBuf::from);
        Self {
            host: own("daemon-host").map(str::to_owned),
            cert_path: own("daemon-cert-path").map(PathBuf::from),
            docker_host: text("DOCKER_HOST"),
            context: text("DOCKER_CONTEXT"),
            tls_verify: os("DOCKER_TLS_VERIFY").is_some(),
            docker_cert_path: os("DOCKER_CERT_PATH").map(PathBuf::from),
            config: os("DOCKER_CONFIG")
                .map(PathBuf::from)
                .or_else(|| Some(home()?.join(".docker"))),
            api_version: text("DOCKER_API_VERSION"),
        }
    }

    /// The engine, and what named it. Blocks.
    pub(crate) fn engine(&self) -> Result<(Address, String)> {
        if let Some(host) = &self.host {
            return self.named(host, "the option daemon-host");
        }
        if let Some(host) = &self.docker_host {
            return self.named(host, "DOCKER_HOST");
        }
        let given = self.context.clone().map(|name| (name, "DOCKER_CONTEXT"));
        let current = || Ok::<_, Error>(self.current()?.map(|name| (name, "config.json")));
        let context = match given {
            Some(given) => Some(given),
            None => current()?,
        };
        match context {
            Some((name, by)) if name != "default" => {
                let from = format!("the context {name:?} of {by}");
                let address = self.of_context(&name).context(|| from.clone())?;
                Ok((address, from))
            }
            _ => self.named(DEFAULT, "the default"),
        }
    }

    fn named(&self, host: &str, by: &str) -> Result<(Address, String)> {
        let folder = self.cert_path.clone().or_else(|| {
            let folder = self.docker_cert_path.clone().or_else(|| self.config.clone());
            folder.filter(|_| self.tls_verify)
        });
        Ok((
            Address::parse(host, folder, Program::Docker).context(|| by.to_owned())?,
            by.to_owned(),
        ))
    }

    fn current(&self) -> Result<Option<String>> {
        let Some(config) = &self.config else { return Ok(None) };
        let path = config.join("config.json");
        // docker's command goes on where the file is empty, as one that was just made.
        let Some(bytes) = small_file(&path, "reading").if_found()?.filter(|all| !all.is_empty())
        else {
            return Ok(None);
        };
        let found: Option<Config> = parsed(&path, &bytes)?;
        Ok(found.and_then(|config| config.current_context).filter(|name| !name.is_empty()))
    }

    fn of_context(&self, name: &str) -> Result<Address> {
        let missing = || {
            Error::new(ErrorKind::NotFound, "there is no such context")
                .hint("docker context ls lists those that are there; DOCKER_HOST names an engine without one")
        };
        let config = self.config.as_ref().ok_or_else(missing)?.join("contexts");
        let id = sha256(name.as_bytes()).encoded().to_owned();
        let meta: Option<Meta> = document(&config.join("meta").join(&id).join("meta.json"))?;
        let endpoint = meta.ok_or_else(missing)?.endpoints.docker;
        let endpoint = endpoint.ok_or_else(|| invalid("it has no docker endpoint"))?;
        if endpoint.skip_tls_verify {
            let message =
                "it skips the check of the server's certificate, which is always made here";
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        if self.cert_path.is_some() {
            return Address::parse(&endpoint.host, self.cert_path.clone(), Program::Docker);
        }
        // As for docker's command, the folder decides, whatever is in it.
        let tls = config.join("tls").join(&id).join("docker");
        Address::of_context(&endpoint.host, tls.is_dir().then_some(tls))
    }
}

#[derive(Deserialize)]
struct Config {
    #[serde(rename = "currentContext")]
    current_context: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Meta {
    endpoints: Endpoints,
}

#[derive(Deserialize)]
struct Endpoints {
    docker: Option<Endpoint>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Endpoint {
    host: String,
    #[serde(default, rename = "SkipTLSVerify")]
    skip_tls_verify: bool,
}

fn document<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Option<T>> {
    let Some(bytes) = small_file(path, "reading").if_found()? else { return Ok(None) };
    parsed(path, &bytes).map(Some)
}

fn parsed<T: for<'de> Deserialize<'de>>(path: &Path, bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| {
        Error::new(ErrorKind::Corrupt, format!("{} is malformed", path.display())).caused_by(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of docker's configuration with a context `far`.
    fn config(current: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let meta = folder.path().join("contexts/meta").join(sha256(b"far").encoded());
        std::fs::create_dir_all(&meta).unwrap();
        let text =
            r#"{"Name":"far","Endpoints":{"docker":{"Host":"tcp://far:1","SkipTLSVerify":false}}}"#;
        std::fs::write(meta.join("meta.json"), text).unwrap();
        let text = format!(r#"{{"currentContext":{current:?},"auths":{{}}}}"#);
        std::fs::write(folder.path().join("config.json"), text).unwrap();
        folder
    }

    #[test]
    fn the_option_the_variables_the_contexts_and_the_default() {
        let folder = config("far");
        let mut around =
            Surroundings { config: Some(folder.path().to_owned()), ..Surroundings::default() };
        let found = |around: &Surroundings| {
            let (address, from) = around.engine().unwrap();
            (address.to_string(), from)
        };
        assert_eq!(found(&around).0, "tcp://far:1");
        around.context = Some("default".to_owned());
        assert_eq!(found(&around), (DEFAULT.to_owned(), "the default".to_owned()));
        around.context = Some("far".to_owned());
        assert_eq!(found(&around).1, "the context \"far\" of DOCKER_CONTEXT");
        around.context = Some("gone".to_owned());
        let error = around.engine().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let text = error.to_string();
        assert!(text.contains("gone") && text.contains("docker context ls"), "{text}");
        around.docker_host = Some("unix:///a".to_owned());
        assert_eq!(found(&around), ("unix:///a".to_owned(), "DOCKER_HOST".to_owned()));
        around.host = Some("tcp://b:2/base".to_owned());
        assert_eq!(found(&around).0, "tcp://b:2/base");
        around.tls_verify = true;
        assert_eq!(found(&around).0, "https://b:2/base");
    }

    #[test]
    fn an_empty_configuration_is_none() {
        let folder = config("far");
        std::fs::write(folder.path().join("config.json"), "").unwrap();
        let around =
            Surroundings { config: Some(folder.path().to_owned()), ..Surroundings::default() };
        assert_eq!(around.engine().unwrap().1, "the default");
    }

    #[test]
    fn a_context_whose_certificates_are_missing_still_speaks_tls() {
        let folder = config("far");
        let tls = folder.path().join("contexts/tls").join(sha256(b"far").encoded());
        let around =
            Surroundings { config: Some(folder.path().to_owned()), ..Surroundings::default() };
        std::fs::create_dir_all(tls.join("docker")).unwrap();
        assert_eq!(around.engine().unwrap().0.to_string(), "https://far:1");
        std::fs::remove_dir(tls.join("docker")).unwrap();
        assert_eq!(around.engine().unwrap().0.to_string(), "tcp://far:1", "it has none any more");
    }

    #[test]
    fn malformed_configuration_names_its_file() {
        let folder = config("far");
        std::fs::write(folder.path().join("config.json"), "{").unwrap();
        let around =
            Surroundings { config: Some(folder.path().to_owned()), ..Surroundings::default() };
        let error = around.engine().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains("config.json"), "{error}");
    }
}
