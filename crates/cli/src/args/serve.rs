//! The arguments of `transship serve`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::Common;
use crate::values;

const NOTES: &str = "\
docker, podman, skopeo, crane and containerd pull from it, as from any registry.
It prints what it serves, and settings for these clients. Nothing is unpacked or
written, unless --writable is given. A layout or archive that changes is read again.

Serve a delta (`copy --since`) together with its base: blobs are looked for in
all places.

It runs until it is stopped (Ctrl-C).";

#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub(crate) struct Serve {
    /// The archives, layouts, folders, engines or repositories, or single images
    #[arg(required_unless_present = "writable", value_name = "PLACE", value_hint = clap::ValueHint::AnyPath)]
    pub(crate) places: Vec<String>,

    /// Take pushes, too, into this layout; it need not exist
    ///
    /// A registry for CI: images are pushed, pulled and deleted, and are in an oci: layout. Clients may push whatever the address lets
    /// in, so think of a credential.
    #[arg(long, value_name = "OCI_LAYOUT", value_hint = clap::ValueHint::DirPath)]
    pub(crate) writable: Option<String>,

    /// Listen on this address; port 0 chooses a free port
    ///
    /// By default, only this machine can connect. To serve others, give an address of this machine, or 0.0.0.0 for all of them.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:5000")]
    pub(crate) listen: String,

    /// The server's certificate chain for TLS, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_key", value_hint = clap::ValueHint::FilePath)]
    pub(crate) tls_cert: Option<PathBuf>,

    /// The key of the certificate, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert", value_hint = clap::ValueHint::FilePath)]
    pub(crate) tls_key: Option<PathBuf>,

    /// Answer only clients with the credential in this file
    ///
    /// Its first line is USER:PASSWORD for basic authentication (docker login), or a token for bearer authentication.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(crate) credential_file: Option<PathBuf>,

    /// As --credential-file, from this environment variable
    #[arg(long, value_name = "NAME", conflicts_with = "credential_file")]
    pub(crate) credential_env: Option<String>,

    /// Stop when nothing was requested for so long
    #[arg(long, value_name = "SECONDS", value_parser = values::duration)]
    pub(crate) exit_idle: Option<Duration>,

    #[command(flatten)]
    pub(crate) common: Common,
}
