//! [`RegistriesConf`]: where a name leads, by `registries.conf`.
//!
//! | file | read |
//! |---|---|
//! | `registries-conf`, else `$CONTAINERS_REGISTRIES_CONF` | in place of the next two; must be there |
//! | `~/.config/containers/registries.conf` | if it is there; then nothing of `/etc` is |
//! | `/etc/containers/registries.conf` | otherwise |
//! | `registries-conf-dir`, else `/etc/containers/registries.conf.d`, `~/.config/containers/registries.conf.d` | each `*.conf`, in the order of their names |
//!
//! `unqualified-search-registries` and `short-name-mode` are read and not followed: a name without a host is looked for at no list of
//! hosts, of which the first to have it wins. `[aliases]` are for [`short_name`].
//!
//! A later `[[registry]]` replaces an earlier one with its prefix; a later list or alias replaces an earlier one.

mod files;
mod hosts;
mod parse;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use transship_core::{DockerName, Error, ErrorKind, Result};

use crate::RegistryOptions;

use crate::reference::repository_of;
use hosts::{Capabilities, Place};
pub(crate) use hosts::{HostsFile, Server, certificates as hosts_certificates, load as hosts_file};
use parse::{Table, Text};

/// The name, with its host, that a short one stands for by `[aliases]` of `registries.conf`; its tag or digest goes with it. Blocks.
///
/// For commands that take short names: a reference always says its host, or has the one that docker takes.
///
/// # Errors
/// Those of the files.
pub fn short_name(options: &RegistryOptions, short: &str) -> Result<Option<String>> {
    RegistriesConf::load(options).map(|conf| conf.alias(short))
}

/// What stands for the files with credentials in `credential-helpers`.
pub(crate) const AUTH_FILES: &str = "containers-auth.json";

/// Which pulls a mirror is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pulls {
    All,
    Digests,
    Tags,
}

/// A place where a repository is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// The host and port as people write it: `docker.io`.
    pub(crate) host: String,
    pub(crate) repository: String,
    /// Whether certificates are not checked, and plain HTTP is fine.
    pub(crate) insecure: bool,
    pub(crate) pulls: Pulls,
    /// Whether credentials that were given go there.
    pub(crate) given: GivenCredential,
    pub(crate) role: Role,
    /// Where a `hosts.toml` says how the server is spoken to.
    pub(crate) via: Option<Arc<Via>>,
}

/// How a `hosts.toml` says that a repository is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Via {
    pub(crate) server: Arc<Server>,
    /// What comes before the repository in the path of a URL.
    pub(crate) root: String,
    /// The registry of which the server is a mirror, for its `?ns=`.
    pub(crate) namespace: Option<String>,
}

/// What a place is for a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The registry itself, wherever configuration says that it is: it knows what there is.
    Registry,
    /// It has a part of what the registry has, maybe.
    Mirror,
}

/// Whether credentials that a caller gives, and not a file, go to a host. They are for the host of the reference, and for no
/// other one that configuration leads to: a mirror, or where a prefix is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum GivenCredential {
    Sent,
    Withheld,
}

/// Where a name leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resolved {
    /// For reading, in the order in which they are tried; the last is the registry itself, unless it is blocked.
    pub(crate) endpoints: Vec<Endpoint>,
    /// The registry itself, as named: by `registries.conf`, other tools rewrite and mirror pulls alone.
    pub(crate) own: Endpoint,
    /// For writing, if there is a place.
    pub(crate) write: Result<Endpoint, NoPush>,
    /// Whether the registry itself must not be asked anything.
    pub(crate) blocked: bool,
}

/// A `hosts.toml` has no host for pushes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NoPush(pub(crate) PathBuf);

#[derive(Debug, Default)]
pub(crate) struct RegistriesConf {
    tables: Vec<Table>,
    helpers: Vec<String>,
    aliases: BTreeMap<String, String>,
}

