//! What several connections gain where each one is limited: a blob of 160 MiB at 10 MB/s for each connection, on one and on four.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a program that reports to people")]

use std::time::{Duration, Instant};

use transship_core::{Descriptor, MediaType, ReadOptions, Transport};
use transship_registry::{Registry, RegistryOptions};
use transship_test_registry::{Fault, Options, Registry as Server, Rule};

const SIZE: usize = 160 << 20;
/// 10 MB/s.
const SLOW: Fault = Fault::Slow { bytes: 500_000, pause: Duration::from_millis(50) };

async fn seconds(server: &Server, of: &Descriptor, connections: usize) -> f64 {
    let mut options = RegistryOptions::default();
    options.connections = connections.try_into().unwrap();
    options.anonymous = true;
    let registry = Registry::new(options);
    let at = registry.parse(&format!("//{}/a:1", server.host())).unwrap();
    let from = registry.source(&at, &ReadOptions::default()).await.unwrap();
    let begun = Instant::now();
    let body = from.blob(of).await.unwrap();
    let mut chunks = body.into_stream();
    while let Some(chunk) = futures_util::StreamExt::next(&mut chunks).await {
        chunk.unwrap();
    }
    begun.elapsed().as_secs_f64()
}

#[tokio::main]
async fn main() {
    let server = Server::start(Options::default()).unwrap();
    let bytes = vec![7; SIZE];
    let digest = server.put_blob("a", bytes);
    let of = Descriptor::new(MediaType::ImageLayer, digest, SIZE as u64);
    let config = server.put_blob("a", "{}");
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{config}","size":2}},"layers":[]}}"#
    );
    server.put_manifest("a", Some("1"), MediaType::ImageManifest.as_ref(), manifest);
    server.inject(Rule::new(SLOW).path("/blobs/").always());
    let one = seconds(&server, &of, 1).await;
    let four = seconds(&server, &of, 4).await;
    println!("one connection {one:.2} s, four {four:.2} s: {:.2} times as fast", one / four);
}
