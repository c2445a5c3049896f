//! Wrong on purpose: what is said, the exit code, and that the destination stays untouched.

use std::fs;

use crate::make::{self, Content, Member};
use crate::session::Session;

const WORLD_TOP: &str =
    "8d4656133c39365abec593a92f78e9c8706b83e772533ae8d6d3f94dfae39e13/layer.tar";
const WORLD_CONFIG: &str = "dcd2909d1b2c0cfde083d6fdcef11522cba21a41944d533469575bacc350c0fd.json";

/// Copies everything of a changed archive, and shows that nothing came of it.
fn refused(change: impl FnOnce(&mut Vec<Member>)) -> String {
    let session = Session::new();
    make::changed(&session.path("hello.tar"), &session.path("bad.tar"), change);
    let text = session.transcript([
        // An archive shows all of its images or none, however fast the other image is.
        "copy --all-images docker-archive:bad.tar oci-archive:new.tar",
        "verify docker-archive:bad.tar",
    ]);
    assert_eq!(session.left(), ["bad.tar"]);
    text
}

#[test]
fn missing_or_no_tar() {
    let session = Session::new();
    session.write("text.tar", "this is no tar");
    session.write("empty.tar", "");
    let whole = fs::read(session.path("hello.tar")).unwrap();
    session.write("torn.tar", &whole[..whole.len() - 5000]);
    fs::create_dir(session.path("folder")).unwrap();
    insta::assert_snapshot!(session.transcript([
        "copy docker-archive:missing.tar oci:layout",
        "copy oci:missing oci:layout",
        "copy dir:missing oci:layout",
        "copy oci-archive:missing.tar oci:layout",
        "copy docker-archive:text.tar oci:layout",
        "copy docker-archive:empty.tar oci:layout",
        "copy --all-images docker-archive:torn.tar oci:layout",
        "copy docker-archive:folder oci:layout",
        "copy oci:folder oci:layout",
        "copy dir:folder oci:layout",
        "copy docker-archive:hello.tar:missing:1 oci:layout",
        "copy docker-archive:hello.tar:@9 oci:layout",
        "copy nonsense:hello.tar oci:layout",
    ]));
    assert_eq!(session.left(), ["empty.tar", "folder", "text.tar", "torn.tar"]);
}

#[test]
fn a_flipped_bit_in_a_layer() {
    insta::assert_snapshot!(refused(|members| make::edit(members, WORLD_TOP, |b| b[700] ^= 1)));
}

#[test]
fn a_missing_layer() {
    insta::assert_snapshot!(refused(|members| members.retain(|m| m.name != WORLD_TOP)));
}

#[test]
fn a_config_that_is_not_json() {
    insta::assert_snapshot!(refused(|members| {
        make::edit(members, WORLD_CONFIG, |bytes| bytes.truncate(100));
    }));
}

#[test]
fn two_manifests_in_one_tar() {
    insta::assert_snapshot!(refused(|members| {
        let mut second = members.iter().find(|m| m.name == "manifest.json").unwrap().clone();
        if let Content::File(bytes) = &mut second.content {
            make::replace(bytes, "world", "other");
        }
        members.push(second);
    }));
}

#[test]
fn a_layer_link_that_leads_out() {
    insta::assert_snapshot!(refused(|members| {
        let layer = members.iter_mut().find(|m| m.name == WORLD_TOP).unwrap();
        layer.content = Content::Symlink("../../etc/passwd".to_owned());
    }));
}

#[test]
fn a_hardlink_to_nothing() {
    insta::assert_snapshot!(refused(|members| {
        let layer = members.iter_mut().find(|m| m.name == WORLD_TOP).unwrap();
        layer.content = Content::Hardlink("nothing".to_owned());
    }));
}

#[test]
fn a_bad_tag_hides_no_other() {
    let session = Session::new();
    make::changed(&session.path("hello.tar"), &session.path("tags.tar"), |members| {
        make::edit(members, "manifest.json", |b| {
            make::replace(b, "example/world:1", r"Bad\u001b[2J:1");
        });
    });
    insta::assert_snapshot!(session.transcript([
        "list tags.tar",
        "copy docker-archive:tags.tar:example/hello:1 oci:layout",
        "copy docker-archive:tags.tar:@1 dir:folder",
        "verify docker-archive:tags.tar",
    ]));
}

#[test]
fn two_images_with_one_tag() {
    let session = Session::new();
    make::changed(&session.path("hello.tar"), &session.path("tags.tar"), |members| {
        make::edit(members, "manifest.json", |b| {
            make::replace(b, "example/world:1", "example/hello:1");
        });
    });
    insta::assert_snapshot!(session.transcript([
        "list tags.tar",
        "copy docker-archive:tags.tar:example/hello:1 oci:layout",
        "copy docker-archive:tags.tar:example/hello:latest oci:layout",
        "copy docker-archive:tags.tar:@1 oci:layout",
    ]));
}

