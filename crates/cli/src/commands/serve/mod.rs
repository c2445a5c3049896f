//! `transship serve`.

mod snippets;

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::time::Duration;

use transship::serve::{Credential, Place, Registry, Repository, Server, ServerOptions, Tls};
use transship::transport::{ResultExt, few, run_blocking, subject_of_tag};
use transship::{Error, ErrorKind, Notice, Observer, Result, WriteOptions};

use crate::args;
use crate::exit::{self, Done};
use crate::output::{self, count, safe};
use crate::places;
use crate::session::Session;
use snippets::Address;

/// The most bytes of a credential.
const CREDENTIAL_LIMIT: u64 = 64 << 10;

/// How long a push waits for another writer of the layout.
const LOCK_TIMEOUT: Duration = Duration::from_secs(60);

/// The most repositories that are listed at the start.
const LISTED: usize = 50;

pub(super) async fn run(args: args::Serve, session: &Session) -> exit::Result {
    let known = session.sources()?;
    let mut opened = Vec::new();
    for text in &args.places {
        let input = places::input(text, &known, session).await?;
        let transport = known.of(&input.reference)?.clone();
        opened.push(Place::new(transport, input.reference, input.how));
    }
    if let Some(layout) = &args.writable {
        opened.push(writable(layout, session)?);
    }
    let credential = credential(&args).await?;
    let is_secret = credential.is_some();
    let registry = Registry::open(opened, log(session)).await?.with_credential(credential);
    let repositories = registry.repositories().await;
    let options = ServerOptions::default().with_tls(tls(&args).await?);
    let options = options.with_exit_idle(args.exit_idle);
    let server = Server::bind(&args.listen, registry, options).await?;
    let address = Address {
        at: server.address(),
        certificate: args.tls_cert.clone(),
        is_writable: args.writable.is_some(),
    };
    if !server.address().ip().is_loopback() {
        let who = if is_secret { "who has the credential" } else { "without a credential" };
        let pull = if args.writable.is_some() { "pull from and push to" } else { "pull from" };
        let text = format!("other machines can {pull} {}, {who}", server.address());
        session.reporter.warn(&text);
    }
    output::print(&format!(
        "listening on {}\n{}\n{}",
        address.url(),
        listed(&repositories),
        snippets::all(&address, &repositories)
    ))?;
    server.run().await;
    Ok(Done::Success)
}

/// The layout that is pushed to, by its path or reference.
fn writable(text: &str, session: &Session) -> Result<Place> {
    let known = session.destinations()?;
    let reference = known.parse(text).or_else(|_| known.parse(&format!("oci:{text}")))?;
    if reference.scheme() != "oci" {
        let message = format!("{reference} is no oci: layout, and only one can be pushed to");
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    let transport = known.of(&reference)?.clone();
    let mut how = WriteOptions::default();
    how.observer = log(session);
    how.spool.clone_from(&session.tmpdir);
    how.lock_timeout = Some(LOCK_TIMEOUT);
    Ok(Place::new(transport, reference, session.read_options()).writable(how))
}

/// What goes wrong is said each time, and nothing of it is kept: this runs for long.
fn log(session: &Session) -> Observer {
    let (reporter, requests) = (session.reporter.clone(), session.reporter.observer());
    Observer::new(move |notice| match notice {
        Notice::Warning(text) => reporter.say(&format!("warning: {}", safe(&text))),
        other => requests.notify(other),
    })
}

fn listed(repositories: &[Repository]) -> String {
    let many = if repositories.len() == 1 { "repository" } else { "repositories" };
    let mut lines = vec![format!("serving {} {many}:", repositories.len())];
    lines.extend(repositories.iter().take(LISTED).map(line));
    if repositories.len() > LISTED {
        lines.push(format!("  and {} more", repositories.len() - LISTED));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn line(of: &Repository) -> String {
    let (beside, tags): (Vec<_>, Vec<_>) =
        of.tags.iter().cloned().partition(|tag| subject_of_tag(tag).is_some());
    let tags = match (tags.as_slice(), beside.as_slice()) {
        ([], []) => format!("{} without tags", count(of.images, "image")),
        ([], beside) => few(beside),
        (tags, []) => few(tags),
        (tags, beside) => {
            format!("{}, and {} of signatures", few(tags), count(beside.len(), "tag"))
        }
    };
    let name = match (&of.path, &of.host) {
        (Some(path), Some(host)) => format!("{path} of {host}"),
        (Some(path), None) => path.clone(),
        (None, _) => format!("{} (with ?ns=)", of.full_name),
    };
    safe(&format!("  {name}: {tags}"))
}

async fn tls(args: &args::Serve) -> Result<Option<Tls>> {
    let (Some(certificate), Some(key)) = (args.tls_cert.clone(), args.tls_key.clone()) else {
        return Ok(None);
    };
    run_blocking(move |_| Tls::read(&certificate, &key)).await.map(Some)
}

async fn credential(args: &args::Serve) -> Result<Option<Credential>> {
    if let Some(name) = &args.credential_env {
        let text = std::env::var(name).map_err(|_| {
            let message = format!("there is no environment variable {name}");
            Error::new(ErrorKind::InvalidInput, message)
        })?;
        return Credential::parse(&text)
            .context(|| format!("environment variable {name}"))
            .map(Some);
    }
    let Some(path) = args.credential_file.clone() else { return Ok(None) };
    run_blocking(move |_| {
        let line = first_line(&path)?;
        Credential::parse(&line).context(|| path.display()).map(Some)
    })
    .await
}

fn first_line(path: &Path) -> Result<String> {
    let failed = |e| Error::io("reading", path, e).of_option();
    let mut line = String::new();
    let file = File::open(path).map_err(failed)?.take(CREDENTIAL_LIMIT);
    BufReader::new(file).read_line(&mut line).map_err(failed)?;
    Ok(line)
}
