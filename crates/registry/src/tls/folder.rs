//! Folders with certificates: `HOST[:PORT]/*.crt`, `*.cert` and `*.key`. See
//! [containers-certs.d(5)](https://github.com/containers/image/blob/main/docs/containers-certs.d.5.md).

use std::fs;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use transship_core::{Error, ErrorKind, Result, ResultExt, small_file};

use super::Files;
use crate::RegistryOptions;
use crate::config::hosts_certificates;

#[derive(Debug, Default)]
pub(super) struct Certificates {
    /// CAs, and the files they came from.
    pub(super) cas: Vec<(PathBuf, CertificateDer<'static>)>,
    pub(super) client: Option<Pair>,
}

#[derive(Debug)]
pub(super) struct Pair {
    pub(super) path: PathBuf,
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

/// The folder with the certificates of a host, if there is one. Blocks.
pub(crate) fn find(options: &RegistryOptions, host: &str) -> Result<Option<PathBuf>> {
    if let Some(chosen) = &options.cert_dir {
        return Ok(Some(chosen.clone()));
    }
    if let Some(hosts) = options.hosts_dir.as_ref().filter(|_| is_plain(host))
        && let Some(found) = hosts_certificates(hosts, host)?
    {
        return Ok(Some(found));
    }
    // The port that is everyone's is rarely written.
    let names = [Some(host), host.strip_suffix(":443")];
    for folder in folders(options) {
        for name in names.into_iter().flatten().filter(|name| is_plain(name)) {
            let folder = folder.join(name);
            let failed = |error| Error::io("looking for certificates in", &folder, error);
            if fs::metadata(&folder).map_err(failed).if_found()?.is_some() {
                return Ok(Some(folder));
            }
        }
    }
    Ok(None)
}

/// Refuses a folder that is none: it may be long until a certificate is needed, or never. Blocks.
pub(crate) fn check_chosen(options: &RegistryOptions) -> Result<()> {
    options.cert_dir.as_deref().map_or(Ok(()), |chosen| entries(chosen).map(drop))
}

fn entries(folder: &Path) -> Result<fs::ReadDir> {
    let failed = |error| Error::io("reading certificates from", folder, error).of_option();
    fs::read_dir(folder).map_err(failed)
}

fn folders(options: &RegistryOptions) -> Vec<PathBuf> {
    let around = &options.surroundings;
    let user = around.config_home.as_ref().map(|home| home.join("containers/certs.d"));
    let system = ["containers/certs.d", "docker/certs.d"].map(|name| around.etc.join(name));
    user.into_iter().chain(system).collect()
}

/// It becomes the name of a folder.
fn is_plain(host: &str) -> bool {
    !host.is_empty() && !host.contains(['/', '\\']) && host != "." && host != ".."
}

/// What a folder holds. Blocks.
pub(super) fn read(folder: &Path) -> Result<Certificates> {
    let failed = |error| Error::io("reading certificates from", folder, error);
    let mut paths = Vec::new();
    for entry in entries(folder)? {
        paths.push(entry.map_err(failed)?.path());
    }
    paths.sort_unstable();
    let mut found = Certificates::default();
    for path in paths {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("crt") => {
                let cas = certificates(&path)?;
                found.cas.extend(cas.into_iter().map(|ca| (path.clone(), ca)));
            }
            Some("cert") => {
                let key = path.with_extension("key");
                if !key.exists() {
                    return Err(alone(&path, "key"));
                }
                let pair = pair(&path, &key)?;
                found.client.get_or_insert(pair);
            }
            Some("key") if !path.with_extension("cert").exists() => {
                return Err(alone(&path, "cert"));
            }
            _ => {}
        }
    }
    Ok(found)
}

/// What files hold. Blocks.
pub(super) fn read_files(files: &Files) -> Result<Certificates> {
    let mut found = Certificates::default();
    for path in &files.cas {
        found.cas.extend(certificates(path)?.into_iter().map(|ca| (path.clone(), ca)));
    }
    for (path, key) in &files.clients {
        let pair = pair(path, key.as_ref().unwrap_or(path))?;
        found.client.get_or_insert(pair);
    }
    Ok(found)
}

fn pair(path: &Path, key: &Path) -> Result<Pair> {
    let chain = certificates(path)?;
    // What the parser says could quote the key.
    let parsed = PrivateKeyDer::from_pem_slice(&small_file(key, "reading")?);
    let key = parsed.map_err(|_| corrupt(key, "it holds no private key as PEM"))?;
    Ok(Pair { path: path.to_owned(), chain, key })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let bytes = small_file(path, "reading")?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        _ => Err(corrupt(path, "it holds no certificates as PEM")),
    }
}

