//! What podman may do that it should not: a script in its place.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use transship_core::ErrorKind;

use super::*;

/// A command that does what a test says. `$1` is what is asked: `save`, `load`, `images`, `image`, `tag`, `rmi`.
struct Script {
    folder: tempfile::TempDir,
}

impl Script {
    fn new(body: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("podman");
        let head = format!("#!/bin/sh\ncd '{}'\necho \"$@\" >>asked\n", folder.path().display());
        std::fs::write(&path, format!("{head}{body}\n")).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        Self { folder }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn storage(&self) -> ContainersStorage {
        set("podman", self.file("podman").to_str().unwrap())
    }

    fn asked(&self) -> String {
        std::fs::read_to_string(self.file("asked")).unwrap_or_default()
    }

    async fn waits_for(&self, name: &str) -> String {
        for _ in 0..400 {
            match std::fs::read_to_string(self.file(name)) {
                Ok(text) if !text.trim().is_empty() => return text.trim().to_owned(),
                _ => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
        panic!("no {name}: {}", self.asked());
    }
}

/// An inspect that finds an image, whose ID this is.
fn inspect(id: &Digest) -> String {
    format!("if [ \"$1\" = image ]; then echo '[{{\"Id\":\"{}\"}}]'; exit; fi\n", id.encoded())
}

/// A save as podman writes it.
fn saved(image: &Built) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut add = |name: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, name, bytes).unwrap();
    };
    let layer = image.layers()[0];
    let layer_name = format!("{}.tar", layer.descriptor.digest.encoded());
    let config_name = format!("{}.json", id(image).encoded());
    add(&layer_name, &layer.bytes);
    add(&config_name, &image.config().unwrap().bytes);
    let manifest = format!(
        r#"[{{"Config":"{config_name}","RepoTags":["docker.io/library/x:latest"],"Layers":["{layer_name}"]}}]"#
    );
    add("manifest.json", manifest.as_bytes());
    tar.into_inner().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_save_that_is_cut_or_fails_is_an_error_with_podmans_words() {
    let image = sample(1);
    let whole = saved(&image);
    let script = Script::new(&format!(
        "{}cat save\nif [ -e words ]; then cat words >&2; exit 125; fi",
        inspect(&id(&image))
    ));
    std::fs::write(script.file("save"), &whole).unwrap();
    assert_eq!(read(&script.storage(), "x").await.unwrap(), id(&image));
    let cuts = (0..whole.len()).step_by(whole.len() / 25).chain([whole.len() - 1]);
    for cut in cuts {
        let _ = std::fs::remove_file(script.file("words"));
        std::fs::write(script.file("save"), &whole[..cut]).unwrap();
        let error = read(&script.storage(), "x").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{cut}: {error}");
        let words =
            format!("{}\nError: reading layer:\n no space left on device\n", "x".repeat(99_999));
        std::fs::write(script.file("words"), words).unwrap();
        let error = read(&script.storage(), "x").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoSpace, "{cut}: {error}");
        let text = error.to_string();
        assert!(
            text.contains("podman save ended with status 125: reading layer: no space"),
            "{text}"
        );
        assert!(text.len() < 1000, "{text}");
    }
    // It is whole, and podman says that it failed.
    std::fs::write(script.file("save"), &whole).unwrap();
    let error = read(&script.storage(), "x").await.unwrap_err();
    assert!(error.to_string().contains("status 125"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_fails_names_nothing() {
    let image = sample(2);
    let id = id(&image);
    let there = inspect(&id);
    let done = format!("cat >/dev/null; echo 'Loaded image: {id}'");
    for (body, words) in [
        // It ends before it has read anything, and after it has read all.
        (
            format!("{there}echo 'Error: no room' >&2; exit 125"),
            "podman load ended with status 125: no room",
        ),
        (
            format!("{there}cat >/dev/null; echo 'Error: layer is broken' >&2; exit 1"),
            "layer is broken",
        ),
        (format!("{there}cat >/dev/null"), "does not say that it has loaded"),
        (format!("{there}kill -9 $$"), "podman load was killed"),
        // It says that it has it, and has it not, or has another.
        (
            format!(
                "if [ $1 = image ]; then echo 'Error: x: image not known' >&2; exit 125; fi; if [ $1 = images ]; then echo '[]'; exit; fi; {done}"
            ),
            "image not known",
        ),
        (
            format!("{there}cat >/dev/null; echo 'Loaded image: sha256:{}'", "0".repeat(64)),
            "was sent",
        ),
    ] {
        let script = Script::new(&body);
        let error = write(&image, &script.storage(), "x:1").await.unwrap_err();
        assert!(error.to_string().contains(words), "{body}: {error}");
        assert!(!script.asked().contains("tag"), "{}", script.asked());
    }
    let script = Script::new(&format!("{there}if [ $1 = load ]; then {done}; fi"));
    write(&image, &script.storage(), "x:1").await.unwrap();
    assert_eq!(script.asked().lines().last(), Some(&*format!("tag -- {id} docker.io/library/x:1")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_over_the_limit_is_said_to_be_one() {
    let image = sample(1);
    let there = inspect(&id(&image));
    let too_much = "head -c 67108865 /dev/zero && exec yes";
    let limited = |error: &transship_core::Error| {
        assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
        assert!(error.to_string().contains("more than 67108864 bytes"), "{error}");
    };
    let script = Script::new(too_much);
    limited(&read(&script.storage(), "x").await.unwrap_err());
    let all = script.storage().parse("").unwrap();
    let storage = script.storage();
    let list = storage.archives().unwrap().read(&all, &ReadOptions::default()).await;
    limited(&list.map(drop).unwrap_err());
    let script = Script::new(&format!("{there}cat >/dev/null; {too_much}"));
    limited(&write(&image, &script.storage(), "x:1").await.unwrap_err());
    assert!(!script.asked().contains("tag"), "{}", script.asked());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_image_ends_podman() {
    let image = sample(3);
    let alive = |pid: &str| {
        // One that is killed and not yet waited for is a zombie.
        std::fs::read_to_string(format!("/proc/{pid}/stat"))
            .is_ok_and(|stat| !stat.contains(") Z "))
    };
    let ends = async |pid: &str| {
        for _ in 0..200 {
            if !alive(pid) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("podman goes on");
    };
    // Told of the end, it can remove what it has; else it is killed.
    for (body, cleans) in [
        ("echo $$ >pid; cat >got; echo gone >cleaned", true),
        ("echo $$ >pid; exec sleep 1000", false),
    ] {
        let script = Script::new(body);
        let storage = script.storage();
        let at = storage.parse("x:1").unwrap();
        let destination = storage.destination(&at, &WriteOptions::default()).await.unwrap();
        put(&image, &*destination).await.unwrap();
        let pid = script.waits_for("pid").await;
        assert!(alive(&pid));
        drop(destination);
        ends(&pid).await;
        assert_eq!(script.file("cleaned").exists(), cleans);
        if cleans {
            let got = std::fs::read(script.file("got")).unwrap();
            assert!(!got.windows(13).any(|part| part == b"manifest.json"), "it is whole");
        }
    }
    let script = Script::new(&format!(
        "{}echo $$ >pid; head -c 9999 /dev/zero; exec sleep 1000",
        inspect(&id(&image))
    ));
    let storage = script.storage();
    let reading = tokio::spawn(async move { read(&storage, "x").await });
    let pid = script.waits_for("pid").await;
    reading.abort();
    ends(&pid).await;
}

#[tokio::test]
async fn no_podman_and_no_permission() {
    let error = read(&set("podman", "/nowhere/podman"), "x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    let hint = error.advice().unwrap().to_string();
    assert!(error.to_string().contains("/nowhere/podman"), "{error}");
    assert!(hint.contains("package podman") && hint.contains("podman save"), "{hint}");
    let script = Script::new("");
    std::fs::set_permissions(script.file("podman"), PermissionsExt::from_mode(0o644)).unwrap();
    let error = read(&script.storage(), "x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
    let error = read(&set("podman-url", "unix:///nowhere/podman.sock"), "x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    let hint = error.advice().unwrap().to_string();
    assert!(hint.contains("podman.socket"), "{hint}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_store_is_asked_for_by_flags_and_by_nothing_else() {
    let script = Script::new("echo '[]'");
    let storage = script.storage();
    let at = storage.parse("[vfs@/a+/b:o=1]").unwrap();
    let archives = storage.archives().unwrap();
    let error = archives.read(&at, &ReadOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "it has no images: {error}");
    let asked = script.asked();
    let flags = "--storage-driver=vfs --root=/a --runroot=/b --storage-opt=o=1 ";
    assert!(asked.starts_with(&format!("{flags}images --all=false --format json\n")), "{asked}");
    // The error says which store it is.
    assert!(asked.lines().all(|line| line.starts_with(flags)), "{asked}");
    let storage = set("podman-url", "unix:///run/x.sock");
    let archives = storage.archives().unwrap();
    let error = archives.read(&at, &ReadOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_that_are_cut_short_and_names_that_look_like_them() {
    let listed = format!(
        r#"[{{"Id":"cafe{}","Size":99999,"Names":["localhost/app:1"]}},{{"Id":"caff{}","Size":99999,"Names":["docker.io/library/feed:latest"]}}]"#,
        "0".repeat(60),
        "1".repeat(60)
    );
    let script = Script::new(&format!(
        "case \"$*\" in images*) echo '{listed}';; *library/feed*) echo '[{{\"Id\":\"caff{}\"}}]';; *) echo 'Error: image not known' >&2; exit 125;; esac",
        "1".repeat(60)
    ));
    let storage = script.storage();
    // Deleting says which image is meant.
    let delete = async |text: &str| {
        let at = storage.parse(text).unwrap();
        let _ = std::fs::remove_file(script.file("asked"));
        storage.deletion().unwrap().delete(&at, &transship_core::DeleteOptions::default()).await
    };
    for text in ["caf", "@caf"] {
        assert_eq!(delete(text).await.unwrap_err().kind(), ErrorKind::Ambiguous, "{text}");
    }
    for text in ["abc", "@abc", "docker.io/x/app:1@cafe", "app"] {
        let error = delete(text).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{text}: {error}");
    }
    let error = delete("app:1").await.unwrap_err();
    let hint = error.advice().unwrap().to_string();
    assert_eq!(hint, "it has containers-storage:localhost/app:1");
    for (text, image) in [
        ("cafe", "cafe0"),
        ("localhost/app:9@cafe", "cafe0"),
        ("@caff", "caff1"),
        ("feed", "library/feed:latest"),
    ] {
        let _ = delete(text).await;
        assert!(script.asked().contains(image), "{text}: {}", script.asked());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_never_flags() {
    let image = sample(1);
    let list =
        format!(r#"[{{"Id":"{}","Size":1,"Names":["localhost/app:1"]}}]"#, id(&image).encoded());
    let script = Script::new(&format!(
        "{}case \"$1\" in save) cat save;; images) echo '{list}';; manifest) exit 1;; load) cat >/dev/null; echo 'Loaded image: {}';; esac",
        inspect(&id(&image)),
        id(&image)
    ));
    std::fs::write(script.file("save"), saved(&image)).unwrap();
    let storage = script.storage();
    read(&storage, "x").await.unwrap();
    write(&image, &storage, "x:1").await.unwrap();
    let all = storage.parse("").unwrap();
    storage.archives().unwrap().read(&all, &ReadOptions::default()).await.unwrap();
    let delete = transship_core::DeleteOptions::default();
    storage.deletion().unwrap().delete(&storage.parse("app:1").unwrap(), &delete).await.unwrap();
    let asked = script.asked();
    for command in ["image inspect", "save", "tag", "rmi", "manifest exists"] {
        let mut lines = asked.lines().filter(|line| line.starts_with(command)).peekable();
        assert!(lines.peek().is_some(), "{command}: {asked}");
        assert!(lines.all(|line| line.contains(" -- ")), "{command}: {asked}");
    }
}

/// podman before 4.3 has no `--no-prune`.
#[tokio::test(flavor = "multi_thread")]
async fn an_older_podman_deletes_as_it_can() {
    let image = id(&sample(1));
    let script = Script::new(&format!(
        "{}if [ \"$2\" = --no-prune ]; then echo 'Error: unknown flag: --no-prune' >&2; exit 125; fi",
        inspect(&image)
    ));
    let storage = script.storage();
    let at = storage.parse("app:1").unwrap();
    let how = transship_core::DeleteOptions::default();
    storage.deletion().unwrap().delete(&at, &how).await.unwrap();
    let asked = script.asked();
    assert!(asked.ends_with("\nrmi -- docker.io/library/app:1\n"), "{asked}");
}

/// As one that is not set: the command sees neither.
#[test]
fn an_empty_variable_leads_nowhere() {
    let image = sample(1);
    let id = id(&image);
    let script = Script::new(&format!(
        "echo \"${{CONTAINER_HOST-none}} ${{CONTAINER_CONNECTION-none}}\" >>leads\n{}if [ \"$1\" = save ]; then cat save; fi",
        inspect(&id)
    ));
    std::fs::write(script.file("save"), saved(&image)).unwrap();
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "script::child_that_reads"])
        .env("CONTAINER_HOST", "")
        .env("CONTAINER_CONNECTION", "")
        .env("XDG_RUNTIME_DIR", script.folder.path())
        .env(COMMAND, script.file("podman"))
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
    let leads = std::fs::read_to_string(script.file("leads")).unwrap();
    assert!(leads.lines().all(|lead| lead == "none none"), "{leads}");
}

/// Names the command for [`child_that_reads`].
const COMMAND: &str = "TRANSSHIP_TEST_PODMAN";

/// Run by [`an_empty_variable_leads_nowhere`]; else it has nothing to do.
#[tokio::test(flavor = "multi_thread")]
async fn child_that_reads() {
    let Ok(command) = std::env::var(COMMAND) else { return };
    read(&set("podman", &command), "x").await.unwrap();
}

/// Its time passes as soon as there is nothing to do.
#[tokio::test(start_paused = true)]
async fn one_that_hangs_is_an_error() {
    let script = Script::new("exec sleep 600");
    let error = read(&script.storage(), "x:1").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    let text = error.to_string();
    assert!(text.contains("podman image inspect gave no answer for 120 seconds"), "{text}");
}
