//! The arrows between the crates, as drawn in DESIGN.md: `cargo xtask ci` fails on any other.

use serde_json::Value;

use crate::sh::{self, Result};

const CORE: &str = "transship-core";
const LOCAL: &str = "transship-local";
const COMPRESSION: &str = "transship-compression";
const ARCHIVE: &str = "transship-archive";
const TRUST: &str = "transship-trust";
const TRANSFER: &str = "transship-transfer";
const DOCKER_ARCHIVE: &str = "transship-docker-archive";
const CONTAINERD: &str = "transship-containerd";
const CONTAINERS_STORAGE: &str = "transship-containers-storage";
const DOCKER_DAEMON: &str = "transship-docker-daemon";
const OCI_LAYOUT: &str = "transship-oci-layout";
const DIRECTORY: &str = "transship-directory";
const REGISTRY: &str = "transship-registry";
const SERVE: &str = "transship-serve";
const TEST_REGISTRY: &str = "transship-test-registry";
const CONFORMANCE: &str = "transship-conformance";
const FACADE: &str = "transship";
const CLI: &str = "transship-cli";

/// Each package and what it may depend on. Of transports, only an engine names others; transfer never names a transport.
const ARROWS: &[(&str, &[&str])] = &[
    (CORE, &[]),
    (LOCAL, &[CORE]),
    (COMPRESSION, &[]),
    (ARCHIVE, &[CORE, LOCAL, COMPRESSION]),
    (DOCKER_ARCHIVE, &[CORE, LOCAL, ARCHIVE]),
    (OCI_LAYOUT, &[CORE, LOCAL, ARCHIVE]),
    // Reads what engines save as the transports of its formats.
    (DOCKER_DAEMON, &[CORE, LOCAL, ARCHIVE, DOCKER_ARCHIVE, OCI_LAYOUT]),
    // Asks podman as docker is asked.
    (CONTAINERS_STORAGE, &[CORE, DOCKER_DAEMON]),
    (CONTAINERD, &[CORE]),
    (DIRECTORY, &[CORE, LOCAL]),
    (REGISTRY, &[CORE]),
    (SERVE, &[CORE, LOCAL]),
    (TRUST, &[CORE, LOCAL]),
    (TRANSFER, &[CORE, COMPRESSION, TRUST]),
    // Says what the specification says in the same words.
    (TEST_REGISTRY, &[CORE, SERVE]),
    (CONFORMANCE, &[CORE]),
    (
        FACADE,
        &[
            CORE,
            LOCAL,
            TRUST,
            TRANSFER,
            CONTAINERD,
            CONTAINERS_STORAGE,
            DOCKER_ARCHIVE,
            DOCKER_DAEMON,
            OCI_LAYOUT,
            DIRECTORY,
            REGISTRY,
            SERVE,
        ],
    ),
    (CLI, &[CORE, FACADE]),
    ("transship-examples", &[CORE, FACADE, CLI]),
    ("transship-sqlite", &[FACADE, CLI]),
    ("xtask", &[CORE, FACADE, CONFORMANCE]),
];

/// What tests of every crate may use.
const TEST_KITS: &[&str] = &[CONFORMANCE, TEST_REGISTRY];

/// What a transport may depend on that is not named above, and says of itself that it is one
/// (`package.metadata.transship.kind`). The facade may link it.
const TRANSPORT: &[&str] = &[CORE, LOCAL, ARCHIVE];

/// The complaints; none is good.
pub(crate) fn check() -> Result<Vec<String>> {
    complaints(&sh::metadata()?)
}

