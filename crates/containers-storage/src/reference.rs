//! The grammar of what stands behind `containers-storage:`, as skopeo has it.

use std::fmt;

use transship_core::{DockerName, Error, ErrorKind, Escaped, Result, ResultExt, parse_digest};
use transship_docker_daemon::engine::Locator;

/// The fewest digits that stand for an ID.
const SHORTEST_ID: usize = 3;

/// The digits of an ID.
const ID: usize = 64;

/// A store, as in `[DRIVER@ROOT+RUNROOT:OPTION,OPTION]`; without any of it podman's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Store {
    driver: Option<String>,
    root: Option<String>,
    runroot: Option<String>,
    options: Vec<String>,
}

impl Store {
    /// Whether it is podman's own.
    pub(crate) fn is_own(&self) -> bool {
        *self == Self::default()
    }

    /// The flags of podman for it.
    pub(crate) fn flags(&self) -> Vec<String> {
        let one = |flag: &str, value: &Option<String>| {
            value.as_ref().map(|value| format!("--{flag}={value}"))
        };
        let options = self.options.iter().map(|option| format!("--storage-opt={option}"));
        [
            one("storage-driver", &self.driver),
            one("root", &self.root),
            one("runroot", &self.runroot),
        ]
        .into_iter()
        .flatten()
        .chain(options)
        .collect()
    }

    fn parse(text: &str) -> Result<Self, &'static str> {
        let (driver, rest) = match text.split_once('@') {
            Some(("", _)) => return Err("there is no driver before the @"),
            Some((driver, rest)) => (Some(driver.to_owned()), rest),
            None => (None, text),
        };
        if rest.is_empty() {
            return Err("a store has a root");
        }
        let (roots, options) = match rest.split_once(':') {
            Some((roots, options)) => (roots, options.split(',').map(str::to_owned).collect()),
            None => (rest, Vec::new()),
        };
        let (root, runroot) = match roots.split_once('+') {
            Some((root, runroot)) => (root, Some(runroot.to_owned())),
            None => (roots, None),
        };
        let root = Some(root.to_owned()).filter(|root| !root.is_empty());
        if [&root, &runroot].into_iter().flatten().any(|path| !path.starts_with('/')) {
            return Err("the paths of a store are absolute");
        }
        Ok(Self { driver, root, runroot, options })
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_own() {
            return Ok(());
        }
        f.write_str("[")?;
        self.driver.iter().try_for_each(|driver| write!(f, "{driver}@"))?;
        f.write_str(self.root.as_deref().unwrap_or_default())?;
        self.runroot.iter().try_for_each(|runroot| write!(f, "+{runroot}"))?;
        if !self.options.is_empty() {
            write!(f, ":{}", self.options.join(","))?;
        }
        f.write_str("]")
    }
}

pub(crate) fn parse(text: &str) -> Result<(Store, Locator)> {
    let shown = || format!("\"{}\" is no image of a store", Escaped(text));
    let (store, image) = match text.strip_prefix('[') {
        Some(rest) => {
            let (store, image) = rest
                .split_once(']')
                .ok_or_else(|| invalid("the bracket of the store is not closed"))
                .context(shown)?;
            (Store::parse(store).map_err(invalid).context(shown)?, image)
        }
        None => (Store::default(), text),
    };
    Ok((store, locator(image).context(shown)?))
}

/// What the reference of an image says of it.
pub(crate) fn shown(image: &Locator) -> String {
    match image {
        Locator::Id(id) => format!("@{}", id.encoded()),
        _ => image.to_string(),
    }
}

fn locator(text: &str) -> Result<Locator> {
    if text.is_empty() {
        return Ok(Locator::All);
    }
    if let Some((name, id)) = text.rsplit_once('@').filter(|(_, id)| !id.contains(':')) {
        return with_id(name, id);
    }
    if text.len() == ID && is_hex(text) {
        return Ok(Locator::Id(parse_digest(&format!("sha256:{text}"))?));
    }
    if text.starts_with("sha256:") {
        return parse_digest(text).map(Locator::Id).map_err(|error| {
            let error = invalid("the ID is no digest").caused_by(error);
            error.hint("the first digits of an ID are @DIGITS")
        });
    }
    let name = DockerName::parse(text)?;
    if let Some(digest) = name.digest() {
        let text = format!("{}/{}@{digest}", name.domain(), name.path());
        return Ok(Locator::Name(DockerName::parse(&text)?));
    }
    if (SHORTEST_ID..ID).contains(&text.len()) && is_hex(text) {
        return Ok(Locator::Unresolved(text.to_owned()));
    }
    Ok(Locator::Name(name.or_latest()))
}

