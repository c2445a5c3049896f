//! What each operation costs at a registry, request by request. The manual's chapter `registries` has these figures.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use transship::transport::sha256;
use transship_test_registry::{Auth, Fault, Options, Registry, Rule, TokenAuth, User};

use crate::make::{file, golden, tar};
use crate::session::Session;

const LAYERS: usize = 10;

/// `plain.tar`, an image, and `oci:gzip`, the same with its layers gzipped.
fn image(session: &Session, layers: usize) {
    let layers: Vec<Vec<u8>> = (0..layers).map(layer).collect();
    let diff_ids: Vec<String> = layers.iter().map(|layer| sha256(layer).to_string()).collect();
    let config = json!({
        "architecture": "amd64",
        "os": "linux",
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    });
    let names: Vec<String> = (0..layers.len()).map(|number| format!("{number}.tar")).collect();
    let manifest =
        json!([{ "Config": "config.json", "RepoTags": ["example/ten:1"], "Layers": names }]);
    let mut members = vec![file("config.json", config.to_string())];
    members.extend(names.iter().zip(layers).map(|(name, layer)| file(name, layer)));
    members.push(file("manifest.json", manifest.to_string()));
    tar(&session.path("plain.tar"), &members);
    session.ok("copy --quiet --compress gzip docker-archive:plain.tar oci:gzip:1");
}

/// A tar with one file.
fn layer(number: usize) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let text = format!("layer {number}\n").repeat(100);
    let mut header = tar::Header::new_ustar();
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    builder.append_data(&mut header, format!("file-{number}"), text.as_bytes()).unwrap();
    builder.into_inner().unwrap()
}

/// `METHOD what` of each request since the last time, counted; and the bytes of blobs that went either way.
fn asked(registry: &Registry) -> (BTreeMap<String, usize>, u64) {
    let (mut counted, mut bytes) = (BTreeMap::new(), 0);
    for one in registry.exchanges() {
        let of =
            ["/blobs/uploads/", "/blobs/", "/manifests/", "/tags/list", "/referrers/", "/token"];
        let what = of.into_iter().find(|part| one.path.contains(part)).unwrap_or("/v2/");
        let mount = if one.query.contains("mount=") { " (mount)" } else { "" };
        *counted.entry(format!("{} {what}{mount}", one.method)).or_insert(0) += 1;
        if what.starts_with("/blobs/") {
            bytes += one.received + one.sent;
        }
    }
    registry.forget_exchanges();
    (counted, bytes)
}

/// The requests are these, and the one that finds out that a loopback registry speaks no TLS never arrives as one.
#[track_caller]
fn costs(registry: &Registry, expected: &[(&str, usize)]) -> u64 {
    let (counted, bytes) = asked(registry);
    let expected: BTreeMap<String, usize> =
        expected.iter().map(|(what, count)| ((*what).to_owned(), *count)).collect();
    assert_eq!(counted, expected);
    bytes
}

fn start(layers: usize) -> (Session, Registry, String) {
    let (session, registry) = (Session::new(), Registry::start(Options::default()).unwrap());
    image(&session, layers);
    let host = registry.host().to_owned();
    (session, registry, host)
}

#[test]
fn of_a_push_and_of_the_same_again() {
    let (session, registry, host) = start(LAYERS);
    let push = format!("copy --quiet oci:gzip:1 docker://{host}/app:1");
    session.ok(&push);
    // Ten layers and a config: is it there, a session, its bytes. Then the manifest.
    let sent = costs(
        &registry,
        &[
            ("HEAD /blobs/", 11),
            ("POST /blobs/uploads/", 11),
            ("PUT /blobs/uploads/", 11),
            ("PUT /manifests/", 1),
        ],
    );
    assert!(sent > 1000, "{sent}");
    session.ok(&push);
    assert_eq!(costs(&registry, &[("HEAD /blobs/", 11), ("PUT /manifests/", 1)]), 0);
}

#[test]
fn of_a_push_that_compresses_and_of_the_same_again() {
    let (session, registry, host) = start(LAYERS);
    let push = format!("copy --quiet docker-archive:plain.tar docker://{host}/app:1");
    session.ok(&format!("{push} --no-cache"));
    // What a layer becomes is known when it has been sent: a session, its bytes in one piece, its digest.
    costs(
        &registry,
        &[
            ("HEAD /blobs/", 1),
            ("POST /blobs/uploads/", 11),
            ("PATCH /blobs/uploads/", 10),
            ("PUT /blobs/uploads/", 11),
            ("PUT /manifests/", 1),
        ],
    );
    session.ok(&push);
    asked(&registry);
    // And known from the last time.
    session.ok(&push);
    assert_eq!(costs(&registry, &[("HEAD /blobs/", 11), ("PUT /manifests/", 1)]), 0);
}

