//! [`Layer`]: its bytes, their form, and how they are described.

use std::collections::HashMap;
use std::fmt;
use std::io::Write;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use transship_core::{Descriptor, Digest, MediaType, media_types};

use super::frame::{SKIPPED, frame};
use super::{Blob, Format, digest_of, noise};
use crate::Held;

/// A layer. Layers of equal seed, size, form and algorithm are the same blob.
#[derive(Clone, PartialEq, Eq)]
pub struct Layer {
    /// Which bytes.
    pub seed: u8,
    /// How many, before they are compressed.
    pub size: usize,
    /// How they are stored.
    pub form: Form,
    /// By which digest they are named.
    pub algorithm: Algorithm,
    /// Whether the descriptor has annotations, `urls` and a field that nobody knows.
    pub described: bool,
}

/// The form of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// As it is.
    Plain,
    /// gzip, of so many members.
    Gzip(usize),
    /// zstd, of so many frames, with a skippable one between them.
    Zstd(usize),
    /// Of a type that nobody knows.
    Unknown,
}

/// The algorithm of a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// sha256.
    Sha256,
    /// sha512.
    Sha512,
}

/// Layers whose seeds divided by 4 leave these are tars, and zeros.
const TAR: u8 = 2;
const ZEROS: u8 = 3;

/// What a tar has beside the content of its file: the header, and two blocks at the end.
const FRAME: usize = 1536;

impl Layer {
    /// A plain layer of a few bytes.
    pub fn small(seed: u8, size: usize) -> Self {
        Self { seed, size, form: Form::Plain, algorithm: Algorithm::Sha256, described: false }
    }

    /// A plain layer that is a tar, of a file of so many bytes.
    pub fn tar(seed: u8, file: usize) -> Self {
        Self::small(seed, file).into_tar()
    }

    /// A tar in its place: layers that differ are tars that differ, as far as their seeds are below 64.
    #[must_use]
    pub(crate) fn into_tar(self) -> Self {
        let seed = self.seed.wrapping_mul(4) + TAR;
        Self { seed, size: FRAME + self.size.next_multiple_of(512), ..self }
    }

    /// Whether nobody takes it for a tar. Zeros and a few bytes may pass for an empty one.
    pub(crate) fn is_no_tar(&self) -> bool {
        !matches!(self.seed % 4, TAR | ZEROS) && self.size >= 512
    }

    /// The bytes before they are compressed.
    pub(crate) fn content(&self) -> Vec<u8> {
        match self.seed % 4 {
            // Layers of zeros are what trips a reader of tars.
            ZEROS => vec![0; self.size],
            // What most layers are.
            TAR => tar(self.seed, self.size),
            _ => noise(u64::from(self.seed) + 1, self.size),
        }
    }

    pub(crate) fn diff_id(&self) -> Held<Digest> {
        Ok(self.made()?.diff_id.clone())
    }

    pub(crate) fn build(&self, format: Format) -> Held<Blob> {
        let made = self.made()?;
        let (digest, size) = (made.digest.clone(), made.bytes.len() as u64);
        let mut descriptor = Descriptor::new(self.media_type(format), digest, size);
        if self.described {
            descriptor.annotations.insert("org.example.kit".to_owned(), "1 \u{e9}".to_owned());
            descriptor.urls.push("https://example.invalid/layer".to_owned());
            descriptor.other.insert("x-kit".to_owned(), serde_json::json!({ "z": 1, "a": [] }));
        }
        Ok(Blob { descriptor, bytes: made.bytes.clone() })
    }

    /// What was made of it before, or is made now.
    fn made(&self) -> Held<Arc<Made>> {
        let key = (self.seed, self.size, self.form, self.algorithm);
        let made = || MADE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = made().by_layer.get(&key) {
            return Ok(Arc::clone(made));
        }
        let content = self.content();
        let diff_id = digest_of(self.algorithm, &content)?;
        let bytes = Bytes::from(self.stored(content)?);
        let digest = digest_of(self.algorithm, &bytes)?;
        let new = Arc::new(Made { bytes, digest, diff_id });
        made().keep(key, &new);
        Ok(new)
    }

