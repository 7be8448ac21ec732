//! Tokens that Keycloak binds to the certificate of their client (RFC 8705 §3).

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use countersign::authz::proof_of_possession;
use countersign::clock::SystemClock;
use countersign::connection::ConnectionSettings;
use countersign::integration::with_connection;
use countersign::outbound::{OutboundContext, TokenRequest, TokenSource};
use countersign::policy::Policy;
use countersign::prelude::*;
use countersign::proof::{MutualTls, TlsPeer};
use countersign::secret::Secret;
use countersign::tls::{ClientCertificates, TlsListener, TlsSettings};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::server::Keycloak;
use super::{guide, keycloak};

/// What this file in the folder of the server has.
fn read(server: &Keycloak, name: &str) -> String {
    std::fs::read_to_string(server.server.folder().join(name)).expect("written")
}

/// The policies of the guide for the client `payments`, whose calls to `orders` have its certificate too.
fn policy(server: &Keycloak, orders: &str) -> Policy {
    let calls = guide().file("calls-certificate.toml").replace("reports", "payments");
    let text = server.placed(&format!("{}\n{calls}", guide().file("policy.toml")));
    let mut policy = Policy::from_toml(&text.replace("https://orders.internal", orders)).expect("a policy");
    policy.connection.clone_from(&policy.outbound[0].connection);
    policy
}

/// Starts `orders` with TLS, and returns its address.
async fn orders(server: &Keycloak) -> String {
    let policy = policy(server, "https://orders.internal");
    let verifier = Verifier::builder().policy(&policy, countersign::keys::from_config).build().expect("a verifier");
    let layer = AuthenticateLayer::builder(verifier).mutual_tls(MutualTls::of_connection()).build().expect("a layer");
    let router = Router::new()
        .route("/orders", get(|| async { "orders" }))
        .layer(require(scope("orders:read").and(proof_of_possession())))
        .layer(layer);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = format!("https://{}", listener.local_addr().expect("bound"));
    let key = Secret::from(read(server, "server.key"));
    let settings = TlsSettings::new(&read(server, "server.crt"), &key, ClientCertificates::Any).expect("settings");
    let service = router.into_make_service_with_connect_info::<TlsPeer>();
    tokio::spawn(async move { axum::serve(TlsListener::new(listener, settings), service).await });
    address
}

/// The status of a call with this token over a connection with the certificate of this name, and the code.
async fn call(server: &Keycloak, orders: &str, token: &str, certificate: Option<&str>) -> (u16, String) {
    let mut settings = ConnectionSettings::new().add_roots_file(server.server.folder().join("ca.crt"));
    if let Some(name) = certificate {
        let [own, key] = ["crt", "key"].map(|kind| read(server, &format!("{name}.{kind}")));
        settings = settings.certificate(own, Secret::from(key));
    }
    let client = with_connection(reqwest::Client::builder().no_proxy(), &settings).expect("settings");
    let request = client.build().expect("a client").get(format!("{orders}/orders")).bearer_auth(token);
    let answer = request.send().await.expect("an answer");
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.unwrap_or_default();
    (status, body["code"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_keycloak), ignore = "needs Keycloak: tests/peers/install")]
async fn s6_21_tokens_of_keycloak_that_are_bound_to_a_certificate_are_only_good_with_it() {
    let server = keycloak().await;
    let mut client: Value = serde_json::from_str(guide().file("reports.json")).expect("JSON");
    client["clientId"] = json!("payments");
    client["attributes"] =
        json!({ "x509.subjectdn": "CN=payments", "tls.client.certificate.bound.access.tokens": "true" });
    server.post("shop/clients", &client).await;
    for name in ["payments", "another"] {
        server.authority.write_client(server.server.folder(), name, name);
    }
    let orders = orders(&server).await;
    let policy = policy(&server, &orders);
    let outbound = Outbound::from_config(&policy).expect("bound");
    let answer = outbound.send(outbound.client().get(format!("{orders}/orders"))).await.expect("a token");
    assert_eq!(answer.status(), 200);

    let folder = server.server.folder();
    let [own, key] = ["payments.crt", "payments.key"].map(|name| folder.join(name));
    let settings = ConnectionSettings::new().add_roots_file(folder.join("ca.crt")).certificate_files(own, key);
    let source = ClientCredentials::from_issuer(server.https_issuer()).client_certificate("payments");
    let source = source.scope("orders:read").connection(settings);
    assert_eq!(source.attach(&OutboundContext::new(Arc::new(SystemClock))), []);
    let token = source.token(&TokenRequest::default()).await.expect("a token");
    assert_eq!(call(&server, &orders, token.expose(), Some("payments")).await.0, 200, "its owner");
    for certificate in [Some("another"), None] {
        let (status, code) = call(&server, &orders, token.expose(), certificate).await;
        assert_eq!((status, &*code), (401, "token_invalid"), "{certificate:?}");
    }
}
