//! Deletion, with a slip.

use std::time::Duration;

use async_trait::async_trait;
use transship_core::{
    DeleteMode, DeleteOptions, Deletion, Digest, Document, ReadOptions, Reference, Result,
    Transport,
};

use super::Slip;
use super::transport::{LONG, Slipping, later};

/// How often is looked whether the image has changed.
const LOOKS: usize = 20;

#[async_trait]
impl Deletion for Slipping {
    async fn delete(&self, at: &Reference, how: &DeleteOptions) -> Result<()> {
        if self.slip == Slip::DeletionBlocks {
            std::thread::sleep(LONG);
        }
        if self.slip == Slip::PositionDeletesOneName && at.locator().contains('#') {
            let source = self.memory.source(at, &ReadOptions::default()).await?;
            if let [first, _, ..] = source.names() {
                let first = self.memory.parse(&format!("{}:{first}", self.place(at).locator()))?;
                return self.memory.deletion().unwrap().delete(&first, how).await;
            }
        }
        if self.slip == Slip::DeletionTakesBases {
            let bases = self.bases(at).await?;
            self.memory.deletion().unwrap().delete(at, how).await?;
            return self.delete_all(&bases).await;
        }
        if self.slip != Slip::DeletionEndsLater {
            return self.memory.deletion().unwrap().delete(at, how).await;
        }
        self.memory.source(at, &ReadOptions::default()).await?;
        let (memory, at, how) = (self.memory.clone(), at.clone(), how.clone());
        later(async move { drop(memory.deletion().unwrap().delete(&at, &how).await) });
        Ok(())
    }

    async fn delete_if(&self, at: &Reference, root: &Digest, how: &DeleteOptions) -> Result<()> {
        let deletion = self.memory.deletion().unwrap();
        match self.slip {
            Slip::LookIgnoresTheRoot if how.mode == DeleteMode::Look => {
                deletion.delete(at, how).await
            }
            Slip::ChildIsTheRoot => {
                let found = self.memory.source(at, &ReadOptions::default()).await?.root().await?;
                let is_child = matches!(found.document(), Document::Index(index)
                    if index.manifests.iter().any(|child| child.digest == *root));
                let root = if is_child { &found.descriptor().digest } else { root };
                deletion.delete_if(at, root, how).await
            }
            Slip::RootIsComparedEarly => {
                let look = how.clone().with_mode(DeleteMode::Look);
                deletion.delete_if(at, root, &look).await?;
                for _ in 0..LOOKS {
                    if deletion.delete_if(at, root, &look).await.is_err() {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                deletion.delete(at, how).await
            }
            _ => deletion.delete_if(at, root, how).await,
        }
    }
}
