//! A service that Prometheus can scrape: requests by outcome and code, keys, and the time of verifications.

use std::time::Duration;

use axum::{Router, routing::get};
use countersign::metrics::{DURATION_BUCKETS, Metrics};
use countersign::prelude::*;
use countersign_test::TestIssuer;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // In production: Verifier::new(oidc("https://id.example.com").audience("orders"))?
    let issuer = TestIssuer::new();
    let verifier = issuer.verifier_for("orders");

    // The recorder and its page belong to the service; the line after them is all that Countersign needs.
    let duration = Matcher::Full("countersign_verification_duration_seconds".to_owned());
    let recorder = PrometheusBuilder::new().set_buckets_for_metric(duration, &DURATION_BUCKETS)?.install_recorder()?;
    Metrics::new(&verifier).publish_every(Duration::from_millis(200));

    let app = Router::new()
        .route("/orders", get(|| async { "orders" }).layer(require(scope("orders:read"))))
        .layer(AuthenticateLayer::new(verifier))
        .route("/metrics", get(move || async move { recorder.render() })); // after the layer: without a token
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
    ] {
        println!("{line}");
        if !page.contains(line) {
            return Err(format!("{line} is not in {page}").into());
        }
    }
    Ok(())
}
