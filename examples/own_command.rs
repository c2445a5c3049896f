//! The command `transship` with one more transport: `own-command copy scratch:linux/arm64 oci:layout:empty:1`.
//!
//! The transport is a small one, which can only be read: `scratch:PLATFORM` is an image without files. One that keeps
//! images also opens destinations, and implements `Archives` if a place of it holds several.

use std::process::ExitCode;
use std::sync::Arc;

use async_trait::async_trait;
use transship::register_transport;
use transship::transport::{
    Body, Descriptor, Error, ErrorKind, ImageDestination, ImageSource, Manifest, MediaType,
    Platform, ReadOptions, Reference, Result, Transport, WriteMode, WriteOptions, sha256,
};

// In a crate of its own this line stands there, and the command says `use that_crate as _;`.
register_transport!("scratch", [], |_| Ok(Arc::new(Scratch)));

fn main() -> ExitCode {
    transship_cli::run()
}

#[derive(Debug)]
struct Scratch;

#[async_trait]
impl Transport for Scratch {
    fn scheme(&self) -> &'static str {
        "scratch"
    }

    fn syntax(&self) -> &'static str {
        "PLATFORM"
    }

    fn default_mode(&self) -> WriteMode {
        WriteMode::Create
    }

    /// No input or output: it checks, and gives the one spelling of what was meant.
    fn parse(&self, locator: &str) -> Result<Reference> {
        Ok(Reference::new("scratch", Platform::parse(locator)?.to_string()))
    }

    async fn source(&self, at: &Reference, _: &ReadOptions) -> Result<Box<dyn ImageSource>> {
        Ok(Box::new(Empty::new(at)?))
    }

    async fn destination(
        &self,
        _: &Reference,
        _: &WriteOptions,
    ) -> Result<Box<dyn ImageDestination>> {
        Err(Error::new(ErrorKind::Unsupported, "scratch: is only read"))
    }
}

#[derive(Debug)]
struct Empty {
    reference: Reference,
    config: String,
    manifest: Manifest,
}

impl Empty {
    fn new(at: &Reference) -> Result<Self> {
        let Platform { os, architecture, variant, .. } = Platform::parse(at.locator())?;
        let variant = variant.map(|v| format!(r#","variant":"{v}""#)).unwrap_or_default();
        let config = format!(
            r#"{{"os":"{os}","architecture":"{architecture}"{variant},"rootfs":{{"type":"layers","diff_ids":[]}}}}"#
        );
        let manifest = Manifest::new(format!(
            r#"{{"schemaVersion":2,"mediaType":"{}","config":{{"mediaType":"{}","digest":"{}","size":{}}},"layers":[]}}"#,
            MediaType::ImageManifest,
            MediaType::ImageConfig,
            sha256(config.as_bytes()),
            config.len(),
        ))?;
        Ok(Self { reference: at.clone(), config, manifest })
    }
}

#[async_trait]
impl ImageSource for Empty {
    fn reference(&self) -> &Reference {
        &self.reference
    }

    async fn root(&self) -> Result<Manifest> {
        Ok(self.manifest.clone())
    }

    async fn manifest(&self, of: &Descriptor) -> Result<Manifest> {
        Err(Error::new(ErrorKind::NotFound, format!("there is no manifest {}", of.digest)))
    }

    async fn blob(&self, of: &Descriptor) -> Result<Body> {
        if of.digest != sha256(self.config.as_bytes()) {
            return Err(Error::new(ErrorKind::NotFound, format!("there is no blob {}", of.digest)));
        }
        // The body checks size and digest while it is read.
        Body::from_bytes(self.config.clone()).expecting(&of.into())
    }
}
