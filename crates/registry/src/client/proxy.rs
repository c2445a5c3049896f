//! [`Proxies`]: the proxies of the environment, with the meaning that
//! [Go's programs](https://pkg.go.dev/golang.org/x/net/http/httpproxy) give its variables.

use std::net::IpAddr;

use reqwest::Url;
use transship_core::{Error, ErrorKind, Result};

use super::address::{canonical, is_loopback};

/// What a proxy can be asked over.
const SCHEMES: [&str; 4] = ["http", "https", "socks5", "socks5h"];

/// The proxies that requests go through.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proxies {
    http: Option<Url>,
    https: Option<Url>,
    exceptions: Vec<Exception>,
}

/// An entry of `NO_PROXY`: places that are reached without a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Exception {
    Everything,
    /// The addresses that begin with the same bits.
    Network {
        address: IpAddr,
        bits: u8,
    },
    Address {
        ip: IpAddr,
        port: Option<u16>,
    },
    /// With a dot in front, only the names below it.
    Domain {
        name: String,
        port: Option<u16>,
    },
}

impl Proxies {
    /// Those of this process.
    ///
    /// # Errors
    /// `InvalidInput` for a variable that names no proxy. Its value is not in the message: it may have a password.
    pub(crate) fn of_process() -> Result<Self> {
        Self::of(|name| std::env::var(name).ok())
    }

    fn of(variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        // The first that is not empty, as it is and in lowercase.
        let get = |name: &str| {
            let found = [name.to_owned(), name.to_lowercase()].into_iter().filter_map(|name| {
                let value = variable(&name)?.trim().to_owned();
                (!value.is_empty()).then_some((name, value))
            });
            found.into_iter().next()
        };
        let proxy = |name: &str| get(name).map(|(name, value)| parse(&name, &value)).transpose();
        // In a CGI program it is a header of the client's that becomes this variable.
        let cgi = variable("REQUEST_METHOD").is_some();
        let all = proxy("ALL_PROXY")?;
        let http = if cgi { None } else { proxy("HTTP_PROXY")?.or_else(|| all.clone()) };
        let list = get("NO_PROXY").map(|(_, value)| value).unwrap_or_default();
        let exceptions = list.split(',').filter_map(Exception::parse).collect();
        Ok(Self { http, https: proxy("HTTPS_PROXY")?.or(all), exceptions })
    }

    /// The proxy that a request goes through. None leads to this machine.
    pub(crate) fn to(&self, url: &Url) -> Option<&Url> {
        let proxy = match url.scheme() {
            "http" => self.http.as_ref(),
            _ => self.https.as_ref(),
        };
        let host = url.host_str().unwrap_or_default();
        let host = host.trim_matches(['[', ']']).trim_end_matches('.').to_lowercase();
        let excepted = || {
            let port = url.port_or_known_default();
            self.exceptions.iter().any(|exception| exception.covers(&host, port))
        };
        proxy.filter(|_| !is_loopback(&host) && !excepted())
    }

    /// Whether a host is that of a proxy.
    pub(crate) fn is_at(&self, host: &str) -> bool {
        [&self.http, &self.https].into_iter().flatten().any(|proxy| proxy.host_str() == Some(host))
    }
}

/// A proxy, which may stand without a scheme.
fn parse(variable: &str, value: &str) -> Result<Url> {
    let known = |url: &Url| url.has_host() && SCHEMES.contains(&url.scheme());
    let whole = Url::parse(value).ok().filter(known);
    let found = whole.or_else(|| {
        let bare = (!value.contains("://")).then(|| Url::parse(&format!("http://{value}")).ok());
        bare.flatten().filter(known)
    });
    found.ok_or_else(|| {
        let message = format!("the environment variable {variable} names no proxy");
        Error::new(ErrorKind::InvalidInput, message)
            .hint("its form is http://HOST:PORT; https, socks5 and socks5h are other schemes")
    })
}

impl Exception {
    fn parse(entry: &str) -> Option<Self> {
        let entry = entry.trim().to_lowercase();
        if entry == "*" {
            return Some(Self::Everything);
        }
        if let Some((address, bits)) = entry.split_once('/') {
            let (address, bits): (IpAddr, u8) = (address.parse().ok()?, bits.parse().ok()?);
            return Some(Self::Network { address, bits });
        }
        let (host, port) = split_port(&entry);
        if let Ok(ip) = host.trim_matches(['[', ']']).parse() {
            return Some(Self::Address { ip, port });
        }
        let name = host.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(host);
        let name = name.trim_end_matches('.').to_owned();
        (!name.is_empty()).then_some(Self::Domain { name, port })
    }

    fn covers(&self, host: &str, at: Option<u16>) -> bool {
        let ip = host.parse().ok().map(canonical);
        let is_port = |port: &Option<u16>| port.is_none() || *port == at;
        match self {
            Self::Everything => true,
            Self::Network { address, bits } => ip.is_some_and(|ip| shares(*address, *bits, ip)),
            Self::Address { ip: own, port } => ip == Some(canonical(*own)) && is_port(port),
            Self::Domain { name, port } => {
                let below = host.strip_suffix(name.as_str());
                let fits = match name.strip_prefix('.') {
                    Some(_) => below.is_some_and(|below| !below.is_empty()),
                    None => below.is_some_and(|below| below.is_empty() || below.ends_with('.')),
                };
                fits && is_port(port)
            }
        }
    }
}

