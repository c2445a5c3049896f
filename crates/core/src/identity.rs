//! [`Identity`]: what policies call an image.

use std::path::{Path, PathBuf};

use crate::DockerName;

/// What policies on trust call an image: the scopes that it is in, and the name that a signature has to give it.
///
/// ```
/// use transship_core::{DockerName, Identity};
/// let image = Identity::of_name(&DockerName::parse("reg.example.com:5000/a/b:1")?);
/// let scopes = ["reg.example.com:5000/a/b:1", "reg.example.com:5000/a/b", "reg.example.com:5000/a",
///     "reg.example.com:5000", "*.example.com", "*.com"];
/// assert_eq!(image.scopes(), scopes);
/// # Ok::<(), transship_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    scopes: Vec<String>,
    name: Option<DockerName>,
    unknown_scopes: bool,
}

impl Identity {
    /// Of an image that has neither scopes nor a name: what holds for all images of its transport holds for it.
    pub fn unnamed() -> Self {
        Self::default()
    }

    /// Of an image that has a name: the name, its repository, what stands before that, the host, and the domains above the
    /// host.
    pub fn of_name(name: &DockerName) -> Self {
        let name = name.clone().or_latest();
        let repository = format!("{}/{}", name.domain(), name.path());
        let mut scopes = Vec::new();
        scopes.extend(name.tag().map(|tag| format!("{repository}:{tag}")));
        scopes.extend(name.digest().map(|digest| format!("{repository}@{digest}")));
        let mut above = Some(repository.as_str());
        while let Some(scope) = above {
            scopes.push(scope.to_owned());
            above = scope.rsplit_once('/').map(|(above, _)| above);
        }
        let mut domain = name.domain().split(':').next().unwrap_or_default();
        while let Some((_, above)) = domain.split_once('.') {
            scopes.push(format!("*.{above}"));
            domain = above;
        }
        Self { scopes, name: Some(name), unknown_scopes: false }
    }

    /// Of an image at a path: the path without links, and the folders above it. It reads the file system.
    pub fn of_path(path: &Path) -> Self {
        let whole = path.canonicalize().or_else(|_| std::path::absolute(path));
        let whole: PathBuf = whole.unwrap_or_else(|_| path.to_owned());
        let above = whole.ancestors().filter(|path| path.parent().is_some());
        let scopes = above.map(|path| path.display().to_string()).collect();
        Self { scopes, ..Self::default() }
    }

    /// Of an image whose transport has scopes that cannot be told here. A policy that has some is not met.
    pub fn with_unknown_scopes() -> Self {
        Self { unknown_scopes: true, ..Self::default() }
    }

    /// The scopes that it is in, from the most specific to the most general.
    pub fn scopes(&self) -> &[String] {
        &self.scopes
    }

    /// The name that a signature has to give it.
    pub fn name(&self) -> Option<&DockerName> {
        self.name.as_ref()
    }

    /// Whether it is in no scope but those.
    pub fn scopes_are_known(&self) -> bool {
        !self.unknown_scopes
    }
}
