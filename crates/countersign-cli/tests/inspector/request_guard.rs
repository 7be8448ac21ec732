//! The request guard over raw sockets, including requests that no browser sends.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::world::Inspector;

/// Sends one request and reads the whole response.
fn send(inspector: &Inspector, request: &str) -> String {
    let mut stream = TcpStream::connect(inspector.authority()).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("set");
    stream.write_all(request.replace('\n', "\r\n").as_bytes()).expect("sent");
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("no answer")
}

fn page(inspector: &Inspector, more: &str) -> String {
    let host = inspector.authority();
    send(inspector, &format!("GET / HTTP/1.1\nhost: {host}\nconnection: close\n{more}\n"))
}

fn secret(inspector: &Inspector) -> String {
    inspector.secret().to_owned()
}

/// Sends an API request with `headers` instead of the page's own.
fn api_request(inspector: &Inspector, host: &str, headers: &str) -> String {
    let body = r#"{"token":"e30.e30.AA"}"#;
    let length = body.len();
    let start = format!("POST /api/read HTTP/1.1\nhost: {host}\nconnection: close\ncontent-type: application/json");
    send(inspector, &format!("{start}\ncontent-length: {length}\n{headers}\n{body}"))
}

#[test]
fn the_page_has_strict_headers_and_the_address_a_secret_of_this_run() {
    let inspector = Inspector::start(&["--no-open"]);
    let answer = page(&inspector, "");
    assert_eq!(status(&answer), "200", "{answer}");
    let (head, _) = answer.split_once("\r\n\r\n").expect("a head");
    for required in [
        "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
         connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none';",
        "x-frame-options: DENY",
        "referrer-policy: no-referrer",
        "cross-origin-opener-policy: same-origin",
        "cross-origin-resource-policy: same-origin",
        "cache-control: no-store",
        "x-content-type-options: nosniff",
    ] {
        assert!(head.contains(required), "{required}\n{head}");
    }
    assert!(!head.contains("set-cookie") && !head.contains("access-control-allow"));
    assert!(!answer.contains("unsafe-inline") && !answer.contains("://cdn") && !answer.contains("{{"));
    let first = secret(&inspector);
    assert!(first.len() >= 32);
    assert_ne!(first, secret(&Inspector::start(&["--no-open"])), "a new one in every run");
}

#[test]
fn other_names_for_this_address_are_refused() {
    let inspector = Inspector::start(&["--no-open"]);
    let port = inspector.authority().rsplit_once(':').expect("a port").1.to_owned();
    let get = |headers: &str| {
        let answer = send(&inspector, &format!("GET / HTTP/1.1\n{headers}connection: close\n\n"));
        (status(&answer).to_owned(), answer.contains("<title>"))
    };
    assert_eq!(get(&format!("host: localhost:{port}\n")), ("200".to_owned(), true));
    for host in ["rebound.example", &format!("rebound.example:{port}"), "127.0.0.1", "127.0.0.1:1", "0.0.0.0", ""] {
        assert_eq!(get(&format!("host: {host}\n")), ("403".to_owned(), false), "{host}");
    }
    let (code, leaked) = get(&format!("host: 127.0.0.1:{port}\nhost: rebound.example\n"));
    assert!(code == "400" && !leaked, "two names: {code}");
    let absolute = format!("GET http://rebound.example/ HTTP/1.1\nhost: 127.0.0.1:{port}\nconnection: close\n\n");
    let answer = send(&inspector, &absolute);
    assert!(!answer.contains("<title>"), "{answer}");
}

#[test]
fn other_pages_are_refused_and_the_inspectors_own_page_is_served() {
    let inspector = Inspector::start(&["--no-open"]);
    let (host, secret) = (inspector.authority(), secret(&inspector));
    let own = format!("origin: http://{host}\nx-countersign-run: {secret}\n");
    assert_eq!(status(&api_request(&inspector, &host, &own)), "200", "valid counterpart");
    for (headers, why) in [
        (format!("x-countersign-run: {secret}\n"), "no origin"),
        (format!("origin: null\nx-countersign-run: {secret}\n"), "a sandboxed page"),
        (format!("origin: http://other.example\nx-countersign-run: {secret}\n"), "another page"),
        (format!("origin: https://{host}\nx-countersign-run: {secret}\n"), "another scheme"),
        (format!("origin: http://{host}\n"), "no secret"),
        (
            format!("origin: http://{host}\nx-countersign-run: {}\n", secret.replace(&secret[..4], "0000")),
            "a wrong secret",
        ),
        (format!("{own}sec-fetch-site: cross-site\n"), "sent across sites"),
        (format!("{own}sec-fetch-site: same-site\n"), "sent by a page on another port"),
    ] {
        assert_eq!(status(&api_request(&inspector, &host, &headers)), "403", "{why}");
    }
    assert_eq!(status(&api_request(&inspector, "rebound.example", &own)), "403", "another name");
    assert_eq!(status(&page(&inspector, "sec-fetch-site: cross-site\n")), "403", "a link from another site");
    assert_eq!(status(&page(&inspector, "sec-fetch-site: none\n")), "200", "typed, or opened by the command");
}

