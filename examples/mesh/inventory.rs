//! `inventory`: reports the stock, and for whom and by whom it was requested.

use axum::extract::Path;
use axum::routing::get;
use axum::{Json, Router};
use countersign::prelude::*;
use serde_json::{Value, json};

use crate::policy::asked_by;

pub fn app(verifier: Verifier) -> Router {
    Router::new()
        .route("/stock/{item}", get(stock).layer(require(scope("stock:read"))))
        .layer(AuthenticateLayer::new(verifier))
}

async fn stock(Path(item): Path<String>, claims: Claims) -> Json<Value> {
    let audience: Vec<&str> = claims.verified().audiences().collect();
    Json(json!({
        "item": item,
        "count": 42,
        "asked_for": claims.subject(),
        "asked_by": asked_by(&claims),
        "token_was_for": audience,
    }))
}
