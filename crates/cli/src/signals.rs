//! Ctrl-C and deadlines: the work's future is dropped, which cleans up; a second signal ends the process at once.

use std::future::Future;
use std::time::Duration;

use transship::{Error, ErrorKind, Published};

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
            result = &mut work => return result,
            number = signals.next() => {
                tokio::spawn(exit_on_the_next(signals));
                Failure::Signal(number)
            }
            () = passed(deadline) => Failure::Error(too_late(deadline, published)),
        }
    };
    Err(ended)
}

async fn passed(deadline: Option<Duration>) {
    match deadline {
        Some(deadline) => tokio::time::sleep(deadline).await,
        None => std::future::pending().await,
    }
}

fn too_late(deadline: Option<Duration>, published: &Published) -> Error {
    let after = deadline.unwrap_or_default();
    let changed = if published.references().is_empty() { "nothing has changed; " } else { "" };
    Error::new(ErrorKind::Cancelled, format!("it was not done after {after:?}, the deadline"))
        .hint(format!("{changed}give it more time with --deadline"))
}

async fn exit_on_the_next(mut signals: Signals) {
    let number = signals.next().await;
    std::process::exit(128 + i32::from(number));
}

#[cfg(unix)]
struct Signals([(tokio::signal::unix::Signal, u8); 3]);

#[cfg(unix)]
impl Signals {
    fn listen() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind: SignalKind, number| {
            signal(kind).map(|signal| (signal, number)).map_err(|e| {
                Error::new(ErrorKind::Unexpected, "listening for signals").caused_by(e)
            })
        };
        Ok(Self([
            listen(SignalKind::interrupt(), 2)?,
            listen(SignalKind::terminate(), 15)?,
            listen(SignalKind::hangup(), 1)?,
        ]))
    }

    async fn next(&mut self) -> u8 {
        let [(interrupt, a), (terminate, b), (hangup, c)] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => *a,
            _ = terminate.recv() => *b,
            _ = hangup.recv() => *c,
        }
    }
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
