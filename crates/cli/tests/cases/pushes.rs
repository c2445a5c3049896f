//! What registries answer to those who write.

use std::sync::Arc;

use serde_json::json;

use crate::case::Case;
use crate::images::{Image, digest, layout};
use crate::server::{Reply, Server};

/// A push of an image with a layout or an archive as its source arrives whole.
fn pushed(case: &mut Case, server: &Server, what: &str) {
    let ran = case.run(&format!("copy {what} docker://{}/a/b:1", server.host()));
    let whole = server.state().whole("a/b", "1");
    case.check(ran.good() && whole, "pushed whole", &ran);
}

/// POST and PUT answered with a redirect to another place or path (containerd#11949): followed.
#[test]
fn redirected() {
    let mut case = Case::new();
    layout(&case.path("l"), &Image::new("a"), "x");
    for status in [307, 308] {
        let other = Arc::new(Server::usual());
        let to = Arc::clone(&other);
        let server = Server::scripted(move |request, _| {
            let at = format!("http://{}{}", to.host(), request.target);
            if request.is("POST", "uploads") {
                return Some(Reply::new(status, "").header("Location", at));
            }
            let key = (request.repository.clone(), request.rest.clone());
            let blob = to.state().blobs.get(&key).cloned()?;
            request.is("HEAD", "blobs").then(|| Reply::new(200, blob))
        });
        let ran = case.run(&format!("copy oci:l docker://{}/a/b:1", server.host()));
        case.check(ran.good() && other.state().blobs.len() == 3, "POST is followed", &ran);
    }
    for kind in ["manifests", "uploads"] {
        let server = Server::scripted(move |request, _| {
            let moved = request.query.contains_key("moved");
            let mark = if request.target.contains('?') { '&' } else { '?' };
            let at = format!("{}{mark}moved=1", request.target);
            (request.is("PUT", kind) && !moved).then(|| Reply::new(307, "").header("Location", at))
        });
        pushed(&mut case, &server, "oci:l");
    }
    case.end();
}

/// Other statuses of success, bodies where none belong (registries in general).
#[test]
fn other_successes() {
    let mut case = Case::new();
    Image::new("a").save(&case.path("a.tar"), &["x:1"]);
    for [manifest, put, post, patch] in
        [[200, 200, 200, 200], [202, 204, 201, 204], [201, 202, 202, 201]]
    {
        let server =
            Server::scripted(move |request, state| match (request.method.as_str(), request.kind) {
                ("PUT", "manifests") => {
                    let kind = &request.headers["content-type"];
                    state.put_manifest(&request.repository, &request.rest, kind, &request.body);
                    Some(Reply::new(manifest, "{}"))
                }
                ("POST", "uploads") => {
                    let session = state.begin();
                    let at = format!("{}{session}?x=y", request.path);
                    Some(Reply::new(post, "welcome").header("Location", at))
                }
                ("PATCH", "uploads") => {
                    state.uploads.get_mut(&request.rest)?.extend_from_slice(&request.body);
                    Some(Reply::new(patch, "").header("Location", &request.target))
                }
                ("PUT", "uploads") => {
                    let mut bytes = state.uploads.remove(&request.rest)?;
                    bytes.extend_from_slice(&request.body);
                    state.put_blob(&request.repository, &bytes);
                    Some(Reply::new(put, ""))
                }
                _ => None,
            });
        pushed(&mut case, &server, "docker-archive:a.tar");
    }
    case.end();
}

/// `Range` that is stuck at the first piece, or that counts this piece alone (regclient#961, distribution-spec#580): the
/// digest at the end decides.
#[test]
fn odd_ranges() {
    let mut case = Case::new();
    layout(&case.path("l"), &Image::of_noise(1, 700_000), "x");
    for stuck in [true, false] {
        let server = Server::scripted(move |request, state| {
            let upload =
                state.uploads.get_mut(&request.rest).filter(|_| request.kind == "uploads")?;
            let (piece, there) = (request.body.len(), upload.len());
            let reply = |status, last: usize| {
                Some(
                    Reply::new(status, "")
                        .header("Location", &request.path)
                        .header("Range", format!("0-{last}")),
                )
            };
            match request.method.as_str() {
                "PATCH" => {
                    upload.extend_from_slice(&request.body);
                    state.count = if state.count == 0 { piece } else { state.count };
                    reply(202, if stuck { state.count } else { piece } - 1)
                }
                "GET" => reply(204, if stuck { state.count } else { there } - 1),
                _ => None,
            }
        });
        pushed(&mut case, &server, "--dest-chunk-size 200000 oci:l");
    }
    case.end();
}

