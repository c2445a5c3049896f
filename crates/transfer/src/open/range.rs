//! [`Range`]: a range of versions, in the notation of cargo, with pre-releases as in skopeo and helm. Pure.

use semver::{Comparator, Error, Op, Prerelease, Version, VersionReq};

/// A range of versions. It has pre-releases, each in its place in their order, if it names one: as in Go's package, on which skopeo
/// and helm are built. (In cargo those of the same version alone are in it.) One may be named by fewer than three numbers: `>=1.0-0`.
///
/// Other than there, `<2` never has a pre-release of 2, and `!=1.1-0` leaves out 1.1 and all its pre-releases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Range(Vec<Comparator>);

impl Range {
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let parts: Vec<(String, &str)> = text.split(',').map(without_short).collect();
        let plain: Vec<&str> = parts.iter().map(|(plain, _)| plain.as_str()).collect();
        let mut comparators = VersionReq::parse(&plain.join(","))?.comparators;
        for (comparator, (_, suffix)) in comparators.iter_mut().zip(&parts) {
            if !suffix.is_empty() {
                comparator.pre = Prerelease::new(suffix)?;
            }
        }
        Ok(Self(comparators))
    }

    pub(super) fn has(&self, version: &Version) -> bool {
        let names_one = || self.0.iter().any(|part| !part.pre.is_empty());
        (version.pre.is_empty() || names_one()) && self.0.iter().all(|part| holds(part, version))
    }
}

/// A part of a range, and the pre-release that it names by fewer than three numbers, which cargo's notation does not have.
fn without_short(part: &str) -> (String, &str) {
    let whole = || (part.to_owned(), "");
    let Some((before, suffix)) = part.trim_end().split_once('-') else { return whole() };
    // `1.2-1.4` and `1.2-v1.4` may be meant as something else.
    let is_version = suffix.strip_prefix('v').is_some_and(|rest| rest.starts_with(is_digit));
    let is_meant = suffix == "0" || (suffix.starts_with(is_letter) && !is_version);
    // A wildcard alone is no comparator, and can name nothing.
    let ends_well = before.ends_with(|c: char| is_digit(c) || matches!(c, '*' | 'x' | 'X'));
    let is_short = ends_well && before.contains(is_digit) && before.matches('.').count() < 2;
    if is_short && is_meant { (before.to_owned(), suffix) } else { whole() }
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}

fn is_letter(c: char) -> bool {
    c.is_ascii_alphabetic()
}

fn holds(part: &Comparator, version: &Version) -> bool {
    let is_short = part.patch.is_none();
    let least = Version { pre: part.pre.clone(), ..numbers(part) };
    match part.op {
        Op::Exact | Op::Wildcard if is_short => least <= *version && *version < beyond(part),
        Op::Greater if is_short => beyond(part) <= *version,
        Op::LessEq if is_short => *version < beyond(part),
        // `<2` has no pre-release of 2.
        Op::Less if is_short && part.pre.is_empty() => *version < first(numbers(part)),
        Op::Greater => least < *version,
        Op::GreaterEq => least <= *version,
        Op::Less => *version < least,
        Op::LessEq => *version <= least,
        Op::Tilde => least <= *version && *version < beyond(part),
        Op::Caret => least <= *version && *version < breaking(part),
        _ => least == *version,
    }
}

/// The numbers of a comparator, 0 for those that it does not say.
fn numbers(part: &Comparator) -> Version {
    Version::new(part.major, part.minor.unwrap_or(0), part.patch.unwrap_or(0))
}

/// The first version above all that have the first two numbers of a comparator, or the one that it says.
fn beyond(part: &Comparator) -> Version {
    first(match part.minor {
        None => Version::new(part.major.saturating_add(1), 0, 0),
        Some(minor) => Version::new(part.major, minor.saturating_add(1), 0),
    })
}

/// The first version that may break what works with that of a comparator.
fn breaking(part: &Comparator) -> Version {
    let next = |number: u64| number.saturating_add(1);
    first(match (part.major, part.minor, part.patch) {
        (0, Some(0), Some(patch)) => Version::new(0, 0, next(patch)),
        (0, Some(minor), _) => Version::new(0, next(minor), 0),
        (major, ..) => Version::new(next(major), 0, 0),
    })
}

