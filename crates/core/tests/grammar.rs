//! What holds for every text, not only for the examples.

#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use transship_core::{DockerName, ErrorKind, Escaped, ImageName, Platform};

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
