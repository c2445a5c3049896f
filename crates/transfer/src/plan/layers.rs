//! Which form a layer gets. Pure.

use std::sync::Arc;

use transship_core::{
    Accepts, AcceptsLayers, Descriptor, Digest, Error, ErrorKind, Hint, LayerForm, LayerType,
    MediaType, Result,
};

use crate::codec::Compression;
use crate::plan::form_name;
use crate::{Compress, Digests, Format, Nondistributable, TransferOptions};

/// What is asked of layers, by the caller and the destination.
#[derive(Clone, Debug)]
pub(crate) struct LayerRules {
    pub(crate) compress: Compress,
    pub(crate) digests: Digests,
    pub(crate) nondistributable: Nondistributable,
    pub(crate) layers: AcceptsLayers,
    pub(crate) prefers: Option<LayerForm>,
}

/// What becomes of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LayerPlan {
    pub(crate) source: Arc<Descriptor>,
    /// The type that it gets.
    pub(crate) media_type: MediaType,
    pub(crate) handling: Handling,
    /// The digest of its tar, from the config.
    pub(crate) diff_id: Option<Digest>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Handling {
    Keep,
    Change(LayerForm),
    LeaveOut,
}

impl LayerPlan {
    pub(crate) fn is_kept(&self) -> bool {
        !matches!(self.handling, Handling::Change(_)) && self.media_type == self.source.media_type
    }
}

/// Whether the first bytes of a layer have to be read before [`plan_layer`]: the layer keeps its form, and its type says that
/// it is a plain tar where the config says that it is none. A layer that changes form shows what it is on the way.
pub(crate) fn needs_sniff(
    layer: &Descriptor,
    diff_id: Option<&Digest>,
    rules: &LayerRules,
) -> bool {
    let Some(known) = LayerType::of(&layer.media_type) else { return false };
    !stays_behind(known, rules)
        && form_of(known, layer, diff_id).is_none()
        && rules.form(known.form).is_none()
}

/// The form of a layer by what is said of it: whose diff ID is its digest is a plain tar, and no other is.
fn form_of(known: LayerType, layer: &Descriptor, diff_id: Option<&Digest>) -> Option<LayerForm> {
    match diff_id {
        Some(diff_id) if *diff_id == layer.digest => Some(LayerForm::Plain),
        Some(diff_id) if known.form == LayerForm::Plain && differ(diff_id, layer) => None,
        _ => Some(known.form),
    }
}

/// Digests of different algorithms cannot be compared.
fn differ(diff_id: &Digest, layer: &Descriptor) -> bool {
    *diff_id != layer.digest && diff_id.algorithm() == layer.digest.algorithm()
}

fn stays_behind(known: LayerType, rules: &LayerRules) -> bool {
    !known.distributable && rules.nondistributable == Nondistributable::LeaveOut
}

/// What becomes of a layer. `format` is the one that its manifest is converted to, `looked` what its first bytes are, where
/// that was looked at.
pub(crate) fn plan_layer(
    layer: &Descriptor,
    diff_id: Option<&Digest>,
    rules: &LayerRules,
    format: Option<Format>,
    sniffed: Option<Compression>,
) -> Result<LayerPlan> {
    let plan = |media_type, handling| LayerPlan {
        source: Arc::new(layer.clone()),
        media_type,
        handling,
        diff_id: diff_id.cloned(),
    };
    let Some(known) = LayerType::of(&layer.media_type) else {
        check_unknown(layer, rules)?;
        return Ok(plan(layer.media_type.clone(), Handling::Keep));
    };
    let target = |form| target_type(layer, known, format, form);
    if stays_behind(known, rules) {
        if rules.layers == AcceptsLayers::PlainOnly {
            return Err(not_without(layer));
        }
        return Ok(plan(target(known.form)?, Handling::LeaveOut));
    }
    let is = sniffed.map_or_else(|| form_of(known, layer, diff_id), as_form);
    check_plain(layer, diff_id, is)?;
    let wanted =
        rules.form(is.unwrap_or(known.form)).or_else(|| no_docker_zstd(known, format, rules));
    match wanted {
        Some(wanted) if is != Some(wanted) || rules.has_level(wanted) => {
            rules.may_change(layer, wanted)?;
            if diff_id.is_none() {
                return Err(no_diff_id(layer));
            }
            Ok(plan(target(wanted)?, Handling::Change(wanted)))
        }
        // It has the form that is wanted, whatever its type says.
        Some(wanted) => {
            rules.may_stay(layer, is)?;
            Ok(plan(target(wanted)?, Handling::Keep))
        }
        None => {
            rules.may_stay(layer, is)?;
            Ok(plan(target(known.form)?, Handling::Keep))
        }
    }
}

/// A manifest that becomes docker's gets no zstd layers unless they are asked for: few readers know them.
fn no_docker_zstd(
    known: LayerType,
    format: Option<Format>,
    rules: &LayerRules,
) -> Option<LayerForm> {
    let turns_docker = format == Some(Format::Docker) && known.format == Format::Oci;
    (turns_docker && known.form == LayerForm::Zstd && rules.compress != Compress::Keep)
        .then_some(LayerForm::Gzip)
}

