//! What registries answer to those who read.

use serde_json::{Value, json};

use crate::case::Case;
use crate::images::{INDEX, Image, MANIFEST, digest, entries, index, platform};
use crate::server::{Form, Reply, Server};

/// Lists of tags in small pages, with an empty one in between, with entries that are no tags (skopeo#1740,
/// go-containerregistry#1963).
#[test]
fn lists_of_tags() {
    let mut case = Case::new();
    let server = Server::scripted(|request, _| {
        let asked: usize = request.query.get("n").map_or(0, |n| n.parse().unwrap());
        (request.kind == "tags" && asked > 100)
            .then(|| Reply::error(413, "TOO_MANY_TAGS_REQUESTED", "a page has at most 100"))
    });
    listed(&mut case, &server);
    let server = Server::scripted(|request, _| {
        let page: usize = request.query.get("p").map_or(0, |p| p.parse().unwrap());
        let tags = [vec!["1"], vec![], vec!["2"]];
        let reply = Reply::json(200, &json!({ "name": "a/b", "tags": tags.get(page)? }));
        let next = format!("</v2/a/b/tags/list?p={}>; rel=\"next\"", page + 1);
        (request.kind == "tags").then(|| if page < 2 { reply.header("Link", next) } else { reply })
    });
    listed(&mut case, &server);
    let server = Server::usual();
    let tags = ["sha256:00", "1", "-bad tag", "2"].map(str::to_owned);
    server.state().tags.insert("a/b".to_owned(), tags.into());
    listed(&mut case, &server);
    case.end();
}

fn listed(case: &mut Case, server: &Server) {
    server.add("a/b", &Image::new("a"), "1");
    server.add("a/b", &Image::new("b"), "2");
    let ran = case.ends(0, &format!("list docker://{}/a/b", server.host()));
    let both = ["1", "2"].iter().all(|tag| ran.out.contains(&format!("a/b:{tag}")));
    case.check(both, "both tags are listed", &ran);
}

/// A listing reads no manifest: hubs count each as a pull, and allow a hundred (hub-feedback#1669).
#[test]
fn a_listing_is_no_pull() {
    let mut case = Case::new();
    let server = Server::scripted(|request, _| {
        let refused = Reply::error(429, "TOOMANYREQUESTS", "no more pulls for six hours");
        request.is("GET", "manifests").then_some(refused)
    });
    for at in 0..40 {
        server.add("a/b", &Image::new("a"), &at.to_string());
    }
    let ran = case.ends(0, &format!("list -o docker.retries=0 docker://{}/a/b", server.host()));
    let shown = (0..40).filter(|at| ran.out.contains(&format!("a/b:{at}"))).count();
    case.check(shown == 40, "all tags are shown", &ran);
    assert_eq!(server.state().asked("GET", "blobs"), 0);
    case.end();
}

/// A pull needs no HEAD: where it is refused, or signed for GET (moby#50065), the image comes.
#[test]
fn a_pull_needs_no_head() {
    let mut case = Case::new();
    for status in [405, 403, 500, 307] {
        let server = Server::scripted(move |request, _| {
            let reply = Reply::new(status, "");
            let reply = if status == 307 {
                reply.header("Location", "http://127.0.0.1:9/x")
            } else {
                reply
            };
            request.is("HEAD", "blobs").then_some(reply)
        });
        let children = ["amd64", "arm64"].map(|architecture| {
            let image = Image::for_architecture(architecture, architecture);
            server.add("a/b", &image, architecture);
            image.entry(&platform("linux", architecture))
        });
        server.state().put_manifest("a/b", "1", INDEX, &index(&children));
        case.ends(
            0,
            &format!("copy -o docker.retries=1 docker://{}/a/b:1 oci:{status}", server.host()),
        );
        case.ends(0, &format!("verify oci:{status}"));
    }
    case.end();
}

