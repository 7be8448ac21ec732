//! `countersign mcp check`, run as a binary against servers of the Model Context Protocol on loopback.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::any;
use countersign::app::{Routes, protect};
use countersign::authz::scope;
use countersign::prelude::*;
use countersign::response::ResourceMetadata;
use countersign_mcp::McpLayer;
use countersign_test::{Provider, TestIssuer};
use countersign_tests::http::Service;
use countersign_tests::repeats;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::run::{Output, assert_form, countersign_with};

/// The variable with the token.
const TOKEN: &str = "TEST_MCP_TOKEN";

/// Runs the command with `--json`, on a thread of its own.
async fn check(url: &str, token: Option<&str>, more: &[&str]) -> (i32, Value) {
    let output = run(url, token, &[&["--json"], more].concat()).await;
    assert_form("mcp_check", &output.json());
    (output.code, output.json())
}

async fn run(url: &str, token: Option<&str>, more: &[&str]) -> Output {
    let mut arguments: Vec<String> = ["mcp", "check", url].map(str::to_owned).into();
    arguments.extend(token.map(|_| ["--token-env".to_owned(), TOKEN.to_owned()]).into_iter().flatten());
    arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
    let token = token.unwrap_or_default().to_owned();
    let work = move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        countersign_with(&arguments, "", &[(TOKEN, &token)])
    };
    tokio::task::spawn_blocking(work).await.expect("ran")
}

/// The codes of the findings of this level.
fn codes<'r>(report: &'r Value, level: &str) -> Vec<&'r str> {
    let findings = report["findings"].as_array().expect("a list").iter().filter(|finding| finding["level"] == level);
    findings.map(|finding| finding["code"].as_str().expect("text")).collect()
}

/// What one server answers to requests, by method and path.
type Answers = BTreeMap<&'static str, Answer>;

#[derive(Clone, Default)]
struct Answer {
    status: u16,
    challenge: String,
    headers: Vec<(&'static str, String)>,
    json: Value,
}

impl Answer {
    fn json(json: Value) -> Self {
        Answer { status: 200, json, headers: vec![("content-type", "application/json".to_owned())], ..Self::default() }
    }

