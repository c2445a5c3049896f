//! The laws: a file each, named after what holds.

use std::fs;
use std::path::{Path, PathBuf};

use transship_core::{ErrorKind, WriteMode};

use crate::broken::{While, hold};
use crate::expected::Entry;
use crate::lab::{Lab, commit, put_all};
use crate::model::{Built, Child, Format, Image, Index, Node, Presence};
use crate::{Ability, Broken, Held, Law};

pub(crate) use collecting_takes_garbage_alone::collect;

/// Lists the laws, and makes the macro that expands to a test for each. `$` stands for itself.
macro_rules! laws {
    ($d:tt $($law:ident)*) => {
        $(mod $law;)*

        /// All laws.
        pub const ALL: &[Law] = &[$($law::LAW),*];

        /// Expands to one `#[test]` for each law, of the transport of a [`Fixture`](crate::Fixture): an expression, which
        /// each test evaluates anew.
        #[macro_export]
        macro_rules! conformance {
            ($d fixture:expr) => {
                $(
                    #[test]
                    fn $law() {
                        let law = $d crate::law(stringify!($law)).expect("each law is listed");
                        $d crate::test($d fixture, law, env!("CARGO_MANIFEST_DIR"), module_path!());
                    }
                )*
            };
        }
    };
}

laws! { $
    a_reference_is_a_fixed_point
    a_place_is_where_its_text_says
    a_place_is_recognized_by_its_path
    the_next_call_may_come_from_another_runtime
    equal_references_open_equal_images
    a_reference_opens_its_image_or_nothing
    an_image_is_written_where_its_reference_says
    listed_references_open_the_same_image
    a_position_is_that_of_the_listing
    a_place_alone_is_its_default_name
    a_committed_image_reads_back_equal
    every_door_gives_the_same_bytes
    a_runtime_of_one_thread_is_enough
    a_large_layer_needs_little_memory
    blobs_put_at_once_are_all_there
    reading_changes_nothing
    what_is_asked_for_is_held_to_its_descriptor
    what_is_missing_is_not_found
    wrong_bytes_are_refused
    a_failing_body_fails_with_its_cause
    nothing_shows_before_commit
    an_unfinished_archive_is_not_there
    a_commit_survives_a_power_cut
    a_killed_process_leaves_the_old_or_the_new
    a_dropped_destination_leaves_no_trace
    dropping_waits_for_nothing
    a_dropped_put_leaves_no_trace
    a_dropped_writer_leaves_no_trace
    a_dropped_commit_is_all_or_nothing
    a_dropped_finish_is_all_or_nothing
    a_finish_that_failed_can_be_called_again
    a_commit_dropped_in_a_writer_is_whole_or_not_there
    a_dropped_opening_leaves_no_trace
    replacing_keeps_the_old_image_readable
    what_has_gone_is_no_gap
    replacing_leaves_nothing_of_the_old
    readers_never_see_a_mixture
    a_reader_reads_what_it_lists
    referrers_come_with_their_image
    what_is_about_an_image_stays_with_it
    what_is_beside_shows_with_its_image
    what_is_beside_is_whole
    what_is_beside_can_be_added_to
    a_tag_beside_moves
    no_signature_is_replaced_unseen
    tags_that_always_move_are_no_conflict
    a_manifest_may_be_a_layer_too
    what_comes_again_completes_what_is_there
    signatures_come_back
    names_stay_with_their_image
    shared_blobs_are_stored_once
    an_image_twice_is_one
    append_keeps_every_old_image
    a_base_image_stays
    replacing_while_joining_loses_nothing
    a_name_taken_over_moves
    images_open_at_once_do_not_mix
    several_images_are_ambiguous
    a_second_image_without_a_name_is_refused
    a_source_says_whether_it_may_be_sparse
    what_is_asked_for_less_is_true
    a_place_holds_what_it_states
    details_are_true
    what_is_not_accepted_is_refused
    has_is_true
    take_from_moves_what_it_says
    names_beyond_what_is_accepted_are_refused
    what_is_missing_is_refused_at_commit
    a_delta_says_what_it_needs
    create_refuses_what_is_there
    no_mode_is_the_default_mode
    deletion_removes_that_image_alone
    the_only_image_can_be_deleted
    deletion_leaves_nothing_of_the_image
    a_deleted_name_leaves_the_others
    a_dropped_deletion_is_all_or_nothing
    collecting_takes_garbage_alone
    what_a_collection_says_is_true
    a_collection_waits_for_writers
    what_is_staged_is_there_for_each_image
    an_archive_in_one_pass_is_the_same
    the_same_puts_give_the_same_bytes
    many_writers_lose_nothing
    deleting_beside_writers_loses_nothing
    a_deletion_by_root_takes_no_newer_image
    many_processes_lose_nothing
    processes_that_delete_take_nothing_else
    processes_see_whole_images
    what_one_process_has_no_other_sees
    changed_bytes_never_read_as_true
    what_cannot_be_read_is_left_as_it_is
    a_stored_blob_that_changes_is_corrupt
    errors_say_what_they_are_about
}

