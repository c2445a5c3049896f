//! New manifests from old ones, for layers that changed and between the formats of OCI and docker. Pure and
//! deterministic: what is not edited stays as it stands, in its place.

use bytes::Bytes;
use serde_json::{Map, Value, json};
use transship_core::{
    Descriptor, Digest, Error, ErrorKind, Manifest, MediaType, Platform, Result, Stored,
    media_types,
};

use crate::Format;

/// A layer as it is at the destination.
#[derive(Clone, Debug)]
pub(crate) struct NewLayer {
    pub(crate) media_type: MediaType,
    pub(crate) stored: Stored,
}

/// A child as it is at the destination.
#[derive(Clone, Debug)]
pub(crate) enum NewChild {
    /// It is listed as before. It may be an attestation, whose image may have another digest now.
    Same { subject: Option<Digest>, platform: Option<Platform> },
    /// It is listed with another digest.
    Other { media_type: MediaType, stored: Stored, platform: Option<Platform> },
    /// It is not listed any more.
    Gone,
}

/// The annotation by which an attestation says what it is about.
const ATTESTED: &str = "vnd.docker.reference.digest";

/// The image that an attestation is about.
pub(crate) fn attested(child: &Descriptor) -> Option<&str> {
    child.is_attestation().then(|| child.annotation(ATTESTED)).flatten()
}

/// The type of an image's manifest.
pub(crate) fn image_type(format: Format) -> MediaType {
    match format {
        Format::Oci => MediaType::ImageManifest,
        Format::Docker => MediaType::from(media_types::DOCKER_MANIFEST),
    }
}

pub(crate) fn index_type(format: Format) -> MediaType {
    match format {
        Format::Oci => MediaType::ImageIndex,
        Format::Docker => MediaType::from(media_types::DOCKER_LIST),
    }
}

fn config_type(format: Format) -> MediaType {
    match format {
        Format::Oci => MediaType::ImageConfig,
        Format::Docker => MediaType::from(media_types::DOCKER_CONFIG),
    }
}

/// The manifest of an image with these layers, in another format if one is given.
pub(crate) fn image(
    manifest: &Manifest,
    format: Option<Format>,
    layers: &[NewLayer],
) -> Result<Manifest> {
    let mut document = object(manifest)?;
    if let Some(old) = document.get_mut("layers").and_then(Value::as_array_mut) {
        for (old, new) in old.iter_mut().zip(layers) {
            edit_layer(fields(old)?, new);
        }
    }
    if let Some(format) = format {
        document.insert("mediaType".to_owned(), json!(image_type(format).as_ref()));
        let config = document.get_mut("config").ok_or_else(malformed)?;
        fields(config)?.insert("mediaType".to_owned(), json!(config_type(format).as_ref()));
    }
    if format == Some(Format::Docker) {
        document = docker_image(&document)?;
    }
    written(document)
}

fn edit_layer(old: &mut Map<String, Value>, new: &NewLayer) {
    old.insert("mediaType".to_owned(), json!(new.media_type.as_ref()));
    if old.get("digest").and_then(Value::as_str) == Some(new.stored.digest.as_ref()) {
        return;
    }
    place(old, &new.stored);
    // Where the old bytes can be got is not where the new ones are.
    old.shift_remove("urls");
    if let Some(annotations) = old.get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.retain(|key, _| !describes_bytes(key));
        if annotations.is_empty() {
            old.shift_remove("annotations");
        }
    }
}

fn place(descriptor: &mut Map<String, Value>, stored: &Stored) {
    descriptor.insert("digest".to_owned(), json!(stored.digest.as_ref()));
    descriptor.insert("size".to_owned(), json!(stored.size));
    descriptor.shift_remove("data");
}

/// Only the fields that docker's format has, in its order.
fn docker_image(document: &Map<String, Value>) -> Result<Map<String, Value>> {
    const LAYER: &[&str] = &["mediaType", "size", "digest", "urls"];
    let config =
        only(document.get("config").ok_or_else(malformed)?, &["mediaType", "size", "digest"])?;
    let layers = all_only(document.get("layers"), LAYER)?;
    Ok(docker(media_types::DOCKER_MANIFEST, [("config", config), ("layers", layers)]))
}

fn docker<const N: usize>(media_type: &str, parts: [(&str, Value); N]) -> Map<String, Value> {
    let head = [("schemaVersion", json!(2)), ("mediaType", json!(media_type))];
    head.into_iter().chain(parts).map(|(key, value)| (key.to_owned(), value)).collect()
}

