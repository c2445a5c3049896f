//! Bundles that were carried are judged where they arrive, by others: npm's `@sigstore/verify`.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use serde_json::{Value, json};
use transship_test_registry::{Options, ReferrersApi, Registry};

use crate::http;
use crate::npm::ask;
use crate::trust::Lab;

const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// Where bundles arrived.
trait Place {
    /// What lists those that are about a manifest, and perhaps others.
    fn listed(&self, of: &str) -> Value;

    /// A manifest or blob.
    fn read(&self, digest: &str) -> Vec<u8>;

    /// The bundles of a manifest.
    fn bundles(&self, of: &str) -> Vec<Value> {
        let listed = self.listed(of);
        let is_bundle = |about: &&Value| about["artifactType"] == BUNDLE;
        let bundles = listed["manifests"].as_array().unwrap().iter().filter(is_bundle);
        let manifests = bundles.map(|about| json_of(&self.read(digest_in(about))));
        let of_it = manifests.filter(|manifest| manifest["subject"]["digest"] == of);
        of_it.map(|manifest| json_of(&self.read(digest_in(&manifest["layers"][0])))).collect()
    }

    /// Holds the place to one bundle for each manifest of an index and for the index, that the key made.
    fn is_signed(&self, root: &str, lab: &Lab) {
        let index = json_of(&self.read(root));
        let children = index["manifests"].as_array().unwrap().iter().map(digest_in);
        let all: Vec<&str> = children.chain([root]).collect();
        assert_eq!(all.len(), 4, "{index}");
        let bundles: Vec<Vec<Value>> = all.iter().map(|of| self.bundles(of)).collect();
        assert!(bundles.iter().all(|of_one| of_one.len() == 1), "{bundles:?}");
        let bundles = bundles.concat();
        let Some(told) = judged(lab, "k.pub", &bundles, &all) else { return };
        assert!(told.iter().all(|told| told == "ok"), "{told:?}");
        // It accepts neither each key nor each image.
        let told = judged(lab, "other.pub", &bundles, &all).unwrap();
        assert!(told.iter().all(|told| told.contains("verification failed")), "{told:?}");
        let told = judged(lab, "k.pub", &bundles, &[root; 4]).unwrap();
        assert_eq!(told.iter().filter(|told| *told == "ok").count(), 1, "{told:?}");
    }
}

/// What npm says of bundles that shall be of digests. `None` where it is not here.
fn judged(lab: &Lab, key: &str, bundles: &[Value], of: &[&str]) -> Option<Vec<String>> {
    let key = fs::read_to_string(lab.session.path(key)).unwrap();
    let digests: Vec<&str> = of.iter().map(|of| of.strip_prefix("sha256:").unwrap()).collect();
    let told = ask(&json!({ "key": key, "bundles": bundles, "digests": digests }))?;
    Some(serde_json::from_value(told).unwrap())
}

fn json_of(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

fn digest_in(descriptor: &Value) -> &str {
    descriptor["digest"].as_str().unwrap()
}

/// A repository of a registry, which lists referrers itself or has a tag for them.
struct Repository<'a>(&'a Registry, &'a str, ReferrersApi);

impl Place for Repository<'_> {
    fn listed(&self, of: &str) -> Value {
        if self.2 == ReferrersApi::On {
            return http::get(self.0.host(), &format!("/v2/{}/referrers/{of}", self.1)).json();
        }
        json_of(&self.0.manifest(self.1, &of.replace(':', "-")).unwrap().1)
    }

    fn read(&self, digest: &str) -> Vec<u8> {
        let manifest = self.0.manifest(self.1, digest).map(|(_, bytes)| bytes);
        manifest.or_else(|| self.0.blob(self.1, digest)).unwrap().to_vec()
    }
}

/// The members of an archive.
struct Members(HashMap<String, Vec<u8>>);

impl Members {
    fn of(path: &Path) -> Self {
        let mut archive = tar::Archive::new(File::open(path).unwrap());
        let member = |entry: std::io::Result<tar::Entry<'_, File>>| {
            let mut entry = entry.unwrap();
            let (name, mut bytes) = (entry.path().unwrap().display().to_string(), Vec::new());
            entry.read_to_end(&mut bytes).unwrap();
            (name, bytes)
        };
        Self(archive.entries().unwrap().map(member).collect())
    }
}

impl Place for Members {
    fn listed(&self, _: &str) -> Value {
        json_of(&self.0["index.json"])
    }

    fn read(&self, digest: &str) -> Vec<u8> {
        self.0[&format!("blobs/{}", digest.replace(':', "/"))].clone()
    }
}

#[test]
fn npm_accepts_what_was_signed_in_a_layout_and_is_in_a_registry_now() {
    let lab = Lab::new();
    let (session, root) = (&lab.session, lab.digest("index"));
    session.ok("copy --quiet oci-archive:index.tar oci:layout:1");
    session.ok("sign --key k.pem --format bundle oci:layout");
    for api in [ReferrersApi::On, ReferrersApi::Off] {
        let mut options = Options::default();
        options.referrers = api;
        let site = Registry::start(options).unwrap();
        session.ok(&format!("copy --quiet --referrers oci:layout docker://{}/app:1", site.host()));
        Repository(&site, "app", api).is_signed(&root, &lab);
    }
}

#[test]
fn npm_accepts_what_was_signed_in_a_registry_and_is_in_an_archive_now() {
    let lab = Lab::new();
    let (session, host, root) = (&lab.session, &lab.host, lab.digest("index"));
    session.ok(&format!("sign --key k.pem --format bundle docker://{host}/index:1"));
    session.ok(&format!("copy --quiet --referrers docker://{host}/index:1 oci-archive:a.tar"));
    Members::of(&session.path("a.tar")).is_signed(&root, &lab);
    let site = Registry::start(Options::default()).unwrap();
    session
        .ok(&format!("copy --quiet --referrers oci-archive:a.tar docker://{}/app:1", site.host()));
    Repository(&site, "app", ReferrersApi::On).is_signed(&root, &lab);
}
