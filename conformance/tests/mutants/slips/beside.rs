//! What is put beside an image, with a slip.

use async_trait::async_trait;
use transship_core::{
    Body, Descriptor, Document, Manifest, PutBeside, Result, TagsMove, Transport,
};

use super::Slip;
use super::destination::SlippingDestination;

#[async_trait]
impl PutBeside for SlippingDestination<'_> {
    async fn put_beside(&self, tag: &str, root: &Manifest) -> Result<()> {
        let inner = self.inner.beside().unwrap();
        match self.of.slip {
            Slip::BesideIsEarly | Slip::BesideIsLost => {
                self.of.state.beside.lock().unwrap().push((tag.to_owned(), root.clone()));
                return Ok(());
            }
            Slip::BesideIsHollow => {
                let Document::Image(image) = root.document() else { return Ok(()) };
                self.of.state.lost.lock().unwrap().insert(image.config.digest.clone());
            }
            Slip::FirstBesideStays if !inner.beside(tag).await?.is_empty() => return Ok(()),
            _ => {}
        }
        inner.put_beside(tag, root).await
    }

    async fn beside(&self, tag: &str) -> Result<Vec<Manifest>> {
        let is_own = self.how.is_none();
        if self.of.slip == Slip::BesideIsNotGiven
            || (self.of.slip == Slip::OwnBesideIsNotGiven && is_own)
        {
            return Ok(Vec::new());
        }
        if self.of.slip == Slip::BesideIsReplacedUnseen
            && let Some(how) = &self.how
        {
            let other = self.of.memory.destination(&self.at, how).await?;
            return other.beside().unwrap().beside(tag).await;
        }
        self.inner.beside().unwrap().beside(tag).await
    }

    fn tags_move(&self) -> TagsMove {
        match self.of.slip {
            Slip::TagsAreSaidToMove => TagsMove::Always,
            _ => self.inner.beside().unwrap().tags_move(),
        }
    }

    async fn blob_beside(&self, of: &Descriptor) -> Result<Body> {
        self.inner.beside().unwrap().blob_beside(of).await
    }
}
