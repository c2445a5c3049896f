//! The manual: how transship is built and why, what the command prints, and the formats in short.
//!
//! | for | read |
//! |---|---|
//! | people at a shell, and scripts | [`command`] |
//! | authors of applications and transports | [`architecture`], [`formats`] |
//! | those who ask why | [`decisions`] |

pub mod architecture;
pub mod command;
pub mod decisions;
pub mod formats;
