//! What is damaged is told apart from what is there, and stays as it is.

use std::fs;
use std::path::{Path, PathBuf};

use transship_conformance::Place as Fresh;
use transship_core::{
    Body, Cancel, Commit, Descriptor, ErrorKind, Manifest, Result, WriteMode, sha256,
};
use transship_local::LockWait;

use super::Store;
use crate::images::{Blobs, Images, Pending};
use crate::writing::{Begun, Place};

const LAYER: &str = "a layer";

#[test]
fn a_changed_byte_of_what_lists_the_images_is_corrupt() {
    let (_fresh, place) = place();
    commit(&place, &["{}", LAYER], "").unwrap();
    let (path, before) = (list(&place.path), format!("{:?}", images(&place).unwrap()));
    let well = fs::read(&path).unwrap();
    for at in 0..well.len() {
        let mut bytes = well.clone();
        bytes[at] ^= 1;
        fs::write(&path, bytes).unwrap();
        match images(&place) {
            Ok(images) => assert_eq!(format!("{images:?}"), before, "byte {at}"),
            Err(e) => assert_eq!(e.kind(), ErrorKind::Corrupt, "byte {at}: {e}"),
        }
    }
}

#[test]
fn a_list_that_could_not_be_read_is_not_written() {
    let (_fresh, place) = place();
    commit(&place, &["{}", LAYER], "").unwrap();
    let error = place.change(&Blobs::new(), &Cancel::new(), &mut |images, _| {
        let notes = &mut images.0[0].root.annotations;
        notes.insert("long".to_owned(), "x".repeat(usize::try_from(super::LIMIT).unwrap()));
        Ok(())
    });
    assert_eq!(error.unwrap_err().kind(), ErrorKind::LimitExceeded);
    assert!(images(&place).unwrap().0[0].root.annotations.is_empty());
}

#[test]
fn an_image_that_lacks_a_part_stays_listed_and_keeps_nothing_from_changing() {
    let (_fresh, place) = place();
    commit(&place, &["{}", LAYER], "").unwrap();
    let change = |what: &mut dyn FnMut(&mut Images)| {
        place.change(&Blobs::new(), &Cancel::new(), &mut |images, _| {
            what(images);
            Ok(())
        })
    };
    change(&mut |images| images.0[0].parts.push(sha256(b"nowhere"))).unwrap();
    commit(&place, &["{}", LAYER], "another").unwrap();
    let there = images(&place).unwrap().0;
    assert_eq!((there.len(), there[0].parts.len()), (2, 4));
    change(&mut |images| drop(images.0.remove(0))).unwrap();
    assert_eq!(images(&place).unwrap().0.len(), 1);
}

#[test]
fn what_is_not_there_and_was_not_deleted_is_corrupt() {
    let (_fresh, place) = place();
    commit(&place, &["{}", LAYER], "").unwrap();
    let archive = Store.open(&place.path, &Cancel::new()).unwrap();
    if !place.path.is_file() {
        fs::remove_file(layer(&place.path)).unwrap();
    }
    assert_eq!(archive.lost(&sha256(LAYER.as_bytes())).kind(), ErrorKind::Corrupt);
}

#[test]
fn a_damaged_blob_is_no_part_of_a_new_image() {
    let (_fresh, place) = place();
    commit(&place, &["{}", LAYER], "").unwrap();
    let begun = Begun::new(place.clone(), &Cancel::new()).unwrap();
    assert!(take(&begun, &["{}"], "another").is_ok(), "it need not be put again");
    change_layer(&place.path);
    let begun = Begun::new(place, &Cancel::new()).unwrap();
    let error = take(&begun, &["{}"], "a third").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
}

fn place() -> (Fresh, Place) {
    let fresh = Fresh::in_folder("images").unwrap();
    let (path, mode) = (PathBuf::from(fresh.locator()), WriteMode::Append);
    (fresh, Place { store: Store, path, mode, wait: LockWait::default() })
}

fn images(place: &Place) -> Result<Images> {
    Store.open(&place.path, &Cancel::new()).map(|archive| archive.images)
}

/// Writes an image of a config and a layer.
fn commit(place: &Place, blobs: &[&'static str], note: &str) -> Result<()> {
    let mut begun = Begun::new(place.clone(), &Cancel::new())?;
    take(&begun, blobs, note)?;
    begun.publish(&Cancel::new())
}

fn take(begun: &Begun, put: &[&'static str], note: &str) -> Result<()> {
    let root = format!(
        r#"{{"schemaVersion":2,"config":{},"layers":[{}],"annotations":{{"note":"{note}"}}}}"#,
        descriptor("{}", "config.v1+json"),
        descriptor(LAYER, "layer.v1.tar")
    );
    let root = Manifest::new(root)?;
    let put = put.iter().map(|text| Body::from_bytes(*text));
    for body in put.chain([Body::from_bytes(root.bytes().clone())]) {
        begun.put(body, &Cancel::new())?;
    }
    begun.commit(Pending::new(&Commit::new(&root), Vec::new(), Vec::new()), &Cancel::new())
}

fn descriptor(text: &str, kind: &str) -> String {
    let kind = format!("application/vnd.oci.image.{kind}");
    let of = Descriptor::new(kind.into(), sha256(text.as_bytes()), text.len() as u64);
    serde_json::to_string(&of).unwrap()
}

/// The file that lists the images: the place, or the one file in it that is no blob.
fn list(place: &Path) -> PathBuf {
    if place.is_file() {
        return place.to_owned();
    }
    let mut found = fs::read_dir(place).unwrap().map(|entry| entry.unwrap().path());
    found.find(|path| path.is_file()).unwrap()
}

fn change_layer(place: &Path) {
    let path = layer(place);
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.windows(LAYER.len()).position(|part| part == LAYER.as_bytes()).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// The file that has the layer.
fn layer(place: &Path) -> PathBuf {
    if place.is_file() {
        return place.to_owned();
    }
    place.join("blobs").join(sha256(LAYER.as_bytes()).to_string().replace(':', "-"))
}
