//! Engines: images of docker and of podman's service, without a file in between.
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
//! # What is kept
//!
//! Docker 29 keeps images in containerd's store on new installations: indexes, digests and layers stay as they are. Older
//! engines and podman keep config and layers: the image ID stays, and manifests get other digests. They hold no indexes, so a
//! copy takes one platform.
//!
//! An image is loaded without a name and looked at, and then gets its names. Where a copy fails, a name has what it had before.
//!
//! # When it fails
//!
//! | message | what to do |
//! |---|---|
//! | no engine answers at ... | start it, or name another one; sockets that are there are listed |
//! | no permission for unix://... | join the group `docker`, or use a rootless engine |
//! | it speaks API 1.x, and 1.24 is the oldest | docker 1.12 or later is needed |
//! | image is being used by ... | remove the container, then delete the image |
//! | this engine cannot read zstd layers | `--compress gzip` |
//! | the engine could not save the image: ... | the engine's own words; its log has more |
