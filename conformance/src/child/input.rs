//! The standard input of another process: whether the transport recognizes a place there.

use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{ChildStdin, Stdio};

use tempfile::TempDir;
use transship_core::{Cancel, Candidate, ReadOptions, Transport};

use super::{Job, Kind, image};
use crate::broken::{While, hold};
use crate::seen::Seen;
use crate::{Facts, Held};

/// The path that means the standard input.
const DASH: &str = "-";

impl Job {
    /// Whether it looks at its standard input.
    pub(super) fn has_input(self) -> bool {
        matches!(self.kind, Kind::ReadFile | Kind::ReadPipe | Kind::ReadNothing)
    }

    /// What its standard input is, where its place is this file.
    pub(super) fn stdin(self, place: &str) -> io::Result<Stdio> {
        Ok(match self.kind {
            Kind::ReadFile => File::open(place)?.into(),
            Kind::ReadPipe => Stdio::piped(),
            _ => Stdio::null(),
        })
    }
}

/// A folder to work in, where the place has the name that means the standard input.
#[cfg(unix)]
pub(super) fn folder_with_dash(place: &str) -> io::Result<TempDir> {
    let folder = TempDir::with_prefix("kit")?;
    std::os::unix::fs::symlink(Path::new(place), folder.path().join(DASH))?;
    Ok(folder)
}

#[cfg(not(unix))]
pub(super) fn folder_with_dash(_: &str) -> io::Result<TempDir> {
    TempDir::with_prefix("kit")
}

/// Writes the file of the place into a pipe, beside what reads it.
pub(super) fn feed(pipe: Option<ChildStdin>, place: &str) -> io::Result<()> {
    let Some(mut pipe) = pipe else { return Ok(()) };
    let mut file = File::open(place)?;
    std::thread::spawn(move || {
        // It may end before it has read all.
        let _ = io::copy(&mut file, &mut pipe);
    });
    Ok(())
}

/// What is recognized on the standard input is the image that comes there.
pub(super) async fn look(transport: &dyn Transport, job: Job, facts: &Facts) -> Held {
    let how = ReadOptions::default();
    let candidate = Candidate::look(DASH, &how).during(|| "looking at the standard input")?;
    let recognized = transport.recognize(&candidate, &Cancel::new());
    if job.kind == Kind::ReadNothing {
        let is_place = matches!(recognized, Ok(Some(_)));
        hold!(!is_place, "it recognizes a place on the standard input, where nothing comes");
        return Ok(());
    }
    let Some(found) = recognized.during(|| "recognizing the standard input")? else {
        return Ok(());
    };
    let what = || format!("{:?}, recognized on the standard input", found.locator);
    let at = transport.parse(&found.locator).during(what)?;
    let mut how = ReadOptions::default();
    how.passed = found.opened.clone();
    let source = transport.source(&at, &how).await.during(what)?;
    Seen::read(&*source).await.during(what)?.is(&image(job.first)?, facts).during(what)
}
