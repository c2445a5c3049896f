//! Deltas: what a place has already is left out, and that place completes what came.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use transship::transfer::{Attached, Since, digests};
use transship::transport::{Commit, Expect, ImageSource, sha256};
use transship::{
    Body, Compress, Descriptor, Document, Error, ErrorKind, ImageName, Images, Manifest, MediaType,
    Platform, ReadOptions, Reference, Report, Settings, Tags, Transfer, TransferOptions,
    Transports, Verifier, WriteMode, WriteOptions,
};

const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// A manifest of an image, and its blobs.
struct Made {
    manifest: Manifest,
    blobs: Vec<(Descriptor, Vec<u8>)>,
}

/// Bytes that do not compress, from a text.
fn noise(seed: &str, len: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len + 64);
    let mut at = 0_u64;
    while bytes.len() < len {
        bytes.extend(sha256(format!("{seed} {at}").as_bytes()).encoded().as_bytes());
        at += 1;
    }
    bytes.truncate(len);
    bytes
}

fn blob(media_type: MediaType, bytes: Vec<u8>) -> (Descriptor, Vec<u8>) {
    (Descriptor::new(media_type, sha256(&bytes), bytes.len() as u64), bytes)
}

/// An image of plain layers, each of which follows from its text.
fn image(architecture: &str, layers: &[&str]) -> Made {
    let mut blobs: Vec<_> =
        layers.iter().map(|seed| blob(MediaType::ImageLayer, noise(seed, 8192))).collect();
    let diff_ids: Vec<_> = blobs.iter().map(|(layer, _)| layer.digest.to_string()).collect();
    let config = json!({"os": "linux", "architecture": architecture,
        "rootfs": {"type": "layers", "diff_ids": diff_ids}});
    let config = blob(MediaType::from(CONFIG), config.to_string().into_bytes());
    let layers: Vec<_> = blobs.iter().map(|(layer, _)| layer.clone()).collect();
    let manifest = json!({"schemaVersion": 2, "mediaType": MediaType::ImageManifest.to_string(),
        "config": config.0, "layers": layers});
    blobs.push(config);
    Made { manifest: Manifest::new(manifest.to_string()).unwrap(), blobs }
}

fn index(of: &[(&Made, &str)]) -> Manifest {
    let entry = |(made, architecture): &(&Made, &str)| {
        let mut entry = made.manifest.descriptor().clone();
        entry.platform = Some(Platform::new("linux", *architecture));
        entry
    };
    let manifests: Vec<_> = of.iter().map(entry).collect();
    let index = json!({"schemaVersion": 2, "mediaType": MediaType::ImageIndex.to_string(),
        "manifests": manifests});
    Manifest::new(index.to_string()).unwrap()
}

struct Bench {
    dir: tempfile::TempDir,
    transports: Transports,
}

