//! Mirrors the images that a filter selects, here those for a platform: `mirror docker://alpine oci:mirror linux/s390x`.

use transship::{Image, Platform, ReadOptions, Settings, Source, Transfer, Transports};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let (Some(from), Some(to), Some(platform)) = (words.next(), words.next(), words.next()) else {
        return Err("usage: mirror FROM TO PLATFORM".into());
    };
    let (transports, machine) =
        (Transports::linked(&Settings::new())?, Platform::parse(&platform)?);
    let from = transports.parse(&from)?;
    let archives = transports.of(&from)?.archives().ok_or("it holds one image")?;

    let mut chosen = Vec::new();
    for entry in archives.read(&from, &ReadOptions::default()).await?.entries() {
        let image = Image::open(&transports, &entry.reference).await?;
        if image.platforms().await?.iter().any(|has| machine.fit(has).is_some()) {
            chosen.push(Source::from(&entry.reference));
        }
    }
    let report = Transfer::many(chosen, transports.parse(&to)?).run().await?;
    println!("{} images are in {to}", report.images.len());
    Ok(())
}
