//! [`WrapTransport`] and its like: values that change some of what another one does, and pass on all the rest.
//!
//! A wrapper says what it wraps, and implements the methods that it changes. All others, also those that a trait provides
//! and those that it will get one day, are those of the wrapped value.
//!
//! ```
//! use transship_core::{Body, Descriptor, ImageSource, Result, WrapSource};
//!
//! /// Says what is read.
//! #[derive(Debug)]
//! struct Logged(Box<dyn ImageSource>);
//!
//! #[async_trait::async_trait]
//! impl WrapSource for Logged {
//!     fn inner(&self) -> &dyn ImageSource {
//!         &*self.0
//!     }
//!
//!     async fn blob(&self, of: &Descriptor) -> Result<Body> {
//!         eprintln!("{} is read", of.digest);
//!         self.inner().blob(of).await
//!     }
//! }
//!
//! fn wrapped(source: Box<dyn ImageSource>) -> Box<dyn ImageSource> {
//!     Box::new(Logged(source))
//! }
//! ```

use std::collections::HashSet;
use std::fmt;

use async_trait::async_trait;

use crate::{
    Accepts, ArchiveEntry, ArchiveReader, ArchiveWriter, Archives, Body, Cancel, Candidate,
    CollectOptions, Collected, Collection, Commit, Committed, Contents, DeleteOptions, Deletion,
    Descriptor, Digest, EntryDetails, Expect, Identity, ImageDestination, ImageName, ImageSource,
    Manifest, OnePass, Passed, PutBeside, PutSignatures, ReadOptions, Recognized, Reference,
    Referrers, Result, Signatures, Sparse, Staging, Stored, Transport, WriteMode, WriteOptions,
};

