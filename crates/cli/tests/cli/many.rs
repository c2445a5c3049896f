//! `copy` of many images: lists, mapped names, images that fail, plans, what is known from earlier copies.

use std::fs;

use crate::make;
use crate::session::{Session, shown};

/// Two archives more: `more.tar` has the image `more:1`, `odd.tar` two without names.
fn session() -> Session {
    let session = Session::new();
    session.ok("copy --quiet --name more:1 hello.tar:@1 docker-archive:more.tar");
    make::changed(&session.path("hello.tar"), &session.path("odd.tar"), |members| {
        make::edit(members, "manifest.json", |text| {
            let json = String::from_utf8(std::mem::take(text)).unwrap();
            let mut all: serde_json::Value = serde_json::from_str(&json).unwrap();
            for image in all.as_array_mut().unwrap() {
                image["RepoTags"] = serde_json::Value::Null;
            }
            *text = all.to_string().into_bytes();
        });
    });
    session
}

#[test]
fn archives_beside_single_images() {
    let session = session();
    insta::assert_snapshot!(session.transcript([
        "copy --all-images hello.tar more.tar:more:1 docker-archive:mixed.tar",
        "list mixed.tar",
        "copy --all-images hello.tar:@0 oci:layout",
        "copy --all-images hello.tar more.tar dir:folder",
    ]));
}

#[test]
fn names_are_mapped() {
    let session = session();
    insta::assert_snapshot!(session.transcript([
        "copy --all-images --rename docker.io/*=local:5000/* hello.tar oci:layout",
        "list oci:layout",
        "copy --rename example/*=other/* hello.tar:@1 docker-archive:one.tar",
        "list one.tar",
        "copy --all-images --rename *=same:1 hello.tar oci:other",
        "copy --all-images --rename *=Upper hello.tar oci:other",
        "copy --all-images --rename nothing hello.tar oci:other",
    ]));
    assert!(!session.path("other").exists());
}

#[test]
fn tags_are_chosen() {
    let session = session();
    for (tag, from) in [("1.9", "@0"), ("1.10", "@1"), ("2.0-rc1", "@1"), ("edge", "@0")] {
        session.ok(&format!("copy --quiet hello.tar:{from} oci:layout:team/app:{tag}"));
    }
    insta::assert_snapshot!(session.transcript([
        "list --tags 1.* --tags edge --not-tags *9 oci:layout",
        "list --semver >=1.9,<3 --newest 1 oci:layout",
        "copy --tags 1.* --newest 1 oci:layout oci-archive:new.tar",
        "list new.tar",
        "copy --semver >=2.0.0-rc1 oci:layout more.tar docker-archive:none.tar",
        "copy --tags none oci:layout docker-archive:none.tar",
        "copy --tags none oci:layout:team/app:1.9 docker-archive:named.tar",
        "copy --semver newest oci:layout docker-archive:none.tar",
        "copy --newest 0 oci:layout docker-archive:none.tar",
    ]));
    assert!(!session.path("none.tar").exists());
    let plain = session.ok("list --json new.tar");
    assert!(!plain.contains("1.9") && plain.contains("1.10"), "{plain}");
}

#[test]
fn a_list() {
    let session = session();
    session.write(
        "list",
        "# what we want\n\nhello.tar:example/hello:1\n  docker-archive:more.tar:more:1 -> other:2  \n",
    );
    session.write("wrong", "hello.tar:@0\n# fine\nhello.tar:@0 -> Not/Good:\nnope:x\n");
    session.write("gone", "hello.tar:@0\nhello.tar:gone:1\n");
    session.write("empty", "# nothing\n");
    session.write("not-utf8", [0xff]);
    insta::assert_snapshot!(session.transcript([
        "copy --from-file list docker-archive:listed.tar",
        "list listed.tar",
        "copy --from-file list hello.tar:@1 oci:three",
        "list oci:three",
        "copy --from-file wrong docker-archive:no.tar",
        "copy --from-file gone oci:no",
        "copy --from-file empty oci:no",
        "copy --from-file not-utf8 oci:no",
        "copy --from-file missing oci:no",
        "copy --from-file list",
    ]));
    session.write("later", "hello.tar:@0\nbogus:x\n");
    let mut command = session.command("copy --quiet --from-file - oci:from-stdin");
    command.stdin(fs::File::open(session.path("list")).unwrap());
    assert!(command.output().unwrap().status.success());
    let mut text = String::new();
    let line = "copy --from-file later oci:no";
    shown(&mut text, line, &session.run(line));
    assert!(text.contains("later:2: "), "{text}");
}

