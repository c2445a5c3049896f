//! The command as our child.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::{Arc, Mutex};

use crate::http::{self, Reply};
#[cfg(target_os = "linux")]
use crate::memory;
use crate::session::Session;

/// A server that runs until this is dropped.
pub(crate) struct Serving {
    pub(crate) child: Child,
    /// `127.0.0.1:PORT`
    pub(crate) host: String,
    out: BufReader<ChildStdout>,
    log: Arc<Mutex<String>>,
}

impl Serving {
    /// Serves places and options on a free port.
    pub(crate) fn start(session: &Session, line: &str) -> Self {
        Self::spawn(&mut session.command(&format!("serve {line} --listen 127.0.0.1:0")))
    }

    pub(crate) fn spawn(command: &mut std::process::Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        out.read_line(&mut first).unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        let into = Arc::clone(&log);
        std::thread::spawn(move || {
            let mut line = String::new();
            while errors.read_line(&mut line).is_ok_and(|n| n > 0) {
                into.lock().unwrap().push_str(&line);
                line.clear();
            }
        });
        let url = first.trim().strip_prefix("listening on ");
        let url = url.unwrap_or_else(|| panic!("{first}{}", log.lock().unwrap()));
        let host = url.rsplit('/').next().unwrap().to_owned();
        Self { child, host, out, log }
    }

    /// What it printed after the address, up to the pull to try.
    pub(crate) fn printed(&mut self) -> String {
        let (mut text, mut line) = (String::new(), String::new());
        while !line.starts_with("# try") {
            line.clear();
            assert!(self.out.read_line(&mut line).unwrap() > 0, "{text}");
            text.push_str(&line);
        }
        text
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        http::get(&self.host, path)
    }

    pub(crate) fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
        http::ask(&self.host, method, path, headers)
    }

    /// Memory in KiB that is resident now.
    #[cfg(target_os = "linux")]
    pub(crate) fn resident(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// The most memory in KiB that was ever its own.
    #[cfg(target_os = "linux")]
    pub(crate) fn most_memory(&self) -> u64 {
        memory::of_its_own(self.child.id()).unwrap()
    }

    #[cfg(target_os = "linux")]
    fn status(&self, name: &str) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stop();
    }
}
