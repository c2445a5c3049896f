//! The cases of the [specification](https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md) for a registry that is
//! pulled from, each named by its section.

use serde_json::{Value, json};

use crate::layout::{INDEX, Layout, MANIFEST, digest, noise};
use crate::serving::Serving;
use crate::session::Session;

/// A digest of nothing that is there.
const ABSENT: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// A layout with an image, an index of two, tags enough for pages, and artifacts about the image.
struct Site {
    session: Session,
    image: Value,
    index: Value,
    layer: Vec<u8>,
    about: [Value; 3],
    second: Value,
}

impl Site {
    fn new() -> Self {
        let session = Session::new();
        let mut layout = Layout::new(&session.path("site"));
        let layer = noise(1, 700_000);
        let image = layout.image(&[&layer, b"second"]);
        let other = layout.image(&[b"other"]);
        let list = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [image, other] });
        let index = layout.blob(INDEX, list.to_string());
        layout.list(&image, Some("docker.io/team/app:1"));
        for tag in ["2", "10", "latest", "A", "_x"] {
            layout.list(&image, Some(&format!("docker.io/team/app:{tag}")));
        }
        layout.list(&index, Some("quay.io/team/many:1"));
        let about = ["application/sbom", "application/signature", "application/sbom"];
        let mut kinds = about.iter().enumerate();
        let about = std::array::from_fn(|_| {
            let (at, kind) = kinds.next().unwrap();
            // The third is about the index.
            layout.about(if at == 2 { &index } else { &image }, kind)
        });
        for one in &about {
            layout.list(one, None);
        }
        let second = layout.about(&about[0], "application/signature");
        layout.list(&second, None);
        Self { session, image, index, layer, about, second }
    }

    fn serve(&self) -> Serving {
        Serving::start(&self.session, "oci:site")
    }

    fn layer_digest(&self) -> String {
        transship::transport::sha256(&self.layer).to_string()
    }
}

#[test]
fn determining_support() {
    let site = Site::new();
    let serving = site.serve();
    for path in ["/v2/", "/v2"] {
        let reply = serving.get(path);
        assert_eq!((reply.status, reply.body.as_slice()), (200, &b"{}"[..]), "{path}");
        assert_eq!(reply.header("docker-distribution-api-version"), Some("registry/2.0"));
    }
    assert_eq!(serving.ask("HEAD", "/v2/", &[]).status, 200);
}

#[test]
fn pulling_manifests() {
    let site = Site::new();
    let serving = site.serve();
    for (repository, tag, descriptor) in
        [("team/app", "1", &site.image), ("team/many", "1", &site.index)]
    {
        let by_tag = serving.get(&format!("/v2/{repository}/manifests/{tag}"));
        assert_eq!(by_tag.status, 200);
        assert_eq!(by_tag.header("content-type"), descriptor["mediaType"].as_str());
        assert_eq!(by_tag.header("docker-content-digest"), descriptor["digest"].as_str());
        assert_eq!(by_tag.size() as u64, descriptor["size"].as_u64().unwrap());
        let found = transship::transport::sha256(&by_tag.body).to_string();
        assert_eq!(found, digest(descriptor));
        let by_digest = serving.get(&format!("/v2/{repository}/manifests/{}", digest(descriptor)));
        assert_eq!((by_digest.status, &by_digest.body), (200, &by_tag.body));
    }
    // What an index lists is there by its digest, and nothing is converted, whatever is accepted.
    let accept = [("Accept", "application/vnd.docker.distribution.manifest.v2+json")];
    let child =
        serving.ask("GET", &format!("/v2/team/many/manifests/{}", digest(&site.image)), &accept);
    assert_eq!((child.status, child.header("content-type")), (200, Some(MANIFEST)));
    for (path, status, code) in [
        ("/v2/team/app/manifests/none", 404, "MANIFEST_UNKNOWN"),
        ("/v2/team/app/manifests/.INVALID_MANIFEST_NAME", 404, "MANIFEST_UNKNOWN"),
        (&*format!("/v2/team/app/manifests/{ABSENT}"), 404, "MANIFEST_UNKNOWN"),
        ("/v2/team/app/manifests/sha256:abc", 400, "DIGEST_INVALID"),
        ("/v2/team/app/manifests/md5:d41d8cd98f00b204e9800998ecf8427e", 400, "DIGEST_INVALID"),
        ("/v2/team/none/manifests/1", 404, "NAME_UNKNOWN"),
        ("/v2/Team/app/manifests/1", 400, "NAME_INVALID"),
    ] {
        let reply = serving.get(path);
        assert_eq!((reply.status, &*reply.code()), (status, code), "{path}");
    }
}

