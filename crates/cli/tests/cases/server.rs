//! A registry that answers as a test's script says, and as registries usually do where the script says nothing.
//!
//! The kit's registry is strict and has the faults that transports meet. Here a test writes the odd answers of one real
//! server down, request by request.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::images::{Image, digest};

type Script = dyn Fn(&Request, &mut State) -> Option<Reply> + Send + Sync;

/// How long a connection may say nothing.
const PATIENCE: Duration = Duration::from_secs(60);

/// A request that came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) path: String,
    pub(crate) query: BTreeMap<String, String>,
    /// By lowercase names.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
    pub(crate) repository: String,
    /// `manifests`, `blobs`, `uploads`, `tags`, `referrers`, or nothing.
    pub(crate) kind: &'static str,
    /// What follows: a tag, a digest, a session.
    pub(crate) rest: String,
}

impl Request {
    pub(crate) fn is(&self, method: &str, kind: &str) -> bool {
        self.method == method && self.kind == kind
    }

    pub(crate) fn authorization(&self) -> Option<&str> {
        self.headers.get("authorization").map(String::as_str)
    }
}

/// What it answers.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    cut: Option<usize>,
    form: Form,
}

/// How an answer is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Form {
    #[default]
    Length,
    /// In chunks, without a length.
    Chunks,
    /// Then the connection is closed, which no header says.
    Close,
    /// As HTTP/1.0.
    Old,
    /// 100 kB every 50 ms.
    Slow,
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, body: body.into(), ..Self::default() }
    }

    pub(crate) fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::new(status, body.to_string()).header("Content-Type", "application/json")
    }

    /// An error as the specification words it.
    pub(crate) fn error(status: u16, code: &str, message: &str) -> Self {
        Self::json(status, &json!({ "errors": [{ "code": code, "message": message }] }))
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The connection breaks after so many bytes of the body.
    pub(crate) fn cut(mut self, after: usize) -> Self {
        self.cut = Some(after);
        self
    }

    pub(crate) fn form(mut self, form: Form) -> Self {
        self.form = form;
        self
    }
}

/// What it holds, and what it was asked.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) blobs: BTreeMap<(String, String), Vec<u8>>,
    pub(crate) manifests: BTreeMap<(String, String), (String, Vec<u8>)>,
    pub(crate) tags: BTreeMap<String, Vec<String>>,
    pub(crate) uploads: BTreeMap<String, Vec<u8>>,
    pub(crate) asked: Vec<Request>,
    /// For scripts to count with.
    pub(crate) count: usize,
    sessions: usize,
}

impl State {
    pub(crate) fn begin(&mut self) -> String {
        self.sessions += 1;
        let session = self.sessions.to_string();
        self.uploads.insert(session.clone(), Vec::new());
        session
    }

    pub(crate) fn put_manifest(&mut self, repository: &str, tag: &str, kind: &str, bytes: &[u8]) {
        let of = |name: &str| (repository.to_owned(), name.to_owned());
        let content = (kind.to_owned(), bytes.to_vec());
        self.manifests.insert(of(&digest(bytes)), content.clone());
        if !tag.contains(':') {
            self.manifests.insert(of(tag), content);
            let tags = self.tags.entry(repository.to_owned()).or_default();
            if !tags.iter().any(|there| there == tag) {
                tags.push(tag.to_owned());
            }
        }
    }

    pub(crate) fn put_blob(&mut self, repository: &str, bytes: &[u8]) {
        self.blobs.insert((repository.to_owned(), digest(bytes)), bytes.to_vec());
    }

    /// How many requests there were.
    pub(crate) fn asked(&self, method: &str, kind: &str) -> usize {
        self.asked.iter().filter(|request| request.is(method, kind)).count()
    }

    /// Whether an image is there with all that it needs.
    pub(crate) fn whole(&self, repository: &str, name: &str) -> bool {
        let key = (repository.to_owned(), name.to_owned());
        let Some((_, bytes)) = self.manifests.get(&key) else { return false };
        let it: serde_json::Value = serde_json::from_slice(bytes).unwrap();
        if let Some(children) = it["manifests"].as_array() {
            return children
                .iter()
                .all(|child| self.whole(repository, child["digest"].as_str().unwrap()));
        }
        let layers = it["layers"].as_array().unwrap();
        layers.iter().chain([&it["config"]]).all(|part| {
            let digest = part["digest"].as_str().unwrap().to_owned();
            self.blobs.contains_key(&(repository.to_owned(), digest))
        })
    }

