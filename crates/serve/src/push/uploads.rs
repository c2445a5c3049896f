//! Uploads of blobs: in one request, in chunks, by a mount.

use std::fs::File;
use std::hash::{BuildHasher, Hasher as _, RandomState};
use std::sync::Arc;

use bytes::Bytes;
use hyper::header::{HeaderName, RANGE};
use hyper::{Method, Response, StatusCode};
use transship_core::{
    Body, Digest, DigestAlgorithm, Error, Expect, FileRange, Hasher, Result, run_blocking,
};
use transship_local::write_all_at;

use super::waiting::WaitingFile;
use super::{Pushing, located};
use crate::manifests::find;
use crate::protocol::{Refusal, chunk, parse_digest};
use crate::reply::{self, Answer, Refused, set};
use crate::sending::Sending;
use crate::view::Part;

/// A blob on its way in.
#[derive(Debug)]
pub(super) struct Upload {
    file: WaitingFile,
    size: u64,
    /// Of what came; taken while a piece is written.
    hasher: Option<Hasher>,
}

impl Upload {
    /// Of a file that is empty.
    pub(super) fn new(file: WaitingFile) -> Self {
        Self { file, size: 0, hasher: Some(Hasher::sha256()) }
    }

    /// Its file, open while a request writes to it.
    async fn open(&self) -> Result<Arc<File>> {
        let path = Arc::clone(self.file.path());
        let open = move |_: &transship_core::Cancel| {
            let file = File::options().write(true).open(&path);
            file.map(Arc::new).map_err(|e| Error::io("opening", &path, e))
        };
        run_blocking(open).await
    }

    /// Appends what comes. What came before a failure stays, so that the client can go on.
    async fn append(&mut self, file: &Arc<File>, piece: Bytes) -> Result<()> {
        let (file, at, len) = (Arc::clone(file), self.size, piece.len() as u64);
        let hasher = self.hasher.take();
        let hasher = run_blocking(move |_| {
            write_all_at(&file, &piece, at).map_err(|e| Error::io("writing", "an upload", e))?;
            Ok(hasher.map(|mut hasher| {
                hasher.update(&piece);
                hasher
            }))
        });
        self.hasher = hasher.await?;
        self.size += len;
        Ok(())
    }

    /// The bytes, if they have that digest.
    async fn finish(self, digest: &Digest) -> Result<WaitingFile> {
        let expect = Expect::digest(digest.clone()).with_size(self.size);
        match self.hasher {
            Some(hasher) if *digest.algorithm() == DigestAlgorithm::Sha256 => {
                expect.check(&transship_core::Stored::new(hasher.finish(), self.size))?;
            }
            _ => {
                let written = FileRange::closed(Arc::clone(self.file.path()), self.size);
                Body::from_file(written).expecting(&expect)?.into_reader().finish().await?;
            }
        }
        Ok(self.file)
    }

    /// What came, as the specification writes it.
    fn range(&self) -> String {
        format!("0-{}", self.size.saturating_sub(1))
    }
}

