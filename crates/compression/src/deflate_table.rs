//! Tables to decode the Huffman codes of deflate (RFC 1951 3.2.2), for lengths only.
//!
//! The scan of a block needs to know how many bytes a symbol stands for, never which. So an entry
//! holds numbers alone, and one entry of a [packed](Table::pack_literals) table can stand for
//! several literals and the match after them.

/// The longest code of deflate, in bits.
const MAX_CODE_LEN: usize = 15;

/// What the next bits stand for.
///
/// | bits | what |
/// |---|---|
/// | 0..6 | bits to skip: those of the codes, and extra bits whose value does not matter |
/// | 8..11 | extra bits that follow and whose value is added to `base` |
/// | 12 | a match: a distance code follows |
/// | 13 | not decoded by this entry: see the next three |
/// | 14 | the code is longer than the index: `base` is where its second table starts |
/// | 15 | the end of the block; with neither 14 nor 15, no code starts with these bits |
/// | 16..32 | base: a number of bytes, or the symbol itself |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry(u32);

impl Entry {
    const MATCH: u32 = 1 << 12;
    const SPECIAL: u32 = 1 << 13;
    const LINK: u32 = 1 << 14;
    const END: u32 = 1 << 15;

    /// Bits that no code starts with, or a symbol that may not occur.
    pub(super) const INVALID: Self = Self(Self::SPECIAL);
    /// The symbol that ends a block.
    pub(super) const END_OF_BLOCK: Self = Self(Self::SPECIAL | Self::END);
    /// One literal byte.
    pub(super) const LITERAL: Self = Self::value(1);

    /// A symbol that stands for the number `base`.
    pub(super) const fn value(base: u16) -> Self {
        Self((base as u32) << 16)
    }

    /// A match of `base` bytes plus the value of `extra` bits.
    pub(super) const fn of_match(base: u16, extra: u8) -> Self {
        Self((base as u32) << 16 | Self::MATCH | (extra as u32) << 8)
    }

    /// A distance with `extra` bits, whose value does not matter here.
    pub(super) const fn distance(extra: u8) -> Self {
        Self(extra as u32)
    }

    #[inline]
    pub(super) const fn skip(self) -> u32 {
        self.0 & 0x3f
    }

    #[inline]
    pub(super) const fn extra(self) -> u32 {
        (self.0 >> 8) & 7
    }

    #[inline]
    pub(super) const fn base(self) -> u32 {
        self.0 >> 16
    }

    #[inline]
    pub(super) const fn is_match(self) -> bool {
        self.0 & Self::MATCH != 0
    }

    /// Neither a value, nor literals, nor a match.
    #[inline]
    pub(super) const fn is_special(self) -> bool {
        self.0 & Self::SPECIAL != 0
    }

    pub(super) const fn is_end(self) -> bool {
        self.0 & Self::END != 0
    }

    /// One literal, or several, and no match after them.
    #[inline]
    pub(super) const fn is_literals(self) -> bool {
        self.0 & (Self::SPECIAL | Self::MATCH) == 0
    }

    fn with_code_len(self, len: u8) -> Self {
        Self(self.0 + u32::from(len))
    }

    #[expect(clippy::cast_possible_truncation, reason = "second tables have few thousand entries")]
    const fn link(start: usize) -> Self {
        Self((start as u32) << 16 | Self::SPECIAL | Self::LINK)
    }

    const fn link_start(self) -> Option<usize> {
        if self.0 & Self::LINK != 0 { Some(self.base() as usize) } else { None }
    }

    /// These literals and then `next`, as one entry. Bits to skip and bytes add up.
    const fn then(self, next: Self) -> Self {
        Self(self.0 + next.0)
    }
}

/// A table indexed by the next bits of the stream; `N` is a power of two.
///
/// Codes longer than the index continue in second tables, all of one size.
#[derive(Debug)]
pub(super) struct Table<const N: usize> {
    first: Box<[Entry; N]>,
    second: Vec<Entry>,
}

impl<const N: usize> Table<N> {
    const BITS: usize = N.trailing_zeros() as usize;
    const SECOND_BITS: usize = MAX_CODE_LEN.saturating_sub(Self::BITS);

    /// A table without codes.
    pub(super) fn new() -> Self {
        Self { first: Box::new([Entry::INVALID; N]), second: Vec::new() }
    }

    /// Makes the table of the code in which symbol `i` has `lengths[i]` bits (0: it does not
    /// occur, 15 at most) and the meaning `meanings[i]`.
    ///
    /// `None` if there are more codes than fit. Fewer are allowed, as a code with one distance has
    /// them: the bits that are left over are invalid.
    pub(super) fn build(&mut self, lengths: &[u8], meanings: &[Entry]) -> Option<()> {
        let mut next_code = first_codes(lengths)?;
        self.first.fill(Entry::INVALID);
        self.second.clear();
        for (&len, &meaning) in lengths.iter().zip(meanings) {
            if len == 0 {
                continue;
            }
            let code = next_code.get_mut(usize::from(len))?;
            let reversed = (*code).reverse_bits() >> (u32::BITS - u32::from(len));
            *code += 1;
            self.insert(reversed as usize, len, meaning);
        }
        Some(())
    }

