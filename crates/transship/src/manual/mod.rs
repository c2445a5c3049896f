//! The manual: how transship is built and why, what the command prints, and the formats in short.
//!
//! | for | read |
//! |---|---|
//! | people at a shell, and scripts | [`command`], [`many_images`], [`registries`], [`engines`], [`serve`], [`trust`], [`without_a_network`] |
//! | people who know other tools | [`coming_from`] |
//! | authors of applications | [`architecture`], [`formats`] |
//! | authors of transports | [`write_a_transport`] |
//! | readers who ask why | [`decisions`], [`early_decisions`] |

pub mod architecture;
pub mod coming_from;
pub mod command;
pub mod decisions;
pub mod early_decisions;
pub mod engines;
pub mod formats;
pub mod many_images;
pub mod registries;
pub mod serve;
pub mod trust;
pub mod without_a_network;
pub mod write_a_transport;
