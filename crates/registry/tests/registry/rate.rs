//! How many bytes a second pass, over all connections.

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use crate::common::{client, image, noise, open, plain, pull, push};

const BYTES: usize = 200_000;
const RATE: u64 = 400_000;

#[tokio::test]
async fn pulls_and_pushes_are_slowed_down_together() {
    let server = open();
    let sent = [1, 2].map(|extra| image(noise(BYTES + extra)));
    let slow = client(|options| options.limit_rate = NonZeroU64::new(RATE));
    let least = Duration::from_millis(2 * BYTES as u64 * 1000 / RATE);
    let begun = Instant::now();
    let (one, two) =
        tokio::join!(push(&slow, &server, "a:1", &sent[0]), push(&slow, &server, "b:1", &sent[1]));
    one.and(two).unwrap();
    assert!(begun.elapsed() >= least, "{:?}", begun.elapsed());
    let begun = Instant::now();
    let (one, two) = tokio::join!(pull(&slow, &server, "a:1"), pull(&slow, &server, "b:1"));
    for (got, sent) in [one.unwrap(), two.unwrap()].iter().zip(&sent) {
        assert_eq!(got.blobs[0].1, sent.blobs[0].1);
    }
    assert!(begun.elapsed() >= least, "{:?}", begun.elapsed());
    let begun = Instant::now();
    pull(&plain(), &server, "a:1").await.unwrap();
    assert!(begun.elapsed() < least, "{:?}", begun.elapsed());
}

/// Waiting for one's turn is no silence of the server.
#[tokio::test]
async fn slow_is_not_silent() {
    let server = open();
    let sent = image(noise(60_000));
    let slow = client(|options| {
        options.limit_rate = NonZeroU64::new(40_000);
        options.idle_timeout = Duration::from_millis(300);
        options.retries = 0;
    });
    push(&slow, &server, "a:1", &sent).await.unwrap();
    let got = pull(&slow, &server, "a:1").await.unwrap();
    assert_eq!(got.blobs[0].1, sent.blobs[0].1);
    assert_eq!(server.count("GET", "/blobs/"), 2);
}
