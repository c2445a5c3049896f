//! Standard input and output.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Output, Stdio};

use crate::make;
use crate::session::{Session, shown};

/// Runs a line with bytes on a pipe.
fn piped(session: &Session, line: &str, input: &[u8]) -> Output {
    let mut child = session
        .command(line)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let feeder = std::thread::spawn(move || {
        // A command that has seen enough closes its end.
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    output
}

fn read(session: &Session, name: &str) -> Vec<u8> {
    std::fs::read(session.path(name)).unwrap()
}

#[test]
fn a_pipe_is_looked_at() {
    let session = Session::new();
    session.ok("copy --all-images hello.tar oci-archive:layout.tar");
    make::packed("gzip", &session.path("hello.tar"), &session.path("hello.tar.gz"));
    let mut text = String::new();
    for (line, file) in [
        ("list -", "hello.tar"),
        ("list docker-archive:-", "hello.tar"),
        ("verify -", "layout.tar"),
        ("verify -", "hello.tar.gz"),
        ("inspect oci-archive:-:example/world:1", "layout.tar"),
    ] {
        shown(&mut text, line, &piped(&session, line, &read(&session, file)));
    }
    shown(&mut text, "list -", &piped(&session, "list -", b"not a tar"));
    shown(&mut text, "list -", &piped(&session, "list -", b""));
    insta::assert_snapshot!(text);
}

#[test]
fn a_redirected_file_is_not_spooled() {
    let session = Session::new();
    // No temporary file can be made here.
    let mut command = session.command("list --tmpdir /nonexistent -");
    let output = command.stdin(File::open(session.path("hello.tar")).unwrap()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let spooled = piped(&session, "list --tmpdir /nonexistent -", &read(&session, "hello.tar"));
    let mut text = String::new();
    shown(&mut text, "list --tmpdir /nonexistent -", &spooled);
    insta::assert_snapshot!(text);
}

#[test]
fn an_archive_goes_through_pipes() {
    let session = Session::new();
    let input = read(&session, "hello.tar");
    let first = piped(&session, "copy --quiet --all-images - -", &input);
    assert!(first.status.success() && first.stderr.is_empty(), "{:?}", first.stderr);
    session.ok("copy --all-images hello.tar docker-archive:out.tar");
    assert_eq!(read(&session, "out.tar"), first.stdout, "a pipe and a file get the same bytes");
    let layout = piped(&session, "copy --quiet --all-images - oci-archive:-", &input);
    session.write("layout.tar", layout.stdout);
    session.ok("verify oci-archive:layout.tar");
}

/// Layers go into the archive as they come, and those that no image needs are taken out again.
#[test]
fn a_pipe_goes_into_an_archive_without_a_temporary_file() {
    let session = Session::new();
    session.ok("copy --all-images hello.tar oci-archive:layout.tar");
    for (from, format) in [("hello.tar", "docker-archive"), ("layout.tar", "oci-archive")] {
        let input = read(&session, from);
        for to in ["docker-archive", "oci-archive"] {
            for images in ["--all-images", "--all-images --append"] {
                let out = format!("{to}:{format}-{to}{}.tar", images.replace([' ', '-'], ""));
                let line = format!("copy --tmpdir /nonexistent {images} {format}:- {out}");
                let output = piped(&session, &line, &input);
                assert!(output.status.success(), "{line}: {output:?}");
                session.ok(&format!("verify {out}"));
                let listed = session.ok(&format!("list {out}"));
                assert!(listed.contains("example/world:1"), "{listed}");
            }
            for name in ["example/world:1", "example/hello:1"] {
                let output = piped(
                    &session,
                    &format!(
                        "copy --tmpdir /nonexistent {format}:-:{name} {to}:one-{to}.tar --replace"
                    ),
                    &input,
                );
                assert!(output.status.success(), "{output:?}");
                session.ok(&format!("copy {format}:{from}:{name} {to}:direct.tar --replace"));
                let one = entries(&read(&session, &format!("one-{to}.tar")));
                assert_eq!(one, entries(&read(&session, "direct.tar")), "{name} from {format}");
            }
        }
    }
    let left = session.left();
    let is_archive = |name: &String| name.rsplit('.').next() == Some("tar");
    assert!(left.iter().all(is_archive), "{left:?}");
}

/// What is in a tar, by name.
fn entries(bytes: &[u8]) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut entries = BTreeMap::new();
    for entry in tar::Archive::new(bytes).entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        assert_eq!(entries.insert(entry.path().unwrap().into_owned(), content), None);
    }
    entries
}

/// Whatever went out before the failure, it is no archive.
#[test]
fn a_copy_that_fails_leaves_no_archive_in_the_pipe() {
    let session = Session::new();
    session.ok("copy --all-images hello.tar oci:layout");
    let blobs = std::fs::read_dir(session.path("layout/blobs/sha256")).unwrap();
    let largest = blobs.max_by_key(|blob| blob.as_ref().unwrap().metadata().unwrap().len());
    let largest = largest.unwrap().unwrap().path();
    let mut bytes = std::fs::read(&largest).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&largest, bytes).unwrap();
    for to in ["docker-archive:-", "oci-archive:-", "--archive-compress gzip oci-archive:-"] {
        let out = piped(&session, &format!("copy --quiet --all-images oci:layout {to}"), b"");
        assert_eq!(out.status.code(), Some(4), "{to}: {out:?}");
        let read = piped(&session, "list -", &out.stdout);
        assert!(!read.status.success(), "{to}: {read:?}");
    }
}