impl Bench {
    fn new() -> Self {
        let transports = Transports::linked(&Settings::new()).unwrap();
        Self { dir: tempfile::tempdir().unwrap(), transports }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn at(&self, scheme: &str, name: &str) -> Reference {
        self.transports.parse(&format!("{scheme}:{}", self.path(name).display())).unwrap()
    }

    /// Writes images into one archive, under these names.
    async fn bundle(&self, at: &Reference, images: &[(&str, &Manifest, &[&Made])]) {
        let archives = self.transports.of(at).unwrap().archives().unwrap();
        let mut writer = archives.write(at, &WriteOptions::default()).await.unwrap();
        for (name, root, made) in images {
            let to = writer.image(&[ImageName::new(name).unwrap()]).await.unwrap();
            for made in *made {
                for (descriptor, bytes) in &made.blobs {
                    let body = Body::from_bytes(bytes.clone());
                    to.put_blob(Expect::from(descriptor), body).await.unwrap();
                }
                if made.manifest != **root {
                    to.put_manifest(&made.manifest).await.unwrap();
                }
            }
            to.commit(Commit::new(root)).await.unwrap();
        }
        writer.finish().await.unwrap();
    }

    async fn copy(
        &self,
        from: &Reference,
        to: &Reference,
        change: impl FnOnce(&mut TransferOptions),
    ) -> Result<Report, Error> {
        let mut options = TransferOptions::default();
        options.images = Images::All;
        change(&mut options);
        Transfer::new(from, to).options(options).run().await
    }

    async fn delta(&self, from: &Reference, to: &Reference, since: &[&Reference]) -> Report {
        let since = Some(self.since(since).await);
        self.copy(from, to, |o| o.since = since).await.unwrap()
    }

    async fn since(&self, places: &[&Reference]) -> Since {
        let mut all = Vec::new();
        for at in places {
            all.extend(
                digests(at, &Tags::default(), &self.transports, &ReadOptions::default())
                    .await
                    .unwrap(),
            );
        }
        Since::new(all)
    }

    async fn images(&self, at: &Reference) -> Vec<(String, Box<dyn ImageSource>)> {
        let archives = self.transports.of(at).unwrap().archives().unwrap();
        let reader = archives.read(at, &ReadOptions::default()).await.unwrap();
        let mut all = Vec::new();
        for entry in reader.entries() {
            let image = reader.open(entry).await.unwrap();
            all.extend(entry.names.iter().map(|name| (name.to_string(), entry.clone())));
            drop(image);
        }
        let mut images = Vec::new();
        for (name, entry) in all {
            images.push((name, reader.open(&entry).await.unwrap()));
        }
        images
    }

    /// The names and roots of a place, where everything is whole.
    async fn whole(&self, at: &Reference) -> BTreeMap<String, Vec<u8>> {
        let mut all = BTreeMap::new();
        for (name, image) in self.images(at).await {
            let findings = Verifier::new().image(&*image).await.unwrap();
            assert!(findings.is_clean() && findings.needs.is_empty(), "{name}: {findings:?}");
            all.insert(name, image.root().await.unwrap().bytes().to_vec());
        }
        all
    }

    /// How many parts a delta needs, where nothing is wrong with it.
    async fn needs(&self, at: &Reference) -> usize {
        let mut needs = 0;
        for (name, image) in self.images(at).await {
            let findings = Verifier::new().image(&*image).await.unwrap();
            assert!(findings.is_clean(), "{name}: {findings:?}");
            needs += findings.needs.len();
        }
        needs
    }
}

/// A bundle of many images that share layers, and that of a week later: one image has another layer, one is new.
async fn weeks(bench: &Bench, scheme: &str, count: usize) -> (Reference, Reference, u64) {
    let names: Vec<String> = (0..count).map(|n| format!("example.com/app-{n}:1")).collect();
    let one = |n: usize, last: &str| {
        let (middle, own) = (format!("middle {}", n % 4), format!("own {n}{last}"));
        image("amd64", &["ground", &middle, &own])
    };
    let old: Vec<Made> = (0..count).map(|n| one(n, "")).collect();
    let mut new: Vec<Made> = (0..count).map(|n| one(n, if n == 1 { " new" } else { "" })).collect();
    let extra = one(count, "");
    let changed: u64 = [&new[1], &extra]
        .iter()
        .flat_map(|made| &made.blobs)
        .filter(|(d, _)| !old.iter().any(|o| o.blobs.iter().any(|(had, _)| had.digest == d.digest)))
        .map(|(descriptor, _)| descriptor.size)
        .sum();
    new.push(extra);
    let mut all_names = names.clone();
    all_names.push("example.com/extra:1".to_owned());
    let (first, second) = (bench.at(scheme, "week-1"), bench.at(scheme, "week-2"));
    for (at, made) in [(&first, &old), (&second, &new)] {
        let parts: Vec<[&Made; 1]> = made.iter().map(|made| [made]).collect();
        let images: Vec<_> = all_names
            .iter()
            .zip(made)
            .zip(&parts)
            .map(|((name, made), parts)| (name.as_str(), &made.manifest, &parts[..]))
            .collect();
        bench.bundle(at, &images).await;
    }
    (first, second, changed)
}

#[tokio::test]
async fn a_week_costs_what_changed() {
    let bench = Bench::new();
    let (first, second, changed) = weeks(&bench, "oci-archive", 40).await;
    let delta = bench.at("oci-archive", "delta");
    let report = bench.delta(&second, &delta, &[&first]).await;
    // Of each of the two images: a layer and a config.
    assert_eq!(report.blobs_moved, 4);
    let size = fs::metadata(bench.path("delta")).unwrap().len();
    assert!(size <= changed + changed / 100 + (64 << 10), "{size} bytes for {changed}");
    assert!(bench.needs(&delta).await > 40);

    // Onto the old bundle, which is an archive.
    let joined = bench.at("oci-archive", "joined");
    bench.copy(&first, &joined, |_| {}).await.unwrap();
    bench.copy(&delta, &joined, |o| o.mode = Some(WriteMode::Append)).await.unwrap();
    assert_eq!(bench.whole(&joined).await, bench.whole(&second).await);

    // Onto the old bundle in a layout.
    let base = bench.at("oci", "base");
    bench.copy(&first, &base, |_| {}).await.unwrap();
    bench.copy(&delta, &base, |_| {}).await.unwrap();
    assert_eq!(bench.whole(&base).await, bench.whole(&second).await);
    // It is no delta itself.
    let index = fs::read_to_string(bench.path("base/index.json")).unwrap();
    assert!(!index.contains("needs"), "{index}");
}

#[tokio::test]
async fn without_its_base_nothing_is_written() {
    let bench = Bench::new();
    let (first, second, _) = weeks(&bench, "oci-archive", 5).await;
    let delta = bench.at("oci-archive", "delta");
    bench.delta(&second, &delta, &[&first]).await;
    let mut left_out = 0;
    for (name, image) in bench.images(&delta).await {
        let Ok(root) = image.root().await else { continue };
        let Document::Image(of) = root.document() else { continue };
        for layer in &of.layers {
            let Err(error) = image.blob(layer).await else { continue };
            assert!(error.to_string().contains("is left out of this delta"), "{name}: {error}");
            left_out += 1;
        }
    }
    assert!(left_out > 0);
    for scheme in ["oci", "oci-archive", "docker-archive"] {
        let to = bench.at(scheme, "new");
        let error = bench.copy(&delta, &to, |_| {}).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        let text = error.to_string();
        assert!(text.contains("delta") && text.contains("sha256:"), "{text}");
        assert!(!bench.path("new").exists(), "{scheme}");
    }
    // With a part of the base, what is said to be missing is the rest.
    let base = bench.at("oci", "base");
    bench.copy(&first, &base, |_| {}).await.unwrap();
    let gone = sha256(&noise("own 3", 8192));
    fs::remove_file(bench.path("base/blobs/sha256").join(gone.encoded())).unwrap();
    let before = fs::read(bench.path("base/index.json")).unwrap();
    let error = bench.copy(&delta, &base, |_| {}).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains(&format!("lacks 1 of what it needs: {gone}")), "{error}");
    assert_eq!(fs::read(bench.path("base/index.json")).unwrap(), before);
}

