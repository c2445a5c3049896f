//! `cargo xtask`: what decides whether a change is good, and what measures it.
//!
//! One file per subcommand. Nothing here is a library for others; it uses the `transship` command as people do, and
//! the tools of other projects ("peers") to look at what it wrote.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that reports to people")]

mod args;
mod arrows;
mod bench;
mod built;
mod ci;
mod conformance;
mod counts;
mod cuts;
mod differential;
mod distant;
mod faults;
mod interop;
mod new_transport;
mod nightly;
mod scale;
mod seeded;
mod served;
mod sh;
mod sizes;
mod test;
mod trace;

use std::process::ExitCode;

use crate::args::Args;

const HELP: &str = "\
cargo xtask test    [--require-peers]               everything that decides: ci, tests, doc tests, interop
cargo xtask ci                                      arrows between crates, sizes of files, rustfmt, clippy, rustdoc, packages
cargo xtask cases                                   what users of this command and its peers met with, as tests of the command
cargo xtask interop [--require-peers] [--filter S]  real tools read what we write, and we read what they write
cargo xtask bench   [--runs 5] [--image FILE] [--filter S] [--old TRANSSHIP]
                                                    ours, skopeo and the primitives, side by side
cargo xtask conformance [--transport T] [--law L] [--cases 16] [--seed 1] [--case N] [--json]
                                                    the laws of the conformance kit, for every transport, as a
                                                    table; without --cases, engines run 1 case of each law
cargo xtask trace   [--scheme S [--program FILE] [--changes]]
                                                    what the traits cannot see, by strace (Linux) over our command, or over
                                                    one of yours with the transport S, whose places are paths; with
                                                    --changes one that can join, delete and collect
cargo xtask new-transport NAME [--on memory|file|folder] [--path DIR]
                                                    a crate for a transport, in crates/NAME or elsewhere, that keeps
                                                    the laws from the start; --on is where it keeps images at first
                                                    (file: also for a database); --check: whether the scaffold does
cargo xtask cuts    [--points 100] [--mib 1024] [--seed 1]
                                                    a blob from and to a registry, over connections that break
cargo xtask differential [--cases 20000] [--seed 1] mutated archives, read by us as a file and as a pipe, by skopeo and by Python
cargo xtask faults  [--part | --points N] [--filter S] [--jobs N]
                                                    each system call that writes, of each operation and place, fails, or
                                                    the command is killed or interrupted at it: the old or the new is
                                                    there, whole, a retry succeeds, nothing is left behind (strace)
cargo xtask seeded  [--filter S]                    mistakes of authors, made on purpose in two transports: the kit's laws
                                                    catch each
cargo xtask nightly [--filter S]                    conformance, cuts, differential, faults, scale, seeded and trace, whole
cargo xtask scale   [--images 10,100,1000,4000] | --bundle [--mib 5120] | --pipes [--mib 5120]
                                                    many images through every archive: time, memory, bytes (strace);
                                                    the bundle's also as a delta, a week after; from docker, podman
                                                    and cat through pipes: disk and memory (root)

The peers are Debian packages: .ci/install-peers. A peer that is missing is skipped by name, and fails with
--require-peers. --filter takes the checks whose name holds S. --image is a docker-archive with one image
(default: made once with debootstrap, under target/bench). bench and scale run the command as it is released,
interop and faults as the tests do; TRANSSHIP=FILE in the environment names another binary.";

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1).peekable();
    let command = words.next().unwrap_or_default();
    if words.next_if(|word| word == "--help" || word == "-h").is_some() {
        println!("{HELP}");
        return ExitCode::SUCCESS;
    }
    let mut args = Args::new(words);
    let done = match command.as_str() {
        "test" => test::run(&mut args),
        "ci" => ci::run(&mut args),
        "cases" => test::cases(&mut args),
        "cuts" => cuts::run(&mut args),
        "differential" => differential::run(&mut args),
        "faults" => faults::run(&mut args),
        "interop" => interop::run(&mut args),
        "bench" => bench::run(&mut args),
        "conformance" => conformance::run(&mut args),
        "new-transport" => new_transport::run(&mut args),
        "nightly" => nightly::run(&mut args),
        "scale" => scale::run(&mut args),
        "seeded" => seeded::run(&mut args),
        "trace" => trace::of_a_program(&mut args),
        "" | "help" | "--help" | "-h" => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        other => Err(format!("there is no subcommand {other:?}\n\n{HELP}")),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(reason) => {
            eprintln!("xtask: {reason}");
            ExitCode::from(2)
        }
    }
}
