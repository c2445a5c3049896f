//! `cargo xtask new-transport`: a crate for a transport, which keeps images in memory, a file or a folder until its author
//! decides otherwise, and passes the conformance kit from the start.

use std::fs;
use std::path::{self, Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::args::Args;
use crate::arrows;
use crate::counts::Counts;
use crate::sh::{self, Result};

/// A template, which is compiled into this program.
macro_rules! template {
    ($path:literal) => {
        include_str!(concat!("../templates/transport/", $path))
    };
}

/// The files of every transport crate. With those of a [`Ground`] they are a crate, of the transport `scaffold`.
const FILES: &[(&str, &str)] = &[
    ("src/archive.rs", template!("src/archive.rs")),
    ("src/destination.rs", template!("src/destination.rs")),
    ("src/images.rs", template!("src/images.rs")),
    ("src/lib.rs", template!("src/lib.rs")),
    ("src/reference.rs", template!("src/reference.rs")),
    ("src/source.rs", template!("src/source.rs")),
    ("src/transport.rs", template!("src/transport.rs")),
    ("src/writing.rs", template!("src/writing.rs")),
];

/// What a scaffold keeps its images in.
#[derive(Debug)]
struct Ground {
    /// As in `--on`.
    name: &'static str,
    /// In a sentence.
    within: &'static str,
    /// `src/store.rs`.
    store: &'static str,
    /// `tests/conformance.rs`.
    test: &'static str,
    /// `src/store/damage.rs`, the tests of a store on a disk.
    damage: Option<&'static str>,
}

/// What both stores on a disk have to stand.
const DAMAGE: &str = template!("tests/damage.rs");

const GROUNDS: &[Ground] = &[
    Ground {
        name: "memory",
        within: "memory",
        store: template!("store/memory.rs"),
        test: template!("tests/memory.rs"),
        damage: None,
    },
    Ground {
        name: "file",
        within: "one file",
        store: template!("store/file.rs"),
        test: template!("tests/disk.rs"),
        damage: Some(DAMAGE),
    },
    Ground {
        name: "folder",
        within: "one folder",
        store: template!("store/folder.rs"),
        test: template!("tests/disk.rs"),
        damage: Some(DAMAGE),
    },
];

const MEMBER: &str = template!("member.toml");
const ALONE: &str = template!("alone.toml");

/// Schemes that are spoken for, here or by what people know from other tools.
const TAKEN: &[&str] = &[
    "containerd",
    "containers-storage",
    "dir",
    "docker",
    "docker-archive",
    "docker-daemon",
    "oci",
    "oci-archive",
];

/// How many cases of each law are run for the members. The scaffold on its own runs as many as its author would.
const CASES: &str = "4";

/// Longer than any scheme should be.
const LONGEST: usize = 40;

pub(crate) fn run(args: &mut Args) -> Result<bool> {
    if args.flag("--check") {
        args.finish()?;
        return Ok(check()?.good());
    }
    let (path, on) = (args.value("--path")?, args.value("--on")?);
    let name = args.word().ok_or("new-transport wants a NAME: the scheme of its references")?;
    args.finish()?;
    let (root, name) = (sh::root(), Name::parse(&name)?);
    let folder = path.map_or_else(|| root.join("crates").join(&name.scheme), PathBuf::from);
    let made = make(&root, &name, ground(on.as_deref().unwrap_or("memory"))?, &folder)?;
    let (shown, package) = (made.folder.display(), name.package());
    println!("{shown}: the transport {} in {} lines", name.scheme, made.lines);
    match made.kind {
        Kind::Member => println!(
            "To see it green: cargo test -p {package}\n\
             To have it in the command: a feature in crates/transship/Cargo.toml, a line in its src/lib.rs and tests/linked.rs"
        ),
        Kind::Alone => println!(
            "To see it green: cargo test --manifest-path {shown}/Cargo.toml\n\
             To have it in the command: a binary that depends on transship-cli and says `use {} as _;`",
            name.library()
        ),
    }
    println!("What is yours to decide: grep -rn Decide: {shown}");
    Ok(true)
}

/// Makes one transport within a copy of the workspace and one on its own, and looks whether they are good.
pub(crate) fn check() -> Result<Counts> {
    let (root, target) = (sh::root(), sh::target()?);
    let lab = target.join("new-transport");
    // What an earlier run left is none of ours.
    let _ = fs::remove_dir_all(&lab);
    let (workspace, alone) = (lab.join("workspace"), lab.join("alone"));
    fs::create_dir_all(&workspace).map_err(|e| format!("{}: {e}", workspace.display()))?;
    copy_workspace(&root, &workspace)?;
    let profiles = lab.join("profiles.toml");
    write(&profiles, profiles_of(&root)?.as_str())?;
    let mut counts = Counts::default();
    counts += told("within the workspace, on each ground", || members_are_good(&workspace))?;
    let name = Name::parse("scaffold-alone")?;
    counts += told("on its own", || {
        make(&root, &name, ground("file")?, &alone)?;
        let profiles = profiles.to_str().ok_or("the target folder is not UTF-8")?;
        let mut tests = cargo(&alone, &["test", "--quiet", "--config", profiles])?;
        Ok(sh::cargo_quietly(&mut cargo(&alone, &["fmt", "--check"])?)?
            && sh::cargo_quietly(&mut tests)?)
    })?;
    // Copies would be found by searches.
    let _ = fs::remove_dir_all(&lab);
    Ok(counts)
}

/// Makes a member on each ground, and looks at all of them at once: they share what is built.
fn members_are_good(workspace: &Path) -> Result<bool> {
    let mut packages = Vec::new();
    for ground in GROUNDS {
        let name = format!("scaffold-on-{}", ground.name);
        packages.extend(["-p".to_owned(), member(workspace, &name, ground.name)?.0]);
    }
    let mut metadata = sh::cargo(["metadata", "--format-version=1", "--no-deps"]);
    let complaints = arrows::complaints(&sh::json(metadata.current_dir(workspace))?)?;
    for complaint in &complaints {
        println!("{complaint}");
    }
    let with = |before: &[&'static str], after: &[&'static str]| {
        let packages = packages.iter().map(String::as_str);
        let args: Vec<&str> =
            before.iter().copied().chain(packages).chain(after.iter().copied()).collect();
        sh::cargo_quietly(cargo(workspace, &args)?.env("TRANSSHIP_CASES", CASES))
    };
    Ok(complaints.is_empty()
        && with(&["fmt", "--check"], &[])?
        && with(&["test", "--quiet"], &[])?
        && with(&["clippy", "--quiet"], &["--all-targets", "--", "-D", "warnings"])?)
}

/// Makes a member of a workspace: its package, and where it is.
pub(crate) fn member(workspace: &Path, name: &str, on: &str) -> Result<(String, PathBuf)> {
    let name = Name::parse(name)?;
    let folder = workspace.join("crates").join(&name.scheme);
    Ok((name.package(), make(workspace, &name, ground(on)?, &folder)?.folder))
}

/// How the workspace is built. Built the same way, what a crate on its own depends on is there already.
fn profiles_of(root: &Path) -> Result<String> {
    let manifest = root.join("Cargo.toml");
    let text = fs::read_to_string(&manifest).map_err(|e| format!("Cargo.toml: {e}"))?;
    let at = text.find("[profile.").ok_or("Cargo.toml has no profiles")?;
    Ok(text[at..].to_owned())
}

fn told(name: &str, check: impl FnOnce() -> Result<bool>) -> Result<Counts> {
    let begun = Instant::now();
    let good = check()?;
    let took = begun.elapsed().as_secs_f32();
    println!("{:<8} new-transport: {name}, {took:.1} s", if good { "ok" } else { "FAILED" });
    Ok(Counts::one(good))
}

/// What was built before is shared: sources of the same bytes and age count as the same.
pub(crate) fn cargo(folder: &Path, args: &[&str]) -> Result<Command> {
    let mut command = sh::cargo(args);
    command.current_dir(folder).env("CARGO_TARGET_DIR", sh::target()?);
    Ok(command)
}

/// The name of a transport.
struct Name {
    /// As in references: `my-store`.
    scheme: String,
}

impl Name {
    fn parse(text: &str) -> Result<Self> {
        let why = if text.is_empty() || text.len() > LONGEST {
            format!("it has to have 1 to {LONGEST} characters")
        } else if !text.starts_with(|c: char| c.is_ascii_lowercase()) {
            "it has to begin with one of a-z".to_owned()
        } else if text.split('-').any(str::is_empty) || !text.bytes().all(is_part) {
            "it has to be words of a-z and 0-9, joined by one -".to_owned()
        } else if TAKEN.contains(&text) {
            "that scheme is spoken for".to_owned()
        } else {
            let name = Self { scheme: text.to_owned() };
            let texts = FILES.iter().map(|(_, text)| *text);
            let texts = texts.chain(GROUNDS.iter().flat_map(|ground| [ground.store, ground.test]));
            let texts = texts.chain([DAMAGE]);
            let mut words = texts.flat_map(|text| text.split(|c| !is_word(c)));
            let camel = name.camel();
            if !words.any(|word| word == camel) {
                return Ok(name);
            }
            format!("its code has something else of that name, {camel}")
        };
        Err(format!("{text:?} cannot be the name of a transport: {why}"))
    }

    /// The name of its type: `MyStore`.
    fn camel(&self) -> String {
        let capital = |word: &str| word[..1].to_ascii_uppercase() + &word[1..];
        self.scheme.split('-').map(capital).collect()
    }

    fn package(&self) -> String {
        format!("transship-{}", self.scheme)
    }

    fn library(&self) -> String {
        self.package().replace('-', "_")
    }
}

fn is_part(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Whether a crate is a member of the workspace, as the transports that come with it, or stands alone.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Member,
    Alone,
}

fn ground(name: &str) -> Result<&'static Ground> {
    let known = GROUNDS.iter().find(|ground| ground.name == name);
    known.ok_or_else(|| {
        let names: Vec<&str> = GROUNDS.iter().map(|ground| ground.name).collect();
        format!("--on is one of {}, not {name:?}", names.join(", "))
    })
}

