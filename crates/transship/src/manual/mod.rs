//! The manual: how transship is built and why, what the command prints, and the formats in short.
//!
//! | for | read |
//! |---|---|
//! | people at a shell, and scripts | [`command`] |
//! | authors of applications | [`architecture`], [`formats`] |
//! | authors of transports | [`write_a_transport`] |
//! | those who ask why | [`decisions`] |

pub mod architecture;
pub mod command;
pub mod decisions;
pub mod formats;
pub mod write_a_transport;
