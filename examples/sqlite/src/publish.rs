//! [`Place`]: where images will show, and how they come to.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, params};
use transship::transport::{
    Cancel, Collected, Descriptor, Digest, Error, ErrorKind, Garbage, Manifest, Result, WriteMode,
    parse_digest,
};

use crate::blobs::Blobs;
use crate::database::{Database, in_transaction, is_there, make_tables, patiently};
use crate::failure::{Failure, Tried};
use crate::parts::{Parts, Pending};
use crate::stage::Stage;

/// A database that is, or will be, written to.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) path: PathBuf,
    pub(crate) mode: WriteMode,
    pub(crate) patience: Duration,
}

impl Place {
    /// What is there already, where the mode lets it count.
    pub(crate) fn open(&self, cancel: &Cancel) -> Result<Option<Database>> {
        let there = Database::open(&self.path, self.patience, cancel)?;
        if there.is_some() && self.mode == WriteMode::Create {
            return Err(self.already_exists());
        }
        Ok(there)
    }

    /// Whether nothing is missing of an image.
    pub(crate) fn check(&self, stage: &Stage, image: &Pending, cancel: &Cancel) -> Result<()> {
        let connection = stage.connection();
        let staged = Blobs::new(&connection, "main");
        let Some(there) = self.open(cancel)? else {
            return Parts::gather(image, &[staged]).map(|_| ()).map_err(|e| e.at(&self.path));
        };
        there.read(cancel, |there| {
            Parts::gather(image, &[staged, Blobs::new(there, "main")]).map(|_| ())
        })
    }

    /// Shows images, all at once or not at all.
    pub(crate) fn publish(&self, stage: &Stage, images: &[Pending], cancel: &Cancel) -> Result<()> {
        cancel.check()?;
        let new = self.open(cancel)?.is_none();
        // A file that is made and then not written to would stay, empty: from here on a new one is finished.
        let goes_on = Cancel::new();
        let cancel = if new { &goes_on } else { cancel };
        let connection = stage.connection();
        let published = self.attach(&connection, cancel).and_then(|()| {
            in_transaction(&connection, self.patience, cancel, |transaction| {
                self.fill(transaction, images, cancel)
            })
        });
        if published.is_err() {
            // It may be tried again, and then the file may be another one.
            let _ = connection.execute("DETACH place", []);
        }
        published.map_err(|e| e.at(&self.path))
    }

    /// Makes the database a part of the stage's connection, so that SQLite itself copies.
    fn attach(&self, connection: &Connection, cancel: &Cancel) -> Tried {
        let path = self.path.to_str().ok_or_else(|| {
            Error::new(ErrorKind::Unsupported, "SQLite needs a path that is UTF-8")
        })?;
        let try_for = self.patience;
        patiently(try_for, cancel, || Ok(connection.execute("ATTACH ? AS place", [path])?))?;
        let set = "PRAGMA foreign_keys = ON; PRAGMA place.synchronous = EXTRA;";
        patiently(try_for, cancel, || Ok(connection.execute_batch(set)?))
    }

    fn fill(&self, connection: &Connection, images: &[Pending], cancel: &Cancel) -> Tried {
        match (is_there(connection, "place")?, self.mode) {
            (true, WriteMode::Create) => return Err(self.already_exists().into()),
            (true, WriteMode::Append) => {}
            (true, _) => drop(connection.execute("DELETE FROM place.images", [])?),
            (false, _) => make_tables(connection, "place")?,
        }
        let (staged, there) = (Blobs::new(connection, "main"), Blobs::new(connection, "place"));
        for image in images {
            let parts = Parts::gather(image, &[staged, there])?;
            let id = add_image(connection, image)?;
            for digest in &parts.digests {
                let blob = place(connection, staged, there, digest, cancel)?;
                let sql = "INSERT OR IGNORE INTO place.uses VALUES (?, ?)";
                connection.execute(sql, [id, blob])?;
            }
            for (of, signatures) in &image.signatures {
                sign(connection, id, of, signatures)?;
            }
            for about in &parts.about {
                add_referrer(connection, there, about)?;
            }
        }
        remove_unused(connection, "place")
    }

    fn already_exists(&self) -> Error {
        let message = format!("{} is there already", self.path.display());
        Error::new(ErrorKind::AlreadyExists, message).hint("append to it, or replace it")
    }
}

