//! The first 35 decision records. Later ones: [`decisions`](super::decisions).
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
//! of its own, [`Commit::needs`](crate::transport::Commit::needs), and a place that takes deltas remembers it: without that, a delta could not be told
//! from damage. A layout keeps it as an annotation of `index.json`, as that is written with the table of contents at once, is kept by
//! tools that do not know it, and needs no file that they would not expect.
//!
//! The list is of everything, not only of the uppermost manifests that are left out: then what is missing can be named when even the root is,
//! and a base that is itself sparse is told from one that is whole.
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
//! that is told. A manifest that is there says what it needs, and a layer that is gone was lost; a registry takes no index before what it
//! lists, so what it lists and does not have was lost, too. To leave such a platform out would publish a smaller index under the same tag.
//! There is no option to do so: who wants the platforms that are whole names them. A source says whether it may be sparse, and where it
//! may not, only what was chosen is asked for: nobody pays sixty requests to learn what one would say.
//!
//! # 35. What a layer is shows while it changes
//!
//! Media types of layers lie, so layers that were to change form were opened once for their first bytes before. From a registry that was a
//! second request for each. Now the decoder looks, and passes through what has the wanted form already, whatever its type says. Of the
//! layers that stay only those are looked at that call themselves plain and are not what the config says. A layer that is said to be gzip
//! where gzip is wanted stays as it is, a lie too.
