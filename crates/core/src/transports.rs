//! [`Transports`]: the transports that a program knows, and how they come to be known.

use std::path::Path;
use std::sync::Arc;

use crate::{
    Candidate, Error, ErrorKind, ReadOptions, Recognized, Reference, Result, Settings, Transport,
    TransportOption, run_blocking,
};

/// What a transport's crate submits with [`register_transport!`](crate::register_transport).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Registration {
    /// The scheme.
    pub scheme: &'static str,
    /// The options that it knows: keys of [`Settings`], with their documentation.
    pub options: &'static [TransportOption],
    /// Makes the transport.
    pub build: fn(&Settings) -> Result<Arc<dyn Transport>>,
}

impl Registration {
    /// For [`register_transport!`](crate::register_transport).
    pub const fn new(
        scheme: &'static str,
        options: &'static [TransportOption],
        build: fn(&Settings) -> Result<Arc<dyn Transport>>,
    ) -> Self {
        Self { scheme, options, build }
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
/// It takes the scheme; the [options](TransportOption) of the transport, with the help that the command shows for them; and
/// a function that makes the transport. Settings with other keys are refused before the transport is made. The function gets
/// the settings of all transports; its own are `settings.get("sqlite", "busy-timeout")`.
///
/// ```ignore
/// register_transport!(
///     "sqlite",
///     [TransportOption::value("busy-timeout", "SECONDS", "How long to wait for a locked database [default: 60]")],
///     |settings| Ok(Arc::new(Sqlite::new(settings)?)),
/// );
/// ```
#[macro_export]
macro_rules! register_transport {
    ($scheme:expr, [$($option:expr),* $(,)?], $build:expr $(,)?) => {
        $crate::inventory::submit! {
            $crate::Registration::new($scheme, &[$($option),*], $build)
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
    /// `Unexpected` when two crates claim one scheme; `InvalidInput` for a setting that no linked transport knows;
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
    /// `InvalidInput`, listing the known ones.
    pub fn get(&self, scheme: &str) -> Result<&Arc<dyn Transport>> {
        self.0.binary_search_by_key(&scheme, |t| t.scheme()).map(|at| &self.0[at]).map_err(|_| {
            Error::new(ErrorKind::InvalidInput, format!("there is no transport {scheme:?}"))
                .hint(format!("the known ones are {}", self.schemes()))
        })
    }

    /// Parses `scheme:locator`.
    ///
    /// # Errors
    /// `InvalidInput` with the reason.
    pub fn parse(&self, text: &str) -> Result<Reference> {
        let Some((scheme, locator)) = text.split_once(':') else {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("{text:?} names no transport"),
            )
            .hint(format!("the form is TRANSPORT:PLACE, with one of {}", self.schemes())));
        };
        self.get(scheme)?.parse(locator).map_err(|e| e.context(text))
    }

    /// Recognizes what is at a path, or on the standard input for `-`: the transport, and the locator of the place.
    ///
    /// # Errors
    /// If no transport recognizes it, the first error of one that looked at it; else `InvalidInput` for a folder and
    /// `Corrupt` for a file. I/O errors.
    pub async fn recognize(
        &self,
        path: &Path,
        how: &ReadOptions,
    ) -> Result<(Arc<dyn Transport>, Recognized)> {
        let (this, path, how) = (self.clone(), path.to_owned(), how.clone());
        run_blocking(move |cancel| {
            let found = Candidate::look(path, &how)?;
            let mut failed = None;
            for transport in &this.0 {
                match transport.recognize(&found, cancel) {
                    Ok(Some(recognized)) => return Ok((Arc::clone(transport), recognized)),
                    Ok(None) => {}
                    Err(error) => failed = failed.or(Some(error)),
                }
            }
            Err(failed.unwrap_or_else(|| found.unknown()))
        })
        .await
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
                ErrorKind::InvalidInput,
                format!("option {scheme}.{key} is for the transport {scheme:?}, which is not here"),
            )
            .hint(format!("the known ones are {all}")));
        };
        if !registration.options.iter().any(|option| option.key == key) {
            let keys: Vec<&str> = registration.options.iter().map(|option| option.key).collect();
            let hint = match keys.as_slice() {
                [] => format!("{scheme} has no options"),
                keys => format!("the options of {scheme} are {}", keys.join(", ")),
            };
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("there is no option {scheme}.{key}"),
            )
            .hint(hint));
        }
    }
    Ok(())
}
