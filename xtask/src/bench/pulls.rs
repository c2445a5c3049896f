//! Fifty pulls at once of the same files: from `transship serve`, and from docker-registry.
//!
//! The figures of processors and memory are those of the clients; how long it takes is the servers' affair.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Stdio};

use serde_json::Value;

use super::rows::{Builds, Contender, Row, skopeo, words};
use crate::sh::{self, Result};

pub(super) const PULLS: &str = "50 pulls at once";

/// The name of the image in the layout that is served.
const IMAGE: &str = "docker.io/bench/base:1";

/// `transship serve`, until this is dropped.
pub(super) struct Serving {
    child: Child,
    host: String,
    /// Open as long as it may print.
    _out: BufReader<ChildStdout>,
}

impl Serving {
    fn start(program: &str, layout: &str) -> Result<Self> {
        let mut command = sh::ending_with_us(program);
        command.args(["serve", "--listen", "127.0.0.1:0", layout]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|e| format!("cannot start {program}: {e}"))?;
        let mut out = BufReader::new(child.stdout.take().ok_or("a server has no output")?);
        let mut line = String::new();
        out.read_line(&mut line).map_err(|e| format!("{program}: {e}"))?;
        let host = line.trim().strip_prefix("listening on http://").map(str::to_owned);
        let mut serving = Self { child, host: String::new(), _out: out };
        serving.host = host.ok_or_else(|| format!("{program} said {line:?}"))?;
        Ok(serving)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        sh::end(&mut self.child);
    }
}

/// The row, and the servers of ours that it needs. `base` is the image in docker-registry, `repository` its URL there.
pub(super) fn row(
    builds: &Builds,
    scratch: &Path,
    base: &str,
    repository: &str,
) -> Result<(Row, Vec<Serving>)> {
    let layout = format!("oci:{}", scratch.join("served.oci").display());
    let copy = builds.copy(&[base, &format!("{layout}:{IMAGE}")]).swap_remove(0).command;
    sh::stdout(&mut sh::command(&copy[0], &copy[1..]))?;
    let manifest = sh::json(&mut skopeo(&["inspect", "--raw", "--tls-verify=false", base]))?;
    let (mut contenders, mut servers) = (Vec::new(), Vec::new());
    for (who, program) in &builds.0 {
        let serving = Serving::start(program, &layout)?;
        let url = format!("http://{}/v2/bench/base", serving.host);
        contenders.push(pulls(who, &url, &manifest, scratch)?);
        servers.push(serving);
    }
    contenders.push(pulls("docker-registry", repository, &manifest, scratch)?);
    let makes = scratch.join("pulls");
    Ok((Row { work: PULLS, makes, before: None, contenders }, servers))
}

/// Fifty clients, each of which gets all layers.
fn pulls(who: &'static str, url: &str, manifest: &Value, scratch: &Path) -> Result<Contender> {
    let layers = manifest["layers"].as_array().ok_or("the image has no layers")?;
    let digests = layers.iter().filter_map(|layer| layer["digest"].as_str());
    let lines = digests.map(|digest| format!("url = {url}/blobs/{digest}\noutput = /dev/null\n"));
    let list = scratch.join(format!("{}.curl", who.replace(' ', "-")));
    fs::write(&list, lines.collect::<String>()).map_err(|e| format!("{}: {e}", list.display()))?;
    let script = "seq 50 | xargs -P 50 -I % curl -sSf -K \"$0\"";
    let list = list.display().to_string();
    Ok(Contender { who, command: words(&["sh", "-c", script, &list]) })
}
