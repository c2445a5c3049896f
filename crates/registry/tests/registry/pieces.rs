//! Large blobs, which come in pieces over several connections.

use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use transship_core::{Descriptor, ErrorKind, ImageSource, MediaType, Result};
use transship_registry::Registry;
use transship_test_registry::{Fault, RangeRequests, Registry as Server, RetryAfter, Rule};

use crate::common::{
    client, described, eventually, image, noise, open, plain, push, serve, source,
};

const PIECE: u64 = 8 << 20;
/// Four whole pieces and a short one.
const SIZE: u64 = 4 * PIECE + 12_345;
const PIECES: usize = 5;

static LARGE: LazyLock<Bytes> = LazyLock::new(|| noise(SIZE.try_into().unwrap()));

static OF: LazyLock<Descriptor> = LazyLock::new(|| described(MediaType::ImageLayer, &LARGE));

/// A repository with a large blob, opened.
async fn opened(server: &Server, with: &Registry) -> (Box<dyn ImageSource>, Descriptor) {
    push(&plain(), server, "a:1", &image("layer")).await.unwrap();
    server.put_blob("a", LARGE.clone());
    let from = source(with, server, "a:1").await.unwrap();
    server.forget_exchanges();
    (from, OF.clone())
}

async fn read(server: &Server, with: &Registry) -> Result<Bytes> {
    let (from, of) = opened(server, with).await;
    from.blob(&of).await?.bytes(1 << 30).await
}

/// The ranges that were asked for, in order of their beginning.
fn ranges(server: &Server) -> Vec<String> {
    let range = |one: &transship_test_registry::Exchange| one.header("range").map(str::to_owned);
    let mut all: Vec<_> = server.exchanges().iter().filter_map(range).collect();
    all.sort_by_key(|range| range[6..range.find('-').unwrap()].parse::<u64>().unwrap());
    all
}

fn sent(server: &Server) -> u64 {
    server.exchanges().iter().map(|one| one.sent).sum()
}

#[tokio::test]
async fn a_large_blob_comes_in_pieces_each_once() {
    let server = open();
    assert!(read(&server, &plain()).await.unwrap() == *LARGE);
    let expected: Vec<_> = (0..PIECES as u64)
        .map(|at| format!("bytes={}-{}", at * PIECE, SIZE.min((at + 1) * PIECE) - 1))
        .collect();
    assert_eq!(ranges(&server), expected);
    assert_eq!((sent(&server), server.exchanges().len()), (SIZE, PIECES));
}

#[tokio::test]
async fn four_pieces_are_on_their_way_at_once_and_no_more_than_are_read() {
    let server = open();
    let (from, of) = opened(&server, &plain()).await;
    let slow = Fault::Slow { bytes: 64 << 10, pause: Duration::from_millis(2) };
    server.inject(Rule::new(slow).path("/blobs/").always());
    let mut body = from.blob(&of).await.unwrap().into_stream();
    let first = tokio::spawn(async move { (body.next().await.unwrap().unwrap(), body) });
    eventually("four at once", || server.exchanges().len() == 4).await;
    assert!(server.exchanges().iter().all(|one| one.sent < PIECE), "none waits for another");
    let (_, body) = first.await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(server.exchanges().len(), 4, "the fifth is held back while nobody reads");
    drop(body);
}

#[tokio::test]
async fn one_stream_where_pieces_are_not_for() {
    let one = |server: &Server| (server.exchanges().len(), sent(server), ranges(server).len());
    let server = open();
    let single = client(|options| options.connections = 1.try_into().unwrap());
    assert!(read(&server, &single).await.unwrap() == *LARGE);
    assert_eq!(one(&server), (1, SIZE, 0), "one connection is all that is allowed");
    let server = serve(|options| options.ranges = RangeRequests::Ignored);
    assert!(read(&server, &plain()).await.unwrap() == *LARGE);
    assert_eq!(one(&server), (1, SIZE, 1), "the answer with all of it is taken");
}

/// What goes wrong with any of the pieces costs no more than what was not yet there.
#[tokio::test]
async fn each_piece_may_fail() {
    let gone = |status| Fault::Status { status, retry_after: None };
    // The first piece that it happens to, and the most that is sent beside the blob.
    let faults = [
        (Fault::CutResponse { after: 3_000_000 }, 0, 1 << 20),
        (gone(416), 0, 3 * PIECE),
        (Fault::WrongRange, 0, 4 * PIECE),
        (Fault::IgnoreRange, 0, SIZE),
        (Fault::Close, PIECES - 1, 0),
        (gone(503), PIECES - 1, 1 << 20),
        (Fault::WithoutHeader("content-range"), PIECES - 1, 4 * PIECE),
    ];
    let server = open();
    let (from, of) = opened(&server, &plain()).await;
    for (fault, first, more) in faults {
        for piece in first..PIECES {
            let what = format!("{fault:?} of piece {piece}");
            server.inject(Rule::new(fault.clone()).method("GET").skip(piece));
            let bytes = from.blob(&of).await.unwrap().bytes(1 << 30).await;
            assert!(bytes.unwrap_or_else(|error| panic!("{what}: {error}")) == *LARGE, "{what}");
            assert_eq!(server.pending_faults(), 0, "{what}");
            assert!(sent(&server) <= SIZE + more, "{what}: {} bytes", sent(&server));
            server.forget_exchanges();
        }
    }
}

/// A server that was asked often enough, or that says to come again much later, is not asked in another way at once.
#[tokio::test]
async fn no_piece_is_asked_for_again_once_it_is_given_up() {
    let server = open();
    let patient = client(|options| options.retries = 2);
    let (from, of) = opened(&server, &patient).await;
    let tomorrow = Some(RetryAfter::Seconds(86_400));
    for (status, retry_after, times) in
        [(429, None, 3), (503, None, 3), (429, tomorrow, 1), (503, tomorrow, 1)]
    {
        let fault = Fault::Status { status, retry_after };
        server.inject(Rule::new(fault).method("GET").skip(1).always());
        let error = from.blob(&of).await.unwrap().bytes(1 << 30).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(error.to_string().contains(&status.to_string()), "{error}");
        let second = format!("bytes={PIECE}-");
        let asked = ranges(&server).iter().filter(|range| range.starts_with(&second)).count();
        assert_eq!(asked, times, "{status}, {retry_after:?}: {:?}", ranges(&server));
        server.clear_faults();
        server.forget_exchanges();
    }
}

#[tokio::test]
async fn the_digest_is_that_of_the_whole() {
    let server = open();
    let (from, of) = opened(&server, &plain()).await;
    for piece in 0..PIECES {
        server.inject(Rule::new(Fault::WrongBytes).method("GET").skip(piece));
        let error = from.blob(&of).await.unwrap().bytes(1 << 30).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    }
}

#[tokio::test]
async fn a_server_that_never_gives_a_piece_is_an_error() {
    let server = open();
    let (from, of) = opened(&server, &plain()).await;
    let body = from.blob(&of).await.unwrap();
    server.inject(Rule::new(Fault::Close).path("/blobs/").always());
    assert_eq!(body.bytes(1 << 30).await.unwrap_err().kind(), ErrorKind::Unavailable);
    let absent = described(MediaType::ImageLayer, &LARGE[1..]);
    server.clear_faults();
    server.forget_exchanges();
    assert_eq!(from.blob(&absent).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(server.count("GET", absent.digest.as_ref()), 1);
}
