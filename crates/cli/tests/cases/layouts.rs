//! Layouts as build tools write them.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use crate::case::Case;
use crate::images::{
    INDEX, Image, Layout, MANIFEST, blob, descriptor, digest, entries, hex, index, layout,
    layout_of, saved, tar_of,
};

/// `buildx --output type=docker`: docker's types, gzip layers, `manifest.json`, one entry for each tag.
#[test]
fn buildx_type_docker() {
    let (mut case, image) = (Case::new(), Image::new("a").docker());
    let folder = case.path("l");
    let mut layout = Layout::new(&folder);
    layout.parts(&image);
    for tag in ["1", "latest"] {
        layout.entry(image.entry(&json!({ "annotations": {
            "io.containerd.image.name": format!("docker.io/me/app:{tag}"),
            "org.opencontainers.image.created": "2024-01-01T00:00:00Z",
            "org.opencontainers.image.ref.name": tag,
        } })));
    }
    layout.close();
    let path = |bytes: &[u8]| format!("blobs/sha256/{}", hex(bytes));
    let mut tar = crate::images::Tar::default();
    for bytes in image.blobs().chain([&image.manifest]) {
        tar.file(&path(bytes), bytes);
    }
    tar.file("index.json", &fs::read(folder.join("index.json")).unwrap());
    let layers: Vec<_> = image.packed.iter().map(|layer| path(layer)).collect();
    let names = ["docker.io/me/app:1", "docker.io/me/app:latest"];
    let list = json!([{ "Config": path(&image.config), "RepoTags": names, "Layers": layers }]);
    tar.file("manifest.json", list.to_string().as_bytes());
    tar.file("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
    case.write("a.tar", tar.finish());

    case.ends(0, "copy docker-archive:a.tar docker-archive:b.tar");
    let copied = case.ends(0, "copy a.tar oci:m");
    let kept = case.path("m").join(path(&image.manifest)).exists();
    case.check(kept, "the manifest keeps its digest", &copied);
    let listed = case.ends(0, "list --json a.tar");
    let said: Value = serde_json::from_str(&listed.out).unwrap();
    case.check(said["images"].as_array().unwrap().len() == 1, "one image", &listed);
    let mut tags = saved(&case.path("b.tar")).2;
    tags.sort();
    assert!(tags == names || tags == ["me/app:1", "me/app:latest"], "{tags:?}");
    case.end();
}

/// An index in an index, without platforms (microsandbox#1287, nix), is the one image that it is.
#[test]
fn nested_indexes_without_platforms() {
    let mut case = Case::new();
    for depth in 1..=3 {
        let image = Image::new("a");
        let mut entry = image.entry(&json!({}));
        let mut blobs: Vec<Vec<u8>> =
            image.blobs().cloned().chain([image.manifest.clone()]).collect();
        for _ in 0..depth {
            let index = index(&[entry]);
            entry = descriptor(&index, INDEX, &json!({}));
            blobs.push(index);
        }
        let blobs: Vec<&[u8]> = blobs.iter().map(Vec::as_slice).collect();
        layout_of(&case.path(&format!("l{depth}")), entry, &blobs);
        case.write(&format!("l{depth}.tar"), tar_of(&case.path(&format!("l{depth}")), ""));
        case.ends(0, &format!("copy oci:l{depth} docker-archive:b{depth}.tar"));
        case.ends(0, &format!("copy --platform linux/amd64 oci-archive:l{depth}.tar oci:m{depth}"));
        case.ends(0, &format!("inspect --config l{depth}.tar"));
        case.ends(0, &format!("list l{depth}.tar"));
    }
    case.end();
}

/// Blobs that are symlinks, a folder of blobs that is one, hard links, the layout behind a link (rules_img#679, bazel,
/// nix): read, and no link is copied.
#[test]
fn layouts_of_links() {
    let mut case = Case::new();
    for kind in ["itself", "relative", "absolute", "folder", "hard"] {
        let folder = case.path(kind);
        layout(&folder, &Image::new("a"), "x");
        let store = case.path(&format!("store-{kind}"));
        fs::create_dir(&store).unwrap();
        let mut name = kind.to_owned();
        match kind {
            "itself" => {
                symlink(&folder, case.path("via")).unwrap();
                "via".clone_into(&mut name);
            }
            "folder" => {
                fs::rename(folder.join("blobs"), store.join("blobs")).unwrap();
                symlink(store.join("blobs"), folder.join("blobs")).unwrap();
            }
            _ => linked(kind, &folder, &store),
        }
        let copied = case.ends(0, &format!("copy oci:{name}:x oci:o-{kind}"));
        case.ends(0, &format!("copy oci:{name}:x docker-archive:{kind}.tar"));
        case.ends(0, &format!("verify oci:{name}"));
        let blobs = fs::read_dir(case.path(&format!("o-{kind}/blobs/sha256"))).unwrap();
        let links = blobs.filter(|it| it.as_ref().unwrap().file_type().unwrap().is_symlink());
        case.check(links.count() == 0, "a link was copied", &copied);
    }
    case.end();
}

fn linked(kind: &str, folder: &std::path::Path, store: &std::path::Path) {
    for entry in fs::read_dir(folder.join("blobs/sha256")).unwrap() {
        let entry = entry.unwrap();
        let (name, there) = (entry.file_name(), store.join(entry.file_name()));
        if kind == "hard" {
            fs::hard_link(entry.path(), there).unwrap();
            continue;
        }
        fs::rename(entry.path(), &there).unwrap();
        let relative = format!("../../../store-{kind}/{}", name.to_str().unwrap());
        symlink(if kind == "absolute" { there } else { relative.into() }, entry.path()).unwrap();
    }
}

/// Indexes of attestations alone, of unknown platforms (skopeo#2455), of nothing, with an entry that has no type.
#[test]
fn indexes_without_images() {
    let mut case = Case::new();
    let (image, statement) = (Image::new("a"), br#"{"predicate":1}"#);
    let (attestation, config) = attestation(statement);
    let unknown = json!({ "os": "unknown", "architecture": "unknown" });
    let amd64 = json!({ "platform": { "os": "linux", "architecture": "amd64" } });
    let about = descriptor(
        &attestation,
        MANIFEST,
        &json!({ "platform": unknown, "annotations": {
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": digest(&image.manifest),
    } }),
    );
    let mut untyped = image.entry(&amd64);
    untyped.as_object_mut().unwrap().remove("mediaType");
    let other = descriptor(&attestation, MANIFEST, &json!({ "platform": unknown }));
    // Whether it has to be copied as it is, and whether to a place of single images.
    let rows = [
        ("attestations", vec![about], true, false),
        ("unknown", vec![image.entry(&amd64), other], true, true),
        ("nothing", vec![], true, false),
        ("untyped", vec![untyped], false, false),
        ("no-platform", vec![image.entry(&json!({ "platform": unknown }))], true, false),
    ];
    for (name, entries, whole, single) in rows {
        let index = index(&entries);
        let mut blobs: Vec<&[u8]> = vec![&attestation, &config, statement, &image.manifest, &index];
        blobs.extend(image.blobs().map(Vec::as_slice));
        layout_of(&case.path(name), descriptor(&index, INDEX, &json!({})), &blobs);
        let copied = case.run(&format!("copy oci:{name} oci:o-{name}"));
        case.check(copied.good() || !whole, "as it is", &copied);
        let saved = case.run(&format!("copy oci:{name} docker-archive:{name}.tar"));
        case.check(saved.good() || !single, "as a single image", &saved);
        let listed = case.run(&format!("list oci:{name}"));
        case.check(true, "listed", &listed);
    }
    case.end();
}

/// An attestation's manifest and config, as buildkit writes them.
pub(crate) fn attestation(statement: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let config = json!({
        "architecture": "unknown", "os": "unknown",
        "rootfs": { "type": "layers", "diff_ids": [digest(statement)] },
    });
    let config = config.to_string().into_bytes();
    let layer = descriptor(statement, "application/vnd.in-toto+json", &json!({}));
    let of = descriptor(&config, crate::images::CONFIG, &json!({}));
    (crate::images::manifest(&of, &[layer]), config)
}

/// Entries with fields that are null, as some writers leave them (Go reads null as empty), hide nothing.
#[test]
fn entries_with_nulls() {
    let (mut case, image) = (Case::new(), Image::new("a"));
    let rows = [
        json!({ "annotations": null }),
        json!({ "annotations": { "a": null } }),
        json!({ "platform": null }),
        json!({ "platform": { "os": null, "architecture": null } }),
        json!({ "urls": null, "data": null, "artifactType": null }),
    ];
    for (at, more) in rows.iter().enumerate() {
        let folder = case.path(&at.to_string());
        let mut layout = Layout::new(&folder);
        layout.parts(&image);
        layout.entry(image.entry(more));
        layout.image(&Image::new("b"), "b:1");
        layout.close();
        case.ends(0, &format!("list oci:{at}"));
        case.ends(0, &format!("copy oci:{at}:@0 oci:one-{at}"));
        case.ends(0, &format!("copy --all-images oci:{at} oci:all-{at}"));
        let all = entries(&case.path(&format!("all-{at}")));
        assert_eq!(all.len(), 2, "{more}");
        assert_eq!(
            blob(&case.path(&format!("all-{at}")), &digest(&image.manifest)),
            image.manifest
        );
    }
    case.end();
}

/// Below a layout's own folder no link is followed for writing or collecting: two layouts that share blobs by one, and files
/// elsewhere, stay as they are.
#[test]
fn links_are_not_written_through() {
    let mut case = Case::new();
    layout(&case.path("a"), &Image::new("a"), "a");
    layout(&case.path("b"), &Image::new("b"), "b");
    case.write("victim.txt", "mine");
    for (name, link, to) in [
        ("l-blobs", "blobs", "../a/blobs"),
        ("l-sha256", "blobs/sha256", "../../a/blobs/sha256"),
        ("l-index", "index.json", "../victim.txt"),
        ("l-layout", "oci-layout", "../victim.txt"),
    ] {
        fs::create_dir_all(case.path(name).join("blobs")).unwrap();
        fs::write(case.path(name).join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        fs::write(case.path(name).join("index.json"), r#"{"schemaVersion":2,"manifests":[]}"#)
            .unwrap();
        let at = case.path(name).join(link);
        let _ = fs::remove_file(&at).or_else(|_| fs::remove_dir(&at));
        symlink(to, &at).unwrap();
        for line in [
            format!("copy --replace oci:b:b oci:{name}"),
            format!("copy oci:b:b oci:{name}:c"),
            format!("gc --delete --min-age 0 oci:{name}"),
            format!("delete oci:{name}:@0"),
        ] {
            let ran = case.run(&line);
            case.check(!ran.good(), "it goes through the link", &ran);
        }
        assert!(at.symlink_metadata().unwrap().is_symlink(), "{name}");
    }
    case.ends(0, "verify oci:a");
    assert_eq!(fs::read_dir(case.path("a/blobs/sha256")).unwrap().count(), 4);
    assert_eq!(fs::read_to_string(case.path("victim.txt")).unwrap(), "mine");
    case.end();
}

/// A manifest that a descriptor carries in its `data` keeps what it needs, in a collection and beside a deletion.
#[test]
fn embedded_manifests_keep_their_blobs() {
    let mut case = Case::new();
    let (one, two) = (Image::new("one"), Image::new("two"));
    let embedded = json!({
        "data": base64(&one.manifest),
        "annotations": { "org.opencontainers.image.ref.name": "one" },
    });
    // In an index that is embedded itself, too.
    let index = index(&[one.entry(&json!({ "data": base64(&one.manifest) }))]);
    let nested = json!({
        "data": base64(&index),
        "annotations": { "org.opencontainers.image.ref.name": "one" },
    });
    for (name, entry) in
        [("flat", one.entry(&embedded)), ("nested", descriptor(&index, INDEX, &nested))]
    {
        let folder = case.path(name);
        let mut layout = Layout::new(&folder);
        one.blobs().for_each(|blob| layout.blob(blob));
        layout.entry(entry);
        layout.image(&two, "two");
        layout.close();
        let tar = format!("{name}.tar");
        case.write(&tar, tar_of(&folder, ""));
        case.ends(0, &format!("verify oci:{name}"));
        case.ends(0, &format!("gc --delete --min-age 0 oci:{name}"));
        case.ends(0, &format!("verify oci:{name}"));
        case.ends(0, &format!("delete oci-archive:{tar}:two"));
        case.ends(0, &format!("verify oci-archive:{tar}"));
        case.ends(0, &format!("copy oci-archive:{tar}:one oci:{name}-copied"));
    }
    case.end();
}

fn base64(bytes: &[u8]) -> String {
    const TABLE: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for part in bytes.chunks(3) {
        let mut all = [0; 4];
        all[1..=part.len()].copy_from_slice(part);
        let bits = u32::from_be_bytes(all);
        for (at, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            let six = usize::try_from(bits >> shift & 63).unwrap();
            out.push(if at <= part.len() { char::from(TABLE[six]) } else { '=' });
        }
    }
    out
}

/// Referrers of referrers that are listed nowhere stay with what they are about; a collection finds all of them, in any
/// order.
#[test]
fn unlisted_referrers_stay() {
    let mut case = Case::new();
    let image = Image::new("a");
    let folder = case.path("l");
    let mut layout = Layout::new(&folder);
    layout.image(&image, "a");
    let mut subject = image.entry(&json!({}));
    let empty = descriptor(b"{}", "application/vnd.oci.empty.v1+json", &json!({}));
    layout.blob(b"{}");
    let mut kept = Vec::new();
    for at in 0..20 {
        let about = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "x/y", "config": empty,
            "layers": [], "subject": subject, "annotations": { "at": at.to_string() },
        });
        let about = about.to_string().into_bytes();
        layout.blob(&about);
        subject = descriptor(&about, MANIFEST, &json!({}));
        kept.push(digest(&about));
    }
    layout.blob(b"garbage that is about nothing");
    layout.close();
    case.ends(0, "gc --delete --min-age 0 oci:l");
    for digest in kept {
        blob(&folder, &digest);
    }
    assert!(!folder.join("blobs/sha256").join(hex(b"garbage that is about nothing")).exists());
    case.end();
}
