//! `transship login` and `transship logout`.

use std::path::PathBuf;

use clap::Args;

use super::Output;

#[derive(Debug, Args)]
pub(crate) struct Login {
    /// The registry; with a repository, the password is for what is below it
    #[arg(value_name = "HOST[:PORT][/REPOSITORY]", value_hint = clap::ValueHint::Hostname)]
    pub(crate) registry: String,

    /// The user [default: asked for, on a terminal]
    #[arg(short, long, value_name = "NAME")]
    pub(crate) username: Option<String>,

    /// Read the password from standard input [default: asked for, on a terminal]
    #[arg(long)]
    pub(crate) password_stdin: bool,

    #[command(flatten)]
    pub(crate) place: AuthFile,

    /// A folder with certificates: *.crt of CAs, *.cert and *.key of ours
    #[arg(long, value_name = "DIR")]
    pub(crate) cert_dir: Option<PathBuf>,

    /// Whether certificates are checked, and plain HTTP is refused
    #[arg(long, value_name = "BOOL")]
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
    /// The file with passwords [default: podman's, or that of `REGISTRY_AUTH_FILE`]
    #[arg(long, value_name = "FILE")]
    pub(crate) authfile: Option<PathBuf>,
}
