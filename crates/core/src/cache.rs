//! [`Cache`]: what earlier runs found out, so that it need not be found out again.

use std::fmt;
use std::sync::Arc;

/// Keeps answers from one run to the next.
///
/// A question is a text that names all that its answer depends on, so an answer that was true once stays true. Answers may be
/// forgotten at any time. Both methods may read or write a small file, and are called in blocking work.
pub trait Memo: fmt::Debug + Send + Sync + 'static {
    /// The answer that was noted last.
    fn recall(&self, question: &str) -> Option<String>;

    /// Keeps an answer. Neither text has line ends. That it cannot be kept is no error.
    fn note(&self, question: &str, answer: &str);
}

/// A [`Memo`], or none: then nothing is known, and all is found out anew.
///
/// What it says is believed: files that were true and have not changed are not read again. Only one that nobody else can
/// write may be used.
#[derive(Clone, Default)]
pub struct Cache(Option<Arc<dyn Memo>>);

impl Cache {
    /// One that keeps answers.
    pub fn new(memo: impl Memo) -> Self {
        Self(Some(Arc::new(memo)))
    }

    /// Whether it keeps anything.
    pub fn is_set(&self) -> bool {
        self.0.is_some()
    }

    /// The answer that was noted last.
    pub fn recall(&self, question: &str) -> Option<String> {
        self.0.as_ref()?.recall(question)
    }

    /// Keeps an answer.
    pub fn note(&self, question: &str, answer: &str) {
        if let Some(memo) = &self.0 {
            memo.note(question, answer);
        }
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_set() { "Cache(set)" } else { "Cache(none)" })
    }
}
