//! A port that is far from its server: whatever a client sends arrives later. So each request takes so much longer, and no byte less
//! passes.

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
    let failed = |e| format!("a port that leads to {server}: {e}");
    let listener = TcpListener::bind("127.0.0.1:0").map_err(failed)?;
    let host = listener.local_addr().map_err(failed)?.to_string();
    let server = server.to_owned();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            // A connection that breaks is the client's to report.
            let _ = connect(&client, &server, later);
        }
    });
    Ok(host)
}

fn connect(client: &TcpStream, server: &str, later: Duration) -> io::Result<()> {
    let server = TcpStream::connect(server)?;
    server.set_nodelay(true)?;
    client.set_nodelay(true)?;
    let (mut from, mut back) = (client.try_clone()?, client.try_clone()?);
    let (mut to, mut answers) = (server.try_clone()?, server);
    let (send, arriving) = sync_channel(ON_THEIR_WAY);
    thread::spawn(move || take(&mut from, &send, later));
    thread::spawn(move || pass(&mut to, &arriving));
    thread::spawn(move || {
        let _ = io::copy(&mut answers, &mut back);
        let _ = back.shutdown(Shutdown::Both);
    });
    Ok(())
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
