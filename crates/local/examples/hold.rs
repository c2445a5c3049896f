//! Holds something, or writes again and again, until it is killed: for the tests.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::panic, reason = "a helper of tests")]

use std::any::Any;
use std::path::PathBuf;

use transship_core::Cancel;
use transship_local::{Lock, LockWait, Publish, StagedFile, StagedFolder};

fn main() {
    let mut args = std::env::args_os().skip(1);
    let what = args.next().unwrap();
    let path = PathBuf::from(args.next().unwrap());
    let cancel = Cancel::new();
    let held: Box<dyn Any> = match what.to_str().unwrap() {
        "staging" => Box::new(StagedFile::beside(&path).unwrap()),
        "folder" => {
            let folder = StagedFolder::beside(&path, &cancel).unwrap();
            std::fs::write(folder.path().join("half"), "half").unwrap();
            Box::new(folder)
        }
        "write" => write_again_and_again(&path),
        "lock" => Box::new(Lock::exclusive(&path, &LockWait::default(), &cancel).unwrap()),
        other => panic!("{other}"),
    };
    println!("held");
    loop {
        std::thread::park();
        std::hint::black_box(&held);
    }
}

/// Files `a`, `b`, `c` of one generation, and `only-N`, in one folder; `0`, `1`, `2` in turn.
fn write_again_and_again(path: &std::path::Path) -> ! {
    println!("held");
    for n in (0..3).cycle() {
        let mut folder = StagedFolder::beside(path, &Cancel::new()).unwrap();
        for name in ["a", "b", "c", &format!("only-{n}")] {
            std::fs::write(folder.path().join(name), n.to_string()).unwrap();
        }
        folder.publish(Publish::Replace, &Cancel::new()).unwrap();
    }
    unreachable!()
}
