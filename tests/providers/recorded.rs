//! Tokens and answers as the servers of this folder gave them, with invented names: what holds without the servers.

use std::sync::Arc;
use std::time::Duration;

use countersign::key::Algorithm;
use countersign::keys::RemoteKeys;
use countersign::policy::{Policy, TrustedIssuerConfig};
use countersign::prelude::*;
use countersign_test::{Provider, TestIssuer, TokenDraft};
use serde_json::{Value, json};

use crate::guide::Guide;
use crate::service;

/// A verifier by the policy of a guide, for its issuer.
fn verifier(guide: &str, issuer: &TestIssuer) -> Verifier {
    let policy = Policy::from_toml(Guide::read(guide).file("policy.toml")).expect("a policy");
    let builder = Verifier::builder().clock(issuer.clock().clone());
    builder.policy(&policy, |_| Ok(issuer.key_source())).build().expect("a verifier")
}

/// A token with exactly these claims besides `iss` and the times.
fn token(issuer: &TestIssuer, claims: &Value) -> String {
    draft(issuer, claims).header("typ", "JWT").sign()
}

fn draft(issuer: &TestIssuer, claims: &Value) -> TokenDraft {
    let draft = ["sub", "aud", "client_id", "jti", "scope"]
        .iter()
        .fold(issuer.token(), |draft, name| draft.without_claim(*name));
    let claims = claims.as_object().expect("an object").clone();
    claims.into_iter().fold(draft, |draft, (name, value)| draft.claim(name, value))
}

/// The statuses of `GET /orders` (scope), `POST /orders` (role), `GET /invoices` (own client) and the body of `GET /me`.
async fn answers(verifier: &Verifier, token: &str) -> (u16, u16, u16, String) {
    let orders = service::orders(verifier.clone()).await;
    let create = orders.request("POST /orders", &[&format!("Authorization: Bearer {token}")]).await;
    let [read, invoices] = [orders.get("/orders", token).await, orders.get("/invoices", token).await];
    (read.status, create.status, invoices.status, orders.get("/me", token).await.body)
}

/// What Keycloak 26.7 puts into every token of the service `billing`.
fn keycloak_service(more: Value) -> Value {
    let mut claims = json!({
        "jti": "trrtcc:c298bd05", "aud": ["orders", "account"], "sub": "2fced282", "typ": "Bearer", "azp": "billing",
        "realm_access": { "roles": ["offline_access", "default-roles-shop", "uma_authorization"] },
        "resource_access": { "account": { "roles": ["manage-account", "view-profile"] } },
        "scope": "orders:read", "clientHost": "192.0.2.1", "clientAddress": "192.0.2.1", "client_id": "billing",
    });
    claims.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    claims
}

#[tokio::test]
async fn a_keycloak_service_is_known_by_the_scope_profile_and_not_without_it() {
    let issuer = TestIssuer::new().with_name("https://id.example.com/realms/shop");
    let verifier = verifier("keycloak", &issuer);
    let own =
        keycloak_service(json!({ "scope": "profile orders:read", "preferred_username": "service-account-billing" }));
    assert_eq!(answers(&verifier, &token(&issuer, &own)).await, (200, 403, 200, "2fced282".into()));
    let unmarked = keycloak_service(json!({}));
    assert_eq!(answers(&verifier, &token(&issuer, &unmarked)).await, (200, 403, 403, "2fced282".into()));
    let unasked = keycloak_service(json!({ "scope": "profile", "aud": "account" }));
    assert_eq!(verifier.verify(&token(&issuer, &unasked)).await.expect_err("refused").code(), "wrong_audience");
    // `client.use.lightweight.access.token.enabled`
    let light = json!({
        "jti": "trltcc:7341e12a", "sub": "04d3c572", "typ": "Bearer", "azp": "billing", "scope": "profile orders:read",
    });
    assert_eq!(verifier.verify(&token(&issuer, &light)).await.expect_err("refused").code(), "wrong_audience");
}

