//! [`ContainerdStore`]: the transport.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use transship_core::{
    ArchiveReader, ArchiveWriter, Archives, DeleteOptions, Deletion, DockerName, Error, ErrorKind,
    ImageDestination, ImageName, ImageSource, ReadOptions, Reference, Result, ResultExt, Settings,
    Transport, TransportOption, WriteMode, WriteOptions, register_transport, without_repeats,
};

use crate::api::Containerd;
use crate::connect::Socket;
use crate::destination::{Destination, Nameless};
use crate::lease::{Garbage, Lease};
use crate::reader::Reader;
use crate::reference::{Locator, Which, check_namespace, invalid};
use crate::source::Source;
use crate::{SCHEME, delete, find};

/// How often an image is looked up again that is replaced while it is opened.
const OPENINGS: usize = 10;

/// Where containerd listens when nobody says otherwise.
const ADDRESS: &str = "/run/containerd/containerd.sock";

/// The namespace where none is said: that of `ctr` and `nerdctl`.
const NAMESPACE: &str = "default";

/// Images in the content store of containerd.
#[derive(Clone, Debug)]
pub struct ContainerdStore {
    socket: Arc<Socket>,
    namespace: Result<String>,
}

impl Default for ContainerdStore {
    fn default() -> Self {
        Self::new(&Settings::new())
    }
}

impl ContainerdStore {
    /// Of the socket and the namespace that the settings name, else the variables `CONTAINERD_ADDRESS` and
    /// `CONTAINERD_NAMESPACE`. The first call connects.
    pub fn new(settings: &Settings) -> Self {
        let own = |key: &str| settings.get(SCHEME, key).filter(|value| !value.is_empty());
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let address = own(ADDRESS_KEY).map(|own| (own.to_owned(), "the option containerd-address"));
        let (address, from) = address
            .or_else(|| Some((variable("CONTAINERD_ADDRESS")?, "CONTAINERD_ADDRESS")))
            .unwrap_or_else(|| (ADDRESS.to_owned(), "the default"));
        let path = address.strip_prefix("unix://").unwrap_or(&address);
        let namespace = own(NAMESPACE_KEY).map(str::to_owned);
        let namespace = namespace
            .or_else(|| variable("CONTAINERD_NAMESPACE"))
            .unwrap_or_else(|| NAMESPACE.to_owned());
        let checked = check_namespace(&namespace).context(|| "the namespace that is set");
        Self {
            socket: Arc::new(Socket::new(PathBuf::from(path), from)),
            namespace: checked.map(|()| namespace),
        }
    }

    fn within(&self, at: &Locator) -> Containerd {
        Containerd::new(Arc::clone(&self.socket), &at.namespace)
    }
}

const ADDRESS_KEY: &str = "containerd-address";
const NAMESPACE_KEY: &str = "containerd-namespace";

const ADDRESS_OPTION: TransportOption = TransportOption::value(
    ADDRESS_KEY,
    "SOCKET",
    "The socket of the {side} containerd [default: /run/containerd/containerd.sock]",
);
const NAMESPACE_OPTION: TransportOption = TransportOption::value(
    NAMESPACE_KEY,
    "NAMESPACE",
    "The {side} namespace where the reference names none [default: default]",
);

register_transport!(SCHEME, [ADDRESS_OPTION, NAMESPACE_OPTION], |settings: &Settings| {
    Ok(Arc::new(ContainerdStore::new(settings)))
});

#[async_trait]
impl Transport for ContainerdStore {
    fn scheme(&self) -> &'static str {
        SCHEME
    }

    fn syntax(&self) -> &'static str {
        "[NAMESPACE//][NAME[:TAG][@DIGEST]|sha256:ID|@DIGEST]"
    }

    fn default_mode(&self) -> WriteMode {
        WriteMode::Append
    }

    fn parse(&self, locator: &str) -> Result<Reference> {
        let default = if locator.contains("//") {
            ""
        } else {
            &**self.namespace.as_ref().map_err(Clone::clone)?
        };
        Locator::parse(locator, default).map(|locator| locator.reference())
    }

    async fn source(&self, at: &Reference, _how: &ReadOptions) -> Result<Box<dyn ImageSource>> {
        let locator = Locator::of(at)?;
        let containerd = self.within(&locator);
        let mut tries = 0..OPENINGS;
        loop {
            let stored = find::one(&containerd, &locator).await.context(|| at)?;
            let source = Source::open(containerd.clone(), at.clone(), &stored).await;
            match source {
                // The name moved between the two, and what it was is collected: what it is now is meant.
                Err(error) if error.kind() == ErrorKind::Conflict && tries.next().is_some() => {}
                source => return Ok(Box::new(source.context(|| at)?)),
            }
        }
    }

    async fn destination(
        &self,
        at: &Reference,
        how: &WriteOptions,
    ) -> Result<Box<dyn ImageDestination>> {
        let locator = Locator::of(at)?;
        let names = names(&locator, how).context(|| at)?;
        let containerd = self.within(&locator);
        // Where none is, nothing is read for it: that of an engine is a whole save.
        containerd.reach().await.context(|| at)?;
        if how.mode == Some(WriteMode::Create) {
            refuse_what_is_there(&containerd, &locator, &names).await.context(|| at)?;
        }
        Ok(Box::new(Destination::new(containerd, &locator, names, how)))
    }

    fn archives(&self) -> Option<&dyn Archives> {
        Some(self)
    }

    fn deletion(&self) -> Option<&dyn Deletion> {
        Some(self)
    }
}