    /// The tags of a repository, sorted.
    pub(crate) fn tags_of(&self, repository: &str) -> Vec<String> {
        let mut tags = self.tags.get(repository).cloned().unwrap_or_default();
        tags.sort();
        tags
    }
}

/// A registry on a port of its own; it ends when it is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    ended: Arc<AtomicBool>,
}

impl Server {
    /// One that answers as usual.
    pub(crate) fn usual() -> Self {
        Self::scripted(|_, _| None)
    }

    /// Asks the script first.
    pub(crate) fn scripted(
        script: impl Fn(&Request, &mut State) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (state, ended) =
            (Arc::new(Mutex::new(State::default())), Arc::new(AtomicBool::new(false)));
        let script: Arc<Script> = Arc::new(script);
        let (shared, end) = (Arc::clone(&state), Arc::clone(&ended));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if end.load(Ordering::SeqCst) {
                    return;
                }
                let (shared, script) = (Arc::clone(&shared), Arc::clone(&script));
                let stream = stream.unwrap();
                thread::spawn(move || serve(&stream, &shared, &*script));
            }
        });
        Self { address, state, ended }
    }

    /// `127.0.0.1:PORT`
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Puts an image there.
    pub(crate) fn add(&self, repository: &str, image: &Image, tag: &str) {
        let mut state = self.state();
        for blob in image.blobs() {
            state.put_blob(repository, blob);
        }
        state.put_manifest(repository, tag, image.media_type, &image.manifest);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // The listener looks up.
        drop(TcpStream::connect(self.address));
    }
}

fn serve(stream: &TcpStream, state: &Mutex<State>, script: &Script) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut input = BufReader::new(stream);
    while let Some(request) = read(&mut input) {
        let reply = {
            let mut state = state.lock().unwrap();
            state.asked.push(request.clone());
            script(&request, &mut state).unwrap_or_else(|| usual(&request, &mut state))
        };
        if send(stream, &request, &reply).is_err() || reply.cut.is_some() {
            break;
        }
        if matches!(reply.form, Form::Close | Form::Old) {
            break;
        }
    }
    // What the client still sends must not turn the answer into a reset.
    let _ = stream.shutdown(std::net::Shutdown::Write);
}

fn read(input: &mut BufReader<&TcpStream>) -> Option<Request> {
    let mut line = String::new();
    input.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut words = line.split_whitespace();
    let mut request = Request {
        method: words.next()?.to_owned(),
        target: words.next()?.to_owned(),
        ..Request::default()
    };
    loop {
        let mut line = String::new();
        input.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let Some((name, value)) = line.trim().split_once(':') else { break };
        request.headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    body(input, &mut request)?;
    take_apart(&mut request);
    Some(request)
}

fn body(input: &mut BufReader<&TcpStream>, request: &mut Request) -> Option<()> {
    if request.headers.get("transfer-encoding").is_some_and(|it| it == "chunked") {
        loop {
            let mut line = String::new();
            input.read_line(&mut line).ok()?;
            let size = usize::from_str_radix(line.trim().split(';').next()?, 16).ok()?;
            let mut chunk = vec![0; size + 2];
            input.read_exact(&mut chunk).ok()?;
            request.body.extend_from_slice(&chunk[..size]);
            if size == 0 {
                return Some(());
            }
        }
    }
    let length = request.headers.get("content-length").map_or(0, |it| it.parse().unwrap());
    request.body = vec![0; length];
    input.read_exact(&mut request.body).ok()
}

fn take_apart(request: &mut Request) {
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    request.path = path.to_owned();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        request.query.insert(key.to_owned(), value.replace("%3A", ":").replace("%3a", ":"));
    }
    let Some(rest) = request.path.strip_prefix("/v2/") else { return };
    for (part, kind) in [
        ("/blobs/uploads/", "uploads"),
        ("/blobs/", "blobs"),
        ("/manifests/", "manifests"),
        ("/tags/", "tags"),
        ("/referrers/", "referrers"),
    ] {
        if let Some((repository, rest)) = rest.split_once(part) {
            (request.repository, request.kind, request.rest) =
                (repository.to_owned(), kind, rest.to_owned());
            return;
        }
    }
}

