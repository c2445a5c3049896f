//! The grammar of what stands behind `docker-daemon:`.

use transship_core::{DockerName, Escaped, Result, ResultExt, parse_digest};

use crate::engine::{Locator, invalid};

/// What stands behind `docker-daemon:`.
pub(crate) fn parse(text: &str) -> Result<Locator> {
    if text.is_empty() {
        return Ok(Locator::All);
    }
    let shown = || format!("\"{}\" is no image of an engine", Escaped(text));
    if text.starts_with("sha256:") {
        let id = parse_digest(text)
            .map_err(|error| invalid("the ID is no digest").context(shown()).caused_by(error));
        return id.map(Locator::Id).map_err(|error| error.hint("an ID is given in full"));
    }
    let name = DockerName::parse(text).context(shown)?;
    if name.tag().is_some() && name.digest().is_some() {
        return Err(invalid("a tag and a digest cannot stand together").context(shown()));
    }
    Ok(Locator::Name(if name.digest().is_some() { name } else { name.or_latest() }))
}

#[cfg(test)]
mod tests {
    use transship_core::ErrorKind;

    use super::*;

    const HEX: &str = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

    #[test]
    fn canonical_texts() {
        for (text, canonical) in [
            ("", String::new()),
            ("x", "docker.io/library/x:latest".to_owned()),
            ("x:1", "docker.io/library/x:1".to_owned()),
            ("h.x:5/y:1", "h.x:5/y:1".to_owned()),
            (&format!("q/x@sha256:{HEX}"), format!("docker.io/q/x@sha256:{HEX}")),
            (&format!("sha256:{HEX}"), format!("sha256:{HEX}")),
        ] {
            let parsed = parse(text).unwrap();
            assert_eq!(parsed.to_string(), canonical, "{text}");
            assert_eq!(parse(&canonical).unwrap(), parsed, "{text}");
        }
    }

    #[test]
    fn refused() {
        let both = format!("x:1@sha256:{HEX}");
        for text in ["sha256:abc", "X", "x:", ":1", "x:1:2", "@", "//x", &both, HEX] {
            assert_eq!(parse(text).unwrap_err().kind(), ErrorKind::InvalidInput, "{text}");
        }
    }
}