    /// Enters the code whose bits, in the order of the stream, are the lowest `len` of `code`.
    fn insert(&mut self, code: usize, len: u8, meaning: Entry) {
        let entry = if meaning == Entry::INVALID { meaning } else { meaning.with_code_len(len) };
        let len = usize::from(len);
        if len <= Self::BITS {
            self.first[code..].iter_mut().step_by(1 << len).for_each(|slot| *slot = entry);
            return;
        }
        let slot = &mut self.first[code % N];
        let start = slot.link_start().unwrap_or(self.second.len());
        *slot = Entry::link(start);
        let end = start + (1 << Self::SECOND_BITS);
        if self.second.len() < end {
            self.second.resize(end, Entry::INVALID);
        }
        let places = self.second[start + code / N..end].iter_mut();
        places.step_by(1 << (len - Self::BITS)).for_each(|slot| *slot = entry);
    }

    /// Makes the entry of a literal stand also for the literals, and the match, after it, as far
    /// as their codes are in the index.
    pub(super) fn pack_literals(&mut self) {
        // Downwards, because the entries looked up on the way, which must be single symbols
        // still, are all at smaller indices.
        for index in (0..N).rev() {
            let mut entry = self.first[index];
            while entry.is_literals() {
                let used = entry.skip() as usize;
                let next = self.first[index >> used];
                if next.is_special() || used + next.skip() as usize > Self::BITS {
                    break;
                }
                entry = entry.then(next);
            }
            self.first[index] = entry;
        }
    }

    /// What the next bits stand for, the lowest first.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "only the lowest bits matter")]
    pub(super) fn at(&self, bits: u64) -> Entry {
        self.first[bits as usize % N]
    }

    /// As [`at`](Self::at), for codes of any length: what a special entry leads to.
    #[expect(clippy::cast_possible_truncation, reason = "only the lowest 15 bits matter")]
    pub(super) fn resolve(&self, bits: u64) -> Entry {
        let entry = self.at(bits);
        let Some(start) = entry.link_start() else { return entry };
        let index = (bits as usize >> Self::BITS) % (1 << Self::SECOND_BITS);
        self.second.get(start + index).copied().unwrap_or(Entry::INVALID)
    }
}

/// The first code of each length (RFC 1951 3.2.2, step 2); `None` if there are too many codes.
fn first_codes(lengths: &[u8]) -> Option<[u32; MAX_CODE_LEN + 1]> {
    let mut counts = [0_u32; MAX_CODE_LEN + 1];
    for &len in lengths {
        *counts.get_mut(usize::from(len))? += 1;
    }
    counts[0] = 0;
    let mut firsts = [0; MAX_CODE_LEN + 1];
    let mut code = 0;
    for len in 1..=MAX_CODE_LEN {
        code = (code + counts[len - 1]) << 1;
        firsts[len] = code;
        if code + counts[len] > 1 << len {
            return None;
        }
    }
    Some(firsts)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 1951 3.2.2: A to H with these lengths.
    const LENGTHS: [u8; 8] = [3, 3, 3, 3, 3, 2, 4, 4];

    fn table<const N: usize>() -> Table<N> {
        let meanings: Vec<Entry> = (0..8).map(Entry::value).collect();
        let mut table = Table::new();
        table.build(&LENGTHS, &meanings).unwrap();
        table
    }

    #[test]
    fn decodes_the_example_of_the_rfc() {
        // F is 00, A is 010, G is 1110, H is 1111; in the stream their first bit is the lowest.
        for (bits, len, symbol) in [(0b00, 2, 5), (0b010, 3, 0), (0b0111, 4, 6), (0b1111, 4, 7)] {
            let entry = table::<16>().at(bits);
            assert_eq!((entry.skip(), entry.base()), (len, symbol));
        }
    }

    #[test]
    fn codes_longer_than_the_index_are_found_in_the_second_table() {
        let table = table::<4>();
        assert!(table.at(0b0111).is_special());
        let entry = table.resolve(0b0111);
        assert_eq!((entry.skip(), entry.base()), (4, 6));
        let entry = table.resolve(0b010);
        assert_eq!((entry.skip(), entry.base()), (3, 0));
    }

    #[test]
    fn too_many_codes_are_refused_and_too_few_are_not() {
        let meanings = [Entry::LITERAL; 3];
        assert_eq!(Table::<16>::new().build(&[1, 1, 1], &meanings), None);
        let mut table = Table::<16>::new();
        assert_eq!(table.build(&[1], &meanings), Some(()));
        assert_eq!(table.at(1), Entry::INVALID);
        assert_eq!(table.build(&[16], &meanings), None);
    }

    #[test]
    fn packed_literals_add_up_as_far_as_the_index_reaches() {
        let mut table = Table::<8>::new();
        table.build(&[1, 2, 2], &[Entry::LITERAL, Entry::of_match(10, 2), Entry::INVALID]).unwrap();
        table.pack_literals();
        // Three literals; a literal and a match; a match alone; a literal and nothing known.
        let entry = table.at(0b000);
        assert_eq!((entry.skip(), entry.base(), entry.is_match()), (3, 3, false));
        let entry = table.at(0b010);
        assert_eq!((entry.skip(), entry.base(), entry.is_match()), (3, 11, true));
        assert_eq!(entry.extra(), 2);
        assert_eq!(table.at(0b001).skip(), 2);
        assert_eq!(table.at(0b110), Entry::LITERAL.with_code_len(1));
    }
}
