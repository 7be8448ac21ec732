//! An authorization server that answers as a test tells it, and a service that asks it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Request, Response, StatusCode, header};
use axum::routing::{get, post};
use countersign::authenticate::AuthenticateLayer;
use countersign::clock::Clock;
use countersign::introspect::Introspection;
use countersign::prelude::*;
use countersign::verify::Report;
use countersign_core::integration::{ExplainedAnswer, explain_introspection};
use countersign_test::TestIssuer;
use countersign_tests::http::Service;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tower::ServiceExt;

/// A request to the endpoint.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    pub headers: HeaderMap,
    pub form: Vec<(String, String)>,
}

impl Seen {
    pub fn member(&self, name: &str) -> Option<&str> {
        self.form.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

type Answers = dyn Fn(&Seen) -> Response<Body> + Send + Sync;

struct Shared {
    seen: Mutex<Vec<Seen>>,
    answers: Mutex<Arc<Answers>>,
    /// An answer waits for a permit, which it keeps for the next one if it is open.
    gate: Semaphore,
}

/// The authorization server.
pub struct Server {
    shared: Arc<Shared>,
    service: Service,
}

impl Server {
    pub async fn start(answers: impl Fn(&Seen) -> Response<Body> + Send + Sync + 'static) -> Self {
        let shared = Shared {
            seen: Mutex::default(),
            answers: Mutex::new(Arc::new(answers)),
            gate: Semaphore::new(Semaphore::MAX_PERMITS / 2),
        };
        let shared = Arc::new(shared);
        let router = Router::new().route("/introspect", post(introspect)).with_state(Arc::clone(&shared));
        Server { shared, service: Service::start(router).await }
    }

    /// A server that says this about every token.
    pub async fn saying(claims: Value) -> Self {
        Self::start(move |_| json_answer(&claims)).await
    }

    pub fn url(&self) -> String {
        format!("{}/introspect", self.service.url())
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn asked(&self) -> usize {
        self.seen().len()
    }

    pub fn answer_with(&self, answers: impl Fn(&Seen) -> Response<Body> + Send + Sync + 'static) {
        *self.shared.answers.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(answers);
    }

    /// Holds every answer back until [`open`](Self::open).
    pub fn close(&self) {
        self.shared.gate.forget_permits(usize::MAX);
    }

    pub fn open(&self) {
        self.shared.gate.add_permits(Semaphore::MAX_PERMITS / 2);
    }
}

async fn introspect(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body: Bytes = body.collect().await.expect("a body").to_bytes();
    let form = reqwest::Url::parse(&format!("http://x/?{}", String::from_utf8_lossy(&body))).expect("a form");
    let form = form.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    let seen = Seen { method: head.method.to_string(), headers: head.headers, form };
    shared.seen.lock().unwrap_or_else(PoisonError::into_inner).push(seen.clone());
    let permit = shared.gate.acquire().await.expect("open");
    drop(permit);
    let answers = Arc::clone(&shared.answers.lock().unwrap_or_else(PoisonError::into_inner));
    answers(&seen)
}

pub fn json_answer(claims: &Value) -> Response<Body> {
    answer(200, "application/json", claims.to_string())
}

pub fn answer(status: u16, content_type: &str, body: impl Into<Body>) -> Response<Body> {
    Response::builder().status(status).header(header::CONTENT_TYPE, content_type).body(body.into()).expect("an answer")
}

/// A token of a form that the server may know.
pub const TOKEN: &str = "ZvQ2mJr8Lx0aT5cYkWnB3dHsPgUe7iOf";

/// The claims of a token for the service that lives for five minutes.
pub fn claims(issuer: &TestIssuer) -> Value {
    let now = issuer.clock().now().as_secs();
    json!({
        "active": true, "iss": issuer.name(), "aud": "api", "sub": "ann", "client_id": "web", "scope": "read write",
        "token_type": "Bearer", "iat": now, "exp": now + 300, "roles": ["clerk"], "tenant": "acme",
    })
}

/// The settings of a client of this server.
pub fn asking(issuer: &TestIssuer, server: &Server) -> Introspection {
    Introspection::at_issuer(issuer.name()).endpoint(server.url()).client("api-client", "s3cret/+")
}

pub fn layer(issuer: &TestIssuer, introspection: Introspection) -> AuthenticateLayer {
    AuthenticateLayer::builder(issuer.verifier_for("api")).introspection(introspection).build().expect("a layer")
}

pub fn service_of(layer: &AuthenticateLayer) -> Router {
    let who = |claims: Claims| async move { format!("{} {:?}", claims.subject(), claims.verified().token_kind()) };
    Router::new()
        .route("/", get(who))
        .route("/write", get(who).layer(require(scope("write"))))
        .route("/clerks", get(who).layer(require(role("clerk"))))
        .route("/admin", get(who).layer(require(scope("admin"))))
        .layer(layer.clone())
}

/// A service that asks this server.
pub fn service(issuer: &TestIssuer, introspection: Introspection) -> Router {
    service_of(&layer(issuer, introspection))
}

/// What a service answers.
#[derive(Debug)]
pub struct Got {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Got {
    pub fn code(&self) -> String {
        let problem: Value = serde_json::from_str(&self.body).expect("a problem");
        problem["code"].as_str().expect("a code").to_owned()
    }

    pub fn is_unavailable(&self) -> bool {
        self.status == 503
            && self.code() == "introspection_unavailable"
            && self.headers.get(header::RETRY_AFTER).is_some_and(|after| after != "0")
    }
}

pub async fn get_at(service: &Router, path: &str, token: &str) -> Got {
    let request = Request::builder().uri(path).header(header::AUTHORIZATION, format!("Bearer {token}"));
    let response = service.clone().oneshot(request.body(Body::empty()).expect("a request")).await.expect("answered");
    let (head, body) = response.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    Got { status: head.status, headers: head.headers, body: String::from_utf8_lossy(&body).into_owned() }
}

pub async fn got(service: &Router, token: &str) -> Got {
    get_at(service, "/", token).await
}

/// The status for a token of which a new server says this.
pub async fn status_of(issuer: &TestIssuer, said: &Value) -> (u16, String) {
    let server = Server::saying(said.clone()).await;
    let service = service(issuer, asking(issuer, &server));
    let got = got(&service, TOKEN).await;
    let report = explained(issuer, said.to_string().as_bytes(), false).await;
    assert_eq!(report.is_accepted(), got.status == 200, "the tools say the same: {said}\n{report}");
    (got.status.as_u16(), if got.status == 200 { got.body } else { got.code() })
}

/// What tools say about an answer to the client of [`asking`].
pub async fn explained(issuer: &TestIssuer, answer: &[u8], is_signed: bool) -> Report {
    let settings = ExplainedAnswer { issuer: issuer.name(), client_id: "api-client", absent_audience: None, is_signed };
    explain_introspection(&issuer.verifier_for("api"), answer, &settings).await
}

/// Waits until `reached`; fails after ten seconds.
pub async fn eventually(what: &str, mut reached: impl FnMut() -> bool) {
    for _ in 0..1_000 {
        if reached() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not reached: {what}");
}
