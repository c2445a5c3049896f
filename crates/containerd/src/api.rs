//! [`Containerd`]: the calls that are used here, in one namespace.

use std::error::Error as _;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tonic::client::Grpc;
use tonic::codegen::http::Uri;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::codegen::tokio_stream::Stream;
use tonic::metadata::{Ascii, MetadataKey, MetadataValue};
use tonic::{Code, Request, Status, Streaming};
use tonic_prost::ProstCodec;
use transship_core::{Digest, Error, ErrorKind, Result};

use crate::connect::{BrokenOff, Connection, ENDED, NoAnswer, Socket};
use crate::lease::Garbage;
use crate::proto::{
    AbortRequest, AddResourceRequest, CreateImageRequest, CreateLeaseRequest, DeleteImageRequest,
    DeleteLeaseRequest, Empty, FieldMask, GetImageRequest, Image, ImageResponse, Info, InfoRequest,
    InfoResponse, ListImagesRequest, ListImagesResponse, ListNamespacesResponse, ReadRequest,
    ReadResponse, Resource, UpdateImageRequest, UpdateInfoRequest, VersionResponse, WriteRequest,
    WriteResponse,
};
use crate::status;

/// The largest message that is taken: containerd sends none that is larger.
const MESSAGE_LIMIT: usize = 16 << 20;

/// How long it may be silent in the middle of a blob, before it is asked whether it still runs.
const SILENCE: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 30 });

const NAMESPACE: &str = "containerd-namespace";
const LEASE: &str = "containerd-lease";

const CONTENT: &str = "/containerd.services.content.v1.Content/";
const IMAGES: &str = "/containerd.services.images.v1.Images/";
const LEASES: &str = "/containerd.services.leases.v1.Leases/";
const NAMESPACES: &str = "/containerd.services.namespaces.v1.Namespaces/";
const VERSION: &str = "/containerd.services.version.v1.Version/";

/// A containerd, in one of its namespaces.
#[derive(Clone, Debug)]
pub(crate) struct Containerd {
    socket: Arc<Socket>,
    namespace: String,
}

impl Containerd {
    pub(crate) fn new(socket: Arc<Socket>, namespace: &str) -> Self {
        Self { socket, namespace: namespace.to_owned() }
    }

    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Where it is, and what named it.
    pub(crate) fn shown(&self) -> String {
        self.socket.shown()
    }

    /// Where another one may be.
    pub(crate) fn elsewhere(&self) -> String {
        self.socket.elsewhere()
    }

    /// The same, in another namespace.
    pub(crate) fn within(&self, namespace: &str) -> Self {
        Self::new(Arc::clone(&self.socket), namespace)
    }

    /// Sees that a containerd answers.
    ///
    /// # Errors
    /// Where none does, with its socket.
    pub(crate) async fn reach(&self) -> Result<()> {
        let _: VersionResponse = self.unary(VERSION, "Version", Empty {}).await?;
        Ok(())
    }

    /// The version that containerd says of itself. What fails here is no error: this is asked for the sake of one.
    async fn version(&self) -> Option<String> {
        let (mut grpc, path) = self.call(VERSION, "Version").await.ok()?;
        let request = self.request(Empty {}).ok()?;
        let answer = grpc.unary(request, path, ProstCodec::default()).await.ok()?;
        let answer: VersionResponse = answer.into_inner();
        Some(answer.version)
    }

