//! The command `transship`.

fn main() -> std::process::ExitCode {
    transship_cli::run()
}
