//! `transship transports`.

use serde::Serialize;
use transship::transport::{OptionSide, Registration, Transport, TransportOption};
use transship::{Settings, Transports, WriteMode};

use crate::args;
use crate::exit::{Done, Result};
use crate::output;

#[derive(Serialize)]
struct Listed {
    transports: Vec<One>,
}

#[derive(Serialize)]
struct One {
    scheme: &'static str,
    syntax: &'static str,
    images: Images,
    existing: Existing,
    /// Their keys.
    options: Vec<&'static str>,
    option_details: Vec<Details>,
}

#[derive(Serialize)]
struct Details {
    key: &'static str,
    /// `null` for a flag.
    value: Option<&'static str>,
    help: String,
    source: bool,
    destination: bool,
}

/// How many images a place holds.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum Images {
    One,
    Several,
}

/// What writing does with a place that is there already.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum Existing {
    Refused,
    Replaced,
    Joined,
}

pub(super) fn run(args: &args::Transports) -> Result {
    let linked = Transports::linked(&Settings::new())?;
    let listed = Listed { transports: linked.iter().map(|t| One::of(&**t)).collect() };
    args.output.print(&listed, || table(&listed.transports))?;
    Ok(Done::Success)
}

impl One {
    fn of(transport: &dyn Transport) -> Self {
        let scheme = transport.scheme();
        let registration = Registration::linked().into_iter().find(|r| r.scheme == scheme);
        let options = registration.map_or(&[][..], |registration| registration.options);
        Self {
            scheme,
            syntax: transport.syntax(),
            images: if transport.archives().is_some() { Images::Several } else { Images::One },
            existing: match transport.default_mode() {
                WriteMode::Replace => Existing::Replaced,
                WriteMode::Append => Existing::Joined,
                _ => Existing::Refused,
            },
            options: options.iter().map(|option| option.key).collect(),
            option_details: options.iter().map(Details::from).collect(),
        }
    }
}

impl From<&TransportOption> for Details {
    fn from(option: &TransportOption) -> Self {
        Self {
            key: option.key,
            value: option.value_name,
            help: option.help_for(OptionSide::Both),
            source: option.reads(),
            destination: option.writes(),
        }
    }
}

fn table(transports: &[One]) -> String {
    let rows = transports.iter().map(|one| {
        let images = match one.images {
            Images::One => "one",
            Images::Several => "several",
        };
        let existing = match one.existing {
            Existing::Refused => "refused",
            Existing::Replaced => "replaced",
            Existing::Joined => "joined",
        };
        vec![
            format!("{}:{}", one.scheme, one.syntax),
            images.to_owned(),
            existing.to_owned(),
            one.options.join(", "),
        ]
    });
    output::table(["REFERENCE", "IMAGES", "EXISTING", "OPTIONS"], rows)
}
