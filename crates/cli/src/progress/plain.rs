//! Progress in lines: one for each image, and one at intervals.

use std::time::{Duration, Instant};

use transship::{Event, EventKind};

use super::tally::Tally;
use crate::output::{safe, size};

/// The time between lines.
const SILENCE: Duration = Duration::from_secs(10);

/// Bytes done, and in total.
#[derive(Debug)]
pub(crate) struct Plain {
    tally: Tally,
    spoke: Instant,
}

/// The platforms of an image that has several.
pub(super) fn several(platforms: &[String]) -> String {
    format!("{} platforms ({})", platforms.len(), platforms.join(", "))
}

impl Plain {
    pub(crate) fn new() -> Self {
        Self { tally: Tally::default(), spoke: Instant::now() }
    }

    /// The line for an event, if any.
    pub(crate) fn event(&mut self, event: &Event) -> Option<String> {
        match &event.kind {
            EventKind::ImageStarted { source, destination, platforms, unchanged, .. } => {
                self.spoke = Instant::now();
                // `sign` writes an image to where it is: nothing is copied.
                if source == destination {
                    return None;
                }
                if *unchanged {
                    return Some(safe(&format!("{destination} is up to date with {source}")));
                }
                let mut line = format!("copying {source} to {destination}");
                if platforms.len() > 1 {
                    line = format!("{line}: {}", several(platforms));
                }
                Some(safe(&line))
            }
            kind => {
                self.tally.note(kind, Instant::now());
                let passes =
                    matches!(kind, EventKind::Advanced { .. } | EventKind::StreamAdvanced { .. });
                passes.then(|| self.now_and_then()).flatten()
            }
        }
    }

    /// The line for bytes that were read, if any.
    pub(crate) fn read(&mut self, bytes: u64) -> Option<String> {
        self.tally.read(bytes, Instant::now());
        self.now_and_then()
    }

    fn now_and_then(&mut self) -> Option<String> {
        if self.spoke.elapsed() < SILENCE {
            return None;
        }
        self.spoke = Instant::now();
        let total = self.tally.total.as_ref()?;
        Some(match total.size.filter(|of| *of > 0) {
            None => format!("read {}", size(total.done)),
            Some(of) => {
                let percent = u128::from(total.done.min(of)) * 100 / u128::from(of);
                format!("{percent}%, {} of {}", size(total.done), size(of))
            }
        })
    }
}
