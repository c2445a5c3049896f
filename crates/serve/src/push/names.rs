//! Under which names pushed images are kept.

use transship_core::{Digest, ImageName, Reference};

use crate::names::{FullName, own_name};
use crate::protocol::{Refusal, Wanted};
use crate::view::{NoRepository, View};

/// The tag of what was pushed by its digest alone begins so: a layout tells images apart by names. It is not listed.
const HIDDEN: &str = "_digest-";

/// How many digits of a digest such a tag has: sha512 has more than fit.
const DIGITS: usize = 64;

/// Whether a tag stands for a push by digest.
pub(crate) fn is_hidden(tag: &str) -> bool {
    tag.starts_with(HIDDEN)
}

/// The name of what is pushed to a repository.
pub(super) fn name(
    view: &View,
    place: &Reference,
    (path, host): (&str, Option<&str>),
    wanted: &Wanted,
) -> Result<ImageName, Refusal> {
    let tag = match wanted {
        Wanted::Tag(tag) if is_hidden(tag) => {
            return Err(Refusal::bad(
                "MANIFEST_INVALID",
                format!("tags that begin with {HIDDEN} are kept for digests"),
            ));
        }
        Wanted::Tag(tag) => tag.clone(),
        Wanted::Digest(digest) => hidden(digest),
    };
    let repository = match view.find_to_change(path, host) {
        Ok(known) if known.host.is_empty() && known.path != own_name(place) => {
            let why = format!("{path} is served from a place that is only read");
            return Err(Refusal::unsupported(why));
        }
        Ok(known) => known.clone(),
        Err(NoRepository::Unknown) => FullName::new(host.unwrap_or_default(), path),
        Err(why @ NoRepository::Ambiguous(_)) => {
            return Err(crate::lists::no_repository(path, &why));
        }
    };
    // A name may be written in several ways, and moves as it is written there.
    if let Some(same) = view.names(&repository, place, &tag).into_iter().next() {
        return Ok(same);
    }
    let is_bare = repository.host.is_empty() && view.named(&repository).is_some();
    let text = if is_bare { tag } else { format!("{repository}:{tag}") };
    let name = ImageName::new(&text).ok();
    let name = if is_bare { name } else { name.and_then(|name| of_host(&name, host)) };
    name.ok_or_else(|| Refusal::bad("NAME_INVALID", format!("{text:?} is no name of an image")))
}

/// The whole name, if it is one of the host that the request names: where that is no host, docker takes it for a part of the path.
fn of_host(name: &ImageName, host: Option<&str>) -> Option<ImageName> {
    let docker = name.docker()?;
    let host = host.map(|host| FullName::new(host, "").host);
    host.is_none_or(|host| docker.domain() == host).then(|| (&docker).into())
}

pub(super) fn hidden(digest: &Digest) -> String {
    let digits = digest.encoded();
    format!("{HIDDEN}{}-{}", digest.algorithm(), digits.get(..DIGITS).unwrap_or(digits))
}