/// The index with these children, in another format if one is given.
pub(crate) fn index(
    manifest: &Manifest,
    format: Option<Format>,
    children: &[NewChild],
) -> Result<Manifest> {
    let mut document = object(manifest)?;
    if let Some(Value::Array(old)) = document.get_mut("manifests") {
        let mut made = Vec::with_capacity(old.len());
        for (mut old, new) in std::mem::take(old).into_iter().zip(children) {
            if edit_child(fields(&mut old)?, new, format)? {
                made.push(old);
            }
        }
        *old = made;
    }
    if let Some(format) = format {
        document.insert("mediaType".to_owned(), json!(index_type(format).as_ref()));
    }
    if format == Some(Format::Docker) {
        document = docker_index(&document)?;
    }
    written(document)
}

/// Whether it stays in the list.
fn edit_child(
    old: &mut Map<String, Value>,
    new: &NewChild,
    format: Option<Format>,
) -> Result<bool> {
    let platform = match new {
        NewChild::Gone => return Ok(false),
        NewChild::Same { subject, platform } => {
            if let Some(subject) = subject
                && let Some(annotations) = old.get_mut("annotations")
            {
                fields(annotations)?.insert(ATTESTED.to_owned(), json!(subject.as_ref()));
            }
            platform
        }
        NewChild::Other { media_type, stored, platform } => {
            old.insert("mediaType".to_owned(), json!(media_type.as_ref()));
            place(old, stored);
            platform
        }
    };
    // Docker's lists say what each image runs on.
    if format == Some(Format::Docker)
        && old.get("platform").is_none_or(Value::is_null)
        && let Some(platform) = platform
    {
        let value = serde_json::to_value(platform).map_err(|_| malformed())?;
        old.insert("platform".to_owned(), value);
    }
    Ok(true)
}

fn docker_index(document: &Map<String, Value>) -> Result<Map<String, Value>> {
    const CHILD: &[&str] = &["mediaType", "size", "digest", "platform"];
    let manifests = all_only(document.get("manifests"), CHILD)?;
    Ok(docker(media_types::DOCKER_LIST, [("manifests", manifests)]))
}

/// What a manifest or index has for which docker's format has no place, a sentence each.
pub(crate) fn lost_in_docker(manifest: &Manifest) -> Result<Vec<String>> {
    let document = object(manifest)?;
    let mut lost = Vec::new();
    let digest = &manifest.descriptor().digest;
    let fields: Vec<&str> = document
        .keys()
        .map(String::as_str)
        .filter(|key| {
            !["schemaVersion", "mediaType", "config", "layers", "manifests"].contains(key)
        })
        .filter(|key| !document.get(*key).is_some_and(Value::is_null))
        .collect();
    for field in fields {
        lost.push(match document.get(field).and_then(Value::as_object) {
            Some(annotations) if field == "annotations" => {
                format!("annotations of {digest}: {}", keys(annotations.keys()))
            }
            _ => format!("field {field} of {digest}"),
        });
    }
    for part in ["config", "layers", "manifests"] {
        let descriptors = match document.get(part) {
            Some(Value::Array(all)) => all.as_slice(),
            Some(one @ Value::Object(_)) => std::slice::from_ref(one),
            _ => &[],
        };
        for descriptor in descriptors {
            lost.extend(lost_of_descriptor(descriptor));
        }
    }
    Ok(lost)
}

fn lost_of_descriptor(descriptor: &Value) -> Option<String> {
    let annotations = descriptor.get("annotations")?.as_object().filter(|all| !all.is_empty())?;
    let digest = descriptor.get("digest").and_then(Value::as_str).unwrap_or("a part");
    Some(format!("annotations of {digest}: {}", keys(annotations.keys())))
}

fn keys<'a>(keys: impl Iterator<Item = &'a String>) -> String {
    let mut keys: Vec<&str> = keys.map(String::as_str).collect();
    keys.sort_unstable();
    keys.join(", ")
}

fn only(value: &Value, names: &[&str]) -> Result<Value> {
    let from = value.as_object().ok_or_else(malformed)?;
    let picked = names.iter().filter_map(|name| {
        let value = from.get(*name).filter(|value| !value.is_null())?;
        Some(((*name).to_owned(), value.clone()))
    });
    Ok(Value::Object(picked.collect()))
}

/// Of each value of a list; of none, an empty list.
fn all_only(list: Option<&Value>, names: &[&str]) -> Result<Value> {
    let all = list.and_then(Value::as_array).into_iter().flatten();
    all.map(|value| only(value, names)).collect()
}

fn object(manifest: &Manifest) -> Result<Map<String, Value>> {
    serde_json::from_slice(manifest.bytes()).map_err(|e| malformed().caused_by(e))
}

fn fields(value: &mut Value) -> Result<&mut Map<String, Value>> {
    value.as_object_mut().ok_or_else(malformed)
}

fn written(document: Map<String, Value>) -> Result<Manifest> {
    let bytes = serde_json::to_vec(&Value::Object(document))
        .map_err(|e| Error::new(ErrorKind::Unexpected, "writing a manifest").caused_by(e))?;
    Manifest::new(Bytes::from(bytes))
}

