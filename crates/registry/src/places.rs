//! [`Places`]: where an image can be read, and what it means when none of these places gives something.

use transship_core::{Descriptor, DockerName, Error, ErrorKind, Result, ResultExt, Sparse};

use crate::client::{Patience, Repository};
use crate::config::Role;
use crate::pull;
use crate::reference::Wanted;

/// The mirrors of a registry and the registry itself, in the order in which they are asked.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    all: Vec<Repository>,
    /// Whether the first one is where the image was opened.
    opened: bool,
}

impl Places {
    /// The places in order. Only the last one is asked again and again: before it, another place is asked next.
    pub(crate) fn new(mut all: Vec<Repository>) -> Self {
        if let Some((_, before)) = all.split_last_mut() {
            for place in before {
                *place = place.with(Patience::OtherPlaces);
            }
        }
        Self { all, opened: false }
    }

    /// The same, where the one at `at` comes first: the image was opened there.
    pub(crate) fn from(mut self, at: usize) -> Self {
        self.all[..=at].rotate_right(1);
        self.opened = true;
        self
    }

    /// The place that knows what there is: the registry itself, or where that is blocked, its last mirror.
    pub(crate) fn authority(&self, name: &DockerName) -> Result<&Repository> {
        let own = self.all.iter().find(|place| place.role == Role::Registry);
        own.or(self.all.last()).ok_or_else(|| {
            let message = format!("no registry is configured for {name}");
            Error::new(ErrorKind::NotFound, message)
        })
    }

    /// The place that is asked first.
    pub(crate) fn first_place(&self) -> Option<&Repository> {
        self.all.first()
    }

    /// Whether indexes there may lack children.
    pub(crate) fn sparse(&self) -> Sparse {
        self.first_place().map_or(Sparse::Refused, |place| place.host.sparse())
    }

    /// What the first place gives that gives it.
    pub(crate) async fn get<T, F>(&self, get: impl Fn(Repository) -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        self.first(get).await.map(|(got, _)| got)
    }

    /// What the first place gives that gives it, and which one that is.
    pub(crate) async fn first<T, F>(&self, get: impl Fn(Repository) -> F) -> Result<(T, usize)>
    where
        F: Future<Output = Result<T>>,
    {
        let mut failures = Failures::default();
        for (at, place) in self.all.iter().enumerate() {
            match get(place.clone()).await {
                Ok(got) => return Ok((got, at)),
                Err(error) if place.role == Role::Registry || (self.opened && at == 0) => {
                    failures.decisive.add(error);
                }
                Err(error) => failures.others.add(error),
            }
        }
        Err(failures.reason())
    }

    /// The root of a tag beside an image, at the first place that has it and lets us ask for it.
    pub(crate) async fn root_beside(&self, tag: &str) -> Result<Option<Descriptor>> {
        let wanted = Wanted::Tag(tag);
        let get = |place| async move {
            let found = pull::head_manifest(&place, wanted).await;
            let found = pull::if_given(&place, tag, found)?.flatten();
            found.ok_or_else(|| Error::new(ErrorKind::NotFound, format!("{tag} is not there")))
        };
        self.get(get).await.if_found()
    }
}

/// What the places that were asked for one thing answered, none of which gave it.
#[derive(Debug, Default)]
struct Failures {
    /// Of the registry itself, and of the place where the image was opened: what these lack is absent.
    decisive: Answers,
    /// Of mirrors, which may lack what the registry has, and may be gone.
    others: Answers,
}

#[derive(Debug, Default)]
struct Answers {
    /// The last that does not have it.
    absent: Option<Error>,
    /// The first that could not be asked.
    unknown: Option<Error>,
}

impl Answers {
    fn add(&mut self, error: Error) {
        match error.kind() {
            ErrorKind::NotFound => self.absent = Some(error),
            _ => self.unknown = self.unknown.take().or(Some(error)),
        }
    }

    /// What one place lacks may be at another one that could not be asked.
    fn reason(self) -> Option<Error> {
        self.unknown.or(self.absent)
    }
}

impl Failures {
    /// Why it was not given. A mirror that is down says nothing about what the registry has.
    fn reason(self) -> Error {
        self.decisive
            .reason()
            .or_else(|| self.others.reason())
            .unwrap_or_else(|| Error::new(ErrorKind::NotFound, "no registry is configured for it"))
    }
}
