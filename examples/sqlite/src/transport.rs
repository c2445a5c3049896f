//! [`Sqlite`]: the transport.

use std::path::{self, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::Connection;
use transship::local::PathText;
use transship::transport::{
    ArchiveReader, ArchiveWriter, Archives, Cancel, Candidate, CollectMode, CollectOptions,
    Collected, Collection, DeleteMode, DeleteOptions, DeletedNames, Deletion, Error, ErrorKind,
    Identity, ImageDestination, ImageSource, ReadOptions, Recognized, Reference, Result, ResultExt,
    Settings, Transport, TransportOption, WriteMode, WriteOptions, run_blocking, spool_folder,
};

use crate::archive::{Reader, Writer};
use crate::database::{self, Database};
use crate::destination::{Destination, Target};
use crate::publish::{Place, remove_unused, unused};
use crate::reference::{Locator, Select};
use crate::source::{Image, Shared, Source};
use crate::stage::Stage;

pub(crate) const SCHEME: &str = "sqlite";

/// The key of the option below.
const BUSY_TIMEOUT: &str = "busy-timeout";

/// How long to wait for other processes.
pub(crate) const BUSY_TIMEOUT_OPTION: TransportOption = TransportOption::value(
    BUSY_TIMEOUT,
    "SECONDS",
    "How long to wait for a {side} database that another process has locked [default: 60]",
);

/// Images in SQLite databases.
#[derive(Clone, Debug)]
pub struct Sqlite {
    patience: Duration,
}

impl Default for Sqlite {
    fn default() -> Self {
        Self { patience: Duration::from_secs(60) }
    }
}

impl Sqlite {
    /// With its settings.
    ///
    /// # Errors
    /// `InvalidInput` when `sqlite.busy-timeout` is no number of seconds.
    pub fn new(settings: &Settings) -> Result<Self> {
        let Some(text) = settings.get(SCHEME, BUSY_TIMEOUT) else { return Ok(Self::default()) };
        let patience = text.parse().map(Duration::from_secs).map_err(|e| {
            let message = format!("{SCHEME}.{BUSY_TIMEOUT}={text} is no number of seconds");
            Error::new(ErrorKind::InvalidInput, message).caused_by(e)
        })?;
        Ok(Self { patience })
    }

    async fn database(&self, locator: &Locator) -> Result<Shared> {
        let (path, patience) = (file(locator)?, self.patience);
        let open = run_blocking(move |cancel| Database::existing(&path, patience, cancel));
        open.await.map(Shared::new)
    }

    /// Where to write, and what is put until then.
    async fn begin(&self, locator: &Locator, how: &WriteOptions) -> Result<(Place, Arc<Stage>)> {
        let mode = how.mode.unwrap_or(self.default_mode());
        let place = Place { path: file(locator)?, mode, patience: self.patience };
        let spool = spool_folder(how.spool.as_ref());
        let begun = run_blocking(move |cancel| {
            place.open(cancel)?;
            Ok((place, Arc::new(Stage::new(&spool)?)))
        });
        begun.await.context(|| locator.reference())
    }
}

/// The database's path. Absolute: SQLite gives meaning to texts like `:memory:`.
fn file(locator: &Locator) -> Result<PathBuf> {
    path::absolute(&locator.path).map_err(|e| Error::io("finding", &locator.path, e))
}

#[async_trait]
impl Transport for Sqlite {
    fn scheme(&self) -> &'static str {
        SCHEME
    }

    fn syntax(&self) -> &'static str {
        "PATH[:NAME|:@INDEX|@DIGEST]"
    }

    fn default_mode(&self) -> WriteMode {
        WriteMode::Append
    }

    fn parse(&self, locator: &str) -> Result<Reference> {
        Ok(Locator::parse(locator)?.reference())
    }

    fn recognize(&self, found: &Candidate, _: &Cancel) -> Result<Option<Recognized>> {
        // Only text can name a place, and `-` is the standard input.
        let path = found.path().to_str().filter(|path| *path != "-");
        let ours = path.filter(|_| database::is_ours(found.head()));
        Ok(ours.map(|path| Recognized::new(PathText(path).to_string())))
    }

    fn identity(&self, at: &Reference) -> Identity {
        let named = Locator::of(at).map(|locator| Identity::of_path(locator.path.as_ref()));
        named.unwrap_or_else(|_| Identity::with_unknown_scopes())
    }

    async fn source(&self, at: &Reference, _: &ReadOptions) -> Result<Box<dyn ImageSource>> {
        let locator = Locator::of(at)?;
        let database = self.database(&locator).await.context(|| at)?;
        Ok(Box::new(Source::open(locator.reference(), database, locator.select).await?))
    }

    async fn destination(
        &self,
        at: &Reference,
        how: &WriteOptions,
    ) -> Result<Box<dyn ImageDestination>> {
        let locator = Locator::of(at)?;
        let mut names = match &locator.select {
            Select::Only => Vec::new(),
            Select::Name(name) => vec![name.clone()],
            Select::Index(_) | Select::Digest(_) => {
                let message = format!("{at}: an index or a digest is for reading");
                return Err(Error::new(ErrorKind::InvalidInput, message)
                    .hint(format!("write to {}", locator.with(Select::Only).reference())));
            }
        };
        names.extend(how.names.iter().cloned());
        if names.is_empty() {
            names.clone_from(&how.fallback_names);
        }
        let (place, stage) = self.begin(&locator, how).await?;
        Ok(Box::new(Destination::new(&locator, names, place, stage, Target::Place)))
    }

    fn archives(&self) -> Option<&dyn Archives> {
        Some(self)
    }

    fn deletion(&self) -> Option<&dyn Deletion> {
        Some(self)
    }

    fn collection(&self) -> Option<&dyn Collection> {
        Some(self)
    }
}

