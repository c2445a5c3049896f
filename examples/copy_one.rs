//! Copies one image: `copy-one docker-archive:images.tar:alpine:3 oci:layout`.

use transship::{Settings, Transfer, Transports};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut places = std::env::args().skip(1);
    let (Some(from), Some(to)) = (places.next(), places.next()) else {
        return Err("usage: copy-one SOURCE DESTINATION".into());
    };

    // Every transport whose crate is linked.
    let transports = Transports::linked(&Settings::new())?;
    // A reference is checked here, and nothing is opened yet.
    let (from, to) = (transports.parse(&from)?, transports.parse(&to)?);

    let report = Transfer::new(from, to).run().await?;
    for image in &report.images {
        for destination in &image.destinations {
            println!("{destination} is {}", image.digest);
        }
    }
    Ok(())
}
