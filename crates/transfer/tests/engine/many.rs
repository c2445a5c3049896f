//! Many sources and many images at once: mixes, names that are mapped, images that fail, numbers.

use serde_json::json;
use transship_core::*;
use transship_transfer::{EventKind, Events, Failures, Images, Rename, Source, Transfer};

use crate::images::{Image, Layer, content};
use crate::memory::Memory;
use crate::{copy, options, plan};

fn name(text: &str) -> ImageName {
    ImageName::new(text).unwrap()
}

/// What all images share.
const SHARED: u8 = 250;

fn image(seed: u8) -> Image {
    let layers = [SHARED, seed].map(|seed| Layer::new(&content(seed), LayerForm::Plain));
    Image::with(layers.to_vec())
}

/// Images `example/N:1`, one for each seed.
fn filled(scheme: &'static str, seeds: impl IntoIterator<Item = u8>) -> Memory {
    let memory = Memory::new(scheme);
    for seed in seeds {
        let manifest = image(seed).put(&memory);
        memory.show(&[&format!("docker.io/example/{seed}:1")], &manifest);
    }
    memory
}

fn names(at: &Memory) -> Vec<String> {
    let state = at.state();
    state.images.iter().flat_map(|image| &image.names).map(ToString::to_string).collect()
}

fn rules(rules: &[&str]) -> Vec<Rename> {
    rules.iter().map(|rule| rule.parse().unwrap()).collect()
}

fn all(
    change: impl FnOnce(&mut transship_transfer::TransferOptions),
) -> transship_transfer::TransferOptions {
    options(|o| {
        o.images = Images::All;
        change(o);
    })
}

fn from_many(sources: Vec<Source>, from: &[&Memory], to: &Memory) -> Transfer {
    let transports = from
        .iter()
        .fold(Transports::new(), |all, memory| all.with(std::sync::Arc::new((*memory).clone())));
    Transfer::many(sources, to.at("box")).from_transports(transports).to_transports(to.alone())
}

