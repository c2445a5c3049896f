//! For people who know skopeo, crane, ctr, nerdctl, docker, podman or kind: their commands, and those of transship.
//!
//! References of skopeo mean the same here, so most arguments stay as they are. Three things differ: one command copies several
//! images, layers are not recompressed unless the destination or an option asks for it, and a copy that fails leaves the destination
//! as it was.
//!
//! An engine is a place as any other: `docker-daemon:`, `containers-storage:` (podman) and `containerd:` (Kubernetes). Each of them alone is
//! all of its images, for `list` and `--all-images`. The chapter [`engines`](super::engines) says which engine is asked, and has recipes.
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
//! | `skopeo copy docker-daemon:app:1 oci:l:x`, and `oci:l:x docker-daemon:app:1` | the same; `DOCKER_HOST` and docker's contexts count too |
//! | `skopeo copy --src-daemon-host http://h:2375 ..`, `--dest-daemon-host` | the same words; `unix://`, `tcp://` and `ssh://` as in `DOCKER_HOST` |
//! | `skopeo copy --src-daemon-host tcp://h:2376 --src-cert-dir d ..`, which is TLS | `transship copy --src-daemon-host https://h:2376 --src-daemon-cert-path d ..` |
//! | `skopeo copy containers-storage:localhost/app:1 docker://h/r:1` | the same; it needs podman, and for the images of a user no `podman unshare` |
//! | `skopeo copy oci:l:x containers-storage:[overlay@/root+/run]app:1` | the same; podman opens that store |
//! | `skopeo inspect docker-daemon:app:1` | `transship inspect docker-daemon:app:1` |
//! | `skopeo delete containers-storage:app:1` | `transship delete containers-storage:app:1` |
//! | a loop over the images of an archive | `transship copy --all-images docker-archive:a.tar oci:l` |
//!
//! # crane
//!
//! | crane | transship |
//! |---|---|
//! | `crane manifest` of an image in a layout | `transship inspect --raw oci:l:x` |
//! | `crane config` | `transship inspect --config oci:l:x` |
//! | `crane digest h/r:x` | `transship inspect --digest docker://h/r:x` |
//! | `crane pull h/r:x a.tar`, `crane pull --format legacy h/r:x a.tar` | `transship copy docker://h/r:x docker-archive:a.tar`, which old versions of docker read too |
//! | `crane pull --format oci h/r:x l` | `transship copy docker://h/r:x oci:l` |
//! | `crane pull h/r:x a.tar`, then `docker load -i a.tar` | `transship copy docker://h/r:x docker-daemon:h/r:x` |
//! | `crane push a.tar h/r:x` | `transship copy a.tar docker://h/r:x` |
//! | `crane copy h/r:x h/s:x` | `transship copy docker://h/r:x docker://h/s:x` |
//! | `crane ls h/r` | `transship list docker://h/r` |
//! | `crane validate --tarball a.tar` | `transship verify a.tar` |
//! | `--platform linux/arm64` | `--platform linux/arm64` |
//! | `--allow-nondistributable-artifacts` | `--include-nondistributable`, or the same word |
//!
//! # ctr
//!
//! `A` and `B` are names of images. `containerd:A` is in the namespace `default`, as for `ctr`; `containerd:k8s.io//A` is in that of
//! Kubernetes. Short names are completed, as docker does: `app:1` is `docker.io/library/app:1`.
//!
//! | ctr | transship |
//! |---|---|
//! | `ctr images ls` | `transship list containerd:` |
//! | `ctr images check` | `transship verify containerd:`, which also reads and hashes every blob |
//! | `ctr images export out.tar A B` | `transship copy containerd:A containerd:B oci-archive:out.tar` |
//! | `ctr images export --platform linux/arm64 out.tar A` | `transship copy --platform linux/arm64 containerd:A oci-archive:out.tar` |
//! | `ctr images export --all-platforms out.tar A` | `transship copy --all-platforms containerd:A oci-archive:out.tar`; without it, the platforms that are there |
//! | `ctr images export --skip-manifest-json out.tar A` | `transship copy --no-docker-manifest containerd:A oci-archive:out.tar` |
//! | `ctr images export --skip-non-distributable` | the default; the opposite is `--include-nondistributable` |
//! | `ctr images import in.tar` | `transship copy --all-images in.tar containerd:`; blobs that are there are not written again, nothing is unpacked |
//! | `ctr images pull h/r:x`, `ctr images push h/r:x` | `transship copy docker://h/r:x containerd:`, `transship copy containerd:h/r:x docker://h/r:x` |
//! | `ctr images tag A B`, `ctr images rm A` | `transship copy containerd:A containerd:B`, `transship delete containerd:A` |
//! | `ctr -n k8s.io images ls`, `crictl images` | `transship list containerd:k8s.io//` |
//! | `ctr -a SOCKET ..`, `ctr -n NAMESPACE ..` | `--containerd-address SOCKET`, `--containerd-namespace NAMESPACE` |
//! | `k3s ctr images import in.tar` | `CONTAINERD_ADDRESS=/run/k3s/containerd/containerd.sock transship copy --all-images in.tar containerd:k8s.io//` |
//! | `k3s ctr images export out.tar A` | `CONTAINERD_ADDRESS=/run/k3s/containerd/containerd.sock transship copy containerd:k8s.io//A oci-archive:out.tar` |
//!
//! # nerdctl
//!
//! | nerdctl | transship |
//! |---|---|
//! | `nerdctl images` | `transship list containerd:` |
//! | `nerdctl save -o a.tar A B` | `transship copy containerd:A containerd:B oci-archive:a.tar`, which docker loads, too |
//! | `nerdctl load -i a.tar` | `transship copy --all-images a.tar containerd:` |
//! | `nerdctl -n k8s.io load -i a.tar` | `transship copy --all-images a.tar containerd:k8s.io//` |
//! | `nerdctl tag A B`, `nerdctl rmi A` | `transship copy containerd:A containerd:B`, `transship delete containerd:A` |
//! | rootless nerdctl | `containerd-rootless-setuptool.sh nsenter -- transship ..` |
//!
//! # docker and podman
//!
//! | docker, podman | transship |
//! |---|---|
//! | `docker images`, `podman images` | `transship list docker-daemon:`, `transship list containers-storage:` |
//! | `docker save -o a.tar A B` | `transship copy docker-daemon:A docker-daemon:B docker-archive:a.tar` |
//! | `docker save A B \| zstd > a.tar.zst` | `transship copy docker-daemon:A docker-daemon:B docker-archive:a.tar.zst` |
//! | `docker save A`, then unpacking it | `transship copy docker-daemon:A oci:l` |
//! | `docker load -i a.tar` | `transship copy --all-images a.tar docker-daemon:`; layers that docker has are [mostly](super::engines#what-is-sent) not sent |
//! | `docker tag A h/A`, `docker push h/A` | `transship copy docker-daemon:A docker://h/A` |
//! | `docker save A \| ssh h docker load` | `transship copy --dest-daemon-host ssh://h docker-daemon:A docker-daemon:A` |
//! | `docker --context C ..`, `docker -H URL ..` | `DOCKER_CONTEXT=C transship ..`, `--daemon-host URL` |
//! | `docker rmi A`, `podman rmi A` | `transship delete docker-daemon:A`, `transship delete containers-storage:A` |
//! | `podman save -m -o a.tar A B` | `transship copy containers-storage:A containers-storage:B docker-archive:a.tar` |
//! | `podman save --format oci-archive -o a.tar A` | `transship copy containers-storage:A oci-archive:a.tar` |
//! | `podman load -i a.tar` | `transship copy --all-images a.tar containers-storage:` |
//! | `podman push A docker://h/A` | `transship copy containers-storage:A docker://h/A` |
//! | `podman push A docker-daemon:A` | `transship copy containers-storage:A docker-daemon:A` |
//! | `tar xf a.tar manifest.json` to see what is in it | `transship list a.tar` |
//!
//! Where the machine has no socket to the engine, a pipe does the same: `docker save A B | transship copy --all-images - oci:l`, and back
//! `transship copy oci:l:x docker-archive:- | docker load`.
//!
//! # kind
//!
//! | kind | transship |
//! |---|---|
//! | `kind load docker-image app:1` | `transship copy docker-daemon:app:1 docker-archive:app.tar`, then `kind load image-archive app.tar` |
//! | `kind load docker-image app:1`, into one node | `transship copy --platform host docker-daemon:app:1 oci-archive:- \| docker exec -i NODE ctr -n k8s.io images import -` |
//! | `kind load image-archive a.tar`, with transship in the node | `docker exec -i NODE transship copy --all-images - containerd:k8s.io// < a.tar` |