#[test]
fn of_a_pull_and_of_the_same_again() {
    let (session, registry, host) = start(LAYERS);
    session.ok(&format!("copy --quiet oci:gzip:1 docker://{host}/app:1"));
    asked(&registry);
    let pull = format!("copy --quiet docker://{host}/app:1 oci:pulled:1");
    session.ok(&pull);
    costs(&registry, &[("GET /manifests/", 1), ("GET /blobs/", 11)]);
    session.ok(&pull);
    // What the layers are is in the config.
    costs(&registry, &[("GET /manifests/", 1), ("GET /blobs/", 1)]);
}

#[test]
fn of_an_index() {
    let (session, registry, host) = start(LAYERS);
    golden("skopeo-oci-archive-index.tar", &session.path("index.tar"));
    session.ok(&format!("copy --quiet oci-archive:index.tar docker://{host}/app:1"));
    // Three images, each with a config and a layer, and the index.
    costs(
        &registry,
        &[
            ("HEAD /blobs/", 6),
            ("POST /blobs/uploads/", 6),
            ("PUT /blobs/uploads/", 6),
            ("PUT /manifests/", 4),
        ],
    );
    session.ok(&format!("copy --quiet docker://{host}/app:1 oci:pulled:1"));
    costs(&registry, &[("GET /manifests/", 4), ("GET /blobs/", 6)]);
}

#[test]
fn of_a_copy_between_repositories_of_a_host() {
    let (session, registry, host) = start(LAYERS);
    session.ok(&format!("copy --quiet oci:gzip:1 docker://{host}/app:1"));
    asked(&registry);
    session.ok(&format!("copy --quiet docker://{host}/app:1 docker://{host}/other:1"));
    let moved = costs(
        &registry,
        &[
            // The tag on each side, which may be the same.
            ("HEAD /manifests/", 2),
            ("GET /manifests/", 1),
            // The config, which says what the layers are.
            ("GET /blobs/", 1),
            ("HEAD /blobs/", 11),
            ("POST /blobs/uploads/ (mount)", 11),
            ("PUT /manifests/", 1),
        ],
    );
    assert!(moved < 2000, "{moved} bytes of blobs, which is more than the config");
}

/// `t0`, `t1`, .. of one image in `app`.
fn tagged(session: &Session, registry: &Registry, count: usize) {
    let host = registry.host();
    session.ok(&format!("copy --quiet oci:gzip:1 docker://{host}/app:t0"));
    let (media_type, bytes) = registry.manifest("app", "t0").unwrap();
    for at in 1..count {
        registry.put_manifest("app", Some(&format!("t{at}")), &media_type, bytes.clone());
    }
    asked(registry);
}

#[test]
fn of_a_list() {
    let (session, registry, host) = start(LAYERS);
    tagged(&session, &registry, 500);
    let names = session.ok(&format!("list docker://{host}/app"));
    costs(&registry, &[("GET /tags/list", 1)]);
    assert_eq!(names.lines().count(), 500);
    assert!(names.lines().any(|name| name == format!("{host}/app:t499")), "{names}");
    let names = session.ok(&format!("list --json docker://{host}/app"));
    costs(&registry, &[("GET /tags/list", 1)]);
    let names: serde_json::Value = serde_json::from_str(&names).unwrap();
    assert_eq!(names["images"].as_array().unwrap().len(), 500);
    assert_eq!(names["images"][3]["digest"], serde_json::Value::Null);
}

/// Tags that are not chosen cost nothing.
#[test]
fn of_chosen_tags() {
    let (session, registry, host) = start(LAYERS);
    tagged(&session, &registry, 500);
    let names = session.ok(&format!("list --tags t4* --newest 2 docker://{host}/app"));
    costs(&registry, &[("GET /tags/list", 1)]);
    assert_eq!(names, format!("{host}/app:t498\n{host}/app:t499\n"));
    session.ok(&format!("copy --tags t4* --newest 2 docker://{host}/app oci:chosen"));
    // The ten layers and the config, once for both images.
    costs(&registry, &[("GET /tags/list", 1), ("GET /manifests/", 2), ("GET /blobs/", LAYERS + 1)]);
}

#[test]
fn of_a_list_with_details() {
    let (session, registry, host) = start(LAYERS);
    tagged(&session, &registry, 12);
    let table = session.ok(&format!("list --details docker://{host}/app"));
    assert_eq!(table.lines().filter(|line| line.contains("linux/amd64")).count(), 12, "{table}");
    costs(&registry, &[("GET /tags/list", 1), ("GET /manifests/", 12), ("GET /blobs/", 1)]);
}

