//! What people type, and the lists that they have.

use std::fs;

use crate::case::Case;
use crate::images::{Image, entries};
use crate::server::Server;

/// Lists with line ends of Windows, a byte order mark, blanks, tabs, comments, no line end, repeats.
#[test]
fn lists_from_elsewhere() {
    let (mut case, server) = (Case::new(), Server::usual());
    for tag in ["0", "1"] {
        server.add("a/b", &Image::new(tag), tag);
    }
    let [one, two] = ["0", "1"].map(|tag| format!("docker://{}/a/b:{tag}", server.host()));
    let bare = format!("{}/a/b", server.host());
    let rows = [
        ("plain", format!("{one}\n{two}\n"), 2),
        ("windows", format!("{one}\r\n{two}\r\n"), 2),
        ("byte order mark", format!("\u{feff}{one}\n"), 1),
        ("blanks", format!("  {one}  \n\t{two}\t\n\n\n"), 2),
        ("comment", format!("# x\n{one}\n"), 1),
        ("no end", format!("{one}\n{two}"), 2),
        ("twice", format!("{one}\n{one}\n"), 1),
        ("arrows", format!("{one} -> x:1\n{two}\t->\ty:1\n"), 2),
        ("as docker pull takes them", format!("{bare}:0\n{bare}:1\n"), 2),
        ("nonsense", format!("{one}\nnot a reference at all\n"), 0),
        ("nothing", "\n# nothing\n".to_owned(), 0),
    ];
    for (name, text, images) in rows {
        let _ = fs::remove_dir_all(case.path("o"));
        case.write("list", text);
        let ran = case.run("copy --from-file list oci:o");
        let got = if case.there("o/index.json") { entries(&case.path("o")).len() } else { 0 };
        case.check(got == images && ran.good() == (images > 0), name, &ran);
        case.check(ran.good() || ran.err.contains("list"), "the list is named", &ran);
    }
    case.ends(0, &format!("copy {bare}:0 oci:alone"));
    case.end();
}

/// `copy <(ssh host docker save app) oci:l`: the format of a path that is a pipe is detected, as for `-`.
#[test]
fn a_pipe_as_a_bare_path() {
    let mut case = Case::new();
    Image::new("a").save(&case.path("a.tar"), &["x:1"]);
    for line in ["$T copy <(cat a.tar) oci:l", "$T list <(cat a.tar)"] {
        let ran = case.shell(line);
        case.check(ran.good(), "read", &ran);
    }
    case.ends(0, "verify oci:l");
    case.end();
}

/// A transport with its `//` forgotten is a typing error, and no image of that name.
#[test]
fn a_transport_is_no_image() {
    let mut case = Case::new();
    for line in ["copy docker:alpine oci:x", "inspect docker:alpine", "copy oci: oci:x"] {
        let ran = case.ends(2, line);
        case.check(!ran.err.contains("reading"), "nothing is asked", &ran);
    }
    let ran = case.ends(2, "copy docker:alpine oci:x");
    case.check(ran.err.contains("docker://alpine"), "the right form is named", &ran);
    case.end();
}
