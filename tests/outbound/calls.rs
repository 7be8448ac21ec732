//! Where tokens go, and what a refusal leads to.

use countersign::authenticate::{AuthenticateLayer, CallerToken};
use countersign::outbound::{ClientCredentials, Outbound};
use countersign::prelude::Verifier;
use countersign_test::TestIssuer;
use tower::{Layer, ServiceExt};

use crate::servers::{Server, json, unauthorized};

const INVALID: &str = r#"Bearer error="invalid_token""#;

fn bound(issuer: &Server, target: &Server) -> (Outbound, reqwest::Client) {
    let http = reqwest::Client::new();
    let source = ClientCredentials::from_token_endpoint(&issuer.url).client("orders", String::from("s3cret-value"));
    (Outbound::builder(http.clone()).bind(&target.url, source).build().expect("bound"), http)
}

#[tokio::test]
async fn s7_15_s7_17_unbound_origins_and_set_headers_are_refused_before_sending() {
    let (issuer, target) = (Server::issuing().await, Server::start(|_, _| json(200, "{}".into())).await);
    let (outbound, http) = bound(&issuer, &target);
    for unbound in ["http://localhost:1/", "https://127.0.0.1/", "http://127.0.0.1.evil.test/"] {
        let error = outbound.send(http.get(unbound)).await.expect_err(unbound);
        assert_eq!(error.code(), "origin_not_bound");
    }
    let error = outbound.send(http.get(&target.url).basic_auth("x", Some("y"))).await.expect_err("set");
    assert_eq!(error.code(), "authorization_already_set");
    assert_eq!((issuer.count(), target.count()), (0, 0));
}

