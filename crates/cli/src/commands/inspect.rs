//! `transship inspect`.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use transship::transport::{ImageDocument, ImageSource, needed_blob};
use transship::{Descriptor, Document, Error, ErrorKind, Image, Manifest, Platform, Result};

use crate::args;
use crate::exit::{self, Done};
use crate::facts::{self, Child, Config};
use crate::output::{self, count, safe, size};
use crate::places;
use crate::session::Session;

#[derive(Serialize)]
struct Inspected {
    reference: String,
    names: Vec<String>,
    /// That of what the reference names, also when an image of an index was chosen.
    root_digest: String,
    digest: String,
    media_type: String,
    size: u64,
    annotations: BTreeMap<String, String>,
    subject: Option<Blob>,
    #[serde(flatten)]
    content: Content,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Content {
    Image {
        image_id: String,
        platform: Option<String>,
        created: Option<String>,
        layers: Vec<Layer>,
        layers_size: u64,
        config: Value,
    },
    Artifact {
        artifact_type: Option<String>,
        config: Blob,
        layers: Vec<Layer>,
        layers_size: u64,
    },
    Index {
        manifests: Vec<Listed>,
    },
}

#[derive(Serialize)]
struct Blob {
    digest: String,
    media_type: String,
    size: u64,
    annotations: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct Layer {
    #[serde(flatten)]
    blob: Blob,
    diff_id: Option<String>,
}

#[derive(Serialize)]
struct Listed {
    digest: String,
    media_type: String,
    size: u64,
    platform: Option<String>,
    present: bool,
    attestation: bool,
    annotations: BTreeMap<String, String>,
}

pub(super) async fn run(args: args::Inspect, session: &Session) -> exit::Result {
    let known = session.sources()?;
    let places::Input { reference, how } = places::input(&args.reference, &known, session).await?;
    let transport = known.of(&reference)?;
    let digest_alone = args.digest && args.platform().is_none() && transport.compares_roots();
    let source = transport.source(&reference, &how.with_compare(digest_alone)).await?;
    if digest_alone && let Some(root) = source.root_descriptor() {
        output::print(&format!("{}\n", root.digest))?;
        return Ok(Done::Success);
    }
    let root = Image::of(source).await?;
    let root_digest = root.digest().to_string();
    let image = match wanted(&args, &root) {
        Some(platform) => root.select(&platform).await?,
        None => root,
    };
    let (source, manifest) = (image.source(), image.manifest());
    if args.digest {
        output::print(&format!("{}\n", manifest.descriptor().digest))?;
        return Ok(Done::Success);
    }
    if args.raw {
        output::print_bytes(manifest.bytes())?;
        return Ok(Done::Success);
    }
    if args.config {
        output::print_bytes(&config(source, manifest).await?)?;
        return Ok(Done::Success);
    }
    let inspected = Inspected {
        reference: source.reference().to_string(),
        names: source.names().iter().map(ToString::to_string).collect(),
        root_digest,
        digest: manifest.descriptor().digest.to_string(),
        media_type: manifest.descriptor().media_type.to_string(),
        size: manifest.descriptor().size,
        annotations: BTreeMap::new(),
        subject: None,
        content: Content::Index { manifests: Vec::new() },
    };
    let inspected = inspected.with(source, manifest).await?;
    args.output.print(&inspected, || inspected.text())?;
    Ok(Done::Success)
}

/// The platform of the image to look at; `None` for what the reference names.
fn wanted(args: &args::Inspect, root: &Image) -> Option<Platform> {
    // An index has no config: it is that of the image for this machine.
    let host = (args.config && root.document().is_index()).then(Platform::host);
    args.platform().or(host)
}

async fn config(source: &dyn ImageSource, manifest: &Manifest) -> Result<Vec<u8>> {
    match manifest.document() {
        Document::Image(image) if image.is_runnable() => {
            Ok(Config::read(source, &image.config).await?.bytes)
        }
        Document::Image(image) => {
            let body = needed_blob(source, &image.config).await?;
            Ok(body.bytes(transship::transport::CONFIG_LIMIT).await?.into())
        }
        _ => Err(Error::new(ErrorKind::Unsupported, "an index has no config")
            .hint("choose one of its images with --platform")),
    }
}

impl From<Descriptor> for Blob {
    fn from(of: Descriptor) -> Self {
        Self {
            digest: of.digest.to_string(),
            media_type: of.media_type.to_string(),
            size: of.size,
            annotations: of.annotations,
        }
    }
}

impl Inspected {
    async fn with(mut self, source: &dyn ImageSource, manifest: &Manifest) -> Result<Self> {
        match manifest.document() {
            Document::Image(image) => {
                self.annotations.clone_from(&image.annotations);
                self.subject = image.subject.clone().map(Blob::from);
                self.content = self::image(source, image).await?;
            }
            Document::Index(index) => {
                self.annotations.clone_from(&index.annotations);
                self.subject = index.subject.clone().map(Blob::from);
                self.content = self::index(source, manifest).await?;
            }
            _ => {}
        }
        Ok(self)
    }

