//! The options of transports on the command line: `-o scheme.key=value` and `--KEY` for both sides, `--src-KEY` and
//! `--dest-KEY` for one. They come from what the linked transports registered, a third party's too.

use std::collections::BTreeMap;
use std::ffi::OsString;

use clap::{Arg, ArgMatches, CommandFactory};
use transship::Settings;
use transship::transport::{OptionSide, Registration, TransportOption};

use crate::args::Cli;

/// Settings for one side alone.
#[derive(Debug, Default)]
pub(crate) struct Sides {
    pub(crate) source: Settings,
    pub(crate) destination: Settings,
}

/// The option of `copy` for all archives.
const ARCHIVE_COMPRESS: &str = "archive_compress";

/// Commands that have one side.
const ONE_SIDED: &[&str] = &[
    "list",
    "inspect",
    "verify",
    "digests",
    "delete",
    "gc",
    "sign",
    #[cfg(feature = "serve")]
    "serve",
];

/// Commands with options for each side.
const TWO_SIDED: [&str; 2] = ["copy", "sync"];

/// A key, and the transports that know it with what they say about it.
#[derive(Default)]
struct Key(Vec<(&'static str, &'static TransportOption)>);

/// The whole command, with the options of the linked transports.
pub(crate) fn command() -> clap::Command {
    let keys = keys();
    let command = ONE_SIDED.iter().fold(Cli::command(), |command, name| {
        command.mut_subcommand(name, |reader| {
            let keys = keys.iter().filter(|(_, key)| key.reads());
            keys.fold(reader, |reader, (name, key)| both(reader, name, key, Shown::InLongHelp))
        })
    });
    TWO_SIDED.iter().fold(command, |command, name| {
        command.mut_subcommand(name, |copy| {
            keys.iter().fold(copy, |copy, (name, key)| {
                // The two for one side are shown.
                let mut copy = both(copy, name, key, Shown::No);
                if key.reads() {
                    copy = copy.arg(key.arg(format!("src-{name}"), OptionSide::Source));
                }
                if key.writes() {
                    copy = copy.arg(key.arg(format!("dest-{name}"), OptionSide::Destination));
                }
                copy
            })
        })
    })
}

/// Whether help shows an option.
#[derive(Clone, Copy, PartialEq)]
enum Shown {
    InLongHelp,
    No,
}

/// `--KEY`, for all sides that there are, unless the command has an option of its own with that name.
fn both(command: clap::Command, name: &'static str, key: &Key, shown: Shown) -> clap::Command {
    if command.get_arguments().any(|known| known.get_long() == Some(name)) {
        return command;
    }
    let arg = key.arg(name.to_owned(), OptionSide::Both).id(format!("both-{name}"));
    command.arg(arg.hide(shown == Shown::No))
}

impl Key {
    /// Whether it takes no value. Where one transport says so and another does not, it takes one.
    fn is_flag(&self) -> bool {
        self.0.iter().all(|(_, option)| option.is_flag())
    }

    fn reads(&self) -> bool {
        self.0.iter().any(|(_, option)| option.reads())
    }

    fn writes(&self) -> bool {
        self.0.iter().any(|(_, option)| option.writes())
    }

    fn arg(&self, long: String, side: OptionSide) -> Arg {
        let arg = Arg::new(long.clone()).long(long).help(self.help(side)).hide_short_help(true);
        let arg = arg.help_heading(self.heading());
        if self.is_flag() {
            let arg = arg.value_name("BOOL").num_args(0..=1).require_equals(true);
            return arg.default_missing_value("true");
        }
        arg.value_name(self.0.iter().find_map(|(_, option)| option.value_name).unwrap_or("VALUE"))
    }

    fn help(&self, side: OptionSide) -> String {
        let mut helps: Vec<String> = Vec::new();
        for (_, option) in &self.0 {
            let help = option.help_for(side);
            if !helps.contains(&help) {
                helps.push(help);
            }
        }
        helps.join("; ")
    }

    fn heading(&self) -> String {
        let schemes: Vec<String> = self.0.iter().map(|(scheme, _)| (*scheme).to_owned()).collect();
        format!("Options for {}", schemes.join(" and "))
    }

    fn schemes(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|(scheme, _)| *scheme)
    }
}

