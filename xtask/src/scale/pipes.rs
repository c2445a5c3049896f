//! What comes through a pipe: `docker save`, `podman save -m` and `cat`, into a layout, against the same from a file.
//!
//! The destination, temporary files and the cache are on a disk in memory that is as large as is allowed: a copy that needs
//! more room fails. What fails besides is one that needs too much memory, or gives other images than the copy from the file.
//! Times are shown.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::disk::Mounted;
use super::make::{self, Shape};
use super::{decided, megabytes};
use crate::interop::lab::Lab;
use crate::interop::peer::Peer;
use crate::sh::{self, Result};

/// What the command may use, in KiB.
const MEMORY: u64 = 64 << 10;
/// Room for an image's documents, and what its files take of a disk's last blocks.
const DOCUMENTS: u64 = 32 << 10;
/// Room for the cache.
const CACHE: u64 = 1 << 20;
/// docker and podman, whose stores here keep each image unpacked, get this part of the bundle's size.
const SAVED: u64 = 10;
/// The image that is copied alone.
const ONE: usize = 3;
const SAMPLES: Duration = Duration::from_millis(20);

/// How a peer saves images of an archive.
type Save = fn(&Pipes, &Path) -> Result<Command>;

/// Who writes an archive with many images to a pipe.
struct Producer {
    name: &'static str,
    command: Command,
    /// The same archive.
    file: PathBuf,
    /// What it takes to write it to nowhere, in seconds.
    alone: f64,
}

/// What a copy came to.
struct Run {
    wall: f64,
    /// KiB.
    memory: u64,
    /// The most bytes that the disk held, as far as was seen.
    disk: u64,
    /// The bytes of the layout's blobs.
    result: u64,
    digests: String,
}

struct Pipes {
    lab: Lab,
    folder: PathBuf,
    disk: PathBuf,
}

/// With a bundle that looks like so many MiB.
pub(super) fn run(mib: u64, folder: &Path) -> Result<bool> {
    let disk = folder.join("disk");
    fs::create_dir_all(&disk).map_err(|e| format!("{}: {e}", disk.display()))?;
    let pipes = Pipes { lab: Lab::new()?, folder: folder.to_owned(), disk };
    let done = pipes.all(mib);
    pipes.lab.finish(true);
    done
}

impl Pipes {
    fn all(&self, mib: u64) -> Result<bool> {
        let large = self.folder.join("large.tar");
        make::archive(&Shape::bundle(mib), &large)?;
        let cat = sh::command("cat", [&large]);
        let mut good =
            self.producer(&Producer { name: "cat", command: cat, file: large, alone: 0.0 })?;
        let small = self.folder.join("small.tar");
        let shape = Shape::bundle((mib / SAVED).max(40));
        make::archive(&shape, &small)?;
        let savers: [(&str, Peer, Save); 2] = [
            ("docker save", Peer::Docker, Self::docker),
            ("podman save -m", Peer::Podman, Self::podman),
        ];
        for (name, peer, save) in savers {
            if let Some(missing) = peer.missing() {
                println!("skipped  {name} ({missing})");
                continue;
            }
            let command = save(self, &small)?;
            let file = self.folder.join("saved.tar");
            let mut producer = Producer { name, command, file, alone: 0.0 };
            Self::save(&mut producer)?;
            good &= self.producer(&producer)?;
        }
        Ok(good)
    }

    /// dockerd with the images, and how it saves them.
    fn docker(&self, from: &Path) -> Result<Command> {
        let docker = self.lab.docker()?;
        let file = from.display().to_string();
        sh::stdout(&mut docker.docker_client(&["load", "-q", "-i", &file]))?;
        let mut save = docker.docker_client(&["save"]);
        save.args(names(&mut docker.docker_client(&[]))?);
        Ok(save)
    }

    fn podman(&self, from: &Path) -> Result<Command> {
        let storage = self.lab.storage();
        let podman = || sh::command("podman", &storage);
        sh::stdout(podman().args(["load", "-q", "-i"]).arg(from))?;
        let mut save = podman();
        save.args(["save", "-q", "-m"]).args(names(&mut podman())?);
        Ok(save)
    }

    /// Saves the archive to its file, and, timed, to nowhere.
    fn save(producer: &mut Producer) -> Result<()> {
        let path = producer.file.display().to_string();
        let tee = |to: &str| sh::command("sh", ["-c", &format!("cat > '{to}'")]);
        sh::stdout(&mut sh::pipe(&[&producer.command, &tee(&path)]))?;
        let begun = Instant::now();
        sh::stdout(&mut sh::pipe(&[&producer.command, &tee("/dev/null")]))?;
        producer.alone = begun.elapsed().as_secs_f64();
        Ok(())
    }