/// A host and its port, if it has one. An address of version 6 with a port stands in brackets.
fn split_port(entry: &str) -> (&str, Option<u16>) {
    let bare_v6 = entry.matches(':').count() > 1 && !entry.starts_with('[');
    match entry.rsplit_once(':') {
        Some((host, port)) if !bare_v6 => match port.parse() {
            Ok(port) => (host, Some(port)),
            Err(_) => (entry, None),
        },
        _ => (entry, None),
    }
}

/// Whether two addresses begin with the same bits.
fn shares(network: IpAddr, bits: u8, ip: IpAddr) -> bool {
    match (network, ip) {
        (IpAddr::V4(network), IpAddr::V4(ip)) => {
            let apart = u32::from(network) ^ u32::from(ip);
            bits <= 32 && apart.leading_zeros() >= u32::from(bits)
        }
        (IpAddr::V6(network), IpAddr::V6(ip)) => {
            let apart = u128::from(network) ^ u128::from(ip);
            bits <= 128 && apart.leading_zeros() >= u32::from(bits)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &[(&str, &str)]) -> Result<Proxies> {
        Proxies::of(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    fn to(proxies: &Proxies, url: &str) -> Option<String> {
        proxies.to(&Url::parse(url).unwrap()).map(ToString::to_string)
    }

    #[test]
    fn places_that_need_no_proxy() {
        for (list, direct, through) in [
            (
                "",
                &["https://127.0.0.1:5000/", "https://localhost/", "http://[::1]:5000/"][..],
                &["https://h.example/"][..],
            ),
            ("*", &["https://h.example/", "https://10.0.0.1/"], &[]),
            (
                " a.example , ,b.example",
                &["https://a.example/", "https://x.b.example:5000/"],
                &["https://xa.example/"],
            ),
            ("A.Example", &["https://a.example/"], &["https://c.example/"]),
            ("a.example.", &["https://a.example/", "https://a.example./"], &[]),
            (
                ".example.com",
                &["https://h.example.com/", "https://a.b.example.com/"],
                &["https://example.com/", "https://hexample.com/"],
            ),
            ("*.example.com", &["https://h.example.com/"], &["https://example.com/"]),
            (
                "h.example:5000",
                &["https://h.example:5000/", "http://x.h.example:5000/"],
                &["https://h.example/", "https://h.example:5001/"],
            ),
            ("h.example:443", &["https://h.example/"], &["http://h.example/"]),
            (".example:80", &["http://h.example/"], &["https://h.example/"]),
            (
                "10.1.2.3",
                &["https://10.1.2.3:5000/", "https://[::ffff:10.1.2.3]/"],
                &["https://10.1.2.4/"],
            ),
            ("10.1.2.3:5000", &["https://10.1.2.3:5000/"], &["https://10.1.2.3/"]),
            (
                "10.0.0.0/8,192.168.4.0/23",
                &["https://10.200.0.1/", "https://192.168.5.9/"],
                &["https://11.0.0.1/", "https://192.168.6.0/", "https://ten.example/"],
            ),
            ("0.0.0.0/0", &["https://9.9.9.9/"], &["https://h.example/", "https://[2001:db8::1]/"]),
            ("2001:db8::/32", &["https://[2001:db8::5]:5000/"], &["https://[2001:db9::5]/"]),
            ("2001:db8::1", &["https://[2001:db8::1]/"], &["https://[2001:db8::2]/"]),
            ("[2001:db8::1]:5000", &["https://[2001:db8::1]:5000/"], &["https://[2001:db8::1]/"]),
            ("10.0.0.0/99,a/b,:80,.", &[], &["https://10.0.0.1/", "https://h.example:80/"]),
        ] {
            let all =
                proxies(&[("ALL_PROXY", "http://p.example:3128"), ("NO_PROXY", list)]).unwrap();
            for url in direct {
                assert_eq!(to(&all, url), None, "{url} with {list:?}");
            }
            for url in through {
                assert_eq!(
                    to(&all, url).as_deref(),
                    Some("http://p.example:3128/"),
                    "{url} with {list:?}"
                );
            }
        }
    }

    #[test]
    fn the_variables() {
        let (plain, tls) = ("http://h.example/", "https://h.example/");
        for (variables, of_plain, of_tls) in [
            (&[][..], None, None),
            (&[("HTTP_PROXY", "p:1")][..], Some("http://p:1/"), None),
            (&[("https_proxy", "https://p:1")], None, Some("https://p:1/")),
            (&[("HTTPS_PROXY", ""), ("https_proxy", "p:1")], None, Some("http://p:1/")),
            (
                &[("HTTPS_PROXY", "socks5://p:1080"), ("ALL_PROXY", "q:2")],
                Some("http://q:2/"),
                Some("socks5://p:1080"),
            ),
            (&[("HTTP_PROXY", "p:1"), ("REQUEST_METHOD", "GET")], None, None),
            (&[("HTTPS_PROXY", "http://me:secret@p:1")], None, Some("http://me:secret@p:1/")),
        ] {
            let found = proxies(variables).unwrap();
            assert_eq!(to(&found, plain).as_deref(), of_plain, "{variables:?}");
            assert_eq!(to(&found, tls).as_deref(), of_tls, "{variables:?}");
        }
        for value in ["ftp://p:1", "http://", "http://me:hunter2@:x", "://"] {
            let error = proxies(&[("HTTPS_PROXY", value)]).unwrap_err();
            assert!(error.to_string().contains("HTTPS_PROXY"), "{error}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }
}
