//! Appender and deleting, where the archive is damaged, odd or contradicts itself elsewhere. What holds for each pair of an
//! archive and an operation: it fails and the file is as it was; or it does what was asked for, and each image that could be
//! read before and was not to go reads the same.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;

use base64::Engine;
use serde_json::{Value, json};
use tempfile::tempdir;
use transship_core::{ImageName, Result, WriteMode, sha256};

use crate::delete::delete;
use crate::support::write::{Image, commit, writer_with};
use crate::support::{Pulled, Tar, config, gzip, hex, layer, manifest, pull_from, save, tar_names};

const NAMES: [&str; 3] = ["x:1", "o:1", "s:1"];

fn flipped(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[600] ^= 1;
    bytes
}

/// Other bytes of the same length.
fn flipped_text(text: &[u8]) -> Vec<u8> {
    text.iter().map(|b| if *b == b'2' { b'3' } else { *b }).collect()
}

/// `x:1` over `low` and `high`, `o:1` over `other`, `s:1` over `low`.
struct Images {
    x: Image,
    o: Image,
    s: Vec<u8>,
}

fn listed(low_of_x: &str, low_of_s: &str) -> Vec<u8> {
    manifest(&[
        ("x.json", &["x:1"], &[low_of_x, "high.tar"]),
        ("o.json", &["o:1"], &["other.tar"]),
        ("s.json", &["s:1"], &[low_of_s]),
    ])
}

impl Images {
    fn new() -> Self {
        let s = config("sharing", &[&layer("low")]);
        Self { x: Image::new("old", &["low", "high"]), o: Image::new("other", &["other"]), s }
    }

    /// The three, with some of their files as given, and `None` for those that are not there.
    fn tar(&self, files: &[(&str, Option<Vec<u8>>)]) -> Tar {
        let mut all: Vec<(&str, Option<Vec<u8>>)> = vec![
            ("x.json", Some(self.x.config.to_vec())),
            ("o.json", Some(self.o.config.to_vec())),
            ("s.json", Some(self.s.clone())),
            ("low.tar", Some(layer("low"))),
            ("high.tar", Some(layer("high"))),
            ("other.tar", Some(layer("other"))),
            ("manifest.json", Some(listed("low.tar", "low.tar"))),
        ];
        for (name, bytes) in files {
            match all.iter_mut().find(|(of, _)| of == name) {
                Some(file) => file.1.clone_from(bytes),
                None => all.push((name, bytes.clone())),
            }
        }
        let files = all.iter().filter_map(|(name, bytes)| Some((name, bytes.as_ref()?)));
        files.fold(Tar::new(), |tar, (name, bytes)| tar.file(name, bytes))
    }

    fn bases(&self) -> Vec<(&'static str, Tar)> {
        let one = |name: &'static str, bytes: Option<Vec<u8>>| self.tar(&[(name, bytes)]);
        let hex_of_low = format!("{}.tar", hex(&layer("low")));
        let misnamed = || Some(listed(&hex_of_low, "low.tar"));
        vec![
            ("whole", self.tar(&[])),
            ("another's layer is damaged", one("other.tar", Some(flipped(&layer("other"))))),
            ("another's layer is missing", one("other.tar", None)),
            ("another's layer is cut", one("other.tar", Some(layer("other")[..700].to_vec()))),
            ("a shared layer is damaged", one("low.tar", Some(flipped(&layer("low"))))),
            ("a shared layer is missing", one("low.tar", None)),
            ("a compressed layer is damaged", one("low.tar", Some(gzip(&layer("no"))))),
            (
                "two layers are swapped",
                self.tar(&[("low.tar", Some(layer("high"))), ("high.tar", Some(layer("low")))]),
            ),
            (
                "two images list one file for two layers",
                one(
                    "manifest.json",
                    Some(manifest(&[
                        ("x.json", &["x:1"], &["low.tar", "high.tar"]),
                        ("o.json", &["o:1"], &["high.tar"]),
                        ("s.json", &["s:1"], &["low.tar"]),
                    ])),
                ),
            ),
            (
                "the name of a layer has another's bytes",
                self.tar(&[(&hex_of_low, Some(layer("other"))), ("manifest.json", misnamed())]),
            ),
        ]
    }