struct Made {
    folder: PathBuf,
    kind: Kind,
    lines: usize,
}

/// Writes the crate to a folder that is not there yet.
fn make(root: &Path, name: &Name, ground: &Ground, folder: &Path) -> Result<Made> {
    let failed = |path: &Path, e: std::io::Error| format!("{}: {e}", path.display());
    let folder = path::absolute(folder).map_err(|e| failed(folder, e))?;
    if root.join("crates").join(&name.scheme).exists() {
        return Err(format!("there is a crate {} already", name.package()));
    }
    if folder.exists() {
        return Err(format!("{} is there already", folder.display()));
    }
    let member = folder.parent() == Some(root.join("crates").as_path());
    let kind = if member { Kind::Member } else { Kind::Alone };
    let mut lines = 0;
    let own = [("src/store.rs", ground.store), ("tests/conformance.rs", ground.test)];
    let damage = ground.damage.map(|text| ("src/store/damage.rs", text));
    let files: Vec<_> = FILES.iter().copied().chain(own).chain(damage).collect();
    for (path, text) in &files {
        let text = fill(text, name, kind).replace("@where@", ground.within);
        let path = folder.join(path);
        lines += text.lines().count();
        write(&path, &text)?;
    }
    let manifest = match kind {
        Kind::Member => MEMBER.replace("@name@", &name.scheme),
        Kind::Alone => {
            let root = root.to_str().ok_or("the path of this clone is not UTF-8")?;
            ALONE.replace("@name@", &name.scheme).replace("@root@", root)
        }
    };
    write(&folder.join("Cargo.toml"), &manifest)?;
    if kind == Kind::Alone {
        // The versions that are known to work together.
        let lock = fs::read_to_string(root.join("Cargo.lock"));
        write(&folder.join("Cargo.lock"), &lock.map_err(|e| failed(root, e))?)?;
    }
    // A name of another length breaks lines elsewhere.
    let files = files.iter().map(|(path, _)| folder.join(path));
    sh::stdout(sh::command("rustfmt", files).args(["--edition", "2024"]))?;
    Ok(Made { folder, kind, lines })
}

