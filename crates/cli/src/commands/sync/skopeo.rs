//! The YAML of `skopeo sync`, as it is.
//!
//! ```yaml
//! registry.example.com:
//!   images:
//!     busybox: []                  # all tags
//!     redis: ["1.0", "2.0", "sha256:..."]
//!   images-by-tag-regex:
//!     nginx: ^1\.13\.[12]-alpine-perl$
//!   images-by-semver:
//!     alpine: ">= 3.12.0"
//!   credentials: {username: john, password: secret}
//!   tls-verify: true
//!   cert-dir: /home/john/certs
//! ```

use std::collections::HashMap;

use regex::Regex;
use transship::local::yaml::{self, Node};
use transship::transport::Escaped;
use transship::{Error, ErrorKind, Result, Settings, Tags};

use super::job::{Choice, From, Job, Sides};

/// The jobs of a file. Each repository goes to its last component below the destination, as with skopeo.
pub(super) fn jobs(text: &str, file: &str, to: &str, prune: bool) -> Result<Vec<Job>> {
    let (mut jobs, mut places) = (Vec::new(), HashMap::new());
    for (host, node) in yaml::parse(text)?.into_mapping("the file")? {
        let registry = registry(&host, node).map_err(|e| e.context(Escaped(&host)))?;
        for (repository, from) in registry.from {
            let (to, is_registry) = (destination(to, &repository), to.starts_with("docker://"));
            let context = format!("{file}: {host}: {repository}");
            let place = place(&host, &repository);
            let other = places.entry(to.clone()).or_insert_with(|| place.clone());
            if is_registry && *other != place {
                let message = format!("{other} and {place} would both be {to}");
                return Err(Error::new(ErrorKind::InvalidInput, message)
                    .hint("a TOML file says where each goes"));
            }
            // skopeo copies all tags then, and with them those of cosign.
            let referrers = matches!(&from, From::Place(_, choice) if choice.is_all());
            let source = registry.settings.clone();
            jobs.push(Job {
                context,
                from,
                to,
                settings: Sides { source, destination: Settings::new() },
                platforms: Vec::new(),
                referrers,
                prune,
                backup: None,
            });
        }
    }
    Ok(jobs)
}

struct Registry {
    from: Vec<(String, From)>,
    settings: Settings,
}

fn registry(host: &str, node: Node) -> Result<Registry> {
    let (mut from, mut settings) = (Vec::new(), Settings::new());
    for (key, value) in node.into_mapping("it")? {
        match key.as_str() {
            "images" => {
                for (repository, tags) in value.into_mapping(&key)? {
                    from.extend(images(host, &repository, tags)?);
                }
            }
            "images-by-tag-regex" => {
                for (repository, pattern) in value.into_mapping(&key)? {
                    let choice = Choice {
                        regex: Some(regex(&pattern.into_text(&key)?)?),
                        ..Choice::default()
                    };
                    from.push((repository.clone(), From::Place(place(host, &repository), choice)));
                }
            }
            "images-by-semver" => {
                for (repository, range) in value.into_mapping(&key)? {
                    let choice =
                        Choice { ranges: ranges(&range.into_text(&key)?)?, ..Choice::default() };
                    from.push((repository.clone(), From::Place(place(host, &repository), choice)));
                }
            }
            "credentials" => {
                let (mut user, mut password) = (String::new(), String::new());
                for (key, value) in value.into_mapping(&key)? {
                    match key.as_str() {
                        "username" => user = value.into_text(&key)?,
                        "password" => password = value.into_text(&key)?,
                        _ => return Err(unknown(&key)),
                    }
                }
                settings = settings.with("docker", "creds", format!("{user}:{password}"));
            }
            "tls-verify" => {
                settings = settings.with("docker", "tls-verify", value.into_text(&key)?);
            }
            "cert-dir" => settings = settings.with("docker", "cert-dir", value.into_text(&key)?),
            _ => return Err(unknown(&key)),
        }
    }
    Ok(Registry { from, settings })
}

/// Of `images`: the listed tags and digests, or all tags of an empty list.
fn images(host: &str, repository: &str, tags: Node) -> Result<Vec<(String, From)>> {
    let place = place(host, repository);
    let tags = match tags {
        Node::List(tags) => tags,
        // `busybox:` with nothing behind it.
        node if node.is_null() => Vec::new(),
        _ => return Err(wrong(format!("{repository:?} has no list of tags"))),
    };
    if tags.is_empty() {
        return Ok(vec![(repository.to_owned(), From::Place(place, Choice::default()))]);
    }
    let mut listed = Vec::new();
    for tag in tags {
        let tag = tag.into_text(repository)?;
        let mark = if tag.contains(':') { '@' } else { ':' };
        listed.push(format!("{place}{mark}{tag}"));
    }
    Ok(vec![(repository.to_owned(), From::Listed(listed))])
}

fn place(host: &str, repository: &str) -> String {
    format!("docker://{host}/{repository}")
}

fn base(repository: &str) -> &str {
    repository.rsplit('/').next().unwrap_or(repository)
}

/// Below a registry, a repository of its own; other places take all, under their whole names.
fn destination(to: &str, repository: &str) -> String {
    match to.strip_prefix("docker://") {
        Some(place) => format!("docker://{}/{}", place.trim_end_matches('/'), base(repository)),
        None => to.to_owned(),
    }
}

