//! For people who know skopeo, crane, ctr, docker or podman: their commands, and those of transship.
//!
//! References of skopeo mean the same here, so most arguments stay as they are. Three things differ: one command copies several
//! images, layers are not recompressed unless the destination or an option asks for it, and a copy that fails leaves the destination
//! as it was.
//!
//! # skopeo
//!
//! | skopeo | transship |
//! |---|---|
//! | `skopeo copy docker-archive:a.tar oci:l:x` | `transship copy docker-archive:a.tar oci:l:x` |
//! | `skopeo copy docker-archive:a.tar:@0 oci:l` | `transship copy docker-archive:a.tar:@0 oci:l` |
//! | `skopeo copy --all oci:l:x dir:d` | `transship copy oci:l:x dir:d` (all platforms are the default) |
//! | `skopeo copy --override-arch arm64 oci:l:x dir:d` | `transship copy --platform linux/arm64 oci:l:x dir:d` |
//! | `skopeo copy --multi-arch system oci:l:x dir:d` | `transship copy --platform host oci:l:x dir:d` |
//! | `skopeo copy --preserve-digests oci:l:x dir:d` | `transship copy --preserve-digests oci:l:x dir:d` |
//! | `skopeo copy --format v2s2 oci:l:x dir:d` | `transship copy --format docker oci:l:x dir:d` |
//! | `skopeo copy --dest-compress-format zstd a.tar ..` | `transship copy --compress zstd a.tar ..` |
//! | `skopeo copy --digestfile f ..` | `transship copy --digestfile f ..` |
//! | `skopeo copy --src-shared-blob-dir b oci:l ..` | `transship copy --src-shared-blob-dir b oci:l ..` |
//! | `skopeo copy --additional-tag x:2 oci:l:x docker-archive:a.tar:x:1` | `transship copy --name x:2 oci:l:x docker-archive:a.tar:x:1` |
//! | `skopeo inspect oci:l:x` | `transship inspect oci:l:x` |
//! | `skopeo inspect --raw oci:l:x` | `transship inspect --raw oci:l:x` |
//! | `skopeo inspect --config oci:l:x` | `transship inspect --config oci:l:x` |
//! | `skopeo manifest-digest` of a file | `transship inspect --digest oci:l:x` |
//! | `skopeo copy --dest-tls-verify=false oci:l:x docker://h/r:x` | `transship copy --dest-tls-verify=false oci:l:x docker://h/r:x` |
//! | `skopeo copy --src-creds U:P docker://h/r:x oci:l:x` | the same, or `--src-creds-file F`, which no process list shows |
//! | `skopeo list-tags docker://h/r` | `transship list docker://h/r` |
//! | `skopeo sync --src docker --dest dir h/r d` | `transship copy --all-images docker://h/r oci:d`, with cosign's tags; `--referrers` also copies what has an image as its subject |
//! | `skopeo sync --src yaml --dest docker s.yaml h/p` | `transship sync s.yaml docker://h/p` |
//! | `skopeo delete docker://h/r:x` | `transship delete docker://h/r:x`, which takes no other tags along; `--all-tags` does |
//! | `skopeo login h`, `skopeo logout h` | `transship login h`, `transship logout h`: the same files |
//! | `skopeo --policy p.json copy ..`, `skopeo --insecure-policy copy ..` | the same words; without them the usual policy.json, where one exists: see [`trust`](super::trust) |
//! | `skopeo --registries.d DIR copy ..` | the same; unknown keys in its files are refused |
//! | `skopeo copy --sign-by-sigstore-private-key k --sign-identity n ..` | `transship copy --sign-key k.pem --sign-identity n ..`; keys of P-256 in PEM, without a passphrase |
//! | a loop over the images of an archive | `transship copy --all-images docker-archive:a.tar oci:l` |
//!
//! # crane
//!
//! | crane | transship |
//! |---|---|
//! | `crane manifest` of an image in a layout | `transship inspect --raw oci:l:x` |
//! | `crane config` | `transship inspect --config oci:l:x` |
//! | `crane digest h/r:x` | `transship inspect --digest docker://h/r:x` |
//! | `crane pull h/r:x a.tar` | `transship copy docker://h/r:x docker-archive:a.tar` |
//! | `crane push a.tar h/r:x` | `transship copy a.tar docker://h/r:x` |
//! | `crane copy h/r:x h/s:x` | `transship copy docker://h/r:x docker://h/s:x` |
//! | `crane ls h/r` | `transship list docker://h/r` |
//! | `crane validate --tarball a.tar` | `transship verify a.tar` |
//! | `--platform linux/arm64` | `--platform linux/arm64` |
//! | `--allow-nondistributable-artifacts` | `--include-nondistributable`, or the same word |
//!
//! # ctr
//!
//! | ctr | transship |
//! |---|---|
//! | `ctr images export out.tar A B` | `transship copy oci:l:A oci:l:B oci-archive:out.tar` |
//! | `ctr images export --all-platforms` | `transship copy --all-platforms oci:l:A oci-archive:out.tar` |
//! | `ctr images export --platform linux/arm64` | `transship copy --platform linux/arm64 oci:l:A oci-archive:out.tar` |
//! | `ctr images export --skip-manifest-json` | `transship copy --no-docker-manifest oci:l:A oci-archive:out.tar` |
//! | `ctr images export --skip-non-distributable` | the default; the opposite is `--include-nondistributable` |
//! | `ctr images import in.tar` into a content store | `transship copy --all-images in.tar oci:l` |
//! | `ctr images ls` | `transship list oci:l` |
//! | `ctr images check` | `transship verify oci:l` |
//!
//! # docker and podman
//!
//! | docker, podman | transship |
//! |---|---|
//! | `docker save A B -o a.tar`, then unpacking it | `docker save A B \| transship copy --all-images - oci:l` |
//! | `docker load -i a.tar` of an image in a layout | `transship copy oci:l:x docker-archive:- \| docker load` |
//! | `podman save -m -o a.tar A B` of images in a layout | `transship copy oci:l:A oci:l:B docker-archive:a.tar` |
//! | `docker save A B \| zstd > a.tar.zst` of images in a layout | `transship copy oci:l:A oci:l:B docker-archive:a.tar.zst` |
//! | `podman save --format oci-archive` | `transship copy oci:l:x oci-archive:a.tar` |
//! | `tar xf a.tar manifest.json` to see what is in it | `transship list a.tar` |
