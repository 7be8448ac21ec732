//! Certificates of clients at the token endpoint (RFC 8705): they bind tokens, and authenticate clients. CONFORMANCE S6.21, S6.24,
//! S8.06.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use countersign::proof::PeerCertificate;
use countersign_core::key::{Algorithm, Thumbprint};
use countersign_core::secret::Secret;
use countersign_issuer::{Client, Federation, Issuer, IssuerBuilder};
use countersign_test::{TestIssuer, TestKey};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::direct::{CC, basic};
use crate::dpop::{Answer, NAME, World};
use crate::service::{SECRET, claims, shop};

/// The certificate that this text stands for.
pub fn certificate(text: &str) -> PeerCertificate {
    PeerCertificate::from_der(text.as_bytes())
}

/// The shop, with a client whose tokens are bound to its certificate.
fn with_bound(builder: IssuerBuilder) -> IssuerBuilder {
    let bound = Client::new("bound").secret(Secret::from(SECRET)).audiences(["billing"]);
    shop(builder).add_client(bound.certificate_bound_access_tokens())
}

impl World {
    /// The answer to a request on a connection with this certificate.
    pub async fn ask_with(
        &self,
        certificate: Option<PeerCertificate>,
        authorization: &str,
        proofs: &[&str],
        form: &str,
    ) -> Answer {
        let mut request = self.request(authorization, proofs, form);
        certificate.map(|certificate| request.extensions_mut().insert(certificate));
        Answer::of(self.issuer.router().oneshot(request).await.expect("infallible")).await
    }
}

impl Answer {
    /// Checks that the token is bound to this key and this certificate, and to nothing else; returns it.
    #[track_caller]
    pub fn token_of(&self, key: Option<&TestKey>, certificate: Option<PeerCertificate>) -> String {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        let token = self.body["access_token"].as_str().expect("a token");
        let binding = match (key.map(TestKey::thumbprint), certificate.map(|it| it.thumbprint().to_string())) {
            (None, None) => None,
            (Some(key), None) => Some(json!({ "jkt": key })),
            (None, Some(certificate)) => Some(json!({ "x5t#S256": certificate })),
            (Some(key), Some(certificate)) => Some(json!({ "jkt": key, "x5t#S256": certificate })),
        };
        assert_eq!(claims(token).get("cnf"), binding.as_ref());
        // RFC 8705 §3 adds no token type of its own.
        assert_eq!(self.body["token_type"], if key.is_some() { "DPoP" } else { "Bearer" });
        token.to_owned()
    }

    /// Checks for 401, as for an unknown client.
    #[track_caller]
    pub fn assert_not_authenticated(&self) {
        assert_eq!(
            (self.status, &self.body["error"]),
            (StatusCode::UNAUTHORIZED, &json!("invalid_client")),
            "{self:?}"
        );
    }
}

#[tokio::test]
async fn s6_21_tokens_of_a_registered_client_are_bound_to_its_certificate_and_never_to_none() {
    let world = World::with(with_bound);
    let bound = basic("bound", SECRET);
    let missing = world.ask_with(None, &bound, &[], CC).await;
    missing.assert_refused("invalid_request");
    assert!(missing.body["error_description"].as_str().expect("text").contains("certificate"), "{missing:?}");
    // A proof does not stand in for it, and is not used up.
    let proof = world.proof(json!({}));
    world.ask_with(None, &bound, &[&proof], CC).await.assert_refused("invalid_request");
    world.ask_with(None, &basic("bound", "a wrong secret, long enough"), &[], CC).await.assert_not_authenticated();

    let own = certificate("own");
    world.ask_with(Some(own), &bound, &[], CC).await.token_of(None, Some(own));
    world.ask_with(Some(certificate("next")), &bound, &[], CC).await.token_of(None, Some(certificate("next")));
    world.ask_with(Some(own), &bound, &[&proof], CC).await.token_of(Some(&world.key), Some(own));
    // A mesh has a certificate on each connection: it binds only the tokens of clients that want it.
    let orders = basic("orders", SECRET);
    world.ask_with(Some(own), &orders, &[], CC).await.token_of(None, None);
    world.ask_with(Some(own), &orders, &[&world.proof(json!({}))], CC).await.token_of(Some(&world.key), None);
}

#[tokio::test]
async fn s6_21_s6_24_workloads_of_a_platform_and_clients_that_also_need_proofs() {
    let platform = TestIssuer::new().with_name("https://cluster.test");
    let world = World::at(NAME, platform.clock().clone(), |builder| {
        let federation = Federation::new(platform.trusted_for(NAME)).add_subject("pod", "workload");
        let client = |id: &str| Client::new(id).audiences(["billing"]).certificate_bound_access_tokens();
        let both = client("both").secret(Secret::from(SECRET)).dpop_bound_access_tokens();
        shop(builder).add_client(client("workload")).add_client(both).add_federation(federation)
    });
    let own = Some(certificate("own"));
    let assertion = platform.token().without_claim("client_id").subject("pod").audience(NAME).sign();
    let form = format!("grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&assertion={assertion}");
    world.ask_with(None, "", &[], &form).await.assert_refused("invalid_request");
    world.ask_with(own, "", &[], &form).await.token_of(None, own);

    let both = basic("both", SECRET);
    world.ask_with(own, &both, &[], CC).await.assert_refused("invalid_dpop_proof");
    let proof = world.proof(json!({}));
    world.ask_with(None, &both, &[&proof], CC).await.assert_refused("invalid_request");
    world.ask_with(own, &both, &[&proof], CC).await.token_of(Some(&world.key), own);
    world.ask_with(own, &both, &[&proof], CC).await.assert_refused("invalid_dpop_proof");
}

