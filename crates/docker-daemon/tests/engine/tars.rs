//! What the engine that keeps blobs makes of a tar, and the tars that it saves.

use std::collections::HashMap;
use std::io::Read;

use serde_json::{Value, json};
use transship_core::{Expect, parse_digest};

use super::store::{Fault, State, full};

/// What `index.json` calls a name, the first that there is.
const NAMES: [&str; 2] = ["io.containerd.image.name", "org.opencontainers.image.ref.name"];

impl State {
    /// What the lines of a load say.
    pub(crate) fn load(&mut self, tar: &[u8]) -> String {
        let loaded = if self.fault == Fault::RefusesLoads {
            Err("no space left in the store")
        } else {
            self.take(tar).and_then(|lists| self.name_all(&lists))
        };
        match loaded {
            Ok(lines) => lines.iter().map(|line| json!({"stream": line}).to_string()).collect(),
            Err(why) => json!({"errorDetail": {"message": why}, "error": why}).to_string(),
        }
    }

    /// Takes the blobs of a tar. Gives its other files.
    fn take(&mut self, tar: &[u8]) -> Result<HashMap<String, Value>, &'static str> {
        let mut lists = HashMap::new();
        for entry in tar::Archive::new(tar).entries().unwrap() {
            let mut entry = entry.map_err(|_| "archive/tar: invalid tar header")?;
            let path = entry.path().unwrap().display().to_string();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).map_err(|_| "unexpected EOF")?;
            match path.strip_prefix("blobs/") {
                Some(of) if !is_of(of, &bytes) => return Err("a wrong digest"),
                Some(of) => drop(self.blobs.insert(of.replace('/', ":"), bytes)),
                None => drop(lists.insert(path, serde_json::from_slice(&bytes).unwrap())),
            }
        }
        Ok(lists)
    }

    /// Names the images before anything else, as engines do. Gives what is said of them.
    fn name_all(&mut self, lists: &HashMap<String, Value>) -> Result<Vec<String>, &'static str> {
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
    fn keep(&mut self, digest: &str) {
        let nameless = (None, digest.to_owned());
        if self.tags(digest).is_empty() && !self.records.contains(&nameless) {
            self.records.push(nameless);
        }
    }

    /// The tar of images: their blobs, then the lists.
    pub(crate) fn save(&self, images: &[String]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        let mut add = |path: &str, bytes: &[u8]| {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o444);
            tar.append_data(&mut header, path, bytes).unwrap();
        };
        let found: Vec<_> = images.iter().filter_map(|image| self.find(image)).collect();
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
                add(&format!("blobs/{}", digest.replace(':', "/")), bytes);
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
        let index = json!({"schemaVersion": 2, "manifests": entries});
        add("index.json", index.to_string().as_bytes());
        add("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
        tar.into_inner().unwrap()
    }
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
