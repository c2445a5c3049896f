//! Entries of a tar whose bytes cannot be taken back.

use bytes::Bytes;
use tar::EntryType;
use transship_core::{Chunks, FileRange, Result, Stored, cancelled};

use super::{Decision, Put, TarWriter, To};
use crate::flow::{Spool, is_document};

/// What is copied at once from a temporary file.
const COPY: usize = 1 << 20;

impl TarWriter {
    /// Puts a file as it comes where its size is known, else once all of it has come.
    pub(super) fn stream_as(&mut self, name: &str, chunks: Chunks) -> Result<Put> {
        if let Some(size) = chunks.expected().size {
            return self.attempt(|this| this.pass_on(name, size, chunks));
        }
        let put = self.stream_stored(chunks, |_| Ok(Decision::Keep(name.to_owned())))?;
        put.ok_or_else(cancelled)
    }

    /// Puts a file once all of it has come.
    pub(super) fn stream_stored(
        &mut self,
        mut chunks: Chunks,
        fate: impl FnOnce(&Stored) -> Result<Decision>,
    ) -> Result<Option<Put>> {
        let Some(spool) = self.spool() else { return Ok(None) };
        let stored = spool.store(&mut chunks);
        let put = stored.and_then(|(stored, range)| match fate(&stored)? {
            Decision::Keep(name) => {
                let keeps = is_document(chunks.expected(), stored.size);
                self.attempt(|this| this.put_stored(&name, &range, stored, keeps)).map(Some)
            }
            Decision::Rewind => Ok(None),
        });
        if let Some(spool) = self.spool() {
            spool.forget()?;
        }
        put
    }

    fn pass_on(&mut self, name: &str, size: u64, mut chunks: Chunks) -> Result<Put> {
        let keeps = is_document(chunks.expected(), size);
        self.header(EntryType::Regular, name, None, size)?;
        let offset = self.position();
        // The last piece goes out when all are found true: a corrupt payload is then cut short, and no reader takes it.
        let (mut last, mut passed) = (Bytes::new(), 0);
        while let Some(chunk) = chunks.next_shared()? {
            if let Some(spool) = self.spool().filter(|_| keeps) {
                spool.store_at(passed, &chunk)?;
            }
            passed += chunk.len() as u64;
            self.append_shared(std::mem::replace(&mut last, chunk))?;
        }
        self.append_shared(last)?;
        let stored = chunks.stored().cloned().ok_or_else(cancelled)?;
        self.end_payload(stored, offset, keeps)
    }

    fn put_stored(
        &mut self,
        name: &str,
        from: &FileRange,
        stored: Stored,
        keeps: bool,
    ) -> Result<Put> {
        self.header(EntryType::Regular, name, None, stored.size)?;
        let offset = self.position();
        let mut at = 0;
        while at < stored.size {
            let mut piece = vec![0; COPY.min(usize::try_from(stored.size - at).unwrap_or(COPY))];
            let n = from.read_at(at, &mut piece)?;
            piece.truncate(n);
            self.append_shared(piece.into())?;
            at += n as u64;
        }
        self.end_payload(stored, offset, keeps)
    }

    fn end_payload(&mut self, stored: Stored, offset: u64, keeps: bool) -> Result<Put> {
        if let Some(spool) = self.spool().filter(|_| keeps) {
            spool.keep(offset, stored.size);
        }
        self.pad()?;
        Ok(Put { stored, offset })
    }

    /// As [`append`](Self::append), without a copy of what is large.
    fn append_shared(&mut self, bytes: Bytes) -> Result<()> {
        let len = bytes.len();
        match &mut self.to {
            To::Flow(flow) if self.gathered.len() + len > self.room => {
                let gathered = std::mem::take(&mut self.gathered);
                self.flushed += gathered.len() as u64;
                flow.put(gathered.into())?;
                self.flushed += len as u64;
                flow.put(bytes)
            }
            _ => self.append(&bytes),
        }
    }

    fn spool(&mut self) -> Option<&mut Spool> {
        match &mut self.to {
            To::Flow(flow) => Some(flow.spool()),
            To::File(_) => None,
        }
    }
}
