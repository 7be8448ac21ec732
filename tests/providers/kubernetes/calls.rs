//! Calls with tokens of service accounts.

use countersign::outbound::{Assertion, ClientCredentials, Outbound};
use countersign::policy::Policy;
use countersign::prelude::Verifier;
use countersign_issuer::IssuerConfig;
use countersign_tests::http::Service;
use serde_json::json;
use tokio::net::TcpListener;

use super::tokens::orders;
use super::{Pod, guide, shop, sources, verifier};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_kubernetes), ignore = "needs Kubernetes: tests/peers/install all")]
async fn s7_05_a_call_sends_the_service_account_token_that_is_in_the_file_now() {
    let shop = shop().await;
    let orders = orders(verifier(&shop)).await;
    let pod = Pod::new(&shop.cluster, "billing");
    pod.write(&shop.cluster).await;
    let calls = guide().file("calls.toml").replace("https://orders.shop.svc", &orders.url());
    let calls = calls.replace("/var/run/secrets", &pod.file("/var/run/secrets").display().to_string());
    let policy = Policy::from_toml(&format!("{}\n{calls}", guide().file("policy.toml"))).expect("a policy");
    let outbound = Outbound::builder(reqwest::Client::new()).config(&policy).build().expect("bound");
    let id = async || {
        let request = outbound.client().get(format!("{}/id", orders.url()));
        let answer = outbound.send(request).await.expect("an answer");
        assert_eq!(answer.status(), 200);
        answer.text().await.expect("text")
    };
    let first = id().await;
    assert_eq!(id().await, first);
    pod.write(&shop.cluster).await;
    assert_ne!(id().await, first, "the kubelet replaced the file");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_kubernetes), ignore = "needs Kubernetes: tests/peers/install all")]
async fn s7_05_a_service_account_authenticates_the_client_of_our_own_issuer() {
    let shop = shop().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let name = format!("http://{}", listener.local_addr().expect("bound"));
    let federation = guide().file("issuer.toml").replace("https://sts.shop.example", &name);
    let config = format!(
        "issuer = \"{name}\"\n[[audience]]\nname = \"orders\"\nscopes = [\"orders:read\"]\n[[client]]\nid = \"billing\"\n\
         audiences = [\"orders\"]\nscopes = [\"orders:read\"]\n{federation}"
    );
    let config = IssuerConfig::from_toml(&config).expect("a configuration");
    let issuer = config.build_with(sources(&shop)).expect("an issuer");
    let service = Service::on(listener, issuer.router());
    let verifier = Verifier::new(issuer.trusted_for("orders")).expect("a verifier");
    let orders = crate::service::orders(verifier).await;

    let call = async |account: &str, audience: &str| {
        let file = shop.cluster.folder().join(format!("sts-{account}-{}", audience.len()));
        let spec = json!({ "audiences": [audience], "expirationSeconds": 3600 });
        std::fs::write(&file, shop.cluster.token_of(account, &spec).await).expect("written");
        let tokens =
            ClientCredentials::from_issuer(service.url()).jwt_bearer(Assertion::from_file(&file)).audience("orders");
        let outbound = Outbound::builder(reqwest::Client::new()).bind(orders.url(), tokens).build().expect("bound");
        outbound.send(outbound.client().get(format!("{}/me", orders.url()))).await
    };
    let answer = call("billing", &name).await.expect("an answer");
    assert_eq!(answer.text().await.expect("text"), "billing");
    assert_eq!(call("orders", &name).await.expect_err("no client").oauth_error(), Some("invalid_grant"));
    assert_eq!(call("billing", "orders").await.expect_err("for another").oauth_error(), Some("invalid_grant"));
}