#[test]
fn the_others_are_copied_when_one_fails() {
    let session = session();
    make::changed(&session.path("hello.tar"), &session.path("broken.tar"), |members| {
        // Of the second image only; more.tar has the same one, whole.
        let layer = members
            .iter()
            .find_map(|member| match &member.content {
                make::Content::File(text) if member.name == "manifest.json" => {
                    let all: serde_json::Value = serde_json::from_slice(text).unwrap();
                    all[1]["Layers"].as_array()?.last()?.as_str().map(str::to_owned)
                }
                _ => None,
            })
            .unwrap();
        make::edit(members, &layer, |bytes| bytes[600] ^= 1);
    });
    insta::assert_snapshot!(session.transcript([
        "copy --keep-going more.tar hello.tar:gone:1 docker-archive:missing.tar oci:layout",
        "list oci:layout",
        "copy --keep-going hello.tar:gone:1 docker-archive:missing.tar oci:nothing",
        "copy --keep-going --dry-run more.tar hello.tar:gone:1 oci:layout",
        "copy --keep-going hello.tar:gone:1 oci:nothing",
        "copy --keep-going --json --quiet more.tar hello.tar:gone:1 docker-archive:json.tar",
        "copy more.tar hello.tar:gone:1 oci:stops",
    ]));
    assert!(!session.path("nothing").exists() && !session.path("stops").exists());
    let output =
        session.run("copy --keep-going --all-images broken.tar more.tar docker-archive:out.tar");
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let list = session.ok("list docker-archive:out.tar");
    assert!(
        list.contains("more:1") && list.contains("hello:1") && !list.contains("world"),
        "{list}"
    );
    session.ok("verify docker-archive:out.tar");
}

#[test]
fn a_plan_of_many_is_a_table() {
    let session = session();
    session.ok("copy --quiet hello.tar:@1 oci:layout");
    insta::assert_snapshot!(session.transcript([
        "copy --dry-run --all-images hello.tar more.tar oci:layout",
        "copy --dry-run --all-images --compress gzip hello.tar oci:layout",
        "copy --dry-run --all-images odd.tar oci:layout",
    ]));
    let json = session.ok("copy --dry-run --json --all-images hello.tar oci:layout");
    let plan: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(plan["totals"]["images"], 2);
    assert!(plan["totals"]["reused"]["blobs"].as_u64().unwrap() > 0, "{json}");
}

#[test]
fn a_second_copy_changes_nothing_and_compresses_nothing() {
    let session = session();
    for options in
        ["--all-images", "--all-images --compress gzip", "--all-images --compress zstd:1"]
    {
        let line = format!("copy --json {options} hello.tar oci:layout");
        session.ok(&line);
        let before = snapshot(&session);
        let report: serde_json::Value = serde_json::from_str(&session.ok(&line)).unwrap();
        assert_eq!(
            (&report["blobs_moved"], &report["bytes_read"]),
            (&0.into(), &0.into()),
            "{line}"
        );
        assert_eq!(snapshot(&session), before, "{line}");
    }
    // Without the cache the layer is compressed to see what it becomes; the result is the same.
    let line = "copy --json --no-cache --all-images --compress gzip hello.tar oci:layout";
    let report: serde_json::Value = serde_json::from_str(&session.ok(line)).unwrap();
    assert!(report["bytes_read"].as_u64().unwrap() > 0);
    // What is known of a blob that changes is known no more.
    let blobs = session.path("layout/blobs/sha256");
    for blob in fs::read_dir(&blobs).unwrap() {
        let path = blob.unwrap().path();
        let mut bytes = fs::read(&path).unwrap();
        bytes[0] ^= 1;
        fs::write(&path, bytes).unwrap();
    }
    session.ok("copy --quiet --all-images --replace --compress gzip hello.tar oci:layout");
    session.ok("verify oci:layout");
}

/// Each file of the layout, and when it was last written.
fn snapshot(session: &Session) -> Vec<(String, std::time::SystemTime)> {
    let mut all = Vec::new();
    let mut folders = vec![session.path("layout")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                let modified = entry.metadata().unwrap().modified().unwrap();
                all.push((entry.path().display().to_string(), modified));
            }
        }
    }
    all.sort();
    all
}