#[tokio::test]
async fn a_spoiled_base_completes_nothing() {
    let bench = Bench::new();
    let (first, second, _) = weeks(&bench, "oci", 5).await;
    let (delta, base) = (bench.at("oci", "delta"), bench.at("oci", "base"));
    bench.delta(&second, &delta, &[&first]).await;
    bench.copy(&first, &base, |_| {}).await.unwrap();
    let spoiled = sha256(&noise("own 3", 8192));
    let path = bench.path("base/blobs/sha256").join(spoiled.encoded());
    let mut bytes = fs::read(&path).unwrap();
    bytes[100] ^= 1;
    fs::write(&path, bytes).unwrap();
    let error = bench.copy(&delta, &base, |_| {}).await.unwrap_err();
    assert!(error.to_string().contains(spoiled.as_ref()), "{error}");
}

#[tokio::test]
async fn deltas_follow_each_other() {
    let bench = Bench::new();
    let (first, second, _) = weeks(&bench, "oci", 5).await;
    let third = bench.at("oci", "week-3");
    bench.copy(&second, &third, |_| {}).await.unwrap();
    let more = image("amd64", &["ground", "own 1 new", "third"]);
    let name = "example.com/third:1";
    bench.bundle(&third, &[(name, &more.manifest, &[&more])]).await;
    let (one, two) = (bench.at("oci-archive", "delta-1"), bench.at("oci-archive", "delta-2"));
    bench.delta(&second, &one, &[&first]).await;
    let report = bench.delta(&third, &two, &[&first, &one]).await;
    assert_eq!(report.blobs_moved, 2);
    bench.copy(&one, &first, |_| {}).await.unwrap();
    bench.copy(&two, &first, |_| {}).await.unwrap();
    assert_eq!(bench.whole(&first).await, bench.whole(&third).await);
}

