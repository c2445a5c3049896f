//! `transship copy`.

use std::fs;

use transship::transfer::{
    Attached, DetachedSignatures, Digests, Failures, ImageFailure, ImageReport, Nondistributable,
    Subset,
};
use transship::transport::{Cache, few};
use transship::{
    Compress, Error, ErrorKind, Format, ImageName, Images, Plan, Platforms, Report, Transfer,
    TransferOptions, WriteMode,
};

use transship::local::FileCache;

use crate::args;
use crate::commands::{listed, plan_table};
use crate::exit::{Done, Result};
use crate::limits;
use crate::output::{self, count, safe, size};
use crate::places;
use crate::session::Session;
use crate::sides;
use crate::since;
use crate::streams;
use crate::trust;

pub(super) async fn run(args: args::Copy, session: &Session) -> Result {
    let (from, to) = (session.sources()?, session.destinations()?);
    let (sources, destination) = args.places().unwrap_or_default();
    let destination = places::output(destination, &to, session).await?;
    if args.archive_compress.is_some() && !sides::knows(destination.scheme(), "archive-compress") {
        let message = format!("{destination} cannot be compressed as a whole");
        return Err(Error::new(ErrorKind::Unsupported, message)
            .hint("--compress is for layers")
            .into());
    }
    let mut all = Vec::new();
    for text in sources {
        all.push(places::source(text, &from, session).await?);
    }
    if let Some(list) = &args.list {
        all.extend(listed::sources(list, &from, session).await?);
    }
    let mut options = options(&args, session)?;
    options.policy = trust::policy(&args.trust, &args.common, session).await?;
    if let Some(key) = &args.sign.key {
        options.sign = Some(trust::sign(key, args.sign.identity.clone(), args.sign.form).await?);
    }
    options.since = since::since(&args.since, &from, session).await?;
    let transfer =
        Transfer::many(all, destination).options(options).from_transports(from).to_transports(to);
    if args.dry_run {
        let plan = transfer.plan().await?;
        session.reporter.result(|| show_plan(&args, &plan))?;
        return Ok(end(&plan.failed, session));
    }
    let report = transfer.run().await?;
    write_digests(&args, &report)?;
    if args.output.json {
        session.reporter.result(|| output::print_json(&report))?;
    }
    tell(&report, session);
    Ok(end(&report.failed, session))
}

/// Shows the images that failed while others were copied.
fn end(failed: &[ImageFailure], session: &Session) -> Done {
    for failure in failed {
        session.reporter.fault(&failure.error);
    }
    failed.iter().map(|failure| Done::Partly(failure.kind)).fold(Done::Success, Done::and)
}

fn options(args: &args::Copy, session: &Session) -> Result<TransferOptions> {
    let mut options = TransferOptions::default();
    options.tags = args.tags.tags()?;
    if args.all_images || !options.tags.is_all() {
        options.images = Images::All;
    }
    let only = args.only();
    if !only.is_empty() {
        options.platforms = Platforms::Only(only);
    }
    if args.all_platforms || args.multi_arch == Some(args::MultiArch::All) {
        options.platforms = Platforms::All;
    }
    options.subset = match args.subset {
        None => Subset::Auto,
        Some(args::Subset::Sparse) => Subset::Sparse,
        Some(args::Subset::Strip) => Subset::Strip,
    };
    if args.referrers {
        options.attached = Attached::Copy;
    }
    if args.remove_signatures {
        options.signatures = DetachedSignatures::Remove;
    }
    if args.include_nondistributable {
        options.nondistributable = Nondistributable::Copy;
    }
    options.compress = args.compress.unwrap_or(Compress::Auto);
    options.format = args.format.map(|format| match format {
        args::Format::Oci => Format::Oci,
        args::Format::Docker => Format::Docker,
    });
    options.names =
        args.names.iter().map(|name| ImageName::new(name)).collect::<transship::Result<_>>()?;
    options.renames.clone_from(&args.renames);
    if args.keep_going {
        options.failures = Failures::KeepGoing;
    }
    if let Some(path) = FileCache::default_path().filter(|_| !args.no_cache) {
        options.cache = Cache::new(FileCache::new(path));
    }
    options.mode = match (args.append, args.replace) {
        (true, _) => Some(WriteMode::Append),
        (_, true) => Some(WriteMode::Replace),
        _ => None,
    };
    if args.preserve_digests {
        options.digests = Digests::Preserve;
    }
    options.jobs = args.jobs.or_else(limits::jobs);
    options.observer = session.reporter.events();
    options.published = session.published.clone();
    options.spool.clone_from(&session.tmpdir);
    options.lock_timeout = args.lock_timeout;
    Ok(options)
}

