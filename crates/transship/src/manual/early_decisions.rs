//! The first 60 decision records. Later ones: [`decisions`](super::decisions).
//!
//! # 1. A source says the names of its image
//!
//! [`ImageSource::names`](crate::transport::ImageSource::names) was not in the first design. An image that is copied alone to a place without a
//! name keeps its names, and only the source knows them. Names are no part of the manifest, so they cannot be read from there.
//!
//! # 2. A destination says which names it took
//!
//! Names that were only fallbacks are taken as far as a place can hold them. The report has to say which were lost, and guessing from
//! the text of references would be wrong for every transport that rewrites names.
//!
//! # 3. An archive entry has details beside it
//!
//! [`ArchiveReader::details`](crate::transport::ArchiveReader::details) gives digest, image ID, platforms and size of one entry. They cost a read
//! for each image, and most callers of `entries` do not want them: an archive may have thousands of images.
//!
//! # 4. Verifying is the engine's, not a copy to nowhere
//!
//! A copy stops at the first error and checks what the destination needs. [`Verifier`](crate::Verifier) goes on and lists everything. It
//! knows a blob that it has read by where its bytes are, not by its digest alone: an archive may keep two files for which it claims one
//! digest, and the second has to be read too.
//!
//! # 5. Standard input becomes a file
//!
//! To look at `-`, the command has to read it, and the transport has to read it again. What came from a pipe is spooled to an unnamed file
//! that then replaces the process's standard input, so that transports need no second way in, and nothing is spooled twice.
//!
//! # 6. Options of transports are real options
//!
//! `--src-KEY` and `--dest-KEY` are made from what the linked transports registered, so that help, completions and errors know them. `-o` sets
//! an option for both sides, and names the transport.
//!
//! # 7. `verify` and `list` exit with 4 when something is wrong with one image of many
//!
//! They do the rest first. A script that only looks at the exit code must not take half a result for a whole one.
//!
//! # 8. A closed pipe is success
//!
//! `transship list .. | head` ends with 0 and says nothing: what the reader wanted was written. A copy to a closed pipe fails: an
//! archive that nobody has received was not copied.
//!
//! # 9. The lock that keeps blobs is on the folder `blobs`
//!
//! The first design had two locks on one file. A `flock` is one lock a file: a writer that holds it shared could not take it exclusively for
//! the index without giving it up. So the index lock is on `oci-layout`, and the one that a garbage collector takes is on `blobs`.
//!
//! # 10. Blobs of a layout get their names at commit
//!
//! They wait in a staging folder until then. A dropped or killed copy leaves nothing that only a garbage collector could find, and a layout
//! that was never committed is not there at all.
//!
//! # 11. Replacing a layout replaces its index
//!
//! Exchanging the folder would take `oci-layout`, and with it the lock, away from under other writers. Old blobs stay for `gc`.
//!
//! # 12. An interrupted swap inside a folder is completed by the next writer
//!
//! Readers read through it: reading changes nothing, also on a disk that cannot be written. See `transship_local::settle`.
//!
//! # 13. Each image of a transfer is one future, from its first blob to its commit
//!
//! A destination may hold a lock while it is open. Were images opened ahead of their turn, one that nobody polls could hold what another
//! needs. An image is committed when all before it are, so the order in an archive is that of the plan.
//!
//! # 14. One chosen platform gives the image alone
//!
//! `--platform` with one platform copies that manifest, with its digest, and no index around it; with several the index stays, sparse or
//! without the others. A place that holds single images gets the one that this machine runs, else the only one that is present.
//!
//! # 15. Layers are compressed one at a time
//!
//! An encoder uses all cores for one layer. Two at once would be no faster on few cores, and would need twice the memory.
//!
//! # 16. What Go reads differently is refused
//!
//! Go's JSON takes `Layers` for `layers`, and the last of two. A document that has both would show one image to us and another one to
//! docker; it is `Corrupt`.
//!
//! # 17. Details of an entry have a default
//!
//! [`ArchiveReader::details`](crate::transport::ArchiveReader::details) opens the image and reads its manifests and configs, by
//! [`EntryDetails::read`](crate::transport::EntryDetails::read). Each transport had forty lines that did the same, each a little
//! differently. A transport that knows it for less says so itself.
//!
//! # 18. The facade shows what places on a disk share
//!
//! `transship::local` is `transship-local`: a transport outside of this workspace that keeps files needs the same staging, the same
//! locks and the same spelling of paths in references, and would get them wrong in its own way.
//!
//! # 19. A new transport's arrows follow from what it says of itself
//!
//! A crate of the workspace with `package.metadata.transship.kind = "transport"` may depend on `core`, `local` and `archive`, and on
//! nothing else of ours. So `cargo xtask new-transport` need not edit the list of arrows, and no crate on that list can widen its own.
//!
//! # 20. A delta is a sparse layout that says what it lacks
//!
//! [`Commit::absent`](crate::transport::Commit::absent) holds children that nobody misses. What a delta leaves out has to be somewhere, so it has a field
//! of its own, [`Commit::needs`](crate::transport::Commit::needs), and a place that takes deltas remembers it: without that, a delta could not be
//! distinguished from damage. A layout keeps it as an annotation of `index.json`, as that is written with the table of contents at once, is kept by
//! tools that do not know it, and needs no file that they would not expect.
//!
//! The list is of everything, not only of the uppermost manifests that are left out: then what is missing can be named when even the root is,
//! and a base that is itself sparse can be distinguished from one that is whole.
//!
//! # 21. The destination is what completes a delta
//!
//! A delta is read together with [`ImageDestination::contents`](crate::transport::ImageDestination::contents), the place that it is copied to. The engine then
//! sees a whole image, so that platforms, changes of form and checks are the same for deltas as for all else.
//!
//! # 22. Referrers follow digests
//!
//! They are copied as they are, and only for manifests that keep their digest: a signature that was made to follow a new digest would not be
//! one. Places that hold artifacts hold referrers; there is no second word for it in [`Accepts`](crate::transport::Accepts).
//!
//! # 23. Images of an archive are planned twice where there are many
//!
//! All are planned before the first byte is written: names that collide and images that cannot be held are refused then. To keep
//! thousands of plans, open images and places cost 40 KB each. Plans follow from documents and options alone, so those beyond the first 64
//! are dropped and made again. Sources that are references stay open, because standard input cannot be opened twice.
//!
//! # 24. `Source` is a struct
//!
//! It was an enum of what can be read. Each source now also says which of its images go, under which names, and where the caller has it
//! from, so that the command's lists and mixes are the library's.
//!
//! # 25. A cache of answers, not of facts
//!
//! [`Cache`](crate::transport::Cache) keeps texts by question. A question names all that its answer depends on, so nothing is ever invalidated, entries
//! may be forgotten at any time, and core, engine and transports need not know each other's entries. The facade depends on `local`
//! for the file that keeps them.
//!
//! # 26. What a registry cannot promise, it claims
//!
//! The traits grew up on disks. On a network these laws had to change, each by what any transport can state or claim:
//!
//! | on a disk | in a registry | why |
//! |---|---|---|
//! | an archive of no images is there | `empty: None` | a repository comes with its first manifest; one with blobs alone is `NotFound` |
//! | an archive is replaced at once | `replaces: Images` | tags move one by one, and few servers let anybody delete; for a repository it is `Unsupported` |
//! | a writer shows all with `finish` | `Accepts::shows` | there is no step for several tags; each image is whole, and a failure lists what is there |
//! | images are listed as they were written | `listed: Names`, `taken`, `Accepts::nameless` | a listing is of tags, in the server's order; an image whose tag went is found by its digest alone |
//! | the only image needs no name | `chosen: ByName`, `Accepts::nameless` | everywhere a repository without a tag means its `latest` |
//! | what is found in place is looked at | `found: Trusted` | the bytes would have to come here; the server has them by their digest |
//! | nothing is left over, and garbage can be collected | no files to see, no `deletion()`, no `collection()` | what is kept, and when it goes, is the server's affair |
//!
//! What a reader has looked at once stays the image that it was: the first look at an entry fixes its digest. Before that it is
//! only a name, because a request for each of 500 tags is more than a listing should cost.
//!
//! A blob that is sent again after a cut comes out of the last few megabytes, which are kept: reading it again from its start, at a hundred
//! cuts, would be a hundred times the work, and from another registry a hundred times the traffic.
//!
//! # 27. A source may be asked whether it holds a blob
//!
//! Of an index, the engine asks whether the layers of each platform are there, and so opened each one and dropped it: at a registry a
//! request for bytes that nobody wants, and a connection lost. [`ImageSource::holds`](crate::transport::ImageSource::holds) asks, by default in
//! that way; `docker://` asks by `HEAD`. It is a hint for plans, and so no law: what counts is `blob`.
//!
//! # 28. Archives are compressed when they are complete
//!
//! An archive's headers are written over once sizes are known, and its documents are known last, so it is written plain and
//! compressed when it is complete, to one gzip member or zstd frame, by the encoders of the engine. (Members of 4 MiB each were the first
//! design; some readers take the first member only, and see a short archive without an error.) That needs room for the plain archive,
//! and in turn memory does not grow, and the bytes depend on the archive and the level alone, not on the number of threads. It is a
//! setting of the two transports (`archive-compress`) and not a field of `WriteOptions`: what cannot be compressed has no such
//! setting, and says so.
//!
//! # 29. A name that is deleted is that name
//!
//! An image with several names loses the one that it was chosen by, as `docker rmi` does, and goes with its last one. Chosen by position,
//! by digest or alone in its place it goes with all. An archive is written anew without what only that image needed; a layout leaves its
//! blobs to a [collection](crate::transport::Collection), because other tools write into layouts without a lock, blobs before what needs them.
//!
//! # 30. A ledger sees to the ends of events
//!
//! Each place in the engine that can fail would have to tell the end of what it began, and only once. A guard tells of a blob that is
//! dropped, and one ledger for a transfer lets through what is in order: nothing of what has ended, and before the last event the ends of
//! all that is still open. A blob that a second image has to bring again, because the first one's is not there for it, has another number.
//!
//! # 31. What is promised beside a deletion, a collection and a replacement
//!
//! Seeded faults showed what the kit let pass, and so what the docs of the traits had not said. A deletion takes along what only its
//! image needed, or leaves it to a collection where there is one: people delete to make room. Writers are waited for, or what they found
//! and put is spared: either way a commit finds its blobs. Who joins a place that is replaced meanwhile joins what replaced it; where
//! that takes blobs away that were found, it is `Unavailable`, because a second try succeeds, and not `NotFound`, which it is for what
//! was never put. Places that make manifests anew refuse an image whose layers and config contradict each other, rather than show another.
//!
//! # 32. Bars of our own
//!
//! The library that drew them fills rows to their last column and lets the terminal wrap: when a window changes its width, such rows are
//! folded or joined, and what was meant to be written over stays. Ours leave a column and end with a line end, and the cursor rests where
//! they begin: what has to go stands after it, whatever the terminal made of it. A frame is one write, ten times a second at most, and
//! none when nothing changed; the layout is a function of the width, and its parts go one by one. What tmux folds at the very
//! top of a pane scrolls into its history at once, where nobody can take it away.
//!
//! # 33. A name that nobody gave is refused beside others
//!
//! One image that goes to `docker://HOST/REPOSITORY` is its `latest`, as with every tool. Of several images it is refused: all of them
//! would be `latest`, one over the other. `latest` for the only one without a name beside others would be a guess, too, and would take
//! the place of what is there. Tags of one repository go to the same tags of another, also if there is only one, so that what a mirror
//! does not depend on how many tags there are. A place says in `Accepts::nameless` whether an image without a name can stay beside
//! others; where it cannot, an image that would lose its last name to a later one is an error and not a warning.
//!
//! # 34. Damage is not absence
//!
//! Sparse indexes are usual on disks: a tool keeps the index and one platform. So the manifest of a platform may be absent there, and
//! that is reported. A manifest that is there says what it needs, and a layer that is gone was lost; a registry takes no index before
//! what it lists, so what it lists and does not have was lost, too. To leave such a platform out would publish a smaller index under
//! the same tag.
//! There is no option to do so: who wants the platforms that are whole names them. A source says whether it may be sparse, and where it
//! may not, only what was chosen is asked for: nobody pays sixty requests to learn what one would say.
//!
//! # 35. What a layer is shows while it changes
//!
//! Media types of layers lie, so layers that were to change form were opened once for their first bytes before. From a registry that was a
//! second request for each. Now the decoder looks, and passes through what has the wanted form already, whatever its type says. Of the
//! layers that stay only those are looked at that call themselves plain and are not what the config says. A layer that is said to be gzip
//! where gzip is wanted stays as it is, a lie too.
//!
//! # 36. A drop waits for nothing
//!
//! A destination that was dropped used to wait for its running step, so that its staging was gone afterwards. On a current-thread
//! runtime the step may need an async task of the same thread: that waits for ever. Now steps share what is staged, and the
//! last one to end removes it. A program that exits waits for [`unfinished_writes`](crate::local::unfinished_writes) to be 0, as the command does.
//!
//! # 37. What readers take differently is found by asking them
//!
//! Reviews found four ways to show two readers two images in one archive, and tests of ours asserted two of them. So each
//! rule of the gate is held against others: archives are mutated by seed, and each tool that accepts one must see what we see. A
//! disagreement is mended by refusing, unless all of the others agree. Python's `tarfile` is asked because it takes a prefix
//! wherever the magic is not star's, where Go does so only when GNU's times are no numbers.
//!
//! # 38. A certificate that was given is trusted as what it is
//!
//! Manuals of registries make one self-signed certificate, which is an authority, and show it. webpki refuses an authority as a
//! server. A `*.crt` of the host's folder that is byte for byte the one that is shown is taken, if its name and time are right:
//! who gave it trusts it for more than that. Keys of P-521 stay refused: ring, the one cryptography library here, has no such
//! curve, and a second library for it would double what has to be built.
//!
//! # 39. Mended in place, or refused
//!
//! An image that is appended again to a `docker-archive:` puts what the archive lacks under the name that its images list: one
//! entry mends all that share it, links to it too. Where that name stands for two layers nothing in place is right, and the
//! copy fails with the old archive as it was. A layout in the same tar may list a manifest of the image that cannot be read. Another
//! tool wrote it, so its bytes cannot be made again: the image gets a manifest that is made here, and the entry under its name leads
//! to that. Where an entry that can be read has the name, and does not lead to the image, the copy fails.
//!
//! # 40. A range of a blob is checked, or says that it is not
//!
//! A digest is of a whole blob. So `Body::range` reads all of it, and gives the last chunk of the range when the whole was found
//! true; `range_unchecked` reads the range alone, for callers who have digests of parts. What an application gets of an `Image`
//! is a `Body`, as transports give it: one type has all ways to read, and none of them ends well on wrong bytes.
//!
//! # 41. One plan, for one image and many, for the run and for `--dry-run`
//!
//! There were two planners and two ways to copy: one image alone and many had code of their own, and `--dry-run` repeated both. They
//! disagreed about names and about what may be asked at once, and one of them could hang. Now a batch is planned, and the plan is
//! described or copied; one image is a batch of one, and a place for one image a writer of one. What is at the destination is
//! asked by one function, when the plan is described or when the blob's turn has come.
//!
//! # 42. Streams and encoders have two limits
//!
//! `jobs` followed the processors, so that a builder with one of them pulled two blobs at once, though it waits for the network. Now 8
//! blobs go at once everywhere, and how many layers change form at once is bounded by processors and memory alone.
//!
//! # 43. One walk, with a visitor
//!
//! Six pieces of code followed indexes, each with its own limit and its own idea of what absent means; none had a limit for an index
//! that lists another a hundred times, which lists another a hundred times. Now [`walk`](crate::transport::walk()) reads, several at once, counts
//! and limits; a visitor says what to skip and what follows from a manifest, from one that is absent, and from one that is damaged. What
//! the visits give comes back in the order of the index. It is a fold and no stream, so that `verify` and deltas keep only what they need.
//!
//! # 44. What a registry names is on its side
//!
//! The storage and the token server of a private registry mostly have certificates of the same private CA, and Go's clients
//! verify them with the registry's `certs.d` folder. So its CAs hold for all places that it names. Its client certificate is
//! shown to its own host only, while Go shows it to everyone who asks. A next page of a list is read from the host that sent the
//! list: of the link, path and query count. Behind a proxy, servers name a host that nobody reaches, and no list goes on elsewhere.
//!
//! # 45. `InvalidInput`
//!
//! Issue 1 named an error kind `InvalidReference`. It came to stand for all that a caller gives and that cannot be used: options,
//! platforms, passwords, lists, paths. It is `InvalidInput` now, one kind with one exit code.
//!
//! # 46. An `index.json` has limits of its own
//!
//! Any hostile document costs at most 2 s and 200 MiB. A document was limited by its bytes and commas, while `[[[[` takes 300 bytes of
//! memory for each byte and has no comma. So lists and objects are counted, too; an `index.json` has at most 32 MiB and 40,000 entries,
//! one of them at most 4,096 lists and objects, and a delta lacks at most 100,000 digests. Offsets into one buffer would allow more
//! entries, and `list` still looks for the manifest of each. What would be too large to read is not written either.
//!
//! # 47. A layout's `index.json` and `oci-layout` are replaced, its folders are looked at
//!
//! Below a layout's own folder no link is followed for writing or collecting. The two documents are renamed into place, so that a link
//! that appears there in the last moment is replaced, and what it leads to stays. `blobs` and the folders below are looked at before a
//! write or a collection, by path: who swaps one for a link in between may write to the layout, and could put the blobs elsewhere
//! himself. Handles of folders for the staging, the sync, the locks and the cleaning would be a second way to do each of them.
//!
//! # 48. Wrappers are traits
//!
//! A transport that changes another one forgot provided methods: our own adapter in a test had lost six. A macro cannot know which
//! methods are written by hand, so [`WrapTransport`](crate::transport::WrapTransport) and ten more have the methods of the trait that
//! they are for, each passed on by default; a type that implements one implements the trait. A test compares the lists of methods. A type
//! that calls its own methods says which trait it means, as both have them.
//!
//! # 49. One scaffold on three grounds
//!
//! The scaffolds for memory, a file and a folder differ in one file, `store.rs`, and in the fixture of their tests; all do their
//! work off the runtime, also the one in memory, so that what an author puts there may block. Three crates would have
//! been three transports to keep right. A file is written anew with each change, as zip's are: what appends is a format's own work.
//!
//! # 50. gzip stays with libdeflate and the scan
//!
//! Finding the last header of each block costs about a sixth of gzip's time. It is needed: a stream of libdeflate ends with a block
//! that is marked as the last, and only decoding tells where that block begins and at which bit it ends. (Searching backwards for a header
//! finds the true one among others, but a block with fixed codes has no header to recognize; so nothing is proved.)
//! Where fixed and stored blocks are excluded it can be proved, with a bound for the length of a last block that holds for one version of
//! libdeflate: 5% less CPU for 250 lines, and a length that nothing checks. It was not taken. Compressing the end of a block apart moves the
//! question to what is before it: a stream of several blocks ends with one whose start is unknown, and streams of 60 KB, which have
//! mostly one, cost 1.9% of size (zlib at level 1).
//! An encoder of our own in safe Rust, with the 32 KiB before each block as history, needs no scan. Measured on the first 60 MB of a
//! Debian image, Python's library and `node_modules` (15 MB), user CPU of one thread and size:
//!
//! | encoder | Debian | Python | `node_modules` |
//! |---|---|---|---|
//! | libdeflate 2/1/1/1 with the scan, as it is | 0.44 s, 23.71 MB | 0.41, 23.55 | 0.07, 3.67 |
//! | of it libdeflate | 0.33 | 0.32 | 0.06 |
//! | libdeflate 1 alone | 0.30, 24.04 | 0.29, 23.75 | 0.05, 3.71 |
//! | own, greedy, 2 candidates | 0.44, 24.11 | 0.44, 23.77 | 0.08, 3.70 |
//! | own, lazy up to 16 | 0.51, 23.82 | 0.49, 23.49 | 0.10, 3.61 |
//! | own, 1 candidate | 0.36, 24.59 | 0.36, 24.26 | 0.08, 3.87 |
//! | zlib-rs 1 with history | 0.28, 29.06 | 0.26, 28.64 | 0.04, 4.99 |
//! | zlib-rs 2 with history | 0.52, 24.36 | 0.50, 24.12 | 0.08, 3.87 |
//!
//! History is worth 0.1%, not the 1% that would let level 1 do; and the same search takes 1.7 times the instructions of C
//! (61 and 36 per byte), most of them checks of bounds. Nothing here is both smaller and faster. What would help is a libdeflate that
//! can leave the last block open, which needs a change of its C code. ISA-L, the fastest there is, gives 95.5 MB for an image of 252 MB at its
//! highest level, 3% more than the 92.7 MB here, and has to be assembled.
//!
//! Of 2.0 s of CPU for 252 MB, on two processors that are busy for 96% of the time, libdeflate takes 62%, the scan with its tables 16%,
//! SHA-256 10%, the kernel 7%, copies 2%. Without scan, copies and idle time it would take 0.82 s, and be 2.4 times as fast as skopeo
//! 1.9.3 (2.0 s); with level 1 alone as well, 1.4% larger, 0.76 s. So a factor of 2.5 at this size needs that change, and more.
//!
//! # 51. Jobs of zstd
//!
//! zstd cuts its input into jobs of four windows, 8 MiB at level 3, so that two threads have little to share in a layer of 40 MB. Here
//! they are 4 MiB from level 3 to 8, and 8 MiB up to 15: 0.4% more bytes, no more CPU. At 19 jobs of 4 MiB cost half the CPU
//! again, and shorter overlaps 5% of the size, so those of zstd stay. One of them takes seconds, so the encoder has a thread of its own,
//! and who reads from it looks every 50 ms whether to go on.
//!
//! Two threads took 0.99 s for a Debian image of 252 MB, and `zstd -3 -T2` 0.69 s. The reader of the zstd crate begins each read without
//! input; zstd then waits for its oldest job, and one worker stood idle for two thirds of the time. The encoder now drives zstd
//! itself, with the same bytes: 0.86 s. And a large layer held its place until its result was stored. Now the next one is read as soon
//! as all of a layer was, and memory alone limits how many there are: two. Both processors are busy for 80% of the time now.
//!
//! What is left is SHA-256 of what is read and written, 0.19 s of 1.31 s of CPU, and the sync, which `zstd` does not do. At level 3 the
//! window is now as long as a job, twice zstd's own, and the table of short matches has 2^12 entries, a sixteenth: with the other one it
//! fits in a second cache of 1 MiB. User CPU of one thread (least of nine) and size, with jobs of 4 MiB:
//!
//! | window, long table, short table (powers of two), match | Debian, 252 MB | Python, 97 MB | `/usr/bin`, 516 MB |
//! |---|---|---|---|
//! | 21, 17, 16, 5: zstd's own | 0.90 s, 78.5 MB | | |
//! | 21, 16, 16, 5: as it was | 0.84 s, 79.1 MB | 26.6 MB | 183.4 MB |
//! | 22, 17, 14, 5: as it was after that | 0.83 s, 78.0 MB | 26.7 MB | 183.5 MB |
//! | 22, 17, 12, 5: as it is | 0.77 s, 78.5 MB | 26.9 MB | 185.2 MB |
//! | 22, 17, 14, 6 | 0.81 s, 79.2 MB | | |
//! | 22, 16, 12, 5 | 0.74 s, 80.7 MB | | |
//!
//! With 2^14 entries a copy took 0.74 s where `zstd -3 -T2` took 0.67, 1.10 times as long (1.13 before); to a filesystem in memory the two
//! differed by less. Both processors are busy for 94% of the time, so shorter last jobs or another order of layers have little to gain (a
//! job is 20 ms). So the search itself had to cost less: 2^12 entries take 7% less, and the result is still no larger than that of
//! `zstd -3 -T2` (78.5 and 79.1 MB). The price: 0.6 to 1% more bytes than with 2^14. In one run of
//! seven rounds a copy took 1.28 s, 1.36 s before that, and `zstd -3 -T2` 1.14 s: 1.13 times as long, with the sync that `zstd` leaves out.
//!
//! # 52. Files that come during a replacement are kept
//!
//! A `dir:` is replaced by exchanging two folders. A program that has the old folder open may put files into it up to the last
//! moment, and removing the old folder removed them, too. So the old folder is looked at once more after the exchange. With
//! files in it that are no part of an image, it goes back to its place, and the copy fails and names them. Between that look
//! and the removal a moment is left: no system call removes a folder only if it is as it was.
//!
//! # 53. A deletion takes options
//!
//! `Deletion::delete` took a reference alone. It waits for other writers of the place, and a caller has to bound that wait, as
//! for a copy and a collection. So it takes [`DeleteOptions`](crate::transport::DeleteOptions), which can grow without another change of the
//! trait.
//!
//! # 54. A registered option says what it is
//!
//! `register_transport!` took keys, and apart from them which are flags and which are about writing. Help had nothing to say of an
//! option, and the command guessed what takes a value. Now it takes a list of
//! [`TransportOption`](crate::transport::TransportOption)s: key, name of the value or flag, help, and the sides that it is for. Help,
//! completions and `transports --json` are made from that, for transports of third parties, too.
//!
//! # 55. Exit codes follow from kinds of errors, and the worst image decides
//!
//! The code of an error follows from its [`ErrorKind`](crate::ErrorKind) alone, in every command. Two kinds moved: several images of
//! which none is chosen are a mistake in the reference (2, was 1), and so is a file that an option names and that does not exist
//! (2, was 3); 3 is for images, blobs and places. `verify`, `list` and `copy --keep-going` go on after an image. Damage (4) then says more
//! than what is absent or cannot be reached; failures of one kind have its code, of several kinds 1. `verify` used to call BAD what
//! it could only not read. Absent, unreachable and broken are three things, and have three codes: 3, 1 and 4. An I/O error is
//! "unreachable": a disk that fails does not say what is on it.
//!
//! # 56. Transports recognize paths
//!
//! The command had a reader of tars of its own, to tell what a bare path is. It disagreed with the transports, knew no third party's,
//! and decompressed an archive that was then decompressed again. [`Transport::recognize`](crate::transport::Transport::recognize) is asked
//! instead, with the first bytes read once for all. What a transport had to open for its answer is given to its source
//! ([`Source::opened`](crate::Source::opened)). One that does not implement it is named in references, as before.
//!
//! # 57. A digest that the destination says is checked in the plan
//!
//! `docker://HOST/x@sha256:..` was held against the image at the commit, when all of it was sent, and never in a dry run. A
//! destination says which digests it is bound to ([`ImageDestination::pinned`](crate::transport::ImageDestination::pinned)), and the plan refuses an image
//! that would get another. Where layers change form the new digest is known only afterwards; then the commit checks it, unless
//! the digest is that of the unchanged image, which cannot come out.
//!
//! # 58. The order of the request decides between images
//!
//! Images are planned at once, and each opened its place when its source had answered: with `--keep-going`, the faster of two
//! registries got a name that both claimed. Places are opened in the order of the request, each in its
//! turn; all else stays at once.
//!
//! # 59. A list is marked by its maker
//!
//! The image of a list's only line keeps its name as beside others. That followed from `Source::context`, which is for messages.
//! [`Source::list`](crate::Source::list) marks the sources of a list; the context only says where they stand.
//!
//! # 60. What comes back beside the bytes
//!
//! The traits did not say which fields of a descriptor come back, so each transport had its own idea, and the kit none. A child comes
//! with the descriptor that was asked for, whole. What is about an image is listed with media type, digest, size and artifact type
//! ([`Manifest::as_referrer`](crate::Manifest::as_referrer)); annotations are the manifest's, and a list may repeat them: in an `index.json`
//! they would be read as names. Platform and annotations of a root belong to the archive, where it keeps them. `Create` holds at the
//! commit, too; a registry has no step for that, so the tag is asked for once more, and who comes between is overwritten.
