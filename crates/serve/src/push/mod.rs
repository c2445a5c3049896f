//! Pushes into a place: uploads, manifests, deletions.

mod incoming;
mod manifests;
mod names;
mod untagged;
mod uploads;
mod waiting;

use std::path::PathBuf;
use std::sync::Arc;

use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use transship_core::{
    Body, Digest, Error, ErrorKind, Expect, FileRange, Reference, Result, ResultExt, Transport,
    WriteOptions, run_blocking,
};
use transship_local::{StagedFile, cut_path};

use crate::protocol::{Query, Refusal, What, encode};
use crate::registry::Registry;
use crate::reply::{self, Answer, set};
use crate::sending::Sending;

pub(crate) use incoming::Incoming;
pub(crate) use names::is_hidden;
use waiting::Waiting;

/// What is written to find out whether anything can be.
const TRIED: &[u8] = b"{}";

/// The place that is pushed to. Blobs wait in temporary files until a manifest names them: what is written to the place is
/// always a whole image, by the transport's own writer.
#[derive(Debug)]
pub(crate) struct Writable {
    transport: Arc<dyn Transport>,
    reference: Reference,
    how: WriteOptions,
    waiting: Waiting,
    /// Held from the look at what names stand for until they are changed.
    changes: tokio::sync::Mutex<()>,
}

/// A push.
pub(crate) struct Pushing<'a, B> {
    pub(crate) writable: &'a Writable,
    pub(crate) registry: &'a Registry,
    pub(crate) head: &'a Parts,
    pub(crate) path: &'a str,
    pub(crate) host: Option<&'a str>,
    pub(crate) query: &'a Query,
    pub(crate) incoming: &'a mut Incoming<B>,
}

impl Writable {
    pub(crate) fn new(
        transport: Arc<dyn Transport>,
        reference: Reference,
        how: WriteOptions,
    ) -> Result<Self> {
        if transport.archives().is_none() || transport.deletion().is_none() {
            let message = "what is pushed cannot be kept there";
            let error = Error::new(ErrorKind::Unsupported, message).context(&reference);
            return Err(error.hint("give a layout: oci:PATH"));
        }
        let waiting = Waiting::new(how.spool.clone(), how.observer.clone());
        let changes = tokio::sync::Mutex::default();
        Ok(Self { transport, reference, how, waiting, changes })
    }

    /// Refuses a place that is no place for several images, or cannot be written: else the first push would find out. Nothing is
    /// left of it.
    pub(crate) async fn check(&self) -> Result<()> {
        let Some(archives) = self.transport.archives() else { return Ok(()) };
        let tried = async {
            let writer = archives.write(&self.reference, &self.how).await?;
            let image = writer.image(&[]).await?;
            image.put_blob(Expect::default(), Body::from_bytes(TRIED)).await?;
            // Blobs may be in a folder of their own.
            let folder = PathBuf::from(cut_path(self.reference.locator()).0);
            run_blocking(move |_| {
                if folder.is_dir() { StagedFile::in_folder(&folder).map(drop) } else { Ok(()) }
            })
            .await
        };
        tried.await.context(|| &self.reference).context(|| "the layout to push to")
    }

    /// A blob that waits for its manifest.
    pub(crate) async fn blob(&self, digest: &Digest) -> Result<Option<FileRange>> {
        self.waiting.blob(digest).await
    }

    /// Removes what clients left behind.
    pub(crate) fn tidy(&self) {
        self.waiting.tidy();
    }
}

/// Whether a request is one of a push, or is refused as if it were.
pub(crate) fn takes(method: &Method, what: &What) -> bool {
    match what {
        What::Session(_) | What::Uploads => true,
        What::Manifest(_) => !matches!(*method, Method::GET | Method::HEAD),
        _ => false,
    }
}

/// The methods that are answered where pushes are taken, as `Allow` lists them.
pub(crate) fn methods(what: &What) -> &'static str {
    match what {
        What::Manifest(_) => "GET, HEAD, PUT, DELETE",
        What::Uploads => "POST",
        What::Session(_) => "GET, PATCH, PUT, DELETE",
        What::Tags | What::Blob(_) | What::Referrers(_) => reply::READ,
    }
}

impl<B> Pushing<'_, B>
where
    B: hyper::body::Body<Data = bytes::Bytes> + Unpin + Send,
    B::Error: std::fmt::Display,
{
    pub(crate) async fn answer(mut self, what: &What) -> Answer {
        match (&self.head.method, what) {
            (&Method::POST, What::Uploads) => self.begin().await,
            (method, What::Session(id)) => {
                let method = method.clone();
                self.session(&method, id).await
            }
            (&Method::PUT, What::Manifest(wanted)) => self.put(wanted).await,
            (&Method::DELETE, What::Manifest(wanted)) => self.delete(wanted).await,
            (method, _) => {
                Err(Refusal::unsupported(format!("{method} is not possible here")).into())
            }
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// A URL of this repository, with the host that the request names.
    fn location(&self, rest: &str) -> String {
        let host = self.host.map_or_else(String::new, |host| format!("?ns={}", encode(host)));
        format!("/v2/{}/{rest}{host}", self.path)
    }

    /// 201, and where it is.
    fn created(&self, rest: &str, digest: &Digest) -> Response<Sending> {
        let mut response = located(StatusCode::CREATED, &self.location(rest));
        let name = hyper::header::HeaderName::from_static("docker-content-digest");
        set(response.headers_mut(), name, digest.as_ref());
        response
    }
}

/// An answer without a body.
fn located(status: StatusCode, location: &str) -> Response<Sending> {
    let mut response = reply::empty(status);
    set(response.headers_mut(), hyper::header::LOCATION, location);
    response
}
