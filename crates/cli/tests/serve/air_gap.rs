//! The air-gap story of the README, as it is written there.

use std::net::TcpListener;

use crate::clients::{can_run, ok};
use crate::layout::{Layout, digest, noise, tar_of};
use crate::serving::Serving;
use crate::session::Session;

const README: &str = include_str!("../../../../README.md");

/// The lines below that heading which are commands.
fn story() -> Vec<&'static str> {
    let (_, section) = README.split_once("### Without a network\n").unwrap();
    let block = section.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    assert!(block.lines().count() <= 10, "{block}");
    block.lines().filter(|line| !line.starts_with('#')).collect()
}

#[test]
fn the_story_of_the_readme() {
    let session = Session::new();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let own = format!("127.0.0.1:{port}");
    let large = tar_of(&noise(1, 2_000_000));
    let small = tar_of(b"new");
    let mut layout = Layout::new(&session.path("images"));
    let old = layout.image(&[&large]);
    layout.list(&old, Some("docker.io/team/app:1"));
    let (mut serving, mut image) = (None, None);
    for line in story() {
        let line = line.replace("127.0.0.1:5000", &own);
        if line.contains("--since") {
            // A week later.
            let mut layout = Layout::new(&session.path("images"));
            let new = layout.image(&[&large, &small]);
            layout.list(&new, Some("docker.io/team/app:1"));
            image = Some(new);
        }
        let transship = line.strip_prefix("transship ").map(|line| line.trim_end_matches(" &"));
        match transship {
            Some(transship) if line.ends_with(" &") => {
                let line = format!("{transship} --listen {own}");
                serving = Some(Serving::spawn(&mut session.command(&line)));
            }
            Some(transship) => drop(session.ok(transship)),
            None => pulled(&session, &line),
        }
    }
    let image = image.expect("a delta");
    assert!(serving.is_some_and(|serving| serving.host == own));
    assert_eq!(session.ok("inspect --digest oci:node").trim(), digest(&image));
    session.ok("verify oci:node");
    let size = |name: &str| std::fs::metadata(session.path(name)).unwrap().len();
    assert!(size("week-2.tar") * 20 < size("week-1.tar"));
}

/// A pull by docker, for which podman takes the same words.
fn pulled(session: &Session, line: &str) {
    let words = line.strip_prefix("docker ").unwrap_or_else(|| panic!("{line}"));
    if can_run("podman") {
        let at = session.path("podman").display().to_string();
        let podman =
            format!("podman --root {at}/r --runroot {at}/n --tmpdir {at}/t --storage-driver vfs");
        ok(&format!("{podman} {words} --tls-verify=false"));
    }
}
