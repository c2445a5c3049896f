//! Makes two images out of nothing and writes them into one archive: `write-archive docker-archive:made.tar`.
//!
//! They share a layer, which is in the archive once.

use transship::transport::{Commit, Expect, ImageDestination, sha256};
use transship::{
    Body, Descriptor, ImageName, Manifest, MediaType, Result, Settings, Transports, WriteOptions,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let place = std::env::args().nth(1).ok_or("usage: write-archive PLACE")?;
    let transports = Transports::linked(&Settings::new())?;
    let place = transports.parse(&place)?;
    let archives = transports.of(&place)?.archives().ok_or("it holds no more than one image")?;

    let mut writer = archives.write(&place, &WriteOptions::default()).await?;
    for name in ["example/made:1", "example/made:2"] {
        // The names are fixed when an image is opened, and are those of no other.
        let image = writer.image(&[ImageName::new(name)?]).await?;
        write_image(image, name).await?;
    }
    // Before this nothing shows, and without it nothing is left.
    writer.finish().await?;
    println!("there is {place}");
    Ok(())
}

async fn write_image(image: Box<dyn ImageDestination + '_>, name: &str) -> Result<()> {
    // The smallest tar: two empty blocks.
    let layer = vec![0; 1024];
    let diff_id = sha256(&layer);
    let config = format!(
        r#"{{"os":"linux","architecture":"amd64","config":{{"Labels":{{"name":"{name}"}}}},"rootfs":{{"type":"layers","diff_ids":["{diff_id}"]}}}}"#
    );
    let layer = put(&*image, MediaType::ImageLayer, layer).await?;
    let config = put(&*image, MediaType::ImageConfig, config.into_bytes()).await?;
    let manifest = Manifest::new(format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","config":{},"layers":[{}]}}"#,
        MediaType::ImageManifest,
        json(&config),
        json(&layer),
    ))?;
    // A commit consumes the image: it cannot be committed twice.
    image.commit(Commit::new(&manifest)).await?;
    Ok(())
}

/// Stores bytes, unless they are there, and says what they are.
async fn put(
    image: &dyn ImageDestination,
    media_type: MediaType,
    bytes: Vec<u8>,
) -> Result<Descriptor> {
    let expect = Expect::digest(sha256(&bytes))
        .with_size(bytes.len() as u64)
        .with_media_type(media_type.clone());
    let stored = match image.has(&expect).await? {
        Some(stored) => stored,
        None => image.put_blob(expect, Body::from_bytes(bytes)).await?,
    };
    Ok(Descriptor::new(media_type, stored.digest, stored.size))
}

fn json(of: &Descriptor) -> String {
    format!(r#"{{"mediaType":"{}","digest":"{}","size":{}}}"#, of.media_type, of.digest, of.size)
}