/// The first pre-release of a version.
fn first(mut version: Version) -> Version {
    // `0` is a pre-release.
    version.pre = Prerelease::new("0").unwrap_or(Prerelease::EMPTY);
    version
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_range(range: &str, versions: &[&str]) -> String {
        let range = Range::parse(range).unwrap();
        let has = |version: &&&str| range.has(&Version::parse(version).unwrap());
        versions.iter().filter(has).copied().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn one_that_names_a_pre_release_has_others_in_their_order() {
        let versions =
            ["0.9.0-rc1", "1.0.0-alpha", "1.0.0", "1.1.0-slim", "1.2.0", "2.0.0-rc1", "2.1.0"];
        for (range, expected) in [
            (">=1.0", "1.0.0 1.2.0 2.1.0"),
            ("*", "1.0.0 1.2.0 2.1.0"),
            (">=1.0-0", "1.0.0-alpha 1.0.0 1.1.0-slim 1.2.0 2.0.0-rc1 2.1.0"),
            (" >= 1-0 ", "1.0.0-alpha 1.0.0 1.1.0-slim 1.2.0 2.0.0-rc1 2.1.0"),
            (">=1.0.0-0", "1.0.0-alpha 1.0.0 1.1.0-slim 1.2.0 2.0.0-rc1 2.1.0"),
            (">=1.0-beta", "1.0.0 1.1.0-slim 1.2.0 2.0.0-rc1 2.1.0"),
            (">=1.0, <2-0", "1.0.0 1.1.0-slim 1.2.0"),
            (">=1.0-0, <2", "1.0.0-alpha 1.0.0 1.1.0-slim 1.2.0"),
            (">=1.0-0, <2.0.0", "1.0.0-alpha 1.0.0 1.1.0-slim 1.2.0 2.0.0-rc1"),
            ("<2.0-rc2", "0.9.0-rc1 1.0.0-alpha 1.0.0 1.1.0-slim 1.2.0 2.0.0-rc1"),
            ("<=1.0-0", "0.9.0-rc1 1.0.0-alpha 1.0.0"),
            (">1.0-0", "1.1.0-slim 1.2.0 2.0.0-rc1 2.1.0"),
            ("~1.0-0", "1.0.0-alpha 1.0.0"),
            ("~1-0", "1.0.0-alpha 1.0.0 1.1.0-slim 1.2.0"),
            ("^1.1-0", "1.1.0-slim 1.2.0"),
            ("1.1-0", "1.1.0-slim 1.2.0"),
            ("=1.1-0", "1.1.0-slim"),
            ("1.x-0", "1.0.0-alpha 1.0.0 1.1.0-slim 1.2.0"),
            ("=1.1.0-slim", "1.1.0-slim"),
        ] {
            assert_eq!(in_range(range, &versions), expected, "{range}");
        }
        for range in [
            "1.2-1.4",
            "1.2-v1.4",
            "1.2 -beta",
            "*-0",
            "x-alpine",
            ">=1.0-",
            ">=1.0-01",
            "-0",
            ">=-0",
            ">=1.0-a b",
            "*, >=1",
            "",
        ] {
            assert!(Range::parse(range).is_err(), "{range}");
        }
    }

    #[test]
    fn releases_are_in_it_as_in_cargo() {
        let all = || (0..4).flat_map(|at| (0..4).map(move |next| (at, next)));
        let versions: Vec<Version> = all()
            .flat_map(|(major, minor)| (0..4).map(move |patch| Version::new(major, minor, patch)))
            .collect();
        for operator in ["", "=", ">", ">=", "<", "<=", "~", "^"] {
            for number in
                ["0", "1", "0.0", "0.2", "1.0", "1.2", "0.0.0", "0.0.2", "0.1.2", "1.0.0", "2.1.3"]
            {
                let text = format!("{operator}{number}");
                let (range, cargo) =
                    (Range::parse(&text).unwrap(), VersionReq::parse(&text).unwrap());
                for version in &versions {
                    assert_eq!(range.has(version), cargo.matches(version), "{text} {version}");
                }
            }
        }
    }
}
