use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::StreamExt;

use super::*;
use crate::{Cancel, DigestAlgorithm, Hasher, run_blocking, sha256};

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| u8::try_from((i * 31 + i / 251) % 256).unwrap()).collect()
}

fn stream_of(parts: Vec<Result<Bytes>>) -> ByteStream {
    futures_util::stream::iter(parts).boxed()
}

fn bodies(data: &[u8]) -> Vec<Body> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"head").unwrap();
    file.write_all(data).unwrap();
    let range = FileRange::new(Arc::new(file), std::path::PathBuf::from("f"), 4, data.len() as u64);
    let parts = |data: &[u8]| {
        data.chunks(777_777).map(|c| Ok(Bytes::copy_from_slice(c))).collect::<Vec<_>>()
    };
    let all = Bytes::copy_from_slice(data);
    let again = all.clone();
    vec![
        Body::from_bytes(all),
        Body::from_file(range),
        Body::from_stream(stream_of(parts(data))),
        Body::from_reader(std::io::Cursor::new(data.to_vec())),
        Body::from_fn(move |at| {
            let rest = again.slice(usize::try_from(at).unwrap()..);
            async move { Ok(stream_of(vec![Ok(rest)])) }
        }),
    ]
}

#[tokio::test]
async fn every_origin_through_every_door() {
    for len in [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 7_000_001] {
        let data = pattern(len);
        let stored = Stored::new(sha256(&data), len as u64);
        let expect = Expect::digest(stored.digest.clone()).with_size(len as u64);
        for door in 0..3 {
            for body in bodies(&data) {
                let body = body.expecting(&expect).unwrap();
                match door {
                    0 => assert_eq!(body.bytes(1 << 30).await.unwrap(), data),
                    1 => {
                        let parts: Vec<_> = body.into_stream().collect().await;
                        let parts: Result<Vec<Bytes>> = parts.into_iter().collect();
                        assert_eq!(parts.unwrap().concat(), data);
                    }
                    _ => {
                        let file = Arc::new(tempfile::tempfile().unwrap());
                        assert_eq!(
                            body.copy_to_file(Arc::clone(&file), "t").await.unwrap(),
                            stored
                        );
                        assert_eq!(
                            FileRange::whole(
                                file.try_clone().unwrap(),
                                std::path::PathBuf::from("t")
                            )
                            .unwrap()
                            .len(),
                            len as u64
                        );
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn wrong_bytes_are_corrupt_on_every_door() {
    let data = pattern(3_000_000);
    let mut changed = data.clone();
    changed[1_234_567] ^= 1;
    let longer = [&data[..], b"x"].concat();
    let expect = Expect::digest(sha256(&data)).with_size(data.len() as u64);
    let unsized_expect = Expect::digest(sha256(&data));
    for wrong in [changed, data[..2_999_999].to_vec(), longer] {
        for expect in [&expect, &unsized_expect] {
            for body in bodies(&wrong) {
                let body = body.expecting(expect).unwrap();
                let error = body.bytes(1 << 30).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
            }
            for body in bodies(&wrong) {
                let last =
                    body.expecting(expect).unwrap().into_stream().collect::<Vec<_>>().await.pop();
                assert_eq!(last.unwrap().unwrap_err().kind(), ErrorKind::Corrupt);
            }
        }
    }
}

#[tokio::test]
async fn limits_hold_before_and_while_bytes_pass() {
    for body in bodies(&pattern(2_000_000)) {
        assert_eq!(body.bytes(1_999_999).await.unwrap_err().kind(), ErrorKind::LimitExceeded);
    }
    for body in bodies(&pattern(2_000_000)) {
        assert_eq!(body.bytes(2_000_000).await.unwrap().len(), 2_000_000);
    }
}

#[tokio::test]
async fn an_error_midway_keeps_its_kind() {
    let parts = vec![Ok(Bytes::from_static(b"a")), Err(Error::new(ErrorKind::Unavailable, "cut"))];
    let error = Body::from_stream(stream_of(parts)).bytes(9).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn progress_counts_every_byte_and_cancel_stops() {
    let seen = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&seen);
    let body = Body::from_bytes(pattern(5_000_000)).on_progress(move |n| {
        count.fetch_add(n, Ordering::Relaxed);
    });
    assert!(body.try_clone().is_some() && !body.is_one_shot());
    body.copy_to_file(Arc::new(tempfile::tempfile().unwrap()), "t").await.unwrap();
    assert_eq!(seen.load(Ordering::Relaxed), 5_000_000);

    let cancel = Cancel::new();
    cancel.cancel();
    let endless = Body::from_stream(Box::pin(futures_util::stream::pending()));
    let result = run_blocking(move |_| endless.chunks(&cancel)?.finish()).await;
    assert_eq!(result.unwrap_err().kind(), ErrorKind::Cancelled);
}

#[tokio::test]
async fn reading_through_std_gives_the_same_bytes() {
    let data = pattern(2_500_000);
    let expected = data.clone();
    let out = run_blocking(move |cancel| {
        let mut out = Vec::new();
        let mut chunks = Body::from_bytes(data).chunks(cancel)?;
        chunks.read_to_end(&mut out).map_err(|e| Error::io("reading", "x", e))?;
        assert!(chunks.stored().is_some());
        Ok(out)
    })
    .await
    .unwrap();
    assert_eq!(out, expected);
}

/// A stream that fails when it is asked again after its end, as some do.
fn asked_once(items: Vec<Result<Bytes>>) -> ByteStream {
    let mut items = items.into_iter();
    let mut ended = false;
    Box::pin(futures_util::stream::poll_fn(move |_| {
        assert!(!ended, "asked after its end");
        let next = items.next();
        ended = next.is_none();
        std::task::Poll::Ready(next)
    }))
}

type Make = Box<dyn Fn() -> Body>;

#[tokio::test(flavor = "multi_thread")]
async fn after_an_error_or_the_end_it_stays_so() {
    let text = |text: &'static str| Ok(Bytes::from_static(text.as_bytes()));
    let broken = || Err(Error::new(ErrorKind::Unavailable, "cut"));
    let short = Expect::digest(sha256(b"abc")).with_size(3);
    let cases: Vec<(&str, Make, Option<ErrorKind>)> = vec![
        ("whole", Box::new(move || Body::from_stream(asked_once(vec![text("abc")]))), None),
        (
            "cut",
            Box::new(move || Body::from_stream(asked_once(vec![text("ab"), broken()]))),
            Some(ErrorKind::Unavailable),
        ),
        (
            "too long",
            Box::new(move || Body::from_stream(asked_once(vec![text("abc"), text("d")]))),
            Some(ErrorKind::Corrupt),
        ),
        ("too long in memory", Box::new(|| Body::from_bytes("abcdef")), Some(ErrorKind::Corrupt)),
        ("too short", Box::new(|| Body::from_bytes("ab")), Some(ErrorKind::Corrupt)),
        ("other bytes", Box::new(|| Body::from_bytes("abd")), Some(ErrorKind::Corrupt)),
    ];
    for (what, make, kind) in cases {
        let body = make().expecting(&short).unwrap();
        let chunks = body.chunks(&Cancel::new()).unwrap();
        let seen = tokio::task::spawn_blocking(move || {
            let mut chunks = chunks;
            let first = loop {
                match chunks.next() {
                    Ok(Some(_)) => {}
                    Ok(None) => break None,
                    Err(e) => break Some(e.kind()),
                }
            };
            let again = (0..3).map(|_| match chunks.next() {
                Ok(more) => more.map(|_| ErrorKind::Unexpected),
                Err(e) => Some(e.kind()),
            });
            let again: Vec<_> = again.collect();
            let read = chunks.read(&mut [0; 8]).map_err(|e| Error::io("", "", e).kind());
            (first, again, read)
        });
        let (first, again, read) = seen.await.unwrap();
        assert_eq!((first, again), (kind, vec![kind; 3]), "{what}");
        assert_eq!(read, kind.map_or(Ok(0), Err), "{what}");
        let mut stream = make().expecting(&short).unwrap().into_stream();
        while let Some(item) = stream.next().await {
            assert!(item.is_ok() || kind.is_some(), "{what}");
        }
        assert!(stream.next().await.is_none(), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn digests_of_two_algorithms_are_both_checked() {
    let sha512 = |bytes: &[u8]| {
        let mut hasher = Hasher::new(&DigestAlgorithm::Sha512).unwrap();
        hasher.update(bytes);
        Expect::digest(hasher.finish())
    };
    let short = |bytes: &[u8]| Expect::digest(sha256(bytes));
    for (one, two, right) in [
        (short(b"abc"), sha512(b"abc"), true),
        (sha512(b"abc"), short(b"abc"), true),
        (short(b"abd"), sha512(b"abc"), false),
        (sha512(b"abd"), short(b"abc"), false),
        (sha512(b"abc"), short(b"abd"), false),
    ] {
        let body = Body::from_bytes("abc").expecting(&one).unwrap().expecting(&two).unwrap();
        let again = body.try_clone().unwrap();
        assert_eq!(body.bytes(9).await.map_err(|e| e.kind()).is_ok(), right, "{one:?} {two:?}");
        // A third one is held to both.
        assert!(again.try_clone().unwrap().expecting(&two).is_ok());
        assert!(again.try_clone().unwrap().expecting(&short(b"x")).is_err());
        assert!(again.expecting(&sha512(b"x")).is_err());
    }
}
