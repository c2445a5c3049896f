//! Which image of an archive a [`Selector`] means.

use transship_core::{Cancel, Digest, DockerName, Error, ErrorKind, Escaped, Result, few};

use crate::contents::Contents;
use crate::reference::{Selector, archive_name};

impl Contents {
    /// The position of the image that is meant. Configs are read only when an image ID is asked for.
    pub(crate) fn choose(&self, select: &Selector, cancel: &Cancel) -> Result<usize> {
        let chosen = match select {
            Selector::None => self.sole(),
            Selector::Name(name) => self.named(name),
            Selector::Index(index) => self.at(*index),
            Selector::Digest(id) => self.with_id(id, cancel),
        };
        chosen.map_err(|error| error.context(self.shown()))
    }

    fn sole(&self) -> Result<usize> {
        match self.images.len() {
            1 => Ok(0),
            0 => Err(Error::new(ErrorKind::NotFound, "the archive holds no image")),
            n => Err(Error::new(ErrorKind::Ambiguous, format!("the archive holds {n} images"))
                .hint(self.choices())),
        }
    }

    fn named(&self, name: &DockerName) -> Result<usize> {
        let is_it = |raw: &String| archive_name(raw).is_ok_and(|found| found == *name);
        let holders: Vec<usize> = (0..self.images.len())
            .filter(|at| self.images[*at].names().iter().any(is_it))
            .collect();
        match holders.as_slice() {
            [one] => Ok(*one),
            [] => Err(self.not_found(format!("no image is named {name}"))),
            several => Err(Error::new(
                ErrorKind::Ambiguous,
                format!("{} images are named {name}", several.len()),
            )
            .hint(format!(
                "choose one by its index: {}",
                few(several.iter().map(|at| format!("@{at}")))
            ))),
        }
    }

    fn at(&self, index: usize) -> Result<usize> {
        if index < self.images.len() {
            return Ok(index);
        }
        Err(self.not_found(format!("there is no image @{index}")))
    }

    /// Files that bear the ID's hex digits are looked at first; only the hash of their bytes counts.
    fn with_id(&self, id: &Digest, cancel: &Cancel) -> Result<usize> {
        let (likely, others): (Vec<usize>, Vec<usize>) =
            (0..self.images.len()).partition(|at| self.images[*at].config.contains(id.encoded()));
        let mut unreadable = None;
        for at in likely.into_iter().chain(others) {
            cancel.check()?;
            match self.id(at) {
                Ok(found) if found == *id => return Ok(at),
                Ok(_) => {}
                // One bad image must not hide the others.
                Err(error) => unreadable = Some(error),
            }
        }
        let error = self.not_found(format!("no image has the ID {id}"));
        Err(match unreadable {
            Some(cause) => error.caused_by(cause),
            None => error,
        })
    }

    fn not_found(&self, message: String) -> Error {
        Error::new(ErrorKind::NotFound, message).hint(self.choices())
    }

    /// What there is, and how to name one.
    fn choices(&self) -> String {
        if self.images.is_empty() {
            return "it holds no image".to_owned();
        }
        let listed =
            few(self.images.iter().enumerate().map(|(at, image)| match image.names().first() {
                Some(name) => format!("{} (@{at})", Escaped(name)),
                None => format!("an untagged one (@{at})"),
            }));
        let [by_name, by_index] = ["NAME", "@INDEX"].map(|form| format!("{}:{form}", self.shown()));
        format!("it holds {listed}; choose with {by_name} or {by_index}")
    }
}
