//! [`Expect`] and [`Stored`]: what bytes have to be, and what they were.

use crate::{Descriptor, Digest, Error, ErrorKind, Hasher, MediaType, Result};

/// What is expected of bytes before they have passed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Expect {
    /// What they are, where it is known.
    pub media_type: Option<MediaType>,
    /// Their digest, where it is known.
    pub digest: Option<Digest>,
    /// Their number, where it is known.
    pub size: Option<u64>,
    /// Of a layer, its [chain ID](crate::chain_id), where it is known: a place that keeps layers unpacked knows them by it.
    pub chain: Option<Digest>,
}

impl Expect {
    /// Nothing.
    pub fn anything() -> Self {
        Self::default()
    }

    /// A digest.
    pub fn digest(digest: Digest) -> Self {
        Self { digest: Some(digest), ..Self::default() }
    }

    /// Adds the size.
    #[must_use]
    pub fn with_size(mut self, size: u64) -> Self {
        self.size = Some(size);
        self
    }

    /// Adds the media type.
    #[must_use]
    pub fn with_media_type(mut self, media_type: MediaType) -> Self {
        self.media_type = Some(media_type);
        self
    }

    /// Adds the chain ID.
    #[must_use]
    pub fn with_chain(mut self, chain: Option<Digest>) -> Self {
        self.chain = chain;
        self
    }

    /// Both expectations.
    ///
    /// # Errors
    /// `Corrupt` when digests of one algorithm, or sizes, differ. There is room for one digest: of two algorithms `other`'s
    /// stays. [`Body::expecting`](crate::Body::expecting) keeps both.
    pub fn and(&self, other: &Self) -> Result<Self> {
        if let (Some(a), Some(b)) = (self.size, other.size)
            && a != b
        {
            return Err(Error::new(ErrorKind::Corrupt, format!("it has {a} bytes, {b} expected")));
        }
        if let (Some(a), Some(b)) = (&self.digest, &other.digest)
            && a != b
            && a.algorithm() == b.algorithm()
        {
            return Err(Error::new(ErrorKind::Corrupt, format!("it is {a}, {b} expected")));
        }
        Ok(Self {
            media_type: other.media_type.clone().or_else(|| self.media_type.clone()),
            digest: other.digest.clone().or_else(|| self.digest.clone()),
            size: other.size.or(self.size),
            chain: other.chain.clone().or_else(|| self.chain.clone()),
        })
    }

    /// A blob of the expected digest that is there with a size, if that is the expected one.
    pub fn of_size(&self, size: u64) -> Option<Stored> {
        let digest = self.digest.clone()?;
        self.size.is_none_or(|expected| expected == size).then(|| Stored::new(digest, size))
    }

    /// A hasher for the digest that is expected, sha256 where none is.
    ///
    /// # Errors
    /// `Unsupported` for digests that cannot be checked.
    pub fn hasher(&self) -> Result<Hasher> {
        self.digest
            .as_ref()
            .map_or_else(|| Ok(Hasher::sha256()), |digest| Hasher::new(digest.algorithm()))
    }

    /// Compares the bytes that were read with what was expected.
    ///
    /// # Errors
    /// `Corrupt` with both when they differ.
    pub fn check(&self, found: &Stored) -> Result<()> {
        if let Some(size) = self.size.filter(|size| *size != found.size) {
            let how = if found.size < size { "it ends early" } else { "it is too long" };
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!("{how}: {} bytes found, {size} expected", found.size),
            )
            .context(self.what()));
        }
        if let Some(digest) = self.digest.as_ref().filter(|digest| **digest != found.digest) {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!(
                    "its content is not what its digest says: {} found, {digest} expected",
                    found.digest
                ),
            ));
        }
        Ok(())
    }

    fn what(&self) -> String {
        self.digest.as_ref().map_or_else(|| "blob".to_owned(), |digest| format!("blob {digest}"))
    }
}

impl From<&Descriptor> for Expect {
    fn from(descriptor: &Descriptor) -> Self {
        Self {
            media_type: Some(descriptor.media_type.clone()),
            digest: Some(descriptor.digest.clone()),
            size: Some(descriptor.size),
            chain: None,
        }
    }
}

/// What is there now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stored {
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}

impl Stored {
    /// The digest and size of what is stored.
    pub fn new(digest: Digest, size: u64) -> Self {
        Self { digest, size }
    }
}
