//! The one error type of every crate here.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::Hint;

/// What went wrong, to match on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The image, manifest, blob or archive is not there.
    NotFound,
    /// It is there already, and the mode says that it must not be.
    AlreadyExists,
    /// Several images fit what was asked for.
    Ambiguous,
    /// Bytes are not what they have to be: a wrong digest, a malformed document, a torn archive.
    Corrupt,
    /// Permission was refused.
    Denied,
    /// The policy on trust rejects the image: a signature that it needs is not there, or not good.
    Untrusted,
    /// What the caller gave is not well formed or cannot be used: a reference, a name, a platform, an option, a path.
    InvalidInput,
    /// A document, ratio or depth is over its limit.
    LimitExceeded,
    /// The place or this release cannot do it.
    Unsupported,
    /// It cannot be reached now; later it may.
    Unavailable,
    /// Another writer changed the place meanwhile. The same call may succeed.
    Conflict,
    /// The caller gave up.
    Cancelled,
    /// The disk, the quota or the largest size of a file does not allow more.
    NoSpace,
    /// Anything else, I/O errors among them.
    Unexpected,
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => "not found",
            Self::AlreadyExists => "already exists",
            Self::Ambiguous => "ambiguous",
            Self::Corrupt => "corrupt",
            Self::Denied => "denied",
            Self::Untrusted => "untrusted",
            Self::InvalidInput => "invalid input",
            Self::LimitExceeded => "limit exceeded",
            Self::Unsupported => "unsupported",
            Self::Unavailable => "unavailable",
            Self::Conflict => "conflict",
            Self::Cancelled => "cancelled",
            Self::NoSpace => "no space",
            Self::Unexpected => "unexpected",
        })
    }
}

/// A failure: a [kind](ErrorKind) to match on, and what a person needs to read.
///
/// `Display` gives one line, without control characters: the contexts from the outermost in, the message, the
/// cause, and the [`Hint`] where there is one.
///
/// ```
/// use transship_core::{Error, ErrorKind};
/// let e = Error::new(ErrorKind::NotFound, "no image is named \"x:1\"")
///     .hint("it holds y:1 and y:2")
///     .context("docker-archive:a.tar");
/// assert_eq!(e.to_string(), "docker-archive:a.tar: no image is named \"x:1\" (it holds y:1 and y:2)");
/// ```
#[derive(Clone)]
pub struct Error(Box<Parts>);

#[derive(Clone)]
struct Parts {
    kind: ErrorKind,
    message: Cow<'static, str>,
    contexts: Vec<String>,
    hint: Option<Hint>,
    retryable: bool,
    cause: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

/// `std::result::Result` with our [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of a kind; the message says what was found and what was expected.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Parts {
            kind,
            message: message.into(),
            contexts: Vec::new(),
            hint: None,
            retryable: matches!(kind, ErrorKind::Unavailable | ErrorKind::Conflict),
            cause: None,
        }))
    }

    /// An I/O error at a path. The kind follows from the error's own.
    ///
    /// An [`Error`] that travelled inside the `io::Error` is unpacked and keeps its kind.
    pub fn io(doing: &str, path: impl AsRef<Path>, error: io::Error) -> Self {
        match Self::unwrap_io(error) {
            Ok(inner) => inner,
            Err(error) => {
                let message = format!("{doing} {}", path.as_ref().display());
                let kind = ErrorKind::of_io(&error);
                let hint = hint_of(kind, &error);
                let mut made = Self::new(kind, message).caused_by(error);
                made.0.hint = hint.map(Hint::from);
                made
            }
        }
    }

    /// For a file or folder that an option names: if it is not there, the option is wrong, and nothing that was asked for is
    /// missing. `NotFound` becomes `InvalidInput`; other kinds stay.
    #[must_use]
    pub fn of_option(mut self) -> Self {
        if self.0.kind == ErrorKind::NotFound {
            self.0.kind = ErrorKind::InvalidInput;
        }
        self
    }

    /// For what an image refers to: if its source lacks that, the image is damaged, and nothing that was asked for is missing.
    /// `NotFound` becomes `Corrupt`; other kinds stay.
    #[must_use]
    pub fn of_part(mut self) -> Self {
        if self.0.kind == ErrorKind::NotFound {
            self.0.kind = ErrorKind::Corrupt;
        }
        self
    }

    /// Gives back the [`Error`] inside an `io::Error` that [`into_io`](Self::into_io) made.
    ///
    /// # Errors
    /// The `io::Error` itself, when it carries none.
    pub fn unwrap_io(error: io::Error) -> std::result::Result<Self, io::Error> {
        error.downcast::<Self>()
    }

    /// Wraps this error so that it can pass through `std::io::Read` and come out whole.
    pub fn into_io(self) -> io::Error {
        io::Error::other(self)
    }

    /// Says what was being done, to what: shown before everything said so far. What was said last is not said again.
    #[must_use]
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        let context = context.to_string();
        let first = self.0.contexts.last().map_or(&*self.0.message, String::as_str);
        // The same text may be the beginning of another reference.
        let said = first.strip_prefix(&*context);
        if said.is_none_or(|rest| !rest.is_empty() && !rest.starts_with(": ")) {
            self.0.contexts.push(context);
        }
        self
    }

    /// Says what to do about it. The first hint stays.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Hint>) -> Self {
        self.0.hint.get_or_insert(hint.into());
        self
    }

    /// Says what to do about it, in place of the hint that it has.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<Hint>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Keeps the error that led to this one. `Display` shows it, so that the [`source`](std::error::Error::source) is what is
    /// below it.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.cause = Some(Arc::from(cause.into()));
        self
    }

    /// Says whether trying again may help.
    #[must_use]
    pub fn with_retryable(mut self, retryable: bool) -> Self {
        self.0.retryable = retryable;
        self
    }

    /// What to match on.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether the same call may succeed later.
    pub fn retryable(&self) -> bool {
        self.0.retryable
    }

    /// What to do about it, if that is known.
    pub fn advice(&self) -> Option<&Hint> {
        self.0.hint.as_ref()
    }

    /// What `Display` says, without the hint: for programs that have words of their own for hints.
    pub fn without_hint(&self) -> impl fmt::Display {
        WithoutHint(self)
    }

    fn fmt_without_hint(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for context in self.0.contexts.iter().rev() {
            write!(f, "{}: ", Escaped(context))?;
        }
        write!(f, "{}", Escaped(&self.0.message))?;
        match &self.0.cause {
            Some(cause) => write!(f, ": {}", Escaped(&cause.to_string())),
            None => Ok(()),
        }
    }

    /// The message alone, without contexts, cause and hint.
    pub fn message(&self) -> &str {
        &self.0.message
    }
}

