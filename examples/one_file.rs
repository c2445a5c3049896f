//! Reads one file out of an image, without unpacking it: `one-file docker://alpine:3 etc/os-release`.

use std::io::Read;
use std::path::Path;

use transship::transport::run_blocking;
use transship::{Body, Image, Platform, Result, Settings, Transports};

#[tokio::main]
async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let (Some(image), Some(file)) = (words.next(), words.next()) else {
        return Err("usage: one-file IMAGE FILE".into());
    };
    let transports = Transports::linked(&Settings::new())?;
    let image = Image::open(&transports, &transports.parse(&image)?).await?;
    let is_index = image.document().is_index();
    let image = if is_index { image.select(&Platform::host()).await? } else { image };
    // Files in a later layer hide those in earlier ones. (This example ignores whiteouts.)
    for layer in image.layers()?.iter().rev() {
        if let Some(content) = find(layer.tar().await?, file.clone()).await? {
            print!("{}", String::from_utf8_lossy(&content));
            return Ok(());
        }
    }
    Err(format!("{file} is not in it").into())
}

async fn find(tar: Body, name: String) -> Result<Option<Vec<u8>>> {
    run_blocking(move |cancel| {
        let mut plain = tar.chunks(cancel)?;
        let found = search(&mut plain, Path::new(&name));
        // The digest is checked at the end of the layer.
        plain.finish()?;
        found.map_err(|error| transship::Error::io("reading", &name, error))
    })
    .await
}

fn search(tar: impl Read, name: &Path) -> std::io::Result<Option<Vec<u8>>> {
    for entry in tar::Archive::new(tar).entries()? {
        let mut entry = entry?;
        if entry.path()?.strip_prefix("./").unwrap_or(&entry.path()?) == name {
            let mut content = Vec::new();
            entry.read_to_end(&mut content)?;
            return Ok(Some(content));
        }
    }
    Ok(None)
}