impl RegistriesConf {
    /// Reads the files. Blocks.
    pub(crate) fn load(options: &RegistryOptions) -> Result<Self> {
        let mut conf = Self::default();
        for (path, text) in files::read(options)? {
            let parsed = Text::parse(&text).map_err(|why| {
                Error::new(ErrorKind::Corrupt, format!("{}: {}", path.display(), why.trim()))
            })?;
            conf.join(parsed);
        }
        conf.check()?;
        Ok(conf)
    }

    /// Where a name leads.
    pub(crate) fn resolve(&self, name: &DockerName) -> Result<Resolved> {
        let own = |insecure| Endpoint {
            host: name.domain().to_owned(),
            repository: name.path().to_owned(),
            insecure,
            pulls: Pulls::All,
            given: GivenCredential::Sent,
            role: Role::Registry,
            via: None,
        };
        let full = name.to_string();
        let Some((table, matched)) = self.table(&full) else {
            let (endpoints, own) = (vec![own(false)], own(false));
            return Ok(Resolved { endpoints, write: Ok(own.clone()), own, blocked: false });
        };
        // A prefix may reach into the tag; what is left of the repository is nothing then.
        let repository = repository_of(name);
        let rest = repository.get(matched..).unwrap_or_default();
        let mut endpoints = Vec::new();
        for mirror in &table.mirror {
            endpoints.push(at(&mirror.location, rest, mirror.insecure, table.pulls(mirror))?);
        }
        if !table.blocked {
            endpoints.push(if table.location.is_empty() {
                own(table.insecure)
            } else {
                let at = at(&table.location, rest, table.insecure, Pulls::All)?;
                Endpoint { role: Role::Registry, ..at }
            });
        }
        endpoints.retain(|endpoint| !self.is_blocked(endpoint));
        for endpoint in endpoints.iter_mut().filter(|endpoint| endpoint.host == name.domain()) {
            endpoint.given = GivenCredential::Sent;
        }
        let own = own(table.insecure);
        Ok(Resolved { endpoints, write: Ok(own.clone()), own, blocked: table.blocked })
    }

    /// Where a name leads by a `hosts.toml`, in place of the mirrors and locations of `registries.conf`; what is blocked stays
    /// blocked.
    pub(crate) fn by_hosts(&self, name: &DockerName, conf: Resolved, file: &HostsFile) -> Resolved {
        let all = Capabilities { pull: true, resolve: true, push: true };
        let of = |place: &Place, role| (place.endpoint(name, role), place.can);
        let server = file.server.as_ref().map(|server| of(server, Role::Registry));
        let (own, own_can) = server.unwrap_or((conf.own, all));
        let mut places: Vec<_> =
            file.mirrors.iter().map(|mirror| of(mirror, Role::Mirror)).collect();
        if !conf.blocked {
            places.push((own.clone(), own_can));
        }
        places.retain(|(endpoint, _)| !self.is_blocked(endpoint));
        let write = places.iter().find(|(_, can)| can.push).map(|(endpoint, _)| endpoint.clone());
        let pulls = places.into_iter().filter(|(_, can)| can.pull);
        Resolved {
            endpoints: pulls.map(|(endpoint, _)| endpoint).collect(),
            own,
            write: write.ok_or_else(|| NoPush(file.path.clone())),
            blocked: conf.blocked,
        }
    }

    /// Whether a place that one table names is blocked by another.
    fn is_blocked(&self, endpoint: &Endpoint) -> bool {
        let name = format!("{}/{}", endpoint.host, endpoint.repository);
        self.table(&name).is_some_and(|(table, _)| table.blocked)
    }

    /// What keeps credentials, in order.
    pub(crate) fn credential_helpers(&self) -> &[String] {
        &self.helpers
    }

    /// The name that a short one stands for; its tag or digest goes with it.
    pub(crate) fn alias(&self, short: &str) -> Option<String> {
        let end = short.find('@').unwrap_or_else(|| {
            let last = short.rfind('/').map_or(0, |at| at + 1);
            short[last..].find(':').map_or(short.len(), |at| last + at)
        });
        let (name, rest) = short.split_at(end);
        self.aliases.get(name).map(|full| format!("{full}{rest}"))
    }

