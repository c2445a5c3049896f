//! The command `transship`: what it accepts, and what it prints as text and as JSON.
//!
//! Results go to stdout, everything else to stderr. With `--json`, stdout is exactly one JSON value, even if `verify` finds
//! damage. After an error stdout is empty, with two exceptions: an archive that was being written to `-` ends in the middle; and a `copy --json` that fails or is stopped prints an object with
//! `kind`, `error` and `published`, which lists references to the images that it has published nevertheless; `unconfirmed` is a
//! reference that was being published, of which it is not known whether it is. Fields are in `snake_case`. Within a major version fields may be added, and none is renamed or removed. Digests, names, platforms and
//! references are strings, written as on the command line.
//!
//! # Glossary
//!
//! | term | meaning |
//! |---|---|
//! | reference | `TRANSPORT:PLACE`, the text that says where an image or an archive is (see [`formats`](super::formats)) |
//! | transport | one way to store images: `docker`, `oci`, `oci-archive`, `docker-archive`, `dir`, or one of a third party |
//! | archive | a place that holds several images: a tar, a layout, a repository of a registry |
//! | layout | a folder in the [OCI image layout](https://github.com/opencontainers/image-spec/blob/main/image-layout.md) |
//! | manifest, index | the JSON document of one image; the JSON document that lists the images of several platforms |
//! | config, layer | the two kinds of blobs of an image: its settings, and a tar of files |
//! | digest | the hash of a blob or manifest, as `sha256:...`; the digest of an image is that of its manifest or index |
//! | diff ID | the hash of a layer without compression; the config lists them |
//! | image ID | the digest of the config, as `docker images` shows it |
//! | name, tag | what an image is called in an archive, as `docker.io/library/alpine:3`; `3` is the tag |
//! | sparse index | an index that lists images which are not stored beside it |
//! | referrer | a manifest about another one (its `subject`): a signature, an SBOM, an attestation |
//! | delta, base | an archive without some blobs; the place that has these blobs |
//! | unreferenced | a blob that no image uses, and which garbage collection (`gc`) may delete |
//!
//! # Places
//!
//! Besides references, the command accepts
//!
//! - a path that exists, alone or followed by `:NAME`, `:@INDEX` or `@sha256:...`. The transport is detected: a folder with a
//!   file `oci-layout` is `oci:`, a folder with the `version` file of skopeo's format is `dir:`, a tar (plain or compressed)
//!   with `index.json` is `oci-archive:`, and one with `manifest.json` alone is `docker-archive:`;
//! - `-`, which is stdin or stdout. As a source, its format is detected; as a destination, it is `docker-archive:-`. A pipe is
//!   streamed into an `oci:` layout, or into a new archive in a file that is not compressed, if layers keep their form. Otherwise it is stored in an unnamed temporary file, in
//!   `--tmpdir`, else `$TMPDIR`, else `/var/tmp`. A redirected file is read in place. An archive that is written to a pipe goes out
//!   as it comes: layers whose size is known are not stored, others one at a time. If the copy fails, the archive ends in the
//!   middle, without its index and its end, and the exit code says so (`set -o pipefail`): readers refuse it. stdin and stdout have one user each: two
//!   of a source, a list, a key and a policy, or of an archive, digests and JSON, are refused;
//! - an alias from `registries.conf`, and a name with a host, as `quay.io/org/image:1`.
//!
//! # Exit codes
//!
//! | code | meaning | kinds of error |
//! |---|---|---|
//! | 0 | success, or the reader of stdout has closed it | |
//! | 1 | any other failure | `NoSpace` (disk full, quota), `Unavailable`, `Denied`, `AlreadyExists`, `Unsupported`, ... |
//! | 2 | the command line or a reference is wrong, a file that an option names (`--authfile`, `--from-file`) does not exist, or there are several images and none is chosen | `InvalidInput`, `Ambiguous` |
//! | 3 | an image, blob or place was not found | `NotFound` |
//! | 4 | data is corrupt, malformed or over a limit; `verify` or `list` found damage | `Corrupt`, `LimitExceeded` |
//! | 5 | the policy on trust rejects an image | `Untrusted` |
//! | 129, 130, 143 | stopped by SIGHUP, SIGINT (Ctrl-C), SIGTERM: 128 + the number of the signal | |
//!
//! A credential helper that is configured but not installed is a warning, and code 1 if the registry then denies access.
//!
//! An error is one line on stderr: `transship: `, what failed, what was found and what was expected. A suggestion may follow on
//! a second line, `  hint: `. Control characters are escaped.
//!
//! A signal stops the work and cleans up: the destination stays as it was. In a registry, images that were published before the
//! signal stay, and are listed. A second signal ends the process at once; the next writer to that place removes the staging
//! files that are left. A signal that is ignored when the command starts, as under `nohup`, stays ignored. `--deadline` acts
//! like the first signal, with exit code 1.
//!
//! # Options for transports
//!
//! `transship transports` lists the transports with their options, and `--help` explains each option. `--KEY VALUE` and
//! `-o SCHEME.KEY=VALUE` set an option for all places of a command; in `copy`, `--src-KEY` and `--dest-KEY` set it for the
//! sources or the destination alone. An option that is a flag needs no value: `--no-creds` is `--no-creds=true`.
//!
//! # Words of skopeo and crane
//!
//! Where they mean the same, the options and subcommands of skopeo and crane work, though help does not list them: `--all`
//! (`--all-platforms`), `--format v2s2`, `--override-os`, `--override-arch`, `--override-variant`, `--multi-arch all|system`,
//! `--dest-compress-format`, `--additional-tag`, `--insecure-policy`, `--debug`, `--command-timeout`; `ls`, `tags`, `list-tags`,
//! `manifest`, `config`, `digest`, `validate`, `cp`, `rm`. For others, the error names the right words. See
//! [`coming_from`](super::coming_from).
//!
//! # Progress
//!
//! `--progress auto` (the default) shows bars on a terminal and lines elsewhere, or if `TERM` is `dumb` or not set. Lines are one
//! for each image, with the number of its platforms, and one at most every 10 seconds while blobs are copied. Bars show the
//! total and each active blob, with rate and remaining time if the terminal is wide enough; they are erased at the end.
//! `--progress none` shows warnings and results, `--quiet` errors only. `--verbose` also shows each request to a registry and its
//! answer, without headers, credentials and signed parts of URLs. With `--progress json` every line of stderr is a JSON object
//! with a field `event`:
//!
//! | `event` | fields |
//! |---|---|
//! | `planned` | `images`, `blobs`, `bytes` |
//! | `image_started` | `image` (its number, from 0), `source`, `destination`, `platforms`, `unchanged`: the destination shows the same already, and nothing is copied |
//! | `blob_started` | `blob` (its number, from 0), `image`, `digest`, `media_type`, `size` |
//! | `advanced` | `blob`, `bytes` since the last such event; after `retried` and `read_again` the count starts from 0 |
//! | `retried` | `blob`, `why` |
//! | `read_again` | `blob`: a layer was recompressed and is not in the base of the delta; it is read again and stored |
//! | `reused` | `blob`, `image`, `digest`, `size`: it is at the destination |
//! | `stored` | `blob`, `digest`, `size` |
//! | `left_out` | `blob`, `image`, `digest`, `size`: the base of the delta has it |
//! | `blob_failed` | `blob`, `kind`, `error` |
//! | `blob_cancelled` | `blob`: stopped, because something else failed or the copy was stopped |
//! | `committed` | `image`, `digest`, `references` |
//! | `image_failed` | `image` (`null` for a source that could not be opened), `kind`, `error` |
//! | `image_cancelled` | `image` |
//! | `stream_started` | `source`, `spooled` (why it goes to a temporary file first, or `null`): a source that can be read once, as `-` |
//! | `stream_advanced` | `bytes` since the last such event |
//! | `request` | `text`: a request to a registry and its answer; only with `--verbose` |
//! | `retrying` | `what`, `why`: a transport tries something again, such as a request |
//! | `warning` | `text`, and `image` if it is about one |
//! | `finished`, `failed` (`kind`, `error`), `cancelled` | exactly one of them ends a transfer |
//! | `error` | `kind`, `error`, `hint`: why the command failed; or `kind` and `signal`. It is the last line |
//!
//! Every started blob ends with exactly one of `stored`, `blob_failed` and `blob_cancelled`; a blob that need not be copied gets
//! `reused` or `left_out` alone. Every started image ends with one event too, and so does the transfer, which is its last event,
//! also if the copy is stopped. Events of a transfer carry its number, `transfer`. See [`EventKind`](crate::EventKind).
//!
//! # `copy`
//!
//! Copies one image, or several into one archive. If a source holds several images and names none, `copy` fails and lists them;
//! `--all-images` copies all images of each such source (see [`many_images`](super::many_images)). An image without a new name
//! keeps its names.
//!
//! Without `--platform`, every platform of an index that the source has is copied; a destination that holds single images gets
//! the platform of this machine. `--all-platforms` fails if one is missing. One `--platform` is copied without its index, several
//! keep it. `--subset sparse` keeps the index unchanged, even around one image. `--subset strip` removes the other platforms and
//! their attestations from it. By default the index is rewritten only if the destination rejects incomplete indexes; a warning
//! says so.
//!
//! After success, stderr shows for each image its source and destination, its digest, what was lost, which platforms were
//! missing or left out, and which layers were not copied because they are not to be distributed. `--digestfile` gets the digests, one a line, in the order of the images; `-` is stdout.
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
//!     "not_distributed": [{ "digest": "sha256:..", "size": 3105, "urls": ["https://.."] }],
//!     "lost": [], "warnings": []
//!   }],
//!   "failed": [],
//!   "blobs_moved": 3, "blobs_reused": 0, "blobs_left_out": 0, "bytes_read": 8501, "bytes_written": 8501
//! }
//! ```
//!
//! With `--keep-going`, `failed` has an object for each image that failed: `source`, `kind`, `error`. The exit code is then that
//! of the kind if all failures are of one kind, else 1.
//!
//! With `--dry-run` nothing is written. For one image every blob is listed; for several, a table with totals is printed. In JSON,
//! `totals` has `images`, `digests_kept`, `lost`, and `moved`, `changed`, `reused`, `left_out`, each with `blobs` and `bytes` at
//! the source. A blob that images share is counted and listed with the first of them. Each of `images` has `source`,
//! `destination`, `names`, `source_digest`, `source_media_type`, `media_type`, `digest_kept`, `unchanged`, `platforms`, `not_distributed`, `lost`,
//! `warnings` and `blobs`: `digest`, `media_type`, `size` and `fate`, which is `moved`, `reused`, `left_out`, `known` (omitted from a delta), or
//! `changed` with `to` (`plain`, `gzip`, `zstd`).
//!
//! # `list`
//!
//! The images of an archive in stored order; layers are not read. For a repository of a registry, only its list of tags is read,
//! and one tag is printed a line; `--details` also reads the manifests, which a registry may count as pulls. Without it, `digest`
//! and the other fields that are not known are `null` or empty in JSON. An image that cannot be read is listed with its `error`,
//! and the exit code is 4, or 1 if it could not be reached. Tables shorten cells of more than 500 characters and give the
//! number of more than three platforms; `--json` has all of them. `digest` is `null` if the format stores no manifest; `image_id` is `null` for an index.
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
//! The manifest and config of an image. `--raw` prints the manifest and `--config` the config, byte for byte; `--digest` prints
//! the digest alone, for a registry with one HEAD request. `--platform` selects an image of an index. Without it, the index
//! itself is shown, and `--config` is the config of the image for this machine.
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
//! `root_digest` is the digest that the reference resolves to: that of the index, if an image of it was selected. `config` is
//! the whole config. `kind` may also be
//!
//! - `"index"`, with `manifests`: `digest`, `media_type`, `size`, `platform`, `present`, `attestation`, `annotations`. The
//!   entries of a nested index are listed in place of it;
//! - `"artifact"`, with `artifact_type`, `config` (`digest`, `media_type`, `size`, `annotations`), `layers`, `layers_size`.
//!
//! # `verify`
//!
//! Reads images and checks that all blobs are present, their digests and sizes, that configs are valid, that the numbers of diff
//! IDs and layers agree, and the diff ID of each layer. An archive without the name of an image means all of its images. Missing
//! images of a sparse index, and layers that are marked as not distributable, are reported and are no errors.
//!
//! Each image gets a verdict, and the exit code is that of the worst: `bad` (4) if something is broken, or is absent though the
//! image needs it; `unreachable` (1) if nothing is wrong with what was read, and a part could not be read: the server does not
//! answer, or permission is refused; `absent` (3) if there is no such image; `untrusted` (5) if `--key` is given and that key did not
//! sign it: then its blobs are not read; `ok` (0).
//!
//! ```json
//! {
//!   "ok": false,
//!   "images": [{
//!     "ok": false, "verdict": "bad", "reference": "oci:b@sha256:..", "names": ["x"], "digest": "sha256:..",
//!     "checked": { "manifests": 1, "blobs": 2, "bytes": 4132 },
//!     "absent": [], "needs": [{ "digest": "sha256:..", "size": 527 }], "warnings": [],
//!     "problems": [{ "what": "layer 1 of 2", "digest": "sha256:..", "kind": "corrupt", "error": ".." }],
//!     "unreachable": []
//!   }]
//! }
//! ```
//!
//! `needs` lists the blobs that a delta omits; see [`without_a_network`](super::without_a_network).
//!
//! # `digests`
//!
//! The digests of all manifests, configs and layers of some places, or of the images there that `--tags` and its like choose,
//! sorted, one a line: a list for `copy --since`. In such a list, empty lines and lines that begin with `#` are ignored.
//!
//! ```json
//! { "digests": ["sha256:.."] }
//! ```
//!
//! # `delete`
//!
//! Deleting by name removes that name; the image goes with its last name. Deleting by `@INDEX` or digest, or deleting the only
//! image of a place, removes the image with all its names, and so does `--all-tags`. Before anything changes, `delete` checks that
//! every place supports it. Images are then deleted one by one, up to the first failure; `deleted` lists those that were deleted
//! before it. With `--tags`, `--not-tags`, `--semver` or `--newest` each reference is an archive, layout or repository, and the
//! names there that these choose are deleted. With `--dry-run` nothing changes, and `deleted` lists what would go. What registries
//! delete is in [`registries`](super::registries).
//!
//! ```json
//! { "deleted": ["oci:layout:alpine:3"], "dry_run": false }
//! ```
//!
//! # `sync`
//!
//! The entries of the file are checked first, then run one after the other; one that fails does not stop the others, and the exit code
//! is that of the failures if all are of one kind, else 1. See [`many_images`](super::many_images). In a dry run, `copied` and
//! `deleted` are what would be. `failed` has images, or entries of the file as `mirror.toml: [[sync]] 2`.
//!
//! ```json
//! { "dry_run": false, "counts": { "copied": 1, "unchanged": 199, "backups": 0, "deleted": 1, "failed": 0 },
//!   "copied": [{ "source": "docker://a/x:2", "destinations": ["docker://b/x:2"], "digest": "sha256:..", "not_distributed": [], "lost": [] }],
//!   "backups": [{ "from": "docker://b/x:2", "to": "docker://b/x:old-2" }], "deleted": ["docker://b/x:1"],
//!   "failed": [{ "what": "docker://a/x:3", "kind": "denied", "error": ".." }] }
//! ```
//!
//! # `gc`
//!
//! Without `--delete` nothing changes. `garbage` lists the unreferenced blobs, `bytes` is their total size; `spared` lists
//! unreferenced blobs that are kept, with the reason.
//!
//! ```json
//! { "reference": "oci:layout", "deleted": false, "bytes": 1024, "garbage": [{ "digest": "sha256:..", "size": 1024 }],
//!   "spared": [{ "what": "sha256:..", "why": "it may be needed by what cannot be read" }] }
//! ```
//!
//! # `reference`
//!
//! Parses a reference without opening anything. The first line is its canonical text, which is the same for all spellings of
//! a reference.
//!
//! ```json
//! { "reference": "docker-archive:a.tar:docker.io/library/x:1", "transport": "docker-archive", "locator": "a.tar:docker.io/library/x:1" }
//! ```
//!
//! # `transports`
//!
//! `images` is `one` or `several`. `existing` says what a copy to an existing place does: `refused`, `replaced` or `joined`.
//! `options` lists the keys, and `option_details` explains them; `value` is `null` for a flag, `source` and `destination` say for
//! which side it is.
//!
//! ```json
//! { "transports": [{ "scheme": "oci", "syntax": "PATH[:NAME|:@INDEX|@DIGEST]", "images": "several", "existing": "joined",
//!   "options": ["shared-blob-dir"],
//!   "option_details": [{ "key": "shared-blob-dir", "value": "DIR", "help": "..", "source": true, "destination": true }] }] }
//! ```
//!
//! # `completions`, `man`
//!
//! `transship completions bash|zsh|fish|elvish|powershell` prints a completion script. `transship man DIR` writes a manual page
//! for each command to a folder; without DIR it prints the main page.
