//! [`RegistriesConf`]: where a name leads.

use transship_core::{DockerName, Result};

use crate::RegistryOptions;

/// Which pulls a mirror is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(dead_code, reason = "mirrors are to come")]
pub(crate) enum Pulls {
    /// All.
    All,
    /// Those by digest.
    Digests,
    /// Those by tag.
    Tags,
}

/// A place where a repository is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// The host and port as people write it: `docker.io`.
    pub(crate) host: String,
    /// The repository there.
    pub(crate) repository: String,
    /// Whether certificates are not checked, and plain HTTP is fine.
    pub(crate) insecure: bool,
    /// Which pulls it is for. Writing goes to the last endpoint, which is no mirror.
    pub(crate) pulls: Pulls,
}

/// Where a name leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resolved {
    /// In the order in which they are tried; the last is the registry itself.
    pub(crate) endpoints: Vec<Endpoint>,
    /// Whether it must not be used.
    pub(crate) blocked: bool,
}

/// What is configured of registries.
#[derive(Debug)]
pub(crate) struct RegistriesConf;

impl RegistriesConf {
    /// Reads the files. Blocks.
    #[expect(clippy::unnecessary_wraps, reason = "files are to come")]
    pub(crate) fn load(_options: &RegistryOptions) -> Result<Self> {
        Ok(Self)
    }

    /// Where a name leads.
    #[expect(clippy::unused_self, reason = "files are to come")]
    pub(crate) fn resolve(&self, name: &DockerName) -> Resolved {
        let endpoint = Endpoint {
            host: name.domain().to_owned(),
            repository: name.path().to_owned(),
            insecure: false,
            pulls: Pulls::All,
        };
        Resolved { endpoints: vec![endpoint], blocked: false }
    }
}
