//! Moving many images: what goes where under which name, what happens when one fails, and what a second run costs.
//!
//! # Sources
//!
//! `copy` takes any mix of sources and one destination. A source that names no image and holds several is refused, unless all are
//! asked for:
//!
//! ```text
//! transship copy --all-images a.tar b.tar oci:layout:x:1 oci-archive:bundle.tar
//! ```
//!
//! `--all-images` is about sources that name no image; `oci:layout:x:1` above is that one image. A list says the same, a line for
//! each source, with a name where the image is to get another one:
//!
//! ```text
//! # week 47
//! docker-archive:a.tar:app:1
//! oci:layout:x:1 -> registry.local/x:1
//! ```
//!
//! `transship copy --from-file LIST oci-archive:bundle.tar`; `-` reads the list from standard input. Errors begin with the list and
//! the line. In the library: [`Transfer::many`](crate::Transfer::many), [`Source`](crate::Source).
//!
//! The images go in the order of the sources, those of a container in stored order. A blob that several need is read once and
//! written once. Into a layout several images go at once; into a tar one after the other, so that the same images give the same
//! bytes.
//!
//! # Names
//!
//! An image keeps its names, unless it is given some (`--name` for a single image, `->` in a list), or they are mapped:
//!
//! ```text
//! transship copy --all-images --rename 'docker.io/*=registry.local/mirror/*' \
//!                             --rename '*:latest=*:stable' a.tar oci:layout
//! ```
//!
//! `*` is any text, also with `/` and `:` in it, and all else stands for itself; the pattern has to fit the whole name. Each `*` in
//! the replacement is what the same one in the pattern stood for: the first the first, the second the second. Where a pattern could
//! fit in several ways, the `*` further left takes more, so `*:*` parts a name at its tag. A docker name is tried in its canonical
//! form, `docker.io/library/alpine:3`, then as people write it, `alpine:3`. The first rule that fits counts; a name that none fits is
//! kept. See [`Rename`](crate::Rename).
//!
//! What comes out has to be a name, and one that the destination can hold. If two images would get one name because of a rule or a
//! given name, nothing is written, and the error names both. A name that two images have at their sources goes to the later one, and
//! the report says so; the earlier one stays under its other names or without one. Where it would be lost, as in a layout or a registry,
//! nothing is written.
//!
//! A repository takes tags: `copy --all-images docker://A/x docker://B/y` keeps each tag, and so do images of one repository out of an
//! archive. Images of several repositories are refused, and so is an image without a name beside others: it would become `latest`, which
//! nobody said. With a slash at the end, `docker://B/y/`, each image keeps its repository below that.
//!
//! # When an image fails
//!
//! The first failure ends the copy, and what shows is as before. With `--keep-going` the other images are copied: those that failed
//! are told at the end, and an archive or layout has those that are good, whole. If all fail, nothing is written. The exit code is that
//! of the kind of failure, or 1 where kinds differ. What is wrong with the command line, with a list, or with names ends the copy in any
//! case.
//!
//! # What will happen
//!
//! `--dry-run` reads documents, and the first bytes of some layers, and says for each image how many blobs would move, change form,
//! or are there, with their sizes, whether its digest is kept, what would be lost, and what it comes to. With `--json` it lists every
//! blob.
//!
//! # The second run
//!
//! Blobs that are at the destination are not moved. That they are true is known from hashing them, once: the command keeps in
//! `$XDG_CACHE_HOME/transship/known` (else `~/.cache/transship/known`) which files it has found true, by device, inode, size and the
//! times of their last modification and change. A file whose content, name or mode changes is hashed again. A change within
//! one tick of the filesystem's clock could leave no trace, so a file is only noted when the tick of its last write was over before its
//! content was known.
//!
//! There, too, stands what layers became when they were compressed, by diff ID, encoder and level. A copy that compresses, run again,
//! finds the results in place and compresses nothing. So a run that moves nothing reads documents only, and writes nothing; an
//! archive that has all images under all their names stays as it is with `--append`.
//!
//! The file has at most some 8 MiB; damaged lines are passed over; one that others could write to is not used. `--no-cache` does
//! without it. In the library there is none unless [`TransferOptions::cache`](crate::TransferOptions::cache) has one.
//!
//! # Thousands
//!
//! All images are planned before the first byte is written, so that what cannot be done is said at once. Plans are kept up to 64 MiB,
//! some thousand images; of more only what they share is kept, and they are planned a second time in their turn: their documents are
//! read twice, and memory grows only with the index of the container and the list of blobs. `cargo xtask scale` shows time, memory and
//! bytes.
