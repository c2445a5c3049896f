//! Errors as people meet them.

use transship_containerd::ContainerdStore;
use transship_core::{Error, ErrorKind, ReadOptions, Settings, Transport};

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