impl<B> Pushing<'_, B>
where
    B: hyper::body::Body<Data = Bytes> + Unpin + Send,
    B::Error: std::fmt::Display,
{
    /// `POST blobs/uploads/`
    pub(super) async fn begin(&mut self) -> Answer {
        if let Some(digest) = self.query.get("mount") {
            let digest = parse_digest(digest)?;
            if self.is_there(&digest).await? {
                return Ok(self.created(&format!("blobs/{digest}"), &digest));
            }
        }
        let waiting = &self.writable.waiting;
        waiting.room()?;
        let id = new_id();
        let mut upload = Upload::new(waiting.file(id.clone()).await?);
        if let Some(digest) = self.query.get("digest") {
            let digest = parse_digest(digest)?;
            self.receive(&mut upload).await?;
            return self.finish(upload, &digest).await;
        }
        let reply = self.at(&id, &upload, StatusCode::ACCEPTED);
        self.writable.waiting.keep_upload(id, upload);
        Ok(reply)
    }

    /// What is asked of an upload that was begun.
    pub(super) async fn session(&mut self, method: &Method, id: &str) -> Answer {
        let waiting = &self.writable.waiting;
        let unknown =
            || Refusal::unknown("BLOB_UPLOAD_UNKNOWN", format!("there is no upload {id}"));
        let shared = waiting.upload(id).ok_or_else(unknown)?;
        // One request at a time.
        let Ok(mut held) = shared.try_lock() else {
            let why = "another request of this upload is not done";
            return Err(Refusal::new(StatusCode::CONFLICT, "BLOB_UPLOAD_INVALID", why).into());
        };
        let upload = held.as_mut().ok_or_else(unknown)?;
        match *method {
            Method::GET => Ok(self.at(id, upload, StatusCode::NO_CONTENT)),
            Method::DELETE => {
                waiting.remove_upload(id);
                Ok(reply::empty(StatusCode::NO_CONTENT))
            }
            Method::PATCH | Method::PUT => {
                let digest = self.query.get("digest").map(parse_digest).transpose()?;
                if *method == Method::PUT && digest.is_none() {
                    return Err(Refusal::bad("DIGEST_INVALID", "the digest is missing").into());
                }
                if let Some(refused) = self.out_of_order(id, upload)? {
                    return Ok(refused);
                }
                if let Err(refused) = self.receive(upload).await {
                    if refused.is_no_space() {
                        // It would keep the disk full.
                        waiting.remove_upload(id);
                        held.take();
                    }
                    return Err(refused);
                }
                let Some(digest) = digest.filter(|_| *method == Method::PUT) else {
                    // It may have taken long.
                    waiting.upload(id);
                    return Ok(self.at(id, upload, StatusCode::ACCEPTED));
                };
                waiting.remove_upload(id);
                let done = held.take().ok_or_else(unknown)?;
                self.finish(done, &digest).await
            }
            _ => Err(Refusal::unsupported(format!("{method} is not for uploads")).into()),
        }
    }

    /// 416 for a chunk that does not follow what came.
    fn out_of_order(
        &self,
        id: &str,
        upload: &Upload,
    ) -> Result<Option<Response<Sending>>, Refusal> {
        let Some(range) = self.header("content-range") else { return Ok(None) };
        let invalid =
            || Refusal::bad("BLOB_UPLOAD_INVALID", format!("{range:?} is no range of a chunk"));
        let part = chunk(range).ok_or_else(invalid)?;
        let length = self.header("content-length").and_then(|length| length.parse::<u64>().ok());
        if length.is_some_and(|length| length != part.end - part.start) {
            let why = format!("Content-Range is {range}, and Content-Length another number");
            return Err(Refusal::bad("SIZE_INVALID", why));
        }
        if part.start == upload.size {
            return Ok(None);
        }
        let why = format!("the next byte is {}", upload.size);
        let status = StatusCode::RANGE_NOT_SATISFIABLE;
        let mut response = reply::refusal(&Refusal::new(status, "BLOB_UPLOAD_INVALID", why));
        let at = self.at(id, upload, status);
        for name in [RANGE, hyper::header::LOCATION] {
            response.headers_mut().extend(at.headers().get(&name).cloned().map(|v| (name, v)));
        }
        Ok(Some(response))
    }

    async fn receive(&mut self, upload: &mut Upload) -> Result<(), Refused> {
        let file = upload.open().await?;
        while let Some(piece) = self.incoming.next().await? {
            upload.append(&file, piece).await?;
        }
        Ok(())
    }

    async fn finish(&self, upload: Upload, digest: &Digest) -> Answer {
        let file = upload.finish(digest).await.map_err(|error| match error.kind() {
            transship_core::ErrorKind::Corrupt => {
                Refused::Told(Refusal::bad("DIGEST_INVALID", error.to_string()))
            }
            _ => Refused::Logged(error),
        })?;
        self.writable.waiting.room()?;
        self.writable.waiting.keep_blob(digest.clone(), file);
        Ok(self.created(&format!("blobs/{digest}"), digest))
    }

    /// Whether a blob is anywhere here.
    async fn is_there(&self, digest: &Digest) -> Result<bool, Refused> {
        if self.writable.waiting.has(digest) {
            return Ok(true);
        }
        let anywhere = crate::names::FullName::new("", self.path);
        let view = self.registry.view().await;
        Ok(find(&view, &anywhere, Part::Blob, digest).await?.is_some())
    }

    /// Where an upload goes on.
    fn at(&self, id: &str, upload: &Upload, status: StatusCode) -> Response<Sending> {
        let mut response = located(status, &self.location(&format!("blobs/uploads/{id}")));
        let headers = response.headers_mut();
        set(headers, RANGE, &upload.range());
        set(headers, HeaderName::from_static("docker-upload-uuid"), id);
        response
    }
}

/// A name that nobody guesses.
fn new_id() -> String {
    let random = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", random(), random())
}
