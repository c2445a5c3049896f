//! Other processes that work at the place of a case: the test's own program, started again to do a [`Job`].

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use transship_core::{
    ArchiveEntry, Archives, CollectMode, CollectOptions, DeleteOptions, ErrorKind, ImageName,
    ReadOptions, Reference, Transport, WriteMode,
};

use crate::broken::{While, hold};
use crate::lab::{commit, how, put_all, put_missing, try_commit};
use crate::model::{Built, Image, Layer};
use crate::seen::Seen;
use crate::watch::patience;
use crate::{Ability, Broken, Facts, Fixture, Held, Replaces};

mod given_up;
mod input;
mod memory;

pub(crate) use memory::is_known as memory_is_known;

/// Holds the job of a process that was started by a law.
const VARIABLE: &str = "TRANSSHIP_KIT_CHILD";

/// What another process does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Job {
    pub(crate) kind: Kind,
    /// The number of the first image; each has its own.
    pub(crate) first: u8,
    /// How many images are written, or how often is looked.
    pub(crate) count: u8,
}

/// The kind of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Writes images, one after the other, beside what is there.
    Append,
    /// Writes images, each in place of what is there.
    Replace,
    /// Writes images with one writer, beside what is there.
    Join,
    /// The same, and puts only what it does not find; where something of that goes meanwhile, it tries again.
    Find,
    /// Deletes as many images, from the first.
    Delete,
    /// Deletes the images of those numbers.
    DeleteThose,
    /// Deletes what no image needs, so often.
    Collect,
    /// Reads everything that is there, and fails for what is no image of those numbers, from 0 to `first`.
    Read,
    /// Opens the reference that is its place, which has to be the image of the number `first`.
    Open,
    /// Opens the reference that is its place, where it must not find that image.
    Miss,
    /// Gives up writing that image, where nothing else has temporary files.
    GiveUp,
    /// Writes that image with a large layer and reads it, and needs little memory.
    Large,
    /// Recognizes its standard input, which is the file of its place, with the image of the number `first`, or nothing.
    ReadFile,
    /// The same, where the standard input is a pipe from which that file comes.
    ReadPipe,
    /// Recognizes nothing: its standard input is empty, and the place has the name that means the standard input.
    ReadNothing,
}

const KINDS: [Kind; 15] = [
    Kind::Append,
    Kind::Replace,
    Kind::Join,
    Kind::Find,
    Kind::Delete,
    Kind::DeleteThose,
    Kind::Collect,
    Kind::Read,
    Kind::Open,
    Kind::Miss,
    Kind::GiveUp,
    Kind::Large,
    Kind::ReadFile,
    Kind::ReadPipe,
    Kind::ReadNothing,
];

/// Does the job of a process that a law started, if this is one. To be asked first by a test that gives its name to
/// [`Settings::with_test`](crate::Settings::with_test).
///
/// # Panics
/// When the job fails: that is how the law hears of it.
#[expect(clippy::panic, reason = "this is how a test fails")]
pub fn is_child(fixture: &dyn Fixture) -> bool {
    let Ok(text) = env::var(VARIABLE) else { return false };
    if let Err(broken) = done(fixture, &text) {
        panic!("{broken}");
    }
    true
}

/// A process that was started.
#[derive(Debug)]
pub(crate) struct Process {
    child: Option<Child>,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
    job: Job,
    /// Where it works, or where its temporary files are, if these are looked at.
    _folder: Option<TempDir>,
}

impl Process {
    /// `before` are the words of a program that runs it, if one does.
    pub(crate) fn start(test: &str, locator: &str, job: Job, before: &[OsString]) -> Held<Self> {
        let program = env::current_exe()?;
        let mut command = match before {
            [] => Command::new(program),
            [runs, words @ ..] => {
                let mut command = Command::new(runs);
                command.args(words).arg(program);
                command
            }
        };
        command.args([test, "--exact", "--nocapture", "--test-threads=1"]);
        command.env(VARIABLE, job.text(locator));
        let folder = folder(&mut command, locator, job)?;
        command.stdin(job.stdin(locator)?).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().during(|| "starting another process")?;
        input::feed(child.stdin.take(), locator)?;
        let (stdout, stderr) = (drained(child.stdout.take()), drained(child.stderr.take()));
        Ok(Self { child: Some(child), stdout, stderr, job, _folder: folder })
    }

