//! What Kubernetes sees: the image service of CRI, at containerd's own socket, as `crictl images` asks it.

use std::future::poll_fn;
use std::pin::Pin;

use hyper::body::Body as _;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use transship_core::{DeleteOptions, Transport, sha256};

use super::sample::Sample;
use super::server::Running;

#[derive(Clone, PartialEq, Message)]
struct ListImagesResponse {
    #[prost(message, repeated, tag = "1")]
    images: Vec<Image>,
}

#[derive(Clone, PartialEq, Message)]
struct ImageStatusRequest {
    #[prost(message, optional, tag = "1")]
    image: Option<ImageSpec>,
}

#[derive(Clone, PartialEq, Message)]
struct ImageSpec {
    #[prost(string, tag = "1")]
    image: String,
}

#[derive(Clone, PartialEq, Message)]
struct ImageStatusResponse {
    #[prost(message, optional, tag = "1")]
    image: Option<Image>,
}

#[derive(Clone, PartialEq, Message)]
struct Image {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(string, repeated, tag = "2")]
    repo_tags: Vec<String>,
    #[prost(string, repeated, tag = "3")]
    repo_digests: Vec<String>,
    #[prost(uint64, tag = "4")]
    size: u64,
}

/// One call, whose request is of ASCII only.
async fn ask<A: Message + Default>(of: &Running, method: &str, request: &impl Message) -> A {
    let stream = tokio::net::UnixStream::connect(of.folder().join("s")).await.unwrap();
    let (mut send, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let message = request.encode_to_vec();
    let mut framed = vec![0, 0, 0, 0, u8::try_from(message.len()).unwrap()];
    framed.extend(message);
    let request =
        hyper::Request::post(format!("http://localhost/runtime.v1.ImageService/{method}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(String::from_utf8(framed).unwrap())
            .unwrap();
    let mut body = send.send_request(request).await.unwrap().into_body();
    let mut answer = Vec::new();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let frame = frame.unwrap();
        if let Some(trailers) = frame.trailers_ref() {
            assert_eq!(trailers["grpc-status"], "0", "{trailers:?}");
        }
        answer.extend(frame.into_data().into_iter().flatten());
    }
    A::decode(&answer[5..]).unwrap()
}

async fn listed(of: &Running) -> Vec<Image> {
    ask::<ListImagesResponse>(of, "ListImages", &ListImagesResponse::default()).await.images
}

#[tokio::test(flavor = "multi_thread")]
async fn kubernetes_lists_an_image_by_its_name_and_id() {
    let Some(running) = Running::start("cri") else { return };
    let (store, image) = (running.store(), Sample::new(&["a", "b"], 5000));
    let id = sha256(&image.config).to_string();
    image.write(&store, "k8s.io//x:1").await.unwrap();
    let mut images = Vec::new();
    for _ in 0..300 {
        images = listed(&running).await;
        if !images.is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let [seen] = &images[..] else { panic!("{images:?}") };
    assert_eq!((&*seen.id, &seen.repo_tags[..]), (&*id, &["docker.io/library/x:1".to_owned()][..]));
    let layers: usize = image.layers.iter().map(Vec::len).sum();
    assert!(seen.size >= layers as u64, "{seen:?}");
    // The kubelet asks by the name that a pod has.
    for name in ["docker.io/library/x:1", "x:1", &*id] {
        let image = Some(ImageSpec { image: name.to_owned() });
        let status: ImageStatusResponse =
            ask(&running, "ImageStatus", &ImageStatusRequest { image }).await;
        assert_eq!(status.image.map(|image| image.id), Some(id.clone()), "{name}");
    }
    let at = store.parse("k8s.io//x:1").unwrap();
    store.deletion().unwrap().delete(&at, &DeleteOptions::default()).await.unwrap();
    for _ in 0..300 {
        if listed(&running).await.is_empty() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("{:?}", listed(&running).await);
}
