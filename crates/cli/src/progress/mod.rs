//! What a command prints to stderr.

mod area;
mod bars;
mod pace;
mod plain;
mod row;
mod tally;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fmt;
use std::io::{IsTerminal, Write, stderr};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;
use transship::{Event, EventKind, EventQueue, Events, Notice, Observer};

use crate::args::{Common, Progress};
use crate::exit::{ErrorText, Failure};
use crate::hints::hint;
use crate::output::safe;
use bars::{Bars, FRAME};
use plain::Plain;

/// Prints progress, warnings and results to stderr, in the form of `--progress`.
#[derive(Clone)]
pub(crate) struct Reporter(Arc<Mutex<State>>);

struct State {
    show: Show,
    /// Events that are not shown yet.
    queue: Option<Arc<EventQueue>>,
    /// Whether requests are shown.
    requests: Requests,
    /// Each warning is shown once, whether it comes as an event, a notice or in a report.
    warned: HashSet<String>,
}

#[derive(Clone, Copy, PartialEq)]
enum Requests {
    Shown,
    Hidden,
}

enum Show {
    /// Errors only.
    Quiet,
    /// Results and warnings.
    Results,
    /// And a line for each image, and now and then how far it is.
    Plain(Plain),
    /// And bars.
    Bars(Bars),
    /// Events, and nothing else.
    Json,
}

impl Reporter {
    pub(crate) fn new(common: Option<&Common>) -> Self {
        let show = match common {
            None => Show::Results,
            Some(common) if common.quiet && common.progress != Progress::Json => Show::Quiet,
            Some(common) => match common.progress {
                Progress::Auto if shows_bars() => Show::Bars(Bars::default()),
                Progress::Bars if stderr().is_terminal() => Show::Bars(Bars::default()),
                Progress::Auto | Progress::Bars | Progress::Plain => Show::Plain(Plain::new()),
                Progress::Json => Show::Json,
                Progress::None => Show::Results,
            },
        };
        let has_bars = matches!(show, Show::Bars(_));
        let verbose = common.is_some_and(|common| common.verbose);
        let requests = if verbose { Requests::Shown } else { Requests::Hidden };
        let state = State { show, queue: None, requests, warned: HashSet::new() };
        let this = Self(Arc::new(Mutex::new(state)));
        if has_bars {
            this.draw_now_and_then();
        }
        this
    }

    /// Draws bars from a thread, as long as the reporter exists.
    fn draw_now_and_then(&self) {
        let state = Arc::downgrade(&self.0);
        in_background("bars", move || {
            loop {
                std::thread::sleep(FRAME);
                let Some(state) = state.upgrade() else { return };
                if let Show::Bars(bars) = &mut Self(state).lock().show {
                    bars.draw();
                }
            }
        });
    }

    /// An observer for the engine, which does not wait for the terminal: a thread shows the events of its queue.
    pub(crate) fn events(&self) -> Events {
        let (events, queue) = Events::queued();
        let queue = Arc::new(queue);
        self.lock().queue = Some(Arc::clone(&queue));
        let this = self.clone();
        in_background("events", move || {
            while queue.blocking_wait() {
                // Locking shows the queued events first.
                drop(this.lock());
            }
        });
        events
    }

    pub(crate) fn observer(&self) -> Observer {
        let this = self.clone();
        Observer::new(move |notice| match notice {
            Notice::Warning(text) => this.warn(&text),
            Notice::Retrying { what, why } => {
                this.say(&safe(&format!("retrying: {what}: {why}")));
            }
            Notice::Request(text) => this.lock().request(&text),
            _ => {}
        })
    }

