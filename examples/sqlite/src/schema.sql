-- Manifests, configs and layers, each once.
CREATE TABLE blobs (
    -- Never used again: who reads a blob that goes must not meet another one.
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    digest TEXT NOT NULL UNIQUE,
    size   INTEGER NOT NULL
);
CREATE TABLE chunks (
    blob   INTEGER NOT NULL REFERENCES blobs ON DELETE CASCADE,
    number INTEGER NOT NULL,
    bytes  BLOB NOT NULL,
    PRIMARY KEY (blob, number)
);
-- In the order of their commits. The descriptor is JSON.
CREATE TABLE images (
    id         INTEGER PRIMARY KEY,
    digest     TEXT NOT NULL UNIQUE,
    descriptor TEXT NOT NULL
);
CREATE TABLE names (
    name  TEXT NOT NULL PRIMARY KEY,
    image INTEGER NOT NULL REFERENCES images ON DELETE CASCADE
);
-- What each image is made of, referrers too.
CREATE TABLE uses (
    image INTEGER NOT NULL REFERENCES images ON DELETE CASCADE,
    blob  INTEGER NOT NULL,
    PRIMARY KEY (image, blob)
) WITHOUT ROWID;
-- Detached ones, numbered in the order in which they were put. The digest is that of the manifest.
CREATE TABLE signatures (
    image  INTEGER NOT NULL REFERENCES images ON DELETE CASCADE,
    digest TEXT NOT NULL,
    number INTEGER NOT NULL,
    bytes  BLOB NOT NULL,
    PRIMARY KEY (image, digest, number)
);
-- Manifests that are about others.
CREATE TABLE referrers (
    blob       INTEGER PRIMARY KEY REFERENCES blobs ON DELETE CASCADE,
    subject    TEXT NOT NULL,
    descriptor TEXT NOT NULL
);
