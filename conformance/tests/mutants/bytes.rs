//! What a mutant does with bytes: it takes them unchecked, or gives them a name.

use bytes::Bytes;
use futures_util::StreamExt;
use transship_core::{Body, Expect, Result};

/// The digest that the bytes have, and nothing of what was expected.
pub fn named(expect: &Expect, bytes: &Bytes) -> Expect {
    let mut named = Expect::anything();
    named.media_type.clone_from(&expect.media_type);
    // As sha512 where that was asked for, so that the right bytes are found again.
    let hasher = expect.hasher().map(|mut hasher| {
        hasher.update(bytes);
        hasher.finish()
    });
    named.digest = hasher.ok();
    named
}

/// The bytes whatever they are, as far as they come.
pub async fn unchecked(body: Body) -> Result<Bytes> {
    if let Some(range) = body.file_range() {
        let mut bytes = vec![0; usize::try_from(range.len()).unwrap()];
        range.read_at(0, &mut bytes)?;
        return Ok(bytes.into());
    }
    let size = body.size();
    if let Some(bytes) = body.try_clone().filter(|_| size.is_some()) {
        // In memory: the expectation fails only at its end.
        let pieces: Vec<_> = bytes.into_stream().collect().await;
        let all: Vec<u8> = pieces.into_iter().flatten().flatten().collect();
        return Ok(all.into());
    }
    let pieces: Vec<_> = body.into_stream().collect().await;
    Ok(pieces.into_iter().flatten().flatten().collect::<Vec<u8>>().into())
}

/// Whether its type says that it is compressed.
pub fn is_compressed(expect: &Expect) -> bool {
    let text = expect.media_type.as_ref().map(ToString::to_string).unwrap_or_default();
    text.ends_with("gzip") || text.ends_with("zstd")
}
