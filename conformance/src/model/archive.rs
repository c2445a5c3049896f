//! [`Archive`]: several images and what they are called.

use std::fmt;

use transship_core::ImageName;

use super::Node;

/// Images, in the order in which they are written.
#[derive(Clone, PartialEq, Eq)]
pub struct Archive {
    /// The images.
    pub images: Vec<Named>,
}

/// An image and its names.
#[derive(Clone, PartialEq, Eq)]
pub struct Named {
    /// The image.
    pub node: Node,
    /// Its names.
    pub names: Vec<ImageName>,
}

impl fmt::Debug for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.names.iter().map(ImageName::as_str).collect();
        write!(f, "{names:?} = {:?}", self.node)
    }
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.images).finish()
    }
}
