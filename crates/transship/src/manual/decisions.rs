//! Decision records: where the first design was changed, or left something open, and why.
