//! `countersign dpop` and `verify --proof`, run as a binary: CONFORMANCE S6.

use crate::run::{Output, TempFile, assert_form, countersign, file, new_path};
use countersign_test::{TestIssuer, TestKey, TestProof};

const ISSUER: &str = "https://dev.example";
const URL: &str = "https://api.example/orders?page=2";
const NOW: &str = "1700000000";

/// A key of a client, a token that is bound to it, and the keys of the issuer.
struct World {
    client: TempFile,
    token: String,
    jwks: TempFile,
}

impl World {
    fn new() -> Self {
        let [issuer, client] = ["issuer", "client"].map(|name| {
            let key = new_path(name);
            assert_eq!(countersign(&["keygen", "--out", key.path()], "").code, 0);
            key
        });
        let jwks = countersign(&["jwks", "build", issuer.path()], "");
        let token = countersign(
            &[
                "mint",
                "--issuer",
                ISSUER,
                "--audience",
                "orders",
                "--subject",
                "ann",
                "--now",
                NOW,
                "--key",
                issuer.path(),
                "--bound-to",
                client.path(),
            ],
            "",
        );
        assert_eq!(token.code, 0, "{}", token.stderr);
        World { client, token: token.stdout.trim().to_owned(), jwks: file("jwks", &jwks.stdout) }
    }

    fn proof(&self, more: &[&str]) -> Output {
        let asked = ["dpop", "proof", "--key", self.client.path(), "--now", NOW, "--url", URL];
        countersign(&[&asked[..], more].concat(), &self.token)
    }
}

#[test]
fn s6_08_s6_15_a_proof_names_the_request_and_the_token() {
    let world = World::new();
    let made = world.proof(&["--json", "--nonce", "-n0nce"]);
    assert_eq!((made.code, made.stderr.as_str()), (0, ""));
    assert_form("dpop_proof", &made.json());
    let shown = countersign(&["decode", "--json"], made.json()["proof"].as_str().expect("text")).json();
    assert_eq!((&shown["header"]["typ"], &shown["header"]["alg"]), (&"dpop+jwt".into(), &"ES256".into()));
    let claims = &shown["payload"];
    assert_eq!((&claims["htm"], &claims["htu"]), (&"GET".into(), &"https://api.example/orders".into()));
    assert_eq!((&claims["iat"], &claims["nonce"]), (&1_700_000_000.into(), &"-n0nce".into()));
    assert_eq!(made.json()["url"], "https://api.example/orders");
    let bound = countersign(&["decode", "--json"], &world.token).json();
    assert_eq!(bound["payload"]["cnf"]["jkt"], made.json()["jkt"]);
    let thumbprint = countersign(&["jwks", "thumbprint", world.client.path()], "").stdout;
    assert!(thumbprint.contains(made.json()["jkt"].as_str().expect("text")), "{thumbprint}");

    let without = countersign(
        &[
            "dpop",
            "proof",
            "--key",
            world.client.path(),
            "--url",
            "https://id.example/token",
            "--method",
            "POST",
            "--no-token",
        ],
        "",
    );
    let claims = &countersign(&["decode", "--json"], &without.stdout).json()["payload"];
    assert!(claims.get("ath").is_none() && claims["htm"] == "POST", "{claims}");
    for printed in [&made.stdout, &without.stdout] {
        assert!(!printed.contains("PRIVATE"));
    }
}

/// A real shell and a real curl send what the command prints.
#[test]
fn s6_03_the_curl_command_sends_both_headers_and_shows_neither_in_its_arguments() {
    use std::io::{BufRead, BufReader, Write};
    let world = World::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/it's?a=$HOME", listener.local_addr().expect("an address"));
    let service = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let lines = BufReader::new(stream.try_clone().expect("a stream")).lines();
        let head: Vec<String> = lines.map(|line| line.expect("text")).take_while(|line| !line.is_empty()).collect();
        stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").expect("written");
        head
    });
    let key = world.client.path();
    let made =
        countersign(&["dpop", "proof", "--key", key, "--url", &url, "--method", "DELETE", "--curl"], &world.token);
    assert_eq!(made.code, 0, "{}", made.stderr);
    let arguments = made.stdout.lines().next().expect("a line");
    assert!(
        arguments.starts_with("curl -i -X 'DELETE' 'http://") && arguments.ends_with(" -H @- <<'END'"),
        "{arguments}"
    );
    assert!(!arguments.contains("ey"), "{arguments}");
    let sent = std::process::Command::new("sh").args(["-c", &made.stdout]).output().expect("a shell");
    assert!(sent.status.success(), "{sent:?}");
    let head = service.join().expect("a request");
    assert_eq!(head[0], "DELETE /it's?a=$HOME HTTP/1.1");
    assert!(head.contains(&format!("Authorization: DPoP {}", world.token)), "{head:?}");
    assert_eq!(head.iter().filter(|line| line.starts_with("DPoP: ey")).count(), 1, "{head:?}");
}

