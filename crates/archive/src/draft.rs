//! [`Draft`]: the file that becomes an archive.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use transship_core::{Error, Result, cancelled};
use transship_local::{StagedFile, Target, folder_of};

/// The file that becomes an archive, beside where it will be. It is made when the first bytes are written: who only looks, as
/// for a plan, leaves the folder alone. Dropping it removes it.
#[derive(Debug)]
pub(crate) struct Draft(Mutex<State>);

#[derive(Debug)]
enum State {
    /// It will be beside this.
    Planned(PathBuf),
    Staged(StagedFile),
    /// Others own it. It stays open for reading.
    Taken(Arc<File>),
}

impl Draft {
    /// For an archive at a path, in a folder that is there.
    pub(crate) fn beside(target: &Path) -> Result<Arc<Self>> {
        let target = Target::look_at(target)?.path().to_owned();
        let folder = folder_of(&target);
        folder.metadata().map_err(|e| Error::io("making a file in", &folder, e))?;
        Ok(Arc::new(Self(Mutex::new(State::Planned(target)))))
    }

    /// A file that others own.
    pub(crate) fn of(file: Arc<File>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State::Taken(file))))
    }

    /// The file, open for reading and writing.
    pub(crate) fn file(&self) -> Result<Arc<File>> {
        let mut state = self.state();
        state.make()?;
        match &*state {
            State::Staged(staged) => Ok(Arc::clone(staged.file())),
            State::Taken(file) => Ok(Arc::clone(file)),
            State::Planned(_) => Err(cancelled()),
        }
    }

    /// Does something with it that needs its name.
    pub(crate) fn with_staged<T>(
        &self,
        step: impl FnOnce(&mut StagedFile) -> Result<T>,
    ) -> Result<T> {
        let mut state = self.state();
        state.make()?;
        match &mut *state {
            State::Staged(staged) => step(staged),
            State::Planned(_) | State::Taken(_) => Err(cancelled()),
        }
    }

    /// Gives it away, if it was made.
    pub(crate) fn take(&self) -> Option<StagedFile> {
        let mut state = self.state();
        let State::Staged(staged) = &*state else { return None };
        let taken = State::Taken(Arc::clone(staged.file()));
        match std::mem::replace(&mut *state, taken) {
            State::Staged(staged) => Some(staged),
            State::Planned(_) | State::Taken(_) => None,
        }
    }

    pub(crate) fn is_taken(&self) -> bool {
        matches!(*self.state(), State::Taken(_))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn make(&mut self) -> Result<()> {
        if let Self::Planned(target) = self {
            *self = Self::Staged(StagedFile::beside(target)?);
        }
        Ok(())
    }
}
