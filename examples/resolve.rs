//! Resolves a tag to a digest, in a registry by one HEAD request: `resolve docker://alpine:3`.

use transship::{Image, Settings, Transports};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let place = std::env::args().nth(1).ok_or("usage: resolve IMAGE")?;
    let transports = Transports::linked(&Settings::new())?;
    let descriptor = Image::resolve(&transports, &transports.parse(&place)?).await?;
    println!("{}", descriptor.digest);
    Ok(())
}