#[test]
fn s6_05_s6_16_what_services_would_refuse_is_refused_or_warned_of() {
    let world = World::new();
    let key = world.client.path();
    for (more, problem) in [
        (&["--nonce", "a\"b"][..], "--nonce"),
        (&["--method", "G T"], "--method"),
        (&["--alg", "HS256"], "shared secret"),
        (&["--generate"], "exists"),
        (&["--no-token", "x"], "--no-token"),
    ] {
        let refused = world.proof(more);
        assert_eq!((refused.code, refused.stdout.as_str()), (2, ""), "{more:?}");
        assert!(refused.stderr.contains(problem), "{}", refused.stderr);
    }
    for url in ["api.example/orders", "ftp://api.example", "https://ann@api.example/", ""] {
        assert_eq!(countersign(&["dpop", "proof", "--key", key, "--url", url], &world.token).code, 2, "{url}");
    }
    for token in ["", "two words"] {
        assert_eq!(countersign(&["dpop", "proof", "--key", key, "--url", URL], token).code, 2, "{token}");
    }
    let mint = ["mint", "--issuer", ISSUER, "--audience", "a", "--bound-to", key];
    let refused = countersign(&[&mint[..], &["--curl", URL]].concat(), "");
    assert!(refused.code == 2 && refused.stderr.contains("dpop proof --curl"), "a curl command without a proof");
    let other = new_path("other");
    let made = countersign(&["dpop", "proof", "--key", other.path(), "--generate", "--url", URL], &world.token);
    assert_eq!(made.code, 0, "{}", made.stderr);
    assert!(made.stderr.contains("bound to another key"), "{}", made.stderr);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(other.path()).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let again = countersign(&["dpop", "proof", "--key", other.path(), "--url", URL], "an-opaque-token");
    assert_eq!((again.code, again.stderr.as_str()), (0, ""), "the file has the key");
    let bearer = countersign(&["mint", "--issuer", ISSUER, "--audience", "a", "--key", other.path()], "").stdout;
    let unbound = countersign(&["dpop", "proof", "--key", other.path(), "--url", URL], &bearer);
    assert!(unbound.stderr.contains("not bound to a key"), "{}", unbound.stderr);
}

/// The options that verify the token of the issuer for a request.
fn verified(issuer: &TestIssuer, token: &str, proof: &str, more: &[&str]) -> Output {
    let (jwks, proof) = (file("jwks", &issuer.jwks()), file("proof", proof));
    let proof = format!("@{}", proof.path());
    let options = ["verify", "--issuer", issuer.name(), "--audience", "orders", "--jwks", jwks.path(), "--now", NOW];
    countersign(&[&options[..], &["--proof", &proof, "--url", URL], more].concat(), token)
}

#[test]
fn s6_04_s6_16_each_wrong_member_of_a_proof_is_named_with_what_it_should_be() {
    use std::time::Duration;
    let issuer = TestIssuer::new();
    let (key, other) = (TestKey::new(issuer.clock()), TestKey::new(issuer.clock()));
    let token = issuer.token().subject("ann").audience("orders").bound_to(&key).sign();
    let proof = || key.proof("GET", URL, &token);
    let wrong: [(TestProof, &str, &str); 17] = [
        (proof().header("typ", "JWT"), "typ", "proof_wrong_type"),
        (proof().header("alg", "HS256"), "alg", "proof_algorithm_not_allowed"),
        (proof().header("alg", "none"), "alg", "proof_algorithm_not_allowed"),
        (proof().without_header("jwk"), "jwk", "proof_bad_key"),
        (proof().header("crit", serde_json::json!(["x"])), "header", "proof_malformed"),
        (proof().age(Duration::from_secs(61)), "iat", "proof_not_fresh"),
        (proof().ahead(Duration::from_secs(11)), "iat", "proof_not_fresh"),
        (proof().without_claim("iat"), "iat", "proof_malformed"),
        (proof().claim("iat", "now"), "claims", "proof_malformed"),
        (proof().id("x".repeat(257)), "jti", "proof_malformed"),
        (proof().method("get"), "htm", "proof_wrong_method"),
        (proof().address("https://api.example/Orders"), "htu", "proof_wrong_uri"),
        (proof().for_token("another"), "ath", "proof_wrong_token"),
        (proof().without_claim("ath"), "ath", "proof_wrong_token"),
        (other.proof("GET", URL, &token), "jkt", "proof_mismatch"),
        (proof().signed_by(&other), "signature", "proof_bad_signature"),
        (proof().nonce("old"), "nonce", "proof_nonce_required"),
    ];
    for (proof, name, code) in wrong {
        let nonce: &[&str] = if name == "nonce" { &["--nonce", "new"] } else { &[] };
        let output = verified(&issuer, &token, &proof.sign(), &[&["--json"], nonce].concat());
        let report = output.json();
        assert_form("verify", &report);
        assert_eq!((output.code, &report["verdict"], &report["code"]), (1, &"rejected".into(), &code.into()), "{name}");
        let checks = report["proof"]["checks"].as_array().expect("checks");
        let failed: Vec<_> =
            checks.iter().filter(|check| check["outcome"] == "failed").map(|check| &check["name"]).collect();
        assert_eq!(failed, [name], "only that: {report}");
        let of_token = report["checks"].as_array().expect("checks").iter().filter(|check| check["outcome"] == "failed");
        assert_eq!(of_token.count(), usize::from(name == "jkt"), "{report}");
        let shown = verified(&issuer, &token, &proof.sign(), nonce).stdout;
        assert!(shown.starts_with(&format!("REJECTED  {code}")) && shown.contains("To fix it:"), "{shown}");
        assert!(shown.contains(&format!("FAIL {name} ")), "{shown}");
    }
    // Several at once.
    let proof =
        proof().method("POST").address("https://other.example/").header("typ", "JWT").age(Duration::from_secs(600));
    let shown = verified(&issuer, &token, &proof.sign(), &[]).stdout;
    for line in ["typ ", "iat ", "htm ", "htu "] {
        assert!(shown.contains(&format!("FAIL {line}")), "{shown}");
    }
    assert!(shown.contains("https://api.example/orders; found \"https://other.example/\""), "{shown}");
}

