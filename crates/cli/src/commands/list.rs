//! `transship list`.

use std::borrow::Cow;

use futures_util::stream::{self, StreamExt};
use serde::Serialize;
use transship::transport::ResultExt as _;
use transship::transport::{ArchiveEntry, EntryDetails};
use transship::{Error, ErrorKind, Reference, Result, Transports};

use crate::args;
use crate::exit::{self, Done};
use crate::output::{self, count, safe, short, size};
use crate::places;
use crate::session::Session;

/// How many images are read at once.
const DETAILS_AT_ONCE: usize = 8;

/// The most platforms that the table lists.
const FEW: usize = 3;

#[derive(Serialize)]
struct Listed {
    reference: String,
    images: Vec<One>,
}

#[derive(Serialize)]
struct One {
    index: usize,
    reference: String,
    names: Vec<String>,
    raw_names: Vec<String>,
    digest: Option<String>,
    media_type: Option<String>,
    image_id: Option<String>,
    platforms: Vec<String>,
    size: Option<u64>,
    warnings: Vec<String>,
    error: Option<String>,
    #[serde(skip)]
    short: [String; 2],
    #[serde(skip)]
    locator: String,
}

pub(super) async fn run(args: args::List, session: &Session) -> exit::Result {
    let tags = args.tags.tags()?;
    let known = session.sources()?;
    let text = whole_host(&args.reference, &known);
    let places::Input { reference, how } = places::input(&text, &known, session).await?;
    #[cfg(feature = "registry")]
    if reference.scheme() == transship::registry::SCHEME
        && reference.locator().ends_with('/')
        && tags.is_all()
        && !args.details
    {
        return list_repositories(&args, &reference, session).await;
    }
    let transport = known.of(&reference)?;
    let mut images = Vec::new();
    let mut done = Done::Success;
    if let Some(archives) = transport.archives() {
        if let Some(place) = archives.archive_of(&reference).filter(|place| *place != reference) {
            return Err(one_image(&reference, &place).into());
        }
        let reader = archives.read(&reference, &how).await?;
        if *reader.reference() != reference {
            return Err(one_image(&reference, reader.reference()).into());
        }
        let named_only = reader.details_are_costly() && !args.details;
        let entries = tags.entries(&*reader)?;
        let details = stream::iter(&entries).map(|entry| async {
            if named_only { None } else { Some(reader.details(entry).await) }
        });
        let mut details = details.buffered(DETAILS_AT_ONCE);
        for entry in &entries {
            let details = details.next().await.flatten();
            let details = details.map(|found| found.context(|| &entry.reference));
            if let Some(Err(error)) = &details {
                session.reporter.warn(&error.to_string());
                done = done.and(Done::found(error.kind()));
            }
            for warning in &entry.warnings {
                session.reporter.warn(&format!("{}: {warning}", entry.reference));
            }
            images.push(One::of(entry, details));
        }
        if named_only && !args.output.json {
            return show_names(&images).map(|()| done);
        }
    } else {
        let source = transport.source(&reference, &how).await?;
        let mut entry = ArchiveEntry::new(0, reference.clone());
        entry.names = source.names().to_vec();
        images.push(One::of(&entry, Some(Ok(EntryDetails::read(&*source).await?))));
    }
    show(&args, &reference, images)?;
    Ok(done)
}

/// `docker://HOST` with a slash: a host alone is no image, and all that is there can be listed.
fn whole_host<'t>(text: &'t str, known: &Transports) -> Cow<'t, str> {
    let host =
        text.strip_prefix("docker://").filter(|host| !host.is_empty() && !host.contains('/'));
    match host.filter(|_| known.parse(text).is_err()) {
        Some(host) => Cow::Owned(format!("docker://{host}/")),
        None => Cow::Borrowed(text),
    }
}

#[cfg(feature = "registry")]
#[derive(Serialize)]
struct Repositories {
    reference: String,
    repositories: Vec<String>,
}

