//! What is compared: the same work done by us, by skopeo, and its floor by `openssl` and `cp`.

use std::path::{Path, PathBuf};

use crate::sh::{self, Result};

/// One piece of work.
pub(super) struct Row {
    pub(super) work: &'static str,
    /// What is written, and removed before each run.
    pub(super) makes: PathBuf,
    /// A script before each run, which is not timed.
    pub(super) before: Option<String>,
    /// Ours first.
    pub(super) contenders: Vec<Contender>,
}

/// One tool that does it.
pub(super) struct Contender {
    pub(super) who: &'static str,
    pub(super) command: Vec<String>,
}

/// The builds of transship that are compared, the first of which is ours.
pub(super) struct Builds(pub(super) Vec<(&'static str, String)>);

impl Builds {
    /// A copy by each of them, which knows nothing from the one before.
    pub(super) fn copy(&self, args: &[&str]) -> Vec<Contender> {
        self.run(&[&["copy", "--quiet", "--no-cache"], args].concat())
    }

    fn run(&self, args: &[&str]) -> Vec<Contender> {
        let contender = |(who, path): &(&'static str, String)| Contender {
            who,
            command: words(&[&[path.as_str()], args].concat()),
        };
        self.0.iter().map(contender).collect()
    }
}

/// The inputs and tools of all rows.
struct Bench<'a> {
    builds: &'a Builds,
    /// The docker-archive.
    plain: String,
    /// The same as skopeo gzips it, in a layout and in an oci-archive; both under the name `base`.
    layout: String,
    archive: String,
    scratch: &'a Path,
}

/// Makes the inputs in `scratch` and lists the work.
pub(super) fn rows(builds: &Builds, image: &Path, scratch: &Path) -> Result<Vec<Row>> {
    let at = |name: &str| scratch.join(name).display().to_string();
    let bench = Bench {
        builds,
        plain: image.display().to_string(),
        layout: at("in.oci"),
        archive: at("in.oci.tar"),
        scratch,
    };
    let layout = format!("oci:{}:base", bench.layout);
    sh::stdout(&mut skopeo(&["copy", "-q", &format!("docker-archive:{}", bench.plain), &layout]))?;
    let archive = format!("oci-archive:{}:base", bench.archive);
    sh::stdout(&mut skopeo(&["copy", "-q", &layout, &archive]))?;
    Ok(vec![
        bench.plain_to_oci(),
        bench.gzip_to_oci(),
        bench.zstd_to_oci(),
        bench.oci_to_docker_archive(),
        bench.oci_to_archive(),
        bench.archive_to_oci(),
        bench.oci_to_pipe(),
        bench.tar_to_pipe(),
        bench.inspect(),
    ])
}

impl Bench<'_> {
    fn plain_to_oci(&self) -> Row {
        let (makes, to) = self.makes("out.oci");
        let (from, to) = (format!("docker-archive:{}", self.plain), format!("oci:{to}:base"));
        let skopeo = ["copy", "-q", "--dest-oci-accept-uncompressed-layers", &from, &to];
        let contenders = with(
            self.builds.copy(&["--compress", "keep", &from, &to]),
            [theirs(&skopeo), hash(&self.plain), write(&self.plain, &makes)],
        );
        Row { work: "docker-archive -> oci plain", makes, before: None, contenders }
    }

    fn gzip_to_oci(&self) -> Row {
        let (makes, to) = self.makes("out.oci");
        let (from, to) = (format!("docker-archive:{}", self.plain), format!("oci:{to}:base"));
        let contenders = with(
            self.builds.copy(&["--compress", "gzip", &from, &to]),
            [
                theirs(&["copy", "-q", &from, &to]),
                hash(&self.plain),
                shell("pigz -1 -p2", "pigz -1 -p2 -c \"$0\" > \"$1\"", &self.plain, &makes),
                write(&self.layout, &makes),
            ],
        );
        Row { work: "docker-archive -> oci gzip", makes, before: None, contenders }
    }

    fn zstd_to_oci(&self) -> Row {
        let (makes, to) = self.makes("out.oci");
        let (from, to) = (format!("docker-archive:{}", self.plain), format!("oci:{to}:base"));
        let zstd = "zstd -q -3 -T2 -o \"$1\" \"$0\"";
        let contenders = with(
            self.builds.copy(&["--compress", "zstd", &from, &to]),
            [shell("zstd -3 -T2", zstd, &self.plain, &makes), hash(&self.plain)],
        );
        Row { work: "docker-archive -> oci zstd", makes, before: None, contenders }
    }

    fn oci_to_docker_archive(&self) -> Row {
        let (makes, to) = self.makes("out.tar");
        let (from, to) =
            (format!("oci:{}:base", self.layout), format!("docker-archive:{to}:base:1"));
        let contenders = with(
            self.builds.copy(&[&from, &to]),
            [
                theirs(&["copy", "-q", &from, &to]),
                shell("gzip -dc", GUNZIP, &self.layout, &makes),
                hash(&self.plain),
                write(&self.plain, &makes),
            ],
        );
        Row { work: "oci gzip -> docker-archive", makes, before: None, contenders }
    }

    fn oci_to_archive(&self) -> Row {
        let (makes, to) = self.makes("out.oci.tar");
        let (from, to) = (format!("oci:{}:base", self.layout), format!("oci-archive:{to}:base"));
        let contenders = with(
            self.builds.copy(&[&from, &to]),
            [
                theirs(&["copy", "-q", "--all", &from, &to]),
                hash(&self.archive),
                write(&self.archive, &makes),
            ],
        );
        Row { work: "oci -> oci-archive", makes, before: None, contenders }
    }

    fn archive_to_oci(&self) -> Row {
        let (makes, to) = self.makes("out.oci");
        let (from, to) = (format!("oci-archive:{}:base", self.archive), format!("oci:{to}:base"));
        let contenders = with(
            self.builds.copy(&[&from, &to]),
            [
                theirs(&["copy", "-q", "--all", &from, &to]),
                hash(&self.archive),
                write(&self.archive, &makes),
            ],
        );
        Row { work: "oci-archive -> oci", makes, before: None, contenders }
    }

    fn oci_to_pipe(&self) -> Row {
        self.to_pipe("oci -> oci-archive:-", &format!("oci:{}:base", self.layout), "oci-archive")
    }

    fn tar_to_pipe(&self) -> Row {
        let from = format!("docker-archive:{}", self.plain);
        self.to_pipe("tar -> docker-archive:-", &from, "docker-archive")
    }

    /// What goes into a pipe that somebody reads, against the same bytes from a file.
    fn to_pipe(&self, work: &'static str, from: &str, scheme: &str) -> Row {
        let (makes, file) = self.makes(&format!("piped.{scheme}.tar"));
        let mut ours = self.builds.copy(&[from, &format!("{scheme}:-:base:1")]);
        let make = sh::show(&sh::command(&ours[0].command[0], &ours[0].command[1..]));
        for contender in &mut ours {
            let piped = ["bash", "-o", "pipefail", "-c", "\"$@\" | cat > /dev/null", "bash"];
            contender.command.splice(0..0, words(&piped));
        }
        let cat = ["bash", "-c", "cat \"$0\" | cat > /dev/null", &file];
        let cat = Contender { who: "cat | cat", command: words(&cat) };
        let before = Some(format!("{make} > {file}"));
        Row { work, makes, before, contenders: with(ours, [cat]) }
    }

    fn inspect(&self) -> Row {
        let (makes, _) = self.makes("nothing");
        let from = format!("oci-archive:{}:base", self.archive);
        let contenders = with(self.builds.run(&["inspect", &from]), [theirs(&["inspect", &from])]);
        Row { work: "inspect oci-archive", makes, before: None, contenders }
    }

    fn makes(&self, name: &str) -> (PathBuf, String) {
        let makes = self.scratch.join(name);
        let text = makes.display().to_string();
        (makes, text)
    }
}

