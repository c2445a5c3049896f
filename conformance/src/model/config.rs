//! [`Config`]: what the config of an image holds.

use serde_json::{Value, json};
use transship_core::{Descriptor, Digest, MediaType, media_types, sha256};

use super::image::split;
use super::{Blob, Format};

/// The config of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Config {
    /// Fields of the image spec.
    Plain,
    /// Fields that only docker knows, too: Healthcheck, `OnBuild`, Shell.
    DockerFields,
    /// Fields that nobody knows, in an order that nobody would write, with spaces.
    UnknownFields,
    /// Longer than most buffers.
    Long,
    /// As a builder writes it: an image with one layer more is built on this one, as its history has one step more.
    Steps,
    /// An artifact's: empty.
    Artifact,
}

impl Config {
    pub(crate) fn build(
        self,
        format: Format,
        seed: u8,
        platform: &str,
        diff_ids: &[Digest],
    ) -> Blob {
        let bytes = match self {
            Self::Artifact => b"{}".to_vec(),
            _ => self.text(seed, platform, diff_ids).into_bytes(),
        };
        let media_type = match (self, format) {
            (Self::Artifact, _) => MediaType::EmptyJson,
            (_, Format::Oci) => MediaType::ImageConfig,
            (_, Format::Docker) => MediaType::from(media_types::DOCKER_CONFIG),
        };
        let descriptor = Descriptor::new(media_type, sha256(&bytes), bytes.len() as u64);
        Blob { descriptor, bytes: bytes.into() }
    }

    fn text(self, seed: u8, platform: &str, diff_ids: &[Digest]) -> String {
        // No image is built on another one by chance: their steps differ.
        let step = match self {
            Self::Steps => "kit".to_owned(),
            _ => format!("kit, one of {}", diff_ids.len()),
        };
        let step = json!({ "created": "2020-01-01T00:00:00Z", "created_by": step });
        let history: Vec<Value> = diff_ids.iter().map(|_| step.clone()).collect();
        let (architecture, variant) = split(platform);
        let mut config = json!({
            "created": "2020-01-01T00:00:00Z",
            "author": format!("kit {seed}"),
            "architecture": architecture,
            "os": "linux",
            "config": { "Env": ["PATH=/bin"], "Cmd": ["/bin/kit", "<&>"], "Labels": { "b": "\u{e9}", "a": "" } },
            "rootfs": { "type": "layers", "diff_ids": diff_ids.iter().map(ToString::to_string).collect::<Vec<_>>() },
            "history": history,
        });
        if let Some(variant) = variant {
            config["variant"] = json!(variant);
        }
        match self {
            Self::Plain | Self::Steps | Self::Artifact => config.to_string(),
            Self::DockerFields => {
                config["config"]["Healthcheck"] =
                    json!({ "Test": ["CMD", "true"], "Interval": 1_000_000_000_i64 });
                config["config"]["OnBuild"] = json!(["RUN true"]);
                config["config"]["Shell"] = json!(["/bin/sh", "-c"]);
                config["docker_version"] = json!("20.10.0");
                config.to_string()
            }
            Self::UnknownFields => {
                config["zz-unknown"] = json!({ "z": [1, 2.5, null], "a": { "": "\u{1f600}" } });
                config["aa-unknown"] = json!(18_446_744_073_709_551_615_u64);
                // Bytes that no serializer gives back.
                format!(" {} \n", config.to_string().replacen("\":", "\" :  ", 3))
            }
            Self::Long => {
                let lines: Vec<_> = (0..2000).map(|at| format!("LINE_{at}=\u{e9} {at}")).collect();
                config["config"]["Env"] = json!(lines);
                config.to_string()
            }
        }
    }
}
