//! Uploads of blobs, in every form that the specification has.

use hyper::header::{CONTENT_LENGTH, CONTENT_RANGE, HeaderMap};
use hyper::{Method, StatusCode};
use transship_core::Digest;
use transship_serve::protocol::{Query, chunk, parse_digest};

use super::auth::{Action, Caller};
use super::body::Feed;
use super::handle::Shared;
use super::options::{ChunkedUploads, Partial, SinglePost};
use super::reply::{Failure, Reply, bad, unknown, unsupported};

/// One request to `../blobs/uploads/` or to a session under it.
pub(super) struct Upload<'a> {
    pub(super) shared: &'a Shared,
    pub(super) method: &'a Method,
    pub(super) name: &'a str,
    pub(super) query: &'a Query,
    pub(super) headers: &'a HeaderMap,
    pub(super) caller: &'a Caller,
    pub(super) feed: &'a mut Feed,
}

impl Upload<'_> {
    /// `POST ../blobs/uploads/`
    pub(super) async fn begin(&mut self) -> Result<Reply, Failure> {
        if *self.method != Method::POST {
            return Err(unsupported("an upload begins with POST"));
        }
        if let Some(digest) = self.query.get("mount") {
            let digest = parse_digest(digest)?;
            if let Some(done) = self.mount(&digest) {
                return Ok(done);
            }
        }
        let id = self.shared.store().open(self.name);
        if let Some(digest) = self.query.get("digest") {
            let digest = parse_digest(digest)?;
            if self.shared.options.single_post == SinglePost::Stores {
                self.take(&id).await?;
                return self.seal(&id, &digest);
            }
        }
        self.feed.drain().await;
        self.told(StatusCode::ACCEPTED, &id)
    }

    /// Anything of a session.
    pub(super) async fn go_on(&mut self, id: &str) -> Result<Reply, Failure> {
        self.known(id)?;
        match *self.method {
            Method::GET => self.told(StatusCode::NO_CONTENT, id),
            Method::DELETE => {
                self.shared.store().close(id);
                Ok(Reply::new(StatusCode::NO_CONTENT))
            }
            Method::PATCH if self.shared.options.chunked == ChunkedUploads::Taken => {
                self.chunk(id).await?;
                self.told(StatusCode::ACCEPTED, id)
            }
            Method::PUT => self.finish(id).await,
            _ => Err(unsupported("this is not done to an upload here")),
        }
    }

    /// Links a blob of another repository that the caller may read.
    fn mount(&self, digest: &Digest) -> Option<Reply> {
        if self.shared.options.refuse_mounts {
            return None;
        }
        let text = digest.to_string();
        let mut store = self.shared.store();
        let from = self.query.get("from").map(str::to_owned);
        // `from` may be left out: the registry then looks by itself.
        let from = from.or_else(|| store.anywhere(&text).map(str::to_owned));
        let from = from.filter(|from| self.caller.may(from, Action::Pull));
        if from.is_none_or(|from| store.blob(&from, &text).is_none()) {
            return None;
        }
        store.link(self.name, &text);
        Some(self.created(&text))
    }

    /// A session of this repository, whose `Location` came back as it was given.
    fn known(&self, id: &str) -> Result<(), Failure> {
        let mut store = self.shared.store();
        let session = store.session(id).filter(|session| session.repository == self.name);
        let session = session.ok_or_else(|| no_session(id))?;
        if self.query.get("_state") != Some(&session.state) {
            return Err(bad("BLOB_UPLOAD_INVALID", "the query of Location did not come back"));
        }
        Ok(())
    }

    async fn chunk(&mut self, id: &str) -> Result<(), Failure> {
        self.must_follow(id)?;
        self.must_be_small()?;
        let before = self.size(id)?;
        self.take(id).await?;
        let chunk = self.size(id)? - before;
        self.as_announced(chunk)?;
        if self.shared.options.min_chunk.is_some_and(|least| chunk < least)
            && let Some(session) = self.shared.store().session(id)
        {
            session.ended = true;
        }
        Ok(())
    }

    async fn finish(&mut self, id: &str) -> Result<Reply, Failure> {
        let digest = self.query.get("digest");
        let digest = digest.ok_or_else(|| bad("DIGEST_INVALID", "PUT needs ?digest="))?;
        let digest = parse_digest(digest)?;
        if self.headers.contains_key(CONTENT_RANGE) {
            self.must_follow(id)?;
        }
        let before = self.size(id)?;
        self.take(id).await?;
        self.as_announced(self.size(id)? - before)?;
        self.seal(id, &digest)
    }

    /// 416 for a chunk that does not begin where the last one ended.
    fn must_follow(&self, id: &str) -> Result<(), Failure> {
        let size = self.size(id)?;
        let ended = self.shared.store().session(id).is_some_and(|session| session.ended);
        if ended {
            let why = "the last chunk was smaller than OCI-Chunk-Min-Length, so it was the last";
            return Err(bad("SIZE_INVALID", why));
        }
        let Some(range) = self.content_range()? else { return Ok(()) };
        if range.start != size {
            let refused = self.told(StatusCode::RANGE_NOT_SATISFIABLE, id)?;
            return Err(refused.into());
        }
        let length = self.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        let length = length.and_then(|length| length.parse::<u64>().ok());
        if length.is_some_and(|length| length != range.end - range.start) {
            return Err(bad("SIZE_INVALID", "Content-Range and Content-Length differ"));
        }
        Ok(())
    }

    /// A chunk must be as long as `Content-Range` says, also when it came without a length.
    fn must_be_small(&self) -> Result<(), Failure> {
        let (most, range) = (self.shared.options.max_chunk, self.content_range()?);
        if most.zip(range).is_some_and(|(most, range)| range.end - range.start > most) {
            let status = StatusCode::RANGE_NOT_SATISFIABLE;
            return Err(Reply::error(status, "SIZE_INVALID", "this chunk is too large").into());
        }
        Ok(())
    }

    fn as_announced(&self, chunk: u64) -> Result<(), Failure> {
        match self.content_range()? {
            Some(range) if range.end - range.start != chunk => {
                Err(bad("SIZE_INVALID", "Content-Range and the body differ"))
            }
            _ => Ok(()),
        }
    }

    fn content_range(&self) -> Result<Option<std::ops::Range<u64>>, Failure> {
        let Some(header) = self.headers.get(CONTENT_RANGE) else { return Ok(None) };
        let range = header.to_str().ok().and_then(chunk);
        let invalid = || bad("BLOB_UPLOAD_INVALID", "Content-Range is not FIRST-LAST");
        range.ok_or_else(invalid).map(Some)
    }

    /// Reads the body into the session.
    async fn take(&mut self, id: &str) -> Result<(), Failure> {
        // Also when this is dropped because the connection is gone.
        let broken = ForgetOnDrop(
            (self.shared.options.partial == Partial::Dropped).then_some((self.shared, id)),
        );
        while let Some(bytes) = self.feed.next().await? {
            let mut store = self.shared.store();
            store.session(id).ok_or_else(|| no_session(id))?.append(&bytes);
        }
        broken.went_well();
        Ok(())
    }

    /// Makes the session a blob. A wrong digest ends it.
    fn seal(&self, id: &str, digest: &Digest) -> Result<Reply, Failure> {
        let mut store = self.shared.store();
        let blob = store.close(id).ok_or_else(|| no_session(id))?.into_blob();
        let found = blob.digest_as(digest).map_err(|e| bad("DIGEST_INVALID", e.to_string()))?;
        if found != *digest {
            let why = format!("what arrived, {} bytes, has digest {found}", blob.size);
            return Err(bad("DIGEST_INVALID", why));
        }
        let text = digest.to_string();
        store.put_blob(self.name, &text, blob);
        Ok(self.created(&text))
    }

    fn size(&self, id: &str) -> Result<u64, Failure> {
        let mut store = self.shared.store();
        store.session(id).map(|session| session.size()).ok_or_else(|| no_session(id))
    }

    /// Where a session is and how far it came.
    fn told(&self, status: StatusCode, id: &str) -> Result<Reply, Failure> {
        let mut store = self.shared.store();
        let session = store.session(id).ok_or_else(|| no_session(id))?;
        let path = format!("/v2/{}/blobs/uploads/{id}?_state={}", self.name, session.state);
        let reply = Reply::new(status)
            .header("location", &self.shared.location(self.headers, &path))
            // An empty one says the same as one of one byte, as docker-registry has it.
            .header("range", &format!("0-{}", session.size().saturating_sub(1)))
            .header("docker-upload-uuid", id);
        Ok(match self.shared.options.min_chunk {
            Some(least) if status == StatusCode::ACCEPTED => {
                reply.header("oci-chunk-min-length", &least.to_string())
            }
            _ => reply,
        })
    }

    fn created(&self, digest: &str) -> Reply {
        let path = format!("/v2/{}/blobs/{digest}", self.name);
        Reply::new(StatusCode::CREATED)
            .header("location", &self.shared.location(self.headers, &path))
            .header("docker-content-digest", digest)
    }
}

/// Ends a session unless all went well.
struct ForgetOnDrop<'a>(Option<(&'a Shared, &'a str)>);

impl ForgetOnDrop<'_> {
    fn went_well(mut self) {
        self.0 = None;
    }
}

impl Drop for ForgetOnDrop<'_> {
    fn drop(&mut self) {
        if let Some((shared, id)) = self.0 {
            shared.store().close(id);
        }
    }
}

fn no_session(id: &str) -> Failure {
    unknown("BLOB_UPLOAD_UNKNOWN", format!("there is no upload {id}"))
}