/// Makes a trait of wrappers, which has the methods of another trait and passes them on, and the other trait for all of them.
/// A method that changes the value, or ends it, goes to what is wrapped.
macro_rules! wrappers {
    ($(#[$doc:meta])* $wrap:ident of $of:ident: ($($bound:tt)*) {
        $(fn $name:ident(&self $(, $arg:ident: $type:ty)*) -> $out:ty;)*
        $(async fn $slow:ident(&self $(, $with:ident: $what:ty)*) -> $gives:ty;)*
        $(change $change:ident() -> $changes:ty;)?
        $(last $last:ident($($end:ident: $ends:ty)?) -> $result:ty;)?
    }) => {
        $(#[$doc])*
        #[async_trait]
        pub trait $wrap: $($bound)* {
            /// What is wrapped.
            fn inner(&self) -> &dyn $of;
            $(
                /// What is wrapped, to be changed.
                #[doc = concat!("For [`", stringify!($of), "::", stringify!($change), "`].")]
                fn inner_mut(&mut self) -> &mut dyn $of;

                #[doc = concat!("As [`", stringify!($of), "::", stringify!($change), "`].")]
                async fn $change(&mut self) -> $changes {
                    self.inner_mut().$change().await
                }
            )?
            $(
                /// What is wrapped, to be ended.
                #[doc = concat!("For [`", stringify!($of), "::", stringify!($last), "`].")]
                fn into_inner<'a>(self: Box<Self>) -> Box<dyn $of + 'a> where Self: 'a;

                #[doc = concat!("As [`", stringify!($of), "::", stringify!($last), "`].")]
                async fn $last(self: Box<Self> $(, $end: $ends)?) -> $result {
                    self.into_inner().$last($($end)?).await
                }
            )?
            $(
                #[doc = concat!("As [`", stringify!($of), "::", stringify!($name), "`].")]
                fn $name(&self $(, $arg: $type)*) -> $out {
                    self.inner().$name($($arg),*)
                }
            )*
            $(
                #[doc = concat!("As [`", stringify!($of), "::", stringify!($slow), "`].")]
                async fn $slow(&self $(, $with: $what)*) -> $gives {
                    self.inner().$slow($($with),*).await
                }
            )*
        }

        #[async_trait]
        impl<W: $wrap> $of for W {
            $(
                async fn $change(&mut self) -> $changes {
                    <W as $wrap>::$change(self).await
                }
            )?
            $(
                async fn $last(self: Box<Self> $(, $end: $ends)?) -> $result {
                    <W as $wrap>::$last(self $(, $end)?).await
                }
            )?
            $(fn $name(&self $(, $arg: $type)*) -> $out {
                <W as $wrap>::$name(self $(, $arg)*)
            })*
            $(async fn $slow(&self $(, $with: $what)*) -> $gives {
                <W as $wrap>::$slow(self $(, $with)*).await
            })*
        }
    };
}

wrappers! {
    /// A [`Transport`] that changes another one. Where it changes sources or destinations, it gives an
    /// [`archives`](Self::archives) of its own, too ([`WrapArchives`]), or images of archives are those of the other one.
    WrapTransport of Transport: (fmt::Debug + Send + Sync + 'static) {
        fn scheme(&self) -> &'static str;
        fn syntax(&self) -> &'static str;
        fn default_mode(&self) -> WriteMode;
        fn parse(&self, locator: &str) -> Result<Reference>;
        fn recognize(&self, found: &Candidate, cancel: &Cancel) -> Result<Option<Recognized>>;
        fn compares_roots(&self) -> bool;
        fn identity(&self, at: &Reference) -> Identity;
        fn archives(&self) -> Option<&dyn Archives>;
        fn deletion(&self) -> Option<&dyn Deletion>;
        fn collection(&self) -> Option<&dyn Collection>;
        async fn holds_indexes(&self, at: &Reference) -> Result<bool>;
        async fn source(&self, at: &Reference, how: &ReadOptions) -> Result<Box<dyn ImageSource>>;
        async fn destination(&self, at: &Reference, how: &WriteOptions) -> Result<Box<dyn ImageDestination>>;
    }
}

wrappers! {
    /// [`Archives`] that change others.
    WrapArchives of Archives: (Send + Sync) {
        fn archive_of(&self, at: &Reference) -> Option<Reference>;
        fn may_be_archive(&self, at: &Reference) -> bool;
        fn one_pass(&self) -> Option<&dyn OnePass>;
        async fn read(&self, at: &Reference, how: &ReadOptions) -> Result<Box<dyn ArchiveReader>>;
        async fn write(&self, at: &Reference, how: &WriteOptions) -> Result<Box<dyn ArchiveWriter>>;
    }
}

wrappers! {
    /// An [`ArchiveReader`] that changes another one.
    WrapReader of ArchiveReader: (fmt::Debug + Send + Sync) {
        fn reference(&self) -> &Reference;
        fn entries(&self) -> &[ArchiveEntry];
        fn beside(&self) -> &[ArchiveEntry];
        fn count_beside(&self) -> usize;
        fn details_are_costly(&self) -> bool;
        async fn details(&self, entry: &ArchiveEntry) -> Result<EntryDetails>;
        async fn open(&self, entry: &ArchiveEntry) -> Result<Box<dyn ImageSource>>;
    }
}

wrappers! {
    /// An [`ArchiveWriter`] that changes another one.
    WrapWriter of ArchiveWriter: (fmt::Debug + Send + Sync) {
        fn reference(&self) -> &Reference;
        fn staging(&self) -> Option<&dyn Staging>;
        async fn image(&self, names: &[ImageName]) -> Result<Box<dyn ImageDestination + '_>>;
        change finish() -> Result<()>;
    }
}

wrappers! {
    /// An [`ImageSource`] that changes another one.
    WrapSource of ImageSource: (fmt::Debug + Send + Sync) {
        fn reference(&self) -> &Reference;
        fn names(&self) -> &[ImageName];
        fn needs(&self) -> Option<&HashSet<Digest>>;
        fn root_descriptor(&self) -> Option<&Descriptor>;
        fn sparse(&self) -> Sparse;
        fn referrers(&self) -> Option<&dyn Referrers>;
        fn signatures(&self) -> Option<&dyn Signatures>;
        async fn root(&self) -> Result<Manifest>;
        async fn manifest(&self, of: &Descriptor) -> Result<Manifest>;
        async fn blob(&self, of: &Descriptor) -> Result<Body>;
        async fn holds(&self, of: &Descriptor) -> Result<bool>;
    }
}

wrappers! {
    /// An [`ImageDestination`] that changes another one.
    WrapDestination of ImageDestination: (fmt::Debug + Send + Sync) {
        fn reference(&self) -> &Reference;
        fn names(&self) -> &[ImageName];
        fn pinned(&self) -> Vec<&Digest>;
        fn accepts(&self) -> &Accepts;
        fn staging(&self) -> Option<&dyn Staging>;
        fn signatures(&self) -> Option<&dyn PutSignatures>;
        fn beside(&self) -> Option<&dyn PutBeside>;
        fn contents(&self) -> Option<&dyn Contents>;
        async fn has(&self, want: &Expect) -> Result<Option<Stored>>;
        async fn verify_found(&self, what: Commit<'_>) -> Result<Vec<Digest>>;
        async fn take_from(&self, want: &Expect, from: &Reference) -> Result<Option<Stored>>;
        async fn put_blob(&self, expect: Expect, body: Body) -> Result<Stored>;
        async fn put_manifest(&self, manifest: &Manifest) -> Result<()>;
        async fn shows(&self, root: &Descriptor) -> Result<Option<Committed>>;
        async fn shows_image(&self, root: &Manifest) -> Result<Option<Committed>>;
        last commit(what: Commit<'_>) -> Result<Committed>;
    }
}

wrappers! {
    /// A [`Deletion`] that changes another one.
    WrapDeletion of Deletion: (Send + Sync) {
        async fn delete(&self, at: &Reference, how: &DeleteOptions) -> Result<()>;
        async fn delete_if(&self, at: &Reference, root: &Digest, how: &DeleteOptions) -> Result<()>;
    }
}

wrappers! {
    /// A [`Collection`] that changes another one.
    WrapCollection of Collection: (Send + Sync) {
        async fn collect(&self, at: &Reference, how: &CollectOptions) -> Result<Collected>;
    }
}

wrappers! {
    /// A [`OnePass`] that changes another one.
    WrapOnePass of OnePass: (Send + Sync) {
        async fn comes_once(&self, at: &Reference) -> bool;
        async fn chosen(&self, at: &Reference) -> Result<()>;
        async fn pass(&self, at: &Reference, how: &ReadOptions, staging: Option<&dyn Staging>) -> Result<Passed>;
    }
}

wrappers! {
    /// [`Referrers`] that change others.
    WrapReferrers of Referrers: (Send + Sync) {
        async fn referrers(&self, of: &Digest) -> Result<Vec<Descriptor>>;
        async fn beside(&self, of: &Digest) -> Result<Vec<(String, Descriptor)>>;
    }
}

wrappers! {
    /// [`Contents`] that change others.
    WrapContents of Contents: (Send + Sync) {
        async fn read(&self, of: &Descriptor) -> Result<Option<Body>>;
        async fn holds(&self, want: &Expect) -> Result<bool>;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    /// The methods in a block of code that begins with a line and ends with the next `}` of that depth.
    fn methods(text: &'static str, begins: &str, ends: &str) -> BTreeSet<&'static str> {
        let from = text.find(begins).unwrap_or_else(|| panic!("no {begins}"));
        let block = &text[from..];
        let block = &block[..block.find(ends).unwrap()];
        let called = |line: &'static str| {
            let line = line.trim_start();
            let named = line.strip_prefix("async fn ").or(line.strip_prefix("fn "));
            let named = named.or(line.strip_prefix("last ")).or(line.strip_prefix("change "));
            named.and_then(|rest| rest.split(['(', '<']).next())
        };
        block.lines().filter_map(called).collect()
    }

    #[test]
    fn no_method_of_a_trait_is_forgotten() {
        let (archive, source) = (include_str!("archive.rs"), include_str!("source.rs"));
        let (transport, destination) =
            (include_str!("transport.rs"), include_str!("destination.rs"));
        for (name, text) in [
            ("Transport", transport),
            ("Archives", archive),
            ("ArchiveReader", archive),
            ("ArchiveWriter", archive),
            ("ImageSource", source),
            ("ImageDestination", destination),
            ("Deletion", transport),
            ("Collection", include_str!("collection.rs")),
            ("OnePass", include_str!("pass.rs")),
            ("Referrers", source),
            ("Contents", destination),
        ] {
            let has = methods(text, &format!("pub trait {name}:"), "\n}");
            let wraps = methods(include_str!("wrap.rs"), &format!(" of {name}: ("), "\n    }");
            assert!(!has.is_empty(), "{name}");
            assert_eq!(has, wraps, "{name}");
        }
    }
}