#[tokio::test]
async fn a_keycloak_user_without_the_scope_basic_has_roles_and_no_name() {
    let issuer = TestIssuer::new().with_name("https://id.example.com/realms/shop");
    let verifier = verifier("keycloak", &issuer);
    let user = json!({
        "jti": "onrtro:c9c82fd5", "aud": ["orders", "account"], "typ": "Bearer", "azp": "billing", "sid": "xvL2l8nf",
        "realm_access": { "roles": ["manager", "offline_access", "default-roles-shop"] },
        "resource_access": { "account": { "roles": ["manage-account"] } }, "scope": "orders:read",
    });
    let (read, create, invoices, _) = answers(&verifier, &token(&issuer, &user)).await;
    assert_eq!((read, create, invoices), (200, 200, 403), "a user of billing's is not billing");
    let refresh = json!({
        "jti": "79327c3a", "aud": "orders", "sub": "b59009df", "typ": "Refresh", "azp": "web", "scope": "openid orders:read",
        "aud_x": ["orders", "account"], "prov": "default",
    });
    let id = json!({
        "jti": "968d1000", "aud": "orders", "sub": "b59009df", "typ": "ID", "azp": "web", "at_hash": "VLzKchuqkaLiXAfAcv1UHw",
    });
    for other in [refresh, id] {
        assert!(verifier.verify(&token(&issuer, &other)).await.is_err(), "{other}");
    }
}

#[tokio::test]
async fn hydra_names_scopes_in_a_list_and_an_audience_only_if_it_was_requested() {
    let issuer = TestIssuer::new().with_name("https://id.example.com");
    let verifier = verifier("hydra", &issuer);
    let service = json!({
        "aud": ["orders"], "client_id": "billing", "ext": {}, "jti": "1b4c188d", "scp": ["orders:read"], "sub": "billing",
    });
    assert_eq!(answers(&verifier, &token(&issuer, &service)).await, (200, 403, 200, "billing".into()));
    let user = json!({
        "aud": ["orders"], "client_id": "web", "ext": { "roles": ["manager"] }, "jti": "4e6f7701", "sub": "user-1",
        "scp": ["openid", "offline", "orders:read"],
    });
    assert_eq!(answers(&verifier, &token(&issuer, &user)).await, (200, 200, 403, "user-1".into()));
    let unasked =
        json!({ "aud": [], "client_id": "billing", "ext": {}, "jti": "fd068f94", "scp": [], "sub": "billing" });
    let error = verifier.verify(&token(&issuer, &unasked)).await.expect_err("refused");
    assert_eq!(error.code(), "wrong_audience");
    let id = json!({
        "aud": ["orders"], "at_hash": "6Fy2aTchHi3oTFrn6ed4nQ", "auth_time": 1, "jti": "38405208", "rat": 1, "sid": "d0d7f977",
        "sub": "user-1",
    });
    assert_eq!(verifier.verify(&token(&issuer, &id)).await.expect_err("refused").code(), "id_token");
}

#[tokio::test]
async fn springs_authorization_server_lists_scopes_and_names_the_client_as_audience_by_default() {
    let issuer = TestIssuer::new().with_name("https://id.example.com");
    let strict = verifier("spring-authorization-server", &issuer);
    let service = json!({ "sub": "billing", "aud": "orders", "scope": ["orders:read"], "jti": "0e5c3240", "client_id": "billing" });
    assert_eq!(answers(&strict, &draft(&issuer, &service).sign()).await, (200, 403, 200, "billing".into()));
    let user = json!({
        "sub": "ann", "aud": "orders", "scope": ["openid", "orders:read"], "jti": "8f0d1c2e", "client_id": "web", "roles": ["manager"],
    });
    assert_eq!(answers(&strict, &draft(&issuer, &user).sign()).await, (200, 200, 403, "ann".into()));

    // Without the customizer of the guide, an access token is like an ID token, for the client.
    let default = json!({ "sub": "ann", "aud": "web", "scope": ["openid", "orders:read"], "jti": "8f0d1c2f" });
    let default = draft(&issuer, &default).without_header("typ").sign();
    assert_eq!(strict.verify(&default).await.expect_err("refused").code(), "wrong_type");
    assert_eq!(issuer.verifier_for("orders").verify(&default).await.expect_err("refused").code(), "wrong_audience");
}

/// A token of Kubernetes 1.34 for a pod: no `typ`, and no claim that names a client.
fn account_token(issuer: &TestIssuer, audience: &str, seconds: u64, claims: Value) -> String {
    let draft = issuer.token().without_header("typ").without_claim("client_id").without_claim("scope");
    let draft =
        draft.audience(audience).subject("system:serviceaccount:shop:billing").lifetime(Duration::from_secs(seconds));
    let began = draft.claims()["iat"].clone();
    draft.claim("nbf", began).claim("kubernetes.io", claims).sign()
}

