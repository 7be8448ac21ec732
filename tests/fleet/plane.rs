//! A plane that records what it gets, and answers as it is told.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use countersign::fleet::FleetReport;
use countersign_tests::http::Service;
use tokio::sync::Notify;

/// The longest wait for a report.
const WITHIN: Duration = Duration::from_secs(20);

#[derive(Default)]
struct Shared {
    status: Mutex<u16>,
    wants_policy: Mutex<bool>,
    reports: Mutex<Vec<(FleetReport, Option<String>)>>,
    got_one: Notify,
}

pub struct Plane {
    service: Service,
    shared: Arc<Shared>,
}

impl Plane {
    pub async fn start() -> Self {
        let shared = Arc::new(Shared { status: Mutex::new(200), ..Shared::default() });
        let router = Router::new().route("/v1/reports", post(take)).with_state(Arc::clone(&shared));
        Plane { service: Service::start(router).await, shared }
    }

    pub fn url(&self) -> String {
        self.service.url()
    }

    pub fn answer(&self, status: u16) {
        *lock(&self.shared.status) = status;
    }

    /// Forgets all policies: it wants that of the next report.
    pub fn forget(&self) {
        *lock(&self.shared.wants_policy) = true;
    }

    pub fn reports(&self) -> Vec<FleetReport> {
        lock(&self.shared.reports).iter().map(|(report, _)| report.clone()).collect()
    }

    pub fn authorization(&self) -> Option<String> {
        lock(&self.shared.reports).last().and_then(|(_, header)| header.clone())
    }

    /// The first report that is as expected, among all so far.
    pub async fn report(&self, is_expected: impl Fn(&FleetReport) -> bool) -> FleetReport {
        let found = async {
            loop {
                let next = self.shared.got_one.notified();
                if let Some(report) = self.reports().into_iter().find(&is_expected) {
                    return report;
                }
                next.await;
            }
        };
        tokio::time::timeout(WITHIN, found).await.expect("a report in time")
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn take(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: String) -> (StatusCode, String) {
    let report = FleetReport::from_json(&body).expect("a report");
    let has_policy = report.policy.is_some();
    let header = headers.get("authorization").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let status = *lock(&shared.status);
    lock(&shared.reports).push((report, header));
    let wants = {
        let mut wants = lock(&shared.wants_policy);
        *wants &= !has_policy;
        *wants
    };
    shared.got_one.notify_waiters();
    (StatusCode::from_u16(status).expect("a status"), format!("{{\"wants_policy\":{wants}}}"))
}
