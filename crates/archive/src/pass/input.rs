//! [`Forward`]: headers and payloads of a tar, as they come.

use std::fmt;
use std::io::{self, BufReader, Cursor, Read};
use std::path::Path;

use transship_compression::{Compression, sniff};
use transship_core::{Cancel, Error, ErrorKind, Result};

use crate::compression::{Decoded, Growth};
use crate::index::{BLOCK, BLOCK_LEN, Block, Blocks};
use crate::open::check_is_tar;

/// Small reads are made from this many bytes.
const BUFFER: usize = 256 << 10;

/// How much is read behind the end of a plain archive, so that its producer can finish.
const DRAINED: u64 = 64 << 20;

/// A tar that comes once.
pub(super) struct Forward {
    reader: Box<dyn Read + Send>,
    compression: Compression,
    at: u64,
    block: Block,
    bytes: Vec<u8>,
    cancel: Cancel,
}

impl fmt::Debug for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forward").field("at", &self.at).finish_non_exhaustive()
    }
}

impl Forward {
    pub(super) fn new(
        mut input: impl Read + Send + 'static,
        path: &Path,
        growth: Growth,
        cancel: &Cancel,
    ) -> Result<Self> {
        let head = head_of(&mut input).map_err(|e| Error::io("reading", path, e))?;
        let compression = sniff(&head);
        let whole = Cursor::new(head).chain(input);
        let mut decoded = Decoded::new(compression, whole, path, growth)?;
        let head = head_of(&mut decoded).map_err(|e| Error::io("reading", path, e))?;
        let subject =
            if compression == Compression::Plain { "it" } else { "what is compressed in it" };
        check_is_tar(&head, subject)?;
        Ok(Self {
            reader: Box::new(BufReader::with_capacity(BUFFER, Cursor::new(head).chain(decoded))),
            compression,
            at: 0,
            block: [0; BLOCK_LEN],
            bytes: Vec::new(),
            cancel: cancel.clone(),
        })
    }

    /// Where the next byte stands in the tar.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// Some bytes; none at the end.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        loop {
            self.cancel.check()?;
            match self.reader.read(buffer) {
                Ok(n) => {
                    self.at += n as u64;
                    return Ok(n);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(Error::io("reading", "the archive", e)),
            }
        }
    }

    /// Fills a buffer; short only at the end.
    pub(super) fn fill(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.read(&mut buffer[filled..])? {
                0 => break,
                n => filled += n,
            }
        }
        Ok(filled)
    }

    /// Reads over what lies before a position.
    pub(super) fn skip_to(&mut self, at: u64) -> Result<()> {
        let mut room = vec![0; usize::try_from(at - self.at).unwrap_or(BUFFER).min(BUFFER)];
        while self.at < at {
            let want = usize::try_from(at - self.at).unwrap_or(BUFFER).min(room.len());
            if self.read(&mut room[..want])? == 0 {
                return Err(self.ends_early(at));
            }
        }
        Ok(())
    }

    /// Reads what stands behind the tar: a compressed one is whole only when its end was read, and a producer that is
    /// still writing padding would fail.
    pub(super) fn drain(&mut self) -> Result<()> {
        let until = self.at.saturating_add(DRAINED);
        let mut room = vec![0; BUFFER];
        while self.compression != Compression::Plain || self.at < until {
            if self.read(&mut room)? == 0 {
                break;
            }
        }
        Ok(())
    }

    /// That it ended before a position.
    pub(super) fn ends_early(&self, expected: u64) -> Error {
        let message = format!(
            "the archive ends early: {} bytes have come, and {expected} at least were to come",
            self.at
        );
        Error::new(ErrorKind::Corrupt, message)
            .hint("the program that wrote it stopped or failed: see its messages")
    }

    fn next_block(&mut self, at: u64) -> Result<usize> {
        self.skip_to(at)?;
        let mut block = [0; BLOCK_LEN];
        let n = self.fill(&mut block)?;
        self.block = block;
        Ok(n)
    }
}

impl Blocks for Forward {
    fn len(&self) -> u64 {
        u64::MAX
    }

    fn block(&mut self, at: u64) -> Result<Option<&Block>> {
        match self.next_block(at)? {
            BLOCK_LEN => Ok(Some(&self.block)),
            0 => Ok(None),
            _ => Err(self.ends_early(at + BLOCK)),
        }
    }

    fn trailing(&mut self, at: u64) -> Result<Option<&Block>> {
        // What ends within it is no block.
        let n = self.next_block(at)?;
        Ok((n == BLOCK_LEN).then_some(&self.block))
    }

    fn bytes(&mut self, at: u64, len: usize) -> Result<&[u8]> {
        self.skip_to(at)?;
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.resize(len, 0);
        let n = self.fill(&mut bytes)?;
        self.bytes = bytes;
        if n < len { Err(self.ends_early(at + len as u64)) } else { Ok(&self.bytes) }
    }
}

fn head_of(input: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    input.take(BLOCK).read_to_end(&mut head)?;
    Ok(head)
}
