//! The formats in short: references, and what is read and written.
//!
//! # References
//!
//! A reference is `TRANSPORT:PLACE`; the first colon separates them. `transship reference TEXT` shows the parts. In the path of a tar
//! or a layout, a colon is written `\:`, and a backslash before a colon or a backslash is an escape.
//!
//! | reference | selects |
//! |---|---|
//! | `docker-archive:PATH`, `oci:PATH`, `oci-archive:PATH` | the only image, or with `--all-images` all of them |
//! | `..:PATH:NAME` | by name; in a docker-archive a docker reference, made canonical: `alpine` is `docker.io/library/alpine:latest` |
//! | `..:PATH:@INDEX` | by position in `manifest.json` or `index.json`, from 0; for reading |
//! | `docker-archive:PATH@sha256:HEX` | by image ID, the digest of the config; for reading |
//! | `oci:PATH@sha256:HEX`, `oci-archive:..` | by digest, any manifest that can be reached from the index; for reading |
//! | `dir:PATH` | the image; the whole rest is the path, with any colons |
//! | `docker://..` | see [`registries`](super::registries) |
//!
//! An image that is written gets the name in the reference, else the names that were asked for, else those that it has. A malformed
//! image hides no other: it is listed with a warning, and is selected by position or digest.
//!
//! # `docker-archive:`
//!
//! Tars of docker (before and since version 25), podman, buildah, skopeo, ctr, buildx, crane, ko, jib, bazel, kaniko and nix are read:
//! layers plain or compressed, as files or behind symlinks and hardlinks, configs under any name, entries in any order, and the
//! whole tar plain or compressed with gzip, zstd, bzip2 or xz. One pass over the headers makes an index; afterwards everything is
//! read by position. Each time a layer is read, its diff ID is checked.
//!
//! A tar that is written, of this format or of a layout, is compressed as its suffix says (`.tar.gz`, `.tgz`, `.tar.zst`, `.tzst`)
//! or as `--archive-compress gzip[:LEVEL]|zstd[:LEVEL]|none` says (suffixes of other compressions, as `.tar.xz`, are refused
//! without it): one gzip member or zstd frame, compressed on several threads, whose number does not change the bytes. It is compressed as it is written. Only a layer whose size is not known beforehand, because it is
//! being decompressed, goes to an unnamed temporary file first (`--tmpdir`), one at a time. Images cannot be appended to a compressed archive or deleted from it. (skopeo 1.9 and podman 4.3 read
//! `docker-archive` tars in zstd, not in gzip.)
//!
//! Each layer is written once, whatever the number of images, with the legacy files for old versions of docker. The same images
//! give the same bytes; layers of what came through a pipe or from an engine stand in the order in which they came. The format holds single images: of an index, one platform is copied.
//!
//! Links that lead outside the archive, two different entries of one name, and headers that tar readers disagree about are refused
//! as corrupt.
//!
//! # `oci:` and `oci-archive:`
//!
//! [Image layouts](https://github.com/opencontainers/image-spec/blob/main/image-layout.md) of version 1.0.0 are read, with nested
//! and sparse indexes, docker media types, referrers and several names for one image. The name of an entry is
//! `io.containerd.image.name`, else `org.opencontainers.image.ref.name`. Entries without names whose platforms differ are one image
//! for several platforms.
//!
//! `index.json` is written last, atomically and under a lock: any number of processes may write to one layout. Unknown fields and
//! files are kept. An archive also gets the `manifest.json` that `docker load` reads (`--no-docker-manifest` omits it).
//! `-o oci.shared-blob-dir=DIR` is a folder for blobs that several layouts share.
//!
//! A delta (`copy --since`) lists the blobs that it omits in the annotation `dev.transship.needs` of its `index.json`; see
//! [`without_a_network`](super::without_a_network).
//!
//! # `dir:`
//!
//! One image or index in a folder, as skopeo writes it, with its signatures. A new image is written to a staging folder beside it
//! and swapped in. A folder that is not empty and holds no image is refused.
//!
//! # What a copy changes
//!
//! Bytes and digests stay the same unless something has to change. Configs never change. Layers are recompressed only if the
//! destination needs it or `--compress` asks for it, and only layers of known types; their diff IDs are checked whenever they are
//! decompressed. Manifests are converted between docker and OCI if the destination needs it or `--format` asks for it; the
//! report lists what the other format cannot hold. Attestations stay with a whole index; when single platforms are copied they are
//! dropped, and the report says so.
