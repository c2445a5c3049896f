//! Texts of references, valid and nearly valid.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::names::matching;

/// Texts around a place's locator: with names, indexes and digests behind it, with what is nearly one, and with anything.
pub fn locators(place: &str) -> BoxedStrategy<String> {
    let pieces = select(vec![
        ":",
        "@",
        "@0",
        "@1",
        "@00",
        "@+0",
        "@-1",
        "@99999999999999999999",
        ":@0",
        "::",
        "\\",
        "\\:",
        "/",
        "//",
        ".",
        "..",
        " ",
        "\0",
        "\n",
        "\u{202e}",
        "\u{e9}",
        "name",
        ":name",
        ":name:tag",
        ":a/b",
        ":alpine",
        ":localhost:5000/a:1",
        ":[::1]:5000/x:1",
        ":UPPER",
        ":a@",
        "sha256:",
        ":x@sha256:",
        "@sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
        "@sha512:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
        "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
        "C:\\",
        "-",
        "#",
        "%",
        "?",
        "",
    ]);
    let place = place.to_owned();
    let near = vec(pieces.clone(), 0..5).prop_map(move |pieces| place.clone() + &pieces.concat());
    let free = vec(pieces, 0..6).prop_map(|pieces| pieces.concat());
    prop_oneof![6 => near, 3 => free, 1 => matching(".{0,24}")].boxed()
}
