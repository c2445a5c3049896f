//! What the engine that keeps blobs makes of a tar, and the tars that it saves.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Read;

use serde_json::{Value, json};
use transship_core::{Descriptor, DockerName, Document, Expect, parse_digest};

use super::release::Keeps;
use super::store::{Fault, State, full};

/// Files by their paths.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// What `index.json` calls a name, the first that there is.
const NAMES: [&str; 2] = ["io.containerd.image.name", "org.opencontainers.image.ref.name"];

impl State {
    /// What the lines of a load say.
    pub(crate) fn load(&mut self, tar: &[u8]) -> String {
        let loaded = match (self.fault, self.release.keeps) {
            (Fault::RefusesLoads, _) => Err("no space left in the store".to_owned()),
            (_, Keeps::Layers(_)) => self.load_layers(tar),
            (_, Keeps::Blobs) => self.take(tar).and_then(|lists| self.name_all(&lists)),
        };
        match loaded {
            Ok(lines) => lines.iter().map(|line| json!({"stream": line}).to_string()).collect(),
            Err(why) => json!({"errorDetail": {"message": why}, "error": why}).to_string(),
        }
    }

    /// Takes the blobs of a tar. Gives its other files.
    fn take(&mut self, tar: &[u8]) -> Result<HashMap<String, Value>, String> {
        let mut lists = HashMap::new();
        each_file(tar, |path, bytes| {
            match path.strip_prefix("blobs/") {
                Some(of) if !is_of(of, &bytes) => return Err("a wrong digest".to_owned()),
                Some(of) => drop(self.blobs.insert(of.replace('/', ":"), bytes)),
                None => drop(lists.insert(path, serde_json::from_slice(&bytes).unwrap())),
            }
            Ok(())
        })?;
        Ok(lists)
    }

    /// Names the images before anything else, as engines do. Gives what is said of them.
    fn name_all(&mut self, lists: &HashMap<String, Value>) -> Result<Vec<String>, String> {
        let index = lists.get("index.json").ok_or("no index.json")?;
        self.loads += 1;
        let mut lines = Vec::new();
        for entry in index["manifests"].as_array().unwrap() {
            let digest = entry["digest"].as_str().unwrap().to_owned();
            let names = names_of(entry, lists.get("manifest.json"));
            lines.extend(names.iter().map(|name| format!("Loaded image: {name}\n")));
            if names.is_empty() {
                lines.push(format!("Loaded image ID: {digest}\n"));
                self.keep(&digest);
            }
            for name in names {
                self.tag(digest.clone(), name);
            }
            // Of a layer that is not there, nothing is said: only the inspection shows it.
            if self.fault == Fault::CannotUnpack {
                lines.push(format!("Error unpacking image {digest}: content not found\n"));
            }
        }
        Ok(lines)
    }

    /// Without a name, unless it has one.
    pub(crate) fn keep(&mut self, digest: &str) {
        let nameless = (None, digest.to_owned());
        if self.tags(digest).is_empty() && !self.records.contains(&nameless) {
            self.records.push(nameless);
        }
    }

    /// The tar of images.
    pub(crate) fn save(&self, images: &[String]) -> Vec<u8> {
        match self.release.keeps {
            Keeps::Layers(saves) => self.save_layers(images, saves),
            Keeps::Blobs => self.save_blobs(images),
        }
    }

    /// Their blobs, then the lists.
    fn save_blobs(&self, images: &[String]) -> Vec<u8> {
        let found: Vec<_> = images.iter().filter_map(|image| self.find(image)).collect();
        let mut files = Vec::new();
        let mut rest = found.clone();
        let mut done = Vec::new();
        while let Some(digest) = rest.pop() {
            if done.contains(&digest) {
                continue;
            }
            if let Some(document) = self.document(&digest) {
                rest.extend(document.parts().map(|part| part.digest.to_string()));
            }
            if let Some(bytes) = self.blobs.get(&digest) {
                files.push((path_of(&digest), bytes.clone()));
            }
            done.push(digest);
        }
        let entry = |(image, digest): (&String, &String)| {
            let mut entry = json!({"mediaType": self.document(digest).unwrap().media_type().to_string(),
                "digest": digest, "size": self.blobs[digest].len()});
            if image != digest {
                let tag = image.rsplit(':').next();
                entry["annotations"] = json!({"io.containerd.image.name": full(image),
                    "org.opencontainers.image.ref.name": tag});
            }
            entry
        };
        let entries: Vec<_> = images.iter().zip(&found).map(entry).collect();
        let list =
            images.iter().zip(&found).filter_map(|(image, root)| self.for_docker(image, root));
        for (path, list) in [
            ("index.json", json!({"schemaVersion": 2, "manifests": entries})),
            ("manifest.json", list.collect()),
            ("oci-layout", json!({"imageLayoutVersion": "1.0.0"})),
        ] {
            files.push((path.to_owned(), list.to_string().into()));
        }
        tar_of(files)
    }

