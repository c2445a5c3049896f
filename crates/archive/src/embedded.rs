//! Content that a descriptor carries in its `data` field, base64.
//!
//! Format: [descriptors, "Embedded Content"](https://github.com/opencontainers/image-spec/blob/main/descriptor.md#embedded-content).

use bytes::Bytes;
use transship_core::{Descriptor, Error, ErrorKind, Expect, Hasher, Result, ResultExt, Stored};

/// The content that a descriptor carries, which has to be what its digest and size say.
///
/// # Errors
/// `Corrupt` when it is not, or is no base64.
pub fn embedded_content(of: &Descriptor) -> Result<Option<Bytes>> {
    let Some(data) = &of.data else { return Ok(None) };
    let context = || format!("the data field of descriptor {}", of.digest);
    let bytes = decode(data.as_bytes())
        .ok_or_else(|| Error::new(ErrorKind::Corrupt, "it is no base64"))
        .context(context)?;
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

/// Decodes [base64](https://www.rfc-editor.org/rfc/rfc4648#section-4) with its padding.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let padding = text.iter().rev().take_while(|b| **b == b'=').count();
    if padding > 2 {
        return None;
    }
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    for group in text[..text.len() - padding].chunks(4) {
        let mut bits = group.iter().try_fold(0_u32, |bits, b| Some(bits << 6 | sextet(*b)?))?;
        bits <<= 6 * (4 - group.len());
        out.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    Some(out)
}

fn sextet(b: u8) -> Option<u32> {
    let value = match b {
        b'A'..=b'Z' => b - b'A',
        b'a'..=b'z' => b - b'a' + 26,
        b'0'..=b'9' => b - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(value.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use transship_core::{MediaType, sha256};

    #[test]
    fn base64() {
        for (text, bytes) in
            [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYg==", "foob")]
        {
            assert_eq!(decode(text.as_bytes()).as_deref(), Some(bytes.as_bytes()), "{text}");
        }
        assert_eq!(decode(b"+/+/").unwrap(), [0xfb, 0xff, 0xbf]);
        for bad in ["Z", "Zg=", "Zg", "====", "Z===", "Zm9v\n", "Zm=v", "Zm-v"] {
            assert_eq!(decode(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn it_must_equal_the_content() {
        let mut d = Descriptor::new(MediaType::EmptyJSON, sha256(b"{}"), 2);
        assert_eq!(embedded_content(&d).unwrap(), None);
        d.data = Some("e30=".to_owned());
        assert_eq!(embedded_content(&d).unwrap().unwrap(), "{}");
        for other in ["e30K", "e3s=", "!"] {
            d.data = Some(other.to_owned());
            assert_eq!(embedded_content(&d).unwrap_err().kind(), ErrorKind::Corrupt);
        }
    }
}
