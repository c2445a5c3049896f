//! What is generated: everything that an image can be, as far as a transport's facts let it in.

mod archives;
mod corners;
mod images;
mod layers;
mod locators;
mod names;
mod pick;

pub(crate) use archives::meaning;
pub use archives::{archives, distinct};
pub use corners::{corner_archives, corner_images, corner_nodes};
pub use images::{images, nodes, plain_images};
pub use layers::{layers, sizes};
pub use locators::locators;
pub(crate) use names::spelled_names;
pub use names::{docker_names, names};
pub(crate) use pick::Pick;
