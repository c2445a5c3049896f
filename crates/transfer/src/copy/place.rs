//! [`Place`]: where a blob stands in the order of a destination that takes one after the other.

use transship_core::Result;

use crate::turn::{Turn, Turns};

/// Gives out places.
#[derive(Debug, Default)]
pub(super) struct Places {
    begin: Turns,
    put: Turns,
}

/// A blob's place in the order. While one is put, the next one is looked for and begins to be read: it is put when the one before
/// is there.
#[derive(Debug)]
pub(super) struct Place(Option<(Turn, Turn)>);

impl Places {
    /// The place behind those that were given out before.
    pub(super) fn next(&mut self) -> Place {
        Place(Some((self.begin.next(), self.put.next())))
    }
}

impl Place {
    /// Of a destination that takes blobs in any order.
    pub(super) fn anywhere() -> Self {
        Self(None)
    }

    pub(super) fn is_in_order(&self) -> bool {
        self.0.is_some()
    }

    /// Waits until the one before is being put.
    pub(super) async fn begin(&mut self) -> Result<()> {
        match &mut self.0 {
            Some((begin, _)) => begin.come().await,
            None => Ok(()),
        }
    }

    /// Waits until the one before is there. Then the next one may begin: it gets nothing that this one still waits for.
    pub(super) async fn put(&mut self) -> Result<()> {
        if let Some((begin, put)) = &mut self.0 {
            put.come().await?;
            begin.end();
        }
        Ok(())
    }

    /// The blob is there.
    pub(super) async fn end(&mut self) -> Result<()> {
        self.put().await?;
        if let Some((_, put)) = &mut self.0 {
            put.end();
        }
        Ok(())
    }
}
