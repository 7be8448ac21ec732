//! The header at the layer, beside the caller's own token.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::Body;
use countersign::authenticate::{AuthenticateLayer, Authenticated};
use countersign::key::{KeyCell, KeySet, KeySource, RefreshFuture, RefreshOutcome, RefreshReason};
use countersign::policy::TransactionService;
use countersign::prelude::*;
use countersign::verify::TransactionVerifier;
use countersign_test::{BearerAuth, TestIssuer, TransactionAttack};

use crate::shop::{DOMAIN, Shop, app, request, send, with};

#[tokio::test]
async fn s9_08_a_request_has_a_caller_and_a_transaction() {
    let shop = Shop::new();
    let app = app(shop.layer());
    let transaction = shop.transaction().claim("txn", "t-1").sign();
    assert_eq!(with(&app, "/", &shop.caller(), &transaction).await.text(), "orders for ann in t-1");
    assert_eq!(with(&app, "/demanding", &shop.caller(), &transaction).await.text(), "t-1");
    assert_eq!(send(&app, shop.caller().on(request("/"))).await.text(), "orders");
    send(&app, shop.caller().on(request("/demanding"))).await.assert_refused(403, "transaction_token_required");
}

#[tokio::test]
async fn s9_08_exactly_one_header_has_exactly_one_token() {
    let shop = Shop::new();
    let app = app(shop.layer());
    let token = shop.transaction().sign();
    let twice = shop.caller().on(request("/")).txn_token(&token).header("txn-token", &token);
    send(&app, twice).await.assert_refused(400, "transaction_token_malformed").assert_challenge("invalid_request");
    for odd in ["".to_owned(), format!("{token}, {token}"), format!("Bearer {token}"), format!("{token} ")] {
        let answer = with(&app, "/", &shop.caller(), &odd).await;
        answer.assert_refused(400, "transaction_token_malformed").assert_challenge("invalid_request");
    }
    with(&app, "/", &shop.caller(), &token).await.assert_success();
}

#[tokio::test]
async fn s9_08_every_attack_with_a_transaction_token_gets_its_answer() {
    let shop = Shop::new();
    for layer in [shop.layer(), {
        let transactions = shop.service.transaction_verifier_for(DOMAIN);
        shop.builder().transaction_tokens_required(transactions).build().expect("a layer")
    }] {
        let app = app(layer);
        for attack in TransactionAttack::ALL {
            let hostile = shop.transaction().hostile_transaction(*attack, &shop.caller());
            let (status, code) = attack.expected();
            let answer = send(&app, hostile.on(request("/"))).await;
            assert_eq!((answer.status(), &answer.json()["code"]), (status, &code.into()), "{}", attack.name());
        }
        with(&app, "/", &shop.caller(), &shop.transaction().sign()).await.assert_success();
    }
}

#[tokio::test]
async fn s9_08_a_bad_transaction_token_is_401_even_where_it_is_optional() {
    let shop = Shop::new();
    let app = app(shop.layer());
    for (what, draft) in [
        ("domain", shop.transaction().audience("bank.example")),
        ("claim", shop.transaction().without_claim("txn")),
        ("type", shop.transaction().header("typ", "at+jwt")),
        ("an access token", shop.caller()),
        ("of a stranger", TestIssuer::new().with_name("https://sts.test").transaction_token(DOMAIN, "trade.stocks")),
    ] {
        let answer = with(&app, "/", &shop.caller(), &draft.sign()).await;
        answer.assert_refused(401, "transaction_token_invalid").assert_challenge("invalid_token");
        let challenge = answer.header("www-authenticate").unwrap_or_default();
        assert!(challenge.contains("header=\"Txn-Token\""), "{what}: {challenge}");
    }
    let expired = with(&app, "/", &shop.caller(), &shop.transaction().expired().sign()).await;
    expired.assert_refused(401, "transaction_token_expired");
}

#[tokio::test]
async fn s9_08_a_transaction_token_is_no_proof_of_the_callers_identity() {
    let shop = Shop::new();
    let token = shop.transaction().sign();
    let closed = app(shop.layer());
    send(&closed, request("/").bearer_auth(&token)).await.assert_refused(401, "token_invalid");
    send(&closed, request("/").txn_token(&token)).await.assert_refused(401, "no_token");
    send(&closed, request("/").bearer_auth(&token).txn_token(&token)).await.assert_refused(401, "token_invalid");

    let transactions = shop.service.transaction_verifier_for(DOMAIN);
    let layer = shop.builder().transaction_tokens(transactions).allow_anonymous().build().expect("a layer");
    let open = axum::Router::new()
        .route("/", axum::routing::get(|caller: Option<Claims>| async move { caller.map_or(0, |_| 1).to_string() }))
        .layer(layer);
    assert_eq!(send(&open, request("/")).await.text(), "0");
    assert_eq!(send(&open, shop.caller().on(request("/")).txn_token(&token)).await.text(), "1");
    let lone = send(&open, request("/").txn_token(&token)).await;
    lone.assert_refused(401, "no_token");
}

#[tokio::test]
async fn s9_08_a_layer_may_demand_a_transaction() {
    let shop = Shop::new();
    let transactions = shop.service.transaction_verifier_for(DOMAIN);
    let layer = shop.builder().transaction_tokens_required(transactions).public(["/health"]).build().expect("a layer");
    let app = app(layer).route("/health", axum::routing::get(|| async { "ok" }));
    send(&app, shop.caller().on(request("/"))).await.assert_refused(403, "transaction_token_required");
    send(&app, request("/")).await.assert_refused(401, "no_token");
    with(&app, "/", &shop.caller(), &shop.transaction().sign()).await.assert_success();
}

