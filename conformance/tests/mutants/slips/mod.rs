//! Slips that were thought of from the docs of the traits alone, most of them before the laws were read: facts beside the bytes,
//! order, spelling, what lies two levels deep, the runtime's own progress, races, and what shows later than it is said to.

mod archive;
mod bases;
mod beside;
mod deletion;
mod destination;
mod next;
mod source;
mod transport;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, LazyLock, Mutex};

use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use transship_conformance::{Bases, Claims, Fixture, Memory, Place, Processes};
use transship_core::{Accepts, AcceptsManifests, Digest, Manifest, MediaType, Transport, sha256};

use crate::fault::faults;
pub use transport::Slipping;

faults! {
    Slip SLIPS "slips"
    // Facts beside the bytes.
    /// The reader of an archive is the image that it was opened by.
    ReaderIsTheImage => "an_image_is_written_where_its_reference_says",
    /// A child comes with a descriptor of its own, without its platform.
    ChildForgetsItsPlatform => "a_committed_image_reads_back_equal",
    /// Its platform is kept in columns: operating system, architecture and variant.
    ChildForgetsItsOsVersion => "a_committed_image_reads_back_equal",
    /// The same without its annotations.
    ChildForgetsItsAnnotations => "a_committed_image_reads_back_equal",
    /// What is about an image is listed without what it is.
    ReferrerForgetsItsType => "referrers_come_with_their_image",
    /// The same, where its manifest leaves that to its config.
    ReferrerHasNoTypeOfItsConfig => "referrers_come_with_their_image",
    /// And without its size.
    ReferrerHasNoSize => "referrers_come_with_their_image",
    /// And with a media type of nothing.
    ReferrerIsAnyBytes => "referrers_come_with_their_image",
    /// Asked for the root alone, its size is not known.
    RootAloneHasNoSize => "what_is_asked_for_less_is_true",
    /// Asked for the root alone, it is an image, whatever it is.
    RootAloneIsAnImage => "what_is_asked_for_less_is_true",
    /// The names as they stand there lack the last.
    RawNamesLackOne => "names_stay_with_their_image",
    /// The commit says another media type.
    CommitTypeIsOfBytes => "a_committed_image_reads_back_equal",
    /// Of two names the commit gives the first twice.
    CommitGivesOneTwice => "a_committed_image_reads_back_equal",
    /// Without a size, what is found has none.
    FoundHasNoSize => "has_is_true",
    /// Attestations run somewhere.
    DetailsCountAttestations => "details_are_true",
    /// What lies in an index of an index runs nowhere.
    DetailsForgetTheNested => "details_are_true",
    /// A name that comes again is listed once more.
    NamesComeTwice => "an_image_twice_is_one",
    /// Entries count from one, their references do not.
    EntriesCountFromOne => "names_stay_with_their_image",
    // Order.
    /// What is about an image comes by its digest.
    ReferrersAreSorted => "referrers_come_with_their_image",
    /// The newest signature first, where there are several of one length.
    SignaturesAreSorted => "signatures_come_back",
    /// The listing goes by names.
    ListingIsSorted => "names_stay_with_their_image",
    /// An image that is written again moves to the end.
    AgainIsLast => "append_keeps_every_old_image",
    // Spelling.
    /// `latest` is left out.
    LatestIsDropped => "names_stay_with_their_image",
    /// Names are as docker shows them.
    NamesAreFamiliar => "names_stay_with_their_image",
    /// A digest in a name is none.
    DigestInANameIsLost => "names_stay_with_their_image",
    /// Long names are cut.
    LongNamesAreCut => "names_stay_with_their_image",
    /// `%41` in a path is `A`.
    PathIsDecoded => "a_place_is_where_its_text_says",
    /// Spaces around a path are none of it.
    PathIsTrimmed => "a_place_is_where_its_text_says",
    /// A path has no upper case.
    PathIsFolded => "a_place_is_where_its_text_says",
    /// `+` in a path is a space.
    PlusIsASpace => "a_place_is_where_its_text_says",
    /// `x/..` is taken out of a path, whatever `x` links to.
    PathIsShortened => "a_place_is_where_its_text_says",
    /// The archive of a reference ends at the first `@`, which the path has.
    ArchiveEndsAtAnAt => "a_place_is_where_its_text_says",
    // What is asked for less than it is read.
    /// A manifest is said to be there as a blob, and is not given as one.
    HoldsManifests => "every_door_gives_the_same_bytes",
    /// An image that is whole says what it needs, as a delta does: nothing.
    WholeNeedsNothing => "a_delta_says_what_it_needs",
    /// An image shows where the first of its names stands for it.
    ShowsByItsFirstName => "what_is_asked_for_less_is_true",
    /// An image is deleted if its root, or one of its children, has the digest.
    ChildIsTheRoot => "deletion_removes_that_image_alone",
    // Two levels deep.
    /// What an index of an index lists may be missing.
    CommitLooksOneLevelDeep => "what_is_missing_is_refused_at_commit",
    /// The configs of an index's images may be missing.
    CommitForgetsConfigsBelow => "what_is_missing_is_refused_at_commit",
    /// What an index lists that is no manifest is lost.
    ContentIsLost => "a_committed_image_reads_back_equal",
    /// An index that is about an image is lost.
    IndexAboutIsLost => "referrers_come_with_their_image",
    /// What is about what is about an image is lost.
    SecondReferrerIsLost => "referrers_come_with_their_image",
    /// What is about an image of an index is lost.
    ReferrerOfAChildIsLost => "referrers_come_with_their_image",
    /// Only the root's own children are found.
    GrandchildIsNotFound => "a_committed_image_reads_back_equal",
    /// What is absent below has to be there.
    AbsentBelowIsRefused => "a_committed_image_reads_back_equal",
    /// A manifest that is a layer, too, is not followed.
    OneSetOfDigests => "a_manifest_may_be_a_layer_too",
    /// The same, the other way round: the layer is taken for done.
    LayerThatIsAManifestIsLost => "a_manifest_may_be_a_layer_too",
    // The runtime's own progress.
    /// Opening reads on the thread of the runtime.
    OpeningBlocks => "a_runtime_of_one_thread_is_enough",
    /// A commit writes on the thread of the runtime.
    CommitBlocks => "a_runtime_of_one_thread_is_enough",
    /// The end of a writer writes on the thread of the runtime.
    FinishBlocks => "a_runtime_of_one_thread_is_enough",
    /// Listing reads on the thread of the runtime.
    ListingBlocks => "a_runtime_of_one_thread_is_enough",
    /// Details are read on the thread of the runtime.
    DetailsBlock => "a_runtime_of_one_thread_is_enough",
    /// A deletion writes on the thread of the runtime.
    DeletionBlocks => "a_runtime_of_one_thread_is_enough",
    /// A collection looks for garbage on the thread of the runtime.
    CollectionBlocks => "a_runtime_of_one_thread_is_enough",
    /// A put waits for its body on the thread of the runtime.
    PutBlocks => "a_runtime_of_one_thread_is_enough",
    /// A put gives its thread to others, and there is none.
    PutNeedsSeveralThreads => "a_runtime_of_one_thread_is_enough",
    /// A commit that finds the place busy asks again and again, and lets no other task run.
    CommitSpins => "a_runtime_of_one_thread_is_enough",
    /// One blob is read at a time.
    BodiesTakeTurns => "a_runtime_of_one_thread_is_enough",
    /// Sixteen are.
    BodiesAreFew => "a_runtime_of_one_thread_is_enough",
    /// A put waits until nobody reads.
    PutWaitsForReaders => "a_runtime_of_one_thread_is_enough",
    /// Work goes to the runtime that was the first.
    FirstRuntimeDoesAll => "the_next_call_may_come_from_another_runtime",
    // Races.
    /// Creating looks when it is opened, and never again.
    CreateLooksOnce => "create_refuses_what_is_there",
    /// A creator who finds the place made joins it.
    CreateJoins => "create_refuses_what_is_there",
    /// The same in a writer.
    WriterCreateLooksOnce => "create_refuses_what_is_there",
    /// A name that came meanwhile stays where it is.
    LateNameIsNotTaken => "a_name_taken_over_moves",
    // Later than it says.
    /// The commit has only begun when it says that it is done.
    CommitEndsLater => "a_committed_image_reads_back_equal",
    /// So has the deletion.
    DeletionEndsLater => "deletion_removes_that_image_alone",
    /// So has the end of a writer.
    FinishEndsLater => "names_stay_with_their_image",
    // What comes again.
    /// What is there is not written again, however it is.
    DamageStays => "what_comes_again_completes_what_is_there",
    /// A sparse index stays sparse.
    GapsStay => "what_comes_again_completes_what_is_there",
    /// What is about an image has to come with it at first.
    LaterReferrerIsLost => "what_comes_again_completes_what_is_there",
    /// A sparse index that comes again makes the whole one sparse.
    LessIsMore => "what_comes_again_completes_what_is_there",
    /// What is put leaves a temporary file.
    SpoolsStay => "a_dropped_put_leaves_no_trace",
    /// The next image goes where the file says, whatever is there.
    NextIsBelieved => "what_cannot_be_read_is_left_as_it_is",
    // What else is said.
    /// Names to fall back to are not looked at.
    FallbackIsNotTaken => "an_image_is_written_where_its_reference_says",
    /// A layer that nobody may give away has to be there.
    ForeignLayersAreMissed => "what_is_missing_is_refused_at_commit",
    /// An image shows, whatever its names stand for.
    ShowsByAnyName => "what_is_asked_for_less_is_true",
    /// What was put is read back after the commit only.
    PutIsNotReadBack => "has_is_true",
    /// A tag beside an image is there before the image is.
    BesideIsEarly => "what_is_beside_shows_with_its_image",
    /// What is put beside an image is not kept.
    BesideIsLost => "what_is_beside_shows_with_its_image",
    /// It is listed as an image.
    BesideIsListed => "what_is_beside_shows_with_its_image",
    /// Of what is beside an image the config is not kept.
    BesideIsHollow => "what_is_beside_is_whole",
    /// A writer that asks what is beside an image gets nothing.
    BesideIsNotGiven => "what_is_beside_can_be_added_to",
    /// A writer does not look at what it put itself.
    OwnBesideIsNotGiven => "what_is_beside_can_be_added_to",
    /// A tag beside an image never moves.
    FirstBesideStays => "a_tag_beside_moves",
    /// A commit does not look whether a tag moved since it was asked for.
    BesideIsReplacedUnseen => "no_signature_is_replaced_unseen",
    /// It says that tags always move, and one that moved meanwhile is a conflict.
    TagsAreSaidToMove => "tags_that_always_move_are_no_conflict",
    /// Every file is a place.
    EachFileIsAPlace => "a_place_is_recognized_by_its_path",
    /// The place that is recognized is the one above.
    AnotherIsRecognized => "a_place_is_recognized_by_its_path",
    /// A file named as the standard input is taken for it.
    DashIsAFile => "a_place_is_recognized_by_its_path",
    /// Looking leaves a file.
    RecognizingLeavesAFile => "a_place_is_recognized_by_its_path",
    /// Without names in the error.
    NotFoundSaysNoNames => "what_is_missing_is_not_found",
    /// It says which image a name is for, and takes another.
    PinnedIsAnyImage => "an_image_is_written_where_its_reference_says",
    /// An archive is listed by an image that is there, or not at all.
    ListingNeedsTheImage => "what_is_missing_is_not_found",
    /// The file of a database grows with each image, and stays as large when it is deleted.
    FileNeverShrinks => "deletion_leaves_nothing_of_the_image",
    /// Opening a database for reading writes into its file.
    ReadingWritesTheFile => "reading_changes_nothing",
    /// A manifest is refused until its config has been put.
    ManifestsComeLast => "a_committed_image_reads_back_equal",
    /// Once a blob has been put, it accepts fewer types of manifests.
    AcceptsLessAfterAPut => "a_committed_image_reads_back_equal",
    /// It lists manifests of OCI alone, and takes all.
    TakesAnyType => "what_is_not_accepted_is_refused",
    /// Where the reference has a name, those of the options are not looked at.
    OptionsNamesAreIgnored => "an_image_is_written_where_its_reference_says",
    /// A name is known when something was put under it.
    NamesComeWithPuts => "a_committed_image_reads_back_equal",
    /// `has` writes to a file when it finds something.
    HasLeavesAFile => "has_is_true",
    /// Asked whether a blob is here, it says no.
    HoldsNothing => "every_door_gives_the_same_bytes",
    /// Asked whether a blob is here, it says yes.
    HoldsEverything => "what_is_missing_is_not_found",
    /// By its position, the first name of an image goes.
    PositionDeletesOneName => "a_deleted_name_leaves_the_others",
    // What was found in a transport over a file.
    /// Looking does not compare the root.
    LookIgnoresTheRoot => "deletion_removes_that_image_alone",
    /// The root is compared before the place is locked.
    RootIsComparedEarly => "a_deletion_by_root_takes_no_newer_image",
    /// What stands in the archive is shown in lower case.
    RawNamesAreLowered => "names_stay_with_their_image",
    /// Of several images, the only one that has a name is meant.
    OnlyNamedIsMeant => "several_images_are_ambiguous",
    /// An index shows without one of its children.
    SparseShows => "what_is_asked_for_less_is_true",
    /// An image shows that is to take the place of others.
    ReplacedShows => "what_is_asked_for_less_is_true",
    /// What is in a manifest as `data` is taken for put.
    DataIsTakenForPut => "what_is_missing_is_refused_at_commit",
    /// A layer that is not to be distributed is not kept.
    ForeignLayersAreLost => "what_is_missing_is_refused_at_commit",
    /// An image that comes again is written anew, without the signatures that it had.
    SignaturesGoAgain => "signatures_come_back",
    // Images that others are built on.
    /// They are not listed without a name, and that is not claimed.
    BasesAreHidden => "a_base_image_stays",
    /// That is claimed, and they are gone.
    HiddenBasesAreGone => "a_base_image_stays",
    /// An image that is deleted takes them with it.
    DeletionTakesBases => "a_base_image_stays",
    /// An image whose commit is given up does.
    GivingUpTakesBases => "a_base_image_stays",
}

