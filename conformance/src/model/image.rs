//! [`Image`]: one image or artifact.

use std::fmt;

use serde_json::{Map, Value, json};
use transship_core::{Descriptor, Manifest, MediaType, Platform, media_types, sha256};

use super::{Algorithm, Built, Config, Layer, digest_of};
use crate::{Facts, Held, Layers};

/// An image or artifact.
#[derive(Clone, PartialEq, Eq)]
pub struct Image {
    /// Of which family its types are.
    pub format: Format,
    /// What its config holds.
    pub config: Config,
    /// Images of different seeds have different configs.
    pub seed: u8,
    /// The CPU it runs on, and its variant behind a slash.
    pub architecture: &'static str,
    /// The lowest first.
    pub layers: Vec<Layer>,
    /// Whether the manifest has annotations, an unknown field, and the config's `data`.
    pub described: bool,
    /// Whether the manifest is about another one, which is not there.
    pub subject: bool,
    /// By which digest its manifest is named, where something names it.
    pub algorithm: Algorithm,
}

/// The family of an image's types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// OCI.
    Oci,
    /// Docker, schema 2.
    Docker,
}

impl Format {
    /// The type of an image's manifest.
    pub(crate) fn manifest_type(self) -> MediaType {
        match self {
            Self::Oci => MediaType::ImageManifest,
            Self::Docker => media_types::DOCKER_MANIFEST.into(),
        }
    }

    /// The type of an index.
    pub(crate) fn index_type(self) -> MediaType {
        match self {
            Self::Oci => MediaType::ImageIndex,
            Self::Docker => media_types::DOCKER_LIST.into(),
        }
    }
}

impl Image {
    /// The simplest one with a layer.
    pub fn simple(seed: u8) -> Self {
        Self {
            format: Format::Oci,
            config: Config::Plain,
            seed,
            architecture: "amd64",
            layers: vec![Layer::tar(seed, 700)],
            described: false,
            subject: false,
            algorithm: Algorithm::Sha256,
        }
    }

    /// With tars as layers, where there may be no others.
    #[must_use]
    pub(crate) fn fit_for(mut self, facts: &Facts) -> Self {
        if facts.claims.layers == Layers::Tars {
            self.layers = self.layers.into_iter().map(Layer::into_tar).collect();
        }
        self
    }

    /// What it runs on.
    pub fn platform(&self) -> Platform {
        let (architecture, variant) = split(self.architecture);
        let mut platform = Platform::new("linux", architecture);
        platform.variant = variant.map(str::to_owned);
        platform
    }

    /// Its bytes.
    ///
    /// # Errors
    /// Those of the compressors.
    pub fn build(&self) -> Held<Built> {
        let layers = self.layers.iter().map(|l| l.build(self.format)).collect::<Held<Vec<_>>>()?;
        let diff_ids = self.layers.iter().map(Layer::diff_id).collect::<Held<Vec<_>>>()?;
        let config = self.config.build(self.format, self.seed, self.architecture, &diff_ids);
        let mut config_descriptor = config.descriptor.clone();
        if self.described && self.config == Config::Artifact {
            config_descriptor.data = Some("e30=".to_owned());
        }
        let bytes = self.manifest(&config_descriptor, layers.iter().map(|l| &l.descriptor));
        let manifest = named(bytes, self.algorithm)?;
        let mut built = Built::new(manifest);
        for layer in layers {
            built.add(layer);
        }
        built.add(config);
        Ok(built)
    }

    fn manifest<'a>(
        &self,
        config: &Descriptor,
        layers: impl Iterator<Item = &'a Descriptor>,
    ) -> Vec<u8> {
        let mut fields = Map::new();
        fields.insert("schemaVersion".to_owned(), json!(2));
        fields.insert("mediaType".to_owned(), json!(self.format.manifest_type()));
        if self.config == Config::Artifact {
            fields.insert("artifactType".to_owned(), json!("application/vnd.example.kit"));
        }
        fields.insert("config".to_owned(), json!(config));
        fields.insert("layers".to_owned(), json!(layers.collect::<Vec<_>>()));
        if self.subject {
            fields.insert("subject".to_owned(), json!(absent_subject(self.seed)));
        }
        if self.config == Config::Artifact {
            // The empty config is the same for all; the manifest has to differ.
            fields.insert(
                "annotations".to_owned(),
                json!({ "org.example.seed": self.seed.to_string() }),
            );
        }
        if self.described {
            fields.insert(
                "annotations".to_owned(),
                json!({ "b": "\u{e9}<&>", "a": self.seed.to_string() }),
            );
            fields.insert("x-unknown".to_owned(), json!({ "z": null, "a": 1 }));
            // Spaces, which no transport may take out.
            return format!("{:#}\n", Value::Object(fields)).into_bytes();
        }
        Value::Object(fields).to_string().into_bytes()
    }
}

/// The CPU and its variant.
pub(super) fn split(architecture: &str) -> (&str, Option<&str>) {
    match architecture.split_once('/') {
        Some((architecture, variant)) => (architecture, Some(variant)),
        None => (architecture, None),
    }
}

fn absent_subject(seed: u8) -> Descriptor {
    let bytes = [seed, 0, 1];
    Descriptor::new(MediaType::ImageManifest, sha256(&bytes), 3)
}

/// A manifest that is named by a digest of an algorithm.
pub(crate) fn named(bytes: Vec<u8>, algorithm: Algorithm) -> Held<Manifest> {
    let manifest = Manifest::new(bytes)?;
    if algorithm == Algorithm::Sha256 {
        return Ok(manifest);
    }
    let mut descriptor = manifest.descriptor().clone();
    descriptor.digest = digest_of(algorithm, manifest.bytes())?;
    Ok(Manifest::verified(&descriptor, manifest.bytes().clone())?)
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.config == Config::Artifact { "artifact" } else { "image" };
        write!(f, "{:?} {kind} {}", self.format, self.seed)?;
        match self.config {
            Config::Plain | Config::Artifact => {}
            config => write!(f, " {config:?}")?,
        }
        if self.described {
            f.write_str(" annotated")?;
        }
        if self.subject {
            f.write_str(" with a subject")?;
        }
        if self.algorithm == Algorithm::Sha512 {
            f.write_str(" sha512")?;
        }
        write!(f, " of {:?}", self.layers)
    }
}
