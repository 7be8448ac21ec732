//! A client that the certificate of its connection authenticates (RFC 8705 §2).

use std::sync::Arc;

use countersign::clock::SystemClock;
use countersign::connection::ConnectionSettings;
use countersign::outbound::{OutboundContext, OutboundError, TokenRequest, TokenSource};
use countersign::policy::Policy;
use countersign::prelude::*;
use countersign::secret::Secret;
use countersign_tests::http::Service;

use super::server::Keycloak;
use super::{guide, keycloak};
use crate::authority::Authority;
use crate::service;

/// The policies of the guide: what `orders` accepts, and the calls of `reports`.
fn policy(server: &Keycloak, orders: &str) -> Policy {
    let text = format!(
        "{}\n{}\n[connection]\nroots_files = [\"/etc/company/ca.pem\"]\n",
        guide().file("policy.toml"),
        guide().file("calls-certificate.toml")
    );
    Policy::from_toml(&server.placed(&text).replace("https://orders.internal", orders)).expect("a policy")
}

/// The service `orders`, which trusts Keycloak at its HTTPS address.
async fn orders(server: &Keycloak) -> Service {
    let policy = policy(server, "https://orders.internal");
    let verifier = Verifier::builder().policy(&policy, countersign::keys::from_config).build().expect("a verifier");
    service::orders(verifier).await
}

/// The client `reports` with the certificate in the files of this name.
fn reports(server: &Keycloak, file: &str) -> ClientCredentials {
    let folder = server.server.folder();
    let [own, key] = ["crt", "key"].map(|kind| folder.join(format!("{file}.{kind}")));
    let connection = ConnectionSettings::new().add_roots_file(folder.join("ca.crt")).certificate_files(own, key);
    let reports = ClientCredentials::from_issuer(server.https_issuer()).scope("orders:read");
    reports.client_certificate("reports").connection(connection)
}

async fn error(source: &ClientCredentials) -> OutboundError {
    source.token(&TokenRequest::default()).await.expect_err("refused")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_keycloak), ignore = "needs Keycloak: tests/peers/install")]
async fn s7_01_s7_03_the_certificate_of_its_connection_authenticates_a_client_of_keycloak() {
    let server = keycloak().await;
    let orders = orders(&server).await;
    server.authority.write_client(server.server.folder(), "reports", "reports");
    let policy = policy(&server, &orders.url());
    let by_policy = Outbound::builder(reqwest::Client::new()).config(&policy).build().expect("bound");
    let by_code = Outbound::builder(reqwest::Client::new()).bind(orders.url(), reports(&server, "reports"));
    for outbound in [by_policy, by_code.build().expect("bound")] {
        let answer = outbound.send(outbound.client().get(format!("{}/orders", orders.url()))).await.expect("a token");
        assert_eq!(answer.status(), 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_keycloak), ignore = "needs Keycloak: tests/peers/install")]
async fn a_certificate_that_is_renewed_needs_no_restart_and_one_of_another_client_gets_no_token_of_keycloak() {
    let server = keycloak().await;
    let (folder, authority) = (server.server.folder(), &server.authority);
    let source = reports(&server, "renewed");
    authority.write_client(folder, "renewed", "reports");
    assert_eq!(source.attach(&OutboundContext::new(Arc::new(SystemClock))), []);
    for _ in 0..3 {
        source.token(&TokenRequest::default()).await.expect("a token");
        authority.write_client(folder, "renewed", "reports");
    }

    authority.write_client(folder, "renewed", "web");
    let another = error(&source).await;
    assert_eq!((another.code(), another.oauth_error()), ("token_refused", Some("invalid_client")));
    let advice =
        "compare the client's id and its certificate in the connection's settings with those at the token service";
    assert!(another.to_string().contains(advice), "{another}");

    Authority::new().write_client(folder, "renewed", "reports");
    let foreign = error(&source).await;
    assert_eq!((foreign.code(), foreign.is_transient()), ("token_unavailable", true));
    assert!(foreign.to_string().contains("the server refused the client certificate"), "{foreign}");

    authority.write_client(folder, "renewed", "reports");
    source.token(&TokenRequest::default()).await.expect("a token");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_keycloak), ignore = "needs Keycloak: tests/peers/install")]
async fn without_a_certificate_a_client_of_keycloak_gets_no_token_and_the_error_names_what_is_missing() {
    let server = keycloak().await;
    let folder = server.server.folder();
    let without = || ConnectionSettings::new().add_roots_file(folder.join("ca.crt"));
    let by_code = reports(&server, "reports").connection(without());
    let faults = Outbound::builder(reqwest::Client::new()).bind("https://orders.internal", by_code).build();
    let faults = faults.expect_err("no certificate").to_string();
    assert!(faults.contains("no certificate in the connection's settings; set it with `connection`"), "{faults}");

    let mut policy = policy(&server, "https://orders.internal");
    policy.outbound[0].connection = None;
    let faults = Outbound::builder(reqwest::Client::new()).config(&policy).build().expect_err("no certificate");
    assert!(faults.to_string().contains("or a certificate in connection"), "{faults}");

    let by_secret = ClientCredentials::from_issuer(server.https_issuer()).client("reports", Secret::from("guessed"));
    let by_secret = by_secret.connection(without());
    assert_eq!(by_secret.attach(&OutboundContext::new(Arc::new(SystemClock))), []);
    assert_eq!(error(&by_secret).await.oauth_error(), Some("invalid_client"), "a secret is not accepted in its place");
}
