//! The records of PAX extended headers, read strictly.
//!
//! Format: [POSIX pax](https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html), "pax Header Block".

use transship_core::{Error, ErrorKind, Result};

use super::header::Scope;

/// What records say that changes what an entry is called or how far it goes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Records {
    pub(crate) path: Option<Vec<u8>>,
    pub(crate) link: Option<Vec<u8>>,
    pub(crate) size: Option<u64>,
}

/// Reads the payload of an extended header. Records that change neither name nor extent are let pass.
pub(crate) fn parse(mut payload: &[u8], scope: Scope) -> Result<Records> {
    let mut records = Records::default();
    while !payload.is_empty() {
        let (key, value, rest) = record(payload)?;
        payload = rest;
        if key.starts_with(b"GNU.sparse.") {
            return Err(corrupt("it is a sparse file, which readers take differently")
                .hint("write the archive again without sparse files"));
        }
        if !matches!(key, b"path" | b"linkpath" | b"size") {
            continue;
        }
        let name = String::from_utf8_lossy(key).into_owned();
        if scope == Scope::All {
            return Err(corrupt(format!(
                "its PAX record {name:?} is for all entries, which readers take differently"
            )));
        }
        let first = match key {
            b"path" => records.path.replace(text(value)?).is_none(),
            b"linkpath" => records.link.replace(text(value)?).is_none(),
            _ => records.size.replace(number(value)?).is_none(),
        };
        if !first {
            return Err(corrupt(format!(
                "it has two PAX records {name:?}: some readers take the first, some the last"
            )));
        }
    }
    Ok(records)
}

/// One record, `LENGTH KEY=VALUE\n`, and what follows it.
fn record(payload: &[u8]) -> Result<(&[u8], &[u8], &[u8])> {
    let malformed = || corrupt("it has a malformed PAX record, which readers take differently");
    let blank = payload.iter().take(20).position(|b| *b == b' ').ok_or_else(malformed)?;
    let len = number(&payload[..blank]).ok().and_then(|len| usize::try_from(len).ok());
    let len = len.filter(|len| *len > blank + 2 && *len <= payload.len()).ok_or_else(malformed)?;
    let (this, rest) = payload.split_at(len);
    let this = this[blank + 1..].strip_suffix(b"\n").ok_or_else(malformed)?;
    let equals = this.iter().position(|b| *b == b'=').filter(|at| *at > 0).ok_or_else(malformed)?;
    Ok((&this[..equals], &this[equals + 1..], rest))
}

fn text(value: &[u8]) -> Result<Vec<u8>> {
    if value.is_empty() || value.contains(&0) {
        return Err(corrupt(
            "it has a PAX name that is empty or has a NUL, which readers take differently",
        ));
    }
    Ok(value.to_owned())
}

fn number(value: &[u8]) -> Result<u64> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(value)
        .ok()
        .filter(|_| digits)
        .and_then(|text| text.parse::<u64>().ok())
        .filter(|number| i64::try_from(*number).is_ok())
        .ok_or_else(|| corrupt("it has a PAX number that is none"))
}

fn corrupt(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Corrupt, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(payload: &str) -> Result<Records> {
        parse(payload.as_bytes(), Scope::Next)
    }

    #[test]
    fn records_that_count() {
        let records = next("10 path=a\n14 linkpath=b\n10 size=7\n20 mtime=1700000000\n").unwrap();
        assert_eq!(records.path.as_deref(), Some(&b"a"[..]));
        assert_eq!(records.link.as_deref(), Some(&b"b"[..]));
        assert_eq!(records.size, Some(7));
        // A value may hold line ends and what looks like a record.
        let tricky = next("30 SCHILY.xattr.x=\n10 path=a\n\n").unwrap();
        assert_eq!(tricky, Records::default());
        assert_eq!(parse(b"13 comment=x\n", Scope::All).unwrap(), Records::default());
    }

    #[test]
    fn what_readers_take_differently_is_refused() {
        for bad in [
            "10 path=a\n10 path=a\n",
            "10 size=1\n10 size=1\n",
            "10 path=a",
            "11 path=a\n",
            "8 path=a\n",
            "10 path=a\nx",
            "10 path=a\n\0\0",
            "+10 path=a\n",
            "path=a\n",
            "5 =a\n",
            "8 path=\n",
            "10 path=\0\n",
            "12 size=-1\n",
            "11 size=-1\n",
            "29 size=99999999999999999999\n",
            "22 GNU.sparse.major=1\n",
            "99999999999999999999999 path=a\n",
            "0 path=a\n",
        ] {
            assert_eq!(next(bad).map_err(|e| e.kind()), Err(ErrorKind::Corrupt), "{bad:?}");
        }
        assert_eq!(parse(b"10 path=a\n", Scope::All).unwrap_err().kind(), ErrorKind::Corrupt);
    }
}
