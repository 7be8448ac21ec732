//! `countersign revoke`, run as a binary, with a running issuer and with a store only: S14.12.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use countersign_tests::ports::free_port;
use serde_json::Value;

use crate::run::{Output, Server, assert_form, countersign, file, new_path};

const CREDENTIALS: &str = "orders:quaint-heron-lifts-49";

fn configuration(store: &str) -> String {
    let stored = bcrypt::hash("quaint-heron-lifts-49", 10).expect("hashed");
    format!(
        "issuer = \"http://127.0.0.1:4000\"\nlisten = \"127.0.0.1:0\"\n[store]\nfile = {store:?}\n[[audience]]\n\
         name = \"billing\"\n[[client]]\nid = \"orders\"\nsecret = \"{stored}\"\naudiences = [\"billing\"]\n"
    )
}

/// The JSON body of the answer to a form.
fn post(issuer: &Server, path: &str, form: &str) -> Value {
    let address = issuer.text("address");
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a limit");
    let pair = base64_simd::STANDARD.encode_to_string(CREDENTIALS);
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\nauthorization: Basic {pair}\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
        form.len()
    );
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    serde_json::from_str(answer.split_once("\r\n\r\n").expect("a head").1).expect("JSON")
}

fn token(issuer: &Server) -> String {
    post(issuer, "/token", "grant_type=client_credentials")["access_token"].as_str().expect("a token").to_owned()
}

fn is_active(issuer: &Server, token: &str) -> bool {
    post(issuer, "/introspect", &format!("token={token}"))["active"] == true
}

fn revoke(config: &str, more: &[&str], input: &str) -> Output {
    countersign(&[&["revoke", "--config", config, "--json"][..], more].concat(), input)
}

fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).expect("a payload");
    serde_json::from_slice(&base64_simd::URL_SAFE_NO_PAD.decode_to_vec(payload).expect("base64url")).expect("JSON")
}

/// A second later, so that a revocation of now means tokens from before.
fn next_second() {
    std::thread::sleep(Duration::from_millis(1_050));
}

#[test]
fn s14_12_tokens_are_revoked_in_a_running_service_and_in_its_store() {
    let state = new_path("revoke.redb");
    let config = file("revoke.toml", &configuration(state.path()));
    let config = config.path();
    let start = || Server::start("issuer", &["--config", config]);
    let issuer = start();
    let (one, other, kept) = (token(&issuer), token(&issuer), token(&issuer));
    let answer = revoke(config, &["--token", "-"], &format!("Bearer {one}\n"));
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    assert_form("revoke", &answer.json());
    assert_eq!((&answer.json()["revoked"], &answer.json()["before"]), (&Value::from("token"), &Value::Null));
    let id = claims(&other)["jti"].as_str().expect("an id").to_owned();
    assert_eq!(revoke(config, &["--jti", &id], "").code, 0);
    for (token, expected) in [(&one, false), (&other, false), (&kept, true)] {
        assert_eq!(is_active(&issuer, token), expected);
    }
    next_second();
    let answer = countersign(&["revoke", "--config", config, "--client", "orders"], "");
    assert!(answer.code == 0 && answer.stdout.contains("revoked the tokens of a client"), "{}", answer.stdout);
    assert!(!is_active(&issuer, &kept));
    let after = token(&issuer);
    assert!(is_active(&issuer, &after), "issued after it");
    issuer.end();

    next_second();
    for more in [&["--subject", "orders"][..], &["--session", "--s"], &["--all"]] {
        let answer = revoke(config, more, "");
        assert_eq!(answer.code, 0, "{more:?}: {}", answer.stderr);
        assert_form("revoke", &answer.json());
    }
    let again = start();
    assert!(!is_active(&again, &after), "revoked while the service was down");
    assert!(!is_active(&again, &one), "after a restart too");
}

