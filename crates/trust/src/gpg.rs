//! Signatures of `OpenPGP`, which `gpgv` checks: it is part of every installation of `GnuPG`, and reads no keyring of the user.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use transship_core::{Cancel, Error, ErrorKind, Result, ResultExt, small_file};

use crate::PAYLOAD_LIMIT;
use crate::key::invalid;

/// The program that checks.
const GPGV: &str = "gpgv";

/// How long it may take for all signatures of an image together. One takes some milliseconds.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// The most bytes that it may say of a message. A signature is some 500.
const STATUS_LIMIT: u64 = 64 << 10;

/// The type in a payload that is signed with `OpenPGP`.
pub(crate) const ATOMIC_TYPE: &str = "atomic container signature";

/// What `gpgv` says of a signature that must not count, though it may be by the right key.
const BAD: [&str; 5] = ["BADSIG", "ERRSIG", "EXPSIG", "EXPKEYSIG", "REVKEYSIG"];

/// Keys in a folder of their own, as `gpgv` reads them.
#[derive(Debug)]
pub(crate) struct Keyring {
    folder: tempfile::TempDir,
    files: Vec<PathBuf>,
    /// When no more messages are looked at.
    until: Until,
}

/// What ends a program that still runs.
#[derive(Clone, Debug)]
struct Until {
    time: Instant,
    /// Nobody waits for it any more.
    cancel: Cancel,
}

impl Keyring {
    /// Keys, armored or not.
    ///
    /// # Errors
    /// `InvalidInput` for what is no key, and I/O errors.
    pub(crate) fn new(keys: &[Vec<u8>], cancel: &Cancel) -> Result<Self> {
        let folder = tempfile::tempdir()
            .map_err(|error| Error::io("making a folder in", std::env::temp_dir(), error))?;
        let mut files = Vec::new();
        for (at, key) in keys.iter().enumerate() {
            let path = folder.path().join(format!("key-{at}.gpg"));
            write(&path, &dearmored(key)?)?;
            files.push(path);
        }
        let until = Until { time: Instant::now() + TIME_LIMIT, cancel: cancel.clone() };
        Ok(Self { folder, files, until })
    }

    /// Reads keys from files.
    ///
    /// # Errors
    /// As [`new`](Self::new), and `InvalidInput` where there is no file.
    pub(crate) fn read(paths: &[PathBuf], cancel: &Cancel) -> Result<Self> {
        let read = |path: &PathBuf| small_file(path, "reading").map_err(Error::of_option);
        Self::new(&paths.iter().map(read).collect::<Result<Vec<_>>>()?, cancel).context(|| {
            paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
        })
    }

    /// The payload of a message, if one of the keys signed it; else why it does not count.
    pub(crate) fn payload(&self, message: &[u8]) -> std::result::Result<Vec<u8>, String> {
        if message.len() as u64 > PAYLOAD_LIMIT {
            return Err(format!("it is larger than {PAYLOAD_LIMIT} bytes"));
        }
        // Each packet of `OpenPGP` begins so. skopeo refuses text, which `gpgv` would read: armor, and clear text that is signed.
        if message.first().is_none_or(|first| first & 0x80 == 0) {
            return Err("it is no message of OpenPGP in its binary form".to_owned());
        }
        self.until.cancel.check().map_err(|error| error.to_string())?;
        self.run(message).map_err(|error| error.to_string())?
    }