    fn odd_documents(&self) -> Vec<(&'static str, Tar)> {
        let one = |name: &'static str, bytes: Option<Vec<u8>>| self.tar(&[(name, bytes)]);
        let link_to = |target: &str| self.tar(&[("low.tar", None)]).symlink("low.tar", target);
        vec![
            ("a config is missing", one("o.json", None)),
            ("a config is no JSON", one("o.json", Some(b"{".to_vec()))),
            ("the config of the image is no JSON", one("x.json", Some(b"{".to_vec()))),
            (
                "an image lists fewer layers than its config",
                one(
                    "manifest.json",
                    Some(manifest(&[
                        ("x.json", &["x:1"], &["low.tar"]),
                        ("o.json", &["o:1"], &["other.tar"]),
                        ("s.json", &["s:1"], &["low.tar"]),
                    ])),
                ),
            ),
            (
                "one image is listed twice",
                one(
                    "manifest.json",
                    Some(manifest(&[
                        ("x.json", &["x:1"], &["low.tar", "high.tar"]),
                        ("x.json", &["x:2"], &["low.tar", "high.tar"]),
                        ("o.json", &["o:1", "x:1"], &["other.tar"]),
                        ("s.json", &["s:1"], &["low.tar"]),
                    ])),
                ),
            ),
            (
                "links",
                self.tar(&[("low.tar", None), ("real.tar", Some(layer("low")))])
                    .symlink("low.tar", "real.tar")
                    .hardlink("more.tar", "real.tar"),
            ),
            ("a link to the list of images", link_to("manifest.json")),
            ("a link to the config of another", link_to("o.json")),
            ("the list of images is a layer", {
                self.tar(&[("manifest.json", Some(listed("manifest.json", "low.tar")))])
            }),
            (
                "another has its layer where a link leads to",
                self.tar(&[
                    ("low.tar", Some(layer("other"))),
                    ("other.tar", None),
                    ("manifest.json", Some(listed("low.tar", "low.tar"))),
                ])
                .symlink("other.tar", "low.tar"),
            ),
            ("a link leads nowhere", link_to("no.tar")),
            ("a link to another's layer", link_to("other.tar")),
            ("repositories are no JSON", self.tar(&[("repositories", Some(b"[".to_vec()))])),
        ]
    }

    /// The same images with an OCI layout in the same tar, whose entries are as given.
    fn with_layout(&self, index: &Value, more: &[(String, Vec<u8>)]) -> Tar {
        let blob = |bytes: &[u8]| format!("blobs/sha256/{}", hex(bytes));
        let all = [
            self.x.config.to_vec(),
            self.o.config.to_vec(),
            self.s.clone(),
            layer("low"),
            layer("high"),
            layer("other"),
        ];
        let [x, o, s, low, high, other] = all.each_ref().map(|bytes| blob(bytes));
        let listed: &[(&str, &[&str], &[&str])] =
            &[(&x, &["x:1"], &[&low, &high]), (&o, &["o:1"], &[&other]), (&s, &["s:1"], &[&low])];
        let tar = all.iter().fold(Tar::new(), |tar, bytes| tar.file(&blob(bytes), bytes));
        let tar = more.iter().fold(tar, |tar, (name, bytes)| tar.file(name, bytes));
        tar.file("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#)
            .file("index.json", index.to_string())
            .file("manifest.json", manifest(listed))
    }

    /// Layouts whose manifests are those of another tool: none that is made here has their bytes.
    fn manifests_of_another_tool(&self) -> Vec<(&'static str, Tar)> {
        let text = json!({
            "schemaVersion": 2, "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "size": self.x.config.len(), "digest": sha256(&self.x.config).to_string() },
            "layers": self.x.layers.iter().map(|layer| json!({
                "mediaType": "application/vnd.oci.image.layer.v1.tar", "size": layer.len(),
                "digest": sha256(layer).to_string() })).collect::<Vec<_>>(),
        });
        let text = serde_json::to_vec_pretty(&text).unwrap();
        let mut listed = entry(&self.x, "x:1");
        listed["digest"] = sha256(&text).to_string().into();
        listed["size"] = text.len().into();
        let nested = index(std::slice::from_ref(&listed)).to_string().into_bytes();
        let listed_index = json!({
            "mediaType": "application/vnd.oci.image.index.v1+json", "size": nested.len(),
            "digest": sha256(&nested).to_string(), "annotations": listed["annotations"].clone(),
        });
        let blob = |of: &[u8], bytes: &[u8]| (format!("blobs/sha256/{}", hex(of)), bytes.to_vec());
        let listed = index(&[listed, entry(&self.o, "o:1")]);
        let alone = |bytes: &[u8]| self.with_layout(&listed, &[blob(&text, bytes)]);
        let within = |bytes: &[u8]| {
            let files = [blob(&nested, &nested), blob(&text, bytes)];
            self.with_layout(&index(std::slice::from_ref(&listed_index)), &files)
        };
        let changed = flipped_text(&text);
        vec![
            ("another's manifest", alone(&text)),
            ("another's manifest is damaged", alone(&changed)),
            ("another's manifest is cut", alone(&text[..9])),
            ("another's manifest is missing", self.with_layout(&listed, &[])),
            ("a manifest in an index", within(&text)),
            ("a manifest in an index is damaged", within(&changed)),
        ]
    }

    fn layouts(&self) -> Vec<(&'static str, Tar)> {
        let stored = |image: &Image| {
            let bytes = image.manifest().bytes().to_vec();
            (format!("blobs/sha256/{}", hex(&bytes)), bytes)
        };
        let (x, o) = (entry(&self.x, "x:1"), entry(&self.o, "o:1"));
        let mut embedded = o.clone();
        let bytes = self.o.manifest().bytes().clone();
        embedded["data"] = base64::engine::general_purpose::STANDARD.encode(bytes).into();
        let about = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": { "mediaType": "text/plain", "size": layer("other").len(),
                "digest": sha256(&layer("other")).to_string() },
            "layers": [], "subject": o,
        })
        .to_string()
        .into_bytes();
        let about_entry = json!({
            "mediaType": "application/vnd.oci.image.manifest.v1+json", "size": about.len(),
            "digest": sha256(&about).to_string(),
        });
        let both = [stored(&self.x), stored(&self.o)];
        let with_about = [&both[..], &[(format!("blobs/sha256/{}", hex(&about)), about)]].concat();
        vec![
            ("layout", self.with_layout(&index(&[x.clone(), o.clone()]), &both)),
            ("an entry leads to no manifest", {
                self.with_layout(&index(&[x.clone(), o.clone()]), &both[..1])
            }),
            ("an embedded manifest", {
                self.with_layout(&index(&[x.clone(), embedded]), &both[..1])
            }),
            ("something about another", {
                self.with_layout(&index(&[x.clone(), o, about_entry]), &with_about)
            }),
            ("a manifest is no JSON", {
                let bad = (both[1].0.clone(), b"{".to_vec());
                self.with_layout(&index(&[x]), &[both[0].clone(), bad])
            }),
            ("the index is no JSON", self.with_layout(&json!("no"), &both)),
        ]
    }
}

