//! Looks at the first bytes of layers: what they are, whatever their type says.

use std::collections::{HashMap, HashSet};
use std::io::Read;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use transship_core::{
    Body, Descriptor, Digest, Error, ImageSource, Result, ResultExt, needed_blob, run_blocking,
};

use crate::codec::{Compression, SNIFF_LEN, sniff};

/// The compression of each layer.
pub(crate) async fn sniff_layers(
    source: &dyn ImageSource,
    mut layers: Vec<Descriptor>,
    at_once: usize,
) -> Result<HashMap<Digest, Compression>> {
    let mut seen = HashSet::new();
    layers.retain(|layer| seen.insert(layer.digest.clone()));
    stream::iter(layers)
        .map(|layer| async move {
            let start = match start_of(needed_blob(source, &layer).await?).await {
                Err(error) if error.retryable() => {
                    start_of(needed_blob(source, &layer).await?).await
                }
                start => start,
            };
            let start = start.context(|| format!("layer {}", layer.digest))?;
            Ok((layer.digest, sniff(&start)))
        })
        .buffer_unordered(at_once)
        .try_collect()
        .await
}

async fn start_of(body: Body) -> Result<Vec<u8>> {
    if let Some(range) = body.file_range() {
        let mut start = vec![0; SNIFF_LEN];
        let n = range.read_at(0, &mut start)?;
        start.truncate(n);
        return Ok(start);
    }
    run_blocking(move |cancel| {
        let mut start = Vec::with_capacity(SNIFF_LEN);
        body.chunks(cancel)?
            .take(SNIFF_LEN as u64)
            .read_to_end(&mut start)
            .map_err(|e| Error::io("reading", "the first bytes", e))?;
        Ok(start)
    })
    .await
}
