//! [`TransportOption`]: a setting of a transport, with what people need to know about it.

/// An option that a transport registers: a key of its [`Settings`](crate::Settings), and its documentation, which
/// programs show in their help.
///
/// The help text is one sentence without a full stop. In it, `{side} ` stands for `source `, `destination ` or nothing,
/// depending on which option of the command line the text is shown for.
///
/// ```
/// use transship_core::{OptionSide, TransportOption};
/// const BUSY: TransportOption =
///     TransportOption::value("busy-timeout", "SECONDS", "How long to wait for a locked database");
/// const PUBLIC: TransportOption = TransportOption::flag("public", "Let everybody read the images").writing();
/// assert_eq!((BUSY.value_name, BUSY.side), (Some("SECONDS"), OptionSide::Both));
/// assert_eq!((PUBLIC.value_name, PUBLIC.side), (None, OptionSide::Destination));
/// const CREDS: TransportOption = TransportOption::value("creds", "USER", "Credentials for the {side} registry");
/// assert_eq!(CREDS.help_for(OptionSide::Source), "Credentials for the source registry");
/// assert_eq!(CREDS.help_for(OptionSide::Both), "Credentials for the registry");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransportOption {
    /// The key.
    pub key: &'static str,
    /// What its value is called in help, as `SECONDS`; `None` for a flag, whose value is `true` or `false`.
    pub value_name: Option<&'static str>,
    /// What it does.
    pub help: &'static str,
    /// Where it has a meaning.
    pub side: OptionSide,
}

/// Where an option has a meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionSide {
    /// For reading and for writing.
    Both,
    /// For reading alone.
    Source,
    /// For writing alone.
    Destination,
}

impl TransportOption {
    /// An option with a value.
    pub const fn value(key: &'static str, value_name: &'static str, help: &'static str) -> Self {
        Self { key, value_name: Some(value_name), help, side: OptionSide::Both }
    }

    /// An option that is `true` or `false`. On a command line, its name alone is `true`.
    pub const fn flag(key: &'static str, help: &'static str) -> Self {
        Self { key, value_name: None, help, side: OptionSide::Both }
    }

    /// Has a meaning for reading alone.
    #[must_use]
    pub const fn reading(self) -> Self {
        Self { side: OptionSide::Source, ..self }
    }

    /// Has a meaning for writing alone.
    #[must_use]
    pub const fn writing(self) -> Self {
        Self { side: OptionSide::Destination, ..self }
    }

    /// Whether it is a flag.
    pub const fn is_flag(&self) -> bool {
        self.value_name.is_none()
    }

    /// Whether a source takes it.
    pub const fn reads(&self) -> bool {
        !matches!(self.side, OptionSide::Destination)
    }

    /// Whether a destination takes it.
    pub const fn writes(&self) -> bool {
        !matches!(self.side, OptionSide::Source)
    }

    /// The help text for an option of the command line that is for a side.
    pub fn help_for(&self, side: OptionSide) -> String {
        self.help.replace(
            "{side} ",
            match side {
                OptionSide::Both => "",
                OptionSide::Source => "source ",
                OptionSide::Destination => "destination ",
            },
        )
    }
}