fn index(entries: &[Value]) -> Value {
    json!({ "schemaVersion": 2, "manifests": entries })
}

/// The entry of an image, with its name as containerd writes it.
fn entry(image: &Image, name: &str) -> Value {
    let root = image.manifest();
    json!({
        "mediaType": root.descriptor().media_type.to_string(), "size": root.bytes().len(),
        "digest": root.descriptor().digest.to_string(),
        "annotations": { "io.containerd.image.name": format!("docker.io/library/{name}") },
    })
}

/// What is done, and the names that go or come to another image.
#[derive(Clone, Copy, Debug)]
enum Operation {
    /// Appends `x` under more names.
    Again(&'static [&'static str]),
    /// Appends a new image, which shares `low`.
    New,
    Delete(&'static str),
}

const OPERATIONS: &[Operation] = &[
    Operation::Again(&["x:1"]),
    Operation::Again(&["x:1", "x:3", "x:4"]),
    Operation::Again(&["o:1"]),
    Operation::New,
    Operation::Delete("x:1"),
    Operation::Delete("o:1"),
];

impl Operation {
    async fn run(self, path: &Path, images: &Images) -> Result<()> {
        match self {
            Self::Again(names) => join(path, &images.x, names).await,
            Self::New => join(path, &Image::new("new", &["low", "more"]), &["n:1"]).await,
            Self::Delete(name) => delete(path, &format!(":{name}")).await,
        }
    }

    /// The image that has to be there after it, by each of its names.
    fn asked(self, images: &Images) -> BTreeMap<&'static str, Image> {
        let (names, image): (&[_], _) = match self {
            Self::Again(names) => (names, images.x.clone()),
            Self::New => (&["n:1"], Image::new("new", &["low", "more"])),
            Self::Delete(_) => return BTreeMap::new(),
        };
        names.iter().map(|name| (*name, image.clone())).collect()
    }
}

async fn join(path: &Path, image: &Image, names: &[&str]) -> Result<()> {
    let mut writer = writer_with(path, WriteMode::Append).await?;
    let names: Vec<_> = names.iter().map(|name| ImageName::new(name).unwrap()).collect();
    commit(writer.image(&names).await?, image).await?;
    writer.finish().await
}

async fn readable(path: &Path) -> BTreeMap<&'static str, Pulled> {
    let mut all = BTreeMap::new();
    for name in NAMES {
        if let Ok(pulled) = pull_from(path, &format!(":{name}")).await {
            all.insert(name, pulled);
        }
    }
    all
}

