//! What a case was given, as lines with labels.

/// The labels of what a law generates, in the order of its strategy.
const LABELS: &[(&[&str], &[&str])] = &[
    (&["a_collection_waits_for_writers"], &["image", "written by"]),
    (
        &["a_commit_dropped_in_a_writer_is_whole_or_not_there"],
        &["first image", "second image", "microseconds before the drop"],
    ),
    (&["a_committed_image_reads_back_equal"], &["image", "names"]),
    (&["an_archive_in_one_pass_is_the_same"], &["images, as written", "where it ends early"]),
    (&["a_deleted_name_leaves_the_others"], &["other image", "image", "delete its first name"]),
    (&["a_delta_says_what_it_needs"], &["image", "parts that are left out"]),
    (
        &["a_dropped_commit_is_all_or_nothing"],
        &["image there", "image committed", "microseconds before the drop", "something is there"],
    ),
    (&["a_dropped_deletion_is_all_or_nothing"], &["image", "microseconds before the drop"]),
    (&["a_dropped_destination_leaves_no_trace"], &["image there", "image", "blobs put"]),
    (
        &["a_dropped_finish_is_all_or_nothing"],
        &[
            "image there",
            "images, as written",
            "microseconds before the drop",
            "something is there",
        ],
    ),
    (&["a_dropped_opening_leaves_no_trace"], &["image", "microseconds before the drop"]),
    (&["a_dropped_put_leaves_no_trace"], &["image", "which blob", "milliseconds before the drop"]),
    (&["a_dropped_writer_leaves_no_trace"], &["image there", "images, as written"]),
    (&["a_failing_body_fails_with_its_cause"], &["image", "which blob", "bytes before it fails"]),
    (&["a_finish_that_failed_can_be_called_again"], &["images, as written", "which file"]),
    (
        &["a_name_taken_over_moves"],
        &["names", "names of each image (from, how many)", "images, as written", "appended"],
    ),
    (
        &[
            "a_position_is_that_of_the_listing",
            "details_are_true",
            "listed_references_open_the_same_image",
            "names_stay_with_their_image",
        ],
        &["images, as written"],
    ),
    (&["a_reader_reads_what_it_lists"], &["images before", "images after"]),
    (&["a_reference_is_a_fixed_point", "a_reference_opens_its_image_or_nothing"], &["locators"]),
    (&["a_stored_blob_that_changes_is_corrupt"], &["change"]),
    (
        &["an_image_is_written_where_its_reference_says"],
        &["image there", "image", "name", "names are given twice"],
    ),
    (
        &["an_image_twice_is_one"],
        &["image", "names", "other image", "names of the other", "names the second time", "same"],
    ),
    (&["an_unfinished_archive_is_not_there"], &["images, as written", "image there"]),
    (&["append_keeps_every_old_image"], &["images there", "images appended"]),
    (
        &["collecting_takes_garbage_alone", "deletion_leaves_nothing_of_the_image"],
        &["images, as written", "which one is deleted"],
    ),
    (
        &["deletion_removes_that_image_alone"],
        &["images, as written", "which one is deleted", "by its root"],
    ),
    (&["deleting_beside_writers_loses_nothing"], &["image"]),
    (&["a_deletion_by_root_takes_no_newer_image"], &["image"]),
    (&["processes_that_delete_take_nothing_else"], &["processes that write"]),
    (&["the_only_image_can_be_deleted"], &["image", "next image", "by its root"]),
    (&["what_a_collection_says_is_true"], &["image that is deleted", "image that stays"]),
    (&["what_cannot_be_read_is_left_as_it_is"], &["what is there", "what is done"]),
    (
        &["dropping_waits_for_nothing"],
        &["image", "what is dropped", "in a writer", "on one thread", "pieces before the drop"],
    ),
    (&["images_open_at_once_do_not_mix"], &["first image", "second image", "dropped image"]),
    (&["many_processes_lose_nothing"], &["processes", "something is there"]),
    (&["many_writers_lose_nothing"], &["images"]),
    (&["names_beyond_what_is_accepted_are_refused"], &["names"]),
    (&["no_mode_is_the_default_mode"], &["image", "written by"]),
    (
        &["no_signature_is_replaced_unseen", "tags_that_always_move_are_no_conflict"],
        &["number of the image", "it is signed before"],
    ),
    (&["referrers_come_with_their_image"], &["image", "referrers"]),
    (&["replacing_while_joining_loses_nothing"], &["image", "image that replaces", "written by"]),
    (
        &["signatures_come_back"],
        &["first image", "second image", "signatures of the root", "signatures of a child"],
    ),
    (&["the_same_puts_give_the_same_bytes"], &["images, as written", "some are there"]),
    (&["a_manifest_may_be_a_layer_too"], &["number of the image", "the artifact is first"]),
    (
        &["what_comes_again_completes_what_is_there"],
        &["change", "written by", "number of the image"],
    ),
    (&["what_is_about_an_image_stays_with_it"], &["image", "the first is deleted"]),
    (&["what_is_missing_is_refused_at_commit"], &["image", "what is left out"]),
    (&["wrong_bytes_are_refused"], &["image", "which blob", "what is wrong", "expected by"]),
    (
        &[
            "equal_references_open_equal_images",
            "has_is_true",
            "nothing_shows_before_commit",
            "readers_never_see_a_mixture",
            "replacing_keeps_the_old_image_readable",
            "what_has_gone_is_no_gap",
            "replacing_leaves_nothing_of_the_old",
            "what_is_staged_is_there_for_each_image",
        ],
        &["first image", "second image"],
    ),
];

