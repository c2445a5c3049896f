//! `docker-daemon:`: images of a docker engine, or of podman's service, through its API.
//!
//! # References
//!
//! | text | means |
//! |---|---|
//! | `docker-daemon:NAME[:TAG]` | the image of a name; without a tag `latest` |
//! | `docker-daemon:NAME@DIGEST` | the image that was pulled by a digest; for reading only |
//! | `docker-daemon:sha256:HEX` | the image of an ID, in full; for reading only |
//! | `docker-daemon:` | all images of the engine, but for those that it calls intermediate |
//!
//! # Which engine
//!
//! The first that is given of: the setting `docker-daemon.daemon-host`, `DOCKER_HOST`, the context in `DOCKER_CONTEXT`, the
//! current context of docker's `config.json`, `unix:///var/run/docker.sock`. Hosts are `unix://PATH`,
//! `tcp://HOST:PORT[/BASE]`, `http://`, `https://`, and `ssh://[USER@]HOST[:PORT][/SOCKET]`, which runs
//! `docker system dial-stdio` there. TLS is spoken where `DOCKER_TLS_VERIFY` is not empty, a context has certificates, or
//! the setting `docker-daemon.daemon-cert-path` is given; the server is always verified.
//!
//! # Reading
//!
//! One request saves the image, or all of them; several do where there are more names than an address holds. Blobs go to the destination while
//! they come; a destination that takes no blobs before it is known what they are for makes them go through a temporary file. A save that ends
//! early, or in a message of the engine, is an error.
//!
//! What is listed of images is what the engine says of them, without reading them: their size is what they take there, and where the
//! engine makes manifests, they have no root.
//!
//! # Writing
//!
//! Where all names stand for the image already, whole, [`shows_image`](transship_core::ImageDestination::shows_image) says so, and a copy
//! sends nothing.
//!
//! One tar, which is an OCI layout and, for a single image, an archive of `docker save`, too. It has no names: the engine
//! loads it, the image is looked at, and only then does it get its names. So a name never stands for an image that is not
//! whole. All is checked before the tar ends, which is when engines begin to keep it.
//!
//! - Engines with graph drivers, and podman, keep config and layers, and make a manifest of their own: image IDs stay,
//!   digests of manifests do not. They hold no indexes.
//! - Engines with the containerd store keep everything as it is.
//! - A layer whose size or digest is not known before it comes goes through a temporary file.
//!
//! # Layers that the engine has
//!
//! They are not sent again. An engine with graph drivers is asked which chains of layers its images have: no cache is needed. An
//! engine with the containerd store (API 1.48 or later) is asked which manifests are whole, and their layers are those that were noted
//! in [`WriteOptions::cache`](transship_core::WriteOptions::cache), or in this value, when the image was loaded; of images that came
//! otherwise, all is sent. Podman's service takes whole images only. When the engine refuses such a load, or the image is not
//! whole, all is sent, once, and from then on this value sends whole images.
//!
//! # Settings
//!
//! | key | value |
//! |---|---|
//! | `docker-daemon.daemon-host` | the engine, as in `DOCKER_HOST` |
//! | `docker-daemon.daemon-cert-path` | the folder with `ca.pem`, `cert.pem` and `key.pem` |

//!
//! # Other engines
//!
//! [`engine`] has what transports of engines share: [`Engines`] is the transport, whose [`Kind`] gives the references and
//! the [`Engine`](engine::Engine) that is asked. [`http`] is the client of APIs, [`libpod`] what podman alone is asked.

mod api;
mod commit;
mod connect;
mod connection;
mod delete;
mod destination;
mod docker;
pub mod engine;
mod find;
pub mod http;
mod known;
pub mod libpod;
mod load;
mod nameless;
mod reader;
mod reference;
mod reply;
mod running;
mod save;
mod source;
mod tls;
mod transport;
mod unpacked;

pub use docker::{Docker, DockerDaemon};
pub use known::Memory;
pub use transport::{Engines, Kind};

/// What stands before the colon.
pub const SCHEME: &str = "docker-daemon";
