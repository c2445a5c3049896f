//! Who uses stdin and stdout: each has one user. A second reader would find nothing, and what is written twice would be mixed.

use std::path::Path;

use transship::{Error, ErrorKind, Result};

use crate::args::{self, Command};
use crate::stdin;

/// Refuses a command line that uses stdin or stdout for two things.
pub(crate) fn check(command: &Command) -> Result<()> {
    let (readers, writers) = match command {
        Command::Copy(copy) => (readers(copy), writers(copy)),
        Command::Verify(verify) => (places(&verify.references, "REFERENCE"), Vec::new()),
        Command::Digests(digests) => (places(&digests.references, "REFERENCE"), Vec::new()),
        #[cfg(feature = "serve")]
        Command::Serve(serve) => (places(&serve.places, "PLACE"), Vec::new()),
        _ => return Ok(()),
    };
    one_user(&readers, "stdin is read twice", "write one of them to a file first")?;
    one_user(&writers, "stdout is written twice", "write one of them to a file")
}

/// Whether the archive of a copy goes to stdout, where nothing else may follow it.
pub(crate) fn is_archive_on_stdout(copy: &args::Copy) -> bool {
    copy.places().is_some_and(|(_, to)| is_dash(to) || is_device(place_of(to), "stdout", "1"))
}

/// Whether digests go to stdout.
pub(crate) fn is_stdout(path: &Path) -> bool {
    path == Path::new("-")
}

fn one_user(users: &[String], what: &str, hint: &'static str) -> Result<()> {
    let [first, second, ..] = users else { return Ok(()) };
    let message = format!("{what}: for {first} and for {second}");
    Err(Error::new(ErrorKind::InvalidInput, message).hint(hint))
}

fn readers(copy: &args::Copy) -> Vec<String> {
    let sources = copy.places().map(|(sources, _)| sources).unwrap_or_default();
    let mut users = places(sources, "SOURCE");
    users.extend(places(&copy.since, "--since"));
    let policy = copy.trust.policy.iter().map(|path| ("--policy", path));
    let keys = copy.trust.verify_keys.iter().map(|path| ("--verify-key", path));
    let key = copy.sign.key.iter().map(|path| ("--sign-key", path));
    let list = copy.list.iter().map(|path| ("--from-file", path));
    for (option, path) in policy.chain(keys).chain(key).chain(list) {
        let is_list = option == "--from-file" && path == Path::new("-");
        if is_list || path.to_str().is_some_and(|text| is_device(text, "stdin", "0")) {
            users.push(format!("{option} {}", path.display()));
        }
    }
    users
}

fn writers(copy: &args::Copy) -> Vec<String> {
    let mut users = Vec::new();
    if copy.output.json {
        users.push("--json".to_owned());
    }
    // A dry run writes nothing else.
    if copy.dry_run {
        return users;
    }
    if is_archive_on_stdout(copy) {
        users.push("the archive".to_owned());
    }
    let digests = copy.digestfile.iter();
    let digests = digests.filter(|path| {
        is_stdout(path) || path.to_str().is_some_and(|text| is_device(text, "stdout", "1"))
    });
    users.extend(digests.map(|path| format!("--digestfile {}", path.display())));
    users
}

/// Those of some places that are stdin, or a pipe, which becomes stdin.
fn places(texts: &[String], what: &str) -> Vec<String> {
    let is_read = |text: &&String| {
        is_dash(text) || is_device(place_of(text), "stdin", "0") || stdin::is_pipe(Path::new(text))
    };
    texts.iter().filter(is_read).map(|text| format!("{what} {text}")).collect()
}

/// What stands behind the transport.
fn place_of(text: &str) -> &str {
    text.split_once(':').filter(|_| !text.starts_with('-')).map_or(text, |(_, place)| place)
}

fn is_dash(text: &str) -> bool {
    let place = place_of(text);
    place == "-" || place.starts_with("-:") || place.starts_with("-@")
}

/// Whether a path is a stream by the name that the system gives it, with or without an image behind it.
fn is_device(place: &str, name: &str, number: &str) -> bool {
    let path = place.split([':', '@']).next().unwrap_or_default();
    let of = |folder: &str, end: &str| path.strip_prefix(folder) == Some(end);
    of("/dev/", name) || of("/dev/fd/", number) || of("/proc/self/fd/", number)
}
