//! Pushes a wasm module as an artifact, and pulls it again: `artifact hello.wasm oci:layout:hello:1`.

use std::fs::File;

use transship::transport::FileRange;
use transship::{Artifact, Body, Image, Settings, Transports};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let (Some(path), Some(place)) = (words.next(), words.next()) else {
        return Err("usage: artifact FILE PLACE".into());
    };
    let transports = Transports::linked(&Settings::new())?;
    let at = transports.parse(&place)?;

    // A file is not read into memory.
    let module =
        Body::from_file(FileRange::whole(File::open(&path)?, std::path::Path::new(&path))?);
    let pushed = Artifact::new("application/vnd.wasm.config.v0+json")
        .with_file(&path, "application/wasm", module)
        .with_annotation("org.opencontainers.image.description", "an example")
        .push(&transports, &at)
        .await?;
    println!("{} is {}", pushed.references[0], pushed.descriptor.digest);

    for blob in Image::open(&transports, &at).await?.layers()? {
        let bytes = blob.stored().await?.bytes(64 << 20).await?;
        println!("{} bytes of {}", bytes.len(), blob.descriptor().media_type);
    }
    Ok(())
}
