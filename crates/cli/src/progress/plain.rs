//! Progress in lines: one for each image, and for long ones how far they are.

use std::time::{Duration, Instant};

use transship::{Event, EventKind};

use crate::output::{safe, size};

/// How long nothing is said.
const SILENCE: Duration = Duration::from_secs(10);

/// What has passed of how much.
#[derive(Debug)]
pub(crate) struct Plain {
    total: u64,
    done: u64,
    spoke: Instant,
}

impl Plain {
    pub(crate) fn new() -> Self {
        Self { total: 0, done: 0, spoke: Instant::now() }
    }

    /// The line to say about an event, if any.
    pub(crate) fn event(&mut self, event: &Event) -> Option<String> {
        match &event.kind {
            EventKind::Planned { bytes, .. } => {
                (self.total, self.done) = (*bytes, 0);
                None
            }
            EventKind::ImageStarted { source, destination, .. } => {
                self.spoke = Instant::now();
                let (from, to) = (source.to_string(), destination.to_string());
                Some(format!("copying {} to {}", safe(&from), safe(&to)))
            }
            EventKind::Advanced { bytes, .. } => {
                self.done += bytes;
                self.now_and_then()
            }
            EventKind::StreamAdvanced { bytes } => self.read(*bytes),
            EventKind::Reused { size, .. } | EventKind::LeftOut { size, .. } => {
                self.done += size;
                None
            }
            _ => None,
        }
    }

    /// The line to say about bytes that were read, if any.
    pub(crate) fn read(&mut self, bytes: u64) -> Option<String> {
        self.done += bytes;
        self.now_and_then()
    }

    fn now_and_then(&mut self) -> Option<String> {
        if self.spoke.elapsed() < SILENCE {
            return None;
        }
        self.spoke = Instant::now();
        Some(if self.total == 0 {
            format!("read {}", size(self.done))
        } else {
            let percent = u128::from(self.done.min(self.total)) * 100 / u128::from(self.total);
            format!("{percent}%, {} of {}", size(self.done), size(self.total))
        })
    }
}
