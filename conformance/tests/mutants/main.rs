//! Transports that are broken, each in one realistic way, and the law that catches each.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "tests")]
#![allow(clippy::print_stdout, reason = "with --nocapture, what each law says of its mistakes")]
#![allow(unreachable_pub, reason = "nobody reaches into a test")]

mod archive;
mod bytes;
mod claims;
mod collections;
mod commits;
mod destination;
mod disk;
mod fault;
mod manifests;
mod referrers;
mod slips;
mod source;
mod table;
mod transport;

use std::path::Path;
use std::sync::Arc;

use transship_conformance::{
    ALL, Abandoned, Claims, Digests, Dropped, Empty, Fixture, Found, Layers, Leftover, Manifests,
    Memory, Outcome, Place, Processes, Reading, Replaces, Settings, Space, is_child, law, run,
};
use transship_core::Transport;

use claims::CLAIMS;
use fault::{FAULTS, Fault};
use slips::SLIPS;
use transport::{Mutant, State};

#[derive(Debug)]
struct Mutants {
    fault: Fault,
    memory: Memory,
    state: Arc<State>,
}

impl Mutants {
    pub(crate) fn of(fault: Fault) -> Self {
        let memory = if fault.is_of_one() { Memory::of_one() } else { Memory::new() };
        Self { fault, memory, state: Arc::default() }
    }

    fn on_disk(&self) -> bool {
        matches!(
            self.fault,
            Fault::ReadingLeavesAFile
                | Fault::FilesAreBelieved
                | Fault::DropForgetsAFile
                | Fault::GivenUpPutForgetsAFile
                | Fault::BlobsAreStoredTwice
                | Fault::PagesHoldEachCopy
                | Fault::PagesAreNeverFree
                | Fault::BytesHoldACounter
                | Fault::StoredBlobsAreBelieved
                | Fault::WrongOnDiskIsUnexpected
                | Fault::OldBlobsStay
                | Fault::DeletionLeavesBlobs
                | Fault::DroppedOpeningLeavesAFile
                | Fault::BytesHoldTheSecond
                | Fault::StagedStays
                | Fault::ForgetsToSyncAFile
                | Fault::ForgetsToSyncTheFolder
                | Fault::ForgetsToSyncTheFolderAbove
                | Fault::SyncsAfterTheRename
                | Fault::ForgetsToSyncTheRemoval
                | Fault::TrustsItsOwnFiles
                | Fault::OldBlobsAreNotCollected
                | Fault::DroppedFileIsNotCollected
                | Fault::MovesWhatItStaged
                | Fault::ManifestsAreBelieved
                | Fault::StoredManifestsAreBelieved
                | Fault::HasLooksAtTheBeginning
                | Fault::LongDigestsAreBelieved
                | Fault::TakesWhatIsDamaged
                | Fault::PassEndsAtABorder
                | Fault::ReferrersOutliveTheirImage
                | Fault::DamagedIsEmpty
                | Fault::TextIsJoined
                | Fault::UnreadableNeedsNothing
                | Fault::TakesMoreThanItSays
        )
    }
}

impl Fixture for Mutants {
    fn transport(&self) -> Arc<dyn Transport> {
        let (memory, state) = (self.memory.clone(), Arc::clone(&self.state));
        Arc::new(Mutant { fault: self.fault, memory, state, opened: Arc::default() })
    }

    fn place(&self) -> std::io::Result<Place> {
        if self.on_disk() {
            return Place::in_folder("place");
        }
        Ok(Place::in_memory())
    }