    /// What a later file says goes before what an earlier one said.
    fn join(&mut self, text: Text) {
        for table in text.registry {
            self.tables.retain(|known| known.prefix != table.prefix);
            self.tables.push(table);
        }
        if let Some(helpers) = text.credential_helpers {
            self.helpers = helpers;
        }
        for (name, full) in text.aliases {
            if full.is_empty() {
                self.aliases.remove(&name);
            } else {
                self.aliases.insert(name, full);
            }
        }
    }

    fn check(&mut self) -> Result<()> {
        if self.helpers.is_empty() {
            self.helpers.push(AUTH_FILES.to_owned());
        }
        let mut known = BTreeMap::new();
        for table in self.tables.iter().filter(|table| !table.location.is_empty()) {
            let first = known.entry(&table.location).or_insert((table.insecure, table.blocked));
            if *first != (table.insecure, table.blocked) {
                let message = format!(
                    "registries.conf says two things of {}: insecure or blocked is true in one [[registry]] and false in another",
                    table.location
                );
                return Err(Error::new(ErrorKind::Corrupt, message));
            }
        }
        Ok(())
    }

    /// The table with the longest prefix, and how much of the name it covers.
    fn table(&self, name: &str) -> Option<(&Table, usize)> {
        let fitting =
            self.tables.iter().filter_map(|table| Some((table, covers(&table.prefix, name)?)));
        // The first of two that are as long, as they stand.
        fitting.rev().max_by_key(|(table, _)| table.prefix.len())
    }
}

/// How much of a name a prefix covers: it ends where a part of the name does.
fn covers(prefix: &str, name: &str) -> Option<usize> {
    let end = match prefix.strip_prefix('*') {
        Some(domain) => {
            let host = name.split('/').next().unwrap_or(name);
            host.rfind(domain).filter(|at| *at > 0)? + domain.len()
        }
        None => name.strip_prefix(prefix).map(|_| prefix.len())?,
    };
    name[end..].chars().next().is_none_or(|next| matches!(next, '/' | ':' | '@')).then_some(end)
}