fn target_type(
    layer: &Descriptor,
    known: LayerType,
    format: Option<Format>,
    form: LayerForm,
) -> Result<MediaType> {
    let target = LayerType { format: format.unwrap_or(known.format), form, ..known };
    if target == known {
        return Ok(layer.media_type.clone());
    }
    target.media_type().ok_or_else(|| {
        Error::new(
            ErrorKind::Unsupported,
            format!(
                "layer {} of type {} has no counterpart in docker's format",
                layer.digest, layer.media_type
            ),
        )
        .hint(Hint::UseOciFormat)
    })
}

fn as_form(compression: Compression) -> Option<LayerForm> {
    match compression {
        Compression::Plain => Some(LayerForm::Plain),
        Compression::Gzip => Some(LayerForm::Gzip),
        Compression::Zstd => Some(LayerForm::Zstd),
        _ => None,
    }
}

/// A plain layer's diff ID is its digest.
fn check_plain(layer: &Descriptor, diff_id: Option<&Digest>, is: Option<LayerForm>) -> Result<()> {
    match diff_id {
        Some(diff_id) if is == Some(LayerForm::Plain) && differ(diff_id, layer) => Err(Error::new(
            ErrorKind::Corrupt,
            format!(
                "layer {} is a plain tar, and the config says that it is {diff_id}",
                layer.digest
            ),
        )),
        _ => Ok(()),
    }
}

fn check_unknown(layer: &Descriptor, rules: &LayerRules) -> Result<()> {
    if rules.layers == AcceptsLayers::Any {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Unsupported,
        format!(
            "layer {} is of type {}, which the destination cannot hold and which cannot be changed",
            layer.digest, layer.media_type
        ),
    )
    .hint("oci:, oci-archive: and dir: hold it as it is"))
}

fn not_without(layer: &Descriptor) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!(
            "layer {} is not to be distributed, and the destination needs all layers",
            layer.digest
        ),
    )
    .hint("ask for such layers to be copied, or copy to oci:, oci-archive: or dir:")
}

fn no_diff_id(layer: &Descriptor) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        format!(
            "the config has no diff ID for layer {}, so it cannot be checked when it changes form",
            layer.digest
        ),
    )
    .hint(Hint::KeepCompression)
}

impl LayerRules {
    /// What the caller and the destination ask of layers.
    pub(crate) fn new(options: &TransferOptions, accepts: &Accepts) -> Self {
        Self {
            compress: options.compress,
            digests: options.digests,
            nondistributable: options.nondistributable,
            layers: accepts.layers,
            prefers: accepts.prefers,
        }
    }

    /// The form that a layer is to have; `None` for its own.
    fn form(&self, has: LayerForm) -> Option<LayerForm> {
        let preferred = match (self.digests, self.prefers) {
            (Digests::MayChange, Some(LayerForm::Plain)) => Some(LayerForm::Plain),
            // What is compressed already is good enough.
            (Digests::MayChange, Some(form)) if has == LayerForm::Plain => Some(form),
            _ => None,
        };
        match (self.compress, self.layers) {
            (Compress::Keep, _) => None,
            (Compress::Auto, AcceptsLayers::PlainOnly) => Some(LayerForm::Plain),
            (Compress::Auto, AcceptsLayers::CompressedOnly) => match has {
                LayerForm::Plain => {
                    Some(preferred.filter(|f| *f != LayerForm::Plain).unwrap_or(LayerForm::Gzip))
                }
                _ => None,
            },
            (Compress::Auto, _) => preferred,
            (asked, _) => asked.form(),
        }
    }

    /// Whether a level is asked for, so that a layer that has the form is made anew.
    fn has_level(&self, form: LayerForm) -> bool {
        matches!(
            (self.compress, form),
            (Compress::Gzip(Some(_)), LayerForm::Gzip) | (Compress::Zstd(Some(_)), LayerForm::Zstd)
        )
    }

    fn holds(&self, form: Option<LayerForm>) -> bool {
        match self.layers {
            AcceptsLayers::PlainOnly => form == Some(LayerForm::Plain),
            AcceptsLayers::CompressedOnly => form != Some(LayerForm::Plain),
            _ => true,
        }
    }

