//! Reading a tar that comes once, in one pass.
//!
//! Its headers go through the same gate as those of a file. What can be a blob is given away, under the digest of its
//! content; documents, which are small, and what nobody takes, are kept in an unnamed file, each content once. When the tar has
//! passed, there is a [`TarIndex`] of it as of any other, whose files are where they were put.

mod input;
mod passing;
mod spool;
#[cfg(test)]
mod tests;

use std::io::Read;
use std::path::{Path, PathBuf};

use transship_core::{Cancel, Passed, ReadOptions, Result, Staging, run_blocking};

use crate::TarIndex;
use crate::open::{STDIO, is_redirected};
use crate::pipe::{Pipe, is_pipe};
use passing::Passing;

/// Whether an archive can be read only once: a pipe, also as standard input.
pub fn comes_once(path: &Path) -> bool {
    if path != Path::new(STDIO) {
        return path.metadata().is_ok_and(|found| is_pipe(&found));
    }
    Pipe::stdin(&Cancel::new()).is_ok_and(|input| !is_redirected(&input))
}

/// Reads an archive in one pass: a pipe, or `-` for the standard input. [`TarIndex::open`] takes what it gives.
///
/// # Errors
/// Those of [`TarIndex::read`] and of the staging; `Corrupt` with the offset when the archive ends early.
pub async fn pass(path: &Path, how: &ReadOptions, into: Option<&dyn Staging>) -> Result<Passed> {
    let (path, how) = (path.to_owned(), how.clone());
    run(move |cancel| Passing::open(&path, &how, cancel), into).await
}

/// Reads an archive in one pass from what gives its bytes. What it is called is for messages.
///
/// # Errors
/// As [`pass`].
pub async fn pass_reader(
    input: impl Read + Send + 'static,
    called: &str,
    how: &ReadOptions,
    into: Option<&dyn Staging>,
) -> Result<Passed> {
    let (path, how) = (PathBuf::from(called), how.clone());
    run(move |cancel| Passing::of_reader(input, &path, &how, cancel), into).await
}

async fn run(
    open: impl FnOnce(&Cancel) -> Result<Passing> + Send + 'static,
    into: Option<&dyn Staging>,
) -> Result<Passed> {
    let stop = StopOnDrop(Cancel::new());
    let cancel = stop.0.clone();
    let mut passing = run_blocking(move |_| open(&cancel)).await?;
    let gives = into.is_some();
    loop {
        let (next, back) = run_blocking(move |_| {
            let next = passing.next(gives)?;
            Ok((next, passing))
        })
        .await?;
        passing = back;
        let (Some(body), Some(into)) = (next, into) else { break };
        let staged = into.stage(body).await?;
        passing.staged(staged)?;
    }
    let index: TarIndex = run_blocking(move |_| passing.finish()).await?;
    Ok(Passed::new(index))
}

/// The pass outlives its steps, and stops with its future.
struct StopOnDrop(Cancel);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}
