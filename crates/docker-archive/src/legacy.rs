//! The `<id>/` folders that docker before 1.10 read: one for each layer, with `VERSION`, `json` and a link to the layer.
//!
//! Their format is that of the [v1 image spec](https://github.com/moby/docker-image-spec/blob/main/v1.md). Readers of
//! today take `manifest.json` instead; what matters is that the ids are well formed, unique, and the same each time.

use serde_json::{Map, Value, json};
use transship_core::{Digest, sha256};

/// The content of `VERSION`.
pub(crate) const VERSION: &[u8] = b"1.0";

/// One `<id>/` folder.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LegacyLayer {
    /// 64 hex digits.
    pub(crate) id: String,
    /// The content of `json`.
    pub(crate) json: Vec<u8>,
    /// The layer, by its diff ID.
    pub(crate) layer: Digest,
}

/// The folders of an image, the lowest layer's first. The last one is what `repositories` names.
///
/// Images that begin with the same layers begin with the same folders: below the top, an id depends on the layers
/// alone. The top's depends on the config too, because its `json` does.
pub(crate) fn legacy_layers(
    config: &Map<String, Value>,
    image_id: &Digest,
    layers: &[Digest],
) -> Vec<LegacyLayer> {
    let mut made: Vec<LegacyLayer> = Vec::with_capacity(layers.len());
    let mut chain: Option<Digest> = None;
    for (at, layer) in layers.iter().enumerate() {
        let id_of_chain = chain_id(chain.as_ref(), layer);
        let top = at + 1 == layers.len();
        let id = folder_id(&id_of_chain, top.then_some(image_id));
        let parent = made.last().map(|below| below.id.as_str());
        let json = Value::Object(v1_config(&id, parent, top.then_some(config)));
        made.push(LegacyLayer { id, json: json.to_string().into_bytes(), layer: layer.clone() });
        chain = Some(id_of_chain);
    }
    made
}

/// The [chain ID](https://github.com/opencontainers/image-spec/blob/main/config.md#layer-chainid) of a layer on others.
fn chain_id(below: Option<&Digest>, layer: &Digest) -> Digest {
    below.map_or_else(|| layer.clone(), |below| sha256(format!("{below} {layer}").as_bytes()))
}

fn folder_id(chain: &Digest, image_id: Option<&Digest>) -> String {
    let text = match image_id {
        None => json!({ "layer_id": chain.as_ref() }),
        Some(id) => json!({ "config": id.as_ref(), "layer_id": chain.as_ref() }),
    };
    sha256(text.to_string().as_bytes()).encoded().to_owned()
}

/// The top has the image's config, without what v1 does not know.
fn v1_config(
    id: &str,
    parent: Option<&str>,
    config: Option<&Map<String, Value>>,
) -> Map<String, Value> {
    let mut made = Map::new();
    made.insert("id".to_owned(), id.into());
    if let Some(parent) = parent {
        made.insert("parent".to_owned(), parent.into());
    }
    let copied = config.into_iter().flatten();
    let known = |key: &str| !matches!(key, "id" | "parent" | "rootfs" | "history");
    made.extend(copied.filter(|(key, _)| known(key)).map(|(k, v)| (k.clone(), v.clone())));
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layers(texts: &[&str]) -> Vec<Digest> {
        texts.iter().map(|text| sha256(text.as_bytes())).collect()
    }

    fn config(text: &str) -> (Map<String, Value>, Digest) {
        (serde_json::from_str(text).unwrap(), sha256(text.as_bytes()))
    }

    #[test]
    fn shared_below_and_apart_at_the_top() {
        let (config_a, id_a) = config(r#"{"os":"linux","rootfs":{},"history":[],"parent":"x"}"#);
        let (config_b, id_b) = config(r#"{"os":"linux","a":1}"#);
        let a = legacy_layers(&config_a, &id_a, &layers(&["1", "2"]));
        let b = legacy_layers(&config_b, &id_b, &layers(&["1", "2", "3"]));
        assert_eq!(a[0], b[0]);
        assert_ne!(a[1].id, b[1].id);
        let top: Value = serde_json::from_slice(&a[1].json).unwrap();
        assert_eq!(top, json!({ "id": a[1].id, "parent": a[0].id, "os": "linux" }));
    }

    #[test]
    fn one_layer_twice_has_two_folders() {
        let (config, id) = config("{}");
        let made = legacy_layers(&config, &id, &layers(&["1", "1", "1"]));
        assert_eq!(made[0].layer, made[2].layer);
        assert!(made[0].id != made[1].id && made[1].id != made[2].id && made[0].id != made[2].id);
    }

    #[test]
    fn ids_below_the_top_are_those_that_skopeo_writes() {
        // Of `podman save`: layer 20fea3b5… is in the folder a322da2a….
        let layer = "sha256:20fea3b5bb2a48fbec27f250806f5a8d008b31ef9ababf99f8a478c0a0ff244d";
        let layer = Digest::try_from(layer).unwrap();
        assert_eq!(
            folder_id(&layer, None),
            "a322da2abf5fa2facd5608d192189d341aa47b0d07ae1afd1a7e87290730a363"
        );
    }
}