    fn may_change(&self, layer: &Descriptor, to: LayerForm) -> Result<()> {
        if !self.holds(Some(to)) {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("the destination cannot hold {} layers", form_name(to)),
            )
            .hint(Hint::CompressAsFits));
        }
        if self.digests == Digests::Preserve {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "layer {} would have to become {}, and digests are to be preserved",
                    layer.digest,
                    form_name(to)
                ),
            )
            .hint(Hint::AllowDigestChange));
        }
        Ok(())
    }

    fn may_stay(&self, layer: &Descriptor, is: Option<LayerForm>) -> Result<()> {
        if self.holds(is) {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "layer {} is {}, which the destination cannot hold, and layers are to be kept",
                layer.digest,
                is.map_or("of an unknown form", form_name)
            ),
        )
        .hint(Hint::CompressAsFits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use transship_core::sha256;

    const FORMS: [LayerForm; 3] = [LayerForm::Plain, LayerForm::Gzip, LayerForm::Zstd];

    fn layer(form: LayerForm) -> (Descriptor, Digest) {
        let known = LayerType { format: Format::Oci, form, distributable: true };
        let diff_id = sha256(b"plain");
        let digest = if form == LayerForm::Plain { diff_id.clone() } else { sha256(b"other") };
        (Descriptor::new(known.media_type().unwrap(), digest, 5), diff_id)
    }

    fn rules(compress: Compress, layers: AcceptsLayers) -> LayerRules {
        LayerRules {
            compress,
            digests: Digests::MayChange,
            nondistributable: Nondistributable::LeaveOut,
            layers,
            prefers: None,
        }
    }

    /// What becomes of a layer that is what it says.
    fn becomes(form: LayerForm, rules: &LayerRules) -> Result<LayerForm> {
        let (layer, diff_id) = layer(form);
        let plan = plan_layer(&layer, Some(&diff_id), rules, None, None)?;
        let known = LayerType::of(&plan.media_type).unwrap();
        match plan.handling {
            Handling::Keep => assert_eq!(known.form, form),
            Handling::Change(to) => assert_eq!(known.form, to),
            Handling::LeaveOut => panic!("left out"),
        }
        Ok(known.form)
    }

    #[test]
    fn what_the_caller_and_the_destination_say() {
        use AcceptsLayers::{Any, CompressedOnly, PlainOnly};
        for form in FORMS {
            assert_eq!(becomes(form, &rules(Compress::Auto, Any)).unwrap(), form);
            assert_eq!(becomes(form, &rules(Compress::Auto, PlainOnly)).unwrap(), LayerForm::Plain);
            let compressed = becomes(form, &rules(Compress::Auto, CompressedOnly)).unwrap();
            let expected = if form == LayerForm::Plain { LayerForm::Gzip } else { form };
            assert_eq!(compressed, expected);
            for (asked, to) in [
                (Compress::Plain, LayerForm::Plain),
                (Compress::Gzip(None), LayerForm::Gzip),
                (Compress::Zstd(None), LayerForm::Zstd),
            ] {
                assert_eq!(becomes(form, &rules(asked, Any)).unwrap(), to);
                let fits = becomes(form, &rules(asked, PlainOnly));
                assert_eq!(fits.is_ok(), to == LayerForm::Plain, "{form:?} {asked:?}");
                let fits = becomes(form, &rules(asked, CompressedOnly));
                assert_eq!(fits.is_ok(), to != LayerForm::Plain, "{form:?} {asked:?}");
            }
        }
    }

    #[test]
    fn every_digest_that_would_change_is_refused_if_it_must_not() {
        for form in FORMS {
            for layers in [AcceptsLayers::Any, AcceptsLayers::PlainOnly] {
                let mut rules = rules(Compress::Auto, layers);
                rules.digests = Digests::Preserve;
                rules.prefers = Some(LayerForm::Zstd);
                let kept = becomes(form, &rules);
                let fits = layers == AcceptsLayers::Any || form == LayerForm::Plain;
                assert_eq!(kept.is_ok(), fits, "{form:?}");
            }
        }
    }

    #[test]
    fn what_cannot_be_checked_does_not_change() {
        let (layer, _) = layer(LayerForm::Gzip);
        let rules = rules(Compress::Plain, AcceptsLayers::Any);
        let no_id = plan_layer(&layer, None, &rules, None, None);
        assert_eq!(no_id.unwrap_err().kind(), ErrorKind::Corrupt);
    }

    #[test]
    fn only_what_stays_and_contradicts_the_config_is_looked_at() {
        let (any, plain) = (AcceptsLayers::Any, AcceptsLayers::PlainOnly);
        let wishes = [Compress::Auto, Compress::Keep, Compress::Plain, Compress::Gzip(None)];
        for (rules, form) in wishes.iter().flat_map(|rules| FORMS.map(|form| (*rules, form))) {
            let (layer, diff_id) = layer(form);
            for layers in [any, plain] {
                assert!(!needs_sniff(&layer, Some(&diff_id), &self::rules(rules, layers)));
            }
        }
        let (layer, _) = layer(LayerForm::Plain);
        let looks =
            |compress| needs_sniff(&layer, Some(&sha256(b"another")), &rules(compress, any));
        assert_eq!(wishes.map(looks), [true, true, false, false]);
    }

    #[test]
    fn a_layer_whose_diff_id_is_its_digest_is_plain_whatever_its_type_says() {
        let (layer, _) = layer(LayerForm::Gzip);
        let plan = |compress| {
            let rules = rules(compress, AcceptsLayers::Any);
            plan_layer(&layer, Some(&layer.digest), &rules, None, None).unwrap().handling
        };
        assert_eq!(plan(Compress::Plain), Handling::Keep);
        assert_eq!(plan(Compress::Gzip(None)), Handling::Change(LayerForm::Gzip));
    }
}
