//! The names that files and helpers have for a host or a repository.

/// The host that has several names.
const HUB: &str = "docker.io";

/// Keys of a repository in a file, the most telling first: the repository, its folders, the host.
pub(super) fn of(host: &str, repository: &str) -> impl Iterator<Item = String> {
    let whole =
        if repository.is_empty() { host.to_owned() } else { format!("{host}/{repository}") };
    let mut next = Some(whole);
    let host = host.len();
    std::iter::from_fn(move || {
        let key = next.take()?;
        next = key.rfind('/').filter(|at| *at >= host).map(|at| key[..at].to_owned());
        Some(key)
    })
}

/// Whether a key that is an address, as docker writes them, or another name of the host, is of a host.
pub(super) fn is_of(key: &str, host: &str) -> bool {
    let bare = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://"));
    // Without a scheme, what follows a slash is a repository.
    let named = match bare {
        Some(bare) => bare.split('/').next().unwrap_or(bare),
        None if key.contains('/') => return false,
        None => key,
    };
    canonical(named) == canonical(host)
}

/// The name of a host for credential helpers.
pub(super) fn server(host: &str) -> &str {
    if canonical(host) == HUB { "https://index.docker.io/v1/" } else { host }
}

fn canonical(host: &str) -> &str {
    if matches!(host, "index.docker.io" | "registry-1.docker.io") { HUB } else { host }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_first() {
        let keys: Vec<String> = of("h:5000", "a/b/c").collect();
        assert_eq!(keys, ["h:5000/a/b/c", "h:5000/a/b", "h:5000/a", "h:5000"]);
        assert_eq!(of("h", "").collect::<Vec<_>>(), ["h"]);
    }

    #[test]
    fn other_names_of_a_host() {
        assert!(is_of("https://index.docker.io/v1/", "docker.io"));
        assert!(is_of("http://h:5000/v2/", "h:5000"));
        assert!(is_of("h", "h"));
        for other in ["h/a", "https://h.example/", "h:5000", "https://h/../docker.io"] {
            assert!(
                !is_of(other, "docker.io")
                    && (other.starts_with("https://h/") || !is_of(other, "h")),
                "{other}"
            );
        }
        assert_eq!(server("docker.io"), "https://index.docker.io/v1/");
    }
}
