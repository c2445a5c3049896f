//! Which names an image gets, and in which repositories they are.

use transship_core::{
    DockerName, Error, ErrorKind, Hint, ImageName, Reference, Result, WriteOptions, without_repeats,
};

use crate::reference::{Locator, Prefix, repository_of};

/// The names that one image gets at a reference, and those of the options that they come from.
pub(crate) fn of_one(
    at: &Reference,
    how: &WriteOptions,
) -> Result<(Vec<DockerName>, Vec<ImageName>)> {
    let names = match Locator::of(at)? {
        Locator::Name(name) => {
            let mut names = in_repository(&name, &how.names)?;
            // Without any name it is `latest`, as everywhere; what the reference says comes first.
            if names.is_empty() || name.tag().is_some() || name.digest().is_some() {
                names.insert(0, name.or_latest());
            }
            names
        }
        Locator::Prefix(prefix) if how.names.is_empty() => fallback(&prefix, &how.fallback_names)?,
        Locator::Prefix(prefix) => {
            let below = |name| prefix.place(&docker_name(name)?);
            how.names.iter().map(below).collect::<Result<_>>()?
        }
    };
    let names = without_repeats(names);
    let shown = shown(&names);
    Ok((names, shown))
}

/// A name that an image of an archive gets, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TargetName {
    pub(crate) name: DockerName,
    /// What was asked for; empty for the `latest` of an image without a name.
    pub(crate) asked: String,
    /// The repository of which it is a tag, where tags of one repository become tags of another.
    pub(crate) tag_of: Option<String>,
}

/// The names that an image of an archive gets.
pub(crate) fn of_many(place: &Locator, names: &[ImageName]) -> Result<Vec<TargetName>> {
    let placed: Vec<TargetName> = match place {
        Locator::Name(name) if names.is_empty() => {
            let name = name.clone().or_latest();
            vec![TargetName { name, asked: String::new(), tag_of: None }]
        }
        Locator::Name(place) => {
            names.iter().map(|name| as_tag(place, name)).collect::<Result<_>>()?
        }
        Locator::Prefix(prefix) => {
            names.iter().map(|name| below_prefix(prefix, name)).collect::<Result<_>>()?
        }
    };
    if placed.is_empty() { Err(nameless()) } else { Ok(placed) }
}

/// A tag alone stays that tag, and the tag of any repository becomes the same tag of this one.
fn as_tag(place: &DockerName, name: &ImageName) -> Result<TargetName> {
    let repository = repository_of(place);
    if let Ok(tagged) = DockerName::parse(&format!("{repository}:{name}"))
        && tagged.digest().is_none()
    {
        return Ok(TargetName { asked: tagged.to_string(), name: tagged, tag_of: None });
    }
    let docker = docker_name(name)?.or_latest();
    let tag = docker.tag().unwrap_or("latest");
    Ok(TargetName {
        name: DockerName::parse(&format!("{repository}:{tag}"))?,
        asked: docker.to_string(),
        tag_of: Some(repository_of(&docker)),
    })
}

fn below_prefix(prefix: &Prefix, name: &ImageName) -> Result<TargetName> {
    let docker = docker_name(name)?;
    let asked = docker.clone().or_latest().to_string();
    Ok(TargetName { name: prefix.place(&docker)?, asked, tag_of: None })
}

/// A place for several images: a prefix, or a repository without a tag.
pub(crate) fn archive(at: &Reference) -> Result<Locator> {
    match Locator::of(at)? {
        Locator::Name(name) if name.tag().is_some() || name.digest().is_some() => Err(Error::new(
            ErrorKind::InvalidInput,
            format!("{at} names one image, and several are written"),
        )
        .hint("leave out the tag or digest; or end the reference with a slash, so that images keep their names")),
        place => Ok(place),
    }
}

/// The names that an image shows under. A digest is none.
pub(crate) fn shown(names: &[DockerName]) -> Vec<ImageName> {
    names
        .iter()
        .filter_map(|name| {
            let tag = name.tag()?;
            ImageName::new(&format!("{}:{tag}", repository_of(name))).ok()
        })
        .collect()
}

