//! Debian's docker-registry 2.8, where it is installed.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use transship_core::{
    DeleteOptions, DeletedNames, ErrorKind, Hint, Result, Transport, WriteOptions,
};
use transship_registry::Registry;

use crate::common::{Image, image, plain, put};

/// A registry that serves until this is dropped.
struct Real {
    child: Child,
    host: String,
    _folder: TempDir,
}

/// Whether it lets anybody delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deletes {
    Yes,
    No,
}

impl Drop for Real {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Real {
    /// None where it is not installed and need not be.
    fn start(deletes: Deletes) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let config = format!(
            "version: 0.1\nlog:\n  accesslog:\n    disabled: true\nstorage:\n  filesystem:\n    rootdirectory: {}\n  delete:\n    enabled: {}\nhttp:\n  addr: {free}\n",
            folder.path().join("data").display(),
            deletes == Deletes::Yes,
        );
        let path = folder.path().join("config.yml");
        fs::write(&path, config).unwrap();
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(&path).stdout(Stdio::null()).stderr(Stdio::null());
        let Ok(child) = command.spawn() else {
            assert!(
                std::env::var_os("TRANSSHIP_REQUIRE_PEERS").is_none(),
                "docker-registry is required"
            );
            eprintln!("left out: docker-registry is not installed");
            return None;
        };
        for _ in 0..1000 {
            if TcpStream::connect(free).is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(Self { child, host: free.to_string(), _folder: folder })
    }

    async fn push(&self, registry: &Registry, rest: &str, image: &Image) {
        let at = registry.parse(&format!("//{}/{rest}", self.host)).unwrap();
        let to = registry.destination(&at, &WriteOptions::default()).await.unwrap();
        put(&*to, image).await.unwrap();
        to.commit(transship_core::Commit::new(&image.manifest)).await.unwrap();
    }

    async fn delete(&self, registry: &Registry, rest: &str, names: DeletedNames) -> Result<()> {
        let at = registry.parse(&format!("//{}/{rest}", self.host)).unwrap();
        let how = DeleteOptions::default().with_names(names);
        registry.deletion().unwrap().delete(&at, &how).await
    }
}

#[tokio::test]
async fn deletion_in_docker_registry_is_by_digest() {
    let Some(real) = Real::start(Deletes::Yes) else { return };
    let (registry, one) = (plain(), image("layer"));
    for tag in ["1", "1.2"] {
        real.push(&registry, &format!("a:{tag}"), &one).await;
    }
    real.push(&registry, "a:2", &image("another")).await;
    let error = real.delete(&registry, "a:1", DeletedNames::Given).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert_eq!(error.advice(), Some(&Hint::DeleteAllNames));
    assert!(error.to_string().contains("1.2 would go with it"), "{error}");
    real.delete(&registry, "a:2", DeletedNames::Given).await.unwrap();
    real.delete(&registry, "a:1", DeletedNames::All).await.unwrap();
    for tag in ["1", "1.2", "2"] {
        let gone = real.delete(&registry, &format!("a:{tag}"), DeletedNames::Given).await;
        assert_eq!(gone.unwrap_err().kind(), ErrorKind::NotFound, "{tag}");
    }
}

#[tokio::test]
async fn deletion_in_docker_registry_has_to_be_allowed() {
    let Some(real) = Real::start(Deletes::No) else { return };
    let registry = plain();
    real.push(&registry, "a:1", &image("layer")).await;
    for names in [DeletedNames::Given, DeletedNames::All] {
        let error = real.delete(&registry, "a:1", names).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        let hint = error.advice().unwrap().to_string();
        assert!(hint.contains("storage.delete.enabled"), "{hint}");
    }
}
