//! A question to npm's sigstore packages, which `.ci/install-peers` installs.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

/// Asks npm's packages. `None` where they or node are not here.
pub(crate) fn ask(question: &Value) -> Option<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.ci/npm");
    if let Some(lack) = lack(&folder) {
        assert!(
            std::env::var_os("TRANSSHIP_REQUIRE_PEERS").is_none(),
            "TRANSSHIP_REQUIRE_PEERS is set, and {lack}"
        );
        eprintln!("skipped: {lack}");
        return None;
    }
    let mut command = Command::new("node");
    command.arg("sigstore.mjs").current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut node = command.spawn().unwrap();
    node.stdin.take().unwrap().write_all(question.to_string().as_bytes()).unwrap();
    let ran = node.wait_with_output().unwrap();
    assert!(ran.status.success(), "{ran:?}");
    Some(serde_json::from_slice(&ran.stdout).unwrap())
}

/// What is not here of that which the tests need, and what to do.
fn lack(folder: &Path) -> Option<String> {
    let ran = Command::new("node").arg("--version").output();
    let version = ran.map_or_else(|_| String::new(), |ran| text(&ran.stdout));
    if major(&version).is_none_or(|major| major < 20) {
        let found = if version.is_empty() { "no node" } else { &version };
        return Some(format!("node 20 or newer is not here ({found}): install it, and npm"));
    }
    let is_installed = folder.join("node_modules").is_dir();
    (!is_installed).then(|| "npm's packages are not here: run .ci/install-peers".to_owned())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

/// Of `v20.1.0`, 20.
fn major(version: &str) -> Option<u32> {
    version.strip_prefix('v')?.split('.').next()?.parse().ok()
}