#[tokio::test]
async fn a_pods_own_token_is_for_the_api_server_alone_and_lasts_a_year() {
    let cluster = "https://kubernetes.default.svc.cluster.local";
    let issuer = TestIssuer::with_algorithm(Algorithm::RS256).with_name(cluster);
    let verifier = verifier("kubernetes", &issuer);
    let place = json!({
        "namespace": "shop", "pod": { "name": "billing", "uid": "c3258d0d" },
        "serviceaccount": { "name": "billing", "uid": "006c607c" },
    });
    let verified = verifier.verify(&account_token(&issuer, "orders", 3600, place.clone())).await.expect("projected");
    assert_eq!(verified.client_id(), Some("system:serviceaccount:shop:billing"));
    assert_eq!(verified.tenant().map(ToString::to_string).as_deref(), Some("shop"));

    let mut own = place;
    own["warnafter"] = json!(1_795_970_902); // the end of the hour that the pod asked for
    let own = account_token(&issuer, cluster, 31_536_000, own);
    assert_eq!(verifier.verify(&own).await.expect_err("refused").code(), "wrong_audience");
}

/// The API server answers 406 to a request for its keys that accepts `application/json` alone.
#[tokio::test]
async fn s4_06_a_request_for_keys_accepts_the_type_of_key_sets_and_one_for_discovery_plain_json() {
    let provider = Provider::start(&TestIssuer::with_system_clock()).await.expect("a provider");
    let accepted = |kind: &str| {
        let headers = provider.last_request_headers();
        assert!(headers["accept"].split(", ").any(|accepted| accepted == kind), "{headers:?}");
    };
    for keys in [RemoteKeys::from_url(provider.jwks_url()), RemoteKeys::from_issuer(provider.url())] {
        let trusted = TrustedIssuerConfig::new(provider.url(), "orders").to_trusted_issuer(Arc::new(keys));
        Verifier::new(trusted)
            .expect("a verifier")
            .verify(&provider.token().audience("orders").sign())
            .await
            .expect("good");
        accepted("application/jwk-set+json");
    }
    provider.answer_discovery_with(503, "", &[]);
    let keys = RemoteKeys::from_issuer(provider.url());
    let trusted = TrustedIssuerConfig::new(provider.url(), "orders").to_trusted_issuer(Arc::new(keys));
    let verifier = Verifier::new(trusted).expect("a verifier");
    let error = verifier.verify(&provider.token().audience("orders").sign()).await.expect_err("no discovery");
    assert_eq!(error.code(), "keys_unavailable");
    accepted("application/json");
}

#[tokio::test]
async fn an_id_token_of_zitadels_library_is_refused_though_it_names_client_and_service() {
    let issuer = TestIssuer::new().with_name("https://id.example.com");
    let policy = Policy::from_toml(crate::zitadel::POLICY).expect("a policy");
    let builder = Verifier::builder().clock(issuer.clock().clone());
    let verifier = builder.policy(&policy, |_| Ok(issuer.key_source())).build().expect("a verifier");
    let at_login = json!({
        "sub": "id1", "aud": ["orders", "web"], "auth_time": 1_699_999_000, "amr": ["pwd"], "azp": "web", "client_id": "web",
        "at_hash": "iEINqWrtnW7k4eQW7ZAqLg", "nonce": "12345678", "c_hash": "kENdXRu3dVm-uS5_vL0geA",
    });
    let mut refreshed = at_login.clone();
    refreshed.as_object_mut().expect("an object").retain(|name, _| !["nonce", "c_hash"].contains(&name.as_str()));
    let mut exchanged = refreshed.clone();
    exchanged.as_object_mut().expect("an object").retain(|name, _| !["amr", "at_hash"].contains(&name.as_str()));
    for (claims, code) in [(at_login, "id_token"), (refreshed, "id_token"), (exchanged, "missing_claim")] {
        let error = verifier.verify(&token(&issuer, &claims)).await.expect_err("refused");
        assert_eq!(error.code(), code, "{claims}");
    }
    let access = json!({
        "sub": "id1", "aud": ["orders"], "client_id": "web", "jti": "32e91d56", "roles": ["manager"], "scope": "openid orders:read",
    });
    assert_eq!(answers(&verifier, &token(&issuer, &access)).await, (200, 200, 403, "id1".into()));
}
