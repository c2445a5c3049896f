//! One pass over the headers of a tar.
//!
//! The `tar` crate takes the headers apart, but the pass is our own: its raw iteration does not know that a PAX record may say
//! where the next header is, and its other one has no place for the strict gate, nor says where the archive ends.

use transship_core::{Cancel, Error, ErrorKind, Result};

use super::header::{self, Parsed, Scope, Type};
use super::pax::{self, Records};
use super::window::{BLOCK, Block, ReadAt, Window};

/// The most bytes that an extension header's payload may have: names and times take a few hundred.
const EXTENSION_LIMIT: u64 = 1 << 20;

/// The most bytes that a name or a link's target may have, as in Linux's paths.
const NAME_LIMIT: usize = 4096;

/// How far behind the end of the archive another one is looked for: twice what `tar` pads to by default, and more.
const AFTER_END: u64 = 64 << 10;

/// A size from which a header's octal field cannot hold it.
const BEYOND_OCTAL: u64 = 8 << 30;

/// One entry as it stands in the archive.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) kind: Type,
    pub(crate) name: Vec<u8>,
    pub(crate) link: Vec<u8>,
    /// Where its header is.
    pub(crate) header: u64,
    /// Where its payload is.
    pub(crate) offset: u64,
    pub(crate) size: u64,
}

/// How an archive ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    /// Behind the last entry.
    pub(crate) at: u64,
    /// Whether blocks of zeros mark it. If not, the archive may have been cut off between two entries.
    pub(crate) marked: bool,
}

/// What extension headers said of the entry to come.
#[derive(Debug, Default)]
struct Pending {
    records: Option<Records>,
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

/// Where headers are read from, forward.
pub(crate) trait Blocks {
    /// How many bytes there are, as far as it is known.
    fn len(&self) -> u64;

    /// The block at a position; `None` where there is nothing more. Part of a block is `Corrupt`.
    fn block(&mut self, at: u64) -> Result<Option<&Block>>;

    /// A block behind the end; `None` where there is no whole one.
    fn trailing(&mut self, at: u64) -> Result<Option<&Block>>;

    /// Bytes from a position, all of which must be there.
    fn bytes(&mut self, at: u64, len: usize) -> Result<&[u8]>;
}

impl<S: ReadAt> Blocks for Window<S> {
    fn len(&self) -> u64 {
        self.len()
    }

    fn block(&mut self, at: u64) -> Result<Option<&Block>> {
        self.block(at)
    }

    fn trailing(&mut self, at: u64) -> Result<Option<&Block>> {
        if at + BLOCK > self.len() { Ok(None) } else { self.block(at) }
    }

    fn bytes(&mut self, at: u64, len: usize) -> Result<&[u8]> {
        self.bytes(at, len)
    }
}

/// Reads the headers of a tar one after the other.
#[derive(Debug, Default)]
pub(crate) struct Scanner {
    pending: Pending,
    /// Where the next header is.
    at: u64,
}

/// What comes next.
#[derive(Debug)]
pub(crate) enum Step {
    Member(Member),
    End(End),
}

/// Reads all headers and gives each entry to a function.
pub(crate) fn scan<S: ReadAt>(
    source: S,
    cancel: &Cancel,
    mut each: impl FnMut(Member) -> Result<()>,
) -> Result<End> {
    let mut window = Window::new(source);
    let mut scanner = Scanner::default();
    loop {
        cancel.check()?;
        match scanner.next(&mut window)? {
            Step::Member(member) => each(member)?,
            Step::End(end) => return Ok(end),
        }
    }
}

impl Scanner {
    /// The next entry, or the end.
    pub(crate) fn next(&mut self, blocks: &mut impl Blocks) -> Result<Step> {
        loop {
            let at = self.at;
            let Some(block) = blocks.block(at)? else {
                self.pending.must_be_empty(at)?;
                return Ok(Step::End(End { at, marked: false }));
            };
            if is_zero(block) {
                self.pending.must_be_empty(at)?;
                check_end(blocks, at)?;
                return Ok(Step::End(End { at, marked: true }));
            }
            let parsed = header::parse(block)
                .map_err(|e| e.context(format!("the header at offset {at}")))?;
            if matches!(parsed.kind, Type::Pax(_) | Type::LongName | Type::LongLink) {
                self.at = self
                    .pending
                    .take(blocks, at, &parsed)
                    .map_err(|e| e.context(format!("the extension header at offset {at}")))?;
                continue;
            }
            let pending = std::mem::take(&mut self.pending);
            let (member, next) = pending.apply(parsed, at, blocks.len())?;
            self.at = next;
            return Ok(Step::Member(member));
        }
    }
}

impl Pending {
    /// Reads an extension header's payload. Gives the position of the next header.
    fn take(&mut self, blocks: &mut impl Blocks, at: u64, parsed: &Parsed) -> Result<u64> {
        if parsed.size > EXTENSION_LIMIT {
            return Err(limit(format!(
                "it has {} bytes, more than the {EXTENSION_LIMIT} allowed",
                parsed.size
            )));
        }
        let next = end_of(at + BLOCK, parsed.size, blocks.len())?;
        let len = usize::try_from(parsed.size).unwrap_or(usize::MAX);
        let payload = blocks.bytes(at + BLOCK, len)?;
        if parsed.kind == Type::Pax(Scope::All) && !self.is_empty() {
            return Err(corrupt(
                "it stands between another extension header and its entry, where some readers lose that one",
            ));
        }
        let first = match parsed.kind {
            Type::Pax(Scope::All) => pax::parse(payload, Scope::All).map(|_| true)?,
            Type::Pax(Scope::Next) => {
                self.records.replace(pax::parse(payload, Scope::Next)?).is_none()
            }
            Type::LongLink => self.link.replace(long_text(payload)?).is_none(),
            _ => self.name.replace(long_text(payload)?).is_none(),
        };
        if first {
            return Ok(next);
        }
        Err(corrupt(
            "it is the second of its type for one entry: some readers take the first, some the last",
        ))
    }

