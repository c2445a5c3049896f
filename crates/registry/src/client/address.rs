//! Where a server may send us. It names other places in redirects, upload locations and token realms, and we stand in
//! networks that it does not: what only we can reach is no place for it to name.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use transship_core::{Error, ErrorKind, Result};

use super::proxy::Proxies;

/// Which addresses are not gone to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Guard {
    /// None: a person named the host.
    Open,
    /// Link-local ones, where clouds keep metadata.
    NoMetadata,
    /// Link-local ones and this machine.
    NoMetadataNorLoopback,
}

impl Guard {
    pub(crate) fn named_by(host: &str) -> Self {
        if is_loopback(host) { Self::NoMetadata } else { Self::NoMetadataNorLoopback }
    }

    fn refuses(self, ip: IpAddr) -> bool {
        match self {
            Self::Open => false,
            Self::NoMetadata => is_metadata(ip),
            Self::NoMetadataNorLoopback => is_metadata(ip) || canonical(ip).is_loopback(),
        }
    }

    /// Refuses a place before anything is sent to it.
    pub(crate) fn check(self, url: &Url) -> Result<()> {
        let host = url.host_str().unwrap_or_default();
        let literal = host.trim_matches(['[', ']']).parse().ok();
        let refused = literal.is_some_and(|ip| self.refuses(ip))
            || (self == Self::NoMetadataNorLoopback && is_loopback(host))
            || (self != Self::Open && host.trim_end_matches('.') == "metadata.google.internal");
        if refused { Err(refused_address(host)) } else { Ok(()) }
    }
}

fn refused_address(host: &str) -> Error {
    let message = format!("the server sends us to {host}, which is an address of this machine");
    Error::new(ErrorKind::Denied, message).with_retryable(false)
}

/// Whether a host (with or without port) is this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    let name = without_port(host).trim_end_matches('.');
    if let Ok(ip) = name.parse::<IpAddr>() {
        return canonical(ip).is_loopback();
    }
    name == "localhost" || name.ends_with(".localhost")
}

fn without_port(host: &str) -> &str {
    if let Some(v6) = host.strip_prefix('[') {
        return v6.split(']').next().unwrap_or(v6);
    }
    match host.split_once(':') {
        // More than one colon: an address without brackets.
        Some((name, rest)) if !rest.contains(':') => name,
        _ => host,
    }
}

pub(super) fn canonical(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(ip, IpAddr::V4),
        IpAddr::V4(_) => ip,
    }
}

fn is_metadata(ip: IpAddr) -> bool {
    match canonical(ip) {
        IpAddr::V4(v4) => v4.is_link_local() || v4.is_unspecified() || v4.is_broadcast(),
        IpAddr::V6(v6) => {
            // fd00:ec2::254 is where AWS keeps it.
            v6.is_unicast_link_local()
                || v6.is_unspecified()
                || v6.segments() == [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254]
        }
    }
}

/// Looks names up, and forgets the addresses that are not gone to. A proxy is named by the user, and may be anywhere.
#[derive(Clone, Debug)]
pub(crate) struct Guarded {
    pub(crate) guard: Guard,
    pub(crate) proxies: Arc<Proxies>,
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = if self.proxies.is_at(name.as_str()) { Guard::Open } else { self.guard };
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> =
                found.filter(|address| !guard.refuses(address.ip())).collect();
            if allowed.is_empty() {
                return Err(refused_address(&host).into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_this_machine() {
        for host in [
            "localhost",
            "localhost:5000",
            "127.0.0.1:1",
            "127.8.8.8",
            "[::1]:5000",
            "::1",
            "a.localhost",
            "[::ffff:127.0.0.1]:1",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["localhost.example", "10.0.0.1", "[2001:db8::1]:5000", "h:5000"] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn metadata_is_never_gone_to() {
        let refused = |guard: Guard, url: &str| guard.check(&Url::parse(url).unwrap()).is_err();
        for url in [
            "http://169.254.169.254/latest/meta-data",
            "http://[fe80::1]/",
            "http://[fd00:ec2::254]/",
            "http://[::ffff:169.254.169.254]/",
            "http://metadata.google.internal/",
            "http://0.0.0.0/",
            "http://2852039166/",
        ] {
            assert!(refused(Guard::NoMetadata, url), "{url}");
            assert!(!refused(Guard::Open, url), "{url}");
        }
        assert!(refused(Guard::NoMetadataNorLoopback, "https://localhost/x"));
        assert!(refused(Guard::NoMetadataNorLoopback, "https://127.1/x"));
        assert!(!refused(Guard::NoMetadata, "https://127.0.0.1/x"));
        assert!(!refused(Guard::NoMetadataNorLoopback, "https://10.0.0.1/x"));
    }
}
