//! What we see.

use std::path::Path;

use transship::transport::sha256;
use transship::{
    Document, Images, ReadOptions, Result, Settings, Transfer, TransferOptions, Transports,
    WriteMode,
};

use crate::Seen;

/// The most bytes of a blob here.
const LIMIT: u64 = 1 << 20;

/// Each image of an archive; `None` for one that is refused alone.
pub(crate) async fn read(
    scheme: &str,
    path: &Path,
) -> std::result::Result<Vec<Option<Seen>>, String> {
    all(scheme, path).await.map_err(|error| error.to_string())
}

async fn all(scheme: &str, path: &Path) -> Result<Vec<Option<Seen>>> {
    let transports = Transports::linked(&Settings::new())?;
    let at = transports.parse(&format!("{scheme}:{}", path.display()))?;
    let archives = transports.of(&at)?.archives().unwrap();
    let reader = archives.read(&at, &ReadOptions::default()).await?;
    let (mut images, mut last) = (Vec::new(), None);
    for entry in reader.entries() {
        let names = entry.names.iter().map(ToString::to_string).collect();
        match image(&*reader, entry, names).await {
            Ok(seen) => images.push(Some(seen)),
            Err(error) => {
                images.push(None);
                last = Some(error);
            }
        }
    }
    match last {
        Some(error) if images.iter().all(Option::is_none) => Err(error),
        _ => Ok(images),
    }
}

async fn image(
    reader: &dyn transship::transport::ArchiveReader,
    entry: &transship::transport::ArchiveEntry,
    names: Vec<String>,
) -> Result<Seen> {
    let source = reader.open(entry).await?;
    let root = source.root().await?;
    let Document::Image(document) = root.document() else {
        let message = "it is an index";
        return Err(transship::Error::new(transship::ErrorKind::Unsupported, message));
    };
    let config = source.blob(&document.config).await?.bytes(LIMIT).await?;
    let mut layers = Vec::new();
    for layer in &document.layers {
        layers.push(sha256(&source.blob(layer).await?.bytes(LIMIT).await?).to_string());
    }
    Ok(Seen { config: sha256(&config).to_string(), layers, names })
}

/// What a layout has after all images were copied there, from the file or from a pipe.
pub(crate) async fn copied(
    scheme: &str,
    path: &Path,
    pipe: bool,
) -> std::result::Result<Vec<String>, String> {
    let folder = path.with_file_name(if pipe { "from-pipe" } else { "from-file" });
    let _ = std::fs::remove_dir_all(&folder);
    let from = path.with_file_name("pipe");
    let writing = pipe.then(|| {
        let _ = std::fs::remove_file(&from);
        let made = std::process::Command::new("mkfifo").arg(&from).status().unwrap();
        assert!(made.success());
        let (bytes, from) = (std::fs::read(path).unwrap(), from.clone());
        // A reader that refuses goes away.
        std::thread::spawn(move || drop(std::fs::write(from, bytes)))
    });
    let from = if pipe { &from } else { path };
    let result = copy(scheme, from, &folder).await;
    if let Some(writing) = writing {
        // It waits for a reader that may never have opened.
        drop(std::fs::OpenOptions::new().read(true).write(true).open(from));
        writing.join().unwrap();
    }
    result.map_err(|error| error.to_string())
}

async fn copy(scheme: &str, from: &Path, to: &Path) -> Result<Vec<String>> {
    let transports = Transports::linked(&Settings::new())?;
    let from = transports.parse(&format!("{scheme}:{}", from.display()))?;
    let to = transports.parse(&format!("oci:{}", to.display()))?;
    let mut options = TransferOptions::default();
    options.images = Images::All;
    options.mode = Some(WriteMode::Create);
    let report = Transfer::new(from, to).options(options).run().await?;
    let shown = |image: &transship::transfer::ImageReport| {
        let names: Vec<_> = image
            .destinations
            .iter()
            .map(|to| {
                to.locator()
                    .rsplit("from-")
                    .next()
                    .unwrap_or_default()
                    .split_once(':')
                    .map(|(_, name)| name.to_owned())
            })
            .collect();
        format!("{} {names:?}", image.digest)
    };
    Ok(report.images.iter().map(shown).collect())
}
