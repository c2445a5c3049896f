//! Running other programs, with a time limit and an error that says what was run and what it said.

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Errors here are for people, and only ever printed.
pub(crate) type Result<T> = std::result::Result<T, String>;

/// No single peer takes anywhere near as long; without it, one that hangs would hang CI.
const LIMIT: Duration = Duration::from_secs(300);

/// A program and its arguments.
pub(crate) fn command<S: AsRef<OsStr>>(
    program: impl AsRef<OsStr>,
    args: impl IntoIterator<Item = S>,
) -> Command {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null());
    command
}

/// Programs one behind the other in a pipe of a shell; each has to succeed.
pub(crate) fn pipe(commands: &[&Command]) -> Command {
    let line: Vec<String> = commands.iter().map(|command| quoted(command)).collect();
    command("bash", ["-o", "pipefail", "-c", &line.join(" | ")])
}

/// As a shell reads it.
fn quoted(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let quote = |word: &str| format!("'{}'", word.replace('\'', r"'\''"));
    words.map(|word| quote(&word.to_string_lossy())).collect::<Vec<_>>().join(" ")
}

/// What a program that ended said.
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

/// Runs to the end, whatever the exit code.
pub(crate) fn finish(command: &mut Command) -> Result<Finished> {
    let mut child = start(command)?;
    let stdout = drain(child.stdout.take());
    let stderr = drain(child.stderr.take());
    let status = wait(&mut child, LIMIT).map_err(|e| cannot_run(command, &e))?;
    let late = || format!("{} did not end within {} s", show(command), LIMIT.as_secs());
    Ok(Finished {
        stdout: stdout.join().unwrap_or_default(),
        stderr: stderr.join().unwrap_or_default(),
        status: status.ok_or_else(late)?,
    })
}

/// Standard output of a program that must exit with 0.
pub(crate) fn stdout(command: &mut Command) -> Result<Vec<u8>> {
    let finished = finish(command)?;
    if finished.status.success() {
        return Ok(finished.stdout);
    }
    let said = String::from_utf8_lossy(&finished.stderr).into_owned()
        + &String::from_utf8_lossy(&finished.stdout);
    Err(format!("{} ended with {}:\n{}", show(command), finished.status, tail(&said)))
}

/// What a run cost.
pub(crate) struct Cost {
    /// Seconds.
    pub(crate) wall: f64,
    /// Seconds of processors.
    pub(crate) cpu: f64,
    /// Peak resident memory, MiB.
    pub(crate) peak: f64,
    /// MB handed to file systems.
    pub(crate) written: f64,
}

/// Runs a program that must exit with 0, by `time`, which writes what it says to a file.
pub(crate) fn timed(command: &Command, says: &Path) -> Result<Cost> {
    let mut time = self::command("time", ["-f", "%U %S %M %O", "-o"]);
    time.arg(says).arg(command.get_program()).args(command.get_args());
    let given = command.get_envs().filter_map(|(name, value)| Some((name, value?)));
    time.envs(given);
    let begun = Instant::now();
    stdout(&mut time)?;
    let wall = begun.elapsed().as_secs_f64();
    let text = std::fs::read_to_string(says).map_err(|e| format!("{}: {e}", says.display()))?;
    let numbers: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [user, system, kibibytes, blocks] = numbers[..] else {
        return Err(format!("time said {text:?}"));
    };
    let (peak, written) = (kibibytes / 1024.0, blocks * 512.0 / 1e6);
    Ok(Cost { wall, cpu: user + system, peak, written })
}

/// The same as text, without the last line end.
pub(crate) fn text(command: &mut Command) -> Result<String> {
    let said = String::from_utf8(stdout(command)?)
        .map_err(|e| format!("{} printed what is not UTF-8: {e}", show(command)))?;
    Ok(said.trim_end().to_owned())
}

/// The same, parsed.
pub(crate) fn json(command: &mut Command) -> Result<Value> {
    let said = stdout(command)?;
    serde_json::from_slice(&said)
        .map_err(|e| format!("{} printed what is not JSON: {e}", show(command)))
}

/// Runs with its output going on to ours line by line, and returns that output too.
pub(crate) fn watch(command: &mut Command) -> Result<(bool, String)> {
    println!("$ {}", show(command));
    let mut child = start(command)?;
    let stderr = echo(child.stderr.take());
    let stdout = echo(child.stdout.take());
    let mut said = stderr.join().unwrap_or_default();
    said += &stdout.join().unwrap_or_default();
    let status = child.wait().map_err(|e| cannot_run(command, &e))?;
    Ok((status.success(), said))
}

/// Whether a run of cargo succeeds; what it says is shown when it does not.
pub(crate) fn cargo_quietly(command: &mut Command) -> Result<bool> {
    let output = command.output().map_err(|e| cannot_run(command, &e))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned()
            + &String::from_utf8_lossy(&output.stdout);
        println!("{} failed:\n{}", show(command), tail(&said));
    }
    Ok(output.status.success())
}

/// The command line as a person would type it.
pub(crate) fn show(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// Where the program is, in PATH or where Debian keeps daemons.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path);
    let more = ["/usr/sbin", "/usr/bin"].map(PathBuf::from);
    folders.chain(more).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// A program that is not left behind when we are killed ourselves.
pub(crate) fn ending_with_us(program: &str) -> Command {
    let path = find(program).unwrap_or_else(|| program.into());
    if find("setpriv").is_none() {
        return Command::new(path);
    }
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM"]).arg(path);
    command
}

/// Asks a child to end, and kills it when it does not.
pub(crate) fn end(child: &mut Child) {
    let _ = finish(&mut command("kill", ["-TERM", &child.id().to_string()]));
    if matches!(wait(child, Duration::from_secs(15)), Ok(Some(_))) {
        return;
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// The folder of the workspace.
pub(crate) fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map_or_else(|| here.clone(), PathBuf::from)
}

/// The cargo that runs us.
pub(crate) fn cargo<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = command(cargo, args);
    command.current_dir(root());
    command
}

/// What `cargo metadata` says of the workspace's own packages.
pub(crate) fn metadata() -> Result<Value> {
    json(&mut cargo(["metadata", "--format-version=1", "--no-deps"]))
}

/// The target folder, wherever it was configured to be.
pub(crate) fn target() -> Result<PathBuf> {
    let metadata = metadata()?;
    let folder = metadata["target_directory"].as_str().ok_or("cargo metadata names no target")?;
    Ok(PathBuf::from(folder))
}

/// The end of a text, enough to see what went wrong.
pub(crate) fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

fn cannot_run(command: &Command, why: &io::Error) -> String {
    format!("cannot run {}: {why}", show(command))
}

fn start(command: &mut Command) -> Result<Child> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().map_err(|e| cannot_run(command, &e))
}

fn drain(from: Option<impl Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut all = Vec::new();
        if let Some(mut from) = from {
            // What was read before an error is still worth showing.
            let _ = from.read_to_end(&mut all);
        }
        all
    })
}

fn echo(from: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut all = String::new();
        for line in
            from.into_iter().flat_map(|from| BufReader::new(from).lines()).map_while(io::Result::ok)
        {
            println!("{line}");
            all += &line;
            all.push('\n');
        }
        all
    })
}

/// How often a program is looked at: what the bench measures lasts as little as 8 ms.
const LOOKS: Duration = Duration::from_millis(1);

fn wait(child: &mut Child, limit: Duration) -> io::Result<Option<ExitStatus>> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if begun.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(LOOKS);
    }
}
