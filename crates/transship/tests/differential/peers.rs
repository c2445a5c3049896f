//! What others see.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;
use transship::transport::sha256;

use crate::generate::Form;
use crate::{Seen, full_name};

/// `docker load`, as far as it reads an archive, over Python's `tarfile`. A line a path.
const READER: &str = r#"
import hashlib, json, re, sys, tarfile
def sha(b): return "sha256:" + hashlib.sha256(b).hexdigest()
def read(t, name):
    m = t.extractfile(name)
    if m is None: raise KeyError(name)
    return m.read()
def names(tags):
    # docker refuses an image with a name that is none.
    if not all(re.fullmatch("[a-z0-9][a-z0-9._/:-]*", tag) for tag in tags): raise ValueError(tags)
    return tags
for line in sys.stdin:
    try:
        t = tarfile.open(line.rstrip("\n"), "r:")
        out = []
        for e in json.loads(read(t, "manifest.json")):
            try: out.append({"config": sha(read(t, e["Config"])), "layers": [sha(read(t, l)) for l in e["Layers"] or []], "names": names(e.get("RepoTags") or [])})
            except Exception: out.append(None)
        print(json.dumps(out), flush=True)
    except Exception:
        print("null", flush=True)
"#;

pub(crate) struct Python {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Python {
    /// `None` where there is no Python.
    pub(crate) fn start() -> Option<Self> {
        let mut command = Command::new("python3");
        command.args(["-c", READER]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::null()).spawn().ok()?;
        let (input, output) = (child.stdin.take()?, BufReader::new(child.stdout.take()?));
        Some(Self { child, input, output })
    }

    /// Its images, if it reads it; `None` for one that it does not.
    pub(crate) fn ask(&mut self, path: &Path) -> Option<Vec<Option<Seen>>> {
        writeln!(self.input, "{}", path.display()).unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap();
        let texts = |list: &Value| -> Option<Vec<String>> {
            Some(list.as_array()?.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        };
        let seen = |image: &Value| {
            let names = texts(&image["names"])?.iter().map(|name| full_name(name)).collect();
            let config = image["config"].as_str()?.to_owned();
            Some(Seen { config, layers: texts(&image["layers"])?, names })
        };
        Some(said.as_array()?.iter().map(seen).collect())
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) struct Skopeo {
    program: &'static str,
}

impl Skopeo {
    /// `None` where it is not installed; fails then if it is required.
    pub(crate) fn find() -> Option<Self> {
        let found =
            Command::new("skopeo").arg("--version").output().is_ok_and(|it| it.status.success());
        let required = std::env::var_os("TRANSSHIP_REQUIRE_PEERS").is_some();
        assert!(found || !required, "skopeo is not installed");
        if !found {
            println!("differential: skopeo is not installed, and is not asked");
        }
        found.then_some(Self { program: "skopeo" })
    }

    /// The names in an archive of `docker save`, if it lists them.
    pub(crate) fn names(&self, path: &Path) -> Option<BTreeSet<String>> {
        let place = format!("docker-archive:{}", path.display());
        let mut command = Command::new(self.program);
        command.args(["list-tags", &place]).env("TMPDIR", path.parent()?);
        let output = command.stderr(Stdio::null()).output().unwrap();
        let said: Value = serde_json::from_slice(&output.stdout).ok()?;
        // An image without a name is listed by its position, `@0`, which is no name.
        let names = said["Tags"].as_array()?.iter().filter_map(Value::as_str);
        let names = names.filter(|name| !name.starts_with('@'));
        output.status.success().then(|| names.map(full_name).collect())
    }

    /// What it copies out: by a name that we see if there is one, else by position.
    pub(crate) fn ask(
        &self,
        form: Form,
        path: &Path,
        at: usize,
        of: usize,
        name: Option<&String>,
    ) -> Option<Seen> {
        let to = path.with_file_name("skopeo");
        let _ = std::fs::remove_dir_all(&to);
        let selector = match (form, name) {
            (_, Some(name)) => format!(":{name}"),
            (Form::Saved, None) => format!(":@{at}"),
            (Form::Layout, None) if of == 1 => String::new(),
            (Form::Layout, None) => return None,
        };
        let place = format!("{}:{}{selector}", form.scheme(), path.display());
        let mut command = Command::new(self.program);
        command.args([
            "--insecure-policy",
            "copy",
            "--quiet",
            &place,
            &format!("dir:{}", to.display()),
        ]);
        command.env("TMPDIR", path.parent()?).stdout(Stdio::null()).stderr(Stdio::null());
        if !command.status().unwrap().success() {
            return None;
        }
        let manifest = std::fs::read(to.join("manifest.json")).ok()?;
        let manifest: Value = serde_json::from_slice(&manifest).ok()?;
        let bytes = |of: &Value| {
            std::fs::read(to.join(of["digest"].as_str()?.strip_prefix("sha256:")?)).ok()
        };
        let config = sha256(&bytes(&manifest["config"])?).to_string();
        let layers = manifest["layers"].as_array()?.iter();
        let layers = layers.map(|layer| Some(sha256(&bytes(layer)?).to_string()));
        Some(Seen { config, layers: layers.collect::<Option<_>>()?, names: Vec::new() })
    }
}
