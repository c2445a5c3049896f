//! Which engine is meant: variables, contexts and options, alone and in pairs. None of the engines is there, and errors say which one was
//! asked, and what named it.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use transship::transport::sha256;

use crate::session::Session;

/// Names and values.
type Variables<'a> = &'a [(&'a str, &'a str)];

/// What a line says that fails where variables are set.
fn said(session: &Session, variables: &[(&str, &str)], line: &str) -> String {
    let mut command = session.command(line);
    for (name, value) in variables {
        // Otherwise each test would see the variables of the shell that runs the tests.
        assert!(command.get_envs().any(|(is, _)| is == *name), "{name} is inherited");
        command.env(name, value);
    }
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && output.stdout.is_empty(), "{variables:?} {line}: {said}");
    said
}

/// A line fails with an address, with what named it, and with a hint in which there is a word.
fn leads(session: &Session, variables: &[(&str, &str)], line: &str, to: &str, hint: &str) {
    let said = said(session, variables, line);
    let (error, hints) = said.split_once("\n  hint: ").unwrap_or((&said, ""));
    assert!(error.contains(to), "{variables:?} {line}: no {to:?}: {said}");
    assert!(hints.contains(hint), "{variables:?} {line}: {said}");
}

/// A context of docker's command.
fn context(session: &Session, config: &str, name: &str, host: &str) {
    let folder = format!("{config}/contexts/meta/{}", sha256(name.as_bytes()).encoded());
    fs::create_dir_all(session.path(&folder)).unwrap();
    let meta = format!(
        r#"{{"Name":"{name}","Metadata":{{}},"Endpoints":{{"docker":{{"Host":"{host}"}}}}}}"#
    );
    session.write(&format!("{folder}/meta.json"), meta);
}

