//! Registries: who we are, where names lead, whom we believe, what to tune, and what each operation costs.
//!
//! ```sh
//! transship copy docker://alpine:3 oci:layout                             # pull
//! transship copy docker-archive:app.tar docker://registry.local/team/app:1  # push
//! transship copy --all-images docker-archive:week.tar docker://registry.local/mirror/
//! transship copy --all-images docker://registry.local/team/app oci:layout  # every tag
//! transship list docker://registry.local/team/app
//! ```
//!
//! `docker://[HOST[:PORT]/]REPOSITORY[:TAG][@DIGEST]` is one image; without a host it is at `docker.io`. With a tag and a digest, what is
//! read is the digest, and what is written has to have it before it gets the tag. Without an image, a repository is read as the container
//! of its tags. With `/` at the end, images are written below a prefix by the names that they bring, without their domain and without
//! `library/`: `localhost/app:1` to `docker://registry.local/mirror/` becomes `registry.local/mirror/app:1`. `--rename` maps names before
//! that, and two images that would become one are refused before anything is sent.
//!
//! Every option below is `-o docker.KEY=VALUE`, `--KEY VALUE`, and for one side of a copy `--src-KEY`, `--dest-KEY`.
//!
//! # Credentials
//!
//! | in this order | where |
//! |---|---|
//! | given | `--creds USER:PASSWORD`, `--creds-file FILE`, `--creds-env NAME`, `--registry-token TOKEN`, or `--no-creds`; then nothing else is looked at |
//! | chosen | `--authfile FILE`, else `$REGISTRY_AUTH_FILE`; then no other file is read, and it has to be there |
//! | podman's | `$XDG_RUNTIME_DIR/containers/auth.json` (without that variable `/run/containers/UID/auth.json`), `~/.config/containers/auth.json` |
//! | docker's | `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`; `~/.dockercfg` |
//!
//! In a file the longest key wins: `host/team/app` before `host/team` before `host`. A credential helper (`credHelpers`) or store
//! (`credsStore`) of the file is asked before its own entries; `credential-helpers` of `registries.conf` puts helpers in order.
//!
//! `--creds` can be read in the process list of the machine. `--creds-file` (its first line is `USER:PASSWORD`) and `--creds-env` cannot.
//!
//! `transship login HOST` asks for user and password on a terminal, or takes `--username` and `--password-stdin`; it tries them at the
//! registry, and only then keeps them: with the helper that the file names, else in the file, which is replaced as a whole and is its
//! owner's alone (0600). `HOST/REPOSITORY` keeps them for what is below that repository. `transship logout` forgets them, and says which
//! other file has some still. podman, skopeo and buildah read what we keep, and we what they keep, docker's files too.
//!
//! A registry that wants tokens gets them asked for by repository and by what is done: pulling for reads, pulling and pushing for writes,
//! and pulling from the repository that a blob is mounted from. Identity tokens, and realms that do not answer `GET`, are asked by the
//! `POST` of `OAuth2`. Tokens are renewed before they expire, and once when a registry says that they have. Credentials go to the host they are
//! for and to the realm that it names, over TLS, and never to where a redirect leads. No error, event or log has them.
//!
//! # Where names lead
//!
//! `registries.conf`, version 2, is read as podman reads it: `--registries-conf FILE`, else `$CONTAINERS_REGISTRIES_CONF`, else
//! `~/.config/containers/registries.conf`, else `/etc/containers/registries.conf`; then the `*.conf` of `--registries-conf-dir`, else of
//! `/etc/containers/registries.conf.d` and `~/.config/containers/registries.conf.d`.
//!
//! ```toml
//! [[registry]]
//! prefix = "docker.io/library"          # the longest prefix counts; *.example.com is one, too
//! location = "registry.local/hub"       # what stands in its place
//! [[registry.mirror]]
//! location = "mirror.local:5000/hub"    # tried before it, in this order
//! insecure = true                       # not checked, and plain HTTP is fine
//! pull-from-mirror = "digest-only"      # or "tag-only", "all"
//!
//! [[registry]]
//! location = "old.example.com"
//! blocked = true                        # never read
//!
//! [aliases]
//! app = "registry.local/team/app"       # `transship list app`
//! ```
//!
//! Reading an image goes to the first place that has its manifest; a blob that this one lacks comes from the others. Writing goes to the
//! registry as it is named: mirrors and locations are for reading. A name without a host is at `docker.io` unless an alias says otherwise:
//! `unqualified-search-registries` is not followed, because what is found would depend on who answers first.
//!
//! # TLS
//!
//! A registry proves who it is to the CAs of the system, and to the `*.crt` of `--cert-dir DIR`, else of the first that is there of
//! `HOST[:PORT]` in `~/.config/containers/certs.d`, `/etc/containers/certs.d`, `/etc/docker/certs.d`. `NAME.cert` with `NAME.key` there is our
//! own certificate. `--tls-verify=false` believes everyone, takes plain HTTP, and warns. Without it, plain HTTP is spoken only to this machine
//! (`localhost`, `127.0.0.0/8`, `::1`), where no TLS is spoken, and to what `registries.conf` calls insecure.
//!
//! # What an operation costs
//!
//! An image of ten layers, whose config is the eleventh blob:
//!
//! | operation | requests |
//! |---|---|
//! | push, layers gzipped already | 34: for each blob `HEAD`, `POST`, one streaming `PUT`; `PUT` of the manifest |
//! | push, layers plain | 34: for each layer `POST`, one streaming `PATCH` while it is compressed, `PUT` of its digest; for the config `HEAD`, `POST`, `PUT`; `PUT` of the manifest |
//! | push again, nothing changed | 12: `HEAD` for each blob, `PUT` of the manifest; nothing is compressed again, unless `--no-cache` |
//! | pull | 12: `GET` of the manifest and of each blob |
//! | pull again into the same layout | 2: `GET` of the manifest and of the config |
//! | copy to another repository of the host | 25: `GET` of the manifest and of the config; for each blob `HEAD` and a `POST` that mounts it; `PUT` of the manifest. No layer's bytes pass |
//!
//! Of an index, each manifest is one more request, and on reading one `HEAD` for each layer, because some indexes are there only in part.
//! A list of tags is one request for each page. A layer of a known digest that the command compressed before is asked for by `HEAD` first.
//!
//! The first request to a host may be answered 401; then there is, with tokens, one request to the realm for reading, one for writing,
//! and one for each repository that is mounted from. To a loopback address, one connection finds out whether TLS is spoken.
//!
//! An image shows with the last request, the `PUT` of its root by tag. Several tags are one `PUT` each; several repositories are filled by
//! mounts from the first.
//!
//! # When there is trouble
//!
//! 408, 429, 5xx, connections that break and ones on which nothing happens for `--idle-timeout` (60) seconds are tried again, `--retries` (5)
//! times, after waits that double from a quarter of a second, with jitter, or that `Retry-After` asks for. What makes progress starts to
//! count anew. A pull goes on at the byte where it was cut; a push where the server says that it is, and from the start where it kept
//! nothing. `--deadline` ends it all. Each retry is an event.
//!
//! # Tuning
//!
//! | option | default | for |
//! |---|---|---|
//! | `--connections N` | 8 | the most requests to a host at once, for reads and for writes; halved on 429, and growing back |
//! | `--jobs N` | 8 | the most blobs on their way at once |
//! | `--chunk-size BYTES` | in one piece | servers and proxies with a limit; a server that asks for larger pieces gets those |
//! | `--idle-timeout SECONDS` | 60 | slow servers |
//! | `--retries N` | 5 | |
//! | `--sparse` | false | registries that take an index without all of its images |
//! | `--compress zstd` | gzip | what plain layers become; `keep` sends them as they are |
//!
//! # In a program
//!
//! The feature `registry` has the transport, [`registry::RegistryOptions`](crate::registry::RegistryOptions) and
//! [`registry::Surroundings`](crate::registry::Surroundings): where the files of a user are, as a value, so that a test or a service reads none of
//! them. For tests there is an in-process registry in the conformance kit, with faults on a schedule.
