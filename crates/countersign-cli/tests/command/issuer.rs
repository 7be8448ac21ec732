//! `countersign issuer`, run as a binary.
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::run::{Server, countersign, file};
use serde_json::Value;

/// `orders` with the secret `quaint-heron-lifts-49`, stored as a bcrypt hash by an older system.
fn configuration(more: &str) -> String {
    let stored = bcrypt::hash("quaint-heron-lifts-49", 10).expect("hashed");
    format!(
        "issuer = \"http://127.0.0.1:4000\"\nlisten = \"127.0.0.1:0\"\n{more}\n[[audience]]\nname = \"billing\"\n\
         [[client]]\nid = \"orders\"\nsecret = \"{stored}\"\naudiences = [\"billing\"]\n"
    )
}

/// Posts a form as `orders`; returns status line and body.
fn post(address: &str, path: &str, form: &str) -> (String, String) {
    post_with(address, path, form, "")
}

/// The same with more header lines.
fn post_with(address: &str, path: &str, form: &str, headers: &str) -> (String, String) {
    let pair = base64_simd::STANDARD.encode_to_string("orders:quaint-heron-lifts-49");
    post_without_secret(address, path, form, &format!("authorization: Basic {pair}\r\n{headers}"))
}

/// The same with only these header lines.
fn post_without_secret(address: &str, path: &str, form: &str, headers: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a limit");
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         {headers}content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
        form.len()
    );
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (head.lines().next().unwrap_or_default().to_owned(), body.to_owned())
}

#[test]
fn it_issues_tokens_persists_its_state_and_logs_no_secret() {
    let state = crate::run::new_path("issuer-state.redb");
    let config = file("issuer.toml", &configuration(&format!("[store]\nfile = {:?}", state.path())));
    let mut tokens = Vec::new();
    for _ in 0..2 {
        let mut issuer =
            Server::start_with("issuer", &["--config", config.path()], |command| command.stderr(Stdio::piped()));
        let address = issuer.text("address");
        let (status, body) = post(address, "/token", "grant_type=client_credentials");
        assert_eq!(status, "HTTP/1.1 200 OK", "{body}");
        let body: Value = serde_json::from_str(&body).expect("JSON");
        tokens.push(body["access_token"].as_str().expect("a token").to_owned());
        let (status, body) = post(address, "/introspect", &format!("token={}", tokens[0]));
        assert!(status.contains("200") && body.contains("\"active\":true"), "active after a restart too: {body}");
        let (mut stderr, mut log) = (BufReader::new(issuer.child.stderr.take().expect("piped")), String::new());
        // The log is written by a thread of its own, which the end of the process would cut off.
        while !log.contains("token issued") && stderr.read_line(&mut log).expect("text") > 0 {}
        issuer.child.kill().expect("ended");
        stderr.read_to_string(&mut log).expect("text");
        issuer.child.wait().expect("ended");
        assert!(log.contains("token issued") && log.contains("billing"), "{log}");
        for hidden in [tokens[0].as_str(), "quaint-heron", "$2b$", "$argon2id$"] {
            assert!(!log.contains(hidden), "{hidden} is in {log}");
        }
    }
}

/// The setting in a commented line of the example.
fn uncommented(line: &str) -> Option<&str> {
    line.strip_prefix("# ").filter(|rest| rest.contains(" = ") || rest.starts_with('['))
}