#[tokio::test]
async fn sources_of_all_kinds_go_together() {
    let (a, b) = (filled("a", [1, 2]), filled("b", [3, 4, 5]));
    let (c, d) = (filled("c", [6]), filled("d", [7, 8]));
    let opened = c.source(&c.at("box:@0"), &ReadOptions::default()).await.unwrap();
    let reader = d.archives().unwrap().read(&d.at("box"), &ReadOptions::default()).await.unwrap();
    let to = Memory::new("to");
    let sources = vec![
        Source::from(a.at("box")),
        Source::from(b.at("box:@1")),
        Source::from(opened).named(name("x:6")).named(name("x:six")),
        Source::from(reader),
    ];
    let report = from_many(sources, &[&a, &b], &to).options(all(|_| {})).run().await.unwrap();
    assert_eq!(
        names(&to),
        [
            "docker.io/example/1:1",
            "docker.io/example/2:1",
            "docker.io/example/4:1",
            "x:6",
            "x:six",
            "docker.io/example/7:1",
            "docker.io/example/8:1"
        ]
    );
    assert_eq!(report.images.len(), 6);
    let puts = to.puts();

    // The choice is each source's own, too.
    let sources = vec![
        Source::from(a.at("box")).images(Images::All),
        Source::from(b.at("box:@1")),
        Source::from(c.at("box")),
    ];
    let report = from_many(sources, &[&a, &b, &c], &to).run().await.unwrap();
    assert_eq!((report.images.len(), report.blobs_moved, to.puts()), (4, 0, puts));

    let sources =
        vec![Source::from(a.at("box:@1")).images(Images::All), Source::from(b.at("box:@1"))];
    let error = from_many(sources, &[&a, &b], &to).run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let sources = vec![Source::from(a.at("box")).named(name("x")).images(Images::All)];
    let error = from_many(sources, &[&a], &to).run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn names_are_mapped() {
    let (from, to) = (filled("from", [1, 2]), Memory::new("to"));
    let mapped = all(|o| o.renames = rules(&["example/1:*=local/one:*", "*/2:*=*/two:*"]));
    let planned = plan(&from, &to, mapped.clone()).await.unwrap();
    assert_eq!(planned.images[0].names, [name("local/one:1")]);
    copy(&from, &to, mapped).await.unwrap();
    assert_eq!(names(&to), ["local/one:1", "docker.io/example/two:1"]);

    // The only image of a transfer, and a name that is given.
    let (from, to) = (filled("from", [1]), Memory::new("to"));
    let rename = options(|o| o.renames = rules(&["*/*:*=q/*:*"]));
    copy(&from, &to, rename.clone()).await.unwrap();
    assert_eq!(names(&to), ["q/docker.io/example:1"]);
}

#[tokio::test]
async fn two_images_for_one_name_are_refused_before_anything_is_written() {
    let (from, to) = (filled("from", [1, 2]), Memory::new("to"));
    let merged = all(|o| o.renames = rules(&["*:1=same:1"]));
    for error in [
        plan(&from, &to, merged.clone()).await.unwrap_err(),
        copy(&from, &to, merged.clone()).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let text = error.to_string();
        assert!(text.contains("from:box:@0 and from:box:@1 would both be named same:1"), "{text}");
    }
    assert!(to.state().log.is_empty());

    // A name that is given, against one that an image has; `:latest` is not another name.
    let other = filled("other", [3]);
    from.show(&["docker.io/library/x:latest"], &image(9).put(&from));
    let given = || vec![Source::from(other.at("box")).named(name("x")), from.at("box:@2").into()];
    let error = from_many(given(), &[&from, &other], &to).run().await.unwrap_err();
    assert!(error.to_string().contains("other:box and from:box:@2"), "{error}");

    // One image twice is one image.
    let twice = vec![Source::from(from.at("box:@0")), from.at("box:@0").into()];
    let transfer =
        from_many(twice, &[&from], &to).options(options(|o| o.renames = rules(&["*=a"])));
    transfer.run().await.unwrap();
}

#[tokio::test]
async fn a_mapped_name_is_not_lost() {
    let from = filled("from", [1, 2]);
    from.show(&["No Docker Name"], &image(3).put(&from));
    let mut to = Memory::new("to");
    to.docker_names = true;
    let mapped = all(|o| o.renames = rules(&["No *=Still No *"]));
    let error = copy(&from, &to, mapped.clone()).await.unwrap_err();
    assert!(error.to_string().contains("Still No Docker Name"), "{error}");
    let transfer = Transfer::new(from.at("box:@2"), to.at("box")).from_transports(from.alone());
    let one = options(|o| o.renames = mapped.renames);
    let error = transfer.to_transports(to.alone()).options(one).run().await.unwrap_err();
    assert!(error.to_string().contains("cannot hold the name Still No"), "{error}");
}

#[tokio::test]
async fn the_others_go_on_when_one_fails() {
    for jobs in [1, 8] {
        let (from, to) = (filled("from", 1..=6), Memory::new("to"));
        let layers = from.state().blobs[&sha256(&content(SHARED))].clone();
        to.add_blob(layers);
        // One that is not there, one that is wrong, one that cannot be written.
        let of = |seed: u8| {
            let state = from.state();
            let image = &state.images[usize::from(seed) - 1];
            let Document::Image(document) = image.root.document() else { panic!() };
            document.config.digest.clone()
        };
        let (gone, wrong, unwritable) = (of(2), sha256(&content(4)), of(5));
        from.state().faults.missing.insert(gone);
        from.state().faults.wrong.insert(wrong);
        to.state().faults.unwritable.insert(unwritable);
        let keep_going = all(|o| {
            o.failures = Failures::KeepGoing;
            o.jobs = std::num::NonZeroUsize::new(jobs);
        });
        let planned = plan(&from, &to, keep_going.clone()).await.unwrap();
        assert_eq!((planned.images.len(), planned.failed.len()), (5, 1));
        let report = copy(&from, &to, keep_going).await.unwrap();
        assert_eq!(names(&to), [1, 3, 6].map(|seed| format!("docker.io/example/{seed}:1")));
        let mut failed: Vec<_> =
            report.failed.iter().map(|f| (f.source.to_string(), f.kind)).collect();
        failed.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(
            failed,
            [
                ("from:box:@1".to_owned(), ErrorKind::Corrupt),
                ("from:box:@3".to_owned(), ErrorKind::Corrupt),
                ("from:box:@4".to_owned(), ErrorKind::Unexpected),
            ]
        );
        assert!(report.failed[0].error.starts_with(&report.failed[0].source.to_string()));
        assert_eq!(to.state().log.iter().filter(|line| *line == "finish").count(), 1);
    }
}

#[tokio::test]
async fn nothing_is_finished_when_everything_fails() {
    let (from, to) = (filled("from", [1, 2]), Memory::new("to"));
    from.state().faults.missing.insert(sha256(&content(SHARED)));
    let seen = std::sync::Arc::new(std::sync::Mutex::new(0));
    let count = std::sync::Arc::clone(&seen);
    let keep_going = all(|o| {
        o.failures = Failures::KeepGoing;
        o.observer = Events::new(move |event| {
            if matches!(event.kind, EventKind::ImageFailed { .. }) {
                *count.lock().unwrap() += 1;
            }
        });
    });
    let report = copy(&from, &to, keep_going).await.unwrap();
    assert_eq!((report.images.len(), report.failed.len()), (0, 2));
    assert!(!to.state().log.iter().any(|line| line == "finish"));
    assert_eq!(*seen.lock().unwrap(), 2);
}

#[tokio::test]
async fn a_source_that_cannot_be_opened_says_where_it_was_listed() {
    let (from, to) = (filled("from", [1]), Memory::new("to"));
    let listed = || {
        vec![
            Source::from(from.at("box:docker.io/example/1:1")).context("list:1"),
            Source::from(from.at("box:gone")).context("list:2"),
        ]
    };
    let error = from_many(listed(), &[&from], &to).run().await.unwrap_err();
    assert!(error.to_string().starts_with("list:2: "), "{error}");
    let keep_going = options(|o| o.failures = Failures::KeepGoing);
    let transfer = from_many(listed(), &[&from], &to).options(keep_going.clone());
    let report = transfer.run().await.unwrap();
    assert_eq!((report.images.len(), report.failed.len()), (1, 1));
    assert!(report.failed[0].error.starts_with("list:2: "), "{report:?}");
    assert_eq!(report.failed[0].kind, ErrorKind::NotFound);

    // Of a single image there is nothing to go on with.
    let alone = vec![Source::from(from.at("box:gone"))];
    let error = from_many(alone, &[&from], &to).options(keep_going).run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn more_images_than_stay_planned() {
    let from = Memory::new("from");
    for seed in 1..=90_u8 {
        // Neighbours share all they have, every third has a name that an earlier one has.
        let large = json!({"about": "x".repeat(600_000)});
        let manifest = image(seed / 2).annotated(large).put(&from);
        from.show(&[&format!("docker.io/example/{}:1", seed % 60)], &manifest);
    }
    let to = Memory::new("to");
    let report = copy(&from, &to, all(|_| {})).await.unwrap();
    assert_eq!(report.images.len(), 90);
    let order: Vec<_> = report.images.iter().map(|image| image.source.to_string()).collect();
    let expected: Vec<_> = (0..90).map(|at| format!("from:box:@{at}")).collect();
    assert_eq!(order, expected);
    let puts: Vec<String> =
        to.state().log.iter().filter(|line| line.starts_with("put ")).cloned().collect();
    let unique: std::collections::HashSet<_> = puts.iter().collect();
    assert_eq!((puts.len(), report.blobs_moved), (unique.len(), unique.len()));
    let told = report.images.iter().filter(|image| !image.warnings.is_empty()).count();
    assert_eq!(told, 30);
    let commits = to.state().log.iter().filter(|line| line.starts_with("commit ")).count();
    assert_eq!(commits, 90);
}

#[tokio::test]
async fn a_plan_has_its_totals() {
    let (from, to) = (filled("from", [1, 2]), Memory::new("to"));
    to.add_blob(from.state().blobs[&sha256(&content(SHARED))].clone());
    let planned = plan(&from, &to, all(|_| {})).await.unwrap();
    let totals = planned.totals;
    assert_eq!((totals.images, totals.digests_kept, totals.lost), (2, 2, 0));
    assert_eq!((totals.reused.blobs, totals.changed.blobs), (1, 0));
    let blobs = planned.images.iter().map(|image| image.blobs.len()).sum::<usize>();
    assert_eq!(totals.moved.blobs + 1, blobs);
    let bytes: u64 = planned.images.iter().flat_map(|image| &image.blobs).map(|b| b.size).sum();
    assert_eq!(totals.moved.bytes + totals.reused.bytes, bytes);
    let text = planned.to_string();
    assert!(text.ends_with(&format!("{totals}\n")), "{text}");
}

#[tokio::test]
async fn what_shows_already_is_reported_when_the_rest_fails() {
    let (from, to) = (Memory::new("from"), Memory::new("to"));
    for seed in [2, 3] {
        from.show(&[&format!("docker.io/library/a:{seed}")], &image(seed).put(&from));
    }
    let last = sha256(&content(3));
    from.state().faults.missing.insert(last);
    for shows in [Shows::AtCommit, Shows::AtFinish] {
        let to = to.clone().accepting(|a| {
            a.shows = shows;
            a.order = AcceptsOrder::AsPlanned;
        });
        let options = all(|_| {});
        let published = options.published.clone();
        let error = copy(&from, &to, options).await.unwrap_err();
        let there = "to:box:docker.io/library/a:2";
        let shown: Vec<_> = published.references().iter().map(ToString::to_string).collect();
        let told = error.to_string().contains("a:2 is written already");
        if shows == Shows::AtCommit {
            assert!(shown == [there] && told, "{error}");
        } else {
            assert!(shown.is_empty() && !told, "{error}");
        }
    }
}
