//! How to read and write: [`ReadOptions`], [`WriteOptions`], [`WriteMode`], and a transport's [`Settings`].

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::{Cache, Error, ErrorKind, ImageName, Passed, Reference, Result};

/// Builders of options: a method for each field.
#[doc(hidden)]
#[macro_export]
macro_rules! setters {
    ($($with:ident($field:ident: $type:ty))*) => {
        $(
            #[doc = concat!("Sets [`", stringify!($field), "`](Self::", stringify!($field), ").")]
            #[must_use]
            pub fn $with(mut self, $field: impl Into<$type>) -> Self {
                self.$field = $field.into();
                self
            }
        )*
    };
}

/// What writing does with an archive that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WriteMode {
    /// It must not be there; else `AlreadyExists`.
    Create,
    /// It is replaced as a whole, at once, when the new one is complete.
    Replace,
    /// It is joined: its images stay, byte for byte.
    ///
    /// - Where it is replaced meanwhile, what replaced it is joined, or it fails as `Conflict`.
    /// - What cannot be read is not joined: it stays as it is.
    Append,
}

/// Something worth telling that is neither a result nor an error.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Notice {
    /// The work goes on, but the caller should know.
    Warning(String),
    /// A try failed and is made again.
    Retrying {
        /// What is being done again.
        what: String,
        /// Why the last try failed.
        why: String,
    },
    /// A request to a server, and its answer, in one line without secrets.
    Request(String),
    /// The request goes out now after which the image can be opened by this reference. Until
    /// [`Published`](Self::Published) or an error follows, whether it can is not known.
    Publishing(Reference),
    /// The image can be opened by this reference now, although its commit goes on: a registry gets one tag after the other.
    Published(Reference),
    /// A commit of this reference was given up before it published anything.
    GivenUp(Reference),
    /// This name has gone with the image that was deleted, or would go in a dry run.
    Deleted(Reference),
}

/// Receives [`Notice`]s. It must return at once: it is called from the middle of the work.
#[derive(Clone, Default)]
pub struct Observer(Option<Arc<dyn Fn(Notice) + Send + Sync>>);

impl Observer {
    /// An observer that calls a function.
    pub fn new(f: impl Fn(Notice) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(f)))
    }

    /// Tells it.
    pub fn notify(&self, notice: Notice) {
        if let Some(f) = &self.0 {
            f(notice);
        }
    }

    /// Tells it a [`Notice::Warning`].
    pub fn warn(&self, text: impl Into<String>) {
        self.notify(Notice::Warning(text.into()));
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Observer(set)" } else { "Observer(none)" })
    }
}

/// How to read.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ReadOptions {
    /// Hears warnings and retries.
    pub observer: Observer,
    /// The folder for unnamed temporary files: what comes from a pipe, or out of a compressed archive.
    /// `None`: `$TMPDIR`, else `/var/tmp`.
    pub spool: Option<PathBuf>,
    /// What [`OnePass::pass`](crate::OnePass::pass) gave for the archive: it is read instead of the place.
    pub passed: Option<Passed>,
    /// The caller asks for [`ImageSource::root_descriptor`](crate::ImageSource::root_descriptor) first, and may need no more. Where
    /// [`Transport::compares_roots`](crate::Transport::compares_roots), opening an image asks for that alone, and leaves reading
    /// the root to [`ImageSource::root`](crate::ImageSource::root).
    pub compare: bool,
}

impl ReadOptions {
    crate::setters! {
        with_observer(observer: Observer)
        with_spool(spool: Option<PathBuf>)
        with_passed(passed: Option<Passed>)
        with_compare(compare: bool)
    }
}

/// How to write one image or an archive.
///
/// - Each transport heeds the mode, the names and the names to fall back to. All else it may ignore where it has no use for it.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct WriteOptions {
    /// What to do with an archive that is there already; `None`: as the transport does by default.
    pub mode: Option<WriteMode>,
    /// Names for the image, beside the one in the reference.
    pub names: Vec<ImageName>,
    /// Names for when neither the reference nor `names` gives one. A transport takes of these what it can hold.
    pub fallback_names: Vec<ImageName>,
    /// Hears warnings and retries.
    pub observer: Observer,
    /// As in [`ReadOptions::spool`].
    pub spool: Option<PathBuf>,
    /// Knows what is there and true, so that it need not be read again. None by default.
    pub cache: Cache,
    /// How long to wait for a lock that another process holds on the place; then it fails as `Unavailable`. `None`: for as
    /// long as it is held. The observer hears of a wait after a second.
    pub lock_timeout: Option<Duration>,
}

/// How to delete.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct DeleteOptions {
    /// Hears warnings.
    pub observer: Observer,
    /// As in [`WriteOptions::lock_timeout`].
    pub lock_timeout: Option<Duration>,
    /// Which names of an image go that is chosen by one of them.
    pub names: DeletedNames,
    /// Whether anything is deleted.
    pub mode: DeleteMode,
    /// Names that are to go as well, with deletions of their own: a name that cannot go without them takes them along.
    pub also: Arc<[Reference]>,
}

