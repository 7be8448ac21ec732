//! `countersign keys` and `token get`, run as a binary against providers on loopback.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

use crate::run::{Output, assert_form, countersign, countersign_with, file};
use countersign_core::key::Algorithm;
use countersign_core::mint::Draft;
use countersign_issuer::{Audience, Client, ExchangeRule, Issuer, SecretHash};
use countersign_test::{Provider, TestIssuer};
use countersign_tests::peers::OpenIdProvider;
use countersign_tests::ports::free_port;
use serde_json::{Value, json};

/// Runs the binary on its own thread, so that the provider keeps answering.
async fn run(arguments: &[&str], input: &str, variables: &[(&str, &str)]) -> Output {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<String>>();
    let (arguments, input) = (owned(arguments), input.to_owned());
    let variables: Vec<(String, String)> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let work = move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let variables: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        countersign_with(&arguments, &input, &variables)
    };
    tokio::task::spawn_blocking(work).await.expect("ran")
}

async fn checked(url: &str) -> (i32, Value) {
    let answer = run(&["keys", "check", url, "--json"], "", &[]).await;
    assert_form("keys_check", &answer.json());
    (answer.code, answer.json())
}

/// The levels of the findings of one name.
fn levels(report: &Value, name: &str) -> Vec<String> {
    let findings = report["findings"].as_array().expect("a list").iter().filter(|finding| finding["name"] == name);
    findings.map(|finding| finding["level"].as_str().expect("text").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_valid_issuer_has_no_faults_by_discovery_and_by_url() {
    let provider = Provider::start(&TestIssuer::with_system_clock()).await.expect("a port");
    let (code, report) = checked(provider.url()).await;
    assert_eq!(code, 0, "{report}");
    assert_eq!(report["issuer"], provider.issuer().name());
    assert_eq!(report["jwks_uri"], provider.jwks_url());
    assert_eq!(report["keys"][0]["kid"], provider.issuer().key_id());
    assert_eq!(levels(&report, "issuer"), ["ok"]);
    let (code, report) = checked(&provider.jwks_url()).await;
    assert_eq!((code, &report["issuer"]), (0, &Value::Null));
    // The address of the document is no issuer.
    let (code, report) = checked(&format!("{}/.well-known/openid-configuration", provider.url())).await;
    assert_eq!((code, levels(&report, "issuer")), (0, vec!["warning".to_owned()]));
    let texts = report["findings"].to_string();
    assert!(texts.contains(&format!("name it, is {}", provider.url())), "{texts}");
    let text = run(&["keys", "check", provider.url()], "", &[]).await.stdout;
    assert!(text.contains("ok") && text.contains("ES256") && !text.contains('\u{1b}'), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_set_that_cannot_be_used_says_why() {
    let provider = Provider::start(&TestIssuer::with_system_clock()).await.expect("a port");
    let json = [("content-type", "application/json")];
    for (body, part) in [
        ("<html>please sign in</html>", "HTML or XML"),
        ("\u{feff}{\"keys\":[]}", "byte-order mark"),
        (r#"{"keys":[{"kty":"RSA","kid":"k1","e":"AQAB","n":"A=A"}]}"#, "k1: a member is not canonical base64url"),
        (r#"{"keys":[{"kty":"RSA","kid":5,"e":"AQAB","n":"AQAB"}]}"#, "a duplicate member or a wrong type"),
        (r#"{"keys":[{"kty":"RSA","kid":"k1","x5c":["MIIB"]}]}"#, "k1: a required member is missing"),
        (r#"{"keys":[]}"#, "the key set is empty: the issuer states that it has no keys"),
        ("{}", "not a JWK Set"),
    ] {
        provider.answer_jwks_with(200, body.to_owned(), &json);
        for url in [provider.url().to_owned(), provider.jwks_url()] {
            let (code, report) = checked(&url).await;
            assert!(code != 0 && report["findings"].to_string().contains(part), "{part}: {report}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loosely_written_key_is_usable_and_reported() {
    let provider = Provider::start(&TestIssuer::with_algorithm(Algorithm::RS256)).await.expect("a port");
    let jwks: Value = serde_json::from_str(&provider.issuer().jwks()).expect("JSON");
    let n = jwks["keys"][0]["n"].as_str().expect("a modulus").to_owned();
    let bytes = [vec![0], base64_simd::URL_SAFE_NO_PAD.decode_to_vec(&n).expect("base64url")].concat();
    for (member, value, part) in [
        ("n", json!(base64_simd::URL_SAFE_NO_PAD.encode_to_string(&bytes)), "begins with a zero octet"),
        ("n", json!(format!("{n}{}", &"=="[..(4 - n.len() % 4) % 4])), "padded with ="),
        ("key_ops", json!([]), "key_ops is empty"),
        ("oth", json!([]), "a private member is present and empty"),
        ("d", json!(""), "a private member is present and empty"),
    ] {
        let mut odd = jwks.clone();
        odd["keys"][0][member] = value;
        provider.answer_jwks_with(200, odd.to_string(), &[("content-type", "application/json")]);
        let (code, report) = checked(provider.url()).await;
        assert_eq!((code, levels(&report, "irregular_key")), (0, vec!["warning".to_owned()]), "{part}: {report}");
        assert!(report["findings"].to_string().contains(part), "{part}: {report}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_no_key_set_is_named_with_its_form() {
    let provider = Provider::start(&TestIssuer::with_system_clock()).await.expect("a port");
    let gzip = [("content-type", "application/json"), ("content-encoding", "gzip")];
    provider.answer_jwks_with(200, "packed", &gzip);
    for url in [provider.url().to_owned(), provider.jwks_url()] {
        let (code, report) = checked(&url).await;
        assert!(code != 0 && report["findings"].to_string().contains("gzip, which was not asked for"), "{report}");
    }
    let relative = json!({ "issuer": provider.url(), "jwks_uri": "/keys" }).to_string();
    provider.answer_discovery_with(200, relative, &[("content-type", "application/json")]);
    let (code, report) = checked(provider.url()).await;
    assert!(code != 0 && report["findings"].to_string().contains("/keys is relative"), "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_fault_is_reported() {
    let provider = Provider::start(&TestIssuer::with_system_clock()).await.expect("a port");
    let url = provider.url().to_owned();
    let jwks: Value = serde_json::from_str(&provider.issuer().jwks()).expect("JSON");
    let key = jwks["keys"][0].clone();
    let with = |more: Value| {
        let mut key = key.clone();
        for (name, value) in more.as_object().expect("an object") {
            key[name] = value.clone();
        }
        key
    };
    let json = [("content-type", "application/json"), ("cache-control", "max-age=600")];
    let answered = |keys: Value| json!({ "keys": keys }).to_string();
    let mut without_kid = key.clone();
    without_kid.as_object_mut().expect("an object").remove("kid");
    let padded = with(json!({ "kid": "padded", "x": format!("{}=", key["x"].as_str().expect("a coordinate")) }));
    for (keys, headers, name, level, code) in [
        (json!([key, with(json!({ "d": "AA" }))]), &json[..], "unusable_key", "fault", 1),
        (json!([key, with(json!({ "kid": "enc", "use": "enc" }))]), &json[..], "other_key", "ok", 0),
        (json!([key, with(json!({ "kid": "tls", "use": "tls" }))]), &json[..], "unusable_key", "warning", 0),
        (json!([key, with(json!({ "kid": "odd", "kty": "XX" }))]), &json[..], "unusable_key", "warning", 0),
        (json!([with(json!({ "kid": "enc", "use": "enc" }))]), &json[..], "keys", "fault", 1),
        (json!([without_kid]), &json[..], "kid", "warning", 0),
        (json!([]), &json[..], "keys", "fault", 1),
        (json!([padded]), &json[..], "irregular_key", "warning", 0),
        (json!([key]), &[("content-type", "text/plain")][..], "content_type", "warning", 0),
        (json!([key]), &[("cache-control", "no-store")][..], "cache", "warning", 0),
        (json!([key]), &[("cache-control", "max-age=86400")][..], "cache", "warning", 0),
        (json!([key]), &[("date", "Tue, 15 Nov 1994 12:00:00 GMT")][..], "clock", "warning", 0),
    ] {
        provider.answer_jwks_with(200, answered(keys.clone()), headers);
        let (found, report) = checked(&url).await;
        assert!(levels(&report, name).contains(&level.to_owned()), "{name} {keys} {headers:?}: {report}");
        assert_eq!(found, code, "{name}: {report}");
    }
    let other = TestIssuer::new();
    let mut second: Value = serde_json::from_str(&other.jwks()).expect("JSON");
    second["keys"][0]["kid"] = key["kid"].clone();
    provider.answer_jwks_with(200, answered(json!([key, second["keys"][0]])), &json);
    assert_eq!(levels(&checked(&url).await.1, "duplicate_kid"), ["warning"]);
    let rsa = TestIssuer::with_algorithm(Algorithm::RS256);
    let mut unlabelled: Value = serde_json::from_str(&rsa.jwks()).expect("JSON");
    unlabelled["keys"][0].as_object_mut().expect("an object").remove("alg");
    provider.answer_jwks_with(200, unlabelled.to_string(), &json);
    assert_eq!(levels(&checked(&url).await.1, "alg"), ["warning"]);
    provider.answer_jwks_with(500, "", &[]);
    let (code, report) = checked(&url).await;
    assert_eq!((code, levels(&report, "reachable")), (1, vec!["fault".to_owned()]), "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_of_another_issuer_is_a_fault_and_a_slash_is_reported() {
    let provider = Provider::start(&TestIssuer::with_system_clock()).await.expect("a port");
    let document = |issuer: &str| json!({ "issuer": issuer, "jwks_uri": provider.jwks_url() }).to_string();
    for (issuer, level, code) in [
        ("https://another.example".to_owned(), "fault", 1),
        (format!("{}/", provider.url()), "fault", 1),
        (provider.url().to_owned(), "ok", 0),
        (format!("{}/tenant", provider.url()), "fault", 1),
    ] {
        provider.answer_discovery_with(200, document(&issuer), &[("content-type", "application/json")]);
        let (found, report) = checked(provider.url()).await;
        assert_eq!((found, levels(&report, "issuer")), (code, vec![level.to_owned()]), "{issuer}: {report}");
    }
    // Either name of the two is another one than the other.
    provider.answer_discovery_with(200, document(provider.url()), &[("content-type", "application/json")]);
    let (found, report) = checked(&format!("{}/", provider.url())).await;
    assert_eq!((found, levels(&report, "issuer")), (1, vec!["fault".to_owned()]), "{report}");
    let redirected = json!({ "issuer": provider.url(), "jwks_uri": "http://id.example.com/keys" }).to_string();
    provider.answer_discovery_with(200, redirected, &[]);
    assert_eq!(levels(&checked(provider.url()).await.1, "jwks_uri"), ["fault"], "plain http is not fetched");
    provider.refuse_connections().await;
    let (code, report) = checked(provider.url()).await;
    assert_eq!((code, levels(&report, "reachable")), (3, vec!["fault".to_owned()]));
    assert_eq!(run(&["keys", "check", "http://id.example.com"], "", &[]).await.code, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_issuers_of_a_policy_are_checked_where_it_says_that_their_keys_are() {
    let provider = Provider::start(&TestIssuer::with_system_clock()).await.expect("a port");
    let (url, jwks) = (provider.url().to_owned(), provider.issuer().jwks());
    let set = file("keys.json", &jwks);
    let closed = "http://127.0.0.1:1";
    let policy = json!({ "auth": { "issuers": [
        { "issuer": url, "audience": "orders" },
        { "issuer": "https://id.example", "audience": "orders", "keys": { "jwks_url": provider.jwks_url() } },
        { "issuer": "https://a.example", "audience": "orders", "keys": { "file": set.path() } },
        { "issuer": "https://b.example", "audience": "orders", "keys": { "inline": jwks } },
        { "issuer": "https://c.example", "audience": "orders", "keys": "kubernetes" },
        { "issuer": format!("{url}/"), "audience": "orders" },
        { "issuer": closed, "audience": "orders" },
    ] } });
    let policy = file("policy.json", &policy.to_string());
    let arguments = ["keys", "check", "--policy", policy.path(), "--at", "auth", "--json"];
    let all = run(&arguments, "", &[]).await;
    assert_form("keys_check_policy", &all.json());
    let report = all.json();
    let level = |number: usize, name: &str| levels(&report["issuers"][number], name);
    assert_eq!((all.code, report["issuers"].as_array().map(Vec::len)), (3, Some(7)), "{}", all.stdout);
    for usable in 0..4 {
        assert_eq!(level(usable, "keys"), ["ok"], "{report}");
    }
    assert_eq!(level(4, "location"), ["warning"]);
    assert_eq!(level(5, "issuer"), ["fault"], "another name by its slash");
    assert_eq!(level(6, "reachable"), ["fault"]);
    for (issuer, code) in [(url.as_str(), 0), (&format!("{url}/"), 1), (closed, 3), ("https://nobody.example", 2)] {
        let one = run(&[&arguments[..], &["--issuer", issuer]].concat(), "", &[]).await;
        assert_eq!(one.code, code, "{issuer}: {} {}", one.stdout, one.stderr);
    }
    let text = run(&arguments[..6], "", &[]).await.stdout;
    assert!(text.contains(closed) && text.contains("connection refused"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_is_reported() {
    let provider = Provider::start(&TestIssuer::with_system_clock()).await.expect("a port");
    let mut child = Command::new(env!("CARGO_BIN_EXE_countersign"))
        .args(["keys", "watch", provider.url(), "--every", "1", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut next = || {
        let line: Value = serde_json::from_str(&lines.next().expect("a line").expect("text")).expect("JSON");
        assert_form("keys_watch", &line);
        line
    };
    let (first, old) = (next(), provider.issuer().key_id());
    assert_eq!(first["event"], "first");
    provider.issuer().rotate();
    let added = next();
    assert_eq!((&added["event"], &added["removed"]), (&json!("changed"), &json!([])));
    assert!(added["added"][0].as_str().expect("text").starts_with(&provider.issuer().key_id()));
    provider.issuer().withdraw_old_keys();
    assert!(next()["removed"][0].as_str().expect("text").starts_with(&old));
    provider.go_down();
    assert_eq!(next()["event"], "unreachable");
    child.kill().expect("ended");
    child.wait().expect("ended");
    let unreachable = run(&["keys", "watch", provider.url(), "--count", "1"], "", &[]).await;
    assert_eq!(unreachable.code, 3, "{}", unreachable.stdout);
}

/// An embedded issuer on loopback, with a client that may exchange tokens.
async fn service() -> (Issuer, String) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let name = format!("http://{}", listener.local_addr().expect("bound"));
    let (secret, stored) = SecretHash::generate().expect("randomness");
    let issuer = Issuer::builder(&name)
        .add_audience(Audience::new("orders").scopes(["orders:read"]))
        .add_audience(Audience::new("billing").scopes(["orders:read"]))
        .add_client(
            Client::new("orders")
                .secret(stored)
                .audiences(["billing"])
                .scopes(["orders:read"])
                .add_exchange_rule(ExchangeRule::new(["billing"])),
        )
        .build()
        .expect("a valid set-up");
    let router = issuer.router();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (issuer, secret.expose().clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_fetched_and_exchanged_by_the_outbound_code() {
    let (issuer, secret) = service().await;
    let secret_variable = [("COUNTERSIGN_CLIENT_SECRET", secret.as_str())];
    let get = ["token", "get", "--issuer", issuer.name(), "--client", "orders", "--json"];
    let own = [&get[..], &["--audience", "billing", "--scope", "orders:read"]].concat();
    let answer = run(&own, "", &secret_variable).await;
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    assert_form("token_get", &answer.json());
    let token = answer.json()["access_token"].as_str().expect("a token").to_owned();
    let verify = ["verify", "--issuer", issuer.name(), "--audience", "billing", "--discover", "--json"];
    assert_eq!(run(&verify, &token, &[]).await.json()["verdict"], "accepted");

    let draft = Draft::access_token().subject("ann").audience("orders").client_id("web").scope("orders:read");
    let token = issuer.mint(&draft).expect("a token").as_str().to_owned();
    let exchange = [&get[..], &["--audience", "billing", "--subject-token", "-"]].concat();
    let exchanged = run(&exchange, &token, &secret_variable).await;
    assert_eq!(exchanged.code, 0, "{}", exchanged.stderr);
    let exchanged = exchanged.json()["access_token"].as_str().expect("a token").to_owned();
    let claims = countersign(&["decode", "--json"], &exchanged).json()["payload"].clone();
    assert_eq!((&claims["aud"], &claims["act"]["sub"]), (&json!("billing"), &json!("orders")));

    let secret_file = file("secret", &format!("{secret}\n"));
    let from_file = [&own[..], &["--secret", secret_file.path(), "--post"]].concat();
    assert_eq!(run(&from_file, "", &[]).await.code, 0);
    let wrong = run(&own, "", &[("COUNTERSIGN_CLIENT_SECRET", "csgn_another-secret-of-some-length")]).await;
    assert_eq!(wrong.code, 1);
    assert!(wrong.stderr.contains("invalid_client") && !wrong.stderr.contains("another-secret"), "{}", wrong.stderr);
    let missing = run(&own, "", &[]).await;
    assert!(missing.code == 2 && missing.stderr.contains("COUNTERSIGN_CLIENT_SECRET"), "{}", missing.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_response_is_undecided() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let closed = format!("http://{}", listener.local_addr().expect("bound"));
    drop(listener);
    let arguments = ["token", "get", "--endpoint", &closed, "--client", "web", "--audience", "a"];
    let answer = run(&arguments, "", &[("COUNTERSIGN_CLIENT_SECRET", "a-secret-of-some-length")]).await;
    assert_eq!(answer.code, 3, "{}", answer.stderr);
}

/// A certified provider in JavaScript: discovery, client credentials by secret, and its keys.
#[test]
#[cfg_attr(not(has_node), ignore = "needs Node.js: tests/peers/install")]
fn a_certified_third_party_provider_is_understood() {
    let provider = OpenIdProvider::start("ES256,RS256");
    let report = countersign(&["keys", "check", provider.issuer(), "--json"], "");
    assert_form("keys_check", &report.json());
    assert_eq!(report.code, 0, "{}", report.stdout);
    let get =
        ["token", "get", "--issuer", provider.issuer(), "--client", "svc-basic", "--resource", "https://orders.test"];
    let answer = countersign_with(&get, "", &[("COUNTERSIGN_CLIENT_SECRET", provider.client_secret())]);
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    let shown = countersign(&["decode", "--json"], &answer.stdout).json();
    assert_eq!(shown["payload"]["iss"], provider.issuer(), "{shown}");
    let audience = shown["payload"]["aud"].as_str().expect("an audience").to_owned();
    let verify = ["verify", "--issuer", provider.issuer(), "--audience", &audience, "--json"];
    assert_eq!(countersign(&verify, &answer.stdout).json()["verdict"], "accepted");
}

/// A proxy on loopback that gives every connection these bytes, after it has read something.
fn proxy(answer: &'static [u8]) -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for mut peer in listener.incoming().flatten() {
            let _ = peer.read(&mut [0; 4096]);
            let _ = peer.write_all(answer);
            let _ = peer.read(&mut [0]); // until the command has read it
        }
    });
    port
}

#[test]
fn a_failed_connection_has_its_reason() {
    let closed = free_port();
    let reason = |url: &str, proxy: Option<String>| {
        let proxy = proxy.as_ref().map(|proxy| ("HTTPS_PROXY", proxy.as_str()));
        let output = countersign_with(&["keys", "check", url], "", proxy.as_slice());
        assert_eq!(output.code, 3, "{}{}", output.stdout, output.stderr);
        output.stdout
    };
    let refused = reason(&format!("http://127.0.0.1:{closed}"), None);
    assert!(refused.contains("connection refused"), "{refused}");
    assert!(reason("https://nothing.invalid", None).contains("host name not found"));
    for (proxy, expected) in [
        (format!("http://127.0.0.1:{closed}"), "proxy failed: it refused the connection"),
        (format!("http://127.0.0.1:{}", proxy(b"HTTP/1.1 407 No\r\n\r\n")), "it requires a user and a password"),
        (format!("http://127.0.0.1:{}", proxy(b"HTTP/1.1 403 No\r\n\r\n")), "proxy failed: it refused to connect"),
        (format!("socks5h://127.0.0.1:{closed}"), "proxy failed: it refused the connection"),
        (format!("socks5h://127.0.0.1:{}", proxy(b"\x05\xff")), "proxy failed: it refused to connect, or the user"),
        (format!("socks5h://127.0.0.1:{}", proxy(b"HTTP/1.1 400 No\r\n\r\n")), "proxy failed: it does not speak SOCKS"),
    ] {
        let found = reason("https://id.example.com", Some(proxy));
        assert!(found.contains(expected), "{expected}: {found}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_has_its_target() {
    let away = axum::response::Redirect::temporary("https://login.example/realms?token=secret");
    let router = axum::Router::new().fallback(move || async move { away });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/realms/shop", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let (code, report) = checked(&url).await;
    let text = report.to_string();
    assert_eq!(code, 3, "{text}");
    assert!(
        text.contains("status 307, a redirect to https://login.example, which") && !text.contains("secret"),
        "{text}"
    );
}
