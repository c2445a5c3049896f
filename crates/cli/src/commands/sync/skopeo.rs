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

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use regex::Regex;
use transship::local::yaml::{self, Entry, Node, Value};
use transship::transport::{Escaped, ResultExt};
use transship::{DockerName, Error, ErrorKind, Result, Settings, Tags};

use super::job::{Choice, From, Job, Sides};

/// The jobs of a file. Each repository goes to its last component below the destination, as with skopeo.
pub(super) fn jobs(text: &str, file: &str, to: &str, prune: bool) -> Result<Vec<Job>> {
    let mut jobs = Vec::new();
    for Entry { line, key: host, value } in yaml::parse(text)?.into_mapping("the file")? {
        let registry = registry(&host, value).context(|| Escaped(&host))?;
        let domain = domain(&host).context(|| yaml::at_line(line))?;
        let source = Arc::new(BTreeMap::from([(domain, registry.settings)]));
        for Chosen { line, repository, from } in registry.chosen {
            // skopeo copies all tags then, and with them those of cosign.
            let referrers = matches!(&from, From::Place(_, choice) if choice.is_all());
            jobs.push(Job {
                context: format!("{file}: line {line}: {host}: {repository}"),
                from,
                to: destination(to, &repository),
                registries: Sides { source: Arc::clone(&source), destination: Arc::default() },
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
    chosen: Vec<Chosen>,
    settings: Settings,
}

/// What a file wants of a repository.
struct Chosen {
    line: usize,
    repository: String,
    from: From,
}

fn registry(host: &str, node: Node) -> Result<Registry> {
    let (mut chosen, mut settings) = (Vec::new(), Settings::new());
    for Entry { line, key, value } in node.into_mapping("it")? {
        match key.as_str() {
            "images" => {
                for Entry { line, key: repository, value } in value.into_mapping(&key)? {
                    let from = images(host, &repository, value)?;
                    chosen.push(Chosen { line, repository, from });
                }
            }
            "images-by-tag-regex" => chosen.extend(by_choice(host, &key, value, |text| {
                Ok(Choice { regex: Some(regex(text)?), ..Choice::default() })
            })?),
            "images-by-semver" => chosen.extend(by_choice(host, &key, value, |text| {
                Ok(Choice { ranges: ranges(text)?, ..Choice::default() })
            })?),
            "credentials" => settings = settings.with("docker", "creds", credentials(line, value)?),
            "tls-verify" => settings = settings.with("docker", "tls-verify", switch(value, &key)?),
            "cert-dir" => settings = settings.with("docker", "cert-dir", value.into_text(&key)?),
            _ => return Err(unknown(line, &key)),
        }
    }
    Ok(Registry { chosen, settings })
}

/// Of a mapping from repositories to texts that choose tags.
fn by_choice(
    host: &str,
    field: &str,
    node: Node,
    choice: impl Fn(&str) -> Result<Choice>,
) -> Result<Vec<Chosen>> {
    let mut chosen = Vec::new();
    for Entry { line, key: repository, value } in node.into_mapping(field)? {
        let at = value.line;
        let choice = choice(&value.into_text(field)?).context(|| yaml::at_line(at))?;
        let from = From::Place(place(host, &repository), choice);
        chosen.push(Chosen { line, repository, from });
    }
    Ok(chosen)
}

/// `USERNAME:PASSWORD`
fn credentials(line: usize, node: Node) -> Result<String> {
    let (mut user, mut password) = (None, None);
    for Entry { line, key, value } in node.into_mapping("credentials")? {
        match key.as_str() {
            "username" => user = Some(value.into_text(&key)?),
            "password" => password = Some(value.into_text(&key)?),
            _ => return Err(unknown(line, &key)),
        }
    }
    let missing = |what| wrong(line, format!("the credentials have no {what}"));
    let user = user.filter(|user| !user.is_empty()).ok_or_else(|| missing("username"))?;
    if user.contains(':') {
        return Err(wrong(line, "a username has no colon"));
    }
    Ok(format!("{user}:{}", password.ok_or_else(|| missing("password"))?))
}

/// A boolean of YAML 1.1, which skopeo reads.
fn switch(node: Node, field: &str) -> Result<&'static str> {
    let line = node.line;
    let text = node.into_text(field)?;
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => Ok("true"),
        "false" | "no" | "off" => Ok("false"),
        _ => Err(wrong(line, format!("{field} is true or false, and not \"{}\"", Escaped(&text)))),
    }
}

/// Of `images`: the listed tags and digests, or all tags of an empty list.
fn images(host: &str, repository: &str, node: Node) -> Result<From> {
    let place = place(host, repository);
    let is_null = node.is_null();
    let tags = match node.value {
        Value::List(tags) => tags,
        // `busybox:` with nothing behind it.
        _ if is_null => Vec::new(),
        _ => return Err(wrong(node.line, format!("{repository:?} has no list of tags"))),
    };
    if tags.is_empty() {
        return Ok(From::Place(place, Choice::default()));
    }
    let tags = tags.into_iter().map(|tag| {
        let line = tag.line;
        let tag = tag.into_text(repository)?;
        listed(&place, &tag).context(|| yaml::at_line(line))
    });
    tags.collect::<Result<_>>().map(From::Listed)
}

/// The image of a digest or tag.
fn listed(place: &str, tag: &str) -> Result<String> {
    // No tag has a colon, and each digest has one.
    let mark = if tag.contains(':') { '@' } else { ':' };
    let name = format!("{place}{mark}{tag}");
    DockerName::parse(name.trim_start_matches("docker://")).map_err(|e| {
        let message = format!("\"{}\" is neither a tag nor a digest", Escaped(tag));
        Error::new(ErrorKind::InvalidInput, message).caused_by(e)
    })?;
    Ok(name)
}

/// The name of the host in references.
fn domain(host: &str) -> Result<String> {
    DockerName::parse(&format!("{host}/x")).map(|name| name.domain().to_owned())
}

fn place(host: &str, repository: &str) -> String {
    format!("docker://{host}/{repository}")
}

fn base(repository: &str) -> &str {
    repository.rsplit('/').next().unwrap_or(repository)
}

/// Below a registry, a repository of its own; other places take all, under their whole names.
fn destination(to: &str, repository: &str) -> String {
    let place = to.strip_prefix("docker://").map(|place| place.trim_end_matches('/'));
    match place.filter(|place| !place.is_empty()) {
        Some(place) => format!("docker://{place}/{}", base(repository)),
        None => to.to_owned(),
    }
}

fn regex(text: &str) -> Result<Regex> {
    Regex::new(text).map_err(|e| {
        let message = format!("\"{}\" is no regular expression", Escaped(text));
        Error::new(ErrorKind::InvalidInput, message).caused_by(e)
    })
}

/// The most versions that a range may leave out: each doubles the ranges that stand for it.
const LEFT_OUT: usize = 6;

/// The notation of Go's semver package as that of cargo: alternatives, parts that are separated by blanks, ranges with a hyphen,
/// versions that are left out, and a version alone, which is that version.
fn ranges(text: &str) -> Result<Vec<Tags>> {
    let mut all = Vec::new();
    for range in text.split("||") {
        for range in cargo_ranges(range)? {
            all.push(Tags::default().with_versions(&range)?);
        }
    }
    Ok(all)
}

/// Ranges of which a version has to be in one.
fn cargo_ranges(range: &str) -> Result<Vec<String>> {
    let parts = cargo_parts(range);
    let (left_out, parts): (Vec<_>, Vec<_>) =
        parts.into_iter().partition(|part| part.starts_with("!="));
    if left_out.len() > LEFT_OUT {
        let range = Escaped(range.trim());
        let message = format!("the range \"{range}\" leaves out more than {LEFT_OUT} versions");
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    // What is not a version is below or above it.
    let mut all = vec![parts];
    for version in left_out.iter().map(|part| &part[2..]) {
        let beside = |range: &Vec<String>| {
            ["<", ">"].map(|side| [&range[..], &[format!("{side}{version}")]].concat())
        };
        all = all.iter().flat_map(beside).collect();
    }
    let joined = |parts: Vec<String>| parts.join(", ");
    Ok(if all == [Vec::<String>::new()] {
        vec!["*".to_owned()]
    } else {
        all.into_iter().map(joined).collect()
    })
}

fn cargo_parts(range: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for word in range.split([',', ' ']).filter(|word| !word.is_empty()) {
        // `1.2 - 1.4`
        if let Some(from) = parts.last_mut().filter(|last| word == "-" && last.starts_with('=')) {
            from.insert(0, '>');
            parts.push("<=".to_owned());
            continue;
        }
        // `>= 1.2`: the operator stands alone.
        if let Some(last) = parts.last_mut()
            && last.chars().all(|c| "<>=~^!".contains(c))
        {
            last.push_str(plain(word));
            continue;
        }
        let digits = word.find(|c: char| !"<>=~^!".contains(c)).unwrap_or(word.len());
        let (operator, version) = word.split_at(digits);
        // Any version: what else is said decides.
        if word == "*" {
            continue;
        }
        parts.push(match operator {
            "" => format!("={}", plain(version)),
            "~>" => format!("~{}", plain(version)),
            "=>" => format!(">={}", plain(version)),
            "=<" => format!("<={}", plain(version)),
            _ => format!("{operator}{}", plain(version)),
        });
    }
    parts
}

fn plain(version: &str) -> &str {
    let version = version.trim();
    version.strip_prefix('v').unwrap_or(version)
}

fn unknown(line: usize, key: &str) -> Error {
    wrong(line, format!("there is no field \"{}\"", Escaped(key)))
}

fn wrong(line: usize, why: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidInput, why).context(yaml::at_line(line))
}

#[cfg(test)]
mod tests {
    use transship::ImageName;

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
        let registries = &jobs[0].registries.source;
        let settings = &registries["registry.example.com"];
        assert_eq!(settings.get("docker", "creds"), Some("john:this is a secret"));
        assert_eq!(settings.get("docker", "cert-dir"), Some("/home/john/certs"));
        let settings = &jobs[3].registries.source["quay.io"];
        assert_eq!(settings.get("docker", "tls-verify"), Some("false"));
        assert_eq!(settings.get("docker", "creds"), None);
        assert!(jobs[0].registries.destination.is_empty());
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
            assert_eq!(cargo_ranges(go).unwrap(), [cargo], "{go}");
        }
        assert_eq!(ranges("1.x || >=3").unwrap().len(), 2);
        assert!(ranges("newest").is_err() && ranges("!=newest").is_err());
        assert!(ranges("!=1 !=2 !=3 !=4 !=5 !=6 !=7").is_err());
    }

    #[test]
    fn versions_that_are_left_out() {
        let tags = ["1.1.9", "1.2.0", "1.2.3", "1.3", "2.0.1"];
        let fits = |range: &str| {
            let ranges = ranges(range).unwrap();
            let name = |tag: &str| ImageName::new(&format!("x:{tag}")).unwrap();
            let in_one = |tag: &&str| ranges.iter().any(|range| range.fits(&name(tag)));
            tags.into_iter().filter(in_one).collect::<Vec<_>>()
        };
        assert_eq!(fits("!=1.2.3"), ["1.1.9", "1.2.0", "1.3", "2.0.1"]);
        assert_eq!(fits(">=1.2 != 1.3.0, <2"), ["1.2.0", "1.2.3"]);
        assert_eq!(fits("!=1.2 !=2.0.1"), ["1.1.9", "1.3"]);
        assert_eq!(fits("!=1 || 1.2.0"), ["1.2.0", "2.0.1"]);
        assert_eq!(fits("1.2 - 1.4, !=1.3"), ["1.2.0", "1.2.3"]);
        assert_eq!(fits("* !=1.2.3"), ["1.1.9", "1.2.0", "1.3", "2.0.1"]);
        assert_eq!(fits("* <1.2.3"), ["1.1.9", "1.2.0"]);
    }

    /// A range has them if it names one.
    #[test]
    fn pre_releases() {
        let tags = ["1.0-rc1", "1.0", "1.1-rc1", "1.1", "2.0-rc1"];
        let fits = |range: &str| {
            let ranges = ranges(range).unwrap();
            let name = |tag: &str| ImageName::new(&format!("x:{tag}")).unwrap();
            let in_one = |tag: &&str| ranges.iter().any(|range| range.fits(&name(tag)));
            tags.into_iter().filter(in_one).collect::<Vec<_>>()
        };
        assert_eq!(fits(">=1.0"), ["1.0", "1.1"]);
        assert_eq!(fits(">=1.0-0"), tags);
        assert_eq!(fits(">= 1.0-0 <2-0"), ["1.0-rc1", "1.0", "1.1-rc1", "1.1"]);
        assert_eq!(fits("1.0-0 - 1.1-0"), ["1.0-rc1", "1.0", "1.1-rc1", "1.1"]);
        assert_eq!(fits(">=1.0-0 !=1.1-0"), ["1.0-rc1", "1.0", "2.0-rc1"]);
        // What one alternative names is for it alone.
        assert_eq!(fits("2.0-0 || 1.0"), ["1.0", "2.0-rc1"]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (file, said) in [
            ("h: {image: {a: []}}", "line 1: there is no field"),
            ("h:\n  images:\n    a: 1", "line 3: \"a\" has no list"),
            ("h:\n  images-by-tag-regex:\n    a: '('", "line 3: \"(\" is no regular expression"),
            ("h:\n  images-by-semver:\n    b: '1'\n    a: newest", "line 4: "),
            ("h:\n  images: [a]", "line 2: images is no mapping"),
            ("h:\n  images:\n    a:\n      - 'x:y'", "line 4: \"x:y\" is neither"),
            ("h:\n  images:\n    a:\n      - '1'\n      - 'a b'", "line 5: \"a b\" is neither"),
            ("h:\n  images:\n    a:\n      - 'sha256:12'", "line 4: \"sha256:12\" is neither"),
            ("h:\n  credentials: {password: x}", "line 2: the credentials have no username"),
            ("h:\n  credentials:\n    username: x", "line 2: the credentials have no password"),
            ("h:\n  credentials: {username: '', password: x}", "no username"),
            ("h:\n  credentials: {username: 'a:b', password: x}", "no colon"),
            ("h:\n  tls-verify: maybe", "line 2: tls-verify is true or false"),
        ] {
            let error = jobs(file, "s.yml", "docker://r.x/p/", false).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains(said), "{file}: {error}");
        }
    }
}