/// `Docker-Content-Digest` of another document, or of none (kaniko#298, distribution#2395): the bytes decide.
#[test]
fn the_bytes_decide() {
    let mut case = Case::new();
    for (at, value) in [format!("sha256:{}", "0".repeat(64)), String::new(), "no digest".to_owned()]
        .into_iter()
        .enumerate()
    {
        let image = Image::new("a");
        let manifest = image.manifest.clone();
        let server = Server::scripted(move |request, _| {
            let reply = Reply::new(200, manifest.clone())
                .header("Content-Type", MANIFEST)
                .header("Docker-Content-Digest", &value);
            (request.kind == "manifests" && request.rest == "1").then_some(reply)
        });
        server.add("a/b", &image, "1");
        case.ends(0, &format!("copy docker://{}/a/b:1 oci:{at}", server.host()));
        assert_eq!(entries(&case.path(&at.to_string()))[0]["digest"], digest(&image.manifest));
    }
    case.end();
}

/// Challenges of all kinds, several of them, and those that are only at `/v2/` (gradle#4740, jib#2898,
/// go-containerregistry#1075).
#[test]
fn challenges() {
    let mut case = Case::new();
    let basic = "Basic bWU6cGFzczp3b3Jk";
    let quiet = [(404, "MANIFEST_UNKNOWN"), (403, "DENIED"), (400, "UNAUTHORIZED")];
    for (status, code) in quiet {
        let server = Server::scripted(move |request, _| {
            if request.authorization() == Some(basic) {
                return None;
            }
            let asked = Reply::error(401, "UNAUTHORIZED", "")
                .header("WWW-Authenticate", "Basic realm=\"r\"");
            Some(if request.path == "/v2/" {
                asked
            } else {
                Reply::error(status, code, "who are you?")
            })
        });
        pulled(&mut case, &server, &status.to_string());
    }
    let rows: [(&[&str], bool); 7] = [
        (&["Negotiate", "Basic realm=\"x\""], false),
        (&["BASIC realm=\"A Repository Manager\""], false),
        (&["Basic realm=\"x\", Bearer realm=\"REALM\",service=\"s\""], true),
        (&["Bearer realm=\"REALM?account=me&x=1\""], true),
        (&["Bearer realm=REALM,service=s"], true),
        (
            &["Digest realm=\"x\",qop=\"auth, auth-int\"", "Bearer realm=\"REALM\",service=\"s\""],
            true,
        ),
        (&["Bearer  realm=\"REALM\" , service=\"a, b\" "], true),
    ];
    for (at, (challenges, token)) in rows.into_iter().enumerate() {
        let server = Server::scripted(move |request, _| {
            if request.path == "/token" {
                let known = request.authorization() == Some(basic);
                let fields = json!({ "token": "good", "access_token": null, "expires_in": null });
                return Some(Reply::json(if known { 200 } else { 401 }, &fields));
            }
            if request.authorization() == Some(if token { "Bearer good" } else { basic }) {
                return None;
            }
            let realm = format!("http://{}/token", request.headers["host"]);
            let refused = Reply::error(401, "UNAUTHORIZED", "");
            Some(challenges.iter().fold(refused, |reply, challenge| {
                reply.header("WWW-Authenticate", challenge.replace("REALM", &realm))
            }))
        });
        pulled(&mut case, &server, &format!("challenge-{at}"));
    }
    case.end();
}

fn pulled(case: &mut Case, server: &Server, to: &str) {
    server.add("a/b", &Image::new("a"), "1");
    let from = format!("docker://{}/a/b:1", server.host());
    case.ends(0, &format!("copy --src-creds me:pass:word {from} oci:{to}"));
}

/// A token ends before its time, and the answer says so in one of many ways (containers-roadmap#2835).
#[test]
fn tokens_that_end_early() {
    let mut case = Case::new();
    for (name, status, challenged) in
        [("400", 400, false), ("bare", 401, false), ("401", 401, true)]
    {
        let server = Server::scripted(move |request, state| {
            let realm =
                format!("Bearer realm=\"http://{}/token\",service=\"s\"", request.headers["host"]);
            if request.path == "/token" {
                state.count += 100;
                let token = format!("t{}", state.count / 100);
                return Some(Reply::json(200, &json!({ "token": token, "expires_in": 3600 })));
            }
            let Some(given) = request.authorization() else {
                return Some(
                    Reply::error(401, "UNAUTHORIZED", "").header("WWW-Authenticate", realm),
                );
            };
            let (issued, uses) = (state.count / 100, state.count % 100);
            if given == format!("Bearer t{issued}") && (issued > 1 || uses < 2) {
                state.count += usize::from(uses < 90);
                return None;
            }
            let refused = Reply::error(status, "DENIED", "this token is too old");
            Some(if challenged { refused.header("WWW-Authenticate", realm) } else { refused })
        });
        server.add("a/b", &Image::sized("a", 6, 500, &json!({})), "1");
        case.ends(0, &format!("copy docker://{}/a/b:1 oci:{name}", server.host()));
    }
    case.end();
}