#[tokio::test]
async fn indexes_are_left_out_as_far_as_they_are_there() {
    let bench = Bench::new();
    let (amd, arm) = (image("amd64", &["ground", "a"]), image("arm64", &["ground", "b"]));
    let new = image("arm64", &["ground", "c"]);
    let before = index(&[(&amd, "amd64"), (&arm, "arm64")]);
    let after = index(&[(&amd, "amd64"), (&new, "arm64")]);
    let (first, second) = (bench.at("oci", "first"), bench.at("oci", "second"));
    bench.bundle(&first, &[("x:1", &before, &[&amd, &arm]), ("y", &before, &[])]).await;
    bench.bundle(&second, &[("x:1", &after, &[&amd, &new]), ("y", &before, &[&amd, &arm])]).await;
    let delta = bench.at("oci-archive", "delta");
    let report = bench.delta(&second, &delta, &[&first]).await;
    assert_eq!(report.blobs_moved, 2);
    let names: Vec<String> = tar::Archive::new(fs::File::open(bench.path("delta")).unwrap())
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap().path().unwrap().to_str().unwrap().to_owned())
        .collect();
    for there in [&new.manifest, &after] {
        let digest = there.descriptor().digest.encoded();
        assert!(names.iter().any(|name| name.ends_with(digest)), "{names:?}");
    }
    for gone in [&amd.manifest, &before] {
        let digest = gone.descriptor().digest.encoded();
        assert!(!names.iter().any(|name| name.ends_with(digest)), "{names:?}");
    }
    bench.copy(&delta, &first, |_| {}).await.unwrap();
    assert_eq!(bench.whole(&first).await, bench.whole(&second).await);
}

#[tokio::test]
async fn what_is_about_an_image_comes_with_it() {
    let bench = Bench::new();
    let made = image("amd64", &["ground"]);
    let of = made.manifest.descriptor();
    let (config, note) = (blob(MediaType::EmptyJson, b"{}".to_vec()), noise("note", 100));
    let note = blob(MediaType::from("text/plain"), note);
    let about = json!({"schemaVersion": 2, "mediaType": MediaType::ImageManifest.to_string(),
        "artifactType": "application/vnd.example", "config": config.0, "layers": [note.0],
        "subject": Descriptor::new(of.media_type.clone(), of.digest.clone(), of.size)});
    let about =
        Made { manifest: Manifest::new(about.to_string()).unwrap(), blobs: vec![config, note] };
    let from = bench.at("oci", "from");
    bench.bundle(&from, &[("x:1", &made.manifest, &[&made, &about])]).await;
    let mut at = from.clone();
    for (scheme, name) in [("oci-archive", "a.tar"), ("dir", "d"), ("oci", "o"), ("oci", "p")] {
        let to = bench.at(scheme, name);
        let one = |o: &mut TransferOptions| o.images = Images::One;
        // The last without asking.
        let copied = bench.copy(&at, &to, |o| {
            one(o);
            if name != "p" {
                o.attached = Attached::Copy;
            }
        });
        let count = usize::from(name != "p");
        assert_eq!(copied.await.unwrap().images[0].referrers, count, "{to}");
        let transport = bench.transports.of(&to).unwrap();
        let source = transport.source(&to, &ReadOptions::default()).await.unwrap();
        let found = source.referrers().unwrap().referrers(&of.digest).await.unwrap();
        assert_eq!(found.len(), count, "{to}");
        at = to;
    }
    // A delta has it whole.
    let delta = bench.at("oci-archive", "delta");
    let plain = bench.at("oci", "p");
    let since = Some(bench.since(&[&plain]).await);
    let copied = bench.copy(&from, &delta, |o| (o.since, o.attached) = (since, Attached::Copy));
    copied.await.unwrap();
    bench.copy(&delta, &plain, |o| o.attached = Attached::Copy).await.unwrap();
    let source = &bench.images(&plain).await[0].1;
    let found = source.referrers().unwrap().referrers(&of.digest).await.unwrap();
    assert_eq!(found.len(), 1);
    let report = Verifier::new().image(&**source).await.unwrap();
    assert!(report.is_clean() && report.checked.manifests == 2, "{report:?}");
}

