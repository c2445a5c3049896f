//! Trust for [transship](https://docs.rs/transship): which images may be copied, and who signed them.
//!
//! A [`Policy`] says what an image needs, in the grammar of
//! [`policy.json`](https://github.com/containers/image/blob/main/docs/containers-policy.json.5.md). [`Policy::check`] decides from
//! the image's name, the digest of its manifest and the signatures that were found. It opens no image: [`found_with`] reads the
//! signatures that lie with one, and [`Lookaside`] says where those of GPG keys are.
//!
//! ```
//! use transship_core::{DockerName, Identity, sha256};
//! use transship_trust::{Policy, Verdict};
//!
//! # fn main() -> transship_core::Result<()> {
//! let policy = Policy::parse("policy.json", br#"{"default": [{"type": "reject"}]}"#)?;
//! let image = Identity::of_name(&DockerName::parse("example.com/app:1")?);
//! let verdict = policy.check("docker", &image, &sha256(b"a manifest"), &[]);
//! assert!(matches!(verdict, Verdict::Rejected(_)));
//! # Ok(())
//! # }
//! ```
//!
//! Nothing is read from disk but the keys that a policy names. What is not verified is not parsed, and all that is read is bounded:
//! [`PAYLOAD_LIMIT`], [`SIGNATURES_LIMIT`], [`SIGNATURES_SIZE_LIMIT`].

mod attach;
mod bundle;
mod found;
mod gpg;
mod json;
mod key;
mod log;
mod lookaside;
mod payload;
mod policy;
mod sign;

pub use attach::{Attachment, is_list_tag, is_signature, signatures_tag};
pub use bundle::SIGN_PREDICATE;
pub use found::{Content, Found, SignatureKinds, found_with};
pub use key::PublicKey;
pub use lookaside::{Fetch, Lookaside};
pub use payload::{PAYLOAD_LIMIT, SimpleSignature};
pub use policy::{Applied, Policy, Rejection, Verdict, Verified};
pub use sign::SigningKey;

/// The most signatures of one manifest that are looked at.
pub const SIGNATURES_LIMIT: usize = 256;

/// The most bytes of all signatures of one manifest that are read. One is some 300 bytes; a bundle with certificates 10 KiB.
pub const SIGNATURES_SIZE_LIMIT: u64 = 16 << 20;
