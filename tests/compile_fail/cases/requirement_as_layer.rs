use axum::Router;
use axum::routing::get;
use countersign::prelude::*;

fn main() {
    let _: Router = Router::new().route("/orders", get(|| async { "orders" }).layer(scope("orders:read")));
}
