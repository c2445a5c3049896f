//! Images opened part by part, and artifacts pushed, over every transport.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::io::{Read, Write};
use std::path::Path;

use transship::transport::{Commit, sha256};
use transship::{
    Artifact, Body, BodyReader, Descriptor, ErrorKind, Image, ImageWriter, Manifest, MediaType,
    Platform, ReadOptions, Reference, Result, Settings, Transfer, Transports, WriteOptions,
};
use transship_test_registry::{Options, Registry as Server};

/// More than some chunks of 1 MiB.
const LARGE: usize = 5 << 20;

struct Lab {
    server: Server,
    folder: tempfile::TempDir,
    transports: Transports,
}

impl Lab {
    fn new() -> Self {
        let settings = Settings::new().with("docker", "no-creds", "true");
        Self {
            server: Server::start(Options::default()).unwrap(),
            folder: tempfile::tempdir().unwrap(),
            transports: Transports::linked(&settings).unwrap(),
        }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn parse(&self, text: &str) -> Reference {
        self.transports.parse(text).unwrap()
    }

    fn remote(&self, rest: &str) -> Reference {
        self.parse(&format!("docker://{}/{rest}", self.server.host()))
    }

    /// A place of each transport.
    fn places(&self) -> Vec<Reference> {
        vec![
            self.remote("team/app:1"),
            self.parse(&format!("oci:{}:team/app:1", self.path("layout"))),
            self.parse(&format!("oci-archive:{}:team/app:1", self.path("layout.tar"))),
            self.parse(&format!("dir:{}", self.path("dir"))),
            self.parse(&format!("docker-archive:{}:team/app:1", self.path("docker.tar"))),
        ]
    }

    async fn open(&self, at: &Reference) -> Result<Image> {
        Image::open(&self.transports, at).await
    }

    async fn writer(&self, at: &Reference) -> ImageWriter {
        ImageWriter::open(&self.transports, at, &WriteOptions::default()).await.unwrap()
    }

    async fn copy(&self, from: &Reference, to: &Reference) {
        Transfer::new(from, to)
            .from_transports(self.transports.clone())
            .to_transports(self.transports.clone())
            .run()
            .await
            .unwrap();
    }
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder =
        transship::codec::GzipEncoder::new(plain, 1, std::num::NonZeroUsize::MIN).unwrap();
    let mut packed = Vec::new();
    encoder.read_to_end(&mut packed).unwrap();
    packed
}

/// A tar of one file.
fn tar_of(name: &str, content: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    builder.append_data(&mut header, name, content).unwrap();
    builder.into_inner().unwrap()
}

/// Noise, so that gzip leaves it large.
fn noise(size: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..size).map(|_| next()).collect()
}

/// An image of one gzip layer, with the diff IDs that are said.
async fn write(lab: &Lab, at: &Reference, plain: &[u8], diff_ids: &[String]) -> Manifest {
    let writer = lab.writer(at).await;
    let layer = writer.put_blob(MediaType::ImageLayerGzip, gzip(plain)).await.unwrap();
    let config = serde_json::json!({"os": "linux", "architecture": "amd64",
        "config": {"Env": ["A=b"]}, "rootfs": {"type": "layers", "diff_ids": diff_ids}});
    let config = writer.put_blob(MediaType::ImageConfig, config.to_string()).await.unwrap();
    let manifest = manifest(&config, &[layer]);
    writer.commit(&manifest).await.unwrap();
    manifest
}

fn manifest(config: &Descriptor, layers: &[Descriptor]) -> Manifest {
    let manifest = serde_json::json!({"schemaVersion": 2,
        "mediaType": MediaType::ImageManifest.as_ref(), "config": config, "layers": layers});
    Manifest::new(manifest.to_string()).unwrap()
}

fn index(children: &[Descriptor]) -> Manifest {
    let index = serde_json::json!({"schemaVersion": 2,
        "mediaType": MediaType::ImageIndex.as_ref(), "manifests": children});
    Manifest::new(index.to_string()).unwrap()
}

async fn all(body: Body) -> Result<Vec<u8>> {
    body.bytes(1 << 30).await.map(|bytes| bytes.to_vec())
}