    /// Waits for what containerd does at length, as the last piece of a blob that it writes to a slow disk: as long as it needs, while it
    /// answers something small.
    pub(crate) async fn while_it_runs<T>(
        &self,
        work: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, Status> {
        let mut work = pin!(work);
        loop {
            if let Ok(done) = timeout(SILENCE, &mut work).await {
                return done;
            }
            if let Err(silent) = self.ping().await {
                // What was done meanwhile counts.
                return timeout(Duration::ZERO, &mut work).await.unwrap_or(Err(silent));
            }
        }
    }

    async fn ping(&self) -> Result<(), Status> {
        let failed = |error: Error| Status::unavailable(error.to_string());
        let (mut grpc, path) = self.call(VERSION, "Version").await.map_err(failed)?;
        let request = self.request(Empty {}).map_err(failed)?;
        let answer: tonic::Response<VersionResponse> =
            grpc.unary(request, path, ProstCodec::default()).await?;
        drop(answer);
        Ok(())
    }

    pub(crate) async fn namespaces(&self) -> Result<Vec<String>> {
        let answer: ListNamespacesResponse = self.unary(NAMESPACES, "List", Empty {}).await?;
        Ok(answer.namespaces.into_iter().map(|namespace| namespace.name).collect())
    }

    pub(crate) async fn create_lease(&self, request: CreateLeaseRequest) -> Result<()> {
        let _: Empty = self.unary(LEASES, "Create", request).await?;
        Ok(())
    }

    /// Deletes a lease.
    pub(crate) async fn delete_lease(&self, id: &str, garbage: Garbage) -> Result<()> {
        let request = DeleteLeaseRequest { id: id.to_owned(), sync: garbage == Garbage::Goes };
        let _: Empty = self.unary(LEASES, "Delete", request).await?;
        Ok(())
    }

    /// Makes a lease keep a blob.
    pub(crate) async fn add_to_lease(&self, id: &str, digest: &Digest) -> Result<()> {
        let resource = Resource { id: digest.to_string(), r#type: "content".to_owned() };
        let request = AddResourceRequest { id: id.to_owned(), resource: Some(resource) };
        let _: Empty = self.unary(LEASES, "AddResource", request).await?;
        Ok(())
    }

    /// What is known of a blob.
    pub(crate) async fn info(&self, digest: &Digest) -> Result<Info> {
        let request = InfoRequest { digest: digest.to_string() };
        let answer: InfoResponse = self.unary(CONTENT, "Info", request).await?;
        answer.info.ok_or_else(|| silent("a blob"))
    }

    /// The size of a blob, if it is there.
    pub(crate) async fn size(&self, digest: &Digest) -> Result<Option<u64>> {
        match self.info(digest).await {
            Ok(info) => Ok(Some(size(info.size)?)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Adds labels to a blob.
    pub(crate) async fn label(&self, info: Info) -> Result<()> {
        let paths = info.labels.keys().map(|key| format!("labels.{key}")).collect();
        let update_mask = Some(FieldMask { paths });
        let request = UpdateInfoRequest { info: Some(info), update_mask };
        let _: InfoResponse = self.unary(CONTENT, "Update", request).await?;
        Ok(())
    }

    /// The bytes of a blob from an offset on.
    pub(crate) async fn read(&self, digest: &Digest, at: u64) -> Result<Streaming<ReadResponse>> {
        let offset = i64::try_from(at).map_err(|_| too_large(at))?;
        let request = ReadRequest { digest: digest.to_string(), offset, size: 0 };
        let (mut grpc, path) = self.call(CONTENT, "Read").await?;
        let answer = grpc.server_streaming(self.request(request)?, path, ProstCodec::default());
        Ok(self.check(answer.await).await?.into_inner())
    }

    /// Writes a blob, under a lease. Its error is containerd's own.
    pub(crate) async fn write(
        &self,
        lease: &str,
        requests: impl Stream<Item = WriteRequest> + Send + 'static,
    ) -> Result<Result<Streaming<WriteResponse>, Status>> {
        let (mut grpc, path) = self.call(CONTENT, "Write").await?;
        let mut request = self.request(requests)?;
        let _ = request.metadata_mut().insert(LEASE, metadata(lease)?);
        let answer = grpc.streaming(request, path, ProstCodec::default()).await;
        Ok(answer.map(tonic::Response::into_inner))
    }

    /// Forgets what was written of a blob, if there is something.
    pub(crate) async fn abort(&self, r#ref: &str) -> Result<()> {
        let request = AbortRequest { r#ref: r#ref.to_owned() };
        let aborted: Result<Empty> = self.unary(CONTENT, "Abort", request).await;
        aborted.map(drop).or_else(unless_gone)
    }

    pub(crate) async fn image(&self, name: &str) -> Result<Image> {
        let request = GetImageRequest { name: name.to_owned() };
        let answer: ImageResponse = self.unary(IMAGES, "Get", request).await?;
        answer.image.ok_or_else(|| silent("an image"))
    }

    /// The images that a filter fits; all of them without one.
    pub(crate) async fn images(&self, filter: Option<String>) -> Result<Vec<Image>> {
        let request = ListImagesRequest { filters: filter.into_iter().collect() };
        let answer: ListImagesResponse = self.unary(IMAGES, "List", request).await?;
        Ok(answer.images)
    }

    /// The images whose root has a digest.
    pub(crate) async fn images_of(&self, root: &Digest) -> Result<Vec<Image>> {
        self.images(Some(format!("target.digest=={root}"))).await
    }

    pub(crate) async fn create_image(&self, image: Image) -> Result<()> {
        let request = CreateImageRequest { image: Some(image) };
        let _: ImageResponse = self.unary(IMAGES, "Create", request).await?;
        Ok(())
    }

    /// Lets an image that is there stand for another root.
    pub(crate) async fn retarget_image(&self, image: Image) -> Result<()> {
        let update_mask = Some(FieldMask { paths: vec!["target".to_owned()] });
        let request = UpdateImageRequest { image: Some(image), update_mask };
        let _: ImageResponse = self.unary(IMAGES, "Update", request).await?;
        Ok(())
    }

    /// Deletes an image's name, if it is there, and waits until what only it kept is gone.
    pub(crate) async fn delete_image(&self, name: &str) -> Result<()> {
        let request = DeleteImageRequest { name: name.to_owned(), sync: true };
        let deleted: Result<Empty> = self.unary(IMAGES, "Delete", request).await;
        deleted.map(drop).or_else(unless_gone)
    }

    async fn unary<Q, A>(&self, service: &'static str, method: &str, request: Q) -> Result<A>
    where
        Q: prost::Message + 'static,
        A: prost::Message + Default + 'static,
    {
        let (mut grpc, path) = self.call(service, method).await?;
        let answer = grpc.unary(self.request(request)?, path, ProstCodec::default()).await;
        Ok(self.check(answer).await?.into_inner())
    }

    /// A client that is ready, and the path of a call.
    async fn call(
        &self,
        service: &'static str,
        method: &str,
    ) -> Result<(Grpc<Connection>, PathAndQuery)> {
        let connection = self.socket.connection().await?;
        let origin = Uri::from_static("http://localhost");
        let mut grpc =
            Grpc::with_origin(connection, origin).max_decoding_message_size(MESSAGE_LIMIT);
        self.check(grpc.ready().await).await?;
        let path = PathAndQuery::try_from(format!("{service}{method}"));
        let path = path.map_err(|error| unexpected("this is no path").caused_by(error))?;
        Ok((grpc, path))
    }

    fn request<T>(&self, message: T) -> Result<Request<T>> {
        let mut request = Request::new(message);
        let key: MetadataKey<Ascii> = MetadataKey::from_static(NAMESPACE);
        let _ = request.metadata_mut().insert(key, metadata(&self.namespace)?);
        Ok(request)
    }

    /// What containerd says has failed, as an error.
    async fn check<T>(&self, answer: Result<T, Status>) -> Result<T> {
        let status = match answer {
            Ok(answer) => return Ok(answer),
            Err(status) => status,
        };
        Err(self.error(status).await)
    }

    /// What containerd says has failed: with its socket where it cannot be reached, with its version where it is too old.
    pub(crate) async fn error(&self, status: Status) -> Error {
        let source = status.source();
        if let Some(silent) = source.and_then(|source| source.downcast_ref::<NoAnswer>()) {
            return silent.error(&self.socket);
        }
        if let Some(broken) = source.and_then(|source| source.downcast_ref::<BrokenOff>()) {
            return broken.error(&self.socket);
        }
        let error = status::error(&status);
        let at = self.socket.shown();
        if error.kind() == ErrorKind::Unavailable {
            let error = error.context(format!("the containerd at {at}"));
            return if status::is_of_connection(&status) { error.hint(ENDED) } else { error };
        }
        if status.code() != Code::Unimplemented {
            return error;
        }
        match Box::pin(self.version()).await {
            Some(version) => {
                error.hint(format!("the containerd at {at} is {version}: 1.2 or later is needed"))
            }
            None => error.hint(format!("what listens at {at} is no containerd, or a very old one")),
        }
    }
}

/// A size as containerd says it.
pub(crate) fn size(size: i64) -> Result<u64> {
    u64::try_from(size)
        .map_err(|_| unexpected("containerd says that a blob has less than no bytes"))
}

fn metadata(value: &str) -> Result<MetadataValue<Ascii>> {
    value.parse().map_err(|error| unexpected("this is no metadata").caused_by(error))
}

fn too_large(at: u64) -> Error {
    Error::new(ErrorKind::LimitExceeded, format!("{at} bytes are more than a blob can have"))
}

fn silent(of: &str) -> Error {
    unexpected(format!("containerd was asked for {of}, and its answer is empty"))
}

fn unexpected(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Unexpected, message)
}

fn unless_gone(error: Error) -> Result<()> {
    if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::convert::Infallible;
    use std::future::pending;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use hyper::body::Incoming;
    use hyper::server::conn::http2;
    use hyper::service::service_fn;
    use hyper::{Request, Response};
    use hyper_util::rt::{TokioExecutor, TokioIo};

    use super::*;

    /// Answers the first call, with nothing, and no other.
    async fn answer(asked: Arc<AtomicUsize>) -> Result<Response<String>, Infallible> {
        if asked.fetch_add(1, Ordering::SeqCst) > 0 {
            return pending().await;
        }
        let answer = Response::builder().header("content-type", "application/grpc");
        Ok(answer.header("grpc-status", "0").body("\0\0\0\0\0".to_owned()).unwrap())
    }

    #[tokio::test]
    async fn one_that_hangs_later_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        tokio::spawn(async move {
            let asked = Arc::<AtomicUsize>::default();
            let (stream, _) = listener.accept().await.unwrap();
            let serve = service_fn(move |_: Request<Incoming>| answer(Arc::clone(&asked)));
            let connection = http2::Builder::new(TokioExecutor::new());
            connection.serve_connection(TokioIo::new(stream), serve).await
        });
        let containerd = Containerd::new(Arc::new(Socket::new(path, "a test")), "x");
        assert!(containerd.images(None).await.unwrap().is_empty());
        let error = containerd.images(None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(error.to_string().contains("has not answered for 1 seconds"), "{error}");
        // In the middle of a blob.
        let silent: Result<(), Status> = containerd.while_it_runs(pending()).await;
        let error = containerd.error(silent.unwrap_err()).await;
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(error.to_string().contains("has not answered for 1 seconds"), "{error}");
    }
}
