//! Archives as tools in the field write them, and as copies of them end up.

use std::fs;

use serde_json::{Value, json};
use tar::EntryType;

use crate::case::Case;
use crate::images::{Image, Tar, config, digest, hex, layer, layout, save, saved, tar_of};

/// Unpacked and packed again: `./` before each name (skopeo#999, regclient#354), folders, a global pax header
/// (distribution#3260), large pax headers (docker/cli#2525), `AppleDouble` files beside.
#[test]
fn packed_again_by_another_tar() {
    let (mut case, image) = (Case::new(), Image::new("a"));
    let mut tar = Tar::default();
    let long = "c".repeat(3000);
    tar.pax(EntryType::XGlobalHeader, &[("comment", &long)]);
    tar.folder("./");
    for layer in &image.plain {
        tar.folder(&format!("./{}/", hex(layer)));
        tar.file(&format!("./{}/._layer.tar", hex(layer)), b"\0\x05\x16\x07");
        tar.pax(
            EntryType::XHeader,
            &[("mtime", "1588632955.698403"), ("LIBARCHIVE.xattr.q", &long)],
        );
        tar.file(&format!("./{}/layer.tar", hex(layer)), layer);
    }
    tar.file(&format!("./{}.json", hex(&image.config)), &image.config);
    tar.file("./._manifest.json", b"\0\x05\x16\x07");
    let layers: Vec<_> = image.plain.iter().map(|it| format!("{}/layer.tar", hex(it))).collect();
    let config = format!("{}.json", hex(&image.config));
    let list = json!([{ "Config": config, "RepoTags": ["x:1"], "Layers": layers }]);
    tar.file("./manifest.json", list.to_string().as_bytes());
    case.write("a.tar", tar.finish());
    layout(&case.path("l"), &image, "x:1");
    case.write("o.tar", tar_of(&case.path("l"), "./"));
    case.ends(0, "copy docker-archive:a.tar oci:m");
    case.ends(0, "verify oci:m");
    case.ends(0, "copy oci-archive:o.tar oci:n");
    case.ends(0, "list a.tar");
    case.ends(0, "list o.tar");
    case.end();
}

/// No end mark, half of one, zeros, rubbish or a second archive behind the first: a file and a pipe say the same.
#[test]
fn tails() {
    let mut case = Case::new();
    Image::new("a").save(&case.path("a.tar"), &["x:1"]);
    Image::new("b").save(&case.path("b.tar"), &["y:1"]);
    let (whole, second) =
        (fs::read(case.path("a.tar")).unwrap(), fs::read(case.path("b.tar")).unwrap());
    let bare = &whole[..whole.len() - 1024];
    let with = |tail: &[u8]| [bare, tail].concat();
    let rows = [
        ("no-mark", with(b""), Some(true)),
        ("one-block", with(&[0; 512]), Some(true)),
        ("zeros", with(&vec![0; 1_000_448]), Some(true)),
        ("rubbish", with(&[&[0; 1024][..], &b"rubbish".repeat(100)].concat()), Some(true)),
        ("second", [&whole[..], &second].concat(), None),
        // Go's reader ends with an error here, others take the block for the end.
        ("junk-in-the-mark", with(&[&[0; 512][..], &[b'j'; 512]].concat()), Some(false)),
    ];
    for (name, bytes, read) in rows {
        case.write(&format!("{name}.tar"), &bytes);
        let file = case.run(&format!("copy docker-archive:{name}.tar oci:file-{name}"));
        let pipe = case.fed(&format!("copy - oci:pipe-{name}"), &bytes);
        case.check(read.is_none_or(|read| read == file.good()), name, &file);
        case.check(file.good() == pipe.good(), "the pipe says otherwise than the file", &pipe);
    }
    case.end();
}

/// Layers that repeat, as one file, as links (regclient#451, nixpkgs#214434), as two equal entries; 130 times the
/// same one.
#[test]
fn layers_named_twice() {
    let mut case = Case::new();
    let (first, second, empty) = (layer("a", b"one"), layer("b", b"two"), layer("x", b""));
    let all = [&first, &empty, &second, &empty, &first, &empty];
    let config = config(&all, &json!({}));
    for kind in ["one", "symlinks", "hardlinks", "twice"] {
        case.write(&format!("{kind}.tar"), repeating(kind, &all, &config));
        case.ends(0, &format!("copy docker-archive:{kind}.tar oci:{kind}"));
        case.ends(0, &format!("verify oci:{kind}"));
        case.ends(0, &format!("copy oci:{kind} docker-archive:back-{kind}.tar"));
        let archive = fs::read(case.path(&format!("{kind}.tar"))).unwrap();
        let pipe = case.fed(&format!("copy - oci:pipe-{kind}"), &archive);
        let same = saved(&case.path(&format!("back-{kind}.tar"))).1.iter().eq(all);
        case.check(pipe.good() && same, kind, &pipe);
    }
    let many = Image::of(vec![empty; 130], &json!({}));
    many.save(&case.path("many.tar"), &["x:1"]);
    case.ends(0, "copy docker-archive:many.tar oci:many");
    case.ends(0, "verify oci:many");
    case.end();
}

