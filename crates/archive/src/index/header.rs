//! The strict gate: one header block, held to what all readers take the same way.
//!
//! The fields are found by the `tar` crate; what they may say is decided here, because readers differ in what they make of
//! headers that no honest tool writes, and two readers must never see two different images in one file.

use tar::Header;
use transship_core::{Error, ErrorKind, Result};

use super::window::Block;

/// What a header says of its entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Symlink,
    /// A hard link: another name for an entry.
    Hardlink,
    /// Anything that is no file and changes no other entry: a device, a pipe, a vendor's type.
    Other(u8),
    /// Records for the next entry, or for all that follow.
    Pax(Scope),
    /// The next entry's name (GNU).
    LongName,
    /// The next entry's link target (GNU).
    LongLink,
}

/// Which entries records are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The next one.
    Next,
    /// All that follow.
    All,
}

/// What stands in one header block.
#[derive(Debug)]
pub(crate) struct Parsed {
    pub(crate) kind: Type,
    pub(crate) size: u64,
    pub(crate) name: Vec<u8>,
    pub(crate) link: Vec<u8>,
}

/// Reads a header block that is not all zeros.
pub(crate) fn parse(block: &Block) -> Result<Parsed> {
    let header = Header::from_byte_slice(block);
    if !has_true_checksum(block) {
        return Err(corrupt("its checksum is wrong"));
    }
    let known = header.as_ustar().is_some() || header.as_gnu().is_some();
    let kind = kind_of(block[156], known)?;
    check_prefix(block, header)?;
    check_mode(header.as_old().mode, kind)?;
    let size = size_of(&header.as_old().size, kind)?;
    Ok(Parsed {
        kind,
        size,
        name: header.path_bytes().into_owned(),
        link: header.link_name_bytes().unwrap_or_default().into_owned(),
    })
}

/// The part of a name that only some formats have: refused where readers disagree on the format.
///
/// Behind GNU's magic these bytes are times and sizes. [Go] takes them for a part of the name when they are no numbers,
/// and Python always does, also where there is no magic.
///
/// [Go]: https://github.com/golang/go/blob/master/src/archive/tar/reader.go
fn check_prefix(block: &Block, header: &Header) -> Result<()> {
    let posix = &block[257..263] == b"ustar\0";
    if !posix && block[345..500].iter().any(|byte| *byte != 0) {
        return Err(corrupt(
            "bytes 345 to 500 are used in a format that has no name there, and some readers see one",
        ));
    }
    if posix && header.as_ustar().is_none() && block[345] != 0 {
        return Err(corrupt("its version is unknown, and readers differ on what its name then is"));
    }
    // The format of star has a shorter prefix.
    if posix && &block[508..] == b"tar\0" && !block[345..345 + 131].contains(&0) {
        return Err(corrupt("its name is too long for its format, and readers differ on it"));
    }
    Ok(())
}

/// The type bits of a mode, where there are any, agree with the type: Go takes an entry for a symbolic link by its mode
/// alone.
fn check_mode(field: [u8; 8], kind: Type) -> Result<()> {
    const TYPE_BITS: u64 = 0o170_000;
    if field.iter().all(|byte| matches!(byte, 0 | b' ')) {
        return Ok(());
    }
    let mode = octal(&field).map_err(|()| corrupt("its mode is no octal number"))?;
    let expected = match kind {
        // Old tars mark a folder by the slash behind its name.
        Type::File => &[0o100_000, 0o040_000][..],
        Type::Hardlink => &[0o100_000],
        Type::Folder => &[0o040_000],
        Type::Symlink => &[0o120_000],
        Type::Other(b'3') => &[0o020_000],
        Type::Other(b'4') => &[0o060_000],
        Type::Other(b'6') => &[0o010_000],
        Type::Other(_) => &[],
        // Extension headers are no entries.
        Type::Pax(_) | Type::LongName | Type::LongLink => return Ok(()),
    };
    let said = mode & TYPE_BITS;
    let agrees = said == 0 || expected.contains(&said);
    if agrees {
        return Ok(());
    }
    Err(corrupt(
        "its mode says another type of file than its type flag, and readers differ on which counts",
    ))
}

