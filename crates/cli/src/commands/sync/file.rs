//! Our own files: TOML.
//!
//! ```toml
//! [defaults]
//! prune = true
//!
//! [registries."registry.local:5000"]
//! creds-env = "MIRROR"
//!
//! [[sync]]
//! from = "docker://quay.io/org/app"
//! to = "docker://registry.local:5000/org/app"
//! semver = ">=1.20, <2"
//! newest = 3
//! ```

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use serde::Deserialize;
use transship::transport::{Escaped, ResultExt};
use transship::{DockerName, Error, ErrorKind, Platform, Result, Settings, Tags};

use super::job::{Choice, From, Job, Registries, Sides};
use crate::values;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    defaults: Fields,
    /// By host: options of `docker:`.
    #[serde(default)]
    registries: BTreeMap<String, BTreeMap<String, Value>>,
    #[serde(default)]
    sync: Vec<Fields>,
}

/// An entry, or what holds for all entries that do not say it.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Fields {
    from: Option<String>,
    to: Option<String>,
    tags: Option<Texts>,
    not_tags: Option<Texts>,
    semver: Option<String>,
    newest: Option<usize>,
    platforms: Option<Texts>,
    referrers: Option<bool>,
    prune: Option<bool>,
    backup: Option<String>,
}

/// One text, or several.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum Texts {
    One(String),
    Some(Vec<String>),
}

/// The value of an option.
#[derive(Deserialize)]
#[serde(untagged)]
enum Value {
    Text(String),
    Bool(bool),
    Number(i64),
}

/// The jobs of a file. `to` is for entries that do not say where they go.
pub(super) fn jobs(text: &str, file: &str, to: Option<&str>, prune: bool) -> Result<Vec<Job>> {
    let parsed: File = toml::from_str(text).map_err(|e| {
        let line = e.span().map(|span| text[..span.start].matches('\n').count() + 1);
        let at = line.map(|line| format!("line {line}: ")).unwrap_or_default();
        wrong(format!("{at}{}", e.message()))
    })?;
    let registries = registries(&parsed.registries)?;
    if let Some(to) = to.filter(|_| parsed.says_all_destinations()) {
        return Err(wrong(format!("nothing would go to {to}: each entry has its own `to`"))
            .hint("leave out the destination on the command line, or `to` in the file"));
    }
    let mut jobs = Vec::new();
    for (at, entry) in parsed.sync.into_iter().enumerate() {
        let context = format!("{file}: [[sync]] {}", at + 1);
        let mut fields = entry.or(&parsed.defaults);
        let missing = |what: &str| wrong(format!("`{what}` is missing")).context(&context);
        let from = fields.from.take().ok_or_else(|| missing("from"))?;
        let to = fields.to.take().or_else(|| to.map(str::to_owned)).ok_or_else(|| missing("to"))?;
        let registries =
            Sides { source: Arc::clone(&registries), destination: Arc::clone(&registries) };
        jobs.push(fields.job(context, from, to, registries, prune)?);
    }
    Ok(jobs)
}

impl File {
    /// Whether there are entries, and all of them say where images go.
    fn says_all_destinations(&self) -> bool {
        let says = |entry: &Fields| entry.to.is_some() || self.defaults.to.is_some();
        !self.sync.is_empty() && self.sync.iter().all(says)
    }
}

impl Fields {
    /// Each field of this one, or else of the other.
    fn or(self, other: &Self) -> Self {
        let other = other.clone();
        Self {
            from: self.from.or(other.from),
            to: self.to.or(other.to),
            tags: self.tags.or(other.tags),
            not_tags: self.not_tags.or(other.not_tags),
            semver: self.semver.or(other.semver),
            newest: self.newest.or(other.newest),
            platforms: self.platforms.or(other.platforms),
            referrers: self.referrers.or(other.referrers),
            prune: self.prune.or(other.prune),
            backup: self.backup.or(other.backup),
        }
    }

    fn job(
        self,
        context: String,
        from: String,
        to: String,
        registries: Sides,
        prune: bool,
    ) -> Result<Job> {
        let platforms = texts(self.platforms.as_ref());
        let platforms: Result<Vec<Platform>> =
            platforms.iter().map(|text| values::platform(text)).collect();
        let platforms = platforms.context(|| &context)?;
        let backup = self.backup.clone();
        if let Some(backup) = &backup {
            let other = if backup.matches('*').count() != 1 || backup == "*" {
                Some("`backup` needs one *, which stands for the tag, and more")
            } else if !platforms.is_empty() {
                Some("`backup` and `platforms` exclude each other")
            } else {
                None
            };
            if let Some(why) = other {
                return Err(wrong(why.to_owned()).context(context));
            }
        }
        let tags = self.chosen().context(|| &context)?;
        let choice = Choice { tags, ..Choice::default() };
        Ok(Job {
            context,
            from: From::Place(from, choice),
            to,
            registries,
            platforms,
            referrers: self.referrers.unwrap_or_default(),
            prune: self.prune.unwrap_or_default() || prune,
            backup,
        })
    }

    fn chosen(&self) -> Result<Tags> {
        let mut tags = Tags::default();
        for pattern in texts(self.tags.as_ref()) {
            tags = tags.with_only(values::pattern(pattern)?);
        }
        for pattern in texts(self.not_tags.as_ref()) {
            tags = tags.with_not(values::pattern(pattern)?);
        }
        if let Some(range) = &self.semver {
            tags = tags.with_versions(range)?;
        }
        let Some(count) = self.newest else { return Ok(tags) };
        let count = NonZeroUsize::new(count);
        count
            .map(|count| tags.with_newest(count))
            .ok_or_else(|| wrong("`newest` is at least 1".to_owned()))
    }
}

