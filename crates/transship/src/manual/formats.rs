//! The formats in short: references, and what is read and written.
//!
//! # References
//!
//! `TRANSPORT:PLACE`, cut at the first colon.
//!
//! `docker-archive:PATH[:NAME|:@INDEX|@DIGEST]`
//! : `PATH` ends at the first colon; a colon in a path is written `\:`. `NAME` is a docker reference, made canonical
//!   (`alpine` is `docker.io/library/alpine:latest`). `@INDEX` counts from 0. `@sha256:<64 hex>` is the image ID.