    fn text(&self) -> String {
        let mut rows: Vec<[String; 2]> = Vec::new();
        let mut row = |key: &str, value: &str| rows.push([key.to_owned(), safe(value)]);
        row("reference", &self.reference);
        for name in &self.names {
            row("name", name);
        }
        row("digest", &self.digest);
        if self.root_digest != self.digest {
            row("of index", &self.root_digest);
        }
        row("type", &self.media_type);
        if let Some(subject) = &self.subject {
            row("about", &subject.digest);
        }
        self.content.text(&mut row);
        for (key, value) in &self.annotations {
            row("annotation", &format!("{key}={value}"));
        }
        output::columns(&rows.into_iter().map(Vec::from).collect::<Vec<_>>())
    }
}

async fn image(source: &dyn ImageSource, image: &ImageDocument) -> Result<Content> {
    let layers_size = facts::layers_size(image);
    if !image.is_runnable() {
        let layer = |of: Descriptor| Layer { blob: of.into(), diff_id: None };
        return Ok(Content::Artifact {
            artifact_type: image.artifact_type.clone(),
            config: image.config.clone().into(),
            layers: image.layers.iter().cloned().map(layer).collect(),
            layers_size,
        });
    }
    let config = Config::read(source, &image.config).await?;
    let mut diff_ids = config.diff_ids();
    let layers = image
        .layers
        .iter()
        .cloned()
        .map(|of| Layer { blob: of.into(), diff_id: diff_ids.next().map(str::to_owned) })
        .collect();
    drop(diff_ids);
    Ok(Content::Image {
        image_id: image.config.digest.to_string(),
        platform: config.platform().map(|p| p.to_string()),
        created: config.text("created").map(str::to_owned),
        layers,
        layers_size,
        config: config.value,
    })
}

async fn index(source: &dyn ImageSource, index: &Manifest) -> Result<Content> {
    let listed = |child: Child| Listed {
        digest: child.descriptor.digest.to_string(),
        media_type: child.descriptor.media_type.to_string(),
        size: child.descriptor.size,
        platform: child.platform.as_ref().map(ToString::to_string),
        present: child.manifest.is_some(),
        attestation: child.descriptor.is_attestation(),
        annotations: child.descriptor.annotations,
    };
    let manifests = facts::children(source, index).await?.into_iter().map(listed).collect();
    Ok(Content::Index { manifests })
}

impl Content {
    fn text(&self, row: &mut impl FnMut(&str, &str)) {
        match self {
            Self::Image { image_id, platform, created, layers, layers_size, config } => {
                row("image ID", image_id);
                row("platform", platform.as_deref().unwrap_or("-"));
                row("created", created.as_deref().unwrap_or("-"));
                run_settings(config, row);
                layers_text(layers, *layers_size, row);
            }
            Self::Artifact { artifact_type, config, layers, layers_size } => {
                let is = artifact_type.as_ref().unwrap_or(&config.media_type);
                row("artifact", is);
                layers_text(layers, *layers_size, row);
            }
            Self::Index { manifests } => {
                row("manifests", &manifests.len().to_string());
                for manifest in manifests {
                    let what = match &manifest.platform {
                        _ if manifest.attestation => "attestation",
                        Some(platform) => platform,
                        None => &manifest.media_type,
                    };
                    let absent = if manifest.present { "" } else { ", not here" };
                    row("", &format!("{} {what}{absent}", manifest.digest));
                }
            }
        }
    }
}

/// What people look for in a config.
fn run_settings(config: &Value, row: &mut impl FnMut(&str, &str)) {
    for (key, at) in [
        ("entrypoint", "/config/Entrypoint"),
        ("command", "/config/Cmd"),
        ("folder", "/config/WorkingDir"),
        ("user", "/config/User"),
        ("env", "/config/Env"),
        ("label", "/config/Labels"),
    ] {
        match config.pointer(at) {
            Some(Value::String(text)) if !text.is_empty() => row(key, text),
            Some(Value::Object(pairs)) => {
                for (name, value) in pairs {
                    row(key, &format!("{name}={}", value.as_str().unwrap_or_default()));
                }
            }
            Some(Value::Array(list)) if key == "env" => {
                list.iter().filter_map(Value::as_str).for_each(|text| row(key, text));
            }
            Some(list @ Value::Array(_)) => row(key, &list.to_string()),
            _ => {}
        }
    }
}

fn layers_text(layers: &[Layer], total: u64, row: &mut impl FnMut(&str, &str)) {
    row("layers", &format!("{}, {}", count(layers.len(), "layer"), size(total)));
    for layer in layers {
        let Blob { digest, media_type, size: bytes, .. } = &layer.blob;
        let kind = media_type.rsplit_once('.').map_or(&**media_type, |(_, end)| end);
        row("", &format!("{digest} {kind} {}", size(*bytes)));
    }
}
