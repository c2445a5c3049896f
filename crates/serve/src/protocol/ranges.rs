//! `Range` of reads and `Content-Range` of chunks.

use std::ops::Range;

/// What a `Range` header asks of something that has a size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// All of it: there is no header, or one that is not understood and thus ignored (RFC 9110, section 14.2).
    All,
    /// Some of it, not empty.
    Part(Range<u64>),
    /// Nothing that is there.
    Beyond,
}

/// One range of bytes. Several at once are not understood.
pub fn asked(header: Option<&str>, size: u64) -> Asked {
    let Some(range) = header.and_then(|header| header.strip_prefix("bytes=")) else {
        return Asked::All;
    };
    let Some((first, last)) = range.split_once('-') else { return Asked::All };
    let part = match (position(first), position(last)) {
        (Some(first), Some(last)) if first > last => return Asked::All,
        (Some(first), Some(last)) => first..last.saturating_add(1).min(size),
        (Some(first), None) if last.is_empty() => first..size,
        (None, Some(count)) if first.is_empty() => size.saturating_sub(count)..size,
        _ => return Asked::All,
    };
    if part.start < part.end { Asked::Part(part) } else { Asked::Beyond }
}

/// `FIRST-LAST` of a chunk, as the distribution specification writes it: without a unit, and not empty.
pub fn chunk(header: &str) -> Option<Range<u64>> {
    let (first, last) = header.split_once('-')?;
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then(|| first..last + 1)
}

/// Digits. More than any size has are as good as the most.
fn position(text: &str) -> Option<u64> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().unwrap_or(u64::MAX))
}

fn number(text: &str) -> Option<u64> {
    // `parse` takes a sign.
    (text.bytes().all(|byte| byte.is_ascii_digit()) && text.len() < 19)
        .then(|| text.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_reads() {
        let of_ten = |header| asked(Some(header), 10);
        assert_eq!(asked(None, 10), Asked::All);
        assert_eq!(of_ten("bytes=2-4"), Asked::Part(2..5));
        assert_eq!(of_ten("bytes=2-400"), Asked::Part(2..10));
        assert_eq!(of_ten("bytes=9-"), Asked::Part(9..10));
        assert_eq!(of_ten("bytes=-3"), Asked::Part(7..10));
        assert_eq!(of_ten("bytes=10-"), Asked::Beyond);
        assert_eq!(of_ten("bytes=-0"), Asked::Beyond);
        assert_eq!(of_ten("bytes=99999999999999999999-"), Asked::Beyond);
        assert_eq!(of_ten("bytes=0-99999999999999999999"), Asked::Part(0..10));
        for ignored in
            ["bytes=1-2,4-5", "bytes=4-2", "bytes=-", "lines=1-2", "bytes=a-b", "bytes=+1-2"]
        {
            assert_eq!(of_ten(ignored), Asked::All, "{ignored}");
        }
    }

    #[test]
    fn ranges_of_chunks() {
        assert_eq!(chunk("0-0"), Some(0..1));
        assert_eq!(chunk("5-9"), Some(5..10));
        for bad in ["bytes 0-1/2", "5-4", "-4", "+1-2", "5", ""] {
            assert_eq!(chunk(bad), None, "{bad}");
        }
    }
}
