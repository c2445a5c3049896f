//! Blobs: read, whole or in part, and deleted.

use hyper::header::{HeaderMap, RANGE};
use hyper::{Method, StatusCode};
use transship_serve::protocol::{Asked, asked};

use super::faults::Fault;
use super::handle::Shared;
use super::options::{Deletes, RangeRequests};
use super::reply::{Failure, Reply, unknown, unsupported};
use super::store::Blob;

pub(super) fn answer(
    shared: &Shared,
    method: &Method,
    name: &str,
    digest: &str,
    headers: &HeaderMap,
    fault: Option<&Fault>,
) -> Result<Reply, Failure> {
    let mut store = shared.store();
    match *method {
        Method::GET | Method::HEAD => {
            let blob = store.blob(name, digest).ok_or_else(|| no_blob(name, digest))?;
            Ok(read(shared, blob, headers, fault).header("docker-content-digest", digest))
        }
        Method::DELETE if shared.options.deletes == Deletes::Allowed => {
            let removed = store.unlink(name, digest);
            removed.then(|| Reply::new(StatusCode::ACCEPTED)).ok_or_else(|| no_blob(name, digest))
        }
        _ => Err(unsupported("blobs are read and deleted here")),
    }
}

fn read(shared: &Shared, blob: &Blob, headers: &HeaderMap, fault: Option<&Fault>) -> Reply {
    let ranges = shared.options.ranges == RangeRequests::Answered
        && !matches!(fault, Some(Fault::IgnoreRange));
    let range = headers.get(RANGE).and_then(|value| value.to_str().ok()).filter(|_| ranges);
    let reply = match asked(range, blob.size) {
        Asked::All => Reply::new(StatusCode::OK).pieces(blob.pieces.clone()),
        Asked::Beyond => {
            return Reply::error(
                StatusCode::RANGE_NOT_SATISFIABLE,
                "RANGE_INVALID",
                format!("the blob has {} bytes", blob.size),
            )
            .header("content-range", &format!("bytes */{}", blob.size));
        }
        Asked::Part(part) => {
            let off = u64::from(matches!(fault, Some(Fault::WrongRange)));
            let (first, last) = (part.start + off, part.end - 1 + off);
            let told = format!("bytes {first}-{last}/{}", blob.size);
            Reply::new(StatusCode::PARTIAL_CONTENT)
                .pieces(blob.part(part.start, part.end))
                .header("content-range", &told)
        }
    };
    let reply = reply.header("content-type", "application/octet-stream");
    if ranges { reply.header("accept-ranges", "bytes") } else { reply }
}

fn no_blob(name: &str, digest: &str) -> Failure {
    unknown("BLOB_UNKNOWN", format!("{name} has no blob {digest}"))
}
