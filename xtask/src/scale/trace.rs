//! The bytes that a command reads from and writes to files, as strace sees them.

use std::fs;
use std::path::Path;

use crate::sh::{self, Result};

/// Bytes of files below a folder; those of the cache are left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Traffic {
    pub(super) read: u64,
    pub(super) written: u64,
}

const CALLS: &str =
    "read,pread64,readv,preadv,write,pwrite64,writev,pwritev,copy_file_range,sendfile,splice";

/// Runs a command to its end.
pub(super) fn run(command: &[String], folder: &Path) -> Result<Traffic> {
    let logs = folder.join("trace");
    fs::create_dir_all(&logs).map_err(|e| format!("{}: {e}", logs.display()))?;
    let log = logs.join("log").display().to_string();
    // One log for each thread, so that no line is cut by another one.
    let options = ["-ff", "-qq", "-y", "-s", "0", "-e", &format!("trace={CALLS}"), "-o", &log];
    let mut strace = sh::command("strace", options);
    strace.args(command).env("XDG_CACHE_HOME", folder.join("cache"));
    sh::stdout(&mut strace)?;
    let mut sum = Traffic::default();
    for entry in fs::read_dir(&logs).map_err(|e| format!("{}: {e}", logs.display()))? {
        let path = entry.map_err(|e| e.to_string())?.path();
        let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        text.lines().for_each(|line| sum.add(line, &folder.display().to_string()));
    }
    fs::remove_dir_all(&logs).map_err(|e| format!("{}: {e}", logs.display()))?;
    Ok(sum)
}

impl Traffic {
    /// One line: `pread64(9</folder/in.tar>, ""..., 512, 0) = 512`.
    fn add(&mut self, line: &str, folder: &str) {
        let Some((call, rest)) = line.split_once('(') else { return };
        let Some(bytes) = line.rsplit_once(" = ").and_then(|(_, n)| n.trim().parse::<u64>().ok())
        else {
            return;
        };
        let counts = |path: &str| {
            path.starts_with(folder)
                && !path.strip_prefix(folder).is_some_and(|path| path.starts_with("/cache/"))
        };
        let mut paths = rest.split('<').skip(1).filter_map(|text| text.split('>').next());
        let (first, second) = (paths.next().unwrap_or_default(), paths.next().unwrap_or_default());
        match call {
            "copy_file_range" | "splice" => {
                self.read += if counts(first) { bytes } else { 0 };
                self.written += if counts(second) { bytes } else { 0 };
            }
            "sendfile" => {
                self.written += if counts(first) { bytes } else { 0 };
                self.read += if counts(second) { bytes } else { 0 };
            }
            call if call.contains("read") => self.read += if counts(first) { bytes } else { 0 },
            _ => self.written += if counts(first) { bytes } else { 0 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Traffic;

    #[test]
    fn lines_of_strace() {
        let mut sum = Traffic::default();
        for line in [
            r#"pread64(9</w/in.tar>, ""..., 512, 0) = 512"#,
            r#"read(3</etc/passwd>, ""..., 512) = 100"#,
            r#"write(4</w/out>, ""..., 7) = 7"#,
            r#"write(5</w/cache/known>, ""..., 70) = 70"#,
            r#"write(6</w/full>, ""..., 7) = -1 ENOSPC (No space left on device)"#,
            "copy_file_range(9</w/in.tar>, [0], 4</w/out>, NULL, 30, 0) = 30",
            "+++ exited with 0 +++",
        ] {
            sum.add(line, "/w");
        }
        assert_eq!(sum, Traffic { read: 542, written: 37 });
    }
}
