//! [`LayerType`]: the media types of layers that are known, in one table.

use crate::{LayerForm, MediaType, media_type, media_types};

/// A kind of manifests: there are these two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Those of the OCI image specification.
    Oci,
    /// Those of docker, schema 2.
    Docker,
}

/// What a media type says of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerType {
    /// The kind of manifests that it is for.
    pub format: Format,
    /// How the tar is compressed.
    pub form: LayerForm,
    /// Whether it is to be distributed: if not, a place need not hold it.
    pub distributable: bool,
}

/// Docker has no zstd type for layers that are not to be distributed.
const TABLE: [(&str, LayerType); 11] = [
    (media_type::LAYER, of(Format::Oci, LayerForm::Plain, true)),
    (media_type::LAYER_GZIP, of(Format::Oci, LayerForm::Gzip, true)),
    (media_type::LAYER_ZSTD, of(Format::Oci, LayerForm::Zstd, true)),
    (media_type::FOREIGN, of(Format::Oci, LayerForm::Plain, false)),
    (media_type::FOREIGN_GZIP, of(Format::Oci, LayerForm::Gzip, false)),
    (media_type::FOREIGN_ZSTD, of(Format::Oci, LayerForm::Zstd, false)),
    (media_types::DOCKER_LAYER, of(Format::Docker, LayerForm::Plain, true)),
    (media_types::DOCKER_LAYER_GZIP, of(Format::Docker, LayerForm::Gzip, true)),
    (media_types::DOCKER_LAYER_ZSTD, of(Format::Docker, LayerForm::Zstd, true)),
    (media_types::DOCKER_FOREIGN_LAYER, of(Format::Docker, LayerForm::Plain, false)),
    (media_types::DOCKER_FOREIGN_LAYER_GZIP, of(Format::Docker, LayerForm::Gzip, false)),
];

const fn of(format: Format, form: LayerForm, distributable: bool) -> LayerType {
    LayerType { format, form, distributable }
}

impl LayerType {
    /// What a media type means: a tar, whose plain bytes the config's diff ID is of. `None` for types that are never changed:
    /// encrypted, in-toto, unknown ones.
    pub fn of(media_type: &MediaType) -> Option<Self> {
        TABLE.iter().find(|(name, _)| *name == media_type.as_ref()).map(|(_, found)| *found)
    }

    /// The media type that says this; `None` where there is none.
    pub fn media_type(self) -> Option<MediaType> {
        TABLE.iter().find(|(_, known)| *known == self).map(|(name, _)| MediaType::from(*name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_goes_both_ways() {
        for (name, known) in TABLE {
            assert_eq!(LayerType::of(&MediaType::from(name)), Some(known));
            assert_eq!(known.media_type(), Some(MediaType::from(name)));
        }
        assert_eq!(of(Format::Docker, LayerForm::Zstd, false).media_type(), None);
    }

    #[test]
    fn what_is_not_known_is_left_alone() {
        for name in [
            "application/vnd.oci.image.layer.v1.tar+gzip+encrypted",
            "application/vnd.in-toto+json",
            "application/vnd.oci.empty.v1+json",
            "",
        ] {
            assert_eq!(LayerType::of(&MediaType::from(name)), None, "{name}");
        }
    }
}
