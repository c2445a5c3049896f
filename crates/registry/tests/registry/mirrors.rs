//! What several places say of one thing.

use std::io::Write;

use transship_conformance::registry::{Fault, Registry as Server, Rule};
use transship_core::{ErrorKind, ReadOptions, Transport};
use transship_registry::Registry;

use crate::common::{client, image, noise, open, plain, push};

/// A transport for which one server is the mirror of the other.
fn mirrored(server: &Server, mirror: &Server) -> (Registry, tempfile::NamedTempFile) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let (to, from) = (mirror.host(), server.host());
    write!(file, "[[registry]]\nlocation = \"{from}\"\n[[registry.mirror]]\nlocation = \"{to}\"\n")
        .unwrap();
    let path = file.path().to_owned();
    let registry = client(|options| {
        options.registries_conf = Some(path);
        options.retries = 1;
    });
    (registry, file)
}

fn status(status: u16) -> Fault {
    Fault::Status { status, retry_after: None }
}

/// What one place lacks and another one cannot be asked for is not absent.
#[tokio::test]
async fn absent_is_what_all_places_lack() {
    let (server, mirror, sent) = (open(), open(), image(noise(3000)));
    push(&plain(), &server, "a:1", &sent).await.unwrap();
    push(&plain(), &mirror, "a:1", &sent).await.unwrap();
    let (registry, _file) = mirrored(&server, &mirror);
    let at = registry.parse(&format!("//{}/a:1", server.host())).unwrap();
    let from = registry.source(&at, &ReadOptions::default()).await.unwrap();
    let layer = &sent.blobs[0].0;
    for (of_mirror, of_server, held) in [
        (404, 503, Err(ErrorKind::Unavailable)),
        (503, 404, Err(ErrorKind::Unavailable)),
        (404, 404, Ok(false)),
        (404, 200, Ok(true)),
        (503, 200, Ok(true)),
        // A HEAD that is refused says nothing; the blob is asked for.
        (405, 404, Ok(true)),
    ] {
        for (place, says) in [(&mirror, of_mirror), (&server, of_server)] {
            place.clear_faults();
            match says {
                200 => {}
                405 => place.inject(Rule::new(status(405)).method("HEAD").path("blobs").always()),
                says => place.inject(Rule::new(status(says)).path("blobs").always()),
            }
        }
        let found = from.holds(layer).await.map_err(|error| error.kind());
        assert_eq!(found, held, "{of_mirror} {of_server}");
        if held == Err(ErrorKind::Unavailable) {
            assert_eq!(from.blob(layer).await.unwrap_err().kind(), ErrorKind::Unavailable);
        }
    }
}

/// The same of a tag.
#[tokio::test]
async fn a_tag_is_not_there_where_all_places_say_so() {
    let (server, mirror) = (open(), open());
    let (registry, _file) = mirrored(&server, &mirror);
    let at = registry.parse(&format!("//{}/a:1", server.host())).unwrap();
    let opened = || async {
        let how = ReadOptions::default();
        registry.source(&at, &how).await.map_err(|error| error.kind()).map(|_| ())
    };
    assert_eq!(opened().await, Err(ErrorKind::NotFound));
    mirror.inject(Rule::new(status(503)).path("manifests").always());
    assert_eq!(opened().await, Err(ErrorKind::Unavailable));
}
