//! Registries: authentication, `registries.conf`, TLS, retries, and the requests that each operation costs.
//!
//! ```sh
//! transship copy docker://alpine:3 oci:layout                             # pull
//! transship copy docker-archive:app.tar docker://registry.local/team/app:1  # push
//! transship copy --all-images docker-archive:week.tar docker://registry.local/mirror/
//! transship copy --all-images docker://registry.local/team/app oci:layout  # every tag
//! transship list docker://registry.local/team/app
//! ```
//!
//! `docker://[HOST[:PORT]/]REPOSITORY[:TAG][@DIGEST]` names one image; without a host, the host is `docker.io`. With a tag and a digest,
//! the digest is read; an image that is written must have the digest before it gets the tag. A repository without tag and digest can be
//! read as an archive of its tags. With `/` at the end, images are written below a prefix under their own names, without domain and
//! without `library/`: `localhost/app:1` to `docker://registry.local/mirror/` becomes `registry.local/mirror/app:1`. `--rename` changes
//! names before that. Read, such a prefix is an archive of all tags of all repositories below it, also `docker://HOST/`: `list` shows
//! the repositories, with `--tags` and its like their tags. Registries need not list their repositories (`/v2/_catalog`), and many do
//! so for administrators alone; then name the repositories one by one. Two images that would get the same name are refused before anything is sent.
//!
//! Every option below is `-o docker.KEY=VALUE`, `--KEY VALUE`, and for one side of a copy `--src-KEY`, `--dest-KEY`.
//!
//! # Authentication
//!
//! Credentials are looked for in this order; the first that is found is used.
//!
//! | source | where |
//! |---|---|
//! | options | `--creds USER:PASSWORD`, `--creds-file FILE`, `--creds-env NAME`, `--registry-token TOKEN`, or `--no-creds`; nothing else is read then |
//! | a chosen file | `--authfile FILE`, else `$REGISTRY_AUTH_FILE`; no other file is read then, and this one must exist |
//! | podman's files | `$XDG_RUNTIME_DIR/containers/auth.json` (without that variable `/run/containers/UID/auth.json`), `~/.config/containers/auth.json` |
//! | docker's files | `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`; `~/.dockercfg` |
//!
//! In a file the longest key wins: `host/team/app` before `host/team` before `host`. A credential helper (`credHelpers`) or store
//! (`credsStore`) that the file names is asked before the file's own entries. `credential-helpers` of `registries.conf` sets the order of
//! several helpers. A helper program that is not installed is a warning, and the pull goes on without its credential. A credential from
//! a file or helper is looked up again when the registry stops accepting it.
//!
//! Every user of the machine can see `--creds` in the process list. `--creds-file` (its first line is `USER:PASSWORD`) and `--creds-env`
//! are not visible there.
//!
//! `transship login HOST` asks for user and password on a terminal, or takes `--username` and `--password-stdin`. It tries them at the
//! registry and then stores them: with the helper that the file names, else in the file, which only its owner can read (0600).
//! `HOST/REPOSITORY` stores them for that repository and those below it. `transship logout` removes them, and says which other file still
//! has some. podman, skopeo and buildah read what is stored, and their files and docker's are read here.
//!
//! A registry that uses tokens is asked for one token for each repository and purpose: `pull` for a source, `pull,push` for a
//! destination from its first request on, and one more for each repository that blobs are mounted from. Identity tokens, and token
//! servers that refuse `GET`, use the `POST` of `OAuth2`. Tokens are renewed before they expire, and once when a registry says that they
//! have expired.
//!
//! Secrets are sent only where they belong:
//!
//! - Credentials from options go to the host of the reference. Mirrors, and locations that `registries.conf` names, get what a file or
//!   helper has for their own host.
//! - Passwords go to the registry and to the token server that it names, over TLS, and never to where a redirect leads. A redirect of the
//!   token server itself is followed; only the same host and port get the password again.
//! - No error, event or log contains a secret.
//!
//! # Deletion
//!
//! `transship delete docker://HOST/REPOSITORY:TAG` asks the registry to delete the tag. Registries that cannot, as docker-registry 2,
//! delete a manifest by its digest, and so every tag that shows it: that is done only if no other tag does, if all that do are to be
//! deleted by the same command, or with `--all-tags`.
//! To find out, each tag of the repository is asked for with one HEAD. `docker://HOST/REPOSITORY@DIGEST` is the image with all its
//! tags; `REPOSITORY:TAG@DIGEST` is the tag, if it is at that digest.
//!
//! | the registry answers | then |
//! |---|---|
//! | 202 | the tag has gone, and other tags of the image stay; where it is still there, that is a warning |
//! | 400, 405, 501, code `UNSUPPORTED`, or 404 where the tag stays | by digest, as above |
//! | 404, and the tag is gone | done: an answer to an earlier try was lost |
//! | 401, 403 | the credential may not delete (exit code 1); tokens are asked for with `pull,push,delete` |
//! | 405 by digest, too | deleting is switched off: docker-registry wants `storage.delete.enabled: true` |
//! | 404 at first | exit code 3 |
//!
//! A referrer that is deleted by its digest is taken out of the tag that lists referrers, where the registry has no API for them. Blobs,
//! the images of an index and what is about a deleted image stay in the registry, which may collect them; the latter is said.
//!
//! # Mirrors and registries.conf
//!
//! `registries.conf`, version 2, is read as podman reads it: `--registries-conf FILE`, else `$CONTAINERS_REGISTRIES_CONF`, else
//! `~/.config/containers/registries.conf`, else `/etc/containers/registries.conf`; then the `*.conf` of `--registries-conf-dir`, else of
//! `/etc/containers/registries.conf.d` and `~/.config/containers/registries.conf.d`.
//!
//! ```toml
//! [[registry]]
//! prefix = "docker.io/library"          # the longest prefix wins; *.example.com is one, too
//! location = "registry.local/hub"       # replaces the prefix when reading
//! [[registry.mirror]]
//! location = "mirror.local:5000/hub"    # tried first, in the order of the file
//! insecure = true                       # certificates are not checked, and plain HTTP is allowed
//! pull-from-mirror = "digest-only"      # or "tag-only", "all"
//!
//! [[registry]]
//! location = "old.example.com"
//! blocked = true                        # neither read nor written
//!
//! [aliases]
//! app = "registry.local/team/app"       # `transship list app`
//! ```
//!
//! An image is read from the first endpoint that has its manifest; a blob that this endpoint lacks is read from the next ones. What
//! the registry itself lacks is absent, whatever its mirrors say; a mirror that answers 404 and a registry that answers 503 are an
//! error. A mirror is asked once while other endpoints are left, and one that cannot be reached is left out for five minutes. Images are written to
//! the registry that the reference names; mirrors and locations are for reading. A `blocked` registry is neither read nor written, its
//! mirrors are still read, and a mirror that a table of its own blocks is left out.
//!
//! A name without a host is at `docker.io` unless an alias says otherwise. `unqualified-search-registries` is not followed: which
//! image is found would depend on which registry answers first.
//!
//! # The hosts.toml of containerd
//!
//! `--hosts-dir DIR` reads a folder as containerd's `/etc/containerd/certs.d`, so that a command on a node finds what the node's
//! kubelet finds. Of `HOST_PORT_`, `HOST:PORT` and `_default`, the first folder that is there counts, and its `hosts.toml`:
//!
//! ```toml
//! server = "https://registry-1.docker.io"            # the registry itself, asked last; without it, https://HOST
//!
//! [host."https://mirror.local:5000"]                 # asked first, in the order of the file, with ?ns=HOST
//! capabilities = ["pull", "resolve"]                 # and "push"; without the key all three
//! ca = "ca.pem"                                      # a file, or a list; beside this one unless absolute
//! client = [["client.pem", "client.key"]]            # or one file with both
//! skip_verify = false
//! override_path = false                              # true: the URL's path is used as it stands, as /v2/PROXY of Harbor
//! [host."https://mirror.local:5000".header]
//! x-team = "a"                                       # sent to this host alone
//! ```
//!
//! It stands in place of what `registries.conf` says of mirrors and locations of that host; what that blocks stays blocked, and for hosts
//! without a `hosts.toml` it counts as ever. A host with `pull` and without `resolve` is asked for digests only. As in containerd, a
//! push, and a deletion, goes to the first host with `push`, which may be a mirror; where there is none it is an error. Credentials
//! from options go to the host of the reference alone. A key that is not known, as `dial_timeout`, is an error with its line. A folder
//! without `hosts.toml`, or with an empty one, may have certificates, as in docker's `certs.d` and under the names that are below; those of
//! `_default` do not count.
//!
//! # TLS
//!
//! Server certificates are verified against the CAs of the system and the `*.crt` of `--cert-dir DIR`, else of the host's folder in
//! `--hosts-dir` where that has no `hosts.toml`, else of the first folder that exists among `~/.config/containers/certs.d`,
//! `/etc/containers/certs.d`, `/etc/docker/certs.d`, each followed by `/HOST[:PORT]`. `NAME.cert` with `NAME.key` in that folder is the
//! client certificate. The CAs of a registry's folder also verify the storage and the token
//! server that the registry names; its client certificate is shown to the registry's own host only.
//!
//! A `*.crt` that is the very certificate of the server is accepted, although it is no CA. Keys and signatures of RSA (2048 bits or
//! more), ECDSA P-256 and P-384, and Ed25519 are supported; for others, as ECDSA P-521, the error says so.
//!
//! `--tls-verify=false` accepts every certificate and plain HTTP, with a warning. Without it, plain HTTP is used only with this
//! machine (`localhost`, `127.0.0.0/8`, `::1`), where the server does not speak TLS, and with registries that `registries.conf` calls
//! insecure.
//!
//! A registry must not lead into the network that it cannot see itself: redirects, upload locations and token servers at link-local
//! addresses, and from other machines at loopback addresses, are refused, and so is a step from HTTPS to plain HTTP.
//!
//! # Proxies
//!
//! `HTTPS_PROXY`, `HTTP_PROXY` and `ALL_PROXY`, also in lowercase, name a proxy by `http://`, `https://` or `socks5://[USER:PASSWORD@]HOST[:PORT]`.
//! `NO_PROXY` lists exceptions, separated by commas, as in Go's programs: `example.com` (and names below it), `.example.com` or
//! `*.example.com` (names below it only), addresses, networks (`10.0.0.0/8`), each of the names and addresses with `:PORT` if only that port
//! is meant, or `*` for everything. This machine is never reached through a proxy.
//!
//! # Cost in requests
//!
//! For an image of ten layers, whose config is the eleventh blob:
//!
//! | operation | requests |
//! |---|---|
//! | push, layers gzipped already | 34: for each blob `HEAD`, `POST`, `PUT`; `PUT` of the manifest |
//! | push, layers plain | 34: for each layer `POST`, one streaming `PATCH` while it is compressed, `PUT` of its digest; for the config `HEAD`, `POST`, `PUT`; `PUT` of the manifest |
//! | push again, nothing changed | 12: `HEAD` of each blob, `PUT` of the manifest; nothing is compressed again, unless `--no-cache` |
//! | pull | 12: `GET` of the manifest and of each blob, also where layers change form |
//! | pull again into the same layout | 2: `GET` of the manifest and of the config |
//! | copy to another repository of the host | 27: `HEAD` of the tag on each side; `GET` of the manifest and of the config; for each blob `HEAD` and a `POST` that mounts it; `PUT` of the manifest. No layer is downloaded |
//! | copy or mirror between registries again, nothing changed | for each tag one `HEAD` on each side; of a whole repository the list of tags |
//! | dry run of a push; of a pull | 11: `HEAD` of each blob; 2: `GET` of the manifest and of the config |
//! | `list` | 1 for each page of tags, which most servers fill with 1,000 |
//! | `list --details` | for each tag `GET` of its manifest too, and of each config once, several at once |
//! | `inspect` | 2: `GET` of the manifest and of the config |
//! | `verify` | 13: as a pull, and the list of referrers |
//! | `digests`, `--since` | 12: `GET` of the manifest, `HEAD` of each blob |
//!
//! A config of up to 64 KiB is asked for once, however many tags of a repository have it (64 configs of a host are kept). Of an index, each manifest that is copied is one more request: `--platform` reads the index and the one that it chose. A layer that
//! transship compressed before is asked for by `HEAD` first, by the digest that it got then.
//!
//! On a long way, what counts is how many answers are waited for one after the other. Of an image of twenty small layers: pull 3 (manifest,
//! config, all layers at once), push 4 (`HEAD`, `POST`, `PUT` of all blobs at once, then the manifest), `inspect` 2, dry run of a push 3 (`HEAD` of eight blobs at once).
//!
//! A blob of 32 MiB or more comes in pieces of 8 MiB, each by a request with `Range`, four at once, and eight
//! of one host or `--connections`: many servers and lines limit each connection. The answer to the first request decides: 206 is a piece, 200 is the whole
//! blob, which is read as it comes. When a piece does not come as it was asked for, the rest comes in one stream; a piece that was asked for as
//! often as any request is (`--retries`, `Retry-After`) ends the read. The pieces on their way
//! are in memory. With `--connections 1` there are none.
//!
//! The first requests to a host may be answered 401. Tokens add one request for each repository and purpose. To a loopback address, one
//! connection finds out whether the server speaks TLS. The first `GET` or `HEAD` of a manifest or of tags does not wait for that: it is sent in
//! plain beside it, without credentials, and where the server speaks TLS it is sent again over TLS. To other hosts, nothing is sent in plain before
//! that is known, whatever `--tls-verify` says.
//!
//! An image can be pulled after the last request, the `PUT` of its manifest by tag. Each further tag is one more `PUT`; a further repository
//! is filled by mounts from the first. When one of them fails, the error names the tags that are published already, and `--json` lists
//! them.
//!
//! # Retries
//!
//! 408, 425, 429, 500, 502 to 504, 509, 520 to 530, broken connections, and connections that are silent for `--idle-timeout` (60) seconds are
//! retried `--retries` (5) times. The wait doubles from a quarter of a second, with jitter; `Retry-After` is followed up to five minutes.
//! Answers that will not change, such as `DENIED` or `MANIFEST_INVALID`, are not retried. `--deadline` limits the whole copy. Each retry is an
//! event.
//!
//! A pull resumes at the byte where it was cut. An upload resumes where the server says that it is, and the retry counter starts anew
//! when 64 KiB or more have been added. When the server has lost the upload, the blob is sent again from its start, five times at
//! most. A piece that is too large (413) is sent in smaller ones.
//!
//! Before it answers the last request of an upload, a server may move the blob into its storage. For this answer transship waits ten
//! times `--idle-timeout`, asks by `HEAD` every `--idle-timeout` whether the blob is there, and goes on when it is.
//!
//! # Tuning
//!
//! | option | default | for |
//! |---|---|---|
//! | `--connections N` | 24 | the most requests to a host at once, for reads and for writes; halved on 429, and growing back |
//! | `--jobs N` | 8, or 24 that have 1 MiB at most | the most blobs that are copied at once |
//! | `--chunk-size BYTES` | in one piece | servers and proxies that limit the size of a request |
//! | `--limit-rate BYTES` | none | thin lines: at most so many bytes a second, as `500k` or `10M` (of 1024), over all connections of a side |
//! | `--idle-timeout SECONDS` | 60 | slow servers |
//! | `--retries N` | 5 | |
//! | `--sparse` | false | registries that accept an index without all of its images |
//! | `--compress zstd` | gzip | what plain layers become; `keep` sends them as they are |
//!
//! # In a program
//!
//! The feature `registry` has the transport, [`registry::RegistryOptions`](crate::registry::RegistryOptions) and
//! [`registry::Surroundings`](crate::registry::Surroundings): where the files of a user are, as a value, so that a test or a service reads none of
//! them. The crate `transship-test-registry` is a registry in the test's own process, with faults on a schedule.