    /// What older engines read of an image: the first one of an index that is there.
    fn for_docker(&self, image: &str, root: &str) -> Option<Value> {
        let image_of = |document: Document| match document {
            Document::Image(image) => Some(image),
            _ => None,
        };
        let found = match self.document(root)? {
            Document::Index(index) => {
                let children = index.manifests.iter().filter(|child| !child.is_attestation());
                let mut here = children.filter_map(|child| self.document(child.digest.as_ref()));
                here.find_map(image_of)
            }
            document => image_of(document),
        }?;
        let path = |part: &Descriptor| path_of(part.digest.as_ref());
        let tags = (image != root).then(|| [DockerName::parse(image).unwrap().familiar()]);
        let layers: Vec<_> = found.layers.iter().map(path).collect();
        Some(json!({"Config": path(&found.config), "RepoTags": tags, "Layers": layers}))
    }
}

fn path_of(digest: &str) -> String {
    format!("blobs/{}", digest.replace(':', "/"))
}

/// Takes the files of a tar, one after the other.
pub(crate) fn each_file(
    tar: &[u8],
    mut take: impl FnMut(String, Vec<u8>) -> Result<(), String>,
) -> Result<(), String> {
    for entry in tar::Archive::new(tar).entries().unwrap() {
        let mut entry = entry.map_err(|_| "archive/tar: invalid tar header")?;
        let path = entry.path().unwrap().display().to_string();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(|_| "unexpected EOF")?;
        if entry.header().entry_type().is_file() {
            take(path, bytes)?;
        }
    }
    Ok(())
}

/// What stands in a tar that is saved.
pub(crate) enum Content {
    File(Vec<u8>),
    /// A link to another file of it.
    Link(String),
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        Self::File(bytes)
    }
}

/// A tar of files, with their folders, as engines write it.
pub(crate) fn tar_of<C: Into<Content>>(files: impl IntoIterator<Item = (String, C)>) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut add = |path: &str, kind: tar::EntryType, mode: u32, content: Content| {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        match content {
            Content::File(bytes) => {
                header.set_size(bytes.len() as u64);
                tar.append_data(&mut header, path, &bytes[..]).unwrap();
            }
            Content::Link(to) => {
                header.set_size(0);
                tar.append_link(&mut header, path, to).unwrap();
            }
        }
    };
    let mut folders = BTreeSet::new();
    for (path, content) in files {
        for (at, _) in path.match_indices('/') {
            if folders.insert(path[..=at].to_owned()) {
                let nothing = Content::File(Vec::new());
                add(&path[..=at], tar::EntryType::Directory, 0o755, nothing);
            }
        }
        let content = content.into();
        let (kind, mode) = match content {
            Content::File(_) => (tar::EntryType::Regular, 0o444),
            Content::Link(_) => (tar::EntryType::Symlink, 0o777),
        };
        add(&path, kind, mode, content);
    }
    tar.into_inner().unwrap()
}

/// The names that a tar gives an image: that of its index, else those for `docker load`.
fn names_of(entry: &Value, docker: Option<&Value>) -> Vec<String> {
    let named = NAMES.iter().find_map(|key| entry["annotations"][*key].as_str());
    if let Some(name) = named {
        return vec![full(name)];
    }
    let tags = docker.and_then(|list| list[0]["RepoTags"].as_array()).into_iter().flatten();
    tags.map(|tag| full(tag.as_str().unwrap())).collect()
}

/// Whether bytes are those of `ALGORITHM/HEX`.
fn is_of(algorithm_and_hex: &str, bytes: &[u8]) -> bool {
    let digest = parse_digest(&algorithm_and_hex.replace('/', ":")).unwrap();
    let mut hasher = Expect::digest(digest.clone()).hasher().unwrap();
    hasher.update(bytes);
    hasher.finish() == digest
}