/// A line for each value of a case, from their text: tuples are taken apart.
pub(crate) fn lines(law: &str, value: &str) -> String {
    let mut parts = Vec::new();
    take_apart(value.trim(), &mut parts);
    parts.retain(|part| !part.is_empty());
    let known = LABELS.iter().find(|(laws, _)| laws.contains(&law)).map(|(_, labels)| *labels);
    let known = known.filter(|labels| labels.len() == parts.len()).unwrap_or_default();
    let line = |(at, part): (usize, &&str)| match known.get(at) {
        Some(label) => format!("\n  {label}: {part}"),
        None if parts.len() == 1 => format!("\n  {}: {part}", kind(part)),
        None => format!("\n  {} ({} of {}): {part}", kind(part), at + 1, parts.len()),
    };
    parts.iter().enumerate().map(line).collect()
}

/// What it seems to be, for laws without labels.
fn kind(part: &str) -> &'static str {
    let first = part.split_whitespace().nth(1).unwrap_or_default();
    match first {
        "image" | "artifact" | "index" => "image",
        _ if part.parse::<u64>().is_ok() => "number",
        _ => "input",
    }
}

/// The values of a tuple and of tuples in it.
fn take_apart<'t>(text: &'t str, parts: &mut Vec<&'t str>) {
    let inner = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
    let Some(inner) = inner else {
        parts.push(text);
        return;
    };
    let (mut depth, mut quoted, mut escaped, mut from) = (0_usize, false, false, 0);
    for (at, c) in inner.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                take_apart(inner[from..at].trim(), parts);
                from = at + 1;
            }
            _ => {}
        }
    }
    take_apart(inner[from..].trim(), parts);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_get_their_labels() {
        let text = r#"((Oci image 1 of [plain 7 B #4], [a:1, ")"]), (3, true))"#;
        let want = "\n  image there: Oci image 1 of [plain 7 B #4]\n  image committed: [a:1, \")\"]\
            \n  microseconds before the drop: 3\n  something is there: true";
        assert_eq!(lines("a_dropped_commit_is_all_or_nothing", text), want);
        assert_eq!(lines("none", "Oci image 1 of []"), "\n  image: Oci image 1 of []");
        assert_eq!(lines("none", "(1, [x])"), "\n  number (1 of 2): 1\n  input (2 of 2): [x]");
    }

    #[test]
    fn labels_are_of_laws() {
        let laws: Vec<_> = LABELS.iter().flat_map(|(laws, _)| *laws).collect();
        for law in &laws {
            assert!(crate::law(law).is_some(), "there is no law {law}");
            assert_eq!(laws.iter().filter(|other| other == &law).count(), 1, "{law}");
        }
    }
}
