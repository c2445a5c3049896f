//! Without a network: bundles of images for sites that have none, and deltas that cost what changed.
//!
//! # The first time
//!
//! All images go into one archive, each blob once, and the archive is carried over. At the site it is checked, and kept in a
//! layout, from which single images go to where they are run.
//!
//! ```sh
//! transship copy --all-images oci:images oci-archive:week-1.tar
//! # At the site:
//! transship verify oci-archive:week-1.tar
//! transship copy --all-images oci-archive:week-1.tar oci:site
//! transship copy oci:site:example.com/app:1 docker-archive:- | docker load
//! ```
//!
//! An `oci-archive:` is also loadable as it is: `docker load -i week-1.tar`.
//!
//! # The week after
//!
//! `--since` leaves out what the site has already. It takes any place that holds the same (last week's archive, a copy of the
//! site's layout), or a list of digests that `transship digests` printed, which is small enough to be mailed. It may be given
//! several times: what any of them has is left out.
//!
//! ```sh
//! transship copy --all-images --since week-1.tar oci:images oci-archive:week-2.tar
//! # Or, where the site sent its list:
//! transship digests oci:site > site.list
//! transship copy --all-images --since site.list oci:images oci-archive:week-2.tar
//! # At the site:
//! transship verify oci-archive:week-2.tar
//! transship copy --all-images oci-archive:week-2.tar oci:site
//! ```
//!
//! The result is a *delta*: every image of `oci:images` is listed in it, with its names, and of each only what the site lacks
//! is there. An image that did not change costs a line in the table of contents (`cargo xtask scale --bundle` shows it: at most
//! 1% and 64 KiB over the blobs that changed). Manifests are left out as well as configs and
//! layers. Layers that change form on the way (`--compress`) are left out if the site has what they become, which is known
//! only when it is made: such layers are compressed twice if they are new.
//!
//! The last command completes it. Before anything is written, the place is searched for everything that the delta needs, and
//! what is found is hashed; what is missing ends the copy with exit code 3, nothing written, and a list:
//!
//! ```text
//! transship: oci-archive:week-2.tar@sha256:..: it is a delta, and oci:site lacks 1 of what it needs: sha256:..
//!   hint: copy what the delta was made against to that place first; an archive that has it is joined with --append
//! ```
//!
//! A site may keep its images in an archive instead: `--append` joins the delta with what the archive has. `--replace` would
//! take that away, so a delta onto it is refused.
//!
//! ```sh
//! transship copy --all-images --append oci-archive:week-2.tar oci-archive:site.tar
//! ```
//!
//! Afterwards the place holds what `oci:images` held, byte for byte, beside what else it held: names that are gone from the
//! bundle stay, until they are deleted at the site.
//!
//! Deltas may follow each other: with `--since week-1.tar --since week-2.tar` the third leaves out what either has. They
//! have to be completed in the same order.
//!
//! # What a delta looks like
//!
//! It is an OCI layout, in a folder (`oci:`) or a tar (`oci-archive:`), whose blobs are not all there, and whose `index.json`
//! says so in an annotation, `dev.transship.needs`: the digests of all that is left out, sorted, with spaces between. Other
//! tools see a sparse layout, and fail only when they are asked for what is not there. The `manifest.json` for docker lists no
//! image of which a part is left out.
//!
//! The annotation is what tells a delta from damage. `transship verify` says of a delta what it needs and is content; a blob that
//! is missing and not in the annotation is a fault in a delta, too. `transship inspect` shows each image whose manifest is there. A layout that joins
//! a delta with what it needs loses the annotation, as far as it is fulfilled, with the next write to it.
//!
//! `docker-archive:` and `dir:` take no deltas, and say so: `docker load` needs every layer of an image, also those it has.
//! Copied from a completed layout, images go there as from any other.
//!
//! # Signatures and SBOMs
//!
//! `--referrers` takes along what is about the images: manifests whose `subject` is an image or one of its manifests, and what is
//! about those. They keep their digests; where an image's digest changes on the way they would be about nothing, and are left
//! behind, which is told. Signatures that `cosign` keeps under tags (`sha256-<hex>.sig`) are images of their own, and come
//! with `--all-images`.
//!
//! # Layers that are not to be distributed
//!
//! They stay in the manifests and are not copied, as licences of base images want it. Within a company, on the way to a site
//! that cannot get them elsewhere, `--include-nondistributable` copies them. A `docker-archive:` cannot hold an image without
//! them, and the `manifest.json` of an `oci-archive:` does not list it.
