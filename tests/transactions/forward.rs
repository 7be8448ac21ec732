//! Transaction tokens on outgoing calls.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::response::Redirect;
use axum::routing::get;
use countersign::outbound::{
    AttachTokenLayer, ClientCredentials, Outbound, OutboundBuilder, ProvideCallerLayer, StaticToken,
};
use countersign::policy::Policy;
use countersign::secret::Secret;
use countersign::verify::TransactionToken;
use countersign_test::{BearerAuth, MockService};
use countersign_tests::http::Service as Loopback;
use tower::{Layer, ServiceExt};

use crate::shop::{DOMAIN, Shop, request, send};

fn own_token() -> StaticToken {
    StaticToken::new(Secret::from("a-service-token"))
}

/// A client that follows no redirects.
fn http() -> reqwest::Client {
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client")
}

fn builder(shop: &Shop) -> OutboundBuilder<Outbound> {
    Outbound::builder(http()).client_follows_no_redirects().clock(Arc::new(shop.issuer.clock().clone()))
}

async fn verified(shop: &Shop, token: &str) -> TransactionToken {
    shop.service.transaction_verifier_for(DOMAIN).verify(token).await.expect("accepted")
}

#[tokio::test]
async fn s9_08_a_transaction_token_is_forwarded_unmodified_beside_the_services_own() {
    let (shop, stock) = (Shop::new(), MockService::start().await);
    let outbound =
        builder(&shop).bind(stock.url(), own_token()).forward_transaction(stock.url()).build().expect("bound");
    let token = shop.transaction().sign();
    let transaction = verified(&shop, &token).await;
    outbound.in_transaction(&transaction).send(http().get(stock.url())).await.expect("sent");
    let sent = &stock.requests()[0].headers;
    assert_eq!(
        (sent["txn-token"].to_str().expect("text"), sent["authorization"].to_str().expect("text")),
        (&*token, "Bearer a-service-token"),
        "of one request"
    );
    assert_eq!(sent.get_all("txn-token").iter().count(), 1);
}

#[tokio::test]
async fn s9_08_origins_that_are_not_bound_to_get_it_never_do() {
    let (shop, stock, mail) = (Shop::new(), MockService::start().await, MockService::start().await);
    let builder = builder(&shop).bind(stock.url(), own_token()).bind(mail.url(), own_token());
    let outbound = builder.forward_transaction(stock.url()).build().expect("bound");
    let transaction = verified(&shop, &shop.transaction().sign()).await;
    let outbound = outbound.in_transaction(&transaction);
    outbound.send(http().get(mail.url())).await.expect("sent");
    assert!(!mail.requests()[0].headers.contains_key("txn-token"));
    let elsewhere = MockService::start().await;
    let error = outbound.send(http().get(elsewhere.url())).await.expect_err("not bound");
    assert_eq!((error.code(), elsewhere.requests().len()), ("origin_not_bound", 0));
    // Not by hand either.
    for url in [stock.url(), mail.url()] {
        let error = outbound.send(http().get(url).header("txn-token", "x")).await.expect_err("by hand");
        assert_eq!(error.code(), "authorization_already_set");
    }
    assert_eq!((stock.requests().len(), mail.requests().len()), (0, 1));
}

#[tokio::test]
async fn s9_08_a_call_that_states_no_transaction_is_not_made() {
    let (shop, stock) = (Shop::new(), MockService::start().await);
    let outbound =
        builder(&shop).bind(stock.url(), own_token()).forward_transaction(stock.url()).build().expect("bound");
    let error = outbound.send(http().get(stock.url())).await.expect_err("unstated");
    assert_eq!((error.code(), stock.requests().len()), ("no_transaction", 0));
    outbound.without_transaction().send(http().get(stock.url())).await.expect("stated");
    assert!(!stock.requests()[0].headers.contains_key("txn-token"));

    let transaction = verified(&shop, &shop.transaction().sign()).await;
    shop.issuer.clock().advance(Duration::from_secs(60));
    let error = outbound.in_transaction(&transaction).send(http().get(stock.url())).await.expect_err("expired");
    assert_eq!((error.code(), stock.requests().len()), ("transaction_expired", 1));
}

#[tokio::test]
async fn s7_16_s9_08_a_transaction_token_never_follows_a_redirect() {
    let (shop, elsewhere) = (Shop::new(), MockService::start().await);
    let target = elsewhere.url().to_owned();
    let stock = Loopback::start(Router::new().route("/", get(|| async move { Redirect::temporary(&target) }))).await;
    let transaction = verified(&shop, &shop.transaction().sign()).await;
    let bind =
        |builder: OutboundBuilder<Outbound>| builder.bind(stock.url(), own_token()).forward_transaction(stock.url());
    let outbound = bind(builder(&shop)).build().expect("bound");
    let answer =
        outbound.in_transaction(&transaction).send(http().get(stock.url())).await.expect("the redirect itself");
    assert_eq!((answer.status().as_u16(), elsewhere.requests().len()), (307, 0));
    // A client that may follow redirects is refused when it is built.
    let faults = bind(Outbound::builder(reqwest::Client::new())).build().expect_err("redirects");
    assert!(faults.to_string().contains("forward_transaction"), "{faults}");
}

