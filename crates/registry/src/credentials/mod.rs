//! [`Credentials`]: finds the credential for a host, as podman, skopeo and docker do.
//!
//! | in this order | where |
//! |---|---|
//! | given | `creds`, `creds-file`, `creds-env`, `registry-token`; nothing else is looked at |
//! | chosen | `authfile`, else `$REGISTRY_AUTH_FILE`; no other file is looked at |
//! | podman's | `$XDG_RUNTIME_DIR/containers/auth.json`, `$XDG_CONFIG_HOME/containers/auth.json` |
//! | docker's | `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`; `~/.dockercfg` |
//!
//! In a file the longest key wins: `host/team/app` before `host/team` before `host`. A helper (`credHelpers`) or a store
//! (`credsStore`) for the host is asked before the file's own entries. `credential-helpers` of `registries.conf` come in their order.

mod file;
mod helper;
mod keys;
mod login;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use transship_core::{Error, ErrorKind, Hint, Observer, Result, ResultExt};

use crate::RegistryOptions;
use crate::config::{AUTH_FILES, RegistriesConf};

use file::AuthFile;
use helper::Helper;

pub(crate) use login::host_of;
pub use login::{LoggedIn, LoggedOut, forget, keep};

/// A secret: it prints as stars.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself. It goes into a request and nowhere else.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The credential for a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// A user and a password.
    Basic {
        /// The user.
        user: String,
        /// The password.
        secret: Secret,
    },
    /// A token that is given, by `OAuth2`, for another one.
    IdentityToken(Secret),
    /// A token that goes into each request as it is.
    Bearer(Secret),
}

#[derive(Debug)]
pub(crate) struct Credentials {
    options: RegistryOptions,
    helpers: OnceLock<Vec<String>>,
}

impl Credentials {
    pub(crate) fn new(options: &RegistryOptions) -> Self {
        Self { options: options.clone(), helpers: OnceLock::new() }
    }

