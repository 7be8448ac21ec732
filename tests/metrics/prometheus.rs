//! The dashboard and the alert rules of `docs/monitoring`, evaluated by a real Prometheus that scrapes the service.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use countersign_tests::ports::free_port;
use serde_json::Value;

use crate::service::Service;

fn monitoring(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/monitoring").join(file).canonicalize().expect("the file")
}

/// A Prometheus in a folder of its own.
struct Prometheus {
    process: Child,
    folder: PathBuf,
    url: String,
}

impl Prometheus {
    fn start(target: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("countersign-prometheus-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let config = format!(
            "global: {{ scrape_interval: 500ms, evaluation_interval: 500ms }}\nrule_files: ['{}']\n\
             scrape_configs:\n  - job_name: orders\n    static_configs: [{{ targets: ['{target}'] }}]\n",
            monitoring("alerts.yml").display()
        );
        std::fs::write(folder.join("prometheus.yml"), config).expect("written");
        let port = free_port();
        let process = Command::new("/usr/bin/prometheus")
            .arg(format!("--config.file={}", folder.join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stderr(Stdio::null())
            .spawn()
            .expect("started");
        Prometheus { process, folder, url: format!("http://127.0.0.1:{port}") }
    }

    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Option<Value> {
        let url = reqwest::Url::parse_with_params(&format!("{}{path}", self.url), query).expect("a URL");
        reqwest::get(url).await.ok()?.json().await.ok()
    }

    /// The results of an expression; panics if it is not valid.
    async fn results(&self, expression: &str) -> Vec<Value> {
        let answer = self.get("/api/v1/query", &[("query", expression)]).await.expect("answered");
        assert_eq!(answer["status"], "success", "{expression}: {answer}");
        answer["data"]["result"].as_array().expect("results").clone()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The expressions of all panels, as Grafana sends them.
fn panel_expressions() -> Vec<(String, String)> {
    let dashboard = std::fs::read_to_string(monitoring("dashboard.json")).expect("the dashboard");
    let dashboard: Value = serde_json::from_str(&dashboard).expect("JSON");
    let mut expressions = Vec::new();
    for panel in dashboard["panels"].as_array().expect("panels") {
        for target in panel["targets"].as_array().expect("targets") {
            let expression = target["expr"].as_str().expect("an expression");
            let expression = expression.replace("$__rate_interval", "1m").replace("$job", ".+");
            expressions.push((panel["title"].as_str().expect("a title").to_owned(), expression));
        }
    }
    expressions
}

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::await_holding_lock, reason = "tests run one after the other")]
#[cfg_attr(
    not(all(has_prometheus, is_ci)),
    ignore = "needs Prometheus: tests/peers/install; takes long: CI=true runs it"
)]
async fn a_real_prometheus_evaluates_every_panel_and_every_alert() {
    let _exclusive = crate::exclusive();
    let alerts = monitoring("alerts.yml");
    let checked = Command::new("/usr/bin/promtool").args(["check", "rules"]).arg(&alerts).output().expect("promtool");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));

    let service = Service::start().await;
    let prometheus = Prometheus::start(service.url.trim_start_matches("http://"));
    let expressions = panel_expressions();
    assert!(expressions.len() >= 20);
    // Each panel shows something after a few scrapes of a service that is used.
    let began = Instant::now();
    let mut empty = expressions.clone();
    while !empty.is_empty() {
        assert!(began.elapsed() < Duration::from_secs(60), "panels without data: {empty:?}");
        service.requests().await;
        service.issuer_requests().await;
        tokio::time::sleep(Duration::from_millis(300)).await; // until the next scrape
        if prometheus.get("/-/ready", &[]).await.is_none() && began.elapsed() < Duration::from_secs(2) {
            continue;
        }
        let mut still_empty = Vec::new();
        for (panel, expression) in empty {
            let is_up = prometheus.get("/api/v1/query", &[("query", "up")]).await.is_some();
            let results = if is_up { prometheus.results(&expression).await } else { Vec::new() };
            let has_number = results.iter().any(|result| result["value"][1].as_str().is_some_and(|it| it != "NaN"));
            if !has_number {
                still_empty.push((panel, expression));
            }
        }
        empty = still_empty;
    }
    let answer = prometheus.get("/api/v1/rules", &[("type", "alert")]).await.expect("answered");
    let rules = answer["data"]["groups"][0]["rules"].as_array().expect("rules").clone();
    assert!(rules.len() >= 10, "{answer}");
    for rule in &rules {
        assert_eq!((&rule["health"], &rule["lastError"]), (&"ok".into(), &Value::Null), "{rule}");
        let expression = rule["query"].as_str().expect("an expression");
        // The recorder still has the numbers of the services of other tests.
        let is_own = |result: &Value| {
            let named = |label: &str, own: &str| result["metric"][label].as_str().is_none_or(|name| name == own);
            named("issuer", &service.issuer) && named("origin", &service.target)
        };
        let is_met = prometheus.results(expression).await.iter().any(is_own);
        // The traffic of this test has many refusals, and nothing else is wrong.
        let may_be_met =
            ["CountersignManyRefusals", "CountersignSlowVerification"].iter().any(|name| rule["name"] == *name);
        assert!(!is_met || may_be_met, "{rule}");
        // Every metric that the alert names has data.
        for metric in expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
            if metric.starts_with("countersign_") {
                assert!(!prometheus.results(&format!("count({metric})")).await.is_empty(), "{metric}");
            }
        }
    }
    let refusals = rules.iter().find(|rule| rule["name"] == "CountersignManyRefusals").expect("the rule");
    let expression = refusals["query"].as_str().expect("an expression");
    assert!(!prometheus.results(expression).await.is_empty(), "2 of 7 requests are refused");
}
