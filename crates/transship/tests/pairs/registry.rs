//! The engine and `docker://`, against a registry in the test's own process.

use std::io::Write;
use std::path::PathBuf;

use serde_json::json;
use transship::transfer::Digests;
use transship::transport::{ArchiveWriter, Commit, Expect, sha256};
use transship::{
    Body, Compress, Descriptor, ErrorKind, ImageName, Images, Manifest, MediaType, Platform,
    ReadOptions, Reference, Report, Result, Settings, Transfer, TransferOptions, Transports,
    WriteOptions,
};
use transship_test_registry::{Fault, Registry as Server, Rule, gzip_of_zeros};

/// A manifest and its blobs.
pub(crate) struct Made {
    pub(crate) manifest: Manifest,
    pub(crate) blobs: Vec<(Descriptor, Vec<u8>)>,
}

fn blob(media_type: MediaType, bytes: Vec<u8>) -> (Descriptor, Vec<u8>) {
    (Descriptor::new(media_type, sha256(&bytes), bytes.len() as u64), bytes)
}

/// An image of one layer, whose diff ID is what is said.
pub(crate) fn image(
    architecture: &str,
    media_type: MediaType,
    layer: Vec<u8>,
    diff_id: &str,
) -> Made {
    let layer = blob(media_type, layer);
    let config = json!({"os": "linux", "architecture": architecture,
        "rootfs": {"type": "layers", "diff_ids": [diff_id]}});
    let config = blob(MediaType::ImageConfig, config.to_string().into_bytes());
    let manifest = json!({"schemaVersion": 2, "mediaType": MediaType::ImageManifest.as_ref(),
        "config": config.0, "layers": [layer.0]});
    Made { manifest: Manifest::new(manifest.to_string()).unwrap(), blobs: vec![layer, config] }
}

pub(crate) fn plain(architecture: &str, text: &str) -> Made {
    let layer = text.repeat(20_000).into_bytes();
    let diff_id = sha256(&layer).to_string();
    image(architecture, MediaType::ImageLayer, layer, &diff_id)
}