/// What was typed, with `--FLAG true` and `--FLAG false` as `--FLAG=true` and `--FLAG=false`: a flag takes nothing else of
/// what stands behind it.
pub(crate) fn joined(typed: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let keys = keys();
    let is_flag = |text: &OsString| {
        let name = text.to_str().and_then(|text| text.strip_prefix("--"))?;
        let name =
            ["src-", "dest-"].iter().find_map(|side| name.strip_prefix(side)).unwrap_or(name);
        keys.get(name).filter(|key| key.is_flag())
    };
    let (mut all, mut options): (Vec<OsString>, _) = (Vec::new(), true);
    for next in typed {
        options &= next != "--";
        let value = next == "true" || next == "false";
        match all.last_mut() {
            Some(last) if options && value && is_flag(last).is_some() => {
                last.push("=");
                last.push(next);
            }
            _ => all.push(next),
        }
    }
    all
}

/// What was set for the sides. A key that several transports know is set for each of them.
pub(crate) fn settings(matches: &ArgMatches) -> Sides {
    let Some((name, matches)) = matches.subcommand() else { return Sides::default() };
    if !TWO_SIDED.contains(&name) && !ONE_SIDED.contains(&name) {
        return Sides::default();
    }
    let given = |id: &str| matches.try_get_one::<String>(id).ok().flatten();
    let side = |prefix: &str| {
        keys().iter().fold(Settings::new(), |settings, (name, key)| {
            let value =
                given(&format!("{prefix}-{name}")).or_else(|| given(&format!("both-{name}")));
            let Some(value) = value else { return settings };
            key.schemes().fold(settings, |settings, scheme| settings.with(scheme, name, value))
        })
    };
    let mut destination = side("dest");
    if name == "copy" && matches.get_flag("no_docker_manifest") {
        destination = destination.with("oci-archive", "docker-manifest", "false");
    }
    if let ("copy", Some(form)) = (name, given(ARCHIVE_COMPRESS)) {
        let of = keys().remove("archive-compress").unwrap_or_default();
        let with = |all: Settings, scheme: &str| all.with(scheme, "archive-compress", form);
        destination = of.schemes().fold(destination, with);
    }
    Sides { source: side("src"), destination }
}

pub(crate) fn knows(scheme: &str, key: &str) -> bool {
    keys().get(key).is_some_and(|key| key.schemes().any(|known| known == scheme))
}

fn keys() -> BTreeMap<&'static str, Key> {
    let mut keys = BTreeMap::<_, Key>::new();
    for registration in Registration::linked() {
        for option in registration.options {
            keys.entry(option.key).or_default().0.push((registration.scheme, option));
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definitions_hold_together() {
        command().debug_assert();
    }

    #[cfg(all(feature = "registry", feature = "oci-layout"))]
    #[test]
    fn flags_take_nothing_that_stands_behind_them() {
        for (line, source) in [
            ("copy --src-no-creds oci:a oci:b", Some("true")),
            ("copy --no-creds oci:a oci:b", Some("true")),
            ("copy --src-no-creds=false oci:a oci:b", Some("false")),
            ("copy --src-no-creds false oci:a oci:b", Some("false")),
            ("copy oci:a oci:b --no-creds true", Some("true")),
            ("copy oci:a oci:b --dest-no-creds", None),
            ("list --no-creds docker://x.y/z", Some("true")),
            ("digests --no-creds docker://x.y/z", Some("true")),
            ("delete --no-creds oci:z", Some("true")),
            ("gc --no-creds oci:z", Some("true")),
            ("sign --no-creds --key k oci:z", Some("true")),
        ] {
            let typed = line.split(' ').map(OsString::from);
            let typed = joined([OsString::from("transship")].into_iter().chain(typed));
            let matches = command().try_get_matches_from(typed).unwrap();
            assert_eq!(settings(&matches).source.get("docker", "no-creds"), source, "{line}");
        }
        let text = |typed: &[&str]| joined(typed.iter().map(OsString::from)).len();
        assert_eq!(text(&["copy", "--", "--no-creds", "true"]), 4);
        assert_eq!(text(&["copy", "--creds", "true"]), 3);
    }

    #[cfg(feature = "registry")]
    #[test]
    fn each_command_with_references_has_the_options_of_their_transports() {
        for command in command().get_subcommands() {
            let has = |long| command.get_arguments().any(|arg| arg.get_long() == Some(long));
            let is_of_accounts = matches!(command.get_name(), "login" | "logout");
            assert!(is_of_accounts || has("option") == has("creds"), "{}", command.get_name());
        }
    }

    #[cfg(feature = "registry")]
    #[test]
    fn sources_have_no_options_of_writing() {
        for line in [
            "copy --src-chunk-size 1 oci:a oci:b",
            "copy --src-sparse oci:a oci:b",
            "list --chunk-size 1 oci:a",
        ] {
            let typed = format!("transship {line}");
            assert!(command().try_get_matches_from(typed.split(' ')).is_err(), "{line}");
        }
    }
}
