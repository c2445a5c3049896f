//! One blob, and connections that break at random bytes of it: small as a test, large as a campaign (`cargo xtask cuts`).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use transship_core::{
    Body, ByteStream, Descriptor, Digest, Error, ErrorKind, Expect, Hasher, MediaType, ReadOptions,
    Result, Transport, WriteOptions,
};
use transship_registry::{Registry, RegistryOptions};
use transship_test_registry::{Fault, Options, Partial, Registry as Server, Rule};

/// How much is cut how often, and where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Campaign {
    /// The number of cuts.
    pub(crate) points: usize,
    /// The size of the blob, in bytes.
    pub(crate) size: u64,
    /// What the cuts follow from.
    pub(crate) seed: u64,
}

/// Which direction the bytes go, and what is known of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// To us.
    Pull,
    /// To the server, of a digest that is known: in one request.
    Push,
    /// To the server, bytes that pass once and whose digest is known afterwards, as when they are compressed on the way.
    PushStream,
    /// The same in pieces of so many bytes.
    PushPieces(u64),
    /// To a server that forgets an upload that was cut: in the middle, once.
    PushToForgetful,
}

/// What it took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    /// Connections that broke.
    pub(crate) cuts: usize,
    /// Requests to the server.
    pub(crate) requests: usize,
    /// Bytes that the server sent or received once more.
    pub(crate) again: u64,
    /// How often the bytes of a push were read from their start.
    pub(crate) opened: usize,
    /// How long it took.
    pub(crate) took: Duration,
}

impl Campaign {
    /// Moves the blob one way, and fails unless it arrives whole and true.
    pub(crate) async fn run(self, direction: Direction) -> Result<Outcome> {
        let mut options = Options::default();
        if direction == Direction::PushToForgetful {
            options.partial = Partial::Dropped;
        }
        let server = Server::start(options).map_err(|e| Error::io("starting", "a registry", e))?;
        let registry = client(direction);
        let digest = self.digest();
        let began = Instant::now();
        let opened = match direction {
            Direction::Pull => self.pull(&server, &registry, &digest).await?,
            _ => self.push(&server, &registry, &digest, direction).await?,
        };
        let took = began.elapsed();
        let exchanges = server.exchanges();
        let of_blob = exchanges.iter().filter(|one| one.path.contains("/blobs/"));
        let moved: u64 = of_blob
            .map(|one| if direction == Direction::Pull { one.sent } else { one.received })
            .sum();
        Ok(Outcome {
            cuts: exchanges.iter().filter(|one| one.faulty).count(),
            requests: exchanges.len(),
            again: moved - self.size,
            opened,
            took,
        })
    }

    async fn pull(self, server: &Server, registry: &Registry, digest: &Digest) -> Result<usize> {
        let layer = Descriptor::new(MediaType::ImageLayer, digest.clone(), self.size);
        let mut all = Vec::new();
        let mut pieces = self.pieces(0);
        while let Some(piece) = pieces.next().await {
            all.extend_from_slice(&piece?);
        }
        server.put_blob("a", all);
        let manifest = format!(
            r#"{{"schemaVersion":2,"config":{{"mediaType":"application/vnd.oci.empty.v1+json","digest":"{digest}","size":{0}}},"layers":[]}}"#,
            self.size
        );
        server.put_manifest("a", Some("1"), MediaType::ImageManifest.as_ref(), manifest);
        let mut before = 0;
        for at in self.points() {
            let cut = Fault::CutResponse { after: at - before };
            server.inject(Rule::new(cut).method("GET").path("/blobs/"));
            before = at;
        }
        let at = registry.parse(&format!("//{}/a:1", server.host()))?;
        let source = registry.source(&at, &ReadOptions::default()).await?;
        // Digest and size are checked on the way.
        let mut stream = source.blob(&layer).await?.into_stream();
        let mut count = 0;
        while let Some(piece) = stream.next().await {
            count += piece?.len() as u64;
        }
        check(count == self.size && server.pending_faults() == 0)?;
        Ok(0)
    }

