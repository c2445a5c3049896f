//! Releases of docker that no registry of packages has: which APIs each of them speaks, and how it keeps and saves images.

use serde_json::{Value, json};

/// A release: what the engine of the tests then is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Release {
    pub(crate) name: &'static str,
    /// The newest API that it speaks, 1.x, and the oldest.
    pub(crate) api: u32,
    pub(crate) least: u32,
    pub(crate) keeps: Keeps,
}

/// How an engine keeps images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keeps {
    /// Layers unpacked, by a graph driver.
    Layers(Saves),
    /// Blobs as they came, in containerd's store.
    Blobs,
}

/// What an engine with a graph driver saves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Saves {
    /// A folder for each layer.
    Folders,
    /// A layout with the lists of `docker save` beside its own.
    Layout,
}

const FOLDERS: Keeps = Keeps::Layers(Saves::Folders);
const LAYOUT: Keeps = Keeps::Layers(Saves::Layout);

const fn release(name: &'static str, [least, api]: [u32; 2], keeps: Keeps) -> Release {
    Release { name, api, least, keeps }
}

pub(crate) const RELEASES: [Release; 16] = [
    release("24", [12, 43], FOLDERS),
    release("25", [24, 44], LAYOUT),
    release("25 with containerd's store", [24, 44], Keeps::Blobs),
    release("26", [24, 45], LAYOUT),
    release("26 with containerd's store", [24, 45], Keeps::Blobs),
    release("27", [24, 47], LAYOUT),
    release("27 with containerd's store", [24, 47], Keeps::Blobs),
    release("28.0", [24, 48], LAYOUT),
    release("28.0 with containerd's store", [24, 48], Keeps::Blobs),
    release("28.5", [24, 51], LAYOUT),
    release("28.5 with containerd's store", [24, 51], Keeps::Blobs),
    release("29.0 over an older store", [44, 52], LAYOUT),
    release("29.0", [44, 52], Keeps::Blobs),
    release("29, later", [40, 52], Keeps::Blobs),
    release("newer, over an older store", [40, 56], LAYOUT),
    release("newer", [40, 56], Keeps::Blobs),
];

impl Release {
    /// The usual one of these tests: docker 29.
    pub(crate) const USUAL: Self = release("29", [40, 52], Keeps::Blobs);

    /// Whether it can be given a part of an image, and says when it then lacks something.
    pub(crate) fn loads_parts(&self) -> bool {
        self.keeps != Keeps::Blobs || self.says_what_is_whole()
    }

    /// Of each manifest of an image, in its inspection.
    pub(crate) fn says_what_is_whole(&self) -> bool {
        self.keeps == Keeps::Blobs && self.api >= 48
    }

    pub(crate) fn reads_zstd(&self) -> bool {
        self.keeps == Keeps::Blobs || self.api >= 44
    }

    /// Whether the host of a name may be an address of IPv6.
    pub(crate) fn names_ipv6(&self) -> bool {
        self.api >= 44
    }

    /// The version that a path asks for, and what stands behind it.
    ///
    /// # Errors
    /// What it says of a version that it does not speak.
    pub(crate) fn version<'p>(&self, path: &'p str, least: u32) -> Result<(u32, &'p str), String> {
        let (version, rest) = path.strip_prefix("/v1.").and_then(|p| p.split_once('/')).unwrap();
        let version: u32 = version.parse().unwrap();
        if version < least {
            return Err(format!(
                "client version 1.{version} is too old. Minimum supported API version is 1.{least}, please upgrade your client to a newer version"
            ));
        }
        if version > self.api {
            return Err(format!(
                "client version 1.{version} is too new. Maximum supported API version is 1.{}",
                self.api
            ));
        }
        Ok((version, rest))
    }

    pub(crate) fn info(&self) -> Value {
        match self.keeps {
            Keeps::Layers(_) => json!({"Driver": "overlay2",
                "DriverStatus": [["Backing Filesystem", "extfs"], ["Supports d_type", "true"]]}),
            Keeps::Blobs => json!({"Driver": "overlayfs",
                "DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]]}),
        }
    }
}