#[async_trait]
impl Archives for Sqlite {
    async fn read(&self, at: &Reference, _: &ReadOptions) -> Result<Box<dyn ArchiveReader>> {
        let locator = Locator::of(at)?.with(Select::Only);
        let database = self.database(&locator).await.context(|| at)?;
        let images = database.read(Image::all).await.context(|| at)?;
        Ok(Box::new(Reader::new(&locator, database, images)))
    }

    async fn write(&self, at: &Reference, how: &WriteOptions) -> Result<Box<dyn ArchiveWriter>> {
        let locator = Locator::of(at)?;
        if locator.select != Select::Only {
            let message = format!("{at} names an image, and a database of images is written");
            return Err(Error::new(ErrorKind::InvalidInput, message)
                .hint(format!("write to {}", locator.with(Select::Only).reference())));
        }
        let (place, stage) = self.begin(&locator, how).await?;
        Ok(Box::new(Writer::new(locator, place, stage)))
    }
}

#[async_trait]
impl Collection for Sqlite {
    /// Every transaction of ours removes what it leaves unused: what is found was left by another program.
    async fn collect(&self, at: &Reference, how: &CollectOptions) -> Result<Collected> {
        let (locator, patience, mode) = (Locator::of(at)?, self.patience, how.mode);
        let path = file(&locator)?;
        let collected = run_blocking(move |cancel| {
            let database = Database::existing(&path, patience, cancel)?;
            match mode {
                CollectMode::Look => database.read(cancel, unused),
                _ => database.write(cancel, |connection| {
                    let found = unused(connection)?;
                    remove_unused(connection, "main")?;
                    Ok(found)
                }),
            }
        });
        collected.await.context(|| at)
    }
}

#[async_trait]
impl Deletion for Sqlite {
    async fn delete(&self, at: &Reference, how: &DeleteOptions) -> Result<()> {
        let (locator, patience) = (Locator::of(at)?, self.patience);
        let (path, names, mode) = (file(&locator)?, how.names, how.mode);
        let deleted = run_blocking(move |cancel| {
            let database = Database::existing(&path, patience, cancel)?;
            if mode == DeleteMode::Look {
                let choose = |there: &Connection| Image::choose(there, &locator.select).map(drop);
                return database.read(cancel, choose);
            }
            database.write(cancel, |connection| {
                let image = Image::choose(connection, &locator.select)?;
                match &locator.select {
                    Select::Name(name) if image.names.len() > 1 && names != DeletedNames::All => {
                        connection.execute("DELETE FROM names WHERE name = ?", [name.as_str()])?
                    }
                    _ => connection.execute("DELETE FROM images WHERE id = ?", [image.id])?,
                };
                remove_unused(connection, "main")
            })
        });
        deleted.await.context(|| at)
    }
}