#[test]
fn of_a_dry_run() {
    let (session, registry, host) = start(LAYERS);
    session.ok(&format!("copy --dry-run oci:gzip:1 docker://{host}/app:1"));
    costs(&registry, &[("HEAD /blobs/", 11)]);
    session.ok(&format!("copy --quiet oci:gzip:1 docker://{host}/app:1"));
    asked(&registry);
    session.ok(&format!("copy --dry-run docker://{host}/app:1 oci:dry:1"));
    // The config, which says what the layers are.
    costs(&registry, &[("GET /manifests/", 1), ("GET /blobs/", 1)]);
}

/// Platforms of the index `big/app:1`, each of which has five layers.
const PLATFORMS: usize = 8;

/// An index of many platforms, of which each has layers of its own.
fn index(registry: &Registry) {
    let mut entries = Vec::new();
    for platform in 0..PLATFORMS {
        let architecture = format!("arch{platform}");
        let layers: Vec<Vec<u8>> = (0..5).map(|number| layer(platform * 100 + number)).collect();
        let diff_ids: Vec<String> = layers.iter().map(|one| sha256(one).to_string()).collect();
        let config = json!({ "architecture": architecture, "os": "linux",
            "rootfs": { "type": "layers", "diff_ids": diff_ids } });
        let described = |media_type: &str, bytes: &[u8]| {
            json!({ "mediaType": media_type,
            "digest": sha256(bytes).to_string(), "size": bytes.len() })
        };
        let config = config.to_string();
        let of_layers: Vec<_> = layers
            .iter()
            .map(|one| described("application/vnd.oci.image.layer.v1.tar", one))
            .collect();
        let manifest_type = "application/vnd.oci.image.manifest.v1+json";
        let manifest = json!({ "schemaVersion": 2, "mediaType": manifest_type,
            "config": described("application/vnd.oci.image.config.v1+json", config.as_bytes()),
            "layers": of_layers })
        .to_string();
        for blob in layers.into_iter().chain([config.into_bytes()]) {
            registry.put_blob("big/app", blob);
        }
        let mut entry = described(manifest_type, manifest.as_bytes());
        entry["platform"] = json!({ "architecture": architecture, "os": "linux" });
        entries.push(entry);
        registry.put_manifest("big/app", None, manifest_type, manifest);
    }
    let index_type = "application/vnd.oci.image.index.v1+json";
    let index = json!({ "schemaVersion": 2, "mediaType": index_type, "manifests": entries });
    registry.put_manifest("big/app", Some("1"), index_type, index.to_string());
    asked(registry);
}

#[test]
fn of_one_platform_of_an_index() {
    let (session, registry, host) = start(LAYERS);
    index(&registry);
    session.ok(&format!("copy --quiet --platform linux/arch3 docker://{host}/big/app:1 oci:one:1"));
    // The index, the manifest that was chosen, its config and its five layers.
    costs(&registry, &[("GET /manifests/", 2), ("GET /blobs/", 6)]);
}

#[test]
fn of_a_whole_index() {
    let (session, registry, host) = start(LAYERS);
    index(&registry);
    session.ok(&format!("copy --quiet docker://{host}/big/app:1 oci:all:1"));
    costs(&registry, &[("GET /manifests/", 9), ("GET /blobs/", 48)]);
}

#[test]
fn of_verify_digests_and_since() {
    let (session, registry, host) = start(LAYERS);
    session.ok(&format!("copy --quiet oci:gzip:1 docker://{host}/app:1"));
    asked(&registry);
    session.ok(&format!("verify docker://{host}/app:1"));
    costs(&registry, &[("GET /manifests/", 1), ("GET /blobs/", 11), ("GET /referrers/", 1)]);
    session.ok(&format!("inspect docker://{host}/app:1"));
    costs(&registry, &[("GET /manifests/", 1), ("GET /blobs/", 1)]);
    // No layer is opened; whether it is there is asked.
    session.ok(&format!("digests docker://{host}/app:1"));
    costs(&registry, &[("GET /manifests/", 1), ("HEAD /blobs/", 11)]);
    session.ok(&format!(
        "copy --quiet --since docker://{host}/app:1 oci:gzip:1 oci-archive:delta.tar:1"
    ));
    costs(&registry, &[("GET /manifests/", 1), ("HEAD /blobs/", 11)]);
}

/// A layer that changes form is fetched once, and not for its first bytes before.
#[test]
fn of_a_pull_that_changes_layers() {
    let (session, registry, host) = start(LAYERS);
    session.ok(&format!("copy --quiet oci:gzip:1 docker://{host}/app:1"));
    asked(&registry);
    for to in ["docker-archive:pulled.tar", "--compress zstd oci:zstd:1"] {
        session.ok(&format!("copy --quiet --no-cache docker://{host}/app:1 {to}"));
        costs(&registry, &[("GET /manifests/", 1), ("GET /blobs/", 11)]);
    }
}

