//! `transship verify`.

use std::fmt;

use serde::Serialize;
use transship::transfer::{Checked, Problem, check_policy};
use transship::transport::{ImageSource, Transport, few};
use transship::trust::Policy;
use transship::{Descriptor, Error, ErrorKind, Findings, Reference, Result, Transports, Verifier};

use crate::args;
use crate::exit::{self, Done, Failure};
use crate::output::{self, count, safe, size};
use crate::places;
use crate::session::Session;
use crate::trust;

#[derive(Default, Serialize)]
struct Verified {
    ok: bool,
    images: Vec<One>,
}

#[derive(Serialize)]
struct One {
    ok: bool,
    verdict: Verdict,
    reference: String,
    names: Vec<String>,
    digest: Option<String>,
    checked: Checked,
    absent: Vec<String>,
    needs: Vec<Needed>,
    warnings: Vec<String>,
    problems: Vec<Wrong>,
    unreachable: Vec<Wrong>,
    #[serde(skip)]
    done: Done,
}

/// What was found of an image. Absent, unreachable and broken are three things.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Ok,
    /// A part is broken, or is absent though the image needs it.
    Bad,
    /// There is no such image.
    Absent,
    /// No key that was given signed it. Its blobs were not read.
    Untrusted,
    /// What was read is good, and not all of it could be read.
    Unreachable,
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
    let (verified, done) = (Verified::default(), Done::Success);
    let policy = match &args.keys[..] {
        [] => None,
        keys => Some(trust::of_keys("--key", keys).await?),
    };
    let (args, known) = (&args, &known);
    let mut run = Run { args, session, known, policy, verified, done, unopened: None };
    for place in &places {
        run.place(&**known.of(&place.reference)?, place).await?;
    }
    run.end()
}

struct Run<'a> {
    args: &'a args::Verify,
    session: &'a Session,
    known: &'a Transports,
    /// Who must have signed the images.
    policy: Option<Policy>,
    verified: Verified,
    done: Done,
    /// Why the first image could not be opened, if not for what is in it.
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
        let Some(archives) = transport.archives().filter(|a| a.may_be_archive(reference)) else {
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
            Ok(source) => self.opened(verifier, &*source, &mut one).await?,
            Err(error) => {
                one.unopened(&error);
                if one.done != Done::FoundDamage {
                    self.unopened.get_or_insert(error);
                }
            }
        }
        one.judge();
        self.done = self.done.and(one.done);
        if !self.args.output.json {
            self.session.reporter.result(|| output::print(&one.to_string()))?;
        }
        for warning in warnings {
            self.session.reporter.warn(&format!("{reference}: {warning}"));
        }
        self.verified.images.push(one);
        Ok(())
    }

    /// Checks an image that is open.
    async fn opened(
        &self,
        verifier: &Verifier,
        source: &dyn ImageSource,
        one: &mut One,
    ) -> Result<()> {
        one.names = source.names().iter().map(ToString::to_string).collect();
        match self.trusted(source).await {
            Err(error) if !error.kind().is_of_content() => one.rejected(&error),
            trusted => {
                // What is absent or broken is said as it is without a key.
                one.found(verifier.image(source).await?);
                if let Err(error) = trusted
                    && one.done == Done::Success
                {
                    one.rejected(&error);
                }
            }
        }
        Ok(())
    }

    /// That an image is signed, where that is asked for. Of one that is not, no blob is read.
    async fn trusted(&self, source: &dyn ImageSource) -> Result<()> {
        match &self.policy {
            Some(policy) => check_policy(source, policy, self.known).await,
            None => Ok(()),
        }
    }

    fn verifier(&self) -> Verifier {
        let verifier = Verifier::new().on_progress(self.session.reporter.reading());
        match self.args.jobs {
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
            Some(error) if wrong == 1 => Err(Failure::Error(error)),
            _ => Ok(self.done),
        }
    }
}

impl One {
    fn new(reference: &Reference, warnings: &[String]) -> Self {
        Self {
            ok: true,
            verdict: Verdict::Ok,
            reference: reference.to_string(),
            names: Vec::new(),
            digest: None,
            checked: Checked::default(),
            absent: Vec::new(),
            needs: Vec::new(),
            warnings: warnings.to_vec(),
            problems: Vec::new(),
            unreachable: Vec::new(),
            done: Done::Success,
        }
    }

    fn unopened(&mut self, error: &Error) {
        let kind = error.kind();
        let broken = matches!(kind, ErrorKind::Corrupt | ErrorKind::LimitExceeded);
        self.done = if broken { Done::FoundDamage } else { Done::Partly(kind) };
        let list = if kind.is_of_content() { &mut self.problems } else { &mut self.unreachable };
        list.push(Wrong::of("place", None, error));
    }

    fn rejected(&mut self, error: &Error) {
        if error.kind() != ErrorKind::Untrusted {
            return self.unopened(error);
        }
        self.done = Done::Partly(ErrorKind::Untrusted);
        self.problems.push(Wrong::of("signature", None, error));
    }

    fn judge(&mut self) {
        self.ok = self.done == Done::Success;
        self.verdict = match self.done {
            Done::Success => Verdict::Ok,
            Done::FoundDamage => Verdict::Bad,
            Done::Partly(ErrorKind::NotFound) => Verdict::Absent,
            Done::Partly(ErrorKind::Untrusted) => Verdict::Untrusted,
            Done::Partly(_) => Verdict::Unreachable,
        };
    }

    fn found(&mut self, found: Findings) {
        self.digest = found.root.map(|root| root.digest.to_string());
        self.checked = found.checked;
        self.absent = found.absent.iter().map(|absent| absent.digest.to_string()).collect();
        let needed = |of: &Descriptor| Needed { digest: of.digest.to_string(), size: of.size };
        self.needs = found.needs.iter().map(needed).collect();
        self.problems.extend(found.problems.iter().map(Wrong::from));
        self.unreachable.extend(found.unreachable.iter().map(Wrong::from));
        let all = found.problems.iter().chain(&found.unreachable);
        self.done = all.map(|problem| Done::found(problem.error.kind())).fold(self.done, Done::and);
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "ok ",
            Self::Bad => "BAD",
            Self::Absent => "absent",
            Self::Untrusted => "untrusted",
            Self::Unreachable => "unreachable",
        })
    }
}

/// For people: the verdict, how much was checked, and each thing that is wrong or could not be read.
impl fmt::Display for One {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {}", self.verdict, safe(&self.reference))?;
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
        for wrong in self.problems.iter().chain(&self.unreachable) {
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
