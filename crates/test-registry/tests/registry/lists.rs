use serde_json::{Value, json};
use transship_core::sha256;
use transship_test_registry::{Fault, ReferrersApi, Registry, Rule};

use crate::client::ask;
use crate::manifests::{image, put};
use crate::registry;

const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";

/// The pages from a path on, following `Link`, at most ten.
fn pages(registry: &Registry, path: &str, list: &str) -> Vec<Vec<Value>> {
    let (mut pages, mut next) = (Vec::new(), path.to_owned());
    while !next.is_empty() && pages.len() < 10 {
        let page = ask(registry.host(), &format!("GET {next}"));
        assert_eq!(page.status, 200, "{next}");
        pages.push(page.json()[list].as_array().unwrap().clone());
        let link = page.header("link").strip_suffix(">; rel=\"next\"").unwrap_or_default();
        link.strip_prefix('<').unwrap_or_default().clone_into(&mut next);
    }
    pages
}

#[test]
fn tags_in_pages() {
    let registry = registry(|options| options.page = Some(3));
    for tag in ["e", "a", "d", "c", "b"] {
        registry.put_manifest("x/y", Some(tag), IMAGE, "{}");
    }
    assert_eq!(
        pages(&registry, "/v2/x/y/tags/list", "tags"),
        [vec!["a", "b", "c"], vec!["d", "e"]]
    );
    let by_two = pages(&registry, "/v2/x/y/tags/list?n=2", "tags");
    assert_eq!(by_two, [vec!["a", "b"], vec!["c", "d"], vec!["e"]]);
    assert_eq!(pages(&registry, "/v2/x/y/tags/list?n=0", "tags"), [[""; 0]]);
    assert_eq!(pages(&registry, "/v2/x/y/tags/list?last=d", "tags"), [["e"]]);
    assert_eq!(ask(registry.host(), "GET /v2/x/tags/list").status, 404);
    assert_eq!(ask(registry.host(), "GET /v2/x/y/tags/list?n=x").status, 400);
}

#[test]
fn the_catalog() {
    let registry = registry(|options| options.page = Some(1));
    registry.put_blob("b", "x");
    registry.put_manifest("a/b", None, IMAGE, "{}");
    assert_eq!(pages(&registry, "/v2/_catalog", "repositories"), [["a/b"], ["b"]]);
    assert_eq!(ask(registry.host(), "PUT /v2/_catalog").status, 405);
}

#[test]
fn pages_without_end() {
    let registry = registry(|_| {});
    registry.put_manifest("a", Some("x"), IMAGE, "{}");
    registry.inject(Rule::new(Fault::EndlessPages).path("/tags/list").always());
    let pages = pages(&registry, "/v2/a/tags/list", "tags");
    assert_eq!(pages.len(), 10);
    assert_ne!(pages[0], pages[1]);
}

#[test]
fn referrers() {
    let registry = registry(|_| {});
    let subject = sha256(b"subject").to_string();
    let of = json!({ "digest": subject, "size": 7 });
    let typed = image(
        &registry,
        &json!({ "subject": of, "artifactType": "a/sbom", "annotations": { "k": "v" } }),
    );
    let untyped = image(&registry, &json!({ "subject": of }));
    for bytes in [&typed, &untyped] {
        let done = put(&registry, sha256(bytes).as_ref(), IMAGE, bytes);
        assert_eq!((done.status, done.header("oci-subject")), (201, subject.as_str()));
    }
    let path = format!("/v2/a/referrers/{subject}");
    assert_eq!(
        ask(registry.host(), &format!("GET {path}")).json()["manifests"].as_array().unwrap().len(),
        2
    );
    let filtered = ask(registry.host(), &format!("GET {path}?artifactType=a/sbom"));
    assert_eq!(filtered.header("oci-filters-applied"), "artifactType");
    let found = &filtered.json()["manifests"];
    assert_eq!(
        *found,
        json!([{
            "mediaType": IMAGE,
            "digest": sha256(&typed).to_string(),
            "size": typed.len(),
            "artifactType": "a/sbom",
            "annotations": { "k": "v" },
        }])
    );
    let by_config = ask(registry.host(), &format!("GET {path}?artifactType=application%2Fx"));
    assert_eq!(by_config.json()["manifests"][0]["digest"], sha256(&untyped).to_string());
    let none = ask(registry.host(), &format!("GET /v2/a/referrers/{}", sha256(b"other")));
    assert_eq!((none.status, &none.json()["manifests"]), (200, &json!([])));
}

#[test]
fn without_the_referrers_api() {
    let registry = registry(|options| options.referrers = ReferrersApi::Off);
    let subject = sha256(b"subject").to_string();
    let bytes = image(&registry, &json!({ "subject": { "digest": subject, "size": 7 } }));
    let done = put(&registry, "v1", IMAGE, &bytes);
    assert_eq!((done.status, done.header("oci-subject")), (201, ""));
    assert_eq!(ask(registry.host(), &format!("GET /v2/a/referrers/{subject}")).status, 404);
}