fn current(session: &Session, config: &str, name: &str) {
    session.write(&format!("{config}/config.json"), format!(r#"{{"currentContext":"{name}"}}"#));
}

#[test]
fn docker_is_found_as_by_its_own_command() {
    let session = Session::new();
    for (config, host) in [("cfg", "unix:///gone/far"), ("home/.docker", "unix:///gone/home")] {
        context(&session, config, "far", host);
        current(&session, config, "far");
    }
    context(&session, "cfg", "near", "unix:///gone/near");
    let leads = |variables: &[(&str, &str)], option: &str, to: &str| {
        let to = format!("docker-daemon:: the engine at {to}");
        leads(&session, variables, &format!("list docker-daemon:{option}"), &to, "DOCKER_HOST");
    };
    let host = ("DOCKER_HOST", "unix:///gone/variable");
    let (far, near) = (("DOCKER_CONTEXT", "far"), ("DOCKER_CONTEXT", "near"));
    let config = ("DOCKER_CONFIG", "cfg");
    let by_file = "unix:///gone/far (from the context \"far\" of config.json)";
    let by_variable = "unix:///gone/variable (from DOCKER_HOST)";
    // Each alone.
    leads(&[], "", "unix:///gone/home (from the context \"far\" of config.json)");
    leads(&[config], "", by_file);
    leads(&[far], "", "unix:///gone/home (from the context \"far\" of DOCKER_CONTEXT)");
    leads(&[host], "", by_variable);
    // One that is empty is not set.
    leads(&[config, ("DOCKER_HOST", ""), ("DOCKER_CONTEXT", "")], "", by_file);
    // In pairs.
    leads(&[config, near], "", "unix:///gone/near (from the context \"near\" of DOCKER_CONTEXT)");
    leads(&[config, host], "", by_variable);
    leads(&[far, host], "", by_variable);
    let option = " --daemon-host unix:///gone/option";
    let by_option = "unix:///gone/option (from the option daemon-host)";
    for variables in [&[config][..], &[config, near], &[host], &[config, near, host]] {
        leads(variables, option, by_option);
    }
    // A context that is not there is no default.
    let said = said(&session, &[config, ("DOCKER_CONTEXT", "no")], "list docker-daemon:");
    assert!(said.contains("the context \"no\" of DOCKER_CONTEXT: there is no such"), "{said}");
    assert!(said.contains("\n  hint: docker context ls"), "{said}");
}

#[test]
fn each_side_of_a_copy_has_an_option_of_its_own() {
    let session = Session::new();
    let host = [("DOCKER_HOST", "unix:///gone/variable")];
    let by_variable = "unix:///gone/variable (from DOCKER_HOST)";
    let by_option = "unix:///gone/option (from the option daemon-host)";
    let (out, through) =
        ("copy -q docker-daemon:x:1 oci:out", "copy -q docker-daemon:x:1 docker-daemon:y:1");
    // Between two engines, the destination is asked first.
    for (line, option, to) in [
        (out, "", by_variable),
        (out, " --src-daemon-host unix:///gone/option", by_option),
        (through, " --src-daemon-host unix:///gone/option", by_variable),
        (through, " --dest-daemon-host unix:///gone/option", by_option),
    ] {
        leads(&session, &host, &format!("{line}{option}"), to, "DOCKER_HOST");
    }
}

/// In each folder something else is wrong, which says which one was read.
#[test]
fn docker_speaks_tls_with_the_certificates_that_are_named() {
    let session = Session::new();
    for (folder, file) in [("cfg", "ca.pem"), ("variable", "cert.pem"), ("option", "key.pem")] {
        fs::create_dir(session.path(folder)).unwrap();
        session.write(&format!("{folder}/{file}"), "none");
    }
    session.write("variable/key.pem", "none");
    let wrong = "of cert.pem and key.pem, one is missing";
    let of_config = "ca.pem: it holds no certificates";
    let of_variable = "cert.pem: it holds no certificates";
    // It accepts, and says nothing.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let tcp = format!("tcp://{at}");
    let (host, verify) = (("DOCKER_HOST", tcp.as_str()), ("DOCKER_TLS_VERIFY", "1"));
    let (config, folder) = (("DOCKER_CONFIG", "cfg"), ("DOCKER_CERT_PATH", "variable"));
    let option = " --daemon-cert-path option";
    let cases: [(Variables<'_>, &str, &str); 5] = [
        (&[host, verify, config], "", of_config),
        (&[host, verify, folder], "", of_variable),
        (&[host, verify, config, folder], "", of_variable),
        (&[host, config, folder], option, wrong),
        (&[host, verify, config, folder], option, wrong),
    ];
    for (variables, option, says) in cases {
        let said = said(&session, variables, &format!("list docker-daemon:{option}"));
        let begins = format!("the engine at https://{at} (from DOCKER_HOST): {says}");
        assert!(said.contains(&begins), "{variables:?}{option}: {said}");
    }
    // Without the one that asks for it, a folder is no reason to speak TLS.
    drop(listener);
    for (variables, scheme) in
        [(&[host, config, folder][..], "tcp"), (&[host, verify][..], "https")]
    {
        let to = format!("the engine at {scheme}://{at} (from DOCKER_HOST)");
        leads(&session, variables, "list docker-daemon:", &to, "start the engine");
    }
}

/// What an engine of docker 29 says to a request.
fn said_by_docker_29(request: &str) -> String {
    let version = request.split_once(" /v1.").and_then(|(_, rest)| rest.split_once('/'));
    let refused = match version.map(|(version, _)| version.parse::<u32>().unwrap()) {
        Some(old @ ..44) => Some(format!(
            "client version 1.{old} is too old. Minimum supported API version is 1.44, please upgrade your client to a newer version"
        )),
        Some(new @ 53..) => Some(format!(
            "client version 1.{new} is too new. Maximum supported API version is 1.52"
        )),
        _ => None,
    };
    let (status, body) = match refused {
        Some(words) => ("400 Bad Request", format!(r#"{{"message":"{words}"}}"#)),
        None => ("200 OK", "{}".to_owned()),
    };
    let body = if request.starts_with("HEAD") { String::new() } else { body };
    let size = body.len();
    format!(
        "HTTP/1.1 {status}\r\nApi-Version: 1.52\r\nConnection: close\r\nContent-Length: {size}\r\n\r\n{body}"
    )
}

#[test]
fn the_version_of_dockers_api_is_the_one_that_is_named() {
    let session = Session::new();
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    let socket = folder.path().join("s");
    let listener = UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let size = stream.read(&mut request).unwrap_or(0);
            let request = String::from_utf8_lossy(&request[..size]).into_owned();
            let _ = stream.write_all(said_by_docker_29(&request).as_bytes());
        }
    });
    let host = format!("unix://{}", socket.display());
    for (version, says) in [
        ("new", "DOCKER_API_VERSION is \"new\", which is no version"),
        ("1.23", "DOCKER_API_VERSION asks for API 1.23, and 1.24 is the oldest"),
        ("1.41", "client version 1.41 is too old. Minimum supported API version is 1.44"),
        ("1.60", "client version 1.60 is too new. Maximum supported API version is 1.52"),
    ] {
        let variables = [("DOCKER_HOST", host.as_str()), ("DOCKER_API_VERSION", version)];
        let to = format!("the engine at {host} (from DOCKER_HOST): {says}");
        leads(&session, &variables, "list docker-daemon:", &to, "DOCKER_API_VERSION");
    }
}

#[test]
fn containerd_is_found_by_its_variables_and_options() {
    let session = Session::new();
    let leads = |variables: &[(&str, &str)], rest: &str, namespace: &str, to: &str| {
        let to = format!("containerd:{namespace}//: no containerd answers at {to}:");
        leads(&session, variables, &format!("list containerd:{rest}"), &to, "CONTAINERD_ADDRESS");
    };
    let address = ("CONTAINERD_ADDRESS", "/gone/variable");
    let namespace = ("CONTAINERD_NAMESPACE", "k8s.io");
    let by_variable = "/gone/variable (from CONTAINERD_ADDRESS)";
    let by_option = "/gone/option (from the option containerd-address)";
    let option = " --containerd-address /gone/option";
    leads(&[address], "", "default", by_variable);
    let url = ("CONTAINERD_ADDRESS", "unix:///gone/variable");
    leads(&[url], "", "default", by_variable);
    leads(&[namespace], option, "k8s.io", by_option);
    leads(&[address, namespace], "", "k8s.io", by_variable);
    leads(&[address, ("CONTAINERD_NAMESPACE", "")], "", "default", by_variable);
    leads(&[address], option, "default", by_option);
    leads(&[address, namespace], " --containerd-namespace moby", "moby", by_variable);
    leads(&[address, namespace], "own// --containerd-namespace moby", "own", by_variable);
    let wrong = [address, ("CONTAINERD_NAMESPACE", "a/b")];
    let said = said(&session, &wrong, "list containerd:");
    assert!(said.contains("the namespace that is set") && said.contains("a/b"), "{said}");
}

#[test]
fn podman_is_found_by_its_variables_and_options() {
    let session = Session::new();
    let own = |variables: &[(&str, &str)], option: &str, to: &str| {
        let line = format!("list containers-storage:{option}");
        leads(&session, variables, &line, to, "CONTAINER_HOST");
    };
    let host = ("CONTAINER_HOST", "unix:///gone/variable");
    let (connection, program) = (("CONTAINER_CONNECTION", "far"), ("PODMAN", "/gone/podman"));
    let by_variable = "podman at unix:///gone/variable (from CONTAINER_HOST)";
    let (url, by_url) =
        (" --podman-url unix:///gone/option", "unix:///gone/option (from the option podman-url)");
    let command = "nor a command /gone/podman:";
    own(&[host], "", by_variable);
    own(&[host, program], "", by_variable);
    // The command follows the connection, and the command alone knows other stores.
    own(&[connection, program], "", command);
    own(&[host, connection, program], "", command);
    own(&[host, program], "[vfs@/gone/store+/gone/run]", command);
    for variables in [&[host][..], &[], &[connection], &[program], &[host, connection, program]] {
        own(variables, url, by_url);
        own(variables, " --podman /gone/option", "nor a command /gone/option:");
    }
}