    /// Waits for its end, and fails when its job failed.
    pub(crate) fn end(self) -> Held {
        let job = self.job;
        hold!(self.end_or_killed()? == Ended::Itself, "another process, {job}, was killed");
        Ok(())
    }

    /// The same for one that may be killed.
    pub(crate) fn end_or_killed(mut self) -> Held<Ended> {
        let Some(mut child) = self.child.take() else { return Ok(Ended::Itself) };
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if begun.elapsed() > patience() {
                child.kill()?;
                child.wait()?;
                return Err(Broken::new(format!("another process hangs: {}", self.job)));
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        // A process that it has started may keep them open.
        let text = |of: &Receiver<String>| of.recv_timeout(patience()).unwrap_or_default();
        let (stdout, stderr) = (text(&self.stdout), text(&self.stderr));
        if is_kill(status) {
            return Ok(Ended::Killed);
        }
        // A program that runs no test at all succeeds, too.
        let ran = stdout.contains("1 passed");
        hold!(status.success() && ran, "another process, {}: {}", self.job, said(&stderr));
        Ok(Ended::Itself)
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Itself,
    Killed,
}

#[cfg(unix)]
fn is_kill(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt;
    /// The number of `SIGKILL`.
    const KILL: i32 = 9;
    status.signal() == Some(KILL)
}

#[cfg(not(unix))]
fn is_kill(_: ExitStatus) -> bool {
    false
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A folder of its own, where the job needs one.
fn folder(command: &mut Command, locator: &str, job: Job) -> Held<Option<TempDir>> {
    if job.has_input() {
        let folder = input::folder_with_dash(locator)?;
        command.current_dir(folder.path());
        return Ok(Some(folder));
    }
    if job.kind != Kind::GiveUp {
        return Ok(None);
    }
    let folder = TempDir::with_prefix("kit")?;
    command.envs(["TMPDIR", "TMP", "TEMP"].map(|variable| (variable, folder.path())));
    Ok(Some(folder))
}

/// Reads all that comes, so that the process never waits for somebody to read.
fn drained(pipe: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (sender, text) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What came before it failed is said.
            let _ = pipe.read_to_end(&mut bytes);
        }
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    text
}

fn said(stderr: &str) -> String {
    let lines: Vec<_> = stderr.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[..lines.len().min(6)].join(" | ")
}

/// For messages.
impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, count) = (self.first, self.count);
        match self.kind {
            Kind::Append => write!(f, "which appends {count} images from number {first}"),
            Kind::Replace => write!(f, "which replaces {count} times from image {first}"),
            Kind::Join => write!(f, "which appends {count} images at once from number {first}"),
            Kind::Find => {
                write!(f, "which appends {count} images from number {first}, of what it finds")
            }
            Kind::Delete => write!(f, "which deletes {count} images"),
            Kind::DeleteThose => write!(f, "which deletes {count} images from number {first}"),
            Kind::Collect => write!(f, "which collects {count} times"),
            Kind::Read => write!(f, "which reads {count} times"),
            Kind::Open => write!(f, "which opens image {first} by its reference"),
            Kind::Miss => write!(f, "which opens image {first}, which it must not see"),
            Kind::GiveUp => write!(f, "which gives up writing image {first}"),
            Kind::Large => write!(f, "which has image {first} with a large layer"),
            Kind::ReadFile => write!(f, "which has image {first} as its standard input"),
            Kind::ReadPipe => write!(f, "which reads image {first} from a pipe"),
            Kind::ReadNothing => write!(f, "which has an empty standard input"),
        }
    }
}

impl Job {
    fn text(self, locator: &str) -> String {
        let kind = format!("{:?}", self.kind);
        json!({ "at": locator, "kind": kind, "first": self.first, "count": self.count }).to_string()
    }

    fn parse(text: &str) -> Held<(String, Self)> {
        let wrong = || Broken::new(format!("{VARIABLE} holds no job: {text}"));
        let value: Value = serde_json::from_str(text).map_err(|_| wrong())?;
        let number = |name: &str| value[name].as_u64().and_then(|n| u8::try_from(n).ok());
        let is_it = |kind: &&Kind| value["kind"] == format!("{kind:?}");
        let kind = *KINDS.iter().find(is_it).ok_or_else(wrong)?;
        let at = value["at"].as_str().ok_or_else(wrong)?.to_owned();
        let first = number("first").ok_or_else(wrong)?;
        let count = number("count").ok_or_else(wrong)?;
        Ok((at, Self { kind, first, count }))
    }
}

