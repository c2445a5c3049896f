//! An archive in memory that comes once, and one that keeps what comes before it is known what it is for.

use async_trait::async_trait;
use transship_core::*;

use crate::memory::Memory;

/// What an archive has to do with streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Streams {
    Never,
    /// It can be read only once.
    Once,
    /// It keeps blobs of which nobody knows yet what they are for.
    Stages,
}

#[async_trait]
impl OnePass for Memory {
    async fn comes_once(&self, _: &Reference) -> bool {
        self.streams == Streams::Once
    }

    async fn pass(
        &self,
        _: &Reference,
        _: &ReadOptions,
        into: Option<&dyn Staging>,
    ) -> Result<Passed> {
        let mut blobs: Vec<Descriptor> = self
            .state()
            .blobs
            .iter()
            .map(|(digest, bytes)| {
                let kind = MediaType::from("application/octet-stream");
                Descriptor::new(kind, digest.clone(), bytes.len() as u64)
            })
            .collect();
        blobs.sort_by_key(|blob| blob.digest.to_string());
        for blob in &blobs {
            match (into, self.body(blob)) {
                (Some(into), Ok(body)) => drop(into.stage(body).await?),
                (_, Err(error)) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(Passed::new(()))
    }
}

#[async_trait]
impl Staging for Memory {
    async fn stage(&self, body: Body) -> Result<Staged> {
        let bytes = body.bytes(1 << 30).await?;
        let digest = self.add_blob(bytes.clone());
        let stored = Stored::new(digest, bytes.len() as u64);
        Ok(Staged::new(stored, FileRange::in_memory(bytes, std::path::Path::new("memory"))))
    }
}
