//! A provider on loopback: discovery and JWKS over real HTTP, with faults on demand.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::{get, post};
use countersign_core::clock::Clock;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::draft::TokenDraft;
use crate::hostile::IntrospectionAttack;
use crate::issuer::TestIssuer;
use crate::opaque::OpaqueTokens;
use crate::server::{Server, until_stopped};

/// A provider on `127.0.0.1`: an issuer's discovery document, JWKS and introspection, with faults on demand.
///
/// Tokens must carry its address as `iss`, and the address is known only once it runs. So it has its own
/// [`issuer`](Self::issuer), with the keys and clock of the one it was started with, and the address as its name.
///
/// ```
/// use countersign_test::{Provider, TestIssuer};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let issuer = TestIssuer::new();
/// let provider = Provider::start(&issuer).await.unwrap();
/// let token = provider.token().audience("orders").sign(); // iss is provider.url()
/// let verifier = provider.issuer().verifier_for("orders"); // or one that fetches keys from provider.url()
/// assert_eq!(verifier.verify(&token).await.unwrap().issuer(), provider.url());
///
/// issuer.rotate(); // both names have the same keys, and the next fetch sees the new one
/// assert_eq!(provider.issuer().key_id(), issuer.key_id());
/// # });
/// ```
///
/// Port and connections close when it is dropped. Clients have limits: 256 connections, 30 s for a request head or body, heads
/// of 64 KiB.
#[derive(Debug)]
pub struct Provider {
    address: SocketAddr,
    site: Arc<Site>,
    server: Mutex<Option<Server>>,
}

/// The state shared by handlers and test.
#[derive(Debug)]
struct Site {
    issuer: TestIssuer,
    faults: Mutex<Faults>,
    jwks_requests: watch::Sender<u64>,
    discovery_requests: watch::Sender<u64>,
    last_headers: Mutex<BTreeMap<String, String>>,
    opaque: OpaqueTokens,
    introspection_requests: watch::Sender<u64>,
}

#[derive(Clone, Debug, Default)]
struct Faults {
    is_down: bool,
    delay: Duration,
    jwks: Option<Canned>,
    discovery: Option<Canned>,
}

/// A response written by the test.
#[derive(Clone, Debug)]
struct Canned {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Provider {
    /// Starts serving the keys of `issuer`, on a free port.
    ///
    /// # Errors
    /// If no port is free.
    pub async fn start(issuer: &TestIssuer) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let site = Arc::new(Site {
            issuer: issuer.clone().with_name(format!("http://{address}")),
            faults: Mutex::default(),
            jwks_requests: watch::Sender::new(0),
            discovery_requests: watch::Sender::new(0),
            opaque: OpaqueTokens::default(),
            introspection_requests: watch::Sender::new(0),
            last_headers: Mutex::default(),
        });
        let server = Mutex::new(Some(serve(listener, &site)));
        Ok(Provider { address, site, server })
    }

    /// The address, which is the issuer's name: `http://127.0.0.1:` and the port.
    #[must_use]
    pub fn url(&self) -> &str {
        self.site.issuer.name()
    }

    /// The URL of the keys.
    #[must_use]
    pub fn jwks_url(&self) -> String {
        format!("{}/jwks", self.url())
    }

    /// The issuer whose tokens carry [`url`](Self::url).
    #[must_use]
    pub fn issuer(&self) -> &TestIssuer {
        &self.site.issuer
    }

    /// A token of [`issuer`](Self::issuer).
    pub fn token(&self) -> TokenDraft {
        self.issuer().token()
    }

    /// An opaque token with the claims of `draft`. The provider calls it active until it expires or is
    /// [revoked](Self::revoke_opaque). Its introspection endpoint takes any client.
    ///
    /// ```
    /// use countersign_test::{Provider, TestIssuer};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// let provider = Provider::start(&TestIssuer::new()).await.unwrap();
    /// let token = provider.opaque(&provider.token().subject("ann").audience("orders"));
    /// assert!(!token.contains('.'));
    /// # });
    /// ```
    #[must_use]
    pub fn opaque(&self, draft: &TokenDraft) -> String {
        self.site.opaque.issue(draft)
    }