/// Statuses of proxies that pass are tried again; those that stay end soon, with the server's words
/// (containers/common#2299, go-containerregistry#1041).
#[test]
fn statuses_that_pass_and_that_stay() {
    let mut case = Case::new();
    for status in [425, 429, 499, 500, 502, 503, 504, 509, 520, 521, 522, 524, 529, 530] {
        let server = Server::scripted(move |request, state| {
            let first = !state.asked[..state.asked.len() - 1]
                .iter()
                .any(|before| before.method == request.method && before.kind == request.kind);
            let tried = matches!(request.method.as_str(), "GET" | "PUT" | "POST");
            (first && tried && !request.kind.is_empty()).then(|| Reply::new(status, "error code"))
        });
        server.add("a/b", &Image::new("a"), "1");
        let host = server.host();
        case.ends(0, &format!("copy docker://{host}/a/b:1 oci:{status}"));
        case.ends(0, &format!("copy oci:{status} docker://{host}/c/d:1"));
    }
    for status in [400, 405, 410, 451] {
        let server = Server::scripted(move |request, _| {
            let words =
                json!({ "errors": [{ "code": "NO", "message": "never", "detail": "because" }] });
            request.is("GET", "blobs").then(|| Reply::json(status, &words))
        });
        server.add("a/b", &Image::sized("a", 1, 500, &json!({})), "1");
        let ran = case.run(&format!("copy docker://{}/a/b:1 oci:no-{status}", server.host()));
        let said = ["never", "because"].iter().all(|word| ran.err.contains(word));
        case.check(!ran.good() && said, "the server's words are shown", &ran);
        let asked = server.state().asked("GET", "blobs");
        case.check(asked <= 4, &format!("asked {asked} times"), &ran);
    }
    case.end();
}

/// A connection that breaks, that closes unsaid, HTTP/1.0, chunks without a length (skopeo#1708).
#[test]
fn connections_that_close() {
    let mut case = Case::new();
    for (name, form) in [("close", Form::Close), ("old", Form::Old), ("chunks", Form::Chunks)] {
        let server = Server::scripted(move |request, state| {
            let key = (request.repository.clone(), request.rest.clone());
            let blob = state.blobs.get(&key).filter(|_| request.is("GET", "blobs"))?;
            Some(Reply::new(200, blob.clone()).form(form))
        });
        server.add("a/b", &Image::sized("a", 8, 2000, &json!({})), "1");
        let host = server.host();
        case.ends(0, &format!("copy docker://{host}/a/b:1 oci:{name}"));
        case.ends(0, &format!("copy oci:{name} docker://{host}/c/d:1"));
        assert!(server.state().whole("c/d", "1"));
    }
    let server = Server::scripted(|request, state| {
        let key = (request.repository.clone(), request.rest.clone());
        let blob =
            state.blobs.get(&key).filter(|blob| request.is("GET", "blobs") && blob.len() > 3000)?;
        let reply = Reply::new(200, blob.clone()).cut(2000);
        state.count += 1;
        (state.count <= 3).then_some(reply)
    });
    server.add("a/b", &Image::of_noise(1, 50_000), "1");
    case.ends(0, &format!("copy docker://{}/a/b:1 docker-archive:a.tar", server.host()));
    case.ends(0, "verify a.tar");
    case.end();
}