fn at(location: &str, rest: &str, insecure: bool, pulls: Pulls) -> Result<Endpoint> {
    let place = format!("{location}{rest}");
    let parsed = place.split_once('/').filter(|(host, repository)| {
        !host.is_empty()
            && DockerName::parse(&format!("localhost/{repository}"))
                .is_ok_and(|name| name.tag().is_none())
    });
    let Some((host, repository)) = parsed else {
        let message = format!("registries.conf leads to {place:?}, which is no repository");
        return Err(Error::new(ErrorKind::Corrupt, message));
    };
    let (host, repository) = (host.to_owned(), repository.to_owned());
    let (given, role) = (GivenCredential::Withheld, Role::Mirror);
    Ok(Endpoint { host, repository, insecure, pulls, given, role, via: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conf(text: &str) -> RegistriesConf {
        let mut conf = RegistriesConf::default();
        conf.join(Text::parse(text).unwrap());
        conf.check().unwrap();
        conf
    }

    fn leads(conf: &RegistriesConf, name: &str) -> Vec<String> {
        let resolved = conf.resolve(&DockerName::parse(name).unwrap()).unwrap();
        let shown = |one: &Endpoint| {
            let pulls = match one.pulls {
                Pulls::All => "",
                Pulls::Digests => " digests",
                Pulls::Tags => " tags",
            };
            let insecure = if one.insecure { " insecure" } else { "" };
            format!("{}/{}{pulls}{insecure}", one.host, one.repository)
        };
        resolved.endpoints.iter().map(shown).collect()
    }

    #[test]
    fn mirrors_then_the_location() {
        let conf = conf(
            r#"
            [[registry]]
            prefix = "example.com/foo"
            location = "internal.example.net:5000/bar"
            [[registry.mirror]]
            location = "m0.local/mirror-for-foo"
            pull-from-mirror = "digest-only"
            [[registry.mirror]]
            location = "m1.local"
            insecure = true
            pull-from-mirror = "tag-only"
            "#,
        );
        let expected = [
            "m0.local/mirror-for-foo/image digests",
            "m1.local/image tags insecure",
            "internal.example.net:5000/bar/image",
        ];
        assert_eq!(leads(&conf, "example.com/foo/image:latest"), expected);
        assert_eq!(leads(&conf, "example.com/foobar/image"), ["example.com/foobar/image"]);
        let write = conf
            .resolve(&DockerName::parse("example.com/foo/image").unwrap())
            .unwrap()
            .write
            .unwrap();
        assert_eq!((write.host.as_str(), write.repository.as_str()), ("example.com", "foo/image"));
    }

    #[test]
    fn the_longest_prefix_at_the_end_of_a_part() {
        let conf = conf(
            r#"
            [[registry]]
            location = "h:5000"
            blocked = true
            [[registry]]
            prefix = "h:5000/a"
            location = "one"
            [[registry]]
            prefix = "h:5000/a/b:v1"
            location = "two/c"
            [[registry]]
            prefix = "docker.io/library"
            location = "hub.local"
            insecure = true
            "#,
        );
        assert!(conf.resolve(&DockerName::parse("h:5000/x").unwrap()).unwrap().blocked);
        assert_eq!(leads(&conf, "h:5000/a/b:v2"), ["one/b"]);
        assert_eq!(leads(&conf, "h:5000/a/b:v1"), ["two/c"]);
        assert_eq!(leads(&conf, "alpine"), ["hub.local/alpine insecure"]);
        assert_eq!(leads(&conf, "me/alpine"), ["docker.io/me/alpine"]);
        let bare = conf.resolve(&DockerName::parse("h:5000/a").unwrap());
        assert_eq!(bare.unwrap_err().kind(), ErrorKind::Corrupt, "a host without a repository");
    }

    #[test]
    fn wildcards() {
        let conf = conf(
            r#"
            [[registry]]
            prefix = "*.example.com"
            insecure = true
            [[registry.mirror]]
            location = "m/p"
            mirror-by-digest-only = true
            [[registry]]
            prefix = "*.moved.com"
            location = "new.com"
            "#,
        );
        assert_eq!(leads(&conf, "a.b.example.com/x"), ["m/p/x", "a.b.example.com/x insecure"]);
        assert_eq!(leads(&conf, "a.example.com.example.com/x").len(), 2);
        for other in ["example.com/x", "a.example.com.org/x", "h.org/a.example.com/x"] {
            assert_eq!(leads(&conf, other), [other]);
        }
        assert_eq!(leads(&conf, "a.moved.com/x"), ["new.com/x"]);
    }

    #[test]
    fn later_files_go_before_earlier_ones() {
        let mut conf = conf(
            "unqualified-search-registries = [\"a\"]\n[[registry]]\nlocation = \"h\"\n[aliases]\nx = \"a.b/x\"\ny = \"a.b/y\"",
        );
        conf.join(Text::parse("unqualified-search-registries = []\n[[registry]]\nprefix = \"h\"\nlocation = \"i.j\"\n[aliases]\nx = \"\"\ny = \"c.d/y\"").unwrap());
        assert_eq!(leads(&conf, "h/r"), ["docker.io/h/r"]);
        assert_eq!(conf.alias("x"), None);
        assert_eq!(conf.alias("y:1").as_deref(), Some("c.d/y:1"));
        assert_eq!(conf.alias("y@sha256:0").as_deref(), Some("c.d/y@sha256:0"));
        assert_eq!(conf.alias("z/y"), None);
    }

    #[test]
    fn one_location_is_one_thing() {
        let mut conf = RegistriesConf::default();
        conf.join(Text::parse("[[registry]]\nlocation = \"h\"\n[[registry]]\nprefix = \"i\"\nlocation = \"h\"\ninsecure = true").unwrap());
        assert_eq!(conf.check().unwrap_err().kind(), ErrorKind::Corrupt);
    }
}