fn regex(text: &str) -> Result<Regex> {
    Regex::new(text).map_err(|e| {
        let message = format!("\"{}\" is no regular expression", Escaped(text));
        Error::new(ErrorKind::InvalidInput, message).caused_by(e)
    })
}

/// The notation of Go's semver package as that of cargo: alternatives, parts that are separated by blanks, ranges with a hyphen,
/// and a version alone, which is that version.
fn ranges(text: &str) -> Result<Vec<Tags>> {
    text.split("||").map(|range| Tags::default().with_versions(&cargo_range(range)?)).collect()
}

fn cargo_range(range: &str) -> Result<String> {
    let range = range.trim();
    if let Some((from, to)) = range.split_once(" - ") {
        return Ok(format!(">={}, <={}", plain(from), plain(to)));
    }
    let mut parts: Vec<String> = Vec::new();
    for word in range.split([',', ' ']).filter(|word| !word.is_empty()) {
        // `>= 1.2`: the operator stands alone.
        if let Some(last) = parts.last_mut()
            && last.chars().all(|c| "<>=~^!".contains(c))
        {
            last.push_str(plain(word));
            continue;
        }
        let digits = word.find(|c: char| !"<>=~^!".contains(c)).unwrap_or(word.len());
        let (operator, version) = word.split_at(digits);
        parts.push(match operator {
            "" if version == "*" => "*".to_owned(),
            "" => format!("={}", plain(version)),
            "~>" => format!("~{}", plain(version)),
            "=>" => format!(">={}", plain(version)),
            "=<" => format!("<={}", plain(version)),
            _ => format!("{operator}{}", plain(version)),
        });
    }
    if parts.iter().any(|part| part.starts_with("!=")) {
        return Err(wrong(format!("the range {range:?}: != is not supported")));
    }
    Ok(if parts.is_empty() { "*".to_owned() } else { parts.join(", ") })
}

fn plain(version: &str) -> &str {
    let version = version.trim();
    version.strip_prefix('v').unwrap_or(version)
}

fn unknown(key: &str) -> Error {
    wrong(format!("there is no field \"{}\"", Escaped(key)))
}

fn wrong(why: String) -> Error {
    Error::new(ErrorKind::InvalidInput, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From skopeo-sync(1).
    const FILE: &str = r#"
registry.example.com:
    images:
        busybox: []
        redis:
            - "1.0"
            - "2.0"
            - "sha256:0000000000000000000000000000000011111111111111111111111111111111"
    images-by-tag-regex:
        nginx: ^1\.13\.[12]-alpine-perl$
    credentials:
        username: john
        password: this is a secret
    tls-verify: true
    cert-dir: /home/john/certs
quay.io:
    tls-verify: false
    images:
        coreos/etcd:
            - latest
    images-by-semver:
        team/alpine: ">= 3.12.0"
"#;

    #[test]
    fn the_example_of_the_manual() {
        let jobs = jobs(FILE, "s.yml", "docker://my.registry/prefix", false).unwrap();
        let places: Vec<&str> = jobs.iter().map(|job| job.to.as_str()).collect();
        let below = |name: &str| format!("docker://my.registry/prefix/{name}");
        assert_eq!(places, ["busybox", "redis", "nginx", "etcd", "alpine"].map(below));
        let From::Listed(redis) = &jobs[1].from else { panic!() };
        assert_eq!(redis[0], "docker://registry.example.com/redis:1.0");
        assert!(redis[2].starts_with("docker://registry.example.com/redis@sha256:0000"));
        let settings = &jobs[0].settings.source;
        assert_eq!(settings.get("docker", "creds"), Some("john:this is a secret"));
        assert_eq!(settings.get("docker", "cert-dir"), Some("/home/john/certs"));
        assert_eq!(jobs[3].settings.source.get("docker", "tls-verify"), Some("false"));
        assert_eq!(jobs[3].settings.source.get("docker", "creds"), None);
    }

    #[test]
    fn ranges_of_go() {
        for (go, cargo) in [
            (">= 3.12.0", ">=3.12.0"),
            (">=1.2 <2", ">=1.2, <2"),
            ("1.2 - 1.4", ">=1.2, <=1.4"),
            ("v1.2", "=1.2"),
            ("~> 1.3", "~1.3"),
            ("^2, < 2.5", "^2, <2.5"),
            ("*", "*"),
            ("", "*"),
        ] {
            assert_eq!(cargo_range(go).unwrap(), cargo, "{go}");
        }
        assert_eq!(ranges("1.x || >=3").unwrap().len(), 2);
        assert!(ranges("!=1.2").is_err() && ranges("newest").is_err());
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (file, said) in [
            ("h: {image: {a: []}}", "no field"),
            ("h: {images: {a: 1}}", "no list"),
            ("h: {images-by-tag-regex: {a: '('}}", "regular expression"),
            ("h: {images: [a]}", "no mapping"),
            ("h: {images: {x/a: []}}\ni: {images: {y/a: []}}", "would both be"),
        ] {
            let error = jobs(file, "s.yml", "docker://r.x/p/", false).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains(said), "{file}: {error}");
        }
    }
}
