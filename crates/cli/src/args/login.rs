//! `transship login` and `transship logout`.

use std::path::PathBuf;

use clap::Args;

use super::Output;

#[derive(Debug, Args)]
pub(crate) struct Login {
    /// The registry; with a repository, the password is for that repository and those below it
    #[arg(value_name = "HOST[:PORT][/REPOSITORY]", value_hint = clap::ValueHint::Hostname)]
    pub(crate) registry: String,

    /// The user name [default: asked for on the terminal]
    #[arg(short, long, value_name = "NAME")]
    pub(crate) username: Option<String>,

    /// Read the password from stdin [default: asked for on the terminal]
    #[arg(long)]
    pub(crate) password_stdin: bool,

    #[command(flatten)]
    pub(crate) place: AuthFile,

    /// Folder with CAs (*.crt) and client certificates (*.cert, *.key)
    #[arg(long, value_name = "DIR")]
    pub(crate) cert_dir: Option<PathBuf>,

    /// Whether the registry must have a valid certificate; false also allows plain HTTP
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) tls_verify: Option<String>,

    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Logout {
    /// The registry, as it was given to `login`
    #[arg(value_name = "HOST[:PORT][/REPOSITORY]", value_hint = clap::ValueHint::Hostname)]
    pub(crate) registry: String,

    #[command(flatten)]
    pub(crate) place: AuthFile,

    #[command(flatten)]
    pub(crate) output: Output,
}

/// Where credentials are kept.
#[derive(Debug, Args)]
pub(crate) struct AuthFile {
    /// The file with credentials [default: `$REGISTRY_AUTH_FILE`, else podman's]
    #[arg(long, value_name = "FILE")]
    pub(crate) authfile: Option<PathBuf>,
}
