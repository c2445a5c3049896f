//! docker:// with Debian's docker-registry behind TLS and a password: what goes in comes out, for us and for everyone.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};

use super::checks::{Checks, same};
use super::images::{Images, digest, strings};
use super::lab::Lab;
use super::layouts::{self, Layout};
use super::peer::Peer;
use super::readers;
use crate::served::{PASSWORD, Served, USER};
use crate::sh::{self, Result};

/// One of the seven.
const ONE: &str = "localhost/seven/three:1";
/// Another one, of which the config is an OCI one.
const OCI: &str = "localhost/seven/five:1";
const TAGS: usize = 500;

pub(super) fn run(lab: &Lab, checks: &mut Checks<'_>) {
    logins(lab, checks);
    round_trips(lab, checks);
    many_tags(lab, checks);
    we_push(lab, checks);
    they_push(lab, checks);
}

fn named(what: &str) -> String {
    format!("docker:// on docker-registry: {what}")
}

/// A registry, and each tool's words for it.
struct Site<'a> {
    lab: &'a Lab,
    served: &'a Served,
}

impl<'a> Site<'a> {
    fn new(lab: &'a Lab) -> Result<Self> {
        Ok(Self { lab, served: lab.registry()? })
    }

    fn authfile(&self) -> String {
        format!("{}/auth.json", self.served.cert_dir().trim_end_matches("/certs"))
    }

    fn place(&self, rest: &str) -> String {
        self.served.place(rest)
    }

    /// What we need to be told.
    fn options(&self) -> Vec<String> {
        let certs = format!("docker.cert-dir={}", self.served.cert_dir());
        let auth = format!("docker.authfile={}", self.authfile());
        vec!["-o".to_owned(), certs, "-o".to_owned(), auth]
    }

    fn ours(&self, words: &[&str]) -> Result<String> {
        sh::text(self.lab.transship(words).args(self.options()))
    }

    fn copy(&self, words: &[&str]) -> Result<()> {
        self.ours(&[&["copy", "--quiet"], words].concat()).map(drop)
    }

    /// What skopeo, podman and buildah need to be told.
    fn theirs(&self, prefix: &str) -> Vec<String> {
        let certs = format!("--{prefix}cert-dir={}", self.served.cert_dir());
        vec![certs, format!("--authfile={}", self.authfile())]
    }

    fn skopeo_copy(&self, side: &str, words: &[&str]) -> Result<()> {
        let mut copy = readers::skopeo(&["copy", "-q"]);
        sh::stdout(copy.args(self.theirs(side)).args(words)).map(drop)
    }

    /// The bytes of a manifest as skopeo gets them.
    fn manifest(&self, rest: &str) -> Result<Vec<u8>> {
        let mut inspect = readers::skopeo(&["inspect", "--raw"]);
        sh::stdout(inspect.args(self.theirs("")).arg(self.place(rest)))
    }

    /// ctr takes every loopback registry for one without TLS, unless a file says otherwise.
    fn ctr(&self, verb: &[&str]) -> Result<Command> {
        let (host, hosts) = (&self.served.host, self.lab.folder("hosts")?);
        let text = format!(
            "server = \"https://{host}\"\n[host.\"https://{host}\"]\n  \
             capabilities = [\"pull\", \"resolve\", \"push\"]\n  ca = \"{}/ca.crt\"\n",
            self.served.cert_dir()
        );
        let file = format!("{hosts}/{host}/hosts.toml");
        fs::create_dir_all(format!("{hosts}/{host}")).map_err(|e| format!("{file}: {e}"))?;
        fs::write(&file, text).map_err(|e| format!("{file}: {e}"))?;
        let mut ctr = self.lab.containerd()?.ctr("registry", verb);
        ctr.args(["--hosts-dir", &hosts, "--user", &format!("{USER}:{PASSWORD}")]);
        Ok(ctr)
    }
}