/// Clients with certificates: two of them, with a secret as well, locked, and without any.
fn with_certificates(builder: IssuerBuilder) -> IssuerBuilder {
    let client = |id: &str, own: &[&str]| {
        let own: Vec<Thumbprint> = own.iter().map(|text| certificate(text).thumbprint()).collect();
        Client::new(id).certificates(own).audiences(["billing"])
    };
    shop(builder)
        .add_client(client("mesh", &["own", "next"]))
        .add_client(client("secret-too", &["too"]).secret(Secret::from(SECRET)))
        .add_client(client("gone", &["own"]).locked())
}

#[tokio::test]
async fn s8_06_a_certificate_authenticates_only_the_client_that_registered_it() {
    let world = World::with(with_certificates);
    let ask = async |presented: &str, client: &str| {
        let presented = Some(presented).filter(|text| !text.is_empty()).map(certificate);
        world.ask_with(presented, "", &[], &format!("{CC}{client}")).await
    };
    for (presented, client) in [
        ("", "&client_id=mesh"),                                             // no certificate
        ("other", "&client_id=mesh"),                                        // not registered
        ("too", "&client_id=mesh"),                                          // of another client
        ("own", "&client_id=secret-too"),                                    // likewise
        ("own", "&client_id=orders"),                                        // of a client without certificates
        ("own", "&client_id=unknown"),                                       // of nobody
        ("own", "&client_id=gone"),                                          // locked
        ("own", "&client_id="),                                              // no name
        ("own", ""),                                                         // none at all (RFC 8705 §2)
        ("own", "&client_id=mesh&client_secret=quaint-heron-lifts-49"),      // the secret is checked, and it has none
        ("too", "&client_id=secret-too&client_secret=wrong-heron-lifts-49"), // a wrong secret is not overlooked
        ("own", "&client_id=mesh&client_assertion=x"),
    ] {
        ask(presented, client).await.assert_not_authenticated();
    }
    ask("own", "&client_id=mesh&client_id=mesh").await.assert_refused("invalid_request");
    for own in ["own", "next"] {
        ask(own, "&client_id=mesh").await.token_of(None, None); // binding is a setting of its own
    }
    ask("too", "&client_id=secret-too").await.token_of(None, None);
    let by_secret = format!("&client_id=secret-too&client_secret={SECRET}");
    ask("other", &by_secret).await.token_of(None, None);
}

#[tokio::test]
async fn s8_26_s8_25_a_client_describes_and_revokes_its_tokens_by_its_certificate() {
    let world = World::with(|builder| {
        let client = Client::new("mesh").certificates([certificate("own").thumbprint()]).audiences(["billing"]);
        shop(builder).add_client(client.certificate_bound_access_tokens())
    });
    let own = certificate("own");
    let token = world.ask_with(Some(own), "", &[], &format!("{CC}&client_id=mesh")).await.token_of(None, Some(own));
    let send = async |path: &str, presented: Option<PeerCertificate>| {
        let mut request = world.request("", &[], &format!("client_id=mesh&token={token}"));
        *request.uri_mut() = format!("/tokens/{path}").parse().expect("a path");
        presented.map(|presented| request.extensions_mut().insert(presented));
        Answer::of(world.issuer.router().oneshot(request).await.expect("infallible")).await
    };
    for presented in [None, Some(certificate("other"))] {
        send("introspect", presented).await.assert_not_authenticated();
        send("revoke", presented).await.assert_not_authenticated();
    }
    let described = send("introspect", Some(own)).await.body;
    assert_eq!(described["cnf"], json!({ "x5t#S256": own.thumbprint().to_string() }), "RFC 8705 §3.2");
    assert_eq!((&described["active"], &described["token_type"]), (&json!(true), &json!("Bearer")));
    assert_eq!(send("revoke", Some(own)).await.status, StatusCode::OK);
    assert_eq!(send("introspect", Some(own)).await.body, json!({ "active": false }));
}

pub async fn metadata(issuer: &Issuer) -> Value {
    let document =
        Request::get("/.well-known/oauth-authorization-server/tokens").body(Body::empty()).expect("a request");
    Answer::of(issuer.router().oneshot(document).await.expect("infallible")).await.body
}

#[tokio::test]
async fn s8_18_the_metadata_names_what_clients_are_registered_for() {
    let of = async |settings: fn(IssuerBuilder) -> IssuerBuilder| {
        let metadata = metadata(&World::with(settings).issuer).await;
        let lists = ["token", "introspection", "revocation"];
        let lists = lists.map(|endpoint| &metadata[format!("{endpoint}_endpoint_auth_methods_supported")]);
        assert!(lists.iter().all(|list| *list == lists[0]), "{metadata}");
        let has = |method: &str| lists[0].as_array().expect("a list").iter().any(|name| name == method);
        assert!(has("client_secret_basic") && !has("tls_client_auth"));
        (has("self_signed_tls_client_auth"), metadata["tls_client_certificate_bound_access_tokens"].clone())
    };
    assert_eq!(of(shop).await, (false, json!(false)));
    assert_eq!(of(with_bound).await, (false, json!(true)));
    assert_eq!(of(with_certificates).await, (true, json!(false)));
}

#[tokio::test]
async fn s6_21_every_proof_algorithm_stands_beside_a_certificate() {
    let world = World::with(with_bound);
    let own = Some(certificate("own"));
    for algorithm in [Algorithm::ES256, Algorithm::EdDSA] {
        let key = TestKey::with_algorithm(algorithm, &world.clock);
        let proof = world.proof_by(&key).sign();
        world.ask_with(own, &basic("bound", SECRET), &[&proof], CC).await.token_of(Some(&key), own);
    }
}
