//! `countersign rotate`, run as a binary, with a running issuer and with a store only.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::run::{Server, assert_form, countersign};
use serde_json::{Value, json};

/// A folder with a service's configuration, removed on drop.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("made");
        Folder(folder)
    }

    fn config(&self, more: &str) -> String {
        let text = format!(
            "issuer = \"http://127.0.0.1:4000\"\nlisten = \"127.0.0.1:0\"\n{more}\n[store]\nfile = \"state.redb\"\n\
             [[audience]]\nname = \"billing\"\n"
        );
        let path = self.0.join("issuer.toml");
        std::fs::write(&path, text).expect("written");
        path.to_str().expect("text").to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The number of published keys.
fn published(issuer: &Server) -> usize {
    let url = format!("http://{}/jwks", issuer.text("address"));
    let report = countersign(&["keys", "check", &url, "--json"], "").json();
    report["keys"].as_array().map(Vec::len).unwrap_or_default()
}

fn rotated(config: &str, more: &[&str]) -> Value {
    let answer = countersign(&[&["rotate", "--config", config, "--json"][..], more].concat(), "");
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    assert_form("rotate", &answer.json());
    answer.json()
}

fn states(keys: &Value) -> Vec<&str> {
    keys["keys"].as_array().expect("a list").iter().map(|key| key["state"].as_str().expect("text")).collect()
}

#[test]
fn keys_rotate_in_a_running_service_and_in_its_store() {
    let folder = Folder::new("rotate");
    let config = folder.config("");
    let start = || Server::start("issuer", &["--config", &config]);
    let issuer = start();
    let first = rotated(&config, &["--list"]);
    assert_eq!(states(&first), ["active"]);
    let second = rotated(&config, &[]);
    assert_eq!(states(&second), ["active", "pending"]);
    assert_eq!(published(&issuer), 2, "the new key is published before it signs");
    let now = rotated(&config, &["--now"]);
    assert_eq!(now["keys"][0]["state"], "active");
    assert_ne!(now["keys"][0]["kid"], first["keys"][0]["kid"]);
    let old = first["keys"][0]["kid"].as_str().expect("text").to_owned();
    let revoked = rotated(&config, &["--revoke", &old]);
    assert!(!revoked.to_string().contains(&old));
    let unknown = countersign(&["rotate", "--config", &config, "--revoke", "nobody"], "");
    assert!(unknown.code == 1 && unknown.stderr.contains("nobody"), "{}", unknown.stderr);
    // One of 64 thumbprints begins with a dash; that key must be revocable too.
    let dashed = countersign(&["rotate", "--config", &config, "--revoke", "--HuqNT2vf"], "");
    assert!(dashed.code == 1 && dashed.stderr.contains("--HuqNT2vf"), "{}", dashed.stderr);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(folder.0.join("state.control")).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "its reader can rotate keys");
    }
    let running = rotated(&config, &["--list"]);
    issuer.end(); // killed: its control file stays, its port is closed
    assert_eq!(rotated(&config, &["--list"])["keys"], running["keys"], "read from the store");
    let offline = rotated(&config, &["--now"]);
    let again = start();
    assert_eq!(rotated(&config, &["--list"])["keys"], offline["keys"], "rotated while the service was down");
    drop(again);
}

#[test]
fn the_control_endpoint_requires_its_secret() {
    let folder = Folder::new("control");
    let config = folder.config("");
    let issuer = Server::start("issuer", &["--config", &config]);
    let path = folder.0.join("state.control");
    let mut control: Value = serde_json::from_str(&std::fs::read_to_string(&path).expect("there")).expect("JSON");
    let before = rotated(&config, &["--list"]);
    control["secret"] = json!("0".repeat(64));
    std::fs::write(&path, control.to_string()).expect("written");
    let refused = countersign(&["rotate", "--config", &config], "");
    assert!(refused.code == 2 && refused.stderr.contains("does not have its secret"), "{}", refused.stderr);
    std::fs::remove_file(&path).expect("removed");
    let locked = countersign(&["rotate", "--config", &config], "");
    assert!(locked.code == 2 && locked.stderr.contains("store"), "a store in use is not opened: {}", locked.stderr);
    assert_eq!(Some(published(&issuer)), before["keys"].as_array().map(Vec::len));
}

/// Anybody on the machine can connect to the control endpoint, and knows no secret.
// S15.01
#[test]
fn s15_01_connections_of_others_keep_the_owner_from_no_rotation() {
    let folder = Folder::new("flood");
    let config = folder.config("");
    let issuer = Server::start("issuer", &["--config", &config]);
    let text = std::fs::read_to_string(folder.0.join("state.control")).expect("there");
    let control: Value = serde_json::from_str(&text).expect("JSON");
    let port = control["url"].as_str().expect("text").trim_start_matches("http://").trim_end_matches('/').to_owned();
    let hello = "POST /hello HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 13\r\n\r\n";
    let requests = [String::new(), hello.to_owned(), format!("{hello}{{\"nonce\":\"x\"}}")];
    let is_over = AtomicBool::new(false);
    let (sender, full) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let sender = sender.clone();
            let (port, requests, is_over) = (&port, &requests, &is_over);
            scope.spawn(move || {
                let mut held = Vec::new();
                while !is_over.load(Ordering::Relaxed) {
                    let Ok(mut stream) = TcpStream::connect(port) else { continue };
                    let _ = stream.write_all(requests[held.len() % requests.len()].as_bytes());
                    held.push(stream);
                    if held.len() > 180 {
                        held.swap_remove(150); // the others stay open
                        let _ = sender.send(());
                    }
                }
            });
        }
        full.iter().take(4).for_each(drop); // more than there are places, and they go on
        let lists = (0..10).map(|_| countersign(&["rotate", "--config", &config, "--list", "--json"], ""));
        let failed: Vec<_> = lists.filter(|answer| answer.code != 0).map(|answer| answer.stderr).collect();
        is_over.store(true, Ordering::Relaxed);
        assert!(failed.is_empty(), "{} of 10: {}", failed.len(), failed[0]);
    });
    drop(issuer);
}

