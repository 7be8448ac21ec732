//! Plain HTTP inside a cluster, origins that are not bound, and the answers of handlers whose calls fail.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use countersign::authenticate::CallerToken;
use countersign::clock::{SystemClock, UnixTime};
use countersign::outbound::{ClientCredentials, Outbound, OutboundContext, OutboundError, StaticToken, TokenSource};
use countersign_test::ManualClock;
use tower::ServiceExt;

use crate::calls::Recorder;
use crate::servers::{Server, granted, json, unauthorized};

/// The address of a server on loopback by a name that is not loopback's.
fn in_cluster(server: &Server) -> String {
    format!("http://0.0.0.0:{}", server.port())
}

fn fields(error: &countersign::error::ConfigError) -> Vec<&str> {
    error.faults().iter().map(|fault| fault.field.rsplit(": ").next().expect("a field")).collect()
}

#[tokio::test]
async fn plain_http_in_a_cluster_needs_a_danger_is_logged_once_and_is_forbidden_by_deny_danger() {
    let listening = Server::listen().await;
    let address = listening.url().replace("127.0.0.1", "0.0.0.0");
    let service = listening.answer(move |_, seen| match seen.uri.path().starts_with("/.well-known/") {
        true => {
            json(200, serde_json::json!({ "issuer": address, "token_endpoint": format!("{address}/t") }).to_string())
        }
        false => granted("t", 60),
    });
    let target = Server::start(|_, _| json(200, "{}".into())).await;
    let (http, origin, issuer) = (reqwest::Client::new(), in_cluster(&target), in_cluster(&service));
    let source = || ClientCredentials::from_issuer(&issuer).client("orders", "s3cret-value");
    let endpoint = || ClientCredentials::from_token_endpoint(format!("{issuer}/t")).client("orders", "s3cret-value");

    let refused = Outbound::builder(http.clone()).bind(&origin, source()).build().expect_err("no danger");
    assert_eq!(fields(&refused), ["issuer", "origin"]);
    assert!(refused.to_string().contains("danger_allow_plain_http"), "{refused}");
    let refused = Outbound::builder(http.clone()).bind(&origin, endpoint()).build().expect_err("no danger");
    assert_eq!(fields(&refused), ["token_endpoint", "origin"]);

    for source in [source(), endpoint()] {
        let (recorder, _guard) = Recorder::begin();
        let source = Arc::new(source.danger_allow_plain_http());
        let builder = || Outbound::builder(http.clone()).bind(&origin, Arc::clone(&source)).danger_allow_plain_http();
        let denied = builder().deny_danger().build().expect_err("denied");
        assert_eq!(fields(&denied), ["danger", "danger"]);
        let outbound = builder().build().expect("bound");
        outbound.send(http.get(&origin)).await.expect("sent");
        assert_eq!(target.seen().last().and_then(|seen| seen.header("authorization")), Some("Bearer t"));
        let context = OutboundContext::new(Arc::new(SystemClock));
        assert!(source.attach(&context).is_empty(), "a second binding");
        assert_eq!(
            recorder.text().matches("plain http is allowed").count(),
            2,
            "one for the origins, one for the source"
        );
    }
}

#[tokio::test]
async fn an_unbound_origin_is_named_with_those_that_are_bound_and_a_near_miss() {
    let http = reqwest::Client::new();
    let token = || StaticToken::new("a-token".into());
    let mut builder = Outbound::builder(http.clone()).bind("http://127.0.0.1:8080", token());
    for number in 0..20 {
        builder = builder.bind(format!("https://service-{number}.test"), token());
    }
    let outbound = builder.build().expect("bound");
    let (recorder, _guard) = Recorder::begin();
    for (url, expected) in [
        ("http://localhost:8080/x?y=secret", "localhost and its addresses are different origins"),
        ("https://127.0.0.1:8080/", "the scheme differs"),
        ("https://service-1.test:8443/", "the port differs"),
        ("http://service-2.test/", "the scheme differs"),
        ("https://elsewhere.test/", "bind one"),
    ] {
        let error = outbound.send(http.get(url)).await.expect_err(url).to_string();
        assert!(error.contains(expected), "{url}: {error}");
        assert!(error.contains("http://127.0.0.1:8080, https://service-0.test:443"), "{error}");
        assert!(error.contains("13 more") && error.len() < 700 && !error.contains("secret"), "{error}");
    }
    let recorded = recorder.text();
    assert!(recorded.contains("its origin is not bound") && recorded.contains("http://localhost:8080"), "{recorded}");
    assert!(!recorded.contains("secret"));
    let unbound = Outbound::builder(http.clone()).build().expect("nothing");
    let error = unbound.send(http.get("https://a.test/")).await.expect_err("unbound").to_string();
    assert!(error.contains("https://a.test:443") && error.contains("bound: nothing"), "{error}");
}

