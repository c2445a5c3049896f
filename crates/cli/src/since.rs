//! `--since`: places, and lists of digests as `transship digests` prints them.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use transship::transfer::{Since, digests};
use transship::transport::{ResultExt, parse_digest, run_blocking};
use transship::{Digest, Error, ErrorKind, Result, Tags, Transports};

use crate::places;
use crate::session::Session;

/// The largest list that is read, in bytes: about a million digests.
const LIMIT: u64 = 64 << 20;

/// How a list of digests begins.
const STARTS: [&[u8]; 3] = [b"sha256:", b"sha512:", b"#"];

/// The digests of all bases; `None` without any.
pub(crate) async fn since(
    texts: &[String],
    known: &Transports,
    session: &Session,
) -> Result<Option<Since>> {
    if texts.is_empty() {
        return Ok(None);
    }
    let mut all = HashSet::new();
    for text in texts {
        let path = PathBuf::from(text);
        if let Some(listed) = run_blocking(move |_| list(&path)).await.context(|| text)? {
            if listed.is_empty() {
                session
                    .reporter
                    .warn(&format!("{text} lists no digests: nothing is left out for it"));
            }
            all.extend(listed);
            continue;
        }
        let input = places::input(text, known, session).await?;
        all.extend(digests(&input.reference, &Tags::default(), known, &input.how).await?);
    }
    Ok(Some(Since::new(all)))
}

/// The digests of a file, if it is a list.
fn list(path: &Path) -> Result<Option<Vec<Digest>>> {
    if !path.is_file() {
        return Ok(None);
    }
    let failed = |e| Error::io("reading", path, e);
    let mut file = BufReader::new(File::open(path).map_err(failed)?.take(LIMIT));
    let start = file.fill_buf().map_err(failed)?;
    if !start.is_empty() && !STARTS.iter().any(|one| start.starts_with(one)) {
        return Ok(None);
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(failed)?;
    if file.into_inner().limit() == 0 {
        let text = format!("a list of digests has at most {LIMIT} bytes");
        return Err(Error::new(ErrorKind::LimitExceeded, text));
    }
    parse(&text).map(Some)
}

/// One digest a line; empty lines and lines that begin with `#` are ignored.
fn parse(text: &str) -> Result<Vec<Digest>> {
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
    lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(at, line)| parse_digest(line).context(|| format!("line {at}")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        let digest = transship::transport::sha256(b"x");
        let text = format!("# of last week\n\n  {digest}\r\n{digest}\n");
        assert_eq!(parse(&text).unwrap(), [digest.clone(), digest]);
        let error = parse("#\nsha256:abc\n").unwrap_err();
        assert!(error.to_string().contains("line 2"), "{error}");
    }

    #[test]
    fn what_is_no_list() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        assert!(list(&path).unwrap().is_none());
        std::fs::write(&path, [0_u8; 1024]).unwrap();
        assert!(list(&path).unwrap().is_none());
        std::fs::write(&path, "").unwrap();
        assert_eq!(list(&path).unwrap(), Some(Vec::new()));
    }
}