/// The entries of a tar, the last of each name.
fn entries(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut archive = tar::Archive::new(fs::File::open(path).unwrap());
    let read = |entry: std::io::Result<tar::Entry<'_, fs::File>>| {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        (entry.path().unwrap().display().to_string(), bytes)
    };
    archive.entries().unwrap().map(read).collect()
}

/// What of an image does not hold in the layout in the same tar, as a reader of layouts sees it, if there is one.
fn layout_complaint(path: &Path, name: &str, image: &Image) -> Option<String> {
    let files = entries(path);
    let index: Value = serde_json::from_slice(files.get("index.json")?).ok()?;
    let named = |entry: &&Value| {
        entry["annotations"]["io.containerd.image.name"] == format!("docker.io/library/{name}")
    };
    let found: Vec<_> = index["manifests"].as_array()?.iter().filter(named).collect();
    let [entry] = found[..] else {
        return Some(format!("{} entries are named {name}", found.len()));
    };
    let blob = |of: &Value| {
        let digest = of["digest"].as_str()?.strip_prefix("sha256:")?;
        let bytes = files.get(&format!("blobs/sha256/{digest}"))?;
        (hex(bytes) == digest && of["size"] == bytes.len()).then_some(bytes)
    };
    let read = |of: &Value| {
        let document = blob(of).map(|bytes| serde_json::from_slice::<Value>(bytes).unwrap());
        document.ok_or_else(|| format!("{of} is damaged or missing"))
    };
    let root = read(entry).and_then(|root| match root.get("manifests") {
        Some(nested) => read(&nested[0]),
        None => Ok(root),
    });
    let root = match root {
        Ok(root) => root,
        Err(error) => return Some(error),
    };
    let layers = root["layers"].as_array()?;
    let parts = layers.iter().chain([&root["config"]]);
    let wanted = image.layers.iter().chain([&image.config]);
    let same = layers.len() == image.layers.len()
        && parts.zip(wanted).all(|(part, wanted)| blob(part).is_some_and(|it| *it == *wanted));
    (!same).then(|| format!("{root} is not whole, or another image"))
}

/// What of it does not hold.
async fn complaint(
    path: &Path,
    base: &str,
    images: &Images,
    operation: Operation,
) -> Option<String> {
    let (bytes, before) = (fs::read(path).unwrap(), readable(path).await);
    if let Err(error) = operation.run(path, images).await {
        if fs::read(path).unwrap() != bytes {
            return Some(format!("{error}, and it has changed"));
        }
        // Nothing stands in the way of a whole one.
        return matches!(
            base,
            "whole" | "layout" | "links" | "another's manifest" | "a manifest in an index"
        )
        .then(|| error.to_string());
    }
    let asked = operation.asked(images);
    for (name, image) in &asked {
        match pull_from(path, &format!(":{name}")).await {
            Ok(pulled) if (&pulled.config, &pulled.layers) == (&image.config, &image.layers) => {}
            Ok(_) => return Some(format!("{name} is another")),
            Err(error) => return Some(format!("{name}: {error}")),
        }
        if let Some(found) = layout_complaint(path, name, image) {
            return Some(format!("{name} in the layout: {found}"));
        }
    }
    let after = readable(path).await;
    for (name, old) in before.iter().filter(|(name, _)| !asked.contains_key(*name)) {
        let goes = matches!(operation, Operation::Delete(gone) if gone == *name);
        let same = |new: &Pulled| (&new.config, &new.layers) == (&old.config, &old.layers);
        if !goes && !after.get(name).is_some_and(same) {
            return Some(format!("{name} is lost, or another"));
        }
    }
    let names = tar_names(path);
    if matches!(operation, Operation::Delete(_)) {
        return None;
    }
    if let Err(error) = operation.run(path, images).await {
        return Some(format!("done again: {error}"));
    }
    let again = tar_names(path);
    (names.len() != again.len()).then(|| format!("done again: {names:?}, {again:?}"))
}

#[tokio::test]
async fn nothing_else_is_destroyed_and_what_is_asked_for_is_there() {
    let images = Images::new();
    let folder = tempdir().unwrap();
    let all = images.bases().into_iter().chain(images.odd_documents());
    let all = all.chain(images.layouts()).chain(images.manifests_of_another_tool());
    let mut complaints = Vec::new();
    for (base, tar) in all {
        let bytes = tar.end();
        for operation in OPERATIONS {
            let path = save(folder.path(), &bytes);
            if let Some(found) = complaint(&path, base, &images, *operation).await {
                complaints.push(format!("{base}: {operation:?}: {found}"));
            }
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}
