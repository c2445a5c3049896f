//! An engine in the test's own process, on a unix socket, which does what a test tells it.

use std::convert::Infallible;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::UnixListener;

/// What it answers.
#[derive(Clone, Debug)]
pub(crate) struct Says {
    pub(crate) api: &'static str,
    /// The body of a save, which ends properly.
    pub(crate) save: Vec<u8>,
    /// The status and the body of a load.
    pub(crate) load: (u16, String),
    /// The list of images.
    pub(crate) list: &'static str,
    /// The answer to an inspect: `None` is 404.
    pub(crate) inspect: Option<String>,
}

impl Default for Says {
    fn default() -> Self {
        Self {
            api: "1.41",
            save: Vec::new(),
            load: (200, String::new()),
            list: "[]",
            inspect: None,
        }
    }
}

/// A running engine.
#[derive(Debug)]
pub(crate) struct Fake {
    pub(crate) folder: tempfile::TempDir,
    /// The requests: method and path. A load that was cut off is `cut`.
    pub(crate) asked: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    pub(crate) fn start(says: Says) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("s")).unwrap();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let noted = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (says, noted) = (says.clone(), Arc::clone(&noted));
                let answer =
                    service_fn(move |request| answer(request, says.clone(), Arc::clone(&noted)));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
            }
        });
        Self { folder, asked }
    }

    pub(crate) fn host(&self) -> String {
        let socket: PathBuf = self.folder.path().join("s");
        format!("unix://{}", socket.display())
    }

    /// Waits for a request with this text.
    pub(crate) async fn hears(&self, text: &str) {
        for _ in 0..400 {
            if self.asked().iter().any(|asked| asked.contains(text)) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("no {text}: {:?}", self.asked());
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn answer(
    mut request: Request<Incoming>,
    says: Says,
    asked: Arc<Mutex<Vec<String>>>,
) -> Result<Response<Whole>, Infallible> {
    let path = request.uri().to_string();
    asked.lock().unwrap().push(format!("{} {path}", request.method()));
    let reply = |status: u16, body: Vec<u8>| {
        let answer = Response::builder().status(status).header("Api-Version", says.api);
        Ok(answer.body(Whole(Some(body.into()))).unwrap())
    };
    let path = path.split('?').next().unwrap();
    if path == "/_ping" {
        return reply(200, Vec::new());
    }
    if !path.starts_with(&format!("/v{}/", says.api)) && says.api != "1.99" {
        return reply(400, br#"{"message":"client version is not supported"}"#.to_vec());
    }
    match path.split_once("/images/").map_or("", |(_, rest)| rest) {
        "" => reply(200, b"{}".to_vec()),
        "json" => reply(200, says.list.into()),
        "get" => reply(200, says.save),
        "load" => {
            let body = request.body_mut();
            while let Some(frame) =
                std::future::poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await
            {
                if frame.is_err() {
                    asked.lock().unwrap().push("cut".to_owned());
                    break;
                }
            }
            reply(says.load.0, says.load.1.into_bytes())
        }
        rest if rest.ends_with("/json") => match says.inspect {
            Some(text) => reply(200, text.into_bytes()),
            None => reply(404, br#"{"message":"No such image"}"#.to_vec()),
        },
        _ => reply(201, Vec::new()),
    }
}

/// A body of one piece.
pub(crate) struct Whole(pub(crate) Option<Bytes>);

impl Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }
}