    fn is_empty(&self) -> bool {
        self.records.is_none() && self.name.is_none() && self.link.is_none()
    }

    fn must_be_empty(&self, at: u64) -> Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        Err(corrupt(format!(
            "it ends at offset {at}, before the entry that an extension header announces"
        )))
    }

    /// The entry, and the position of the next header.
    fn apply(self, parsed: Parsed, at: u64, file_len: u64) -> Result<(Member, u64)> {
        let records = self.records.unwrap_or_default();
        let name = one_of(self.name, records.path, "name").map(|long| long.unwrap_or(parsed.name));
        let link =
            one_of(self.link, records.link, "link target").map(|long| long.unwrap_or(parsed.link));
        let (name, link) = name
            .and_then(|name| Ok((name, link?)))
            .map_err(|e| e.context(format!("the header at offset {at}")))?;
        let shown = String::from_utf8_lossy(&name).into_owned();
        let explain = |e: Error| e.context(format!("entry {shown:?} at offset {at}"));
        if name.len() > NAME_LIMIT || link.len() > NAME_LIMIT {
            return Err(limit(format!(
                "the header at offset {at}: a name has more than {NAME_LIMIT} bytes"
            )));
        }
        let size = one_size(parsed.size, records.size).map_err(explain)?;
        let kind = true_kind(parsed.kind, &name, size).map_err(explain)?;
        let offset = at + BLOCK;
        let next = end_of(offset, size, file_len).map_err(explain)?;
        Ok((Member { kind, name, link, header: at, offset, size }, next))
    }
}

/// What follows the first block of zeros: a second one, and behind it bytes that no reader takes for entries. Go refuses
/// anything else as the second block, where others have found the end.
fn check_end(blocks: &mut impl Blocks, end: u64) -> Result<()> {
    let mut at = end + BLOCK;
    while at < end + AFTER_END {
        let Some(block) = blocks.trailing(at)? else { break };
        if !is_zero(block) {
            if header::has_true_checksum(block) {
                return Err(corrupt(format!(
                    "it ends at offset {end}, and another header follows at offset {at}: some readers stop, some go on"
                ))
                .hint("archives that were put behind each other have to be read one by one"));
            }
            if at == end + BLOCK {
                return Err(corrupt(format!(
                    "one block of zeros at offset {end} marks its end, and something else follows it: some readers stop, some fail"
                )));
            }
            break;
        }
        at += BLOCK;
    }
    Ok(())
}

fn is_zero(block: &Block) -> bool {
    block.iter().all(|b| *b == 0)
}

/// Where the next header is, behind a payload, which must be there with its padding.
fn end_of(offset: u64, size: u64, file_len: u64) -> Result<u64> {
    let end = size.checked_next_multiple_of(BLOCK).and_then(|padded| offset.checked_add(padded));
    end.filter(|end| *end <= file_len).ok_or_else(|| {
        if offset.checked_add(size).is_some_and(|end| end <= file_len) {
            return corrupt(format!(
                "the archive ends early: behind the entry's {size} bytes from offset {offset}, its padding is missing"
            ))
            .hint("it was cut off when it was written or copied");
        }
        corrupt(format!(
            "the archive ends early: the entry's {size} bytes from offset {offset} go beyond its {file_len} bytes"
        ))
        .hint("it was cut off when it was written or copied")
    })
}

/// A GNU long name: text, then NULs.
fn long_text(payload: &[u8]) -> Result<Vec<u8>> {
    let end = payload.iter().position(|b| *b == 0).unwrap_or(payload.len());
    if end == 0 || payload[end..].iter().any(|b| *b != 0) {
        return Err(corrupt(
            "its text is empty or goes on behind a NUL, which readers take differently",
        ));
    }
    Ok(payload[..end].to_owned())
}