    fn media_type(&self, format: Format) -> MediaType {
        match (self.form, format) {
            (Form::Plain, Format::Oci) => MediaType::ImageLayer,
            (Form::Gzip(_), Format::Oci) => MediaType::ImageLayerGzip,
            (Form::Zstd(_), Format::Oci) => MediaType::ImageLayerZstd,
            (Form::Plain, Format::Docker) => MediaType::from(media_types::DOCKER_LAYER),
            (Form::Gzip(_), Format::Docker) => MediaType::from(media_types::DOCKER_LAYER_GZIP),
            (Form::Zstd(_), Format::Docker) => MediaType::from(media_types::DOCKER_LAYER_ZSTD),
            (Form::Unknown, _) => MediaType::from("application/vnd.example.layer.v1+unknown"),
        }
    }

    fn stored(&self, content: Vec<u8>) -> Held<Vec<u8>> {
        Ok(match self.form {
            Form::Plain | Form::Unknown => content,
            Form::Gzip(members) => {
                // Noise does not get smaller. To compress it took more time than the rest of what makes a large layer.
                let is_large_noise = content.len() > LARGE && self.seed % 4 != ZEROS;
                let level = if is_large_noise { Compression::none() } else { Compression::fast() };
                let mut out = Vec::new();
                for part in parts(&content, members) {
                    let mut member = GzEncoder::new(out, level);
                    member.write_all(part)?;
                    out = member.finish()?;
                }
                out
            }
            Form::Zstd(frames) => {
                let mut out = Vec::new();
                for (at, part) in parts(&content, frames).enumerate() {
                    if at > 0 {
                        // A skippable frame of four bytes.
                        out.extend_from_slice(&SKIPPED);
                        out.extend_from_slice(&[4, 0, 0, 0, 1, 2, 3, 4]);
                    }
                    out.extend(frame(part));
                }
                out
            }
        })
    }
}

/// A layer that was made: its bytes as they are stored, and their digest and that of its content.
#[derive(Debug)]
struct Made {
    bytes: Bytes,
    digest: Digest,
    diff_id: Digest,
}

/// The layers that were made last. Layers are few and cases are many, and to make one takes longer than to write it.
static MADE: LazyLock<Mutex<AllMade>> = LazyLock::new(Mutex::default);

/// A gzip layer of more bytes is stored without compression, unless it is of zeros.
const LARGE: usize = 64 << 10;

/// More bytes than these are not kept.
const MOST_MADE: usize = 64 << 20;

#[derive(Debug, Default)]
struct AllMade {
    by_layer: HashMap<(u8, usize, Form, Algorithm), Arc<Made>>,
    bytes: usize,
}

impl AllMade {
    fn keep(&mut self, layer: (u8, usize, Form, Algorithm), made: &Arc<Made>) {
        if self.bytes + made.bytes.len() > MOST_MADE {
            *self = Self::default();
        }
        if self.by_layer.insert(layer, Arc::clone(made)).is_none() {
            self.bytes += made.bytes.len();
        }
    }
}

/// A tar of one file, cut or filled up with zeros to a size.
fn tar(seed: u8, size: usize) -> Vec<u8> {
    let content = noise(u64::from(seed) + 1, size.saturating_sub(FRAME));
    let mut header = vec![0_u8; 512];
    let mut field =
        |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    field(0, &format!("etc/kit-{seed}"));
    field(100, "0000644\0");
    field(108, "0000000\0");
    field(116, "0000000\0");
    field(124, &format!("{:011o}\0", content.len()));
    field(136, "00000000000\0");
    field(148, "        ");
    field(156, "0");
    field(257, "ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    let sum = format!("{sum:06o}\0 ");
    header[148..156].copy_from_slice(sum.as_bytes());
    header.extend(content);
    header.resize(size, 0);
    header
}

/// So many parts, the last of which may be empty.
fn parts(content: &[u8], count: usize) -> impl Iterator<Item = &[u8]> {
    let count = count.max(1);
    let len = content.len().div_ceil(count);
    (0..count)
        .map(move |at| &content[(at * len).min(content.len())..((at + 1) * len).min(content.len())])
}

impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.form {
            Form::Plain => f.write_str("plain")?,
            Form::Gzip(1) => f.write_str("gzip")?,
            Form::Gzip(members) => write!(f, "gzip*{members}")?,
            Form::Zstd(1) => f.write_str("zstd")?,
            Form::Zstd(frames) => write!(f, "zstd*{frames}")?,
            Form::Unknown => f.write_str("unknown")?,
        }
        write!(f, " {} B #{}", self.size, self.seed)?;
        if self.algorithm == Algorithm::Sha512 {
            f.write_str(" sha512")?;
        }
        if self.described { f.write_str(" annotated") } else { Ok(()) }
    }
}