#[tokio::test]
async fn layers_that_change_form_are_left_out_too() {
    let bench = Bench::new();
    let (first, second, _) = weeks(&bench, "oci", 5).await;
    let packed = |name: &str| bench.at("oci", name);
    let gzip = |o: &mut TransferOptions| o.compress = Compress::Gzip(None);
    for (from, to) in [(&first, "packed-1"), (&second, "packed-2")] {
        bench.copy(from, &packed(to), gzip).await.unwrap();
    }
    let since = Some(bench.since(&[&packed("packed-1")]).await);
    let delta = bench.at("oci-archive", "delta");
    let made = bench.copy(&second, &delta, |o| {
        gzip(o);
        o.since = since;
    });
    assert_eq!(made.await.unwrap().blobs_moved, 4);
    bench.copy(&delta, &packed("packed-1"), |_| {}).await.unwrap();
    assert_eq!(bench.whole(&packed("packed-1")).await, bench.whole(&packed("packed-2")).await);
    // Completed, it can change form again on its way.
    let base = packed("packed-2");
    bench.copy(&delta, &base, |o| o.compress = Compress::Zstd(None)).await.unwrap();
    let root = bench.images(&base).await[0].1.root().await.unwrap();
    let Document::Image(one) = root.document() else { panic!() };
    assert!(one.layers.iter().all(|layer| layer.media_type == MediaType::ImageLayerZstd));
}

#[tokio::test]
async fn places_for_whole_images_take_no_deltas() {
    let bench = Bench::new();
    let made = image("amd64", &["ground"]);
    let from = bench.at("oci", "from");
    bench.bundle(&from, &[("x:1", &made.manifest, &[&made])]).await;
    let since = bench.since(&[&from]).await;
    for scheme in ["docker-archive", "dir"] {
        let to = bench.at(scheme, "to");
        let since = Some(since.clone());
        let error = bench.copy(&from, &to, |o| (o.since, o.images) = (since, Images::One)).await;
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Unsupported, "{scheme}");
        assert!(!bench.path("to").exists());
    }
}

#[tokio::test]
async fn a_delta_of_what_is_there_is_only_a_table_of_contents() {
    let bench = Bench::new();
    let (first, _, _) = weeks(&bench, "oci", 5).await;
    let delta = bench.at("oci", "delta");
    let report = bench.delta(&first, &delta, &[&first]).await;
    assert_eq!((report.images.len(), report.blobs_moved), (5, 0));
    let blobs = fs::read_dir(bench.path("delta/blobs")).unwrap().count();
    assert_eq!(blobs, 0);
    // A layout that joins it says so, too, until it is complete.
    let text = fs::read_to_string(bench.path("delta/index.json")).unwrap();
    let index: Value = serde_json::from_str(&text).unwrap();
    let needs = index["annotations"]["dev.transship.needs"].as_str().unwrap();
    assert!(needs.split(' ').count() > 10);
    bench.copy(&first, &delta, |o| o.mode = Some(WriteMode::Append)).await.unwrap();
    assert_eq!(bench.whole(&delta).await, bench.whole(&first).await);
}
