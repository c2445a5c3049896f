//! [`Memory`]: which layers an engine has, so that a load leaves them out.
//!
//! An engine with graph drivers, and podman, know layers by chain: their images list them. One with the containerd store knows blobs by
//! digest, and lists manifests only; which blobs these have is remembered from earlier loads.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use transship_core::{
    Cache, Digest, Document, Expect, Manifest, Result, ResultExt, chain_id, parse_digest,
    run_blocking,
};

use crate::engine::{Engine, Store};

/// How many images are looked at, the newest first. Each is a request.
const LOOKED_AT: usize = 1000;

/// What is remembered of an engine's images. None of it changes: by ID the chains of an image, by digest the blobs of a
/// manifest.
#[derive(Debug, Default)]
pub struct Memory {
    chains: Mutex<HashMap<String, Vec<Digest>>>,
    blobs: Mutex<HashMap<Digest, Vec<(Digest, u64)>>>,
    wrong: AtomicBool,
}

/// Layers that an engine has.
#[derive(Debug, Default)]
pub(crate) struct Known {
    chains: HashSet<Digest>,
    blobs: HashMap<Digest, u64>,
}

impl Known {
    pub(crate) fn has(&self, want: &Expect) -> bool {
        let by_chain = want.chain.as_ref().is_some_and(|chain| self.chains.contains(chain));
        let size = want.digest.as_ref().and_then(|digest| self.blobs.get(digest));
        by_chain || size.is_some_and(|size| want.size == Some(*size))
    }
}

impl Memory {
    /// An image was refused of which layers were left out: from now on the engine gets whole images.
    pub(crate) fn was_wrong(&self) {
        self.wrong.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_wrong(&self) -> bool {
        self.wrong.load(Ordering::Relaxed)
    }

    /// What the engine has now, as far as it can be told. That it cannot is no error: then all is sent.
    pub(crate) async fn known(&self, engine: &dyn Engine, store: Store, cache: &Cache) -> Known {
        self.ask(engine, store, cache).await.unwrap_or_default()
    }

    async fn ask(&self, engine: &dyn Engine, store: Store, cache: &Cache) -> Result<Known> {
        let mut known = Known::default();
        if self.is_wrong() {
            return Ok(known);
        }
        let ids = engine.images().await?.into_iter().take(LOOKED_AT).map(|image| image.id);
        if store != Store::Containerd {
            known.chains = self.chains(engine, ids.collect()).await?;
            return Ok(known);
        }
        for id in ids {
            known.blobs.extend(self.blobs(engine, &id, cache).await?);
        }
        Ok(known)
    }

    /// The chains of images: one for each of their layers. Nothing of an image that went meanwhile.
    async fn chains(&self, engine: &dyn Engine, ids: Vec<String>) -> Result<HashSet<Digest>> {
        let new: Vec<_> = {
            let seen = locked(&self.chains);
            ids.iter().filter(|id| !seen.contains_key(*id)).cloned().collect()
        };
        let images = if new.is_empty() { Vec::new() } else { engine.inspect_all(&new).await? };
        let mut seen = locked(&self.chains);
        for image in images {
            let mut chains: Vec<Digest> = Vec::new();
            for diff_id in image.layers().iter().map_while(|text| parse_digest(text).ok()) {
                chains.push(chain_id(chains.last(), &diff_id));
            }
            seen.insert(image.id, chains);
        }
        Ok(ids.iter().filter_map(|id| seen.get(id)).flatten().cloned().collect())
    }

    /// The blobs of those manifests of an image that are whole, and were loaded before.
    async fn blobs(
        &self,
        engine: &dyn Engine,
        id: &str,
        cache: &Cache,
    ) -> Result<Vec<(Digest, u64)>> {
        let image = engine.inspect(id).await.if_found()?;
        let parts = image.and_then(|image| image.manifests).unwrap_or_default();
        let whole = parts.iter().filter(|part| part.available);
        let mut all = Vec::new();
        for manifest in whole.filter_map(|part| parse_digest(&part.id).ok()) {
            let seen = locked(&self.blobs).get(&manifest).cloned();
            all.extend(match seen {
                Some(seen) => seen,
                None => recall(manifest, cache.clone()).await?,
            });
        }
        Ok(all)
    }

    /// Remembers which layers the images of a load have.
    pub(crate) async fn remember(&self, manifests: &[Manifest], cache: &Cache) -> Result<()> {
        for manifest in manifests {
            let Document::Image(image) = manifest.document() else { continue };
            let blobs: Vec<_> =
                image.layers.iter().map(|layer| (layer.digest.clone(), layer.size)).collect();
            let digest = manifest.descriptor().digest.clone();
            let question = question(&digest);
            let answer = blobs.iter().map(|(digest, size)| format!("{digest} {size}"));
            let answer = answer.collect::<Vec<_>>().join(" ");
            locked(&self.blobs).insert(digest, blobs);
            let cache = cache.clone();
            run_blocking(move |_| {
                cache.note(&question, &answer);
                Ok(())
            })
            .await?;
        }
        Ok(())
    }
}

async fn recall(manifest: Digest, cache: Cache) -> Result<Vec<(Digest, u64)>> {
    let answer = run_blocking(move |_| Ok(cache.recall(&question(&manifest)))).await?;
    let answer = answer.unwrap_or_default();
    let words: Vec<_> = answer.split(' ').collect();
    let blob = |pair: &[&str]| match pair {
        [digest, size] => Some((parse_digest(digest).ok()?, size.parse().ok()?)),
        _ => None,
    };
    Ok(words.chunks(2).filter_map(blob).collect())
}

fn question(manifest: &Digest) -> String {
    format!("layers of manifest {manifest}")
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
