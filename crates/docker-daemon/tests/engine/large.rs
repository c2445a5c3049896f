//! Layers that are too large to be held: they go into the tar before they are verified.

use std::io::Cursor;

use super::*;

const NAME: &str = "example.org/app:1";

/// More than what is held.
const LARGE: usize = 5 << 20;

/// An image with a large layer.
pub(crate) fn image(content: &str) -> Sample {
    Sample::new(&content.repeat(LARGE / content.len()))
}

/// Sends an image with another layer in its place, which is refused, as is all that follows.
pub(crate) async fn refused(image: &Sample, layer: Vec<u8>, to: &DockerDaemon, name: &str) {
    let at = to.parse(name).unwrap();
    let destination = to.destination(&at, &WriteOptions::default()).await.unwrap();
    let expect = Expect::digest(sha256(&image.layer)).with_size(image.layer.len() as u64);
    let body = Body::from_reader(Cursor::new(layer));
    let reason = destination.put_blob(expect, body).await.unwrap_err();
    assert_eq!(reason.kind(), ErrorKind::Corrupt, "{reason}");
    let text = image.put(&*destination).await.unwrap_err().to_string();
    assert!(text.contains("has to be sent again") && text.contains(reason.message()), "{text}");
    assert!(destination.commit(Commit::new(&image.root)).await.is_err());
}

/// What a layer may be in place of the right one: another last byte, and one byte less.
pub(crate) fn damaged(layer: &[u8]) -> [Vec<u8>; 2] {
    let (mut wrong, mut early) = (layer.to_vec(), layer.to_vec());
    *wrong.last_mut().unwrap() ^= 1;
    early.pop();
    [wrong, early]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_layer_that_is_damaged_changes_nothing() {
    let engine = StoreEngine::start();
    let to = daemon(&engine.host());
    let stands = |image: &Sample| {
        let digest = image.root.descriptor().digest.to_string();
        engine.named(NAME) == Some(digest) && engine.nameless().is_empty()
    };
    let mut old = Sample::new("old");
    old.write(&to, NAME).await.unwrap();
    for (at, content) in ["first", "second"].into_iter().enumerate() {
        let new = image(content);
        let damaged = damaged(&new.layer)[at].clone();
        refused(&new, damaged, &to, NAME).await;
        assert!(stands(&old), "{content}");
        // The next writer starts anew.
        new.write(&to, NAME).await.unwrap();
        engine.prune();
        assert!(stands(&new), "{content}");
        old = new;
    }
    assert_eq!(engine.state.lock().unwrap().loads, 3, "a damaged tar was ended");
}