#[test]
fn pulling_blobs() {
    let site = Site::new();
    let serving = site.serve();
    let path = format!("/v2/team/app/blobs/{}", site.layer_digest());
    let whole = serving.get(&path);
    assert_eq!((whole.status, &whole.body), (200, &site.layer));
    assert_eq!(whole.header("docker-content-digest"), Some(&*site.layer_digest()));
    assert_eq!(whole.header("accept-ranges"), Some("bytes"));
    let config = serving.get(&format!("/v2/team/app/manifests/{}", digest(&site.image))).json();
    let config = config["config"]["digest"].as_str().unwrap().to_owned();
    assert_eq!(serving.get(&format!("/v2/team/app/blobs/{config}")).status, 200);
    for (path, status, code) in [
        (format!("/v2/team/app/blobs/{ABSENT}"), 404, "BLOB_UNKNOWN"),
        (format!("/v2/team/none/blobs/{config}"), 404, "NAME_UNKNOWN"),
        ("/v2/team/app/blobs/sha256:".to_owned(), 400, "DIGEST_INVALID"),
        ("/v2/team/app/blobs/latest".to_owned(), 400, "DIGEST_INVALID"),
    ] {
        let reply = serving.get(&path);
        assert_eq!((reply.status, &*reply.code()), (status, code), "{path}");
    }
}

/// `Range` is what RFC 9110 says, before a blob was read whole and after.
#[test]
fn pulling_blobs_in_parts() {
    let site = Site::new();
    let path = format!("/v2/team/app/blobs/{}", site.layer_digest());
    let len = site.layer.len();
    for read_before in [false, true] {
        let serving = site.serve();
        if read_before {
            assert!(serving.get(&path).is_whole());
        }
        for (range, from, to) in [
            ("bytes=0-9", 0, 10),
            ("bytes=100000-599999", 100_000, 600_000),
            ("bytes=699999-", len - 1, len),
            ("bytes=-5", len - 5, len),
            ("bytes=5-99999999999999999999", 5, len),
        ] {
            let part = serving.ask("GET", &path, &[("Range", range)]);
            assert_eq!(part.status, 206, "{range}");
            assert_eq!(part.body, site.layer[from..to], "{range}");
            let told = format!("bytes {from}-{}/{len}", to - 1);
            assert_eq!(part.header("content-range"), Some(&*told));
        }
        let beyond = serving.ask("GET", &path, &[("Range", "bytes=700000-")]);
        assert_eq!((beyond.status, &*beyond.code()), (416, "RANGE_INVALID"));
        assert_eq!(beyond.header("content-range"), Some("bytes */700000"));
        for ignored in ["bytes=1-2,4-5", "lines=1-2", "bytes=9-1", "bytes=x"] {
            assert_eq!(serving.ask("GET", &path, &[("Range", ignored)]).status, 200, "{ignored}");
        }
        let etag = serving.ask("HEAD", &path, &[]).header("etag").unwrap().to_owned();
        let same = [("Range", "bytes=0-0"), ("If-Range", &*etag)];
        assert_eq!(serving.ask("GET", &path, &same).status, 206);
        // A range is for GET alone.
        for range in ["bytes=0-9", "bytes=700000-"] {
            let head = serving.ask("HEAD", &path, &[("Range", range)]);
            assert_eq!((head.status, head.size()), (200, len), "{range}");
        }
        let other = [("Range", "bytes=0-0"), ("If-Range", "\"other\"")];
        assert_eq!(serving.ask("GET", &path, &other).status, 200);
    }
}

