//! [`Gaps`]: files that are taken out of a tar again.

use std::path::Path;
use std::sync::Arc;

use transship_core::{Cancel, Result, cancelled};
use transship_local::copy_range;

use crate::TarWriter;
use crate::draft::Draft;
use crate::index::BLOCK;

/// Files that were put into a tar by [`put_stream`](TarWriter::put_stream) and are taken out of it again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gaps(Vec<(u64, u64)>);

impl Gaps {
    /// Of files: where the bytes of each begin, and how many they are.
    pub fn of(files: impl IntoIterator<Item = (u64, u64)>) -> Self {
        let entry = |(offset, size): (u64, u64)| {
            (offset.saturating_sub(BLOCK), (offset + size).next_multiple_of(BLOCK))
        };
        let mut entries: Vec<_> = files.into_iter().map(entry).collect();
        entries.sort_unstable();
        Self(entries)
    }

    /// Where bytes are afterwards that were at an offset.
    pub fn moved(&self, offset: u64) -> u64 {
        let before = self.0.iter().take_while(|(_, end)| *end <= offset);
        offset - before.map(|(start, end)| end - start).sum::<u64>()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The parts of a tar that stay, as position and length.
    fn between(&self, end: u64) -> Vec<(u64, u64)> {
        let starts = self.0.iter().map(|(start, _)| *start).chain([end]);
        let ends = [0].into_iter().chain(self.0.iter().map(|(_, end)| *end));
        let parts = ends.zip(starts).map(|(from, to)| (from, to.saturating_sub(from)));
        parts.filter(|(_, len)| *len > 0).collect()
    }

    /// Copies what stays of a tar in a file to another file, and lets the tar go on there. When it fails, the tar is as before.
    pub(crate) fn leave_out(
        &self,
        tar: &mut TarWriter,
        (to, path): (&Arc<Draft>, &Path),
        cancel: &Cancel,
    ) -> Result<()> {
        let end = tar.pause()?;
        let all = tar.range(0, end)?.ok_or_else(cancelled)?;
        let mut at = 0;
        to.with_staged(|to| {
            for (from, len) in self.between(end) {
                copy_range(&all.part(from, len), to.file(), to.path(), at, cancel)?;
                at += len;
            }
            Ok(())
        })?;
        *tar = TarWriter::at(Arc::clone(to), path, at);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_moves_up() {
        let gaps = Gaps::of([(2048, 600), (512, 1)]);
        assert_eq!(gaps, Gaps(vec![(0, 1024), (1536, 3072)]));
        assert_eq!(gaps.between(4096), [(1024, 512), (3072, 1024)]);
        assert_eq!(gaps.between(3072), [(1024, 512)]);
        assert_eq!([1100, 3584].map(|at| gaps.moved(at)), [76, 1024]);
        assert!(Gaps::default().is_empty());
    }
}
