//! Transaction tokens at a gRPC service: the same header, as metadata.

use std::convert::Infallible;

use countersign::authz::in_transaction;
use countersign::grpc::{CallerExt, grpc};
use countersign::prelude::*;
use countersign_test::BearerAuth;
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, ServiceExt};

use crate::shop::Shop;

/// Who calls, for whom and in which transaction; `/trade` demands one for stocks.
async fn method(request: http::Request<Body>) -> Result<http::Response<Body>, Infallible> {
    let is_trade = request.uri().path() == "/trade";
    let request = tonic::Request::from_http(request);
    let answer = || -> Result<String, Status> {
        if is_trade {
            request.require(&in_transaction(scope("trade.stocks")))?;
        }
        let caller = request.claims::<countersign::extract::Registered>()?;
        let transaction = request.transaction()?;
        Ok(format!("{} {}", caller.subject(), transaction.map_or("none".to_owned(), |it| it.subject().to_owned())))
    };
    let mut response = answer().map_or_else(Status::into_http, |text| {
        let mut response = http::Response::new(Body::empty());
        response.headers_mut().insert("x-answer", text.parse().expect("a header's value"));
        response
    });
    response.headers_mut().insert("x-method", http::HeaderValue::from_static("called"));
    Ok(response)
}

async fn call(layer: AuthenticateLayer, request: http::request::Builder) -> (String, String) {
    let service = grpc(layer).layer(tower::service_fn(method));
    let response = service.oneshot(request.body(Body::empty()).expect("a request")).await.expect("answered");
    let header = |name: &str| response.headers().get(name).map_or("", |value| value.to_str().expect("text")).to_owned();
    (header("grpc-status"), header("x-answer"))
}

#[tokio::test]
async fn s5_29_s9_08_a_grpc_method_sees_caller_and_transaction() {
    let shop = Shop::new();
    let get = || shop.caller().on(http::Request::get("/"));
    let trade = || shop.caller().on(http::Request::get("/trade"));
    let token = shop.transaction().sign();
    let refused = |code: &str| (code.to_owned(), String::new());
    assert_eq!(call(shop.layer(), get().txn_token(&token)).await, (String::new(), "orders ann".into()));
    assert_eq!(call(shop.layer(), get()).await, (String::new(), "orders none".into()));
    assert_eq!(call(shop.layer(), trade().txn_token(&token)).await, (String::new(), "orders ann".into()));
    assert_eq!(call(shop.layer(), trade()).await, refused("7"), "PERMISSION_DENIED");
    // Malformed and invalid ones are UNAUTHENTICATED, and reach no method.
    assert_eq!(call(shop.layer(), get().txn_token("x")).await, refused("16"));
    assert_eq!(call(shop.layer(), get().txn_token(&shop.transaction().expired().sign())).await, refused("16"));
    let twice = get().txn_token(&token).header("txn-token", &token);
    assert_eq!(call(shop.layer(), twice).await, refused("16"));
    // A layer that takes none: INTERNAL.
    let plain = || shop.builder().build().expect("a layer");
    assert_eq!(call(plain(), get().txn_token(&token)).await, refused("13"));
    assert_eq!(call(plain(), trade().txn_token(&token)).await, refused("13"));
}
