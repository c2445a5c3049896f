//! Archives, each made from a number: true ones, with a few things changed that readers may take differently.

use serde_json::{Value, json};
use transship::transport::sha256;

use crate::mutate::mutate;
use crate::tar_bytes::Entry;

const USUAL_END: &str = "the usual end";

/// What an archive is read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Of `docker save`.
    Saved,
    /// A layout.
    Layout,
}

impl Form {
    pub(crate) fn scheme(self) -> &'static str {
        match self {
            Self::Saved => "docker-archive",
            Self::Layout => "oci-archive",
        }
    }

    /// Whether a name that we show is the one that a tool gave an image: in a layout it may have no host, where each tool
    /// has its own.
    pub(crate) fn same_name(self, ours: &str, theirs: &str) -> bool {
        let last = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
        match self {
            Self::Saved => ours == theirs,
            Self::Layout => last(ours) == last(theirs),
        }
    }
}

/// An archive, and what was done to it.
pub(crate) struct Made {
    pub(crate) bytes: Vec<u8>,
    pub(crate) form: Form,
    pub(crate) what: String,
    /// Whether something was changed that readers may take differently.
    pub(crate) is_changed: bool,
}

/// The same for the same seed.
pub(crate) fn archive(seed: u64) -> Made {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    for _ in 0..8 {
        dice.roll(2);
    }
    let form = if dice.roll(4) == 0 { Form::Layout } else { Form::Saved };
    let mut entries = match form {
        Form::Layout => layout(&mut dice),
        Form::Saved => saved(&mut dice),
    };
    decoys(&mut entries, &mut dice);
    let mut what = Vec::new();
    // Some stay as they are.
    for _ in 0..dice.roll(4) {
        what.push(mutate(&mut entries, &mut dice));
    }
    let mut bytes = Vec::new();
    for entry in &entries {
        entry.write(&mut bytes);
    }
    let end = end(&mut bytes, &mut dice);
    let is_changed = !what.is_empty() || end != USUAL_END;
    what.push(end);
    Made { bytes, form, what: what.join(", "), is_changed }
}

/// Numbers that are as good as random, and the same for the same seed.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % below.max(1)
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.roll(from.len())]
    }
}

struct Image {
    config: Vec<u8>,
    layers: Vec<Vec<u8>>,
}

/// One of a few images: those of one number are the same.
fn image(number: usize) -> Image {
    let layers: Vec<Vec<u8>> = (0..=number % 2)
        .map(|at| {
            let mut tar = Vec::new();
            Entry::file("f", format!("layer {at} of {number}").as_bytes()).write(&mut tar);
            tar.extend_from_slice(&[0; 1024]);
            tar
        })
        .collect();
    let diff_ids: Vec<_> = layers.iter().map(|layer| sha256(layer).to_string()).collect();
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": { "Labels": { "number": number.to_string() } },
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    });
    Image { config: config.to_string().into_bytes(), layers }
}

fn hex(bytes: &[u8]) -> String {
    sha256(bytes).to_string().split_off("sha256:".len())
}

fn saved(dice: &mut Dice) -> Vec<Entry> {
    let shape = dice.roll(3);
    let (mut entries, mut list) = (Vec::new(), Vec::new());
    let count = 1 + dice.roll(2);
    let mut there = std::collections::BTreeSet::new();
    for number in 0..count {
        let image = image(number);
        let mut names = Vec::new();
        for layer in &image.layers {
            let name = match shape {
                0 => format!("{}.tar", hex(layer)),
                1 => format!("{}/layer.tar", hex(layer)),
                _ => format!("blobs/sha256/{}", hex(layer)),
            };
            if there.insert(name.clone()) {
                entries.push(Entry::file(&name, layer));
                if shape == 0 {
                    entries.push(Entry::link(
                        &format!("old{number}/layer.tar"),
                        b'2',
                        &format!("../{name}"),
                    ));
                }
            }
            names.push(name);
        }
        let config = match shape {
            2 => format!("blobs/sha256/{}", hex(&image.config)),
            _ => format!("{}.json", hex(&image.config)),
        };
        entries.push(Entry::file(&config, &image.config));
        let tags = [json!([format!("app{number}:1")]), json!([]), Value::Null];
        list.push(json!({ "Config": config, "RepoTags": dice.pick(&tags), "Layers": names }));
    }
    entries.push(Entry::file("manifest.json", json!(list).to_string().as_bytes()));
    if shape == 2 {
        let images: Vec<_> = (0..count).map(image).collect();
        layout_documents(&mut entries, &images, false);
    }
    entries
}

