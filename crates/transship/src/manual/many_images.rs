//! Copying many images: sources, names, failures, and the cost of a second run.
//!
//! # Sources
//!
//! `copy` takes several sources and one destination. A source that holds several images and names none is an error without
//! `--all-images`:
//!
//! ```text
//! transship copy --all-images a.tar b.tar oci:layout:x:1 oci-archive:bundle.tar
//! ```
//!
//! Of a source that names an image, as `oci:layout:x:1`, that image is copied. A list has one source a line, with a new name if
//! the image is to be renamed:
//!
//! ```text
//! # week 47
//! docker-archive:a.tar:app:1
//! quay.io/org/image:2
//! oci:layout:x:1 -> registry.local/x:1
//! ```
//!
//! `transship copy --from-file LIST oci-archive:bundle.tar` copies them; `-` reads the list from stdin. Errors begin with the list
//! and the line. In the library: [`Transfer::many`](crate::Transfer::many), [`Source`](crate::Source).
//!
//! Images are copied in the order of the sources, those of an archive in stored order. A blob that several images share is read
//! and written once. A layout gets several images at the same time. A tar gets them one after the other, so that the same images
//! give the same bytes (what comes through a pipe or from an engine stands there in the order in which it comes); while one blob is written, the next one is read, up to 8 MiB ahead.
//!
//! # Choosing tags
//!
//! `list` and `copy` take the images of archives and repositories by their tags. `copy` then copies all images that are chosen,
//! as with `--all-images`:
//!
//! ```text
//! transship list --tags '3.*' --not-tags '*-rc*' docker://quay.io/org/app
//! transship copy --semver '>=1.20, <2' --newest 3 docker://quay.io/org/app docker://registry.local/org/app
//! ```
//!
//! | option | chooses |
//! |---|---|
//! | `--tags PATTERN` | tags that match; `*` is any text, and there is no other wildcard; repeated: one of them has to match |
//! | `--not-tags PATTERN` | tags that do not match any of these |
//! | `--semver RANGE` | versions in a range, written as in Cargo.toml; `v1.2`, `1` and `1.2.3` are versions; a tag with a suffix, as `3.18-slim`, is a pre-release, and a range has it only if it names a pre-release: `>=1.20-0` has all from 1.20 on, with pre-releases |
//! | `--newest N` | of each repository the N newest of what the others choose; versions are newer than other tags |
//!
//! A name without a tag has the tag `latest`. An image without a name is not chosen, and an image that the command line names
//! beside others is copied whatever its tag. Of an image with several names, those that are chosen are copied. If a source has no such tag, that is an
//! error. In a registry only the list of tags is read: the other images cost no request. In the library:
//! [`Tags`](crate::Tags), [`TransferOptions::tags`](crate::TransferOptions::tags).
//!
//! # Names
//!
//! An image keeps its names, unless it gets others by `--name` (one image), by `->` in a list, or by `--rename`:
//!
//! ```text
//! transship copy --all-images --rename 'docker.io/*=registry.local/mirror/*' \
//!                             --rename '*:latest=*:stable' a.tar oci:layout
//! ```
//!
//! In `FROM=TO`, `*` in FROM matches any text, including `/` and `:`; FROM must match the whole name. The n-th `*` in TO is the text
//! that the n-th `*` in FROM matched. If FROM can match in several ways, `*` on the left match as much as possible: `*:*` splits a
//! name at its tag. A docker name is tried in its canonical form, `docker.io/library/alpine:3`, then in its short form, `alpine:3`.
//! The first rule that matches is used; a name that no rule matches is kept. See [`Rename`](crate::Rename).
//!
//! The result must be a valid name that the destination can hold. If two images would get the same name from a rule, `--name` or a
//! list, nothing is written, and the error names both. If two images have the same name at their sources, the later one gets it, and
//! the report says so; the earlier one keeps its other names or none. Where an image without a name would be lost, as in a layout or
//! a registry, nothing is written.
//!
//! A repository holds tags: `copy --all-images docker://A/x docker://B/y` keeps each tag; so does a copy from an archive, if all its
//! images are of one repository. Images of several repositories are an error, and so is an image without a name beside others. With
//! a slash at the end, `docker://B/y/`, each image keeps its own repository below that prefix.
//!
//! # When an image fails
//!
//! The first failure ends the copy, and the destination stays as it was. With `--keep-going`, the other images are copied
//! completely, and the failures are listed at the end. If all images fail, nothing is written. The exit code is that of the
//! failures if all are of one kind, else 1. A wrong command line, a malformed list and conflicting names always end the copy.
//!
//! # Dry run
//!
//! `--dry-run` reads manifests, configs and the first bytes of some layers. For each image it shows how many blobs would be copied,
//! recompressed or reused, their sizes, whether the digest stays the same, and what would be lost; then totals. With `--json` it
//! lists every blob.
//!
//! # The second run
//!
//! Blobs that the destination has are not copied again. A file at the destination is hashed once: the command remembers in
//! `$XDG_CACHE_HOME/transship/known` (else `~/.cache/transship/known`) which files were verified, by device, inode, size and the
//! times of the last modification and change. A file with another content, name or mode is hashed again. Because a change within
//! one tick of the file system's clock could leave no trace, a file is remembered only if its last write was in an earlier tick.
//!
//! With `--append`, blobs of `oci-archive:` and plain layers of `docker-archive:` that the archive has are hashed once, too: each append makes
//! another file, and carries over what was known of the one before, of 1000 entries at most. A write to the archive that transship did not make
//! ends that. A command waits up to 20 ms for it, so that the last write of its own is a tick old before the archive shows.
//! What is below 8 MiB, an archive or the new blobs of a layout, is not waited for, and hashed again at the next copy.
//!
//! The same file remembers what layers became when they were compressed, by diff ID, encoder and level. The same copy with
//! `--compress` finds the results at the destination and compresses nothing. So a second run reads manifests and configs and
//! writes nothing; with `--append`, an archive that has all images under all their names is not rewritten.
//!
//! The file has at most some 4 MiB: 30,000 answers. Damaged lines are ignored, and so is a file that other users can write to. `--no-cache` ignores
//! it. The library has no cache unless [`TransferOptions::cache`](crate::TransferOptions::cache) is set.
//!
//! # Keeping places up to date
//!
//! `transship sync mirror.toml` copies what a file lists, and with `prune` deletes what the sources have no more. There is no daemon: run
//! it from cron or a systemd timer. What was interrupted is finished by the next run.
//!
//! ```toml
//! [defaults]                             # for entries that do not say it
//! newest = 5
//!
//! [registries."registry.local"]          # options of docker: for this host, on both sides
//! creds-env = "MIRROR_CREDENTIALS"
//!
//! [[sync]]
//! from = "docker://quay.io/org/app"      # a repository; or a prefix with / at its end, an image, a layout, an archive
//! to = "docker://registry.local/org/app" # a repository, a prefix, a layout or an archive
//! tags = ["1.*", "2.*"]                  # as in "Choosing tags"; also not-tags, semver, newest
//! platforms = ["linux/amd64"]            # default: all
//! referrers = true                       # signatures, SBOMs and attestations, as --referrers
//! prune = true
//! backup = "old-*"                       # what a tag is kept as at the registry before it moves; * is the tag
//! ```
//!
//! An unchanged tag costs one HEAD at each registry, where nothing but tags is chosen; with `backup`, two. Between other places manifests
//! and configs are read, and what a registry, layout or `oci-archive:` shows already is unchanged, too. With `referrers`, what is under
//! cosign's tags is compared as well. Images with other referrers, those that lose something, all with `platforms` and all that go to other
//! destinations count as copied, although what is there is not sent again. `backup` and `platforms` exclude each other.
//!
//! Before anything is asked, these are refused: a registry of `[registries]` that no entry uses (`docker.io` is that of
//! `docker://alpine`); a destination that is the source, or in it; and two entries for one image, repository or set of names, unless they
//! choose other tags of the same source.
//!
//! Pruning deletes a name only if it is in a repository that the entry writes, the entry's patterns and versions choose it, no
//! entry of the file brings it, nothing failed at all, and it is no backup and no tag of a signature
//! (`sha256-DIGEST.sig`). A repository that is gone at the source stays. Where a registry deletes manifests alone, a tag that shares
//! its image with one that stays is a failure; a dry run cannot know that, and warns of it.
//!
//! A file whose name ends in `.yaml` or `.yml` is one of `skopeo sync`: `images`, `images-by-tag-regex`, `images-by-semver`, `credentials`,
//! `tls-verify`, `cert-dir`. The destination is the second argument. Each repository gets its last component below
//! `docker://HOST/PREFIX`, as with skopeo, and two that would get the same are refused; a layout or archive keeps whole names. A
//! range has pre-releases only if it names one (`>=1.0-0`), as with skopeo, but `<2` never has one of 2; it may leave out up to six versions (`!=`). `dir:` holds one image, so that
//! skopeo's folder of folders is no destination; `oci:DIR` is. Where all tags of a repository are copied (`app: []`), cosign's tags and
//! other referrers come, too, as with skopeo; listed tags come alone.
//!
//! # Thousands of images
//!
//! All images are planned before the first byte is written, so that errors show early. Up to 64 MiB of plans are kept in memory,
//! which is some thousand images. The rest is planned again when it is copied: its manifests and configs are read twice, and memory
//! grows only with the index of the archive and the list of blobs. `cargo xtask scale` measures time, memory and bytes.
