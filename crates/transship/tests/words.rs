//! The libraries speak no command line: what a person can do is a [`Hint`](transship::Hint), which each program words with its
//! own flags.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};

/// All sources below a folder.
fn sources(folder: &Path, all: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, all);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push(path);
        }
    }
}

/// Whether text of a message names a flag, the command, or an option as the command line writes it. A word alone is no
/// message, but an argument of another program.
fn speaks_command_line(line: &str) -> bool {
    // Its flag is that of another program.
    let line = line.replace("systemctl --user", "systemctl");
    let mut literals = line.split('"').skip(1).step_by(2);
    literals.any(|text| {
        let flag = |word: &str| {
            let name = word.trim_start_matches(['(', '`']).strip_prefix("--");
            name.is_some_and(|name| name.starts_with(|c: char| c.is_ascii_lowercase()))
        };
        let command = ["transship copy", "transship login", "transship gc", "transship verify"];
        let sentence = text.contains(' ');
        (sentence && text.split_whitespace().any(flag))
            || command.iter().any(|words| text.contains(words))
    })
}

#[test]
fn the_libraries_name_no_flag() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut all = Vec::new();
    for library in fs::read_dir(crates).unwrap().map(|entry| entry.unwrap().path()) {
        if !library.ends_with("cli") {
            sources(&library.join("src"), &mut all);
        }
    }
    assert!(all.len() > 100);
    for path in all {
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
            assert!(!speaks_command_line(line), "{}: {line}", path.display());
        }
    }
}

#[test]
fn what_a_flag_looks_like() {
    assert!(speaks_command_line(r#".hint("copy all with --all-images")"#));
    assert!(speaks_command_line(r#".hint("`transship login` keeps one")"#));
    assert!(!speaks_command_line(r#"podman(&["images", "--format", "json"])"#));
    assert!(!speaks_command_line(r#"Err("a name may not have -- in it: a--b")"#));
}