/// Not seen: the documents were read before.
fn malformed() -> Error {
    Error::new(ErrorKind::Corrupt, "the manifest is malformed")
}

/// Whether an annotation describes the bytes of a layer, and is wrong once they change: the tables of contents of
/// zstd:chunked and of eStargz.
fn describes_bytes(annotation: &str) -> bool {
    [
        "io.github.containers.zstd-chunked.",
        "containerd.io/snapshot/stargz/",
        "io.containers.estargz.",
    ]
    .iter()
    .any(|prefix| annotation.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use transship_core::sha256;

    fn manifest(text: &str) -> Manifest {
        Manifest::new(text.to_owned()).unwrap()
    }

    fn digest(of: &str) -> Digest {
        sha256(of.as_bytes())
    }

    fn text(manifest: &Manifest) -> String {
        String::from_utf8(manifest.bytes().to_vec()).unwrap()
    }

    fn an_image() -> Manifest {
        let (config, layer) = (digest("c"), digest("l"));
        manifest(&format!(
            r#"{{ "schemaVersion": 2, "x": [1.0, null],
            "config": {{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{config}","size":1,"y":"z"}},
            "layers": [{{"size":1,"digest":"{layer}","mediaType":"application/vnd.oci.image.layer.v1.tar","urls":["u"],"data":"bA==",
              "annotations":{{"containerd.io/snapshot/stargz/toc.digest":"t"}},"z":0}}] }}"#
        ))
    }

    #[test]
    fn what_is_not_edited_stays_in_its_place() {
        let stored = Stored::new(digest("new"), 3);
        let media_type = MediaType::ImageLayerGzip;
        let made = image(&an_image(), None, &[NewLayer { media_type, stored }]).unwrap();
        let (config, layer) = (digest("c"), digest("new"));
        assert_eq!(
            text(&made),
            format!(
                r#"{{"schemaVersion":2,"x":[1.0,null],"config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{config}","size":1,"y":"z"}},"layers":[{{"size":3,"digest":"{layer}","mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","z":0}}]}}"#
            )
        );
    }

    #[test]
    fn a_layer_that_only_changes_its_type_keeps_the_rest() {
        let stored = Stored::new(digest("l"), 1);
        let media_type = MediaType::ImageLayerGzip;
        let made = image(&an_image(), None, &[NewLayer { media_type, stored }]).unwrap();
        assert!(text(&made).contains(r#""urls":["u"],"data":"bA==","annotations""#));
    }

    #[test]
    fn docker_gets_only_what_its_format_has() {
        let stored = Stored::new(digest("l"), 1);
        let media_type = MediaType::from(media_types::DOCKER_LAYER);
        let layers = [NewLayer { media_type, stored }];
        let made = image(&an_image(), Some(Format::Docker), &layers).unwrap();
        let (config, layer) = (digest("c"), digest("l"));
        assert_eq!(
            text(&made),
            format!(
                r#"{{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json","config":{{"mediaType":"application/vnd.docker.container.image.v1+json","size":1,"digest":"{config}"}},"layers":[{{"mediaType":"application/vnd.docker.image.rootfs.diff.tar","size":1,"digest":"{layer}","urls":["u"]}}]}}"#
            )
        );
        let lost = lost_in_docker(&an_image()).unwrap();
        assert_eq!(lost.len(), 2, "{lost:?}");
        assert!(lost[0].starts_with("field x of sha256:"), "{lost:?}");
    }

    #[test]
    fn children_go_follow_or_change() {
        let child = |name: &str, rest: &str| {
            format!(
                r#"{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{}","size":1{rest}}}"#,
                digest(name)
            )
        };
        let attested = format!(r#","annotations":{{"{ATTESTED}":"old","k":"v"}}"#);
        let before = manifest(&format!(
            r#"{{"schemaVersion":2,"manifests":[{},{},{}],"annotations":{{"a":"b"}}}}"#,
            child("1", ""),
            child("2", ""),
            child("3", &attested)
        ));
        let other = NewChild::Other {
            media_type: MediaType::ImageManifest,
            stored: Stored::new(digest("new"), 1),
            platform: Some(Platform::new("linux", "amd64")),
        };
        let same = NewChild::Same { subject: Some(digest("new")), platform: None };
        let made = index(&before, None, &[other, NewChild::Gone, same]).unwrap();
        let follows = attested.replace("old", digest("new").as_ref());
        let expected = format!(
            r#"{{"schemaVersion":2,"manifests":[{},{}],"annotations":{{"a":"b"}}}}"#,
            child("new", ""),
            child("3", &follows)
        );
        assert_eq!(text(&made), expected);
    }
}