/// Pieces of at most 4 MiB, after a cut (ocx#237): smaller pieces, or one stream again.
#[test]
fn large_pieces_are_refused() {
    let mut case = Case::new();
    Image::of_noise(1, 20 << 20).save(&case.path("a.tar"), &["x:1"]);
    let server = Server::scripted(|request, state| {
        if !request.is("PATCH", "uploads") {
            return None;
        }
        if request.headers.contains_key("content-range") && request.body.len() > 4 << 20 {
            return Some(Reply::error(416, "RANGE_INVALID", "a piece has at most 4 MiB"));
        }
        state.count += 1;
        if state.count > 1 {
            return None;
        }
        let kept = request.body.len().min(15 << 20);
        state.uploads.get_mut(&request.rest)?.extend_from_slice(&request.body[..kept]);
        Some(Reply::error(500, "UNKNOWN", ""))
    });
    pushed(&mut case, &server, "docker-archive:a.tar");
    case.end();
}

/// A least size of pieces is kept to, below a limit.
#[test]
fn a_least_size_of_pieces() {
    let mut case = Case::new();
    layout(&case.path("l"), &Image::of_noise(1, 1_000_000), "x");
    let server = Server::scripted(|request, state| {
        let session = request.is("POST", "uploads").then(|| state.begin())?;
        let at = format!("{}{session}", request.path);
        let reply = Reply::new(202, "").header("Location", at);
        Some(reply.header("OCI-Chunk-Min-Length", "300000"))
    });
    pushed(&mut case, &server, "--dest-chunk-size 100000 oci:l");
    let state = server.state();
    let pieces = state.asked.iter().filter(|request| request.is("PATCH", "uploads"));
    let small = pieces.filter(|piece| piece.body.len() < 300_000).count();
    drop(state);
    assert!(small <= 2, "{small} pieces are too small, and the last of each blob may be");
    case.end();
}

/// Errors of 400 and 404 that pass (kaniko#607, moby#36823), sessions that are forgotten (jib#3399): tried again.
#[test]
fn errors_that_pass() {
    let mut case = Case::new();
    let image = Image::sized("a", 2, 100_000, &json!({}));
    image.save(&case.path("a.tar"), &["x:1"]);
    for (method, kind, status, code) in [
        ("PUT", "uploads", 400, "BLOB_UPLOAD_INVALID"),
        ("PATCH", "uploads", 400, "BLOB_UPLOAD_INVALID"),
        ("PUT", "manifests", 404, "MANIFEST_BLOB_UNKNOWN"),
        ("PUT", "manifests", 400, "MANIFEST_BLOB_UNKNOWN"),
        ("PATCH", "uploads", 404, "BLOB_UPLOAD_UNKNOWN"),
        ("PUT", "uploads", 404, "BLOB_UPLOAD_UNKNOWN"),
        ("PUT", "manifests", 429, "TOOMANYREQUESTS"),
        ("POST", "uploads", 429, "TOOMANYREQUESTS"),
    ] {
        let server = Server::scripted(move |request, state| {
            let fails = request.is(method, kind) && state.count == 0;
            if fails {
                state.count = 1;
                state.uploads.remove(&request.rest);
            }
            fails.then(|| Reply::error(status, code, "it passes"))
        });
        pushed(&mut case, &server, "docker-archive:a.tar");
    }
    case.end();
}

/// A layer whose last PUT always fails ends, after a bounded number of bytes.
#[test]
fn an_upload_that_never_succeeds_ends() {
    let mut case = Case::new();
    let image = Image::of_noise(1, 1_000_000);
    image.save(&case.path("a.tar"), &["x:1"]);
    let server = Server::scripted(|request, state| {
        if !request.is("PUT", "uploads") {
            return None;
        }
        state.uploads.remove(&request.rest);
        Some(Reply::error(500, "UNKNOWN", "the store is full"))
    });
    let ran = case.run(&format!("copy docker-archive:a.tar docker://{}/a/b:1", server.host()));
    case.check(!ran.good() && ran.err.contains("the store is full"), "it ends", &ran);
    let begun = server.state().asked("POST", "uploads");
    case.check(begun <= 20, &format!("{begun} uploads were begun"), &ran);
    case.end();
}

/// Reading is open, writing asks who it is (container-libs#1009).
#[test]
fn only_writes_are_asked() {
    let mut case = Case::new();
    layout(&case.path("l"), &Image::new("a"), "x");
    let server = Server::scripted(|request, _| {
        let known = request.authorization() == Some("Basic bWU6cHc=");
        let writes = matches!(request.method.as_str(), "POST" | "PUT" | "PATCH");
        let refused = Reply::error(401, "UNAUTHORIZED", "");
        (writes && !known).then(|| refused.header("WWW-Authenticate", "Basic realm=\"r\""))
    });
    pushed(&mut case, &server, "--dest-creds me:pw oci:l");
    case.end();
}