fn layout(dice: &mut Dice) -> Vec<Entry> {
    let mut entries = Vec::new();
    let images: Vec<_> = (0..=dice.roll(2)).map(image).collect();
    for image in &images {
        for blob in image.layers.iter().chain([&image.config]) {
            entries.push(Entry::file(&format!("blobs/sha256/{}", hex(blob)), blob));
        }
    }
    layout_documents(&mut entries, &images, true);
    entries
}

fn layout_documents(entries: &mut Vec<Entry>, images: &[Image], named: bool) {
    let mut list = Vec::new();
    let describe = |bytes: &[u8], kind: &str| json!({ "mediaType": format!("application/vnd.oci.image.{kind}"), "digest": sha256(bytes).to_string(), "size": bytes.len() });
    for (number, image) in images.iter().enumerate() {
        let layers: Vec<_> =
            image.layers.iter().map(|layer| describe(layer, "layer.v1.tar")).collect();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": describe(&image.config, "config.v1+json"), "layers": layers,
        });
        let manifest = manifest.to_string().into_bytes();
        let mut entry = describe(&manifest, "manifest.v1+json");
        if named {
            entry["annotations"] =
                json!({ "org.opencontainers.image.ref.name": format!("app{number}:1") });
        }
        list.push(entry);
        entries.push(Entry::file(&format!("blobs/sha256/{}", hex(&manifest)), &manifest));
    }
    let index = json!({ "schemaVersion": 2, "manifests": list });
    entries.push(Entry::file("index.json", index.to_string().as_bytes()));
    entries.push(Entry::file("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#));
}

/// Another image's files, for those who are led astray.
fn decoys(entries: &mut Vec<Entry>, dice: &mut Dice) {
    let other = image(7);
    let list =
        json!([{ "Config": "c.json", "RepoTags": ["evil:1"], "Layers": ["l.tar", "l2.tar"] }]);
    let decoys = [
        Entry::file("c.json", &other.config),
        Entry::file("l.tar", &other.layers[0]),
        Entry::file("l2.tar", &other.layers[1]),
        Entry::file("evil.json", list.to_string().as_bytes()),
        Entry::link("d/e", b'2', "../c.json"),
        Entry::link("way", b'2', "d/e2"),
    ];
    for decoy in decoys {
        let at = dice.roll(entries.len() + 1);
        entries.insert(at, decoy);
    }
}

/// The end mark, and what may follow it.
fn end(bytes: &mut Vec<u8>, dice: &mut Dice) -> String {
    let evil = || {
        let mut more = Vec::new();
        let list =
            json!([{ "Config": "c.json", "RepoTags": ["evil:1"], "Layers": ["l.tar", "l2.tar"] }]);
        Entry::file("manifest.json", list.to_string().as_bytes()).write(&mut more);
        more
    };
    match dice.roll(24) {
        0 => return "no end mark".to_owned(),
        1 => bytes.extend_from_slice(&[0; 512]),
        2 => bytes.extend([&[0; 512][..], &[7; 512]].concat()),
        3 => bytes.extend([&[0; 1024][..], &[7; 700]].concat()),
        4 => bytes.extend([&[0; 512][..], &evil(), &[0; 1024]].concat()),
        5 => bytes.extend([&[0; 1024][..], &evil(), &[0; 1024]].concat()),
        6 => {
            bytes.extend_from_slice(&[0; 1024]);
            let at = dice.roll(bytes.len());
            bytes.truncate(at);
        }
        7 => {
            bytes.extend_from_slice(&[0; 1024]);
            let at = dice.roll(bytes.len());
            bytes[at] ^= 1 << dice.roll(8);
        }
        8 => bytes.extend_from_slice(&[0; 700]),
        _ => {
            bytes.extend_from_slice(&[0; 10_240]);
            return USUAL_END.to_owned();
        }
    }
    "another end".to_owned()
}
