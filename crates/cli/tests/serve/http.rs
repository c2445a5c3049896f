//! Requests as bytes on a connection, so that nothing is hidden by a client.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// The longest wait for bytes.
const PATIENCE: Duration = Duration::from_secs(20);

/// In place of a status, where the connection ended before there was one.
pub(crate) const CUT: u16 = 0;

/// An answer, as far as it came.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The code of an error, whose body has the form that the specification gives.
    pub(crate) fn code(&self) -> String {
        let document = self.json();
        let errors = document["errors"].as_array().unwrap();
        assert!(errors[0]["message"].as_str().is_some_and(|text| !text.is_empty()), "{document}");
        errors[0]["code"].as_str().unwrap().to_owned()
    }

    pub(crate) fn size(&self) -> usize {
        self.header("content-length").unwrap().parse().unwrap()
    }

    /// Whether all came that was announced.
    pub(crate) fn is_whole(&self) -> bool {
        self.status != CUT && self.body.len() == self.size()
    }
}

/// One request on a connection of its own.
pub(crate) fn ask(host: &str, method: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
    send(host, method, path, headers, b"")
}

/// One request with a body.
pub(crate) fn send(
    host: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Reply {
    let mut stream = connect(host);
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    for (name, value) in headers {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    if !body.is_empty() || method == "PUT" || method == "POST" {
        write!(head, "Content-Length: {}\r\n", body.len()).unwrap();
    }
    head.push_str("\r\n");
    // A server that refuses early may have closed.
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(body);
    read(stream)
}

pub(crate) fn get(host: &str, path: &str) -> Reply {
    ask(host, "GET", path, &[])
}

pub(crate) fn connect(host: &str) -> TcpStream {
    let stream = TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// What comes until the connection ends, also if it is cut.
pub(crate) fn read(mut stream: TcpStream) -> Reply {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Reply { status: CUT, headers: Vec::new(), body: Vec::new() };
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let pair = |line: &str| {
        let (name, value) = line.split_once(": ").unwrap();
        (name.to_lowercase(), value.to_owned())
    };
    Reply { status, headers: lines.map(pair).collect(), body: bytes[end + 4..].to_vec() }
}
