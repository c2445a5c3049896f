//! What images can be, as values that print as one readable line and build the same bytes each time.

mod archive;
mod built;
mod config;
mod frame;
mod image;
mod index;
mod layer;
mod plain;

pub use archive::{Archive, Named};
pub use built::{Blob, Built};
pub use config::Config;
pub use image::{Format, Image};
pub use index::{Child, Index, Node, Presence};
pub use layer::{Algorithm, Form, Layer};
pub(crate) use plain::plain;

use transship_core::{Digest, DigestAlgorithm, Hasher};

use crate::Held;

/// Bytes that no compressor and no chance makes equal to others: the same for the same seed.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = vec![0; len.next_multiple_of(8)];
    for eight in bytes.chunks_exact_mut(8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        eight.copy_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

pub(crate) fn digest_of(algorithm: Algorithm, bytes: &[u8]) -> Held<Digest> {
    let mut hasher = match algorithm {
        Algorithm::Sha256 => Hasher::sha256(),
        Algorithm::Sha512 => Hasher::new(&DigestAlgorithm::Sha512)?,
    };
    hasher.update(bytes);
    Ok(hasher.finish())
}
