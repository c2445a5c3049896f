//! What an image runs on, as its config says.

use transship_core::{ImageConfig, MediaType, Platform};

/// What a config says that its image runs on; `None` when it is no image's config, or says nothing.
pub(crate) fn of_config(media_type: &MediaType, bytes: &[u8]) -> Option<Platform> {
    if !ImageConfig::is_type(media_type) {
        return None;
    }
    ImageConfig::parse(bytes).ok()?.platform
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_image_configs_say_it() {
        let text = br#"{"architecture":"arm","os":"linux","variant":"v7","os.version":""}"#;
        let platform = of_config(&MediaType::ImageConfig, text).unwrap();
        assert_eq!(platform.to_string(), "linux/arm/v7");
        assert_eq!(of_config(&MediaType::EmptyJSON, text), None);
        assert_eq!(of_config(&MediaType::ImageConfig, b"{}"), None);
        assert_eq!(of_config(&MediaType::ImageConfig, b"no"), None);
    }
}
