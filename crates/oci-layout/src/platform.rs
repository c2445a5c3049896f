//! What an image runs on, as its config says.

use serde::Deserialize;
use transship_core::{MediaType, Platform, media_types};

/// What a config says that its image runs on; `None` when it is no image's config, or says nothing.
pub(crate) fn of_config(media_type: &MediaType, bytes: &[u8]) -> Option<Platform> {
    if !is_image_config(media_type) {
        return None;
    }
    let config: Config = serde_json::from_slice(bytes).ok()?;
    let some = |text: Option<String>| text.filter(|text| !text.is_empty());
    let mut platform = Platform::new(some(config.os)?, some(config.architecture)?);
    platform.variant = some(config.variant);
    platform.os_version = some(config.os_version);
    platform.os_features = config.os_features.unwrap_or_default();
    Some(platform)
}

/// Whether a config is that of an image, and not of an artifact.
pub(crate) fn is_image_config(media_type: &MediaType) -> bool {
    *media_type == MediaType::ImageConfig || media_type.as_ref() == media_types::DOCKER_CONFIG
}

#[derive(Deserialize)]
struct Config {
    architecture: Option<String>,
    os: Option<String>,
    variant: Option<String>,
    #[serde(rename = "os.version")]
    os_version: Option<String>,
    #[serde(rename = "os.features")]
    os_features: Option<Vec<String>>,
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