#[test]
fn checking_if_content_exists() {
    let site = Site::new();
    let serving = site.serve();
    let (image, layer) = (digest(&site.image), site.layer_digest());
    for (path, size) in [
        ("/v2/team/app/manifests/1".to_owned(), site.image["size"].as_u64().unwrap()),
        (format!("/v2/team/app/manifests/{image}"), site.image["size"].as_u64().unwrap()),
        (format!("/v2/team/app/blobs/{layer}"), 700_000),
    ] {
        let head = serving.ask("HEAD", &path, &[]);
        assert_eq!((head.status, head.size() as u64, head.body.len()), (200, size, 0), "{path}");
        let etag = head.header("etag").unwrap().to_owned();
        for known in [etag.clone(), format!("W/{etag}, \"x\""), "*".to_owned()] {
            let reply = serving.ask("GET", &path, &[("If-None-Match", &known)]);
            assert_eq!((reply.status, reply.body.len()), (304, 0), "{path} {known}");
        }
        assert_eq!(serving.ask("GET", &path, &[("If-None-Match", "\"x\"")]).status, 200);
    }
    for path in [
        format!("/v2/team/app/manifests/{ABSENT}"),
        format!("/v2/team/app/blobs/{ABSENT}"),
        "/v2/team/app/manifests/none".to_owned(),
    ] {
        for headers in [&[][..], &[("If-None-Match", "*")]] {
            let head = serving.ask("HEAD", &path, headers);
            assert_eq!((head.status, head.body.len()), (404, 0), "{path}");
        }
    }
}

#[test]
fn listing_tags() {
    let site = Site::new();
    let serving = site.serve();
    let all = serving.get("/v2/team/app/tags/list");
    let sorted = json!({ "name": "team/app", "tags": ["1", "10", "2", "A", "_x", "latest"] });
    assert_eq!((all.status, all.json()), (200, sorted.clone()));
    assert_eq!(all.header("link"), None);
    for size in 1..=7 {
        let (mut path, mut tags) = (format!("/v2/team/app/tags/list?n={size}"), Vec::new());
        loop {
            let page = serving.get(&path);
            let listed = page.json()["tags"].as_array().unwrap().clone();
            assert!(listed.len() <= size, "{listed:?}");
            tags.extend(listed);
            let Some(link) = page.header("link") else { break };
            path = link.strip_prefix('<').unwrap().split('>').next().unwrap().to_owned();
            assert!(link.ends_with("; rel=\"next\""), "{link}");
        }
        assert_eq!(Value::Array(tags), sorted["tags"], "n={size}");
    }
    let none = serving.get("/v2/team/app/tags/list?n=0");
    assert_eq!(
        (none.status, none.json()["tags"].clone(), none.header("link")),
        (200, json!([]), None)
    );
    let after = serving.get("/v2/team/app/tags/list?last=A&n=1");
    assert_eq!(after.json()["tags"], json!(["_x"]));
    assert_eq!(serving.get("/v2/team/app/tags/list?last=zz").json()["tags"], json!([]));
    for (path, status, code) in [
        ("/v2/team/app/tags/list?n=x", 400, "PAGINATION_NUMBER_INVALID"),
        ("/v2/team/none/tags/list", 404, "NAME_UNKNOWN"),
    ] {
        let reply = serving.get(path);
        assert_eq!((reply.status, &*reply.code()), (status, code), "{path}");
    }
    assert_eq!(
        serving.get("/v2/_catalog").json()["repositories"],
        json!(["team/app", "team/many"])
    );
    let page = serving.get("/v2/_catalog?n=1");
    assert_eq!(page.header("link"), Some("</v2/_catalog?n=1&last=team/app>; rel=\"next\""));
}

