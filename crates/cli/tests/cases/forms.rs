//! Layers and their types: those that lie, odd compression, what has to stay as it is.

use std::fs;

use serde_json::{Value, json};

use crate::case::Case;
use crate::images::{
    CONFIG, DOCKER_CONFIG, DOCKER_MANIFEST, DOCKER_TAR_GZIP, Image, MANIFEST, TAR, TAR_GZIP,
    TAR_ZSTD, blob, config, descriptor, digest, entries, gzip, layer, layout_of, manifest,
    manifest_of, saved, zstd,
};
use crate::server::Server;

/// A layout of one image with one layer of these bytes and this type.
fn of_layer(case: &Case, name: &str, plain: &[u8], bytes: &[u8], media_type: &str) {
    let config = config(&[plain], &json!({}));
    let layers = [descriptor(bytes, media_type, &json!({}))];
    let manifest = manifest(&descriptor(&config, CONFIG, &json!({})), &layers);
    let entry = descriptor(&manifest, MANIFEST, &json!({}));
    layout_of(&case.path(name), entry, &[&config, bytes, &manifest]);
}

/// Layers are what their bytes are, whatever their type says (buildah#1589, concourse#405, rules_docker#2266).
#[test]
fn types_that_lie() {
    let (mut case, plain) = (Case::new(), layer("f", &b"data".repeat(5000)));
    let docker = "application/vnd.docker.image.rootfs.diff.tar";
    let rows = [
        (gzip(&plain), TAR.to_owned()),
        (plain.clone(), TAR_GZIP.to_owned()),
        (zstd(&plain), TAR_GZIP.to_owned()),
        (zstd(&plain), format!("{docker}.zstd")),
        (plain.clone(), docker.to_owned()),
        (zstd(&plain), TAR_ZSTD.to_owned()),
        (gzip(&plain), TAR_ZSTD.to_owned()),
    ];
    for (at, (bytes, media_type)) in rows.iter().enumerate() {
        of_layer(&case, &format!("l{at}"), &plain, bytes, media_type);
        let ran = case.ends(0, &format!("copy oci:l{at} docker-archive:{at}.tar"));
        let same = saved(&case.path(&format!("{at}.tar"))).1 == [plain.clone()];
        case.check(same, &format!("row {at} is another layer"), &ran);
        case.ends(0, &format!("verify oci:l{at}"));
        for form in ["zstd", "gzip"] {
            case.ends(0, &format!("copy --compress {form} oci:l{at} oci:{form}{at}"));
            case.ends(0, &format!("verify oci:{form}{at}"));
        }
    }
    case.end();
}

/// gzip and zstd in all their forms: whole ones are read, damaged ones refused, by `copy` and `verify` alike.
#[test]
fn odd_compression() {
    let (mut case, plain) = (Case::new(), layer("f", &b"data".repeat(5000)));
    let packed = gzip(&plain);
    let body = &packed[10..];
    let head = |flags: u8, more: &[u8]| {
        [&[0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 0xff][..], more, body].concat()
    };
    let extra = [&[22, 0][..], b"SG\x12\0", &[b'0'; 18]].concat();
    let skippable = [&b"\x50\x2a\x4d\x18\x05\0\0\0"[..], b"skip!"].concat();
    let mut wrong = packed.clone();
    let at = wrong.len() - 8;
    wrong[at..at + 4].copy_from_slice(b"abcd");
    let both = |one: Vec<u8>, two: Vec<u8>| [one, two].concat();
    let (yes, no, either) = (Some(true), Some(false), None);
    let rows = [
        ("members", both(gzip(&plain[..700]), gzip(&plain[700..])), TAR_GZIP, yes),
        ("named", head(0x18, b"layer.tar\0comment\0"), TAR_GZIP, yes),
        ("extra", head(4, &extra), TAR_GZIP, yes),
        ("empty-last", both(packed.clone(), gzip(b"")), TAR_GZIP, yes),
        ("zeros-behind", both(packed.clone(), vec![0; 512]), TAR_GZIP, either),
        ("rubbish-behind", both(packed.clone(), b"rubbish".to_vec()), TAR_GZIP, either),
        ("no-trailer", packed[..packed.len() - 8].to_vec(), TAR_GZIP, no),
        ("wrong-crc", wrong, TAR_GZIP, no),
        ("cut", packed[..packed.len() / 2].to_vec(), TAR_GZIP, no),
        ("frames", both(zstd(&plain[..700]), zstd(&plain[700..])), TAR_ZSTD, yes),
        ("skippable-last", both(zstd(&plain), skippable.clone()), TAR_ZSTD, yes),
        ("skippable-first", both(skippable, zstd(&plain)), TAR_ZSTD, yes),
        ("zstd-rubbish", both(zstd(&plain), b"rubbish".to_vec()), TAR_ZSTD, either),
    ];
    for (name, bytes, media_type, wanted) in rows {
        of_layer(&case, name, &plain, &bytes, media_type);
        let copied = case.run(&format!("copy oci:{name} docker-archive:{name}.tar"));
        let verified = case.run(&format!("verify oci:{name}"));
        let archive = case.path(&format!("{name}.tar"));
        let good = copied.good() && saved(&archive).1 == [plain.clone()];
        let refused = copied.code == 4 && !archive.exists();
        case.check(good || refused, name, &copied);
        case.check(wanted.is_none_or(|wanted| wanted == good), name, &copied);
        case.check(copied.good() == verified.good(), "verify says otherwise", &verified);
    }
    case.end();
}

