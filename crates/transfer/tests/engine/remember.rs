//! What earlier transfers found out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use transship_core::*;
use transship_transfer::{BlobFate, Compress, TransferOptions};

use crate::images::{Image, Layer, content};
use crate::memory::Memory;
use crate::{copy, options, plan};

#[derive(Clone, Debug, Default)]
struct Map(Arc<Mutex<HashMap<String, String>>>);

impl Memo for Map {
    fn recall(&self, question: &str) -> Option<String> {
        self.0.lock().unwrap().get(question).cloned()
    }

    fn note(&self, question: &str, answer: &str) {
        self.0.lock().unwrap().insert(question.to_owned(), answer.to_owned());
    }
}

fn plain() -> Memory {
    let from = Memory::new("from");
    let image = Image::with(vec![Layer::new(&content(1), LayerForm::Plain)]).put(&from);
    from.show(&["docker.io/library/a:1"], &image);
    from
}

fn compressing(map: &Map, compress: Compress) -> TransferOptions {
    options(|o| {
        o.compress = compress;
        o.cache = Cache::new(map.clone());
    })
}

#[tokio::test]
async fn nothing_is_compressed_twice() {
    for compress in [Compress::Gzip(None), Compress::Gzip(Some(6)), Compress::Zstd(None)] {
        let (from, to, map) = (plain(), Memory::new("to"), Map::default());
        let with = compressing(&map, compress);
        let first = copy(&from, &to, with.clone()).await.unwrap();
        assert_eq!(first.blobs_moved, 2);
        let planned = plan(&from, &Memory::new("fresh"), with.clone()).await.unwrap();
        assert!(planned.images[0].blobs.iter().all(|blob| blob.fate != BlobFate::Reused));

        let again = copy(&from, &to, with.clone()).await.unwrap();
        assert_eq!((again.blobs_moved, again.blobs_reused, again.bytes_read), (0, 2, 0));
        assert_eq!(again.images[0].digest, first.images[0].digest);

        // What is not there is made again, whatever is known.
        let fresh = Memory::new("fresh");
        let made = copy(&from, &fresh, with).await.unwrap();
        assert_eq!((made.blobs_moved, &made.images[0].digest), (2, &first.images[0].digest));
    }
}

#[tokio::test]
async fn a_plan_knows_what_would_be_reused() {
    let (from, to, map) = (plain(), Memory::new("to"), Map::default());
    let with = compressing(&map, Compress::Gzip(None));
    copy(&from, &to, with.clone()).await.unwrap();
    to.state().log.clear();
    let planned = plan(&from, &to, with).await.unwrap();
    assert_eq!((planned.totals.reused.blobs, planned.totals.changed.blobs), (2, 0));
}

#[tokio::test]
async fn another_level_and_another_layer_are_others() {
    let (from, to, map) = (plain(), Memory::new("to"), Map::default());
    copy(&from, &to, compressing(&map, Compress::Gzip(Some(1)))).await.unwrap();
    let other = copy(&from, &to, compressing(&map, Compress::Gzip(Some(9)))).await.unwrap();
    assert_eq!(other.blobs_moved, 1);
    assert_eq!(map.0.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn an_answer_that_helps_nobody_is_passed_over() {
    for answer in ["", "sha256:zz 7", "nonsense", "sha256:00 x"] {
        let (from, to, map) = (plain(), Memory::new("to"), Map::default());
        let with = compressing(&map, Compress::Gzip(None));
        let first = copy(&from, &to, with.clone()).await.unwrap();
        map.0.lock().unwrap().values_mut().for_each(|known| answer.clone_into(known));
        let again = copy(&from, &to, with).await.unwrap();
        assert_eq!((again.blobs_moved, &again.images[0].digest), (1, &first.images[0].digest));
    }
}

#[tokio::test]
async fn what_fails_its_check_is_not_noted() {
    let from = Memory::new("from");
    let mut image = Image::with(vec![Layer::new(&content(1), LayerForm::Gzip)]);
    image.diff_ids = Some(vec![sha256(b"another")]);
    let manifest = image.put(&from);
    from.show(&["docker.io/library/a:1"], &manifest);
    let map = Map::default();
    let with = compressing(&map, Compress::Zstd(None));
    let error = copy(&from, &Memory::new("to"), with).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(map.0.lock().unwrap().is_empty());
}
