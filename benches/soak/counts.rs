//! The answers by kind of request, and the faults.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The most faults that are reported.
const REPORTED: usize = 20;

/// The kinds of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Good,
    Newest,
    Forged,
    InventedKey,
    Revoked,
    Malformed,
    Anonymous,
}

impl Kind {
    pub(crate) const ALL: [Kind; 7] =
        [Kind::Good, Kind::Newest, Kind::Forged, Kind::InventedKey, Kind::Revoked, Kind::Malformed, Kind::Anonymous];

    /// Returns whether this status is right. `is_timely` is false if the clock was set during the request.
    fn is_right(self, status: u16, is_timely: bool) -> bool {
        match self {
            Kind::Good | Kind::Newest => matches!(status, 200 | 503) || (status == 401 && !is_timely),
            Kind::Forged | Kind::InventedKey => matches!(status, 401 | 503),
            Kind::Revoked => matches!(status, 401 | 503),
            Kind::Malformed => matches!(status, 400 | 401),
            Kind::Anonymous => status == 401,
        }
    }
}

#[derive(Default)]
struct Row {
    ok: AtomicU64,
    refused: AtomicU64,
    unavailable: AtomicU64,
    slowest: AtomicU64,
}

impl Row {
    fn sum(&self) -> u64 {
        [&self.ok, &self.refused, &self.unavailable].map(|count| count.load(Ordering::Relaxed)).iter().sum()
    }
}

#[derive(Default)]
pub(crate) struct Counts {
    rows: [Row; Kind::ALL.len()],
    faults: Mutex<Vec<String>>,
}

impl Counts {
    pub(crate) fn record(&self, kind: Kind, status: u16, took: Duration, is_timely: bool) {
        let row = &self.rows[kind as usize];
        let count = match status {
            200 => &row.ok,
            503 => &row.unavailable,
            _ => &row.refused,
        };
        count.fetch_add(1, Ordering::Relaxed);
        row.slowest.fetch_max(took.as_millis().try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
        if !kind.is_right(status, is_timely) {
            self.fault(format!("{kind:?}: status {status}"));
        }
    }

    pub(crate) fn fault(&self, fault: String) {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        if faults.len() < REPORTED {
            faults.push(fault);
        }
    }

    pub(crate) fn faults(&self) -> Vec<String> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns whether tokens of every kind were answered, good ones with 200.
    pub(crate) fn is_complete(&self) -> bool {
        let good =
            [Kind::Good, Kind::Newest].iter().all(|kind| self.rows[*kind as usize].ok.load(Ordering::Relaxed) > 0);
        good && self.rows.iter().all(|row| row.sum() > 0)
    }

    pub(crate) fn sent(&self) -> u64 {
        self.rows.iter().map(Row::sum).sum()
    }

    pub(crate) fn table(&self) -> String {
        let mut table = format!("{:<12} {:>10} {:>10} {:>8} {:>14}\n", "tokens", "200", "4xx", "503", "slowest, ms");
        for (kind, row) in Kind::ALL.iter().zip(&self.rows) {
            let [ok, refused, unavailable, slowest] =
                [&row.ok, &row.refused, &row.unavailable, &row.slowest].map(|count| count.load(Ordering::Relaxed));
            let _ =
                writeln!(table, "{:<12} {ok:>10} {refused:>10} {unavailable:>8} {slowest:>14}", format!("{kind:?}"));
        }
        table
    }
}