/// Takes blobs away that no image uses any more.
pub(crate) fn remove_unused(connection: &Connection, schema: &str) -> Tried {
    let sql =
        format!("DELETE FROM {schema}.blobs WHERE id NOT IN (SELECT blob FROM {schema}.uses)");
    connection.execute(&sql, [])?;
    Ok(())
}

/// Blobs that no image uses, by their digests.
pub(crate) fn unused(connection: &Connection) -> Tried<Collected> {
    let sql =
        "SELECT digest, size FROM blobs WHERE id NOT IN (SELECT blob FROM uses) ORDER BY digest";
    let (mut found, mut collected) = (connection.prepare(sql)?, Collected::default());
    let mut rows = found.query([])?;
    while let Some(row) = rows.next()? {
        let digest = parse_digest(&row.get::<_, String>(0)?)?;
        let size = row.get::<_, i64>(1)?.try_into().unwrap_or(0);
        collected.garbage.push(Garbage::new(digest, size));
    }
    Ok(collected)
}

/// Adds an image, or finds it; its names move to it. Gives its id.
fn add_image(connection: &Connection, image: &Pending) -> Tried<i64> {
    let of = image.root.descriptor();
    let sql = "SELECT id FROM place.images WHERE digest = ?";
    let there = connection.query_row(sql, [of.digest.as_ref()], |row| row.get(0)).optional()?;
    let id: i64 = if let Some(there) = there {
        there
    } else {
        let sql = "INSERT INTO place.images (digest, descriptor) VALUES (?, ?)";
        connection.execute(sql, params![of.digest.as_ref(), to_json(of)?])?;
        connection.last_insert_rowid()
    };
    for name in &image.names {
        let sql = "INSERT OR REPLACE INTO place.names VALUES (?, ?)";
        connection.execute(sql, params![name.as_str(), id])?;
    }
    Ok(id)
}

/// Moves a blob here, unless it is here and was not put. What was put takes the place of what is here, which may be damaged.
fn place(
    connection: &Connection,
    from: Blobs<'_>,
    to: Blobs<'_>,
    digest: &Digest,
    cancel: &Cancel,
) -> Tried<i64> {
    let (put, there) = (from.find(digest)?, to.find(digest)?);
    let (put, id) = match (put, there) {
        (None, Some(there)) => return Ok(there.id),
        (Some(put), None) => (put, to.add(None, digest, put.size)?),
        (Some(put), Some(there)) => {
            to.remove_chunks(there.id)?;
            (put, there.id)
        }
        (None, None) => {
            return Err(Error::new(ErrorKind::NotFound, format!("{digest} was not put")).into());
        }
    };
    for number in 0..put.chunks() {
        cancel.check()?;
        let sql = "INSERT INTO place.chunks
                   SELECT ?, number, bytes FROM main.chunks WHERE blob = ? AND number = ?";
        connection.execute(sql, params![id, put.id, number.cast_signed()])?;
    }
    Ok(id)
}

/// Keeps the signatures of a manifest in place of those that it had.
fn sign(connection: &Connection, image: i64, of: &Digest, signatures: &[Bytes]) -> Tried {
    let sql = "DELETE FROM place.signatures WHERE image = ? AND digest = ?";
    connection.execute(sql, params![image, of.as_ref()])?;
    for (number, bytes) in (0_i64..).zip(signatures) {
        let sql = "INSERT INTO place.signatures VALUES (?, ?, ?, ?)";
        connection.execute(sql, params![image, of.as_ref(), number, bytes.as_ref()])?;
    }
    Ok(())
}

fn add_referrer(connection: &Connection, there: Blobs<'_>, about: &Manifest) -> Tried {
    let document = about.document();
    let (Some(subject), Some(blob)) = (document.subject(), there.find(&about.descriptor().digest)?)
    else {
        return Ok(());
    };
    let sql = "INSERT OR IGNORE INTO place.referrers VALUES (?, ?, ?)";
    connection
        .execute(sql, params![blob.id, subject.digest.as_ref(), to_json(&about.as_referrer())?])?;
    Ok(())
}

fn to_json(descriptor: &Descriptor) -> Result<String, Failure> {
    serde_json::to_string(descriptor).map_err(|e| {
        let message = "a descriptor cannot be written as JSON";
        Error::new(ErrorKind::Unexpected, message).caused_by(e).into()
    })
}