/// A tag that may not move: an error that says so, and none where it has this digest already.
#[test]
fn a_tag_that_may_not_move() {
    let mut case = Case::new();
    let (one, two) = (Image::new("a"), Image::new("b"));
    layout(&case.path("one"), &one, "x");
    layout(&case.path("two"), &two, "x");
    let server = Server::scripted(|request, state| {
        let key = (request.repository.clone(), request.rest.clone());
        let taken = state.manifests.contains_key(&key) && !request.rest.contains(':');
        let refused = Reply::error(409, "TAG_INVALID", "this tag is immutable");
        (request.is("PUT", "manifests") && taken).then_some(refused)
    });
    pushed(&mut case, &server, "oci:one");
    pushed(&mut case, &server, "oci:one");
    let moved = case.run(&format!("copy oci:two docker://{}/a/b:1", server.host()));
    case.check(!moved.good() && moved.err.contains("immutable"), "the error says so", &moved);
    let key = ("a/b".to_owned(), "1".to_owned());
    assert_eq!(digest(&server.state().manifests[&key].1), digest(&one.manifest));
    case.end();
}

/// The second, unchanged run of a mirror reads no manifest and writes nothing (skopeo#2426, regclient#442).
#[test]
fn the_second_run_of_a_mirror() {
    let mut case = Case::new();
    let (from, to) = (Server::usual(), Server::usual());
    for tag in 0..5 {
        from.add("a/b", &Image::new(&tag.to_string()), &tag.to_string());
    }
    let line = format!("copy --all-images docker://{}/a/b docker://{}/m/", from.host(), to.host());
    case.ends(0, &line);
    from.state().asked.clear();
    to.state().asked.clear();
    let again = case.ends(0, &line);
    for (place, state) in [("source", from.state()), ("destination", to.state())] {
        for (method, kind) in
            [("GET", "manifests"), ("GET", "blobs"), ("POST", "uploads"), ("PUT", "manifests")]
        {
            let asked = state.asked(method, kind);
            case.check(asked == 0, &format!("{asked} {method} of {kind} at the {place}"), &again);
        }
        let looked = state.asked("HEAD", "manifests");
        case.check(looked == 5, &format!("{looked} HEAD at the {place}"), &again);
    }
    case.end();
}

/// A digest that the destination says is held against the image before the first byte is sent, and in a dry run.
#[test]
fn a_pinned_digest_is_checked_in_the_plan() {
    let mut case = Case::new();
    let image = Image::new("a");
    layout(&case.path("l"), &image, "x");
    let (is, other) = (digest(&image.manifest), digest(b"other"));
    for (what, pinned, code) in [
        ("oci:l", &*is, 0),
        ("oci:l", &*other, 4),
        // It would get another digest.
        ("--format docker oci:l", &*is, 4),
        ("--compress zstd oci:l", &*is, 4),
    ] {
        for tag in ["", ":1"] {
            let server = Server::usual();
            let line = format!("{what} docker://{}/a/b{tag}@{pinned}", server.host());
            case.ends(code, &format!("copy --dry-run {line}"));
            let ran = case.ends(code, &format!("copy {line}"));
            let sent =
                !server.state().blobs.is_empty() || server.state().asked("POST", "uploads") > 0;
            case.check(sent == (code == 0), "nothing is sent for a wrong digest", &ran);
            let tagged = server.state().manifests.contains_key(&("a/b".to_owned(), "1".to_owned()));
            case.check(tagged == (code == 0 && !tag.is_empty()), "the tag moves with it", &ran);
        }
    }
    // The image is there under its digest, and the tag is another's.
    let server = Server::usual();
    server.add("a/b", &image, "2");
    server.add("a/b", &Image::new("c"), "1");
    let host = server.host();
    let ran = case.ends(0, &format!("copy docker://{host}/a/b:2 docker://{host}/a/b:1@{is}"));
    let moved = server.state().manifests[&("a/b".to_owned(), "1".to_owned())].1 == image.manifest;
    case.check(moved, "the tag moves", &ran);
    case.end();
}

/// Of two images for one place, the order of the request decides which comes first, and not which answers first.
#[test]
fn the_order_decides_and_not_what_answers_first() {
    let mut case = Case::new();
    for slow in ["t/r0", "t/r1"] {
        let server = Server::scripted(move |request, _| {
            if request.repository == slow && request.kind == "manifests" {
                std::thread::sleep(std::time::Duration::from_millis(300));
            }
            None
        });
        server.add("t/r0", &Image::new("a"), "v0");
        server.add("t/r1", &Image::new("b"), "v1");
        let to = Server::usual();
        let (from, host) = (server.host(), to.host());
        let line = format!("docker://{from}/t/r0 docker://{from}/t/r1 docker://{host}/x/repo");
        for more in ["--dry-run ", ""] {
            let ran = case.ends(1, &format!("copy {more}--keep-going --all-images {line}"));
            case.check(ran.err.contains("r1:v1: "), "the second one is refused", &ran);
        }
        assert_eq!(to.state().tags["x/repo"], ["v0"], "{slow} is slow");
    }
    case.end();
}
