//! Trust: policies and signatures. Which images may be copied, and who signed them.
//!
//! ```sh
//! transship copy --verify-key k.pub docker://registry.local/app:1 oci:layout   # signed with that key, or refused
//! transship copy --policy policy.json docker://registry.local/app:1 oci:layout
//! transship copy --insecure-policy docker://registry.local/app:1 oci:layout    # ignores policy.json
//! transship verify --key k.pub docker://registry.local/app:1
//! transship copy --sign-key k.pem app.tar docker://registry.local/app:1        # signed before its tag shows it
//! transship sign --key k.pem docker://registry.local/app:1
//! ```
//!
//! # When a policy applies
//!
//! `copy` enforces the policy of podman and skopeo: `$HOME/.config/containers/policy.json`, else `/etc/containers/policy.json`, where
//! one exists. Where none does, every image is accepted. `--policy FILE` names another one, `--verify-key KEY` replaces it,
//! `--insecure-policy` ignores it. `--require-signed` also rejects images for which the policy demands no signature.
//!
//! **For users who have a `policy.json` today**: earlier releases did not read it. Debian's file accepts everything, and nothing changes.
//! Where yours says `reject`, `signedBy` or `sigstoreSigned` of an image that is not signed so, such copies now fail with exit code 5.
//!
//! A library enforces nothing by itself: a program gives a [`Policy`](crate::trust::Policy) in
//! [`TransferOptions::policy`](crate::TransferOptions::policy).
//!
//! # What is checked, and when
//!
//! Each image that would be copied is checked before the destination is opened and before any of its blobs is read. What is
//! copied then must have the digest that was checked: a registry that gives another manifest the second time is refused. Of an
//! index, each image is checked on its own, as podman and skopeo do; with `--verify-key`, a signature of the index stands for
//! what it lists, as `cosign sign` makes it. Of an image for several platforms of which one is copied (`--platform`, or a destination
//! that holds single images), the manifest of that platform is checked and no other: the index is not copied, and its own signature is
//! asked for only with `--verify-key`. What an index does not say the platform of is always checked. Referrers that are copied with an
//! image are not checked, and neither are the tags of signatures, which are no images. An archive that comes through a pipe is stored in a
//! temporary file first.
//!
//! `serve` and the `backup` of `sync` ask no policy. Who pulls from `serve` has a policy of its own, with the names that it knows, and
//! what is backed up is in the destination already.
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
//! | `sigstoreSigned` with `keyPath`, `keyPaths`, `keyData` or `keyDatas` | keys of ECDSA P-256 and P-384, RSA and Ed25519, in PEM; with a `rekorPublicKey`, the entry of the log that lies with the signature must be signed by it and about it |
//! | `signedBy` with `GPGKeys` | checked by `gpgv`, which has to be installed; keys armored or not; a signature is binary, by one key |
//! | `sigstoreSigned` with `fulcio` or `pki`; `signedBy` with other types of keys; `signedBaseLayer` | rejects: this release cannot check them, and says so |
//!
//! All of `signedIdentity` is known. A name with a tag and a digest is matched by its tag.
//!
//! | transport | scopes, from the most specific |
//! |---|---|
//! | `docker`, `docker-daemon` | `host:port/ns/app:tag`, `...@digest`, `host:port/ns/app`, `host:port/ns`, `host:port`, `*.domain`; an image of an engine that is chosen by ID has none |
//! | `oci`, `oci-archive`, `dir` | the path without links, and the folders above it; the name in a layout does not count |
//! | `docker-archive` | none: `""` and the default |
//! | all others, `containers-storage` too | not known here: a policy that has some rejects; else `""` and the default apply |
//!
//! # Where signatures are found
//!
//! | place | signatures |
//! |---|---|
//! | registries, `oci:`, `oci-archive:` | cosign's tag `sha256-HEX.sig`; in a layout it is an entry of that name, or what `cosign save` writes |
//! | `dir:` | `signature-N`, as skopeo writes them |
//! | registries | GPG: lookaside storage, see below |
//! | all places with referrers: registries, `oci:`, `oci-archive:`, `dir:` | bundles, as cosign makes them since its version 3 |
//!
//! A payload or bundle of more than 4 MiB does not count, and of more than 256 signatures, or 16 MiB of them together, none is read.
//! A payload is read only where its layer has a signature. `gpgv` has 30 seconds for the signatures of an image, and its output is
//! bounded, too.
//!
//! # registries.d and lookaside storage
//!
//! GPG signatures of images in registries are in lookaside storage, and the `*.yaml` of `registries.d` say where that is: those of
//! `--registries.d DIR`, else of `$HOME/.config/containers/registries.d` where that folder exists, else of
//! `/etc/containers/registries.d`. The grammar is that of
//! [containers-registries.d(5)](https://github.com/containers/image/blob/main/docs/containers-registries.d.5.md):
//!
//! ```yaml
//! default-docker:
//!   lookaside: https://signatures.example.com/all
//! docker:
//!   registry.example.com/ns:
//!     lookaside: file:///var/lib/signatures
//! ```
//!
//! | key | |
//! |---|---|
//! | `lookaside`, of old `sigstore` | a URL of `file`, `http` or `https`, without a user, query or fragment |
//! | `lookaside-staging`, `sigstore-staging` | where other tools write; checked and not used: nothing here makes GPG signatures |
//! | `use-sigstore-attachments` | `false`: no signatures are read from the registry, bundles neither; the message says so. Signatures are read without it, too |
//!
//! The most specific scope that has a key says it, then `default-docker`; scopes are those of `docker` in `policy.json`. Where no file
//! says it, `/var/lib/containers/sigstore` is read, or by users other than root `$HOME/.local/share/containers/sigstore`. The signatures of
//! `registry.example.com/ns/app` are `ns/app@sha256=HEX/signature-1`, `-2` and so on, up to the first that is not there; the name is that of
//! the reference, whatever mirror the image comes from. Unknown keys, scopes that two files have and malformed URLs are refused with file
//! and key, exit code 2; other tools ignore unknown keys. The files are read when a policy asks for a signature.
//!
//! Servers are spoken to with the options of the source: `--src-cert-dir`, `--src-tls-verify`, `--src-retries`; redirects are followed,
//! and no credential is sent. A server that cannot be reached or answers with anything but a file or 404 fails the copy, which
//! is no rejection. Signatures of lookaside storage are checked and not copied.
//!
//! **Bundles** name no image. `--verify-key`, `verify --key` and [`Policy::of_keys`](crate::trust::Policy::of_keys) accept them; under a
//! `policy.json`, whose `signedIdentity` asks for a name, they do not count, and the message says so. Only a statement of the type
//! `https://sigstore.dev/cosign/sign/v1` is a signature; an SBOM by the same key is none. Bundles whose key is in a certificate
//! are checked with the keys that are given all the same: the certificate is not looked at.
//!
//! # Signing
//!
//! `copy --sign-key KEY` and `sign --key KEY` sign an image and, of an index, each image in it. The key is ECDSA P-256 in PEM (PKCS#8),
//! without a passphrase: keys that cosign encrypted (`ENCRYPTED SIGSTORE PRIVATE KEY`) are refused. `--sign-format tag` (the default) writes what podman, skopeo and cosign 2 read: in a registry and in a
//! layout the tag `sha256-HEX.sig`, in `dir:` files. `--sign-format bundle` writes a referrer. The image gets its tag after its signatures, so that
//! clients that enforce a policy never see the image without them: in registries the signatures are put first, into each repository that
//! the image goes to, and other places show both with one commit. Where a registry refuses a signature, the copy fails and no
//! name shows the image.
//!
//! With `tag`, the name that is signed is the one that the image gets in a registry, or in a layout if that says the registry, as
//! `oci:layout:quay.io/org/app:1`; `--sign-identity NAME` says another one, and is needed where it gets several names.
//!
//! Signatures that the destination has stay; the new one, and those that `--referrers` brings, are added. What the same key has signed
//! already, with the same name, is not added again. Only `sign` looks for a bundle that is there: each copy with `--sign-format bundle`
//! adds one. `docker-archive:` and engines have no room for signatures, and are refused.
//!
//! Registries write a tag without any condition, so that of several who sign an image at the same moment one may replace what another
//! one added. Each looks again half a second after it wrote (longer where answers are slow), adds what is gone, up to five times, and
//! then fails with `Conflict`. A signer that takes longer from reading to writing, or does not look again, as other tools, can still
//! replace a signature; bundles cannot collide. In layouts and archives a signer that would replace what it has not seen fails with
//! `Conflict`.
//!
//! In a registry `sign` writes no tag: it signs the image that the tag has at its start, by its digest, and a tag that another writer
//! moves meanwhile stays where it went. In a layout or archive it gives the image its name again.
//!
//! What the key signs, `openssl` checks: the payload is the layer of the manifest, the signature its annotation
//! `dev.cosignproject.cosign/signature`, in base64.
//!
//! ```sh
//! openssl dgst -sha256 -verify k.pub -signature signature payload
//! ```
//!
//! # What it costs
//!
//! For each image that is checked, three more requests for the tags beside it, one for the list of signatures and one for each of
//! them. Where they are not enough, the list of referrers, and two requests for each bundle. With one signature of a form:
//!
//! | signed with the key | more requests |
//! |---|---|
//! | under a tag | 5 |
//! | as a bundle | 6 |
//! | both | 5 |
//! | as a bundle, and under a tag with another key | 8 |
//!
//! For `signedBy`, one request for each signature in lookaside storage of a server, and one for the end of them. An image that its
//! policy accepts without a signature costs nothing.
//!
//! # Where skopeo 1.9.3 differs
//!
//! With one `policy.json` and the same signatures both accept and reject the same images, except here:
//!
//! | | skopeo 1.9.3, as Debian has it | transship |
//! |---|---|---|
//! | no `policy.json` | fails | accepts every image |
//! | `sigstoreSigned` | rejects: in Debian's build no such signature counts | checks it |
//! | signatures in the registry | read where `registries.d` says `use-sigstore-attachments: true` (newer ones) | read unless it says `false` |
//! | GPG signatures by a signing subkey | rejected (newer ones accept them) | accepted |
//! | bundles of cosign 3 | not known | checked with `--verify-key` and by libraries |
//! | unknown keys in `registries.d` | ignored | refused |
//! | scopes of `containers-storage` | known | a policy that has some rejects |
//! | a rejected copy | the destination was opened before, exit code 1 | it was not, exit code 5 |
//!
//! # A key pair
//!
//! ```sh
//! openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out k.pem
//! openssl pkey -in k.pem -pubout -out k.pub
//! ```
//!
//! # Carried to a site without a network
//!
//! ```sh
//! transship copy --referrers docker://quay.io/org/app:1 oci-archive:app.tar:1   # with its signatures
//! transship verify --key k.pub oci-archive:app.tar:1                           # there
//! transship copy --verify-key k.pub --referrers oci-archive:app.tar:1 docker://registry.local/app:1
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
//!
//! # The files of a bootc host
//!
//! Images of bootc hosts are signed with cosign. Its policy, `/etc/containers/policy.json`, is enforced as it is:
//!
//! ```json
//! {
//!   "default": [{"type": "insecureAcceptAnything"}],
//!   "transports": {
//!     "docker": {
//!       "ghcr.io/org": [{
//!         "type": "sigstoreSigned",
//!         "keyPath": "/etc/pki/containers/org.pub",
//!         "signedIdentity": {"type": "matchRepository"}
//!       }]
//!     }
//!   }
//! }
//! ```
//!
//! # The files of an `OpenShift` node
//!
//! Images of `registry.redhat.io` are signed with GPG, and the signatures lie on a web server. `gpgv` must be installed. In
//! `/etc/containers/policy.json`:
//!
//! ```json
//! {
//!   "default": [{"type": "insecureAcceptAnything"}],
//!   "transports": {
//!     "docker": {
//!       "registry.redhat.io": [{
//!         "type": "signedBy",
//!         "keyType": "GPGKeys",
//!         "keyPath": "/etc/pki/rpm-gpg/RPM-GPG-KEY-redhat-release"
//!       }]
//!     }
//!   }
//! }
//! ```
//!
//! In `/etc/containers/registries.d/registry.redhat.io.yaml`:
//!
//! ```yaml
//! docker:
//!   registry.redhat.io:
//!     lookaside: https://registry.redhat.io/containers/sigstore
//! ```
