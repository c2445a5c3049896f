//! [`Transports`]: the transports that a program knows, and how they come to be known.

use std::sync::Arc;

use crate::{Error, ErrorKind, Reference, Result, Settings, Transport};

/// What a transport's crate submits with [`register_transport!`](crate::register_transport).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Registration {
    /// The scheme.
    pub scheme: &'static str,
    /// The keys of [`Settings`] that it knows.
    pub options: &'static [&'static str],
    /// Those of the keys that are `true` or `false`.
    pub flags: &'static [&'static str],
    /// Those of the keys that say how to write, and mean nothing to a source.
    pub writing: &'static [&'static str],
    /// Makes the transport.
    pub build: fn(&Settings) -> Result<Arc<dyn Transport>>,
}

impl Registration {
    /// For [`register_transport!`](crate::register_transport).
    pub const fn new(
        scheme: &'static str,
        options: &'static [&'static str],
        build: fn(&Settings) -> Result<Arc<dyn Transport>>,
    ) -> Self {
        Self { scheme, options, flags: &[], writing: &[], build }
    }

    /// Says which keys are `true` or `false`. A command may take them without a value.
    #[must_use]
    pub const fn flags(self, flags: &'static [&'static str]) -> Self {
        Self { flags, ..self }
    }

    /// Says which keys are about writing alone.
    #[must_use]
    pub const fn writing(self, writing: &'static [&'static str]) -> Self {
        Self { writing, ..self }
    }

    /// Those of the crates that are linked, sorted by scheme.
    pub fn linked() -> Vec<&'static Self> {
        let mut found: Vec<_> = inventory::iter::<Self>().collect();
        found.sort_by_key(|r| r.scheme);
        found
    }
}

inventory::collect!(Registration);

/// Makes a transport known to every program that links the crate.
///
/// A crate that is only named in `Cargo.toml` is not linked: the program says `use the_crate as _;`.
///
/// It takes the scheme, the keys of the [`Settings`] that the transport knows, others are refused before it is made, and a
/// function that makes it. The settings that the function is given are those of all transports; its own are
/// `settings.get("sqlite", "busy-timeout")`. After it may stand which of the keys are [`flags`](Registration::flags), and
/// which are about [`writing`](Registration::writing) alone.
///
/// ```ignore
/// register_transport!("sqlite", ["busy-timeout"], |settings| Ok(Arc::new(Sqlite::new(settings)?)));
/// register_transport!("s3", ["region", "public"], build, flags: ["public"], writing: ["public"]);
/// ```
#[macro_export]
macro_rules! register_transport {
    ($scheme:expr, [$($option:expr),* $(,)?], $build:expr $(, $of:ident: [$($key:expr),* $(,)?])* $(,)?) => {
        $crate::inventory::submit! {
            $crate::Registration::new($scheme, &[$($option),*], $build)$(.$of(&[$($key),*]))*
        }
    };
}

/// The transports that a program knows, sorted by scheme.
#[derive(Clone, Debug, Default)]
pub struct Transports(Vec<Arc<dyn Transport>>);

impl Transports {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Those whose crates are linked, made with settings.
    ///
    /// # Errors
    /// `Unexpected` when two crates claim one scheme; `InvalidReference` for a setting that no linked transport knows;
    /// what making a transport gives.
    pub fn linked(settings: &Settings) -> Result<Self> {
        let found = Registration::linked();
        if let Some(pair) = found.windows(2).find(|pair| pair[0].scheme == pair[1].scheme) {
            return Err(Error::new(
                ErrorKind::Unexpected,
                format!("two linked crates claim the scheme {:?}", pair[0].scheme),
            ));
        }
        check_settings(settings, &found)?;
        found.into_iter().try_fold(Self::new(), |all, r| Ok(all.with((r.build)(settings)?)))
    }

    /// Adds a transport, or replaces the one with its scheme.
    #[must_use]
    pub fn with(mut self, transport: Arc<dyn Transport>) -> Self {
        match self.0.binary_search_by_key(&transport.scheme(), |t| t.scheme()) {
            Ok(at) => self.0[at] = transport,
            Err(at) => self.0.insert(at, transport),
        }
        self
    }

    /// All of them, sorted by scheme.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn Transport>> {
        self.0.iter()
    }

    /// The one with a scheme.
    ///
    /// # Errors
    /// `InvalidReference`, listing the known ones.
    pub fn get(&self, scheme: &str) -> Result<&Arc<dyn Transport>> {
        self.0.binary_search_by_key(&scheme, |t| t.scheme()).map(|at| &self.0[at]).map_err(|_| {
            Error::new(ErrorKind::InvalidReference, format!("there is no transport {scheme:?}"))
                .hint(format!("the known ones are {}", self.schemes()))
        })
    }

    /// Parses `scheme:locator`.
    ///
    /// # Errors
    /// `InvalidReference` with the reason.
    pub fn parse(&self, text: &str) -> Result<Reference> {
        let Some((scheme, locator)) = text.split_once(':') else {
            return Err(Error::new(
                ErrorKind::InvalidReference,
                format!("{text:?} names no transport"),
            )
            .hint(format!("the form is TRANSPORT:PLACE, with one of {}", self.schemes())));
        };
        self.get(scheme)?.parse(locator).map_err(|e| e.context(text))
    }

    /// The transport of a reference.
    ///
    /// # Errors
    /// As [`get`](Self::get): the reference may come from other transports.
    pub fn of(&self, reference: &Reference) -> Result<&Arc<dyn Transport>> {
        self.get(reference.scheme())
    }

    fn schemes(&self) -> String {
        self.0.iter().map(|t| t.scheme()).collect::<Vec<_>>().join(", ")
    }
}

fn check_settings(settings: &Settings, known: &[&Registration]) -> Result<()> {
    for (scheme, key, _) in settings.iter() {
        let Some(registration) = known.iter().find(|r| r.scheme == scheme) else {
            let all = known.iter().map(|r| r.scheme).collect::<Vec<_>>().join(", ");
            return Err(Error::new(
                ErrorKind::InvalidReference,
                format!("option {scheme}.{key} is for the transport {scheme:?}, which is not here"),
            )
            .hint(format!("the known ones are {all}")));
        };
        if !registration.options.contains(&key) {
            let hint = match registration.options {
                [] => format!("{scheme} has no options"),
                options => format!("{scheme} knows {}", options.join(", ")),
            };
            return Err(Error::new(
                ErrorKind::InvalidReference,
                format!("there is no option {scheme}.{key}"),
            )
            .hint(hint));
        }
    }
    Ok(())
}
