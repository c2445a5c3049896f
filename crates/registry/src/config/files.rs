//! The files of `registries.conf`.

use std::fs;
use std::path::{Path, PathBuf};

use transship_core::{Error, ErrorKind, Result, ResultExt, small_file};

use crate::RegistryOptions;

/// The texts of the files in the order in which they count.
pub(super) fn read(options: &RegistryOptions) -> Result<Vec<(PathBuf, String)>> {
    let around = &options.surroundings;
    let system = around.etc.join("containers");
    let user = around.config_home.as_ref().map(|home| home.join("containers"));
    let mut texts = Vec::new();
    let mut folders = vec![system.join("registries.conf.d")];
    folders.extend(user.as_ref().map(|user| user.join("registries.conf.d")));
    if let Some(chosen) = options.registries_conf.as_ref().or(around.registries_conf.as_ref()) {
        let text = text(chosen)?.ok_or_else(|| {
            let message = format!("{}: there is no such file", chosen.display());
            Error::new(ErrorKind::InvalidInput, message)
        })?;
        texts.push((chosen.clone(), text));
    } else if let Some(found) = optional(user.as_ref().map(|user| user.join("registries.conf")))? {
        // A file of the user replaces that of the system.
        texts.push(found);
        folders.remove(0);
    } else {
        texts.extend(optional(Some(system.join("registries.conf")))?);
    }
    if let Some(chosen) = &options.registries_conf_dir {
        folders = vec![chosen.clone()];
    }
    for folder in folders {
        for path in drop_ins(&folder)? {
            texts.extend(optional(Some(path))?);
        }
    }
    Ok(texts)
}

fn optional(path: Option<PathBuf>) -> Result<Option<(PathBuf, String)>> {
    let Some(path) = path else { return Ok(None) };
    Ok(text(&path)?.map(|text| (path, text)))
}

fn text(path: &Path) -> Result<Option<String>> {
    let Some(bytes) = small_file(path, "reading").if_found()? else { return Ok(None) };
    String::from_utf8(bytes).map(Some).map_err(|error| {
        let message = format!("{} is not UTF-8 text", path.display());
        Error::new(ErrorKind::Corrupt, message).caused_by(error)
    })
}

fn drop_ins(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |error| Error::io("reading", folder, error);
    let entries = fs::read_dir(folder).map_err(failed).if_found()?;
    let mut paths = Vec::new();
    for entry in entries.into_iter().flatten() {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "conf") && !path.is_dir() {
            paths.push(path);
        }
    }
    paths.sort_unstable();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Surroundings;

    fn names(options: &RegistryOptions, folder: &Path) -> Vec<String> {
        let texts = read(options).unwrap();
        let short = |path: &Path| path.strip_prefix(folder).unwrap().display().to_string();
        texts.iter().map(|(path, _)| short(path)).collect()
    }

    #[test]
    fn where_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path();
        let surroundings = Surroundings::below(below);
        let mut options = RegistryOptions { surroundings, ..RegistryOptions::default() };
        assert_eq!(names(&options, below), [""; 0]);
        let files = [
            "etc/containers/registries.conf",
            "etc/containers/registries.conf.d/1.conf",
            "etc/containers/registries.conf.d/2.conf",
            "home/.config/containers/registries.conf.d/0.conf",
        ];
        for file in files.iter().chain(&[
            "etc/containers/registries.conf.d/3.other",
            "chosen",
            "dir/x.conf",
        ]) {
            let path = below.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        assert_eq!(names(&options, below), files);
        let own = "home/.config/containers/registries.conf";
        fs::write(below.join(own), "").unwrap();
        assert_eq!(names(&options, below), [own, files[3]]);
        options.surroundings.registries_conf = Some(below.join("chosen"));
        assert_eq!(names(&options, below), ["chosen", files[1], files[2], files[3]]);
        options.registries_conf_dir = Some(below.join("dir"));
        assert_eq!(names(&options, below), ["chosen", "dir/x.conf"]);
        options.registries_conf = Some(below.join("absent"));
        assert_eq!(read(&options).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}
