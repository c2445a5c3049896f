//! `transship verify`.

use std::fmt;
use std::num::NonZeroUsize;

use serde::Serialize;
use transship::transfer::{Checked, Problem};
use transship::transport::{ImageSource, Transport};
use transship::{Descriptor, Error, ErrorKind, Findings, Reference, Result, Verifier};

use crate::args;
use crate::exit::{self, Done, Failure};
use crate::output::{self, count, few, safe, size};
use crate::places;
use crate::session::Session;

/// The JSON value.
#[derive(Default, Serialize)]
struct Verified {
    ok: bool,
    images: Vec<One>,
}

#[derive(Serialize)]
struct One {
    ok: bool,
    reference: String,
    names: Vec<String>,
    digest: Option<String>,
    checked: Checked,
    absent: Vec<String>,
    needs: Vec<Needed>,
    warnings: Vec<String>,
    problems: Vec<Wrong>,
}

/// A blob that a delta omits.
#[derive(Serialize)]
struct Needed {
    digest: String,
    size: u64,
}

#[derive(Serialize)]
struct Wrong {
    what: String,
    digest: Option<String>,
    kind: String,
    error: String,
}

pub(super) async fn run(args: args::Verify, session: &Session) -> exit::Result {
    let known = session.sources()?;
    let mut places = Vec::new();
    for text in &args.references {
        places.push(places::input(text, &known, session).await?);
    }
    let mut run = Run { args: &args, session, verified: Verified::default(), unopened: None };
    for place in &places {
        run.place(&**known.of(&place.reference)?, place).await?;
    }
    run.end()
}

struct Run<'a> {
    args: &'a args::Verify,
    session: &'a Session,
    verified: Verified,
    /// The first place that could not be opened, for a reason other than what is in it.
    unopened: Option<Error>,
}

impl Run<'_> {
    /// Checks an image, or all that a place holds. Only an end to everything is an error.
    async fn place(
        &mut self,
        transport: &dyn Transport,
        places::Input { reference, how }: &places::Input,
    ) -> exit::Result<()> {
        let verifier = self.verifier();
        let Some(archives) = transport.archives().filter(|a| a.may_be_container(reference)) else {
            let opened = transport.source(reference, how).await;
            return self.image(&verifier, reference, &[], opened).await;
        };
        let reader = match archives.read(reference, how).await {
            Ok(reader) => reader,
            Err(error) => return self.image(&verifier, reference, &[], Err(error)).await,
        };
        if reader.reference() != reference {
            drop(reader);
            let opened = transport.source(reference, how).await;
            return self.image(&verifier, reference, &[], opened).await;
        }
        for entry in reader.entries() {
            let opened = reader.open(entry).await;
            self.image(&verifier, &entry.reference, &entry.warnings, opened).await?;
        }
        Ok(())
    }

    async fn image(
        &mut self,
        verifier: &Verifier,
        reference: &Reference,
        warnings: &[String],
        opened: Result<Box<dyn ImageSource>>,
    ) -> exit::Result<()> {
        let mut one = One::new(reference, warnings);
        match opened {
            Ok(source) => {
                one.names = source.names().iter().map(ToString::to_string).collect();
                one.found(verifier.image(&*source).await?);
            }
            Err(error) => {
                one.problems.push(Wrong::of("place", None, &error));
                if !matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::LimitExceeded) {
                    self.unopened.get_or_insert(error);
                }
            }
        }
        one.ok = one.problems.is_empty();
        if !self.args.output.json {
            self.session.reporter.result(|| output::print(&one.to_string()))?;
        }
        for warning in warnings {
            self.session.reporter.warn(&format!("{reference}: {warning}"));
        }
        self.verified.images.push(one);
        Ok(())
    }

    fn verifier(&self) -> Verifier {
        let verifier = Verifier::new().on_progress(self.session.reporter.reading());
        match self.args.jobs.and_then(|jobs| NonZeroUsize::new(jobs.into())) {
            Some(jobs) => verifier.jobs(jobs),
            None => verifier,
        }
    }

    fn end(mut self) -> exit::Result {
        let wrong = self.verified.images.iter().filter(|one| !one.ok).count();
        self.verified.ok = wrong == 0;
        if self.args.output.json {
            self.session.reporter.result(|| output::print_json(&self.verified))?;
        }
        match self.unopened {
            // Of one that is found wrong and one that is not found, the first says more.
            Some(error) if wrong == 1 => Err(Failure::Error(error)),
            _ if wrong > 0 => Ok(Done::FoundWrong),
            _ => Ok(Done::Well),
        }
    }
}

impl One {
    fn new(reference: &Reference, warnings: &[String]) -> Self {
        Self {
            ok: true,
            reference: reference.to_string(),
            names: Vec::new(),
            digest: None,
            checked: Checked::default(),
            absent: Vec::new(),
            needs: Vec::new(),
            warnings: warnings.to_vec(),
            problems: Vec::new(),
        }
    }

    fn found(&mut self, found: Findings) {
        self.digest = found.root.map(|root| root.digest.to_string());
        self.checked = found.checked;
        self.absent = found.absent.iter().map(|absent| absent.digest.to_string()).collect();
        let needed = |of: &Descriptor| Needed { digest: of.digest.to_string(), size: of.size };
        self.needs = found.needs.iter().map(needed).collect();
        self.problems.extend(found.problems.iter().map(Wrong::from));
    }
}

/// For people: the verdict, how much was checked, and each thing that is wrong.
impl fmt::Display for One {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {}", if self.ok { "ok " } else { "BAD" }, safe(&self.reference))?;
        if !self.names.is_empty() {
            write!(f, "  {}", safe(&few(&self.names)))?;
        }
        let Checked { manifests, blobs, bytes, .. } = self.checked;
        let (manifests, blobs) = (count(manifests, "manifest"), count(blobs, "blob"));
        write!(f, "\n     {manifests}, {blobs}, {}", size(bytes))?;
        if !self.absent.is_empty() {
            write!(f, "; {} absent, which is allowed", self.absent.len())?;
        }
        writeln!(f)?;
        if !self.needs.is_empty() {
            let bytes = self.needs.iter().map(|needed| needed.size).fold(0, u64::saturating_add);
            writeln!(
                f,
                "     a delta: it needs {} ({}) of its base",
                count(self.needs.len(), "blob"),
                size(bytes)
            )?;
        }
        for wrong in &self.problems {
            writeln!(f, "     {}: {}", safe(&wrong.what), wrong.error)?;
        }
        Ok(())
    }
}

impl Wrong {
    fn of(what: &str, digest: Option<&transship::Digest>, error: &Error) -> Self {
        Self {
            what: what.to_owned(),
            digest: digest.map(ToString::to_string),
            kind: error.kind().to_string(),
            error: error.to_string(),
        }
    }
}

impl From<&Problem> for Wrong {
    fn from(problem: &Problem) -> Self {
        Self::of(&problem.what, problem.digest.as_ref(), &problem.error)
    }
}
