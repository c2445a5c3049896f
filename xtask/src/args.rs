//! The few options that the subcommands take.

use std::fmt::Display;
use std::str::FromStr;

use crate::sh::Result;

/// The words behind the subcommand, taken out one by one.
pub(crate) struct Args {
    words: Vec<String>,
}

impl Args {
    pub(crate) fn new(words: impl Iterator<Item = String>) -> Self {
        Self { words: words.collect() }
    }

    /// Whether the option is there.
    pub(crate) fn flag(&mut self, name: &str) -> bool {
        let before = self.words.len();
        self.words.retain(|word| word != name);
        self.words.len() < before
    }

    /// What follows the option, as `--name VALUE` or `--name=VALUE`.
    pub(crate) fn value(&mut self, name: &str) -> Result<Option<String>> {
        let prefix = format!("{name}=");
        let Some(at) = self.words.iter().position(|word| word == name || word.starts_with(&prefix))
        else {
            return Ok(None);
        };
        let word = self.words.remove(at);
        if let Some(value) = word.strip_prefix(&prefix) {
            return Ok(Some(value.to_owned()));
        }
        if at < self.words.len() {
            return Ok(Some(self.words.remove(at)));
        }
        Err(format!("{name} wants a value"))
    }

    /// The same as a number.
    pub(crate) fn number<T: FromStr<Err: Display>>(&mut self, name: &str, default: T) -> Result<T> {
        match self.value(name)? {
            Some(text) => text.parse().map_err(|e| format!("{name} {text}: {e}")),
            None => Ok(default),
        }
    }

    /// The first word that is no option. To be asked for when all options are taken.
    pub(crate) fn word(&mut self) -> Option<String> {
        let at = self.words.iter().position(|word| !word.starts_with('-'))?;
        Some(self.words.remove(at))
    }

    /// Refuses what nobody took.
    pub(crate) fn finish(&self) -> Result<()> {
        match self.words.first() {
            None => Ok(()),
            Some(word) => Err(format!("there is no option {word:?} here (see cargo xtask help)")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Args;

    fn args(words: &str) -> Args {
        Args::new(words.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn takes_flags_and_values_in_any_order() {
        let mut args = args("--runs 3 --require-peers --filter=dir");
        assert!(args.flag("--require-peers"));
        assert!(!args.flag("--require-peers"));
        assert_eq!(args.value("--filter").unwrap().as_deref(), Some("dir"));
        assert_eq!((args.number("--runs", 5), args.number("--runs", 5)), (Ok(3), Ok(5)));
        args.finish().unwrap();
        let mut args = self::args("--path there name");
        assert_eq!(args.value("--path").unwrap().as_deref(), Some("there"));
        assert_eq!((args.word().as_deref(), args.word()), (Some("name"), None));
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        assert!(args("--fast").finish().is_err());
        assert!(args("--runs").value("--runs").is_err());
        assert!(args("--runs many").number("--runs", 1).is_err());
    }
}
