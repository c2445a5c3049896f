//! Where output cannot be written, and where there is little of everything.

use std::fs;

use serde_json::json;

use crate::case::Case;
use crate::images::{Image, layer, layout};
use crate::server::Server;

/// A full device, closed streams: no panic, and a failure where something was lost.
#[test]
fn outputs_that_fail() {
    let mut case = Case::new();
    let image = Image::sized("a", 2, 300_000, &json!({}));
    layout(&case.path("l"), &image, "x");
    let rows: [(&str, &[i32]); 13] = [
        ("$T copy oci:l:x docker-archive:- > /dev/full", &[1]),
        ("$T inspect --json oci:l > /dev/full", &[1]),
        ("$T inspect --raw oci:l > /dev/full", &[1]),
        ("$T list oci:l > /dev/full", &[1]),
        ("$T --help > /dev/full", &[0, 1, 2]),
        ("$T list oci:l >&-", &[0, 1]),
        ("$T copy oci:l:x docker-archive:- >&-", &[0, 1, 2]),
        ("$T copy oci:l:x oci:e 2>&-", &[0]),
        ("$T copy oci:l:x oci:f 2>/dev/full", &[0]),
        ("$T copy oci:l:x oci:g <&- >&- 2>&-", &[0]),
        ("$T copy - oci:h <&-", &[1, 2, 3, 4]),
        ("$T copy - oci:i < /dev/null", &[1, 3, 4]),
        ("$T copy - oci:j < /tmp", &[1, 2, 3, 4]),
    ];
    for (line, codes) in rows {
        let ran = case.shell(line);
        assert!(codes.contains(&ran.code) && !ran.err.contains("panicked"), "{ran:?}");
    }
    for name in ["e", "f", "g"] {
        case.ends(0, &format!("verify oci:{name}"));
    }
    for name in ["h", "i", "j"] {
        assert!(!case.there(name), "{name}");
    }
    case.end();
}

/// Without a folder for temporary files, copies that need none work, and the errors of others name it and --tmpdir
/// (skopeo#805).
#[test]
fn no_folder_for_temporary_files() {
    let (mut case, image) = (Case::new(), Image::sized("a", 2, 400_000, &json!({})));
    layout(&case.path("l"), &image, "x");
    image.save(&case.path("a.tar"), &["x:1"]);
    let archive = fs::read(case.path("a.tar")).unwrap();
    let nowhere = case.path("nowhere");
    for (line, fed, needed) in [
        ("copy a.tar oci:1", false, false),
        ("copy oci:l docker-archive:2.tar", false, false),
        ("copy - oci:3", true, false),
        ("copy - docker-archive:4.tar", true, true),
        ("list -", true, true),
    ] {
        let mut command = case.command(line);
        command.env("TMPDIR", &nowhere);
        let fed: &[u8] = if fed { &archive } else { b"" };
        let ran = Case::feed(command, line, fed);
        case.check(ran.good() || needed, "it needs no temporary file", &ran);
        let told = ran.err.contains("nowhere") && ran.err.to_lowercase().contains("tmpdir");
        case.check(ran.good() || told, "the folder and --tmpdir are named", &ran);
    }
    case.end();
}

/// 40 file handles, little memory, a limit on the size of files, one processor.
#[test]
fn little_of_everything() {
    let (mut case, server) = (Case::new(), Server::usual());
    let layers =
        |count: u32| (0..count).map(|at| layer(&format!("f{at}"), &at.to_le_bytes().repeat(700)));
    let image = Image::of(layers(120).collect(), &json!({}));
    image.save(&case.path("a.tar"), &["x:1"]);
    let images: Vec<_> = layers(50).map(|layer| Image::of(vec![layer], &json!({}))).collect();
    let names: Vec<_> = (0..images.len()).map(|at| format!("x:{at}")).collect();
    let names: Vec<[&str; 1]> = names.iter().map(|name| [name.as_str()]).collect();
    let many: Vec<_> = images.iter().zip(names.iter().map(|name| &name[..])).collect();
    crate::images::save(&case.path("m.tar"), &many);
    let host = server.host();
    for line in [
        "ulimit -n 40 && exec $T copy a.tar oci:a".to_owned(),
        "ulimit -n 40 && exec $T copy --all-images m.tar oci:b".to_owned(),
        format!("ulimit -n 40 && exec $T copy a.tar docker://{host}/a/b:1"),
        format!("ulimit -n 40 && exec $T copy docker://{host}/a/b:1 oci:c"),
        "exec taskset -c 0 $T copy --compress zstd a.tar oci:d".to_owned(),
    ] {
        let ran = case.shell(&line);
        case.check(ran.good(), "it works", &ran);
    }
    // How many threads ask for memory at once differs from run to run.
    for (run, options) in
        ["", "--compress gzip", "--compress zstd"].iter().cycle().take(12).enumerate()
    {
        let line = format!("ulimit -v 600000 && exec $T copy {options} a.tar oci:e{run}");
        let ran = case.shell(&line);
        case.check(ran.good(), "it works in little address space", &ran);
    }
    let small = case.shell("ulimit -f 100 && exec $T copy a.tar docker-archive:f.tar");
    case.check(!small.good() && !case.there("f.tar"), "files are limited", &small);
    case.end();
}