fn texts(texts: Option<&Texts>) -> &[String] {
    match texts {
        None => &[],
        Some(Texts::One(one)) => std::slice::from_ref(one),
        Some(Texts::Some(some)) => some,
    }
}

/// What is set for each registry, under the name that references give it: `index.docker.io` is `docker.io`.
fn registries(given: &BTreeMap<String, BTreeMap<String, Value>>) -> Result<Registries> {
    let mut all = BTreeMap::new();
    for (host, set) in given {
        let context = || format!("[registries.\"{}\"]", Escaped(host));
        let settings = set.iter().fold(Settings::new(), |all, (key, value)| {
            let value = match value {
                Value::Text(text) => text.clone(),
                Value::Bool(value) => value.to_string(),
                Value::Number(value) => value.to_string(),
            };
            all.with("docker", key, value)
        });
        let domain =
            domain(host).ok_or_else(|| wrong("it is no host".to_owned()).context(context()))?;
        if all.insert(domain.clone(), settings).is_some() {
            return Err(wrong(format!("{domain} stands there twice")).context(context()));
        }
    }
    Ok(Arc::new(all))
}

fn domain(host: &str) -> Option<String> {
    let name = DockerName::parse(&format!("{host}/x/y")).ok()?;
    // What is no host would be a part of the path.
    (name.path() == "x/y").then(|| name.domain().to_owned())
}

fn wrong(why: String) -> Error {
    Error::new(ErrorKind::InvalidInput, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Result<Job> {
        jobs(text, "s.toml", None, false).map(|mut jobs| jobs.remove(0))
    }

    #[test]
    fn entries_and_their_defaults() {
        let text = r#"
            [defaults]
            prune = true
            tags = "v*"
            [registries."r.local:5000"]
            creds-env = "MIRROR"
            tls-verify = false
            connections = 4
            [[sync]]
            from = "docker://quay.io/org/app"
            to = "docker://r.local:5000/org/app"
            tags = ["1.*", "2.*"]
            not-tags = "*-rc*"
            newest = 3
            platforms = ["linux/arm64"]
            referrers = true
            [[sync]]
            from = "docker://r.local:5000/x"
            prune = false
            backup = "old-*"
        "#;
        let all = jobs(text, "s.toml", Some("oci:layout"), false).unwrap();
        let [first, second] = &all[..] else { panic!() };
        assert!(first.prune && first.referrers && !second.prune);
        assert_eq!(first.platforms.len(), 1);
        let set = &first.registries.destination["r.local:5000"];
        assert_eq!(set.get("docker", "creds-env"), Some("MIRROR"));
        assert_eq!(set.get("docker", "tls-verify"), Some("false"));
        assert_eq!(set.get("docker", "connections"), Some("4"));
        assert!(Arc::ptr_eq(&second.registries.source, &first.registries.destination));
        assert_eq!((second.to.as_str(), second.backup.as_deref()), ("oci:layout", Some("old-*")));
        let From::Place(_, choice) = &second.from else { panic!() };
        assert_eq!(choice.tags, Tags::default().with_only("v*"));
        assert!(jobs("", "s.toml", None, true).unwrap().is_empty());
    }

    #[test]
    fn a_destination_that_no_entry_uses_is_refused() {
        let own = "[[sync]]\nfrom = \"docker://a.b/c\"\nto = \"oci:own\"\n";
        let of_all = "[defaults]\nto = \"oci:own\"\n[[sync]]\nfrom = \"docker://a.b/c\"\n";
        for text in [own, of_all] {
            let error = jobs(text, "s.toml", Some("oci:given"), false).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains("nothing would go to oci:given"), "{error}");
        }
        let mixed = format!("{own}[[sync]]\nfrom = \"docker://a.b/d\"\n");
        assert_eq!(jobs(&mixed, "s.toml", Some("oci:given"), false).unwrap().len(), 2);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let to = "to = \"oci:l\"";
        for (text, said) in [
            ("[[sync]]\nfrom = \"docker://a.b/c\"\n".to_owned(), "[[sync]] 1: `to` is missing"),
            (format!("[[sync]]\nfrom = \"x\"\n{to}\nsemver = \"new\""), "[[sync]] 1"),
            (format!("[[sync]]\nfrom = \"x\"\n{to}\ntag = \"1\""), "tag"),
            (format!("[[sync]]\nfrom = \"x\"\n{to}\nbackup = \"old\""), "one *"),
            (format!("[[sync]]\nfrom = \"x\"\n{to}\nnewest = 0"), "at least 1"),
            (format!("[[sync]]\nfrom = \"x\"\n{to}\nplatforms = \"a/b/c/d/e\""), "[[sync]] 1"),
            ("a = [".to_owned(), "line 1"),
            ("[[sync]]\nto = 1".to_owned(), "line 2: "),
            ("[[sync]]\n\ntag = 1".to_owned(), "line 3: unknown field `tag`"),
            ("[registries.quay]\n".to_owned(), "[registries.\"quay\"]: it is no host"),
            ("[registries.\"quay.io/a\"]\n".to_owned(), "it is no host"),
            ("[registries.\"docker.io\"]\n[registries.\"index.docker.io\"]".to_owned(), "twice"),
        ] {
            let error = one(&text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text}");
            assert!(error.to_string().contains(said), "{text}: {error}");
        }
    }
}
