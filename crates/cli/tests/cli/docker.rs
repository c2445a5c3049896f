//! The command and a dockerd in a folder of the test. It needs root, and is skipped by name without it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::layout::{Layout, noise, tar_of};
use crate::measure::copies_take_little;
use crate::nobody::Nobody;
use crate::running::Running;
use crate::session::Session;

const MIB: usize = 1 << 20;

impl Running {
    /// Names and IDs of images, as docker has them.
    fn images(&self) -> Vec<String> {
        let mut command = Command::new("docker");
        command.args(["--host", &self.host(), "images", "--no-trunc", "--format"]);
        let output = command.arg("{{.Repository}}:{{.Tag}} {{.ID}}").output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let said = String::from_utf8(output.stdout).unwrap();
        let mut lines: Vec<String> = said.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }
}

#[test]
fn all_of_an_engine_goes_into_an_archive_and_back() {
    let Some(running) = Running::dockerd(|_| Vec::new()) else { return };
    let (session, host) = (Session::new(), running.host());
    let to = format!("--dest-daemon-host {host}");
    session.ok(&format!("copy -q --all-images {to} docker-archive:hello.tar docker-daemon:"));
    let held = running.images();
    assert_eq!(held.len(), 3, "{held:?}");
    for archive in ["oci-archive:engine.tar", "docker-archive:saved.tar"] {
        // Nothing is stored in between.
        let from = format!("--tmpdir /nonexistent --src-daemon-host {host}");
        session.ok(&format!("copy -q --all-images {from} docker-daemon: {archive}"));
        for image in &held {
            let name = image.split(' ').next().unwrap();
            session.ok(&format!("delete docker-daemon:{name} --daemon-host {host}"));
        }
        assert_eq!(running.images(), [""; 0]);
        session.ok(&format!("copy -q --all-images {to} {archive} docker-daemon:"));
        assert_eq!(running.images(), held, "{archive}");
    }
}

#[test]
fn copies_take_little_memory_and_no_temporary_file() {
    let Some(running) = Running::dockerd(|_| Vec::new()) else { return };
    let (session, host) = (Session::new(), running.host());
    let mut layout = Layout::new(&session.path("big"));
    let layers = [1, 2].map(|seed| tar_of(&noise(seed, MIB).repeat(100)));
    let image = layout.image(&layers.each_ref().map(Vec::as_slice));
    layout.list(&image, Some("large"));
    drop(layers);
    // More than is kept in memory where a stream has to be stored.
    let image = layout.image(&[&tar_of(&noise(3, 8 * MIB))]);
    layout.list(&image, Some("small"));
    let ways = |name: &str| {
        let from = format!("--src-daemon-host {host} docker-daemon:{name}:1");
        [
            format!("--dest-daemon-host {host} oci:big:{name} docker-daemon:{name}:1"),
            format!("{from} oci-archive:out.tar"),
            format!("{from} docker-archive:out-saved.tar"),
            format!("{from} oci:out"),
        ]
    };
    copies_take_little(&session, &ways("large"), &ways("small"));
}

#[test]
fn images_without_a_name_are_listed_by_their_ids() {
    let Some(running) = Running::dockerd(|_| Vec::new()) else { return };
    let (session, host) = (Session::new(), running.host());
    let mut layout = Layout::new(&session.path("three"));
    for seed in [1, 2, 3] {
        let image = layout.image(&[&tar_of(&noise(seed, 1000))]);
        layout.list(&image, Some(&seed.to_string()));
        // Each takes over the name.
        let to = format!("docker-daemon:app:1 --dest-daemon-host {host}");
        session.ok(&format!("copy -q oci:three:{seed} {to}"));
    }
    let listed = session.ok(&format!("list docker-daemon: --daemon-host {host}"));
    let mut lines: Vec<_> = listed.lines().collect();
    lines.sort_unstable();
    assert!(lines.len() == 3 && lines[0] == "docker.io/library/app:1", "{listed}");
    for id in &lines[1..] {
        assert!(id.starts_with("sha256:"), "{listed}");
        session.ok(&format!("inspect docker-daemon:{id} --daemon-host {host}"));
    }
    let all = format!("copy -q --all-images docker-daemon: --src-daemon-host {host}");
    let refused = session.run(&format!("{all} oci-archive:all.tar"));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("choose by tags, which leaves out images without a name"), "{said}");
    session.ok(&format!("{all} --tags * oci-archive:named.tar"));
    assert_eq!(session.ok("list oci-archive:named.tar").lines().count(), 2);
}

#[test]
fn a_socket_without_permission_is_said_to_be_one() {
    let Some(running) = Running::dockerd(|_| Vec::new()) else { return };
    let Some(nobody) = Nobody::new() else { return };
    // Everybody finds it: only the socket is not for everybody.
    fs::set_permissions(running.folder(), PermissionsExt::from_mode(0o755)).unwrap();
    let line = format!("list docker-daemon: --daemon-host {}", running.host());
    let output = nobody.command("./transship", &line).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    let host = format!("the engine at {} (from the option daemon-host)", running.host());
    assert!(said.contains("no permission") && said.contains(&host), "{said}");
    assert!(said.contains("join the group that owns the socket"), "{said}");
}