/// Whether a block is a header: its checksum is that of its bytes.
pub(crate) fn has_true_checksum(block: &Block) -> bool {
    let (field, rest) = block[148..].split_at(8);
    let Ok(stored) = octal(field) else { return false };
    // The field itself counts as blanks. A loop: tests run it unoptimized, once for each of many entries.
    let (mut unsigned, mut signed) = (8 * u64::from(b' '), 8 * i64::from(b' '));
    for part in [&block[..148], rest] {
        for byte in part {
            unsigned += u64::from(*byte);
            signed += i64::from(byte.cast_signed());
        }
    }
    // Old tools summed signed bytes; all readers take both.
    stored == unsigned || i64::try_from(stored).is_ok_and(|stored| stored == signed)
}

fn kind_of(flag: u8, known_format: bool) -> Result<Type> {
    let kind = match flag {
        b'0' | 0 => Type::File,
        b'1' => Type::Hardlink,
        b'2' => Type::Symlink,
        b'5' => Type::Folder,
        b'x' => Type::Pax(Scope::Next),
        b'g' => Type::Pax(Scope::All),
        b'L' => Type::LongName,
        b'K' => Type::LongLink,
        b'S' => {
            return Err(corrupt("it is a sparse file, which readers take differently")
                .hint("write the archive again without sparse files"));
        }
        b'X' | b'N' | b'M' => {
            return Err(corrupt(format!(
                "its type {:?} changes the names or the extent of entries in a way that few readers know",
                char::from(flag)
            )));
        }
        other => Type::Other(other),
    };
    if !known_format && matches!(kind, Type::Pax(_) | Type::LongName | Type::LongLink) {
        return Err(corrupt(
            "it is an extension in a format that has none, and readers differ on it",
        ));
    }
    Ok(kind)
}

fn size_of(field: &[u8; 12], kind: Type) -> Result<u64> {
    let blank = field.iter().all(|b| matches!(b, 0 | b' '));
    if blank && !matches!(kind, Type::File | Type::Pax(_) | Type::LongName | Type::LongLink) {
        return Ok(0);
    }
    if field[0] & 0x80 == 0 {
        return octal(field).map_err(|()| corrupt("its size is no number"));
    }
    base_256(field).ok_or_else(|| corrupt("its size is negative or beyond what a file can have"))
}

/// Digits, with blanks before and blanks or NULs behind them.
fn octal(field: &[u8]) -> Result<u64, ()> {
    let digits = field.trim_ascii_start();
    let end = digits.iter().position(|b| matches!(b, b' ' | 0)).unwrap_or(digits.len());
    let (digits, rest) = digits.split_at(end);
    if digits.is_empty() || rest.iter().any(|b| !matches!(b, b' ' | 0)) {
        return Err(());
    }
    digits.iter().try_fold(0_u64, |sum, digit| match digit {
        b'0'..=b'7' => sum.checked_mul(8).map(|sum| sum + u64::from(digit - b'0')).ok_or(()),
        _ => Err(()),
    })
}

/// GNU's binary numbers: 95 bits behind a set bit. Set bits beyond an `i64` are a negative or a huge number.
fn base_256(field: &[u8; 12]) -> Option<u64> {
    let (high, low) = field.split_at(4);
    if high != [0x80, 0, 0, 0] {
        return None;
    }
    let low = u64::from_be_bytes(low.try_into().ok()?);
    i64::try_from(low).is_ok().then_some(low)
}

fn corrupt(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Corrupt, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(octal(b"00000000017\0"), Ok(15));
        assert_eq!(octal(b"  17 \0 "), Ok(15));
        assert_eq!(octal(b"777777777777"), Ok(0o777_777_777_777));
        for bad in [&b"+17"[..], b"-1", b"", b"8", b"1 7", b"\x0017", b"0x1", b"17\x01"] {
            assert_eq!(octal(bad), Err(()), "{bad:?}");
        }
        let mut field = [0; 12];
        field[0] = 0x80;
        field[7] = 1;
        assert_eq!(base_256(&field), Some(1 << 32));
        field[4] = 0x80;
        assert_eq!(base_256(&field), None);
        assert_eq!(base_256(&[0xff; 12]), None);
        assert_eq!(base_256(&[0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]), None);
    }
}
