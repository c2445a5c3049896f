//! `transship serve`: images as a registry, from where they are.
//!
//! ```sh
//! transship serve oci:site week-2.tar                              # this machine: 127.0.0.1:5000
//! transship serve week-1.tar --listen 0.0.0.0:5000                 # other machines, too; it says so
//! docker pull 127.0.0.1:5000/library/alpine:3
//! ```
//!
//! It serves any mix of places: layouts, archives, folders, engines and repositories of other registries. Nothing is unpacked or
//! written: blobs are sent from the files as they lie there. Only an archive that is compressed as a whole, or comes through a pipe, is put
//! into an unnamed temporary file first (`--tmpdir`). An image of a registry or an engine is passed through, without a store.
//!
//! At the start it prints its address, the repositories and tags, and settings for containerd (`hosts.toml`), docker (`daemon.json`),
//! podman and skopeo (`registries.conf`). It runs until it is stopped, or until nothing was asked for `--exit-idle SECONDS`. `-v`
//! shows each request.
//!
//! # Names
//!
//! An image `docker.io/library/alpine:3` is pulled as `library/alpine:3`, as `alpine:3` or with its host in the path,
//! `docker.io/library/alpine:3`. containerd says which host it wants with `?ns=HOST`; then the image of that host comes first. A path that
//! several hosts have is answered with 404 without that, and the log says which they are. A push or deletion with `?ns=HOST` is for that host
//! alone.
//!
//! | the image's name | is served as |
//! |---|---|
//! | `quay.io/team/app:1` | `team/app:1`, `quay.io/team/app:1` |
//! | `localhost:5000/app:1` | `app:1` |
//! | `v1`, in `oci:/srv/site` | `site:v1`: a name without `:` and `/` is a tag |
//! | `sha256-HEX.sig` and cosign's other tags, in `oci:/srv/site` | a tag in each repository that has the image |
//! | none, the only image of `dir:/srv/app` | `app:latest` |
//! | none, one of several | by its digest |
//!
//! If several places have one name, a delta counts before others, and else the last place.
//!
//! # A delta with its base
//!
//! `transship serve week-1.tar week-2.tar` serves all images of the delta `week-2.tar`: manifests and blobs are looked for in all places, in
//! any order. Without the base, a blob that the delta omits is answered with 404.
//!
//! # What is answered
//!
//! Of the [distribution specification](https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md), what reads:
//! manifests and blobs by `GET` and `HEAD`, one range of a blob (206 and 416), `ETag` with `If-None-Match` and `If-Range`, lists of
//! tags and the catalog in pages, referrers with `artifactType`. A manifest is sent as it is stored, whatever `Accept` lists. What
//! writes is answered with 405, unless `--writable` is given.
//!
//! Each blob is hashed while it is sent, once for all who pull it, and again when its file is changed or replaced. A wrong blob of up to
//! 128 KiB is answered with 500; a larger one is cut before its last byte, and so is a range of it. The error that the client gets names no
//! path of the server: the log says what is wrong.
//!
//! A layout, archive or folder that is changed or replaced is read again with the next request. What cannot be read then (half of an
//! `index.json`) leaves the images as they were. Registries and engines are listed again after 30 seconds, and so is the root of a tag.
//! Where such a list does not come within 3 seconds, requests are answered from the last one until it has come.
//!
//! # A registry to push to
//!
//! ```sh
//! transship serve --writable oci:site                              # a registry for CI: its store is a layout
//! docker push 127.0.0.1:5000/team/app:1
//! transship list oci:site
//! ```
//!
//! `--writable OCI_LAYOUT` also takes pushes: uploads in one request or in chunks, mounts, manifests, referrers, deletions of tags and
//! manifests. The layout need not exist. Each manifest that is put makes a whole image of the layout, under its lock and all or
//! nothing, as `transship copy` writes it; other programs may read and write the layout meanwhile. A layout that cannot be written is an
//! error at the start, and a full disk is answered with 507. Blobs wait for their manifest in
//! temporary files (`--tmpdir`), for an hour after they were last used, and are gone if the server ends (if it is killed, with the
//! next push). So it should not run out of space there. No file is open between requests.
//!
//! Images are named as docker names them, `docker.io/team/app:1`, or by the host of the repository that is there. A push by digest gets a
//! tag `_digest-sha256-..`, which no list of tags shows, until an index or a tag has it; so referrers keep theirs. A manifest whose
//! tag moves or is deleted gets one, too: it is pulled by its digest until it is deleted by that, as from other registries. Deleting a
//! digest deletes its tags in that repository. `transship gc --delete` frees the space. Deletions of blobs are answered with 405.
//!
//! Other places are served beside it: what they have need not be pushed, and is copied from there.
//!
//! # Who may pull and push
//!
//! By default only this machine can connect. `--listen` with another address is reported on stderr. `--tls-cert` and `--tls-key`
//! encrypt. `--credential-file FILE` or `--credential-env NAME` let in only those who show it: `USER:PASSWORD` is for basic
//! authentication (`docker login`), another text is a bearer token. There are no users and rights.
//!
//! 512 clients are served at once, and others wait. A client has 30 seconds for the head of a request, and is cut when it takes or
//! sends less than 240 KiB (4 KiB a second) in a minute in which the server waits for it. Of images that are in no file of this machine,
//! eight blobs are sent at once; who waits longer than a minute for a turn gets 503.
//!
//! # In a program
//!
//! `transship::serve::Registry::respond` answers a request of the `http` types without a network; `Server` is the accept loop.