/// What registries usually answer.
fn usual(request: &Request, state: &mut State) -> Reply {
    let key = (request.repository.clone(), request.rest.clone());
    match (request.method.as_str(), request.kind) {
        (_, "") if request.path == "/v2/" => Reply::json(200, &json!({})),
        (_, "tags") => {
            let tags = state.tags.get(&request.repository).cloned().unwrap_or_default();
            Reply::json(200, &json!({ "name": request.repository, "tags": tags }))
        }
        ("PUT", "manifests") => {
            let kind = request.headers.get("content-type").cloned().unwrap_or_default();
            state.put_manifest(&key.0, &key.1, &kind, &request.body);
            Reply::new(201, "")
                .header("Location", &request.path)
                .header("Docker-Content-Digest", digest(&request.body))
        }
        (_, "manifests") => match state.manifests.get(&key) {
            Some((kind, bytes)) => Reply::new(200, bytes.clone())
                .header("Content-Type", kind)
                .header("Docker-Content-Digest", digest(bytes)),
            None => Reply::error(404, "MANIFEST_UNKNOWN", "manifest unknown"),
        },
        (_, "blobs") => match state.blobs.get(&key) {
            Some(bytes) => ranged(request, bytes),
            None => Reply::error(404, "BLOB_UNKNOWN", "blob unknown"),
        },
        (_, "uploads") => upload(request, state),
        _ => Reply::error(404, "UNSUPPORTED", "unsupported"),
    }
}

fn ranged(request: &Request, bytes: &[u8]) -> Reply {
    let range = request.headers.get("range").and_then(|range| range.strip_prefix("bytes="));
    let from =
        range.and_then(|range| range.split_once('-')).and_then(|(from, _)| from.parse().ok());
    match from {
        Some(from) if from < bytes.len() => {
            let (last, all) = (bytes.len() - 1, bytes.len());
            Reply::new(206, &bytes[from..])
                .header("Content-Range", format!("bytes {from}-{last}/{all}"))
        }
        _ => Reply::new(200, bytes).header("Content-Type", "application/octet-stream"),
    }
}

fn upload(request: &Request, state: &mut State) -> Reply {
    if request.method == "POST" {
        let session = state.begin();
        let at = format!("/v2/{}/blobs/uploads/{session}", request.repository);
        return Reply::new(202, "").header("Location", at).header("Range", "0-0");
    }
    let Some(upload) = state.uploads.get_mut(&request.rest) else {
        return Reply::error(404, "BLOB_UPLOAD_UNKNOWN", "no such session");
    };
    match request.method.as_str() {
        "PATCH" | "GET" => {
            upload.extend_from_slice(&request.body);
            let range = format!("0-{}", upload.len().saturating_sub(1));
            let status = if request.method == "GET" { 204 } else { 202 };
            Reply::new(status, "").header("Location", &request.path).header("Range", range)
        }
        "PUT" => {
            upload.extend_from_slice(&request.body);
            let bytes = std::mem::take(upload);
            if request.query.get("digest") != Some(&digest(&bytes)) {
                return Reply::error(400, "DIGEST_INVALID", "these bytes have another digest");
            }
            state.uploads.remove(&request.rest);
            state.put_blob(&request.repository, &bytes);
            let at = format!("/v2/{}/blobs/{}", request.repository, digest(&bytes));
            Reply::new(201, "").header("Location", at)
        }
        _ => {
            state.uploads.remove(&request.rest);
            Reply::new(204, "")
        }
    }
}

fn send(mut stream: &TcpStream, request: &Request, reply: &Reply) -> std::io::Result<()> {
    let version = if reply.form == Form::Old { "1.0" } else { "1.1" };
    let mut head = format!("HTTP/{version} {} So\r\n", reply.status);
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let chunks = reply.form == Form::Chunks && request.method != "HEAD";
    if chunks {
        head.push_str("Transfer-Encoding: chunked\r\n");
    } else if reply.status != 204 {
        head.push_str(&format!("Content-Length: {}\r\n", reply.body.len()));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    if request.method == "HEAD" || reply.status == 204 {
        return stream.flush();
    }
    let body = &reply.body[..reply.cut.unwrap_or(reply.body.len())];
    match reply.form {
        Form::Chunks => {
            for part in body.chunks(100) {
                write!(stream, "{:x}\r\n", part.len())?;
                stream.write_all(part)?;
                stream.write_all(b"\r\n")?;
            }
            stream.write_all(b"0\r\n\r\n")?;
        }
        Form::Slow => {
            for part in body.chunks(100_000) {
                stream.write_all(part)?;
                thread::sleep(Duration::from_millis(50));
            }
        }
        _ => stream.write_all(body)?,
    }
    stream.flush()
}