#[tokio::test]
async fn s9_08_without_the_setting_the_header_means_nothing() {
    let shop = Shop::new();
    let layer = shop.builder().build().expect("a layer");
    let read = |request: axum::extract::Request<Body>| async move {
        Authenticated::transaction(request.extensions()).is_some().to_string()
    };
    let app = app(layer.clone()).merge(axum::Router::new().route("/read", axum::routing::get(read)).layer(layer));
    let token = shop.transaction().sign();
    assert_eq!(with(&app, "/read", &shop.caller(), &token).await.text(), "false");
    // What would read the transaction answers 500: nothing is skipped silently.
    with(&app, "/", &shop.caller(), &token).await.assert_refused(500, "internal_error");
    with(&app, "/demanding", &shop.caller(), &token).await.assert_refused(500, "internal_error");
}

/// Keys that are fetched when they are needed, if the service is up.
#[derive(Debug)]
struct Fetched {
    cell: KeyCell,
    jwks: String,
    is_up: AtomicBool,
}

impl KeySource for Fetched {
    fn cell(&self) -> &KeyCell {
        &self.cell
    }

    fn refresh(&self, _: RefreshReason) -> RefreshFuture<'_> {
        Box::pin(async {
            tokio::task::yield_now().await;
            if !self.is_up.load(Ordering::Relaxed) {
                return RefreshOutcome::Unavailable { retry_after: std::time::Duration::from_secs(7) };
            }
            self.cell.store(Arc::new(KeySet::from_jwks(self.jwks.as_bytes()).expect("a key set")), None);
            RefreshOutcome::Refreshed
        })
    }
}

#[tokio::test]
async fn s9_08_keys_that_are_unavailable_are_503_and_those_that_come_later_serve() {
    let shop = Shop::new();
    let keys = Arc::new(Fetched { cell: KeyCell::new(), jwks: shop.service.jwks(), is_up: AtomicBool::new(false) });
    let service = TransactionService::new(DOMAIN, keys.clone()).issuer("https://sts.test");
    let clock = Arc::new(shop.issuer.clock().clone());
    let transactions = TransactionVerifier::builder(service).clock(clock).build().expect("a verifier");
    let app = app(shop.builder().transaction_tokens(transactions.clone()).build().expect("a layer"));
    let token = shop.transaction().claim("txn", "t-1").sign();
    let down = with(&app, "/", &shop.caller(), &token).await;
    down.assert_refused(503, "transaction_keys_unavailable");
    assert_eq!((down.header("retry-after"), down.header("www-authenticate")), (Some("7"), None));
    keys.is_up.store(true, Ordering::Relaxed);
    assert_eq!(with(&app, "/", &shop.caller(), &token).await.text(), "orders for ann in t-1");
    with(&app, "/", &shop.caller(), &token).await.assert_success();
    assert_eq!((transactions.stats().verified, transactions.stats().from_cache), (1, 1), "verified once");
}

#[test]
fn the_layer_and_its_transaction_tokens_agree_on_clock_and_danger() {
    let shop = Shop::new();
    let other = TestIssuer::new().transaction_verifier_for(DOMAIN);
    let error = shop.builder().transaction_tokens(other).build().expect_err("another clock");
    assert_eq!(error.faults()[0].field, "clock");
    let clock = || Arc::new(shop.issuer.clock().clone());
    let strict = Verifier::builder().trust(shop.issuer.trusted_for("stock")).clock(clock()).deny_danger();
    let builder = AuthenticateLayer::builder(strict.build().expect("a verifier"));
    let lax = shop.service.transaction_verifier_for(DOMAIN);
    assert_eq!(builder.clone().transaction_tokens(lax).build().expect_err("lax").faults()[0].field, "danger");
    let service = shop.service.transaction_service_for(DOMAIN);
    let verifier = TransactionVerifier::builder(service).clock(clock()).deny_danger().build().expect("a verifier");
    assert!(builder.transaction_tokens(verifier).build().is_ok());
}

#[tokio::test]
async fn s10_01_handlers_see_the_header_hidden_from_debug() {
    let shop = Shop::new();
    let shown = |request: axum::extract::Request<Body>| async move { format!("{:?}", request.headers()) };
    let app = axum::Router::new().route("/", axum::routing::get(shown)).layer(shop.layer());
    let token = shop.transaction().sign();
    let mut request =
        shop.caller().on(request("/")).header("txn-token", &token).body(Body::empty()).expect("a request");
    request.headers_mut().insert("x-other", "shown".parse().expect("a value"));
    let answer =
        countersign_test::Answer::from_response(tower::ServiceExt::oneshot(app, request).await.expect("answered"))
            .await;
    assert!(answer.text().contains("shown") && !answer.text().contains(&token), "{}", answer.text());
}

#[tokio::test]
async fn a_protected_app_knows_whether_its_layer_takes_transactions() {
    use countersign::app::{Routes, try_protect};
    use countersign::authz::{in_transaction, transaction};

    let shop = Shop::new();
    let routes = || {
        let routes = Routes::<()>::new().get("/a", in_transaction(scope("trade.stocks")), || async { "a" });
        routes.get("/b", scope("stock:read"), || async { "b" }).get("/c", transaction(), || async { "c" })
    };
    let faults = try_protect(routes(), shop.builder().build().expect("a layer")).map(drop).expect_err("takes none");
    assert_eq!(faults.faults().iter().map(|fault| &*fault.field).collect::<Vec<_>>(), ["GET /a", "GET /c"]);
    let app = try_protect(routes(), shop.layer()).expect("sound");
    let app = axum::Router::from(app);
    with(&app, "/a", &shop.caller(), &shop.transaction().sign()).await.assert_success();
    send(&app, shop.caller().on(request("/c"))).await.assert_refused(403, "forbidden");
}
