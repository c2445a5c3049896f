//! What holds for every text, not only for the examples.

#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use transship_core::{Digest, DockerName, ErrorKind, Escaped, ImageName, MediaType, Platform};

/// Names from the whole grammar.
fn docker_name() -> impl Strategy<Value = String> {
    let domain =
        "([a-z0-9]([a-zA-Z0-9-]{0,5}[a-z0-9])?\\.[a-z]{2,3}|localhost|\\[::1\\])(:[0-9]{1,5})?/";
    let component = "[a-z0-9]{1,4}((\\.|_|__|-{1,3})[a-z0-9]{1,4}){0,2}";
    // With a dot, a first component would be a domain.
    let path = format!("[a-z0-9]{{1,4}}((_|__|-)[a-z0-9]{{1,4}})?(/{component}){{0,2}}");
    let regex =
        format!("({domain})?{path}(:[A-Za-z0-9_][A-Za-z0-9_.-]{{0,10}})?(@sha256:[0-9a-f]{{64}})?");
    proptest::string::string_regex(&regex)
        .unwrap()
        .prop_filter("64 hex digits are an ID", |s| s.len() != 64)
}

proptest! {
    #[test]
    fn the_canonical_text_is_a_fixed_point(text in docker_name()) {
        let name = DockerName::parse(&text).unwrap();
        let canonical = name.to_string();
        prop_assert_eq!(DockerName::parse(&canonical).unwrap(), name.clone());
        prop_assert_eq!(DockerName::parse(&name.familiar()).unwrap(), name);
    }

    #[test]
    fn any_text_is_parsed_or_refused(text in "\\PC{0,40}|[a-zA-Z0-9.:/@_\\[\\]-]{0,40}") {
        let errors = [
            DockerName::parse(&text).err(),
            Platform::parse(&text).err(),
            ImageName::new(&text).err(),
        ];
        for error in errors.into_iter().flatten() {
            prop_assert_eq!(error.kind(), ErrorKind::InvalidInput);
            prop_assert!(!error.to_string().contains('\n'));
        }
    }

    #[test]
    fn a_platform_fits_itself(os in "linux|windows", arch in "amd64|arm64|arm|386|s390x", variant in "(v[1-9])?") {
        let platform = Platform::parse(format!("{os}/{arch}/{variant}").trim_end_matches('/')).unwrap();
        prop_assert_eq!(platform.fit(&platform), Some(0));
        prop_assert_eq!(Platform::parse(&platform.to_string()).unwrap(), platform);
    }

    #[test]
    fn escaped_text_is_one_line_without_controls(text in any::<String>()) {
        prop_assert!(!Escaped(&text).to_string().chars().any(char::is_control));
    }
}

/// Texts that are digests or nearly so.
fn nearly_a_digest() -> impl Strategy<Value = String> {
    let any = "[a-zA-Z0-9+._:/-]{0,6}(:[a-zA-Z0-9=_+./-]{0,6}){1,2}";
    let known = "(sha256|sha384|sha512|blake3|sha1|Sha256)";
    let hex = "([0-9a-f]{62,66}|[0-9a-f]{95,97}|[0-9a-f]{127,129}|[0-9A-Fg=]{64})";
    proptest::string::string_regex(&format!("{any}|{known}:{hex}")).unwrap()
}

/// The grammar of the image spec, told from the ends and by pairs rather than part by part.
fn is_digest(text: &str) -> bool {
    let Some((algorithm, encoded)) = text.split_once(':') else { return false };
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_joint = |b: &u8| b"+._-".contains(b);
    let named = algorithm.starts_with(is_word)
        && algorithm.ends_with(is_word)
        && algorithm.chars().all(|c| is_word(c) || "+._-".contains(c))
        && !algorithm.as_bytes().windows(2).any(|pair| pair.iter().all(is_joint));
    let digits = match algorithm {
        "sha256" | "blake3" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ => {
            let in_encoded = |c: char| c.is_ascii_alphanumeric() || "=_-".contains(c);
            return named && !encoded.is_empty() && encoded.chars().all(in_encoded);
        }
    };
    encoded.len() == digits && encoded.chars().all(|c| "0123456789abcdef".contains(c))
}

proptest! {
    #[test]
    fn a_text_is_a_digest_exactly_by_the_grammar(text in prop_oneof![any::<String>(), nearly_a_digest()]) {
        let parsed = Digest::try_from(&*text);
        prop_assert_eq!(parsed.is_ok(), is_digest(&text), "{:?}", text);
        match parsed {
            Ok(digest) => {
                prop_assert_eq!(digest.to_string(), &*text);
                prop_assert_eq!(format!("{}:{}", digest.algorithm(), digest.encoded()), text);
            }
            Err(error) => prop_assert!(!error.to_string().contains(char::is_control)),
        }
    }

    #[test]
    fn media_types_are_equal_as_their_texts_are(texts in [media_type(), media_type()]) {
        let [a, b] = texts.each_ref().map(|text| MediaType::from(text.as_str()));
        prop_assert_eq!(a == b, texts[0] == texts[1]);
        prop_assert_eq!(a.as_ref(), &texts[0]);
        prop_assert_eq!(MediaType::from(b.to_string()), b);
    }
}

fn media_type() -> impl Strategy<Value = String> {
    let of_layer =
        "application/vnd\\.oci\\.image\\.layer\\.(nondistributable\\.)?v1\\.tar(\\+gzip|\\+zstd)?";
    proptest::string::string_regex(&format!("{of_layer}|[a-z]{{0,1}}")).unwrap()
}
