//! The command `transship`: what it takes, and what it prints, for people and as JSON.
//!
//! Results go to stdout, all else to stderr. `--json` prints exactly one JSON value on stdout, also when an image is found
//! wrong. On a failure there is none, and the exit code and stderr tell; but a `copy --json` that fails or is given up prints an
//! object with `kind`, `error`, and in `published` the references that open what it has published all the same. Fields are in `snake_case`; more may be added, none
//! is renamed or removed within a major version. Digests, names, platforms and references are texts as they are typed.
//!
//! # Places
//!
//! A place is a reference, `TRANSPORT:PLACE` (see [`formats`](super::formats)). Beside that the command takes
//!
//! - a path that exists, with a name, `@INDEX` or `@sha256:...` behind it or not. It is looked at: a folder with `oci-layout`
//!   is `oci:`, a folder with the `version` file of such an image is `dir:`, a tar (plain or compressed) with `index.json` is
//!   `oci-archive:`, with `manifest.json` alone `docker-archive:`;
//! - `-`, which as a source is looked at in the same way, and as a destination is `docker-archive:-`. What comes from a pipe is
//!   read in one pass into an `oci:` layout whose layers keep their form; else it is put into an unnamed file in `--tmpdir`, else
//!   `$TMPDIR`, else `/var/tmp`, once, and so is an archive that goes to a pipe. A redirected file is read where it is.
//!
//! # Exit codes
//!
//! | code | meaning | kinds of error |
//! |---|---|---|
//! | 0 | done, or nobody reads the output any more | |
//! | 1 | failed | all others: `NoSpace` (a full disk or quota), `Unavailable`, `Denied`, ... |
//! | 2 | the command line or a reference is wrong | `InvalidReference` |
//! | 3 | an image, blob or place was not found | `NotFound` |
//! | 4 | something read is corrupt, malformed or over a limit; `verify` and `list` found something wrong | `Corrupt`, `LimitExceeded` |
//! | 130 | interrupted by Ctrl-C (128 + the number of any signal) | |
//!
//! An error is one line on stderr, `transship: ` and what was being done, to what, what was found and what was expected; the way
//! out follows on a line of its own, `  hint: `. Control characters are escaped.
//!
//! Ctrl-C stops the work and cleans up: what was there stays as it was. In a registry, images that were published one by one
//! before stay published, and are named. A second Ctrl-C ends the process at once; what is left
//! over then, the next writer to that place removes. `--deadline` does the same as the first Ctrl-C, with exit code 1.
//!
//! # Options of transports
//!
//! `-o SCHEME.KEY=VALUE` sets an option wherever that transport is used; `transship transports` lists the keys. For `copy`, each
//! key is an option of its own too: `--src-KEY VALUE` and `--dest-KEY VALUE` set it for one side alone.
//!
//! # Progress
//!
//! `--progress auto` (the default) shows bars on a terminal and lines elsewhere, also where `TERM` is `dumb` or not set: one for each
//! image, and for what takes long how far it is, at most every 10 seconds. Bars are of all bytes and of each blob that is on its way, with
//! rate and time left as far as the width allows; nothing of them stays. `--progress none` leaves results and warnings;
//! `--quiet` leaves errors. With `--progress json` every line of stderr is a JSON object with a field `event`:
//!
//! | `event` | fields |
//! |---|---|
//! | `planned` | `images`, `blobs`, `bytes` |
//! | `image_started` | `image` (its number, from 0), `source`, `destination` |
//! | `blob_started` | `blob` (its number, from 0), `image`, `digest`, `media_type`, `size` |
//! | `advanced` | `blob`, `bytes` more; after `retried` and `read_again` they count from 0 |
//! | `retried` | `blob`, `why` |
//! | `read_again` | `blob`: a layer that changes form is not left out of a delta, which was seen by making it once |
//! | `reused` | `blob`, `image`, `digest`, `size` |
//! | `stored` | `blob`, `digest`, `size` |
//! | `left_out` | `blob`, `image`, `digest`, `size`: of a delta |
//! | `blob_failed` | `blob`, `kind`, `error` |
//! | `blob_cancelled` | `blob`: given up on its way, because something else failed or was interrupted |
//! | `committed` | `image`, `digest`, `references` |
//! | `image_failed` | `image` (`null` for a source that could not be opened), `kind`, `error` |
//! | `image_cancelled` | `image` |
//! | `stream_started` | `source`, `spooled` (why it goes to a temporary file first, or `null`): of what comes once, as `-` |
//! | `stream_advanced` | `bytes` more of it |
//! | `retrying` | `what`, `why`: a transport tries something again, such as a request |
//! | `warning` | `text`, and `image` where it is of one |
//! | `finished`, `failed` (`kind`, `error`), `cancelled` | exactly one ends a transfer |
//! | `error` | `kind`, `error`, `hint`: why the command failed; or `kind` and `signal`. It is the last line |
//!
//! A blob that was started ends once: `stored`, `blob_failed` or `blob_cancelled`; one that need not be read is `reused` or `left_out`. An
//! image that was started ends once, too, as does the transfer, after which nothing of it comes. That holds also for one that is
//! interrupted. Those of a transfer have its number, `transfer`. See [`EventKind`](crate::EventKind).
//!
//! # `copy`
//!
//! Copies one image, or several into one container. A source that holds several images and names none is refused, and the error
//! lists them: `--all-images` copies all of each source that names none (see [`many_images`](super::many_images)). An image without a new name keeps its names. Without `--platform`, of an index every
//! platform that is present is copied; a destination that holds single images gets that of this machine. `--all-platforms` fails
//! where one is absent. One `--platform` is copied alone, without its index; several stay in it. `--subset sparse` keeps the index
//! as it is, also around one image, and `--subset strip` takes out what stays behind, with the attestations about it; without
//! either it is taken out only where the destination takes no gaps, and that is told. After success, stderr
//! has for each image where it came from and where it is, its digest, what was lost, and which platforms were absent or left out.
//! `--digestfile` gets the digests, one a line, in the order of the images.
//!
//! ```json
//! {
//!   "images": [{
//!     "source": "docker-archive:a.tar:@0",
//!     "destinations": ["oci:b:docker.io/library/x:1"],
//!     "names": ["docker.io/library/x:1"],
//!     "source_digest": "sha256:..", "source_media_type": "application/vnd.oci.image.manifest.v1+json",
//!     "digest": "sha256:..", "media_type": "application/vnd.oci.image.manifest.v1+json",
//!     "platforms": { "copied": ["linux/amd64"], "absent": [], "skipped": [] }, "referrers": 0,
//!     "lost": [], "warnings": []
//!   }],
//!   "failed": [],
//!   "blobs_moved": 3, "blobs_reused": 0, "blobs_left_out": 0, "bytes_read": 8501, "bytes_written": 8501
//! }
//! ```
//!
//! `failed` has an object for each image that failed with `--keep-going`: `source`, `kind`, `error`. Then the exit code is that of
//! the kind, if all are of one, else 1.
//!
//! With `--dry-run` nothing is written. Of one image every blob is listed; several are a table, with what it comes to. In JSON
//! `totals` has `images`, `digests_kept`, `lost`, and `moved`, `changed`, `reused`, `left_out`, each with `blobs` and `bytes` at the
//! source; a blob that images share counts, and is listed, with the first. Each of `images` has `source`, `destination`, `names`, `source_digest`, `source_media_type`, `media_type`,
//! `digest_kept`, `platforms`, `lost`, `warnings`, and `blobs`: `digest`, `media_type`, `size` and `fate`, which is `moved`,
//! `reused`, `left_out`, `known` (a delta leaves it out), or `changed` with `to` (`plain`, `gzip`, `zstd`).
//!
//! # `list`
//!
//! The images of a place in stored order, without reading layers. Of a registry's repository these are its tags, a name a line, from its
//! list of tags alone: manifests, which registries may count as pulls, are read with `--details`. In JSON `digest` and what else is not
//! known then is `null` or empty.
//! An image that cannot be read is listed with its `error`, and
//! the exit code is 4. `digest` is `null` where none is stored and one would have to be made; `image_id` is `null` for an index.
//!
//! ```json
//! {
//!   "reference": "docker-archive:a.tar",
//!   "images": [{
//!     "index": 0, "reference": "docker-archive:a.tar:@0",
//!     "names": ["docker.io/library/x:1"], "raw_names": ["x:1"],
//!     "digest": null, "media_type": null, "image_id": "sha256:..",
//!     "platforms": ["linux/amd64"], "size": 6144,
//!     "warnings": [], "error": null
//!   }]
//! }
//! ```
//!
//! # `inspect`
//!
//! What an image is made of. `--raw` prints its manifest and `--config` its config, byte for byte. Of an index, `--platform`
//! chooses an image; without it the index itself is shown, and `--config` is that of the image for this machine.
//!
//! ```json
//! {
//!   "reference": "oci:b:x", "names": ["x"],
//!   "root_digest": "sha256:..", "digest": "sha256:..", "media_type": "..", "size": 527,
//!   "annotations": {}, "subject": null,
//!   "kind": "image",
//!   "image_id": "sha256:..", "platform": "linux/amd64", "created": "2026-11-22T09:56:13Z",
//!   "layers": [{ "digest": "sha256:..", "media_type": "..", "size": 2560, "annotations": {}, "diff_id": "sha256:.." }],
//!   "layers_size": 2560,
//!   "config": {}
//! }
//! ```
//!
//! `root_digest` is that of what the reference names, and differs from `digest` when an image of an index was chosen. `config` is
//! the whole config as it stands. `kind` may also be
//!
//! - `"index"`, with `manifests`: `digest`, `media_type`, `size`, `platform`, `present`, `attestation`, `annotations`, those of
//!   nested indexes in their place;
//! - `"artifact"`, with `artifact_type`, `config` (`digest`, `media_type`, `size`, `annotations`), `layers`, `layers_size`.
//!
//! # `verify`
//!
//! Reads images again and checks everything that can be reached: that it is there, digests, sizes, that configs are configs, that
//! there are as many diff IDs as layers, and the diff ID of each layer. A place without a selector stands for all its images.
//! Absent images of a sparse index, and layers that are not to be distributed, are told and are no fault. The exit code is 4 when
//! anything is wrong.
//!
//! ```json
//! {
//!   "ok": false,
//!   "images": [{
//!     "ok": false, "reference": "oci:b@sha256:..", "names": ["x"], "digest": "sha256:..",
//!     "checked": { "manifests": 1, "blobs": 2, "bytes": 4132 },
//!     "absent": [], "needs": [{ "digest": "sha256:..", "size": 527 }], "warnings": [],
//!     "problems": [{ "what": "layer 1 of 2", "digest": "sha256:..", "kind": "corrupt", "error": ".." }]
//!   }]
//! }
//! ```
//!
//! `needs` is what a delta leaves out; see [`without_a_network`](super::without_a_network).
//!
//! # `digests`
//!
//! The digests of all that is at places, manifests, configs and layers, one a line and sorted: a list for `copy --since`. In such
//! a list, empty lines and lines that begin with `#` say nothing.
//!
//! ```json
//! { "digests": ["sha256:.."] }
//! ```
//!
//! # `delete`
//!
//! By a name, that name goes, and the image with its last one; by `@INDEX` or digest, or alone in its place, the image goes with
//! all its names. That every place can delete is looked at before anything changes; after that the images go one by one, and the first failure
//! ends it: `deleted` then holds those that went before it.
//!
//! ```json
//! { "deleted": ["oci:layout:alpine:3"] }
//! ```
//!
//! # `gc`
//!
//! Without `--delete` nothing changes. `garbage` is what no image needs, deleted or to be; `bytes` is its sum; `spared` is what
//! no image is known to need and stays all the same, with the reason.
//!
//! ```json
//! { "reference": "oci:layout", "deleted": false, "bytes": 1024, "garbage": [{ "digest": "sha256:..", "size": 1024 }],
//!   "spared": [{ "what": "sha256:..", "why": "it may be needed by what cannot be read" }] }
//! ```
//!
//! # `reference`
//!
//! Parses a reference without opening anything. The canonical text stands alone on the first line; the same image has the same
//! text, whatever was typed.
//!
//! ```json
//! { "reference": "docker-archive:a.tar:docker.io/library/x:1", "transport": "docker-archive", "locator": "a.tar:docker.io/library/x:1" }
//! ```
//!
//! # `transports`
//!
//! `images` is `one` or `several`; `existing`, what writing does with a place that is there, is `refused`, `replaced` or `joined`.
//!
//! ```json
//! { "transports": [{ "scheme": "dir", "syntax": "PATH", "images": "one", "existing": "replaced", "options": [] }] }
//! ```
//!
//! # `completions`, `man`
//!
//! `transship completions bash|zsh|fish|elvish|powershell` prints a script. `transship man DIR` writes one page for each command
//! into a folder, and without one prints the main page. Both come from the definitions that `--help` comes from.