/// Docker's types inside an OCI manifest (skopeo#2216, bashbrew#64) are converted whole, or stay.
#[test]
fn docker_types_in_an_oci_manifest() {
    let (mut case, image) = (Case::new(), Image::new("a"));
    for (name, config, layer) in [
        ("layers", CONFIG, DOCKER_TAR_GZIP),
        ("config", DOCKER_CONFIG, TAR_GZIP),
        ("both", DOCKER_CONFIG, DOCKER_TAR_GZIP),
    ] {
        let layers: Vec<_> =
            image.packed.iter().map(|it| descriptor(it, layer, &json!({}))).collect();
        let manifest = manifest(&descriptor(&image.config, config, &json!({})), &layers);
        let entry = descriptor(&manifest, MANIFEST, &json!({}));
        let mut blobs: Vec<&[u8]> = image.blobs().map(Vec::as_slice).collect();
        blobs.push(&manifest);
        layout_of(&case.path(name), entry, &blobs);
        case.ends(0, &format!("copy oci:{name} docker-archive:{name}.tar"));
        case.ends(0, &format!("copy --format oci oci:{name} oci:{name}-oci"));
        case.ends(0, &format!("copy --compress zstd oci:{name} oci:{name}-zstd"));
        let kept = case.ends(0, &format!("copy oci:{name} oci:{name}-kept"));
        let digest = entries(&case.path(&format!("{name}-kept")))[0]["digest"].clone();
        case.check(digest == crate::images::digest(&manifest), "it changed", &kept);
        let docker = case.ends(0, &format!("copy --format docker oci:{name} dir:{name}-docker"));
        let text = fs::read_to_string(case.path(&format!("{name}-docker/manifest.json"))).unwrap();
        case.check(!text.contains("vnd.oci"), "types are mixed", &docker);
    }
    case.end();
}