/// Which names of an image go that is chosen by one of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeletedNames {
    /// That one. The image stays under the others.
    #[default]
    Given,
    /// All of them, and the image.
    All,
}

/// Whether anything is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeleteMode {
    /// The image or name is deleted.
    #[default]
    Delete,
    /// Nothing changes. Whether the image is there is found out.
    Look,
}

impl DeleteOptions {
    crate::setters! {
        with_observer(observer: Observer)
        with_lock_timeout(lock_timeout: Option<Duration>)
        with_names(names: DeletedNames)
        with_mode(mode: DeleteMode)
        with_also(also: Arc<[Reference]>)
    }
}

impl WriteOptions {
    crate::setters! {
        with_mode(mode: Option<WriteMode>)
        with_names(names: Vec<ImageName>)
        with_fallback_names(fallback_names: Vec<ImageName>)
        with_observer(observer: Observer)
        with_spool(spool: Option<PathBuf>)
        with_cache(cache: Cache)
        with_lock_timeout(lock_timeout: Option<Duration>)
    }
}

/// The folder for unnamed temporary files: as given, else `$TMPDIR` where it is not empty, else `/var/tmp`. On Windows,
/// the system's own.
///
/// Not `/tmp`: it is often in memory, and archives are large.
pub fn spool_folder(given: Option<&PathBuf>) -> PathBuf {
    given
        .cloned()
        .or_else(|| spool_of(std::env::var_os("TMPDIR")))
        .unwrap_or_else(|| if cfg!(windows) { std::env::temp_dir() } else { "/var/tmp".into() })
}

fn spool_of(variable: Option<OsString>) -> Option<PathBuf> {
    variable.filter(|folder| !folder.is_empty()).map(PathBuf::from)
}

/// Values for transports, as `scheme.key=value`.
///
/// Values that may be secret (their key has `creds`, `token` or `password` in it) do not show in `Debug` output and errors.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Settings(BTreeMap<String, String>);

impl Settings {
    /// No settings.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets `scheme.key` to a value; a later one wins.
    #[must_use]
    pub fn with(mut self, scheme: &str, key: &str, value: impl Into<String>) -> Self {
        self.0.insert(format!("{scheme}.{key}"), value.into());
        self
    }

    /// Takes a setting as it stands on a command line: `scheme.key=value`.
    ///
    /// # Errors
    /// `InvalidInput` when it is not of that form.
    pub fn set(&mut self, text: &str) -> Result<()> {
        let parsed = text.split_once('=').filter(|(key, _)| {
            key.split_once('.').is_some_and(|(s, k)| !s.is_empty() && !k.is_empty())
        });
        let Some((key, value)) = parsed else {
            // What follows may be a secret.
            let text = text.split_once('=').map_or(text, |(key, _)| key);
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("option {text:?} is not of the form scheme.key=value"),
            ));
        };
        self.0.insert(key.to_owned(), value.to_owned());
        Ok(())
    }

    /// The value of `scheme.key`.
    pub fn get(&self, scheme: &str, key: &str) -> Option<&str> {
        self.0.get(&format!("{scheme}.{key}")).map(String::as_str)
    }

    /// All of them, as `(scheme, key, value)`, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.0
            .iter()
            .filter_map(|(name, value)| name.split_once('.').map(|(s, k)| (s, k, value.as_str())))
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secret =
            |name: &str| ["creds", "token", "password"].iter().any(|word| name.contains(word));
        let shown =
            self.0.iter().map(|(name, value)| (name, if secret(name) { "***" } else { value }));
        f.debug_map().entries(shown).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_variable_names_no_folder() {
        assert_eq!(spool_of(Some("/x".into())), Some("/x".into()));
        assert_eq!((spool_of(Some(OsString::new())), spool_of(None)), (None, None));
    }

    #[test]
    fn settings_from_a_command_line() {
        let mut settings = Settings::new();
        settings.set("oci.shared-blob-dir=/x=y").unwrap();
        assert_eq!(settings.get("oci", "shared-blob-dir"), Some("/x=y"));
        settings.set("docker.creds=me:hunter2").unwrap();
        let shown = format!("{settings:?}");
        assert!(shown.contains("/x=y") && !shown.contains("hunter2"), "{shown}");
        let error = settings.set("creds=me:hunter2").unwrap_err().to_string();
        assert!(error.contains("\"creds\"") && !error.contains("hunter2"), "{error}");
        for bad in ["oci", "oci.=", ".k=v", "k=v"] {
            assert_eq!(settings.set(bad).unwrap_err().kind(), ErrorKind::InvalidInput, "{bad}");
        }
    }
}
