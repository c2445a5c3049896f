//! Every golden archive, which a real tool wrote, through every transport and back: the same names, image IDs and diff
//! IDs. `FILE.expect.json` says what is in a golden; another program wrote it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use serde_json::Value;
use transship::transport::{CONFIG_LIMIT, ImageDocument, ImageSource};
use transship::{
    DockerName, Document, ErrorKind, Images, Manifest, Platform, Platforms, ReadOptions, Reference,
    Settings, Transfer, TransferOptions, Transports, WriteMode,
};

const GOLDENS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../xtask/goldens");

/// What has to survive.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Facts {
    /// Canonical where they are docker names.
    names: BTreeSet<String>,
    images: Vec<Image>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Image {
    platform: String,
    id: String,
    diff_ids: Vec<String>,
}

/// What one transport reads of a golden.
struct View {
    reference: String,
    facts: Vec<Facts>,
}

fn canonical(name: &str) -> String {
    DockerName::parse(name).map_or_else(|_| name.to_owned(), |name| name.or_latest().to_string())
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|s| s.as_str().unwrap().to_owned()).collect()
}

fn expected_image(told: &Value) -> Option<Image> {
    let text = |key: &str| told[key].as_str().map(str::to_owned);
    Some(Image {
        platform: Platform::parse(told["platform"].as_str()?).unwrap().to_string(),
        id: text("id")?,
        diff_ids: strings(&told["diff_ids"]),
    })
}

fn expected(told: &Value) -> Facts {
    let images = match told["platforms"].as_array() {
        Some(platforms) => platforms.iter().filter_map(expected_image).collect(),
        None => expected_image(told).into_iter().collect(),
    };
    Facts { names: strings(&told["names"]).iter().map(|name| canonical(name)).collect(), images }
}

/// The views of all goldens; those that hold a folder are unpacked into `dir`.
fn views(dir: &Path) -> Vec<View> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(GOLDENS).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.to_str().unwrap().ends_with(".expect.json"));
    files.sort();
    assert!(files.len() > 10, "the goldens are gone");
    let mut views = Vec::new();
    for file in files {
        let told: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        let tar = file.to_str().unwrap().replace(".expect.json", ".tar");
        let place = if told["unpack"] == true {
            tar::Archive::new(File::open(&tar).unwrap()).unpack(dir).unwrap();
            dir.to_str().unwrap().to_owned()
        } else {
            GOLDENS.to_owned()
        };
        for view in told["views"].as_array().unwrap() {
            let (scheme, path) = view["reference"].as_str().unwrap().split_once(':').unwrap();
            let mut facts: Vec<_> =
                view["images"].as_array().unwrap().iter().map(expected).collect();
            facts.sort();
            views.push(View { reference: format!("{scheme}:{place}/{path}"), facts });
        }
    }
    views
}

struct Bench {
    dir: tempfile::TempDir,
    transports: Transports,
    made: usize,
}

impl Bench {
    fn new() -> Self {
        let transports = Transports::linked(&Settings::new()).unwrap();
        Self { dir: tempfile::tempdir().unwrap(), transports, made: 0 }
    }

    fn parse(&self, reference: &str) -> Reference {
        self.transports.parse(reference).unwrap()
    }

    fn new_place(&mut self, scheme: &str) -> Reference {
        self.made += 1;
        let path = self.dir.path().join(format!("made-{}", self.made));
        self.parse(&format!("{scheme}:{}", path.display()))
    }

    async fn open_all(&self, at: &Reference) -> Vec<Box<dyn ImageSource>> {
        let transport = self.transports.of(at).unwrap();
        let how = ReadOptions::default();
        let Some(archives) = transport.archives() else {
            return vec![transport.source(at, &how).await.unwrap()];
        };
        let reader = archives.read(at, &how).await.unwrap();
        let mut sources = Vec::new();
        for entry in reader.entries() {
            sources.push(reader.open(entry).await.unwrap());
        }
        sources
    }

    async fn facts(&self, at: &Reference) -> Vec<Facts> {
        let mut all = Vec::new();
        for source in self.open_all(at).await {
            all.push(facts(&*source).await);
        }
        all.sort();
        all
    }

    async fn copy(
        &mut self,
        from: &Reference,
        scheme: &str,
        options: TransferOptions,
    ) -> Reference {
        let to = self.new_place(scheme);
        Transfer::new(from, &to)
            .options(options)
            .run()
            .await
            .unwrap_or_else(|error| panic!("{from} to {to}: {error}"));
        to
    }
}