/// S12.11: the example starts as it is printed, and with an identity provider.
#[test]
fn s12_11_the_example_is_a_configuration_that_starts() {
    let example = countersign(&["issuer", "--example"], "");
    assert_eq!(example.code, 0, "{}", example.stderr);
    let secret = example.stderr.trim().rsplit(' ').next().expect("a secret").to_owned();
    assert!(secret.len() >= 32 && !example.stdout.contains(&secret), "{}", example.stderr);
    let checked = |text: &str| {
        let config = file("example.toml", text);
        let answer = countersign(&["issuer", "--check", "--config", config.path()], "");
        assert_eq!(answer.code, 0, "{}\n{text}", answer.stderr);
    };
    checked(&example.stdout);
    let all: String = example.stdout.lines().map(|line| uncommented(line).unwrap_or(line).to_owned() + "\n").collect();
    let keys = format!("keys = {{ inline = '{}' }}\n", countersign_test::TestIssuer::new().jwks());
    let state = crate::run::new_path("example.redb");
    checked(&format!("{all}{keys}").replace("issuer.redb", state.path()));

    let config = file("example.toml", &example.stdout.replacen("issuer =", "listen = \"127.0.0.1:0\"\nissuer =", 1));
    let issuer = Server::start_with("issuer", &["--config", config.path()], |command| command);
    let pair = base64_simd::STANDARD.encode_to_string(format!("agent:{secret}"));
    let ask = |resource: &str| {
        let form = format!("grant_type=client_credentials&resource={resource}");
        let headers = format!("authorization: Basic {pair}\r\n");
        post_without_secret(issuer.text("address"), "/token", &form, &headers)
    };
    let (status, body) = ask("http%3A%2F%2F127.0.0.1%3A8080%2Fmcp");
    assert!(status.contains("200") && body.contains("\"scope\":\"tools:read\""), "{body}");
    let (status, body) = ask("http%3A%2F%2F127.0.0.1%3A8080%2Fother");
    assert!(status.contains("400") && body.contains("invalid_target"), "{body}");
}

/// Weakened settings are in the log, also of a check, and `deny_danger` refuses them.
#[test]
fn a_weakened_issuer_is_logged_and_deny_danger_refuses_it() {
    let weak = format!(
        "{}[[client.exchange]]\ntargets = [\"billing\"]\ndanger_without_actor = true\n\
         [[federation]]\nsubjects = {{ build = \"orders\" }}\n[federation.trusted]\nissuer = \"https://ci.example\"\n\
         audience = \"https://sts.example\"\ndanger_any_audience = true\nkeys = {{ inline = '{}' }}\n",
        configuration(""),
        countersign_test::TestIssuer::new().jwks()
    );
    let config = file("weak.toml", &weak);
    let answer = countersign(&["issuer", "--check", "--config", config.path()], "");
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    assert!(
        answer.stderr.contains("danger_without_actor") && answer.stderr.contains("policy::danger"),
        "{}",
        answer.stderr
    );
    for (danger, what) in
        [("danger_without_actor = true\n", "https://ci.example"), ("danger_any_audience = true\n", "orders")]
    {
        let config = file("denied.toml", &format!("deny_danger = true\n{}", weak.replace(danger, "")));
        let answer = countersign(&["issuer", "--check", "--config", config.path()], "");
        assert_eq!(answer.code, 2, "{}", answer.stderr);
        assert!(answer.stderr.contains("danger: ") && answer.stderr.contains(what), "{}", answer.stderr);
    }
}

