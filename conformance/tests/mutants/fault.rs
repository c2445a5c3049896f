//! The ways in which the mutants are broken, and the law that is named for each.

use crate::Mutants;

macro_rules! faults {
    ($kind:ident $all:ident $module:literal $($(#[doc = $doc:literal])* $fault:ident => $law:literal,)*) => {
        /// A realistic mistake.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $kind {
            $($(#[doc = $doc])* $fault,)*
        }

        /// Each mistake and the law that catches it.
        pub const $all: &[($kind, &str)] = &[$(($kind::$fault, $law),)*];

        $(
            #[test]
            #[allow(non_snake_case, reason = "named after the mistakes")]
            fn $fault() {
                let (fixture, test) = ($kind::$fault.fixture(), concat!($module, "::", stringify!($fault)));
                crate::is_caught(stringify!($fault), fixture, $law, test);
            }
        )*
    };
}
pub(crate) use faults;

faults! {
    Fault FAULTS "fault"
    // References.
    /// A name is looked for by its beginning.
    NamesByPrefix => "a_reference_opens_its_image_or_nothing",
    /// Each parse adds a slash.
    ParseGrows => "a_reference_is_a_fixed_point",
    /// What is malformed is "not found".
    ParseRefusesAsNotFound => "a_reference_is_a_fixed_point",
    /// Cuts text in the middle of a character.
    ParsePanics => "a_reference_is_a_fixed_point",
    /// The error holds a value as programs print it.
    ParseErrorIsADump => "a_reference_is_a_fixed_point",
    /// There is no grammar for help.
    SyntaxIsEmpty => "a_reference_is_a_fixed_point",
    /// Names are made lower case.
    ParseLowersCase => "listed_references_open_the_same_image",
    /// The listing counts from one.
    IndexOffByOne => "listed_references_open_the_same_image",
    /// An entry is looked up by its number alone.
    ReaderOpensAnybodysEntry => "listed_references_open_the_same_image",
    /// Positions count from one, but for the first.
    PositionIsOffByOne => "a_position_is_that_of_the_listing",
    /// A commit gives the place alone, whatever else is there.
    CommitGivesThePlace => "listed_references_open_the_same_image",
    /// Each value of the transport remembers what it once opened.
    ReferencesAreRemembered => "equal_references_open_equal_images",
    /// The source says that it is the archive.
    SourceIsThePlace => "equal_references_open_equal_images",
    /// A text is parsed as what is there.
    ParseLooks => "equal_references_open_equal_images",
    /// The name in the reference is dropped.
    NameInTheReferenceIsLost => "an_image_is_written_where_its_reference_says",
    /// A name that is given twice is two names.
    NamesAreCountedTwice => "an_image_is_written_where_its_reference_says",
    /// A name to fall back to is taken, though the reference has one.
    FallbackJoinsTheReference => "an_image_is_written_where_its_reference_says",
    /// An archive can be written by the reference of an image.
    WriterTakesAnImage => "an_image_is_written_where_its_reference_says",
    // Reading.
    /// The manifest is read into fields and written again.
    RootIsWrittenAgain => "a_committed_image_reads_back_equal",
    /// A byte behind the first tar block is wrong, and nobody checks.
    ByteChangesBehindABlock => "a_committed_image_reads_back_equal",
    /// Blobs that end at a tar block lose it.
    LastBlockIsLost => "a_committed_image_reads_back_equal",
    /// A cache that is keyed by size.
    CacheBySize => "a_committed_image_reads_back_equal",
    /// The source does not know its names.
    SourceHasNoNames => "a_committed_image_reads_back_equal",
    /// The commit gives the digest of the config.
    CommitGivesTheConfig => "a_committed_image_reads_back_equal",
    /// The same, where layers are unpacked and manifests are made anew.
    CommitOfTarsGivesTheConfig => "a_committed_image_reads_back_equal",
    /// Layers are put in the order of the config's diff IDs, whatever the manifest says.
    LayersGoByTheConfig => "a_committed_image_reads_back_equal",
    /// Of an index, the platform that is preferred is kept alone.
    PreferredIsAll => "a_committed_image_reads_back_equal",
    /// A put says that nothing was stored.
    PutSaysNothing => "a_committed_image_reads_back_equal",
    /// Layers go by their size.
    SmallBlobsAreForgotten => "a_committed_image_reads_back_equal",
    /// The root is not among the manifests.
    RootIsNoManifest => "a_committed_image_reads_back_equal",
    /// The second time a blob is asked for, it is gone.
    SecondAskFails => "every_door_gives_the_same_bytes",
    /// Only the first reader of a body gets all of it.
    SecondReadIsShort => "every_door_gives_the_same_bytes",
    /// A body that is opened again begins at its beginning.
    ReopensAtTheBeginning => "every_door_gives_the_same_bytes",
    /// A body that is opened again is one byte off.
    ReopensOneByteOff => "every_door_gives_the_same_bytes",
    /// Puts at once share a buffer.
    PutsAtOnceMix => "blobs_put_at_once_are_all_there",
    /// What is put without a digest has the one that was expected: none.
    UnknownIsCalledEmpty => "blobs_put_at_once_are_all_there",
    /// Opening writes when it was.
    ReadingLeavesAFile => "reading_changes_nothing",
    /// Bodies are given without what they have to be.
    BodyHasNoExpectation => "what_is_asked_for_is_held_to_its_descriptor",
    /// Manifests are looked up by digest, and the rest of the descriptor is believed.
    ManifestSizeIsBelieved => "what_is_asked_for_is_held_to_its_descriptor",
    // Missing and wrong.
    /// What is missing is empty.
    MissingBlobIsEmpty => "what_is_missing_is_not_found",
    /// What is missing is corrupt.
    MissingBlobIsCorrupt => "what_is_missing_is_not_found",
    /// The error does not say what.
    MissingBlobIsAnonymous => "what_is_missing_is_not_found",
    /// What is beyond the end is the last one.
    BeyondTheEndIsTheLast => "what_is_missing_is_not_found",
    /// A place where nothing is lists no images.
    MissingPlaceIsEmpty => "what_is_missing_is_not_found",
    /// Nothing is checked.
    PutChecksNothing => "wrong_bytes_are_refused",
    /// Only the size is.
    PutChecksSizes => "wrong_bytes_are_refused",
    /// What comes from a stream is not.
    PutBelievesStreams => "wrong_bytes_are_refused",
    /// What the body itself expects is not.
    PutIgnoresTheBodysOwn => "wrong_bytes_are_refused",
    /// A size without a digest is not.
    PutIgnoresLoneSizes => "wrong_bytes_are_refused",
    /// The table of blobs is written before the bytes are checked.
    PutEntersBeforeItChecks => "wrong_bytes_are_refused",
    /// Wrong bytes are an I/O error.
    PutRefusesAsUnexpected => "wrong_bytes_are_refused",
    /// A stream that fails has ended.
    FailedStreamHasEnded => "a_failing_body_fails_with_its_cause",
    /// The cause is lost.
    FailedStreamIsCorrupt => "a_failing_body_fails_with_its_cause",
    /// After a failure nothing works any more.
    FailureSpoilsTheRest => "a_failing_body_fails_with_its_cause",
    /// No bytes are checked when they are read from the disk.
    FilesAreBelieved => "changed_bytes_never_read_as_true",
    /// The manifests of an index are not.
    ManifestsAreBelieved => "changed_bytes_never_read_as_true",
    /// The same.
    StoredManifestsAreBelieved => "a_stored_blob_that_changes_is_corrupt",
    /// No bytes are checked when they are read from the disk.
    StoredBlobsAreBelieved => "a_stored_blob_that_changes_is_corrupt",
    /// Stored bytes that are wrong are an I/O error.
    WrongOnDiskIsUnexpected => "a_stored_blob_that_changes_is_corrupt",
    /// A list that is damaged is taken for an empty one.
    DamagedIsEmpty => "what_cannot_be_read_is_left_as_it_is",
    /// What is no place begins afresh where it is joined.
    TextIsJoined => "what_cannot_be_read_is_left_as_it_is",
    /// Errors do not say what of.
    PutErrorsAreAnonymous => "errors_say_what_they_are_about",
    /// An error has a line for each name.
    NamesOnLines => "errors_say_what_they_are_about",
    // Visibility.
    /// Opening makes the archive.
    OpeningMakesThePlace => "nothing_shows_before_commit",
    /// Opening to replace empties it.
    OpeningEmptiesThePlace => "nothing_shows_before_commit",
    /// The tasks that are claimed to end what was dropped never do.
    DropLeavesATask => "a_dropped_destination_leaves_no_trace",
    /// Dropping makes the archive.
    DropMakesThePlace => "a_dropped_destination_leaves_no_trace",
    /// Dropping forgets a temporary file.
    DropForgetsAFile => "a_dropped_destination_leaves_no_trace",
    /// The same, left to a collector, who does not see it.
    DroppedFileIsNotCollected => "a_dropped_destination_leaves_no_trace",
    /// A put that is given up forgets its temporary file.
    GivenUpPutForgetsAFile => "a_dropped_destination_leaves_no_trace",
    /// Dropping waits for the put that is under way.
    DropWaits => "dropping_waits_for_nothing",
    /// A put that is dropped keeps its turn.
    DroppedPutKeepsItsTurn => "a_dropped_put_leaves_no_trace",
    /// A put that is dropped is in the table.
    DroppedPutIsThere => "a_dropped_put_leaves_no_trace",
    /// Dropping a writer finishes it.
    DroppedWriterFinishes => "a_dropped_writer_leaves_no_trace",
    /// First the image, then its name.
    CommitInTwoSteps => "a_dropped_commit_is_all_or_nothing",
    /// First the image with one name, then with the others.
    NamesComeOneByOne => "a_dropped_commit_is_all_or_nothing",
    /// A lock file stays.
    DroppedCommitKeepsItsLock => "a_dropped_commit_is_all_or_nothing",
    /// In a writer, too.
    DroppedCommitKeepsTheWriter => "a_commit_dropped_in_a_writer_is_whole_or_not_there",
    /// A lock file stays when an opening is dropped.
    DroppedOpeningLeavesAFile => "a_dropped_opening_leaves_no_trace",
    /// What was replaced is never cleaned up.
    OldBlobsStay => "replacing_leaves_nothing_of_the_old",
    /// What lost its name is claimed to stay, and is gone.
    ReplacedGoesWithItsName => "replacing_leaves_nothing_of_the_old",
    /// It is left to a collector, who does not see it.
    OldBlobsAreNotCollected => "replacing_leaves_nothing_of_the_old",
    /// First nothing, then the images.
    FinishInTwoSteps => "a_dropped_finish_is_all_or_nothing",
    /// Every call looks at what is there now.
    SourceLooksAgain => "replacing_keeps_the_old_image_readable",
    /// What was replaced is not there, it says.
    GoneIsNotFound => "what_has_gone_is_no_gap",
    /// Replacing empties the place, and fills it then.
    ReplaceInTwoSteps => "readers_never_see_a_mixture",
    /// The reader looks entries up by their position when they are opened.
    ReaderLooksAgain => "a_reader_reads_what_it_lists",
    /// Each image of a writer shows with its commit, which says that it will not.
    WriterShowsAtCommit => "an_unfinished_archive_is_not_there",
    /// Signatures of children are kept as those of the root.
    SignaturesAreOfTheRoot => "signatures_come_back",
    /// Signatures come back in another order.
    SignaturesAreReversed => "signatures_come_back",
    /// Empty signatures are left out.
    EmptySignaturesAreLost => "signatures_come_back",
    /// The new image is signed by the signatures of the old one.
    SignaturesOutliveTheirImage => "signatures_come_back",
    /// Of what is about an image, the manifest is kept, and not what it refers to.
    ReferrersAreHollow => "referrers_come_with_their_image",
    /// What it refers to is taken for garbage.
    CollectsWhatReferrersNeed => "referrers_come_with_their_image",
    /// What is about an image may lack something: then it is left out.
    ReferrersMayLack => "what_is_missing_is_refused_at_commit",
    /// Only the image that came last has what is about it.
    AppendForgetsReferrers => "what_is_about_an_image_stays_with_it",
    /// What is about others goes with an image that is deleted.
    DeletionTakesReferrers => "what_is_about_an_image_stays_with_it",
    /// What is about the image that came last alone is no garbage.
    CollectsOldReferrers => "what_is_about_an_image_stays_with_it",
    /// What is about an image stays for ever.
    ReferrersOutliveTheirImage => "what_is_about_an_image_stays_with_it",
    /// Manifests about others are left out.
    ReferrersAreLost => "referrers_come_with_their_image",
    /// What a delta needs is forgotten.
    NeedsAreForgotten => "a_delta_says_what_it_needs",
    /// A delta is taken for a sparse image: what it needs is absent.
    NeedsAreAbsent => "a_delta_says_what_it_needs",
    /// A place for whole images takes deltas, and what is missing is missing.
    DeltasAreTaken => "a_delta_says_what_it_needs",
    // Archives.
    /// The last image is not listed.
    LastImageIsLost => "names_stay_with_their_image",
    /// Images without a name are not listed.
    UntaggedIsHidden => "names_stay_with_their_image",
    /// Names are given to the next image.
    NamesGoToTheNext => "names_stay_with_their_image",
    /// An image without a name gets those of the one before.
    NamesLeak => "names_stay_with_their_image",
    /// Names are kept in lower case.
    NamesFoldCase => "names_stay_with_their_image",
    /// The newest first.
    OrderIsReversed => "names_stay_with_their_image",
    /// Only the first name is kept.
    OnlyTheFirstName => "names_stay_with_their_image",
    /// Each image has its own copy.
    BlobsAreStoredTwice => "shared_blobs_are_stored_once",
    /// The same, in one file of pages.
    PagesHoldEachCopy => "shared_blobs_are_stored_once",
    /// One entry for each name.
    AnEntryForEachName => "an_image_twice_is_one",
    /// Manifests are kept, where they are claimed to be rebuilt.
    RebuiltManifestsAreKept => "an_image_twice_is_one",
    /// Joining replaces.
    AppendReplaces => "append_keeps_every_old_image",
    /// Joining turns the old images around.
    AppendLosesTheFirst => "append_keeps_every_old_image",
    /// A file is not synced.
    ForgetsToSyncAFile => "a_commit_survives_a_power_cut",
    /// A file is, and not the folder of its name.
    ForgetsToSyncTheFolder => "a_commit_survives_a_power_cut",
    /// A folder that was made is, and not the one above it.
    ForgetsToSyncTheFolderAbove => "a_commit_survives_a_power_cut",
    /// A file takes the place of another one, and is synced then.
    SyncsAfterTheRename => "a_commit_survives_a_power_cut",
    /// A journal is removed at the end, and the folder is not synced.
    ForgetsToSyncTheRemoval => "a_commit_survives_a_power_cut",
    /// A writer that joins writes what was there when it was opened.
    JoinsWhatWas => "replacing_while_joining_loses_nothing",
    /// What was written is given up where finishing fails.
    FinishesOnce => "a_finish_that_failed_can_be_called_again",
    /// What was staged is moved away, one file after the other, and is looked for where it was staged.
    MovesWhatItStaged => "a_finish_that_failed_can_be_called_again",
    /// Who has a name keeps it.
    FirstKeepsItsName => "a_name_taken_over_moves",
    /// A name outlives its image.
    DroppedImageLeavesItsName => "images_open_at_once_do_not_mix",
    /// Of several the first is taken.
    FirstOfSeveral => "several_images_are_ambiguous",
    /// The error does not list the names.
    AmbiguousSaysNoNames => "several_images_are_ambiguous",
    /// That several are there and none is chosen shows after the pass.
    PassesBeforeItAsks => "several_images_are_ambiguous",
    /// Details are those of the first image.
    DetailsOfTheFirst => "details_are_true",
    /// The size is that of the config, too.
    SizeCountsTheConfig => "details_are_true",
    /// A layer counts as often as the manifest lists it.
    LayersCountEachTime => "details_are_true",
    /// The image ID is that of the manifest.
    ImageIdIsTheManifests => "details_are_true",
    /// An estimate is far too high.
    EstimatesAreTooHigh => "details_are_true",
    /// Indexes run nowhere.
    PlatformsAreForgotten => "details_are_true",
    // Honesty.
    /// It says that it takes no indexes.
    AcceptsTooLittle => "what_is_not_accepted_is_refused",
    /// It takes compressed layers, and says that it does not.
    AcceptsTooMuch => "what_is_not_accepted_is_refused",
    /// What is not accepted is corrupt.
    RefusesAsCorrupt => "what_is_not_accepted_is_refused",
    /// Digests of sha512 are taken, where sha256 alone is claimed.
    LongDigestsAreTaken => "what_is_not_accepted_is_refused",
    /// Any bytes are a layer, where tars alone are claimed.
    NoiseIsTakenForATar => "what_is_not_accepted_is_refused",
    /// There is a file of that name.
    HasByExistence => "has_is_true",
    /// It has everything.
    HasEverything => "has_is_true",
    /// It has some bytes of that size.
    HasAnything => "has_is_true",
    /// What was once put somewhere is everywhere.
    HasOfAnotherPlace => "has_is_true",
    /// It has what is about to go.
    HasOfTheReplaced => "has_is_true",
    /// It finds what was put for an image that was given up, and sees most of it before the commit.
    VerifyForgetsOne => "has_is_true",
    /// Looking at what was found, it asks for a blob of another image.
    VerifyGivesOthers => "has_is_true",
    /// It believes what is in its own files.
    TrustsItsOwnFiles => "has_is_true",
    /// Of what is there the beginning is looked at.
    HasLooksAtTheBeginning => "has_is_true",
    /// What is named by a digest of sha512 is not hashed.
    LongDigestsAreBelieved => "has_is_true",
    /// What is taken is not looked at.
    TakesWhatIsDamaged => "take_from_moves_what_it_says",
    /// What is to be taken is there, it says.
    TakesNothing => "take_from_moves_what_it_says",
    /// What was taken is gone where it was.
    TakesAway => "take_from_moves_what_it_says",
    /// What is taken may have another size.
    TakesAnySize => "take_from_moves_what_it_says",
    /// A place that it does not know is an error.
    TakeRefusesOthers => "take_from_moves_what_it_says",
    /// Names are left out where there is no room.
    NamesAreIgnored => "names_beyond_what_is_accepted_are_refused",
    /// A name to fall back to is taken as an order.
    FallbackIsAnOrder => "names_beyond_what_is_accepted_are_refused",
    /// A name to fall back to is one more.
    FallbackIsAdded => "names_beyond_what_is_accepted_are_refused",
    /// What is missing is taken to be absent.
    CommitChecksNothing => "what_is_missing_is_refused_at_commit",
    /// The config is not looked for.
    CommitForgetsTheConfig => "what_is_missing_is_refused_at_commit",
    /// An image of a writer is refused, and is in its table.
    RefusedCommitStays => "what_is_missing_is_refused_at_commit",
    /// Creating replaces.
    CreateReplaces => "create_refuses_what_is_there",
    /// Without a mode it replaces, and says that it joins.
    NoModeReplaces => "no_mode_is_the_default_mode",
    /// The same of a writer alone.
    NoModeOfAWriterReplaces => "no_mode_is_the_default_mode",
    /// Deleting one deletes all.
    DeletesAll => "deletion_removes_that_image_alone",
    /// Deleting takes the first.
    DeletesTheFirst => "deletion_removes_that_image_alone",
    /// Deleting nothing succeeds.
    DeletesNothing => "deletion_removes_that_image_alone",
    /// Without a choice it deletes the first.
    DeletesOneOfSeveral => "deletion_removes_that_image_alone",
    /// Only the entry goes.
    DeletionLeavesBlobs => "deletion_leaves_nothing_of_the_image",
    /// Pages of what is deleted are used for nothing else.
    PagesAreNeverFree => "deletion_leaves_nothing_of_the_image",
    /// A lock stays when a deletion is dropped.
    DroppedDeletionKeepsItsLock => "a_dropped_deletion_is_all_or_nothing",
    /// The same, where a place is one image.
    DroppedDeletionOfOneKeepsItsLock => "a_dropped_deletion_is_all_or_nothing",
    /// Where a place is one image, it is said to be deleted, and stays.
    TheOnlyImageStays => "the_only_image_can_be_deleted",
    /// Where a place was one image, no other one can be created.
    DeletedPlaceIsNotFree => "the_only_image_can_be_deleted",
    /// A deletion writes what it read, and what came meanwhile is lost.
    DeletionWritesWhatItRead => "deleting_beside_writers_loses_nothing",
    /// The root is looked at, and then what has the name is deleted.
    LooksBeforeItDeletes => "a_deletion_by_root_takes_no_newer_image",
    /// What came since a collection looked is needed by nothing that it knows.
    CollectsWhatCameSince => "deleting_beside_writers_loses_nothing",
    /// By whatever name, the image goes.
    DeletesByAnyName => "a_deleted_name_leaves_the_others",
    /// Asked for all names, it deletes one.
    DeletesOneNameOfAll => "a_deleted_name_leaves_the_others",
    /// Whatever root is meant, the image goes.
    DeletesAnyRoot => "deletion_removes_that_image_alone",
    /// With the root that is meant, nothing goes.
    DeletesNoRoot => "deletion_removes_that_image_alone",
    /// Whatever root is meant, it is another one.
    EachRootIsAnother => "deletion_removes_that_image_alone",
    /// Looking before a deletion deletes.
    LookingDeletes => "deletion_removes_that_image_alone",
    /// The last name stays.
    KeepsTheLastName => "a_deleted_name_leaves_the_others",
    /// Collecting takes an image.
    CollectsAnImage => "collecting_takes_garbage_alone",
    /// Looking deletes.
    LookingCollects => "collecting_takes_garbage_alone",
    /// It finds the same again.
    CollectsNothing => "collecting_takes_garbage_alone",
    /// What was put for an image that does not show yet is taken for garbage.
    CollectsWhatIsPut => "a_collection_waits_for_writers",
    /// What stays because it is young is not said to stay.
    YoungAreNotTold => "what_a_collection_says_is_true",
    /// It does not say how large garbage is.
    GarbageHasNoSize => "what_a_collection_says_is_true",
    /// Of what it takes it does not say all.
    TakesMoreThanItSays => "what_a_collection_says_is_true",
    /// What an image needs is said to stay though none is known to need it.
    KeepsWhatIsNeeded => "what_a_collection_says_is_true",
    /// A manifest that cannot be read needs nothing.
    UnreadableNeedsNothing => "what_a_collection_says_is_true",
    /// Nobody looks how old a blob is.
    CollectsTheYoung => "collecting_takes_garbage_alone",
    /// What is about an image is taken for garbage.
    CollectsReferrers => "referrers_come_with_their_image",
    /// What was staged is not there.
    StagedIsForgotten => "what_is_staged_is_there_for_each_image",
    /// What was staged for nothing is never cleaned up.
    StagedStays => "what_is_staged_is_there_for_each_image",
    /// A second image without a name is taken beside the first.
    SecondNamelessIsTaken => "a_second_image_without_a_name_is_refused",
    /// What is not accepted is offered.
    OffersWhatItDoesNotAccept => "a_place_holds_what_it_states",
    /// An archive of no images is there, where none was claimed to be.
    EmptyIsThere => "a_place_holds_what_it_states",
    /// Its index is never sparse, a source says of a place that takes gaps.
    GapsAreDenied => "a_source_says_whether_it_may_be_sparse",
    /// The root is that of what was there before.
    RootIsRemembered => "what_is_asked_for_less_is_true",
    /// Each reference is an archive.
    EachIsAnArchive => "what_is_asked_for_less_is_true",
    /// No reference is one.
    NoneIsAnArchive => "what_is_asked_for_less_is_true",
    /// Whatever is asked for shows already.
    AnythingShows => "what_is_asked_for_less_is_true",
    /// The last image does not pass.
    PassLosesTheLast => "an_archive_in_one_pass_is_the_same",
    /// Where one entry has ended the archive may have, too.
    PassEndsAtABorder => "an_archive_in_one_pass_is_the_same",
    /// What can be read again comes once, it says.
    AlwaysComesOnce => "an_archive_in_one_pass_is_the_same",
    /// It is claimed to come in one pass, and says that it can be read at random.
    NeverComesOnce => "an_archive_in_one_pass_is_the_same",
    /// The bytes hold a counter.
    BytesHoldACounter => "the_same_puts_give_the_same_bytes",
    /// The bytes hold the time, in seconds.
    BytesHoldTheSecond => "the_same_puts_give_the_same_bytes",
    /// Who finds the place busy has committed.
    BusyIsDone => "many_writers_lose_nothing",
    /// A writer that joins writes over what came since it was opened.
    WriterFinishesOverItsBase => "many_writers_lose_nothing",
    /// Its transport says that places hold no indexes, and its destinations take them.
    SaysItHoldsNoIndexes => "a_place_holds_what_it_states",
    /// It is said to compare roots, and does not.
    SaysItComparesRoots => "what_is_asked_for_less_is_true",
    /// What is written stays in the memory of the process, which claims that others see it.
    OtherProcessesSeeNothing => "many_processes_lose_nothing",
    /// The same.
    OtherProcessesReplaceNothing => "processes_see_whole_images",
    /// The same.
    OtherProcessesDeleteNothing => "processes_that_delete_take_nothing_else",
}

impl Fault {
    /// Whether a place holds one image, and is its name.
    pub fn is_of_one(self) -> bool {
        matches!(
            self,
            Self::DroppedDeletionOfOneKeepsItsLock
                | Self::TheOnlyImageStays
                | Self::DeletedPlaceIsNotFree
        )
    }

    fn fixture(self) -> Mutants {
        Mutants::of(self)
    }
}
