//! [`Requirement`]: one thing that an image needs.

use std::fmt;
use std::path::{Path, PathBuf};

use transship_core::{Cancel, Digest, Identity, Result};

use super::identity::SignedIdentity;
use crate::bundle;
use crate::found::{Content, Found, SignatureKinds};
use crate::gpg::{ATOMIC_TYPE, Keyring};
use crate::key::PublicKey;
use crate::payload::Claim;

/// One thing that an image needs.
#[derive(Clone, Debug)]
pub(super) enum Requirement {
    AcceptAnything,
    Reject,
    SigstoreSigned(SigstoreSigned),
    SignedBy(SignedBy),
    /// It is well formed, and this release cannot check it: its name.
    Unchecked(String),
}

/// A signature of one of these keys.
#[derive(Clone, Debug)]
pub(super) struct SigstoreSigned {
    pub(super) keys: Keys,
    /// The keys of a log that must have the signature.
    pub(super) rekor: Option<Keys>,
    pub(super) identity: SignedIdentity,
}

/// A signature of `OpenPGP` by one of these keys.
#[derive(Clone, Debug)]
pub(super) struct SignedBy {
    pub(super) keys: Keys,
    pub(super) identity: SignedIdentity,
}

/// Keys, as a policy names them.
#[derive(Clone, Debug)]
pub(super) enum Keys {
    Files(Vec<PathBuf>),
    Data(Vec<Vec<u8>>),
    Given(Vec<PublicKey>),
}

impl Requirement {
    /// The kinds of signatures that can meet it.
    pub(super) fn kinds(&self) -> SignatureKinds {
        match self {
            Self::AcceptAnything | Self::Reject | Self::Unchecked(_) => SignatureKinds::default(),
            Self::SigstoreSigned(_) => SignatureKinds::SIGSTORE,
            Self::SignedBy(_) => SignatureKinds::OPEN_PGP,
        }
    }

    /// Whether nothing meets it.
    pub(super) fn rejects_always(&self) -> bool {
        matches!(self, Self::Reject | Self::Unchecked(_))
    }

    /// Where the signature lies that meets it, if it needs one; else why it is not met.
    pub(super) fn check(
        &self,
        image: &Identity,
        digest: &Digest,
        signatures: &[Found],
        cancel: &Cancel,
    ) -> std::result::Result<Option<String>, Vec<String>> {
        match self {
            Self::AcceptAnything => Ok(None),
            Self::Reject => Err(Vec::new()),
            Self::Unchecked(_) => Err(vec!["this release cannot check it".to_owned()]),
            Self::SigstoreSigned(signed) => signed.check(image, digest, signatures).map(Some),
            Self::SignedBy(signed) => signed.check(image, digest, signatures, cancel).map(Some),
        }
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AcceptAnything => f.write_str("insecureAcceptAnything"),
            Self::Reject => f.write_str("reject"),
            Self::Unchecked(name) => f.write_str(name),
            Self::SigstoreSigned(signed) => write!(f, "sigstoreSigned by {}", signed.keys),
            Self::SignedBy(signed) => write!(f, "signedBy {}", signed.keys),
        }
    }
}

impl SigstoreSigned {
    fn check(
        &self,
        image: &Identity,
        digest: &Digest,
        signatures: &[Found],
    ) -> std::result::Result<String, Vec<String>> {
        let keys = self.keys.load().map_err(|error| vec![error.to_string()])?;
        let log = self.rekor.as_ref().map(Keys::load).transpose();
        let log = log.map_err(|error| vec![format!("the log's key: {error}")])?;
        first_that_counts(signatures, "sigstore", |content| {
            Some(match content {
                Content::Simple(signature) => {
                    signature.verify(&keys, log.as_deref(), digest).and_then(|name| {
                        self.identity
                            .accepts(image, &name)
                            .map_err(|why| format!("it is good, but {why}"))
                    })
                }
                Content::Bundle(bundle) => {
                    bundle::verify(bundle, &keys, digest).and_then(|()| match self.identity {
                        SignedIdentity::Any => Ok(()),
                        _ => Err("it is good, but a bundle names no image".to_owned()),
                    })
                }
                Content::Unreadable(why) => Err(why.clone()),
                Content::OpenPgp(_) | Content::Other(_) | Content::Absent(_) => return None,
            })
        })
    }
}

/// Where the first signature is that counts; else why each does not. What is of another kind is counted alone.
fn first_that_counts(
    signatures: &[Found],
    kind: &str,
    verify: impl Fn(&Content) -> Option<std::result::Result<(), String>>,
) -> std::result::Result<String, Vec<String>> {
    let (mut reasons, mut others) = (Vec::new(), 0_usize);
    for found in signatures {
        match verify(&found.content) {
            Some(Ok(())) => return Ok(found.place.clone()),
            Some(Err(why)) => reasons.push(format!("{}: {why}", found.place)),
            None if matches!(found.content, Content::Absent(_)) => {}
            None => others += 1,
        }
    }
    if reasons.is_empty() {
        reasons.push(no_signature(kind, others));
    }
    Err(reasons)
}

impl SignedBy {
    fn check(
        &self,
        image: &Identity,
        digest: &Digest,
        signatures: &[Found],
        cancel: &Cancel,
    ) -> std::result::Result<String, Vec<String>> {
        let keyring = self.keys.keyring(cancel).map_err(|error| vec![error.to_string()])?;
        first_that_counts(signatures, "GPG", |content| match content {
            Content::OpenPgp(message) => Some(self.accepts(&keyring, message, image, digest)),
            Content::Unreadable(why) => Some(Err(why.clone())),
            Content::Absent(by) => Some(Err(format!("there is no signature ({by})"))),
            _ => None,
        })
    }

    fn accepts(
        &self,
        keyring: &Keyring,
        message: &[u8],
        image: &Identity,
        digest: &Digest,
    ) -> std::result::Result<(), String> {
        let payload = keyring.payload(message)?;
        let name = Claim::of(&payload, ATOMIC_TYPE, digest)?;
        self.identity.accepts(image, &name).map_err(|why| format!("it is good, but {why}"))
    }
}

fn no_signature(kind: &str, others: usize) -> String {
    match others {
        0 => "there is no signature".to_owned(),
        others => format!("there is no {kind} signature ({others} of other kinds)"),
    }
}

impl Keys {
    fn keyring(&self, cancel: &Cancel) -> Result<Keyring> {
        match self {
            Self::Files(files) => Keyring::read(files, cancel),
            Self::Data(all) => Keyring::new(all, cancel),
            Self::Given(_) => Keyring::new(&[], cancel),
        }
    }

    pub(super) fn load(&self) -> Result<Vec<PublicKey>> {
        match self {
            Self::Files(files) => files.iter().map(|file| PublicKey::read(file)).collect(),
            Self::Data(all) => all.iter().map(|pem| PublicKey::from_pem(pem)).collect(),
            Self::Given(keys) => Ok(keys.clone()),
        }
    }
}

impl fmt::Display for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Files(files) => {
                let names: Vec<_> = files.iter().map(|file| shown(file)).collect();
                f.write_str(&names.join(" or "))
            }
            Self::Data(keys) => write!(f, "{}", counted(keys.len())),
            Self::Given(keys) => write!(f, "{}", counted(keys.len())),
        }
    }
}

fn shown(file: &Path) -> String {
    file.display().to_string()
}

fn counted(keys: usize) -> String {
    if keys == 1 { "its key".to_owned() } else { format!("one of its {keys} keys") }
}
