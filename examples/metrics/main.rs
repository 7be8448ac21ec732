//! A service that Prometheus can scrape: requests by outcome and code, keys, and the time of verifications.

use std::time::Duration;

use axum::{Router, routing::get};
use countersign::app::protect;
use countersign::metrics::{DURATION_BUCKETS, Metrics};
use countersign::prelude::*;
use countersign_issuer::STORE_TIME_BUCKETS;
use countersign_test::TestIssuer;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // In production: Verifier::new(oidc("https://id.example.com").audience("orders"))?
    let issuer = TestIssuer::new();
    let verifier = issuer.verifier_for("orders");

    // The recorder and its page belong to the service; the line after them is all that Countersign needs. A service without an
    // embedded issuer leaves the second histogram out.
    let histogram = |name: &str| Matcher::Full(name.to_owned());
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(histogram("countersign_verification_duration_seconds"), &DURATION_BUCKETS)?
        .set_buckets_for_metric(histogram("countersign_issuer_store_duration_seconds"), &STORE_TIME_BUCKETS)?
        .install_recorder()?;
    Metrics::new(&verifier).publish_every(Duration::from_millis(200));

    let router = Router::new()
        .route("/orders", get(|| async { "orders" }).layer(require(scope("orders:read"))))
        .route("/metrics", get(move || async move { recorder.render() }));
    let app = protect(router, AuthenticateLayer::builder(verifier).public(["/metrics"]).build()?);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, app).await });

    let http = reqwest::Client::new();
    let ann = issuer.token().subject("ann").audience("orders");
    for token in [ann.clone().scope("orders:read").sign(), ann.clone().sign(), ann.expired().sign()] {
        http.get(format!("{url}/orders")).bearer_auth(token).send().await?;
    }
    tokio::time::sleep(Duration::from_millis(400)).await; // until the numbers are published again
    let page = http.get(format!("{url}/metrics")).send().await?.text().await?;
    for line in [
        r#"countersign_requests_total{outcome="authenticated",code="ok"} 2"#,
        r#"countersign_requests_total{outcome="denied",code="insufficient_scope"} 1"#,
        r#"countersign_requests_total{outcome="refused",code="expired"} 1"#,
        r#"countersign_verification_duration_seconds_bucket{le="+Inf"} 3"#,
    ] {
        println!("{line}");
        if !page.contains(line) {
            return Err(format!("{line} is not in {page}").into());
        }
    }
    Ok(())
}
