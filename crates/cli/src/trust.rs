//! The policy of a command line: which images are trusted.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[cfg(feature = "registry")]
use transship::registry::RegistryOptions;
use transship::transfer::{Sign, SignatureForm};
use transship::transport::run_blocking;
#[cfg(feature = "registry")]
use transship::trust::{Lookaside, LookasideServers};
use transship::trust::{Policy, PublicKey, SigningKey};
use transship::{DockerName, Error, ErrorKind, Result};

use crate::args::{self, Common, TrustArgs};
use crate::session::Session;

/// Where all users of a machine have their policy, as podman and skopeo do.
const POLICY_OF_THE_SYSTEM: &str = "/etc/containers/policy.json";

/// Where one user has it, below the home folder.
const POLICY_OF_THE_USER: &str = ".config/containers/policy.json";

/// Where the files are that say where signatures lie.
#[cfg(feature = "registry")]
const REGISTRIES_D_OF_THE_SYSTEM: &str = "/etc/containers/registries.d";
#[cfg(feature = "registry")]
const REGISTRIES_D_OF_THE_USER: &str = ".config/containers/registries.d";

/// Where signatures lie of which no file says it.
#[cfg(all(feature = "registry", unix))]
const STORAGE_OF_THE_SYSTEM: &str = "/var/lib/containers/sigstore";
#[cfg(feature = "registry")]
const STORAGE_OF_THE_USER: &str = ".local/share/containers/sigstore";

/// The policy that applies, if there is one.
pub(crate) async fn policy(
    args: &TrustArgs,
    common: &Common,
    session: &Session,
) -> Result<Option<Arc<Policy>>> {
    if common.insecure_policy {
        return Ok(None);
    }
    let policy = match &args.policy {
        _ if !args.verify_keys.is_empty() => {
            Some(of_keys("--verify-key", &args.verify_keys).await?)
        }
        Some(path) => Some(read(path.clone(), Policy::read).await?),
        None => {
            let find = || first_of(POLICY_OF_THE_USER, POLICY_OF_THE_SYSTEM);
            run_blocking(move |_| find()?.map(|path| Policy::read(&path)).transpose()).await?
        }
    };
    match policy {
        None if args.require_signed => {
            let message = "a signature of each image is demanded, and no policy says of whom";
            Err(Error::new(ErrorKind::InvalidInput, message)
                .hint("give a key with --verify-key, or a policy.json with --policy"))
        }
        None => Ok(None),
        Some(policy) => {
            let policy = if args.require_signed { policy.require_signed() } else { policy };
            Ok(Some(Arc::new(with_lookaside(policy, args, session).await?)))
        }
    }
}

/// Looks for signatures of images in registries where `registries.d` says.
#[cfg(feature = "registry")]
async fn with_lookaside(policy: Policy, args: &TrustArgs, session: &Session) -> Result<Policy> {
    let given = args.registries_d.clone();
    let folder = run_blocking(move |_| registries_d(given)).await?;
    let options = RegistryOptions::from_settings(&session.source_settings()?)?;
    let servers = LookasideServers::new(options, session.reporter.observer());
    let lookaside = Lookaside::new(folder).with_fetch(Arc::new(servers));
    Ok(policy.with_lookaside(match usual_storage() {
        Some(storage) => lookaside.with_storage(storage),
        None => lookaside,
    }))
}

#[cfg(feature = "registry")]
fn registries_d(given: Option<PathBuf>) -> Result<PathBuf> {
    let Some(given) = given else {
        let found = first_of(REGISTRIES_D_OF_THE_USER, REGISTRIES_D_OF_THE_SYSTEM)?;
        return Ok(found.unwrap_or_else(|| REGISTRIES_D_OF_THE_SYSTEM.into()));
    };
    match std::fs::read_dir(&given) {
        Ok(_) => Ok(given),
        Err(error) => Err(Error::io("reading", &given, error).of_option()),
    }
}

/// Without registries there is none.
#[cfg(not(feature = "registry"))]
#[expect(clippy::unused_async, reason = "with registries it waits")]
async fn with_lookaside(policy: Policy, _: &TrustArgs, _: &Session) -> Result<Policy> {
    Ok(policy)
}

/// Where podman and skopeo keep signatures of which no file says where they are.
#[cfg(feature = "registry")]
fn usual_storage() -> Option<PathBuf> {
    #[cfg(unix)]
    if rustix::process::geteuid().is_root() {
        return Some(STORAGE_OF_THE_SYSTEM.into());
    }
    Some(home()?.join(STORAGE_OF_THE_USER))
}

fn home() -> Option<PathBuf> {
    std::env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from)
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

/// What is there of a path below the home folder and one of the system, in this order.
fn first_of(of_the_user: &str, of_the_system: &str) -> Result<Option<PathBuf>> {
    let of_the_user = home().map(|home| home.join(of_the_user));
    for path in of_the_user.into_iter().chain([PathBuf::from(of_the_system)]) {
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
