//! [`Policy`]: what images need to be trusted.

mod identity;
mod parse;
mod requirement;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use transship_core::{
    Cancel, Digest, Error, ErrorKind, Escaped, Identity, Result, ResultExt, small_file,
};

use crate::{Found, Lookaside, PublicKey, SignatureKinds};
use identity::SignedIdentity;
use requirement::{Keys, Requirement, SigstoreSigned};

/// What images need to be trusted: a value, as `policy.json` or a caller says it.
///
/// One list of requirements applies to an image: that of its most specific scope, else that of its transport, else the default.
/// All of them must hold.
#[derive(Clone, Debug)]
pub struct Policy {
    origin: String,
    default: Requirements,
    transports: BTreeMap<String, BTreeMap<String, Requirements>>,
    demands: Demands,
    covers: Covers,
    lookaside: Option<Arc<Lookaside>>,
}

/// All of them must hold.
type Requirements = Arc<[Requirement]>;

/// Whether a policy may accept an image without a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Demands {
    /// As its requirements say.
    AsItSays,
    /// Where no requirement asks for a signature, the image is rejected.
    Signature,
}

/// What a signature of an index says of the images that it lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Covers {
    /// Nothing: each needs its own.
    Itself,
    /// It names them by digest, and so stands for them.
    WhatItLists,
}

impl Policy {
    /// Reads the text of a `policy.json`; `origin` is what messages call it.
    ///
    /// # Errors
    /// `InvalidInput` for a text that is not well formed, also for unknown or repeated keys: a typing error must not lower trust.
    pub fn parse(origin: impl Into<String>, text: &[u8]) -> Result<Self> {
        let origin = origin.into();
        let (default, transports) = parse::policy(text).map_err(|error| {
            let message = format!("{origin} is no valid policy: {}", error.message());
            Error::new(ErrorKind::InvalidInput, message)
        })?;
        let (demands, covers) = (Demands::AsItSays, Covers::Itself);
        Ok(Self { origin, default, transports, demands, covers, lookaside: None })
    }

    /// Reads a `policy.json`.
    ///
    /// # Errors
    /// `InvalidInput` where there is none, and as [`parse`](Self::parse).
    pub fn read(path: &Path) -> Result<Self> {
        let text = small_file(path, "reading").map_err(Error::of_option);
        Self::parse(path.display().to_string(), &text.context(|| "the policy")?)
    }

    /// A policy without a file: every image is signed with one of these keys, under any name. A signature of an index stands
    /// for the images that it lists, as `cosign sign` makes it.
    pub fn of_keys(origin: impl Into<String>, keys: Vec<PublicKey>) -> Self {
        let (keys, rekor, identity) = (Keys::Given(keys), None, SignedIdentity::Any);
        let signed = SigstoreSigned { keys, rekor, identity };
        Self {
            origin: origin.into(),
            default: [Requirement::SigstoreSigned(signed)].into(),
            transports: BTreeMap::new(),
            demands: Demands::Signature,
            covers: Covers::WhatItLists,
            lookaside: None,
        }
    }

    /// Rejects images of which its requirements ask for no signature.
    #[must_use]
    pub fn require_signed(mut self) -> Self {
        self.demands = Demands::Signature;
        self
    }

    /// Looks for signatures of images in registries in lookaside storage, too.
    #[must_use]
    pub fn with_lookaside(self, lookaside: Lookaside) -> Self {
        Self { lookaside: Some(Arc::new(lookaside)), ..self }
    }

    /// What applies to an image.
    pub fn for_image(&self, scheme: &str, image: &Identity) -> Applied {
        let scopes = self.transports.get(scheme);
        let of_scope = |scope: &str| {
            let (scope, list) = scopes?.get_key_value(scope)?;
            Some((Some(scope.as_str()), list))
        };
        let has_some = scopes.is_some_and(|scopes| scopes.keys().any(|scope| !scope.is_empty()));
        if has_some && !image.scopes_are_known() {
            let unchecked = Requirement::Unchecked(format!("the scopes of {scheme}"));
            return self.applied(scheme, None, &[unchecked].into());
        }
        let found = image.scopes().iter().find_map(|scope| of_scope(scope));
        let found = found.or_else(|| of_scope(""));
        let (scope, requirements) = found.unwrap_or((None, &self.default));
        self.applied(scheme, scope, requirements)
    }

    fn applied(&self, scheme: &str, scope: Option<&str>, requirements: &Requirements) -> Applied {
        Applied {
            origin: self.origin.clone(),
            scheme: scheme.to_owned(),
            scope: scope.map(str::to_owned),
            requirements: Arc::clone(requirements),
            demands: self.demands,
            covers: self.covers,
            lookaside: self.lookaside.clone(),
        }
    }

    /// Decides about an image: its transport's scheme, what policies call it, the digest of its manifest, and the
    /// signatures that were found.
    pub fn check(
        &self,
        scheme: &str,
        image: &Identity,
        digest: &Digest,
        signatures: &[Found],
    ) -> Verdict {
        self.for_image(scheme, image).check(image, digest, signatures)
    }

