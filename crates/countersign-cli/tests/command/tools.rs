//! `countersign jwks`, `hash`, `uuid` and `policy check`, run as a binary.

use crate::run::{assert_form, countersign, countersign_with, file};
use countersign_test::TestIssuer;
use serde_json::{Value, json};

/// RFC 7638 §3.1, with a private member added.
const RFC7638: &str = r#"{"kty":"RSA","e":"AQAB","d":"AQ","kid":"2011-04-29","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"}"#;

#[test]
fn keys_are_converted_between_forms() {
    let jwk = file("jwk", RFC7638);
    let pem = countersign(&["jwks", "convert", jwk.path(), "--to", "pem"], "");
    assert!(pem.stdout.starts_with("-----BEGIN PUBLIC KEY-----\n"), "{}", pem.stderr);
    let pem = file("pem", &pem.stdout);
    let set = countersign(&["jwks", "convert", pem.path(), "--to", "jwks"], "").json();
    assert_form("jwks", &set);
    assert_eq!(set["keys"][0]["kid"], "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", "the thumbprint is the ID");
    let both = countersign(&["jwks", "build", jwk.path(), pem.path()], "").json();
    assert_form("jwks", &both);
    assert_eq!(both["keys"][0]["kid"], "2011-04-29");
    assert!(!both.to_string().contains("\"d\""));
    let named = countersign(&["jwks", "thumbprint", jwk.path(), pem.path(), "--json"], "").json();
    assert_form("thumbprint", &named);
    assert_eq!(named[0]["thumbprint"], named[1]["thumbprint"]);
    assert_eq!(
        countersign(&["jwks", "thumbprint", "-"], RFC7638).stdout,
        "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs\n"
    );
    let refused = countersign(&["jwks", "build", "-"], r#"{"kty":"oct","k":"AAAA"}"#);
    assert_eq!((refused.code, refused.stdout.as_str()), (2, ""), "a shared secret is never published");
}

#[test]
fn der_is_read_and_written() {
    let der = std::process::Command::new(env!("CARGO_BIN_EXE_countersign"))
        .args(["jwks", "convert", file("jwk", RFC7638).path(), "--to", "der"])
        .output()
        .expect("ran");
    assert_eq!(der.stdout.first(), Some(&0x30));
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("der-{}", std::process::id()));
    std::fs::write(&path, der.stdout).expect("written");
    let named = countersign(&["jwks", "thumbprint", path.to_str().expect("text")], "").stdout;
    assert_eq!(named, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs\n");
    let _ = std::fs::remove_file(path);
}

#[test]
fn secrets_are_hashed_and_checked() {
    let hashed = countersign(&["hash", "argon2id", "--json"], "quaint-heron\n").json();
    assert_form("hash", &hashed);
    let stored = hashed["hash"].as_str().expect("text");
    assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
    let check = |stored: &str, secret: &str| countersign(&["hash", "check", "--stored", stored, "--json"], secret);
    let (same, other) = (check(stored, "quaint-heron"), check(stored, "quaint-crane"));
    assert_eq!([same.code, other.code], [0, 1]);
    assert_form("hash_check", &same.json());
    assert_eq!([&same.json()["matches"], &other.json()["matches"]], [&json!(true), &json!(false)]);
    // bcrypt, as published with the Openwall implementation.
    let bcrypt = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
    assert_eq!([check(bcrypt, "U*U").code, check(bcrypt, "U*V").code, check("plain", "x").code], [0, 1, 2]);
    let stored = file("hash", bcrypt);
    assert_eq!(check(&format!("@{}", stored.path()), "U*U\r\n").code, 0);
    let sum = countersign(&["hash", "sha256"], "abc").stdout;
    assert_eq!(sum.trim(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_eq!(countersign(&["hash", "argon2id"], "\n").code, 2);
}

#[test]
fn uuids_are_generated_and_parsed() {
    let many = countersign(&["uuid", "v7", "-n", "100"], "").stdout;
    let lines: Vec<&str> = many.lines().collect();
    let mut sorted = lines.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!((lines.len(), &lines), (100, &sorted), "unique, and in the order of generation");
    let read = countersign(&["uuid", "parse", "017F22E2-79B0-7CC3-98C4-DC0C0C07398F", "--json"], "").json();
    assert_form("uuid_parse", &read);
    assert_eq!((&read["version"], &read["made_at_utc"]), (&json!(7), &json!("2022-02-22T19:22:22Z")), "RFC 9562 A.6");
    assert_eq!(countersign(&["uuid", "v4"], "").stdout.chars().nth(14), Some('4'));
    assert_eq!(countersign(&["uuid", "parse", "nonsense"], "").code, 2);
}

#[test]
fn s10_01_the_check_of_a_policy_repeats_no_secret() {
    let issuer = "[[issuers]]\nissuer = \"https://id.example.com\"\naudience = \"orders\"\n";
    let binding = "[[outbound]]\norigin = \"https://billing.internal\"\nclient = \"orders\"\n";
    let secret = "secret_file = \"/nowhere\"\n";
    for text in [
        format!("{issuer}{binding}secret_env = \"hunter2-of-orders\""),
        format!("{issuer}[connection]\nproxy = \"http://a:hunter2@proxy\""),
        format!("{issuer}[connection]\nproxy_env = \"http://a:hunter2@proxy\""),
        format!("connection = \"http://a:hunter2@proxy\"\n{issuer}"),
        format!("{issuer}keys = \"https://id.example.com/keys?apikey=hunter2\""),
        format!("{issuer}profile = \"hunter2\""),
        format!("{issuer}keys = {{ jwks_url = \"https://a:hunter2@id.example.com/keys\" }}"),
        format!("{issuer}{}{secret}", binding.replace("https://", "https://a:hunter2@")),
        format!("{issuer}{binding}{secret}token_endpoint = \"https://a:hunter2@id.example.com/token\""),
        r#"{"issuers":[{"issuer":"https://id.example.com","audience":"a","keys":"hunter2"}]}"#.to_owned(),
    ] {
        for form in [&["policy", "check", "-", "--json"][..], &["policy", "check", "-"]] {
            let answer = countersign(form, &text);
            assert_eq!(answer.code, 1, "{text}");
            assert!(!format!("{}{}", answer.stdout, answer.stderr).contains("hunter2"), "{text}: {}", answer.stdout);
        }
    }
    // Other tables of the file are not the policy's.
    let other = "[database]\nurl = \"postgres://a:hunter2@db\" nonsense\n[auth]\nissuers = []\n";
    let answer = countersign(&["policy", "check", "-", "--at", "auth"], other);
    assert!(
        answer.code != 0 && !format!("{}{}", answer.stdout, answer.stderr).contains("hunter2"),
        "{}",
        answer.stderr
    );
}

/// The field without the binding before it.
fn last_field(fault: &Value) -> Option<&str> {
    fault["field"].as_str()?.rsplit(": ").next()
}

#[test]
fn a_policy_check_warns_of_files_that_cannot_be_read() {
    let (readable, empty) = (file("secret", "s3cret-value"), file("empty", ""));
    let policy = json!({
        "issuers": [
            { "issuer": "https://a.example.com", "audience": "orders", "keys": { "file": "/nonexistent/keys.json" } },
            { "issuer": "https://b.example.com", "audience": "orders", "keys": { "spiffe_bundle_file": "/nonexistent/b" } },
        ],
        "outbound": [
            { "origin": "https://a.internal", "issuer": "https://a.example.com", "client": "orders", "secret_file": readable.path() },
            { "origin": "https://b.internal", "issuer": "https://a.example.com", "client": "orders", "secret_file": "secrets/orders" },
            { "origin": "https://c.internal", "issuer": "https://a.example.com", "client": "orders", "key_file": empty.path(), "key_algorithm": "ES256" },
            { "origin": "https://d.internal", "token_file": env!("CARGO_TARGET_TMPDIR") },
        ],
    });
    let answer = countersign(&["policy", "check", "-", "--json"], &policy.to_string());
    assert_form("policy_check", &answer.json());
    assert_eq!(
        (answer.code, &answer.json()["usable"]),
        (0, &json!(true)),
        "the files of another host: {}",
        answer.stdout
    );
    let problem = |path: &str, problem: &str| format!("the file {path} {problem}");
    let warning = |field: &str, problem: String| json!({ "field": field, "problem": problem });
    let expected = [
        warning("https://a.example.com: keys.file", problem("/nonexistent/keys.json", "does not exist")),
        warning("https://b.example.com: keys.spiffe_bundle_file", problem("/nonexistent/b", "does not exist")),
        warning(
            "https://b.internal: secret_file",
            problem("secrets/orders, looked up from the current folder,", "does not exist"),
        ),
        warning("https://c.internal: key_file", problem(empty.path(), "is empty")),
        warning("https://d.internal: token_file", problem(env!("CARGO_TARGET_TMPDIR"), "is not a regular file")),
    ];
    assert_eq!(answer.json()["warnings"], json!(expected));
    let shown = countersign(&["policy", "check", "-"], &policy.to_string()).stdout;
    let line = "  warning: https://a.example.com: keys.file: the file /nonexistent/keys.json does not exist";
    assert!(shown.lines().any(|shown| shown == line), "{shown}");
    assert!(!shown.contains("s3cret-value"), "{shown}");
    // A service reads the files of its connections when it starts.
    let mut refused = policy;
    refused["connection"] = json!({ "roots_files": ["/nonexistent/ca.pem"] });
    let answer = countersign(&["policy", "check", "-"], &refused.to_string());
    assert!(answer.code == 1 && answer.stdout.contains("no such file: /nonexistent/ca.pem"), "{}", answer.stdout);
}

#[test]
fn a_policy_is_checked_as_at_start_up() {
    let check = |text: &str| countersign(&["policy", "check", "-", "--json"], text);
    let inline = TestIssuer::new().jwks();
    let good = json!({ "issuers": [{ "issuer": "https://id.example.com", "audience": "orders", "keys": { "inline": inline } }] });
    let answer = check(&good.to_string());
    assert_form("policy_check", &answer.json());
    assert_eq!((answer.code, &answer.json()["usable"]), (0, &json!(true)), "{}", answer.stdout);
    let toml = "[[issuers]]\nissuer = \"https://id.example.com\"\naudience = \"orders\"\ndanger_any_audience = true\n";
    let weak = check(toml).json();
    assert_form("policy_check", &weak);
    assert_eq!(weak["weakenings"], json!(["https://id.example.com: danger_any_audience"]));
    assert!(weak["fingerprint"].is_string() && weak["fingerprint"] != answer.json()["fingerprint"]);
    for (text, field) in [
        (format!("{toml}\ndeny_danger = true"), "policy"), // in the table of the issuer, in which it is unknown
        (format!("deny_danger = true\n{toml}"), "danger"),
        ("[[issuers]]\nissuer = \"https://id.example.com\"\naudience = \"\"".to_owned(), "audience"),
        ("[[issuers]]\nissuer = \"http://id.example.com\"\naudience = \"a\"".to_owned(), "issuer"),
        ("issuers = []".to_owned(), "issuer"),
        ("[[issuers]]\nissuer = \"https://id.example.com\"\naudience = \"a\"\nleewey = 1".to_owned(), "policy"),
        ("nonsense".to_owned(), "policy"),
    ] {
        let answer = check(&text);
        assert_form("policy_check", &answer.json());
        assert_eq!((answer.code, &answer.json()["usable"]), (1, &json!(false)), "{text}");
        let fields = answer.json()["faults"].to_string();
        assert!(fields.contains(&format!("\"field\":\"{field}")) || fields.contains(field), "{text}: {fields}");
    }
    // A binding is checked as the outbound client checks it.
    let issuer = toml.replace("danger_any_audience = true\n", "");
    let binding = "[[outbound]]\norigin = \"https://billing.internal\"\nclient = \"orders\"\n";
    let secret = "secret_file = \"/run/secrets/orders\"\n";
    let sound = check(&format!("{issuer}{binding}{secret}"));
    assert_eq!(sound.code, 0, "{}", sound.stdout);
    let shown = countersign(&["policy", "check", "-"], &format!("{issuer}{binding}{secret}")).stdout;
    assert!(shown.contains("calls https://billing.internal with tokens of the client orders"), "{shown}");
    let plain = binding.replace("https://b", "http://b");
    for (text, field, problem) in [
        (format!("{issuer}{binding}"), "client", "exactly one of secret_file, secret_env and key_file"),
        (format!("{issuer}{binding}secret_env = \"COUNTERSIGN_UNSET\""), "COUNTERSIGN_UNSET", "is unset"),
        (format!("{issuer}{plain}{secret}"), "origin", "not https"),
        (
            format!("{issuer}{binding}{secret}token_endpoint = \"http://id.example.com/token\""),
            "token_endpoint",
            "not https",
        ),
        (format!("{issuer}{binding}{secret}{binding}{secret}"), "origin", "bound twice"),
        (format!("deny_danger = true\n{issuer}{binding}{secret}danger_plain_http = true"), "danger", "deny_danger"),
        (format!("{issuer}{binding}{secret}[outbound.connection]\nkey_file = \"k\""), "connection", "belong together"),
        (format!("{issuer}[connection]\nproxy = \"http://a:b@c\""), "connection", "proxy"),
    ] {
        let answer = check(&text);
        assert_form("policy_check", &answer.json());
        let faults = answer.json()["faults"].as_array().expect("faults").clone();
        assert_eq!(answer.code, 1, "{text}: {faults:?}");
        assert!(
            !faults.is_empty() && faults.iter().all(|fault| last_field(fault) == Some(field)),
            "{text}: {faults:?}"
        );
        assert!(faults[0]["problem"].as_str().is_some_and(|found| found.contains(problem)), "{faults:?}");
    }
    let weak = check(&format!("{issuer}{plain}{secret}danger_plain_http = true")).json();
    assert_eq!((&weak["usable"], &weak["weakenings"]), (&json!(true), &json!(["binding 1: danger_plain_http"])));
    let preset = "[[issuers]]\npreset = \"auth0\"\nissuer = \"https://a.eu.auth0.com/\"\naudience = \"orders\"";
    assert_eq!(check(preset).json()["policy"]["issuers"][0]["authorities"]["permissions_at"], json!(["/permissions"]));
    let shown = countersign(&["policy", "show", "-"], preset);
    assert!(shown.code == 0 && shown.stdout.contains("tenant_at = \"/org_id\""), "{}", shown.stdout);
    assert_eq!(check(&shown.stdout).json()["fingerprint"], check(preset).json()["fingerprint"]);
    let forged = "VERIFIED: every check passed";
    let hostile =
        json!({ "issuers": [{ "issuer": "https://id.example.com", "audience": format!("a\n{forged}\u{202e}") }] });
    let shown = countersign(&["policy", "show", "-"], &hostile.to_string());
    assert!(shown.code == 0 && shown.stdout.contains(forged), "{}", shown.stdout);
    assert!(!shown.stdout.lines().any(|line| line.starts_with(forged)), "{}", shown.stdout);
    assert_eq!(check(&shown.stdout).json()["policy"], check(&hostile.to_string()).json()["policy"]);
    let unknown = countersign(&["policy", "show", "-"], &preset.replace("auth0\"", "okda\""));
    assert!(unknown.code == 2 && unknown.stderr.contains("okta"), "{}", unknown.stderr);
    let variables = [("APP_ISSUER", "https://id.example.com"), ("APP_AUDIENCE", "orders")];
    assert_eq!(countersign_with(&["policy", "check", "--env", "APP_"], "", &variables).code, 0);
    assert_eq!(countersign(&["policy", "check", "/nonexistent"], "").code, 2);
}
