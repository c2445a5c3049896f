//! [`Source`]: an image being read; [`Image`]: what a database says of one.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use rusqlite::Connection;
use transship::transport::{
    Body, Cancel, Descriptor, Digest, Error, ErrorKind, Expect, ImageName, ImageSource,
    MANIFEST_LIMIT, Manifest, Reference, Referrers, Result, ResultExt, Signatures, few,
    run_blocking,
};

use crate::blobs::{Blobs, Found};
use crate::database::Database;
use crate::failure::Tried;
use crate::reference::Select;

/// A database that several read from.
#[derive(Clone, Debug)]
pub(crate) struct Shared(Arc<Mutex<Database>>);

impl Shared {
    pub(crate) fn new(database: Database) -> Self {
        Self(Arc::new(Mutex::new(database)))
    }

    fn lock(&self) -> MutexGuard<'_, Database> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads on a blocking thread.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Tried<T> + Send + 'static,
    ) -> Result<T> {
        let shared = self.clone();
        run_blocking(move |cancel| shared.lock().read(cancel, work)).await
    }
}

/// What a database says of an image.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    pub(crate) id: i64,
    pub(crate) descriptor: Descriptor,
    pub(crate) names: Vec<String>,
}

impl Image {
    /// All images, in stored order.
    pub(crate) fn all(connection: &Connection) -> Tried<Vec<Self>> {
        let mut names =
            connection.prepare("SELECT name FROM names WHERE image = ? ORDER BY rowid")?;
        let mut images = connection.prepare("SELECT id, descriptor FROM images ORDER BY id")?;
        let mut rows = images.query([])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            let id = row.get(0)?;
            let names = names.query_map([id], |row| row.get(0))?.collect::<Result<_, _>>()?;
            all.push(Self { id, descriptor: descriptor(&row.get::<_, String>(1)?)?, names });
        }
        Ok(all)
    }

    /// The one that a reference means.
    pub(crate) fn choose(connection: &Connection, select: &Select) -> Tried<Self> {
        let mut all = Self::all(connection)?;
        let found = match select {
            Select::Only if all.len() > 1 => {
                let message = format!("it holds {} images", all.len());
                return Err(Error::new(ErrorKind::Ambiguous, message).hint(list(&all)).into());
            }
            Select::Only => Some(0),
            Select::Index(index) => Some(*index),
            Select::Name(name) => {
                all.iter().position(|i| i.names.iter().any(|n| n == name.as_str()))
            }
            Select::Digest(digest) => all.iter().position(|i| i.descriptor.digest == *digest),
        };
        let Some(at) = found.filter(|at| *at < all.len()) else {
            let message = "it holds no such image";
            return Err(Error::new(ErrorKind::NotFound, message).hint(list(&all)).into());
        };
        Ok(all.swap_remove(at))
    }

    pub(crate) fn image_names(&self) -> Vec<ImageName> {
        self.names.iter().filter_map(|name| ImageName::new(name).ok()).collect()
    }
}

/// The names that do exist.
fn list(images: &[Image]) -> String {
    let mut names = images.iter().flat_map(|image| &image.names).peekable();
    if names.peek().is_none() {
        return "no image has a name; @0 is the first".to_owned();
    }
    format!("it has the names {}", few(names))
}

fn descriptor(json: &str) -> Result<Descriptor> {
    serde_json::from_str(json).map_err(|e| {
        Error::new(ErrorKind::Corrupt, "a stored descriptor is malformed").caused_by(e)
    })
}

/// An image being read.
#[derive(Debug)]
pub(crate) struct Source {
    reference: Reference,
    database: Shared,
    id: i64,
    names: Vec<ImageName>,
    root: Manifest,
}

impl Source {
    /// Opens an image. Its root is read in the same look as it was chosen in, so that the two fit.
    pub(crate) async fn open(
        reference: Reference,
        database: Shared,
        select: Select,
    ) -> Result<Self> {
        let chosen = database.read(move |connection| {
            let image = Image::choose(connection, &select)?;
            let root = manifest(connection, &image.descriptor)?;
            let root = root.ok_or_else(|| missing("manifest", &image.descriptor))?;
            Ok((image.id, image.image_names(), root))
        });
        let (id, names, root) = chosen.await.context(|| &reference)?;
        Ok(Self { reference, database, id, names, root })
    }

    /// Reads a part of the image. `NotFound` means that the image lacks it: where the image has gone since it was opened,
    /// its parts are not absent, and the error says so.
    async fn part<T: Send + 'static>(
        &self,
        (what, of): (&'static str, &Descriptor),
        look: impl FnOnce(&Connection) -> Tried<Option<T>> + Send + 'static,
    ) -> Result<T> {
        let (id, root, of) = (self.id, self.root.descriptor().digest.clone(), of.clone());
        let read = self.database.read(move |connection| {
            if let Some(found) = look(connection)? {
                return Ok(found);
            }
            is_there(connection, id, &root)?;
            Err(missing(what, &of).into())
        });
        read.await.context(|| &self.reference)
    }

