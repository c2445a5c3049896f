//! Connections that break at random bytes. What it takes at 1 GiB is measured by `cargo xtask cuts`.

mod run;

use run::{Campaign, Direction, Outcome};

async fn cut(direction: Direction) -> Outcome {
    let mut last = None;
    for seed in 0..2 {
        let campaign = Campaign { points: 8, size: (6 << 20) + 13, seed };
        let outcome =
            campaign.run(direction).await.unwrap_or_else(|e| panic!("{direction:?} {seed}: {e}"));
        let cuts = if direction == Direction::PushToForgetful { 1 } else { 8 };
        assert_eq!(outcome.cuts, cuts, "{direction:?} {seed}: {outcome:?}");
        assert!(outcome.requests > cuts && !outcome.took.is_zero(), "{outcome:?}");
        last = Some(outcome);
    }
    last.unwrap()
}

#[tokio::test]
async fn a_pull_that_is_cut_goes_on_and_sends_nothing_again() {
    let outcome = cut(Direction::Pull).await;
    // What was on its direction at a cut may be lost: a response's last bytes.
    assert!(outcome.again <= (6 << 20) / 50, "{outcome:?}");
}

#[tokio::test]
async fn a_push_that_is_cut_goes_on_and_sends_nothing_again() {
    for direction in [Direction::Push, Direction::PushStream, Direction::PushPieces(1 << 20)] {
        let outcome = cut(direction).await;
        assert_eq!(outcome.again, 0, "{direction:?}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_server_that_forgets_gets_that_blob_again() {
    let outcome = cut(Direction::PushToForgetful).await;
    assert!(outcome.opened > 0, "{outcome:?}");
    assert!(outcome.again <= (3 << 20) + 13, "{outcome:?}");
}
