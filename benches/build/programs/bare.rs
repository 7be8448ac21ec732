use axum::{Router, routing::get};

#[tokio::main]
async fn main() {
    let router = Router::new().route("/orders", get(|| async { "ok" }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    axum::serve(listener, router).await.expect("served");
}
