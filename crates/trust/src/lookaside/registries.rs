//! [`RegistriesD`]: the files of `registries.d`, which say where signatures of images in registries lie.

use std::collections::{BTreeMap, btree_map};
use std::fs;
use std::path::{Path, PathBuf};

use transship_core::{Error, ErrorKind, Identity, Result, ResultExt};
use transship_local::read_document;
use transship_local::yaml::{self, Entry, Node};

use super::storage::Storage;
use crate::key::invalid;

/// The most bytes of a file.
const FILE_LIMIT: u64 = 4 << 20;

/// The most files of a folder.
const FILES_LIMIT: usize = 10_000;

/// What the files of a folder say.
#[derive(Debug, Default)]
pub(super) struct RegistriesD {
    default: Option<Section>,
    docker: BTreeMap<String, Section>,
    /// Where signatures are of which no file says it.
    storage: Option<Storage>,
}

/// What a file says of the images of a scope.
#[derive(Debug)]
struct Section {
    file: PathBuf,
    lookaside: Option<Storage>,
    attachments: Option<bool>,
}

impl RegistriesD {
    /// Blocks.
    ///
    /// # Errors
    /// `InvalidInput` with file and key for what is malformed and for scopes that two files have, and I/O errors.
    pub(super) fn load(folder: &Path, storage: Option<PathBuf>) -> Result<Self> {
        let mut all = Self { storage: storage.map(Storage::Folder), ..Self::default() };
        for file in files(folder)? {
            let text = read_document(&file, FILE_LIMIT, "the file")?;
            let text = String::from_utf8(text)
                .map_err(|error| invalid("it is not UTF-8 text".into()).caused_by(error));
            text.and_then(|text| all.add(&file, &text)).context(|| file.display())?;
        }
        Ok(all)
    }

    fn add(&mut self, file: &Path, text: &str) -> Result<()> {
        for Entry { line, key, value: node } in yaml::parse(text)?.into_mapping("the file")? {
            match key.as_str() {
                "default-docker" => {
                    if let Some(other) = &self.default {
                        return Err(twice(&key, &other.file));
                    }
                    self.default = Some(Section::parse(file, node, &key)?);
                }
                "docker" => {
                    for Entry { key: scope, value, .. } in node.into_mapping(&key)? {
                        let name = format!("docker scope {scope:?}");
                        match self.docker.entry(scope) {
                            btree_map::Entry::Occupied(other) => {
                                return Err(twice(&name, &other.get().file));
                            }
                            btree_map::Entry::Vacant(slot) => {
                                slot.insert(Section::parse(file, value, &name)?);
                            }
                        }
                    }
                }
                _ => return Err(unknown(line, &key, "default-docker and docker")),
            }
        }
        Ok(())
    }

    /// Where the signatures of an image are, and what says so.
    pub(super) fn storage(&self, image: &Identity) -> Option<(&Storage, String)> {
        let found = self.find(image, |section| section.lookaside.as_ref());
        found.or_else(|| Some((self.storage.as_ref()?, "the default place".to_owned())))
    }

    /// Whether signatures in the registry are read, and what says so.
    pub(super) fn attachments(&self, image: &Identity) -> Option<(bool, String)> {
        self.find(image, |section| section.attachments.as_ref()).map(|(said, by)| (*said, by))
    }

    /// What the most specific section says that says something.
    fn find<'a, T>(
        &'a self,
        image: &Identity,
        said: impl Fn(&'a Section) -> Option<&'a T>,
    ) -> Option<(&'a T, String)> {
        let of_scope = |scope: &String| {
            let section = self.docker.get(scope)?;
            Some((said(section)?, format!("{}, scope {scope:?}", section.file.display())))
        };
        image.scopes().iter().find_map(of_scope).or_else(|| {
            let section = self.default.as_ref()?;
            Some((said(section)?, format!("{}, default-docker", section.file.display())))
        })
    }
}

impl Section {
    fn parse(file: &Path, node: Node, name: &str) -> Result<Self> {
        let (mut lookaside, mut old, mut attachments) = (None, None, None);
        for Entry { line, key, value } in node.into_mapping(name)? {
            let of_key = || format!("{name}: {key}");
            match key.as_str() {
                "lookaside" => lookaside = storage(value).context(of_key)?,
                "sigstore" => old = storage(value).context(of_key)?,
                // Where signatures are written, which is not done here.
                "lookaside-staging" | "sigstore-staging" => {
                    storage(value).context(of_key)?;
                }
                "use-sigstore-attachments" => attachments = boolean(value).context(of_key)?,
                _ => return Err(unknown(line, &key, KEYS).context(name)),
            }
        }
        Ok(Self { file: file.to_owned(), lookaside: lookaside.or(old), attachments })
    }
}

const KEYS: &str = "lookaside, lookaside-staging, use-sigstore-attachments, and the old names \
                    sigstore and sigstore-staging";

fn storage(node: Node) -> Result<Option<Storage>> {
    if node.is_null() {
        return Ok(None);
    }
    let line = node.line;
    Storage::parse(&node.into_text("it")?).map(Some).context(|| yaml::at_line(line))
}

