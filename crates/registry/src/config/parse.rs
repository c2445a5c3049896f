//! The text of `registries.conf`, version 2, as
//! [containers-registries.conf(5)](https://github.com/containers/image/blob/main/docs/containers-registries.conf.5.md) has it.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Pulls;

/// One file. Fields that are not known are passed over, as other tools do.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(super) struct Text {
    unqualified_search_registries: Option<Vec<String>>,
    pub(super) credential_helpers: Option<Vec<String>>,
    short_name_mode: Option<String>,
    pub(super) registry: Vec<Table>,
    pub(super) aliases: BTreeMap<String, String>,
    /// Version 1 had it.
    registries: Option<toml::Value>,
}

/// `[[registry]]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(super) struct Table {
    pub(super) prefix: String,
    pub(super) location: String,
    pub(super) insecure: bool,
    pub(super) blocked: bool,
    pub(super) mirror: Vec<Mirror>,
    mirror_by_digest_only: bool,
    pull_from_mirror: String,
}

/// `[[registry.mirror]]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(super) struct Mirror {
    pub(super) location: String,
    pub(super) insecure: bool,
    #[serde(rename = "pull-from-mirror")]
    pulls: String,
}

impl Text {
    /// Parses and checks. An error says what is wrong, not where the file is.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut parsed: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        if parsed.registries.is_some() {
            return Err(
                "it has [registries], which is version 1: use version 2, with [[registry]] tables"
                    .to_owned(),
            );
        }
        parsed.registry.iter_mut().try_for_each(Table::check)?;
        match parsed.short_name_mode.as_deref() {
            None | Some("" | "enforcing" | "permissive" | "disabled") => {}
            Some(other) => return Err(format!("short-name-mode is {other:?}")),
        }
        for (name, value) in &parsed.aliases {
            alias(name, value)?;
        }
        Ok(parsed)
    }
}

impl Table {
    fn check(&mut self) -> Result<(), String> {
        self.location = place(&self.location)?;
        self.prefix = place(&self.prefix)?;
        if self.prefix.is_empty() {
            if self.location.is_empty() {
                return Err("a [[registry]] has neither prefix nor location".to_owned());
            }
            self.prefix.clone_from(&self.location);
        }
        if let Some(domain) = self.prefix.strip_prefix("*.") {
            if domain.is_empty() || domain.contains(['*', '/', ':', '@']) {
                return Err(format!(
                    "prefix {:?}: a wildcard stands before a domain alone, as in *.example.com",
                    self.prefix
                ));
            }
        } else if self.prefix.contains('*') {
            return Err(format!(
                "prefix {:?}: a wildcard stands at the beginning, as in *.example.com",
                self.prefix
            ));
        } else if self.location.is_empty() {
            return Err(format!("the [[registry]] with prefix {:?} has no location", self.prefix));
        }
        if !self.pull_from_mirror.is_empty() {
            return Err(
                "pull-from-mirror stands in [[registry]]: it belongs to [[registry.mirror]]"
                    .to_owned(),
            );
        }
        for mirror in &mut self.mirror {
            mirror.location = place(&mirror.location)?;
            if mirror.location.is_empty() {
                return Err(format!("a mirror of {:?} has no location", self.prefix));
            }
            if self.mirror_by_digest_only && !mirror.pulls.is_empty() {
                return Err(format!(
                    "{:?} has mirror-by-digest-only, and its mirror pull-from-mirror: one is enough",
                    self.prefix
                ));
            }
            mirror.pulls(self.mirror_by_digest_only)?;
        }
        Ok(())
    }

    /// Which pulls a mirror of it is for.
    pub(super) fn pulls(&self, mirror: &Mirror) -> Pulls {
        mirror.pulls(self.mirror_by_digest_only).unwrap_or(Pulls::All)
    }
}

impl Mirror {
    fn pulls(&self, by_digest_only: bool) -> Result<Pulls, String> {
        match self.pulls.as_str() {
            _ if by_digest_only => Ok(Pulls::Digests),
            "" | "all" => Ok(Pulls::All),
            "digest-only" => Ok(Pulls::Digests),
            "tag-only" => Ok(Pulls::Tags),
            other => {
                Err(format!("pull-from-mirror is {other:?}: it is all, digest-only or tag-only"))
            }
        }
    }
}