fn with_id(name: &str, id: &str) -> Result<Locator> {
    if id.len() < SHORTEST_ID || id.len() > ID || !is_hex(id) {
        let message = format!(
            "behind the @ stands neither a digest nor an ID, which has {SHORTEST_ID} to {ID} hex digits"
        );
        return Err(invalid(&message));
    }
    if name.is_empty() && id.len() == ID {
        return Ok(Locator::Id(parse_digest(&format!("sha256:{id}"))?));
    }
    if name.is_empty() {
        return Ok(Locator::Unresolved(format!("@{id}")));
    }
    let name = DockerName::parse(name)?;
    if name.digest().is_some() {
        return Err(invalid("a digest and an ID cannot stand together"));
    }
    Ok(Locator::Unresolved(format!("{}@{id}", name.or_latest())))
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn invalid(message: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, message.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

    #[test]
    fn canonical_texts() {
        for (text, canonical) in [
            (String::new(), String::new()),
            ("x".to_owned(), "docker.io/library/x:latest".to_owned()),
            ("localhost/x:1".to_owned(), "localhost/x:1".to_owned()),
            (format!("q/x@sha256:{HEX}"), format!("docker.io/q/x@sha256:{HEX}")),
            (format!("q/x:1@sha256:{HEX}"), format!("docker.io/q/x@sha256:{HEX}")),
            (format!("@{HEX}"), format!("@{HEX}")),
            (HEX.to_owned(), format!("@{HEX}")),
            (format!("sha256:{HEX}"), format!("@{HEX}")),
            ("@44136".to_owned(), "@44136".to_owned()),
            ("cafe".to_owned(), "cafe".to_owned()),
            ("ab".to_owned(), "docker.io/library/ab:latest".to_owned()),
            ("cafe:1".to_owned(), "docker.io/library/cafe:1".to_owned()),
            (format!("x@{HEX}"), format!("docker.io/library/x:latest@{HEX}")),
            ("x:1@cafe".to_owned(), "docker.io/library/x:1@cafe".to_owned()),
            ("[/a]".to_owned(), "[/a]".to_owned()),
            (
                "[vfs@/a+/b:o=1,p]x:1".to_owned(),
                "[vfs@/a+/b:o=1,p]docker.io/library/x:1".to_owned(),
            ),
            ("[+/b]@cafe".to_owned(), "[+/b]@cafe".to_owned()),
        ] {
            let (store, image) = parse(&text).unwrap();
            assert_eq!(format!("{store}{}", shown(&image)), canonical, "{text}");
            assert_eq!(parse(&canonical).unwrap(), (store, image), "{text}");
        }
    }

    #[test]
    fn refused() {
        let digests = [format!("x@sha256:{HEX}@cafe"), format!("sha256:{HEX}0")];
        let others = [
            "[",
            "[/a",
            "[]x",
            "[vfs@]x",
            "[@/a]x",
            "[a]x",
            "[/a+b]x",
            "x@",
            "@",
            "@ab",
            "x@xyz",
            "X",
            "x:",
            "x@sha256:abc",
            "sha256:abc",
            "x:1@CAFE",
            "]x",
        ];
        for text in digests.iter().map(String::as_str).chain(others) {
            let error = parse(text).expect_err(text);
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text}");
        }
    }

    #[test]
    fn a_store_is_flags_of_podman() {
        let (store, _) = parse("[vfs@/a+/b:o=1,p=2]").unwrap();
        let flags = [
            "--storage-driver=vfs",
            "--root=/a",
            "--runroot=/b",
            "--storage-opt=o=1",
            "--storage-opt=p=2",
        ];
        assert_eq!(store.flags(), flags);
        assert!(parse("x").unwrap().0.is_own());
    }
}
