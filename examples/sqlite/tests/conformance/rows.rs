//! What a database holds, without the numbers of rows.

use std::collections::BTreeMap;
use std::io;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use transship::transport::sha256;

/// What each table says: the key and the value of each row are its two columns.
const TABLES: &[(&str, &str)] = &[
    ("chunk", "SELECT digest || ' ' || number, bytes FROM blobs JOIN chunks ON blob = id"),
    ("blob", "SELECT digest, size FROM blobs"),
    ("image", "SELECT digest, row_number() OVER (ORDER BY id) || ' ' || descriptor FROM images"),
    ("name", "SELECT name, digest FROM names JOIN images ON image = id"),
    (
        "use",
        "SELECT images.digest || ' ' || blobs.digest, ''
         FROM uses JOIN images ON image = images.id LEFT JOIN blobs ON blob = blobs.id",
    ),
    (
        "signature",
        "SELECT images.digest || ' ' || signatures.digest || ' ' || number, bytes
         FROM signatures JOIN images ON image = id",
    ),
    (
        "referrer",
        "SELECT digest, subject || ' ' || descriptor FROM referrers JOIN blobs ON blob = id",
    ),
];

/// The rows of the database at a path; nothing where it has no tables yet.
pub(crate) fn of(path: &str) -> io::Result<BTreeMap<String, String>> {
    let read = || -> rusqlite::Result<BTreeMap<String, String>> {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let mut facts = BTreeMap::new();
        for (table, sql) in TABLES {
            let mut found = connection.prepare(sql)?;
            let mut rows = found.query([])?;
            while let Some(row) = rows.next()? {
                let key = row.get_ref(0)?.as_bytes_or_null()?.unwrap_or_default().to_vec();
                let key = format!("{table} {}", String::from_utf8_lossy(&key));
                facts.insert(key, said(row.get_ref(1)?));
            }
        }
        Ok(facts)
    };
    read().map_err(io::Error::other)
}

/// What a value is: its type, and the digest of its bytes. To print the bytes took as long as everything else.
fn said(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Blob(bytes) => format!("bytes {}", sha256(bytes)),
        ValueRef::Text(text) => format!("text {}", sha256(text)),
        other => format!("{other:?}"),
    }
}