/// Referrers APIs that fail in their own ways (quay#3071, harbor#18418), a fallback tag that is the image itself
/// (oras-go#1396): the image is copied.
#[test]
fn referrers_that_are_refused() {
    let mut case = Case::new();
    for status in [404, 406, 400, 403, 405, 501, 200, 299] {
        let server = Server::scripted(move |request, _| {
            let nothing =
                format!(r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":null}}"#);
            let reply = match status {
                200 => Reply::new(200, "<html>").header("Content-Type", "text/html"),
                299 => Reply::new(200, nothing).header("Content-Type", INDEX),
                other => Reply::error(other, "UNSUPPORTED", ""),
            };
            (request.kind == "referrers").then_some(reply)
        });
        server.add("a/b", &Image::new("a"), "1");
        case.ends(0, &format!("copy --referrers docker://{}/a/b:1 oci:{status}", server.host()));
    }
    let server = Server::scripted(|request, state| {
        let of = request.rest.strip_prefix("sha256-").filter(|_| request.kind == "manifests")?;
        let key = ("a/b".to_owned(), format!("sha256:{of}"));
        let (kind, bytes) = state.manifests.get(&key)?;
        Some(Reply::new(200, bytes.clone()).header("Content-Type", kind))
    });
    let children = ["amd64", "arm64"].map(|architecture| {
        let image = Image::for_architecture(architecture, architecture);
        server.add("a/b", &image, architecture);
        image.entry(&platform("linux", architecture))
    });
    server.state().put_manifest("a/b", "1", INDEX, &index(&children));
    let ran =
        case.ends(0, &format!("copy --json --referrers docker://{}/a/b:1 oci:l", server.host()));
    let said: Value = serde_json::from_str(&ran.out).unwrap();
    case.check(said["images"][0]["referrers"] == 0, "its platforms are no referrers", &ran);
    case.end();
}

/// A registry's index that lacks a child is damaged, and its absence is not another platform's (the tag would move).
#[test]
fn an_index_that_lacks_a_child() {
    let mut case = Case::new();
    let server = Server::usual();
    let children = ["amd64", "arm64"].map(|architecture| {
        let image = Image::for_architecture(architecture, architecture);
        server.add("a/b", &image, architecture);
        image.entry(&platform("linux", architecture))
    });
    server.state().put_manifest("a/b", "1", INDEX, &index(&children));
    let lost = children[1]["digest"].as_str().unwrap().to_owned();
    server.state().manifests.remove(&("a/b".to_owned(), lost.clone()));
    let host = server.host();
    for to in [format!("docker://{host}/c/d:1"), "oci:l".to_owned()] {
        let ran = case.run(&format!("copy --quiet docker://{host}/a/b:1 {to}"));
        case.check(!ran.good() && ran.err.contains(&lost), "the digest is named", &ran);
    }
    assert!(server.state().tags_of("c/d").is_empty());
    case.ends(0, &format!("copy --platform linux/amd64 docker://{host}/a/b:1 oci:one"));
    case.end();
}

/// Schema 1 is refused, and told.
#[test]
fn schema_1() {
    let mut case = Case::new();
    let old = json!({
        "schemaVersion": 1, "name": "a/b", "tag": "1", "architecture": "amd64",
        "fsLayers": [{ "blobSum": format!("sha256:{}", "0".repeat(64)) }],
        "history": [{ "v1Compatibility": "{}" }], "signatures": [],
    });
    for kind in [
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
        "application/vnd.docker.distribution.manifest.v1+json",
        "application/json",
    ] {
        let server = Server::usual();
        server.state().put_manifest("a/b", "1", kind, old.to_string().as_bytes());
        let ran = case.run(&format!("copy docker://{}/a/b:1 oci:l", server.host()));
        let told = ran.err.to_lowercase().contains("schema");
        case.check(!ran.good() && told && !case.there("l"), "the error says so", &ran);
    }
    case.end();
}

/// Given credentials and tokens go to the host of the reference, and to no mirror; one repository's token is not asked for
/// with another's scope; a blocked registry is never asked, and its mirror is (containers/image#2497).
#[test]
fn a_secret_goes_to_the_one_it_is_for() {
    let mut case = Case::new();
    let image = Image::new("a");
    let asks = |request: &crate::server::Request, _: &mut crate::server::State| {
        let known = request.authorization().is_some();
        let refused = Reply::error(401, "UNAUTHORIZED", "");
        (!known).then(|| refused.header("WWW-Authenticate", "Basic realm=\"r\""))
    };
    let (mirror, registry) = (Server::scripted(asks), Server::usual());
    for (server, repository) in [(&mirror, "m/b"), (&registry, "a/b")] {
        server.add(repository, &image, "1");
    }
    let conf = |blocked: bool| {
        format!(
            "[[registry]]\nlocation = \"{}/a\"\ninsecure = true\nblocked = {blocked}\n\
             [[registry.mirror]]\nlocation = \"{}/m\"\ninsecure = true\n",
            registry.host(),
            mirror.host()
        )
    };
    case.write("r.conf", conf(false));
    let from = format!("docker://{}/a/b:1", registry.host());
    let options = "--src-registries-conf r.conf -o docker.retries=0";
    for (at, secret) in ["--src-creds me:secret", "--src-registry-token secret"].iter().enumerate()
    {
        case.ends(0, &format!("copy {options} {secret} {from} oci:{at}"));
        let sent = mirror.state().asked.iter().any(|request| request.authorization().is_some());
        assert!(!sent, "{secret}: {:?}", mirror.state().asked);
    }
    case.write("r.conf", conf(true));
    registry.state().asked.clear();
    let refused = case.run(&format!("copy {options} {from} oci:blocked"));
    case.check(!refused.good(), "the mirror wants a credential", &refused);
    let pushed = case.run(&format!(
        "copy --dest-registries-conf r.conf oci:0 docker://{}/a/c:1",
        registry.host()
    ));
    case.check(!pushed.good() && pushed.err.contains("blocked"), "a push is blocked", &pushed);
    assert!(registry.state().asked.is_empty());
    case.end();
}

/// Absent, unreachable and broken are three things: what a server does not give just now is not damage.
#[test]
fn what_cannot_be_reached_is_not_broken() {
    let mut case = Case::new();
    for (part, status, verdict, code) in [
        ("layer", 503, "unreachable", 1),
        ("layer", 403, "unreachable", 1),
        ("layer", 404, "bad", 4),
        ("layer", 200, "bad", 4),
        ("config", 503, "unreachable", 1),
        ("child", 503, "unreachable", 1),
        ("child", 404, "bad", 4),
        ("referrers", 503, "unreachable", 1),
        ("root", 503, "unreachable", 1),
        ("root", 404, "absent", 3),
    ] {
        let image = Image::new("a");
        let rest = match part {
            "layer" => digest(&image.packed[0]),
            "config" => digest(&image.config),
            "child" => digest(&image.manifest),
            _ => "1".to_owned(),
        };
        let server = Server::scripted(move |request, _| {
            let hit = request.rest == rest || request.kind == part;
            hit.then(|| Reply::new(status, "other bytes"))
        });
        server.add("a/b", &image, "good");
        let children = [image.entry(&platform("linux", "amd64"))];
        server.state().put_manifest("a/b", "1", INDEX, &index(&children));
        let line = format!("-o docker.retries=0 docker://{}/a/b:1", server.host());
        let ran = case.ends(code, &format!("verify {line}"));
        let word = if verdict == "bad" { "BAD" } else { verdict };
        case.check(ran.out.starts_with(word), &format!("{part}, {status}: {word}"), &ran);
        let ran = case.ends(code, &format!("verify --json {line}"));
        let json: Value = serde_json::from_str(&ran.out).unwrap();
        let image = &json["images"][0];
        case.check(image["verdict"] == verdict, &format!("{part}, {status}: {verdict}"), &ran);
        let listed = image["unreachable"].as_array().unwrap().len();
        case.check((listed > 0) == (verdict == "unreachable"), "they are listed apart", &ran);
    }
    case.end();
}

/// A list with details says what of it cannot be reached, and what is broken.
#[test]
fn a_list_says_what_cannot_be_reached() {
    let mut case = Case::new();
    for (status, code) in [(503, 1), (403, 1), (404, 4)] {
        let server = Server::scripted(move |request, _| {
            let hit = request.is("GET", "manifests") && request.rest == "2";
            hit.then(|| Reply::new(status, ""))
        });
        listed_with_details(&mut case, &server, code);
    }
    case.end();
}

fn listed_with_details(case: &mut Case, server: &Server, code: i32) {
    server.add("a/b", &Image::new("a"), "1");
    server.add("a/b", &Image::new("b"), "2");
    let line = format!("list --details -o docker.retries=0 docker://{}/a/b", server.host());
    let ran = case.ends(code, &line);
    case.check(ran.out.contains("a/b:1"), "the other one is listed", &ran);
}
