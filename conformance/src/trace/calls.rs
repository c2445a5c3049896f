//! What strace wrote, as [`Call`]s: what was done to which paths.

use std::collections::HashMap;

/// A system call that did something to files. Failed ones are [`Looked`](Call::Looked).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// A path was asked for, whatever came of it.
    Looked(String),
    /// A file or folder was made, or opened in a way that makes it.
    Made(String),
    /// A file was made that has no name yet, in a folder.
    Unnamed,
    /// Bytes of a file were changed.
    Wrote(String),
    /// A file or folder was synced.
    Synced(String),
    /// A name was moved to another one.
    Renamed(String, String),
    /// Everything on a filesystem was synced.
    SyncedAll,
    /// Two names were exchanged.
    Exchanged(String, String),
    /// A file got another name.
    Linked(String, String),
    /// A name was taken away.
    Removed(String),
}

/// Reads the calls, in the order of their ends.
pub(super) fn parse(text: &str) -> Vec<Call> {
    let mut waiting: HashMap<&str, String> = HashMap::new();
    let mut calls = Vec::new();
    for line in text.lines() {
        let (pid, line) = line.trim_start().split_once(' ').unwrap_or(("", line));
        let line = line.trim_start();
        if let Some(begun) = line.strip_suffix("<unfinished ...>") {
            waiting.insert(pid, begun.to_owned());
            continue;
        }
        let resumed = line.strip_prefix("<... ").and_then(|rest| rest.split_once("resumed>"));
        let whole = match resumed {
            Some((_, rest)) => waiting.remove(pid).unwrap_or_default() + rest,
            None => line.to_owned(),
        };
        call(&whole, &mut calls);
    }
    calls
}

fn call(line: &str, calls: &mut Vec<Call>) {
    let Some((name, rest)) = line.split_once('(') else { return };
    let Some((args, result)) = rest.rsplit_once(" = ") else { return };
    let args = arguments(args.trim_end().strip_suffix(')').unwrap_or(args));
    let failed = result.starts_with('-') || result.starts_with('?');
    let arg = |at: usize| args.get(at).map_or("", String::as_str);
    let at = |folder: usize, path: usize| join(arg(folder), arg(path));
    let fd = |arg: &str| in_angles(arg);
    let found = match name {
        "open" | "creat" => Some(opened(&quoted(arg(0)), arg(1), result)),
        "openat" | "openat2" => Some(opened(&at(0, 1), arg(2), result)),
        "write" | "pwrite64" | "writev" | "pwritev" | "pwritev2" | "ftruncate" | "fallocate" => {
            fd(arg(0)).map(Call::Wrote)
        }
        "copy_file_range" => fd(arg(2)).map(Call::Wrote),
        "sendfile" => fd(arg(0)).map(Call::Wrote),
        "truncate" => Some(Call::Wrote(quoted(arg(0)))),
        "fsync" | "fdatasync" => fd(arg(0)).map(Call::Synced),
        "sync" | "syncfs" => Some(Call::SyncedAll),
        "mkdir" => Some(Call::Made(quoted(arg(0)))),
        "mkdirat" => Some(Call::Made(at(0, 1))),
        "symlink" => Some(Call::Made(quoted(arg(1)))),
        "symlinkat" => Some(Call::Made(at(1, 2))),
        "rename" => Some(Call::Renamed(quoted(arg(0)), quoted(arg(1)))),
        "renameat2" if arg(4).contains("EXCHANGE") => Some(Call::Exchanged(at(0, 1), at(2, 3))),
        "renameat" | "renameat2" => Some(Call::Renamed(at(0, 1), at(2, 3))),
        "link" => Some(Call::Linked(quoted(arg(0)), quoted(arg(1)))),
        "linkat" => Some(Call::Linked(linked(arg(0), arg(1)), at(2, 3))),
        "unlink" | "rmdir" => Some(Call::Removed(quoted(arg(0)))),
        "unlinkat" => Some(Call::Removed(at(0, 1))),
        "stat" | "lstat" | "access" | "readlink" | "chdir" | "execve" => {
            Some(Call::Looked(quoted(arg(0))))
        }
        "statx" | "newfstatat" | "faccessat" | "faccessat2" | "readlinkat" => {
            Some(Call::Looked(at(0, 1)))
        }
        _ => None,
    };
    match found {
        Some(call) if failed => calls.extend(paths(&call).into_iter().map(Call::Looked)),
        found => calls.extend(found),
    }
}

