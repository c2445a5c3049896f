//! Follows links inside an archive, and never out of it.

use std::sync::Arc;

use transship_core::{Error, ErrorKind, Result};

use super::{Entry, EntryKind, Shown, TarIndex, clean};

/// The most links on the way to an entry, as in Linux.
const LINK_LIMIT: usize = 40;

/// The most parts of paths on the way to an entry, those of link targets included.
const STEP_LIMIT: usize = 4096;

/// Where a name leads.
#[derive(Debug)]
pub(super) struct Lead {
    /// The entry at the end, by its position: never a link.
    pub(super) at: usize,
    /// The names of the links on the way.
    pub(super) links: Vec<Arc<str>>,
}

/// Follows a name.
pub(super) fn resolve(index: &TarIndex, name: &str) -> Result<Lead> {
    let mut walk = Walk {
        index,
        asked: name,
        here: String::new(),
        ahead: Vec::new(),
        steps: 0,
        links: Vec::new(),
    };
    if name.split('/').any(|part| part == "..") {
        return Err(walk.taken_differently("the name has \"..\""));
    }
    walk.go_on(name, None)?;
    let at = walk.run()?;
    Ok(Lead { at, links: walk.links })
}

/// Whether `..` stands in a path anywhere but at its beginning. There, some readers drop the part before it as text, and
/// others follow that part first, which may be a link.
fn goes_back(path: &str) -> bool {
    let mut named = false;
    path.split('/').any(|part| match part {
        "" | "." => false,
        ".." => named,
        _ => {
            named = true;
            false
        }
    })
}

struct Walk<'a> {
    index: &'a TarIndex,
    asked: &'a str,
    /// The folder that has been reached, without links.
    here: String,
    /// The parts still to go, the next one last.
    ahead: Vec<String>,
    steps: usize,
    /// The names of the links that were followed.
    links: Vec<Arc<str>>,
}

impl<'a> Walk<'a> {
    fn run(&mut self) -> Result<usize> {
        let mut last = None;
        while let Some(part) = self.ahead.pop() {
            self.steps += 1;
            if self.steps > STEP_LIMIT {
                return Err(Error::new(
                    ErrorKind::LimitExceeded,
                    format!(
                        "the entry {:?} is reached through more than {STEP_LIMIT} parts of paths",
                        self.asked
                    ),
                ));
            }
            last = self.step(&part)?;
        }
        last.ok_or_else(|| self.not_found())
    }

    /// Goes one part on. Gives the entry there, if there is one and it is no link.
    fn step(&mut self, part: &str) -> Result<Option<usize>> {
        if part == ".." {
            if self.here.is_empty() {
                return Err(self.leads_outside());
            }
            self.up();
            return Ok(self.index.at_name(&self.here).map(|(at, _)| at));
        }
        if !self.here.is_empty() {
            self.here.push('/');
        }
        self.here.push_str(part);
        let Some((at, entry)) = self.index.at_name(&self.here) else { return Ok(None) };
        match &entry.kind {
            EntryKind::Symlink(target) => {
                self.up();
                self.go_on(target, Some(entry))?;
                Ok(None)
            }
            EntryKind::Hardlink(target) => self.other_name(entry, target).map(Some),
            EntryKind::File { .. } | EntryKind::Other(_) if !self.ahead.is_empty() => {
                Err(Error::new(
                    ErrorKind::Corrupt,
                    format!(
                        "{}, and {:?} goes through it as if it were a folder",
                        Shown(entry),
                        self.asked
                    ),
                ))
            }
            _ => Ok(Some(at)),
        }
    }

    fn up(&mut self) {
        self.here.truncate(self.here.rfind('/').unwrap_or(0));
    }

    /// Puts the parts of a path in front of those still to go.
    fn go_on(&mut self, path: &str, link: Option<&Entry>) -> Result<()> {
        if path.starts_with('/') {
            return Err(self.leads_outside());
        }
        if let Some(link) = link {
            if goes_back(path) {
                return Err(self.taken_differently(&format!("{} to {path:?}", Shown(link))));
            }
            self.links.push(Arc::clone(&link.name));
            if self.links.len() > LINK_LIMIT {
                return Err(Error::new(
                    ErrorKind::Corrupt,
                    format!(
                        "the entry {:?} is reached through more than {LINK_LIMIT} links, the last one {:?} at offset {}: they may go in a circle",
                        self.asked, link.name, link.header
                    ),
                ));
            }
        }
        let parts = path.split('/').filter(|part| !part.is_empty() && *part != ".");
        self.ahead.extend(parts.rev().map(str::to_owned));
        Ok(())
    }

    /// The entry that a hard link is another name of: a file, directly or through other hard links.
    fn other_name(&mut self, from: &'a Entry, target: &str) -> Result<usize> {
        let (mut link, mut target) = (from, target.to_owned());
        loop {
            self.links.push(Arc::clone(&link.name));
            let name =
                clean(target.as_bytes()).map_err(|_| self.leads_outside())?.unwrap_or_default();
            let Some((at, entry)) = self.index.at_name(&name) else {
                return Err(Error::new(
                    ErrorKind::Corrupt,
                    format!("{} to {target:?}, which is not there", Shown(link)),
                ));
            };
            match &entry.kind {
                EntryKind::File { .. } if self.ahead.is_empty() => return Ok(at),
                EntryKind::Hardlink(next) if self.links.len() <= LINK_LIMIT => {
                    (link, target) = (entry, next.to_string());
                }
                _ => {
                    return Err(Error::new(
                        ErrorKind::Corrupt,
                        format!("{} that leads to no file: {}", Shown(from), Shown(entry)),
                    ));
                }
            }
        }
    }

    fn taken_differently(&self, why: &str) -> Error {
        let message = format!(
            "the entry {:?} is found differently by different readers: {why}, and \"..\" behind a part that may be a link \
             leads to two places",
            self.asked
        );
        Error::new(ErrorKind::Corrupt, message)
    }

    fn leads_outside(&self) -> Error {
        Error::new(
            ErrorKind::Corrupt,
            format!("the entry {:?} leads outside the archive", self.asked),
        )
    }

    fn not_found(&self) -> Error {
        let name = self.asked;
        let through = if !self.links.is_empty() && self.here != name {
            format!(", which links lead to as {:?}", self.here)
        } else {
            String::new()
        };
        if self.index.has_end_mark() {
            return Error::new(
                ErrorKind::NotFound,
                format!("the archive has no entry {name:?}{through}"),
            );
        }
        let message = format!("the archive has no entry {name:?}{through}, and no end mark");
        Error::new(ErrorKind::Corrupt, message).hint("it was cut off when it was written or copied")
    }
}