#[test]
fn listing_referrers() {
    let site = Site::new();
    let serving = site.serve();
    let asked = |repository: &str, of: &Value, filter: &str| {
        serving.get(&format!("/v2/{repository}/referrers/{}{filter}", digest(of)))
    };
    let digests = |document: &Value| {
        let manifests = document["manifests"].as_array().unwrap();
        let mut digests: Vec<_> = manifests.iter().map(digest).collect();
        digests.sort();
        digests
    };
    let expected = |all: &[&Value]| {
        let mut digests: Vec<_> = all.iter().map(|one| digest(one)).collect();
        digests.sort();
        digests
    };
    let [sbom, signature, of_index] = &site.about;
    let all = asked("team/app", &site.image, "");
    assert_eq!((all.status, all.header("content-type")), (200, Some(INDEX)));
    let document = all.json();
    assert_eq!((&document["schemaVersion"], &document["mediaType"]), (&json!(2), &json!(INDEX)));
    assert_eq!(digests(&document), expected(&[sbom, signature]));
    let one =
        document["manifests"].as_array().unwrap().iter().find(|one| digest(one) == digest(sbom));
    let one = one.unwrap();
    assert_eq!(one["artifactType"], "application/sbom");
    assert_eq!(one["annotations"]["made"], "by hand");
    assert_eq!((&one["mediaType"], &one["size"]), (&sbom["mediaType"], &sbom["size"]));
    let filtered = asked("team/app", &site.image, "?artifactType=application/signature");
    assert_eq!(filtered.header("oci-filters-applied"), Some("artifactType"));
    assert_eq!(digests(&filtered.json()), expected(&[signature]));
    assert_eq!(digests(&asked("team/app", &site.image, "?artifactType=x").json()), expected(&[]));
    assert_eq!(digests(&asked("team/many", &site.index, "").json()), expected(&[of_index]));
    assert_eq!(digests(&asked("team/app", sbom, "").json()), expected(&[&site.second]));
    let nothing = serving.get(&format!("/v2/team/app/referrers/{ABSENT}"));
    assert_eq!((nothing.status, nothing.json()["manifests"].clone()), (200, json!([])));
    assert_eq!(serving.get("/v2/team/app/referrers/x").code(), "DIGEST_INVALID");
    let page = asked("team/app", &site.image, "?n=1&artifactType=application/sbom");
    assert_eq!(page.header("link"), None);
    // Each is pulled as any manifest, also by who did not list them.
    let fresh = site.serve();
    for one in [sbom, signature, of_index, &site.second] {
        let manifest = fresh.get(&format!("/v2/team/app/manifests/{}", digest(one)));
        assert_eq!(manifest.status, 200);
        let layer = digest(&manifest.json()["layers"][0]);
        assert_eq!(fresh.get(&format!("/v2/team/app/blobs/{layer}")).status, 200);
    }
}

#[test]
fn endpoints_that_write_are_refused() {
    let site = Site::new();
    let serving = site.serve();
    let (image, layer) = (digest(&site.image), site.layer_digest());
    for (method, path) in [
        ("POST", "/v2/team/app/blobs/uploads/".to_owned()),
        ("POST", format!("/v2/team/app/blobs/uploads/?mount={layer}&from=team/many")),
        ("PATCH", "/v2/team/app/blobs/uploads/1".to_owned()),
        ("PUT", format!("/v2/team/app/blobs/uploads/1?digest={layer}")),
        ("GET", "/v2/team/app/blobs/uploads/1".to_owned()),
        ("PUT", "/v2/team/app/manifests/1".to_owned()),
        ("DELETE", "/v2/team/app/manifests/1".to_owned()),
        ("DELETE", format!("/v2/team/app/manifests/{image}")),
        ("DELETE", format!("/v2/team/app/blobs/{layer}")),
        ("PUT", "/v2/team/app/tags/list".to_owned()),
        ("POST", "/v2/_catalog".to_owned()),
        ("OPTIONS", "/v2/".to_owned()),
    ] {
        let reply = serving.ask(method, &path, &[]);
        assert_eq!((reply.status, &*reply.code()), (405, "UNSUPPORTED"), "{method} {path}");
        assert_eq!(reply.header("allow"), Some("GET, HEAD"));
    }
    assert_eq!(serving.get("/v2/team/app/manifests/1").status, 200);
    for path in
        ["/", "/v1/", "/v2/team/app", "/v2/team/app/manifests", "/v2/team/app/tags", "/v3/x"]
    {
        let reply = serving.get(path);
        assert_eq!((reply.status, &*reply.code()), (404, "NAME_UNKNOWN"), "{path}");
    }
}
