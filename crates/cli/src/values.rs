//! The values of options, from text.

use std::ops::RangeInclusive;
use std::time::Duration;

use transship::{Compress, Error, ErrorKind, Platform, Result};

/// `keep`, `none`, `gzip[:LEVEL]`, `zstd[:LEVEL]`.
pub(crate) fn compress(text: &str) -> Result<Compress> {
    let (form, level) = match text.split_once(':') {
        Some((form, level)) => (form, Some(level)),
        None => (text, None),
    };
    let within = |levels: RangeInclusive<i32>| match level.map(str::parse::<i32>) {
        None => Ok(None),
        Some(Ok(level)) if levels.contains(&level) => Ok(Some(level)),
        Some(_) => Err(wrong(format!(
            "{text:?} has a level that {form} does not know; it goes from {} to {}",
            levels.start(),
            levels.end()
        ))),
    };
    match (form, level) {
        ("keep", None) => Ok(Compress::Keep),
        ("none", None) => Ok(Compress::Plain),
        ("gzip", _) => Ok(Compress::Gzip(within(1..=9)?.map(i32::unsigned_abs))),
        ("zstd", _) => Ok(Compress::Zstd(within(1..=22)?)),
        _ => Err(wrong(format!("{text:?} is not keep, none, gzip[:LEVEL] or zstd[:LEVEL]"))),
    }
}

/// `os/arch[/variant][:os.version]`.
pub(crate) fn platform(text: &str) -> Result<Platform> {
    Platform::parse(text)
}

/// Numbers with units, `1h30m`, `90s`, `250ms`; a number alone is of seconds.
pub(crate) fn duration(text: &str) -> Result<Duration> {
    let bad = || wrong(format!("{text:?} is not a time such as 90s, 5m or 1h30m"));
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = rest[..digits].parse().map_err(|_| bad())?;
        let behind = &rest[digits..];
        let letters = behind.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (millis, alone) = match &behind[..letters] {
            "ms" => (1, false),
            "s" => (1_000, false),
            "m" => (60_000, false),
            "h" => (3_600_000, false),
            "d" => (86_400_000, false),
            "" => (1_000, true),
            _ => return Err(bad()),
        };
        // A number alone is the whole text: `5m30` would be a guess.
        if alone && digits != text.len() {
            return Err(bad());
        }
        let part = number.checked_mul(millis).map(Duration::from_millis).ok_or_else(bad)?;
        total = total.checked_add(part).ok_or_else(bad)?;
        rest = &behind[letters..];
    }
    if total.is_zero() { Err(bad()) } else { Ok(total) }
}

fn wrong(message: String) -> Error {
    Error::new(ErrorKind::InvalidReference, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (text, millis) in [
            ("90s", 90_000),
            ("1h30m", 5_400_000),
            ("250ms", 250),
            ("7", 7_000),
            ("1d", 86_400_000),
        ] {
            assert_eq!(duration(text).unwrap(), Duration::from_millis(millis), "{text}");
        }
        for bad in ["", "0", "0s", "s", "5m30", "5x", "-1s", "99999999999999999999s", "1 h", "1µs"]
        {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn forms() {
        assert_eq!(compress("gzip").unwrap(), Compress::Gzip(None));
        assert_eq!(compress("zstd:19").unwrap(), Compress::Zstd(Some(19)));
        for bad in ["", "keep:1", "gzip:", "gzip:fast", "gzip:10", "zstd:0", "bzip2", "none:0"] {
            assert!(compress(bad).is_err(), "{bad}");
        }
    }
}
