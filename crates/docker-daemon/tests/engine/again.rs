//! Images that an engine has under their names already: they need not be sent again.

use super::release::{Keeps, RELEASES, Release};
use super::*;

const NAMES: [&str; 2] = ["example.org/app:1", "example.org/app:2"];

/// Where an image shows already.
async fn shown(to: &DockerDaemon, name: &str, image: &Stack) -> Vec<String> {
    let destination = Stack::open(to, name, &WriteOptions::default()).await;
    let shown = destination.shows_image(&image.root).await.unwrap();
    let Some(shown) = shown else { return Vec::new() };
    assert_eq!(&shown.descriptor, image.root.descriptor());
    shown.references.iter().map(ToString::to_string).collect()
}

async fn is_found(release: Release) {
    let engine = StoreEngine::of(release);
    let to = daemon(&engine.host());
    let [image, other] = [["a", "b"], ["a", "c"]].map(|seeds| Stack::small(&seeds));
    assert!(shown(&to, NAMES[0], &image).await.is_empty(), "{release:?}: nothing is there");
    image.write(&to, NAMES[0]).await.unwrap();
    let says = release.keeps != Keeps::Blobs || release.says_what_is_whole();
    let there = if says { vec![format!("docker-daemon:{}", NAMES[0])] } else { Vec::new() };
    assert_eq!(shown(&to, NAMES[0], &image).await, there, "{release:?}");
    assert!(shown(&to, NAMES[0], &other).await.is_empty(), "{release:?}: another image");
    assert!(shown(&to, NAMES[1], &image).await.is_empty(), "{release:?}: another name");
    assert!(shown(&to, "", &image).await.is_empty(), "{release:?}: no name");
    if release.keeps == Keeps::Blobs {
        engine.state.lock().unwrap().blobs.remove(&sha256(&image.layers[1]).to_string());
        assert!(shown(&to, NAMES[0], &image).await.is_empty(), "{release:?}: a layer is missing");
    }
}

/// Of two images for one name the later one gets it, also where it has it before.
#[tokio::test(flavor = "multi_thread")]
async fn what_another_image_takes_before_does_not_show() {
    let engine = StoreEngine::start();
    let to = daemon(&engine.host());
    let image = Stack::small(&["a"]);
    image.write(&to, NAMES[0]).await.unwrap();
    let (archives, all) = (to.archives().unwrap(), to.parse("").unwrap());
    let writer = archives.write(&all, &WriteOptions::default()).await.unwrap();
    let names = NAMES.map(|name| vec![transship_core::ImageName::new(name).unwrap()]);
    for (names, shows) in [(&names[0], true), (&names[0], false), (&names[1], false)] {
        let destination = writer.image(names).await.unwrap();
        assert_eq!(destination.shows_image(&image.root).await.unwrap().is_some(), shows);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_its_names_stand_for_is_known() {
    for release in RELEASES {
        is_found(release).await;
    }
}
