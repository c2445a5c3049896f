//! Keeping and forgetting credentials: `login` and `logout`.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use transship_core::{Error, ErrorKind, Hint, Result, ResultExt};

use super::file::AuthFile;
use super::helper::Helper;
use super::{Secret, files, keys};
use crate::RegistryOptions;

/// Where a credential is kept now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoggedIn {
    /// The file that has it, or that names the helper.
    pub file: PathBuf,
    /// The helper that has it.
    pub helper: Option<String>,
}

/// What became of a credential that was to be forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoggedOut {
    /// Whether there was one.
    pub was_there: bool,
    /// Another file, not ours to change, that still has one.
    pub left_in: Option<PathBuf>,
}

/// Keeps a credential for `HOST[:PORT]` or `HOST[:PORT]/REPOSITORY`, in the file that the options choose, else in podman's, or
/// with the helper that the file names for the host. Other entries stay. The file is replaced as a whole, and only its owner can
/// read it. Blocks.
///
/// # Errors
/// Those of files and helpers; `InvalidInput` for a key that is none.
pub fn keep(options: &RegistryOptions, key: &str, user: &str, secret: &Secret) -> Result<LoggedIn> {
    let host = host_of(key)?;
    let path = target(options)?;
    let _lock = Locked::beside(&path)?;
    let mut file = AuthFile::read(&path)?.unwrap_or_else(|| AuthFile::empty(&path));
    if let Some(name) = file.helper(host).map(str::to_owned) {
        let helper = Helper::new(&name, options.surroundings.path.as_ref())?;
        helper.store(keys::server(host), user, secret)?;
        return Ok(LoggedIn { file: path, helper: Some(name) });
    }
    file.set(key, user, secret);
    write(&path, &file.to_text()?)?;
    Ok(LoggedIn { file: path, helper: None })
}

/// Forgets a credential that [`keep`] kept, or that another tool kept in the same place. Blocks.
///
/// # Errors
/// Those of files and helpers; `InvalidInput` for a key that is none.
pub fn forget(options: &RegistryOptions, key: &str) -> Result<LoggedOut> {
    let host = host_of(key)?;
    let path = target(options)?;
    let mut was_there = false;
    if path.exists() {
        let _lock = Locked::beside(&path)?;
        if let Some(mut file) = AuthFile::read(&path)? {
            if let Some(name) = file.helper(host) {
                let helper = Helper::new(name, options.surroundings.path.as_ref())?;
                was_there |= helper.erase(keys::server(host))?;
            }
            if file.remove(key) {
                was_there = true;
                write(&path, &file.to_text()?)?;
            }
        }
    }
    Ok(LoggedOut { was_there, left_in: left(options, &path, key)? })
}