async fn facts(source: &dyn ImageSource) -> Facts {
    let mut images = Vec::new();
    let mut stack = vec![source.root().await.unwrap()];
    while let Some(manifest) = stack.pop() {
        match manifest.document() {
            Document::Image(found) => images.push(image(source, found).await),
            Document::Index(index) => {
                for child in index.manifests.iter().rev() {
                    match source.manifest(child).await {
                        Ok(manifest) => stack.push(manifest),
                        Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound),
                    }
                }
            }
            _ => panic!("a document of a third kind"),
        }
    }
    let names = source.names().iter().map(|name| canonical(name.as_str())).collect();
    Facts { names, images }
}

async fn image(source: &dyn ImageSource, found: &ImageDocument) -> Image {
    let config = source.blob(&found.config).await.unwrap().bytes(CONFIG_LIMIT).await.unwrap();
    let config: Value = serde_json::from_slice(&config).unwrap();
    let mut platform =
        Platform::new(config["os"].as_str().unwrap(), config["architecture"].as_str().unwrap());
    platform.variant = config["variant"].as_str().map(str::to_owned);
    Image {
        platform: platform.normalized().to_string(),
        id: found.config.digest.to_string(),
        diff_ids: strings(&config["rootfs"]["diff_ids"]),
    }
}

fn all() -> TransferOptions {
    let mut options = TransferOptions::default();
    options.images = Images::All;
    options
}

/// For a place that holds single images, the same one on every machine.
fn amd64() -> TransferOptions {
    let mut options = all();
    options.platforms = Platforms::Only(vec![Platform::new("linux", "amd64")]);
    options
}

fn only_amd64(facts: &[Facts]) -> Vec<Facts> {
    let mut facts = facts.to_vec();
    for one in &mut facts {
        if one.images.len() > 1 {
            one.images.retain(|image| image.platform == "linux/amd64");
        }
    }
    // Images of one config are one image, with the names of all.
    facts.sort_by(|a, b| a.images.cmp(&b.images));
    facts.dedup_by(|b, a| {
        let same = a.images == b.images;
        if same {
            a.names.append(&mut b.names);
        }
        same
    });
    facts.sort();
    facts
}

#[tokio::test]
async fn goldens_are_read_as_others_read_them() {
    let bench = Bench::new();
    for view in views(bench.dir.path()) {
        assert_eq!(
            bench.facts(&bench.parse(&view.reference)).await,
            view.facts,
            "{}",
            view.reference
        );
    }
}

#[tokio::test]
async fn archives_and_back() {
    let mut bench = Bench::new();
    for view in views(bench.dir.path()) {
        let from = bench.parse(&view.reference);
        for scheme in ["oci", "oci-archive", "docker-archive"] {
            let (options, wanted) = match scheme {
                "docker-archive" => (amd64(), only_amd64(&view.facts)),
                _ => (all(), view.facts.clone()),
            };
            let there = bench.copy(&from, scheme, options).await;
            assert_eq!(bench.facts(&there).await, wanted, "{from} to {scheme}");
            let options = if from.scheme() == "docker-archive" { amd64() } else { all() };
            let back = bench.copy(&there, from.scheme(), options).await;
            let wanted = match from.scheme() {
                "docker-archive" => only_amd64(&wanted),
                _ => wanted,
            };
            assert_eq!(bench.facts(&back).await, wanted, "{from} to {scheme} and back");
        }
    }
}

#[tokio::test]
async fn each_image_through_a_folder() {
    let mut bench = Bench::new();
    for view in views(bench.dir.path()) {
        let from = bench.parse(&view.reference);
        for source in bench.open_all(&from).await {
            let mut wanted = facts(&*source).await;
            let names = source.names().to_vec();
            let folder = bench.new_place("dir");
            Transfer::new(source, &folder).run().await.unwrap();
            let back = bench.new_place("oci-archive");
            let mut options = TransferOptions::default();
            options.names = names;
            options.mode = Some(WriteMode::Create);
            Transfer::new(&folder, &back).options(options).run().await.unwrap();
            assert_eq!(bench.facts(&back).await, [wanted.clone()], "{from}");
            wanted.names.clear();
            assert_eq!(bench.facts(&folder).await, [wanted], "{from}");
        }
    }
}

#[tokio::test]
async fn manifests_that_need_not_change_keep_their_digests() {
    let mut bench = Bench::new();
    for view in views(bench.dir.path()) {
        let from = bench.parse(&view.reference);
        let there = bench.copy(&from, "oci", all()).await;
        let roots = |manifests: Vec<Manifest>| -> BTreeSet<String> {
            manifests.iter().map(|m| m.descriptor().digest.to_string()).collect()
        };
        let (mut before, mut after) = (Vec::new(), Vec::new());
        for source in bench.open_all(&from).await {
            before.push(source.root().await.unwrap());
        }
        for source in bench.open_all(&there).await {
            after.push(source.root().await.unwrap());
        }
        assert_eq!(roots(before), roots(after), "{from}");
    }
}