    fn claims(&self) -> Claims {
        let strict = Claims::in_memory();
        match self.fault {
            Fault::OtherProcessesSeeNothing
            | Fault::OtherProcessesReplaceNothing
            | Fault::OtherProcessesDeleteNothing
            | Fault::ForgetsToSyncAFile
            | Fault::ForgetsToSyncTheFolder
            | Fault::ForgetsToSyncTheFolderAbove
            | Fault::SyncsAfterTheRename
            | Fault::ForgetsToSyncTheRemoval => strict.with(Processes::Many),
            Fault::TrustsItsOwnFiles => strict.with(Found::Trusted),
            Fault::LongDigestsAreTaken => strict.with(Digests::Sha256),
            Fault::NoiseIsTakenForATar | Fault::EstimatesAreTooHigh => strict.with(Layers::Tars),
            Fault::CommitOfTarsGivesTheConfig => strict.with(Layers::Tars).with(Manifests::Rebuilt),
            Fault::OldBlobsAreNotCollected => strict.with(Leftover::UntilCollected),
            Fault::DroppedFileIsNotCollected => strict.with(Abandoned::Blobs),
            Fault::LayersGoByTheConfig | Fault::RebuiltManifestsAreKept => {
                strict.with(Manifests::Rebuilt)
            }
            Fault::PagesHoldEachCopy | Fault::PagesAreNeverFree => strict.with(Space::Pages),
            Fault::EmptyIsThere => strict.with(Empty::None),
            Fault::DropLeavesATask => strict.with(Dropped::InTasks),
            Fault::NeverComesOnce | Fault::PassesBeforeItAsks => strict.with(Reading::InOnePass),
            Fault::ReplacedGoesWithItsName => strict.with(Replaces::Names),
            fault if fault.is_of_one() => Claims::single_image().with(Processes::One),
            _ => strict,
        }
    }
}

/// Whether a law catches a mistake.
pub(crate) fn is_caught(mistake: &str, mutants: impl Fixture, name: &str, test: &str) {
    let law = law(name).unwrap_or_else(|| panic!("there is no law {name}"));
    if is_child(&mutants) {
        return;
    }
    // Some of them hang. A case ends after four times as long.
    let patience = std::time::Duration::from_secs(5);
    let settings = Settings::default().with_shrinks(0).with_patience(patience).with_test(test);
    let (outcome, _) = run(Arc::new(mutants), law, &settings);
    match outcome {
        Outcome::Broken { why, .. } => {
            // What the law says has to fit the mistake: seen with --nocapture.
            println!("{mistake}: {}", why.lines().nth(1).unwrap_or_default().trim());
        }
        other => panic!("{mistake} is not caught by {name}: {other:?}"),
    }
}

#[test]
fn each_law_catches_a_mistake() {
    let caught = |law: &str| named().chain(NEEDS_PROCESSES).any(|of| of == law);
    let idle: Vec<_> = ALL.iter().filter(|law| !caught(law.name)).collect();
    assert!(idle.is_empty(), "no mistake is caught by {idle:?}");
    assert!(named().count() >= 200, "{} mistakes", named().count());
}

/// No other process sees what the transport in memory holds, so the tests of the OCI layout have a mistake for each of these laws.
const NEEDS_PROCESSES: [&str; 3] = [
    "what_one_process_has_no_other_sees",
    "a_large_layer_needs_little_memory",
    "a_killed_process_leaves_the_old_or_the_new",
];

#[test]
fn the_manual_counts_the_slips() {
    let manual = "../crates/transship/src/manual/write_a_transport.rs";
    // A published package does not have it beside it.
    let Ok(text) = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(manual))
    else {
        return;
    };
    let row = text.lines().find(|line| line.contains("conformance/tests/mutants/slips")).unwrap();
    let count = SLIPS.len();
    let is_right =
        row.starts_with(&format!("//! | {count}: ")) && row.contains(&format!("| {count} |"));
    assert!(is_right, "there are {count} slips, and the manual says: {row}");
}

/// The laws that are named for the mistakes.
fn named() -> impl Iterator<Item = &'static str> {
    let claims = CLAIMS.iter().map(|(_, law)| *law);
    FAULTS.iter().map(|(_, law)| *law).chain(SLIPS.iter().map(|(_, law)| *law)).chain(claims)
}
