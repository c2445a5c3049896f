//! dockerd behind TLS and behind ssh.

use std::path::Path;
use std::process::Command;

use super::*;

/// Makes an authority, and certificates of a server at 127.0.0.1 and of a client, as `ca.pem`, `cert.pem` and `key.pem`.
pub(crate) fn certificates(folder: &Path) {
    let script = r#"set -e
mkdir client
new="openssl req -newkey rsa:2048 -nodes"
$new -x509 -days 2 -subj /CN=authority -keyout ca-key.pem -out client/ca.pem
printf 'subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth\n' > server.ext
printf 'extendedKeyUsage=clientAuth\n' > client.ext
sign="openssl x509 -req -days 2 -CA client/ca.pem -CAkey ca-key.pem -CAcreateserial"
$new -subj /CN=server -keyout server-key.pem -out server.csr
$sign -in server.csr -extfile server.ext -out server.pem
$new -subj /CN=client -keyout client/key.pem -out client.csr
$sign -in client.csr -extfile client.ext -out client/cert.pem
"#;
    let done = Command::new("sh").args(["-c", script]).current_dir(folder).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// The engine answers clients that have its certificates, and the error for all others says where they belong.
pub(crate) async fn behind_tls(port: u16, folder: &Path, name: &str) {
    let of = |certificates: &Path| {
        let settings = Settings::new()
            .with("docker-daemon", "daemon-host", format!("tcp://127.0.0.1:{port}"))
            .with("docker-daemon", "daemon-cert-path", certificates.display().to_string());
        DockerDaemon::new(&settings)
    };
    read(&of(&folder.join("client")), name).await.unwrap();
    let bare = folder.join("bare");
    std::fs::create_dir(&bare).unwrap();
    let error = read(&of(&bare), name).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "no authority: {error}");
    assert!(error.to_string().contains("bare/ca.pem"), "{error}");
    // An authority, and another one.
    std::fs::copy(folder.join("client/cert.pem"), bare.join("ca.pem")).unwrap();
    let error = read(&of(&bare), name).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "another authority: {error}");
    assert!(error.advice().unwrap().to_string().contains("DOCKER_TLS_VERIFY=1"), "{error}");
    std::fs::copy(folder.join("client/ca.pem"), bare.join("ca.pem")).unwrap();
    let error = read(&of(&bare), name).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "no certificate of a client: {error}");
    assert!(error.to_string().contains(&port.to_string()), "{error}");
    assert!(error.advice().unwrap().to_string().contains("cert.pem and key.pem"), "{error}");
}

/// What the child process of [`behind_ssh`] reads.
const NAME: &str = "TRANSSHIP_TEST_SSH_NAME";

/// A program named ssh, first on the path of a child process, runs docker's command here in place of there.
pub(crate) fn behind_ssh(socket: &Path, folder: &Path, name: &str) {
    let bin = folder.join("bin");
    std::fs::create_dir(&bin).unwrap();
    let script = format!(
        "#!/bin/sh\necho \"$@\" >> {0}/asked\nexec docker -H unix://{1} system dial-stdio\n",
        folder.display(),
        socket.display()
    );
    let ssh = bin.join("ssh");
    std::fs::write(&ssh, script).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&ssh, mode).unwrap();
    let path = std::env::var("PATH").unwrap();
    let child = child_for("reached::child_that_reads_by_ssh")
        .env("PATH", format!("{}:{path}", bin.display()))
        .env("DOCKER_HOST", "ssh://me@far.example:2222")
        .env(NAME, name)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && said.contains("read by ssh"), "{said}");
    let asked = std::fs::read_to_string(folder.join("asked")).unwrap();
    let first = "-l me -p 2222 -o ConnectTimeout=30 -o ServerAliveInterval=30 -T -- far.example docker system dial-stdio";
    // A login may ask for a password: there is one to look at the engine, and one to read.
    let logins: Vec<_> = asked.lines().collect();
    assert!(logins.len() <= 2 && logins.iter().all(|login| *login == first), "{logins:#?}");
}

/// Run by [`behind_ssh`]; else it has nothing to do.
#[tokio::test(flavor = "multi_thread")]
async fn child_that_reads_by_ssh() {
    let Ok(name) = std::env::var(NAME) else { return };
    read(&DockerDaemon::new(&Settings::new()), &name).await.unwrap();
    std::io::Write::write_all(&mut std::io::stdout(), b"read by ssh\n").unwrap();
}
