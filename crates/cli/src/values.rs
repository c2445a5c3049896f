//! The values of options, from text.

use std::fmt::Display;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use transship::codec::{GZIP_LEVELS, ZSTD_LEVELS};
use transship::{Compress, DockerName, Error, ErrorKind, Platform, Rename, Result};

/// The most blobs that are copied or checked at once.
const MAX_JOBS: usize = 256;

/// `keep`, `none`, `gzip[:LEVEL]`, `zstd[:LEVEL]`.
pub(crate) fn compress(text: &str) -> Result<Compress> {
    let (form, level) = match text.split_once(':') {
        Some((form, level)) => (form, Some(level)),
        None => (text, None),
    };
    match (form, level) {
        ("keep", None) => Ok(Compress::Keep),
        ("none", None) => Ok(Compress::Plain),
        ("gzip", _) => Ok(Compress::Gzip(within(text, level, &GZIP_LEVELS)?)),
        ("zstd", _) => Ok(Compress::Zstd(within(text, level, &ZSTD_LEVELS)?)),
        _ => Err(wrong(format!("{text:?} is not keep, none, gzip[:LEVEL] or zstd[:LEVEL]"))),
    }
}

fn within<T: Copy + FromStr + PartialOrd + Display>(
    text: &str,
    level: Option<&str>,
    levels: &RangeInclusive<T>,
) -> Result<Option<T>> {
    match level.map(str::parse) {
        None => Ok(None),
        Some(Ok(level)) if levels.contains(&level) => Ok(Some(level)),
        Some(_) => {
            let (from, to) = (levels.start(), levels.end());
            Err(wrong(format!("the level of {text:?} is not one from {from} to {to}")))
        }
    }
}

/// `os/arch[/variant][:os.version]`, or `host`.
pub(crate) fn platform(text: &str) -> Result<Platform> {
    if text == "host" {
        return Ok(Platform::host());
    }
    Platform::parse(text)
}

/// `PATTERN=REPLACEMENT`.
pub(crate) fn docker_name(text: &str) -> Result<DockerName> {
    DockerName::parse(text)
}

pub(crate) fn rename(text: &str) -> Result<Rename> {
    text.parse()
}

/// A pattern for tags. Wildcards of other tools are refused: no tag has such letters, and a `--not-tags` that fits nothing would
/// let all tags be deleted.
pub(crate) fn pattern(text: &str) -> Result<String> {
    let Some(other) = text.chars().find(|c| "?[]{}()|^$\\,".contains(*c)) else {
        return Ok(text.to_owned());
    };
    Err(wrong(format!(
        "{text:?} has {other:?}, which no tag has: * alone stands for any text, and several patterns are given one by one"
    )))
}

/// How many of something: at least one.
pub(crate) fn count(text: &str) -> Result<NonZeroUsize> {
    text.parse().map_err(|_| wrong(format!("{text:?} is not a number from 1 on")))
}

/// How many blobs at once.
pub(crate) fn jobs(text: &str) -> Result<NonZeroUsize> {
    let few = text.parse().ok().filter(|jobs: &NonZeroUsize| jobs.get() <= MAX_JOBS);
    few.ok_or_else(|| wrong(format!("{text:?} is not a number from 1 to {MAX_JOBS}")))
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

/// As [`duration`], and `0`.
pub(crate) fn age(text: &str) -> Result<Duration> {
    match text {
        "0" | "0s" => Ok(Duration::ZERO),
        text => duration(text),
    }
}

fn wrong(message: String) -> Error {
    Error::new(ErrorKind::InvalidInput, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_say_which_there_are() {
        assert_eq!(count("3").unwrap().get(), 3);
        assert_eq!(jobs("256").unwrap().get(), 256);
        for text in ["0", "x", "-1", "", "1.5"] {
            assert!(count(text).unwrap_err().to_string().contains("a number from 1 on"), "{text}");
            assert!(jobs(text).unwrap_err().to_string().contains("from 1 to 256"), "{text}");
        }
        assert!(jobs("257").is_err());
    }

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
        for bad in
            ["", "keep:1", "gzip:", "gzip:fast", "gzip:10", "zstd:0", "zstd:20", "bzip2", "none:0"]
        {
            assert!(compress(bad).is_err(), "{bad}");
        }
    }
}
