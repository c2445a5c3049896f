//! Write a transport: from nothing to one that every tool built on transship can use, and that is known to be right.
//!
//! A transport is four answers: what a reference means, how an image is read, how one is written so that it shows at once
//! or not at all, and, where a place holds several, how they are listed and written together. The bullets in the docs of
//! [`Transport`](crate::transport::Transport), [`ImageSource`](crate::transport::ImageSource), [`ImageDestination`](crate::transport::ImageDestination) and
//! [`Archives`](crate::transport::Archives) are promises that callers build on. The conformance kit, `transship-conformance`, holds a
//! transport to them.
//!
//! # Begin with the scaffold
//!
//! ```text
//! cargo xtask new-transport shelf --on file --path ../transship-shelf   # or crates/shelf, without --path
//! cargo test --manifest-path ../transship-shelf/Cargo.toml              # green
//! grep -rn Decide: ../transship-shelf                                   # what is yours to decide
//! ```
//!
//! The crate keeps several images in one place, and all laws. `--on` chooses what is nearest to yours:
//!
//! | `--on` | a place is | take it for |
//! |---|---|---|
//! | `file` | one file, written anew and renamed with each change ([`change_file`](crate::local::change_file)) | a format of archives; an embedded database, for which all of `store.rs` is replaced (see [below](#an-embedded-database)) |
//! | `folder` | a folder with a file for each blob, and a list that is replaced under a lock | a cache, a store by digest |
//! | `memory` | a value in the process | a service, a client of a server |
//!
//! They differ in `src/store.rs` alone, which is yours to replace: what is at a place (`Archive`), the bytes of a blob
//! (`Blob`), where bytes wait that do not show yet (`Room`), and a change that shows all at once or not at all
//! (`Place::change`). The other files rarely change: `reference.rs` says what stands behind the scheme, `images.rs` what an
//! image consists of, `writing.rs` and `destination.rs` how one is written, `source.rs` how it is read.
//!
//! Its names are any text, and equal letter for letter: `app:1` does not find `docker.io/library/app:1`. A place whose names are all
//! docker's makes them canonical, as a comment in `reference.rs` says; one that also holds others cannot tell which were meant.
//!
//! Then, to understand it, build the small transport below; to see a complete one, read `examples/sqlite`: several images
//! in one file, several processes, one claim (`Space::Pages`), and the command with it in three lines.
//!
//! # To understand it: a transport in two hundred and fifty lines
//!
//! `flat:PATH` keeps one image in a folder: `manifest.json`, and each blob under its digest. The four pieces below are
//! compiled together and held to the laws whenever this manual is tested.
//!
//! Three things make it short. [`Body`](crate::Body) checks bytes, wherever they come from.
//! [`run_blocking`](crate::transport::run_blocking) takes work off the runtime, and cancels it when its future is dropped.
//! [`transship::local`](crate::local) has what places on a disk need: staged files and folders, locks, bounded reading.
//!
//! ## 1. What a reference means
//!
//! [`parse`](crate::transport::Transport::parse) looks at the text and nothing else, and gives the one spelling of what was meant. Here
//! all of it is a path. A place of several images says which one, as `PATH[:NAME|:@INDEX|@DIGEST]`: see
//! `examples/sqlite/src/reference.rs`.
//!
//! ```
#![doc = include_str!("flat/transport.rs")]
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/manual/flat/source.rs"));
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/manual/flat/destination.rs"));
//! # fn main() -> Result<()> {
//! let transports = transship::Transports::new().with(Arc::new(Flat));
//! assert_eq!(transports.parse("flat:some/folder")?.locator(), "some/folder");
//! assert_eq!(transports.parse("flat:").unwrap_err().kind(), ErrorKind::InvalidInput);
//! # Ok(())
//! # }
//! ```
//!
//! Errors have a kind that callers match on, and a text for people: what was being done, to which reference, and the way
//! out where there is one. [`Error::io`](crate::Error::io) gives I/O errors their path and kind,
//! [`context`](crate::transport::ResultExt::context) says what it was about.
//!
//! ## 2. How an image is read
//!
//! The root is read when the image is opened, so that a source that was opened before a write is of one image: the old one.
//! A manifest comes with the descriptor that it has to fit ([`Manifest::verified`](crate::Manifest::verified)), a blob as a
//! [`Body`](crate::Body) that expects what the descriptor says. Nothing is read before it is asked for, no blob is held in
//! memory, and documents have limits.
//!
//! ```
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/manual/flat/transport.rs"));
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/manual/flat/destination.rs"));
#![doc = include_str!("flat/source.rs")]
//! # fn main() {}
//! ```
//!
//! A file range is the best that a body can be: others may copy it without the bytes passing here. From elsewhere, give
//! [`Body::from_fn`](crate::Body::from_fn) where reading can begin at any offset (a retry then goes on where it stopped),
//! [`Body::from_reader`](crate::Body::from_reader) for blocking code, [`Body::from_stream`](crate::Body::from_stream)
//! for what passes once.
//!
//! A transport that changes another one (it counts, caches, renames) implements
//! [`WrapTransport`](crate::transport::WrapTransport), [`WrapSource`](crate::transport::WrapSource) and their like: it says what
//! it changes, and all other methods, also those that the traits provide, are those of the wrapped value.
//!
//! ## 3. How one is written
//!
//! What is put waits where no reader looks. The commit makes it durable and shows it in one step; until then the old image is
//! there, whole. A put that fails, or whose future is dropped, leaves nothing; so does a destination that is dropped. What
//! the root refers to has to be there, or knowingly absent: [`Commit::check_complete`](crate::transport::Commit::check_complete) checks
//! that, in indexes and referrers too, and asks an [`Available`](crate::transport::Available) what is there. What cannot be held is refused with `Unsupported`, and
//! [`accepts`](crate::transport::ImageDestination::accepts) says so before: the engine then chooses a platform or changes the form of
//! layers by itself.
//!
//! ```
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/manual/flat/transport.rs"));
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/manual/flat/source.rs"));
#![doc = include_str!("flat/destination.rs")]
//! # fn main() {}
//! ```
//!
//! Dropping a future cannot stop blocking work, it can only tell it to stop. So the steps share the stage, and the commit
//! waits for those that still run and takes it. A drop waits for nothing: the step under way may need an async task of the same
//! thread, and its end removes the stage. [`Unpublished`](crate::local::Unpublished) is all of this.
//! What a remote place has to be told when something is dropped goes on by [`spawn_to_end`](crate::transport::spawn_to_end): a
//! program that ends waits for it by [`settled`](crate::transport::settled), as the command does for up to 30 s.
//!
//! ## 4. Whether it is right
//!
//! A `Fixture` says where fresh places are and what is claimed; `conformance!` makes a test of each law. With
//! `Place::in_folder` the kit sees every file that is left lying about, and changes bytes on the disk to see whether that is
//! noticed. A database, whose file may have other bytes where it holds the same images, says in `Fixture::snapshot` which rows it has.
//! `Place::in_memory` is for a transport without files; where locators have a grammar of their own, `Place::new` takes one.
//!
//! ```
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/manual/flat/transport.rs"));
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/manual/flat/source.rs"));
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/manual/flat/destination.rs"));
#![doc = include_str!("flat/kit.rs")]
//! # fn main() {
//! #     let manual = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/manual/write_a_transport.rs"));
//! #     let settings = transship_conformance::Settings::default().with_cases(4);
//! #     let claims = format!("{:?}", transship_conformance::Claims::default());
//! #     for claim in claims.split([' ', ',']).filter_map(|word| word.strip_suffix(':')) {
//! #         let told = |next| manual.contains(&format!("`{claim}{next}"));
//! #         assert!(told(':') || told('`'), "the manual lacks the claim {claim}");
//! #     }
//! #     for law in transship_conformance::ALL {
//! #         assert!(manual.contains(&format!("`{}`", law.name)), "the manual lacks {}", law.name);
//! #         let (outcome, _) = transship_conformance::run(Arc::new(Folders), law, &settings);
//! #         let broken = matches!(outcome, transship_conformance::Outcome::Broken { .. });
//! #         assert!(!broken, "{}: {outcome:?}", law.name);
//! #     }
//! # }
//! ```
//!
//! A law that does not hold prints the smallest image that shows it, what is special about what was lost, and how to run that
//! one case again. Of several that fail, begin with the first: each says which law it is in the order in which to read them.
//! The kit always ends: what takes too long says what was awaited (`TRANSSHIP_PATIENCE=120` where a machine is slow). Run more
//! now and then: `TRANSSHIP_CASES=1000 TRANSSHIP_SEED=random cargo test --test conformance`.
//!
//! ## 5. Into a program
//!
//! [`register_transport!`](crate::register_transport) makes it known to every program that links the crate. A crate that
//! only stands in `Cargo.toml` is not linked, so the program names it. This is the command `transship` with one more
//! transport, `--help` and the options of the transport included:
//!
//! ```ignore
//! // In the transport's crate.
//! transship::register_transport!("flat", [], |settings| Ok(Arc::new(Flat)));
//! // With an option, which help then shows under the name of the transport:
//! // [TransportOption::value("mode", "OCTAL", "The permissions of new files [default: 644]").writing()]
//!
//! // In the program.
//! use transship_flat as _;
//!
//! fn main() -> std::process::ExitCode {
//!     transship_cli::run()
//! }
//! ```
//!
//! If your places are files or folders that can be told from others, implement
//! [`Transport::recognize`](crate::transport::Transport::recognize): then the command takes their bare paths, too. It gets the path and its
//! first bytes; `-` is the standard input, of which there are no first bytes if it is a pipe. Say `None` for `-` if you do not
//! read from there, or a file of that name is read, and for a path that is not UTF-8, which no reference can name. A format
//! that can be read from a pipe has [`Archives::one_pass`](crate::transport::Archives::one_pass), and recognizes `-` by opening it once
//! ([`Candidate::open_once`](crate::transport::Candidate::open_once)): what it read is given back in
//! [`Recognized::opened`](crate::transport::Recognized::opened), and the place is opened with it. A service
//! that sends images as one stream has `one_pass()`, too; where its list says that several are there and none is chosen,
//! [`OnePass::chosen`](crate::transport::OnePass::chosen) is "ambiguous" before anything is sent.
//!
//! A program that wants no registration hands the value over: `Transports::default().with(Arc::new(Flat))`.
//!
//! # What to claim
//!
//! What your transport says of itself by the traits is not claimed: `Accepts` of its destinations (manifests, layers, names,
//! artifacts, referrers, sparse indexes, images without a name, when images show), and whether it has `archives()`,
//! `deletion()`, `collection()` and `signatures()`. The kit asks for it, and holds it to both: what is accepted comes back, and
//! what is not is refused. The kit sees files where the place comes from `Place::in_folder`.
//!
//! A claim is what the traits do not say. Begin with the profile that fits: `Claims::archive()` for files and folders of
//! several images, `Claims::single_image()` for a place of one, `Claims::registry()` for repositories, `Claims::engine()` for
//! the store of a container engine, `Claims::in_memory()` for what one process keeps and no other sees. A claim is for what
//! people who use the place would expect of it; what you did not get to is no claim but a bug. A law that is not run prints
//! what users lose by that.
//!
//! | claim | when | not when |
//! |---|---|---|
//! | `names: Docker`, `OciOrDocker`, `DockerNotIpv6` | the format cannot hold other names | parsing them is tedious: an escape is two lines |
//! | `manifests: Rebuilt` | the format has no place for a manifest (`docker save`); images of one config are then one | manifests are parsed and written again: digests are lost |
//! | `digests: Sha256` | a server keeps blobs by sha256 alone, and others are refused with `Unsupported` | other digests are rare |
//! | `layers: Tars` | the place unpacks layers (an engine's store), and what is no tar is refused with `Unsupported` or `Corrupt`; with `manifests: Rebuilt` they may come back plain | layers are stored as they are: charts and other files are layers, too |
//! | `append: Refused` | the place is replaced whole: a tar | a lock is missing |
//! | `writers: One` | nothing there can be locked | a race is rare |
//! | `processes: One` | it is in memory, or an embedded database lets one process in | a cache holds what other processes write |
//! | `abandoned: Blobs` | a collector of garbage exists, and after it the place is as it was before | staging is not cleaned up |
//! | `leftover: UntilCollected` | what was replaced or deleted stays until a collector comes, as in a folder of blobs | the place is written anew as a whole |
//! | `space: Pages` | an embedded database keeps free pages, and bytes that are old in them | files are written anew, or can be: what is deleted has to make room |
//! | `taken: InItsPlace`, `WithItsNames` | the format orders images so | - |
//! | `listed: Names`, `chosen: ByName`, `empty: None` | a service lists names, means one where none is said, and has no empty place | a format of your own: print what opens again |
//! | `replaces: Images` | a service publishes image by image | there is a rename or a transaction: use it |
//! | `replaces: Names` | as that, and an image whose name moves stays, listed without a name, until somebody deletes it | names are moved, and then the old image is forgotten |
//! | `variants: NotSaid` | an engine does not say the variant of an image without a save of all of it | the config is at hand |
//! | `contradictions: CorruptWhenRead` | an engine does not compare the order of compressed layers with the config, and to see it each layer would be decompressed once more | the place has both at hand: refuse such an image with `Corrupt` |
//! | `bases: Hidden` | an engine hides images without names that others are built on, as podman does | `list` becomes too long |
//! | `dropped: InTasks` | what was begun is ended by requests, in tasks that end soon | it is blocking work: a runtime waits for that by itself |
//! | `reading: InOnePass` | a service sends an image as one stream, each time that it is read | a seek is tedious |
//! | `found: Trusted` | a remote place keeps blobs by their digests, and its word is all there is | the bytes are on this machine: hash them |
//!
//! Most claims are held to their other side, too. Where one of the first two kinds is made without need, a law fails:
//!
//! - *Refused is what is claimed not to be held:* other digests (`digests: Sha256`), layers that are no tars
//!   (`layers: Tars`), names that neither docker nor a layout has and, where it is claimed, those with an address of IPv6
//!   (`names`; with `Docker`, names of layouts, too), joining (`append: Refused`), replacing an archive as a whole (`replaces: Images`, `Names`).
//! - *So it has to be:* nothing is found where no image was written (`empty: None`), images of one config are one
//!   (`manifests: Rebuilt`, where a place holds several), what lost its name stays (`replaces: Names`), what is hidden is
//!   opened by its reference and is listed again (`bases: Hidden`), no variant is said (`variants: NotSaid`),
//!   compressed layers in another order are taken and are then `Corrupt` (`contradictions: CorruptWhenRead`), and `comes_once` is true (`reading: InOnePass`).
//!   A new image stands where the one stood whose name it took over (`taken: InItsPlace`), an image that loses its oldest name
//!   stands where the next one is (`taken: WithItsNames`), each entry of a listing has one name (`listed: Names`), a place alone opens the image of its default name or nothing (`chosen: ByName`),
//!   and another process finds nothing (`processes: One`).
//! - *So much, and no more:* something may be left, or nothing. What is left goes with the next collection (`leftover`,
//!   `abandoned`), files do not grow with each image that shares a layer or is deleted (`space`), tasks end within 5
//!   seconds (`dropped`).
//! - *Not where it cannot be:* `found: Trusted` is refused where the kit sees the files.
//!
//! `writers: One` is only believed: where a few writers did no harm to each other, others may.
//!
//! # An embedded database
//!
//! From the transport over SQLite, and two over redb that were written from this manual:
//!
//! - *Speed of tests.* Compile the database with optimization and without its own assertions, as with `opt-level = 3` and
//!   `debug-assertions = false` in `[profile.dev.package.redb]`: otherwise the kit takes ten minutes instead of twenty seconds.
//! - *Locks.* Many databases lock their file with `flock`, as [`change_file`](crate::local::change_file) does, and one process
//!   that writes keeps all readers out. Do not open such a database inside `change_file`. Take a
//!   [`Lock`](crate::local::Lock), shared to read and exclusive to write, and give the database the file that is locked. Keep it
//!   open for a moment only: a body that is being read must not stop a commit, so read a few MiB at each opening. Since nobody has the
//!   lock for long, `ReadOptions` has no `lock_timeout`: wait with `LockWait::new(&how.observer, None)`, which says so after a second and
//!   ends when the reader is dropped.
//! - *A new place* is a database that is staged beside the path and renamed: in a [`StagedFile`](crate::local::StagedFile)
//!   if the database does not lock its file (redb with a `StorageBackend` of yours), or else in a
//!   [`StagedFolder`](crate::local::StagedFolder). Opened at the path itself, a commit that is refused leaves an empty database behind.
//! - *Reading changes nothing*, also no byte of the file. redb's `Database` writes when it is opened and when it is closed: read with what
//!   opens it for reading alone, or through a `StorageBackend` that keeps what is written in memory (as with redb 4.1). The fixture's own
//!   look at the rows must not write either. Checkpoints belong to commits.
//! - *Several transactions.* A large image needs more than one, and a process may be killed between them. Until an image needs a row,
//!   the row names its writer, for example by the path of a [`StagedFile`](crate::local::StagedFile), which is locked while its writer
//!   lives: a collection removes only rows whose file is gone or unlocked. The last transaction shows the image, after it has checked
//!   that all of its rows are still there.
//! - *Limits* that large images alone reach, such as the size of a transaction, are never met with the kit's images, of a few MiB.
//!   Make them smaller where `cfg!(debug_assertions)` holds, so that an image of the kit takes a few transactions, not hundreds.
//! - *A missing row.* If no image lists it any more, it was deleted: a reader that opened its image before gets the old bytes or
//!   `Conflict`, never `NotFound`. If an image still lists it, the place is damaged: `Corrupt`.
//! - *What the fixture shows* are rows (`Fixture::snapshot` of the kit), under names that are not those of files: two files that hold
//!   the same images differ in bytes and size, and free pages stay in them. The names follow from what is there, as digests do: numbers of
//!   rows differ between places that hold the same images.
//! - *Free pages.* The file of most databases does not shrink after a deletion, and one that copies on write may hold old copies of a
//!   layer. Claim `Space::Pages`: then the kit looks that the file does not grow with each image that shares a layer, and not with each
//!   that comes and is deleted.
//! - *Damage.* redb 4.1 panics at some damaged pages. Catch that where the database is opened and read, and say `Corrupt`. Few databases
//!   check what they read: keep a digest of your own for each row of the list of images. Hash a blob before `has` says that it is there,
//!   and before a commit counts on one that nobody asked for; where it is damaged, `has` gives `None`, and a copy puts it again. Where
//!   an image lacks a part, remove nothing: what looks unused may be that part. Hold what you write to the limit at which you read it.
//!
//! # What each law protects the people who use it from
//!
//! References:
//!
//! | law | without it |
//! |---|---|
//! | `a_reference_is_a_fixed_point` | a reference that was printed and stored means something else in the next process, or none |
//! | `a_place_is_where_its_text_says` | a folder with a space, a `%`, a capital or an escaped `:` in its name is another folder; `link/..` is not where the system says |
//! | `a_place_is_recognized_by_its_path` | a text file is taken for a place of images, a bare path opens another place, or `-` a file of that name |
//! | `equal_references_open_equal_images` | a cache that outlives a write shows what was there before |
//! | `a_reference_opens_its_image_or_nothing` | a slip of the pen in a reference copies another image, or writes somewhere |
//! | `an_image_is_written_where_its_reference_says` | the copy went somewhere, and the printed reference opens something else |
//! | `listed_references_open_the_same_image` | what `list` prints opens another image, or only in the process that printed it |
//! | `a_position_is_that_of_the_listing` | `@2` of a listing on the screen is another image when it is typed |
//! | `a_place_alone_is_its_default_name` | where a place without a name is its `latest`, it is the image that came last, or any |
//! | `several_images_are_ambiguous` | a copy takes some image of many, and nobody notices which |
//!
//! Reading:
//!
//! | law | without it |
//! |---|---|
//! | `a_committed_image_reads_back_equal` | digests change on the way: signatures and pins no longer fit |
//! | `every_door_gives_the_same_bytes` | a copy works and a verification fails, or the second read gives the end of the first |
//! | `a_reader_reads_what_it_lists` | an image that was deleted meanwhile makes the listing show its neighbour under its name |
//! | `what_is_asked_for_is_held_to_its_descriptor` | bytes that nobody asked for pass as those that were |
//! | `what_is_missing_is_not_found` | callers cannot tell a gap from a failure, and retry for ever or give up too soon |
//! | `changed_bytes_never_read_as_true` | a bad disk or an attacker changes what runs; so keep the digest of the root, too: without it, as in a `dir:`, nobody sees that the root is another one |
//! | `a_stored_blob_that_changes_is_corrupt` | damage is an end of file or a parse error, and nobody learns which blob to fetch again |
//! | `a_delta_says_what_it_needs` | a delta looks like a whole image, and fails far from the place that could complete it |
//! | `errors_say_what_they_are_about` | of forty images one failed, and the log does not say which |
//! | `a_dropped_opening_leaves_no_trace` | looking, and giving up, leaves locks and folders behind |
//! | `reading_changes_nothing` | a read-only disk cannot be read, and backups see changes that are none |
//! | `details_are_true` | a listing shows a platform or a size that the image does not have |
//! | `referrers_come_with_their_image` | signatures and bills of materials stay behind |
//! | `what_is_about_an_image_stays_with_it` | an image comes or goes, and its neighbour is unsigned |
//! | `what_is_beside_shows_with_its_image` | a signature that stands under a tag shows before its image, or never |
//! | `what_is_beside_is_whole` | a signature is listed and cannot be read, so that the image counts as unsigned where it matters |
//! | `what_is_beside_can_be_added_to` | the second signer takes the first signature away |
//! | `a_tag_beside_moves` | an image goes on to be checked by a signature that was revoked |
//! | `no_signature_is_replaced_unseen` | two people sign at once and both are told that it worked, and one signature is lost |
//! | `tags_that_always_move_are_no_conflict` | a signer gets an error that callers do not expect where tags move without a condition |
//! | `an_archive_in_one_pass_is_the_same` | through a pipe another image comes than from the file, or half of one that was cut off |
//! | `what_is_asked_for_less_is_true` | an image that changed is skipped, as its root was said to be the old one |
//! | `a_source_says_whether_it_may_be_sparse` | a platform that another tool removed stops a copy, or one that is damaged is left out in silence |
//! | `a_place_holds_what_it_states` | a command offers what the place cannot do, and fails in the middle |
//! | `signatures_come_back` | a signed image arrives unsigned, or with the signature of another one |
//!
//! Writing:
//!
//! | law | without it |
//! |---|---|
//! | `wrong_bytes_are_refused` | a truncated download is stored as the layer that it is not |
//! | `a_runtime_of_one_thread_is_enough` | a program with one thread stops for a second, or for ever |
//! | `the_next_call_may_come_from_another_runtime` | a program that starts a runtime for each job works once, and then hangs |
//! | `a_large_layer_needs_little_memory` | a copy of a layer of 20 GB is killed, for want of memory |
//! | `a_manifest_may_be_a_layer_too` | an image loses its config because an artifact beside it refers to its manifest |
//! | `what_comes_again_completes_what_is_there` | a platform or a signature that comes later is reported, and not kept; damage cannot be mended by a copy |
//! | `a_failing_body_fails_with_its_cause` | "write failed" where the registry had said "denied" |
//! | `blobs_put_at_once_are_all_there` | a layer is lost when two come together, and only under load |
//! | `a_dropped_put_leaves_no_trace` | Ctrl-C leaves half a layer, which the next copy takes for a whole one; temporary files fill `/tmp` |
//! | `what_is_staged_is_there_for_each_image` | what came through a pipe is lost for the second image, or stays for ever |
//! | `has_is_true` | a layer that is damaged is never sent again |
//! | `take_from_moves_what_it_says` | a shortcut says that a layer is here, and it is not |
//! | `what_is_missing_is_refused_at_commit` | an image shows that cannot be pulled |
//! | `what_is_not_accepted_is_refused` | the plan says that it fits, and after an hour it does not; or it is dropped silently |
//! | `names_beyond_what_is_accepted_are_refused` | a name is lost, and the image cannot be found |
//! | `a_second_image_without_a_name_is_refused` | two images can be told apart by nothing, and one of them is lost |
//! | `create_refuses_what_is_there` | somebody's images are overwritten |
//! | `what_cannot_be_read_is_left_as_it_is` | one bad byte in a list, and the next copy takes it for an empty one and writes over all images, or drops those that could be read still; a note is overwritten by an archive |
//! | `no_mode_is_the_default_mode` | a copy without options replaces what its help says that it joins |
//! | `the_same_puts_give_the_same_bytes` | builds cannot be reproduced, caches never hit |
//!
//! Showing, all or nothing:
//!
//! | law | without it |
//! |---|---|
//! | `nothing_shows_before_commit` | others pull an image that is half there |
//! | `an_unfinished_archive_is_not_there` | others read an export that is half there |
//! | `a_dropped_destination_leaves_no_trace` | failed copies fill the disk |
//! | `dropping_waits_for_nothing` | a service with one thread hangs for ever when a copy is given up |
//! | `a_dropped_writer_leaves_no_trace` | an interrupted export destroys the archive that it was to replace |
//! | `a_dropped_commit_is_all_or_nothing` | a name without its image, or an image without its name, after Ctrl-C |
//! | `a_commit_dropped_in_a_writer_is_whole_or_not_there` | an export that went on after Ctrl-C of one image holds a half of it |
//! | `a_dropped_finish_is_all_or_nothing` | some of the images of an archive, after Ctrl-C |
//! | `a_finish_that_failed_can_be_called_again` | an hour of writing, because another process had a lock |
//! | `replacing_keeps_the_old_image_readable` | services that start during an upload find nothing |
//! | `a_commit_survives_a_power_cut` | a machine that loses power keeps an index whose blobs are empty (looked at with `strace`, on Linux) |
//! | `a_killed_process_leaves_the_old_or_the_new` | a copy or a deletion that was killed takes an image with it that was there before |
//! | `what_has_gone_is_no_gap` | a copy of an index that is deleted meanwhile succeeds without some of its platforms |
//! | `replacing_leaves_nothing_of_the_old` | a folder that is replaced every night fills the disk, and old layers leak |
//! | `readers_never_see_a_mixture` | the old manifest with the new layers |
//!
//! Archives:
//!
//! | law | without it |
//! |---|---|
//! | `names_stay_with_their_image` | a tag leads to the image beside it |
//! | `shared_blobs_are_stored_once` | ten images of one base take ten times the room |
//! | `an_image_twice_is_one` | a second tag doubles the image, or takes the first tag's place |
//! | `a_base_image_stays` | an image of yours goes with one that was built on it: when that is deleted, or its copy fails |
//! | `append_keeps_every_old_image` | adding an image loses or changes another one |
//! | `replacing_while_joining_loses_nothing` | what was joined last night brings back what was replaced, or points into it |
//! | `a_name_taken_over_moves` | two images answer to one name |
//! | `images_open_at_once_do_not_mix` | layers of one image end up in another one when copies run side by side |
//! | `deletion_removes_that_image_alone` | deleting one image breaks those that share its layers, or takes another one that has its name meanwhile; a dry run deletes |
//! | `the_only_image_can_be_deleted` | a place of one image cannot be emptied, or what is left of it refuses the next one |
//! | `deletion_leaves_nothing_of_the_image` | people delete to make room, and get none |
//! | `a_dropped_deletion_is_all_or_nothing` | Ctrl-C in a deletion leaves half an image, or breaks its neighbours |
//! | `a_deleted_name_leaves_the_others` | taking away `app:old` takes `app:latest` with it, or leaves it where all names were to go |
//! | `collecting_takes_garbage_alone` | a clean-up breaks an image, or says what it would free and frees something else |
//! | `what_a_collection_says_is_true` | a dry run says that it frees what an image needs, or what stays looks as if there were nothing |
//! | `a_collection_waits_for_writers` | the nightly clean-up takes the layers of an image that is being written |
//! | `many_writers_lose_nothing` | two CI jobs push at once, and one image is gone |
//! | `a_deletion_by_root_takes_no_newer_image` | a clean-up of old images deletes the one that was pushed a moment ago |
//! | `deleting_beside_writers_loses_nothing` | old tags are deleted while a job pushes, and the new image is gone, or broken |
//! | `many_processes_lose_nothing` | the same, where a lock within one program does not help |
//! | `processes_that_delete_take_nothing_else` | the same by a clean-up in another process |
//! | `processes_see_whole_images` | another process reads the old manifest with the new layers |
//! | `what_one_process_has_no_other_sees` | `processes: One` is claimed, and the laws about processes do not run, though other processes see the place |
//!
//! # What the kit cannot see
//!
//! Mistakes that authors make were made on purpose, one at a time, and the kit was run as you run it, with 16 cases:
//!
//! | mistakes | in | caught | made again by |
//! |---|---|---|---|
//! | 40, before the laws were read against them | transports of authors | 27 | - |
//! | 50, before the laws were read against them | the scaffold over a file | 31; 48 since the laws were deepened for them | - |
//! | 117: 65 thought of before the laws were read, the others since | the transport in memory | 117 | the kit's own tests (`conformance/tests/mutants/slips`) |
//! | 32, by one of us, before the laws were read again | the scaffold over a folder | 27; all since the laws were deepened for them | - |
//! | 25, before the laws were read | the transport over SQLite | 12; nearly all since the laws were deepened for them | - |
//! | 68, by one of us, from the docs alone | the transports over SQLite and in memory | 49; all since the laws were deepened for them | - |
//! | 33 | the scaffold over a folder | 33 | `cargo xtask seeded` (`xtask/src/seeded/folder.faults`) |
//! | 34 | the transport over SQLite | 34 | `cargo xtask seeded` (`xtask/src/seeded/sqlite.faults`) |
//!
//! Each list says which law catches each mistake. What is left for you to look at:
//!
//! | what | how |
//! |---|---|
//! | a power cut and a kill, where `strace` is missing (`a_commit_survives_a_power_cut` then says that it did not look) | install it |
//! | in which order a file is synced that is changed in place, at the moment when power is cut | keep a journal, or write anew and rename |
//! | that parsing looks at nothing in the folder of the place, and that nothing outside the place is changed | `cargo xtask trace --program FILE --scheme NAME` (a command of yours: the three lines above), where places are paths; with `--changes` where they can be joined, deleted from and collected |
//! | that parsing does no I/O elsewhere: a program reads files of its own when it starts, and trace does not tell them apart | read the code |
//! | that a process killed at any moment leaves the old or the new: a few moments are looked at, with `strace`, where the kit sees the files | kill it (`cargo xtask faults` does it to ours) |
//! | that an image that was deleted, collected and committed again with fewer children is another one for a reader that had it open | compare more than the digest of the root |
//! | that changed bytes change no name and lose no signature: a docker archive has no checksum over its list, so no law asks for one | in a format of your own, keep a checksum over the table, and say `Corrupt` where it does not fit |
//! | who may read a new file: the temporary file of a library is often its owner's alone, and keeps that when it is renamed | look at its mode, with a umask of 022 |
//! | sizes above 3 MiB (7.6 and 96 MiB in one law each), manifests above 3 MiB, archives of more than 30 images, images of more than nine layers or 40 names, indexes of more than 61 children or deeper than three, more than 43 manifests about an image | copy your largest |
//! | every interleaving: operations are dropped at each of their await points, after pauses that differ; blocking work is met at various points | look at what a step does after it is given up |
//! | options other than mode, names and the result of a pass; the platform that a commit prefers; notices; how old garbage has to be | tests of your own |
//! | a configuration other than the fixture's | a fixture for each that matters |
//! | places that come but once: a pass is looked at over an archive that can be read again | read from a pipe |
//! | what `identity` says, by which policies on trust choose their rules | a test of its scopes and name |
//! | a `finish` that failed and is called again, where the kit sees no files: then it only looks that it fails again where another archive came | a test that lets it fail otherwise |
//! | a method that blocks the thread of the runtime for less than a second | look for I/O that is not in `run_blocking` |
//! | places that accept compressed layers alone (`AcceptsLayers::CompressedOnly`), or no manifests of OCI, or of indexes docker's lists alone: the kit has no images for them, and each law fails and says so | - |
//! | digests of sha512 of configs | - |
//! | whether a claim is needed, where it is only believed or allows something (`leftover`, `abandoned`, `space`, `dropped`) | ask what your users lose |
//! | that reading changes no bytes of a place that is a folder, where the fixture does not show its files | hash them before and after |
//! | that the error of a read names the place: the digest alone is enough for the kit | read what your command prints when a layer of one of forty images is damaged |
//! | memory, where another process does not see the place or the system is not Linux, and that of a server | measure it, with a layer larger than your memory limit |
//! | that a transport that is dropped frees what it had: parts that hold each other by `Arc` are never freed | a test that holds a `Weak` of them, which is dead afterwards; `valgrind --leak-check=full` with the test of `has_is_true`, where nothing may be "definitely lost" |
