//! What the [distribution specification](https://github.com/opencontainers/distribution-spec/blob/main/spec.md) says of requests and
//! answers, without any store behind it: paths, queries, ranges, pages, errors.

mod page;
mod query;
mod ranges;
mod refusal;
mod route;

pub use page::{Page, next_link, page};
pub use query::Query;
pub(crate) use query::encode;
pub use ranges::{Asked, asked, chunk};
pub use refusal::Refusal;
pub use route::{Route, Wanted, What, is_name, is_tag, parse_digest};
