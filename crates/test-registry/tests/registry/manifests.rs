use serde_json::{Value, json};
use transship_core::sha256;
use transship_test_registry::{Options, Parts, Registry};

use crate::client::{Answer, ask, send};
use crate::registry;

const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

pub(crate) fn image(registry: &Registry, more: &Value) -> Vec<u8> {
    let blob = registry.put_blob("a", "{}");
    let mut image = json!({
        "schemaVersion": 2,
        "mediaType": IMAGE,
        "config": { "mediaType": "application/x", "digest": blob.to_string(), "size": 2 },
        "layers": [],
    });
    for (field, value) in more.as_object().unwrap() {
        image[field.as_str()] = value.clone();
    }
    image.to_string().into_bytes()
}

pub(crate) fn put(registry: &Registry, reference: &str, kind: &str, bytes: &[u8]) -> Answer {
    let line = format!("PUT /v2/a/manifests/{reference}");
    send(registry.host(), &line, &[("content-type", kind)], bytes)
}

#[test]
fn by_tag_and_by_digest() {
    let registry = registry(|_| {});
    let bytes = image(&registry, &json!({}));
    let digest = sha256(&bytes).to_string();
    let done = put(&registry, "v1", IMAGE, &bytes);
    assert_eq!((done.status, done.header("docker-content-digest")), (201, digest.as_str()));
    assert!(done.header("location").ends_with(&format!("/v2/a/manifests/{digest}")));
    for reference in ["v1", &digest] {
        let read = ask(registry.host(), &format!("GET /v2/a/manifests/{reference}"));
        assert_eq!((read.status, &read.body), (200, &bytes));
        assert_eq!(read.header("content-type"), IMAGE);
        assert_eq!(read.header("docker-content-digest"), digest);
    }
    assert_eq!(registry.tags("a"), [("v1".to_owned(), digest)]);
    let absent = ask(registry.host(), "HEAD /v2/a/manifests/v2");
    assert_eq!(absent.status, 404);
}

#[test]
fn what_accept_leaves_out_is_not_shown() {
    let registry = registry(|_| {});
    let bytes = image(&registry, &json!({}));
    put(&registry, "v1", IMAGE, &bytes);
    let get = |accept: &str| {
        send(registry.host(), "GET /v2/a/manifests/v1", &[("accept", accept)], b"").status
    };
    assert_eq!(get(INDEX), 404);
    assert_eq!(get(&format!("{INDEX}, {IMAGE};q=0.5")), 200);
    assert_eq!(get("application/*"), 200);
    assert_eq!(get("*/*"), 200);
}

#[test]
fn what_is_malformed_is_refused() {
    let registry = registry(|_| {});
    let bytes = image(&registry, &json!({}));
    let codes = |reference, kind, bytes: &[u8]| put(&registry, reference, kind, bytes).code();
    assert_eq!(codes("v1", IMAGE, b"{"), "MANIFEST_INVALID");
    assert_eq!(codes("v1", IMAGE, b"{}"), "MANIFEST_INVALID");
    assert_eq!(codes("v1", INDEX, &bytes), "MANIFEST_INVALID");
    assert_eq!(codes("-v1", IMAGE, &bytes), "MANIFEST_UNKNOWN");
    assert_eq!(codes(sha256(b"x").as_ref(), IMAGE, &bytes), "DIGEST_INVALID");
    assert_eq!(put(&registry, "v1", IMAGE, &vec![b' '; 4 * 1024 * 1024 + 1]).status, 413);
    assert_eq!(ask(registry.host(), "GET /v2/A/manifests/x").code(), "NAME_INVALID");
    assert!(registry.tags("a").is_empty());
}

#[test]
fn parts_must_be_there_first() {
    let statuses = |parts| {
        let registry = registry(|options: &mut Options| options.parts = parts);
        let absent = json!([{ "digest": sha256(b"absent").to_string(), "size": 6 }]);
        let foreign = json!([{ "digest": sha256(b"absent").to_string(), "urls": ["https://x"] }]);
        let mut index = json!({ "schemaVersion": 2, "manifests": absent });
        index["mediaType"] = INDEX.into();
        let status = |kind, bytes: &[u8]| put(&registry, "v1", kind, bytes).status;
        [
            status(IMAGE, &image(&registry, &json!({ "layers": absent }))),
            status(IMAGE, &image(&registry, &json!({ "layers": foreign }))),
            status(INDEX, index.to_string().as_bytes()),
        ]
    };
    assert_eq!(statuses(Parts::Required), [400, 201, 400]);
    assert_eq!(statuses(Parts::SparseIndexes), [400, 201, 201]);
    assert_eq!(statuses(Parts::Optional), [201, 201, 201]);
}

#[test]
fn deletion_of_a_tag_and_of_a_manifest() {
    let registry = registry(|_| {});
    let bytes = image(&registry, &json!({}));
    put(&registry, "v1", IMAGE, &bytes);
    put(&registry, "v2", IMAGE, &bytes);
    let delete = |of: &str| ask(registry.host(), &format!("DELETE /v2/a/manifests/{of}")).status;
    assert_eq!((delete("v1"), delete("v1")), (202, 404));
    assert_eq!(registry.tags("a").len(), 1);
    assert_eq!(delete(sha256(&bytes).as_ref()), 202);
    assert!(registry.tags("a").is_empty());
    assert!(registry.manifest("a", "v2").is_none());
}
