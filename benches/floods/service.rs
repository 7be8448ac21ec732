//! Floods of a service: unknown keys, invented issuers, forged signatures, malformed tokens.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use base64_simd::URL_SAFE_NO_PAD as BASE64URL;
use countersign::authenticate::AuthenticateLayer;
use countersign::issuers::{ResolvedIssuers, oidc};
use countersign::keys::RemoteKeys;
use countersign_core::policy::NeedsAudience;
use countersign_core::verify::Verifier;
use countersign_test::{Provider, TestIssuer};
use http::Request;
use tower_service::Service as _;

use crate::Result;
use crate::flood::{Flood, Load, Size};

/// Good tokens in turn. They fit into the cache; a round begins with tokens that it has already seen.
const TOKENS: usize = 100;

const SIZE: Size = Size { rounds: 20, followed: 1_000, beside: (Duration::from_millis(250), Duration::from_millis(1)) };

pub(crate) struct Service {
    router: Router,
    url: String,
    good: Arc<[String]>,
    issuer: TestIssuer,
    /// Its server runs until it is dropped.
    _provider: Provider,
}

impl Service {
    pub(crate) async fn start() -> Result<Self> {
        let issuer = TestIssuer::with_system_clock();
        let provider = Provider::start(&issuer).await?;
        let url = provider.url().to_owned();
        let tenants = format!("{url}/tenant");
        let known = tenants.clone();
        let keys_url = format!("{url}/jwks");
        let resolved = ResolvedIssuers::new(move |name: String| {
            let trusted = (name == known)
                .then(|| NeedsAudience::new(&name, Arc::new(RemoteKeys::from_url(&keys_url))).audience("orders"));
            async move { Ok(trusted) }
        });
        let verifier = Verifier::builder()
            .trust(oidc(&url).audience("orders"))
            .trust_resolved(Arc::new(resolved.danger_allow_private_addresses()))
            .build()?;
        let layer = AuthenticateLayer::builder(verifier).build()?;
        let router = Router::new().route("/", get(|| async { "ok" })).layer(layer);
        let good =
            (0..TOKENS).map(|number| provider.token().audience("orders").claim("jti", format!("{number}")).sign());
        let good = good.collect();
        Ok(Service { router, issuer: issuer.with_name(&url), url, good, _provider: provider })
    }

    pub(crate) fn floods(&self) -> Vec<Flood> {
        let good = Arc::clone(&self.good);
        let forged = move |number: usize| {
            let token = &good[number % TOKENS];
            let (message, signature) = token.rsplit_once('.').unwrap_or_default();
            format!("{message}.{}{}", if signature.starts_with('A') { 'B' } else { 'A' }, &signature[1..])
        };
        let url = self.url.clone();
        vec![
            self.flood("key IDs that nobody has", move |number| unsigned(&url, number)),
            self.flood("invented issuers", |number| unsigned(&format!("https://i{number}.invented.example"), 0)),
            self.flood("forged signatures", forged),
            self.flood("malformed tokens", |number| format!("e30.{number}.e30")),
        ]
    }

    fn flood(&self, name: &'static str, hostile: impl Fn(usize) -> String + Send + Sync + 'static) -> Flood {
        let (good, issuer) = (Arc::clone(&self.good), self.issuer.clone());
        // Tokens that the service has not seen before.
        let harmless =
            move |number: usize| issuer.token().audience("orders").claim("jti", format!("new {number}")).sign();
        Flood {
            name,
            hostile: self.send(hostile),
            harmless: self.send(harmless),
            good: self.send(move |number| good[number % TOKENS].clone()),
            size: SIZE,
        }
    }

    fn send(&self, token: impl Fn(usize) -> String + Send + Sync + 'static) -> Load {
        let router = self.router.clone();
        Load::new(move |number| {
            let request = Request::get("/").header("authorization", format!("Bearer {}", token(number)));
            let answer = router.clone().call(request.body(Body::empty()).expect("a request"));
            async move { answer.await.is_ok_and(|answer| answer.status() == 200) }
        })
    }
}

/// A token that nobody signed.
fn unsigned(issuer: &str, number: usize) -> String {
    let part = |json: serde_json::Value| BASE64URL.encode_to_string(json.to_string());
    let header = part(serde_json::json!({"alg": "ES256", "kid": format!("k{number}"), "typ": "at+jwt"}));
    let claims = part(serde_json::json!({"iss": issuer, "aud": "orders", "sub": "x", "exp": 4_000_000_000_u64}));
    format!("{header}.{claims}.{}", BASE64URL.encode_to_string([7; 64]))
}