    /// An opaque token about which the provider gives a hostile answer. Without the attack, it would be that of
    /// [`opaque`](Self::opaque); [`IntrospectionAttack`] has an example.
    #[must_use]
    pub fn hostile_opaque(&self, attack: IntrospectionAttack, honest: &TokenDraft) -> String {
        self.site.opaque.issue_hostile(attack, honest)
    }

    /// Revokes an opaque token: the provider no longer calls it active.
    pub fn revoke_opaque(&self, token: &str) {
        self.site.opaque.revoke(token);
    }

    /// The number of requests to the introspection endpoint.
    #[must_use]
    pub fn introspection_requests(&self) -> u64 {
        *self.site.introspection_requests.borrow()
    }

    /// Responds to every request with 503 until [`come_back`](Self::come_back).
    pub fn go_down(&self) {
        self.faults().is_down = true;
    }

    /// Closes the port and all open connections, until [`come_back`](Self::come_back).
    ///
    /// ```
    /// use countersign_test::{Provider, TestIssuer};
    /// use tokio::net::TcpStream;
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// let provider = Provider::start(&TestIssuer::new()).await.unwrap();
    /// let address = provider.url().trim_start_matches("http://").to_owned();
    /// provider.refuse_connections().await;
    /// assert!(TcpStream::connect(&address).await.is_err());
    /// provider.come_back().await.unwrap();
    /// assert!(TcpStream::connect(&address).await.is_ok());
    /// # });
    /// ```
    pub async fn refuse_connections(&self) {
        let server = self.server().take();
        if let Some(server) = server {
            server.stop().await;
        }
    }

    /// Ends all faults: the port is open, and responses are quick and correct.
    ///
    /// # Errors
    /// If the port was closed and another program has taken it.
    pub async fn come_back(&self) -> io::Result<()> {
        *self.faults() = Faults::default();
        if self.server().is_none() {
            let listener = TcpListener::bind(self.address).await?;
            *self.server() = Some(serve(listener, &self.site));
        }
        Ok(())
    }

    /// Delays each response by this time.
    pub fn delay(&self, time: Duration) {
        self.faults().delay = time;
    }

    /// Responds to requests for the keys with this.
    ///
    /// ```
    /// # use countersign_test::{Provider, TestIssuer};
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// let provider = Provider::start(&TestIssuer::new()).await.unwrap();
    /// let keys = provider.issuer().jwks();
    /// provider.answer_jwks_with(200, keys, &[("cache-control", "max-age=60")]);
    /// provider.answer_jwks_with(200, "<html>please sign in</html>", &[("content-type", "text/html")]);
    /// # });
    /// ```
    ///
    /// # Panics
    /// If the status is not one of HTTP, or a header cannot be written.
    pub fn answer_jwks_with(&self, status: u16, body: impl Into<Vec<u8>>, headers: &[(&str, &str)]) {
        self.faults().jwks = Some(Canned::new(status, body.into(), headers));
    }

    /// Responds to requests for the discovery document with this.
    ///
    /// # Panics
    /// As [`answer_jwks_with`](Self::answer_jwks_with).
    pub fn answer_discovery_with(&self, status: u16, body: impl Into<Vec<u8>>, headers: &[(&str, &str)]) {
        self.faults().discovery = Some(Canned::new(status, body.into(), headers));
    }

    /// Responds to requests for the keys with a redirect (302) to `url`.
    ///
    /// # Panics
    /// If `url` does not fit into a header.
    pub fn redirect_jwks_to(&self, url: &str) {
        self.answer_jwks_with(302, "", &[("location", url)]);
    }

    /// The number of requests for the keys.
    #[must_use]
    pub fn jwks_requests(&self) -> u64 {
        *self.site.jwks_requests.borrow()
    }

    /// The number of requests for the discovery document.
    #[must_use]
    pub fn discovery_requests(&self) -> u64 {
        *self.site.discovery_requests.borrow()
    }