fn boolean(node: Node) -> Result<Option<bool>> {
    if node.is_null() {
        return Ok(None);
    }
    let line = node.line;
    match node.into_text("it")?.to_ascii_lowercase().as_str() {
        "true" => Ok(Some(true)),
        "false" => Ok(Some(false)),
        other => {
            let error = invalid(format!("{other:?} is neither true nor false"));
            Err(error.context(yaml::at_line(line)))
        }
    }
}

fn twice(name: &str, other: &Path) -> Error {
    invalid(format!("{name} is in {} already", other.display()))
}

fn unknown(line: usize, key: &str, known: &str) -> Error {
    invalid(format!("{key:?} is not known: known are {known}")).context(yaml::at_line(line))
}

/// The `*.yaml` of a folder, by their names; none where there is no folder.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |error| Error::io("reading", folder, error);
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed).if_found()?.into_iter().flatten() {
        let path = entry.map_err(failed)?.path();
        // One that is called `.yaml` has no extension.
        let is_yaml = path.as_os_str().as_encoded_bytes().ends_with(b".yaml");
        if is_yaml && !path.is_dir() {
            files.push(path);
        }
        if files.len() > FILES_LIMIT {
            let message = format!("{} has more than {FILES_LIMIT} files", folder.display());
            return Err(Error::new(ErrorKind::LimitExceeded, message));
        }
    }
    files.sort_unstable();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use transship_core::DockerName;

    use super::*;

    fn loaded(files: &[(&str, &str)]) -> Result<RegistriesD> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        RegistriesD::load(folder.path(), Some("/usual".into()))
    }

    #[test]
    fn the_most_specific_section_that_has_a_key_says_it() {
        let all = loaded(&[
            (".yaml", "docker: {hidden.z: {lookaside: 'file:///hidden'}}"),
            ("a.yaml", "# nothing yet\ndefault-docker:\n#  lookaside: file:///x\n"),
            (
                "b.yaml",
                "docker:\n  x.y:\n    sigstore: file:///host\n    use-sigstore-attachments: false\n  \
                 x.y/ns:\n    lookaside-staging: file:///w\n  x.y/ns/app:\n    sigstore: file:///old\n    \
                 lookaside: file:///new\n  x.y/ns/app:2:\n    lookaside: https://z/s\n  '*.y':\n    lookaside: file:///all\n",
            ),
            ("c.other", "not read"),
        ])
        .unwrap();
        for (name, storage, attachments) in [
            ("x.y/ns/app:2", "https://z/s", Some(false)),
            ("x.y/ns/app:1", "/new", Some(false)),
            ("x.y/ns/other:1", "/host", Some(false)),
            ("x.y/nsapp:1", "/host", Some(false)),
            ("w.y/app:1", "/all", None),
            ("w.z/app:1", "/usual", None),
            ("hidden.z/app:1", "/hidden", None),
        ] {
            let image = Identity::of_name(&DockerName::parse(name).unwrap());
            assert_eq!(all.storage(&image).unwrap().0.to_string(), storage, "{name}");
            assert_eq!(all.attachments(&image).map(|(said, _)| said), attachments, "{name}");
        }
        let image = Identity::of_name(&DockerName::parse("x.y/ns/other:1").unwrap());
        assert!(all.storage(&image).unwrap().1.ends_with("b.yaml, scope \"x.y\""));
    }

    #[test]
    fn what_is_malformed_is_said_with_file_and_key() {
        let good = ("a.yaml", "docker: {x.y: {lookaside: 'file:///a'}}\ndefault-docker: {}\n");
        for (text, said) in [
            ("docker: [", "b.yaml: "),
            ("docker: {x.y: {lookaside: 'file:///b'}}", "docker scope \"x.y\" is in"),
            ("default-docker: {}", "default-docker is in"),
            (
                "docker: {z: {lookaside: /b}}",
                "docker scope \"z\": lookaside: line 1: \"/b\" is no URL",
            ),
            (
                "docker: {z: {lookaside: [1]}}",
                "docker scope \"z\": lookaside: line 1: it is no text",
            ),
            ("docker: {z: {use-sigstore-attachments: 1}}", "neither true nor false"),
            (
                "docker: {z: {look-aside: x}}",
                "docker scope \"z\": line 1: \"look-aside\" is not known",
            ),
            ("docker: {z: {}, z: {}}", "twice"),
            ("docker: {z: [x]}", "docker scope \"z\" is no mapping"),
            ("docker: x", "docker is no mapping"),
            ("docker:\n\ndokcer: {}", "line 3: \"dokcer\" is not known"),
        ] {
            let error = loaded(&[good, ("b.yaml", text)]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text}");
            let shown = error.to_string();
            assert!(shown.contains("b.yaml") && shown.contains(said), "{text}: {shown}");
        }
        let none = RegistriesD::load(Path::new("/nowhere/at/all"), None).unwrap();
        assert!(none.storage(&Identity::unnamed()).is_none());
    }
}
