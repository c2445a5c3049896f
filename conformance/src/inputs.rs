//! What a case was given, as lines with labels.

use std::fmt;

/// The labels of what a law generates, in the order of its strategy.
const LABELS: &[(&[&str], &[&str])] = &[
    (&["a_base_image_stays"], &["image", "microseconds before the drop"]),
    (&["a_collection_waits_for_writers"], &["image", "written by"]),
    (
        &["a_commit_dropped_in_a_writer_is_whole_or_not_there"],
        &["first image", "second image", "microseconds before the drop"],
    ),
    (&["a_committed_image_reads_back_equal"], &["image", "names"]),
    (&["an_archive_in_one_pass_is_the_same"], &["images, as written", "where it ends early"]),
    (
        &["a_deleted_name_leaves_the_others"],
        &["other image", "image", "its first name is deleted", "all names go with it"],
    ),
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
    (
        &["a_dropped_put_leaves_no_trace"],
        &["image", "which blob", "where it stops coming", "milliseconds before the drop"],
    ),
    (&["a_dropped_writer_leaves_no_trace"], &["image there", "images, as written"]),
    (&["a_failing_body_fails_with_its_cause"], &["image", "which blob", "where it fails"]),
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
    (&["a_place_alone_is_its_default_name"], &["other images", "another one comes last"]),
    (&["a_reader_reads_what_it_lists"], &["images before", "images after"]),
    (&["a_reference_is_a_fixed_point"], &["locators"]),
    (
        &["a_reference_opens_its_image_or_nothing"],
        &["texts (which name, what is behind it, where the name is cut)"],
    ),
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
    (&["changed_bytes_never_read_as_true"], &["image", "changes (which file, where, which bits)"]),
    (
        &["collecting_takes_garbage_alone", "deletion_leaves_nothing_of_the_image"],
        &["images, as written", "which one is deleted"],
    ),
    (
        &["deletion_removes_that_image_alone"],
        &["images, as written", "which one is deleted", "by its root"],
    ),
    (&["deleting_beside_writers_loses_nothing"], &["image", "collections meanwhile"]),
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
    (
        &["the_same_puts_give_the_same_bytes"],
        &["images, as written", "the second time in another second"],
    ),
    (&["a_manifest_may_be_a_layer_too"], &["number of the image", "the artifact is first"]),
    (
        &["what_comes_again_completes_what_is_there"],
        &["change", "written by", "number of the image"],
    ),
    (
        &["what_has_gone_is_no_gap"],
        &["image", "image that replaces it", "what becomes of the image"],
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
            "replacing_leaves_nothing_of_the_old",
            "what_is_staged_is_there_for_each_image",
        ],
        &["first image", "second image"],
    ),
];

/// A line for each value of a case: tuples are taken apart.
pub(crate) fn lines(law: &str, value: &impl fmt::Debug) -> String {
    let mut parts = Vec::new();
    let text = format!("{value:#?}");
    take_apart(&text.lines().collect::<Vec<_>>(), &mut parts);
    let known = LABELS.iter().find(|(laws, _)| laws.contains(&law)).map(|(_, labels)| *labels);
    let known = known.filter(|labels| labels.len() == parts.len()).unwrap_or_default();
    let line = |(at, part): (usize, &String)| match known.get(at) {
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

/// The values of a tuple and of tuples in it, out of the lines of `{:#?}`. There, each value begins a line, however deep it is:
/// brackets and commas are no help, which names have as well.
fn take_apart(lines: &[&str], parts: &mut Vec<String>) {
    let inner = match lines {
        ["()"] => return,
        ["(", inner @ .., ")"] => inner,
        _ => return parts.push(on_one_line(lines)),
    };
    let inner = inner.iter().map(|line| line.strip_prefix("    ").unwrap_or(line));
    let mut value = Vec::new();
    for line in inner {
        let end = line.strip_suffix(',').filter(|_| !line.starts_with(' '));
        value.push(end.unwrap_or(line));
        if end.is_some() {
            take_apart(&value, parts);
            value.clear();
        }
    }
}

/// A value as `{:?}` gives it, but for its names, which are as texts.
fn on_one_line(lines: &[&str]) -> String {
    let mut all = String::new();
    for line in lines {
        let line = line.trim_start();
        let (value, comma) = line.strip_suffix(',').map_or((line, ""), |value| (value, ","));
        if line.starts_with([')', ']', '}']) {
            all.truncate(all.strip_suffix(',').unwrap_or(&all).len());
        } else if !all.is_empty() && !all.ends_with(['(', '[', '{']) {
            all.push(' ');
        }
        match value.strip_prefix("ImageName(").and_then(|name| name.strip_suffix(')')) {
            Some(name) => all += &quoted(name),
            None => all.push_str(value),
        }
        all.push_str(comma);
    }
    all
}

fn quoted(name: &str) -> String {
    format!("{name:?}")
}

#[cfg(test)]
mod tests;
