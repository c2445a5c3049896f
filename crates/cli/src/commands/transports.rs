//! `transship transports`.

use serde::Serialize;
use transship::{Registration, Settings, Transport, Transports, WriteMode};

use crate::args;
use crate::exit::{Done, Result};
use crate::output;

/// The JSON value.
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
    options: &'static [&'static str],
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
    if args.output.json {
        output::print_json(&listed)?;
    } else {
        output::print(&table(&listed.transports))?;
    }
    Ok(Done::Well)
}

impl One {
    fn of(transport: &dyn Transport) -> Self {
        let scheme = transport.scheme();
        let registration = Registration::linked().into_iter().find(|r| r.scheme == scheme);
        Self {
            scheme,
            syntax: transport.syntax(),
            images: if transport.archives().is_some() { Images::Several } else { Images::One },
            existing: match transport.default_mode() {
                WriteMode::Replace => Existing::Replaced,
                WriteMode::Append => Existing::Joined,
                _ => Existing::Refused,
            },
            options: registration.map_or(&[], |r| r.options),
        }
    }
}

fn table(transports: &[One]) -> String {
    let head = ["REFERENCE", "IMAGES", "EXISTING", "OPTIONS"].map(str::to_owned).to_vec();
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
    output::columns(&[head].into_iter().chain(rows).collect::<Vec<_>>())
}