fn show_plan(args: &args::Copy, plan: &Plan) -> Result<()> {
    match plan.images.as_slice() {
        _ if args.output.json => output::print_json(plan),
        [image] => output::print(&image.to_string()),
        _ => output::print(&plan_table::table(plan)),
    }
}

fn write_digests(args: &args::Copy, report: &Report) -> Result<()> {
    let Some(path) = &args.digestfile else { return Ok(()) };
    let mut digests = String::new();
    for image in &report.images {
        digests.push_str(image.digest.as_ref());
        digests.push('\n');
    }
    if streams::is_stdout(path) {
        return output::print(&digests);
    }
    fs::write(path, digests).map_err(|e| {
        let text = format!(
            "the images are copied; their digests could not be written to {}",
            path.display()
        );
        Error::new(ErrorKind::Unexpected, text).caused_by(e)
    })?;
    Ok(())
}

fn tell(report: &Report, session: &Session) {
    for image in &report.images {
        tell_image(image, session);
    }
    let left_out = match report.blobs_left_out {
        0 => String::new(),
        count => format!(", {count} omitted from the delta"),
    };
    let same = report.images.iter().filter(|image| image.unchanged).count();
    let up_to_date = match same {
        0 => String::new(),
        same => format!(", {same} up to date"),
    };
    let failed = match report.failed.len() {
        0 => String::new(),
        failed => format!(" and {failed} failed"),
    };
    session.reporter.say(&format!(
        "{} copied{up_to_date}{failed}: {} copied ({}), {} reused{left_out}",
        count(report.images.len() - same, "image"),
        count(report.blobs_moved, "blob"),
        size(report.bytes_written),
        report.blobs_reused,
    ));
}

fn tell_image(image: &ImageReport, session: &Session) {
    let say = |text: &str| session.reporter.say(&safe(text));
    say(&format!("{} -> {}", image.source, few(&image.destinations)));
    say(&format!("  digest {}", image.digest));
    if image.digest != image.source_digest {
        say(&format!("  was {}", image.source_digest));
    }
    let platforms = &image.platforms;
    for (what, listed) in
        [("not in the source", &platforms.absent), ("left out", &platforms.skipped)]
    {
        if !listed.is_empty() {
            say(&format!("  {what}: {}", few(listed)));
        }
    }
    if !platforms.absent.is_empty() {
        let absent = few(&platforms.absent);
        session.reporter.quiet_too(&format!("not in {}: {absent}", image.source));
    }
    if image.referrers > 0 {
        say(&format!("  with {}", count(image.referrers, "referrer")));
    }
    if let Some(text) = output::not_distributed(&image.not_distributed) {
        say(&format!("  {text}"));
        session.reporter.quiet_too(&format!("{}: {text}", image.source));
    }
    // Shown once, also if it was an event before.
    for lost in &image.lost {
        session.reporter.warn(&format!("lost: {lost}"));
        session.reporter.quiet_too(&format!("lost of {}: {lost}", image.source));
    }
    for warning in &image.warnings {
        session.reporter.warn(warning);
    }
}
