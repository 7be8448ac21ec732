//! The numbers of a gateway, for Prometheus.

use std::time::Duration;

use axum::Router;
use axum::http::header;
use axum::routing::get;
use countersign::metrics::{DURATION_BUCKETS, Metrics};
use countersign_gateway::{DECISION_TIME_BUCKETS, GatewayMetrics, WatchedGateway};
use countersign_issuer::{IssuerMetrics, STORE_TIME_BUCKETS};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder};

use crate::exit::Failure;

/// The interval between two publications.
const PUBLISH_EVERY: Duration = Duration::from_secs(1);

/// The interval at which recorded times are added to their histograms.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// The text format of Prometheus.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4";

/// The page `/metrics`. It installs the recorder of the process.
pub(super) fn router(watched: &WatchedGateway) -> Result<Router, Failure> {
    let recorder = recorder().map_err(|error| Failure::usage(format!("metrics: {error}")))?;
    let edge = watched.config().edge.name();
    let metrics = Metrics::new(watched.verifier()).introspection(watched.layer()).replays(watched.layer());
    match watched.layer().status_lists() {
        Some(lists) => metrics.status_lists(lists).publish_every(PUBLISH_EVERY),
        None => metrics.publish_every(PUBLISH_EVERY),
    };
    GatewayMetrics::new(watched.gateway(), edge).publish_every(PUBLISH_EVERY);
    if let Some(issuer) = watched.issuer() {
        IssuerMetrics::new(issuer).publish_every(PUBLISH_EVERY);
    }
    let upkeep = recorder.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP_EVERY).await;
            upkeep.run_upkeep(); // or times of decisions gather until somebody reads the page
        }
    });
    let page = move || {
        let text = recorder.render();
        async move { ([(header::CONTENT_TYPE, CONTENT_TYPE)], text) }
    };
    Ok(Router::new().route("/metrics", get(page)))
}

fn recorder() -> Result<metrics_exporter_prometheus::PrometheusHandle, BuildError> {
    let histogram = |name: &str| Matcher::Full(name.to_owned());
    PrometheusBuilder::new()
        .set_buckets_for_metric(histogram("countersign_verification_duration_seconds"), &DURATION_BUCKETS)?
        .set_buckets_for_metric(histogram("countersign_issuer_store_duration_seconds"), &STORE_TIME_BUCKETS)?
        .set_buckets_for_metric(histogram("countersign_gateway_decision_duration_seconds"), &DECISION_TIME_BUCKETS)?
        .install_recorder()
}
