//! Decision records: where the first design was changed or left something open, and why. Newest last. The first 60 are in
//! [`early_decisions`](super::early_decisions).
//!
//! # 61. One way to compare roots before they are read
//!
//! `Transport::root_of` asked for a root beside the open source, and the engine used it for tags of whole repositories alone. A source
//! that is opened with [`ReadOptions::compare`](crate::ReadOptions::compare) says its descriptor and reads its root when it is asked for; single
//! references and lists profit, too. It costs a first copy between registries one `HEAD` on each side; copies to other places
//! do not ask, as [`compares_roots`](crate::transport::Transport::compares_roots) is false there.
//!
//! # 62. Only what was asked for is "not found"
//!
//! A layer that a registry had lost was exit 3, as a mistyped tag is, and a lost child manifest 4. What a manifest or index
//! refers to is needed: lacking it is damage of the image, with its digest, wherever it is kept. Exceptions are those that say so: a sparse
//! index, a delta, and referrers, which may stay behind.
//!
//! # 63. A host without a repository is no image
//!
//! skopeo and docker read `docker://127.0.0.1:5000` as the image `library/127.0.0.1` of Docker Hub with the tag `5000`. Everyone who
//! types it means the registry. Names with a dot, and `localhost`, are refused where a repository is missing; the full name,
//! `docker://docker.io/library/NAME`, is still accepted. Likewise `--all-platforms` to a destination that holds single images fails, as
//! skopeo's `--all` does: a warning is easily missed, and the archive lacks what was asked for by name.
//!
//! # 64. Large blobs come in pieces, without `If-Range`
//!
//! One connection to a registry is often limited. The pieces of a blob are of one content, because its digest is its name, and the digest of
//! all of it is checked as ever: so no `ETag` is compared. Pieces are passed on in order, from memory: a file would be written and read
//! once more. Where the server does not give a piece, one stream goes on from its first byte; pieces behind it that have come are
//! dropped, which costs 24 MiB at most. They are taken from connections that are free, and other blobs never wait for them.
//!
//! # 65. Faults at each call in place of random moments
//!
//! A campaign killed, interrupted and starved the command at random moments. `cargo xtask faults` does so at each system call that
//! writes, which are the only moments between which what is on the disk differs; so it replaced the other one, took over the
//! interruption, and the check that `gc` leaves exactly what the images need.
//!
//! # 66. webpki says whether the time of a pinned certificate is right
//!
//! A server's own certificate that is given as its authority is accepted though webpki refuses it, if its name and its time are right.
//! webpki looks at the time before anything else, so every other refusal says that it is right; a second reader of DER is not needed.
//! A test holds webpki to that order.
//!
//! # 67. Claims are what the traits do not say
//!
//! An author said twice what a place holds: in `Accepts` and to the kit, which looked whether both were the same. The kit now asks
//! the transport, at a place where nothing is, and thirteen claims are left of twenty-six. `Accepts` says whether referrers are kept, so that
//! a copy reports them as lost instead of failing; signatures stay an ability, `signatures()`, which nobody can state and not have. The price: an
//! ability that an author forgets is no failure. The kit prints the law that is not run, with what users lose.
//!
//! # 68. What goes to a pipe or an encoder cannot be taken back
//!
//! Archives to a pipe, and those that are compressed as a whole, were written to a temporary file, and copied out when they were
//! complete. Now each entry goes out as it comes, and the price is that a failed copy leaves a part of an archive in the pipe. What a
//! reader gets then must not look like an archive: blobs come before the documents that list them, the last piece of a blob goes out only when
//! its digest was found true, so that the tar is cut off within an entry, and neither a tar nor a gzip member gets its end. After an
//! entry that failed in the middle the archive cannot go on, also with other images; before, those could still be written. A
//! size must stand before the bytes: a layer that is being decompressed is stored first, one at a time. Configs and manifests are kept
//! in the same temporary file, because a commit reads them. Nothing goes out that is not hashed, on a thread of its own; so a pipe gets what
//! SHA-256 does in a second on one processor, 0.9 GB where `cat` copies 1.4 to 1.6 GB: 0.5 to 0.7 times as fast as `cat`.
//!
//! # 69. HTTP/1.1 alone, and more requests at once
//!
//! What makes a pull over a long way slow is the number of answers that are waited for one after the other. HTTP/2 changes that only
//! by sending more requests at once, which needs no HTTP/2: small blobs take a third of a place, and a host gets 24 requests at once. A
//! push of twenty small layers waits four times, a pull three times. HTTP/2 would put blobs on one connection, which is what pieces avoid.
//!
//! # 70. An engine is read by the transports of the archives
//!
//! `docker-daemon:` has no parser of tars: a save passes once, into the destination where that can stage blobs, and is then opened by
//! `oci-archive:` where it is a layout, which has the digests that the engine knows, and by `docker-archive:` where it is not. So
//! this crate, and no other transport, names two others. Loads have no names, because engines with the containerd store name an image
//! before they unpack it: names come afterwards, one request each.
//!
//! # 71. Names of a served image
//!
//! With `?ns=HOST`, an image of that host comes first; if there is none, the path alone decides, as without `?ns=`. So images that were
//! saved under short names are found by nodes that ask a mirror for a site's own host. The price: where only one host has a path,
//! it answers for all. A path that two hosts have is refused. Of several places with one name, a delta counts, and else the last, as
//! people write a base before what follows it. A bare name is a tag, as the specification of layouts means it, in a repository
//! named as the place.
//!
//! # 72. Wrong blobs are cut, and ranges do not wait
//!
//! A served blob is hashed until it was found true once. To hash before sending would make each first pull wait for the whole blob; so
//! it is hashed beside the answers, once for all of them, each answer keeps its last chunk back, and a wrong one is cut. Then
//! answers are reads of the file. Small blobs are hashed before, so that a wrong one gets a proper answer.
//!
//! # 73. containers-storage asks podman, as docker-daemon asks docker
//!
//! `docker-daemon` has a small trait, `Engine`, of what saves and loads tars, and `Engines<Kind>`, the transport over it.
//! `containers-storage` gives it podman: libpod's API, or the command through pipes. So the feature `containers-storage` brings
//! `docker-daemon:`. The store is not opened here, not even to read: the manual's chapter `engines` says why. A socket is used
//! only if this user owns it, because that of another user, as root's behind `sudo -E`, leads to another store than `podman`
//! does. Names without a domain are docker.io's, as skopeo has it, though podman would first look for `localhost/NAME`: a
//! reference means the same image for reading and for writing. podman is told of a tar that is cut off by its end, which lets
//! it remove what it has; once the tar is whole, it is killed.
//!
//! # 74. A tag is deleted alone, or the reason is said
//!
//! skopeo resolves a tag and deletes its digest, with all other tags of the image, and says nothing. Here the tag is tried first. Where a
//! registry deletes manifests alone, each tag is asked for with HEAD, and the manifest goes if no other tag shows it, or when all are
//! asked for. What registries answer to a tag that they do not delete differs, so 400, 405, 501 and a 404 after which the tag is still
//! there all mean that; 401 and 403 do not. What is about a deleted image stays, and is said: other registries keep it too, and collect.
//!
//! # 75. All of a registry is an archive
//!
//! `docker://HOST/PREFIX/` was for writing alone. Read, it is an archive of all tags below it, so that choosing by tags, renaming,
//! comparing and reports are those of any archive. Names keep the prefix, and go below the destination's prefix; rules
//! can rename them. `list` alone shows repositories there, which cost one request; `Registry::repositories` gives them to programs.
//!
//! # 76. Layers that an engine has are found by `has`, and looked at once more
//!
//! An engine knows layers by chain, and a destination is asked for one blob: `Expect` says the chain ID of a layer, and no
//! destination has to know the config before. Whether the engine keeps its word is seen when it has loaded the image, before the
//! commit: `verify_found` gives what has to be put after all, and the transfer puts it, once. An engine with the containerd store says
//! which manifests are whole and not which blobs they have; that follows from the digest of the manifest, so that it is noted in the
//! cache whenever an image was loaded. Noting it for images that are read would need a cache in `ReadOptions`, and is left out.
//!
//! # 77. Pushed blobs wait outside the layout
//!
//! A client pushes blobs before the manifest that names them. To put them into the layout at once would leave garbage that a collection may
//! delete in between, and would need writers that stay open for hours. So they wait in temporary files, and a manifest makes a whole
//! image of them through the destination that every copy uses: any transport that can delete could be pushed to. The price: their
//! bytes are written twice, and a server that ends forgets what was not named yet. A layout tells images apart by names, and has place for one
//! without; so a manifest that is pushed by its digest gets a hidden tag.
//!
//! # 78. A policy is asked about digests, before the destination is opened
//!
//! The engine asks `trust` once for each manifest that will be copied, by its digest: what is copied later is held to the digest by
//! every transport, so the bytes are the ones that were checked, and no manifest is read twice. What has to be known before the
//! destination is open, whether it holds indexes, its transport says (`holds_indexes`). An index is no image: under a `policy.json` each
//! image of it needs its own signature, as with skopeo; where the caller gives the key, the index's stands for them, as cosign signs.
//! A bundle names no image, so it counts only where the caller gives the key. `--verify-key` replaces a `policy.json`: who
//! names a key says more than a file that holds for all. GPG is checked by `gpgv`, which adds no package and reads no keyring of
//! the user.
//!
//! # 79. containerd is spoken to with tonic, without tonic's connections
//!
//! The messages are declared by hand with prost: twenty, whose numbers are frozen, so that no build needs protoc. tonic brings framing,
//! trailers and statuses. Its `channel` is left out: one connection of hyper over the socket is 40 lines, follows the runtime
//! that calls, and needs neither tower's buffers nor a timer. That adds 12 packages, where `containerd-client` adds 24. h2 alone with
//! hand-written coding adds one, and some 400 lines of protocol that only we would maintain.
//!
//! # 80. An image is in containerd as long as a name stands for it
//!
//! A name that moves leaves the old image to the collection of garbage, as with `ctr` and the kubelet; to keep it, as docker keeps
//! what it calls dangling, would fill disks. So one image of a copy may be without a name, and is kept under its digest. What Kubernetes calls an
//! image ID is no name: it goes with the last one. Reading holds no lease: it would be a write, and outlive a reader that is killed.
//! An image that is collected while it is read is a `Conflict`.
//!
//! A lease is not renewed: containerd has no call for that, and a second lease would not keep the uploads that the first one has. A copy
//! whose lease is gone fails before a name moves; what is still there is not sent by the next one. What fails once all names have moved
//! fails no copy, and is a warning.
//!
//! # 81. sync runs once, and prunes by what an entry says
//!
//! There is no daemon and no hook: cron and systemd run a command, and its exit code says how it ended. A name is pruned only if the
//! patterns of its own entry choose it, because a repository may hold tags that somebody else put there; `--newest` alone does not keep it. Where
//! anything failed, nothing is pruned: what it would have brought is not known. skopeo's YAML puts `coreos/etcd` at `PREFIX/etcd`, and so does this, so that
//! nodes find what they found; of two repositories with one last component skopeo lets the last one win, and here they are refused.
//! Scalars are read as they are written, as Go's decoder does into strings: tag `1.10` stays that.
//!
//! # 82. A served manifest outlives its tag
//!
//! Nodes pull by digest what a tag named when they were told of it, so a tag that moves or is deleted leaves its manifest, until it is
//! deleted by its digest. An entry of `index.json` without a name would keep it, too, but belongs to no repository: anybody could delete it from
//! anywhere, and a layout has place for one image without a name. So it gets the hidden tag of a push by digest. The look at what a
//! tag names and the change of it are one step for all who push; `?ns=HOST`, which may fall back to another host for a pull, counts to
//! the letter for a change.
//!
//! # 83. In a layout, what cosign keeps under a tag is an entry of that name
//!
//! `sha256-HEX.sig` is the entry's `org.opencontainers.image.ref.name`. skopeo, podman, oras and crane take that for a tag, so that each of
//! them can bring it back to a registry; `regctl --digest-tags` writes the same; and one layout can hold many images with theirs. `cosign
//! save` says `kind: dev.cosignproject.cosign/sigs` in place of a name: then a layout can hold one image, and other tools see two
//! images without a name. That is read, and not written. Such an entry is no image wherever images are listed (`ImageName::is_beside`), in
//! registries too: to copy it as an image would bring a signature that nothing is beside. It goes with its image.
//!
//! People who copy all tags of a repository expect these, too, as skopeo and crane copy them. So `--all-images` brings them with their
//! images (`Attached::Auto`), unless tags are chosen. A repository that has such tags is not compared by roots alone: a signature may be
//! new where the image is not.
//!
//! # 84. Signatures are lists that grow, and a server of images asks no policy
//!
//! What has the tag of signatures at a destination is joined with what comes: each signature once, in every repository that the image goes
//! to. To replace it, as any other tag, would lose what others signed. A key that signs the same payload again adds nothing, as
//! with cosign. Where a registry refuses a signature, a commit can fail before a tag shows the image (`WithoutBeside::Fails`); it is asked
//! to for images that are signed, and not for those that are carried, whose loss is reported. `serve` asks no policy: the clients that
//! pull have their own, under the names that they know, which a mirror's policy could not. Nor does the `backup` of `sync`: the
//! image is in the destination already, and a policy that rejects it would only stop it from being replaced.
//!
//! # 85. What comes once stands in an archive in the order in which it comes
//!
//! A tar from a pipe or an engine was kept in a temporary file when an archive was written of it, because the archive's layers stand in the order of
//! the plan. That wrote everything twice, and was slower than `docker save` alone. Now layers go into the archive as they come, and what no
//! image needs is taken out at the end, by a copy of the rest. The price: the same images from a pipe and from a file give archives whose
//! layers may stand in another order: docker before 25 saves them in that of their IDs.
//!
//! A registry, `dir:`, containerd and an engine still get what comes once from a temporary file. `Staging` has to give back what it
//! kept as a `FileRange`: bytes that can be read here, from any position, until the images show. They are read once more where a layer
//! has to change form. A registry and containerd would take a layer whose digest is known only at its end, but then they have it, and
//! no file here does. They could stage if `Staged` said how to read a layer, by requests, in place of where it lies; a registry would
//! also keep what no image needs. An engine cannot: its tar has the digest of a layer before its bytes, docker before 25 does not say
//! that digest, and what has gone into a load cannot be read again. `dir:` writes local files, and could; it does not yet. Nor does an archive
//! stage that is joined, compressed or goes to a pipe: nothing can be taken out of it.
//!
//! # 86. An engine is an archive that nobody creates, and its images keep all of their names
//!
//! An image that is opened by one of its names has all of them: the name chooses the image, as in a layout, and a copy to an archive
//! keeps what the engine calls it, where `docker save NAME` keeps that name alone. To copy one name, name it at the destination. Listing
//! an engine without images is `NotFound`, as of a repository or a namespace of containerd: nobody creates an engine's list, so nothing
//! tells an empty one from the wrong engine, and a backup of nothing should not succeed.
//!
//! An image whose name moves stays without one, as docker itself keeps it: containers may use it, and its layers are what the next load
//! leaves out. The kit has a claim for that (`Replaces::Names`), which is held to its other side: the image is there, whole, and goes
//! when it is deleted. Creating is refused where the engine has an image already, or an image has the name, both when it is
//! opened and before it is named; the API has no call that names only what is free, so a name that comes between the two moves.
//! Referrers are refused: a save has nothing that refers to an image, so they would be lost in silence.
//!
//! # 87. podman gets a layout, and gives a docker archive
//!
//! podman unpacks a layout into a folder before it reads it, so a load writes everything twice: of 535 MB, podman 4.3 (vfs)
//! loaded a docker archive in 11 to 15 s and an `oci-archive` with gzip in 13 to 25 s. It gets the layout all the same. Of a docker archive it
//! makes a manifest of its own, so that the digest of the image goes; and a docker archive has to have all layers, while of a layout podman
//! reads only those that it lacks, which is what makes the next version of an image cheap. The tar is both forms, so that an engine that
//! knows only one takes it. Out of podman it is a docker archive: for a layout podman compresses each layer first, which took 21 s in place
//! of 6.5 s.
//!
//! # 88. Lookaside storage belongs to the policy, and its signatures are not carried
//!
//! A policy has the places where signatures lie that are not with an image (`Policy::with_lookaside`). As an ability of `docker://` they
//! would be signatures that every copy has to bring or lose: podman and skopeo refuse such a copy to a layout, and ask each registry's
//! storage for images of which no policy wants a signature. So a copy without `signedBy` asks nothing, and a site without a network
//! needs the storage itself, which is a tree of files. The trust crate opens no connection: who has one gives a `Fetch`. Unknown
//! keys of `registries.d` are refused, as those of `policy.json`: a key that is misspelled would be seen only as a signature that is missing.
//!
//! # 89. What a file of sync cannot mean is refused before anything is asked
//!
//! `[registries."quay.oi"]` was ignored, and the pull went on without credentials. A registry that no entry uses is a mistake, so it is an error
//! with the hosts that are used. Hosts are compared as references name them. Two entries that write one repository from different
//! sources would overwrite each other in each run, and prune what the other one brought if its names were other ones; that rule was skopeo's
//! YAML's alone. Entries that choose other tags of one source may share a destination. A place is not synced to itself, nor a host to a
//! prefix of it, which would grow with each run.
//!
//! # 90. Sync compares what it has planned
//!
//! Copies ask a destination what it shows only where that spares reading the image: between registries. `sync` reports what
//! changed, so it asks after the plan, too ([`Compare::Plans`](crate::transfer::Compare::Plans)): the root is known then, whatever the source is. A layout says that it shows an
//! image only if nothing of it is missing. An archive that gets nothing new is not written again.
//!
//! # 91. --hosts-dir comes before registries.conf, and its certificates before those of certs.d
//!
//! Who gives the folder asks for what the node does, so for a host with a `hosts.toml` mirrors and locations of `registries.conf` do not
//! count; what that blocks stays blocked, as a ban is no preference. A push goes to the first host with `push`, which may be a mirror,
//! as containerd's does: another rule would send the same reference to another place. A folder without `hosts.toml` has certificates, as
//! containerd and docker read them, and nothing else: what `registries.conf` says of the host counts. They come before those of
//! `/etc/containers/certs.d` and `/etc/docker/certs.d`, as the node does not look there. Those of `_default` do not count, unlike in containerd: the
//! client certificate would be shown to every server that a registry names.
//!
//! # 92. A full disk is 507
//!
//! A push to `serve` for which there is no space gets 507 and "no space left on device", and the upload goes, so that what it took is free
//! for others. 413 says that the blob is too large, which sends people to the wrong setting. The price: docker tries any 5xx again, four
//! times in 50 s, and shows the status, not the message.
//!
//! # 93. `sign` in a registry names the image by its digest
//!
//! `sign app:1` wrote the image under its tag once more, as a copy does, so a tag that another writer moved between reading and writing
//! was moved back. Now the tag is read once, and everything is written by digest: the tag is not written, so it cannot go back, and
//! registries with immutable tags can be signed in. The name that is signed is still that of the tag. The price: the report names the
//! image by its digest. In a layout the name is given again: there a commit without a name would make a second entry.
//!
//! # 94. The kit judges databases by how they grow
//!
//! An embedded database keeps free pages, and old bytes in them, so a layer that is stored once stands in its file twice, and a deletion
//! makes the file no smaller. A claim that says only that would leave both promises unlooked at. So `Space::Pages` changes how they are
//! looked at: twelve images come that share a layer of 256 KiB, and thirty-two come one after the other and are deleted, and the files may grow
//! by less than half of what these take. The price: a leak of less than half of what was deleted is not seen.
//!
//! # 95. podman gets zstd layers as `docker save` has them
//!
//! podman loads a layout with zstd layers and runs it, and then saves it no more: for that it makes docker's manifest of the layout's, and docker
//! has no such layers. To recompress them here would take the manifest's digest, too, and more time; to refuse them takes away what runs. So
//! such an image goes without a layout, and podman makes a manifest of plain layers (decision 87 holds for all others). The price: the
//! digest of the manifest is another one in podman, and layers that it has are sent again.
//!
//! # 96. What was tried often enough is not tried in another way
//!
//! After all tries for a piece of a large blob had failed, the rest was asked for in one stream, with tries of its own: twice as many
//! requests to a server that says 429, and the next one at once. The stream is for servers that give no pieces, or others than were
//! asked for. One that does not answer, or that says to come again later than is waited for, ends the read, as it ends every other request.
//!
//! # 97. Engines are asked before each copy whether they have the image
//!
//! A copy asks the place whether it shows the image already between registries, and `sync` everywhere (decision 61). Engines are asked by `copy`, too:
//! there a commit is a whole load. They know images by the digest of the config, so the question has the root and not its descriptor alone:
//! [`shows_image`](crate::transport::ImageDestination::shows_image). Engines are not asked where another
//! form is wanted (format, compression): podman keeps manifests and tells images apart by configs, so that the form that it has would pass for the other. Nor are
//! those for which a place with that root may lack what is to come: another part of an index, layers that are not to be distributed, a signature. `shows` stays beside it: between registries the question comes before the root is read. The price: a question for each name, and a listing for a
//! name that is not there; and what a copy loses is not said again where nothing is copied.
//!
//! # 98. A save of many names is several saves
//!
//! The API takes the names of a save in the address, and the length of an address is limited. One name for each image would shorten it, and
//! the list would say the others; but then names and images would be those of two moments, and many images would still be too many. So each
//! request has as many names as fit, those of an image together, and the saves are read as one. The price: a layer that images of two
//! requests share is saved twice.
//!
//! # 99. Readers wait for a lock without a limit
//!
//! Writers, deletions and collections have a `lock_timeout`, and `ReadOptions` has none. Most places are read without a lock, as what shows is
//! renamed into place. Where a reader has to lock, as in a database, writers have it for a commit and not for a copy. Who gives up drops the
//! future, which ends the wait.
//!
//! # 100. `Digest` and `MediaType` are core's own
//!
//! They were those of `oci-spec`, of which core used nothing else: two texts and an enum, for which each author of a transport built 26
//! packages of derive macros, builders and regular expressions. The formats are what this project is about, and the grammar of a digest is
//! two lines of the image spec. `cargo tree -e normal,build --prefix none --no-dedupe | sort -u | wc -l` says 34 for `transship-core`
//! (60 before), 55 for `transship-conformance` (80) and, before decision 101, 193 for `transship-cli` (209). Being ours, a digest has an error that names the
//! text, a hash becomes one without a way to fail, and `Other` cannot hold a text that has a name. The price: programs that have
//! values of `oci-spec` pass their texts, and `Config::to_oci` is gone; the config's bytes are public.
//!
//! # 101. `url` builds with the tables of `unicode-rs`
//!
//! `url`, which reqwest needs, takes hosts in all scripts, and asks a crate for that, `idna_adapter`, whose releases choose the tables:
//! 1.2 those of ICU4X, with 20 packages, 1.1 those of `unicode-rs`, with 5. Hosts of registries are ASCII, so `Cargo.lock` has 1.1, in
//! the way that [its authors give](https://docs.rs/crate/idna_adapter/latest). No manifest asks for it, so programs that use the library
//! choose for themselves. The price: `cargo update` alone brings 1.2 back; then `cargo update -p idna_adapter --precise 1.1.0`.
//!
//! # 102. An image goes without those that it was built on
//!
//! `docker rmi` and `podman rmi` also remove images without names that an image was built on. A copy that fails removes again what the engine
//! has loaded. podman takes an image for built on another one by layers and history alone, so it then removed images of the user. Now
//! engines are asked not to prune: `noprune` of docker's API, `--no-prune` of podman's command, and libpod's request for several
//! images; its request for one image has no such parameter. `delete` asks for the same, as its promise says and as `skopeo delete` does.
//! podman before 4.3 cannot: there nothing is removed after a copy that fails, and `delete` removes what `podman rmi` does. The price: what
//! a build left stays until `docker image prune` or `podman image prune`.
//!
//! podman hides an image without a name once another one is built on it. The listing is podman's: otherwise each step of a build would be an
//! image, and `--all-images` would copy all of them. The kit's claim is `bases: Hidden`, held to its other side: the reference
//! opens the image, and the image is listed again when the other one is deleted. IDs are looked up among all images.
//!
//! # 103. A claim is held to its other side
//!
//! A claim makes the kit ask for less, so an author who claims too much loses a check, and a claim that was right once stays when the
//! transport gets better. Seven claims were only believed. Now the kit also asks what the claim says: what is "not held" has to be
//! refused, what is "hidden" has to open by its reference, what "moves to the end" has to be at the end. [How to write a
//! transport](super::write_a_transport) says what that is for each claim. The price: some laws run for one or two transports alone, and a
//! store that gains an ability fails the kit until its claim is taken back. `writers: One` is still believed: that a race did no harm
//! in a few runs shows nothing.
