//! Engines: images of docker, of podman and of containerd, without a file in between.
//!
//! ```sh
//! transship list docker-daemon:
//! transship copy docker-daemon:app:1 oci:layout                  # out of the engine
//! transship copy oci:layout:app:1 docker-daemon:app:1            # and into it
//! transship copy docker://registry.local/app:1 docker-daemon:app:1
//! transship copy --all-images docker-daemon: oci-archive:node.tar   # all images of an engine
//! transship copy --all-images oci-archive:node.tar docker-daemon:   # each under its own name
//! transship delete docker-daemon:app:1
//! ```
//!
//! Recipes: [k3s without a network](#k3s-without-a-network), [kind](#kind), [rootless podman](#rootless-podman),
//! [Docker 29's containerd store](#docker-29s-containerd-store), [from CI](#from-ci). People who know `ctr`, `nerdctl`, `docker` or `podman`
//! find their commands in [`coming_from`](super::coming_from).
//!
//! # Which engine
//!
//! The one that `docker` speaks to: `DOCKER_HOST`, else the context in `DOCKER_CONTEXT`, else the current context of
//! `~/.docker/config.json`, else `/var/run/docker.sock`. `--daemon-host` names another one; in a copy between two,
//! `--src-daemon-host` and `--dest-daemon-host`.
//!
//! | engine | how |
//! |---|---|
//! | rootless docker | `DOCKER_HOST=unix://$XDG_RUNTIME_DIR/docker.sock` |
//! | podman, rootless | `systemctl --user start podman.socket`, then `DOCKER_HOST=unix://$XDG_RUNTIME_DIR/podman/podman.sock` |
//! | podman, as root | `DOCKER_HOST=unix:///run/podman/podman.sock` |
//! | another machine, by ssh | `DOCKER_HOST=ssh://user@host`; docker's command has to be installed there |
//! | docker in docker, in CI | `DOCKER_HOST=tcp://docker:2376`, `DOCKER_TLS_VERIFY=1`, `DOCKER_CERT_PATH=/certs/client` |
//!
//! # podman
//!
//! `containers-storage:` has the images of podman, which buildah, skopeo and CRI-O share.
//!
//! ```sh
//! transship list containers-storage:
//! transship copy containers-storage:localhost/app:1 docker://registry.local/app:1   # what podman build -t app:1 made
//! transship copy docker://registry.local/app:1 containers-storage:registry.local/app:1
//! transship copy containers-storage:localhost/app:1 docker-daemon:app:1             # from podman to docker
//! transship copy --all-images containers-storage: oci-archive:node.tar              # all of it into one file
//! transship copy --all-images oci-archive:node.tar containers-storage:              # and back
//! transship list 'containers-storage:[overlay@/mnt/store+/run/store]'               # another store
//! ```
//!
//! podman is asked, by the first of these that there is: its API at `--podman-url` or the command at `--podman`; its API at
//! `CONTAINER_HOST`; its API at `$XDG_RUNTIME_DIR/podman/podman.sock` or `/run/podman/podman.sock`, if you own that socket; the
//! command `podman`, or the one that `PODMAN` names. Another store is always opened by the command.
//!
//! | podman | how |
//! |---|---|
//! | rootless | run transship as the user whose images they are: nothing else is needed, neither a service nor `podman unshare` |
//! | as root | run transship as root; the images of root and of a user are in two stores |
//! | on macOS and Windows | `podman system connection list` shows the URL for `CONTAINER_HOST` |
//! | another machine, by ssh | `CONTAINER_HOST=ssh://user@host/run/user/1000/podman/podman.sock`; podman has to be installed there |
//! | in CI, in a container | install podman there, or give the socket: `-v /run/podman/podman.sock:/run/podman/podman.sock` |
//! | from podman into kind | see [kind](#kind) |
//! | from podman into k3s, without a network | `transship copy --all-images containers-storage: oci-archive:images.tar`, and that file into `/var/lib/rancher/k3s/agent/images/` |
//!
//! A name without a domain is one of `docker.io`, as everywhere here and in skopeo: what `podman build -t app` makes is
//! `localhost/app`. IDs are `@ID`, as podman shows them.
//!
//! `list` and `--all-images` leave out what `podman images` hides: intermediate images, which have no name and on which another image is
//! built. `podman images --all` shows them, and `@ID` opens them. podman does not say the variant of an ARM image, so `list` shows
//! `linux/arm`; `inspect` reads the image, and says it. podman does not hold compressed layers to the config: it takes an image whose layers are
//! in another order than the config says, from skopeo as from transship, and reading it is an error ("its content is not what its digest says").
//!
//! Layers that podman has are not sent again. What `podman manifest` makes are lists and no images: they are not listed, and
//! copied by name they are the image for this machine.
//!
//! An image with layers of zstd goes to podman as `docker save` writes images, with all of its layers: podman would keep the manifest of a layout,
//! and then could neither save nor copy the image out again. So its ID stays, and the digest of its manifest is another one.
//! A name whose host is an address of IPv6, as `[::1]:5000/app`, is refused before anything is sent: podman 4.3 knows no such names,
//! and a bracket begins a store.
//!
//! The store itself is never written or read here. It is the private state of a Go library: lock files with a protocol of their own,
//! JSON files that have to agree with the folders of a driver, with security labels, shifted owners and quotas, and that change
//! from release to release. A mistake there destroys the images of containers that run. podman has that library, and loads
//! and saves through pipes.
//!
//! # containerd, and Kubernetes
//!
//! `containerd:` reads and writes the content store of containerd, through its API. Each namespace is an archive: `default` is that of `ctr` and
//! `nerdctl`, Kubernetes uses `k8s.io`, Docker 29 `moby`.
//!
//! ```sh
//! transship list containerd:k8s.io//
//! transship copy docker://registry.local/app:1 containerd:k8s.io//registry.local/app:1   # before a pod asks for it
//! transship copy docker-daemon:app:1 containerd:k8s.io//app:1                           # built here, run here
//! transship copy containerd:k8s.io//app:1 docker-daemon:app:1
//! transship copy containerd:app:1 containerd:k8s.io//app:1                              # to another namespace: no bytes are sent
//! transship copy --all-images containerd:k8s.io// oci-archive:node.tar                  # all images of a node
//! transship copy --all-images oci-archive:node.tar containerd:k8s.io//                  # each under its own name, on another one
//! transship delete containerd:k8s.io//app:1
//! ```
//!
//! | containerd | how |
//! |---|---|
//! | of kubeadm, kind (in its node), Docker | `/run/containerd/containerd.sock`, which is the default |
//! | of k3s and rke2 | `CONTAINERD_ADDRESS=/run/k3s/containerd/containerd.sock` |
//! | Docker 29's own | `CONTAINERD_ADDRESS=/run/docker/containerd/containerd.sock`, `containerd:moby//`; for reading only: see [below](#docker-29s-containerd-store) |
//! | rootless | inside its namespaces: `containerd-rootless-setuptool.sh nsenter -- transship ...` |
//! | a node of kind | see [kind](#kind) |
//!
//! `CONTAINERD_ADDRESS`, or `--containerd-address`, names the socket, which belongs to root; `CONTAINERD_NAMESPACE`, or `--containerd-namespace`, the
//! namespace of references without one.
//!
//! Images stay as they are, byte for byte: indexes too, of which a node has the platforms that it pulled. A copy of such an index has the same
//! gaps. Blobs that are there are not sent again, and one that was cut goes on where it stopped, also when `ctr` began it. Names are
//! kept in full, `docker.io/library/app:1`, as the kubelet asks for them; `imagePullPolicy` has to be `IfNotPresent` or `Never`. Kubernetes gives
//! the image its ID by itself, which `crictl images` shows, and the ID goes with the last name.
//!
//! A lease keeps what is written until the name stands for it. The lease of a copy that was killed expires after a day, and containerd then
//! collects what it kept; a copy that takes longer fails, and its names stay where they were. Several names move together: where one fails,
//! the others go back, and the error says which could not. Nothing is unpacked: containerd does that when a container starts. An image
//! without a name is kept under its digest.
//!
//! # Recipes
//!
//! ## k3s without a network
//!
//! Where there is a network, put the images into one file. `LIST` has one name a line, as the `k3s-images.txt` of a release:
//!
//! ```sh
//! transship copy --platform linux/amd64 --from-file LIST oci-archive:node.tar
//! ```
//!
//! Carry the file to the node, and copy the images into its containerd. rke2 has the same socket; kubeadm has the default one, and needs no
//! variable:
//!
//! ```sh
//! sudo CONTAINERD_ADDRESS=/run/k3s/containerd/containerd.sock transship copy --all-images node.tar containerd:k8s.io//
//! sudo k3s crictl images                                               # shows them
//! ```
//!
//! Pods use the full name, as `transship list node.tar` shows it. `imagePullPolicy` must be `IfNotPresent` or `Never`. It is `Always` by
//! default for an image with the tag `latest` or without a tag, and then the kubelet asks the registry, which cannot be reached:
//!
//! ```yaml
//! containers:
//!   - name: app
//!     image: registry.local/team/app:1
//!     imagePullPolicy: IfNotPresent
//! ```
//!
//! When the disk is nearly full, the kubelet deletes images that no container uses. `sudo k3s ctr images label NAME
//! io.cri-containerd.pinned=pinned` keeps one from that.
//!
//! Later, carry only what is new. The node has the rest; if it lacks something, nothing is written, and the error lists what
//! it lacks:
//!
//! ```sh
//! transship copy --platform linux/amd64 --from-file LIST --since node.tar oci-archive:week-2.tar
//! sudo CONTAINERD_ADDRESS=/run/k3s/containerd/containerd.sock transship copy --all-images week-2.tar containerd:k8s.io//
//! ```
//!
//! The other way, out of a node: all its images into one file, which another node and docker can load.
//!
//! ```sh
//! sudo CONTAINERD_ADDRESS=/run/k3s/containerd/containerd.sock transship copy --all-images containerd:k8s.io// oci-archive:node.tar
//! ```
//!
//! Where nobody can log in to the node, put `node.tar` into `/var/lib/rancher/k3s/agent/images/`, for rke2 into
//! `/var/lib/rancher/rke2/agent/images/`: k3s imports it when it starts.
//!
//! ## kind
//!
//! A node of kind is a container with containerd in it. From any place into one node, with nothing to install there:
//!
//! ```sh
//! transship copy --platform host docker://registry.local/app:1 oci-archive:- | docker exec -i kind-control-plane ctr -n k8s.io images import -
//! transship copy --platform host containers-storage:localhost/app:1 oci-archive:- | docker exec -i kind-control-plane ctr -n k8s.io images import -
//! ```
//!
//! Into all nodes of the cluster, by an archive:
//!
//! ```sh
//! transship copy docker-daemon:app:1 docker-archive:app.tar && kind load image-archive app.tar
//! ```
//!
//! This also helps where `kind load docker-image` fails with `content digest sha256:...: not found`: docker has an index of which it
//! pulled one platform, and kind asks for all. A `docker-archive:` holds one platform.
//!
//! Or put transship into the node, as the static binary that the README describes. It then pulls only the layers that the node lacks:
//!
//! ```sh
//! docker cp transship kind-control-plane:/usr/local/bin/
//! docker exec kind-control-plane transship list containerd:k8s.io//
//! docker exec kind-control-plane transship copy docker://registry.local/app:1 containerd:k8s.io//
//! docker save app:1 | docker exec -i kind-control-plane transship copy - containerd:k8s.io//    # without a registry
//! ```
//!
//! ## Rootless podman
//!
//! Run transship as the user whose images they are. It needs no `podman unshare`, no service and no root:
//!
//! ```sh
//! podman build -t app:1 .
//! transship copy containers-storage:localhost/app:1 docker://registry.local/team/app:1
//! transship copy containers-storage:localhost/app:1 docker-daemon:app:1          # to docker
//! transship copy --all-images images.tar containers-storage:                     # instead of podman load
//! ```
//!
//! `sudo transship copy containers-storage:...` reads the images of root, which are others. A pipe carries an image from a user's store to
//! what belongs to root:
//!
//! ```sh
//! transship copy containers-storage:localhost/app:1 oci-archive:- | sudo transship copy - containers-storage:localhost/app:1
//! transship copy containers-storage:localhost/app:1 oci-archive:- | sudo transship copy - containerd:k8s.io//localhost/app:1
//! ```
//!
//! ## Docker 29's containerd store
//!
//! A new installation of Docker 29 keeps images in containerd's store; `docker info` then says `driver-type: io.containerd.snapshotter.v1`.
//! `docker-daemon:` is used in the same way there, and more is kept: indexes with their platforms and attestations, digests, and layers of zstd.
//!
//! ```sh
//! transship copy docker://registry.local/app:1 docker-daemon:app:1               # all platforms, the same digest
//! transship copy --platform host docker-daemon:app:1 docker-archive:app.tar      # one platform, for older tools
//! ```
//!
//! - The ID of an image is the digest of its manifest or index, and no longer that of its config.
//! - `docker pull` takes one platform and keeps the whole index. Tools that want all platforms then fail with `content digest sha256:...:
//!   not found`. transship copies the platforms that are there.
//! - Do not write with `containerd:moby//`: Docker keeps labels of its own beside the images. To read with it is fine.
//!
//! ## From CI
//!
//! A job of GitLab with docker as a service. Its image has `docker` and `transship`; `CREDS` is a secret variable, `USER:PASSWORD`:
//!
//! ```yaml
//! push:
//!   services: ["docker:dind"]
//!   variables: {DOCKER_HOST: "tcp://docker:2376", DOCKER_TLS_VERIFY: "1", DOCKER_TLS_CERTDIR: /certs, DOCKER_CERT_PATH: /certs/client}
//!   script: ["docker build -t app:1 .", "transship copy --dest-creds-env CREDS docker-daemon:app:1 docker://registry.local/team/app:1"]
//! ```
//!
//! The runner has to share `/certs/client` between the service and the job, as for docker itself. On GitHub's runners docker is at
//! its default socket, so no variable is needed, and what `docker login` stored is used:
//!
//! ```yaml
//! - run: transship copy docker-daemon:app:1 docker://ghcr.io/OWNER/app:1
//! ```
//!
//! Jobs that build with podman or buildah need no service, only the command `podman`: `transship copy
//! containers-storage:localhost/app:1 docker://registry.local/team/app:1`.
//!
//! # What is kept
//!
//! Docker with containerd's store keeps indexes, digests and layers as they are: see [above](#docker-29s-containerd-store). Other
//! engines and podman keep config and layers: the image ID stays, and manifests get other digests. They hold no indexes, so a
//! copy takes one platform.
//!
//! An image is loaded without a name and looked at, and then gets its names. Where a copy fails, a name has what it had before, and
//! the image without a name is removed, also after Ctrl-C: the command says that it waits for that, up to 30 s, and warns of what may be left.
//! Another Ctrl-C ends it at once.
//!
//! The image that had the name stays in the engine without one, as after `docker build`: `list` shows it by its ID, and
//! `docker image prune` or `delete docker-daemon:sha256:ID` removes it. By its ID an image goes with all of its names, and `delete` lists them.
//!
//! `delete` removes that image alone. `docker rmi` and `podman rmi` also remove images without names that it was built on. Here these stay, and
//! `list` shows the last of them; `docker image prune` and `podman image prune` remove all. podman before 4.3 always removes them
//! with an image; so after a copy that fails, it keeps the image without a name, and the command warns of it.
//!
//! An image that is opened by one name has all of its names, and `list` shows it once. What refers to an image, as a signature
//! or a bill of materials beside it, is not kept: engines save what an image refers to. Attestations in an index are.
//!
//! `docker-daemon:` alone is all of the engine: to list it is an error ("not found") where it has no images. Where
//! it has several, to copy one image from it or to delete it is ambiguous: its list says so, before anything is saved. Images are added to it; it is not replaced as a whole.
//!
//! # Time and space
//!
//! docker and podman save a tar, whose list of images is at its end. Into `oci:` and a new `oci-archive:` or `docker-archive:` it goes as it comes, and nothing is
//! stored in between. On the way to a registry, `dir:`, containerd or another engine, or to an archive that is joined, compressed or goes to a pipe, the
//! tar is kept in an unnamed temporary file (`--tmpdir`); so it is where layers change form (`--compress`) or a policy on trust is asked first.
//! [Decision 85](super::decisions) says why. What goes into an engine from elsewhere, and what comes out of containerd, is never stored here,
//! but for layers of zstd on the way to a docker before 25, which cannot read them: each is decompressed into a temporary file first, because a tar states sizes before bytes.
//!
//! So from podman to docker, or from one docker to another, the tar is stored once. That the save says the size of a layer before its bytes is not
//! enough. docker before 25 does not name a layer by its digest, by which a tar for an engine names it. podman does; but the config
//! comes behind the layers, and only it says over which layers a layer lies, and so whether the engine has it. What goes
//! as it comes would be sent whole each time, and could not be sent once more where the engine refuses it without the layers that it has.
//!
//! The names of images are asked for in one request, up to about 1,000 of them, and more in several; layers that images of two requests share
//! are then saved twice by the engine, and sent once to where they go.
//!
//! # What is sent
//!
//! Nothing, where all names of the image stand for it already and nothing of it is missing: then `copy` and `sync` say that it is up to date. The
//! engine is asked about the image that `--platform` chooses, too. It is not asked where another form is wanted (`--format`, `--compress`), the image is signed, an
//! index stays incomplete, or layers are copied that are not to be distributed. podman and docker with a graph driver know the image by its config, which manifests
//! of several forms have. docker 25 to 27 with containerd's store do not say that nothing is missing.
//!
//! Layers that the engine has are left out, so that the next version of an image costs what is new in it.
//!
//! | engine | what is left out |
//! |---|---|
//! | docker with graph drivers (overlay2, vfs) | layers that an image there has, over the same layers below them; however it came there |
//! | docker with containerd's store, API 1.48 or later | layers of images that transship loaded, as the cache knows; with `--no-cache` none |
//! | docker 25 to 27 with containerd's store | none: it does not say whether an image is whole |
//! | podman, by `containers-storage:` | layers below which it has the same ones; compressed anew, they are sent once more; none of an image with zstd layers |
//! | podman, by `docker-daemon:` | none: it takes whole images |
//!
//! Where the engine refuses the image all the same, or it is not whole, it is sent once more with all layers.
//!
//! # When it fails
//!
//! | message | what to do |
//! |---|---|
//! | no engine answers at ... | start it, or name another one; sockets that are there are listed |
//! | there was no answer for 30 seconds; what listens at ... has not answered for 30 seconds | it accepts connections, and is stopped or hangs: look at its log, start it again. By ssh, which may ask for a password, it has 120 seconds |
//! | there was no answer for 120 (600) seconds | it answered before, and hangs now. What is small has 120 seconds, a deletion 600. A save and a load take as long as they need while the engine answers a ping |
//! | no permission for unix://... | join the group `docker`, or use a rootless engine |
//! | it speaks API 1.x, and 1.24 is the oldest | docker 1.12 or later is needed |
//! | `DOCKER_API_VERSION` asks for API 1.x, and 1.24 is the oldest | unset `DOCKER_API_VERSION` |
//! | client version 1.x is too old, or too new | unset `DOCKER_API_VERSION`; else update the older of command and engine |
//! | image is being used by ... | remove the container, then delete the image |
//! | the engine broke off | before any answer it is perhaps no engine, or the port wants TLS or a certificate; later, look at the engine's log |
//! | no engine answers by ssh | run the `ssh ...` of the hint by itself |
//! | it answers 400 Bad Request | the port may want TLS: `DOCKER_TLS_VERIFY=1`, `DOCKER_CERT_PATH` |
//! | reading .../ca.pem: ... | the folder for certificates lacks it |
//! | open .../blobs/sha256/...: no such file | perhaps the image has layers that are not to be distributed: these are left out |
//! | there is neither a podman that listens nor a command podman | install podman, or set `CONTAINER_HOST`, or pipe: `podman save \| transship copy docker-archive:- ...` |
//! | podman's answer has more than 67108864 bytes | the list of images is longer than is read, as where one image has hundreds of names: podman lists each name with all of them. Ask for one image by its name |
//! | podman ... ended with status ...: ... | podman's own words |
//! | given version is not supported | update the older of podman and transship, or use the command: `--podman podman` |
//! | zstd compression is not supported for docker images | podman pulled it so itself, and cannot save it: copy it from where it came, or `podman push` it |
//! | no containerd answers at ... | start it, or name its socket; sockets that are there are listed |
//! | no permission for the socket ... | containerd's socket belongs to root: `sudo` |
//! | what listens at ... broke off the connection | containerd has ended, or the socket is another program's, as docker's |
//! | blob sha256:... is not there, of a layer in containerd | it discards layers that it has unpacked (`discard_unpacked_layers`): `ctr content fetch NAME` gets them again |
//! | it is no podman | the socket is docker's: use `docker-daemon:` |
//! | there are no images in the namespace ... of the containerd at ... | another namespace has them: the hint lists those; else another containerd, as that of k3s: name its socket |
//! | containerd cannot hold sha512:... | it knows sha256 only |
//! | another client writes the same blob | a copy waits for it; `--lock-timeout` limits that |
//! | image not known | the hint lists the names that are there; images of root and of users are in different stores |
//! | empty export - not implemented | docker with a graph driver saves no image without layers, and nothing that is asked for with it: the hint names it |
//! | the engine could not save the image: ... | the engine's own words; its log has more |