/// Manifests of OCI alone.
static OCI: LazyLock<Accepts> = LazyLock::new(|| {
    let mut accepts = Accepts::anything();
    accepts.manifests =
        AcceptsManifests::Only(vec![MediaType::ImageManifest, MediaType::ImageIndex]);
    accepts
});

/// The digest of no image.
static ANOTHER: LazyLock<Digest> = LazyLock::new(|| sha256(b"another image"));

/// What the slips remember.
#[derive(Debug)]
pub struct State {
    pub busy: AtomicUsize,
    /// Of blobs that are read.
    pub turns: Arc<Semaphore>,
    pub reading: Arc<AtomicUsize>,
    pub lost: Mutex<HashSet<Digest>>,
    pub first: Mutex<Option<Handle>>,
    pub gone: Mutex<HashMap<Digest, HashSet<Digest>>>,
    pub late: Mutex<HashSet<Digest>>,
    pub about: Mutex<Vec<Manifest>>,
    pub beside: Mutex<Vec<(String, Manifest)>>,
    pub spools: Mutex<Vec<PathBuf>>,
}

/// The tests leave nothing behind.
impl Drop for State {
    fn drop(&mut self) {
        for spool in self.spools.lock().unwrap().drain(..) {
            std::fs::remove_file(spool).unwrap();
        }
    }
}