    /// Bytes that a command without a transfer has read; their sum is not known beforehand.
    pub(crate) fn reading(&self) -> impl Fn(u64) + Send + Sync + 'static {
        let this = self.clone();
        move |bytes| match &mut this.lock().show {
            Show::Bars(bars) => bars.read(bytes),
            Show::Plain(plain) => plain.read(bytes).into_iter().for_each(line),
            _ => {}
        }
    }

    /// Shows a warning, once.
    pub(crate) fn warn(&self, text: &str) {
        self.lock().warn(text);
    }

    /// With `--quiet`, shows what of an image was missing.
    pub(crate) fn quiet_too(&self, text: &str) {
        if matches!(self.lock().show, Show::Quiet) {
            line(format_args!("transship: {}", safe(text)));
        }
    }

    /// Shows why an image failed while others were copied.
    pub(crate) fn fault(&self, text: &str) {
        let mut state = self.lock();
        match state.show {
            // It was an event.
            Show::Json => {}
            Show::Quiet => line(format_args!("transship: {}", safe(text))),
            _ => state.say(&format!("transship: {}", safe(text))),
        }
    }

    /// Prints a line, unless `--quiet`.
    pub(crate) fn say(&self, text: &str) {
        self.lock().say(text);
    }

    /// Writes a result to stdout. Bars are erased before, in case that is the same terminal.
    pub(crate) fn result<T>(&self, write: impl FnOnce() -> T) -> T {
        match &mut self.lock().show {
            Show::Bars(bars) => bars.aside(write),
            _ => write(),
        }
    }

    pub(crate) fn end(&self) {
        if let Show::Bars(bars) = &mut self.lock().show {
            bars.clear();
        }
    }

    /// Shows why the command failed.
    pub(crate) fn failure(&self, failure: &Failure) {
        let json = matches!(self.lock().show, Show::Json);
        match failure {
            Failure::ClosedPipe => {}
            Failure::Error(error) if json => line(json!({
                "event": "error",
                "kind": error.kind().to_string(),
                "error": error.without_hint().to_string(),
                "hint": hint(error),
            })),
            Failure::Error(error) => line(ErrorText(error)),
            Failure::Signal(number) if json => {
                line(json!({"event": "error", "kind": "cancelled", "signal": number}));
            }
            Failure::Signal(number) => {
                let name = match number {
                    1 => "SIGHUP",
                    15 => "SIGTERM",
                    _ => "SIGINT",
                };
                line(format_args!("transship: interrupted by {name}"));
            }
        }
    }

    /// The state, after all queued events were shown.
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = state.queue.clone() {
            while let Some(event) = queue.try_recv() {
                state.event(&event);
            }
        }
        state
    }
}

impl State {
    fn event(&mut self, event: &Event) {
        if let EventKind::Request { .. } = &event.kind
            && self.requests == Requests::Hidden
        {
            return;
        }
        match &mut self.show {
            Show::Quiet => return,
            Show::Json => {
                // An event is always JSON.
                return serde_json::to_string(event).into_iter().for_each(line);
            }
            Show::Results => {}
            Show::Plain(plain) => plain.event(event).into_iter().for_each(line),
            Show::Bars(bars) => bars.event(event),
        }
        match &event.kind {
            EventKind::Warning { text, .. } => self.warn(text),
            EventKind::StreamStarted { source, spooled: Some(why) } => {
                self.say(&format!("{source} is put into a temporary file first: {}", safe(why)));
            }
            EventKind::Request { text } => self.request(text),
            EventKind::ImageStarted { source, platforms, .. }
                if matches!(self.show, Show::Bars(_)) && platforms.len() > 1 =>
            {
                self.say(&safe(&format!("{source}: {}", plain::several(platforms))));
            }
            EventKind::Retrying { what, why } => {
                self.say(&format!("retrying: {what}: {}", safe(why)));
            }
            EventKind::Retried { why, .. } => {
                self.say(&format!("retrying a blob: {}", safe(why)));
            }
            _ => {}
        }
    }

    fn request(&mut self, text: &str) {
        match self.show {
            _ if self.requests == Requests::Hidden => {}
            Show::Json => line(json!({"event": "request", "text": text})),
            _ => self.say(&safe(text)),
        }
    }

    fn warn(&mut self, text: &str) {
        if !self.warned.insert(text.to_owned()) {
            return;
        }
        match self.show {
            Show::Quiet => {}
            Show::Json => line(json!({"event": "warning", "text": text})),
            _ => self.say(&format!("warning: {}", safe(text))),
        }
    }

    fn say(&mut self, text: &str) {
        match &mut self.show {
            Show::Quiet | Show::Json => {}
            Show::Results | Show::Plain(_) => line(text),
            Show::Bars(bars) => bars.aside(|| line(text)),
        }
    }
}

impl fmt::Debug for Reporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reporter")
    }
}

/// Whether stderr is a terminal on which a line can be written over.
fn shows_bars() -> bool {
    let moves = |term: std::ffi::OsString| !term.is_empty() && term != "dumb";
    cfg!(unix) && stderr().is_terminal() && std::env::var_os("TERM").is_some_and(moves)
}

/// If no thread can be started, bars do not move, and events are shown with the next line.
fn in_background(name: &str, work: impl FnOnce() + Send + 'static) {
    let _ = std::thread::Builder::new().name(name.to_owned()).spawn(work);
}

/// One write, so that lines of several processes stay whole. A closed stderr is no error.
fn line(text: impl fmt::Display) {
    let _ = stderr().lock().write_all(format!("{text}\n").as_bytes());
}
