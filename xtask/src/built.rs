//! What cargo has built: the programs of the workspace's tests, and the command.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;

use crate::sh::{self, Result};

/// A program that cargo has built.
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    pub(crate) name: String,
    /// `bin` or `test`.
    kind: String,
    /// Of its package.
    pub(crate) folder: PathBuf,
}

/// Builds test targets as the tests of the whole workspace are built; package by package, each would need its dependencies
/// with other features.
pub(crate) fn tests(names: &[&str]) -> Result<Vec<Program>> {
    let mut programs = with_tests(names)?;
    programs.retain(|program| program.kind == "test");
    programs.sort_by(|a, b| a.folder.cmp(&b.folder));
    Ok(programs)
}

/// The command as the tests run it, which stops at overflows and failed assertions. `TRANSSHIP=FILE` names another one.
pub(crate) fn tested_command() -> Result<PathBuf> {
    if let Some(other) = named() {
        return Ok(other);
    }
    let programs = with_tests(&["cli"])?;
    let command = programs.into_iter().find(|it| it.kind == "bin" && it.name == "transship");
    command.map(|command| command.path).ok_or_else(|| "cargo built no transship".to_owned())
}

/// The command as it is released, for measuring. `TRANSSHIP=FILE` names another one.
pub(crate) fn released_command() -> Result<PathBuf> {
    if let Some(other) = named() {
        return Ok(other);
    }
    let build = ["build", "--release", "--quiet", "-p", "transship-cli"];
    let (done, _) = sh::watch(&mut sh::cargo(build))?;
    if !done {
        return Err("the command does not build".to_owned());
    }
    Ok(sh::target()?.join("release/transship"))
}

fn named() -> Option<PathBuf> {
    std::env::var_os("TRANSSHIP").map(PathBuf::from)
}

/// The test targets of these names, and the programs that their packages have.
fn with_tests(names: &[&str]) -> Result<Vec<Program>> {
    let mut command = sh::cargo(["test", "--quiet", "--workspace", "--no-run"]);
    command.args(names.iter().flat_map(|name| ["--test", name]));
    command.arg("--message-format=json-render-diagnostics");
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.map_err(|e| format!("{} cannot run: {e}", sh::show(&command)))?;
    if !output.status.success() {
        return Err(format!("{} failed", sh::show(&command)));
    }
    let said = String::from_utf8_lossy(&output.stdout);
    let messages = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    Ok(messages.filter_map(|message| program(&message)).collect())
}

/// What a message of cargo says, if it is of a program.
fn program(built: &Value) -> Option<Program> {
    Some(Program {
        path: built["executable"].as_str()?.into(),
        name: built["target"]["name"].as_str()?.to_owned(),
        kind: built["target"]["kind"][0].as_str()?.to_owned(),
        folder: Path::new(built["manifest_path"].as_str()?).parent()?.to_owned(),
    })
}
