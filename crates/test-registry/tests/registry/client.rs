//! One request on one connection, and all that comes back.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// An answer, as far as it came.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Whether the body is as long as `Content-Length` says.
    pub(crate) whole: bool,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The code of the first error.
    pub(crate) fn code(&self) -> String {
        self.json()["errors"][0]["code"].as_str().unwrap().to_owned()
    }
}

/// A request without headers and body.
pub(crate) fn ask(host: &str, line: &str) -> Answer {
    send(host, line, &[], b"")
}

/// `METHOD PATH`, headers, body. The length of the body is added unless a header says how long it is.
pub(crate) fn send(host: &str, line: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let stream = TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    over(stream, host, line, headers, body)
}

/// The same over any stream.
pub(crate) fn over(
    mut stream: impl Read + Write,
    host: &str,
    line: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let mut head = format!("{line} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
    for (name, value) in headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    let framed = |(name, _): &(&str, &str)| ["content-length", "transfer-encoding"].contains(name);
    if !body.is_empty() && !headers.iter().any(framed) {
        let _ = write!(head, "content-length: {}\r\n", body.len());
    }
    head += "\r\n";
    // A server that cuts resets the connection, also while we write.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
    let _ = stream.flush();
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all);
    parse(&all, line.starts_with("HEAD"))
}

fn parse(all: &[u8], head: bool) -> Answer {
    let Some(end) = all.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Answer::default();
    };
    let text = String::from_utf8_lossy(&all[..end]);
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let mut answer = Answer {
        status: status.parse().unwrap(),
        headers,
        body: all[end + 4..].to_vec(),
        whole: false,
    };
    let length = answer.header("content-length").parse::<usize>().ok();
    answer.whole = head || length == Some(answer.body.len());
    answer
}