/// zstd:chunked, estargz and encrypted layers (bootc#509, ostree-rs-ext#608) stay as they are; when a layer changes its
/// form, annotations about its old bytes go.
#[test]
fn layers_with_more_in_them() {
    let (mut case, plain) = (Case::new(), layer("f", &b"data".repeat(5000)));
    let chunked = [zstd(&plain), b"\x50\x2a\x4d\x18\x08\0\0\0manifest".to_vec()].concat();
    let secret = b"secret".repeat(500);
    let chunked_facts = json!({ "annotations": {
        "io.github.containers.zstd-chunked.manifest-checksum": format!("sha256:{}", "1".repeat(64)),
        "io.github.containers.zstd-chunked.manifest-position": "1:2:3:1",
        "x": "kept",
    } });
    let star = json!({ "annotations": { "containerd.io/snapshot/stargz/toc.digest": "sha256:2" } });
    let keys = json!({ "annotations": { "org.opencontainers.image.enc.keys.jwe": "e30=" } });
    let star_bytes = gzip(&plain);
    let layers = [
        descriptor(&chunked, TAR_ZSTD, &chunked_facts),
        descriptor(&star_bytes, TAR_GZIP, &star),
        descriptor(&secret, &format!("{TAR_GZIP}+encrypted"), &keys),
    ];
    let config = config(&[&plain[..], &plain, b"other"], &json!({}));
    let manifest = manifest(&descriptor(&config, CONFIG, &json!({})), &layers);
    let entry = descriptor(&manifest, MANIFEST, &json!({}));
    layout_of(&case.path("l"), entry, &[&config, &chunked, &star_bytes, &secret, &manifest]);
    case.ends(0, "copy oci:l oci:kept");
    assert_eq!(blob(&case.path("kept"), &digest(&manifest)), manifest);
    let changed = case.ends(0, "copy --compress gzip oci:l oci:gzip");
    let root = entries(&case.path("gzip"))[0]["digest"].as_str().unwrap().to_owned();
    let now: Value = serde_json::from_slice(&blob(&case.path("gzip"), &root)).unwrap();
    let facts = now["layers"][0]["annotations"].to_string();
    case.check(!facts.contains("zstd-chunked") && facts.contains("kept"), "annotations", &changed);
    case.check(now["layers"][2]["digest"] == digest(&secret), "the encrypted layer", &changed);
    let refused = case.run("copy oci:l docker-archive:d.tar");
    case.check(!refused.good() && !case.there("d.tar"), "it cannot be decrypted", &refused);
    case.end();
}

/// Windows images with layers that may not be distributed, whose bytes are absent or here (go-containerregistry#741,
/// imgpkg#8, moby#34216).
#[test]
fn windows_images() {
    let mut case = Case::new();
    let (base, top) = (layer("Files/w", &[b'w'; 5000]), layer("app", &[b'a'; 500]));
    let system = json!({
        "os": "windows", "os.version": "10.0.17763.1", "os.features": ["win32k"],
    });
    let config = config(&[&base, &top], &system);
    let (base, top) = (gzip(&base), gzip(&top));
    let foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    let urls = json!({ "urls": ["https://mcr.example/layer"] });
    let layers = [descriptor(&base, foreign, &urls), descriptor(&top, DOCKER_TAR_GZIP, &json!({}))];
    let of = descriptor(&config, DOCKER_CONFIG, &json!({}));
    let manifest = manifest_of(DOCKER_MANIFEST, &of, &layers);
    let entry = descriptor(&manifest, DOCKER_MANIFEST, &json!({}));
    for here in [false, true] {
        let server = Server::usual();
        let name = if here { "here" } else { "away" };
        let mut blobs: Vec<&[u8]> = vec![&config, &top, &manifest];
        blobs.extend(here.then_some(&base[..]));
        layout_of(&case.path(name), entry.clone(), &blobs);
        let host = server.host();
        let fails = i32::from(!here);
        let said = format!("not copied: {} at https://mcr.example/layer", digest(&base));
        for to in
            [format!("oci:{name}-o"), format!("dir:{name}-d"), format!("docker://{host}/a/b:1")]
        {
            let ran = case.ends(0, &format!("copy oci:{name} {to}"));
            case.check(ran.err.contains(&said), "what was not copied", &ran);
        }
        let ran = case.ends(0, &format!("copy --quiet oci:{name} oci:{name}-q"));
        case.check(ran.err.contains(&said), "also when it is quiet", &ran);
        case.ends(0, &format!("copy --format oci oci:{name} oci:{name}-f"));
        case.ends(0, &format!("verify oci:{name}"));
        let with = "copy --include-nondistributable";
        for to in [format!("docker-archive:{name}-with.tar"), format!("docker://{host}/c/d:1")] {
            let ran = case.run(&format!("{with} oci:{name} {to}"));
            case.check(ran.good() == (fails == 0), "with the layer", &ran);
        }
        let archive = case.run(&format!("copy oci:{name} docker-archive:{name}.tar"));
        case.check(here || !archive.good(), "an archive without its layer", &archive);
        let key = |repository: &str| (repository.to_owned(), digest(&base));
        let state = server.state();
        case.check(!state.blobs.contains_key(&key("a/b")), "it was sent", &archive);
        case.check(state.blobs.contains_key(&key("c/d")) == here, "it was asked for", &archive);
    }
    case.end();
}
