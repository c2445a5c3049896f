//! Without a network: bundles of images for sites that have none, and deltas with only what is new.
//!
//! # The first bundle
//!
//! Copy all images into one archive, which holds each blob once, and carry it to the site. There, verify it and copy it into a
//! layout, from which single images are loaded:
//!
//! ```sh
//! transship copy --all-images oci:images oci-archive:week-1.tar
//! # At the site:
//! transship verify oci-archive:week-1.tar
//! transship copy --all-images oci-archive:week-1.tar oci:site
//! transship copy oci:site:example.com/app:1 docker-archive:- | docker load
//! ```
//!
//! To collect images from registries, use a list: `transship copy --from-file LIST oci-archive:week-1.tar`. `docker load -i
//! week-1.tar` loads an `oci-archive:` as it is.
//!
//! # Into engines
//!
//! At the site, images can also go from the bundle straight into an engine, all of them or one:
//!
//! ```sh
//! transship copy --all-images week-1.tar docker-daemon:                # docker
//! transship copy --all-images week-1.tar containers-storage:           # podman
//! sudo transship copy --all-images week-1.tar containerd:k8s.io//      # a node of Kubernetes; deltas too
//! ```
//!
//! Recipes: [k3s and rke2](super::engines#k3s-without-a-network), with the socket and what pods need;
//! [kind](super::engines#kind); [rootless podman](super::engines#rootless-podman). To bundle what an engine has:
//! `transship copy --all-images docker-daemon: oci-archive:week-1.tar`.
//!
//! # Deltas
//!
//! `--since` omits the blobs that the site has. It takes a *base*: any place with the same images (last week's archive, a copy of
//! the site's layout), or a list of digests that `transship digests` printed, which is small enough for a mail. It may be repeated;
//! a blob that any base has is omitted.
//!
//! ```sh
//! transship copy --all-images --since week-1.tar oci:images oci-archive:week-2.tar
//! # Or, if the site sent its list:
//! transship digests oci:site > site.list
//! transship copy --all-images --since site.list oci:images oci-archive:week-2.tar
//! # At the site:
//! transship verify oci-archive:week-2.tar
//! transship copy --all-images oci-archive:week-2.tar oci:site
//! ```
//!
//! The result is a *delta*. It lists every image of `oci:images` with its names, and holds only the blobs, manifests and configs
//! that the base lacks. An unchanged image costs one line of the index (`cargo xtask scale --bundle` measures it: at most 1% and
//! 64 KiB more than the changed blobs). A layer that is recompressed (`--compress`) is omitted if the base has the result. That is
//! known only after compressing it, so a layer that is new is compressed twice.
//!
//! The last command completes the delta. Before it writes anything, it looks at the destination for every omitted blob and hashes
//! what it finds. If a blob is missing, nothing is written, the exit code is 3, and the error lists what is missing:
//!
//! ```text
//! transship: oci-archive:week-2.tar@sha256:..: it is a delta, and oci:site lacks 1 of what it needs: sha256:..
//!   hint: first copy the base of the delta there: to an oci: layout, or with --append to an archive
//! ```
//!
//! The destination can also be containerd, as `containerd:k8s.io//`: then containerd must have what was omitted.
//!
//! A site can also keep its images in an archive: with `--append`, a delta is completed with the blobs of that archive. With
//! `--replace` it would lose them, so this is an error.
//!
//! ```sh
//! transship copy --all-images --append oci-archive:week-2.tar oci-archive:site.tar
//! ```
//!
//! Afterwards the site has what `oci:images` had, byte for byte, in addition to its older images: names that are no longer in the
//! bundle stay until they are deleted at the site.
//!
//! Deltas can follow each other: with `--since week-1.tar --since week-2.tar`, the third omits what either has. They must be
//! completed in the same order.
//!
//! # The format of a delta
//!
//! A delta is an OCI layout, in a folder (`oci:`) or a tar (`oci-archive:`), without some of its blobs. The annotation
//! `dev.transship.needs` of its `index.json` lists the digests of the omitted blobs, sorted, with spaces between them. Other tools
//! see a sparse layout, and fail only when they read an omitted blob. The `manifest.json` for docker lists only complete images.
//!
//! The annotation is the difference between a delta and damage: `transship verify` reports how much of its base a delta needs; a
//! blob that is missing and not in the annotation is an error. `transship inspect` shows each image whose manifest is present. When
//! a layout completes a delta, the digests that it now has are removed from the annotation by the next write.
//!
//! `docker-archive:` and `dir:` cannot hold deltas, because `docker load` needs every layer. Copy from the completed layout instead.
//!
//! # Signatures and SBOMs
//!
//! `--referrers` also copies referrers: manifests whose `subject` is a copied image, one of its manifests or another referrer. They
//! keep their digests. If the digest of an image changes, its referrers would refer to nothing; they are not copied, and a warning
//! says so. What `cosign` stores under tags (`sha256-HEX.sig`, `.att`, `.sbom`) is copied too, between registries, `oci:` and
//! `oci-archive:`: in a layout it is an entry of that name, beside the image, and becomes a tag again in a registry. Other places cannot
//! hold it, and a warning names it. `--remove-signatures` leaves signatures behind. `list`, `digests` and `--all-images` do not take these tags for images. Where
//! `--all-images` copies all tags of a repository, or all of a layout or archive, cosign's tags come with their images without `--referrers`.
//!
//! # Layers that are not distributable
//!
//! They stay in the manifests and are not copied, as the licences of base images demand. After the copy of an image stderr says which, and where they
//! are; so do a dry run and `--json`, in `not_distributed`. `--include-nondistributable` copies them, as for a site of your own that
//! cannot download them. A `docker-archive:` cannot hold an image without them, and the `manifest.json` of an `oci-archive:` does not list it.
