//! Errors as people meet them.

use transship_containerd::ContainerdStore;
use transship_core::{Error, ErrorKind, ReadOptions, Settings, Transport, WriteOptions, sha256};

use super::sample::Sample;
use super::server::Running;

async fn failure(of: &ContainerdStore, name: &str) -> Error {
    of.source(&of.parse(name).unwrap(), &ReadOptions::default()).await.unwrap_err()
}

fn at(socket: &str) -> ContainerdStore {
    ContainerdStore::new(&Settings::new().with("containerd", "containerd-address", socket))
}

#[tokio::test]
async fn a_socket_that_is_not_there_is_named() {
    let error = failure(&at("/nowhere/c.sock"), "x").await;
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let text = error.to_string();
    assert!(text.contains("/nowhere/c.sock") && text.contains("CONTAINERD_ADDRESS"), "{text}");
}

#[tokio::test]
async fn a_place_without_a_containerd_is_refused_before_anything_is_read_for_it() {
    let (store, how) = (at("/nowhere/c.sock"), WriteOptions::default());
    let (one, all) = (store.parse("x:1").unwrap(), store.parse("").unwrap());
    let image = store.destination(&one, &how).await.map(drop);
    let images = store.archives().unwrap().write(&all, &how).await.map(drop);
    for error in [image, images].map(Result::unwrap_err) {
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(error.to_string().contains("no containerd answers at /nowhere/c.sock"), "{error}");
    }
}

/// As Kubernetes' nodes have it that save space.
#[tokio::test(flavor = "multi_thread")]
async fn a_layer_that_containerd_has_discarded_says_how_it_comes_back() {
    let Some(running) = Running::start("discarded") else { return };
    let (store, image) = (running.store(), Sample::new(&["a"], 5000));
    image.write(&store, "k8s.io//x:1").await.unwrap();
    let layer = sha256(&image.layers[0]).to_string();
    running.ctr_ok("k8s.io", &["content", "rm", &layer]);
    let error = image.read(&store, "k8s.io//x:1").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    let hint = error.advice().unwrap().to_string();
    let fetch = "ctr -n k8s.io content fetch docker.io/library/x:1";
    assert!(hint.contains("discard_unpacked_layers") && hint.contains(fetch), "{hint}");
}

#[tokio::test]
async fn a_namespace_is_checked_before_anything_is_asked() {
    let settings = Settings::new().with("containerd", "containerd-namespace", "a//b");
    let error = ContainerdStore::new(&settings).parse("x").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("a//b"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_namespace_or_name_says_what_there_is() {
    let Some(running) = Running::start("said") else { return };
    let store = running.store();
    Sample::new(&["a"], 5000).write(&store, "moby//x:1").await.unwrap();
    // The same one.
    Sample::new(&["a"], 5000).write(&store, "moby//x:2").await.unwrap();
    let error = failure(&store, "x:1").await;
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("moby has 1"), "{error}");
    let error = failure(&store, "moby//y").await;
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("it holds docker.io/library/x:1"), "{error}");
    // A root that is not there.
    let digest = Sample::new(&["b"], 1).digest().clone();
    let error = failure(&store, &format!("moby//@{digest}")).await;
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    let all = store.archives().unwrap();
    let at = store.parse("").unwrap();
    let error = all.read(&at, &ReadOptions::default()).await.unwrap_err();
    let at = format!("{}/s (from the option containerd-address)", running.folder().display());
    let says = format!("no images in the namespace default of the containerd at {at}");
    assert!(error.to_string().contains(&says), "{error}");
    let error = failure(&store, "moby//y").await;
    let says = format!("the namespace moby of the containerd at {at} has no image");
    assert!(error.to_string().contains(&says), "{error}");
}

/// As with the socket of another containerd than that of Kubernetes.
#[tokio::test(flavor = "multi_thread")]
async fn one_without_any_images_may_be_the_wrong_one() {
    let Some(running) = Running::start("none") else { return };
    let store = running.store();
    for name in ["x:1", "k8s.io//x:1", "k8s.io//"] {
        let error = failure(&store, name).await;
        assert_eq!(error.kind(), ErrorKind::NotFound, "{name}: {error}");
        let at = format!("{}/s (from the option containerd-address)", running.folder().display());
        assert!(error.to_string().contains(&at), "{name}: {error}");
        let hint = error.advice().unwrap().to_string();
        assert!(hint.contains("CONTAINERD_ADDRESS"), "{name}: {hint}");
    }
}
