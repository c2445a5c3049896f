//! Settings for clients, with which they pull from this server.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;

use transship::serve::Repository;
use transship::transport::subject_of_tag;

/// The registry whose mirrors docker knows.
const HUB: &str = "docker.io";

/// The most hosts that settings are shown for.
const HOSTS: usize = 5;

/// Where the server is.
#[derive(Debug)]
pub(super) struct Address {
    pub(super) at: SocketAddr,
    /// Of TLS.
    pub(super) certificate: Option<PathBuf>,
    /// Whether it can be pushed to.
    pub(super) is_writable: bool,
}

impl Address {
    pub(super) fn url(&self) -> String {
        let scheme = if self.certificate.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.at)
    }

    /// As clients on other machines reach it.
    fn host(&self) -> String {
        if self.at.ip().is_unspecified() {
            return format!("THIS-MACHINE:{}", self.at.port());
        }
        self.at.to_string()
    }

    fn client_url(&self) -> String {
        self.url().replace(&self.at.to_string(), &self.host())
    }
}

/// The settings of all clients.
pub(super) fn all(address: &Address, repositories: &[Repository]) -> String {
    let hosts: BTreeSet<&str> = repositories.iter().filter_map(|one| one.host.as_deref()).collect();
    let hosts: Vec<&str> = hosts.into_iter().take(HOSTS).collect();
    let mut parts = Vec::new();
    let own = address.host();
    for host in hosts.iter().copied().chain([own.as_str()]) {
        parts.push(containerd(address, host));
    }
    parts.push(docker(address, hosts.contains(&HUB)));
    parts.push(podman(address, &hosts));
    parts.extend(pulls(address, repositories));
    parts.join("\n")
}

fn containerd(address: &Address, host: &str) -> String {
    let url = address.client_url();
    let ca = address
        .certificate
        .as_ref()
        .map_or_else(String::new, |file| format!("  ca = {:?}\n", file.display().to_string()));
    // A push to another host is not for this server: it is only a mirror of that.
    let push = if address.is_writable && host == address.host() { ", \"push\"" } else { "" };
    format!(
        "# containerd: /etc/containerd/certs.d/{host}/hosts.toml\n[host.\"{url}\"]\n  \
         capabilities = [\"pull\", \"resolve\"{push}]\n{ca}"
    )
}

fn docker(address: &Address, is_mirror: bool) -> String {
    let (url, host) = (address.client_url(), address.host());
    let mut settings = Vec::new();
    if is_mirror {
        settings.push(format!("\"registry-mirrors\": [\"{url}\"]"));
    }
    if address.certificate.is_none() {
        settings.push(format!("\"insecure-registries\": [\"{host}\"]"));
    }
    let mut text = String::new();
    if let Some(certificate) = &address.certificate {
        text =
            format!("# docker: {} is /etc/docker/certs.d/{host}/ca.crt\n", certificate.display());
    }
    if !settings.is_empty() {
        text = format!("{text}# docker: /etc/docker/daemon.json\n{{{}}}\n", settings.join(", "));
    }
    text
}

fn podman(address: &Address, hosts: &[&str]) -> String {
    let insecure = address.certificate.is_none();
    let own = address.host();
    let head = format!(
        "# podman, skopeo: /etc/containers/registries.conf.d/transship.conf\n[[registry]]\n\
         location = \"{own}\"\ninsecure = {insecure}\n"
    );
    hosts.iter().fold(head, |text, host| {
        format!(
            "{text}[[registry]]\nlocation = \"{host}\"\n[[registry.mirror]]\n\
             location = \"{own}\"\ninsecure = {insecure}\n"
        )
    })
}

/// A pull of the first image that has a tag.
fn pulls(address: &Address, repositories: &[Repository]) -> Option<String> {
    let is_image = |tag: &&String| subject_of_tag(tag).is_none();
    let named =
        |one: &Repository| Some((one.path.clone()?, one.tags.iter().find(is_image)?.clone()));
    let (path, tag) = repositories.iter().find_map(named)?;
    let host = address.host();
    Some(format!("# try\ndocker pull {host}/{path}:{tag}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containerd_pushes_to_what_is_writable_and_to_no_mirror() {
        let at = SocketAddr::from(([127, 0, 0, 1], 5000));
        let shown = |is_writable, host| {
            containerd(&Address { at, certificate: None, is_writable }, host).contains("\"push\"")
        };
        assert!(shown(true, "127.0.0.1:5000"));
        assert!(!shown(true, "quay.io") && !shown(false, "127.0.0.1:5000"));
    }
}