fn repeating(kind: &str, layers: &[&Vec<u8>], config: &[u8]) -> Vec<u8> {
    let mut tar = Tar::default();
    let mut names: Vec<String> = Vec::new();
    for (at, layer) in layers.iter().enumerate() {
        let first = layers.iter().position(|other| other == layer).unwrap();
        let (own, linked) = (format!("{at}/layer.tar"), format!("{first}/layer.tar"));
        let name = if matches!(kind, "one" | "twice") { linked.clone() } else { own };
        match kind {
            "symlinks" if first < at => {
                tar.entry(&name, EntryType::Symlink, &format!("../{linked}"), b"");
            }
            "hardlinks" if first < at => tar.entry(&name, EntryType::Link, &linked, b""),
            "one" if first < at => {}
            _ => tar.file(&name, layer),
        }
        names.push(name);
    }
    tar.file("c.json", config);
    let list = json!([{ "Config": "c.json", "RepoTags": ["x:1"], "Layers": names }]);
    tar.file("manifest.json", list.to_string().as_bytes());
    tar.finish()
}

/// Configs as odd tools write them stay byte for byte, and do not hide the image.
#[test]
fn configs_with_gaps() {
    let (mut case, layer) = (Case::new(), layer("f", b"hello"));
    let rows = [
        json!({ "architecture": "", "os": "" }),
        json!({ "architecture": null, "os": null, "variant": null }),
        json!({ "config": null, "history": null }),
        json!({ "created": "" }),
        json!({ "created": "0001-01-01T00:00:00Z" }),
        json!({ "created": "2024-01-01 00:00:00" }),
        json!({ "created": null }),
        json!({ "os.features": null, "os.version": "", "variant": "" }),
        json!({ "history": [{ "created_by": "x" }, {}, {}, {}, {}] }),
        json!({ "history": [{ "empty_layer": "true" }] }),
        json!({ "rootfs": { "diff_ids": [digest(&layer)] } }),
        json!({ "config": { "Labels": null, "Env": null, "ExposedPorts": { "80/tcp": {} } } }),
        json!({ "author": 5 }),
        json!({ "config": { "Env": "A=b" } }),
        json!({ "unknown": { "to": ["everybody"] } }),
    ];
    for (at, more) in rows.iter().enumerate() {
        let image = Image::of(vec![layer.clone()], more);
        image.save(&case.path(&format!("{at}.tar")), &["x:1"]);
        case.ends(0, &format!("copy docker-archive:{at}.tar oci:{at}"));
        case.ends(0, &format!("list {at}.tar"));
        case.ends(0, &format!("inspect oci:{at}"));
        let back = case.ends(0, &format!("copy oci:{at} docker-archive:back-{at}.tar"));
        let kept = back.good() && saved(&case.path(&format!("back-{at}.tar"))).0 == image.config;
        case.check(kept, &format!("the config with {more}"), &back);
    }
    case.end();
}

/// `manifest.json` with more fields, and with names of all sorts.
#[test]
fn manifest_json_of_many_tools() {
    let mut case = Case::new();
    let none = "0".repeat(64);
    let names: Vec<Value> = vec![
        json!([]),
        Value::Null,
        json!(["<none>:<none>"]),
        json!([format!("x@sha256:{none}")]),
        json!(["localhost:5000/a/b:c"]),
        json!(["x:1", "x:1"]),
        json!(["x:1", "docker.io/library/x:1"]),
        json!(["Capital/X:1"]),
        json!([""]),
        json!(["x"]),
    ];
    let rows = names.into_iter().map(|names| (json!({ "RepoTags": names }), "c.json"));
    let parent = json!({ "RepoTags": ["x:1"], "Parent": format!("sha256:{none}") });
    let sources = json!({ "RepoTags": ["x:1"], "LayerSources": { "sha256:00": { "size": 1 } } });
    let more = [(parent, "c.json"), (sources, "c.json"), (json!({}), "c.json")];
    let plain = [(json!({ "RepoTags": ["x:1"] }), "./c.json"), (json!({}), "blobs/sha256/00")];
    for (at, (fields, config)) in rows.chain(more).chain(plain).enumerate() {
        case.write(&format!("{at}.tar"), with_fields(fields, config));
        case.ends(0, &format!("copy docker-archive:{at}.tar oci:{at}"));
        case.ends(0, &format!("list --json {at}.tar"));
    }
    case.end();
}

