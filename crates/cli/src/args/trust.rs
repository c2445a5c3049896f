//! The options that say which images are trusted.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct TrustArgs {
    /// Copy only what this policy.json accepts
    ///
    /// By default $HOME/.config/containers/policy.json, else /etc/containers/policy.json, where one exists.
    /// --insecure-policy ignores them.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, conflicts_with_all = ["verify_keys", "insecure_policy"])]
    pub(crate) policy: Option<PathBuf>,

    /// Copy only what this public key signed
    ///
    /// In PEM. Several may be given: one of them must have signed each image, or the index that lists it. It is used instead of
    /// a policy.json.
    #[arg(long = "verify-key", value_name = "KEY", value_hint = clap::ValueHint::FilePath, conflicts_with = "insecure_policy")]
    pub(crate) verify_keys: Vec<PathBuf>,

    /// The folder with registries.d files, which say where GPG signatures lie
    ///
    /// By default $HOME/.config/containers/registries.d, else /etc/containers/registries.d, where one exists.
    #[cfg(feature = "registry")]
    #[arg(long = "registries.d", value_name = "DIR", value_hint = clap::ValueHint::DirPath, hide_short_help = true)]
    pub(crate) registries_d: Option<PathBuf>,

    /// Reject images for which the policy demands no signature
    #[arg(long, conflicts_with = "insecure_policy")]
    pub(crate) require_signed: bool,
}