/// All paths of a call.
pub(super) fn paths(call: &Call) -> Vec<String> {
    match call {
        Call::Unnamed | Call::SyncedAll => Vec::new(),
        Call::Looked(path)
        | Call::Made(path)
        | Call::Wrote(path)
        | Call::Synced(path)
        | Call::Removed(path) => vec![path.clone()],
        Call::Renamed(from, to) | Call::Exchanged(from, to) | Call::Linked(from, to) => {
            vec![from.clone(), to.clone()]
        }
    }
}

fn opened(path: &str, flags: &str, result: &str) -> Call {
    let path = in_angles(result).unwrap_or_else(|| path.to_owned());
    if flags.contains("O_TMPFILE") {
        Call::Unnamed
    } else if flags.contains("O_CREAT") {
        Call::Made(path)
    } else if flags.contains("O_TRUNC") {
        Call::Wrote(path)
    } else {
        Call::Looked(path)
    }
}

/// What is linked: a path, or an open file by `/proc/self/fd` or by its number.
fn linked(folder: &str, path: &str) -> String {
    match quoted(path) {
        path if path.is_empty() || path.starts_with("/proc/self/fd/") => {
            in_angles(folder).unwrap_or_default()
        }
        _ => join(folder, path),
    }
}

/// Separates arguments at commas that are in no quotes, brackets or angles.
fn arguments(text: &str) -> Vec<String> {
    let (mut all, mut one, mut depth) = (Vec::new(), String::new(), 0_usize);
    let (mut quotes, mut escaped) = (false, false);
    for c in text.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quotes => escaped = true,
            '"' => quotes = !quotes,
            '{' | '[' | '<' if !quotes => depth += 1,
            '}' | ']' | '>' if !quotes => depth = depth.saturating_sub(1),
            ',' if !quotes && depth == 0 => {
                all.push(std::mem::take(&mut one).trim().to_owned());
                continue;
            }
            _ => {}
        }
        one.push(c);
    }
    all.push(one.trim().to_owned());
    all
}

fn quoted(arg: &str) -> String {
    let inside = arg.split_once('"').and_then(|(_, rest)| rest.rsplit_once('"'));
    inside.map_or_else(String::new, |(text, _)| text.replace("\\\"", "\"").replace("\\\\", "\\"))
}

fn in_angles(arg: &str) -> Option<String> {
    let (path, _) = arg.split_once('<')?.1.rsplit_once('>')?;
    Some(path.to_owned())
}

fn join(folder: &str, path: &str) -> String {
    let path = quoted(path);
    match in_angles(folder) {
        _ if path.starts_with('/') => path,
        Some(folder) if path.is_empty() => folder,
        Some(folder) => format!("{folder}/{}", path.trim_start_matches("./")),
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_read() {
        let text = r#"7 openat(AT_FDCWD</w>, "a", O_RDWR|O_CREAT|O_EXCL, 0666) = 5</w/a>
7 write(5</w/a>, ""..., 70) = 70
8 fsync(5</w/a> <unfinished ...>
7 statx(AT_FDCWD</w>, "/w/b", AT_STATX_SYNC_AS_STAT, STATX_ALL, {stx_mode=S_IFREG, ...}) = 0
8 <... fsync resumed>)               = 0
7 renameat2(AT_FDCWD</w>, "a", 4</x>, "b, c", RENAME_NOREPLACE) = 0
7 rename("/x/y", "/x/z")             = -1 ENOENT (No such file or directory)
7 linkat(6</w/#12 (deleted)>, "", AT_FDCWD</w>, "/w/d", AT_EMPTY_PATH) = 0
7 openat(AT_FDCWD</w>, "/w", O_RDWR|O_TMPFILE, 0600) = 9</w/#13 (deleted)>"#;
        let at = |path: &str| path.to_owned();
        let want = [
            Call::Made(at("/w/a")),
            Call::Wrote(at("/w/a")),
            Call::Looked(at("/w/b")),
            Call::Synced(at("/w/a")),
            Call::Renamed(at("/w/a"), at("/x/b, c")),
            Call::Looked(at("/x/y")),
            Call::Looked(at("/x/z")),
            Call::Linked(at("/w/#12 (deleted)"), at("/w/d")),
            Call::Unnamed,
        ];
        assert_eq!(parse(text), want);
    }
}
