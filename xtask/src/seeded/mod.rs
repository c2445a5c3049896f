//! `cargo xtask seeded`: mistakes of authors, made on purpose in two transports, one at a time, and the law of the
//! conformance kit that is to catch each. The lists are tables of what a kit sees and what it does not.

use std::fs;
use std::path::{Path, PathBuf};

use crate::args::Args;
use crate::counts::Counts;
use crate::new_transport::{cargo, copy_workspace, member};
use crate::sh::{self, Result};

/// Stands for the law where the kit does not see it.
const NONE: &str = "nothing";

/// A mistake, and what catches it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Fault {
    what: String,
    law: String,
    file: String,
    old: String,
    new: String,
}

/// A transport, as it is right.
struct Target {
    package: String,
    folder: PathBuf,
    faults: &'static str,
}

pub(crate) fn run(args: &mut Args) -> Result<bool> {
    let filter = args.value("--filter")?.unwrap_or_default();
    args.finish()?;
    let workspace = sh::target()?.join("seeded");
    // What an earlier run left is none of ours.
    let _ = fs::remove_dir_all(&workspace);
    fs::create_dir_all(&workspace).map_err(|e| format!("{}: {e}", workspace.display()))?;
    copy_workspace(&sh::root(), &workspace)?;
    let (package, folder) = member(&workspace, "scaffold-seeded", "folder")?;
    let targets = [
        Target { package, folder, faults: include_str!("folder.faults") },
        Target {
            package: "transship-sqlite".to_owned(),
            folder: workspace.join("examples/sqlite"),
            faults: include_str!("sqlite.faults"),
        },
    ];
    let mut counts = Counts::default();
    for target in &targets {
        for fault in parse(target.faults)? {
            if [&target.package, &fault.what, &fault.law].iter().any(|text| text.contains(&filter))
            {
                counts += look(&workspace, target, &fault)?;
            }
        }
    }
    let _ = fs::remove_dir_all(&workspace);
    println!("{counts}");
    Ok(counts.good())
}

/// Makes the mistake, looks whether its law catches it, and undoes it.
fn look(workspace: &Path, target: &Target, fault: &Fault) -> Result<Counts> {
    let file = target.folder.join(&fault.file);
    let failed = |e| format!("{}: {e}", file.display());
    let right = fs::read_to_string(&file).map_err(failed)?;
    fs::write(&file, seed(&right, fault)?).map_err(failed)?;
    let run = |words: &[&str]| {
        let test = ["test", "--quiet", "-p", &target.package, "--test", "conformance"];
        let mut command = cargo(workspace, &[&test, words].concat())?;
        // Some of them hang.
        command.env("TRANSSHIP_PATIENCE", "20");
        Ok::<_, String>(command.output().map_err(|e| format!("cargo: {e}"))?.status.success())
    };
    let built = run(&["--no-run"])?;
    let law = if fault.law == NONE { &[][..] } else { &["--", &fault.law, "--exact"] };
    let held = built && run(law)?;
    fs::write(&file, right).map_err(failed)?;
    if !built {
        return Err(format!("{}: with it, {} does not build", fault.what, target.package));
    }
    let as_said = held == (fault.law == NONE);
    let word = if as_said { "ok" } else { "FAILED" };
    println!("{word:<8}{}: {}: caught by {}", target.package, fault.what, fault.law);
    Ok(Counts::one(as_said))
}

/// The list of a transport.
fn parse(text: &str) -> Result<Vec<Fault>> {
    let mut faults: Vec<Fault> = Vec::new();
    for line in text.lines() {
        if let Some(what) = line.strip_prefix("fault: ") {
            faults.push(Fault { what: what.to_owned(), ..Fault::default() });
            continue;
        }
        let Some(fault) = faults.last_mut() else { continue };
        let field = match line.split_once(' ') {
            Some(("law:", text)) => Some((&mut fault.law, text)),
            Some(("file:", text)) => Some((&mut fault.file, text)),
            Some(("-", text)) => Some((&mut fault.old, text)),
            Some(("+", text)) => Some((&mut fault.new, text)),
            _ => None,
        };
        match field {
            Some((field, text)) => text.clone_into(field),
            None if line.is_empty() => {}
            None => return Err(format!("{line:?} is no line of a list of faults")),
        }
    }
    Ok(faults)
}

/// The text with the mistake. Where blanks are and lines are broken is a matter of taste.
fn seed(right: &str, fault: &Fault) -> Result<String> {
    let old: Vec<char> = fault.old.chars().filter(|c| !c.is_whitespace()).collect();
    let solid: Vec<_> = right.char_indices().filter(|(_, c)| !c.is_whitespace()).collect();
    let is_old = |part: &&[(usize, char)]| part.iter().map(|(_, c)| c).eq(&old);
    let found = solid.windows(old.len().max(1)).find(is_old);
    let (first, last) = found
        .and_then(|part| part.first().zip(part.last()))
        .ok_or_else(|| format!("{}: {} has no {}", fault.what, fault.file, fault.old))?;
    Ok([&right[..first.0], &fault.new, &right[last.0 + last.1.len_utf8()..]].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_whole_and_have_an_even_hand() {
        for text in [include_str!("folder.faults"), include_str!("sqlite.faults")] {
            let faults = parse(text).unwrap();
            assert!(faults.len() >= 20, "{}", faults.len());
            for fault in &faults {
                let texts = [&fault.what, &fault.law, &fault.file, &fault.old, &fault.new];
                assert!(texts.iter().all(|text| !text.is_empty()), "{fault:?}");
                assert_ne!(fault.old, fault.new, "{fault:?}");
            }
            let unseen = faults.iter().filter(|fault| fault.law == NONE).count();
            assert!(unseen * 20 <= faults.len(), "{unseen} of {} are not seen", faults.len());
        }
    }

    /// Both transports change; a mistake that cannot be made any more shows here, and not after an hour.
    #[test]
    fn each_mistake_fits_its_transport() {
        let (root, store) = (sh::root(), Path::new("src/store.rs"));
        let templates = root.join("xtask/templates/transport");
        let lists = [
            (include_str!("folder.faults"), templates.clone()),
            (include_str!("sqlite.faults"), root.join("examples/sqlite")),
        ];
        for (text, folder) in lists {
            for fault in parse(text).unwrap() {
                let is_store = folder == templates && Path::new(&fault.file) == store;
                let file = if is_store { "store/folder.rs" } else { &*fault.file };
                let right = fs::read_to_string(folder.join(file)).unwrap();
                seed(&right, &fault).unwrap();
            }
        }
    }

    #[test]
    fn a_mistake_is_made_where_its_text_stands() {
        let fault = Fault { old: "b c".to_owned(), new: "x".to_owned(), ..Fault::default() };
        assert_eq!(seed("a b d b\n    c e", &fault).unwrap(), "a b d x e");
        assert_eq!(seed("abc", &fault).unwrap(), "ax");
        assert!(seed("a b d", &fault).unwrap_err().contains("has no b c"));
    }
}