/// Each tool takes, and forgets, the credential that another one keeps.
fn logins(lab: &Lab, checks: &mut Checks<'_>) {
    let needs = &[Peer::DockerRegistry, Peer::Skopeo, Peer::Podman];
    checks.check(&named("logins of transship, skopeo and podman are one"), needs, || {
        let site = Site::new(lab)?;
        let layout = one_image(lab)?;
        site.copy(&[&format!("oci:{layout}:1"), &site.place("login/app:1")])?;
        let transship = lab.transship(&[""; 0]).get_program().to_owned();
        for tool in [transship.to_str().unwrap_or_default(), "skopeo", "podman"] {
            login_with(&site, tool)?;
        }
        Ok(())
    });
}

fn login_with(site: &Site<'_>, tool: &str) -> Result<()> {
    let file = site.lab.path("auth.json");
    let (certs, host) = (site.served.cert_dir(), site.served.host.as_str());
    let options = [format!("--authfile={file}"), format!("--cert-dir={certs}")];
    let log_in = |password: &str| {
        let mut login = sh::command(tool, ["login"]);
        login.args(&options).args(["--username", USER, "--password-stdin", host]);
        typed(&mut login, password)
    };
    if log_in("wrong").is_ok() || fs::metadata(&file).is_ok_and(|file| file.len() > 16) {
        return Err(format!("{tool} login took a wrong password"));
    }
    log_in(PASSWORD)?;
    let place = site.place("login/app");
    let certs_of_ours = format!("docker.cert-dir={certs}");
    site.lab.run(&["list", &place, "-o", &certs_of_ours, &format!("--authfile={file}")])?;
    let tags = sh::json(readers::skopeo(&["list-tags"]).args(&options).arg(&place))?;
    same("tags", &strings(&tags["Tags"]), &vec!["1".to_owned()])?;
    let other = if tool == "skopeo" { "podman" } else { "skopeo" };
    sh::stdout(&mut sh::command(other, ["logout", &options[0], host]))?;
    if site.lab.run(&["list", &place, "-o", &certs_of_ours, &format!("--authfile={file}")]).is_ok()
    {
        return Err(format!("what {tool} login kept is still there after {other} logout"));
    }
    // And what they keep, we forget.
    log_in(PASSWORD)?;
    site.lab.run(&["logout", &options[0], host]).map(drop)
}

/// Runs a program with a line on its standard input.
fn typed(command: &mut Command, line: &str) -> Result<()> {
    let shown = sh::show(command);
    let failed = |e: std::io::Error| format!("{shown}: {e}");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        std::io::Write::write_all(&mut stdin, format!("{line}\n").as_bytes()).map_err(failed)?;
    }
    let said = child.wait_with_output().map_err(failed)?;
    if said.status.success() {
        return Ok(());
    }
    Err(format!("{shown}: {}\n{}", said.status, String::from_utf8_lossy(&said.stderr)))
}

fn one_image(lab: &Lab) -> Result<String> {
    let mut layout = Layout::new(lab, "one")?;
    let image = layout.image("amd64", "one")?;
    layout.name("1", &image);
    layout.finish()
}

/// Every kind of thing goes in and comes out with its digest.
fn round_trips(lab: &Lab, checks: &mut Checks<'_>) {
    for kind in ["single", "multi-platform", "artifact", "nested"] {
        let needs = &[Peer::DockerRegistry, Peer::Skopeo];
        checks.check(&named(&format!("a round trip, {kind}")), needs, || {
            let (site, layout) = (Site::new(lab)?, make(lab, kind)?);
            let (rest, back) = (format!("round/{kind}:1"), lab.path("back"));
            site.copy(&["--preserve-digests", &format!("oci:{layout}:1"), &site.place(&rest)])?;
            let names = layouts::names(&layout)?;
            same("the digest there", &digest(&site.manifest(&rest)?), &names["1"])?;
            site.copy(&[&site.place(&rest), &format!("oci:{back}:1")])?;
            same("the digests that came back", &layouts::names(&back)?, &names)?;
            same("the blobs that came back", &layouts::blobs(&back)?, &layouts::blobs(&layout)?)?;
            lab.run(&["verify", &format!("oci:{back}")]).map(drop)
        });
    }
    let needs = &[Peer::DockerRegistry, Peer::Umoci];
    checks.check(&named("umoci unpack of what came back"), needs, || {
        let (site, back) = (Site::new(lab)?, lab.path("back"));
        site.copy(&[&format!("oci:{}:1", one_image(lab)?), &site.place("umoci/one:1")])?;
        site.copy(&[&site.place("umoci/one:1"), &format!("oci:{back}:1")])?;
        same("names", &readers::umoci_unpack(lab, &back)?, &vec!["1".to_owned()])
    });
}

