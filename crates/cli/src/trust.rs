//! The policy of a command line: which images are trusted.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use transship::transfer::{Sign, SignatureForm};
use transship::transport::run_blocking;
use transship::trust::{Policy, PublicKey, SigningKey};
use transship::{DockerName, Error, ErrorKind, Result};

use crate::args::{self, Common, TrustArgs};

/// Where all users of a machine have their policy, as podman and skopeo do.
const OF_THE_SYSTEM: &str = "/etc/containers/policy.json";

/// Where one user has it, below the home folder.
const OF_THE_USER: &str = ".config/containers/policy.json";

/// The policy that applies, if there is one.
pub(crate) async fn policy(args: &TrustArgs, common: &Common) -> Result<Option<Arc<Policy>>> {
    if common.insecure_policy {
        return Ok(None);
    }
    let policy = match &args.policy {
        _ if !args.verify_keys.is_empty() => {
            Some(of_keys("--verify-key", &args.verify_keys).await?)
        }
        Some(path) => Some(read(path.clone(), Policy::read).await?),
        None => {
            run_blocking(|_| default_path()?.map(|path| Policy::read(&path)).transpose()).await?
        }
    };
    match policy {
        None if args.require_signed => {
            let message = "a signature of each image is demanded, and no policy says of whom";
            Err(Error::new(ErrorKind::InvalidInput, message)
                .hint("give a key with --verify-key, or a policy.json with --policy"))
        }
        Some(policy) if args.require_signed => Ok(Some(Arc::new(policy.require_signed()))),
        policy => Ok(policy.map(Arc::new)),
    }
}

/// How images are signed.
pub(crate) async fn sign(
    key: &Path,
    identity: Option<DockerName>,
    form: args::SignatureForm,
) -> Result<Sign> {
    let form = match form {
        args::SignatureForm::Tag => SignatureForm::Tag,
        args::SignatureForm::Bundle => SignatureForm::Bundle,
    };
    let key = read(key.to_owned(), SigningKey::read).await?;
    Ok(Sign::new(key).with_identity(identity).with_form(form))
}

/// A policy without a file, from the keys of an option.
pub(crate) async fn of_keys(option: &str, files: &[PathBuf]) -> Result<Policy> {
    let mut keys = Vec::new();
    for file in files {
        keys.push(read(file.clone(), PublicKey::read).await?);
    }
    let names: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
    Ok(Policy::of_keys(format!("{option} {}", names.join(", ")), keys))
}

/// Reads a file that may be a pipe, as of a shell's `<(..)`: a signal ends the command while nothing comes.
async fn read<T: Send + 'static>(
    path: PathBuf,
    read: impl FnOnce(&Path) -> Result<T> + Send + 'static,
) -> Result<T> {
    run_blocking(move |_| read(&path)).await
}

/// The first of the usual places where a policy is.
fn default_path() -> Result<Option<PathBuf>> {
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
    let of_the_user = home.map(|home| Path::new(&home).join(OF_THE_USER));
    for path in of_the_user.into_iter().chain([PathBuf::from(OF_THE_SYSTEM)]) {
        // One that is there and cannot be looked at, or is a link to nothing, is no reason to trust everything.
        match path.symlink_metadata() {
            Ok(_) => return Ok(Some(path)),
            Err(error) if is_absent(&error) => {}
            Err(error) => return Err(Error::io("looking for", &path, error)),
        }
    }
    Ok(None)
}

fn is_absent(error: &io::Error) -> bool {
    // A home that is no folder, as /dev/null.
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
