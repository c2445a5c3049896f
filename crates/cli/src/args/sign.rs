//! The options and the command that sign.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use transship::DockerName;

use super::{Common, Output};
use crate::values;

/// Options of `transship copy`.
#[derive(Debug, Args)]
pub(crate) struct SignArgs {
    /// Sign the images with this private key
    ///
    /// ECDSA P-256 in PEM (PKCS#8). The signatures are there before the image shows. An index and each image in it are signed.
    #[arg(long = "sign-key", value_name = "KEY", value_hint = clap::ValueHint::FilePath)]
    pub(crate) key: Option<PathBuf>,

    /// The name that is signed, as registry.example.com/app:1
    ///
    /// By default the name that the image gets in a registry.
    #[arg(long = "sign-identity", value_name = "NAME", value_parser = values::docker_name, requires = "key", hide_short_help = true)]
    pub(crate) identity: Option<DockerName>,

    /// How signatures are stored: tag or bundle
    ///
    /// `tag`: beside the image, as podman, skopeo and cosign 2 read them; in a dir: as files. `bundle`: as a referrer, as
    /// cosign 3 makes them; it names no image.
    #[arg(long = "sign-format", value_enum, value_name = "FORM", default_value_t = SignatureForm::Tag, requires = "key", hide_short_help = true, hide_possible_values = true)]
    pub(crate) form: SignatureForm,
}

/// `transship sign`
#[derive(Debug, Args)]
#[command(after_help = super::SHORT_NOTES, after_long_help = "")]
pub(crate) struct Sign {
    /// The image
    #[arg(value_name = "REFERENCE", value_hint = clap::ValueHint::AnyPath)]
    pub(crate) reference: String,

    /// The private key: ECDSA P-256 in PEM (PKCS#8)
    #[arg(long, value_name = "KEY", value_hint = clap::ValueHint::FilePath)]
    pub(crate) key: PathBuf,

    /// The name that is signed, as registry.example.com/app:1
    ///
    /// By default that of an image in a registry.
    #[arg(long, value_name = "NAME", value_parser = values::docker_name)]
    pub(crate) identity: Option<DockerName>,

    /// How the signature is stored: tag or bundle
    ///
    /// As `copy --sign-format`.
    #[arg(long = "format", value_enum, value_name = "FORM", default_value_t = SignatureForm::Tag, hide_possible_values = true)]
    pub(crate) form: SignatureForm,

    #[command(flatten)]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SignatureForm {
    /// Under a tag beside the image
    Tag,
    /// As a referrer
    Bundle,
}