/// The repositories of a registry, without their tags: what it lists in one request.
#[cfg(feature = "registry")]
async fn list_repositories(args: &args::List, at: &Reference, session: &Session) -> exit::Result {
    use transship::registry::{Registry, RegistryOptions};
    let options = RegistryOptions::from_settings(&session.source_settings()?)?;
    let found = Registry::new(options).repositories(at, &session.reporter.observer()).await?;
    let repositories = found.iter().map(ToString::to_string).collect();
    let listed = Repositories { reference: at.to_string(), repositories };
    args.output.print(&listed, || {
        let lines = found.iter().map(|one| format!("{}\n", one.locator().trim_start_matches('/')));
        lines.collect()
    })?;
    Ok(Done::Success)
}

fn one_image(reference: &Reference, place: &Reference) -> Error {
    let text =
        format!("{reference} is one image; `list` is for archives, layouts and repositories");
    Error::new(ErrorKind::InvalidInput, text)
        .hint(format!("transship list {place}, or transship inspect {reference}"))
}

impl One {
    /// Without details, only its names are known.
    fn of(entry: &ArchiveEntry, details: Option<Result<EntryDetails>>) -> Self {
        let (details, error) = match details.transpose() {
            Ok(details) => (details, None),
            Err(error) => (None, Some(error.to_string())),
        };
        let known = details.as_ref();
        let root = known.and_then(|d| d.root.as_ref());
        let id = known.and_then(|d| d.image_id.as_ref());
        let brief = |digest: Option<&transship::Digest>| digest.map_or("-", short).to_owned();
        Self {
            index: entry.index,
            reference: entry.reference.to_string(),
            names: entry.names.iter().map(ToString::to_string).collect(),
            raw_names: entry.raw_names.clone(),
            digest: root.map(|root| root.digest.to_string()),
            media_type: root.map(|root| root.media_type.to_string()),
            image_id: id.map(ToString::to_string),
            platforms: known
                .map(|d| d.platforms.iter().map(|p| p.clone().normalized().to_string()).collect())
                .unwrap_or_default(),
            size: known.map(|d| d.size),
            warnings: entry.warnings.clone(),
            error,
            short: [brief(id), brief(root.map(|root| &root.digest))],
            locator: entry.reference.locator().to_owned(),
        }
    }

    /// A few platforms, or how many they are.
    fn platforms(&self) -> String {
        match self.platforms.len() {
            0..=FEW => safe(&self.platforms.join(",")),
            many => count(many, "platform"),
        }
    }

    /// A line, and one more for each further name.
    fn rows(&self) -> Vec<Vec<String>> {
        let or_dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
        let [id, digest] = self.short.clone();
        let first = vec![
            self.index.to_string(),
            id,
            digest,
            or_dash(self.platforms()),
            self.size.map_or("-".to_owned(), size),
            or_dash(self.names.first().cloned().unwrap_or_default()),
        ];
        let further = self.names.iter().skip(1).map(|name| {
            let mut row = vec![String::new(); 5];
            row.push(name.clone());
            row
        });
        [first].into_iter().chain(further).collect()
    }
}

fn show(args: &args::List, reference: &Reference, images: Vec<One>) -> exit::Result<()> {
    let listed = Listed { reference: reference.to_string(), images };
    args.output.print(&listed, || {
        let head = ["INDEX", "IMAGE ID", "DIGEST", "PLATFORM", "SIZE", "NAME"];
        output::table(head, listed.images.iter().flat_map(One::rows))
    })
}

/// A line for each name, and for each image without one, by which it is chosen: what a registry or an engine lists in one request.
fn show_names(images: &[One]) -> exit::Result<()> {
    let lines = images.iter().flat_map(|image| match &*image.names {
        [] => std::slice::from_ref(&image.locator),
        names => names,
    });
    output::print(&lines.flat_map(|line| [line, "\n"]).collect::<String>())
}
