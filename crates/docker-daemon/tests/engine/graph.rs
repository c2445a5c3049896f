//! What the engine of the tests makes of a tar, and the tars that it saves, where it is one with a graph driver: it has layers
//! unpacked, by chain, and configs.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Read as _;

use serde_json::{Value, json};
use transship_archive::{Compression, SNIFF_LEN, decoder, sniff};
use transship_core::{Digest, DockerName, chain_id, parse_digest, sha256};

use super::release::Saves;
use super::store::{Fault, State, full};
use super::tars::{Content, Files, each_file, tar_of};

/// A layer of an image: its diff ID, and its chain.
type Known = (Digest, Digest);

/// The layers of a config.
fn layers_of(config: &[u8]) -> Vec<Known> {
    let config: Value = serde_json::from_slice(config).unwrap();
    let mut layers: Vec<Known> = Vec::new();
    for diff_id in config["rootfs"]["diff_ids"].as_array().unwrap() {
        let diff_id = parse_digest(diff_id.as_str().unwrap()).unwrap();
        let chain = chain_id(layers.last().map(|below| &below.1), &diff_id);
        layers.push((diff_id, chain));
    }
    layers
}

fn path_of(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.encoded())
}

fn file<'f>(files: &'f Files, path: &str) -> Result<&'f Vec<u8>, String> {
    let missing =
        || format!("open /var/lib/docker/tmp/docker-import-1/{path}: no such file or directory");
    files.get(path).ok_or_else(missing)
}

impl State {
    /// Takes the images of the list of `docker save`. Gives what is said of them.
    pub(crate) fn load_layers(&mut self, tar: &[u8]) -> Result<Vec<String>, String> {
        let mut files = Files::new();
        each_file(tar, |path, bytes| {
            files.insert(path, bytes);
            Ok(())
        })?;
        if !files.contains_key("manifest.json") {
            // It takes the tar for one of docker 1.9.
            file(&files, "repositories")?;
        }
        let list: Value = serde_json::from_slice(file(&files, "manifest.json")?).unwrap();
        self.loads += 1;
        let mut lines = Vec::new();
        for image in list.as_array().unwrap() {
            let id = self.register(image, &files)?;
            let tags: Vec<_> = image["RepoTags"].as_array().into_iter().flatten().collect();
            for tag in &tags {
                let tag = tag.as_str().unwrap();
                self.tag(id.clone(), full(tag));
                lines.push(format!("Loaded image: {tag}\n"));
            }
            if tags.is_empty() {
                self.keep(&id);
                lines.push(format!("Loaded image ID: {id}\n"));
            }
        }
        Ok(lines)
    }

    /// Takes an image, all of it or nothing. A layer whose chain is there is not read.
    fn register(&mut self, image: &Value, files: &Files) -> Result<String, String> {
        let config = file(files, image["Config"].as_str().unwrap())?;
        let (known, paths) = (layers_of(config), image["Layers"].as_array().unwrap());
        if known.len() != paths.len() {
            return Err("invalid manifest, layers length mismatch".to_owned());
        }
        let mut new = Vec::new();
        for (at, ((diff_id, chain), path)) in known.iter().zip(paths).enumerate() {
            let chain = chain.to_string();
            if self.chains.contains_key(&chain) {
                continue;
            }
            let plain = self.plain(file(files, path.as_str().unwrap())?)?;
            let is = sha256(&plain);
            if is != *diff_id {
                let (want, is) = (diff_id.to_string(), is.to_string());
                return Err(format!(
                    "invalid diffID for layer {at}: expected {want:?}, got {is:?}"
                ));
            }
            new.push((chain, plain));
        }
        self.chains.extend(new);
        let id = sha256(config).to_string();
        if !self.blobs.contains_key(&id) {
            self.images.push(id.clone());
        }
        self.blobs.insert(id.clone(), config.clone());
        Ok(id)
    }

    /// The tar of a layer.
    fn plain(&self, layer: &[u8]) -> Result<Vec<u8>, String> {
        let form = sniff(&layer[..layer.len().min(SNIFF_LEN)]);
        let is_unreadable = form == Compression::Zstd && !self.release.reads_zstd();
        let cut = || "ApplyLayer exit status 1 stdout:  stderr: unexpected EOF".to_owned();
        if is_unreadable || self.fault == Fault::CannotUnpack {
            return Err(cut());
        }
        let mut plain = Vec::new();
        decoder(form, layer).unwrap().read_to_end(&mut plain).map_err(|_| cut())?;
        each_file(&plain, |_, _| Ok(()))
            .map_err(|why| format!("ApplyLayer exit status 1 stdout:  stderr: {why}"))?;
        Ok(plain)
    }

    /// The chains of images that are there.
    pub(crate) fn chains_in_use(&self) -> Vec<String> {
        let configs = self.records.iter().filter_map(|(_, id)| self.blobs.get(id));
        configs.flat_map(|config| layers_of(config)).map(|(_, chain)| chain.to_string()).collect()
    }

    pub(crate) fn inspect_layers(&self, id: &str) -> Value {
        let config: Value = serde_json::from_slice(&self.blobs[id]).unwrap();
        let layers = layers_of(&self.blobs[id]);
        let size: usize = layers.iter().map(|(_, chain)| self.chains[chain.as_ref()].len()).sum();
        json!({"Id": id, "RepoTags": self.repo_tags(id), "Size": size,
               "Os": config["os"], "Architecture": config["architecture"], "Variant": config["variant"],
               "RootFS": {"Type": "layers", "Layers": config["rootfs"]["diff_ids"]}})
    }

