//! The command `transship` with one more transport.

use transship_sqlite as _;

fn main() -> std::process::ExitCode {
    transship_cli::run()
}