    fn run(&self, message: &[u8]) -> Result<std::result::Result<Vec<u8>, String>> {
        let signed = self.path("message");
        write(&signed, message)?;
        let mut command = Command::new(GPGV);
        command.arg("--homedir").arg(self.folder.path());
        // What it says for people would stand between what it says for programs.
        command.args(["--log-file", "/dev/null", "--status-fd", "2"]);
        for file in &self.files {
            command.arg("--keyring").arg(file);
        }
        command.args(["--output", "-"]).arg(&signed);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().map_err(|error| {
            let message = format!("running {GPGV}, which checks signatures of GPG keys");
            Error::new(ErrorKind::Unsupported, message).caused_by(error)
        })?;
        let ran = Running(child).output(&self.until);
        let ran = ran.map_err(|error| Error::io("running", GPGV, error))?;
        // It writes the payload before it judges: nothing of it counts until then.
        Ok(ran.and_then(|Output { status, payload, said }| {
            judged(&String::from_utf8_lossy(&said), status.success()).map(|()| payload)
        }))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// A program that ends with this, whatever it does.
struct Running(Child);

struct Output {
    status: ExitStatus,
    payload: Vec<u8>,
    said: Vec<u8>,
}

impl Running {
    /// What it wrote; else why that does not count: it wrote more than it may, or took longer.
    fn output(mut self, until: &Until) -> io::Result<std::result::Result<Output, String>> {
        let payload = self.0.stdout.take().map(|pipe| read_up_to(pipe, PAYLOAD_LIMIT));
        let said = self.0.stderr.take().map(|pipe| read_up_to(pipe, STATUS_LIMIT));
        let Some(status) = self.wait(until)? else {
            if until.cancel.is_cancelled() {
                return Ok(Err(format!("{GPGV} was stopped")));
            }
            return Ok(Err(format!("{GPGV} takes longer than {} s", TIME_LIMIT.as_secs())));
        };
        let (payload, said) = (joined(payload)?, joined(said)?);
        if payload.len() as u64 > PAYLOAD_LIMIT {
            return Ok(Err(format!("its payload is larger than {PAYLOAD_LIMIT} bytes")));
        }
        if said.len() as u64 > STATUS_LIMIT {
            return Ok(Err("it has too many signatures".to_owned()));
        }
        Ok(Ok(Output { status, payload, said }))
    }

    /// `None` if it has not ended by then.
    fn wait(&mut self, until: &Until) -> io::Result<Option<ExitStatus>> {
        const LONGEST: Duration = Duration::from_millis(20);
        let mut pause = Duration::from_millis(1);
        loop {
            let ended = self.0.try_wait()?;
            if ended.is_some() || until.cancel.is_cancelled() || Instant::now() >= until.time {
                return Ok(ended);
            }
            thread::sleep(pause);
            pause = (pause * 2).min(LONGEST);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Of one that has ended, both do nothing.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

type Reader = JoinHandle<io::Result<Vec<u8>>>;

/// Reads one byte more than the limit at most. The pipe is closed then, which ends who writes more.
fn read_up_to(pipe: impl Read + Send + 'static, limit: u64) -> Reader {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.take(limit + 1).read_to_end(&mut bytes).map(|_| bytes)
    })
}

fn joined(reader: Option<Reader>) -> io::Result<Vec<u8>> {
    let read = reader.map(JoinHandle::join).transpose();
    read.map_err(|_| io::Error::other("reading what it writes failed"))?
        .transpose()
        .map(Option::unwrap_or_default)
}

/// Whether what `gpgv` says is that a message has one signature, and that it is good.
fn judged(status: &str, success: bool) -> std::result::Result<(), String> {
    let words = || status.lines().filter_map(|line| line.strip_prefix("[GNUPG:] "));
    let word = |line: &'static str| words().any(|said| said.split(' ').next() == Some(line));
    if let Some(bad) = BAD.iter().find(|bad| word(bad)) {
        let why = match *bad {
            "ERRSIG" => "no key of the policy made it",
            "BADSIG" => "the signature is wrong",
            "REVKEYSIG" => "its key is revoked",
            _ => "it, or its key, has expired",
        };
        return Err(why.to_owned());
    }
    let good = words().filter(|said| said.starts_with("GOODSIG ")).count();
    if success && good > 1 {
        return Err(format!("it has {good} signatures, and one is needed"));
    }
    if success && good == 1 && word("VALIDSIG") {
        return Ok(());
    }
    Err("it is no message that a key of the policy signed".to_owned())
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).map_err(|error| Error::io("writing", path, error))
}

/// The keys without their armor, if they have one.
fn dearmored(keys: &[u8]) -> Result<Vec<u8>> {
    const BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
    const END: &str = "-----END PGP PUBLIC KEY BLOCK-----";
    let Some(text) = std::str::from_utf8(keys).ok().filter(|text| text.contains("-----BEGIN "))
    else {
        return if keys.is_empty() {
            Err(invalid("the file of keys is empty".into()))
        } else {
            Ok(keys.to_vec())
        };
    };
    let mut all = Vec::new();
    for block in text.split(BEGIN).skip(1) {
        let torn = || invalid(format!("the keys have no line {END}"));
        let (block, _) = block.split_once(END).ok_or_else(torn)?;
        // Headers end with an empty line.
        let mut lines =
            block.lines().map(str::trim).skip_while(|line| line.is_empty() || line.contains(": "));
        let body: String = lines.by_ref().filter(|line| !line.starts_with('=')).collect();
        let key = STANDARD.decode(body).map_err(|error| {
            invalid("what the armor of the keys holds is no base64".into()).caused_by(error)
        })?;
        all.extend(key);
    }
    if all.is_empty() { Err(invalid(format!("the keys have no line {BEGIN}"))) } else { Ok(all) }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    fn run(line: &str, time: Duration) -> std::result::Result<Output, String> {
        run_until(line, time, &Cancel::new())
    }

    fn run_until(
        line: &str,
        time: Duration,
        cancel: &Cancel,
    ) -> std::result::Result<Output, String> {
        let mut command = Command::new("sh");
        command.args(["-c", line]).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let running = Running(command.spawn().unwrap());
        let until = Until { time: Instant::now() + time, cancel: cancel.clone() };
        running.output(&until).unwrap()
    }

    #[tokio::test]
    async fn it_ends_when_nobody_waits_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        let line = format!("echo $$ > {}; exec sleep 60", file.display());
        let (ended, has_ended) = std::sync::mpsc::channel();
        let work = transship_core::run_blocking(move |cancel| {
            let said = run_until(&line, Duration::from_secs(60), cancel);
            ended.send(said.err()).unwrap();
            Ok(())
        });
        let begun = tokio::time::timeout(Duration::from_millis(300), work).await;
        assert!(begun.is_err(), "it had ended before its future was dropped");
        let said = has_ended.recv_timeout(Duration::from_secs(10)).unwrap();
        assert_eq!(said.as_deref(), Some("gpgv was stopped"));
        // It was waited for, too: nothing of it is left, no zombie either.
        let pid = fs::read_to_string(&file).unwrap();
        #[cfg(target_os = "linux")]
        assert!(!Path::new("/proc").join(pid.trim()).exists(), "{pid}");
    }

    #[test]
    fn what_it_writes_and_how_long_it_takes_is_bounded() {
        let long = Duration::from_secs(60);
        let output = run("echo payload; echo status >&2", long).unwrap();
        assert_eq!((&*output.payload, &*output.said), (&b"payload\n"[..], &b"status\n"[..]));
        let began = Instant::now();
        assert!(run("exec yes", long).err().unwrap().contains("payload is larger"));
        assert!(run("exec yes >&2", long).err().unwrap().contains("too many signatures"));
        let late = run("exec sleep 60", Duration::from_millis(50)).err().unwrap();
        assert!(late.contains("takes longer"), "{late}");
        assert!(began.elapsed() < long / 2);
    }
}