/// Names in a repository: tags alone, or with the repository.
fn in_repository(place: &DockerName, names: &[ImageName]) -> Result<Vec<DockerName>> {
    let repository = repository_of(place);
    names
        .iter()
        .map(|name| {
            if let Ok(tagged) = DockerName::parse(&format!("{repository}:{name}")) {
                return Ok(tagged);
            }
            let docker = name.docker().ok_or_else(|| not_a_docker_name(name))?;
            if (docker.domain(), docker.path()) == (place.domain(), place.path())
                && docker.digest().is_none()
            {
                return Ok(docker.or_latest());
            }
            Err(Error::new(
                ErrorKind::Unsupported,
                format!("{name} is not a tag, and not in the repository {repository}"),
            )
            .hint("end the reference with a slash, so that images keep their repositories"))
        })
        .collect()
}

/// Of fallback names, those that can be held.
fn fallback(prefix: &Prefix, names: &[ImageName]) -> Result<Vec<DockerName>> {
    let docker = names.iter().filter_map(ImageName::docker).filter(has_tag);
    let held: Vec<_> = docker.filter_map(|name| prefix.place(&name).ok()).collect();
    match (held.is_empty(), names.first()) {
        (false, _) => Ok(held),
        (true, None) => Err(nameless()),
        (true, Some(name)) => {
            let message = format!("{}, and the image has no other name", unfit(name));
            Err(Error::new(ErrorKind::InvalidInput, message).hint(Hint::NameImage))
        }
    }
}

/// Whether a name has a tag, its own or `latest`: one with a digest alone, as containerd gives, would get a tag that nobody
/// gave.
fn has_tag(name: &DockerName) -> bool {
    name.digest().is_none() || name.tag().is_some()
}

fn docker_name(name: &ImageName) -> Result<DockerName> {
    name.docker().filter(has_tag).ok_or_else(|| not_a_docker_name(name))
}

fn not_a_docker_name(name: &ImageName) -> Error {
    Error::new(ErrorKind::Unsupported, unfit(name))
}

fn unfit(name: &ImageName) -> String {
    format!("{name} is not a name that a registry can hold")
}

fn nameless() -> Error {
    Error::new(ErrorKind::InvalidInput, "the image has no name, and a registry needs one")
        .hint(Hint::NameImage)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(texts: &[&str]) -> Vec<ImageName> {
        texts.iter().map(|text| ImageName::new(text).unwrap()).collect()
    }

    fn one(at: &str, given: &[&str], fallback: &[&str]) -> Result<Vec<String>> {
        let mut how = WriteOptions::default();
        how.names = names(given);
        how.fallback_names = names(fallback);
        let (names, _) = of_one(&Locator::parse(at)?.reference(), &how)?;
        Ok(names.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn names_of_one_image() {
        assert_eq!(one("//h.x/a", &[], &["b:2"]).unwrap(), ["h.x/a:latest"]);
        assert_eq!(
            one("//h.x/a:1", &["2", "h.x/a:3", "1"], &[]).unwrap(),
            ["h.x/a:1", "h.x/a:2", "h.x/a:3"]
        );
        assert_eq!(one("//h.x/a", &["2"], &[]).unwrap(), ["h.x/a:2"]);
        assert_eq!(one("//h.x/p/", &[], &["alpine:3", "no name"]).unwrap(), ["h.x/p/alpine:3"]);
        assert_eq!(
            one("//h.x/p/", &["q.y/a:1", "b"], &["c"]).unwrap(),
            ["h.x/p/a:1", "h.x/p/b:latest"]
        );
        for (at, given) in
            [("//h.x/a:1", "h.y/a:2"), ("//h.x/a:1", "no name"), ("//h.x/p/", "no name")]
        {
            assert_eq!(one(at, &[given], &[]).unwrap_err().kind(), ErrorKind::Unsupported);
        }
        let error = one("//h.x/p/", &[], &["no name"]).unwrap_err();
        assert!(error.to_string().contains("no name is not a name that a registry can hold"));
    }

    #[test]
    fn an_archive_is_not_an_image() {
        for (text, is) in [("//h.x/a", true), ("//h.x/a/", true), ("//h.x/a:1", false)] {
            assert_eq!(archive(&Locator::parse(text).unwrap().reference()).is_ok(), is, "{text}");
        }
    }
}