#[test]
fn s6_01_s6_06_a_good_proof_is_accepted_and_no_private_key_is_repeated() {
    let issuer = TestIssuer::new();
    let key = TestKey::new(issuer.clock());
    let token = issuer.token().subject("ann").audience("orders").bound_to(&key).sign();
    let good = key.proof("GET", URL, &token).nonce("n");
    for options in [&["--json"][..], &["--json", "--nonce", "n"]] {
        let output = verified(&issuer, &token, &good.sign(), options);
        assert_form("verify", &output.json());
        assert_eq!((output.code, &output.json()["verdict"]), (0, &"accepted".into()), "{}", output.stdout);
        assert_eq!(output.json()["proof"]["verdict"], "accepted");
    }
    let shown = verified(&issuer, &token, &good.sign(), &[]).stdout;
    assert!(shown.starts_with("ACCEPTED") && shown.contains("only a service knows"), "{shown}");
    assert_eq!(verified(&issuer, &token, &good.sign(), &["--method", "POST"]).code, 1);
    // The token of a request is still checked.
    let expired = issuer.token().audience("orders").bound_to(&key).expired().sign();
    let output = verified(&issuer, &expired, &key.proof("GET", URL, &expired).sign(), &["--json"]);
    assert_eq!((&output.json()["code"], &output.json()["proof"]["verdict"]), (&"expired".into(), &"accepted".into()));
    let unbound = issuer.token().audience("orders").sign();
    let output = verified(&issuer, &unbound, &key.proof("GET", URL, &unbound).sign(), &["--json"]);
    assert_eq!((output.code, &output.json()["code"]), (1, &"not_bound".into()));

    let mut jwk = key.public_jwk();
    jwk["d"] = "c2VjcmV0LXNjYWxhcg".into();
    for options in [&["--json"][..], &[]] {
        let output = verified(&issuer, &token, &good.clone().header("jwk", jwk.clone()).sign(), options);
        assert_eq!(output.code, 1);
        assert!(!output.stdout.contains("c2VjcmV0LXNjYWxhcg") && !output.stderr.contains("c2VjcmV0LXNjYWxhcg"));
    }
    let secrets = key.proof("GET", URL, &token).address("https://ann:pass-word@api.example/orders?key=t0psecret");
    for options in [&["--json"][..], &[]] {
        let output = verified(&issuer, &token, &secrets.sign(), options).stdout;
        assert!(!output.contains("t0psecret") && !output.contains("pass-word"), "{output}");
    }
    for options in [&["--proof", "x"][..], &["--url", URL], &["--proof", "x", "--url", "api.example"]] {
        let asked = [&["verify", "--issuer", "https://a.example", "--audience", "a"][..], options].concat();
        assert_eq!(countersign(&asked, &token).code, 2, "{options:?}");
    }
}

/// The commands of the project work with each other.
#[test]
fn s6_15_s6_16_a_proof_of_the_command_is_one_that_it_accepts() {
    let world = World::new();
    let proof = world.proof(&[]).stdout;
    let options = ["verify", "--issuer", ISSUER, "--audience", "orders", "--jwks", world.jwks.path(), "--now", NOW];
    let asked = [&options[..], &["--url", URL, "--proof", proof.trim()]].concat();
    let output = countersign(&asked, &format!("DPoP {}", world.token));
    assert_eq!(output.code, 0, "{}", output.stdout);
    let without_proof = countersign(&options, &world.token);
    assert!(
        without_proof.code == 1 && without_proof.stdout.starts_with("REJECTED  proof_required"),
        "{}",
        without_proof.stdout
    );
    let thumbprint = countersign(&["jwks", "thumbprint", world.client.path()], "").stdout;
    let thumbprint = thumbprint.split_whitespace().find(|word| word.len() == 43).expect("a thumbprint");
    assert!(
        without_proof.stdout.contains(&format!("found cnf with jkt {thumbprint}; no proof")),
        "{}",
        without_proof.stdout
    );
}