/// Another user of the machine can connect, and reads all that is served without the secret.
#[test]
fn another_user_of_the_machine_finds_no_secret_and_no_use_of_the_inspector() {
    let inspector = Inspector::start(&["--no-open"]);
    let (host, secret) = (inspector.authority(), secret(&inspector));
    let get = |path: &str| send(&inspector, &format!("GET {path} HTTP/1.1\nhost: {host}\nconnection: close\n\n"));
    for path in ["/", "/main.js", "/api.js", "/pane.js", "/check.js", "/mint.js", "/try.js", "/compare.js", "/page.css"]
    {
        let answer = get(path);
        assert_eq!(status(&answer), "200", "{path}");
        assert!(!answer.contains(&secret), "{path}");
    }
    for path in ["/.well-known/jwks.json", "/.well-known/openid-configuration", "/?run=1", "/nothing"] {
        assert!(!get(path).contains(&secret), "{path}");
    }
    let source = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/inspector/api/mod.rs"));
    let source = source.expect("readable");
    let endpoints: Vec<&str> = source.split("route(\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(endpoints.len() >= 5, "{endpoints:?}");
    for endpoint in endpoints {
        for headers in ["", "x-countersign-run: \n", "x-countersign-run: run\n"] {
            let head = format!("POST /api{endpoint} HTTP/1.1\nhost: {host}\norigin: http://{host}\nconnection: close");
            let answer = send(
                &inspector,
                &format!("{head}\ncontent-type: application/json\n{headers}content-length: 2\n\n{{}}"),
            );
            assert_eq!(status(&answer), "403", "{endpoint}: {answer}");
        }
        assert_eq!(status(&get(&format!("/api{endpoint}"))), "403", "{endpoint}");
    }
}

#[test]
fn an_api_request_that_is_too_long_or_not_json_is_refused() {
    let inspector = Inspector::start(&["--no-open"]);
    let (host, secret) = (inspector.authority(), secret(&inspector));
    let post = |kind: &str, body: &str| {
        let head = format!("POST /api/read HTTP/1.1\nhost: {host}\norigin: http://{host}\nx-countersign-run: {secret}");
        let answer = send(
            &inspector,
            &format!("{head}\nconnection: close\ncontent-type: {kind}\ncontent-length: {}\n\n{body}", body.len()),
        );
        status(&answer).to_owned()
    };
    assert_eq!(post("application/json", r#"{"token":"a"}"#), "200");
    assert_eq!(post("text/plain", r#"{"token":"a"}"#), "415", "a form's content type is refused");
    assert_eq!(post("application/json", "{"), "400");
    assert_eq!(post("application/json", &format!("{{\"token\":\"{}\"}}", "a".repeat(600 * 1024))), "413");
}

#[test]
fn the_browser_is_opened_and_the_page_ends_with_the_command() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("browser-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("made");
    let (script, opened) = (folder.join("browser"), folder.join("opened"));
    std::fs::write(&script, format!("#!/bin/sh\nprintf %s \"$1\" > {0}.new\nmv {0}.new {0}\n", opened.display()))
        .expect("written");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).expect("set");
    }
    let mut inspector = Inspector::start_with(&[], |command| command.env("BROWSER", &script));
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while !opened.exists() {
        assert!(std::time::Instant::now() < deadline, "the browser was not opened");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(std::fs::read_to_string(&opened).expect("written"), inspector.url, "the address with its secret");
    inspector.server.child.kill().expect("ended");
    inspector.server.child.wait().expect("ended");
    assert!(TcpStream::connect(inspector.authority()).is_err(), "the port is closed");
    let _ = std::fs::remove_dir_all(folder);
}

// S15.01: bodies of foreign requests are not read.
#[test]
fn s15_01_a_foreign_request_is_refused_by_its_head() {
    let inspector = Inspector::start(&["--no-open"]);
    let (host, secret) = (inspector.authority(), secret(&inspector));
    let begin = |headers: &str| {
        let mut stream = TcpStream::connect(inspector.authority()).expect("it listens");
        let head = format!("POST /api/read HTTP/1.1\r\n{headers}content-length: 500000\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("sent");
        stream.set_read_timeout(Some(Duration::from_secs(5))).expect("set"); // less than the limit of a body
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map(|_| answer)
    };
    let origin = format!("origin: http://{host}\r\n");
    for headers in [format!("host: rebound.example\r\n{origin}"), format!("host: {host}\r\n{origin}")] {
        let answer = begin(&headers).expect("an answer before the body");
        assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("frame-ancestors 'none'"), "{answer}");
    }
    let _ = begin(&format!("host: {host}\r\n{origin}x-countersign-run: {secret}\r\n")).expect_err("it reads the body");
}
