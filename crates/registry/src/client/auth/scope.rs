//! [`Scopes`]: what a token is for, [the token scope](https://distribution.github.io/distribution/spec/auth/scope/).

use std::collections::BTreeMap;

/// What is done in a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Access {
    Pull,
    Push,
    Delete,
    /// Listing what repositories there are.
    Catalog,
}

/// Repositories, and what is done there.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Scopes {
    /// The repository whose credential is used.
    own: String,
    all: BTreeMap<String, Access>,
}

impl Scopes {
    /// For requests to a repository.
    pub(crate) fn new(repository: &str, access: Access) -> Self {
        let own = repository.to_owned();
        Self { all: BTreeMap::from([(own.clone(), access)]), own }
    }

    /// Reading another repository too.
    pub(crate) fn and_pull(mut self, repository: &str) -> Self {
        self.all.entry(repository.to_owned()).or_insert(Access::Pull);
        self
    }

    /// The repository whose credential is used.
    pub(crate) fn own(&self) -> &str {
        &self.own
    }

    /// As they stand in a request, and what the server asked for beyond them.
    pub(crate) fn texts(&self, asked: Option<&str>) -> Vec<String> {
        let mut texts: Vec<String> = self
            .all
            .iter()
            .map(|(repository, access)| match access {
                Access::Pull => format!("repository:{repository}:pull"),
                Access::Push => format!("repository:{repository}:pull,push"),
                Access::Catalog => "registry:catalog:*".to_owned(),
                // Lists of referrers are written anew. Servers grant of these what they know.
                Access::Delete => format!("repository:{repository}:pull,push,delete"),
            })
            .collect();
        for asked in asked.unwrap_or_default().split(' ').filter(|scope| !scope.is_empty()) {
            // Of a repository that is ours, we know better what we are about to do.
            let ours = asked.rsplit_once(':').is_some_and(|(of, _)| {
                texts.iter().any(|text| text.rsplit_once(':').is_some_and(|(t, _)| t == of))
            });
            if !ours {
                texts.push(asked.to_owned());
            }
        }
        texts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        let scopes = Scopes::new("b", Access::Push).and_pull("a").and_pull("b");
        assert_eq!(scopes.texts(None), ["repository:a:pull", "repository:b:pull,push"]);
        let asked = Some("repository:a:pull registry:catalog:*");
        assert_eq!(scopes.texts(asked).last().unwrap(), "registry:catalog:*");
        assert_eq!(scopes.texts(asked).len(), 3);
    }
}
