//! Damage, odd requests and bad clients.

use std::fs;
use std::io::{Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use crate::http;
use crate::layout::{Layout, noise};
#[cfg(target_os = "linux")]
use crate::memory;
use crate::serving::Serving;
use crate::session::Session;

/// A layout of one image with a layer.
fn site(layer: &[u8]) -> (Session, Layout) {
    let session = Session::new();
    let mut layout = Layout::new(&session.path("site"));
    let image = layout.image(&[layer]);
    layout.list(&image, Some("docker.io/a/b:1"));
    (session, layout)
}

#[test]
fn a_wrong_blob_is_cut_before_its_last_byte() {
    for len in [10, 300_000, 3_000_000] {
        let layer = noise(2, len);
        let (session, layout) = site(&layer);
        let digest = transship::transport::sha256(&layer).to_string();
        let mut wrong = layer.clone();
        wrong[len / 2] ^= 1;
        fs::write(layout.path(&digest), &wrong).unwrap();
        let serving = Serving::start(&session, "oci:site");
        let path = format!("/v2/a/b/blobs/{digest}");
        for headers in [&[][..], &[("Range", "bytes=0-")], &[("Range", "bytes=-5")]] {
            let reply = serving.ask("GET", &path, headers);
            if len < 100_000 {
                assert_eq!((reply.status, &*reply.code()), (500, "UNKNOWN"), "{len} {headers:?}");
            } else {
                assert!(!reply.is_whole(), "{len} {headers:?}");
            }
        }
        // It is said when the connection has ended.
        let until = Instant::now() + Duration::from_secs(20);
        while !serving.log().contains(&digest) {
            assert!(Instant::now() < until, "{}", serving.log());
            thread::sleep(Duration::from_millis(10));
        }
        // One of another size is refused at once, and what the client reads names no file of this machine.
        fs::write(layout.path(&digest), &wrong[..len / 2]).unwrap();
        let reply = serving.get(&path);
        assert_eq!((reply.status, &*reply.code()), (500, "UNKNOWN"), "{len}");
        let text = String::from_utf8(reply.body).unwrap();
        assert!(!text.contains("site"), "{text}");
        fs::write(layout.path(&digest), &layer).unwrap();
        assert!(serving.get(&path).is_whole(), "{len}");
    }
}

/// That a blob was true once says nothing of the file that is there now.
#[test]
fn a_file_that_was_replaced_is_checked_again() {
    for len in [1000, 300_000, 3_000_000] {
        let layer = noise(3, len);
        let (session, layout) = site(&layer);
        let digest = transship::transport::sha256(&layer).to_string();
        let mut wrong = layer.clone();
        wrong[len - 1] ^= 1;
        let serving = Serving::start(&session, "oci:site");
        let path = format!("/v2/a/b/blobs/{digest}");
        let is_true = || {
            let reply = serving.get(&path);
            reply.status == 200 && reply.is_whole()
        };
        for _ in 0..2 {
            assert!(is_true(), "{len}");
        }
        // Another file, and this one written to.
        let file = layout.path(&digest);
        fs::write(session.path("new"), &wrong).unwrap();
        fs::rename(session.path("new"), &file).unwrap();
        assert!(!is_true(), "{len}");
        fs::write(&file, &layer).unwrap();
        assert!(is_true(), "{len}");
        fs::write(&file, &wrong).unwrap();
        assert!(!is_true(), "{len}");
        fs::write(&file, &layer).unwrap();
        assert!(is_true(), "{len}");
    }
}

/// In two places, each file is judged by itself.
#[test]
fn one_true_copy_says_nothing_of_another() {
    let layer = noise(5, 400_000);
    let (session, layout) = site(&layer);
    let digest = transship::transport::sha256(&layer).to_string();
    session.ok("copy --all-images oci:site oci:second");
    let serving = Serving::start(&session, "oci:site oci:second");
    let path = format!("/v2/a/b/blobs/{digest}");
    assert!(serving.get(&path).is_whole());
    let second = session.path("second/blobs").join(digest.replace(':', "/"));
    let mut wrong = layer.clone();
    wrong[7] ^= 1;
    fs::write(second, &wrong).unwrap();
    fs::remove_file(layout.path(&digest)).unwrap();
    assert!(!serving.get(&path).is_whole());
}

#[test]
fn a_cut_pull_goes_on_where_it_stopped() {
    let layer = noise(4, 6_000_000);
    let (session, _) = site(&layer);
    let serving = Serving::start(&session, "oci:site");
    let path = format!("/v2/a/b/blobs/{}", transship::transport::sha256(&layer));
    let mut stream = http::connect(&serving.host);
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut first = vec![0; 1_000_000];
    stream.read_exact(&mut first).unwrap();
    drop(stream);
    let head = first.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    let mut all = first[head..].to_vec();
    let rest = serving.ask("GET", &path, &[("Range", &format!("bytes={}-", all.len()))]);
    assert_eq!(rest.status, 206);
    all.extend(rest.body);
    assert!(all == layer);
}

/// Paths, digests, ranges, headers and methods that no client should send: each gets its answer, and nothing is left of it.
#[test]
#[cfg(target_os = "linux")]
fn ten_thousand_odd_requests() {
    let layer = noise(7, 200_000);
    let (session, _) = site(&layer);
    let serving = Serving::start(&session, "oci:site");
    let digest = transship::transport::sha256(&layer).to_string();
    let zeros = "0".repeat(58);
    let odd = |n: usize| -> (&str, String, Vec<(&str, String)>, &[u16]) {
        match n % 12 {
            0 => ("GET", format!("/v2/a/b/manifests/t{n}"), vec![], &[404]),
            1 => ("GET", format!("/v2/a/b/blobs/sha256:{zeros}{n:06}"), vec![], &[404]),
            2 => ("GET", format!("/v2/r{n}/tags/list"), vec![], &[404]),
            3 => ("GET", format!("/v2/a/b/blobs/sha256:{n}"), vec![], &[400]),
            4 => ("GET", format!("/v2/A{n}/tags/list"), vec![], &[400]),
            5 => ("PUT", format!("/v2/a/b/manifests/t{n}"), vec![], &[405]),
            6 => {
                let range = format!("bytes={}-", 200_000 + n);
                ("GET", format!("/v2/a/b/blobs/{digest}"), vec![("Range", range)], &[416])
            }
            7 => ("GET", format!("/{n}/../../etc/passwd"), vec![], &[404]),
            8 => ("GET", format!("/v2/a/b/tags/list?n=-{n}"), vec![], &[400]),
            9 => ("GET", format!("/v2/%2e%2e/{n}/tags/list"), vec![], &[400]),
            10 => ("GET", "/v2/a/b/manifests/1".into(), vec![("X", "y".repeat(20_000))], &[200]),
            _ => ("GET", "/v2/".into(), vec![("X", "y".repeat(900_000))], &[431, http::CUT]),
        }
    };
    let run = |from: usize, to: usize| {
        for n in from..to {
            let (method, path, headers, statuses) = odd(n);
            let headers: Vec<_> = headers.iter().map(|(name, v)| (*name, v.as_str())).collect();
            let reply = serving.ask(method, &path, &headers);
            assert!(statuses.contains(&reply.status), "{method} {path}: {}", reply.status);
        }
    };
    run(0, 2000);
    let before = serving.resident();
    run(2000, 10_000);
    let after = serving.resident();
    assert!(after < before + 4096, "{before} KiB became {after}");
    for garbage in
        [&b"\0\0\0\0"[..], b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00"]
    {
        let mut stream = http::connect(&serving.host);
        stream.write_all(garbage).unwrap();
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut text = Vec::new();
        let _ = stream.read_to_end(&mut text);
        assert!(
            text.is_empty() || text.starts_with(b"HTTP/1.1 4") || text.starts_with(b"HTTP/1.0 4")
        );
    }
    assert_eq!(serving.get("/v2/").status, 200);
}

/// Who sends a byte now and then, or reads none, keeps nobody else from being answered.
#[test]
#[cfg(target_os = "linux")]
fn slow_clients() {
    let layer = noise(8, 20_000_000);
    let (session, _) = site(&layer);
    let serving = Serving::start(&session, "oci:site");
    let path = format!("/v2/a/b/blobs/{}", transship::transport::sha256(&layer));
    let slow: Vec<_> = (0..200)
        .map(|n| {
            let mut stream = http::connect(&serving.host);
            if n % 2 == 0 {
                stream.write_all(b"GET /v2/ HT").unwrap();
            } else {
                write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
            }
            stream
        })
        .collect();
    let begun = Instant::now();
    for _ in 0..5 {
        assert!(serving.get(&path).is_whole());
    }
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    let most = serving.most_memory();
    assert!(most < 2 * memory::MOST, "{most} KiB");
    drop(slow);
}

/// Fifty pull at once a layer that nobody has read: it is hashed once, and the memory is bounded.
#[test]
#[cfg(target_os = "linux")]
fn fifty_pulls_at_once() {
    let layer = noise(9, 20_000_000);
    let (session, _) = site(&layer);
    let serving = Serving::start(&session, "oci:site");
    let path = format!("/v2/a/b/blobs/{}", transship::transport::sha256(&layer));
    thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(|| {
                let mut stream = http::connect(&serving.host);
                write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                    .unwrap();
                let came = std::io::copy(&mut stream, &mut std::io::sink()).unwrap();
                assert!(came > layer.len() as u64);
            });
        }
    });
    let most = serving.most_memory();
    assert!(most < memory::MOST, "{most} KiB");
}

