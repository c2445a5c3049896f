//! The options of transports on the command line: `-o scheme.key=value` for both sides, `--KEY` too where
//! that is no other option, `--src-KEY` and `--dest-KEY` for one. The keys are those that the linked transports registered, a third party's too.

use std::collections::BTreeMap;

use clap::{Arg, ArgMatches, CommandFactory};
use transship::{Registration, Settings};

use crate::args::Cli;

/// Settings for one side alone.
#[derive(Debug, Default)]
pub(crate) struct Sides {
    pub(crate) source: Settings,
    pub(crate) destination: Settings,
}

/// The option of `copy` for all archives.
const ARCHIVE_COMPRESS: &str = "archive_compress";

/// Keys that are about writing alone: a source has no use for them.
const OF_WRITING: [&str; 2] = ["archive-compress", "docker-manifest"];

/// Commands that have one side.
const READERS: [&str; 3] = ["list", "inspect", "verify"];

/// The whole command, with the options of the linked transports.
pub(crate) fn command() -> clap::Command {
    let keys = keys();
    let command = READERS.iter().fold(Cli::command(), |command, name| {
        command.mut_subcommand(name, |reader| {
            let keys = keys.iter().filter(|(key, _)| !OF_WRITING.contains(*key));
            keys.fold(reader, |reader, (key, schemes)| {
                let of = schemes.join(", ");
                both(reader, key, |arg| arg.help(format!("Set {key} ({of})")))
            })
        })
    });
    command.mut_subcommand("copy", |copy| {
        keys.iter().fold(copy, |copy, (key, schemes)| {
            let of = schemes.join(", ");
            // The two for one side say what there is.
            let mut copy = both(copy, key, |arg| arg.hide(true));
            if !OF_WRITING.contains(key) {
                copy = copy.arg(option("src", key, format!("Set {key} of the source ({of})")));
            }
            copy.arg(option("dest", key, format!("Set {key} of the destination ({of})")))
        })
    })
}

/// `--KEY`, for all sides that there are, unless the command has an option of its own with that name.
fn both(command: clap::Command, key: &'static str, more: impl FnOnce(Arg) -> Arg) -> clap::Command {
    if command.get_arguments().any(|known| known.get_long() == Some(key)) {
        return command;
    }
    let arg = Arg::new(format!("both-{key}")).long(key).value_name("VALUE");
    command.arg(more(arg.help_heading("Transports")))
}

/// What was set for the sides. A key that several transports know is set for each of them.
pub(crate) fn settings(matches: &ArgMatches) -> Sides {
    let Some((name, matches)) = matches.subcommand() else { return Sides::default() };
    if name != "copy" && !READERS.contains(&name) {
        return Sides::default();
    }
    let given = |id: &str| matches.try_get_one::<String>(id).ok().flatten();
    let side = |prefix: &str| {
        keys().iter().fold(Settings::new(), |settings, (key, schemes)| {
            let value = given(&format!("{prefix}-{key}")).or_else(|| given(&format!("both-{key}")));
            let Some(value) = value else { return settings };
            schemes.iter().fold(settings, |settings, scheme| settings.with(scheme, key, value))
        })
    };
    let mut destination = side("dest");
    if name == "copy" && matches.get_flag("no_docker_manifest") {
        destination = destination.with("oci-archive", "docker-manifest", "false");
    }
    if let ("copy", Some(form)) = (name, given(ARCHIVE_COMPRESS)) {
        let of = keys().remove("archive-compress").unwrap_or_default();
        let with = |all: Settings, scheme: &str| all.with(scheme, "archive-compress", form);
        destination = of.iter().fold(destination, |all, scheme| with(all, scheme));
    }
    Sides { source: side("src"), destination }
}

fn option(prefix: &str, key: &str, help: String) -> Arg {
    let name = format!("{prefix}-{key}");
    Arg::new(name.clone()).long(name).value_name("VALUE").help(help).help_heading("Transports")
}

/// Whether a transport knows a key.
pub(crate) fn knows(scheme: &str, key: &str) -> bool {
    keys().get(key).is_some_and(|schemes| schemes.contains(&scheme))
}

fn keys() -> BTreeMap<&'static str, Vec<&'static str>> {
    let mut keys = BTreeMap::<_, Vec<_>>::new();
    for registration in Registration::linked() {
        for key in registration.options {
            keys.entry(*key).or_default().push(registration.scheme);
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_definitions_hold_together() {
        super::command().debug_assert();
    }
}
