//! Changes to the entries of an archive that readers may take differently, one at a time.

use crate::generate::Dice;
use crate::tar_bytes::{Entry, GNU, ODD, OLD, Sum, USTAR, record};

/// Changes one thing, and says what.
pub(crate) fn mutate(entries: &mut Vec<Entry>, dice: &mut Dice) -> String {
    let at = target(entries, dice);
    let name = String::from_utf8_lossy(&entries[at].name).into_owned();
    let how = match dice.roll(15) {
        0 => names(entries, at, dice),
        1 => links(entries, at, dice),
        2 => modes(&mut entries[at], dice),
        3 => formats(&mut entries[at], dice),
        4 => extensions(entries, at, dice),
        5 => sizes(&mut entries[at], dice),
        6 => types(&mut entries[at], dice),
        7 => twins(entries, at, dice),
        8 => order(entries, at, dice),
        9 => damage(&mut entries[at], dice),
        10 => numbers(&mut entries[at], dice),
        11 => bytes_of_names(&mut entries[at], dice),
        12 => texts(&mut entries[at], dice),
        _ => documents(entries, dice),
    };
    format!("{how} of {name}")
}

/// Mostly a file that counts.
fn target(entries: &[Entry], dice: &mut Dice) -> usize {
    let counts = |entry: &Entry| entry.name.ends_with(b"json") && !entry.name.starts_with(b"evil");
    let documents: Vec<usize> = (0..entries.len()).filter(|at| counts(&entries[*at])).collect();
    if dice.roll(2) == 0 && !documents.is_empty() {
        *dice.pick(&documents)
    } else {
        dice.roll(entries.len())
    }
}

fn text(entry: &Entry) -> String {
    String::from_utf8_lossy(&entry.name).into_owned()
}

fn names(entries: &mut [Entry], at: usize, dice: &mut Dice) -> String {
    let name = text(&entries[at]);
    let other = dice.roll(entries.len());
    let new = match dice.roll(11) {
        0 => format!("./{name}"),
        1 => format!(".//{name}"),
        2 => format!("{name}/"),
        3 => format!("/{name}"),
        4 => format!("../{name}"),
        5 => format!("x/../{name}"),
        6 => name.to_uppercase(),
        7 => format!("{name} "),
        8 => text(&entries[other]),
        9 => format!("{name}\u{0}x"),
        _ => format!("x/{name}"),
    };
    entries[at].name = new.clone().into_bytes();
    format!("name {new:?}")
}

fn links(entries: &mut [Entry], at: usize, dice: &mut Dice) -> String {
    let other = text(&entries[dice.roll(entries.len())]);
    let kind = *dice.pick(b"12");
    let depth = text(&entries[at]).matches('/').count();
    let to = match dice.roll(8) {
        0 => other,
        1 => format!("{}{other}", "../".repeat(depth)),
        2 => format!("./{other}"),
        3 => format!("way/../{other}"),
        4 => format!("d/../{other}"),
        5 => format!("/{other}"),
        6 => format!("../{other}"),
        _ => text(&entries[at]),
    };
    if dice.roll(3) > 0 {
        entries[at].data.clear();
    }
    entries[at].kind = kind;
    entries[at].link = to.clone().into_bytes();
    format!("link {to:?}")
}

fn modes(entry: &mut Entry, dice: &mut Dice) -> String {
    let modes: [&[u8]; 9] = [
        b"0120644",
        b"0040755",
        b"0100644",
        b"0020644",
        b"",
        b"junk",
        b"-000644",
        b"\x80\0\0\0\0\x01\xa4",
        b" 644 \0",
    ];
    entry.mode = dice.pick(&modes).to_vec();
    if dice.roll(2) == 0 {
        entry.link = b"evil.json".to_vec();
    }
    format!("mode {:?}", String::from_utf8_lossy(&entry.mode))
}