/// A transport with a slip.
#[derive(Debug)]
pub struct Slips {
    slip: Slip,
    memory: Memory,
    state: Arc<State>,
}

impl Slip {
    /// Whether a file stands for the place, so that what is stored is seen.
    pub fn is_on_disk(self) -> bool {
        matches!(
            self,
            Self::DamageStays | Self::HasLeavesAFile | Self::NextIsBelieved | Self::PathIsShortened
        ) || self.recognizes()
            || self.is_a_database()
    }

    /// Whether a place is a file of which the fixture shows no more than that it is there.
    pub fn is_a_database(self) -> bool {
        matches!(self, Self::FileNeverShrinks | Self::ReadingWritesTheFile)
    }

    /// Whether what is beside images goes another way.
    pub fn is_beside(self) -> bool {
        matches!(
            self,
            Self::BesideIsEarly
                | Self::BesideIsLost
                | Self::BesideIsHollow
                | Self::BesideIsNotGiven
                | Self::OwnBesideIsNotGiven
                | Self::FirstBesideStays
                | Self::BesideIsReplacedUnseen
                | Self::TagsAreSaidToMove
        )
    }

    pub fn recognizes(self) -> bool {
        matches!(
            self,
            Self::EachFileIsAPlace
                | Self::AnotherIsRecognized
                | Self::DashIsAFile
                | Self::RecognizingLeavesAFile
        )
    }