#[async_trait]
impl Deletion for ContainerdStore {
    async fn delete(&self, at: &Reference, how: &DeleteOptions) -> Result<()> {
        let locator = Locator::of(at)?;
        delete::delete(&self.within(&locator), &locator, how).await.context(|| at)
    }
}

#[async_trait]
impl Archives for ContainerdStore {
    async fn read(&self, at: &Reference, _how: &ReadOptions) -> Result<Box<dyn ArchiveReader>> {
        let containerd = self.within(&Locator::of(at)?);
        Ok(Box::new(Reader::open(containerd).await.context(|| at)?))
    }

    fn archive_of(&self, at: &Reference) -> Option<Reference> {
        Locator::of(at).ok().map(|locator| locator.with(Which::All).reference())
    }

    async fn write(&self, at: &Reference, how: &WriteOptions) -> Result<Box<dyn ArchiveWriter>> {
        let place = Locator::of(at)?;
        if place.image != Which::All {
            let message = format!("{at} names an image: a namespace takes several");
            return Err(invalid(message).hint(format!("{SCHEME}:{}//", place.namespace)));
        }
        let containerd = self.within(&place);
        match how.mode {
            Some(WriteMode::Replace) => return Err(not_as_a_whole(at)),
            Some(WriteMode::Create) => {
                refuse_what_is_there(&containerd, &place, &[]).await.context(|| at)?;
            }
            _ => containerd.reach().await.context(|| at)?,
        }
        let (reference, how) = (at.clone(), how.clone());
        Ok(Box::new(Writer { reference, place, containerd, how, nameless: Nameless::default() }))
    }
}

/// Images being written, each of which shows with its commit.
#[derive(Debug)]
struct Writer {
    reference: Reference,
    place: Locator,
    containerd: Containerd,
    how: WriteOptions,
    nameless: Nameless,
}

#[async_trait]
impl ArchiveWriter for Writer {
    fn reference(&self) -> &Reference {
        &self.reference
    }

    async fn image(&self, names: &[ImageName]) -> Result<Box<dyn ImageDestination + '_>> {
        // Between them, images of one writer take each other's names.
        let how = self.how.clone().with_names(names.to_vec()).with_mode(None);
        let names = self::names(&self.place, &how).context(|| &self.reference)?;
        let nameless = Arc::clone(&self.nameless);
        let image = Destination::new(self.containerd.clone(), &self.place, names, &how);
        Ok(Box::new(image.of_writer(nameless)))
    }

    /// Each image is there since its commit. What they took the names of goes now.
    async fn finish(&mut self) -> Result<()> {
        let lease = Lease::new(self.containerd.clone());
        lease.id().await?;
        // Where it cannot be collected now, it is later.
        let _ = lease.end(Garbage::Goes).await;
        Ok(())
    }
}

/// The names that an image gets.
fn names(at: &Locator, how: &WriteOptions) -> Result<Vec<DockerName>> {
    let mut names = match &at.image {
        Which::Name(name) => vec![name.clone()],
        Which::All if how.names.is_empty() => {
            how.fallback_names.iter().filter_map(|name| docker_name(name).ok()).collect()
        }
        Which::All | Which::Root(_) => Vec::new(),
        Which::Id(_) => {
            return Err(invalid("an image ID is given by Kubernetes, an image gets a name"));
        }
    };
    names.extend(how.names.iter().map(docker_name).collect::<Result<Vec<_>>>()?);
    Ok(without_repeats(names))
}

fn docker_name(name: &ImageName) -> Result<DockerName> {
    name.docker().map(DockerName::or_latest).ok_or_else(|| {
        let message = format!("Kubernetes and others would not find {name} in containerd");
        Error::new(ErrorKind::Unsupported, message)
            .hint("a name is a repository with a tag or digest")
    })
}

/// Of a namespace that is written as a whole, everything is there already; else the names.
async fn refuse_what_is_there(
    containerd: &Containerd,
    at: &Locator,
    names: &[DockerName],
) -> Result<()> {
    let there = if at.image == Which::All {
        let images = containerd.images(None).await?;
        images.first().map(|image| image.name.clone())
    } else {
        let mut there = None;
        for name in names {
            let found = find::record(containerd, &name.to_string()).await?;
            there = there.or(found.map(|(record, _)| record.name));
        }
        there
    };
    match there {
        Some(name) => Err(Error::new(
            ErrorKind::AlreadyExists,
            format!("the namespace {} has {name}", containerd.namespace()),
        )),
        None => Ok(()),
    }
}

fn not_as_a_whole(at: &Reference) -> Error {
    Error::new(ErrorKind::Unsupported, format!("{at}: a namespace is not replaced as a whole"))
        .hint("without replacing, each image takes the place of the one that has its name")
}