#[test]
fn s14_12_what_means_no_token_of_the_service_is_refused() {
    let state = new_path("revoke-refused.redb");
    let config = file("revoke-refused.toml", &configuration(state.path()));
    let future = (u64::MAX / 4).to_string();
    let foreign =
        format!("{}.{}.x", "e30", base64_simd::URL_SAFE_NO_PAD.encode_to_string(r#"{"iss":"https://x.test"}"#));
    for (more, input, problem) in [
        (&[][..], "", "required"),
        (&["--all", "--subject", "ann"], "", "cannot be used with"),
        (&["--jti", "a", "--before", "1"], "", "cannot be used with"),
        (&["--all", "--before", &future], "", "later than now"),
        (&["--subject", ""], "", "sub is empty"),
        (&["--token", "-"], "no token", "no signed token"),
        (&["--token", "-"], &foreign, "not of http://127.0.0.1:4000"),
    ] {
        let answer = revoke(config.path(), more, input);
        assert!(answer.code == 2 && answer.stderr.contains(problem), "{more:?}: {} {}", answer.code, answer.stderr);
    }
}

#[test]
fn s14_08_lists_of_a_configuration_are_checked_by_a_policy_and_a_revoked_token_is_in_them() {
    let free = format!("127.0.0.1:{}", free_port());
    let (name, state) = (format!("http://{free}"), new_path("listed.redb"));
    let own = configuration(state.path()).replace("http://127.0.0.1:4000", &name);
    let own = own.replace("127.0.0.1:0", &free).replace("[store]", "[status_lists]\nttl_seconds = 2\n[store]");
    let config = file("listed.toml", &own);
    let issuer = Server::start("issuer", &["--config", config.path()]);
    let (one, other) = (token(&issuer), token(&issuer));
    let policy = |locations: &str| {
        let text = format!(
            "[[issuers]]\nissuer = {name:?}\naudience = \"billing\"\nkeys = {{ jwks_url = \"{name}/jwks\" }}\n\
             [issuers.status_lists]\nlocations = [{locations:?}]\n"
        );
        file("listed-policy.toml", &text)
    };
    let here = policy(&format!("{name}/status-lists/"));
    let answer = countersign(&["policy", "check", here.path()], "");
    assert!(answer.code == 0 && answer.stdout.contains("status lists at http://127.0.0.1"), "{}", answer.stdout);
    let verify = |policy: &str, more: &[&str], input: &str| {
        countersign(&[&["verify", "--policy", policy, "--json"][..], more].concat(), input)
    };
    let answer = verify(here.path(), &[], &one);
    assert_eq!(answer.code, 0, "{} {}", answer.stdout, answer.stderr);
    assert_form("verify", &answer.json());
    let check = answer.json()["checks"].as_array().and_then(|checks| checks.last().cloned()).expect("a check");
    assert_eq!((&check["name"], &check["outcome"]), (&Value::from("status"), &Value::from("passed")));
    assert_eq!(revoke(config.path(), &["--token", "-"], &one).code, 0);
    let id = claims(&other)["jti"].as_str().expect("an id").to_owned();
    let index = claims(&other)["status"]["status_list"]["idx"].to_string();
    assert_eq!(revoke(config.path(), &["--jti", &id, "--status-index", &index], "").code, 0);
    for revoked in [&one, &other] {
        let answer = verify(here.path(), &[], revoked);
        assert_eq!((answer.code, answer.json()["code"].as_str()), (1, Some("revoked")), "{}", answer.stdout);
        let answer = verify(here.path(), &["--batch"], revoked);
        assert_eq!(answer.json()["code"], "revoked");
    }
    let answer = countersign(&["explain", "--policy", here.path(), "--path", "/", "--json"], &token(&issuer));
    assert_eq!(answer.code, 0, "{} {}", answer.stdout, answer.stderr);
    let elsewhere = policy("https://cdn.test/lists/");
    let answer = verify(elsewhere.path(), &[], &one);
    assert_eq!((answer.code, answer.json()["code"].as_str()), (3, Some("revocation_unavailable")));
    let answer = revoke(config.path(), &["--subject", "ann", "--status-index", "1"], "");
    assert_eq!(answer.code, 2, "{}", answer.stderr);
}