    /// Reads what is about the image. Where the image has gone since it was opened, that is no list of nothing.
    async fn about<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Connection) -> Tried<T> + Send + 'static,
    ) -> Result<T> {
        let (id, root) = (self.id, self.root.descriptor().digest.clone());
        let read = self.database.read(move |connection| {
            is_there(connection, id, &root)?;
            look(connection)
        });
        read.await.context(|| &self.reference)
    }
}

/// `Conflict` where an image has gone. With the digest: SQLite gives the ID of an image that was deleted to a later one.
fn is_there(connection: &Connection, id: i64, root: &Digest) -> Tried<()> {
    let sql = "SELECT count(*) FROM images WHERE id = ? AND digest = ?";
    if connection.query_row(sql, (id, root.as_ref()), |row| row.get::<_, i64>(0))? == 0 {
        let message = "the image was deleted or replaced while it was read";
        return Err(Error::new(ErrorKind::Conflict, message).into());
    }
    Ok(())
}

fn manifest(connection: &Connection, of: &Descriptor) -> Tried<Option<Manifest>> {
    let blobs = Blobs::new(connection, "main");
    let Some(found) = blobs.find(&of.digest)? else { return Ok(None) };
    Ok(Some(Manifest::verified(of, blobs.bytes(found, MANIFEST_LIMIT)?)?))
}

fn missing(what: &str, of: &Descriptor) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no {what} {}", of.digest))
}

#[async_trait]
impl ImageSource for Source {
    fn reference(&self) -> &Reference {
        &self.reference
    }

    fn names(&self) -> &[ImageName] {
        &self.names
    }

    async fn root(&self) -> Result<Manifest> {
        Ok(self.root.clone())
    }

    async fn manifest(&self, of: &Descriptor) -> Result<Manifest> {
        let wanted = of.clone();
        self.part(("manifest", of), move |connection| manifest(connection, &wanted)).await
    }

    async fn blob(&self, of: &Descriptor) -> Result<Body> {
        let digest = of.digest.clone();
        let found = self.part(("blob", of), move |c| Blobs::new(c, "main").find(&digest)).await?;
        let here = Expect::digest(of.digest.clone()).with_size(found.size);
        Body::from_reader(BlobReader::new(self.database.clone(), found))
            .expecting(&here)
            .and_then(|body| body.expecting(&Expect::from(of)))
            .context(|| format!("{}: blob {}", self.reference, of.digest))
    }

    fn referrers(&self) -> Option<&dyn Referrers> {
        Some(self)
    }

    fn signatures(&self) -> Option<&dyn Signatures> {
        Some(self)
    }
}

#[async_trait]
impl Referrers for Source {
    async fn referrers(&self, of: &Digest) -> Result<Vec<Descriptor>> {
        let (image, subject) = (self.id, of.to_string());
        let read = self.about(move |connection| {
            let mut found = connection.prepare(
                "SELECT descriptor FROM referrers JOIN uses USING (blob)
                 WHERE image = ? AND subject = ? ORDER BY blob",
            )?;
            let mut rows = found.query((image, subject))?;
            let mut all = Vec::new();
            while let Some(row) = rows.next()? {
                all.push(descriptor(&row.get::<_, String>(0)?)?);
            }
            Ok(all)
        });
        read.await
    }
}

#[async_trait]
impl Signatures for Source {
    async fn signatures(&self, of: Option<&Digest>) -> Result<Vec<Bytes>> {
        let (image, of) = (self.id, of.unwrap_or(&self.root.descriptor().digest).to_string());
        let read = self.about(move |connection| {
            let mut found = connection.prepare(
                "SELECT bytes FROM signatures WHERE image = ? AND digest = ? ORDER BY number",
            )?;
            let rows = found.query_map((image, of), |row| row.get::<_, Vec<u8>>(0))?;
            Ok(rows.map(|bytes| bytes.map(Bytes::from)).collect::<Result<_, _>>()?)
        });
        read.await
    }
}

/// The bytes of a blob, a row at a time. `Body` reads it on a blocking thread and holds it to what is expected.
#[derive(Debug)]
pub(crate) struct BlobReader {
    database: Shared,
    found: Found,
    next: u64,
    chunk: io::Cursor<Vec<u8>>,
}

impl BlobReader {
    pub(crate) fn new(database: Shared, found: Found) -> Self {
        Self { database, found, next: 0, chunk: io::Cursor::default() }
    }
}

impl Read for BlobReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.chunk.read(out)?;
            if read > 0 || out.is_empty() || self.next == self.found.chunks() {
                return Ok(read);
            }
            let (id, number) = (self.found.id, self.next);
            let next = self.database.lock().read(&Cancel::new(), |connection| {
                Blobs::new(connection, "main").chunk(id, number)
            });
            self.chunk = io::Cursor::new(next.map_err(Error::into_io)?);
            self.next += 1;
        }
    }
}
