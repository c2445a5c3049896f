//! Names its transports instead of taking all that are linked: `explicit-transports images.tar layout`.
//!
//! Nothing is looked up here: for programs that know what they handle, or that set transports up each in its way.

use std::sync::Arc;

use transship::docker_archive::DockerArchive;
use transship::oci_layout::OciLayout;
use transship::transport::Transport;
use transship::{Images, Transfer, TransferOptions, Transports};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut paths = std::env::args().skip(1);
    let (Some(archive), Some(layout)) = (paths.next(), paths.next()) else {
        return Err("usage: explicit-transports ARCHIVE LAYOUT".into());
    };
    let (archives, layouts) = (DockerArchive::new(), OciLayout::new());
    let (from, to) = (archives.parse(&archive)?, layouts.parse(&layout)?);

    let options = TransferOptions::default().with_images(Images::All);
    let report = Transfer::new(from, to)
        .options(options)
        // Each side knows only what it needs: this program reads archives and writes layouts.
        .from_transports(Transports::default().with(Arc::new(archives)))
        .to_transports(Transports::default().with(Arc::new(layouts)))
        .run()
        .await?;
    println!("{} images are in {layout}", report.images.len());
    Ok(())
}
