//! Layers that change form on the way.

use crate::layout::{Layout, noise, tar_of};
use crate::measure::copies_take_little;
use crate::session::Session;

const MIB: usize = 1 << 20;

#[test]
fn layers_that_are_decompressed_ahead_take_little_memory() {
    let session = Session::new();
    let mut layout = Layout::new(&session.path("plain"));
    // Each is larger than all that may be in memory.
    let layers = [1, 2, 3, 4].map(|seed| tar_of(&noise(seed, MIB).repeat(64)));
    let image = layout.image(&layers.each_ref().map(Vec::as_slice));
    layout.list(&image, Some("large"));
    drop(layers);
    session.ok("copy -q --compress gzip oci:plain:large oci:gzip:large");
    session.ok("copy -q --compress zstd oci:plain:large oci:zstd:large");
    let ways =
        ["gzip", "zstd"].map(|form| format!("oci:{form}:large docker-archive:out-{form}.tar"));
    copies_take_little(&session, &ways, &ways);
}
