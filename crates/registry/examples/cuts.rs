//! `cargo xtask cuts` runs this: a large blob, there and back, over connections that break at random bytes.
#![allow(clippy::print_stdout, reason = "a program that reports to people")]

#[path = "../tests/registry/cuts/run.rs"]
mod run;

use std::process::ExitCode;

use run::{Campaign, Direction, Outcome};

/// The size of the pieces, where the blob goes in such.
const PIECE: u64 = 16 << 20;

/// More than this part of a pull may not be sent again.
const PULL_SHARE: u64 = 50;

#[tokio::main]
async fn main() -> ExitCode {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<u64>());
    let (Some(Ok(points)), Some(Ok(mib)), Some(Ok(seed))) =
        (numbers.next(), numbers.next(), numbers.next())
    else {
        println!("cuts POINTS MIB SEED");
        return ExitCode::from(2);
    };
    let points = usize::try_from(points).unwrap_or(usize::MAX);
    let campaign = Campaign { points, size: mib << 20, seed };
    println!("{points} cuts in {mib} MiB, seed {seed}");
    let mut failed = false;
    for direction in [
        Direction::Pull,
        Direction::Push,
        Direction::PushStream,
        Direction::PushPieces(PIECE),
        Direction::PushToForgetful,
    ] {
        let most = match direction {
            Direction::Pull => campaign.size / PULL_SHARE,
            Direction::PushToForgetful => campaign.size / 2 + PIECE,
            _ => PIECE * campaign.points as u64,
        };
        match campaign.run(direction).await {
            Ok(outcome) => {
                failed |= outcome.again > most;
                show(direction, campaign, outcome, most);
            }
            Err(error) => {
                failed = true;
                println!("FAILED  {direction:?}: {error}");
            }
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn show(direction: Direction, campaign: Campaign, outcome: Outcome, most: u64) {
    let Outcome { cuts, requests, again, opened, took, .. } = outcome;
    let verdict = if again > most { "FAILED" } else { "ok    " };
    let share = again * 100_000 / campaign.size;
    let (percent, rest) = (share / 1000, share % 1000);
    println!(
        "{verdict}  {direction:?}: {cuts} cuts, {requests} requests, {again} B sent again ({percent}.{rest:03} %, at most {most} B), \
         source opened {opened} times, {:.1} s, verified",
        took.as_secs_f64()
    );
}