/// Somebody else listens on the port of a killed service. They learn nothing, and their answers count for nothing.
#[test]
fn another_listener_on_the_port_of_a_killed_service_learns_nothing() {
    let folder = Folder::new("other-listener");
    let config = folder.config("");
    let issuer = Server::start("issuer", &["--config", &config]);
    let before = rotated(&config, &["--list"]);
    issuer.end();
    let path = folder.0.join("state.control");
    let control: Value = serde_json::from_str(&std::fs::read_to_string(&path).expect("there")).expect("JSON");
    let secret = control["secret"].as_str().expect("text").to_owned();
    let port = control["url"].as_str().expect("text").trim_start_matches("http://").trim_end_matches('/').to_owned();
    let listener = std::net::TcpListener::bind(port).expect("the port is free");
    let (sender, received) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut request = vec![0; 16_384];
            let read = stream.read(&mut request).expect("a request");
            sender.send(String::from_utf8_lossy(&request[..read]).into_owned()).expect("received");
            let body = r#"{"issuer":"x","keys":[],"nonce":"n","proof":"p","answer":"{}"}"#;
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    let after = countersign(&["rotate", "--config", &config, "--now", "--json"], "");
    assert_eq!(after.code, 0, "done in the store: {}", after.stderr);
    assert!(after.stderr.contains("does not have its secret"), "{}", after.stderr);
    assert_ne!(after.json()["keys"][0]["kid"], before["keys"][0]["kid"], "really rotated");
    let told: Vec<String> = received.try_iter().collect();
    assert!(
        !told.is_empty() && told.iter().all(|text| !text.contains(&secret) && !text.contains("rotate")),
        "{told:?}"
    );
}

/// Answers the first request with the service's answer; hands the second one on, and never answers it.
fn without_second_answer(service: &str) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let own = listener.local_addr().expect("an address");
    let service = service.trim_start_matches("http://").trim_end_matches('/').to_owned();
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let (mut stream, mut server) =
                (stream.expect("a connection"), TcpStream::connect(&service).expect("it runs"));
            let mut request = vec![0; 16_384];
            let read = stream.read(&mut request).expect("a request");
            server.write_all(&request[..read]).expect("sent");
            let read = server.read(&mut request).expect("an answer");
            if number == 0 {
                let answer = String::from_utf8_lossy(&request[..read]).replacen("\r\n", "\r\nconnection: close\r\n", 1);
                stream.write_all(answer.as_bytes()).expect("sent");
            }
        }
    });
    format!("http://{own}/")
}

#[test]
fn a_request_whose_answer_is_lost_is_neither_reported_as_refused_nor_made_again() {
    let folder = Folder::new("lost-answer");
    let stored = folder.config("");
    let in_memory = folder.0.join("memory.toml");
    std::fs::write(
        &in_memory,
        std::fs::read_to_string(&stored).expect("there").replace("[store]\nfile = \"state.redb\"\n", ""),
    )
    .expect("written");
    for (config, control) in [(stored.as_str(), "state.control"), (in_memory.to_str().expect("text"), "memory.control")]
    {
        let issuer = Server::start("issuer", &["--config", config]);
        let path = folder.0.join(control);
        let original = std::fs::read_to_string(&path).expect("there");
        let mut changed: Value = serde_json::from_str(&original).expect("JSON");
        changed["url"] = json!(without_second_answer(changed["url"].as_str().expect("text")));
        std::fs::write(&path, changed.to_string()).expect("written");
        let lost = countersign(&["rotate", "--config", config], "");
        assert!(lost.code == 3 && lost.stderr.contains("rotate --list"), "{}: {}", lost.code, lost.stderr);
        std::fs::write(&path, original).expect("written");
        assert_eq!(states(&rotated(config, &["--list"])), ["active", "pending"], "the service obeyed");
        drop(issuer);
    }
}

#[cfg(unix)]
#[test]
fn a_terminated_service_exits_cleanly_and_removes_its_control_file() {
    let folder = Folder::new("end");
    let config = folder.config("");
    let mut issuer = Server::start("issuer", &["--config", &config]);
    let path = folder.0.join("state.control");
    assert!(path.exists());
    let signalled = Command::new("kill").args(["-TERM", &issuer.child.id().to_string()]).status().expect("ran");
    assert!(signalled.success());
    assert_eq!(issuer.child.wait().expect("ended").code(), Some(0));
    assert!(!path.exists());
}

#[test]
fn a_configuration_without_keys_to_rotate_is_refused() {
    let folder = Folder::new("refused");
    let odd = folder.config("algoritm = \"ES256\"");
    for (config, missing) in [(odd.as_str(), "algoritm"), ("/nonexistent", "config")] {
        let answer = countersign(&["rotate", "--config", config], "");
        assert!(answer.code == 2 && answer.stderr.contains(missing), "{missing}: {}", answer.stderr);
    }
    let memory = crate::run::file("memory", "issuer = \"http://127.0.0.1:4000\"\n[[audience]]\nname = \"billing\"\n");
    let answer = countersign(&["rotate", "--config", memory.path()], "");
    assert!(answer.code == 2 && answer.stderr.contains("nothing to rotate"), "{}", answer.stderr);
}
