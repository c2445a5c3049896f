//! Looks at the first bytes of layers: what they are, whatever their type says.

use std::collections::{HashMap, HashSet};
use std::io::Read;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use transship_core::{
    Body, Descriptor, Digest, Error, ImageSource, Result, ResultExt, needed_blob, run_blocking,
};

use super::layers::{LayerRules, needs_sniff};
use super::select::{Choice, leaves};
use super::tree::{Image, Node, Tree};
use crate::codec::{Compression, SNIFF_LEN, sniff};

/// The compression of each layer that is chosen and of which it has to be known.
pub(crate) async fn sniff_layers(
    source: &dyn ImageSource,
    (tree, choice): (&Tree, &Choice),
    rules: &LayerRules,
    at_once: usize,
) -> Result<HashMap<Digest, Compression>> {
    let mut layers = to_sniff(tree, choice, rules);
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

/// The layers whose first bytes the plan of an image has to know.
fn to_sniff(tree: &Tree, choice: &Choice, rules: &LayerRules) -> Vec<Descriptor> {
    let of_image = |image: &Image| {
        let document = &image.document;
        if !document.is_runnable() {
            return Vec::new();
        }
        let layers = document.layers.iter().enumerate();
        layers
            .filter(|(at, layer)| needs_sniff(layer, image.diff_id(*at), rules))
            .map(|(_, layer)| layer.clone())
            .collect::<Vec<_>>()
    };
    if let Node::Image(image) = &tree.node {
        return of_image(image);
    }
    leaves(tree)
        .iter()
        .enumerate()
        .filter(|(at, _)| choice.takes(*at))
        .filter_map(|(_, leaf)| match leaf.tree()? {
            Tree { node: Node::Image(image), .. } => Some(of_image(image)),
            _ => None,
        })
        .flatten()
        .collect()
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