pub(crate) fn complaints(metadata: &Value) -> Result<Vec<String>> {
    let packages = metadata["packages"].as_array().ok_or("cargo metadata lists no packages")?;
    let mut found = Vec::new();
    let is_transport = |package: &&Value| package["metadata"]["transship"]["kind"] == "transport";
    let known = |name: &str| ARROWS.iter().find(|(known, _)| *known == name).map(|(_, to)| *to);
    let transports = packages.iter().filter(is_transport).filter_map(|p| p["name"].as_str());
    let new: Vec<&str> = transports.filter(|name| known(name).is_none()).collect();
    for package in packages {
        let name = text(package, "name")?;
        let Some(drawn) = known(name).or(new.contains(&name).then_some(TRANSPORT)) else {
            found.push(format!("{name}: no arrows are drawn for it (xtask/src/arrows.rs)"));
            continue;
        };
        let dependencies = package["dependencies"].as_array();
        for dependency in dependencies.into_iter().flatten() {
            let to = text(dependency, "name")?;
            let ours = dependency["path"].is_string();
            let dev = dependency["kind"].as_str() == Some("dev");
            let linked = name == FACADE && new.contains(&to);
            let for_tests = dev && (TEST_KITS.contains(&to) || to == name);
            let allowed = drawn.contains(&to) || linked || for_tests;
            if ours && !allowed {
                let kind = if dev { "dev-dependency" } else { "dependency" };
                found.push(format!("{name} -> {to}: this {kind} is not drawn in DESIGN.md"));
            }
        }
    }
    Ok(found)
}

fn text<'a>(of: &'a Value, field: &str) -> Result<&'a str> {
    of[field].as_str().ok_or_else(|| format!("cargo metadata: no {field}"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::complaints;

    fn package(name: &str, dependencies: &[Value]) -> Value {
        json!({ "packages": [{ "name": name, "dependencies": dependencies }] })
    }

    fn dependency(name: &str, kind: Option<&str>) -> Value {
        json!({ "name": name, "kind": kind, "path": "/somewhere" })
    }

    #[test]
    fn drawn_arrows_pass() {
        let good = package("transship-archive", &[dependency("transship-local", None)]);
        assert_eq!(complaints(&good).unwrap(), [""; 0]);
        let foreign = package("transship-core", &[json!({ "name": "tar", "path": null })]);
        assert_eq!(complaints(&foreign).unwrap(), [""; 0]);
        let kit =
            package("transship-directory", &[dependency("transship-conformance", Some("dev"))]);
        assert_eq!(complaints(&kit).unwrap(), [""; 0]);
        let server =
            package("transship-cli", &[dependency("transship-test-registry", Some("dev"))]);
        assert_eq!(complaints(&server).unwrap(), [""; 0]);
    }

    #[test]
    fn a_new_transport_is_drawn_by_what_it_says() {
        let package = |name: &str, kind: Value, to: &str| {
            json!({ "name": name, "metadata": { "transship": { "kind": kind } },
                    "dependencies": [dependency(to, None)] })
        };
        let new = package("transship-new", json!("transport"), "transship-local");
        let facade = package("transship", json!(null), "transship-new");
        let good = json!({ "packages": [new, facade] });
        assert_eq!(complaints(&good).unwrap(), [""; 0]);
        for bad in [
            package("transship-new", json!("transport"), "transship-oci-layout"),
            package("transship-new", json!("transport"), "transship"),
            package("transship-core", json!("transport"), "transship-local"),
        ] {
            let bad = json!({ "packages": [bad] });
            assert_eq!(complaints(&bad).unwrap().len(), 1, "{bad}");
        }
    }

    #[test]
    fn others_fail() {
        for bad in [
            package("transship-transfer", &[dependency("transship-oci-layout", None)]),
            package("transship-transfer", &[dependency("transship-oci-layout", Some("dev"))]),
            package("transship-core", &[dependency("transship-local", Some("build"))]),
            package("transship-directory", &[dependency("transship-conformance", None)]),
            package("transship-registry", &[dependency("transship-test-registry", None)]),
            package("transship-test-registry", &[dependency("transship-registry", Some("dev"))]),
            package("transship-unheard-of", &[]),
        ] {
            assert_eq!(complaints(&bad).unwrap().len(), 1, "{bad}");
        }
    }
}