impl ErrorKind {
    /// Whether it says what is there: absent, broken, or of a kind that this release cannot read. Every other kind leaves that open:
    /// it could not be reached or read, and another try may tell.
    pub fn is_of_content(self) -> bool {
        matches!(self, Self::NotFound | Self::Corrupt | Self::LimitExceeded | Self::Unsupported)
    }

    /// What an I/O error is, by what a caller can do about it.
    pub(crate) fn of_io(error: &io::Error) -> Self {
        use io::ErrorKind as Io;
        match error.kind() {
            // Below a file there is nothing.
            Io::NotFound | Io::NotADirectory => Self::NotFound,
            Io::AlreadyExists => Self::AlreadyExists,
            Io::PermissionDenied | Io::ReadOnlyFilesystem => Self::Denied,
            Io::UnexpectedEof | Io::InvalidData => Self::Corrupt,
            // A decoder says so of its data; the system says so of a call of ours.
            Io::InvalidInput if error.raw_os_error().is_none() => Self::Corrupt,
            Io::StorageFull | Io::QuotaExceeded | Io::FileTooLarge => Self::NoSpace,
            Io::InvalidFilename | Io::IsADirectory => Self::InvalidInput,
            Io::Unsupported => Self::Unsupported,
            Io::TimedOut
            | Io::ConnectionRefused
            | Io::ConnectionReset
            | Io::ConnectionAborted
            | Io::HostUnreachable
            | Io::NetworkUnreachable
            | Io::NetworkDown
            | Io::StaleNetworkFileHandle
            | Io::ResourceBusy
            | Io::OutOfMemory => Self::Unavailable,
            _ if is_one_of(error, LINK_LOOP) => Self::InvalidInput,
            _ if is_one_of(error, TOO_MANY_FILES) => Self::Unavailable,
            _ => Self::Unexpected,
        }
    }
}

/// ELOOP, which std has no stable name for.
const LINK_LOOP: &[i32] = if cfg!(any(target_os = "linux", target_os = "android")) {
    // Also on MIPS, which has numbers of its own.
    if cfg!(any(target_arch = "mips", target_arch = "mips64")) { &[90] } else { &[40] }
} else if cfg!(unix) {
    &[62]
} else {
    &[]
};

/// EMFILE and ENFILE: the process or the system has too many open files.
const TOO_MANY_FILES: &[i32] = if cfg!(unix) { &[24, 23] } else { &[4] };

fn is_one_of(error: &io::Error, numbers: &[i32]) -> bool {
    error.raw_os_error().is_some_and(|number| numbers.contains(&number))
}

fn hint_of(kind: ErrorKind, error: &io::Error) -> Option<&'static str> {
    match kind {
        ErrorKind::NoSpace => Some("make room there, or choose another place"),
        _ if is_one_of(error, TOO_MANY_FILES) => Some("allow more open files (ulimit -n)"),
        _ => None,
    }
}

struct WithoutHint<'a>(&'a Error);

impl fmt::Display for WithoutHint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt_without_hint(f)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_without_hint(f)?;
        match &self.0.hint {
            Some(hint) => write!(f, " ({})", Escaped(&hint.to_string())),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.0.kind)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.cause.as_deref().and_then(std::error::Error::source)
    }
}