/// A prefix or location, without slashes at its end.
fn place(text: &str) -> Result<String, String> {
    let trimmed = text.trim_end_matches('/');
    if trimmed.contains("://") {
        return Err(format!("{text:?} has a scheme: a location is HOST[:PORT][/PATH]"));
    }
    if trimmed.contains(|c: char| c.is_whitespace() || c.is_control()) || trimmed.starts_with('/') {
        return Err(format!("{text:?} is no location"));
    }
    // A user before a host would be a secret in plain sight, and not be used.
    let host = trimmed.split('/').next().unwrap_or_default();
    if host.contains('@') && !host.contains("@sha") {
        return Err("a location has a user in it".to_owned());
    }
    if trimmed.is_empty() && !text.is_empty() {
        return Err(format!("{text:?} is no location"));
    }
    Ok(trimmed.to_owned())
}

/// A short name, and the name with a host that it stands for; empty, it erases one.
fn alias(name: &str, value: &str) -> Result<(), String> {
    let first = name.split('/').next().unwrap_or_default();
    let has_host = name.contains('/') && (first.contains(['.', ':']) || first == "localhost");
    if name.is_empty()
        || has_host
        || name.contains(['@'])
        || name.rsplit('/').next().is_some_and(|last| last.contains(':'))
    {
        return Err(format!("alias {name:?} is no short name: it has a host, a tag or a digest"));
    }
    if value.is_empty() {
        return Ok(());
    }
    let host = value.split_once('/').map(|(host, _)| host);
    let full = host.is_some_and(|host| host.contains(['.', ':']) || host == "localhost");
    let parsed = transship_core::DockerName::parse(value);
    let bare = parsed.is_ok_and(|parsed| parsed.tag().is_none() && parsed.digest().is_none());
    if full && bare {
        Ok(())
    } else {
        Err(format!("alias {name:?} = {value:?}: it must be HOST/REPOSITORY without tag"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_passed_over() {
        let text =
            Text::parse("future = 1\n[[registry]]\nlocation = \"h/\"\nother = []\n[extra]\nx = 1")
                .unwrap();
        assert_eq!(
            (text.registry[0].prefix.as_str(), text.registry[0].location.as_str()),
            ("h", "h")
        );
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, said) in [
            ("[registries.search]\nregistries = [\"h\"]", "version 1"),
            ("[[registry]]\nblocked = true", "neither prefix nor location"),
            ("[[registry]]\nprefix = \"h\"", "has no location"),
            ("[[registry]]\nlocation = \"https://h\"", "has a scheme"),
            ("[[registry]]\nlocation = \"me:pw@h\"", "a user"),
            ("[[registry]]\nlocation = \"/\"", "no location"),
            ("[[registry]]\nprefix = \"*.h/x\"", "before a domain alone"),
            ("[[registry]]\nprefix = \"a.*.h\"", "at the beginning"),
            ("[[registry]]\nlocation = \"h\"\npull-from-mirror = \"all\"", "belongs to"),
            (
                "[[registry]]\nlocation = \"h\"\n[[registry.mirror]]\ninsecure = true",
                "mirror of \"h\" has no location",
            ),
            (
                "[[registry]]\nlocation = \"h\"\n[[registry.mirror]]\nlocation = \"m\"\npull-from-mirror = \"x\"",
                "digest-only",
            ),
            (
                "[[registry]]\nlocation = \"h\"\nmirror-by-digest-only = true\n[[registry.mirror]]\nlocation = \"m\"\npull-from-mirror = \"all\"",
                "one is enough",
            ),
            ("short-name-mode = \"x\"", "short-name-mode"),
            ("[aliases]\n\"h.x/a\" = \"h/b\"", "no short name"),
            ("[aliases]\n\"a:1\" = \"h.x/b\"", "no short name"),
            ("[aliases]\na = \"b\"", "HOST/REPOSITORY"),
            ("[aliases]\na = \"h.x/b:1\"", "HOST/REPOSITORY"),
            ("[[registry]", "expected"),
            ("[[registry]]\nblocked = 1", "line 2"),
        ] {
            let error = Text::parse(text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
            assert!(!error.contains("pw"), "{error}");
        }
    }
}
