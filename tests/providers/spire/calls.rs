//! Calls with JWT-SVIDs.

use countersign::keys::from_config;
use countersign::outbound::{Assertion, ClientCredentials, Outbound};
use countersign::policy::Policy;
use countersign::prelude::Verifier;
use countersign_issuer::IssuerConfig;
use countersign_tests::http::Service;
use tokio::net::TcpListener;

use super::tokens::orders;
use super::{guide, placed, shop, verifier};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_spire), ignore = "needs SPIRE: tests/peers/install all")]
async fn a_call_sends_the_svid_that_is_in_the_file_now() {
    let server = shop().await;
    let orders = orders(verifier("policy.toml", server, None)).await;
    let file = server.folder().join("orders.jwt");
    std::fs::write(&file, server.token("orders", "reports")).expect("written");
    let calls = placed(guide().file("calls.toml"), server, None).replace("https://orders.internal", &orders.url());
    let policy = Policy::from_toml(&format!("{}\n{calls}", placed(guide().file("policy.toml"), server, None)));
    let policy = policy.expect("a policy");
    let outbound = Outbound::builder(reqwest::Client::new()).config(&policy).build().expect("bound");
    let me = async || {
        let answer = outbound.send(outbound.client().get(format!("{}/me", orders.url()))).await.expect("an answer");
        answer.text().await.expect("text")
    };
    assert_eq!(me().await, "spiffe://shop.example/reports");
    std::fs::write(&file, server.token("orders", "billing")).expect("written");
    assert_eq!(me().await, "spiffe://shop.example/billing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_spire), ignore = "needs SPIRE: tests/peers/install all")]
async fn an_svid_authenticates_the_client_of_our_own_issuer() {
    let server = shop().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let name = format!("http://{}", listener.local_addr().expect("bound"));
    let federation = placed(guide().file("issuer.toml"), server, None).replace("https://sts.shop.example", &name);
    let config = format!(
        "issuer = \"{name}\"\n[[audience]]\nname = \"orders\"\nscopes = [\"orders:read\"]\n[[client]]\nid = \"billing\"\n\
         audiences = [\"orders\"]\nscopes = [\"orders:read\"]\n{federation}"
    );
    let issuer = IssuerConfig::from_toml(&config).expect("a configuration").build_with(from_config).expect("an issuer");
    let service = Service::on(listener, issuer.router());
    let orders = orders(Verifier::new(issuer.trusted_for("orders")).expect("a verifier")).await;

    let call = async |workload: &str| {
        let file = server.folder().join(format!("sts-{workload}.jwt"));
        std::fs::write(&file, server.token(&name, workload)).expect("written");
        let tokens =
            ClientCredentials::from_issuer(service.url()).jwt_bearer(Assertion::from_file(&file)).audience("orders");
        let outbound = Outbound::builder(reqwest::Client::new()).bind(orders.url(), tokens).build().expect("bound");
        outbound.send(outbound.client().get(format!("{}/me", orders.url()))).await
    };
    let answer = call("billing").await.expect("an answer");
    assert_eq!(answer.text().await.expect("text"), "billing");
    assert_eq!(call("reports").await.expect_err("no client").oauth_error(), Some("invalid_grant"));
}
