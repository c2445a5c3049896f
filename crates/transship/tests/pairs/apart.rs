//! Several images into one place: each under a name that somebody gave it, or nothing is written.

use transship::transfer::{Digests, Since, digests};
use transship::{
    ErrorKind, ImageName, Images, ReadOptions, Reference, Source, Tags, Transfer, TransferOptions,
    WriteOptions,
};

use crate::registry::{Bench, Made, plain};

/// What becomes of images of an archive that goes somewhere as a whole.
struct Case {
    /// The names of each image of the archive.
    images: &'static [&'static [&'static str]],
    to: &'static str,
    /// The tags that are there afterwards, with the repository; else a part of the error.
    expected: Result<&'static [&'static str], &'static str>,
}

const CASES: &[Case] = &[
    Case { images: &[&["app:1"], &["app:2"]], to: "a/b", expected: Ok(&["a/b:1", "a/b:2"]) },
    // Tags alone.
    Case { images: &[&["n0"], &["n1"]], to: "a/b", expected: Ok(&["a/b:n0", "a/b:n1"]) },
    // The only one of its archive keeps its tag as it would beside others.
    Case { images: &[&["app:7"]], to: "a/b", expected: Ok(&["a/b:7"]) },
    Case {
        images: &[&["app:1"], &["other:2"]],
        to: "a/b",
        expected: Err("tags of one repository"),
    },
    Case {
        images: &[&["app:1"], &["other:1"]],
        to: "a/b",
        expected: Err("tags of one repository"),
    },
    Case { images: &[&["app:1", "other:2"], &["app:3"]], to: "a/b", expected: Err("of one repo") },
    Case { images: &[&["app:1"], &["1"]], to: "a/b", expected: Err("would both be") },
    Case { images: &[&["app:1"], &[]], to: "a/b", expected: Err("would be named") },
    Case { images: &[&[], &["app:latest"]], to: "a/b", expected: Err("would") },
    Case {
        images: &[&["x/app:1"], &["y/app:1"]],
        to: "p/",
        expected: Ok(&["p/x/app:1", "p/y/app:1"]),
    },
    Case { images: &[&["q.io/app:1"], &["r.io/app:1"]], to: "p/", expected: Err("would both be") },
    Case { images: &[&["app:1"], &[]], to: "p/", expected: Err("no name") },
    // Names that registries cannot hold are not replaced by `latest`, one image or many.
    Case { images: &[&["App+x"]], to: "a/b", expected: Err("cannot be held") },
    Case { images: &[&["App+x"]], to: "p/", expected: Err("App+x is not a name") },
    Case { images: &[&[BY_DIGEST]], to: "a/b", expected: Err("cannot be held") },
    Case { images: &[&[BY_DIGEST]], to: "p/", expected: Err("is not a name") },
    Case { images: &[&[BY_BOTH]], to: "a/b", expected: Ok(&["a/b:1"]) },
    Case { images: &[&[BY_BOTH]], to: "p/", expected: Ok(&["p/app:1"]) },
];

/// As containerd names what was pulled by digest.
const BY_DIGEST: &str =
    "app@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const BY_BOTH: &str =
    "app:1@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

#[tokio::test(flavor = "multi_thread")]
async fn each_image_keeps_a_name_of_its_own_or_nothing_is_written() {
    for case in CASES {
        let bench = Bench::new();
        let from = bench.layout("l");
        write(&bench, &from, case.images).await;
        bench.server.forget_exchanges();
        let to = bench.remote(case.to);
        let all = || {
            let mut options = TransferOptions::default();
            options.images = Images::All;
            Transfer::new(&from, &to).options(options)
        };
        let planned = bench.with(all()).plan().await.map(|_| ());
        let copied = bench.with(all()).run().await.map(|_| ());
        let what = format!("{:?} to {}", case.images, case.to);
        match case.expected {
            Ok(tags) => {
                planned.and(copied).unwrap_or_else(|error| panic!("{what}: {error}"));
                assert_eq!(bench.tags(), tags, "{what}");
            }
            Err(text) => {
                for error in [planned.unwrap_err(), copied.unwrap_err()] {
                    assert!(error.to_string().contains(text), "{what}: {error}");
                    assert!(error.advice().is_some(), "{what}: {error}");
                }
                assert_eq!(bench.writes(), [""; 0], "{what}");
            }
        }
    }
}

