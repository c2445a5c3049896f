//! Archives, each made from a number: true ones, with a few things changed that readers may take differently.

use serde_json::{Value, json};
use transship::sha256;

use crate::tar_bytes::{Entry, GNU, ODD, OLD, USTAR, record};

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
}

/// An archive, and what was done to it.
pub(crate) struct Made {
    pub(crate) bytes: Vec<u8>,
    pub(crate) form: Form,
    pub(crate) what: String,
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
    what.push(end(&mut bytes, &mut dice));
    Made { bytes, form, what: what.join(", ") }
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

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
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

fn mutate(entries: &mut Vec<Entry>, dice: &mut Dice) -> String {
    let at = target(entries, dice);
    let name = String::from_utf8_lossy(&entries[at].name).into_owned();
    let how = match dice.roll(12) {
        0 => names(entries, at, dice),
        1 => links(entries, at, dice),
        2 => modes(&mut entries[at], dice),
        3 => formats(&mut entries[at], dice),
        4 => extensions(entries, at, dice),
        5 => sizes(&mut entries[at], dice),
        6 => types(&mut entries[at], dice),
        7 => twins(entries, at, dice),
        8 => order(entries, at, dice),
        9 => damage(&mut entries[at], dice),
        _ => documents(entries, dice),
    };
    format!("{how} of {name}")
}

/// Mostly a file that counts.
fn target(entries: &[Entry], dice: &mut Dice) -> usize {
    let counts = |entry: &Entry| entry.name.ends_with(b"json") && !entry.name.starts_with(b"evil");
    let documents: Vec<usize> = (0..entries.len()).filter(|at| counts(&entries[*at])).collect();
    if dice.roll(2) == 0 && !documents.is_empty() {
        *dice.pick(&documents)
    } else {
        dice.roll(entries.len())
    }
}

fn text(entry: &Entry) -> String {
    String::from_utf8_lossy(&entry.name).into_owned()
}

fn names(entries: &mut [Entry], at: usize, dice: &mut Dice) -> String {
    let name = text(&entries[at]);
    let other = dice.roll(entries.len());
    let new = match dice.roll(11) {
        0 => format!("./{name}"),
        1 => format!(".//{name}"),
        2 => format!("{name}/"),
        3 => format!("/{name}"),
        4 => format!("../{name}"),
        5 => format!("x/../{name}"),
        6 => name.to_uppercase(),
        7 => format!("{name} "),
        8 => text(&entries[other]),
        9 => format!("{name}\u{0}x"),
        _ => format!("x/{name}"),
    };
    entries[at].name = new.clone().into_bytes();
    format!("name {new:?}")
}

fn links(entries: &mut [Entry], at: usize, dice: &mut Dice) -> String {
    let other = text(&entries[dice.roll(entries.len())]);
    let kind = *dice.pick(b"12");
    let depth = text(&entries[at]).matches('/').count();
    let to = match dice.roll(8) {
        0 => other,
        1 => format!("{}{other}", "../".repeat(depth)),
        2 => format!("./{other}"),
        3 => format!("way/../{other}"),
        4 => format!("d/../{other}"),
        5 => format!("/{other}"),
        6 => format!("../{other}"),
        _ => text(&entries[at]),
    };
    if dice.roll(3) > 0 {
        entries[at].data.clear();
    }
    entries[at].kind = kind;
    entries[at].link = to.clone().into_bytes();
    format!("link {to:?}")
}

fn modes(entry: &mut Entry, dice: &mut Dice) -> String {
    let modes: [&[u8]; 9] = [
        b"0120644",
        b"0040755",
        b"0100644",
        b"0020644",
        b"",
        b"junk",
        b"-000644",
        b"\x80\0\0\0\0\x01\xa4",
        b" 644 \0",
    ];
    entry.mode = dice.pick(&modes).to_vec();
    if dice.roll(2) == 0 {
        entry.link = b"evil.json".to_vec();
    }
    format!("mode {:?}", String::from_utf8_lossy(&entry.mode))
}

fn formats(entry: &mut Entry, dice: &mut Dice) -> String {
    entry.magic = *dice.pick(&[USTAR, GNU, OLD, ODD]);
    let prefixes: [&[u8]; 8] = [
        b"",
        b"x",
        b"manifest.json",
        b"00000000001\0",
        b"            ",
        b"\0\0x",
        b"d",
        b"12345678901 12345678901 ",
    ];
    entry.prefix = dice.pick(&prefixes).to_vec();
    if dice.roll(4) == 0 {
        entry.name = b".".to_vec();
    }
    if dice.roll(6) == 0 {
        entry.prefix = vec![b'p'; 155];
    }
    let times: [&[u8]; 4] =
        [b"00000000000", b"junk", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", b""];
    entry.mtime = dice.pick(&times).to_vec();
    let uids: [&[u8]; 4] = [b"0000000", b"\xff\xff\xff\xff\xff\xff\xff\xff", b"abc", b""];
    entry.uid = dice.pick(&uids).to_vec();
    format!(
        "magic {:?}, prefix {:?}",
        String::from_utf8_lossy(entry.magic),
        String::from_utf8_lossy(&entry.prefix)
    )
}

fn extensions(entries: &mut [Entry], at: usize, dice: &mut Dice) -> String {
    let other = text(&entries[dice.roll(entries.len())]);
    let own = text(&entries[at]);
    let size = entries[at].data.len().to_string();
    let value = dice
        .pick(&[
            other.clone(),
            own.clone(),
            format!("./{own}"),
            String::new(),
            format!("{own}\0x"),
            format!("{own}/"),
        ])
        .clone();
    let entry = &mut entries[at];
    let how = dice.roll(12);
    match how {
        0 => entry.pax.push(record("path", &value)),
        1 => entry.pax.extend([record("path", &value), record("path", &own)]),
        2 => entry.pax.push(record("linkpath", &value)),
        3 => entry.pax.push(record("size", &size)),
        4 => entry.pax.push(record("size", dice.pick::<&str>(&["0", "1", "-1", "junk", "00512"]))),
        5 => entry.global.push(record("path", &value)),
        6 => entry.global.push(record("comment", &value)),
        7 => entry.long_names.push(format!("{value}\0").into_bytes()),
        8 => entry
            .long_names
            .extend([format!("{value}\0").into_bytes(), format!("{own}\0").into_bytes()]),
        9 => entry.long_links.push(format!("{value}\0").into_bytes()),
        10 => entry.pax.push(record(
            dice.pick::<&str>(&[
                "GNU.sparse.name",
                "GNU.sparse.major",
                "GNU.sparse.realsize",
                "SCHILY.realsize",
                "hdrcharset",
            ]),
            &value,
        )),
        _ => {
            let mut torn = record("path", &value);
            let at = dice.roll(torn.len());
            torn[at] = *dice.pick(b"0=\n x");
            entry.pax.push(torn);
        }
    }
    if dice.roll(4) == 0 {
        entry.long_names.push(value.clone().into_bytes());
    }
    format!("extension {how} {value:?}")
}

fn sizes(entry: &mut Entry, dice: &mut Dice) -> String {
    let length = entry.data.len();
    let mut binary = vec![0x80, 0, 0, 0];
    binary.extend_from_slice(&(length as u64).to_be_bytes());
    let sizes = [
        binary,
        format!("{:011o}", length + 512).into_bytes(),
        format!("{:011o}", length.saturating_sub(1)).into_bytes(),
        format!("{length:o}").into_bytes(),
        format!("  {length:o} ").into_bytes(),
        format!("{length:011o} 7").into_bytes(),
        b"-0000000001".to_vec(),
        vec![0xff; 12],
        b"".to_vec(),
        b"junk".to_vec(),
        format!("0o{length:o}").into_bytes(),
        format!("{length:o}\x009").into_bytes(),
    ];
    entry.size = Some(dice.pick(&sizes).clone());
    format!("size {:?}", entry.size)
}

fn types(entry: &mut Entry, dice: &mut Dice) -> String {
    entry.kind = *dice.pick(b"0\x0012345678xgLKSVMNXDA");
    if dice.roll(3) == 0 {
        entry.link = b"c.json".to_vec();
    }
    if dice.roll(3) == 0 {
        entry.name.push(b'/');
    }
    format!("type {:?}", char::from(entry.kind))
}

fn twins(entries: &mut Vec<Entry>, at: usize, dice: &mut Dice) -> String {
    let mut twin = entries[at].clone();
    let other = dice.roll(entries.len());
    let how = dice.roll(4);
    match how {
        0 => {}
        1 => twin.data.clone_from(&entries[other].data),
        2 => twin.name = format!("./{}", text(&twin)).into_bytes(),
        _ => {
            twin.kind = b'2';
            twin.link.clone_from(&entries[other].name);
            twin.data.clear();
        }
    }
    let to = dice.roll(entries.len() + 1);
    entries.insert(to, twin);
    format!("twin {how}")
}

fn order(entries: &mut Vec<Entry>, at: usize, dice: &mut Dice) -> String {
    let entry = entries.remove(at);
    if dice.roll(4) > 0 {
        let to = dice.roll(entries.len() + 1);
        entries.insert(to, entry);
        return "another place".to_owned();
    }
    if entries.is_empty() {
        entries.push(entry);
    }
    "absence".to_owned()
}

fn damage(entry: &mut Entry, dice: &mut Dice) -> String {
    match dice.roll(4) {
        0 => entry.good_checksum = false,
        1 if !entry.data.is_empty() => {
            let at = dice.roll(entry.data.len());
            entry.data[at] ^= 1 << dice.roll(8);
        }
        2 => entry.data.truncate(dice.roll(entry.data.len() + 1)),
        _ => entry.data.extend_from_slice(b"\n"),
    }
    "damage".to_owned()
}

/// Changes a document as text, where readers differ in what they make of it.
fn documents(entries: &mut [Entry], dice: &mut Dice) -> String {
    let is_json = |entry: &Entry| entry.data.first().is_some_and(|first| b"{[".contains(first));
    let all: Vec<usize> = (0..entries.len()).filter(|at| is_json(&entries[*at])).collect();
    let Some(at) = all.get(dice.roll(all.len())).copied() else { return "nothing".to_owned() };
    let before = String::from_utf8_lossy(&entries[at].data).into_owned();
    let edits: [(&str, &str); 22] = [
        ("\"Config\":\"", "\"Config\":\"./"),
        ("\"Config\":\"", "\"Config\":\"d/../"),
        ("\"Config\":\"", "\"Config\":\"way/../"),
        ("\"Config\":", "\"config\":\"c.json\",\"Config\":"),
        ("\"Config\":", "\"Config\":\"c.json\",\"Config\":"),
        ("\"Layers\":[", "\"layers\":[\"l.tar\"],\"Layers\":["),
        ("\"Layers\":[\"", "\"Layers\":[\"./"),
        ("\"Layers\":[\"", "\"Layers\":[\"x//../"),
        ("\"Layers\":[\"", "\"Layers\":[\"/"),
        ("\"RepoTags\":", "\"repotags\":[\"evil:1\"],\"RepoTags\":"),
        ("app0:1", "app1:1"),
        ("app0:1", "App0:1"),
        ("layer.v1.tar", "layer.v1.tar+gzip"),
        ("application/vnd.oci.image.layer.v1.tar", "application/octet-stream"),
        ("config.v1+json", "empty.v1+json"),
        ("\"manifests\":[", "\"Manifests\":[],\"manifests\":["),
        ("\"os\":\"linux\"", "\"os\":null,\"OS\":\"linux\""),
        ("\"diff_ids\":[", "\"Diff_IDs\":[],\"diff_ids\":["),
        ("\"rootfs\":{", "\"rootfs\":{\"diff_ids\":[]},\"RootFS\":{"),
        ("{\"", "{\"\\u0043onfig\":\"c.json\",\""),
        ("}", "}\n"),
        ("\"size\":", "\"size\":1,\"Size\":"),
    ];
    let (from, to) = dice.pick(&edits);
    entries[at].data = before.replacen(from, to, 1).into_bytes();
    format!("{to:?} for {from:?}")
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
            return "the usual end".to_owned();
        }
    }
    "another end".to_owned()
}