fn alone(path: &Path, other: &str) -> Error {
    let wanted = path.with_extension(other);
    let name = wanted.file_name().unwrap_or_default().display().to_string();
    corrupt(path, &format!("{name} is missing beside it"))
        .hint("a CA is *.crt; a client certificate is NAME.cert with NAME.key")
}

fn corrupt(path: &Path, why: &str) -> Error {
    Error::new(ErrorKind::Corrupt, format!("{}: {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Surroundings;

    const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    const KEY: &str = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";

    fn write(folder: &Path, name: &str, text: &str) {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join(name), text).unwrap();
    }

    fn options(folder: &Path) -> RegistryOptions {
        let surroundings = Surroundings::below(folder);
        RegistryOptions { surroundings, ..RegistryOptions::default() }
    }

    #[test]
    fn the_first_folder_that_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let mut options = options(folder.path());
        let first = |options: &RegistryOptions, host| {
            let found = read(&find(options, host).unwrap()?).unwrap();
            found
                .cas
                .first()
                .map(|(path, _)| path.strip_prefix(folder.path()).unwrap().display().to_string())
        };
        assert_eq!(first(&options, "h:5000"), None);
        for certs in
            ["etc/docker/certs.d", "etc/containers/certs.d", "home/.config/containers/certs.d"]
        {
            write(&folder.path().join(certs).join("h:5000"), "ca.crt", CERTIFICATE);
            assert_eq!(first(&options, "h:5000"), Some(format!("{certs}/h:5000/ca.crt")));
        }
        write(&folder.path().join("etc/containers/certs.d/i"), "ca.crt", CERTIFICATE);
        assert!(first(&options, "i:443").is_some() && first(&options, "i").is_some());
        assert_eq!(first(&options, "i:5000"), None);
        assert_eq!(first(&options, "../certs.d/i"), None);
        options.cert_dir = Some(folder.path().join("chosen"));
        let chosen = find(&options, "h:5000").unwrap().unwrap();
        assert_eq!(read(&chosen).unwrap_err().kind(), ErrorKind::InvalidInput);
        write(&folder.path().join("chosen"), "ca.crt", &CERTIFICATE.repeat(3));
        assert_eq!(read(&chosen).unwrap().cas.len(), 3);
    }

    #[test]
    fn certificates_and_their_keys() {
        let folder = tempfile::tempdir().unwrap();
        let chosen = folder.path().join("chosen");
        let fails = |said: &str| {
            let error = read(&chosen).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
            assert!(error.to_string().contains(said), "{error}");
        };
        write(&chosen, "b.cert", CERTIFICATE);
        fails("b.key is missing");
        write(&chosen, "b.key", "hunter2");
        fails("b.key: it holds no private key");
        write(&chosen, "b.key", KEY);
        write(&chosen, "a.key", KEY);
        fails("a.cert is missing");
        write(&chosen, "a.cert", &CERTIFICATE.repeat(2));
        let client = read(&chosen).unwrap().client.unwrap();
        assert_eq!((client.path, client.chain.len()), (chosen.join("a.cert"), 2));
        write(&chosen, "ca.crt", "no PEM");
        fails("ca.crt: it holds no certificates");
    }
}