    /// All images, and one of them, through the pipe.
    fn producer(&self, producer: &Producer) -> Result<bool> {
        let file = fs::metadata(&producer.file).map_err(|e| e.to_string())?.len();
        let from = format!("docker-archive:{}", producer.file.display());
        let listed = sh::json(&mut self.lab.transship(&["list", "--json", &from]))?;
        let images = listed["images"].as_array().ok_or("list --json has no images")?;
        let one = images.get(ONE).and_then(|image| image["names"][0].as_str());
        let one = one.ok_or("too few images")?;
        let allowed = images.len() as u64 * DOCUMENTS + CACHE;
        let plenty = 2 * file + 2 * allowed;
        let by_file = self.copy(None, &["--all-images", &from], plenty)?;
        println!(
            "{}: {} images, an archive of {:.1} MB, unique blobs of {:.1} MB",
            producer.name,
            images.len(),
            megabytes(file),
            megabytes(by_file.result)
        );
        let unique = by_file.result;
        let room = unique + unique / 100 + allowed;
        let mut good = self.piped(producer, "all images", &["--all-images", "-"], &by_file, room);
        let one_by_file = self.copy(None, &[&format!("{from}:{one}")], plenty)?;
        let room = room + one_by_file.result;
        let from = format!("docker-archive:-:{one}");
        good &= self.piped(producer, "one image", &[&from], &one_by_file, room);
        fs::remove_file(&producer.file).map_err(|e| e.to_string())?;
        Ok(good)
    }

    /// A copy through the pipe, against that from the file.
    fn piped(&self, by: &Producer, what: &str, words: &[&str], file: &Run, room: u64) -> bool {
        let run = match self.copy(Some(&by.command), words, room) {
            Ok(run) => run,
            Err(e) => {
                return decided(false, &format!("{what}, with {room} bytes of room: {e}"));
            }
        };
        let mut good = decided(
            run.disk <= room,
            &format!(
                "{what}: the disk held {} bytes at most, {} at the end; allowed are {room}",
                run.disk, run.result
            ),
        );
        good &= decided(
            run.memory < MEMORY,
            &format!("{what}: {} KiB of memory, of {MEMORY}", run.memory),
        );
        good &= decided(run.digests == file.digests, &format!("{what}: the same as from the file"));
        println!(
            "        {:.2} s; from the file {:.2} s, {:.2} times; the producer alone {:.2} s",
            run.wall,
            file.wall,
            run.wall / file.wall,
            by.alone
        );
        good
    }

    /// Into a layout on a disk with so much room.
    fn copy(&self, producer: Option<&Command>, words: &[&str], room: u64) -> Result<Run> {
        let disk = Mounted::new(&self.disk)?;
        disk.leave(room)?;
        let at = |name: &str| self.disk.join(name).display().to_string();
        fs::create_dir(at("tmp")).map_err(|e| format!("{}: {e}", at("tmp")))?;
        let told = self.folder.join("time");
        let place = format!("oci:{}", at("result"));
        let mut copy = sh::command("time", ["-f", "%M", "-o"]);
        copy.arg(&told).arg(self.lab.transship(&[]).get_program());
        copy.args(["copy", "--quiet", "--compress", "keep"]).args(words).arg(&place);
        let mut command = match producer {
            Some(producer) => sh::pipe(&[producer, &copy]),
            None => copy,
        };
        command.env("TMPDIR", at("tmp")).env("XDG_CACHE_HOME", at("cache"));
        let ((done, wall), used) = watched(&disk, || {
            let begun = Instant::now();
            (sh::stdout(&mut command), begun.elapsed().as_secs_f64())
        });
        done?;
        let memory = fs::read_to_string(&told).map_err(|e| format!("{}: {e}", told.display()))?;
        let memory = memory.trim().parse().map_err(|e| format!("time said {memory:?}: {e}"))?;
        let blobs = super::delta::blobs(&self.disk.join("result"))?;
        let digests = sh::text(&mut self.lab.transship(&["digests", &place]))?;
        Ok(Run { wall, memory, disk: used, result: blobs.values().sum(), digests })
    }
}

/// What docker or podman calls its images.
fn names(client: &mut Command) -> Result<Vec<String>> {
    let listed = sh::text(client.args(["images", "--format", "{{.Repository}}:{{.Tag}}"]))?;
    Ok(listed.lines().map(str::to_owned).collect())
}

/// Does something, and gives the most that a disk held meanwhile.
fn watched<T>(disk: &Mounted<'_>, work: impl FnOnce() -> T) -> (T, u64) {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let most = scope.spawn(|| {
            let mut most = 0;
            loop {
                let last = done.load(Ordering::SeqCst);
                most = most.max(disk.used().unwrap_or_default());
                if last {
                    return most;
                }
                thread::sleep(SAMPLES);
            }
        });
        let made = work();
        done.store(true, Ordering::SeqCst);
        (made, most.join().unwrap_or(u64::MAX))
    })
}
