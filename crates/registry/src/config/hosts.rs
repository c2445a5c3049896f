//! The `hosts.toml` of containerd: the mirrors of a registry, and how each server is spoken to. See
//! [containerd's docs](https://github.com/containerd/containerd/blob/main/docs/hosts.md).

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use reqwest::Url;
use reqwest::header::{HeaderName, HeaderValue};
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use transship_core::{
    DockerName, Error, ErrorKind, Result, ResultExt, small_file, without_password,
};

use super::{Endpoint, GivenCredential, Pulls, Role, Via};
use crate::tls::{self, Files};

/// A server that a `hosts.toml` names, and how it is spoken to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Server {
    /// The `hosts.toml`, for messages.
    pub(crate) file: PathBuf,
    /// Its scheme, host and port.
    pub(crate) base: Url,
    pub(crate) certificates: Files,
    /// Sent with each request to it.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
}

/// A `hosts.toml`.
#[derive(Debug)]
pub(crate) struct HostsFile {
    pub(super) path: PathBuf,
    /// The mirrors in the order in which they stand in the file.
    pub(super) mirrors: Vec<Place>,
    /// The registry itself, where the file says something of it.
    pub(super) server: Option<Place>,
}

/// Where repositories are at a server, and what it is for.
#[derive(Debug)]
pub(super) struct Place {
    server: Arc<Server>,
    /// What comes before the repository in the path of a URL: `/v2/`.
    root: String,
    /// What comes before the repository in its name there.
    prefix: String,
    insecure: bool,
    pub(super) can: Capabilities,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Capabilities {
    pub(super) pull: bool,
    /// It knows which image a tag is.
    pub(super) resolve: bool,
    pub(super) push: bool,
}

const FILE: &str = "hosts.toml";

/// The folder of hosts that have none. Its certificates do not count: a client certificate would be shown to everyone.
const DEFAULT: &str = "_default";

const CAPABILITIES: &str = "pull, resolve and push";

/// The `hosts.toml` for a host in a folder as containerd's `certs.d`, if there is one. Blocks.
pub(crate) fn load(folder: &Path, host: &str) -> Result<Option<HostsFile>> {
    // A file would say that no host has settings.
    fs::read_dir(folder).map_err(|e| Error::io("reading", folder, e).of_option())?;
    let Some(found) = folder_of(folder, names_of(host).chain([DEFAULT.to_owned()]))? else {
        return Ok(None);
    };
    let path = found.join(FILE);
    let Some(bytes) = small_file(&path, "reading").if_found()? else { return Ok(None) };
    let text = String::from_utf8(bytes).map_err(|e| {
        let message = format!("{} is not UTF-8 text", path.display());
        Error::new(ErrorKind::InvalidInput, message).caused_by(e)
    })?;
    Text { text: &text, path: &path }.parse(host).map(Some)
}

/// The folder of a host that has no `hosts.toml`, or an empty one: what it holds are certificates, as in docker's `certs.d`. Blocks.
pub(crate) fn certificates(folder: &Path, host: &str) -> Result<Option<PathBuf>> {
    let Some(found) = folder_of(folder, names_of(host))? else { return Ok(None) };
    let file = there(&found.join(FILE)).if_found()?;
    Ok(file.is_none_or(|file| file.len() == 0).then_some(found))
}

/// What the folder of a host may be called.
fn names_of(host: &str) -> impl Iterator<Item = String> {
    let port = host.rsplit_once(':').map(|(name, port)| format!("{name}_{port}_"));
    port.into_iter().chain([host.to_owned()])
}

/// The first that is there.
fn folder_of(folder: &Path, names: impl Iterator<Item = String>) -> Result<Option<PathBuf>> {
    for name in names {
        let folder = folder.join(name);
        if there(&folder).if_found()?.is_some() {
            return Ok(Some(folder));
        }
    }
    Ok(None)
}

fn there(path: &Path) -> Result<fs::Metadata> {
    fs::metadata(path).map_err(|e| Error::io("reading", path, e))
}

impl Place {
    /// Where a name is there.
    pub(super) fn endpoint(&self, name: &DockerName, role: Role) -> Endpoint {
        let (at, domain) = (host_of(&self.server.base), name.domain());
        let is_hub = domain == HUB && at == HUB_API;
        let is_own = is_hub || at == domain;
        let host = if is_hub { HUB.to_owned() } else { at };
        Endpoint {
            host,
            repository: format!("{}{}", self.prefix, name.path()),
            insecure: self.insecure,
            pulls: if self.can.resolve { Pulls::All } else { Pulls::Digests },
            given: if is_own { GivenCredential::Sent } else { GivenCredential::Withheld },
            role,
            via: Some(Arc::new(Via {
                server: Arc::clone(&self.server),
                root: self.root.clone(),
                namespace: (!is_own).then(|| domain.to_owned()),
            })),
        }
    }
}

const HUB: &str = "docker.io";
const HUB_API: &str = "registry-1.docker.io";

/// `HOST[:PORT]`
fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// A file that is being read.
struct Text<'a> {
    text: &'a str,
    path: &'a Path,
}