fn with_fields(mut fields: Value, config: &str) -> Vec<u8> {
    let (image, mut tar) = (Image::new("a"), Tar::default());
    for layer in &image.plain {
        tar.file(&format!("{}.tar", hex(layer)), layer);
    }
    tar.file(config.trim_start_matches("./"), &image.config);
    let layers: Vec<_> = image.plain.iter().map(|layer| format!("{}.tar", hex(layer))).collect();
    fields["Config"] = json!(config);
    fields["Layers"] = json!(layers);
    tar.file("manifest.json", json!([fields]).to_string().as_bytes());
    tar.finish()
}

/// Layers that GNU tar stored as sparse files: the bytes that they stand for, or refused by name.
#[test]
fn sparse_entries() {
    let mut case = Case::new();
    let mut data = vec![0; 3_000_000];
    data.extend_from_slice(b"end");
    let image = Image::of(vec![layer("big", &data)], &json!({}));
    let list = json!([{ "Config": "c.json", "RepoTags": ["x:1"], "Layers": ["l.tar"] }]);
    for (at, how) in [
        "--format=gnu",
        "--format=pax --sparse-version=0.0",
        "--format=pax --sparse-version=0.1",
        "--format=pax --sparse-version=1.0",
    ]
    .iter()
    .enumerate()
    {
        fs::create_dir(case.path(&at.to_string())).unwrap();
        case.write(&format!("{at}/l.tar"), &image.plain[0]);
        case.write(&format!("{at}/c.json"), &image.config);
        case.write(&format!("{at}/manifest.json"), list.to_string());
        let made = case.shell(&format!(
            "fallocate -d {at}/l.tar; tar -C {at} -cSf {at}.tar {how} l.tar c.json manifest.json"
        ));
        case.check(made.good(), "tar", &made);
        let copied = case.run(&format!("copy docker-archive:{at}.tar oci:o{at}"));
        if copied.good() {
            case.ends(0, &format!("verify oci:o{at}"));
        }
        let refused = copied.err.to_lowercase().contains("sparse");
        case.check(copied.good() || refused, "it is neither read nor refused by name", &copied);
    }
    case.end();
}

/// An archive of several images of which one lacks a layer (moby#49473): the others are reached, the digest is named.
#[test]
fn one_image_lacks_a_layer() {
    let mut case = Case::new();
    let (bad, good) = (Image::new("bad"), Image::new("good"));
    save(&case.path("a.tar"), &[(&bad, &["bad:1"]), (&good, &["good:1"])]);
    case.ends(0, "copy --all-images docker-archive:a.tar oci:l");
    let digest = {
        let gone = crate::images::entries(&case.path("l"))
            .into_iter()
            .find(|entry| entry.to_string().contains("bad:1"))
            .unwrap();
        let manifest = crate::images::blob(&case.path("l"), gone["digest"].as_str().unwrap());
        let manifest: Value = serde_json::from_slice(&manifest).unwrap();
        manifest["layers"][1]["digest"].as_str().unwrap().to_owned()
    };
    fs::remove_file(case.path("l/blobs").join(digest.replace(':', "/"))).unwrap();
    case.write("o.tar", tar_of(&case.path("l"), ""));
    let failed = case.run("copy oci-archive:o.tar:bad:1 oci:bad");
    let named = failed.err.contains(&digest["sha256:".len()..19]);
    case.check(matches!(failed.code, 3 | 4) && named, "the digest is named", &failed);
    case.check(!case.there("bad"), "something is left", &failed);
    case.ends(0, "copy oci-archive:o.tar:good:1 oci:good");
    let rest = case.run("copy --all-images --keep-going oci-archive:o.tar oci:rest");
    let one =
        case.there("rest/index.json") && crate::images::entries(&case.path("rest")).len() == 1;
    case.check(!rest.good() && one, "the other image is copied", &rest);
    case.ends(4, "verify o.tar");
    case.end();
}
