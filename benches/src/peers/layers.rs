//! The layers of the peers.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum_oidc_layer::{AuthenticationConfigProvider, InMemoryCache, JwksCache, OidcAuthenticationLayer};
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use huskarl_axum::layers::ValidatorLayer;
use huskarl_axum::resource_server::core::Error as HuskarlError;
use huskarl_axum::resource_server::core::http::{HttpClient, HttpResponse, Idempotency};
use huskarl_axum::resource_server::core::platform::MaybeSendBoxFuture;
use huskarl_axum::resource_server::validator::rfc9068::Rfc9068Validator;
use jwt_authorizer::{AuthError, IntoLayer as _, JwtAuthorizer, Validation};
use oauth_resource_server::http_layer::{HttpAuthLayer, RejectContext};
use oauth_resource_server::{KeyNaming, OAuthConfig, OAuthValidator};
use tower_layer::Layer as _;
use tower_oauth2_resource_server::server::OAuth2ResourceServer;
use tower_oauth2_resource_server::tenant::TenantConfiguration;
use tower_oauth2_resource_server::validation::ClaimsValidationSpec;
use tower_service::Service;

use super::{Innermost, NAMES, Peer, Published, wait};
use crate::sample::{AUDIENCE, ISSUER, OwnClaims};

/// Those that the suite has measured from its beginning.
pub(super) fn older(published: &Published) -> [Peer; 2] {
    let authorizer = match authorizer(published) {
        Some(mut service) => Peer::new(NAMES[2], move |request| {
            wait(service.call(request)).is_ok_and(|Accepted(is_accepted)| is_accepted)
        }),
        None => Peer::new(NAMES[2], |_| false),
    };
    let server = oauth2_resource_server(published);
    [authorizer, Peer::of_service(NAMES[3], server.map(|server| server.into_layer().layer(Innermost)))]
}

/// Those of 2026; the last one has a cache of tokens, and is there without it too.
pub(super) fn newer(published: &Published, with_cache: bool) -> Vec<Peer> {
    let oidc = |cache: Arc<dyn JwksCache>| Some(oidc_layer(published, cache).layer(Innermost));
    let mut peers = vec![
        Peer::of_service(NAMES[4], huskarl(published).map(|layer| layer.authenticated().layer(Innermost))),
        Peer::of_service(NAMES[5], oauth_resource_server(published).map(|layer| layer.layer(Innermost))),
        Peer::of_service(NAMES[6], oidc(Arc::new(NoTokens::default()))),
    ];
    if with_cache {
        peers.push(Peer::of_service(NAMES[7], oidc(Arc::new(InMemoryCache::new()))));
    }
    peers
}

fn authorizer(published: &Published) -> Option<impl Service<Request<Body>, Response = Accepted> + use<>> {
    let rules = Validation::new().iss(&[ISSUER]).aud(&[AUDIENCE]).nbf(true).leeway(30);
    let rules = rules.algs(vec![published.algorithm.name().parse().ok()?]);
    let authorizer = JwtAuthorizer::<OwnClaims>::from_jwks_text(&published.jwks).validation(rules);
    Some(vec![wait(authorizer.build()).ok()?].into_layer().layer(Accepting))
}

fn oauth2_resource_server(published: &Published) -> Option<OAuth2ResourceServer<OwnClaims>> {
    let rules = ClaimsValidationSpec::recommended(ISSUER, &vec![AUDIENCE.to_owned()]);
    let tenant = TenantConfiguration::static_builder(&published.jwks).claims_validation(rules).build().ok()?;
    wait(OAuth2ResourceServer::<OwnClaims>::builder().add_tenant(tenant).build()).ok()
}

/// The claims that huskarl does not have in its own type.
#[derive(Clone, serde::Deserialize)]
#[allow(dead_code, reason = "they are decoded, as a handler would read them")]
struct Extra {
    sid: String,
    tenant: String,
    email: String,
    email_verified: bool,
    name: String,
}

