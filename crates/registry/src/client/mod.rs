//! Speaks HTTP to registries, kindly and warily.

mod address;
mod attempt;
mod auth;
mod base;
mod call;
mod host;
mod idle;
mod limit;
mod link;
mod network;
mod patience;
mod problem;
mod proxy;
mod rate;
mod repository;
mod retry;
mod shared;

pub(crate) use attempt::{Failure, keeps_method, location};
pub(crate) use auth::Access;
pub(crate) use call::{Answer, Call, Fetched, Payload, ReadFailure, Stream};
pub(crate) use host::Slot;
pub(crate) use idle::Idle;
pub(crate) use network::Network;
pub(crate) use patience::Patience;
pub(crate) use problem::{absent, header};
pub(crate) use rate::Rate;
pub(crate) use repository::{Repository, next_page};
pub(crate) use retry::Tries;
