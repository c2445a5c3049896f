//! Ports that lead to a server by a worse way than loopback.
//!
//! A distant one: whatever a client sends arrives later. So each request takes so much longer, and no byte less passes. A narrow one:
//! each connection brings only so many bytes a second.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::sh::Result;

/// What one reading takes.
const CHUNK: usize = 64 << 10;

/// Chunks of a connection that are on their way.
const ON_THEIR_WAY: usize = 1024;

/// A chunk, and when it arrives.
type Sent = (Instant, Vec<u8>);

/// Leads to a server, until the process ends. Gives `127.0.0.1:PORT`.
pub(crate) fn distant(server: &str, later: Duration) -> Result<String> {
    leading_to(server, move |mut requests, mut answers| {
        let (send, arriving) = sync_channel(ON_THEIR_WAY);
        thread::spawn(move || take(&mut requests.from, &send, later));
        thread::spawn(move || pass(&mut requests.to, &arriving));
        thread::spawn(move || {
            let _ = io::copy(&mut answers.from, &mut answers.to);
            let _ = answers.to.shutdown(Shutdown::Both);
        });
    })
}

/// As [`distant`], by connections each of which brings no more than so many bytes of answers a second.
pub(crate) fn narrow(server: &str, rate: u32) -> Result<String> {
    leading_to(server, move |mut requests, mut answers| {
        thread::spawn(move || {
            let _ = io::copy(&mut requests.from, &mut requests.to);
            let _ = requests.to.shutdown(Shutdown::Write);
        });
        thread::spawn(move || trickle(&mut answers, rate));
    })
}

/// One direction of a connection.
struct Flow {
    from: TcpStream,
    to: TcpStream,
}

/// A port each connection of which is passed on by two flows: of requests, and of answers.
fn leading_to(server: &str, pass_on: impl Fn(Flow, Flow) + Send + 'static) -> Result<String> {
    let failed = |e| format!("a port that leads to {server}: {e}");
    let listener = TcpListener::bind("127.0.0.1:0").map_err(failed)?;
    let host = listener.local_addr().map_err(failed)?.to_string();
    let server = server.to_owned();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            // A connection that breaks is the client's to report.
            if let Ok((requests, answers)) = flows(client, &server) {
                pass_on(requests, answers);
            }
        }
    });
    Ok(host)
}

fn flows(client: TcpStream, server: &str) -> io::Result<(Flow, Flow)> {
    let server = TcpStream::connect(server)?;
    server.set_nodelay(true)?;
    client.set_nodelay(true)?;
    let requests = Flow { from: client.try_clone()?, to: server.try_clone()? };
    Ok((requests, Flow { from: server, to: client }))
}

fn trickle(answers: &mut Flow, rate: u32) {
    let mut buffer = vec![0; CHUNK];
    let mut due = Instant::now();
    while let Ok(count @ 1..) = answers.from.read(&mut buffer) {
        // What was not used while nothing came is lost.
        let takes = Duration::from_secs(1) * u32::try_from(count).unwrap_or(rate) / rate;
        due = due.max(Instant::now()) + takes;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if answers.to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = answers.to.shutdown(Shutdown::Both);
}

fn take(from: &mut TcpStream, send: &SyncSender<Sent>, later: Duration) {
    let mut buffer = vec![0; CHUNK];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if send.send((Instant::now() + later, buffer[..count].to_vec())).is_err() {
            return;
        }
    }
}

fn pass(to: &mut TcpStream, sent: &Receiver<Sent>) {
    for (arrives, bytes) in sent {
        thread::sleep(arrives.saturating_duration_since(Instant::now()));
        if to.write_all(&bytes).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
