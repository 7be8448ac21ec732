//! The receiver of reports: it answers as `countersign plane` does, and notes when the first report of each instance came
//! after a revision or a refusal.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use countersign::fleet::{FleetReport, REPORTS_PATH};
use serde_json::json;

use crate::world::micros;
use crate::{Result, host};

/// The name of its thread.
pub(crate) const THREAD: &str = "fleet-plane";

pub(crate) struct Plane {
    state: Arc<Mutex<Reports>>,
    pub(crate) address: SocketAddr,
}

/// What was reported.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    /// The last revision of each instance, and when it was reported first.
    revisions: HashMap<String, (u64, u64)>,
    /// The instances whose last report has a refusal of this code.
    refusals: HashMap<String, String>,
    policies: HashSet<String>,
    pub(crate) reports: u64,
    pub(crate) bytes: u64,
}

impl Plane {
    pub(crate) fn start() -> Result<Self> {
        let state: Arc<Mutex<Reports>> = Arc::default();
        let take = |State(state): State<Arc<Mutex<Reports>>>, body: String| async move { take(&state, &body) };
        let router = Router::new().route(REPORTS_PATH, post(take)).with_state(Arc::clone(&state));
        Ok(Plane { address: host::serve(THREAD, router)?, state })
    }

    pub(crate) fn reports(&self) -> MutexGuard<'_, Reports> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When each instance reported this revision, in microseconds since 1970.
    pub(crate) fn reported(&self, revision: u64) -> Vec<u64> {
        let reports = self.reports();
        reports.revisions.values().filter(|(last, _)| *last == revision).map(|(_, at)| *at).collect()
    }

    /// The number of instances whose last report has a refusal.
    pub(crate) fn refused(&self) -> usize {
        self.reports().refusals.len()
    }
}

fn take(state: &Mutex<Reports>, body: &str) -> Response {
    let Ok(report) = FleetReport::from_json(body) else { return StatusCode::BAD_REQUEST.into_response() };
    let at = micros();
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    state.reports += 1;
    state.bytes += body.len() as u64;
    if let Some(bundle) = &report.bundle {
        let known = state.revisions.entry(report.instance.clone()).or_insert((0, 0));
        if known.0 != bundle.revision {
            *known = (bundle.revision, at);
        }
    }
    match &report.refusal {
        None => drop(state.refusals.remove(&report.instance)),
        Some(refusal) => {
            let code = refusal.code.clone().unwrap_or_else(|| refusal.field.clone());
            state.refusals.insert(report.instance.clone(), code);
        }
    }
    let has_policy = report.policy.is_some();
    let fingerprint = report.fingerprint.clone();
    let is_known = if has_policy {
        state.policies.insert(fingerprint);
        true
    } else {
        state.policies.contains(&fingerprint)
    };
    Json(json!({ "wants_policy": !is_known })).into_response()
}
