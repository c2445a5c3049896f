//! Archives with many images, the same on every machine.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::sh::Result;

const BLOCK: usize = 512;

/// What to make: each image has one layer of each kind.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    /// The number of the first image: other numbers are other images.
    first: u64,
    pub(super) images: u64,
    /// How many images share a layer, and the bytes of its file.
    layers: Vec<(u64, u64)>,
    /// The image whose own layer and config are others than they were.
    changed: Option<u64>,
}

/// What tells the layers of a changed image from those that it had.
const CHANGED: u64 = 1 << 48;

/// What was made.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Made {
    /// The bytes of all images, each for itself.
    pub(super) apparent: u64,
    pub(super) blobs: u64,
    /// The bytes of all blobs, each once.
    pub(super) unique: u64,
}

impl Shape {
    fn end(&self) -> u64 {
        self.first + self.images
    }

    /// Images with small layers: one that ten share, one of their own.
    pub(super) fn small(images: u64) -> Self {
        Self { first: 0, images, layers: vec![(10, 4096), (1, 1024)], changed: None }
    }

    /// Images of so many MiB, of which three quarters are one layer that ten share.
    pub(crate) fn alike(first: u64, images: u64, mib: u64) -> Self {
        let size = mib * (1 << 20);
        let layers = vec![(10, size * 3 / 4), (1, size / 4)];
        Self { first, images, layers, changed: None }
    }

    /// 40 images that look like so many MiB together: three quarters of each are shared by ten, a sixth by five.
    pub(crate) fn bundle(mib: u64) -> Self {
        let each = mib * (1 << 20) / 40;
        Self {
            first: 0,
            images: 40,
            layers: vec![(10, each * 3 / 4), (5, each * 3 / 16), (1, each / 16)],
            changed: None,
        }
    }

    /// One image of so many layers, each of so many bytes.
    pub(crate) fn layered(layers: usize, bytes: u64) -> Self {
        Self { first: 0, images: 1, layers: vec![(1, bytes); layers], changed: None }
    }

    /// The same images, of which one has changed: its config, and the layer that is its own.
    pub(super) fn changing(&self, image: u64) -> Self {
        Self { changed: Some(image), ..self.clone() }
    }

    fn seed(&self, kind: usize, sharing: u64, at: u64) -> u64 {
        let changed = sharing == 1 && self.changed == Some(at);
        (kind as u64) << 32 | at | if changed { CHANGED } else { 0 }
    }

    fn label(&self, image: u64) -> String {
        let changed = self.changed == Some(image);
        format!("{image}{}", if changed { " has changed" } else { "" })
    }
}

/// Writes a docker-archive.
pub(crate) fn archive(shape: &Shape, path: &Path) -> Result<Made> {
    let failed = |e: std::io::Error| format!("{}: {e}", path.display());
    let mut tar = Tar(BufWriter::with_capacity(1 << 20, File::create(path).map_err(failed)?));
    let mut made = Made::default();
    let mut kinds = Vec::new();
    for (kind, &(sharing, size)) in shape.layers.iter().enumerate() {
        let mut layers = Vec::new();
        for at in shape.first / sharing..shape.end().div_ceil(sharing) {
            let name = format!("layers/{kind}-{at}.tar");
            let digest = tar.layer(&name, size, shape.seed(kind, sharing, at)).map_err(failed)?;
            made.blobs += 1;
            made.unique += layer_size(size);
            layers.push((name, digest));
        }
        kinds.push((sharing, layer_size(size), layers));
    }
    let mut entries = Vec::new();
    for image in shape.first..shape.end() {
        let mut of_image = Vec::new();
        for (sharing, size, layers) in &kinds {
            made.apparent += size;
            let at = usize::try_from(image / sharing - shape.first / sharing)
                .map_err(|e| e.to_string())?;
            of_image.push(&layers[at]);
        }
        let diff_ids: Vec<_> = of_image.iter().map(|(_, digest)| digest).collect();
        let config = json!({
            "architecture": "amd64",
            "os": "linux",
            "config": { "Labels": { "image": shape.label(image) } },
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        })
        .to_string();
        let name = format!("{}.json", hex(&Sha256::digest(&config)));
        tar.file(&name, config.as_bytes()).map_err(failed)?;
        made.blobs += 1;
        made.unique += config.len() as u64;
        made.apparent += config.len() as u64;
        entries.push(json!({
            "Config": name,
            "RepoTags": [format!("example/scale:{image}")],
            "Layers": of_image.iter().map(|(name, _)| name).collect::<Vec<_>>(),
        }));
    }
    tar.file("manifest.json", json!(entries).to_string().as_bytes()).map_err(failed)?;
    tar.0.write_all(&[0; 2 * BLOCK]).and_then(|()| tar.0.flush()).map_err(failed)?;
    Ok(made)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A tar with one file in it.
fn layer_size(file: u64) -> u64 {
    let block = BLOCK as u64;
    block + file.div_ceil(block) * block + 2 * block
}

struct Tar(BufWriter<File>);

impl Tar {
    fn file(&mut self, name: &str, content: &[u8]) -> std::io::Result<()> {
        self.0.write_all(&header(name, content.len() as u64))?;
        self.0.write_all(content)?;
        self.0.write_all(&vec![0; content.len().next_multiple_of(BLOCK) - content.len()])
    }

    /// A layer with one file of so many bytes that do not compress. Gives its diff ID.
    fn layer(&mut self, name: &str, size: u64, seed: u64) -> std::io::Result<String> {
        let whole = layer_size(size);
        self.0.write_all(&header(name, whole))?;
        let mut hash = Sha256::new();
        let mut put = |bytes: &[u8]| {
            hash.update(bytes);
            self.0.write_all(bytes)
        };
        put(&header("data", size))?;
        let mut random = Random(seed);
        let mut left = size;
        let mut chunk = vec![0; 1 << 16];
        while left > 0 {
            for word in chunk.chunks_exact_mut(8) {
                word.copy_from_slice(&random.next().to_le_bytes());
            }
            let n = usize::try_from(left).unwrap_or(usize::MAX).min(chunk.len());
            put(&chunk[..n])?;
            left -= n as u64;
        }
        let padding = whole - BLOCK as u64 - size;
        put(&vec![0; usize::try_from(padding).unwrap_or_default()])?;
        Ok(format!("sha256:{}", hex(&hash.finalize())))
    }
}

/// A plain file's header, of the old kind that all readers know.
fn header(name: &str, size: u64) -> [u8; BLOCK] {
    let mut header = [0; BLOCK];
    let mut put =
        |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, "0000644\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{size:011o}\0"));
    put(136, "00000000000\0");
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\0");
    put(263, "00");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    let text = format!("{sum:06o}\0 ");
    header[148..156].copy_from_slice(text.as_bytes());
    header
}

/// The generator `SplitMix64`.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
