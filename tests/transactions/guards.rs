//! Guards over the caller and over the transaction, each by itself.

use axum::Router;
use axum::routing::get;
use countersign::authz::{any_authenticated, claim, client, in_transaction, subject, transaction};
use countersign::extract::Authorized;
use countersign::prelude::*;
use serde_json::json;

use crate::shop::{Shop, request, send, with};

countersign::requirement! {
    /// Buys for whoever the transaction is for.
    Buys = in_transaction(claim("/tctx/action", "BUY"));
}

async fn ok() -> &'static str {
    "ok"
}

fn guarded(shop: &Shop, requirement: Requirement) -> Router {
    Router::new().route("/", get(ok).layer(require(requirement))).layer(shop.layer())
}

#[tokio::test]
async fn s9_11_caller_and_subject_are_each_visible_to_guards() {
    let shop = Shop::new();
    let token = shop.transaction().sign();
    let stranger = shop.issuer.token().subject("reports").client_id("reports").audience("stock").scope("stock:read");
    let app = guarded(&shop, client("orders").and(in_transaction(subject("ann").and(scope("trade.stocks")))));
    with(&app, "/", &shop.caller(), &token).await.assert_success();
    with(&app, "/", &stranger, &token).await.assert_refused(403, "forbidden"); // the user may, the caller may not
    let of_bob = shop.transaction().subject("bob").sign();
    with(&app, "/", &shop.caller(), &of_bob).await.assert_refused(403, "forbidden");
    // The names of one are never those of the other.
    for (what, requirement, is_met) in [
        ("the caller's scope is not the transaction's", in_transaction(scope("stock:read")), false),
        ("the transaction's scope is not the caller's", scope("trade.stocks"), false),
        ("the caller is not its subject", in_transaction(subject("orders")), false),
        ("the subject is not the caller", subject("ann"), false),
        ("the workload that requested it", in_transaction(client("test-workload")), false),
        ("any caller in any transaction", any_authenticated().and(transaction()), true),
        ("its scope", in_transaction(scope("trade.stocks")), true),
        ("either", subject("nobody").or(in_transaction(subject("ann"))), true),
        ("no transaction within one", in_transaction(transaction()), false),
    ] {
        let answer = with(&guarded(&shop, requirement), "/", &shop.caller(), &token).await;
        assert_eq!(answer.status() == 200, is_met, "{what}");
    }
}

#[tokio::test]
async fn s9_08_a_guard_denies_without_a_transaction_and_so_does_its_negation() {
    let shop = Shop::new();
    for requirement in [
        transaction(),
        in_transaction(scope("trade.stocks")),
        in_transaction(scope("trade.stocks")).not(),
        in_transaction(scope("trade.stocks").not()),
        scope("none").or(transaction()),
    ] {
        let app = guarded(&shop, requirement.clone());
        let answer = send(&app, shop.caller().on(request("/"))).await;
        assert_eq!(answer.status(), 403, "{requirement}");
    }
    let outside = guarded(&shop, transaction().not());
    send(&outside, shop.caller().on(request("/"))).await.assert_success();
    with(&outside, "/", &shop.caller(), &shop.transaction().sign()).await.assert_refused(403, "forbidden");
}

#[tokio::test]
async fn s9_08_a_denial_within_a_transaction_asks_for_no_other_token_of_the_caller() {
    let shop = Shop::new();
    let token = shop.transaction().sign();
    let app = guarded(&shop, in_transaction(scope("trade.bonds")));
    let answer = with(&app, "/", &shop.caller(), &token).await;
    answer.assert_refused(403, "forbidden");
    assert_eq!(answer.header("www-authenticate"), None);
    let hidden = guarded(&shop, in_transaction(scope("trade.bonds").hidden()));
    assert_eq!(with(&hidden, "/", &shop.caller(), &token).await.status(), 404);
    let shadowed = guarded(&shop, any_authenticated().and(in_transaction(scope("trade.bonds").shadowed())));
    with(&shadowed, "/", &shop.caller(), &token).await.assert_success();
    send(&shadowed, shop.caller().on(request("/"))).await.assert_success();
}

#[tokio::test]
async fn s9_08_a_guard_over_transactions_without_a_layer_that_takes_them_is_500() {
    let shop = Shop::new();
    let token = shop.transaction().sign();
    let plain = shop.builder().build().expect("a layer");
    let by_extractor = |_: Authorized<Buys>| async { "ok" };
    let by_handler = |claims: Claims| async move { claims.require(&transaction()).map(|()| "ok") };
    for route in [get(ok).layer(require(transaction())), get(by_extractor), get(by_handler)] {
        let without = Router::new().route("/", route.clone());
        with(&without, "/", &shop.caller(), &token).await.assert_refused(500, "internal_error");
        let behind = Router::new().route("/", route).layer(plain.clone());
        with(&behind, "/", &shop.caller(), &token).await.assert_refused(500, "internal_error");
    }
}

#[tokio::test]
async fn s9_08_extractors_and_handlers_see_the_transaction_as_guards_do() {
    let shop = Shop::new();
    let by_extractor = |_: Authorized<Buys>| async { "ok" };
    let by_handler = |claims: Claims| async move {
        claims.require(&in_transaction(claim("/tctx/action", "BUY"))).map(|()| claims.meets(&transaction()).to_string())
    };
    let app = Router::new().route("/a", get(by_extractor)).route("/b", get(by_handler)).layer(shop.layer());
    let token = |action: &str| shop.transaction().claim("tctx", json!({ "action": action })).sign();
    for path in ["/a", "/b"] {
        with(&app, path, &shop.caller(), &token("BUY")).await.assert_success();
        with(&app, path, &shop.caller(), &token("SELL")).await.assert_refused(403, "forbidden");
        send(&app, shop.caller().on(request(path))).await.assert_refused(403, "forbidden");
    }
    assert_eq!(with(&app, "/b", &shop.caller(), &token("BUY")).await.text(), "true");
}

#[tokio::test]
async fn s15_06_a_client_in_a_transaction_is_the_requesting_workload_only_if_it_speaks_for_itself() {
    let shop = Shop::new();
    let own = shop.transaction().subject("cron").claim("req_wl", "cron").sign();
    let app = guarded(&shop, in_transaction(client("cron")));
    with(&app, "/", &shop.caller(), &own).await.assert_success();
    let others = shop.transaction().subject("ann").claim("req_wl", "cron").sign();
    with(&app, "/", &shop.caller(), &others).await.assert_refused(403, "forbidden");
}

#[test]
fn requirements_over_transactions_are_data() {
    for (requirement, data) in [
        (transaction(), json!({ "transaction": {} })),
        (in_transaction(scope("x")), json!({ "in_transaction": { "scope": "x" } })),
    ] {
        assert_eq!(serde_json::to_value(&requirement).expect("data"), data);
        assert_eq!(Requirement::from_json(&data.to_string()).expect("read"), requirement);
    }
    assert!(in_transaction(tenant_in_path("t")).path_parameters().eq(["t"]));
    assert_ne!(in_transaction(scope("x")), in_transaction(scope("y")));
}