#[test]
fn over_tls() {
    if !crate::clients::is_there("openssl") {
        return;
    }
    let (session, _) = site(b"layer");
    let at = session.path("");
    let at = at.display();
    crate::clients::ok(&format!(
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 \
         -keyout {at}/key.pem -out {at}/cert.pem"
    ));
    let tls = "--tls-cert cert.pem --tls-key key.pem";
    let serving = Serving::start(&session, &format!("oci:site {tls}"));
    fs::create_dir(session.path("trusted")).unwrap();
    fs::copy(session.path("cert.pem"), session.path("trusted/ca.crt")).unwrap();
    let remote = format!("docker://{}/a/b:1", serving.host);
    session.ok(&format!("copy --cert-dir trusted {remote} oci:pulled:x"));
    assert!(!session.run(&format!("copy {remote} oci:pulled:y")).status.success());
    // Who speaks without it gets nothing, and others are served.
    let mut stream = http::connect(&serving.host);
    stream.write_all(b"GET /v2/ HTTP/1.1\r\n\r\n").unwrap();
    let _ = stream.read_to_end(&mut Vec::new());
    session.ok(&format!("inspect --cert-dir trusted --digest {remote}"));
}

#[test]
fn a_credential_is_asked_for() {
    let (session, _) = site(b"layer");
    session.write("basic", "me:hunter2\n");
    session.write("token", "t0ken");
    let basic = Serving::start(&session, "oci:site --credential-file basic");
    let reply = basic.get("/v2/");
    assert_eq!((reply.status, &*reply.code()), (401, "UNAUTHORIZED"));
    assert_eq!(reply.header("www-authenticate"), Some("Basic realm=\"transship\""));
    for (path, creds) in [("/v2/a/b/manifests/1", "bWU6d3Jvbmc="), ("/v2/none", "x")] {
        let headers = [("Authorization", &*format!("Basic {creds}"))];
        assert_eq!(basic.ask("GET", path, &headers).status, 401);
    }
    let remote = format!("docker://{}/a/b:1", basic.host);
    session.ok(&format!("copy --tls-verify=false --creds me:hunter2 {remote} oci:pulled:x"));
    let bearer = Serving::start(&session, "oci:site --credential-file token");
    let given = [("Authorization", "Bearer t0ken")];
    assert_eq!(bearer.ask("GET", "/v2/", &given).status, 200);
    assert_eq!(bearer.get("/v2/").header("www-authenticate"), Some("Bearer realm=\"transship\""));
    let (by_hand, line) = (bearer.host.clone(), format!("list docker://{}/a/b", bearer.host));
    let said = String::from_utf8(session.run(&line).stderr).unwrap();
    assert!(said.contains(&format!("{by_hand} wants a token, and names no server")), "{said}");
    assert!(said.contains("--registry-token=TOKEN"), "{said}");
    session.ok(&format!("{line} --registry-token t0ken"));
    for (token, is_right) in [("t0ken", true), ("other", false)] {
        session.write(
            "auth.json",
            format!(r#"{{"auths":{{"{by_hand}":{{"registrytoken":"{token}"}}}}}}"#),
        );
        let listed = session.run(&format!("{line} --authfile auth.json"));
        let said = String::from_utf8(listed.stderr).unwrap();
        assert_eq!(listed.status.code(), Some(i32::from(!is_right)), "{said}");
        let refused = format!("{by_hand} does not accept the stored token");
        assert_eq!(said.contains(&refused), !is_right, "{said}");
        assert_eq!(said.contains("--registry-token=TOKEN"), !is_right, "{said}");
    }
    let mut command =
        session.command("serve oci:site --listen 127.0.0.1:0 --credential-env SERVE_IT");
    let by_env = Serving::spawn(command.env("SERVE_IT", "t0ken"));
    assert_eq!(by_env.ask("GET", "/v2/", &given).status, 200);
    assert_eq!(by_env.get("/v2/").status, 401);
    for (line, code) in [
        ("serve oci:site --credential-file none", 2),
        ("serve oci:site --credential-env NOT_SET_AT_ALL", 2),
        ("serve oci:site --credential-file a --credential-env b", 2),
        ("serve oci:site --tls-cert a", 2),
        ("serve oci:site --tls-cert a --tls-key b", 2),
        ("serve oci:site --tls-cert basic --tls-key basic", 4),
        ("serve oci:none --listen 127.0.0.1:0", 3),
        ("serve oci:site --listen nonsense", 2),
        ("serve oci:site --listen 127.0.0.1:99999", 2),
        ("serve", 2),
    ] {
        let output = session.run(line);
        assert_eq!(output.status.code(), Some(code), "{line}: {output:?}");
    }
    let taken = session.run(&format!("serve oci:site --listen {}", basic.host));
    let text = String::from_utf8(taken.stderr).unwrap();
    assert!(text.contains("another program listens there"), "{text}");
}
