//! `transship sync`: brings places up to date with others, as a file says.

mod backup;
mod file;
mod job;
mod places;
mod prune;
mod report;
mod skopeo;
mod task;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use transship::transport::{ResultExt, run_blocking};
use transship::{Error, ErrorKind};

use crate::args;
use crate::exit::Result;
use crate::session::Session;
use crate::trust;
use job::Job;
use report::SyncReport;
use task::{Mode, Tasks};

/// The most bytes that a file may have.
const LIMIT: u64 = 16 << 20;

pub(super) async fn run(args: args::Sync, session: &Session) -> Result {
    let path = args.file.clone();
    let text = run_blocking(move |_| read(&path)).await?;
    let jobs = jobs(&args, &text).context(|| args.file.display())?;
    let mode = if args.dry_run { Mode::Look } else { Mode::Write };
    let policy = trust::policy(&args.trust, &args.common, session).await?;
    let mut tasks = Tasks::new(session, mode, policy);
    // All are checked before anything is asked.
    let mut opened = Vec::new();
    for job in &jobs {
        opened.push(tasks.open(job).await.context(|| &job.context)?);
    }
    places::check(&jobs, &opened)?;
    tasks.refuse_unused_registries(&jobs).context(|| args.file.display())?;
    let mut report = SyncReport::new(args.dry_run);
    let (mut brought, mut written) = (Vec::new(), places::Written::default());
    for (job, task) in jobs.iter().zip(&opened) {
        let mut one = tasks.run(job, task, &mut report).await?;
        if let Err(error) = written.add(job, task, &one) {
            one.complete = false;
            report.failed(&job.context, &error);
        }
        brought.push(one);
    }
    prune::prune(&jobs, &opened, &brought, &tasks, &mut report).await?;
    report.tell(&session.reporter);
    if args.output.json {
        session.reporter.result(|| crate::output::print_json(&report))?;
    }
    Ok(report.end())
}

/// What a file asks for. Its name says which kind it is.
fn jobs(args: &args::Sync, text: &str) -> transship::Result<Vec<Job>> {
    let name = args.file.display().to_string();
    let to = args.destination.as_deref();
    let is_yaml = args.file.extension().is_some_and(|end| end == "yaml" || end == "yml");
    let jobs = match (is_yaml, to) {
        (false, to) => file::jobs(text, &name, to, args.prune)?,
        (true, Some(to)) => skopeo::jobs(text, &name, to, args.prune)?,
        (true, None) => {
            let message = "it does not say where images go";
            return Err(Error::new(ErrorKind::InvalidInput, message)
                .hint("give the destination after the file"));
        }
    };
    if jobs.is_empty() {
        return Err(Error::new(ErrorKind::InvalidInput, "it has nothing to sync"));
    }
    Ok(jobs)
}

fn read(path: &Path) -> transship::Result<String> {
    let failed = |e| Error::io("reading", path, e).of_option();
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(LIMIT + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > LIMIT {
        let message = format!("{} has more than {LIMIT} bytes", path.display());
        return Err(Error::new(ErrorKind::LimitExceeded, message));
    }
    String::from_utf8(bytes).map_err(|e| {
        let message = format!("{} is not UTF-8 text", path.display());
        Error::new(ErrorKind::InvalidInput, message).caused_by(e)
    })
}