#[test]
fn json_and_an_archive_do_not_share_stdout() {
    let session = Session::new();
    insta::assert_snapshot!(session.transcript(["copy --json hello.tar:@0 docker-archive:-"]));
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let session = Session::new();
    for line in ["list hello.tar", "inspect --json hello.tar:@0", "completions bash", "--help"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = session.command(line).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{line}: {output:?}");
        assert!(output.stderr.is_empty(), "{line}: {output:?}");
    }
}

#[test]
fn a_copy_into_a_closed_pipe_fails() {
    let session = Session::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = session.command("copy --quiet hello.tar:@0 docker-archive:-");
    let output = command.stdout(writer).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("transship: ") && said.lines().count() <= 2, "{said}");
}

#[test]
fn what_nobody_reads_does_not_hold_it_up() {
    let session = Session::new();
    let mut child = session
        .command("list hello.tar")
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stderr.take());
    let mut listed = String::new();
    child.stdout.take().unwrap().read_to_string(&mut listed).unwrap();
    assert!(child.wait().unwrap().success() && listed.contains("example/world"));
}

#[test]
fn archives_are_compressed_by_suffix_or_as_asked() {
    let session = Session::new();
    session.ok("copy --all-images hello.tar oci:layout");
    session.ok("copy --all-images oci:layout docker-archive:plain.tar");
    let plain = read(&session, "plain.tar");
    for (to, options, magic) in [
        ("docker-archive:a.tar.gz", "", &b"\x1f\x8b"[..]),
        ("docker-archive:a.tzst", "", b"\x28\xb5\x2f\xfd"),
        ("docker-archive:a.TAR.GZ", "", b"\x1f\x8b"),
        ("docker-archive:b", "--archive-compress zstd:19", b"\x28\xb5\x2f\xfd"),
        ("oci-archive:c.tgz", "", b"\x1f\x8b"),
        ("oci-archive:d.tar", "--archive-compress gzip:9", b"\x1f\x8b"),
    ] {
        session.ok(&format!("copy --all-images {options} oci:layout {to}"));
        let path = to.split_once(':').unwrap().1;
        let packed = read(&session, path);
        assert!(packed.starts_with(magic), "{to}");
        session.ok(&format!("copy --all-images {to} docker-archive:back-{path}.tar"));
        assert!(read(&session, &format!("back-{path}.tar")) == plain, "{to}");
    }
    session.ok("copy --archive-compress none --all-images oci:layout docker-archive:e.tar.gz");
    assert!(read(&session, "e.tar.gz") == plain);
    session.ok("copy --archive-compress none --all-images oci:layout docker-archive:f.tar.xz");
    assert!(read(&session, "f.tar.xz") == plain);
    let out = session.command("copy --all-images --archive-compress gzip oci:layout -");
    let out = { out }.output().unwrap().stdout;
    assert!(out.starts_with(b"\x1f\x8b"));
    assert!(!piped(&session, "list -", &out).stdout.is_empty());
}

#[test]
fn what_cannot_be_compressed_says_so() {
    let session = Session::new();
    session.ok("copy --all-images hello.tar oci-archive:a.tar");
    let mut text = String::new();
    for line in [
        "copy --archive-compress gzip --all-images hello.tar oci:layout",
        "copy --archive-compress xz --all-images hello.tar oci-archive:b.tar",
        "copy --archive-compress gzip --append --all-images hello.tar oci-archive:a.tar",
        "copy --append --all-images hello.tar docker-archive:new.tar.gz",
        "copy --all-images hello.tar docker-archive:c.tar.xz",
        "copy --append --all-images hello.tar docker-archive:c.tar.xz",
        "copy --dry-run hello.tar:@0 oci-archive:d.TBZ2",
    ] {
        shown(&mut text, line, &session.command(line).output().unwrap());
    }
    insta::assert_snapshot!(text);
    for name in ["layout", "b.tar", "new.tar.gz", "c.tar.xz"] {
        assert!(!session.path(name).exists(), "{name}");
    }
}

/// The second reader would find nothing, and what is written twice would be mixed.
#[test]
fn stdin_and_stdout_have_one_user_each() {
    let session = Session::new();
    session.write("list", "hello.tar\n");
    insta::assert_snapshot!(session.transcript([
        "copy - --from-file - oci:layout",
        "copy - docker-archive:-:a oci:layout",
        "copy --since - - oci-archive:new.tar",
        "copy --policy /dev/stdin - oci:layout",
        "verify - oci-archive:/dev/stdin",
        "copy --digestfile - hello.tar:@0 -",
        "copy --digestfile /dev/stdout hello.tar:@0 docker-archive:-:new",
        "copy --digestfile - --json hello.tar:@0 oci:layout",
    ]));
    assert_eq!(session.left(), ["list"]);
    let digest = session.ok("copy --digestfile - hello.tar:@0 oci:layout");
    assert!(digest.starts_with("sha256:") && digest.lines().count() == 1, "{digest}");
    assert_eq!(session.left(), ["layout", "list"]);
}
