//! podman itself, with stores in folders of the tests. It needs root, and is skipped by name without it.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use transship_conformance::model::{Config, Form};
use transship_core::{DeleteOptions, ErrorKind, ImageName, WriteMode};

use super::*;

/// A store, and podman's API for it.
#[derive(Debug)]
pub(crate) struct Store {
    folder: tempfile::TempDir,
    driver: &'static str,
    service: Option<Child>,
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Some(service) = &mut self.service {
            // Ours, by its id.
            let _ = Command::new("kill").arg(service.id().to_string()).status();
            let _ = service.wait();
        }
    }
}

impl Store {
    pub(crate) fn new() -> Option<Self> {
        Self::with_driver("vfs")
    }

    fn with_driver(driver: &'static str) -> Option<Self> {
        let root = std::fs::metadata("/proc/self")
            .is_ok_and(|found| std::os::unix::fs::MetadataExt::uid(&found) == 0);
        if !root || Command::new("podman").arg("--version").output().is_err() {
            assert!(std::env::var_os("TRANSSHIP_REQUIRE_PEERS").is_none(), "podman is required");
            eprintln!("skipped: podman is not installed, or this is not root");
            return None;
        }
        // Paths of sockets are short.
        Some(Self { folder: tempfile::tempdir_in("/tmp").unwrap(), driver, service: None })
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// What stands before the names of its images.
    pub(crate) fn options(&self) -> String {
        format!("[{}@{}+{}]", self.driver, self.path("r"), self.path("n"))
    }

    fn podman(&self) -> Command {
        let mut command = Command::new("podman");
        command.arg(format!("--root={}", self.path("r")));
        command.arg(format!("--runroot={}", self.path("n")));
        command.arg(format!("--storage-driver={}", self.driver));
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> String {
        let output = self.podman().args(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Whether nothing is left once all images are removed.
    pub(crate) fn is_empty_without_images(&self) -> bool {
        self.run(&["rmi", "--all", "--force"]);
        self.layers() == "[]" && std::fs::read_dir(self.path("r/vfs/dir")).unwrap().next().is_none()
    }

    /// What podman has written of its layers.
    pub(crate) fn layers(&self) -> String {
        std::fs::read_to_string(self.path("r/vfs-layers/layers.json")).unwrap_or_default()
    }

    /// Starts podman's API, and says where it is. It ends by itself once nobody asks it.
    pub(crate) fn serve(&mut self) -> String {
        let url = format!("unix://{}", self.path("s"));
        let mut command = self.podman();
        command.args(["system", "service", "--time=300", &url]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.service = Some(command.spawn().unwrap());
        url
    }

    pub(crate) async fn served(&mut self) -> ContainersStorage {
        let url = self.serve();
        let storage = set("podman-url", &url);
        for _ in 0..600 {
            if read(&storage, "not-there").await.unwrap_err().kind() == ErrorKind::NotFound {
                return storage;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("podman does not answer: {}", read(&storage, "x").await.unwrap_err());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn by_the_command() {
    let Some(store) = Store::new() else { return };
    exercise(&store, &ContainersStorage::default(), &store.options()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_the_api() {
    let Some(mut store) = Store::new() else { return };
    let storage = store.served().await;
    exercise(&store, &storage, "").await;
}

/// The usual driver, where the kernel lets it.
#[tokio::test(flavor = "multi_thread")]
async fn by_the_command_with_overlays() {
    let Some(store) = Store::with_driver("overlay") else { return };
    let output = store.podman().arg("info").output().unwrap();
    if !output.status.success() {
        eprintln!("skipped: no overlays here: {}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    exercise(&store, &ContainersStorage::default(), &store.options()).await;
}

/// A list of images is none: podman saves one of its images in its place, or none.
fn with_a_list(store: &Store) {
    store.run(&["manifest", "create", "localhost/list:1"]);
}

/// Images come and go, names move, and a damaged image changes nothing.
async fn exercise(store: &Store, storage: &ContainersStorage, options: &str) {
    let at = |name: &str| storage.parse(&format!("{options}{name}")).unwrap();
    let (first, second) = (sample(1), sample(2));
    let name = format!("{options}localhost/x:1");
    write(&first, storage, &name).await.unwrap();
    assert_eq!(read(storage, &name).await.unwrap(), id(&first));
    // podman keeps the manifest, too.
    let digest = store.run(&["image", "inspect", "--format", "{{.Digest}}", "localhost/x:1"]);
    assert_eq!(digest.trim(), first.root.descriptor().digest.to_string());
    assert_eq!(
        read(storage, &format!("{options}localhost/x@{}", digest.trim())).await.unwrap(),
        id(&first)
    );

    let destination =
        storage.destination(&at("localhost/x:1"), &WriteOptions::default()).await.unwrap();
    let lie = Body::from_bytes(first.layers()[0].bytes.clone());
    let expect = Expect::from(&second.layers()[0].descriptor);
    destination.put_blob(expect, lie).await.unwrap_err();
    drop(destination);
    assert_eq!(read(storage, &name).await.unwrap(), id(&first));

    // The name moves; what had it is there by its ID.
    write(&second, storage, &name).await.unwrap();
    assert_eq!(read(storage, &name).await.unwrap(), id(&second));
    assert_eq!(
        read(storage, &format!("{options}@{}", &id(&first).encoded()[..12])).await.unwrap(),
        id(&first)
    );
    let names = ["app:1", "q.example/app:2"].map(|name| ImageName::new(name).unwrap());
    let how = WriteOptions::default().with_names(names.to_vec());
    let destination = storage.destination(&at(""), &how).await.unwrap();
    put(&first, &*destination).await.unwrap();
    destination.commit(Commit::new(&first.root)).await.unwrap();
    with_a_list(store);
    let how = WriteOptions::default().with_mode(WriteMode::Create);
    let there = storage.destination(&at("app:1"), &how).await.unwrap_err();
    assert_eq!(there.kind(), ErrorKind::AlreadyExists, "{there}");

    let all = storage.archives().unwrap().read(&at(""), &ReadOptions::default()).await.unwrap();
    let mut listed: Vec<String> =
        all.entries().iter().flat_map(|entry| &entry.names).map(ToString::to_string).collect();
    listed.sort_unstable();
    assert_eq!(listed, ["docker.io/library/app:1", "localhost/x:1", "q.example/app:2"]);
    assert_eq!(all.entries().len(), 2);
    for entry in all.entries() {
        all.open(entry).await.unwrap().root().await.unwrap();
    }
    named_by_podman(store, storage, options).await;
    of_zstd(storage, options).await;
    intermediate(storage, options).await;
    deleted(store, storage, options).await;
}

/// A name without a domain is below `localhost/` for podman: it is reported so. What is not there is not in this store.
async fn named_by_podman(store: &Store, storage: &ContainersStorage, options: &str) {
    store.run(&["tag", "localhost/x:1", "short:1"]);
    let missing = read(storage, &format!("{options}short:1")).await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound, "{missing}");
    assert!(missing.advice().unwrap().to_string().contains("localhost/short:1"), "{missing}");
    assert!(missing.to_string().contains(&store.path("r")), "no graphroot: {missing}");
    let unknown = read(storage, &format!("{options}@abcdef012345")).await.unwrap_err();
    assert!(unknown.to_string().contains(&store.path("r")), "no graphroot: {unknown}");
    let at = storage.parse(options).unwrap();
    let all = storage.archives().unwrap().read(&at, &ReadOptions::default()).await.unwrap();
    let mut names = all.entries().iter().flat_map(|entry| &entry.names);
    assert!(names.any(|name| name.as_str() == "localhost/short:1"), "{:?}", all.entries());
    let short = format!("{options}localhost/short:1");
    assert_eq!(read(storage, &short).await.unwrap(), id(&sample(2)));
    store.run(&["untag", "localhost/x:1", "localhost/short:1"]);
}

/// podman saves no image again whose layout has layers of zstd: it gets no layout, and all layers, also those that it has.
async fn of_zstd(storage: &ContainersStorage, options: &str) {
    let zstd = Layer { form: Form::Zstd(1), ..Layer::small(42, 3072) };
    let layers = vec![Layer::small(6, 3072), zstd];
    let image = Image { layers, ..Image::simple(9) }.build().unwrap();
    let name = format!("{options}localhost/zstd:1");
    let to = storage.parse(&name).unwrap();
    let destination = storage.destination(&to, &WriteOptions::default()).await.unwrap();
    let [has, lacks] = image.layers()[..] else { panic!("other layers") };
    let mut there = Expect::from(&has.descriptor);
    there.chain = Some(has.descriptor.digest.clone());
    assert!(destination.has(&there).await.unwrap().is_some(), "the first image has it");
    for blob in [lacks, image.config().unwrap()] {
        let body = Body::from_bytes(blob.bytes.clone());
        destination.put_blob(Expect::from(&blob.descriptor), body).await.unwrap();
    }
    let what = Commit::new(&image.root);
    // What was put stays put.
    let wanted = destination.verify_found(what).await.unwrap();
    assert_eq!(wanted, std::slice::from_ref(&has.descriptor.digest));
    let body = Body::from_bytes(has.bytes.clone());
    destination.put_blob(Expect::from(&has.descriptor), body).await.unwrap();
    assert!(destination.verify_found(what).await.unwrap().is_empty());
    destination.commit(what).await.unwrap();
    assert_eq!(read(storage, &name).await.unwrap(), id(&image));
    let at = storage.parse(&name).unwrap();
    storage.deletion().unwrap().delete(&at, &DeleteOptions::default()).await.unwrap();
}

/// An image without a name is not listed while another one is built on it, as podman lists none. Its ID finds it, and it stays.
async fn intermediate(storage: &ContainersStorage, options: &str) {
    let layers = vec![Layer::small(10, 3072), Layer::small(14, 3072)];
    let app = Image { layers, config: Config::Steps, ..Image::simple(7) };
    let mut base = app.clone();
    base.layers.pop();
    let [app, base] = [app, base].map(|image| image.build().unwrap());
    write(&base, storage, options).await.unwrap();
    let short = format!("{options}@{}", &id(&base).encoded()[..12]);
    let is_listed = async || {
        let at = storage.parse(options).unwrap();
        let all = storage.archives().unwrap().read(&at, &ReadOptions::default()).await.unwrap();
        let of_it = id(&base).encoded().to_owned();
        all.entries().iter().any(|entry| entry.reference.locator().ends_with(&of_it))
    };
    assert!(is_listed().await);
    let name = format!("{options}localhost/built:1");
    write(&app, storage, &name).await.unwrap();
    assert!(!is_listed().await);
    assert_eq!(read(storage, &short).await.unwrap(), id(&base));
    let delete = async |name: &str| {
        let at = storage.parse(name).unwrap();
        storage.deletion().unwrap().delete(&at, &DeleteOptions::default()).await.unwrap();
    };
    delete(&name).await;
    assert!(is_listed().await, "it went with the image that was built on it");
    delete(&short).await;
    assert!(!is_listed().await);
}

/// A name goes, then the image with its last one; by its ID the image goes with all of them. What is used stays.
async fn deleted(store: &Store, storage: &ContainersStorage, options: &str) {
    let delete = async |name: &str| {
        let at = storage.parse(&format!("{options}{name}")).unwrap();
        storage.deletion().unwrap().delete(&at, &DeleteOptions::default()).await
    };
    delete("app:1").await.unwrap();
    let gone = delete("app:1").await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound, "{gone}");
    assert!(gone.advice().unwrap().to_string().contains("q.example/app:2"), "{gone}");
    store.run(&["tag", "q.example/app:2", "localhost/more"]);
    delete(&format!("@{}", &id(&sample(1)).encoded()[..12])).await.unwrap();
    let gone = read(storage, &format!("{options}q.example/app:2")).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound, "{gone}");
    store.run(&["create", "--pull=never", "localhost/x:1", "/command"]);
    let used = delete("localhost/x:1").await.unwrap_err();
    assert_eq!(used.kind(), ErrorKind::Conflict, "{used}");
    // The store, or the socket of its API.
    assert!(used.to_string().contains(&store.path("")), "{used}");
    assert!(used.advice().unwrap().to_string().contains("containers that use"), "{used}");
}