/// Ours, and what they are compared with.
pub(super) fn with<const N: usize>(
    mut ours: Vec<Contender>,
    others: [Contender; N],
) -> Vec<Contender> {
    ours.extend(others);
    ours
}

pub(super) fn theirs(args: &[&str]) -> Contender {
    let command = words(&[&["skopeo", "--insecure-policy"], args].concat());
    Contender { who: "skopeo", command }
}

/// No verified copy is faster than hashing what is read, on one core.
pub(super) fn hash(file: &str) -> Contender {
    let command = words(&["openssl", "dgst", "-sha256", file]);
    Contender { who: "openssl dgst -sha256", command }
}

/// Decompresses the layers of a layout; its other blobs are no gzip.
const GUNZIP: &str = "gzip -dc \"$0\"/blobs/sha256/* > \"$1\" 2> /dev/null || [ -s \"$1\" ]";

/// Nor is a durable one faster than writing what is written.
fn write(from: &str, to: &Path) -> Contender {
    let script = "cp -r \"$0\" \"$1\" && find \"$1\" -type f -exec sync {} +";
    shell("cp + fsync", script, from, to)
}

/// A script that makes `$1` from `$0`.
fn shell(who: &'static str, script: &str, from: &str, to: &Path) -> Contender {
    Contender { who, command: words(&["sh", "-c", script, from, &to.display().to_string()]) }
}

pub(super) fn skopeo(args: &[&str]) -> std::process::Command {
    let mut skopeo = sh::command("skopeo", ["--insecure-policy"]);
    skopeo.args(args);
    skopeo
}

pub(super) fn words(of: &[&str]) -> Vec<String> {
    of.iter().map(|&word| word.to_owned()).collect()
}