pub(crate) struct Bench {
    pub(crate) server: Server,
    dir: tempfile::TempDir,
    pub(crate) transports: Transports,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::of(transship_test_registry::Options::default(), "false")
    }

    /// With a server of its own kind; `sparse` says whether its indexes may have gaps.
    pub(crate) fn of(options: transship_test_registry::Options, sparse: &str) -> Self {
        let server = Server::start(options).unwrap();
        let settings = Settings::new().with("docker", "no-creds", "true");
        let settings = settings.with("docker", "sparse", sparse);
        let transports = Transports::linked(&settings).unwrap();
        Self { server, dir: tempfile::tempdir().unwrap(), transports }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn layout(&self, rest: &str) -> Reference {
        self.parse(&format!("oci:{}", self.dir.path().join(rest).display()))
    }

    pub(crate) fn remote(&self, rest: &str) -> Reference {
        self.parse(&format!("docker://{}/{rest}", self.server.host()))
    }

    pub(crate) fn parse(&self, text: &str) -> Reference {
        self.transports.parse(text).unwrap()
    }

    /// Writes an image, or an index over images of which some are absent.
    pub(crate) async fn write(
        &self,
        at: &Reference,
        names: &[&str],
        root: &Manifest,
        made: &[&Made],
    ) {
        let archives = self.transports.of(at).unwrap().archives().unwrap();
        let mut writer = archives.write(at, &WriteOptions::default()).await.unwrap();
        let names: Vec<_> = names.iter().map(|name| ImageName::new(name).unwrap()).collect();
        self.put(&*writer, &names, root, made).await;
        writer.finish().await.unwrap();
    }

    /// Writes it to an archive that is open.
    pub(crate) async fn put(
        &self,
        writer: &dyn ArchiveWriter,
        names: &[ImageName],
        root: &Manifest,
        made: &[&Made],
    ) {
        let to = writer.image(names).await.unwrap();
        for made in made {
            for (descriptor, bytes) in &made.blobs {
                let body = Body::from_bytes(bytes.clone());
                to.put_blob(Expect::from(descriptor), body).await.unwrap();
            }
            if made.manifest != *root {
                to.put_manifest(&made.manifest).await.unwrap();
            }
        }
        let absent: Vec<Descriptor> = match root.document() {
            transship::Document::Index(index) => {
                let there = |one: &Descriptor| {
                    made.iter().any(|made| made.manifest.descriptor().digest == one.digest)
                };
                index.manifests.iter().filter(|one| !there(one)).cloned().collect()
            }
            _ => Vec::new(),
        };
        to.commit(Commit::new(root).without(&absent)).await.unwrap();
    }

    /// A transfer between the bench's transports.
    pub(crate) fn with(&self, transfer: Transfer) -> Transfer {
        transfer.from_transports(self.transports.clone()).to_transports(self.transports.clone())
    }

    /// All tags of all repositories, with these.
    pub(crate) fn tags(&self) -> Vec<String> {
        let repositories = self.server.repositories();
        let tags = |of: &String| {
            let tags = self.server.tags(of);
            tags.into_iter().map(|(tag, _)| format!("{of}:{tag}")).collect::<Vec<_>>()
        };
        repositories.iter().flat_map(tags).collect()
    }

    async fn copy(
        &self,
        from: &Reference,
        to: &Reference,
        change: impl FnOnce(&mut TransferOptions),
    ) -> Result<Report> {
        let mut options = TransferOptions::default();
        change(&mut options);
        self.with(Transfer::new(from, to).options(options)).run().await
    }

    /// Requests that change something.
    pub(crate) fn writes(&self) -> Vec<String> {
        let exchanges = self.server.exchanges();
        let all = exchanges.iter().map(|one| one.method.clone());
        all.filter(|method| method != "GET" && method != "HEAD").collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn images_go_below_a_prefix_and_collisions_are_refused_before_anything_is_sent() {
    let bench = Bench::new();
    let (one, two) = (plain("amd64", "one"), plain("amd64", "two"));
    let layout = bench.layout("l");
    bench.write(&layout, &["localhost/app:1", "alpine:3"], &one.manifest, &[&one]).await;
    bench.write(&layout, &["quay.io/team/tool:2"], &two.manifest, &[&two]).await;
    let all = |options: &mut TransferOptions| options.images = Images::All;
    bench.copy(&layout, &bench.remote("p/"), all).await.unwrap();
    assert_eq!(bench.server.repositories(), ["p/alpine", "p/app", "p/team/tool"]);
    assert_eq!(bench.server.sessions(), 0);
    // And back, all of one repository.
    bench.copy(&bench.remote("p/team/tool"), &bench.layout("back"), all).await.unwrap();

    let layout = bench.layout("clash");
    bench.write(&layout, &["localhost/app:1"], &one.manifest, &[&one]).await;
    bench.write(&layout, &["ghcr.io/app:1"], &two.manifest, &[&two]).await;
    bench.server.forget_exchanges();
    let error = bench.copy(&layout, &bench.remote("q/"), all).await.unwrap_err();
    assert!(
        error.to_string().contains("localhost/app:1")
            && error.to_string().contains("ghcr.io/app:1"),
        "{error}"
    );
    assert_eq!(bench.writes(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_layers_are_compressed_on_the_way_in_one_pass() {
    let bench = Bench::new();
    let one = plain("amd64", "some text");
    let layout = bench.layout("l");
    bench.write(&layout, &["a:1"], &one.manifest, &[&one]).await;
    let report = bench.copy(&layout, &bench.remote("a:1"), |_| {}).await.unwrap();
    let size: u64 = one.blobs.iter().map(|(blob, _)| blob.size).sum();
    assert!(report.bytes_read <= size && report.bytes_written < size / 10, "{report:?}");
    assert_ne!(report.images[0].digest, one.manifest.descriptor().digest);
    let mut writes = bench.writes();
    writes.sort();
    // The layer's digest is known at its end: a session, its bytes, its digest. The config's is: a session, its bytes. The manifest.
    assert_eq!(writes, ["PATCH", "POST", "POST", "PUT", "PUT", "PUT"]);
    bench.server.forget_exchanges();
    let keep = |options: &mut TransferOptions| options.digests = Digests::Preserve;
    let report = bench.copy(&layout, &bench.remote("b:1"), keep).await.unwrap();
    assert_eq!(report.images[0].digest, one.manifest.descriptor().digest);
    assert!(!bench.writes().contains(&"PATCH".to_owned()));
    // A digest in the reference is held before the root is put, and nothing is shown.
    let digest = &one.manifest.descriptor().digest;
    let wrong = bench.copy(&layout, &bench.remote(&format!("c:1@{digest}")), |_| {}).await;
    assert_eq!(wrong.unwrap_err().kind(), ErrorKind::Corrupt);
    assert!(bench.server.tags("c").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_with_gaps_is_stripped_and_that_is_reported() {
    let bench = Bench::new();
    let (amd, arm) = (plain("amd64", "one"), plain("arm64", "two"));
    let entry = |made: &Made, architecture: &str| {
        let mut entry = made.manifest.descriptor().clone();
        entry.platform = Some(Platform::new("linux", architecture));
        entry
    };
    let index = json!({"schemaVersion": 2, "mediaType": MediaType::ImageIndex.as_ref(),
        "manifests": [entry(&amd, "amd64"), entry(&arm, "arm64")]});
    let index = Manifest::new(index.to_string()).unwrap();
    let whole = bench.layout("whole");
    bench.write(&whole, &["a:1"], &index, &[&amd, &arm]).await;
    // The server refuses an index whose parts are not there: they came before it.
    bench.copy(&whole, &bench.remote("whole:1"), |o| o.digests = Digests::Preserve).await.unwrap();
    let sparse = bench.layout("sparse");
    bench.write(&sparse, &["a:1"], &index, &[&amd]).await;
    let report = bench.copy(&sparse, &bench.remote("a:1"), |_| {}).await.unwrap();
    let image = &report.images[0];
    assert_eq!(image.platforms.absent.len(), 1, "{image:?}");
    assert!(!image.lost.is_empty() || !image.warnings.is_empty(), "{image:?}");
    let (_, there) = bench.server.manifest("a", "1").unwrap();
    assert!(!String::from_utf8_lossy(&there).contains("arm64"));
    let kept = bench.copy(&sparse, &bench.remote("b:1"), |o| o.digests = Digests::Preserve).await;
    assert!(kept.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_source_and_a_cut_destination_are_one_copy() {
    let bench = Bench::new();
    let one = plain("amd64", "some text");
    bench.write(&bench.remote("a"), &["1"], &one.manifest, &[&one]).await;
    for after in [10, 10_000] {
        let cut = Fault::CutResponse { after };
        bench.server.inject(Rule::new(cut).method("GET").path("/a/blobs/"));
    }
    let cut = Fault::CutRequest { after: 0 };
    bench.server.inject(Rule::new(cut).method("PATCH"));
    let layout = bench.layout("l");
    bench.copy(&bench.remote("a:1"), &layout, |_| {}).await.unwrap();
    bench.copy(&layout, &bench.remote("b:1"), |_| {}).await.unwrap();
    assert_eq!((bench.server.pending_faults(), bench.server.sessions()), (0, 0));
}

/// The most memory that this process had, in MiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse().ok());
    number.unwrap_or(0_u64) / 1024
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bomb_in_a_layer_passes_in_fixed_memory_and_is_refused() {
    const ZEROS: u64 = 512 << 20;
    let bench = Bench::new();
    let mut bomb = gzip_of_zeros(ZEROS).unwrap().to_vec();
    // Behind it something else, so that it is not what the config says.
    let mut more = flate2_member(b"more");
    bomb.append(&mut more);
    let diff_id = sha256(b"something else").to_string();
    let made = image("amd64", MediaType::ImageLayerGzip, bomb, &diff_id);
    bench.write(&bench.remote("bomb"), &["1"], &made.manifest, &[&made]).await;
    let before = peak();
    let zstd = |options: &mut TransferOptions| options.compress = Compress::Zstd(None);
    let (from, to) = (bench.remote("bomb:1"), bench.layout("l"));
    let error = bench.copy(&from, &to, zstd).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert!(error.to_string().contains(&diff_id), "{error}");
    assert!(peak() - before < 200, "{} MiB, then {} MiB", before, peak());
    let archives = bench.transports.of(&to).unwrap().archives().unwrap();
    assert!(archives.read(&to, &ReadOptions::default()).await.is_err());
}

/// One more gzip member, stored.
fn flate2_member(bytes: &[u8]) -> Vec<u8> {
    let mut made = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1];
    let size = u16::try_from(bytes.len()).unwrap();
    made.extend(size.to_le_bytes());
    made.extend((!size).to_le_bytes());
    made.write_all(bytes).unwrap();
    let mut crc = !0_u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    made.extend((!crc).to_le_bytes());
    made.extend(u32::from(size).to_le_bytes());
    made
}
