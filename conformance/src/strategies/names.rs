//! Names of images.

use proptest::prelude::*;
use proptest::sample::select;
use proptest::string::string_regex;
use transship_core::{DockerName, ImageName};

use crate::{Facts, Names};

/// Names that a transport holds.
pub fn names(facts: &Facts) -> BoxedStrategy<ImageName> {
    match facts.claims.names {
        Names::Docker => docker_names(),
        Names::DockerNotIpv6 => docker_names_of(HOSTS),
        Names::OciOrDocker => prop_oneof![2 => docker_names(), 1 => oci_names()].boxed(),
        Names::AnyText => prop_oneof![2 => docker_names(), 1 => oci_names(), 1 => texts()].boxed(),
    }
}

const HOSTS: &[&str] = &[
    "docker.io/library/",
    "docker.io/some/",
    "quay.example/",
    "localhost/",
    "localhost:5000/a/",
    "UPPER.example:80/",
    "127.0.0.1/",
];

/// Docker names with a tag, canonical, from the whole grammar.
pub fn docker_names() -> BoxedStrategy<ImageName> {
    docker_names_of(&[HOSTS, &["[::1]:5000/"]].concat())
}

fn docker_names_of(hosts: &[&'static str]) -> BoxedStrategy<ImageName> {
    let domain = select(hosts.to_vec());
    let path = "[a-z0-9]{1,3}((\\.|_|__|-{1,3})[a-z0-9]{1,2}){0,2}(/[a-z0-9]{1,3}){0,2}";
    // Short ones, and the longest.
    let tag = prop_oneof![
        15 => matching("[A-Za-z0-9_][A-Za-z0-9_.-]{0,4}"),
        1 => matching("[A-Za-z0-9_][A-Za-z0-9_.-]{127}"),
    ];
    (domain, matching(path), tag)
        .prop_filter_map("a docker name", |(domain, path, tag)| {
            let name = DockerName::parse(&format!("{domain}{path}:{tag}")).ok()?;
            Some(ImageName::from(&name))
        })
        .boxed()
}

/// Names of the OCI layout's grammar.
fn oci_names() -> BoxedStrategy<ImageName> {
    let name =
        "[A-Za-z0-9]{1,3}((-|\\.|_|:|@|\\+|--)[A-Za-z0-9]{1,3}){0,2}(/[A-Za-z0-9]{1,3}){0,1}";
    matching(name)
        .prop_filter_map("a name", |text| {
            // A digest after an @ is none of the grammar's business, but of the reference's.
            let digest = text.contains("sha256:") || text.contains("sha512:");
            if digest { None } else { ImageName::new(&text).ok() }
        })
        .boxed()
}

fn texts() -> BoxedStrategy<ImageName> {
    let text =
        prop_oneof![3 => matching("[^\\p{C}]{1,8}"), 1 => select(SPELLED).prop_map(str::to_owned)];
    text.prop_filter_map("a name", |text| ImageName::new(&text).ok()).boxed()
}

/// Texts that are names of other images for who trims them, decodes them, folds them or takes them for something else.
const SPELLED: &[&str] = &[
    " a ", "a", "A", "e\u{301}", "\u{e9}", "%61", "a+b", "a/../b", "a//b", "~", "00", "a ", "a  b",
    "a b", "\u{212b}", "\u{c5}", "\u{df}", "ss", "a%20b", "a/", "./a", "..", "-", "$HOME", "'a'",
    "\"a\"", "null", "true", "0", "1e3", "a\u{a0}", "\\x", "\\\\x", "@0", "\\@0", "x\\",
];

/// Some of them, for a look each time; none where names are no texts.
pub(crate) fn spelled_names(facts: &Facts) -> Vec<ImageName> {
    let all = SPELLED.iter().filter(|_| facts.claims.names == Names::AnyText);
    all.filter_map(|text| ImageName::new(text).ok()).collect()
}

/// Texts that match an expression, which is read once: as a strategy of its own, it is read again for each text, which takes most of
/// the time that a case takes.
pub(super) fn matching(expression: &'static str) -> BoxedStrategy<String> {
    // One that cannot be read fails with its reason where a text is made.
    string_regex(expression).map_or_else(|_| expression.boxed(), Strategy::boxed)
}
