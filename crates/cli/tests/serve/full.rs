//! Layouts that cannot be written: on a full disk, and without permission.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::clients::can_run;
use crate::http::Reply;
use crate::layout::{digest, noise};
use crate::nobody::Nobody;
use crate::push::{Pushed, STREAM};
use crate::serving::Serving;
use crate::session::Session;

/// A disk of 2 MiB.
struct Disk(PathBuf);

impl Disk {
    fn new(at: &Path) -> Option<Self> {
        std::fs::create_dir(at).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"]).arg(at).stderr(Stdio::null());
        if !can_run("mount") || !mount.status().is_ok_and(|status| status.success()) {
            eprintln!("skipped: a tmpfs cannot be mounted here");
            return None;
        }
        Some(Self(at.to_owned()))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Sends pieces until one is refused.
fn fill(pushed: &Pushed, location: &str) -> Reply {
    let piece = noise(1, 128 << 10);
    for _ in 0..64 {
        let reply = pushed.send("PATCH", location, STREAM, &piece);
        if reply.status != 202 {
            return reply;
        }
    }
    panic!("8 MiB fit into 2 MiB");
}

fn said(reply: &Reply) {
    assert_eq!((reply.status, &*reply.code()), (507, "UNKNOWN"));
    let message = reply.json()["errors"][0]["message"].clone();
    assert!(message.as_str().unwrap().contains("no space left on device"), "{message}");
}

fn serves(pushed: &Pushed, tag: &str, image: &Value) {
    let reply = pushed.get(&format!("/v2/team/app/manifests/{tag}"));
    assert_eq!(reply.body, image.to_string().as_bytes());
    let layer = digest(&image["layers"][0]);
    assert!(pushed.get(&format!("/v2/team/app/blobs/{layer}")).is_whole());
}

/// What cannot be kept is refused, and what it took is free again: smaller pushes and all pulls go on.
#[test]
fn a_full_disk_is_said_and_the_registry_goes_on() {
    let session = Session::new();
    let Some(_disk) = Disk::new(&session.path("disk")) else { return };
    // Uploads wait on the same disk, then on another.
    for (tag, spool) in [("a", "disk"), ("b", ".")] {
        let serving = Serving::start(&session, &format!("--writable disk/site --tmpdir {spool}"));
        let pushed = Pushed { session: Session::new(), serving };
        let image = pushed.image("team/app", tag.as_bytes());
        assert_eq!(pushed.put("team/app", tag, &image).status, 201);
        let location = pushed.begin("team/app");
        if spool == "disk" {
            said(&fill(&pushed, &location));
            assert_eq!(pushed.get(&location).status, 404);
        } else {
            let large = pushed.image("team/app", &noise(2, 4 << 20));
            said(&pushed.put("team/app", "large", &large));
            assert_eq!(pushed.get("/v2/team/app/manifests/large").status, 404);
        }
        serves(&pushed, tag, &image);
        let next = pushed.image("team/app", &noise(3, 256 << 10));
        assert_eq!(pushed.put("team/app", &format!("{tag}-next"), &next).status, 201);
        serves(&pushed, &format!("{tag}-next"), &next);
        assert!(pushed.serving.log().contains("No space left"), "{}", pushed.serving.log());
    }
    session.ok("verify oci:disk/site");
}

/// The first push would find out.
#[test]
fn a_layout_without_permission_is_refused_at_the_start() {
    if !can_run("setpriv") {
        return;
    }
    let nobody = Nobody::new().unwrap();
    nobody.ok("copy -q --all-images hello.tar oci:lay");
    for folder in ["lay", "lay/blobs"] {
        assert!(nobody.run("chmod", &format!("555 {folder}")));
        let line = "serve --deadline 5s --listen 127.0.0.1:0 --writable lay";
        let refused = nobody.command("./transship", line).output().unwrap();
        assert!(nobody.run("chmod", &format!("755 {folder}")));
        let said = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.stdout.len(), 0, "{folder}: {said}");
        assert!(said.contains("the layout to push to: oci:lay: "), "{folder}: {said}");
        assert!(said.contains("Permission denied"), "{folder}: {said}");
    }
}