fn huskarl(published: &Published) -> Option<ValidatorLayer<Rfc9068Validator<Extra>>> {
    let url: http::Uri = "https://id.example.com/jwks".parse().ok()?;
    let validator = Rfc9068Validator::builder()
        .with_claims::<Extra>()
        .issuer(ISSUER)
        .audience(AUDIENCE)
        .allowed_signing_algorithms(vec![published.algorithm.name().to_owned()])
        .clock_leeway(Duration::from_secs(30))
        .jwks_uri(url.try_into().ok()?)
        .jwks_source(Document(published.jwks.clone().into()))
        .build();
    Some(ValidatorLayer::builder().validator(wait(validator).ok()?).build())
}

fn oauth_resource_server(
    published: &Published,
) -> Option<HttpAuthLayer<impl Fn(RejectContext<'_>) -> http::Response<Body> + Send + Sync + use<>>> {
    let config = OAuthConfig {
        enabled: true,
        issuer: ISSUER.to_owned(),
        jwks_uri: Some(published.url()),
        audience: AUDIENCE.to_owned(),
        resource: "https://api.example.com/".to_owned(),
        required_scope: Some("orders:read".to_owned()),
        algorithms: vec![published.algorithm.name().to_owned()],
        leeway_secs: 30,
        require_at_jwt: true,
        ..OAuthConfig::default()
    };
    let config = config.resolve(KeyNaming::Dotted("oauth")).ok()??;
    // With no usable key in this set, it fetches the same set.
    let validator = OAuthValidator::builder(&config).initial_jwks(&published.jwks).build();
    let validator = validator.or_else(|_| OAuthValidator::new(&config)).ok()?;
    let layer = HttpAuthLayer::builder().oauth(Arc::new(validator));
    layer.on_reject(|_: RejectContext<'_>| http::Response::new(Body::empty())).build().ok()
}

fn oidc_layer(published: &Published, cache: Arc<dyn JwksCache>) -> OidcAuthenticationLayer<Provider, OwnClaims> {
    OidcAuthenticationLayer::with_cache(Provider(format!("http://{}", published.address)), cache)
}

#[derive(Clone)]
struct Provider(String);

impl AuthenticationConfigProvider for Provider {
    fn get_provider_url(&self) -> String {
        self.0.clone()
    }

    fn get_openid_configuration_url(&self) -> Option<String> {
        None
    }

    fn get_expected_issuer(&self) -> Option<String> {
        Some(ISSUER.to_owned())
    }

    fn get_expected_audience(&self) -> Option<Vec<String>> {
        Some(vec![AUDIENCE.to_owned()])
    }
}

/// Caches configuration and keys, and no tokens.
struct NoTokens(InMemoryCache);

impl Default for NoTokens {
    fn default() -> Self {
        NoTokens(InMemoryCache::new())
    }
}

impl JwksCache for NoTokens {
    fn get(&self, key: &str) -> Option<String> {
        self.0.get(key)
    }

    fn set(&self, key: &str, value: String, ttl: Duration) {
        if !key.starts_with("token:") {
            self.0.set(key, value, ttl);
        }
    }
}

/// A client that has the key set at hand.
struct Document(Bytes);

impl HttpClient for Document {
    fn execute(&self, _: Request<Bytes>, _: Idempotency) -> MaybeSendBoxFuture<'_, Result<HttpResponse, HuskarlError>> {
        let response = HttpResponse { status: StatusCode::OK, headers: HeaderMap::new(), body: self.0.clone() };
        Box::pin(async { Ok(response) })
    }
}

/// Whether jwt-authorizer accepts a request: its layer makes responses of its own type.
struct Accepted(bool);

impl From<AuthError> for Accepted {
    fn from(_: AuthError) -> Self {
        Accepted(false)
    }
}

#[derive(Clone, Copy)]
struct Accepting;

impl Service<Request<Body>> for Accepting {
    type Response = Accepted;
    type Error = Infallible;
    type Future = Ready<Result<Accepted, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        ready(Ok(Accepted(true)))
    }
}