#[tokio::test]
async fn s7_16_a_redirect_elsewhere_loses_the_token() {
    for status in [302, 307, 308] {
        let issuer = Server::issuing().await;
        let thief = Server::start(|_, _| unauthorized(INVALID)).await;
        let to = thief.url.clone();
        let target = Server::start(move |_, _| {
            let mut answer = json(status, String::new());
            answer.headers_mut().insert("location", to.parse().expect("a value"));
            answer
        })
        .await;
        let (outbound, http) = bound(&issuer, &target);
        outbound.send(http.get(&target.url)).await.expect("an answer");
        assert_eq!((target.count(), thief.count(), issuer.count()), (1, 1, 1), "no resend either");
        assert_eq!(target.seen()[0].header("authorization"), Some("Bearer token-0"));
        assert_eq!(thief.seen()[0].header("authorization"), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s7_18_a_permanent_401_is_two_sends_and_one_renewal() {
    let (issuer, target) = (Server::issuing().await, Server::start(|_, _| unauthorized(INVALID)).await);
    let (outbound, http) = bound(&issuer, &target);
    let answer = outbound.send(http.get(&target.url)).await.expect("an answer");
    assert_eq!((answer.status().as_u16(), target.count(), issuer.count()), (401, 2, 2));

    let (issuer, target) = (Server::issuing().await, Server::start(|_, _| unauthorized(INVALID)).await);
    let (outbound, http) = bound(&issuer, &target);
    let calls: Vec<_> = (0..100)
        .map(|_| {
            let (outbound, request) = (outbound.clone(), http.get(&target.url));
            tokio::spawn(async move { outbound.send(request).await.expect("an answer").status().as_u16() })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.expect("no panic"), 401);
    }
    assert!(target.count() <= 200);
    assert_eq!(issuer.count(), 2, "the first token and one renewal");
}

#[tokio::test]
async fn s7_19_a_buffered_body_is_sent_again_byte_for_byte() {
    let issuer = Server::issuing().await;
    let target = Server::start(|n, _| if n == 0 { unauthorized(INVALID) } else { json(200, "{}".into()) }).await;
    let (outbound, http) = bound(&issuer, &target);
    let answer = outbound.send(http.post(&target.url).body("exactly this")).await.expect("an answer");
    assert_eq!(answer.status(), 200);
    assert!(target.seen().iter().all(|seen| seen.body == "exactly this"));
    assert_eq!(target.seen()[1].header("authorization"), Some("Bearer token-1"));
}

#[tokio::test]
async fn s7_20_what_a_new_token_cannot_mend_is_told() {
    let issuer = Server::issuing().await;
    let scope = r#"Bearer error="insufficient_scope""#;
    let target = Server::start(move |n, _| match n {
        0 => {
            let mut answer = unauthorized(scope);
            *answer.status_mut() = axum::http::StatusCode::FORBIDDEN;
            answer
        }
        _ => unauthorized(r#"Bearer error="insufficient_user_authentication", acr_values="gold", max_age=5"#),
    })
    .await;
    let (outbound, http) = bound(&issuer, &target);
    assert_eq!(outbound.send(http.get(&target.url)).await.expect("an answer").status(), 403);
    let error = outbound.send(http.get(&target.url)).await.expect_err("step up");
    let step_up = error.required_step_up().expect("the required step-up");
    assert_eq!((step_up.acr_values.join(" "), step_up.max_age.map(|age| age.as_secs())), ("gold".into(), Some(5)));
    assert_eq!((issuer.count(), target.count()), (1, 2));
}

#[tokio::test]
async fn s7_22_s7_24_a_caller_is_exchanged_and_never_forwarded() {
    let provider = TestIssuer::with_system_clock();
    let inbound = provider.token().subject("ann").audience("orders").sign();
    let caller = caller(&provider, &inbound).await;
    assert!(!format!("{caller:?}").contains(&inbound));
    let target = Server::start(|_, _| json(200, "{}".into())).await;

    let issuer = Server::issuing().await;
    let (outbound, http) = bound(&issuer, &target);
    outbound.on_behalf_of(&caller).send(http.get(&target.url)).await.expect("an answer");
    let body = &issuer.seen()[0].body;
    assert!(body.starts_with("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&"), "{body}");
    assert!(body.contains(&format!("&subject_token={inbound}&subject_token_type=")), "{body}");
    assert_eq!(target.seen()[0].header("authorization"), Some("Bearer token-0"));

    let refusing = Server::start(|_, _| json(400, r#"{"error":"invalid_target"}"#.into())).await;
    let (outbound, http) = bound(&refusing, &target);
    let error = outbound.on_behalf_of(&caller).send(http.get(&target.url)).await.expect_err("refused");
    assert_eq!((error.code(), error.oauth_error()), ("token_refused", Some("invalid_target")));
    assert_eq!(target.count(), 1, "nothing was sent");
}

pub async fn caller(provider: &TestIssuer, token: &str) -> CallerToken {
    kept_by(provider.verifier_for("orders"), token).await
}

/// What a layer that keeps callers' tokens leaves on the request of this one.
pub async fn kept_by(verifier: Verifier, token: &str) -> CallerToken {
    let keep = tower::service_fn(|request: axum::http::Request<()>| async move {
        let caller = request.extensions().get::<CallerToken>().cloned();
        let mut answer = axum::http::Response::new(axum::body::Bytes::new());
        answer.extensions_mut().extend(
            caller
                .map(|caller| {
                    let mut extensions = axum::http::Extensions::new();
                    extensions.insert(caller);
                    extensions
                })
                .unwrap_or_default(),
        );
        Ok::<_, std::convert::Infallible>(answer)
    });
    let service = AuthenticateLayer::builder(verifier).keep_caller_token().build().expect("a layer").layer(keep);
    let request =
        axum::http::Request::builder().header("authorization", format!("Bearer {token}")).body(()).expect("a request");
    let answer = service.oneshot(request).await.expect("infallible");
    answer.extensions().get::<CallerToken>().cloned().expect("inserted by the layer")
}

/// Keeps every event and span field as text.
#[derive(Clone, Default)]
pub struct Recorder(std::sync::Arc<std::sync::Mutex<String>>);

impl Recorder {
    /// Listens on this thread until the guard is dropped.
    pub fn begin() -> (Self, tracing::subscriber::DefaultGuard) {
        countersign_tests::events::enable_events_on_every_thread();
        let recorder = Recorder::default();
        let guard = tracing::subscriber::set_default(recorder.clone());
        (recorder, guard)
    }

    pub fn add(&self, text: &dyn std::fmt::Debug) {
        self.0.lock().expect("not poisoned").push_str(&format!("{text:?}\n"));
    }
    pub fn text(&self) -> String {
        self.0.lock().expect("not poisoned").clone()
    }
}

impl tracing::field::Visit for Recorder {
    fn record_debug(&mut self, _: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        self.add(value);
    }
}

impl tracing::Subscriber for Recorder {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, span: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        span.record(&mut self.clone());
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, values: &tracing::span::Record<'_>) {
        values.record(&mut self.clone());
    }
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut self.clone());
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test]
async fn s10_01_no_token_and_no_secret_is_recorded_or_shown() {
    let (recorder, _guard) = Recorder::begin();
    tracing::trace!("the recorder records");
    let (issuer, target) = (Server::issuing().await, Server::start(|_, _| unauthorized(INVALID)).await);
    let (outbound, http) = bound(&issuer, &target);
    outbound.send(http.get(&target.url)).await.expect("an answer");
    let refusing = Server::start(|_, _| json(400, r#"{"error":"invalid_client"}"#.into())).await;
    let (refused, http) = bound(&refusing, &target);
    let error = refused.send(http.get(&target.url)).await.expect_err("refused");
    recorder.add(&(outbound, refused, error));
    let recorded = recorder.text();
    for event in ["the recorder records", "token fetched", "token fetch failed", "token dropped after a 401"] {
        assert!(recorded.contains(event), "{event} is not in {recorded}");
    }
    for hidden in ["token-0", "token-1", "s3cret-value", "b3JkZXJz"] {
        assert!(!recorded.contains(hidden), "{hidden} is in {recorded}");
    }
}
