//! Lists what an archive or layout holds, without reading a layer: `list docker-archive:images.tar`.

use transship::{ErrorKind, ReadOptions, Settings, Transports};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let place = std::env::args().nth(1).ok_or("usage: list PLACE")?;
    let transports = Transports::linked(&Settings::new())?;
    let place = transports.parse(&place)?;

    // Transports whose places hold single images have no `archives`.
    let Some(archives) = transports.of(&place)?.archives() else {
        return Err(format!("{place} is a place for one image").into());
    };
    let reader = match archives.read(&place, &ReadOptions::default()).await {
        Ok(reader) => reader,
        Err(error) if error.kind() == ErrorKind::NotFound => return Err("nothing is there".into()),
        Err(error) => return Err(error.into()),
    };
    for entry in reader.entries() {
        let names: Vec<_> = entry.names.iter().map(ToString::to_string).collect();
        let details = reader.details(entry).await?;
        // This reference opens the image in any process, whether it has a name or not.
        println!("{} [{}] {} bytes", entry.reference, names.join(", "), details.size);
        for warning in &entry.warnings {
            println!("  {warning}");
        }
    }
    Ok(())
}