impl Text<'_> {
    fn parse(&self, host: &str) -> Result<HostsFile> {
        let root = DeTable::parse(self.text)
            .map_err(|e| self.wrong(ErrorKind::InvalidInput, e.span(), e.message()))?;
        let (mut own, mut server, mut mirrors) = (Fields::default(), None, Vec::new());
        for (key, value) in root.get_ref() {
            let field = Field { text: self, name: key.get_ref().to_string(), value };
            match key.get_ref().as_ref() {
                "server" => server = Some((field.string()?, key.span())),
                "host" => mirrors = self.hosts(&field)?,
                _ => own.set(&field, key.get_ref())?,
            }
        }
        let says_nothing = server.is_none() && own == Fields::default();
        let api = if host == HUB { HUB_API } else { host };
        let (url, at) = server.unwrap_or((api, 0..0));
        let server = (!says_nothing).then(|| self.place(url, own, "server", at)).transpose()?;
        Ok(HostsFile { path: self.path.to_owned(), mirrors, server })
    }

    /// `[host."URL"]`, in the order of the file.
    fn hosts(&self, hosts: &Field<'_>) -> Result<Vec<Place>> {
        let mut tables: Vec<_> = hosts.table()?.iter().collect();
        tables.sort_by_key(|(key, _)| key.span().start);
        let mut places = Vec::new();
        for (url, value) in tables {
            let name = format!("host.{:?}", without_password(url.get_ref()));
            let (mut fields, table) = (Fields::default(), Field { text: self, name, value });
            for (key, value) in table.table()? {
                let name = format!("{}.{}", table.name, key.get_ref());
                fields.set(&Field { text: self, name, value }, key.get_ref())?;
            }
            places.push(self.place(url.get_ref(), fields, &table.name, url.span())?);
        }
        Ok(places)
    }

    fn place(&self, url: &str, fields: Fields, key: &str, at: Range<usize>) -> Result<Place> {
        let whole = if url.contains("://") { url.to_owned() } else { format!("https://{url}") };
        let wrong = |why: &str| {
            self.wrong(ErrorKind::InvalidInput, Some(at.clone()), &format!("{key}: {why}"))
        };
        let mut base = Url::parse(&whole).map_err(|_| wrong("it is no URL"))?;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
            return Err(wrong("it is no URL of http or https"));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(wrong(
                "it has a user or password, which belong into the file of credentials",
            ));
        }
        if base.query().is_some() || base.fragment().is_some() {
            return Err(wrong("it has a query or fragment"));
        }
        let mut path = base.path().trim_end_matches('/').to_owned();
        if !fields.override_path && !path.ends_with("/v2") {
            path.push_str("/v2");
        }
        path.push('/');
        base.set_path("/");
        // Below /v2/ it is a part of the repository's name.
        let (root, prefix) = match path.strip_prefix("/v2/") {
            Some(prefix) => ("/v2/".to_owned(), prefix.to_owned()),
            None => (path, String::new()),
        };
        let server = Server {
            file: self.path.to_owned(),
            base,
            certificates: fields.certificates,
            headers: fields.headers,
        };
        let all = Capabilities { pull: true, resolve: true, push: true };
        let can = fields.can.unwrap_or(all);
        Ok(Place { server: Arc::new(server), root, prefix, insecure: fields.skip_verify, can })
    }

    fn wrong(&self, kind: ErrorKind, at: Option<Range<usize>>, why: &str) -> Error {
        let start = at.map_or(0, |at| at.start);
        let line = self.text.get(..start).unwrap_or_default().matches('\n').count() + 1;
        Error::new(kind, format!("{}: line {line}: {}", self.path.display(), why.trim()))
    }
}

/// What a file says of one server.
#[derive(Debug, Default, PartialEq, Eq)]
struct Fields {
    can: Option<Capabilities>,
    certificates: Files,
    headers: Vec<(HeaderName, HeaderValue)>,
    skip_verify: bool,
    override_path: bool,
}

impl Fields {
    fn set(&mut self, field: &Field<'_>, key: &str) -> Result<()> {
        match key {
            "capabilities" => self.can = field.capabilities()?,
            "ca" => {
                let files = field.strings()?;
                self.certificates.cas = files.into_iter().map(|file| field.beside(file)).collect();
                field.checked(&self.certificates)?;
            }
            "client" => {
                self.certificates.clients = field.clients()?;
                field.checked(&self.certificates)?;
            }
            "skip_verify" => self.skip_verify = field.boolean()?,
            "override_path" => self.override_path = field.boolean()?,
            "header" => self.headers = field.headers()?,
            _ => {
                let why = "it is not supported: known are server, host, capabilities, ca, client, \
                           skip_verify, header and override_path";
                return Err(field.wrong_as(ErrorKind::Unsupported, why));
            }
        }
        Ok(())
    }
}