    pub fn fixture(self) -> Slips {
        let turns = if self == Self::BodiesTakeTurns { 1 } else { 16 };
        let state = State {
            busy: AtomicUsize::new(0),
            turns: Arc::new(Semaphore::new(turns)),
            reading: Arc::default(),
            lost: Mutex::default(),
            first: Mutex::default(),
            gone: Mutex::default(),
            late: Mutex::default(),
            about: Mutex::default(),
            beside: Mutex::default(),
            spools: Mutex::default(),
        };
        Slips { slip: self, memory: Memory::new(), state: Arc::new(state) }
    }
}

impl Fixture for Slips {
    fn transport(&self) -> Arc<dyn Transport> {
        let (memory, state) = (self.memory.clone(), Arc::clone(&self.state));
        Arc::new(Slipping { slip: self.slip, memory, state })
    }

    fn place(&self) -> std::io::Result<Place> {
        if self.slip.is_on_disk() {
            return Place::in_folder("place");
        }
        Ok(Place::in_memory())
    }

    fn snapshot(&self, place: &Place) -> std::io::Result<BTreeMap<String, String>> {
        let mut files = place.files()?;
        if self.slip.is_a_database() {
            files.remove("place");
        }
        Ok(files)
    }

    fn claims(&self) -> Claims {
        let claims = Claims::in_memory();
        match self.slip {
            Slip::HiddenBasesAreGone => claims.with(Bases::Hidden),
            Slip::SpoolsStay => claims.with(Processes::Many),
            _ => claims,
        }
    }
}