    async fn push(
        self,
        server: &Server,
        registry: &Registry,
        digest: &Digest,
        direction: Direction,
    ) -> Result<usize> {
        for (nth, cut) in self.of_push(direction).into_iter().enumerate() {
            let whole =
                nth == 0 && matches!(direction, Direction::Push | Direction::PushToForgetful);
            let method = if whole { "PUT" } else { "PATCH" };
            let rule = Rule::new(Fault::CutRequest { after: cut });
            server.inject(rule.method(method).path("/blobs/uploads/"));
        }
        let at = registry.parse(&format!("//{}/a:1", server.host()))?;
        let destination = registry.destination(&at, &WriteOptions::default()).await?;
        let opened = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&opened);
        let (body, expect) = match direction {
            Direction::Push | Direction::PushToForgetful => {
                let open = move |from| {
                    count.fetch_add(1, Ordering::Relaxed);
                    async move { Ok(self.pieces(from)) }
                };
                (Body::from_fn(open), Expect::digest(digest.clone()).with_size(self.size))
            }
            _ => (Body::from_stream(self.pieces(0)), Expect::anything()),
        };
        let stored = destination.put_blob(expect, body).await?;
        check(stored.digest == *digest && stored.size == self.size)?;
        let there = server.blob("a", digest.as_ref()).unwrap_or_default();
        check(transship_core::sha256(&there) == *digest)?;
        check(server.pending_faults() == 0 && server.sessions() == 0)?;
        Ok(opened.load(Ordering::Relaxed))
    }

    /// After how many bytes each request is cut.
    fn of_push(self, direction: Direction) -> Vec<u64> {
        match direction {
            Direction::PushToForgetful => vec![self.size / 2],
            // Each piece is a request of its own.
            Direction::PushPieces(size) => self.points().iter().map(|at| at % size).collect(),
            _ => {
                let points = self.points();
                let before = [0].into_iter().chain(points.iter().copied());
                before.zip(&points).map(|(before, at)| at - before).collect()
            }
        }
    }

    /// Offsets, sorted.
    fn points(self) -> Vec<u64> {
        let random = (0..self.points as u64).map(|at| word(self.seed ^ (at << 32)));
        let mut points: Vec<u64> = random.map(|word| word % self.size).collect();
        points.sort_unstable();
        points
    }

    fn digest(self) -> Digest {
        let mut hasher = Hasher::sha256();
        (0..self.size.div_ceil(PIECE)).for_each(|at| hasher.update(&self.piece(at)));
        hasher.finish()
    }

    fn piece(self, at: u64) -> Bytes {
        let left = self.size.saturating_sub(at * PIECE).min(PIECE);
        let mut piece = BytesMut::with_capacity(usize::try_from(PIECE).unwrap_or_default());
        for at in at * PIECE / 8..(at * PIECE + left).div_ceil(8) {
            piece.put_u64_le(word(at));
        }
        piece.truncate(usize::try_from(left).unwrap_or_default());
        piece.freeze()
    }

    /// The bytes from an offset on.
    fn pieces(self, from: u64) -> ByteStream {
        let whole = stream::iter(from / PIECE..self.size.div_ceil(PIECE)).map(move |at| {
            let skip = usize::try_from(from.saturating_sub(at * PIECE)).unwrap_or_default();
            let piece = self.piece(at);
            Ok(piece.slice(skip.min(piece.len())..))
        });
        Box::pin(whole)
    }
}

/// The size of one piece of the blob's bytes.
const PIECE: u64 = 256 << 10;

/// The word at a position, which no compression and no shift hides.
fn word(at: u64) -> u64 {
    let mut z = at.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn client(direction: Direction) -> Registry {
    let mut options = RegistryOptions::default();
    options.first_wait = Duration::from_millis(2);
    options.anonymous = true;
    // Cuts may lie close together, and then none of them has brought it forward.
    options.retries = 30;
    if let Direction::PushPieces(size) = direction {
        options.chunk_size = Some(size);
    }
    Registry::new(options)
}

fn check(holds: bool) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::new(ErrorKind::Corrupt, "it did not arrive as it was")) }
}
