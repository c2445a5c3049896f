//! `copy --dry-run` of several images, as a table.

use transship::Plan;
use transship::transfer::{PlanTotals, PlannedImage, Sum};

use crate::output::{self, count, safe, size};

/// A line for each image, its losses and warnings, and totals. Shared blobs are counted for the first image that has them.
pub(super) fn table(plan: &Plan) -> String {
    let head = ["COPY", "RECOMPRESS", "REUSE", "DIGEST", "IMAGE"];
    let mut text = output::table(head, plan.images.iter().map(row));
    let mut notes = String::new();
    for image in &plan.images {
        let source = image.source.to_string();
        if let Some(text) = output::not_distributed(&image.not_distributed) {
            notes += &safe(&format!("{source}: {text}"));
            notes.push('\n');
        }
        for (what, said) in [("lost", &image.lost), ("warning", &image.warnings)] {
            for said in said {
                notes += &safe(&format!("{source}: {what}: {said}"));
                notes.push('\n');
            }
        }
    }
    for failed in &plan.failed {
        notes += &safe(&format!("cannot be copied: {}", failed.error));
        notes.push('\n');
    }
    if !notes.is_empty() {
        text.push('\n');
        text += &notes;
    }
    text.push('\n');
    text += &totals(&plan.totals, plan.failed.len());
    text
}

fn row(image: &PlannedImage) -> Vec<String> {
    let of = PlanTotals::of(&image.blobs);
    let digest = if image.digest_kept { "unchanged" } else { "changes" };
    vec![
        cell(of.moved),
        cell(of.changed),
        cell(of.reused),
        digest.to_owned(),
        safe(&format!("{} -> {}", image.source, image.destination)),
    ]
}

fn cell(sum: Sum) -> String {
    if sum.blobs == 0 { "-".to_owned() } else { format!("{} ({})", sum.blobs, size(sum.bytes)) }
}

fn totals(totals: &PlanTotals, failed: usize) -> String {
    let mut parts = vec![count(totals.images, "image")];
    for (sum, what) in [
        (totals.moved, "to copy"),
        (totals.changed, "to recompress"),
        (totals.reused, "to reuse"),
        (totals.left_out, "left out"),
    ] {
        if sum.blobs > 0 {
            parts.push(format!("{} {what} ({})", count(sum.blobs, "blob"), size(sum.bytes)));
        }
    }
    let changing = totals.images - totals.digests_kept;
    if changing > 0 {
        parts.push(format!("{} to change", count(changing, "digest")));
    }
    if totals.lost > 0 {
        parts.push(format!("{} lost", count(totals.lost, "detail")));
    }
    if failed > 0 {
        parts.push(format!("{failed} cannot be copied"));
    }
    format!("{}\n", parts.join("; "))
}