/// Text from outside, with control characters escaped, fit for one line of a terminal.
///
/// So are characters that show nothing, or turn the direction: they would make a name read as another one.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a>(pub &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        for c in self.0.chars() {
            if is_hidden(c) {
                write!(f, "{}", c.escape_default())?;
            } else {
                f.write_char(c)?;
            }
        }
        Ok(())
    }
}

/// Whether a character does not show as what it is.
fn is_hidden(c: char) -> bool {
    // Marks and fillers without a look of their own, which count as letters.
    let blank = matches!(c, '\u{34f}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}');
    if c.is_ascii() || blank {
        return blank || c.is_ascii_control();
    }
    // std escapes all that is no letter, mark, number, sign or plain space: controls, formats, private and unassigned ones.
    // Behind a letter, marks that belong to it stay.
    ['a', c].iter().collect::<String>().escape_debug().count() > 2
}

/// Adds what was being done to the error of a result.
pub trait ResultExt<T> {
    /// See [`Error::context`]; the text is made only for an error.
    fn context<C: fmt::Display>(self, context: impl FnOnce() -> C) -> Result<T>;

    /// `None` in place of an error that is `NotFound`.
    ///
    /// # Errors
    /// All others.
    fn if_found(self) -> Result<Option<T>>;
}

impl<T> ResultExt<T> for Result<T> {
    fn context<C: fmt::Display>(self, context: impl FnOnce() -> C) -> Result<T> {
        self.map_err(|error| error.context(context()))
    }

    fn if_found(self) -> Result<Option<T>> {
        match self {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            found => found.map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_from_the_outside_in() {
        let e = Error::new(ErrorKind::Corrupt, "bad\nbyte")
            .context("layer 1")
            .context("a.tar")
            .hint("copy again");
        assert_eq!(e.to_string(), "a.tar: layer 1: bad\\nbyte (copy again)");
        assert_eq!(format!("{e:?}").lines().count(), 1);
        let e = e.hint("not this").with_hint("copy again; or not");
        assert_eq!(e.to_string(), "a.tar: layer 1: bad\\nbyte (copy again; or not)");
    }

    #[test]
    fn a_context_is_not_said_twice_in_a_row() {
        let e = Error::new(ErrorKind::Corrupt, "bad").context("a.tar").context("a.tar");
        assert_eq!(e.context("list").context("a.tar").to_string(), "a.tar: list: a.tar: bad");
        let e = Error::new(ErrorKind::Corrupt, "dir:ab: bad").context("dir:ab").context("dir:a");
        assert_eq!(e.to_string(), "dir:a: dir:ab: bad");
    }

    #[test]
    fn an_error_survives_a_trip_through_io() {
        let e = Error::new(ErrorKind::Corrupt, "digest").into_io();
        assert_eq!(Error::io("reading", "x", e).kind(), ErrorKind::Corrupt);
        let full = Error::io("writing", "/p", io::Error::from(io::ErrorKind::StorageFull));
        assert!(full.to_string().contains("/p") && full.advice().is_some());
    }

    #[test]
    fn text_from_outside_cannot_move_the_cursor() {
        assert_eq!(Escaped("a\u{1b}[2Jb\u{202e}").to_string(), "a\\u{1b}[2Jb\\u{202e}");
    }

    #[test]
    fn what_does_not_show_is_escaped() {
        let hidden = "\u{7f}\u{85}\u{a0}\u{ad}\u{61c}\u{180e}\u{200b}\u{200f}\u{2028}\u{2029}\u{2060}\u{2064}\u{206f}\u{3164}\u{e000}\u{fe0f}\u{feff}\u{fff9}\u{e0001}\u{e0041}\u{e0100}\u{f0000}\u{10ffff}";
        for c in hidden.chars() {
            assert_eq!(Escaped(&c.to_string()).to_string(), c.escape_default().to_string());
        }
        let shown = "a~ é e\u{301} ß Ж 漢字 ñ ع \" ' \\ € 🦀";
        assert_eq!(Escaped(shown).to_string(), shown);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_the_system_says_has_a_kind() {
        for (number, kind) in [
            (2, ErrorKind::NotFound),
            (20, ErrorKind::NotFound),
            (13, ErrorKind::Denied),
            (30, ErrorKind::Denied),
            (28, ErrorKind::NoSpace),
            (122, ErrorKind::NoSpace),
            (27, ErrorKind::NoSpace),
            (36, ErrorKind::InvalidInput),
            (LINK_LOOP[0], ErrorKind::InvalidInput),
            (21, ErrorKind::InvalidInput),
            (23, ErrorKind::Unavailable),
            (24, ErrorKind::Unavailable),
            (110, ErrorKind::Unavailable),
            (116, ErrorKind::Unavailable),
            (22, ErrorKind::Unexpected),
            (5, ErrorKind::Unexpected),
        ] {
            let error = Error::io("writing", "/p", io::Error::from_raw_os_error(number));
            assert_eq!(error.kind(), kind, "{error}");
            assert_eq!(error.advice().is_some(), matches!(number, 23 | 24 | 27 | 28 | 122));
        }
    }
}