fn left(options: &RegistryOptions, changed: &Path, key: &str) -> Result<Option<PathBuf>> {
    for path in files(options).into_iter().filter(|path| path != changed) {
        if AuthFile::read(&path)?.is_some_and(|file| file.has(key)) {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

pub(crate) fn host_of(key: &str) -> Result<&str> {
    let host = key.split('/').next().unwrap_or_default();
    let plain = |text: &str| {
        !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control())
    };
    if key.contains("://") || !key.split('/').all(plain) || key.contains(['@', '?', '#']) {
        let message = format!("{key:?} is no registry");
        let hint = "its form is HOST[:PORT][/REPOSITORY], without https:// and without a tag";
        return Err(Error::new(ErrorKind::InvalidInput, message).hint(hint));
    }
    Ok(host)
}

/// The file that is written: what symlinks lead to.
fn target(options: &RegistryOptions) -> Result<PathBuf> {
    let chosen = options.authfile.clone().or_else(|| options.surroundings.auth_file.clone());
    let path = chosen.or_else(|| options.surroundings.primary_auth_file()).ok_or_else(|| {
        let message = "there is no folder for credentials: HOME is not set";
        Error::new(ErrorKind::InvalidInput, message).hint(Hint::NameAuthFile)
    })?;
    Ok(fs::canonicalize(&path).unwrap_or(path))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The old text or the new is there, whole, whatever happens. A temporary file is its owner's alone from the start.
fn write(path: &Path, text: &[u8]) -> Result<()> {
    let failed = |error| Error::io("writing credentials to", path, error);
    let mut builder = tempfile::Builder::new();
    let mut staged = builder
        .prefix(STAGED.0)
        .rand_bytes(STAGED.1)
        .tempfile_in(folder_of(path))
        .map_err(failed)?;
    staged.write_all(text).and_then(|()| staged.as_file().sync_all()).map_err(failed)?;
    staged.persist(path).map_err(|error| failed(error.error))?;
    let folder = folder_of(path);
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| Error::io("syncing", folder, error))
        .context(|| format!("{} is there, whole, and may not survive a power cut", path.display()))
}

/// How the name of a temporary file begins, and how many letters and digits follow.
const STAGED: (&str, usize) = (".auth-", 6);

/// Removes what killed logins and logouts left. Under the lock on the folder no other process has one open.
fn clean(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let is_staged = |name: &str| {
        let rest = name.strip_prefix(STAGED.0);
        rest.is_some_and(|r| r.len() == STAGED.1 && r.bytes().all(|b| b.is_ascii_alphanumeric()))
    };
    for entry in entries.flatten() {
        if entry.file_name().to_str().is_some_and(is_staged)
            && entry.file_type().is_ok_and(|kind| kind.is_file())
        {
            // What cannot be removed never fails a login.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// A lock on the folder of a file: the file itself is replaced.
struct Locked(#[expect(dead_code, reason = "the lock goes with the file")] File);

impl Locked {
    fn beside(path: &Path) -> Result<Self> {
        let folder = folder_of(path);
        make(folder).context(|| format!("making a place for {}", path.display()))?;
        let failed = |error| Error::io("locking", folder, error);
        let file = File::open(folder).map_err(failed)?;
        file.lock().map_err(failed)?;
        clean(folder);
        Ok(Self(file))
    }
}

/// Its owner's alone, as far as it is new.
fn make(folder: &Path) -> Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|error| Error::io("creating", folder, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::Credentials;
    use crate::{Credential, Surroundings};

    fn options(folder: &Path) -> RegistryOptions {
        let surroundings = Surroundings::below(folder);
        RegistryOptions { surroundings, ..RegistryOptions::default() }
    }

    fn keep_for(options: &RegistryOptions, key: &str) -> Result<LoggedIn> {
        keep(options, key, "me", &Secret::new("s:1"))
    }

    #[test]
    fn kept_found_and_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let options = options(folder.path());
        for key in ["h:5000", "h:5000/team", "docker.io"] {
            let kept = keep_for(&options, key).unwrap();
            assert_eq!(kept.file, folder.path().join("run/containers/auth.json"));
        }
        let find = |repository| {
            Credentials::new(&options)
                .find("h:5000", repository, &transship_core::Observer::default())
                .unwrap()
        };
        let expected = Credential::Basic { user: "me".into(), secret: Secret::new("s:1") };
        assert_eq!(find("x"), Some(expected));
        assert!(forget(&options, "h:5000").unwrap().was_there);
        assert!(!forget(&options, "h:5000").unwrap().was_there);
        assert_eq!((find("x"), find("team/x").is_some()), (None, true));
        let docker = folder.path().join("home/.docker/config.json");
        fs::create_dir_all(docker.parent().unwrap()).unwrap();
        fs::write(&docker, r#"{"auths":{"https://index.docker.io/v1/":{"auth":"dTpw"}}}"#).unwrap();
        let out = forget(&options, "docker.io").unwrap();
        assert_eq!((out.was_there, out.left_in), (true, Some(docker)));
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_its_owners_alone_and_symlinks_stay() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let mut options = options(folder.path());
        let (real, link) = (folder.path().join("real.json"), folder.path().join("link.json"));
        fs::write(&real, r#"{"other": [1], "auths": {"i": {"auth": "dTpw"}}}"#).unwrap();
        fs::set_permissions(&real, fs::Permissions::from_mode(0o644)).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        options.authfile = Some(link.clone());
        keep_for(&options, "h").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o600);
        let text = fs::read_to_string(&real).unwrap();
        assert!(text.contains("\"other\"") && text.contains("dTpw"), "{text}");
        let others = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(others, 2, "nothing is left beside it");
        assert_eq!(fs::metadata(folder.path().join("real.json")).unwrap().len(), text.len() as u64);
    }

    #[test]
    fn what_killed_logins_left_goes_with_the_next_login_or_logout() {
        let folder = tempfile::tempdir().unwrap();
        let mut options = options(folder.path());
        options.authfile = Some(folder.path().join("auth.json"));
        let left = || fs::write(folder.path().join(".auth-aB3dE6"), "secret").unwrap();
        let others = [".auth-json", ".auth-1234567", ".auth-a b c d"];
        for name in others {
            fs::write(folder.path().join(name), "").unwrap();
        }
        left();
        keep_for(&options, "h").unwrap();
        assert!(!folder.path().join(".auth-aB3dE6").exists());
        left();
        forget(&options, "h").unwrap();
        assert!(!folder.path().join(".auth-aB3dE6").exists());
        assert!(others.iter().all(|name| folder.path().join(name).exists()));
    }

    #[test]
    fn many_at_once_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let options = options(folder.path());
        std::thread::scope(|scope| {
            for number in 0..8 {
                let options = &options;
                scope.spawn(move || keep_for(options, &format!("h{number}")).unwrap());
            }
        });
        for number in 0..8 {
            assert!(forget(&options, &format!("h{number}")).unwrap().was_there, "{number}");
        }
    }

    #[test]
    fn what_is_no_registry_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let options = options(folder.path());
        for bad in ["", "https://h", "h/", "me@h", "h /x", "h\n"] {
            assert_eq!(
                keep_for(&options, bad).unwrap_err().kind(),
                ErrorKind::InvalidInput,
                "{bad:?}"
            );
        }
        let mut nowhere = options;
        nowhere.surroundings.runtime_dir = None;
        nowhere.surroundings.config_home = None;
        assert_eq!(keep_for(&nowhere, "h").unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}
