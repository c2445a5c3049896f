//! The formats in short: references, and what is read and written where.
//!
//! # References
//!
//! `TRANSPORT:PLACE`, cut at the first colon. `transship reference TEXT` says what a text means. In a path of a tar or a layout, a
//! colon is written `\:`, and a backslash before a colon or a backslash is an escape.
//!
//! | reference | picks |
//! |---|---|
//! | `docker-archive:PATH`, `oci:PATH`, `oci-archive:PATH` | the only image; or, where all are meant, the container |
//! | `..:PATH:NAME` | by name; in a docker-archive a docker reference, made canonical: `alpine` is `docker.io/library/alpine:latest` |
//! | `..:PATH:@INDEX` | by position, from 0: in `manifest.json` or `index.json`. For reading |
//! | `docker-archive:PATH@sha256:HEX` | by image ID, the digest of the config. For reading |
//! | `oci:PATH@sha256:HEX`, `oci-archive:..` | any manifest that is reachable from the index, by its digest. For reading |
//! | `dir:PATH` | the image; the whole rest is the path, colons too |
//!
//! Names are fixed when an image is opened for writing: the one in the reference, else those asked for, else those it has. What
//! does not parse in one image hides no other: such an image is listed with a warning, and is reached by index or digest.
//!
//! # `docker-archive:`
//!
//! Read are the tars of docker before and since 25, podman, buildah, skopeo, ctr, buildx, crane, ko, jib, bazel, kaniko and nix:
//! layers plain or compressed, as files or behind symlinks and hardlinks, configs under any name, entries in any order; the whole
//! compressed with gzip, zstd, bzip2 or xz or not. One pass over the headers makes an index; after it everything is read by position.
//! Layers are checked against their diff IDs on every pass.
//!
//! A tar that is written, of this format or of a layout, is compressed as its suffix says (`.tar.gz`, `.tgz`, `.tar.zst`, `.tzst`)
//! or as `--archive-compress gzip[:LEVEL]|zstd[:LEVEL]|none` asks: one gzip member or zstd frame, made on several threads, which
//! do not change the bytes. It is written plain to an unnamed file first (`--tmpdir`), and so needs room for both. It cannot
//! be joined or changed. (skopeo 1.9 and podman 4.3 read no gzip around archives of docker's, not even gzip's own; zstd they do.)
//!
//! Written is one layer once, whatever the number of images, with the legacy files that old dockers look for. The same images give
//! the same bytes. There are single images only: of an index one is chosen.
//!
//! Refused as corrupt: links that lead outside, two different entries of one name, headers that readers take differently.
//!
//! # `oci:` and `oci-archive:`
//!
//! Read are [image layouts](https://github.com/opencontainers/image-spec/blob/main/image-layout.md) of version 1.0.0, with nested
//! and sparse indexes, docker media types, referrers, several names for one image. An entry's name is `io.containerd.image.name`, else
//! `org.opencontainers.image.ref.name`. Entries without names whose platforms differ are one image for several platforms.
//!
//! Written is `index.json` last, atomically, under a lock: any number of processes may write to one layout. Fields and files that are
//! not known here are kept. An archive also has the `manifest.json` that `docker load` reads (`-o oci-archive.docker-manifest=false`
//! leaves it out). `oci.shared-blob-dir` names a folder for blobs that several layouts share.
//!
//! A layout that lacks what those for whom it was made have (`copy --since`) lists it in the annotation `dev.transship.needs` of
//! its `index.json`; see [`without_a_network`](super::without_a_network).
//!
//! # `dir:`
//!
//! One image or index in a folder, as skopeo writes it, with its signatures. A new image is staged beside and swapped in. A folder that
//! is not empty and holds no image is refused.
//!
//! # What changes on the way
//!
//! What need not change keeps its bytes and its digest. Configs never change. Layers change form only if the destination or the caller
//! asks for it, and only those of known types; diff IDs are checked whenever a layer is decompressed. Manifests of docker become OCI
//! manifests and back where a destination or `--format` asks for it; what the other kind cannot hold is told in the report.
//! Attestations stay with an index that stays whole, and are dropped, and told, where images of it are chosen.
