//! Content that a descriptor carries in its `data` field, base64.
//!
//! Format: [descriptors, "Embedded Content"](https://github.com/opencontainers/image-spec/blob/main/descriptor.md#embedded-content).

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use transship_core::{Descriptor, Error, ErrorKind, Expect, Hasher, Result, ResultExt, Stored};

/// As Go decodes it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// The content that a descriptor carries, which has to be what its digest and size say.
///
/// # Errors
/// `Corrupt` when it is not, or is no base64.
pub fn embedded_content(of: &Descriptor) -> Result<Option<Bytes>> {
    let Some(data) = &of.data else { return Ok(None) };
    let context = || format!("the data field of descriptor {}", of.digest);
    let no_base64 = |e| Error::new(ErrorKind::Corrupt, "it is no base64").caused_by(e);
    let bytes = BASE64.decode(data).map_err(no_base64).context(context)?;
    check_content(&bytes, of).context(context)?;
    Ok(Some(bytes.into()))
}

/// Holds bytes in memory to a descriptor.
///
/// # Errors
/// `Corrupt` when its digest or size is another one, `Unsupported` for an algorithm that is not known.
pub fn check_content(bytes: &[u8], of: &Descriptor) -> Result<()> {
    let mut hasher = Hasher::new(of.digest.algorithm())?;
    hasher.update(bytes);
    Expect::from(of).check(&Stored::new(hasher.finish(), bytes.len() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use transship_core::{MediaType, sha256};

    #[test]
    fn it_must_equal_the_content() {
        let mut d = Descriptor::new(MediaType::EmptyJson, sha256(b"{}"), 2);
        assert_eq!(embedded_content(&d).unwrap(), None);
        d.data = Some("e30=".to_owned());
        assert_eq!(embedded_content(&d).unwrap().unwrap(), "{}");
        for other in ["e30K", "e3s=", "!"] {
            d.data = Some(other.to_owned());
            assert_eq!(embedded_content(&d).unwrap_err().kind(), ErrorKind::Corrupt);
        }
    }
}