/// What is printed of an error is one line of text, and no dump of a value.
pub(crate) fn one_line(error: &transship_core::Error) -> Held {
    let text = error.to_string();
    hold!(!text.is_empty() && !error.message().is_empty(), "an error says nothing");
    let hint = error.advice().map(ToString::to_string).unwrap_or_default();
    for text in [text, hint] {
        hold!(!text.contains(char::is_control), "an error has more than one line: {text:?}");
        let dumps =
            ["Some(", "Err(", "Ok(", "Error {", "Os {", "Custom {", "ErrorKind::", "ImageName("];
        let named = text.contains(" { ") && text.contains(": ") && text.contains(" }");
        let dump = named || dumps.iter().any(|dump| text.contains(dump));
        hold!(!dump, "an error shows a value as programs print it: {text:?}");
    }
    Ok(())
}

/// Whether an operation fails, with a kind, in one line, naming something.
pub(crate) fn fails<T>(
    result: transship_core::Result<T>,
    kinds: &[ErrorKind],
    naming: &[&str],
    what: &str,
) -> Held {
    let Err(error) = result else { return Err(Broken::new(format!("{what}: it succeeds"))) };
    hold!(
        kinds.contains(&error.kind()),
        "{what}: it fails as \"{}\" instead of \"{}\": {error}",
        error.kind(),
        kinds.iter().map(ToString::to_string).collect::<Vec<_>>().join("\" or \"")
    );
    one_line(&error)?;
    let text = error.to_string();
    for name in naming {
        hold!(text.contains(name), "{what}: the error does not name {name:?}: {text}");
    }
    Ok(())
}

/// Writes images to an archive, one after the other.
pub(crate) async fn write_archive(lab: &Lab, mode: WriteMode, entries: &[Entry]) -> Held {
    let mut writer = lab.writer(mode).await?;
    for (at, entry) in entries.iter().enumerate() {
        let what = || format!("image {at} of the archive");
        let destination = writer.image(&entry.names).await.during(what)?;
        put_all(&*destination, &entry.built).await.during(what)?;
        commit(destination, &entry.built).await.during(what)?;
    }
    writer.finish().await.during(|| "finishing")
}

/// An image, in an index with another one where indexes are held.
pub(crate) fn image_or_index(lab: &Lab, image: &Image) -> Held<Built> {
    if !lab.has(Ability::Indexes) {
        return image.build();
    }
    let child = |image| Child { node: Node::Image(image), presence: Presence::Here };
    let children = [image.clone(), Image::simple(3)].map(child).to_vec();
    Index { format: Format::Oci, children, described: false }.build()
}

/// How large the files of a place are, all together.
pub(crate) fn room(lab: &Lab) -> Held<u64> {
    let mut files = Vec::new();
    files_in(lab.folder()?, &mut files)?;
    let sizes = files.iter().map(|file| Ok(file.metadata()?.len()));
    sizes.sum()
}

/// All files below a folder.
pub(crate) fn files_in(folder: &Path, files: &mut Vec<PathBuf>) -> Held {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let kind = path.symlink_metadata()?.file_type();
        if kind.is_dir() {
            files_in(&path, files)?;
        } else if kind.is_file() {
            files.push(path);
        }
    }
    Ok(())
}