/// The tokens of `orders` are bound to its certificate, which only a named proxy forwards.
#[test]
fn s6_22_certificates_count_from_the_configured_proxies() {
    let bound = |more: &str| format!("{}certificate_bound_access_tokens = true\n", configuration(more));
    let der = base64_simd::STANDARD.encode_to_string([0x30, 0x03, 1, 2, 3]);
    let header = format!("client-cert: :{der}:\r\n");
    let ask = |config: &str, headers: &str| {
        let config = file("certificates.toml", config);
        let issuer = Server::start_with("issuer", &["--config", config.path()], |command| command);
        post_with(issuer.text("address"), "/token", "grant_type=client_credentials", headers)
    };
    let trusted = bound("certificate_proxies = [\"127.0.0.1\"]");
    let (status, body) = ask(&trusted, &header);
    assert!(status.contains("200"), "{body}");
    let body: Value = serde_json::from_str(&body).expect("JSON");
    let claims = body["access_token"].as_str().and_then(|token| token.split('.').nth(1)).expect("a token");
    let claims = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(claims).expect("base64url");
    assert!(String::from_utf8_lossy(&claims).contains("\"cnf\":{\"x5t#S256\":\""));
    for (config, headers) in [
        (&trusted, String::new()),
        (&trusted, format!("{header}{header}")),
        (&bound("certificate_proxies = [\"10.0.0.5\"]"), header.clone()),
        (&bound("certificate_envoys = [\"127.0.0.1\"]"), header.clone()),
    ] {
        let (status, body) = ask(config, &headers);
        assert!(status.contains("400") && body.contains("invalid_request"), "{headers}: {status} {body}");
    }
    for (more, named) in [
        ("", "client orders"),
        ("certificate_proxies = [\"0.0.0.0/0\"]", "trusted_proxies"),
        ("certificate_proxies = [\"10.0.0.5\"]\ncertificate_envoys = [\"10.0.0.6\"]", "certificate_envoys"),
    ] {
        let config = file("no-proxies.toml", &bound(more));
        let answer = countersign(&["issuer", "--check", "--config", config.path()], "");
        assert!(answer.code == 2 && answer.stderr.contains(named), "{more}: {}", answer.stderr);
    }
}

/// The name of `mesh` counts only if the proxy is said to verify certificates.
#[test]
fn s6_22_a_name_in_a_certificate_needs_a_proxy_that_verifies_it() {
    let mesh =
        "\n[[client]]\nid = \"mesh\"\ntls_client_auth_san_dns = \"mesh.shop.example\"\naudiences = [\"billing\"]\n";
    let with = |more: &str| format!("{}{mesh}", configuration(more));
    let verifying = "certificate_proxies = [\"127.0.0.1\"]\ncertificate_proxies_verify_chains = true";
    let certificate = |name: &str| {
        let der = rcgen::generate_simple_self_signed(vec![name.to_owned()]).expect("a certificate").cert.der().to_vec();
        format!("client-cert: :{}:\r\n", base64_simd::STANDARD.encode_to_string(der))
    };
    let config = file("names.toml", &with(verifying));
    let issuer = Server::start_with("issuer", &["--config", config.path()], |command| command);
    for (headers, expected) in
        [(certificate("mesh.shop.example"), "200"), (certificate("thief.example"), "401"), (String::new(), "401")]
    {
        let form = "grant_type=client_credentials&client_id=mesh";
        let (status, body) = post_without_secret(issuer.text("address"), "/token", form, &headers);
        assert!(status.contains(expected), "{headers}: {status} {body}");
    }
    for (more, named) in [
        ("", "client mesh"),
        ("certificate_proxies = [\"10.0.0.5\"]", "certificate_proxies_verify_chains"),
        ("certificate_envoys = [\"10.0.0.5\"]", "certificate_proxies_verify_chains"),
        ("certificate_envoys = [\"10.0.0.5\"]\ncertificate_proxies_verify_chains = true", "Envoy forwards no names"),
    ] {
        let config = file("no-names.toml", &with(more));
        let answer = countersign(&["issuer", "--check", "--config", config.path()], "");
        assert!(answer.code == 2 && answer.stderr.contains(named), "{more}: {}", answer.stderr);
    }
}

#[test]
fn an_invalid_configuration_exits_with_2_and_names_the_field() {
    let valid = file("valid.toml", &configuration(""));
    let answer = countersign(&["issuer", "--check", "--config", valid.path()], "");
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    for (what, text, named) in [
        ("an unknown field", configuration("tokenlifetime = 5"), "tokenlifetime"),
        ("a long lifetime", configuration("token_lifetime_seconds = 4000"), "token_lifetime"),
        ("beyond loopback", configuration("").replace("127.0.0.1:0", "0.0.0.0:0"), "--behind-tls"),
        (
            "without an address",
            configuration("").replace("http://127.0.0.1:4000", "https://sts.test").replace("listen", "#"),
            "listen",
        ),
    ] {
        let config = file("bad.toml", &text);
        let answer = countersign(&["issuer", "--config", config.path()], "");
        assert!(answer.code == 2 && answer.stderr.contains(named), "{what}: {} {}", answer.code, answer.stderr);
        assert!(!answer.stderr.contains("$2b$"), "{what}: {}", answer.stderr);
    }
}

