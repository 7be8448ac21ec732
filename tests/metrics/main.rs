//! Numbers as dashboards read them: through the crate `metrics` and a real Prometheus, and through OpenTelemetry.
//!
//! The counts are of the whole process, so the tests of this program run one after the other.

mod prometheus;
mod service;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use opentelemetry::global;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};

use service::Service;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn exclusive() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The rows of the table of metrics in docs/telemetry.md: name in Prometheus, name in OpenTelemetry, labels.
fn documented() -> BTreeMap<String, (String, BTreeSet<String>)> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/telemetry.md");
    let page = std::fs::read_to_string(path).expect("the page");
    let words = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let rows = page.lines().filter(|line| line.starts_with("| `countersign_") && line.contains("| `countersign."));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let name = words(cells[1]).remove(0);
        (name, (words(cells[2]).remove(0), words(cells[3]).into_iter().collect()))
    })
    .collect()
}

/// The value of a line of the text format.
fn value(text: &str, series: &str) -> f64 {
    let line = text.lines().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_else(|| panic!("no {series} in {text}"))
}

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::await_holding_lock, reason = "tests run one after the other")]
async fn s10_05_requests_keys_and_tokens_are_numbers_with_closed_labels() {
    let _exclusive = exclusive();
    let service = Service::start().await;
    let before = service.scrape().await;
    service.requests().await;
    service.issuer_requests().await;
    let after = service.scrape().await;
    let grown = |labels: &str| {
        let series = format!("countersign_requests_total{{{labels}}}");
        value(&after, &series) - value(&before, &series)
    };
    for (outcome, code, expected) in [
        ("authenticated", "ok", 4.0), // three good ones, and the denied one
        ("denied", "forbidden", 1.0),
        ("refused", "no_token", 1.0),
        ("refused", "wrong_audience", 1.0),
        ("refused", "malformed", 1.0),
        ("refused", "expired", 0.0),
    ] {
        assert_eq!(grown(&format!(r#"outcome="{outcome}",code="{code}""#)), expected, "{code}");
    }
    for (series, expected) in [
        (r#"countersign_verifications_total{result="verified"}"#.to_owned(), 2.0),
        (r#"countersign_verifications_total{result="cached"}"#.to_owned(), 2.0),
        ("countersign_cached_tokens".to_owned(), 2.0),
        ("countersign_revocations".to_owned(), 1.0),
        ("countersign_revocations_complete".to_owned(), 1.0),
        (format!(r#"countersign_keys_ready{{issuer="{}"}}"#, service.issuer), 1.0),
        (format!(r#"countersign_outbound_token_fetches_total{{origin="{}",result="ok"}}"#, service.target), 1.0),
        (format!(r#"countersign_outbound_token_fetches_total{{origin="{}",result="failed"}}"#, service.target), 0.0),
        (format!(r#"countersign_key_fetches_total{{issuer="{}",result="ok"}}"#, service.issuer), 1.0),
    ] {
        assert!(value(&after, &series) >= expected, "{series}");
    }
    let issuer = service.embedded.name();
    for (metric, labels, expected) in [
        ("token_requests_total", r#"grant="client_credentials",outcome="ok",code="ok""#, 1.0),
        ("token_requests_total", r#"grant="client_credentials",outcome="refused",code="invalid_target""#, 1.0),
        ("token_requests_total", r#"grant="client_credentials",outcome="refused",code="invalid_client""#, 1.0),
        ("token_requests_total", r#"grant="other",outcome="refused",code="unsupported_grant_type""#, 1.0),
        ("token_requests_total", r#"grant="token_exchange",outcome="ok",code="ok""#, 0.0),
        (
            "token_requests_total",
            r#"grant="client_credentials",outcome="throttled",code="temporarily_unavailable""#,
            0.0,
        ),
        ("introspections_total", r#"outcome="ok",code="ok""#, 1.0),
        ("introspections_total", r#"outcome="ok",code="inactive""#, 1.0),
        ("revocations_total", r#"outcome="ok",code="ok""#, 1.0),
        ("keys", r#"state="active""#, 1.0),
        ("key_maintenance_total", r#"result="failed""#, 0.0),
    ] {
        let series = format!(r#"countersign_issuer_{metric}{{issuer="{issuer}",{labels}}}"#);
        assert_eq!(value(&after, &series), expected, "{series}");
    }
    service.proofs().await;
    let proofs = service.scrape().await;
    for (result, expected) in [("used", 2.0), ("forgotten", 0.0), ("share_used_up", 0.0), ("unavailable", 0.0)] {
        let series = format!(r#"countersign_replay_refusals_total{{result="{result}"}}"#);
        assert_eq!(value(&proofs, &series), expected, "{series}");
    }
    assert_eq!(value(&proofs, "countersign_replay_entries"), 1.0);
    assert!(value(&after, &format!(r#"countersign_issuer_key_age_seconds{{issuer="{issuer}"}}"#)) < 600.0);
    assert!(value(&after, r#"countersign_issuer_store_duration_seconds_count{result="ok"}"#) >= 3.0);
    assert!(!after.contains("nobody-at-all") && !after.contains("shop"), "no client is a label");
    assert!(value(&after, "countersign_verification_duration_seconds_count") >= 2.0);
    for (metric, labels, expected) in [
        ("decisions_total", r#"edge="nginx",outcome="unauthenticated""#, 1.0),
        ("decisions_total", r#"edge="nginx",outcome="failed""#, 1.0),
        ("decisions_total", r#"edge="nginx",outcome="allowed""#, 0.0),
        ("swaps_total", r#"swap="/orders",outcome="failed""#, 1.0),
        ("swaps_total", r#"swap="/orders",outcome="new""#, 0.0),
        ("exchanges_total", r#"swap="/orders",result="failed""#, 1.0), // it names no type of token
        ("swap_tokens", r#"swap="/orders""#, 1.0),
    ] {
        let series = format!("countersign_gateway_{metric}{{{labels}}}");
        assert_eq!(value(&after, &series), expected, "{series}");
    }
    assert!(value(&after, "countersign_gateway_decision_duration_seconds_count") >= 2.0);

    // The names and labels are those of the documentation, all of them.
    let documented = documented();
    let mut seen = BTreeMap::<String, BTreeSet<String>>::new();
    for line in after.lines().filter(|line| line.starts_with("countersign_")) {
        let series = line.rsplit_once(' ').expect("a value").0;
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let name = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        let labels = labels.split("\",").filter_map(|label| label.split_once('=')).map(|(name, _)| name.to_owned());
        seen.entry(name.to_owned()).or_default().extend(labels.filter(|name| name != "le"));
    }
    let documented: BTreeMap<_, _> = documented.into_iter().map(|(name, (_, labels))| (name, labels)).collect();
    assert_eq!(seen, documented, "docs/telemetry.md lists the metrics");
    for secret in [&service.good, "s3cret-value", "ann"] {
        assert!(!after.contains(secret), "{secret}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::await_holding_lock, reason = "tests run one after the other")]
async fn s10_05_opentelemetry_reads_the_same_numbers() {
    let _exclusive = exclusive();
    let exporter = InMemoryMetricExporter::default();
    let provider = SdkMeterProvider::builder().with_reader(PeriodicReader::builder(exporter.clone()).build()).build();
    global::set_meter_provider(provider.clone());
    let service = Service::start_unpublished().await;
    service.metrics().observe();
    countersign_issuer::IssuerMetrics::new(&service.embedded).observe();
    countersign_gateway::GatewayMetrics::new(&service.gateway, "nginx").observe();
    service.requests().await;
    service.issuer_requests().await;
    let none =
        countersign_gateway::ClientRequest::new(axum::http::Method::GET, "api.test", "/orders", Default::default());
    service.gateway.decide(none, countersign_gateway::ForeignHeaders::Remove).await;
    provider.force_flush().expect("flushed");
    let finished = exporter.get_finished_metrics().expect("metrics");
    let mut seen = BTreeMap::<String, u64>::new();
    for metric in finished.iter().flat_map(|it| it.scope_metrics()).flat_map(|scope| scope.metrics()) {
        let number = match metric.data() {
            AggregatedMetrics::U64(MetricData::Sum(sum)) => sum.data_points().map(|point| point.value()).sum(),
            AggregatedMetrics::F64(MetricData::Gauge(gauge)) => gauge.data_points().count() as u64,
            AggregatedMetrics::F64(MetricData::Histogram(histogram)) => {
                histogram.data_points().map(|point| point.count()).sum()
            }
            other => panic!("{}: {other:?}", metric.name()),
        };
        seen.insert(metric.name().to_owned(), number);
    }
    let documented: BTreeSet<String> = documented().into_values().map(|(name, _)| name).collect();
    assert_eq!(seen.keys().cloned().collect::<BTreeSet<_>>(), documented);
    assert!(seen["countersign.requests"] >= 7 && seen["countersign.verification.duration"] >= 2, "{seen:?}");
    assert_eq!(seen["countersign.outbound.token_fetches"], 1);
    assert_eq!((seen["countersign.issuer.token_requests"], seen["countersign.issuer.introspections"]), (4, 2));
    assert!(seen["countersign.issuer.store.duration"] >= 3);
}

/// An issuer that a new policy lacks is in no alarm: the recorder would keep its gauges as they were.
#[tokio::test]
#[allow(clippy::await_holding_lock, reason = "tests run one after the other")]
async fn gauges_of_a_removed_issuer_are_no_numbers_any_more() {
    use countersign::metrics::Metrics;
    use countersign::verify::Verifier;
    use countersign_test::TestIssuer;
    let _exclusive = exclusive();
    let recorder = service::recorder();
    let (stays, goes) =
        (TestIssuer::new().with_name("https://stays.test"), TestIssuer::new().with_name("https://goes.test"));
    let trusted = |issuer: &TestIssuer| Verifier::builder().trust(issuer.trusted_for("api"));
    let both = trusted(&stays).trust(goes.trusted_for("api"));
    let (verifier, replacer) = both.build_replaceable().expect("a policy");
    let metrics = Metrics::new(&verifier);
    metrics.publish();
    let ready = |name: &str| value(&recorder.render(), &format!("countersign_keys_ready{{issuer=\"{name}\"}}"));
    assert!(!ready("https://stays.test").is_nan() && !ready("https://goes.test").is_nan());
    replacer.replace(trusted(&stays)).expect("a policy");
    metrics.publish();
    assert!(!ready("https://stays.test").is_nan() && ready("https://goes.test").is_nan());
}

/// S10.05: the service of transaction tokens has the name of its trust domain, which is configured.
#[tokio::test]
#[allow(clippy::await_holding_lock, reason = "tests run one after the other")]
async fn s10_05_the_keys_of_transaction_tokens_have_numbers() {
    use countersign::metrics::Metrics;
    use countersign_test::TestIssuer;
    let _exclusive = exclusive();
    let (recorder, issuer) = (service::recorder(), TestIssuer::new());
    let transactions = issuer.transaction_verifier_for("numbers.example");
    let metrics = Metrics::new(&issuer.verifier_for("api"));
    let ready = || value(&recorder.render(), "countersign_keys_ready{issuer=\"numbers.example\"}");
    metrics.publish();
    assert!(!recorder.render().contains("numbers.example"));
    metrics.transactions(&transactions).publish();
    assert!((ready() - 1.0).abs() < f64::EPSILON);
}