/// The image of a number: one layer that all share, and one of its own.
pub(crate) fn image(number: u8) -> Held<Built> {
    let layers = vec![Layer::tar(63, 70_000), Layer::tar(number % 60, 900)];
    Image { seed: number, layers, ..Image::simple(0) }.build()
}

/// The name of a number's image, where images have names.
pub(crate) fn names(number: u8, facts: &Facts) -> Held<Vec<ImageName>> {
    if !facts.has(Ability::Names) {
        return Ok(Vec::new());
    }
    Ok(vec![ImageName::new(&format!("docker.io/library/process:{number}"))?])
}

/// The name of a number's image that is to take the place of another one.
pub(crate) fn names_to_replace(number: u8, facts: &Facts) -> Held<Vec<ImageName>> {
    match facts.claims.replaces {
        Replaces::Archives => names(number, facts),
        Replaces::Images | Replaces::Names => names(0, facts),
    }
}

fn done(fixture: &dyn Fixture, text: &str) -> Held {
    let (locator, job) = Job::parse(text)?;
    let transport = fixture.transport();
    let facts = Facts::of(fixture)?;
    let at = transport.parse(&locator)?;
    if job.kind == Kind::GiveUp {
        return given_up::leaves_nothing(&*transport, &at, job.first, &facts);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(async {
        if job.kind == Kind::Join {
            return join(&*transport, &at, job, &facts).await;
        }
        if job.has_input() {
            return input::look(&*transport, job, &facts).await;
        }
        for number in job.first..job.first.saturating_add(job.count) {
            match job.kind {
                Kind::Append => write(&*transport, &at, number, WriteMode::Append, &facts).await?,
                Kind::Replace => {
                    write(&*transport, &at, number, WriteMode::Replace, &facts).await?;
                }
                Kind::Find => find(&*transport, &at, number, &facts).await?,
                Kind::Delete => delete(&*transport, &at, &[]).await?,
                Kind::DeleteThose => {
                    delete(&*transport, &at, &names(number, &facts)?).await?;
                }
                Kind::Collect => collect(&*transport, &at).await?,
                Kind::Open => open(&*transport, &at, number, &facts).await?,
                Kind::Miss => miss(&*transport, &at, number, &facts).await?,
                Kind::Large => memory::stays_small(&*transport, &at, number, &facts).await?,
                // What is not one after the other was done above.
                _ => {
                    look(&*transport, &at, job.first, &facts).await?;
                }
            }
        }
        Ok(())
    });
    if job.kind == Kind::Miss {
        // A place that another process holds open may still be waited for.
        runtime.shutdown_background();
    }
    done
}

async fn write(
    transport: &dyn Transport,
    at: &Reference,
    number: u8,
    mode: WriteMode,
    facts: &Facts,
) -> Held {
    let what = || format!("image {number}, {mode:?}");
    let names = match mode {
        WriteMode::Replace => names_to_replace(number, facts)?,
        _ => names(number, facts)?,
    };
    let how = how(mode, &names);
    let destination = transport.destination(at, &how).await.during(what)?;
    let built = image(number)?;
    put_all(&*destination, &built).await.during(what)?;
    let committed = commit(destination, &built).await.during(what)?;
    hold!(!committed.references.is_empty(), "the commit gives no reference");
    Ok(())
}

async fn join(transport: &dyn Transport, at: &Reference, job: Job, facts: &Facts) -> Held {
    let archives = transport.archives().ok_or_else(|| Broken::new("it has no archives()"))?;
    let mut writer = archives.write(at, &how(WriteMode::Append, &[])).await.during(|| "joining")?;
    for number in job.first..job.first.saturating_add(job.count) {
        let (built, names) = (image(number)?, names(number, facts)?);
        let destination = writer.image(&names).await.during(|| format!("image {number}"))?;
        put_all(&*destination, &built).await?;
        commit(destination, &built).await?;
    }
    writer.finish().await.during(|| "finishing")
}

/// How often is tried again.
const TRIES: u8 = 8;

/// What it found may go with an image that is deleted: then that is said, and all is put again.
async fn find(transport: &dyn Transport, at: &Reference, number: u8, facts: &Facts) -> Held {
    let (built, how) = (image(number)?, how(WriteMode::Append, &names(number, facts)?));
    let what = || format!("image {number}, of what is found");
    for _ in 0..TRIES {
        let destination = transport.destination(at, &how).await.during(what)?;
        put_missing(&*destination, &built).await.during(what)?;
        match try_commit(destination, &built).await.during(what)? {
            Err(e) if e.kind() == ErrorKind::Conflict => {}
            done => return done.map(drop).during(what),
        }
    }
    Err(Broken::new(format!("{}: tried {TRIES} times, each is a conflict", what())))
}

async fn collect(transport: &dyn Transport, at: &Reference) -> Held {
    let collection = transport.collection();
    let collection = collection.ok_or_else(|| Broken::new("it has no collection()"))?;
    let how = CollectOptions::new(CollectMode::Delete).with_min_age(Duration::ZERO);
    collection.collect(at, &how).await.map(drop).during(|| "collecting")
}

/// The image of a name, or the first one; where a place holds one, that.
async fn delete(transport: &dyn Transport, at: &Reference, names: &[ImageName]) -> Held {
    let deletion = transport.deletion().ok_or_else(|| Broken::new("it has no deletion()"))?;
    let Some(archives) = transport.archives() else {
        let done = deletion.delete(at, &DeleteOptions::default()).await;
        return done.during(|| format!("deleting {at}"));
    };
    let reader = archives.read(at, &ReadOptions::default()).await.during(|| "listing")?;
    let is_it = |entry: &&ArchiveEntry| names.iter().all(|name| entry.names.contains(name));
    let first = reader.entries().iter().find(is_it);
    let first = first.ok_or_else(|| Broken::new("an image that is to be deleted is not there"))?;
    let done = deletion.delete(&first.reference, &DeleteOptions::default()).await;
    done.during(|| format!("deleting {}", first.reference))
}

/// The image that has a reference which this process was given.
async fn open(transport: &dyn Transport, at: &Reference, number: u8, facts: &Facts) -> Held {
    let what = || format!("opening {at}, which another process gave");
    let source = transport.source(at, &ReadOptions::default()).await.during(what)?;
    Seen::read(&*source).await.during(what)?.is(&image(number)?, facts).during(what)
}

/// How long a place that another process holds open is waited for.
const WAIT: Duration = Duration::from_secs(2);

/// No image is at a place that another process alone sees.
async fn miss(transport: &dyn Transport, at: &Reference, number: u8, facts: &Facts) -> Held {
    let found = tokio::time::timeout(WAIT, open(transport, at, number, facts)).await;
    let seen = matches!(found, Ok(Ok(())));
    hold!(!seen, "it finds the image, so `processes: One` is claimed without need");
    Ok(())
}

/// What is there is whole, and one of the images that are being written.
async fn look(transport: &dyn Transport, at: &Reference, last: u8, facts: &Facts) -> Held {
    let Some(archives) = transport.archives().filter(|_| facts.has(Ability::Names)) else {
        let source = match transport.source(at, &ReadOptions::default()).await {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
            source => source?,
        };
        return known(&Seen::read(&*source).await, last, facts);
    };
    look_in(archives, at, last, facts).await
}

async fn look_in(archives: &dyn Archives, at: &Reference, last: u8, facts: &Facts) -> Held {
    let reader = match archives.read(at, &ReadOptions::default()).await {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        reader => reader?,
    };
    for entry in reader.entries() {
        // What was replaced meanwhile may be gone, and that is said.
        let Ok(source) = reader.open(entry).await else { continue };
        known(&Seen::read(&*source).await, last, facts)?;
    }
    Ok(())
}

fn known(seen: &Held<Seen>, last: u8, facts: &Facts) -> Held {
    let Ok(seen) = seen else { return Ok(()) };
    for number in 0..=last {
        if seen.is(&image(number)?, facts).is_ok() {
            return Ok(());
        }
    }
    Err(Broken::new("what is there is none of the images that were written"))
}