    /// What messages call it.
    pub fn origin(&self) -> &str {
        &self.origin
    }
}

/// The part of a policy that applies to an image.
#[derive(Clone, Debug)]
pub struct Applied {
    origin: String,
    scheme: String,
    /// `None` for the default.
    scope: Option<String>,
    requirements: Requirements,
    demands: Demands,
    covers: Covers,
    lookaside: Option<Arc<Lookaside>>,
}

impl Applied {
    /// The kinds of signatures that can meet its requirements.
    pub fn kinds(&self) -> SignatureKinds {
        let kinds = self.requirements.iter().map(Requirement::kinds);
        kinds.fold(SignatureKinds::default(), SignatureKinds::and)
    }

    /// Whether every image is accepted, so that nothing need be read for it.
    pub fn accepts_anything(&self) -> bool {
        let mut all = self.requirements.iter();
        !self.lacks_signature() && all.all(|one| matches!(one, Requirement::AcceptAnything))
    }

    /// Whether no signature can change the verdict.
    pub fn rejects_anything(&self) -> bool {
        self.lacks_signature()
            || self.requirements.iter().any(|one| matches!(one, Requirement::Reject))
    }

    /// Whether a signature of an index stands for the images that it lists.
    pub fn index_covers_images(&self) -> bool {
        self.covers == Covers::WhatItLists
    }

    pub(crate) fn scheme(&self) -> &str {
        &self.scheme
    }

    pub(crate) fn lookaside(&self) -> Option<&Lookaside> {
        self.lookaside.as_deref()
    }

    /// Decides, as [`Policy::check`] does. Keys that the policy names are read.
    pub fn check(&self, image: &Identity, digest: &Digest, signatures: &[Found]) -> Verdict {
        self.check_until(image, digest, signatures, &Cancel::new())
    }

    /// As [`check`](Self::check), and rejects when nobody waits for it any more: `gpgv`, where it runs, is ended then.
    pub fn check_until(
        &self,
        image: &Identity,
        digest: &Digest,
        signatures: &[Found],
        cancel: &Cancel,
    ) -> Verdict {
        if self.lacks_signature() {
            let why = vec!["none of its requirements asks for a signature".to_owned()];
            return self.rejected(digest, "a signature is demanded".to_owned(), why);
        }
        // Signatures are not looked for then: to say that others are not met would be wrong.
        let reject = |one: &&Requirement| matches!(one, Requirement::Reject);
        if let Some(reject) = self.requirements.iter().find(reject) {
            return self.rejected(digest, reject.to_string(), Vec::new());
        }
        let mut by = Vec::new();
        for requirement in &*self.requirements {
            match requirement.check(image, digest, signatures, cancel) {
                Ok(signature) => by.extend(signature),
                Err(why) => return self.rejected(digest, requirement.to_string(), why),
            }
        }
        let scope = self.to_string();
        Verdict::Verified(Verified { scope, by })
    }

    fn lacks_signature(&self) -> bool {
        let none = self.kinds() == SignatureKinds::default();
        let rejects = self.requirements.iter().any(Requirement::rejects_always);
        self.demands == Demands::Signature && none && !rejects
    }

    fn rejected(&self, digest: &Digest, requirement: String, reasons: Vec<String>) -> Verdict {
        let (policy, scope) = (self.origin.clone(), self.to_string());
        let digest = digest.clone();
        Verdict::Rejected(Rejection { digest, policy, scope, requirement, reasons })
    }
}

impl fmt::Display for Applied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scope.as_deref() {
            None => f.write_str("default"),
            Some("") => write!(f, "{}, all images", self.scheme),
            Some(scope) => write!(f, "{}, scope {scope:?}", self.scheme),
        }
    }
}

/// What [`Policy::check`] decides.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// The image may be used.
    Verified(Verified),
    /// It may not.
    Rejected(Rejection),
}

/// Why an image was accepted.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Verified {
    /// Which part of the policy applies.
    pub scope: String,
    /// For each requirement that asks for a signature, the one that met it: where it lies.
    pub by: Vec<String>,
}

/// Why an image was rejected.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Rejection {
    /// The digest of the manifest.
    pub digest: Digest,
    /// What the policy is called.
    pub policy: String,
    /// Which part of it applies.
    pub scope: String,
    /// The requirement that is not met.
    pub requirement: String,
    /// Why not: one reason for each signature that was found, or what there is instead.
    pub reasons: Vec<String>,
}

impl Rejection {
    /// An error of kind `Untrusted`.
    pub fn into_error(self) -> Error {
        Error::new(ErrorKind::Untrusted, self.to_string())
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// More reasons than these help nobody.
        const SHOWN: usize = 8;
        let Self { digest, policy, scope, requirement, reasons } = self;
        write!(f, "{digest} is rejected by {policy} ({scope}): {requirement}")?;
        for (at, reason) in reasons.iter().take(SHOWN).enumerate() {
            write!(f, "{} {}", if at == 0 { ":" } else { ";" }, Escaped(reason))?;
        }
        match reasons.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}