    /// The credential for a repository of a host (`docker.io`, `localhost:5000`). Blocks: it reads files and starts helpers.
    ///
    /// A helper that cannot be started gives a warning and is left out: a public image needs no credential.
    pub(crate) fn find(
        &self,
        host: &str,
        repository: &str,
        observer: &Observer,
    ) -> Result<Option<Credential>> {
        if self.options.anonymous {
            return Ok(None);
        }
        for helper in self.helpers()? {
            let found = if helper == AUTH_FILES {
                self.in_files(host, repository, observer)?
            } else {
                self.ask(helper, host, observer)?
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn in_files(
        &self,
        host: &str,
        repository: &str,
        observer: &Observer,
    ) -> Result<Option<Credential>> {
        for path in files(&self.options) {
            let Some(file) = AuthFile::read(&path)? else {
                if is_chosen(&self.options, &path) {
                    return Err(absent(&path));
                }
                continue;
            };
            if let Some(name) = file.helper(host) {
                let found = self.ask(name, host, observer);
                if let Some(found) = found.context(|| path.display().to_string())? {
                    return Ok(Some(found));
                }
            }
            if let Some(found) = file.credential(host, repository)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn ask(&self, helper: &str, host: &str, observer: &Observer) -> Result<Option<Credential>> {
        match self.helper(helper)?.get(keys::server(host)) {
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                observer.warn(format!("no credential was asked for: {error}"));
                Ok(None)
            }
            found => found,
        }
    }

    fn helper(&self, name: &str) -> Result<Helper> {
        Helper::new(name, self.options.surroundings.path.as_ref())
    }

    /// What `credential-helpers` of `registries.conf` says.
    fn helpers(&self) -> Result<&[String]> {
        if let Some(helpers) = self.helpers.get() {
            return Ok(helpers);
        }
        let helpers = RegistriesConf::load(&self.options)?.credential_helpers().to_vec();
        Ok(self.helpers.get_or_init(|| helpers))
    }
}

/// The files with credentials, in the order in which they are read.
fn files(options: &RegistryOptions) -> Vec<PathBuf> {
    let chosen = options.authfile.as_ref().or(options.surroundings.auth_file.as_ref());
    chosen.map_or_else(|| options.surroundings.auth_files(), |chosen| vec![chosen.clone()])
}

/// Whether the user named the file: then it must be there.
fn is_chosen(options: &RegistryOptions, path: &Path) -> bool {
    let chosen = [&options.authfile, &options.surroundings.auth_file];
    chosen.into_iter().flatten().any(|chosen| chosen == path)
}

fn absent(path: &Path) -> Error {
    Error::new(
        ErrorKind::InvalidInput,
        format!("{}: there is no such file with credentials", path.display()),
    )
    .hint(Hint::NameAuthFile)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Surroundings;
    use std::fs;

    fn write(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn entry(host: &str, user: &str) -> String {
        format!(r#"{{"auths":{{"{host}":{{"username":"{user}","password":"p"}}}}}}"#)
    }

    fn options(folder: &Path) -> RegistryOptions {
        let surroundings = Surroundings::below(folder);
        RegistryOptions { surroundings, ..RegistryOptions::default() }
    }

    fn user(options: &RegistryOptions, host: &str) -> Option<String> {
        match Credentials::new(options).find(host, "r", &Observer::default()).unwrap()? {
            Credential::Basic { user, .. } => Some(user),
            other => Some(format!("{other:?}")),
        }
    }

    #[test]
    fn files_in_their_order() {
        let folder = tempfile::tempdir().unwrap();
        let mut options = options(folder.path());
        assert_eq!(user(&options, "h"), None);
        let names = [
            "home/.dockercfg",
            "home/.docker/config.json",
            "home/.config/containers/auth.json",
            "run/containers/auth.json",
        ];
        for name in names {
            let text = if name.ends_with("cfg") {
                r#"{"h":{"username":"home/.dockercfg"}}"#.to_owned()
            } else {
                entry("h", name)
            };
            write(&folder.path().join(name), &text);
            assert_eq!(user(&options, "h").as_deref(), Some(name));
        }
        let (chosen, given) = (folder.path().join("chosen"), folder.path().join("given"));
        options.surroundings.auth_file = Some(chosen.clone());
        assert_eq!(
            Credentials::new(&options).find("h", "r", &Observer::default()).unwrap_err().kind(),
            ErrorKind::InvalidInput
        );
        write(&chosen, &entry("h", "chosen"));
        assert_eq!(user(&options, "h").as_deref(), Some("chosen"));
        write(&given, &entry("other", "given"));
        options.authfile = Some(given);
        assert_eq!(
            (user(&options, "h"), user(&options, "other").as_deref()),
            (None, Some("given"))
        );
        options.anonymous = true;
        assert_eq!(user(&options, "other"), None);
    }

    #[cfg(unix)]
    #[test]
    fn helpers_of_registries_conf_and_of_files() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let options = options(folder.path());
        for name in ["one", "two"] {
            let program = folder.path().join(format!("bin/docker-credential-{name}"));
            write(
                &program,
                &format!(
                    "#!/bin/sh\nread s\n[ $s = h ] || {{ echo credentials not found; exit 1; }}\necho '{{\"Username\":\"{name}\"}}'\n"
                ),
            );
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        }
        write(&folder.path().join("run/containers/auth.json"), r#"{"credHelpers":{"h":"one"}}"#);
        assert_eq!(user(&options, "h").as_deref(), Some("one"));
        write(&folder.path().join("home/.docker/config.json"), &entry("i", "file"));
        assert_eq!(user(&options, "i").as_deref(), Some("file"), "a store that knows nothing");
        let conf = folder.path().join("etc/containers/registries.conf");
        write(&conf, "credential-helpers = [\"two\", \"containers-auth.json\"]");
        assert_eq!(
            (user(&options, "h").as_deref(), user(&options, "i").as_deref()),
            (Some("two"), Some("file"))
        );
    }
}
