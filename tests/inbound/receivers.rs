//! Receivers of revocations: back-channel logout and shared signals.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use countersign::clock::Clock;
use countersign::prelude::*;
use countersign::receivers::{LogoutReceiver, SignalReceiver};
use countersign::response::Detail;
use countersign::revocation::{RevocationList, RevocationNotice, RevocationSink, SinkError, SinkFuture};
use countersign_test::{TestIssuer, TokenDraft};
use countersign_tests::http::{Answer, Service};
use serde_json::{Value, json};

use crate::app::{good, who};

const HOUR: Duration = Duration::from_secs(3600);
const CLIENT: &str = "web-shop";
const STREAM: &str = "https://shop.test/signals";
const LOGOUT: &str = "http://schemas.openid.net/event/backchannel-logout";
const CAEP: &str = "https://schemas.openid.net/secevent/caep/event-type/";

/// A service with both receivers and one list.
struct Shop {
    issuer: TestIssuer,
    service: Service,
    list: Arc<RevocationList>,
}

impl Shop {
    async fn new(whole_subject: bool) -> Self {
        let issuer = TestIssuer::new();
        let list = Arc::new(RevocationList::new());
        let verifier = issuer.verifier_for("api");
        let logout = LogoutReceiver::new(&verifier, CLIENT, Arc::clone(&list), HOUR).expect("settings");
        let logout = if whole_subject { logout.whole_subject() } else { logout };
        let signals = SignalReceiver::new(&verifier, STREAM, Arc::clone(&list), HOUR).expect("settings");
        let layer = AuthenticateLayer::builder(verifier).revocation(Arc::clone(&list)).detail(Detail::Code);
        let app = Router::new().route("/", get(who)).layer(layer.build().expect("a layer"));
        let app = app.route("/logout", logout.route()).route("/signals", signals.route());
        Shop { issuer, service: Service::start(app).await, list }
    }

    /// A logout token that is accepted.
    fn logout_token(&self) -> TokenDraft {
        let draft = self.issuer.token().subject("u1").audience(CLIENT).lifetime(Duration::from_secs(120));
        let draft = draft.header("typ", "logout+jwt").claim("events", json!({ LOGOUT: {} }));
        draft.claim("jti", unique()).claim("sid", "s1").without_claim("client_id")
    }

    /// A token of shared signals that is accepted.
    fn signal(&self, event: &str) -> TokenDraft {
        let subject = json!({ "format": "iss_sub", "iss": self.issuer.name(), "sub": "u1" });
        let draft = self.issuer.token().audience(STREAM).header("typ", "secevent+jwt").claim("jti", unique());
        let draft = draft.without_claim("exp").without_claim("sub").without_claim("client_id");
        draft.claim("sub_id", subject).claim("events", json!({ format!("{CAEP}{event}"): {} }))
    }

    async fn log_out(&self, token: &str) -> Answer {
        self.post("/logout", "application/x-www-form-urlencoded", &format!("logout_token={token}")).await
    }

    async fn send(&self, token: &str) -> Answer {
        self.post("/signals", "application/secevent+jwt", token).await
    }

    async fn post(&self, path: &str, kind: &str, body: &str) -> Answer {
        let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: {kind}\r\n");
        self.service.send(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes()).await
    }

    async fn status(&self, token: &str) -> u16 {
        self.service.get("/", token).await.status
    }
}

