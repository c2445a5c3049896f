//! [`Rename`]: names of images, mapped. Pure.

use std::fmt;
use std::str::FromStr;

use transship_core::{Error, ErrorKind, Escaped, ImageName, Result, ResultExt};

use super::pattern::Pattern;

/// A rule that maps names: `FROM=TO`.
///
/// In the pattern, `*` stands for any text, also none and also with `/` and `:` in it; all else stands for itself. The
/// pattern has to fit the whole name. Each `*` takes as much as it can, those further left first. In the replacement, the
/// first `*` is what the first `*` of the pattern stood for, the second one what the second stood for, and so on; text that
/// no `*` of the replacement takes is dropped.
///
/// A docker name is matched in its canonical form, `docker.io/library/alpine:3`, and if that does not
/// fit, as people write it, `alpine:3`. Other names are matched as they are.
///
/// ```
/// use transship_core::ImageName;
/// use transship_transfer::Rename;
/// let rule: Rename = "quay.io/*:*=registry.local/mirror/*:*-old".parse()?;
/// let new = rule.apply(&ImageName::new("quay.io/team/app:1")?)?;
/// assert_eq!(new.unwrap().as_str(), "registry.local/mirror/team/app:1-old");
/// assert_eq!(rule.apply(&ImageName::new("alpine:3")?)?, None);
/// # Ok::<(), transship_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rename {
    pattern: Pattern,
    replacement: String,
}

impl FromStr for Rename {
    type Err = Error;

    /// Parses `FROM=TO`; the first `=` parts them.
    fn from_str(text: &str) -> Result<Self> {
        let wrong = |why: &str| {
            Error::new(
                ErrorKind::InvalidInput,
                format!("\"{}\" is no rule for names: {why}", Escaped(text)),
            )
            .hint("the form is FROM=TO, e.g. quay.io/*=registry.local/*")
        };
        let Some((pattern, replacement)) = text.split_once('=') else {
            return Err(wrong("it has no ="));
        };
        if pattern.is_empty() || replacement.is_empty() {
            return Err(wrong("a side is empty"));
        }
        if text.chars().any(char::is_control) {
            return Err(wrong("it has control characters"));
        }
        let pattern = Pattern::new(pattern);
        if replacement.matches('*').count() > pattern.stars() {
            return Err(wrong("the replacement has more * than the pattern"));
        }
        Ok(Self { pattern, replacement: replacement.to_owned() })
    }
}

impl Rename {
    /// The new name; `None` where the pattern does not fit.
    ///
    /// # Errors
    /// `InvalidInput` when the new text is no name, or is no docker name where the old one was.
    pub fn apply(&self, name: &ImageName) -> Result<Option<ImageName>> {
        let docker = name.docker();
        let taken = match &docker {
            Some(docker) => self
                .pattern
                .fit(&docker.to_string())
                .or_else(|| self.pattern.fit(&docker.familiar())),
            None => self.pattern.fit(name.as_str()),
        };
        let Some(taken) = taken else { return Ok(None) };
        let new = self.filled(&taken);
        let what = || format!("{name} by the rule {self}");
        let checked = ImageName::new(&new).context(what)?;
        if docker.is_some() {
            transship_core::DockerName::parse(&new).context(what)?;
        }
        Ok(Some(checked))
    }

    fn filled(&self, taken: &[String]) -> String {
        let mut new = String::new();
        for (at, literal) in self.replacement.split('*').enumerate() {
            if at > 0 {
                new.extend(taken.get(at - 1).map(String::as_str));
            }
            new.push_str(literal);
        }
        new
    }
}

impl fmt::Display for Rename {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.pattern, Escaped(&self.replacement))
    }
}

/// A name that an image is to get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WantedName {
    pub(crate) name: ImageName,
    pub(crate) by: NameOrigin,
}

/// Whose wish it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NameOrigin {
    /// The image has it at its source.
    Source,
    /// The caller gave it or mapped it: it must not be lost.
    Caller,
}

/// The names that an image gets: those given, else its own ones, mapped by the first rule that fits.
pub(crate) fn wanted(
    own: &[ImageName],
    given: &[ImageName],
    rules: &[Rename],
) -> Result<Vec<WantedName>> {
    if !given.is_empty() {
        let given =
            given.iter().map(|name| WantedName { name: name.clone(), by: NameOrigin::Caller });
        return Ok(given.collect());
    }
    let mut all: Vec<WantedName> = Vec::with_capacity(own.len());
    for name in own {
        let wanted = mapped(name, rules)?;
        if !all.iter().any(|other| other.name == wanted.name) {
            all.push(wanted);
        }
    }
    Ok(all)
}

fn mapped(name: &ImageName, rules: &[Rename]) -> Result<WantedName> {
    for rule in rules {
        if let Some(name) = rule.apply(name)? {
            return Ok(WantedName { name, by: NameOrigin::Caller });
        }
    }
    Ok(WantedName { name: name.clone(), by: NameOrigin::Source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ImageName {
        ImageName::new(text).unwrap()
    }

    fn apply(rule: &str, to: &str) -> Option<String> {
        let rule: Rename = rule.parse().unwrap();
        rule.apply(&name(to)).unwrap().map(|name| name.to_string())
    }

    #[test]
    fn patterns_fit_whole_names() {
        for (rule, from, to) in [
            ("docker.io/*=local:5000/*", "alpine:3", Some("local:5000/library/alpine:3")),
            ("alpine:3=a:1", "docker.io/library/alpine:3", Some("a:1")),
            ("alpine=a:1", "docker.io/library/alpine:3", None),
            ("*:*=*:*-x", "localhost:5000/a:1", Some("localhost:5000/a:1-x")),
            ("*/*:*=*-*:*", "localhost/a/b:1", Some("localhost/a-b:1")),
            ("*:latest=*:stable", "a", None),
            ("*:latest=*:stable", "docker.io/library/a:latest", Some("docker.io/library/a:stable")),
            ("a*a=b*", "docker.io/library/aa", Some("b")),
            ("a*a=b*", "docker.io/library/a", None),
            ("q/*:*=q/*", "q/app:7", Some("q/app")),
            ("v*=app:v*", "v1+2", Some("app:v1+2")),
            ("No *=*", "No Docker Name", Some("Docker Name")),
        ] {
            assert_eq!(apply(rule, from).as_deref(), to, "{rule} {from}");
        }
    }

    #[test]
    fn rules_are_checked() {
        for bad in ["", "a", "=a", "a=", "a=*", "a*=**", "a\n=b"] {
            let error = bad.parse::<Rename>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{bad}");
        }
    }

    #[test]
    fn what_comes_out_has_to_be_a_name() {
        let rule: Rename = "*=UP/*".parse().unwrap();
        let error = rule.apply(&name("alpine:3")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("alpine:3 by the rule *=UP/*"), "{error}");
    }

    #[test]
    fn the_first_rule_that_fits_wins_and_names_stay_apart() {
        let rules = ["a:*=b:*", "*=c"].map(|rule| rule.parse().unwrap());
        let own = ["a:1", "x:1", "y:1"].map(name);
        let all = wanted(&own, &[], &rules).unwrap();
        let texts: Vec<_> = all.iter().map(|wanted| wanted.name.as_str()).collect();
        assert_eq!(texts, ["b:1", "c"]);
        let given = wanted(&own, &[name("g")], &rules).unwrap();
        assert_eq!(given, [WantedName { name: name("g"), by: NameOrigin::Caller }]);
    }
}
