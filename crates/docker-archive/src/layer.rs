//! [`Layer`]: one layer as an archive has it, and the [`Body`] that it becomes.

use std::path::PathBuf;

use transship_archive::{Compression, Known};
use transship_core::{
    Body, Cancel, Descriptor, Digest, Error, ErrorKind, Expect, FileRange, MediaType, OncePer,
    Result, Stored,
};

use crate::diff_check::{self, DiffChecked};
use crate::form::{form_of, media_type, plain};

/// One layer as an archive has it.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    /// What it is served as: digest and size are those of the served bytes.
    pub(crate) descriptor: Descriptor,
    /// Where its bytes are in the archive.
    pub(crate) range: FileRange,
    pub(crate) how: Served,
}

/// How the bytes in the archive become those that are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Served {
    /// As they are; their digest says all.
    Whole,
    /// As they are; what they decompress to is held to a diff ID.
    Checked(Compression, Digest),
    /// Decompressed, because OCI has no name for the form.
    Decompressed(Compression),
}

/// Digests and sizes that took a pass over a layer to compute, by where the layer is: a file and an offset in it.
pub(crate) type Computed = OncePer<(PathBuf, u64), Stored>;

impl Layer {
    /// A layer that nothing but a diff ID describes. A plain one is served under that; one that is compressed by gzip or
    /// zstd as it is, under a digest that is computed; others are served plain.
    pub(crate) fn look_at(
        range: FileRange,
        known: Option<&Known>,
        diff_id: &Digest,
        computed: &Computed,
        cancel: &Cancel,
    ) -> Result<Self> {
        let form = form_of(&range)?;
        let place = (range.path().to_owned(), range.offset());
        let (how, served) = match (form, media_type(form)) {
            (Compression::Plain, _) => {
                check_digest(known, diff_id)?;
                (Served::Whole, Stored::new(diff_id.clone(), range.len()))
            }
            (_, Some(_)) => {
                let how = Served::Checked(form, diff_id.clone());
                let served = if let Some(known) = known {
                    check_passed(known, &range, &how, cancel)?;
                    known.stored.clone()
                } else {
                    let whole = || Body::from_file(range.clone()).chunks(cancel)?.finish();
                    computed.get_or_compute(place, whole)?
                };
                (how, served)
            }
            (_, None) => {
                let expect = Expect::digest(diff_id.clone());
                let plain =
                    || decompressed(&range, form)?.expecting(&expect)?.chunks(cancel)?.finish();
                (Served::Decompressed(form), computed.get_or_compute(place, plain)?)
            }
        };
        let media_type = media_type(form).unwrap_or(MediaType::ImageLayer);
        let descriptor = Descriptor::new(media_type, served.digest, served.size);
        Ok(Self { descriptor, range, how })
    }

    /// A layer that a stored manifest describes as a [tar](is_tar).
    pub(crate) fn described(
        descriptor: &Descriptor,
        range: FileRange,
        known: Option<&Known>,
        diff_id: &Digest,
        cancel: &Cancel,
    ) -> Result<Self> {
        let how = if descriptor.digest == *diff_id {
            Served::Whole
        } else {
            Served::Checked(form_of(&range)?, diff_id.clone())
        };
        if let Some(known) = known {
            check_digest(Some(known), &descriptor.digest)?;
            check_passed(known, &range, &how, cancel)?;
        }
        Ok(Self { descriptor: descriptor.clone(), range, how })
    }

    /// Its bytes as they are served, held to digest, size and diff ID.
    pub(crate) fn body(&self) -> Result<Body> {
        let body = match &self.how {
            Served::Whole => Body::from_file(self.range.clone()),
            Served::Checked(form, diff_id) => {
                Body::from_reader(DiffChecked::new(self.range.reader(), *form, diff_id.clone())?)
            }
            Served::Decompressed(form) => decompressed(&self.range, *form)?,
        };
        body.expecting(&Expect::from(&self.descriptor))
    }
}

/// As [`check_passed`], of the digest that a layer is served under.
fn check_digest(known: Option<&Known>, digest: &Digest) -> Result<()> {
    match known.map(|known| &known.stored.digest) {
        Some(found) if found.algorithm() == digest.algorithm() && found != digest => {
            Err(Error::new(
                ErrorKind::Corrupt,
                format!("its digest is {found}, and {digest} was expected"),
            ))
        }
        _ => Ok(()),
    }
}

/// A layer that has passed may be where it goes already, and its bytes are then not asked for again: its diff ID is
/// checked now.
fn check_passed(known: &Known, range: &FileRange, how: &Served, cancel: &Cancel) -> Result<()> {
    let Served::Checked(form, diff_id) = how else { return Ok(()) };
    match &known.plain {
        Some(plain) if plain.algorithm() == diff_id.algorithm() => {
            diff_check::judge(plain, diff_id)
        }
        _ => {
            let checked = DiffChecked::new(range.reader(), *form, diff_id.clone())?;
            Body::from_reader(checked).chunks(cancel)?.finish().map(drop)
        }
    }
}

fn decompressed(range: &FileRange, form: Compression) -> Result<Body> {
    Ok(Body::from_reader(plain(form, range.reader())?))
}