fn fill(template: &str, name: &Name, kind: Kind) -> String {
    let marked = template
        .replace("transship_scaffold", "\u{1}")
        .replace("Scaffold", "\u{2}")
        .replace("scaffold", "\u{3}");
    // The name may hold what stands in the template.
    let text = marked
        .replace('\u{1}', &name.library())
        .replace('\u{2}', &name.camel())
        .replace('\u{3}', &name.scheme);
    match kind {
        // A member may not depend on the facade, which links the members.
        Kind::Member => text,
        Kind::Alone => text
            .replace("transship_core", "transship::transport")
            .replace("transship_local", "transship::local"),
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    let made = path.parent().map_or(Ok(()), fs::create_dir_all);
    made.and_then(|()| fs::write(path, text)).map_err(|e| format!("{}: {e}", path.display()))
}

pub(crate) fn copy_workspace(root: &Path, to: &Path) -> Result<()> {
    for name in [
        "Cargo.toml",
        "Cargo.lock",
        "README.md",
        "rustfmt.toml",
        "clippy.toml",
        "crates",
        "conformance",
        "examples",
        "xtask",
    ] {
        copy(&root.join(name), &to.join(name)).map_err(|e| format!("copying {name}: {e}"))?;
    }
    Ok(())
}

/// With the times of files, by which cargo knows what it has built.
fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    if !from.is_dir() {
        fs::copy(from, to)?;
        return fs::File::options()
            .write(true)
            .open(to)?
            .set_modified(from.metadata()?.modified()?);
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_schemes_packages_and_types() {
        let name = Name::parse("my-store2").unwrap();
        assert_eq!(name.camel(), "MyStore2");
        assert_eq!(name.package(), "transship-my-store2");
        assert_eq!(name.library(), "transship_my_store2");
    }

    #[test]
    fn bad_names_are_refused_with_the_reason() {
        let long = "a".repeat(41);
        for (name, why) in [
            ("", "1 to 40"),
            (&long, "1 to 40"),
            ("2fast", "begin with"),
            ("My", "begin with"),
            ("-x", "begin with"),
            ("a--b", "joined by one -"),
            ("a-", "joined by one -"),
            ("a_b", "joined by one -"),
            ("a/../b", "joined by one -"),
            ("oci", "spoken for"),
            ("transport", "something else of that name"),
            ("body", "something else of that name"),
        ] {
            let refused = Name::parse(name).err().unwrap_or_default();
            assert!(refused.contains(why), "{name:?}: {refused}");
        }
    }

    #[test]
    fn what_is_there_is_not_written_over() {
        let name = Name::parse("newer").unwrap();
        assert!(make(&sh::root(), &name, &GROUNDS[0], &sh::root().join("xtask")).is_err());
        let ours = Name { scheme: "core".to_owned() };
        assert!(make(&sh::root(), &ours, &GROUNDS[0], Path::new("/nowhere/at/all")).is_err());
        assert!(ground("tape").unwrap_err().contains("memory, file, folder"));
    }
}