/// The answer of a handler that calls `target` with `?`.
pub(crate) async fn answer_of(outbound: Outbound, url: String) -> (u16, axum::http::HeaderMap, String) {
    let handler = move || async move {
        outbound.send(reqwest::Client::new().get(&url)).await?;
        Ok::<_, OutboundError>("sent")
    };
    let request = axum::http::Request::get("/").body(Body::empty()).expect("a request");
    let response = Router::new().route("/", get(handler)).oneshot(request).await.expect("answered");
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, 64 * 1024).await.expect("a body");
    (parts.status.as_u16(), parts.headers, String::from_utf8(body.to_vec()).expect("text"))
}

#[tokio::test]
async fn a_failed_call_is_answered_without_a_word_of_the_other_service() {
    let step_up = r#"Bearer error="insufficient_user_authentication", acr_values="gold", max_age="5", error_description="inside""#;
    let ok = || Server::start(|_, _| json(200, "{}".into()));
    let asks = || Server::start(move |_, _| unauthorized(step_up));
    const TOKEN: &str = r#"{"access_token":"t","token_type":"Bearer",
        "issued_token_type":"urn:ietf:params:oauth:token-type:access_token"}"#;
    let ann = CallerToken::unverified(&"ann".into(), UnixTime::from_secs(2000));
    for (token_status, body, target, caller, expected) in [
        (503, r#"{"error":"inside"}"#, ok().await, None, (503, "upstream_unavailable")),
        (
            400,
            r#"{"error":"invalid_client","error_description":"inside"}"#,
            ok().await,
            None,
            (502, "upstream_refused"),
        ),
        (200, "<html>inside</html>", ok().await, None, (502, "upstream_refused")),
        (200, TOKEN, asks().await, Some(&ann), (401, "insufficient_user_authentication")),
        // Of this service itself, no login of the caller's meets the challenge.
        (200, TOKEN, asks().await, None, (502, "upstream_refused")),
    ] {
        let issuer = Server::start(move |_, _| {
            let mut answer = json(token_status, body.into());
            answer.headers_mut().insert("retry-after", "17".parse().expect("a value"));
            answer
        })
        .await;
        let source = ClientCredentials::from_token_endpoint(&issuer.url).client("orders", "s3cret-value");
        let clock = Arc::new(ManualClock::new(UnixTime::from_secs(1000)));
        let outbound = Outbound::builder(reqwest::Client::new()).clock(clock).bind(&target.url, source);
        let outbound = outbound.build().expect("bound");
        let outbound = caller.map_or_else(|| outbound.clone(), |caller| outbound.on_behalf_of(caller));
        let (status, headers, body) = answer_of(outbound, target.url.clone()).await;
        assert_eq!(status, expected.0, "{body}");
        assert!(body.contains(&format!(r#""code":"{}""#, expected.1)), "{body}");
        assert_eq!(headers["content-type"], "application/problem+json");
        assert_eq!(headers["cache-control"], "no-store");
        assert_eq!(
            headers.get("retry-after").map(|wait| wait.to_str().expect("text")),
            (status == 503).then_some("17")
        );
        let challenge = headers.get("www-authenticate").map(|value| value.to_str().expect("text").to_owned());
        assert_eq!(challenge.is_some(), status == 401);
        if let Some(challenge) = &challenge {
            assert!(challenge.contains(r#"acr_values="gold", max_age="5""#), "{challenge}");
        }
        let all = format!("{headers:?}{body}");
        for inside in ["inside", "127.0.0.1", "invalid_client", "s3cret"] {
            assert!(!all.contains(inside), "{inside}: {all}");
        }
    }
    // Nobody there: 503, and a call of this service's own making that cannot be sent: 500.
    let gone = Server::listen().await.url();
    let token = || StaticToken::new("a-token".into());
    let outbound = Outbound::builder(reqwest::Client::new()).bind(&gone, token()).build().expect("bound");
    let (status, headers, body) = answer_of(outbound.clone(), gone).await;
    assert_eq!((status, headers["retry-after"].to_str().ok()), (503, Some("1")), "{body}");
    let (status, _, body) = answer_of(outbound, "https://elsewhere.test/".into()).await;
    assert_eq!(status, 500);
    assert!(body.contains("internal_error") && !body.contains("elsewhere"), "{body}");
    let expired = CallerToken::unverified(&"e30.e30.AA".into(), UnixTime::from_secs(1));
    let target = ok().await;
    let source = ClientCredentials::from_token_endpoint(&target.url).client("orders", "s3cret-value");
    let outbound = Outbound::builder(reqwest::Client::new()).bind(&target.url, source).build().expect("bound");
    let (status, headers, body) = answer_of(outbound.on_behalf_of(&expired), target.url.clone()).await;
    assert_eq!(status, 401, "{body}");
    assert!(headers["www-authenticate"].to_str().expect("text").contains(r#"error="invalid_token""#));
    assert_eq!(target.count(), 0);
}