fn one_of(gnu: Option<Vec<u8>>, pax: Option<Vec<u8>>, what: &str) -> Result<Option<Vec<u8>>> {
    match (gnu, pax) {
        (Some(gnu), Some(pax)) if gnu != pax => Err(corrupt(format!(
            "it has two different long {what}s, one of GNU and one of PAX, and readers differ on which counts"
        ))),
        (gnu, pax) => Ok(gnu.or(pax)),
    }
}

fn one_size(header: u64, pax: Option<u64>) -> Result<u64> {
    match pax {
        Some(pax) if pax != header && pax < BEYOND_OCTAL => Err(corrupt(format!(
            "its header says {header} bytes and its PAX record {pax}, and readers differ on which counts"
        ))),
        pax => Ok(pax.unwrap_or(header)),
    }
}

/// The kind that all readers see: old tars mark a folder by a slash, and only files and vendors' entries have payloads.
fn true_kind(kind: Type, name: &[u8], size: u64) -> Result<Type> {
    let kind = match kind {
        Type::File if name.ends_with(b"/") => Type::Folder,
        kind => kind,
    };
    match kind {
        Type::Folder | Type::Symlink | Type::Hardlink | Type::Other(b'3' | b'4' | b'6')
            if size != 0 =>
        {
            Err(corrupt(format!(
                "it is no file and has {size} bytes: some readers skip them, some read them as headers"
            )))
        }
        kind => Ok(kind),
    }
}

fn corrupt(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Corrupt, message)
}

fn limit(message: String) -> Error {
    Error::new(ErrorKind::LimitExceeded, message)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::HashMap;

    use super::*;
    use crate::index::window::BLOCK_LEN;

    /// An archive of which only the headers are in memory; it counts what is read.
    #[derive(Default)]
    struct HeadersOnly {
        headers: HashMap<u64, Block>,
        len: u64,
        reads: Cell<usize>,
        bytes: Cell<usize>,
    }

    impl HeadersOnly {
        fn put(&mut self, name: &str, size: u64) {
            let mut header = tar::Header::new_ustar();
            header.set_path(name).unwrap();
            header.set_size(size);
            header.set_cksum();
            self.headers.insert(self.len, *header.as_bytes());
            self.len += BLOCK + size.next_multiple_of(BLOCK);
        }

        fn scan(&self) -> usize {
            let mut entries = 0;
            let end = scan(self, &Cancel::new(), |_| {
                entries += 1;
                Ok(())
            });
            assert_eq!(end.unwrap().at, self.len);
            entries
        }
    }

    impl ReadAt for &HeadersOnly {
        fn len(&self) -> u64 {
            self.len + 2 * BLOCK
        }

        fn read_at(&self, at: u64, buffer: &mut [u8]) -> Result<usize> {
            let left = usize::try_from(self.len() - at).unwrap();
            let n = buffer.len().min(left);
            assert_eq!(at % BLOCK, 0);
            for (i, block) in buffer[..n].chunks_mut(BLOCK_LEN).enumerate() {
                let stored = self.headers.get(&(at + i as u64 * BLOCK));
                block.copy_from_slice(&stored.unwrap_or(&[0; BLOCK_LEN])[..block.len()]);
            }
            self.reads.set(self.reads.get() + 1);
            self.bytes.set(self.bytes.get() + n);
            Ok(n)
        }
    }

    #[test]
    fn an_archive_of_many_images_costs_half_a_read_an_entry() {
        for layer in [2 << 10, 60 << 10, 3 << 20] {
            let mut archive = HeadersOnly::default();
            for image in 0..1000 {
                archive.put(&format!("{image:064}.tar"), layer);
                for (file, size) in [("", 0), ("VERSION", 3), ("json", 1500), ("layer.tar", 0)] {
                    archive.put(&format!("{image:064}/{file}"), size);
                }
                archive.put(&format!("{image:060}.json"), 4000);
            }
            archive.put("manifest.json", 12 << 20);
            let entries = archive.scan();
            assert_eq!(entries, 6001);
            let reads = archive.reads.get();
            assert!(reads <= entries / 2, "{reads} reads with layers of {layer} bytes");
        }
    }

    #[test]
    fn an_archive_of_2_gb_costs_less_than_a_megabyte() {
        let mut archive = HeadersOnly::default();
        for blob in 0..60 {
            archive.put(&format!("blobs/sha256/{blob:064}"), 2 << 10);
            archive.put(&format!("blobs/sha256/a{blob:063}"), 35 << 20);
        }
        for name in ["index.json", "manifest.json", "oci-layout"] {
            archive.put(name, 300);
        }
        assert_eq!(archive.scan(), 123);
        assert!(archive.bytes.get() < 500_000, "{} bytes", archive.bytes.get());
    }
}
