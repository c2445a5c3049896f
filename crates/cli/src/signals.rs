//! Ctrl-C and deadlines: the work's future is dropped, which cleans up; a second signal ends the process at once.

use std::future::Future;
use std::time::Duration;

use transship::transfer::Published;
use transship::{Error, ErrorKind};

use crate::exit::{Failure, Result};

/// Runs work until it ends, a signal comes, or the deadline passes.
///
/// When it returns, the work's future has been dropped: destinations have waited for their last step and have cleaned
/// up.
pub(crate) async fn guarded<T>(
    work: impl Future<Output = Result<T>>,
    deadline: Option<Duration>,
    published: &Published,
) -> Result<T> {
    let mut signals = Signals::listen()?;
    let ended = {
        let mut work = std::pin::pin!(work);
        tokio::select! {
            result = &mut work => {
                // What was begun at the destination is waited for.
                tokio::spawn(exit_on_the_next(signals));
                return result;
            }
            number = signals.next() => {
                tokio::spawn(exit_on_the_next(signals));
                Some(number)
            }
            () = passed(deadline) => None,
        }
    };
    // The work is dropped: what it left open is known now.
    Err(match ended {
        Some(number) => Failure::Signal(number),
        None => Failure::Error(too_late(deadline, published)),
    })
}

async fn passed(deadline: Option<Duration>) {
    match deadline {
        Some(deadline) => tokio::time::sleep(deadline).await,
        None => std::future::pending().await,
    }
}

fn too_late(deadline: Option<Duration>, published: &Published) -> Error {
    let after = deadline.unwrap_or_default();
    let unchanged = published.references().is_empty() && published.unconfirmed().is_none();
    let changed = if unchanged { "nothing has changed; " } else { "" };
    Error::new(ErrorKind::Cancelled, format!("it was not done after {after:?}, the deadline"))
        .hint(format!("{changed}give it more time with --deadline"))
}

async fn exit_on_the_next(mut signals: Signals) {
    let number = signals.next().await;
    std::process::exit(128 + i32::from(number));
}

/// The signals that end a command, with their numbers.
#[cfg(unix)]
struct Signals(Vec<(tokio::signal::unix::Signal, u8)>);

#[cfg(unix)]
impl Signals {
    /// A signal that is ignored when the process starts, as by `nohup` or a shell's background jobs, stays ignored.
    fn listen() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let ignored = ignored();
        let kinds = [
            (SignalKind::interrupt(), 2),
            (SignalKind::terminate(), 15),
            (SignalKind::hangup(), 1),
        ];
        let mut signals = Vec::new();
        for (kind, number) in kinds {
            if ignored >> (number - 1) & 1 == 0 {
                let signal = signal(kind).map_err(|e| {
                    Error::new(ErrorKind::Unexpected, "listening for signals").caused_by(e)
                })?;
                signals.push((signal, number));
            }
        }
        Ok(Self(signals))
    }

    async fn next(&mut self) -> u8 {
        std::future::poll_fn(|context| {
            for (signal, number) in &mut self.0 {
                if signal.poll_recv(context).is_ready() {
                    return std::task::Poll::Ready(*number);
                }
            }
            std::task::Poll::Pending
        })
        .await
    }
}

/// The signals that are ignored, the lowest number in the lowest bit. None where the system does not say.
#[cfg(unix)]
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> u8 {
        // Where there is no way to listen, the system's own handler ends the process.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        2
    }
}
