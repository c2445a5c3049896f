//! The list of `--from-file`.

use std::fs::File;
use std::io::{Read, stdin};
use std::path::Path;

use transship::transport::{ResultExt, run_blocking};
use transship::{Error, ErrorKind, ImageName, Result, Source, Transports};

use crate::places;
use crate::session::Session;

/// The most bytes that a list may have.
const LIMIT: u64 = 16 << 20;

/// Separates a reference and the new name of its image, with blanks around it.
const ARROW: &str = "->";

/// Reads a list: one reference a line, or the name of an image as `docker pull` takes it; `REFERENCE -> NAME` for another
/// name. Empty lines and lines that begin with `#` are ignored.
pub(super) async fn sources(
    list: &Path,
    known: &Transports,
    session: &Session,
) -> Result<Vec<Source>> {
    let path = list.to_owned();
    let text = run_blocking(move |_| read(&path)).await?;
    let mut all = Vec::new();
    // A byte order mark, as editors and shells on Windows write it.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let place = format!("{}:{}", list.display(), at + 1);
        if line.chars().any(|c| c.is_control() && c != '\t') {
            return Err(no_list().context(place));
        }
        let source = source(line, known, session).await.context(|| &place)?;
        all.push(source.context(place));
    }
    if all.is_empty() {
        let message = format!("{} lists no images", list.display());
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    Ok(Source::list(all))
}

/// Hint for files that are no lists: text in another encoding, archives.
const FORM: &str =
    "a list is UTF-8 text with one reference per line; an archive is given as a SOURCE";

/// The error of a file of another kind, as an archive, whose lines may be of any length.
fn no_list() -> Error {
    let message = "this is no list of references: it has control characters";
    Error::new(ErrorKind::InvalidInput, message).hint(FORM)
}

async fn source(line: &str, known: &Transports, session: &Session) -> Result<Source> {
    let (reference, name) = match line.rsplit_once(ARROW) {
        Some((reference, name))
            if reference.ends_with(char::is_whitespace)
                && name.starts_with(char::is_whitespace) =>
        {
            (reference.trim_end(), Some(name.trim_start()))
        }
        _ => (line, None),
    };
    if reference == "-" {
        return Err(Error::new(ErrorKind::InvalidInput, "a list cannot name stdin")
            .hint("give it as a SOURCE"));
    }
    let source = Source::from(places::listed(reference, known, session).await?);
    Ok(match name {
        Some(name) => source.named(ImageName::new(name)?),
        None => source,
    })
}

fn read(path: &Path) -> Result<String> {
    let failed = |e| Error::io("reading", path, e).of_option();
    let from: Box<dyn Read> = if path == Path::new("-") {
        Box::new(stdin().lock())
    } else {
        Box::new(File::open(path).map_err(failed)?)
    };
    let mut bytes = Vec::new();
    from.take(LIMIT + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > LIMIT {
        let message = format!("{} has more than {LIMIT} bytes", path.display());
        return Err(Error::new(ErrorKind::LimitExceeded, message).hint(FORM));
    }
    String::from_utf8(bytes).map_err(|e| {
        let message = format!("{} is not UTF-8 text", path.display());
        Error::new(ErrorKind::Corrupt, message).caused_by(e).hint(FORM)
    })
}