// S15.01, S15.02: more half-sent requests than there are places.
#[test]
fn half_sent_requests_stop_neither_the_service_nor_its_end() {
    let config = file("half.toml", &configuration(""));
    let mut issuer = Server::start("issuer", &["--config", config.path()]);
    let address = issuer.text("address").to_owned();
    let half = ["POST /token HTTP/1.1\r\n", "", "POST /token HTTP/1.1\r\nhost: x\r\ncontent-length: 50\r\n\r\ngrant"];
    let mut held = Vec::new();
    for n in 0..700 {
        let mut stream = TcpStream::connect(&address).expect("it listens");
        let _ = stream.write_all(half[n % 3].as_bytes());
        held.push(stream);
        if n % 50 == 0 {
            let start = Instant::now();
            let (status, body) = post(&address, "/token", "grant_type=client_credentials");
            assert_eq!(status, "HTTP/1.1 200 OK", "{n} half-sent requests: {body}");
            assert!(start.elapsed() < Duration::from_secs(5), "{n} half-sent requests: {:?}", start.elapsed());
        }
    }
    let start = Instant::now();
    let signalled = Command::new("kill").arg(issuer.child.id().to_string()).status().expect("kill runs");
    assert!(signalled.success());
    assert!(issuer.child.wait().expect("it ends").success(), "it ends by itself");
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
}

/// With few files the service closes idle connections for new ones, although it may have more connections than files.
#[cfg(target_os = "linux")]
#[test]
fn s15_03_idle_connections_stop_nobody_if_few_files_are_left() {
    let config = file("issuer.toml", &configuration(""));
    for limit in [24, 64] {
        let mut command = Command::new("sh");
        let program = env!("CARGO_BIN_EXE_countersign");
        command.args(["-c", &format!("ulimit -n {limit}; exec \"$0\" \"$@\""), program]);
        let issuer = Server::start_command("issuer", command, &["--config", config.path()]);
        let address = issuer.text("address");
        let idle: Vec<_> = (0..200).map(|_| TcpStream::connect(address).expect("it listens")).collect();
        let start = Instant::now();
        for _ in 0..10 {
            let (status, body) = post(address, "/token", "grant_type=client_credentials");
            assert_eq!(status, "HTTP/1.1 200 OK", "{body}");
        }
        assert!(start.elapsed() < Duration::from_secs(5), "with {limit} files: {:?}", start.elapsed());
        drop(idle);
    }
}

// S15.02: a reader of the log that stops.
#[test]
fn s15_02_a_log_that_nobody_reads_stops_neither_the_service_nor_its_end() {
    let config = file("unread.toml", &configuration(""));
    let mut issuer =
        Server::start_with("issuer", &["--config", config.path()], |command| command.stderr(Stdio::piped()));
    let address = issuer.text("address").to_owned();
    for n in 0..600 {
        let (status, body) = post(&address, "/token", "grant_type=client_credentials");
        assert_eq!(status, "HTTP/1.1 200 OK", "{n} unread lines: {body}");
    }
    let start = Instant::now();
    let signalled = Command::new("kill").arg(issuer.child.id().to_string()).status().expect("kill runs");
    assert!(signalled.success());
    assert!(issuer.child.wait().expect("it ends").success(), "it ends by itself");
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    let mut log = String::new();
    issuer.child.stderr.take().expect("piped").read_to_string(&mut log).expect("text");
    assert!(log.len() > 32 * 1024, "the pipe was full: {} bytes", log.len());
}