async fn read(reader: BodyReader) -> std::io::Result<Vec<u8>> {
    use tokio::io::AsyncReadExt;
    let (mut reader, mut all) = (reader, Vec::new());
    reader.read_to_end(&mut all).await?;
    Ok(all)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_parts_of_an_image_over_every_transport() {
    let lab = Lab::new();
    let plain = tar_of("etc/noise", &noise(LARGE));
    let made = lab.parse(&format!("oci:{}:made:1", lab.path("made")));
    let diff_id = sha256(&plain);
    write(&lab, &made, &plain, &[diff_id.to_string()]).await;
    for at in lab.places() {
        lab.copy(&made, &at).await;
        let image = lab.open(&at).await.unwrap();
        assert_eq!(image.platforms().await.unwrap(), [Platform::new("linux", "amd64")], "{at}");
        let config = image.config().await.unwrap();
        let fields: serde_json::Value = serde_json::from_slice(&config.bytes).unwrap();
        assert_eq!(fields["config"]["Env"], serde_json::json!(["A=b"]), "{at}");
        assert_eq!(sha256(&config.bytes), config_digest(&image), "{at}");

        let layer = image.layer(0).unwrap();
        assert_eq!(layer.diff_id().await.unwrap(), Some(diff_id.clone()));
        assert_eq!(read(layer.tar().await.unwrap().into_reader()).await.unwrap(), plain, "{at}");
        let stored = all(layer.stored().await.unwrap()).await.unwrap();
        assert_eq!(sha256(&stored), layer.descriptor().digest);
        let by_digest = image.blob(&layer.descriptor().digest).await.unwrap();
        assert_eq!(all(by_digest).await.unwrap(), stored, "{at}");

        let (from, to) = (1_500_000, 3_000_000);
        let range = from as u64..to as u64;
        let of_tar = layer.tar().await.unwrap().range(range.clone());
        assert_eq!(read(of_tar).await.unwrap(), plain[from..to], "{at}");
        let of_stored = layer.stored().await.unwrap().range(range.clone());
        assert_eq!(read(of_stored).await.unwrap(), stored[from..to], "{at}");
        let unchecked = layer.stored().await.unwrap().range_unchecked(range);
        assert_eq!(read(unchecked).await.unwrap(), stored[from..to], "{at}");

        assert_eq!(image.layer(1).unwrap_err().kind(), ErrorKind::NotFound);
        let absent = image.blob(&sha256(b"elsewhere")).await.unwrap_err();
        assert_eq!(absent.kind(), ErrorKind::NotFound, "{at}");
        let resolved = Image::resolve(&lab.transports, &at).await.unwrap();
        assert_eq!(resolved.digest, *image.digest(), "{at}");
    }
}

fn config_digest(image: &Image) -> transship::Digest {
    let transship::Document::Image(document) = image.document() else { panic!("an index") };
    document.config.digest.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_that_is_not_what_its_diff_id_says_is_no_tar() {
    let lab = Lab::new();
    for at in [lab.remote("x/y:1"), lab.parse(&format!("oci:{}:y:1", lab.path("y")))] {
        let plain = tar_of("f", &noise(LARGE));
        write(&lab, &at, &plain, &[sha256(b"another").to_string()]).await;
        let layer = lab.open(&at).await.unwrap().layer(0).unwrap();
        let error = all(layer.tar().await.unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        let range = layer.tar().await.unwrap().range(0..512);
        assert!(read(range).await.is_err(), "the header of a false tar");
        assert!(all(layer.stored().await.unwrap()).await.is_ok());
    }
    // One diff ID for each layer, or none can be trusted.
    let at = lab.remote("x/z:1");
    write(&lab, &at, b"plain", &[]).await;
    let layer = lab.open(&at).await.unwrap().layer(0).unwrap();
    assert_eq!(layer.tar().await.unwrap_err().kind(), ErrorKind::Corrupt);
}

/// Changes or cuts the largest blob of a layout.
fn damage(layout: &str, how: impl FnOnce(&mut Vec<u8>)) {
    let blobs = Path::new(layout).join("blobs/sha256");
    let files = std::fs::read_dir(blobs).unwrap().map(|entry| entry.unwrap().path());
    let largest = files.max_by_key(|path| path.metadata().unwrap().len()).unwrap();
    let mut bytes = std::fs::read(&largest).unwrap();
    how(&mut bytes);
    std::fs::File::create(largest).unwrap().write_all(&bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_is_an_error_before_the_end() {
    let changes: [fn(&mut Vec<u8>); 3] =
        [|bytes| bytes[LARGE / 2] ^= 1, |bytes| bytes.truncate(LARGE / 2), |bytes| bytes.push(0)];
    for change in changes {
        let lab = Lab::new();
        let at = lab.parse(&format!("oci:{}:y:1", lab.path("y")));
        let plain = tar_of("f", &noise(LARGE));
        write(&lab, &at, &plain, &[sha256(&plain).to_string()]).await;
        damage(&lab.path("y"), change);
        let layer = lab.open(&at).await.unwrap().layer(0).unwrap();
        assert!(all(layer.stored().await.unwrap()).await.is_err());
        assert!(all(layer.tar().await.unwrap()).await.is_err());
        assert!(read(layer.tar().await.unwrap().range(0..100)).await.is_err());
        assert!(layer.tar().await.unwrap().into_reader().finish().await.is_err());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_comes_back_as_it_went() {
    let lab = Lab::new();
    for at in lab.places() {
        let artifact = || {
            Artifact::new("application/vnd.example.module")
                .with_file("hello.wasm", "application/wasm", b"\0asm\x01\0\0\0".to_vec())
                .with_blob("text/plain", "read me")
                .with_annotation("version", "1")
        };
        let pushed = artifact().push(&lab.transports, &at).await;
        if at.scheme() == "docker-archive" {
            assert_eq!(pushed.unwrap_err().kind(), ErrorKind::Unsupported);
            continue;
        }
        let image = lab.open(&at).await.unwrap();
        assert_eq!(*image.digest(), pushed.unwrap().descriptor.digest, "{at}");
        let transship::Document::Image(document) = image.document() else { panic!("{at}") };
        assert_eq!(document.artifact_type.as_deref(), Some("application/vnd.example.module"));
        assert_eq!(document.config.media_type.as_ref(), "application/vnd.oci.empty.v1+json");
        assert_eq!(document.annotations["version"], "1");
        let layers = image.layers().unwrap();
        let wasm = layers[0].descriptor();
        assert_eq!(wasm.annotations["org.opencontainers.image.title"], "hello.wasm");
        assert_eq!(all(layers[0].tar().await.unwrap()).await.unwrap(), b"\0asm\x01\0\0\0");
        assert_eq!(all(layers[1].stored().await.unwrap()).await.unwrap(), b"read me");
        assert_eq!(image.config().await.unwrap_err().kind(), ErrorKind::Unsupported);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_attached_is_a_referrer_and_moves_no_name() {
    let lab = Lab::new();
    for at in lab.places() {
        if ["dir", "docker-archive"].contains(&at.scheme()) {
            continue;
        }
        let plain = tar_of("f", b"old");
        write(&lab, &at, &plain, &[sha256(&plain).to_string()]).await;
        let old = lab.open(&at).await.unwrap();
        // The name moves between opening and attaching.
        let newer = lab.parse(&format!("oci:{}:new", lab.path(&format!("new-{}", at.scheme()))));
        let plain = tar_of("f", b"new");
        write(&lab, &newer, &plain, &[sha256(&plain).to_string()]).await;
        let mut options = transship::TransferOptions::default();
        options.mode = Some(transship::WriteMode::Append);
        Transfer::new(&newer, &at)
            .options(options)
            .from_transports(lab.transports.clone())
            .to_transports(lab.transports.clone())
            .run()
            .await
            .unwrap();
        let moved = lab.open(&at).await.unwrap();
        assert_ne!(moved.digest(), old.digest());

        let signature =
            Artifact::new("application/vnd.example.signature").with_blob("text/plain", "signed");
        let attached =
            signature.attach(&lab.transports, &old).await.unwrap_or_else(|e| panic!("{at}: {e}"));
        assert_eq!(
            lab.open(&at).await.unwrap().digest(),
            moved.digest(),
            "{at}: the name moved back"
        );
        let referrers = old.referrers().await;
        let referrers = match (referrers, at.scheme()) {
            (Ok(found), "docker") => found,
            // A source shows what was there when it was opened.
            _ => lab.open_digest(&at, &old).await.referrers().await.unwrap(),
        };
        assert_eq!(referrers.len(), 1, "{at}");
        assert_eq!(referrers[0].digest, attached.digest, "{at}");
        assert_eq!(
            referrers[0].artifact_type.as_deref(),
            Some("application/vnd.example.signature")
        );
        let signature = lab.open_digest(&at, &old).await.child(&referrers[0]).await.unwrap();
        let text = signature.layer(0).unwrap().stored().await.unwrap();
        assert_eq!(all(text).await.unwrap(), b"signed", "{at}");
    }
}

impl Lab {
    async fn open_digest(&self, at: &Reference, image: &Image) -> Image {
        let archives = self.transports.of(at).unwrap().archives().unwrap();
        let reader = archives.read(at, &ReadOptions::default()).await.unwrap();
        let place = reader.reference().clone();
        self.open(&self.parse(&format!("{place}@{}", image.digest()))).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_of_an_index_is_chosen() {
    let lab = Lab::new();
    for at in lab.places() {
        if at.scheme() == "docker-archive" {
            continue;
        }
        let writer = lab.writer(&at).await;
        let mut children = Vec::new();
        for architecture in ["amd64", "arm64"] {
            let plain = tar_of("arch", architecture.as_bytes());
            let layer = writer.put_blob(MediaType::ImageLayer, plain.clone()).await.unwrap();
            let config = serde_json::json!({"os": "linux", "architecture": architecture,
                "rootfs": {"type": "layers", "diff_ids": [sha256(&plain).to_string()]}});
            let config = writer.put_blob(MediaType::ImageConfig, config.to_string()).await.unwrap();
            let child = manifest(&config, &[layer]);
            writer.put_manifest(&child).await.unwrap();
            // The index does not say what they are for.
            children.push(child.descriptor().clone());
        }
        let nested = index(&children);
        writer.put_manifest(&nested).await.unwrap();
        let root = index(&[nested.descriptor().clone(), nested.descriptor().clone()]);
        writer.commit(&root).await.unwrap();

        let image = lab.open(&at).await.unwrap();
        let arm = Platform::new("linux", "arm64");
        assert_eq!(
            image.platforms().await.unwrap(),
            [Platform::new("linux", "amd64"), arm.clone()],
            "{at}"
        );
        assert_eq!(image.layers().unwrap_err().kind(), ErrorKind::Ambiguous);
        let chosen = image.select(&arm).await.unwrap();
        assert_eq!(*chosen.digest(), children[1].digest);
        let tar = all(chosen.layer(0).unwrap().tar().await.unwrap()).await.unwrap();
        assert_eq!(&tar[512..517], b"arm64");
        let by_digest = image.blob(&config_digest(&chosen)).await.unwrap();
        assert!(!all(by_digest).await.unwrap().is_empty());
        let error = image.select(&Platform::new("windows", "amd64")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("linux/arm64"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_here_is_chosen_before_what_fits_better() {
    let lab = Lab::new();
    let at = lab.parse(&format!("oci:{}:app:1", lab.path("sparse")));
    let [v7, v6] = ["linux/arm/v7", "linux/arm/v6"].map(|text| Platform::parse(text).unwrap());
    let writer = lab.writer(&at).await;
    let plain = tar_of("a", b"b");
    let layer = writer.put_blob(MediaType::ImageLayer, plain.clone()).await.unwrap();
    let config = serde_json::json!({"os": "linux", "architecture": "arm", "variant": "v6",
        "rootfs": {"type": "layers", "diff_ids": [sha256(&plain).to_string()]}});
    let config = writer.put_blob(MediaType::ImageConfig, config.to_string()).await.unwrap();
    let made = manifest(&config, &[layer]);
    writer.put_manifest(&made).await.unwrap();
    let mut here = made.descriptor().clone();
    here.platform = Some(v6);
    let mut gone = Descriptor::new(MediaType::ImageManifest, sha256(b"gone"), 4);
    gone.platform = Some(v7.clone());
    let root = index(&[gone.clone(), here.clone()]);
    writer.commit_as(Commit::new(&root).without(&[gone])).await.unwrap();
    let image = lab.open(&at).await.unwrap();
    assert_eq!(*image.select(&v7).await.unwrap().digest(), here.digest);
}

#[tokio::test]
async fn a_tag_is_resolved_by_one_head() {
    let lab = Lab::new();
    let at = lab.remote("team/app:1");
    let made = write(&lab, &at, b"tar", &[sha256(b"tar").to_string()]).await;
    let before = lab.server.exchanges().len();
    let found = Image::resolve(&lab.transports, &at).await.unwrap();
    assert_eq!(found.digest, made.descriptor().digest);
    let asked: Vec<_> = lab.server.exchanges()[before..]
        .iter()
        .map(|one| format!("{} {}", one.method, one.path))
        .collect();
    assert_eq!(asked, ["HEAD /v2/team/app/manifests/1"]);
}

#[tokio::test]
async fn a_manifest_of_a_type_of_ones_own_is_kept() {
    let lab = Lab::new();
    for at in [lab.remote("x/own:1"), lab.parse(&format!("oci:{}:own:1", lab.path("own")))] {
        let writer = lab.writer(&at).await;
        let config = writer.put_blob("application/vnd.example.config+json", "{}").await.unwrap();
        let own = serde_json::json!({"schemaVersion": 2,
            "mediaType": "application/vnd.example.manifest+json", "config": config, "layers": []});
        let own = Manifest::new(own.to_string()).unwrap();
        writer.commit(&own).await.unwrap();
        let image = lab.open(&at).await.unwrap();
        assert_eq!(image.manifest().bytes(), own.bytes(), "{at}");
        assert_eq!(image.descriptor().media_type.as_ref(), "application/vnd.example.manifest+json");
    }
}