#[tokio::test]
async fn a_refused_transaction_token_does_not_cost_the_service_its_own() {
    let (shop, other, sts) = (Shop::new(), Shop::new(), MockService::start().await);
    let own = shop.caller().sign();
    let answer = format!(r#"{{"access_token":"{own}","token_type":"Bearer","expires_in":300}}"#);
    // The target refuses transactions of this shop's service, since it trusts another one.
    let target = Loopback::start(crate::shop::app(layer_of_other(&shop, &other))).await;
    let source = ClientCredentials::from_token_endpoint(sts.url()).client("orders", Secret::from("s3cret-value"));
    let outbound = builder(&shop).bind(target.url(), source).forward_transaction(target.url()).build().expect("bound");
    let transaction = verified(&shop, &shop.transaction().sign()).await;
    for _ in 0..3 {
        sts.respond_with(200, answer.clone());
        let refused = outbound.in_transaction(&transaction).send(http().get(target.url())).await.expect("answered");
        assert_eq!(refused.status().as_u16(), 401);
    }
    assert_eq!((sts.requests().len(), outbound.stats()[0].1.renewals), (1, 0), "another token would not help");
    // A refused token of its own is renewed, as ever.
    shop.issuer.clock().advance(Duration::from_secs(31));
    let strict = Loopback::start(crate::shop::app(Shop::new().layer())).await;
    let source = ClientCredentials::from_token_endpoint(sts.url()).client("orders", Secret::from("s3cret-value"));
    let outbound = builder(&shop).bind(strict.url(), source).forward_transaction(strict.url()).build().expect("bound");
    let before = sts.requests().len();
    sts.respond_with(200, answer.clone());
    sts.respond_with(200, answer);
    let refused = outbound.in_transaction(&transaction).send(http().get(strict.url())).await.expect("answered");
    assert_eq!((refused.status().as_u16(), sts.requests().len() - before), (401, 2));
}

/// Trusts the callers of `shop` and the transactions of `other`.
fn layer_of_other(shop: &Shop, other: &Shop) -> countersign::authenticate::AuthenticateLayer {
    let service = other.service.transaction_service_for(DOMAIN);
    let verifier =
        countersign::verify::TransactionVerifier::builder(service).clock(Arc::new(shop.issuer.clock().clone()));
    shop.builder().transaction_tokens(verifier.build().expect("a verifier")).build().expect("a layer")
}

#[tokio::test]
async fn s9_13_the_current_transaction_is_known_to_its_own_task_alone() {
    let (shop, stock) = (Shop::new(), MockService::start().await);
    let outbound =
        builder(&shop).bind(stock.url(), own_token()).forward_transaction(stock.url()).build().expect("bound");
    assert_eq!(outbound.in_current_transaction().expect_err("no task").code(), "no_transaction");
    let url = stock.url().to_owned();
    let handler = move || async move {
        let spawned = outbound.clone();
        let elsewhere =
            tokio::spawn(async move { spawned.in_current_transaction().map(drop) }).await.expect("no panic");
        assert_eq!(elsewhere.expect_err("another task").code(), "no_transaction");
        outbound.in_current_transaction()?.send(http().get(&url)).await?;
        Ok::<_, countersign::outbound::OutboundError>("sent")
    };
    let app = Router::new().route("/", get(handler)).layer(ProvideCallerLayer).layer(shop.layer());
    let token = shop.transaction().sign();
    send(&app, shop.caller().on(request("/")).txn_token(&token)).await.assert_success();
    assert_eq!(stock.requests()[0].headers["txn-token"], *token);
    // A request without one makes no call.
    send(&app, shop.caller().on(request("/"))).await.assert_refused(500, "internal_error");
    assert_eq!(stock.requests().len(), 1);
}

#[tokio::test]
async fn s9_08_a_layer_of_a_tower_client_forwards_what_the_request_carries() {
    let shop = Shop::new();
    let layer = AttachTokenLayer::builder()
        .clock(Arc::new(shop.issuer.clock().clone()))
        .bind("https://stock.internal", own_token())
        .forward_transaction("https://stock.internal")
        .build()
        .expect("bound");
    let echo = tower::service_fn(|request: http::Request<()>| async move {
        let sent = request.headers().get("txn-token").cloned();
        assert!(sent.as_ref().is_none_or(http::HeaderValue::is_sensitive));
        Ok::<_, std::io::Error>(http::Response::new(sent))
    });
    let service = layer.layer(echo);
    let token = shop.transaction().sign();
    let mut request = http::Request::get("https://stock.internal/").body(()).expect("a request");
    let error = service.clone().oneshot(request.clone()).await.expect_err("unstated");
    assert_eq!(error.code(), "no_transaction");
    request.extensions_mut().insert(verified(&shop, &token).await);
    let sent = service.oneshot(request).await.expect("sent").into_body().expect("a token");
    assert_eq!(sent, *token);
}

#[tokio::test]
async fn a_policy_file_says_where_transaction_tokens_go() {
    let policy = |origin: &str, forward: bool| {
        let json = format!(
            r#"{{"issuers":[{{"issuer":"https://id.test","audience":"a"}}],"outbound":[
              {{"origin":"{origin}","token_file":"/dev/null","forward_transaction":{forward}}}]}}"#
        );
        Policy::from_json(&json).expect("a policy")
    };
    assert!(Outbound::from_config(&policy("https://stock.internal", true)).is_ok());
    // A client of one's own must follow no redirects.
    let own =
        |forward| Outbound::builder(reqwest::Client::new()).config(&policy("https://stock.internal", forward)).build();
    assert!(own(false).is_ok() && own(true).is_err());
    assert_eq!(
        Policy::from_json(&policy("https://a.test", true).to_json()).expect("read"),
        policy("https://a.test", true)
    );
}

#[test]
fn forwarding_to_an_origin_that_is_not_bound_is_a_fault() {
    let shop = Shop::new();
    let faults = builder(&shop).forward_transaction("https://stock.internal").build().expect_err("not bound");
    assert_eq!(faults.faults()[0].field, "forward_transaction");
}
