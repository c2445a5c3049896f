//! [`LayerCache`]: what earlier transfers made of layers, so that nothing is compressed a second time to find out that
//! the result is there.

use transship_core::{
    Cache, Digest, Expect, LayerForm, Result, Stored, parse_digest, run_blocking,
};

use super::task::BlobTask;
use crate::codec::{DEFAULT_GZIP_LEVEL, DEFAULT_ZSTD_LEVEL};
use crate::plan::form_name;
use crate::{Compress, TransferOptions};

/// Goes up whenever an encoder gives other bytes for the same input and level.
const ENCODERS: u32 = 1;

/// The results of compression, by diff ID, encoder and level.
#[derive(Clone, Debug)]
pub(crate) struct LayerCache {
    cache: Cache,
    compress: Compress,
}

impl LayerCache {
    pub(crate) fn new(options: &TransferOptions) -> Self {
        Self { cache: options.cache.clone(), compress: options.compress }
    }

    /// What will be there, as far as it is known before.
    pub(crate) async fn expect(&self, task: &BlobTask) -> Result<Expect> {
        let mut expect = task.expect();
        let Some(question) = self.question(task) else { return Ok(expect) };
        let cache = self.cache.clone();
        let answer = run_blocking(move |_| Ok(cache.recall(&question))).await?;
        if let Some((digest, size)) = answer.as_deref().and_then(parse) {
            expect.digest = Some(digest);
            expect.size = Some(size);
        }
        Ok(expect)
    }

    /// Keeps what a layer became. Its diff ID was checked on the way.
    pub(crate) async fn note(&self, task: &BlobTask, stored: &Stored) -> Result<()> {
        let Some(question) = self.question(task) else { return Ok(()) };
        let (cache, answer) = (self.cache.clone(), format!("{} {}", stored.digest, stored.size));
        run_blocking(move |_| {
            cache.note(&question, &answer);
            Ok(())
        })
        .await
    }

    /// `None` for what is not compressed, or known without asking.
    fn question(&self, task: &BlobTask) -> Option<String> {
        let to = task.key.to.filter(|_| self.cache.is_set())?;
        let level = match (to, self.compress) {
            (LayerForm::Gzip, Compress::Gzip(Some(level))) => i64::from(level),
            (LayerForm::Gzip, _) => i64::from(DEFAULT_GZIP_LEVEL),
            (LayerForm::Zstd, Compress::Zstd(Some(level))) => i64::from(level),
            (LayerForm::Zstd, _) => i64::from(DEFAULT_ZSTD_LEVEL),
            _ => return None,
        };
        let diff_id = task.diff_id.as_ref()?;
        let (form, release) = (form_name(to), env!("CARGO_PKG_VERSION"));
        Some(format!("layer {form} {level} {release}-{ENCODERS} {diff_id}"))
    }
}

fn parse(answer: &str) -> Option<(Digest, u64)> {
    let (digest, size) = answer.split_once(' ')?;
    Some((parse_digest(digest).ok()?, size.parse().ok()?))
}