    /// Waits until the keys were requested `count` times in total, instead of sleeping.
    ///
    /// The last request has then arrived; its response may still be in progress.
    pub async fn wait_for_jwks_requests(&self, count: u64) {
        let mut requests = self.site.jwks_requests.subscribe();
        let _ = requests.wait_for(|seen| *seen >= count).await; // fails only if the sender is gone, and `self` owns it
    }

    /// The headers of the last request, by lower-case name, to check what a client sends and what it does not.
    #[must_use]
    pub fn last_request_headers(&self) -> BTreeMap<String, String> {
        self.site.last_headers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.site.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn server(&self) -> MutexGuard<'_, Option<Server>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn serve(listener: TcpListener, site: &Arc<Site>) -> Server {
    Server::start(listener, |stopped| {
        Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/.well-known/oauth-authorization-server", get(discovery))
            .route("/jwks", get(jwks))
            .route("/introspect", post(introspect))
            .with_state(Serving { site: Arc::clone(site), stopped })
    })
}

#[derive(Clone)]
struct Serving {
    site: Arc<Site>,
    stopped: watch::Receiver<bool>,
}

impl Serving {
    /// Counts and records the request, waits for the delay, and returns the faults.
    async fn faults(&self, requests: &watch::Sender<u64>, headers: &HeaderMap) -> Faults {
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let seen = headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        *self.site.last_headers.lock().unwrap_or_else(PoisonError::into_inner) = seen;
        requests.send_modify(|count| *count += 1);
        let faults = self.site.faults.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if !faults.delay.is_zero() {
            tokio::select! {
                () = tokio::time::sleep(faults.delay) => {}
                () = until_stopped(self.stopped.clone()) => {}
            }
        }
        faults
    }
}

async fn discovery(State(serving): State<Serving>, headers: HeaderMap) -> Response {
    let faults = serving.faults(&serving.site.discovery_requests, &headers).await;
    faults.answer(faults.discovery.as_ref(), || {
        let issuer = serving.site.issuer.name();
        json!({
            "issuer": issuer,
            "jwks_uri": format!("{issuer}/jwks"),
            "token_endpoint": format!("{issuer}/token"),
            "introspection_endpoint": format!("{issuer}/introspect"),
            "id_token_signing_alg_values_supported": [serving.site.issuer.algorithm().name()],
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
        })
        .to_string()
    })
}

async fn jwks(State(serving): State<Serving>, headers: HeaderMap) -> Response {
    let faults = serving.faults(&serving.site.jwks_requests, &headers).await;
    faults.answer(faults.jwks.as_ref(), || serving.site.issuer.jwks())
}

async fn introspect(State(serving): State<Serving>, headers: HeaderMap, form: String) -> Response {
    let faults = serving.faults(&serving.site.introspection_requests, &headers).await;
    let now = serving.site.issuer.clock().now();
    let hostile = serving.site.opaque.hostile_answer(&form, now).map(|answer| {
        let redirect = answer.location.as_deref().map(|url| ("location", url));
        let headers: Vec<_> = std::iter::once(("content-type", answer.content_type)).chain(redirect).collect();
        Canned::new(answer.status, answer.body.clone(), &headers)
    });
    faults.answer(hostile.as_ref(), || serving.site.opaque.answer(&form, now))
}

impl Faults {
    fn answer(&self, canned: Option<&Canned>, honest: impl FnOnce() -> String) -> Response {
        match canned {
            _ if self.is_down => answer(StatusCode::SERVICE_UNAVAILABLE, HeaderMap::new(), Vec::new()),
            Some(canned) => answer(canned.status, canned.headers.clone(), canned.body.clone()),
            None => {
                let json = HeaderValue::from_static("application/json");
                answer(StatusCode::OK, HeaderMap::from_iter([(header::CONTENT_TYPE, json)]), honest().into_bytes())
            }
        }
    }
}

impl Canned {
    fn new(status: u16, body: Vec<u8>, headers: &[(&str, &str)]) -> Self {
        let status = StatusCode::from_u16(status).expect("a status of HTTP");
        let headers = headers.iter().map(|(name, value)| {
            let name: HeaderName = name.parse().expect("the name of a header");
            (name, HeaderValue::from_str(value).expect("the value of a header"))
        });
        Canned { status, headers: headers.collect(), body }
    }
}

fn answer(status: StatusCode, headers: HeaderMap, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    async fn ask(provider: &Provider, path: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect(provider.address).await?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nx-probe: 1\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }

    async fn provider() -> Provider {
        Provider::start(&TestIssuer::new()).await.expect("a free port")
    }

    #[tokio::test]
    async fn it_serves_what_verifies_its_tokens_and_counts() {
        let provider = provider().await;
        let found = ask(&provider, "/.well-known/openid-configuration").await.expect("an answer");
        assert!(found.contains(&format!("\"issuer\":\"{}\"", provider.url())), "{found}");
        let keys = ask(&provider, "/jwks").await.expect("an answer");
        assert!(keys.contains("test-only-1") && !keys.contains("\"d\""), "{keys}");
        assert_eq!((provider.discovery_requests(), provider.jwks_requests()), (1, 1));
        assert_eq!(provider.last_request_headers().get("x-probe").map(String::as_str), Some("1"));
        provider.wait_for_jwks_requests(1).await;
    }

    #[tokio::test]
    async fn each_fault_is_seen_and_ends() {
        let provider = provider().await;
        provider.go_down();
        assert!(ask(&provider, "/jwks").await.expect("an answer").starts_with("HTTP/1.1 503"));
        provider.come_back().await.expect("still open");
        provider.redirect_jwks_to("http://127.0.0.1:9/");
        assert!(ask(&provider, "/jwks").await.expect("an answer").contains("location: http://127.0.0.1:9/"));
        provider.answer_jwks_with(200, "{}", &[("cache-control", "no-store")]);
        assert!(ask(&provider, "/jwks").await.expect("an answer").ends_with("\r\n\r\n{}"));
        provider.answer_discovery_with(404, "", &[]);
        let gone = ask(&provider, "/.well-known/openid-configuration").await.expect("an answer");
        assert!(gone.starts_with("HTTP/1.1 404"));
        provider.come_back().await.expect("still open");
        assert!(ask(&provider, "/jwks").await.expect("an answer").contains("test-only-1"));
    }

    #[tokio::test]
    async fn a_closed_port_closes_idle_connections_and_answers_under_way() {
        let provider = provider().await;
        let mut idle = TcpStream::connect(provider.address).await.expect("open");
        idle.write_all(b"GET /jwks HTTP/1.1\r\nhost: test\r\n\r\n").await.expect("sent");
        let mut first = [0; 12];
        idle.read_exact(&mut first).await.expect("an answer");
        provider.delay(Duration::from_secs(3600));
        let (slow, ()) = tokio::join!(ask(&provider, "/jwks"), async {
            provider.wait_for_jwks_requests(2).await;
            provider.refuse_connections().await;
        });
        assert!(slow.is_err() || slow.is_ok_and(|answer| answer.starts_with("HTTP/1.1")), "it ended within the limit");
        let mut rest = Vec::new();
        idle.read_to_end(&mut rest).await.expect("closed in order");
        assert!(ask(&provider, "/jwks").await.is_err());
        provider.come_back().await.expect("the port is free again");
        assert!(ask(&provider, "/jwks").await.is_ok());
    }

    #[tokio::test]
    async fn a_client_that_sends_half_a_request_has_a_limit_and_the_others_are_served() {
        let provider = provider().await;
        let mut halfway = TcpStream::connect(provider.address).await.expect("open");
        halfway.write_all(b"GET /jwks HTTP/1.1\r\nho").await.expect("sent");
        assert!(ask(&provider, "/jwks").await.expect("an answer").contains("test-only-1"));
        tokio::time::pause();
        let mut rest = Vec::new();
        let closed = tokio::time::timeout(Duration::from_secs(60), halfway.read_to_end(&mut rest)).await;
        let _ = closed.expect("closed within the limit"); // in order, or by a reset
    }
}
