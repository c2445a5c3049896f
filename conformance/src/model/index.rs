//! [`Index`]: images for several platforms, perhaps nested, perhaps with gaps.

use std::fmt;

use bytes::Bytes;
use serde_json::{Value, json};
use transship_core::{Descriptor, sha256};

use super::image::named;
use super::{Algorithm, Blob, Built, Format, Image};
use crate::Held;

/// An image or an index.
#[derive(Clone, PartialEq, Eq)]
pub enum Node {
    /// One image.
    Image(Image),
    /// Several.
    Index(Index),
}

/// An index.
#[derive(Clone, PartialEq, Eq)]
pub struct Index {
    /// Of which family its type is.
    pub format: Format,
    /// What it lists.
    pub children: Vec<Child>,
    /// Whether it has annotations and an unknown field, and says all that an index may say of what it lists.
    pub described: bool,
}

/// What an index lists.
#[derive(Clone, PartialEq, Eq)]
pub struct Child {
    /// The image or index.
    pub node: Node,
    /// Whether it is there.
    pub presence: Presence,
}

/// Whether a child is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It is.
    Here,
    /// It is listed, and is not there.
    Absent,
    /// It is there, as an attestation of the first child.
    Attestation,
    /// Content of this media type, which is no manifest, is there instead of it: a text.
    Content(&'static str),
}

impl Node {
    /// Whether all that it lists is there.
    pub fn is_whole(&self) -> bool {
        match self {
            Self::Image(_) => true,
            Self::Index(index) => index
                .children
                .iter()
                .all(|child| child.presence != Presence::Absent && child.node.is_whole()),
        }
    }

    /// Whether its own manifest has one of these formats.
    pub(crate) fn is_of(&self, formats: &[Format]) -> bool {
        match self {
            Self::Image(image) => formats.contains(&image.format),
            Self::Index(index) => formats.contains(&index.format),
        }
    }

    /// Its bytes.
    ///
    /// # Errors
    /// Those of the compressors.
    pub fn build(&self) -> Held<Built> {
        match self {
            Self::Image(image) => image.build(),
            Self::Index(index) => index.build(),
        }
    }
}

impl Index {
    /// Its bytes.
    ///
    /// # Errors
    /// Those of the compressors.
    pub fn build(&self) -> Held<Built> {
        let built = self.children.iter().map(|c| c.node.build()).collect::<Held<Vec<_>>>()?;
        let first = built.first().map(|b| b.root.descriptor().digest.to_string());
        let listed: Vec<Descriptor> = self
            .children
            .iter()
            .zip(&built)
            .map(|(child, built)| child.listed(built, first.as_deref()))
            .map(|listed| if self.described { described(listed, self.format) } else { listed })
            .collect();
        let mut all = Built::new(named(self.text(&listed), Algorithm::Sha256)?);
        for ((child, built), listed) in self.children.iter().zip(built).zip(listed) {
            match child.presence {
                Presence::Absent => all.absent.push(listed),
                Presence::Content(_) => {
                    all.add(Blob { descriptor: listed, bytes: child.content() });
                }
                Presence::Here | Presence::Attestation => all.take_in(built),
            }
        }
        all.forget_absent_that_are_here();
        Ok(all)
    }

    fn text(&self, listed: &[Descriptor]) -> Vec<u8> {
        let media_type = self.format.index_type();
        let mut fields =
            json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": listed });
        if self.described {
            fields["annotations"] = json!({ "b": "\u{e9}", "a": "" });
            fields["x-unknown"] = Value::Null;
            return format!("{fields:#}").into_bytes();
        }
        fields.to_string().into_bytes()
    }
}

impl Child {
    fn content(&self) -> Bytes {
        format!("instead of {:?}", self.node).into()
    }

    fn listed(&self, built: &Built, first: Option<&str>) -> Descriptor {
        if let Presence::Content(media_type) = self.presence {
            let bytes = self.content();
            return Descriptor::new(media_type.into(), sha256(&bytes), bytes.len() as u64);
        }
        let mut listed = built.root.descriptor().clone();
        match (&self.node, self.presence, first) {
            (_, Presence::Attestation, Some(first)) => {
                listed.platform = Some(transship_core::Platform::new("unknown", "unknown"));
                let facts = [
                    ("vnd.docker.reference.type", "attestation-manifest"),
                    ("vnd.docker.reference.digest", first),
                ];
                listed.annotations.extend(facts.map(|(k, v)| (k.to_owned(), v.to_owned())));
            }
            (Node::Image(image), _, _) => listed.platform = Some(image.platform()),
            (Node::Index(_), _, _) => {}
        }
        listed
    }
}

/// A descriptor that says all that an index may say of a child; docker's lists say what it runs on.
fn described(mut listed: Descriptor, format: Format) -> Descriptor {
    if let Some(platform) = &mut listed.platform {
        platform.os_version = Some("10.0.14393.1066".to_owned());
        platform.os_features = vec!["win32k".to_owned(), "another".to_owned()];
        platform.other.insert("features".to_owned(), json!(["sse4"]));
    }
    if format == Format::Docker {
        return listed;
    }
    listed.annotations.insert("org.example.kit.child".to_owned(), "1 \u{e9}".to_owned());
    listed.artifact_type = Some("application/vnd.example.kit".to_owned());
    listed.urls.push("https://example.invalid/child".to_owned());
    listed.other.insert("x-kit".to_owned(), json!({ "z": 1, "a": [] }));
    listed
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image(image) => image.fmt(f),
            Self::Index(index) => index.fmt(f),
        }
    }
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} index", self.format)?;
        if self.described {
            f.write_str(" annotated")?;
        }
        f.write_str(" of ")?;
        f.debug_list().entries(&self.children).finish()
    }
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.presence {
            Presence::Here => {}
            Presence::Absent => f.write_str("absent ")?,
            Presence::Attestation => f.write_str("attestation ")?,
            Presence::Content(media_type) => write!(f, "{media_type} instead of ")?,
        }
        self.node.fmt(f)
    }
}