fn formats(entry: &mut Entry, dice: &mut Dice) -> String {
    entry.magic = *dice.pick(&[USTAR, GNU, OLD, ODD]);
    let prefixes: [&[u8]; 8] = [
        b"",
        b"x",
        b"manifest.json",
        b"00000000001\0",
        b"            ",
        b"\0\0x",
        b"d",
        b"12345678901 12345678901 ",
    ];
    entry.prefix = dice.pick(&prefixes).to_vec();
    if dice.roll(4) == 0 {
        entry.name = b".".to_vec();
    }
    if dice.roll(6) == 0 {
        entry.prefix = vec![b'p'; 155];
    }
    let times: [&[u8]; 4] =
        [b"00000000000", b"junk", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", b""];
    entry.mtime = dice.pick(&times).to_vec();
    let uids: [&[u8]; 4] = [b"0000000", b"\xff\xff\xff\xff\xff\xff\xff\xff", b"abc", b""];
    entry.uid = dice.pick(&uids).to_vec();
    format!(
        "magic {:?}, prefix {:?}",
        String::from_utf8_lossy(entry.magic),
        String::from_utf8_lossy(&entry.prefix)
    )
}

fn extensions(entries: &mut [Entry], at: usize, dice: &mut Dice) -> String {
    let other = text(&entries[dice.roll(entries.len())]);
    let own = text(&entries[at]);
    let size = entries[at].data.len().to_string();
    let value = dice
        .pick(&[
            other.clone(),
            own.clone(),
            format!("./{own}"),
            String::new(),
            format!("{own}\0x"),
            format!("{own}/"),
        ])
        .clone();
    let entry = &mut entries[at];
    let how = dice.roll(12);
    match how {
        0 => entry.pax.push(record("path", &value)),
        1 => entry.pax.extend([record("path", &value), record("path", &own)]),
        2 => entry.pax.push(record("linkpath", &value)),
        3 => entry.pax.push(record("size", &size)),
        4 => entry.pax.push(record("size", dice.pick::<&str>(&["0", "1", "-1", "junk", "00512"]))),
        5 => entry.global.push(record("path", &value)),
        6 => entry.global.push(record("comment", &value)),
        7 => entry.long_names.push(format!("{value}\0").into_bytes()),
        8 => entry
            .long_names
            .extend([format!("{value}\0").into_bytes(), format!("{own}\0").into_bytes()]),
        9 => entry.long_links.push(format!("{value}\0").into_bytes()),
        10 => entry.pax.push(record(
            dice.pick::<&str>(&[
                "GNU.sparse.name",
                "GNU.sparse.major",
                "GNU.sparse.realsize",
                "SCHILY.realsize",
                "hdrcharset",
            ]),
            &value,
        )),
        _ => {
            let mut torn = record("path", &value);
            let at = dice.roll(torn.len());
            torn[at] = *dice.pick(b"0=\n x");
            entry.pax.push(torn);
        }
    }
    if dice.roll(4) == 0 {
        entry.long_names.push(value.clone().into_bytes());
    }
    format!("extension {how} {value:?}")
}

fn sizes(entry: &mut Entry, dice: &mut Dice) -> String {
    let length = entry.data.len();
    let mut binary = vec![0x80, 0, 0, 0];
    binary.extend_from_slice(&(length as u64).to_be_bytes());
    let sizes = [
        binary,
        format!("{:011o}", length + 512).into_bytes(),
        format!("{:011o}", length.saturating_sub(1)).into_bytes(),
        format!("{length:o}").into_bytes(),
        format!("  {length:o} ").into_bytes(),
        format!("{length:011o} 7").into_bytes(),
        b"-0000000001".to_vec(),
        vec![0xff; 12],
        b"".to_vec(),
        b"junk".to_vec(),
        format!("0o{length:o}").into_bytes(),
        format!("{length:o}\x009").into_bytes(),
    ];
    entry.size = Some(dice.pick(&sizes).clone());
    format!("size {:?}", entry.size)
}

fn types(entry: &mut Entry, dice: &mut Dice) -> String {
    entry.kind = *dice.pick(b"0\x0012345678xgLKSVMNXDA");
    if dice.roll(3) == 0 {
        entry.link = b"c.json".to_vec();
    }
    if dice.roll(3) == 0 {
        entry.name.push(b'/');
    }
    format!("type {:?}", char::from(entry.kind))
}

fn twins(entries: &mut Vec<Entry>, at: usize, dice: &mut Dice) -> String {
    let mut twin = entries[at].clone();
    let other = dice.roll(entries.len());
    let how = dice.roll(4);
    match how {
        0 => {}
        1 => twin.data.clone_from(&entries[other].data),
        2 => twin.name = format!("./{}", text(&twin)).into_bytes(),
        _ => {
            twin.kind = b'2';
            twin.link.clone_from(&entries[other].name);
            twin.data.clear();
        }
    }
    let to = dice.roll(entries.len() + 1);
    entries.insert(to, twin);
    format!("twin {how}")
}

fn order(entries: &mut Vec<Entry>, at: usize, dice: &mut Dice) -> String {
    let entry = entries.remove(at);
    if dice.roll(4) > 0 {
        let to = dice.roll(entries.len() + 1);
        entries.insert(to, entry);
        return "another place".to_owned();
    }
    if entries.is_empty() {
        entries.push(entry);
    }
    "absence".to_owned()
}

fn damage(entry: &mut Entry, dice: &mut Dice) -> String {
    match dice.roll(4) {
        0 => entry.sum = Sum::Wrong,
        1 if !entry.data.is_empty() => {
            let at = dice.roll(entry.data.len());
            entry.data[at] ^= 1 << dice.roll(8);
        }
        2 => entry.data.truncate(dice.roll(entry.data.len() + 1)),
        _ => entry.data.extend_from_slice(b"\n"),
    }
    "damage".to_owned()
}

/// Changes a document as text, where readers differ in what they make of it.
fn documents(entries: &mut [Entry], dice: &mut Dice) -> String {
    let is_json = |entry: &Entry| entry.data.first().is_some_and(|first| b"{[".contains(first));
    let all: Vec<usize> = (0..entries.len()).filter(|at| is_json(&entries[*at])).collect();
    let Some(at) = all.get(dice.roll(all.len())).copied() else { return "nothing".to_owned() };
    let before = String::from_utf8_lossy(&entries[at].data).into_owned();
    let edits: [(&str, &str); 34] = [
        ("\"Config\":\"", "\"Config\":\"./"),
        ("\"Config\":\"", "\"Config\":\"d/../"),
        ("\"Config\":\"", "\"Config\":\"way/../"),
        ("\"Config\":", "\"config\":\"c.json\",\"Config\":"),
        ("\"Config\":", "\"Config\":\"c.json\",\"Config\":"),
        ("\"Layers\":[", "\"layers\":[\"l.tar\"],\"Layers\":["),
        ("\"Layers\":[\"", "\"Layers\":[\"./"),
        ("\"Layers\":[\"", "\"Layers\":[\"x//../"),
        ("\"Layers\":[\"", "\"Layers\":[\"/"),
        ("\"RepoTags\":", "\"repotags\":[\"evil:1\"],\"RepoTags\":"),
        ("app0:1", "app1:1"),
        ("app0:1", "App0:1"),
        ("layer.v1.tar", "layer.v1.tar+gzip"),
        ("application/vnd.oci.image.layer.v1.tar", "application/octet-stream"),
        ("config.v1+json", "empty.v1+json"),
        ("\"manifests\":[", "\"Manifests\":[],\"manifests\":["),
        ("\"os\":\"linux\"", "\"os\":null,\"OS\":\"linux\""),
        ("\"diff_ids\":[", "\"Diff_IDs\":[],\"diff_ids\":["),
        ("\"rootfs\":{", "\"rootfs\":{\"diff_ids\":[]},\"RootFS\":{"),
        ("{\"", "{\"\\u0043onfig\":\"c.json\",\""),
        ("}", "}\n"),
        ("\"size\":", "\"size\":1,\"Size\":"),
        ("\"size\":", "\"size\":1,\"size\":"),
        ("\"digest\":", "\"Digest\":\"sha256:00\",\"digest\":"),
        ("\"layers\":[", "\"layers\":[],\"layers\":["),
        ("\"layers\":[", "\"Layers\":[],\"layers\":["),
        ("\"config\":{", "\"config\":null,\"config\":{"),
        ("\"Config\":", "\"Config\":null,\"Config\":"),
        ("\"RepoTags\":", "\"RepoTags\":[\"evil:1\"],\"RepoTags\":"),
        ("\"RepoTags\":[", "\"RepoTags\":[\"\",\"app5\","),
        ("\"RepoTags\":null", "\"RepoTags\":[\"app0:1\",\"app0:1\"]"),
        (
            "ref.name\":\"app0:1\"",
            "ref.name\":\"app0:1\",\"org.opencontainers.image.Ref.name\":\"x\"",
        ),
        ("\"Layers\":[", "\"Layer\u{17f}\":[\"l.tar\"],\"Layers\":["),
        ("\"schemaVersion\":2", "\"schemaVersion\":1"),
    ];
    let (from, to) = dice.pick(&edits);
    entries[at].data = before.replacen(from, to, 1).into_bytes();
    format!("{to:?} for {from:?}")
}

/// Fields and records that say nothing of name and extent, and in which one reader fails.
fn numbers(entry: &mut Entry, dice: &mut Dice) -> String {
    let odd: [&[u8]; 7] =
        [b"junk", b"-1", b"\x80\0\0\0\0\0\0\x01", b"9", b" 7 \0", b"\x007", b"7777777"];
    let value = dice.pick(&odd).to_vec();
    let how = dice.roll(6);
    match how {
        0 => entry.uid.clone_from(&value),
        1 => entry.device.clone_from(&value),
        2 => entry.mtime.clone_from(&value),
        3 => entry.sum = *dice.pick(&[Sum::Signed, Sum::Blanks, Sum::Long, Sum::Empty]),
        4 => entry.pax.push(record(dice.pick::<&str>(&["mtime", "uid", "gid"]), "junk")),
        _ => entry.star = true,
    }
    format!("number {how} {:?}", String::from_utf8_lossy(&value))
}

/// Names that fill their field, are no text, or differ in letters only.
fn bytes_of_names(entry: &mut Entry, dice: &mut Dice) -> String {
    let name = text(entry);
    let how = dice.roll(7);
    match how {
        0 => entry.name = [b"./".repeat(50).as_slice(), name.as_bytes()].concat(),
        1 => entry.name = [name.as_bytes(), b"\xff"].concat(),
        2 => entry.name = name.replacen('.', "./.", 1).into_bytes(),
        // The whole name, its end in the field of POSIX.
        3 => {
            entry.magic = *dice.pick(&[USTAR, GNU, OLD]);
            let (folder, file) = name.rsplit_once('/').unwrap_or((".", &name));
            (entry.prefix, entry.name) = (folder.into(), file.into());
        }
        4 => {
            entry.long_names.push(format!("{name}\0").into_bytes());
            entry.name = b"c.json".to_vec();
        }
        5 => {
            entry.pax.push(record("path", &name));
            entry.name = b"manifest.json".to_vec();
        }
        _ => entry.name = name.replace('/', "\\").into_bytes(),
    }
    format!("name in bytes {how}")
}

/// The bytes of a document that are not its values: what JSON readers differ on.
fn texts(entry: &mut Entry, dice: &mut Dice) -> String {
    let data = &mut entry.data;
    if !data.first().is_some_and(|first| b"{[".contains(first)) {
        return "no text".to_owned();
    }
    let edits: [(&str, &[u8]); 10] = [
        ("", b"\xef\xbb\xbf"),
        ("", b" \n\t"),
        ("", b"\0"),
        ("\":", b"\"\0:"),
        ("tar\"", b"tar\\u0000\""),
        ("tar\"", b"tar\\ud800\""),
        ("tar\"", b"tar\xff\""),
        ("tar\"", b"\\u0074ar\""),
        (",", b",,"),
        ("]", b",]"),
    ];
    let (from, to) = dice.pick(&edits);
    let found = data.windows(from.len().max(1)).position(|part| part.starts_with(from.as_bytes()));
    if let Some(at) = found {
        data.splice(at..at + from.len(), to.iter().copied());
    }
    if dice.roll(4) == 0 {
        data.extend_from_slice(dice.pick::<&[u8]>(&[b"x", b"\0\0", b" [] ", b"{}"]));
    }
    format!("text {:?} for {from:?}", String::from_utf8_lossy(to))
}