/// What did not change is asked for by HEAD on both sides, which no registry counts as a pull.
#[test]
fn of_a_mirror_of_the_same_again() {
    let (session, registry, host) = start(LAYERS);
    tagged(&session, &registry, 7);
    let mirror = Registry::start(Options::default()).unwrap();
    let line = format!("copy --quiet --all-images docker://{host}/app docker://{}/", mirror.host());
    session.ok(&line);
    asked(&registry);
    asked(&mirror);
    session.ok(&line);
    costs(&registry, &[("GET /tags/list", 1), ("HEAD /manifests/", 7)]);
    costs(&mirror, &[("HEAD /manifests/", 7)]);
    // What changed goes, and nothing else.
    session.ok(&format!("copy --quiet docker-archive:hello.tar:@0 docker://{host}/app:t3"));
    asked(&registry);
    session.ok(&line);
    assert_eq!(mirror.tags("app"), registry.tags("app"));
    let (of_source, _) = asked(&registry);
    assert_eq!(of_source.get("GET /manifests/"), Some(&1), "{of_source:?}");
}

/// Single references and lists of them are compared as whole repositories are.
#[test]
fn of_the_same_references_again() {
    let (session, registry, host) = start(LAYERS);
    tagged(&session, &registry, 3);
    let mirror = Registry::start(Options::default()).unwrap();
    let list: Vec<_> = (0..3).map(|at| format!("docker://{host}/app:t{at}")).collect();
    session.write("list", list.join("\n"));
    let one = format!("copy --quiet docker://{host}/app:t0 docker://{}/app:t0", mirror.host());
    let lines = format!("copy --quiet --from-file list docker://{}/", mirror.host());
    for (line, tags) in [(one, 1), (lines, 3)] {
        session.ok(&line);
        asked(&registry);
        asked(&mirror);
        session.ok(&line);
        costs(&registry, &[("HEAD /manifests/", tags)]);
        costs(&mirror, &[("HEAD /manifests/", tags)]);
        // What would become another image is read.
        session.ok(&format!("{line} --platform linux/amd64"));
        assert!(asked(&registry).0.contains_key("GET /manifests/"), "{line}");
    }
    // A tag that moved is copied.
    session.ok(&format!("copy --quiet docker-archive:hello.tar:@0 docker://{host}/app:t1"));
    asked(&registry);
    session.ok(&format!("copy --quiet docker://{host}/app:t1 docker://{}/app:t1", mirror.host()));
    assert_eq!(registry.manifest("app", "t1"), mirror.manifest("app", "t1"));
    let (of_source, _) = asked(&registry);
    assert_eq!(of_source.get("GET /manifests/"), Some(&1), "{of_source:?}");
}

/// One token for a repository and what is done there.
#[test]
fn of_tokens() {
    let session = Session::new();
    let mut options = Options::default();
    options.auth = Auth::Token(TokenAuth::new([User::new("me", "secret")]));
    let registry = Registry::start(options).unwrap();
    let host = registry.host().to_owned();
    image(&session, LAYERS);
    let tokens = |line: &str| {
        session.ok(&format!("copy --quiet --creds me:secret {line}"));
        asked(&registry).0.get("GET /token").copied().unwrap_or_default()
    };
    for tag in 1..3 {
        assert_eq!(tokens(&format!("oci:gzip:1 docker://{host}/app:{tag}")), 1);
    }
    assert_eq!(tokens(&format!("docker://{host}/app:1 oci:pulled:1")), 1);
    // To read one, to write the other, and to mount from the first.
    assert_eq!(tokens(&format!("docker://{host}/app:1 docker://{host}/other:1")), 3);
    let all = format!("--all-images docker://{host}/app docker://{host}/mirror/");
    assert_eq!(tokens(&all), 3);
}

/// How often a client waits for the registry, one answer after the other.
#[track_caller]
fn rounds(registry: &Registry) -> usize {
    let rounds = registry.exchanges().iter().map(|one| one.round).max().unwrap_or(0);
    registry.forget_exchanges();
    rounds
}

/// What does not depend on each other is asked for at once, of twenty layers, too.
#[test]
fn of_waiting_for_answers() {
    let (session, registry, host) = start(20);
    let late = Fault::Late(Duration::from_millis(250));
    registry.inject(Rule::new(late).always());
    session.ok(&format!("copy --quiet oci:gzip:1 docker://{host}/app:1"));
    // Whether blobs are there, sessions, bytes; the manifest.
    assert_eq!(rounds(&registry), 4);
    session.ok(&format!("copy --quiet docker://{host}/app:1 oci:pulled:1"));
    // The manifest, the config, the layers.
    assert_eq!(rounds(&registry), 3);
    // Whether 21 blobs are there, eight at once.
    session.ok(&format!("copy --dry-run oci:gzip:1 docker://{host}/other:1"));
    assert_eq!(rounds(&registry), 3);
    session.ok(&format!("inspect docker://{host}/app:1"));
    assert_eq!(rounds(&registry), 2);
}
