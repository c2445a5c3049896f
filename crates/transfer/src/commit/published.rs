//! [`Published`]: what shows already while a transfer goes on.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::locked;
use transship_core::{Error, ErrorKind, Reference, few};

/// What a transfer has published: references that open images of it now, even if the rest fails. An archive that
/// shows its images together has none before its end; a registry has each tag when it is put.
///
/// Clones share it, so that it can be asked after the transfer was dropped:
///
/// ```
/// # use transship_core::Reference;
/// use transship_transfer::{Published, Transfer, TransferOptions};
/// # async fn example(from: Reference, to: Reference, deadline: std::time::Duration) {
/// let mut options = TransferOptions::default();
/// let published = options.published.clone();
/// let transfer = Transfer::new(from, to).options(options).run();
/// if tokio::time::timeout(deadline, transfer).await.is_err() {
///     println!("too late; {} are there", published.references().len());
/// }
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Published(Arc<Mutex<List>>);

#[derive(Debug, Default)]
struct List {
    references: Vec<Reference>,
    known: HashSet<Reference>,
    /// What is being published.
    pending: Option<Pending>,
}

#[derive(Debug)]
struct Pending {
    reference: Reference,
    /// Whether a request that publishes it was sent.
    sent: bool,
}

impl Published {
    /// What shows so far, in the order in which it was published.
    pub fn references(&self) -> Vec<Reference> {
        self.list().references.clone()
    }

    /// What may show or not: the transfer was dropped, or its connection ended, while it was being published.
    pub fn unconfirmed(&self) -> Option<Reference> {
        self.list().pending.as_ref().map(|pending| pending.reference.clone())
    }

    /// All that shows on one line, shortened; `None` where there is nothing.
    pub fn summary(&self) -> Option<String> {
        let all = &self.list().references;
        (!all.is_empty()).then(|| few(all))
    }

    /// Adds references. A destination tells each tag that it puts, and its commit tells all of them.
    pub(crate) fn add(&self, references: &[Reference]) {
        let mut list = self.list();
        for reference in references {
            list.pending.take_if(|pending| pending.reference == *reference);
            if list.known.insert(reference.clone()) {
                list.references.push(reference.clone());
            }
        }
    }

    /// An image is being committed, or an archive ended.
    pub(crate) fn begin(&self, reference: Reference) {
        self.list().pending = Some(Pending { reference, sent: false });
    }

    /// The request is being sent that publishes an image.
    pub(crate) fn publishing(&self, reference: Reference) {
        self.list().pending = Some(Pending { reference, sent: true });
    }

    /// What was begun was given up, and has published nothing.
    pub(crate) fn given_up(&self, reference: &Reference) {
        self.list().pending.take_if(|pending| pending.reference == *reference);
    }

    /// What was begun has ended. Where a server took the request and its answer is missing, it is not known how.
    pub(crate) fn end(&self, error: Option<&Error>) {
        let unanswered = error.is_some_and(|error| error.kind() == ErrorKind::Unavailable);
        self.list().pending.take_if(|pending| !(pending.sent && unanswered));
    }

    /// Adds to the error of a transfer what it has published all the same.
    pub(crate) fn explain(&self, error: Error) -> Error {
        let error = match self.unconfirmed() {
            Some(reference) => error.context(format!("{reference} may be written, or not")),
            None => error,
        };
        match self.summary() {
            Some(there) => error.context(format!("{there} is written already")),
            None => error,
        }
    }

    fn list(&self) -> MutexGuard<'_, List> {
        locked(&self.0)
    }
}
