//! Signatures of `OpenPGP`, which `gpgv` checks: it is part of every installation of `GnuPG`, and reads no keyring of the user.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use transship_core::{Error, ErrorKind, Result, ResultExt};

use crate::PAYLOAD_LIMIT;
use crate::key::{invalid, read_file};

/// The program that checks.
const GPGV: &str = "gpgv";

/// The type in a payload that is signed with `OpenPGP`.
pub(crate) const ATOMIC_TYPE: &str = "atomic container signature";

/// What `gpgv` says of a signature that must not count, though it may be by the right key.
const BAD: [&str; 5] = ["BADSIG", "ERRSIG", "EXPSIG", "EXPKEYSIG", "REVKEYSIG"];

/// Keys in a folder of their own, as `gpgv` reads them.
#[derive(Debug)]
pub(crate) struct Keyring {
    folder: tempfile::TempDir,
    files: Vec<PathBuf>,
}

impl Keyring {
    /// Keys, armored or not.
    ///
    /// # Errors
    /// `InvalidInput` for what is no key, and I/O errors.
    pub(crate) fn new(keys: &[Vec<u8>]) -> Result<Self> {
        let folder = tempfile::tempdir()
            .map_err(|error| Error::io("making a folder in", std::env::temp_dir(), error))?;
        let mut files = Vec::new();
        for (at, key) in keys.iter().enumerate() {
            let path = folder.path().join(format!("key-{at}.gpg"));
            write(&path, &dearmored(key)?)?;
            files.push(path);
        }
        Ok(Self { folder, files })
    }

    /// Reads keys from files.
    ///
    /// # Errors
    /// As [`new`](Self::new), and `InvalidInput` where there is no file.
    pub(crate) fn read(paths: &[PathBuf]) -> Result<Self> {
        let read = |path: &PathBuf| read_file(path).map_err(Error::of_option);
        Self::new(&paths.iter().map(read).collect::<Result<Vec<_>>>()?).context(|| {
            paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
        })
    }

    /// The payload of a message, if one of the keys signed it; else why it does not count.
    pub(crate) fn payload(&self, message: &[u8]) -> std::result::Result<Vec<u8>, String> {
        if message.len() as u64 > PAYLOAD_LIMIT {
            return Err(format!("it is larger than {PAYLOAD_LIMIT} bytes"));
        }
        self.run(message).map_err(|error| error.to_string())?
    }

    fn run(&self, message: &[u8]) -> Result<std::result::Result<Vec<u8>, String>> {
        let (signed, payload) = (self.path("message"), self.path("payload"));
        write(&signed, message)?;
        // gpgv overwrites nothing.
        if payload.exists() {
            fs::remove_file(&payload).map_err(|error| Error::io("removing", &payload, error))?;
        }
        let mut command = Command::new(GPGV);
        command.arg("--homedir").arg(self.folder.path()).args(["--status-fd", "1"]);
        for file in &self.files {
            command.arg("--keyring").arg(file);
        }
        command.arg("--output").arg(&payload).arg(&signed);
        let ran = command.stdin(Stdio::null()).stderr(Stdio::null()).output();
        let ran = ran.map_err(|error| {
            let message = format!("running {GPGV}, which checks signatures of GPG keys");
            Error::new(ErrorKind::Unsupported, message).caused_by(error)
        })?;
        let status = String::from_utf8_lossy(&ran.stdout);
        if let Err(why) = judged(&status, ran.status.success()) {
            return Ok(Err(why));
        }
        let read = fs::metadata(&payload).and_then(|found| {
            if found.len() > PAYLOAD_LIMIT { Ok(None) } else { fs::read(&payload).map(Some) }
        });
        let read = read.map_err(|error| Error::io("reading", &payload, error))?;
        Ok(read.ok_or_else(|| format!("its payload is larger than {PAYLOAD_LIMIT} bytes")))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Whether what `gpgv` says is that all signatures of a message are good, and that there is one.
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
    if success && word("GOODSIG") && word("VALIDSIG") {
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