/// A key of a file with its value.
struct Field<'a> {
    text: &'a Text<'a>,
    name: String,
    value: &'a Spanned<DeValue<'a>>,
}

impl<'a> Field<'a> {
    fn string(&self) -> Result<&'a str> {
        self.value.get_ref().as_str().ok_or_else(|| self.wrong("it is no text"))
    }

    /// A text, or a list of texts.
    fn strings(&self) -> Result<Vec<&'a str>> {
        match self.value.get_ref() {
            DeValue::String(text) => Ok(vec![text]),
            DeValue::Array(all) => {
                let texts = all.iter().map(|one| one.get_ref().as_str());
                texts.collect::<Option<_>>().ok_or_else(|| self.wrong("it is no list of texts"))
            }
            _ => Err(self.wrong("it is neither a text nor a list of texts")),
        }
    }

    fn boolean(&self) -> Result<bool> {
        self.value.get_ref().as_bool().ok_or_else(|| self.wrong("it is neither true nor false"))
    }

    fn table(&self) -> Result<&'a DeTable<'a>> {
        match self.value.get_ref() {
            DeValue::Table(table) => Ok(table),
            _ => Err(self.wrong("it is no table")),
        }
    }

    fn capabilities(&self) -> Result<Option<Capabilities>> {
        let mut can = Capabilities { pull: false, resolve: false, push: false };
        let all = self.strings()?;
        for one in &all {
            match *one {
                "pull" => can.pull = true,
                "resolve" => can.resolve = true,
                "push" => can.push = true,
                other => {
                    let why = format!("{other:?} is not supported: known are {CAPABILITIES}");
                    return Err(self.wrong_as(ErrorKind::Unsupported, &why));
                }
            }
        }
        // As containerd has it: none is all.
        Ok((!all.is_empty()).then_some(can))
    }

    /// A file that holds certificate and key, a list of these, or a list of pairs.
    fn clients(&self) -> Result<Vec<(PathBuf, Option<PathBuf>)>> {
        let DeValue::Array(all) = self.value.get_ref() else {
            return Ok(vec![(self.beside(self.string()?), None)]);
        };
        let malformed = || self.wrong("it is neither a text nor a list of texts or pairs");
        let mut clients = Vec::new();
        for one in all {
            let texts = match one.get_ref() {
                DeValue::String(file) => vec![file.as_ref()],
                DeValue::Array(pair) => {
                    let texts = pair.iter().map(|one| one.get_ref().as_str());
                    texts.collect::<Option<Vec<_>>>().ok_or_else(malformed)?
                }
                _ => return Err(malformed()),
            };
            clients.push(match texts[..] {
                [file] | [file, ""] => (self.beside(file), None),
                [file, key] => (self.beside(file), Some(self.beside(key))),
                _ => return Err(malformed()),
            });
        }
        Ok(clients)
    }

    fn headers(&self) -> Result<Vec<(HeaderName, HeaderValue)>> {
        let mut headers = Vec::new();
        for (key, value) in self.table()? {
            let name = format!("{}.{}", self.name, key.get_ref());
            let field = Field { text: self.text, name, value };
            let header = HeaderName::from_bytes(key.get_ref().as_bytes())
                .map_err(|_| field.wrong("it is no name of a header"))?;
            for text in field.strings()? {
                let mut value = HeaderValue::from_str(text)
                    .map_err(|_| field.wrong("its value is none of a header"))?;
                value.set_sensitive(true);
                headers.push((header.clone(), value));
            }
        }
        Ok(headers)
    }

    /// A file that is named; not absolute, it is beside this one.
    fn beside(&self, file: &str) -> PathBuf {
        self.text.path.parent().unwrap_or(Path::new("")).join(file)
    }

    /// Refuses files that are not there or hold no certificates.
    fn checked(&self, files: &Files) -> Result<()> {
        tls::check(files).map_err(Error::of_option).context(|| {
            let line = self.text.text[..self.value.span().start].matches('\n').count() + 1;
            format!("{}: line {line}: {}", self.text.path.display(), self.name)
        })
    }

    fn wrong(&self, why: &str) -> Error {
        self.wrong_as(ErrorKind::InvalidInput, why)
    }

    fn wrong_as(&self, kind: ErrorKind, why: &str) -> Error {
        self.text.wrong(kind, Some(self.value.span()), &format!("{}: {why}", self.name))
    }
}
