//! Copies all images and shows progress: `progress docker-archive:images.tar oci:layout`.

use std::sync::atomic::{AtomicU64, Ordering};

use transship::{EventKind, Events, Images, Settings, Transfer, TransferOptions, Transports};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut places = std::env::args().skip(1);
    let (Some(from), Some(to)) = (places.next(), places.next()) else {
        return Err("usage: progress SOURCE DESTINATION".into());
    };
    let transports = Transports::linked(&Settings::new())?;

    let options = TransferOptions::default().with_images(Images::All).with_observer(observer());
    let report = Transfer::new(transports.parse(&from)?, transports.parse(&to)?)
        .options(options)
        .run()
        .await?;
    println!("{} images, {} bytes written", report.images.len(), report.bytes_written);
    Ok(())
}

/// It is called while images are copied and must return at once: it counts and prints, and never waits.
fn observer() -> Events {
    let (total, done) = (AtomicU64::new(0), AtomicU64::new(0));
    Events::new(move |event| match &event.kind {
        EventKind::Planned { images, blobs, bytes } => {
            total.store(*bytes, Ordering::Relaxed);
            println!("{images} images with {blobs} blobs, {bytes} bytes");
        }
        // What is there already counts as done.
        EventKind::Advanced { bytes, .. } | EventKind::Reused { size: bytes, .. } => {
            let done = done.fetch_add(*bytes, Ordering::Relaxed) + bytes;
            let total = total.load(Ordering::Relaxed).max(1);
            println!("{}%", done.min(total) * 100 / total);
        }
        EventKind::Committed { references, .. } => {
            println!(
                "there is {}",
                references.first().map(ToString::to_string).unwrap_or_default()
            );
        }
        EventKind::Warning { text, .. } => println!("warning: {text}"),
        end if end.is_end() => println!("ended: {end:?}"),
        _ => {}
    })
}