fn make(lab: &Lab, kind: &str) -> Result<String> {
    let mut layout = Layout::new(lab, kind)?;
    let platforms = |layout: &Layout<'_>| {
        layout.index(&[layout.image("amd64", "intel")?, layout.image("arm64", "arm")?])
    };
    let root = match kind {
        "multi-platform" => platforms(&layout)?,
        "artifact" => layout.artifact("notes")?,
        "nested" => layout.index(&[platforms(&layout)?, layout.image("riscv64", "risc")?])?,
        _ => layout.image("amd64", "single")?,
    };
    layout.name("1", &root);
    layout.finish()
}

/// A repository of many tags, in and out with one command each.
fn many_tags(lab: &Lab, checks: &mut Checks<'_>) {
    let needs = &[Peer::DockerRegistry, Peer::Skopeo, Peer::Umoci];
    checks.check(&named(&format!("a round trip, a repository of {TAGS} tags")), needs, || {
        let site = Site::new(lab)?;
        let mut layout = Layout::new(lab, "many")?;
        for number in 0..TAGS / 10 {
            let image = layout.image("amd64", &format!("image {number}"))?;
            for tag in 0..10 {
                layout.name(&format!("v{number}.{tag}"), &image);
            }
        }
        let (layout, back) = (layout.finish()?, lab.path("back"));
        let place = site.place("many/tags");
        site.copy(&["--all-images", &format!("oci:{layout}"), &place])?;
        let tags = sh::json(readers::skopeo(&["list-tags"]).args(site.theirs("")).arg(&place))?;
        let names = layouts::names(&layout)?;
        let mut listed = strings(&tags["Tags"]);
        listed.sort();
        same("tags that skopeo lists", &listed, &names.keys().cloned().collect())?;
        site.copy(&["--all-images", &place, &format!("oci:{back}")])?;
        // What has a tag there has the name in full here.
        let full = format!("{}/many/tags:", site.served.host);
        let back_names = layouts::names(&back)?.into_iter();
        let came_back: BTreeMap<String, String> = back_names
            .map(|(name, digest)| (name.trim_start_matches(&full).to_owned(), digest))
            .collect();
        // Both are too much to print.
        same("whether each tag came back with its digest", &(came_back == names), &true)?;
        let blobs = (layouts::blobs(&back)?, layouts::blobs(&layout)?);
        same("whether the same blobs came back", &(blobs.0 == blobs.1), &true)?;
        same("names that umoci lists", &readers::umoci_list(&back)?.len(), &TAGS)
    });
}

