//! What containerd has after images came and went, as `ctr` sees it.

use transship_core::{
    Body, Commit, DeleteOptions, Digest, ErrorKind, Expect, ImageName, ReadOptions, Transport,
    WriteMode, WriteOptions, sha256,
};

use super::proxy::Proxy;
use super::sample::Sample;
use super::server::Running;

async fn root(of: &dyn Transport, name: &str) -> Digest {
    let at = of.parse(name).unwrap();
    let source = of.source(&at, &ReadOptions::default()).await.unwrap();
    source.root().await.unwrap().descriptor().digest.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn images_are_whole_for_ctr_and_stay_after_a_collection() {
    let Some(running) = Running::start("whole") else { return };
    let (store, image) = (running.store(), Sample::new(&["a", "b"], 3 << 20));
    image.write(&store, "x:1").await.unwrap();
    let checked = running.ctr_ok("default", &["images", "check"]);
    assert!(
        checked.contains("docker.io/library/x:1") && checked.contains("complete (3/3)"),
        "{checked}"
    );
    assert!(running.is_tidy("default"));
    running.collect("default");
    assert_eq!(running.content("default").len(), 4);
    assert_eq!(root(&store, "x:1").await, *image.digest());
    let archive = running.folder().join("out.tar").display().to_string();
    running.ctr_ok("default", &["images", "export", &archive, "docker.io/library/x:1"]);
    store
        .deletion()
        .unwrap()
        .delete(&store.parse("x:1").unwrap(), &DeleteOptions::default())
        .await
        .unwrap();
    assert!(running.content("default").is_empty());
    // And back by ctr.
    running.ctr_ok("default", &["images", "import", "--no-unpack", &archive]);
    assert_eq!(root(&store, "x:1").await, *image.digest());
    let source = store.source(&store.parse("x:1").unwrap(), &ReadOptions::default()).await.unwrap();
    let transship_core::Document::Image(document) = image.root.document() else { panic!() };
    for (layer, bytes) in document.layers.iter().zip(&image.layers) {
        assert_eq!(source.blob(layer).await.unwrap().bytes(8 << 20).await.unwrap(), bytes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_bytes_and_missing_ones_leave_a_name_where_it_was() {
    let Some(running) = Running::start("wrong") else { return };
    let store = running.store();
    let (old, new) = (Sample::new(&["a"], 5000), Sample::new(&["b"], 5000));
    old.write(&store, "x:1").await.unwrap();
    let at = store.parse("x:1").unwrap();
    let destination = store.destination(&at, &WriteOptions::default()).await.unwrap();
    let layer = &new.layers[0];
    let expect = Expect::digest(sha256(layer)).with_size(layer.len() as u64);
    let wrong = Body::from_bytes(vec![7; layer.len()]);
    let error = destination.put_blob(expect, wrong).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    let error = destination.commit(Commit::new(&new.root)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert_eq!(root(&store, "x:1").await, *old.digest());
    Running::until("nothing is left of the other image", || {
        running.is_tidy("default") && running.content("default").len() == 3
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn two_copies_of_an_image_at_once_both_succeed() {
    let Some(running) = Running::start("twice") else { return };
    let image = Sample::new(&["a", "b", "c"], 8 << 20);
    let copies = (0..4).map(|at| {
        let (store, image) = (running.store(), image.clone());
        tokio::spawn(async move { image.write(&store, &format!("x:{at}")).await })
    });
    for copy in copies.collect::<Vec<_>>() {
        copy.await.unwrap().unwrap();
    }
    assert_eq!(running.ctr_ok("default", &["images", "check", "-q"]).lines().count(), 4);
    assert!(running.is_tidy("default"));
    assert_eq!(running.content("default").len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn kubernetes_sees_an_image_and_its_id() {
    let Some(running) = Running::start("k8s") else { return };
    let (store, image) = (running.store(), Sample::new(&["a"], 5000));
    image.write(&store, "k8s.io//x:1").await.unwrap();
    let id = sha256(&image.config).to_string();
    let records = || running.ctr_ok("k8s.io", &["images", "ls"]);
    Running::until("the image has an ID", || {
        let (found, ours) =
            (records(), |line: &&str| line.contains("io.cri-containerd.image=managed"));
        found.lines().filter(ours).count() == 2 && found.contains(&id)
    });
    assert_eq!(root(&store, &format!("k8s.io//{id}")).await, *image.digest());
    let listed = store
        .archives()
        .unwrap()
        .read(&store.parse("k8s.io//").unwrap(), &ReadOptions::default())
        .await
        .unwrap();
    let [entry] = listed.entries() else { panic!("{:?}", listed.entries()) };
    assert_eq!(entry.reference.locator(), "k8s.io//docker.io/library/x:1");
    assert_eq!(entry.raw_names.len(), 2);
    // The ID goes with the last name.
    let deletion = store.deletion().unwrap();
    let at = store.parse("k8s.io//x:1").unwrap();
    deletion.delete(&at, &DeleteOptions::default()).await.unwrap();
    Running::until("nothing is left", || running.content("k8s.io").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_moved_or_refused() {
    let Some(running) = Running::start("names") else { return };
    let store = running.store();
    let (old, new) = (Sample::new(&["a"], 5000), Sample::new(&["b"], 5000));
    old.write(&store, "x:1").await.unwrap();
    let at = store.parse("x:1").unwrap();
    let create = WriteOptions::default().with_mode(WriteMode::Create);
    let refused = store.destination(&at, &create).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::AlreadyExists, "{refused}");
    new.write(&store, "x:1").await.unwrap();
    assert_eq!(root(&store, "x:1").await, *new.digest());
    // What only the old image needed is gone.
    assert_eq!(running.content("default").len(), 3);
    let pinned = format!("x@{}", old.digest());
    let error = new.write(&store, &pinned).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    old.write(&store, &pinned).await.unwrap();
    assert_eq!(root(&store, &pinned).await, *old.digest());
}

/// As if they had expired.
fn end_leases(running: &Running) {
    for id in running.ctr_ok("default", &["leases", "ls", "-q"]).lines() {
        running.ctr_ok("default", &["leases", "delete", "--sync", id]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_is_gone_fails_the_copy_before_a_name_moves() {
    let Some(running) = Running::start("expired") else { return };
    let store = running.store();
    let (old, new) = (Sample::new(&["a"], 5000), Sample::new(&["b"], 5000));
    old.write(&store, "x:1").await.unwrap();
    let at = store.parse("x:1").unwrap();
    for with_manifest in [true, false] {
        let destination = store.destination(&at, &WriteOptions::default()).await.unwrap();
        new.put(&*destination).await.unwrap();
        if with_manifest {
            // Also where nothing is left to write.
            let bytes = new.root.bytes().clone();
            let expect = Expect::from(new.root.descriptor());
            destination.put_blob(expect, Body::from_bytes(bytes)).await.unwrap();
        }
        end_leases(&running);
        let error = destination.commit(Commit::new(&new.root)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        let text = error.to_string();
        assert!(text.contains("lease") && text.contains("again"), "{text}");
        assert_eq!(root(&store, "x:1").await, *old.digest());
    }
    let destination = store.destination(&at, &WriteOptions::default()).await.unwrap();
    new.put(&*destination).await.unwrap();
    end_leases(&running);
    let layer = Sample::new(&["c"], 5000).layers.remove(0);
    let expect = Expect::digest(sha256(&layer)).with_size(layer.len() as u64);
    let error = destination.put_blob(expect, Body::from_bytes(layer)).await.unwrap_err();
    assert!(error.to_string().contains("the lease that kept"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_moved_go_back_to_an_image_that_is_whole() {
    let Some(running) = Running::start("undo") else { return };
    let store = running.store();
    let (old, new) = (Sample::new(&["a"], 5000), Sample::new(&["b"], 5000));
    old.write(&store, "x:1").await.unwrap();
    let names = ["x:1", "y:1"].map(|name| ImageName::new(name).unwrap());
    let how = WriteOptions::default().with_names(names.to_vec());
    // The connection breaks off when the second name is asked for, and a collection runs before it is there again.
    let proxy = Proxy::start(&running);
    let broken = proxy.store();
    let destination = broken.destination(&broken.parse("").unwrap(), &how).await.unwrap();
    new.put(&*destination).await.unwrap();
    proxy.break_at("library/y:1");
    let error = destination.commit(Commit::new(&new.root)).await.unwrap_err();
    assert!(error.to_string().contains("naming it docker.io/library/y:1"), "{error}");
    assert_eq!(root(&store, "x:1").await, *old.digest());
    let checked = running.ctr_ok("default", &["images", "check"]);
    assert!(checked.contains("complete (2/2)") && checked.lines().count() == 2, "{checked}");
    Running::until("nothing is left of the other image", || {
        running.is_tidy("default") && running.content("default").len() == 3
    });
}
