//! Trust: policies and signatures. Which images may be copied, and who signed them.
//!
//! ```sh
//! transship copy --verify-key k.pub docker://registry.local/app:1 oci:layout   # signed with that key, or refused
//! transship copy --policy policy.json docker://registry.local/app:1 oci:layout
//! transship copy --insecure-policy docker://registry.local/app:1 oci:layout    # ignores policy.json
//! ```
//!
//! # When a policy applies
//!
//! `copy` enforces the policy of podman and skopeo: `$HOME/.config/containers/policy.json`, else `/etc/containers/policy.json`, where
//! one exists. Where none does, every image is accepted. `--policy FILE` names another one, `--verify-key KEY` replaces it,
//! `--insecure-policy` ignores it. `--require-signed` also rejects images for which the policy demands no signature.
//!
//! **For users who have a `policy.json` today**: earlier releases did not read it. Debian's file accepts everything, and nothing changes.
//! Where yours says `reject` or `signedBy`, such copies now fail with exit code 5.
//!
//! A library enforces nothing by itself: a program gives a [`Policy`](crate::trust::Policy) in
//! [`TransferOptions::policy`](crate::TransferOptions::policy).
//!
//! # What is checked, and when
//!
//! Each image that would be copied is checked before the destination is opened and before any of its blobs is read. What is
//! copied then must have the digest that was checked: a registry that gives another manifest the second time is refused. Of an
//! index, each image is checked on its own, as podman and skopeo do; with `--verify-key`, a signature of the index stands for
//! what it lists, as `cosign sign` makes it. Platforms that are not copied need no signature. What an index does not say the platform of
//! is always checked. Referrers that are copied with an image are not checked. A place that comes through a pipe is stored in a temporary file first.
//!
//! With `--keep-going`, images that are rejected stay behind, and the others are copied.
//!
//! The exit code is 5, the kind `Untrusted`. The message names the file, the part of it that applies, the requirement, and for each
//! signature that was found why it does not count.
//!
//! # policy.json
//!
//! The grammar is that of
//! [containers-policy.json(5)](https://github.com/containers/image/blob/main/docs/containers-policy.json.5.md). Unknown keys, keys
//! that stand twice and what follows the end refuse the file, with exit code 2.
//!
//! | requirement | |
//! |---|---|
//! | `insecureAcceptAnything`, `reject` | as they say |
//! | `sigstoreSigned` with `keyPath`, `keyPaths`, `keyData` or `keyDatas` | keys of ECDSA P-256 and P-384, RSA and Ed25519, in PEM |
//! | `sigstoreSigned` with `fulcio`, `pki` or a `rekorPublicKey`; `signedBy`; `signedBaseLayer` | rejects: this release cannot check them, and says so |
//!
//! All of `signedIdentity` is known. A name with a tag and a digest is matched by its tag.
//!
//! | transport | scopes, from the most specific |
//! |---|---|
//! | `docker`, `docker-daemon` | `host:port/ns/app:tag`, `...@digest`, `host:port/ns/app`, `host:port/ns`, `host:port`, `*.domain`; an image of an engine that is chosen by ID has none |
//! | `oci`, `oci-archive`, `dir` | the path without links, and the folders above it; the name in a layout does not count |
//! | `containers-storage` | those of podman are not known here: a policy that has some rejects, `""` and the default apply |
//! | all others | none: `""` and the default |
//!
//! # Where signatures are found
//!
//! | place | signatures |
//! |---|---|
//! | registries | cosign's tag `sha256-HEX.sig` |
//! | `dir:` | `signature-N`, as skopeo writes them |
//!
//! A payload of more than 4 MiB does not count, and of more than 256 signatures none is read.
//!
//! # What it costs
//!
//! For each image that is checked, three more requests for the tags beside it, one for the list of signatures and one for each of
//! them: five where there is one. An image that its policy accepts without a signature costs nothing.
//!
//! # A key pair
//!
//! ```sh
//! openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out k.pem
//! openssl pkey -in k.pem -pubout -out k.pub
//! ```
//!
//! # A policy for a mirror
//!
//! What the vendor signed is accepted from the mirror under the mirror's name, and nothing else is:
//!
//! ```json
//! {
//!   "default": [{"type": "reject"}],
//!   "transports": {
//!     "docker": {
//!       "mirror.local/vendor": [{
//!         "type": "sigstoreSigned",
//!         "keyPath": "/etc/pki/vendor.pub",
//!         "signedIdentity": {"type": "remapIdentity", "prefix": "mirror.local/vendor", "signedPrefix": "registry.vendor.example"}
//!       }]
//!     }
//!   }
//! }
//! ```
