//! Copies that are interrupted, and copies beside each other.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::case::Case;
use crate::images::{Image, entries, layout};
use crate::server::{Form, Reply, Server};

/// How long a command may take to end, and a copy to begin.
const PATIENCE: Duration = Duration::from_secs(30);

/// INT, TERM and HUP in the middle of a pull: the code says which, nothing of it is left, what was there is whole, a second
/// copy works.
#[test]
fn interrupted() {
    let (mut case, server) = (Case::new(), slow());
    layout(&case.path("small"), &Image::new("s"), "s");
    for (signal, code) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        for (name, before, to) in [
            ("layout", Some("oci:T/l:s"), "oci:T/l:x"),
            ("archive", None, "docker-archive:T/a.tar:x:1"),
            ("dir", Some("dir:T/d"), "dir:T/d"),
        ] {
            let at = format!("{signal}-{name}");
            fs::create_dir(case.path(&at)).unwrap();
            let (before, to) = (before.map(|it| it.replace('T', &at)), to.replacen('T', &at, 1));
            if let Some(before) = &before {
                case.ends(0, &format!("copy oci:small:s {before}"));
            }
            let there = files(&case.path(&at));
            let ended = stopped(&case, &server, &to, signal);
            assert_eq!(ended, Some(code), "{at}");
            assert_eq!(files(&case.path(&at)), there, "{at}");
            if let Some(before) = &before {
                case.ends(0, &format!("verify {before}"));
            }
            case.ends(0, &format!("copy oci:small:s {to}"));
        }
    }
    case.end();
}

/// A registry with one image, whose layer takes two seconds.
fn slow() -> Server {
    let server = Server::scripted(|request, state| {
        let key = (request.repository.clone(), request.rest.clone());
        let large = state.blobs.get(&key).filter(|blob| blob.len() > 1_000_000)?;
        let reply = Reply::new(200, large.clone()).form(Form::Slow);
        request.is("GET", "blobs").then_some(reply)
    });
    server.add("a/b", &Image::of_noise(1, 4_000_000), "1");
    server
}

/// Its exit code, when it is stopped in the middle of a blob.
fn stopped(case: &Case, server: &Server, to: &str, signal: &str) -> Option<i32> {
    server.state().asked.clear();
    let mut command = case.command(&format!("copy docker://{}/a/b:1 {to}", server.host()));
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let since = Instant::now();
    while server.state().asked("GET", "blobs") < 2 {
        assert!(since.elapsed() < PATIENCE, "it asks for no layer");
        thread::sleep(Duration::from_millis(20));
    }
    thread::sleep(Duration::from_millis(300));
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
    child.wait().unwrap().code()
}

fn files(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        }
        found.insert(entry.path().display().to_string());
    }
    found
}

/// Inherited ignored signals stay ignored, as `nohup` and background jobs of scripts want it.
#[test]
fn ignored_signals_stay_ignored() {
    let (case, server) = (Case::new(), slow());
    for signal in ["HUP", "INT", "TERM"] {
        server.state().asked.clear();
        let line = format!(
            "trap '' {signal}; $T copy docker://{}/a/b:1 oci:{signal} & wait_for=$!; \
             for i in $(seq 300); do [ -e {signal}.go ] && break; sleep 0.1; done; \
             kill -s {signal} $wait_for; wait $wait_for",
            server.host()
        );
        let ran = thread::scope(|scope| {
            scope.spawn(|| {
                let since = Instant::now();
                while server.state().asked("GET", "blobs") < 2 && since.elapsed() < PATIENCE {
                    thread::sleep(Duration::from_millis(20));
                }
                case.write(&format!("{signal}.go"), "");
            });
            case.shell(&line)
        });
        assert!(ran.good(), "{ran:?}");
    }
    case.end();
}

/// Eight copies at once into one layout, one archive, one folder (skopeo#405): nothing is lost, nothing is half.
#[test]
fn at_the_same_time() {
    let mut case = Case::new();
    for at in 0..8 {
        layout(&case.path(&format!("s{at}")), &Image::new(&format!("i{at}")), &format!("n{at}"));
    }
    let all = |line: &str| {
        let lines =
            (0..8).map(|at| line.replace('#', &at.to_string()).replace('%', &(at % 2).to_string()));
        thread::scope(|scope| {
            let running: Vec<_> = lines
                .map(|line| {
                    scope.spawn({
                        let case = &case;
                        move || case.run(&line)
                    })
                })
                .collect();
            running.into_iter().map(|it| it.join().unwrap()).collect::<Vec<_>>()
        })
    };
    let layout = all("copy oci:s#:n# oci:all:n#");
    let first = case.run("copy oci:s0:n0 docker-archive:all.tar:x:base");
    let archive = all("copy --append oci:s#:n# docker-archive:all.tar:x:#");
    let same = all("copy oci:s#:n# oci:same:x");
    let folder = all("copy oci:s%:n% dir:d");
    for ran in layout.iter().chain([&first]).chain(&archive).chain(&same) {
        case.check(ran.good(), "beside others", ran);
    }
    assert!(folder.iter().any(crate::case::Ran::good), "{folder:?}");
    assert_eq!(entries(&case.path("all")).len(), 8);
    let listed = case.ends(0, "list --json all.tar");
    let said: serde_json::Value = serde_json::from_str(&listed.out).unwrap();
    assert_eq!(said["images"].as_array().unwrap().len(), 8);
    for place in ["oci:all", "all.tar", "oci:same", "dir:d"] {
        case.ends(0, &format!("verify {place}"));
    }
    case.end();
}