async fn write(bench: &Bench, at: &Reference, images: &[&[&str]]) {
    let archives = bench.transports.of(at).unwrap().archives().unwrap();
    let mut writer = archives.write(at, &WriteOptions::default()).await.unwrap();
    for (number, names) in images.iter().enumerate() {
        let made = plain("amd64", &number.to_string());
        let names: Vec<_> = names.iter().map(|name| ImageName::new(name).unwrap()).collect();
        bench.put(&*writer, &names, &made.manifest, &[&made]).await;
    }
    writer.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_sources_of_one_name_do_not_go_over_each_other() {
    for scheme in ["oci", "oci-archive", "docker"] {
        let bench = Bench::new();
        let (one, two) = (plain("amd64", "one"), plain("amd64", "two"));
        let place = |name: &str, made: &Made| (bench.layout(name), made.manifest.clone());
        for (name, made) in [("one", &one), ("two", &two)] {
            let (at, root) = place(name, made);
            bench.write(&at, &["docker.io/library/app:1"], &root, &[made]).await;
        }
        let to = match scheme {
            "docker" => bench.remote("p/"),
            _ => bench.parse(&format!("{scheme}:{}", bench.path("to").display())),
        };
        bench.server.forget_exchanges();
        let sources = ["one", "two"].map(|name| Source::from(bench.layout(name)));
        let error = bench.with(Transfer::many(sources, &to)).run().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{scheme}: {error}");
        assert!(error.to_string().contains("would both be named"), "{scheme}: {error}");
        assert_eq!(bench.writes(), [""; 0], "{scheme}");
        assert!(!bench.path("to").exists(), "{scheme}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delta_is_completed_in_a_repository_that_has_its_base() {
    let bench = Bench::new();
    // They have their layer in common.
    let (base, new) = (plain("amd64", "one"), plain("arm64", "one"));
    bench.write(&bench.remote("r"), &["r:1"], &base.manifest, &[&base]).await;
    bench.write(&bench.layout("new"), &["r:2"], &new.manifest, &[&new]).await;
    let how = ReadOptions::default();
    let there =
        digests(&bench.remote("r:1"), &Tags::default(), &bench.transports, &how).await.unwrap();
    let delta = bench.parse(&format!("oci-archive:{}", bench.path("delta").display()));
    let copy = async |from: &Reference, to: &Reference, since: Option<Since>| {
        let mut options = TransferOptions::default();
        options.digests = Digests::Preserve;
        options.since = since;
        bench.with(Transfer::new(from, to).options(options)).run().await
    };
    let report = copy(&bench.layout("new"), &delta, Some(Since::new(there))).await.unwrap();
    assert_eq!(report.blobs_left_out, 1);
    let refused = copy(&delta, &bench.remote("other:2"), None).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotFound, "{refused}");
    assert!(refused.to_string().contains("it is a delta"), "{refused}");
    copy(&delta, &bench.remote("r:2"), None).await.unwrap();
    assert_eq!(bench.tags(), ["r:1", "r:2"]);
    let (_, bytes) = bench.server.manifest("r", "2").unwrap();
    assert_eq!(bytes, *new.manifest.bytes());
}

/// A list of one line goes where it would go with a second one.
#[tokio::test(flavor = "multi_thread")]
async fn the_only_line_of_a_list_keeps_its_name() {
    for (given, expected) in [(None, "a/b:7"), (Some("app:9"), "a/b:9")] {
        let bench = Bench::new();
        let one = plain("amd64", "one");
        bench.write(&bench.remote("s"), &["s:7"], &one.manifest, &[&one]).await;
        let mut line = Source::from(bench.remote("s:7"));
        if let Some(name) = given {
            line = line.named(ImageName::new(name).unwrap());
        }
        bench.with(Transfer::many(Source::list([line]), bench.remote("a/b"))).run().await.unwrap();
        let tags: Vec<_> = bench.tags().into_iter().filter(|tag| tag.starts_with("a/")).collect();
        assert_eq!(tags, [expected]);
    }
}

/// A layout's names that are only tags, and what an archive or a registry makes of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_tag_alone_is_no_image_elsewhere() {
    for (names, shown) in [
        (&["3.18"][..], &[][..]),
        (&["latest"], &[]),
        (&["3.18", "app:1"], &["docker.io/library/app:1"]),
    ] {
        let bench = Bench::new();
        let one = plain("amd64", "one");
        bench.write(&bench.layout("l"), names, &one.manifest, &[&one]).await;
        for images in [Images::One, Images::All] {
            let to = bench.parse(&format!("docker-archive:{}", bench.path("a.tar").display()));
            let mut options = TransferOptions::default();
            options.images = images;
            options.mode = Some(transship::WriteMode::Replace);
            let transfer = Transfer::new(bench.layout("l"), &to).options(options.clone());
            let report = bench.with(transfer).run().await.unwrap();
            assert!(report.images[0].lost[0].contains(names[0]), "{report:?}");
            let archives = bench.transports.of(&to).unwrap().archives().unwrap();
            let reader = archives.read(&to, &ReadOptions::default()).await.unwrap();
            let found: Vec<_> = reader.entries()[0].names.iter().map(ImageName::as_str).collect();
            assert_eq!(found, shown, "{names:?} {images:?}");
            // Below a prefix there has to be a name.
            options.mode = None;
            let below = Transfer::new(bench.layout("l"), bench.remote("p/")).options(options);
            let below = bench.with(below).run().await;
            assert_eq!(below.is_ok(), !shown.is_empty(), "{names:?} {images:?}");
            assert!(bench.tags().iter().all(|tag| tag == "p/app:1"), "{:?}", bench.tags());
        }
    }
}
