//! Sizes of files: `cargo xtask ci` fails on a source file of 500 lines or more. (Functions: clippy.toml.)

use std::fs;
use std::path::{Path, PathBuf};

use crate::sh::{self, Result};

const LIMIT: usize = 500;

/// Where sources are; `target` is none of them.
const FOLDERS: &[&str] = &["crates", "conformance", "examples", "xtask"];

/// The complaints; none is good.
pub(crate) fn check() -> Result<Vec<String>> {
    let root = sh::root();
    let mut files = Vec::new();
    for folder in FOLDERS.iter().map(|folder| root.join(folder)).filter(|folder| folder.exists()) {
        sources(&folder, &mut files)?;
    }
    files.sort();
    let mut found = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
        let lines = text.lines().count();
        if lines >= LIMIT {
            let name = file.strip_prefix(&root).unwrap_or(&file).display();
            found.push(format!("{name}: {lines} lines; the limit is {LIMIT}"));
        }
    }
    Ok(found)
}

fn sources(folder: &Path, into: &mut Vec<PathBuf>) -> Result<()> {
    let failed = |e| format!("{}: {e}", folder.display());
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            sources(&path, into)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
    Ok(())
}