/// We push, they pull.
fn we_push(lab: &Lab, checks: &mut Checks<'_>) {
    let pushed = |rest: &str| -> Result<(Site<'_>, Images)> {
        let site = Site::new(lab)?;
        let from = format!("docker-archive:{}:{ONE}", lab.seven()?.file);
        site.copy(&[&from, &site.place(rest)])?;
        let mut images = lab.seven()?.images.clone();
        images.0.retain(|_, image| image.names.contains(ONE));
        Ok((site, images))
    };
    let needs = |peer: Peer| [Peer::DockerRegistry, Peer::Podman, Peer::Buildah, peer];
    let name = named("skopeo copy reads what we push");
    checks.check(&name, &[&needs(Peer::Skopeo)[..], &[Peer::Python]].concat(), || {
        let ((site, images), to) = (pushed("ours/skopeo:1")?, lab.path("theirs.tar"));
        let to_place = format!("docker-archive:{to}:{ONE}");
        site.skopeo_copy("src-", &[&site.place("ours/skopeo:1"), &to_place])?;
        readers::found("docker-archive", &to)?.must_be(&images)
    });
    checks.check(&named("podman pull reads what we push"), &needs(Peer::Podman), || {
        let (site, images) = pushed("ours/podman:1")?;
        let (place, options) = (site.place("ours/podman:1"), site.theirs(""));
        let words = ["pull", "-q", options[0].as_str(), options[1].as_str(), &place];
        readers::podman(lab, &[&words])?.nameless().must_be(&images.nameless())
    });
    checks.check(
        &named("ctr reads what we push, and pushes it on"),
        &needs(Peer::Containerd),
        || {
            let (site, _) = pushed("ours/ctr:1")?;
            ctr_there_and_back(&site, "ours/ctr:1")
        },
    );
    let needs = &[Peer::DockerRegistry, Peer::Containerd];
    checks.check(&named("ctr reads an index that we push, and pushes it on"), needs, || {
        let (site, layout) = (Site::new(lab)?, make(lab, "multi-platform")?);
        site.copy(&[&format!("oci:{layout}:1"), &site.place("ours/index:1")])?;
        ctr_there_and_back(&site, "ours/index:1")
    });
    let needs = &[Peer::DockerRegistry, Peer::Skopeo];
    checks.check(&named("skopeo copy --all reads an index that we push"), needs, || {
        let (site, layout, to) =
            (Site::new(lab)?, make(lab, "multi-platform")?, lab.path("theirs"));
        site.copy(&[&format!("oci:{layout}:1"), &site.place("ours/all:1")])?;
        site.skopeo_copy("src-", &["--all", &site.place("ours/all:1"), &format!("oci:{to}:1")])?;
        same("digests", &layouts::names(&to)?, &layouts::names(&layout)?)?;
        same("blobs", &layouts::blobs(&to)?, &layouts::blobs(&layout)?)
    });
}

/// ctr pulls, pushes to another repository, and we find there what was here.
fn ctr_there_and_back(site: &Site<'_>, rest: &str) -> Result<()> {
    let here = format!("{}/{rest}", site.served.host);
    let there = format!("{}/by-ctr/{rest}", site.served.host);
    sh::stdout(site.ctr(&["content", "fetch"])?.args(["--all-platforms", &here]))?;
    sh::stdout(site.ctr(&["images", "push"])?.args([&there, &here]))?;
    let before = digest(&site.manifest(rest)?);
    same(
        "the digest that ctr pushed",
        &digest(&site.manifest(&format!("by-ctr/{rest}"))?),
        &before,
    )?;
    let back = site.lab.path("back");
    site.copy(&[&format!("docker://{there}"), &format!("oci:{back}:1")])?;
    same("the digest that we pull", &layouts::names(&back)?["1"], &before)
}

/// They push, we pull.
fn they_push(lab: &Lab, checks: &mut Checks<'_>) {
    let pulled = |site: &Site<'_>, rest: &str, name: &str| -> Result<String> {
        let back = lab.path("back");
        site.copy(&[&site.place(rest), &format!("oci:{back}:{name}")])?;
        let there = digest(&site.manifest(rest)?);
        same("the digest that we pull", &layouts::names(&back)?[name], &there)?;
        let mut images = lab.seven()?.images.clone();
        images.0.retain(|_, image| image.names.contains(name));
        readers::found("oci", &back)?.must_be(&images)?;
        Ok(back)
    };
    let needs = [Peer::DockerRegistry, Peer::Podman, Peer::Buildah, Peer::Python];
    let with = |peer: Peer| [&needs[..], &[peer]].concat();
    checks.check(&named("we read what skopeo pushes"), &with(Peer::Skopeo), || {
        let (site, rest) = (Site::new(lab)?, "theirs/skopeo:1");
        let from = format!("docker-archive:{}:{ONE}", lab.seven()?.file);
        site.skopeo_copy("dest-", &[&from, &site.place(rest)])?;
        pulled(&site, rest, ONE).map(drop)
    });
    checks.check(
        &named("we read what podman pushes, and umoci unpacks it"),
        &with(Peer::Umoci),
        || {
            let (site, rest) = (Site::new(lab)?, "theirs/podman:1");
            lab.seven()?;
            let mut push = sh::command("podman", lab.storage());
            push.args(["push", "-q", "--format", "oci"]).args(site.theirs(""));
            sh::stdout(push.args([OCI, &site.place(rest)]))?;
            let back = pulled(&site, rest, OCI)?;
            same("names", &readers::umoci_unpack(lab, &back)?, &vec![OCI.to_owned()])
        },
    );
}