    /// The tar of images: a folder is filled, and then walked, so that the lists are last. docker saves no image without layers ("empty
    /// export - not implemented"), and this does: the kit has no place that takes images and gives back all but those.
    pub(crate) fn save_layers(&self, images: &[String], saves: Saves) -> Vec<u8> {
        let mut saving = Saving::default();
        // It has them in a map: their order is none of the listing or the request.
        let ids: BTreeSet<_> = images.iter().filter_map(|image| self.find(image)).collect();
        for id in ids {
            let is_name = |image: &&String| **image != id && self.find(image) == Some(id.clone());
            let name = |name: &String| DockerName::parse(name).unwrap().or_latest();
            let names: Vec<_> = images.iter().filter(is_name).map(name).collect();
            match saves {
                Saves::Folders => self.add_folders(&id, &names, &mut saving),
                Saves::Layout => self.add_layout(&id, &names, &mut saving),
            }
        }
        saving.end(saves)
    }

    fn add_folders(&self, id: &str, names: &[DockerName], to: &mut Saving) {
        let config = &self.blobs[id];
        let mut paths = Vec::new();
        for (diff_id, chain) in layers_of(config) {
            // An ID of docker 1.9, which is made of the chain and more.
            let folder = sha256(format!("v1 {chain}").as_bytes()).encoded().to_owned();
            let old = json!({"id": folder, "created": "1970-01-01T00:00:00Z", "os": "linux"});
            to.add(&format!("{folder}/VERSION"), "1.0");
            to.add(&format!("{folder}/json"), old.to_string());
            let path = format!("{folder}/layer.tar");
            to.add_layer(&diff_id, &path, &self.chains[chain.as_ref()]);
            paths.push(path);
        }
        let path = format!("{}.json", sha256(config).encoded());
        to.add(&path, config.clone());
        to.list.push(json!({"Config": path, "RepoTags": tags(names), "Layers": paths}));
    }

    fn add_layout(&self, id: &str, names: &[DockerName], to: &mut Saving) {
        let config = &self.blobs[id];
        let (mut paths, mut layers) = (Vec::new(), Vec::new());
        let mut sources = serde_json::Map::new();
        for (diff_id, chain) in layers_of(config) {
            let plain = &self.chains[chain.as_ref()];
            let old = json!({"created": "1970-01-01T00:00:00Z", "id": chain.encoded()}).to_string();
            to.add(&path_of(&sha256(old.as_bytes())), old);
            to.add(&path_of(&diff_id), plain.clone());
            let layer =
                json!({"mediaType": LAYER, "size": plain.len(), "digest": diff_id.to_string()});
            sources.insert(diff_id.to_string(), layer.clone());
            paths.push(path_of(&diff_id));
            layers.push(layer);
        }
        to.add_manifest(
            names,
            &layers,
            &json!({"mediaType": CONFIG, "size": config.len(), "digest": id}),
        );
        let path = path_of(&sha256(config));
        to.add(&path, config.clone());
        to.list.push(json!({"Config": path, "RepoTags": tags(names), "Layers": paths, "LayerSources": sources}));
    }
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// Names as people write them; of an image that was saved by its ID, nothing.
fn tags(names: &[DockerName]) -> Value {
    match names {
        [] => Value::Null,
        names => names.iter().map(DockerName::familiar).collect(),
    }
}

/// A folder that is filled.
#[derive(Default)]
struct Saving {
    files: BTreeMap<String, Content>,
    /// Where the layers are that are there, by diff ID.
    layers: HashMap<Digest, String>,
    list: Vec<Value>,
    index: Vec<Value>,
}

impl Saving {
    fn add(&mut self, path: &str, bytes: impl Into<Vec<u8>>) {
        self.files.insert(path.to_owned(), Content::File(bytes.into()));
    }

    /// A layer that is there already, above other layers, is a link. Links may come before what they lead to.
    fn add_layer(&mut self, diff_id: &Digest, path: &str, tar: &[u8]) {
        match self.layers.get(diff_id) {
            Some(there) if there != path => {
                self.files.insert(path.to_owned(), Content::Link(format!("../{there}")));
            }
            _ => {
                self.layers.insert(diff_id.clone(), path.to_owned());
                self.add(path, tar);
            }
        }
    }

    /// A manifest that the engine makes, listed under each name.
    fn add_manifest(&mut self, names: &[DockerName], layers: &[Value], config: &Value) {
        let manifest =
            json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers});
        let manifest = manifest.to_string();
        let digest = sha256(manifest.as_bytes());
        let entry =
            json!({"mediaType": MANIFEST, "digest": digest.to_string(), "size": manifest.len()});
        let listed = |name: &DockerName| {
            let mut entry = entry.clone();
            entry["annotations"] = json!({"io.containerd.image.name": name.to_string(),
                "org.opencontainers.image.ref.name": name.tag()});
            entry
        };
        self.index.extend(names.iter().map(listed));
        if names.is_empty() {
            self.index.push(entry.clone());
        }
        self.add(&path_of(&digest), manifest);
    }

    fn end(mut self, saves: Saves) -> Vec<u8> {
        let list = Value::from(std::mem::take(&mut self.list));
        self.add("manifest.json", list.to_string());
        self.add("repositories", "{}");
        if saves == Saves::Layout {
            let index = json!({"schemaVersion": 2, "manifests": self.index});
            self.add("index.json", index.to_string());
            self.add("oci-layout", json!({"imageLayoutVersion": "1.0.0"}).to_string());
        }
        tar_of(self.files)
    }
}