#[test]
fn a_layout_of_another_version() {
    let session = Session::new();
    session.ok("copy hello.tar:@0 oci:layout");
    session.write("layout/oci-layout", r#"{"imageLayoutVersion":"9.9.9"}"#);
    session.ok("copy hello.tar:@0 dir:folder");
    session.write("folder/version", "Directory Transport Version: 9.9\n");
    insta::assert_snapshot!(session.transcript([
        "list oci:layout",
        "copy hello.tar:@1 oci:layout",
        "list dir:folder",
        "copy hello.tar:@1 dir:folder",
    ]));
}

#[test]
fn damage_in_a_layout_is_all_found() {
    let session = Session::new();
    session.ok("copy --all-images hello.tar oci:layout");
    let blobs = "layout/blobs/sha256";
    let base = "036bbdf05da9564bc847ded57ab2b78bdcc608bf2b5a18eaf8fb4b35779a7439";
    let top = "d3106f3b42746cc339ea506feecf657a4dc2d1942a1dbbeb2e48b65d4d7ce604";
    let config = "c51b83354820315b71f8d4e7002fda98e2db6bda4e8ee99f7a264d1241508d1a";
    let base = session.path(&format!("{blobs}/{base}"));
    let mut bytes = fs::read(&base).unwrap();
    bytes[100] ^= 1;
    fs::remove_file(&base).unwrap();
    fs::write(&base, bytes).unwrap();
    fs::remove_file(session.path(&format!("{blobs}/{top}"))).unwrap();
    let config = session.path(&format!("{blobs}/{config}"));
    fs::remove_file(&config).unwrap();
    fs::write(&config, "{}").unwrap();
    insta::assert_snapshot!(session.transcript(["verify oci:layout", "verify --json oci:layout"]));
}

#[test]
fn places_that_cannot_be_written() {
    let session = Session::new();
    session.write("file", "mine");
    fs::create_dir(session.path("folder")).unwrap();
    session.write("folder/mine", "mine");
    insta::assert_snapshot!(session.transcript([
        "copy hello.tar:@0 oci:file",
        "copy hello.tar:@0 dir:file",
        "copy hello.tar:@0 oci:folder",
        "copy hello.tar:@0 dir:folder",
        "copy hello.tar:@0 docker-archive:folder",
        "copy hello.tar:@0 docker-archive:file",
        "copy hello.tar:@0 oci:missing/layout",
        "copy hello.tar:@0 docker-archive:missing/x.tar",
        "copy --digestfile nowhere/digest hello.tar:@0 dir:copied",
    ]));
    assert_eq!(fs::read(session.path("file")).unwrap(), b"mine");
    assert_eq!(fs::read_dir(session.path("folder")).unwrap().count(), 1);
}

/// One rule for all transports and commands.
#[test]
fn a_file_for_a_folder_and_a_folder_for_a_file() {
    let session = Session::new();
    fs::create_dir(session.path("folder")).unwrap();
    for (place, is) in [
        ("oci:hello.tar", "hello.tar is no folder"),
        ("dir:hello.tar", "hello.tar is no folder"),
        ("docker-archive:folder", "folder is a folder"),
        ("oci-archive:folder", "folder is a folder"),
    ] {
        for line in [
            format!("list {place}"),
            format!("inspect {place}"),
            format!("verify {place}"),
            format!("copy {place} oci:new"),
            format!("copy hello.tar:@0 {place}"),
        ] {
            let output = session.run(&line);
            assert_eq!(output.status.code(), Some(1), "{line}: {output:?}");
            let said = String::from_utf8(output.stderr).unwrap();
            assert!(said.contains(&format!("transship: {place}: {is}")), "{line}: {said}");
        }
    }
    assert_eq!(session.left(), ["folder"]);
}

#[test]
fn layers_behind_links() {
    let session = Session::new();
    make::changed(&session.path("hello.tar"), &session.path("links.tar"), |members| {
        let layer = members.iter_mut().find(|m| m.name == WORLD_TOP).unwrap();
        let real = Member { name: "real.tar".to_owned(), content: layer.content.clone() };
        layer.content = Content::Symlink("../first".to_owned());
        let hard =
            Member { name: "second".to_owned(), content: Content::Hardlink("real.tar".to_owned()) };
        let soft =
            Member { name: "first".to_owned(), content: Content::Symlink("second".to_owned()) };
        members.extend([soft, real, hard]);
    });
    let before =
        session.ok("inspect docker-archive:hello.tar:@1").replace("hello.tar", "links.tar");
    assert_eq!(session.ok("inspect docker-archive:links.tar:@1"), before);
    session.ok("verify docker-archive:links.tar");
}

#[test]
fn a_cycle_of_links_and_an_absolute_one() {
    for to in ["layer.tar", "/etc/passwd"] {
        let said = refused(|members| {
            let layer = members.iter_mut().find(|m| m.name == WORLD_TOP).unwrap();
            layer.content = Content::Symlink(to.to_owned());
        });
        assert_eq!(said.matches("[4]").count(), 2, "{said}");
        assert!(!said.contains("root:x"), "{said}");
    }
}

#[test]
fn a_flipped_bit_in_a_gzip_layer_that_is_kept() {
    let session = Session::new();
    let gzip = |plain: &[u8]| {
        session.write("plain", plain);
        make::packed("gzip", &session.path("plain"), &session.path("packed"));
        fs::remove_file(session.path("plain")).unwrap();
        let packed = fs::read(session.path("packed")).unwrap();
        fs::remove_file(session.path("packed")).unwrap();
        packed
    };
    let hello = session.path("hello.tar");
    make::changed(&hello, &session.path("good.tar"), |members| {
        make::edit(members, WORLD_TOP, |bytes| *bytes = gzip(bytes));
    });
    session.ok("copy --compress keep docker-archive:good.tar:@1 oci:good");
    assert!(session.ok("inspect oci:good").contains("tar+gzip"));
    make::changed(&hello, &session.path("bad.tar"), |members| {
        make::edit(members, WORLD_TOP, |bytes| {
            *bytes = gzip(bytes);
            // The plain length, in the trailer: every byte comes out as it was.
            let at = bytes.len() - 4;
            bytes[at] ^= 1;
        });
    });
    for line in ["copy --compress keep docker-archive:bad.tar:@1 oci:bad", "verify bad.tar:@1"] {
        assert_eq!(session.run(line).status.code(), Some(4), "{line}");
    }
    assert_eq!(session.left(), ["bad.tar", "good", "good.tar"]);
}

#[test]
fn a_manifest_over_its_limit() {
    let session = Session::new();
    make::changed(&session.path("hello.tar"), &session.path("big.tar"), |members| {
        make::edit(members, "manifest.json", |bytes| bytes.extend(vec![b' '; 70 << 20]));
    });
    insta::assert_snapshot!(
        session.transcript(["list docker-archive:big.tar", "copy big.tar:@0 oci:x"])
    );
    assert_eq!(session.left(), ["big.tar"]);
}

#[test]
fn an_index_that_holds_itself() {
    let session = Session::new();
    make::golden("skopeo-oci-archive-index.tar", &session.path("index.tar"));
    session.ok("copy index.tar oci:layout");
    let digest = "ed529a69cc67101536ba9b891eb87c0223579603d32bdce8fba56dff093d3bf8";
    let blob = session.path(&format!("layout/blobs/sha256/{digest}"));
    let size = fs::metadata(&blob).unwrap().len();
    let head = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"application/vnd.oci.image.index.v1+json","digest":"sha256:{digest}","size":{size}}}]"#
    );
    let spaces = usize::try_from(size).unwrap() - head.len() - 1;
    fs::remove_file(&blob).unwrap();
    fs::write(&blob, format!("{head}{}}}", " ".repeat(spaces))).unwrap();
    for line in ["inspect oci:layout", "verify oci:layout", "copy oci:layout dir:folder"] {
        let output = session.run(line);
        assert_eq!(output.status.code(), Some(4), "{line}: {output:?}");
    }
    assert_eq!(session.left(), ["index.tar", "layout"]);
}

#[test]
fn a_target_that_is_a_link_a_pipe_or_a_device() {
    let session = Session::new();
    fs::create_dir(session.path("real")).unwrap();
    std::os::unix::fs::symlink("real/out.tar", session.path("link.tar")).unwrap();
    session.ok("copy hello.tar:@0 docker-archive:link.tar");
    assert!(session.path("link.tar").symlink_metadata().unwrap().is_symlink());
    session.ok("verify docker-archive:real/out.tar");

    let made = std::process::Command::new("mkfifo").arg(session.path("pipe")).status().unwrap();
    assert!(made.success());
    let reader = session
        .command("list docker-archive:pipe")
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    session.ok("copy hello.tar:@0 docker-archive:pipe");
    let listed = reader.wait_with_output().unwrap();
    assert!(String::from_utf8(listed.stdout).unwrap().contains("example/hello:1"));

    let full = session.run("copy hello.tar:@0 docker-archive:/dev/full");
    assert_eq!(full.status.code(), Some(1), "{full:?}");
    assert!(String::from_utf8(full.stderr).unwrap().contains("No space left"));
    session.ok("copy hello.tar:@0 docker-archive:/dev/null");
}
