//! The options of transports on the command line: `-o scheme.key=value` for both sides, `--src-KEY` and `--dest-KEY`
//! for one. The keys are those that the linked transports registered, a third party's too.

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

/// The whole command, with the options of the linked transports.
pub(crate) fn command() -> clap::Command {
    let keys = keys();
    Cli::command().mut_subcommand("copy", |copy| {
        keys.iter().fold(copy, |copy, (key, schemes)| {
            let of = schemes.join(", ");
            copy.arg(option("src", key, format!("Set {key} of the source ({of})"))).arg(option(
                "dest",
                key,
                format!("Set {key} of the destination ({of})"),
            ))
        })
    })
}

/// What was set for one side alone. A key that several transports know is set for each of them.
pub(crate) fn settings(matches: &ArgMatches) -> Sides {
    let Some(copy) = matches.subcommand_matches("copy") else { return Sides::default() };
    let side = |prefix: &str| {
        keys().iter().fold(Settings::new(), |settings, (key, schemes)| {
            let Some(value) = copy.get_one::<String>(&format!("{prefix}-{key}")) else {
                return settings;
            };
            schemes.iter().fold(settings, |settings, scheme| settings.with(scheme, key, value))
        })
    };
    let mut destination = side("dest");
    if copy.get_flag("no_docker_manifest") {
        destination = destination.with("oci-archive", "docker-manifest", "false");
    }
    Sides { source: side("src"), destination }
}

fn option(prefix: &str, key: &str, help: String) -> Arg {
    let name = format!("{prefix}-{key}");
    Arg::new(name.clone()).long(name).value_name("VALUE").help(help).help_heading("Transports")
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