fn unique() -> String {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    format!("event-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

#[tokio::test]
async fn s14_10_a_logout_ends_its_session_or_its_subjects_tokens_up_to_then() {
    let shop = Shop::new(false).await;
    let token = |sid: &str| good(&shop.issuer).claim("sid", sid).claim("jti", unique()).sign();
    let (first, second) = (token("s1"), token("s2"));
    assert_eq!((shop.status(&first).await, shop.status(&second).await), (200, 200));
    let answer = shop.log_out(&shop.logout_token().sign()).await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")), "{answer:?}");
    assert_eq!((shop.status(&first).await, shop.status(&second).await), (401, 200), "the session");
    shop.issuer.clock().advance(Duration::from_secs(2));
    let without_typ = shop.logout_token().without_header("typ").without_claim("sid").sign();
    assert_eq!(shop.log_out(&without_typ).await.status, 200);
    let other = good(&shop.issuer).subject("u2").claim("jti", unique()).sign();
    assert_eq!((shop.status(&second).await, shop.status(&other).await), (401, 200), "the subject");
    shop.issuer.clock().advance(Duration::from_secs(2));
    assert_eq!(shop.status(&token("s3")).await, 200, "a new login");
    let of_session = shop.logout_token().without_claim("sub").claim("sid", "s9").sign();
    assert_eq!(shop.log_out(&of_session).await.status, 200, "a session is enough");
    assert_eq!(shop.list.len(), 3);

    let shop = Shop::new(true).await;
    let token = good(&shop.issuer).sign();
    assert_eq!(shop.log_out(&shop.logout_token().sign()).await.status, 200);
    assert_eq!(shop.status(&token).await, 401, "without sid, of the same second, at a receiver for whole subjects");
}

/// Each token that is broken in one way is refused, and the one that is not is taken.
#[tokio::test]
async fn s14_10_each_check_of_a_logout_token() {
    let shop = Shop::new(false).await;
    let stranger = TestIssuer::new().with_name("https://stranger.test");
    let now = shop.issuer.clock().now().as_secs();
    let broken: Vec<(&str, &str, TokenDraft)> = vec![
        ("typ", "wrong_type", shop.logout_token().header("typ", "JWT")),
        ("typ of access tokens", "wrong_type", shop.logout_token().header("typ", "at+jwt")),
        ("typ of signals", "wrong_type", shop.logout_token().header("typ", "secevent+jwt")),
        ("no iss", "missing_claim", shop.logout_token().without_claim("iss")),
        ("iss", "unknown_issuer", shop.logout_token().claim("iss", stranger.name())),
        ("no aud", "wrong_audience", shop.logout_token().without_claim("aud")),
        ("aud of the API", "wrong_audience", shop.logout_token().claim("aud", "api")),
        ("no iat", "missing_claim", shop.logout_token().without_claim("iat")),
        ("iat later", "issued_in_future", shop.logout_token().claim("iat", now + 600)),
        ("no exp", "missing_claim", shop.logout_token().without_claim("exp")),
        ("expired", "expired", shop.logout_token().claim("exp", now - 600)),
        ("nbf later", "not_yet_valid", shop.logout_token().claim("nbf", now + 600)),
        ("no jti", "missing_claim", shop.logout_token().without_claim("jti")),
        ("empty jti", "missing_claim", shop.logout_token().claim("jti", "")),
        ("no events", "missing_claim", shop.logout_token().without_claim("events")),
        ("other events", "wrong_type", shop.logout_token().claim("events", json!({ "x": {} }))),
        ("event is no object", "wrong_type", shop.logout_token().claim("events", json!({ LOGOUT: true }))),
        ("events is no object", "invalid_claim", shop.logout_token().claim("events", json!([LOGOUT]))),
        ("neither sub nor sid", "missing_claim", shop.logout_token().without_claim("sub").without_claim("sid")),
        ("sid is a number", "invalid_claim", shop.logout_token().claim("sid", 7)),
        ("nonce", "invalid_claim", shop.logout_token().claim("nonce", "n")),
        ("long sid", "invalid_claim", shop.logout_token().claim("sid", "s".repeat(2_000))),
    ];
    for (name, reason, draft) in broken {
        let answer = shop.log_out(&draft.sign()).await;
        assert_eq!((answer.status, answer.header("cache-control")), (400, Some("no-store")), "{name}: {answer:?}");
        let expected = json!({ "error": "invalid_request", "error_description": reason });
        assert_eq!(answer.json(), expected, "{name}");
        assert!(shop.list.is_empty(), "{name}");
    }
    // A key that is not the issuer's, an algorithm that is not on its list, and what is no token.
    let draft = shop.logout_token();
    let (head, _) =
        draft.sign().rsplit_once('.').map(|(head, end)| (head.to_owned(), end.to_owned())).expect("a token");
    let forged = format!("{head}.{}", stranger.token().sign().rsplit_once('.').expect("a token").1);
    for body in [forged, format!("{head}."), "x".to_owned(), String::new(), good(&shop.issuer).sign()] {
        assert_eq!(shop.log_out(&body).await.status, 400, "{body}");
    }
    assert_eq!((shop.log_out(&draft.sign()).await.status, shop.list.len()), (200, 1), "their twin");
}

#[tokio::test]
async fn s14_10_a_logout_token_counts_once_and_its_request_is_a_form() {
    let shop = Shop::new(false).await;
    let token = shop.logout_token().sign();
    for (kind, body) in [
        ("application/json", format!("logout_token={token}")),
        ("application/x-www-form-urlencoded", format!("token={token}")),
        ("application/x-www-form-urlencoded", format!("logout_token={token}&logout_token={token}")),
        ("application/x-www-form-urlencoded", format!("logout_token={}", "x".repeat(200_000))),
    ] {
        assert_eq!(shop.post("/logout", kind, &body).await.status, 400, "{kind}");
    }
    assert_eq!(shop.service.request("GET /logout", &[]).await.status, 405);
    assert_eq!(shop.log_out(&token).await.status, 200);
    assert_eq!(shop.log_out(&token).await.status, 400, "the same token again");
    let again = shop.logout_token().claim("jti", "same").sign();
    let other = shop.logout_token().claim("jti", "same").claim("sid", "s2").sign();
    assert_eq!((shop.log_out(&again).await.status, shop.log_out(&other).await.status), (200, 400), "the same jti");
}

/// A sink that is unavailable at first.
#[derive(Debug, Default)]
struct Late(AtomicBool);

impl RevocationSink for Late {
    fn revoke(&self, _: RevocationNotice) -> SinkFuture {
        let is_there = self.0.swap(true, Ordering::SeqCst);
        let answer = if is_there { Ok(()) } else { Err(SinkError::Unavailable("it starts".to_owned())) };
        Box::pin(std::future::ready(answer))
    }
}

#[tokio::test]
async fn s14_10_s14_11_without_its_sink_a_receiver_asks_for_another_attempt() {
    let shop = Shop::new(false).await;
    let verifier = shop.issuer.verifier_for("api");
    let sink = Arc::new(Late::default());
    let logout = LogoutReceiver::new(&verifier, CLIENT, Arc::clone(&sink), HOUR).expect("settings");
    let full = Arc::new(RevocationList::new().max_entries(0));
    let signals = SignalReceiver::new(&verifier, STREAM, full, HOUR).expect("settings");
    let app = Router::new().route("/logout", logout.route()).route("/signals", signals.route());
    let late = Shop { service: Service::start(app).await, issuer: shop.issuer, list: shop.list };
    let token = late.logout_token().sign();
    let answer = late.log_out(&token).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")), "{answer:?}");
    assert_eq!(late.log_out(&token).await.status, 200, "the same token, which was not taken before");
    let answer = late.send(&late.signal("session-revoked").sign()).await;
    assert_eq!((answer.status, answer.json()["err"].as_str()), (503, Some("temporarily_unavailable")));
}

#[tokio::test]
async fn s14_11_events_end_the_tokens_of_their_subject_and_others_are_acknowledged() {
    for event in ["session-revoked", "token-claims-change", "credential-change"] {
        let shop = Shop::new(false).await;
        let (token, other) = (good(&shop.issuer).sign(), good(&shop.issuer).subject("u2").sign());
        shop.issuer.clock().advance(Duration::from_secs(2));
        let answer = shop.send(&shop.signal(event).sign()).await;
        assert_eq!((answer.status, answer.header("cache-control")), (202, Some("no-store")), "{event}: {answer:?}");
        assert_eq!((shop.status(&token).await, shop.status(&other).await), (401, 200), "{event}");
    }
    let shop = Shop::new(false).await;
    let name = shop.issuer.name().to_owned();
    let session = json!({ "format": "complex", "session": { "format": "opaque", "id": "s1" },
                          "user": { "format": "iss_sub", "iss": name, "sub": "u1" } });
    let revoked = |subject: Value| shop.signal("session-revoked").claim("sub_id", subject);
    let earlier = json!({ format!("{CAEP}session-revoked"): { "event_timestamp": 5 } });
    for (what, draft, entries) in [
        ("another event", shop.signal("device-compliance-change"), 0),
        ("verification of the stream", shop.signal("../../ssf/event-type/verification").without_claim("sub_id"), 0),
        ("another issuer's subject", revoked(json!({ "format": "iss_sub", "iss": "https://x.test", "sub": "u1" })), 0),
        ("another format", revoked(json!({ "format": "email", "email": "u1@x.test" })), 0),
        ("long ago", shop.signal("session-revoked").claim("events", earlier), 0),
        ("a session", revoked(session), 1),
    ] {
        assert_eq!(shop.send(&draft.sign()).await.status, 202, "{what}");
        assert_eq!(shop.list.len(), entries, "{what}");
    }
    assert_eq!(shop.status(&good(&shop.issuer).claim("sid", "s1").sign()).await, 401);
}

#[tokio::test]
async fn s14_11_each_check_of_a_signal() {
    let shop = Shop::new(false).await;
    let now = shop.issuer.clock().now().as_secs();
    let signal = || shop.signal("session-revoked");
    let broken: Vec<(&str, &str, TokenDraft)> = vec![
        ("no typ", "invalid_request", signal().without_header("typ")),
        ("typ", "invalid_request", signal().header("typ", "logout+jwt")),
        ("iss", "invalid_issuer", signal().claim("iss", "https://stranger.test")),
        ("aud", "invalid_audience", signal().claim("aud", "api")),
        ("exp", "invalid_request", signal().claim("exp", now + 60)),
        ("no iat", "invalid_request", signal().without_claim("iat")),
        ("iat later", "invalid_request", signal().claim("iat", now + 600)),
        ("no jti", "invalid_request", signal().without_claim("jti")),
        ("no events", "invalid_request", signal().without_claim("events")),
        ("empty events", "invalid_request", signal().claim("events", json!({}))),
        (
            "event is no object",
            "invalid_request",
            signal().claim("events", json!({ format!("{CAEP}session-revoked"): 1 })),
        ),
        ("no sub_id", "invalid_request", signal().without_claim("sub_id")),
        ("sub_id is no object", "invalid_request", signal().claim("sub_id", "u1")),
        (
            "no sub in it",
            "invalid_request",
            signal().claim("sub_id", json!({ "format": "iss_sub", "iss": shop.issuer.name() })),
        ),
    ];
    for (name, err, draft) in broken {
        let answer = shop.send(&draft.sign()).await;
        assert_eq!((answer.status, answer.json()["err"].as_str()), (400, Some(err)), "{name}: {answer:?}");
        assert!(answer.json()["description"].is_string() && shop.list.is_empty(), "{name}");
    }
    let token = signal().sign();
    let (head, _) = token.rsplit_once('.').expect("a token");
    let answer = shop.send(&format!("{head}.AAAA")).await;
    assert_eq!((answer.status, answer.json()["err"].as_str()), (400, Some("invalid_key")));
    assert_eq!(shop.post("/signals", "application/jwt", &token).await.status, 400);
    assert_eq!((shop.send(&token).await.status, shop.send(&token).await.status), (202, 400), "once");
    assert_eq!(shop.list.len(), 1);
}

/// Bytes of untrusted clients: always a response, and nothing revoked.
#[tokio::test]
async fn s14_10_s14_11_no_bytes_revoke_anything_or_end_a_receiver() {
    let shop = Shop::new(false).await;
    let mut random = fastrand::Rng::with_seed(9);
    for number in 0..countersign_tests::repeats(200, 5_000) {
        let (token, path, kind) = if number.is_multiple_of(2) {
            (shop.logout_token().sign(), "/logout", "application/x-www-form-urlencoded")
        } else {
            (shop.signal("session-revoked").sign(), "/signals", "application/secevent+jwt")
        };
        let mut bytes = if number.is_multiple_of(2) { format!("logout_token={token}") } else { token }.into_bytes();
        // Between the start of the header and the end of the payload, or anywhere.
        for _ in 0..random.usize(1..4) {
            let place = random.usize(13..bytes.len() - 4);
            let byte = *random.choice(b"AZaz09-_.{}\"\\%=&").expect("some");
            if bytes[place] == byte {
                bytes[place] = b'!';
            } else {
                bytes[place] = byte;
            }
        }
        let body = String::from_utf8(bytes).expect("ASCII");
        assert_eq!(shop.post(path, kind, &body).await.status, 400, "{body}");
    }
    assert!(shop.list.is_empty());
}

/// A logout token of oidc-provider, a certified OpenID provider, as it posts it itself.
#[cfg(has_node)]
#[tokio::test(flavor = "multi_thread")]
async fn s14_10_oidc_provider_logs_a_session_out() {
    use countersign_tests::peers::OpenIdProvider;

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = format!("http://{}/logout", listener.local_addr().expect("an address"));
    let provider = OpenIdProvider::start_with("ES256", &[("LOGOUT_URI", &address)]);
    let verifier = Verifier::new(oidc(provider.issuer()).audience("https://orders.test")).expect("a verifier");
    let list = Arc::new(RevocationList::new());
    let logout = LogoutReceiver::new(&verifier, "svc-basic", Arc::clone(&list), HOUR).expect("settings");
    let _service = Service::on(listener, Router::new().route("/logout", logout.route()));
    let sent =
        tokio::task::spawn_blocking(move || provider.control("logout?sub=ann&sid=s1")).await.expect("it answers");
    assert_eq!((sent["taken"].as_bool(), list.len()), (Some(true), 1), "{sent}");
}