    fn challenge(status: u16, challenge: impl Into<String>) -> Self {
        Answer { status, challenge: challenge.into(), ..Self::default() }
    }
}

const NO_TOKEN: &str = "POST /mcp";
const WITH_TOKEN: &str = "POST /mcp with a token";
const WITH_TOOL: &str = "POST /mcp for a tool";
const DOCUMENT: &str = "GET /.well-known/oauth-protected-resource/mcp";
const ROOT_DOCUMENT: &str = "GET /.well-known/oauth-protected-resource";
const LOGIN: &str = "GET /.well-known/oauth-authorization-server/id";

/// A server without a fault, and its authorization server.
fn good(base: &str) -> Answers {
    let metadata = format!("{base}/.well-known/oauth-protected-resource/mcp");
    BTreeMap::from([
        (NO_TOKEN, Answer::challenge(401, format!(r#"Bearer scope="orders:read", resource_metadata="{metadata}""#))),
        (WITH_TOKEN, Answer::json(json!({}))),
        (
            WITH_TOOL,
            Answer::challenge(
                403,
                format!(
                    r#"Bearer error="insufficient_scope", scope="orders:read orders:write", resource_metadata="{metadata}""#
                ),
            ),
        ),
        (
            DOCUMENT,
            Answer::json(json!({
                "resource": format!("{base}/mcp"), "authorization_servers": [format!("{base}/id")],
                "scopes_supported": ["orders:read", "orders:write"], "bearer_methods_supported": ["header"],
            })),
        ),
        (
            LOGIN,
            Answer::json(json!({
                "issuer": format!("{base}/id"), "authorization_endpoint": format!("{base}/authorize"),
                "token_endpoint": format!("{base}/token"), "code_challenge_methods_supported": ["plain", "S256"],
                "client_id_metadata_document_supported": true, "scopes_supported": ["openid", "orders:read"],
                "authorization_response_iss_parameter_supported": true,
            })),
        ),
    ])
}

/// Starts a server with these answers; also the keys of the requests that it got.
async fn server(change: impl FnOnce(&mut Answers, &str)) -> (Service, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    let mut answers = good(&base);
    change(&mut answers, &base);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let answer = move |request: Request| {
        let (headers, path) = (request.headers(), request.uri().path());
        let what = match (headers.contains_key("authorization"), headers.contains_key("mcp-name")) {
            (true, true) => " for a tool",
            (true, false) => " with a token",
            _ => "",
        };
        let key = format!("{} {path}{what}", request.method());
        let answer = answers.get(key.as_str()).cloned();
        log.lock().expect("one").push(key);
        async move {
            let answer = answer.unwrap_or_else(|| Answer { status: 404, ..Answer::default() });
            let mut response = Response::builder().status(answer.status);
            if !answer.challenge.is_empty() {
                response = response.header("www-authenticate", answer.challenge);
            }
            response = answer.headers.into_iter().fold(response, |made, (name, value)| made.header(name, value));
            response.body(axum::body::Body::from(Bytes::from(answer.json.to_string()))).expect("a response")
        }
    };
    (Service::on(listener, Router::new().fallback(answer)), seen)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_a_fault_has_none_and_its_session_is_ended() {
    let (service, seen) = server(|answers, _| {
        answers.get_mut(WITH_TOKEN).expect("one").headers.push(("mcp-session-id", "s1".to_owned()));
    })
    .await;
    let url = format!("{}/mcp", service.url());
    let issuer = TestIssuer::with_system_clock();
    let token = issuer.token().audience(&url).sign();
    let (code, report) = check(&url, Some(&token), &["--tool", "delete_order"]).await;
    let base = service.url();
    assert_eq!((code, codes(&report, "fault"), codes(&report, "warning")), (0, vec![], vec![]), "{report}");
    assert_eq!(report["url"], url);
    assert_eq!(report["metadata"], format!("{base}/.well-known/oauth-protected-resource/mcp"));
    assert_eq!(report["authorization_servers"], json!([format!("{base}/id")]));
    assert_eq!(report["scopes"], json!(["orders:read"]));
    let all = codes(&report, "ok");
    for code in
        ["authentication", "scope", "resource", "issuer", "pkce", "registration", "audience", "token", "forbidden"]
    {
        assert!(all.contains(&code), "{code}: {report}");
    }
    let seen = seen.lock().expect("one").clone();
    assert_eq!(seen.last().map(String::as_str), Some(WITH_TOOL));
    assert!(seen.contains(&"DELETE /mcp with a token".to_owned()), "{seen:?}");
    let tokens_elsewhere = seen.iter().filter(|key| key.contains("with a token") && !key.contains(" /mcp "));
    assert_eq!(tokens_elsewhere.count(), 0, "{seen:?}");

    let text = run(&url, Some(&token), &[]).await;
    let secret = token.rsplit('.').next().expect("a signature");
    assert!(text.stdout.contains("ok      pkce") && !text.stdout.contains(secret), "{}", text.stdout);
}

/// A change of a server, and what it causes: exit code, level, code.
type Case = (fn(&mut Answers, &str), i32, &'static str, &'static str);

fn set(answers: &mut Answers, document: &str, name: &str, value: Value) {
    let json = &mut answers.get_mut(document).expect("one").json;
    if value.is_null() {
        json.as_object_mut().expect("an object").remove(name);
    } else {
        json[name] = value;
    }
}

fn challenge(answers: &mut Answers, from: &str, to: &str) {
    let challenge = &mut answers.get_mut(NO_TOKEN).expect("one").challenge;
    assert!(challenge.contains(from), "{challenge}");
    *challenge = challenge.replace(from, to);
}

/// The faults of the endpoint.
const OF_ENDPOINT: &[Case] = &[
    (|answers, _| answers.get_mut(NO_TOKEN).expect("one").status = 200, 1, "fault", "open"),
    (|answers, _| answers.get_mut(NO_TOKEN).expect("one").status = 403, 1, "fault", "status"),
    (|answers, _| answers.get_mut(NO_TOKEN).expect("one").status = 500, 1, "fault", "status"),
    (|answers, _| answers.get_mut(NO_TOKEN).expect("one").status = 307, 1, "fault", "redirect"),
    (|answers, _| drop(answers.remove(NO_TOKEN)), 1, "fault", "no_endpoint"),
    (|answers, _| answers.get_mut(NO_TOKEN).expect("one").challenge.clear(), 1, "fault", "challenge"),
    (|answers, _| challenge(answers, "Bearer ", "Basic "), 1, "fault", "challenge"),
    (|answers, _| challenge(answers, "resource_metadata", "metadata"), 1, "fault", "resource_metadata"),
    (|answers, _| challenge(answers, "http://", ""), 1, "fault", "resource_metadata"),
    (|answers, _| challenge(answers, "http://127.0.0.1", "http://192.0.2.1"), 1, "fault", "resource_metadata"),
    (|answers, _| challenge(answers, "scope=\"orders:read\", ", ""), 0, "warning", "scope"),
    (|answers, _| challenge(answers, "Bearer ", "Bearer error=\"invalid_token\", "), 0, "warning", "error"),
    (|answers, _| challenge(answers, "orders:read", "orders:read offline_access"), 0, "warning", "offline_access"),
    (|answers, _| challenge(answers, "orders:read", "orders:read orders:all"), 0, "warning", "unknown_scope"),
    (
        |answers, _| {
            challenge(answers, "resource/mcp", "resource");
            let document = answers[DOCUMENT].clone();
            answers.insert(ROOT_DOCUMENT, document);
        },
        0,
        "warning",
        "metadata_address",
    ),
    (|answers, _| challenge(answers, "127.0.0.1", "localhost"), 0, "warning", "metadata_origin"),
];

/// The faults of the server's metadata.
const OF_DOCUMENT: &[Case] = &[
    (|answers, _| drop(answers.remove(DOCUMENT)), 1, "fault", "metadata"),
    (|answers, _| answers.get_mut(DOCUMENT).expect("one").status = 401, 1, "fault", "metadata"),
    (|answers, _| answers.get_mut(DOCUMENT).expect("one").json = json!([]), 1, "fault", "metadata"),
    (|answers, _| answers.get_mut(DOCUMENT).expect("one").headers.clear(), 0, "warning", "metadata_type"),
    (|answers, _| set(answers, DOCUMENT, "resource", Value::Null), 1, "fault", "resource"),
    (|answers, _| set(answers, DOCUMENT, "resource", json!("orders")), 1, "fault", "resource"),
    (|answers, base| set(answers, DOCUMENT, "resource", json!(format!("{base}/mcp/"))), 1, "fault", "resource"),
    (|answers, base| set(answers, DOCUMENT, "resource", json!(format!("{base}/other"))), 1, "fault", "resource"),
    (|answers, _| set(answers, DOCUMENT, "resource", json!("https://mcp.example.com/mcp")), 1, "fault", "resource"),
    (|answers, base| set(answers, DOCUMENT, "resource", json!(base)), 0, "warning", "resource"),
    (|answers, _| set(answers, DOCUMENT, "scopes_supported", Value::Null), 0, "warning", "scopes_supported"),
    (
        |answers, _| set(answers, DOCUMENT, "scopes_supported", json!(["offline_access"])),
        0,
        "warning",
        "offline_access",
    ),
    (|answers, _| set(answers, DOCUMENT, "bearer_methods_supported", Value::Null), 0, "warning", "bearer_methods"),
    (
        |answers, _| set(answers, DOCUMENT, "bearer_methods_supported", json!(["header", "query"])),
        1,
        "fault",
        "bearer_methods",
    ),
    (|answers, _| set(answers, DOCUMENT, "authorization_servers", json!([])), 1, "fault", "authorization_servers"),
    (|answers, _| set(answers, DOCUMENT, "authorization_servers", json!(["id"])), 1, "fault", "authorization_servers"),
    (
        |answers, _| set(answers, DOCUMENT, "authorization_servers", json!(["http://id.example.com"])),
        1,
        "fault",
        "authorization_servers",
    ),
    (|answers, base| set(answers, DOCUMENT, "authorization_servers", json!([base])), 1, "fault", "discovery"),
    (
        |answers, base| set(answers, DOCUMENT, "authorization_servers", json!([format!("{base}/id/")])),
        1,
        "fault",
        "issuer",
    ),
    (
        |answers, base| {
            let one = format!("{base}/id");
            set(answers, DOCUMENT, "authorization_servers", json!(vec![one; 6]));
        },
        0,
        "warning",
        "authorization_servers",
    ),
];

/// The faults of the authorization server.
const OF_LOGIN: &[Case] = &[
    (|answers, _| drop(answers.remove(LOGIN)), 1, "fault", "discovery"),
    (|answers, _| answers.get_mut(LOGIN).expect("one").json = json!("metadata"), 1, "fault", "discovery"),
    (|answers, _| set(answers, LOGIN, "issuer", json!("http://127.0.0.1/id")), 1, "fault", "issuer"),
    (|answers, _| set(answers, LOGIN, "issuer", Value::Null), 1, "fault", "issuer"),
    (|answers, _| set(answers, LOGIN, "token_endpoint", Value::Null), 1, "fault", "token_endpoint"),
    (|answers, _| set(answers, LOGIN, "code_challenge_methods_supported", json!(["plain"])), 1, "fault", "pkce"),
    (|answers, _| set(answers, LOGIN, "code_challenge_methods_supported", Value::Null), 1, "fault", "pkce"),
    (|answers, _| set(answers, LOGIN, "authorization_endpoint", Value::Null), 0, "ok", "machines_only"),
    (
        |answers, _| set(answers, LOGIN, "client_id_metadata_document_supported", json!(false)),
        0,
        "warning",
        "registration",
    ),
    (
        |answers, _| set(answers, LOGIN, "authorization_response_iss_parameter_supported", Value::Null),
        0,
        "warning",
        "iss",
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s12_01_s12_02_each_fault_has_its_code_and_its_remedy() {
    // Each case runs the command, so elsewhere than in CI only some are tried.
    let step = repeats(5, 1);
    let cases = [OF_ENDPOINT, OF_DOCUMENT, OF_LOGIN].concat();
    for (number, (change, code, level, name)) in cases.into_iter().enumerate().step_by(step) {
        let (service, _) = server(change).await;
        let (found, report) = check(&format!("{}/mcp", service.url()), None, &[]).await;
        assert_eq!(found, code, "case {number}, {name}: {report}");
        assert!(codes(&report, level).contains(&name), "case {number}, {level} {name}: {report}");
        for finding in report["findings"].as_array().expect("a list") {
            assert_eq!(finding["remedy"].is_string(), finding["level"] != "ok", "{finding}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s12_04_the_answers_to_a_token_are_checked() {
    let issuer = TestIssuer::with_system_clock();
    let metadata = r#"Bearer error="insufficient_scope", scope="orders:write""#;
    let granted = r#"Bearer error="insufficient_scope", scope="openid""#;
    let elsewhere = format!("{metadata}, resource_metadata=\"https://mcp.example.com/other\"");
    let cases: [(Answer, bool, i32, &str, &str); 8] = [
        (Answer::challenge(403, granted), true, 1, "fault", "forbidden_granted"),
        (Answer::challenge(403, elsewhere), true, 1, "fault", "forbidden_metadata"),
        (Answer::challenge(401, r#"Bearer error="invalid_token""#), true, 1, "fault", "token_refused"),
        (Answer::challenge(403, r#"Bearer error="insufficient_scope""#), true, 1, "fault", "forbidden_scope"),
        (Answer::challenge(403, metadata), true, 0, "warning", "forbidden_metadata"),
        (Answer::challenge(403, ""), true, 0, "ok", "forbidden"),
        (Answer::challenge(503, ""), true, 1, "fault", "status"),
        (Answer::json(json!({})), false, 1, "fault", "audience"),
    ];
    for (answer, is_for_it, code, level, name) in cases {
        let (service, _) = server(|answers, _| drop(answers.insert(WITH_TOKEN, answer))).await;
        let url = format!("{}/mcp", service.url());
        let audience = if is_for_it { url.clone() } else { format!("{}/other", service.url()) };
        let (found, report) = check(&url, Some(&issuer.token().audience(&audience).scope("openid").sign()), &[]).await;
        assert_eq!(found, code, "{name}: {report}");
        assert!(codes(&report, level).contains(&name), "{level} {name}: {report}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_answer_nothing_is_decided_and_odd_uses_are_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let closed = format!("http://{}/mcp", listener.local_addr().expect("an address"));
    drop(listener);
    let (code, report) = check(&closed, None, &[]).await;
    assert_eq!((code, codes(&report, "fault")), (3, vec!["unreachable"]));
    let (service, _) = server(|answers, _| set(answers, DOCUMENT, "authorization_servers", json!([closed]))).await;
    let (code, report) = check(&format!("{}/mcp", service.url()), None, &[]).await;
    assert_eq!((code, codes(&report, "fault")), (3, vec!["unreachable"]), "{report}");

    let url = format!("{}/mcp", service.url());
    for (url, token, more, part) in [
        ("http://mcp.example.com/mcp", None, &[][..], "not https"),
        ("mcp.example.com", None, &[], "not a URL"),
        (&format!("{url}#x"), None, &[], "fragment"),
        (&url, Some(""), &[], TOKEN),
        (&url, Some("a\nb"), &[], "no header"),
        (&url, Some("a.b.c"), &["--tool", "ü"], "--tool"),
        (&url, None, &["--tool", "x"], "--token-env"),
    ] {
        let output = run(url, token, more).await;
        assert!(output.code == 2 && output.stderr.contains(part), "{part}: {} {}", output.code, output.stderr);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s12_01_s12_03_a_service_of_the_library_has_no_fault_and_refuses_the_token_of_a_sibling() {
    let provider = Provider::start(&TestIssuer::with_system_clock()).await.expect("a port");
    answer_discovery(&provider);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/mcp", listener.local_addr().expect("an address"));
    let verifier = Verifier::new(oidc(provider.url()).audience(&url)).expect("a verifier");
    let metadata = ResourceMetadata::new(&url).expect("an address").scopes(["orders:read"]);
    let layer = AuthenticateLayer::builder(verifier).resource_metadata(metadata).build().expect("a layer");
    let routes = Routes::new().post("/mcp", scope("orders:read"), || async { "called" });
    let _service = Service::on(listener, protect(routes, layer).into());

    let good = provider.token().audience(&url);
    let token = good.clone().claim("scope", "orders:read").sign();
    let (code, report) = check(&url, Some(&token), &[]).await;
    assert_eq!((code, codes(&report, "fault")), (0, vec![]), "{report}");
    assert!(codes(&report, "ok").contains(&"audience"), "{report}");
    let (code, report) = check(&url, Some(&good.sign()), &[]).await;
    assert!(code == 0 && codes(&report, "ok").contains(&"forbidden"), "{report}");
    assert!(report.to_string().contains("it needs: orders:read"), "{report}");
    let sibling = provider.token().audience(format!("{url}2")).claim("scope", "orders:read").sign();
    let (code, report) = check(&url, Some(&sibling), &[]).await;
    assert_eq!((code, codes(&report, "fault")), (1, vec!["audience", "token_refused"]), "{report}");
}

/// A token that lacks the scope of one tool: the challenge names what to request, and a token that has it is not refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s12_01_s12_02_s12_04_the_challenge_of_the_mcp_layer_for_a_missing_scope_has_no_fault() {
    let provider = Provider::start(&TestIssuer::with_system_clock()).await.expect("a port");
    answer_discovery(&provider);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/mcp", listener.local_addr().expect("an address"));
    let mcp = McpLayer::builder(&url, oidc(provider.url()))
        .every_request(scope("orders:read"))
        .tool("delete_order", scope("orders:write"))
        .tool("close_shop", role("manager"))
        .server_compares_headers_with_body()
        .build()
        .expect("a layer");
    let _service = Service::on(listener, mcp.router(any(|| async { "called" })));
    let token = |scopes: &str| provider.token().audience(&url).claim("scope", scopes).sign();

    let reader = token("orders:read");
    let (code, report) = check(&url, Some(&reader), &["--tool", "delete_order"]).await;
    assert_eq!((code, codes(&report, "fault"), codes(&report, "warning")), (0, vec![], vec!["iss"]), "{report}");
    assert!(codes(&report, "ok").contains(&"forbidden"), "{report}");
    let needed = "403 for the tool delete_order; it needs: orders:write orders:read";
    assert!(report.to_string().contains(needed), "{report}");
    let (code, report) = check(&url, Some(&token("orders:read orders:write")), &["--tool", "delete_order"]).await;
    assert_eq!((code, codes(&report, "fault")), (0, vec![]), "{report}");
    assert!(codes(&report, "ok").contains(&"tool"), "{report}");
    // A role is nothing that a client can request.
    let (code, report) = check(&url, Some(&reader), &["--tool", "close_shop"]).await;
    assert_eq!((code, codes(&report, "fault")), (0, vec![]), "{report}");
    assert!(report.to_string().contains("403 for the tool close_shop without insufficient_scope"), "{report}");
}

fn answer_discovery(provider: &Provider) {
    let discovery = json!({
        "issuer": provider.url(), "jwks_uri": provider.jwks_url(), "token_endpoint": format!("{}/token", provider.url()),
        "authorization_endpoint": format!("{}/login", provider.url()), "code_challenge_methods_supported": ["S256"],
        "registration_endpoint": format!("{}/clients", provider.url()),
    });
    provider.answer_discovery_with(200, discovery.to_string(), &[("content-type", "application/json")]);
}
