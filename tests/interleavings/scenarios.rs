//! Callers, refresh tasks and cancellations in every order that the scheduler tries.

use std::sync::atomic::Ordering;
use std::time::Duration;

use countersign::key::RefreshReason;

use crate::cell::{Cell, patient};
use crate::refresh::{Outcome, RefreshPolicy};
use crate::rt;

/// Task switches in the second mode.
const DEPTH: usize = 3;

pub(crate) fn in_every_order(scenario: impl Fn() + Clone + Send + Sync + 'static) {
    let orders = countersign_tests::repeats(400, 2_000);
    shuttle::check_random(scenario.clone(), orders); // at random
    shuttle::check_pct(scenario, orders, DEPTH); // with few task switches
}

/// Runs callers concurrently, each with its own clone of the cache, and returns their outcomes.
fn at_once(cell: &Cell, callers: usize, reason: RefreshReason) -> Vec<Outcome<&'static str>> {
    shuttle::future::block_on(async {
        let asking: Vec<_> = (0..callers)
            .map(|_| {
                let cache = cell.cache.clone();
                shuttle::future::spawn(async move { cache.refresh(reason, None).await })
            })
            .collect();
        let mut outcomes = Vec::new();
        for caller in asking {
            outcomes.push(caller.await.expect("no caller is cancelled"));
        }
        outcomes
    })
}

/// Returns whether all outcomes leave a usable value, newer than the request or not.
fn are_served(outcomes: &[Outcome<&'static str>]) -> bool {
    outcomes.iter().all(|outcome| matches!(outcome, Outcome::Refreshed | Outcome::Deferred { .. }))
}

fn refreshed(outcomes: &[Outcome<&'static str>]) -> usize {
    outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Refreshed)).count()
}

fn are_refreshed(outcomes: &[Outcome<&'static str>]) -> bool {
    outcomes.iter().all(|outcome| matches!(outcome, Outcome::Refreshed))
}

#[test]
fn s4_17_cold_callers_share_one_fetch_in_every_order() {
    in_every_order(|| {
        let cell = Cell::new(patient());
        let outcomes = at_once(&cell, 3, RefreshReason::NoUsableKeys);
        assert!(
            are_served(&outcomes) && refreshed(&outcomes) >= 1,
            "one fetch, which began after some of the requests"
        );
        assert_eq!(cell.seen.fetches(), 1);
    });
}

#[test]
fn s4_15_callers_who_miss_a_key_share_one_fetch_and_then_the_cool_down_in_every_order() {
    in_every_order(|| {
        let cell = Cell::new(patient());
        assert!(are_served(&at_once(&cell, 2, RefreshReason::NoUsableKeys)));
        let outcomes = at_once(&cell, 3, RefreshReason::MissingKey);
        assert!(are_served(&outcomes) && refreshed(&outcomes) >= 1, "those that came after it may miss a newer key");
        assert_eq!(cell.seen.fetches(), 2);
        let outcomes = at_once(&cell, 3, RefreshReason::MissingKey);
        assert!(are_served(&outcomes) && refreshed(&outcomes) == 0, "within the cool-down");
        assert_eq!(cell.seen.fetches(), 2);
        cell.pass(11);
        let outcomes = at_once(&cell, 3, RefreshReason::MissingKey);
        assert!(are_served(&outcomes) && refreshed(&outcomes) >= 1);
        assert_eq!(cell.seen.fetches(), 3);
    });
}

#[test]
fn a_caller_who_misses_a_key_never_accepts_an_older_fetch_in_every_order() {
    in_every_order(|| {
        let cell = Cell::new(patient());
        assert!(are_refreshed(&at_once(&cell, 1, RefreshReason::NoUsableKeys)));
        cell.pass(500); // due, and usable
        shuttle::future::block_on(async {
            let due = cell.cache.clone();
            let ahead = shuttle::future::spawn(async move { due.refresh_if_due() });
            let outcome = cell.cache.refresh(RefreshReason::MissingKey, None).await;
            assert!(matches!(outcome, Outcome::Refreshed));
            assert!(
                cell.seen.forced.load(Ordering::SeqCst) >= 2,
                "the first fetch, and one that bypasses intermediate caches"
            );
            ahead.await.expect("no panic");
        });
    });
}

#[test]
fn s4_17_callers_who_give_up_affect_no_others_in_every_order() {
    in_every_order(|| {
        let cell = Cell::new(patient());
        shuttle::future::block_on(async {
            let impatient = cell.cache.clone();
            let impatient = shuttle::future::spawn(async move {
                rt::within(Duration::ZERO, impatient.refresh(RefreshReason::NoUsableKeys, None)).await.is_some()
            });
            let (one, other) = (cell.cache.clone(), cell.cache.clone());
            let one = shuttle::future::spawn(async move { one.refresh(RefreshReason::NoUsableKeys, None).await });
            let other = shuttle::future::spawn(async move { other.refresh(RefreshReason::NoUsableKeys, None).await });
            let cancelled = shuttle::future::spawn({
                let cache = cell.cache.clone();
                async move {
                    let _ = cache.refresh(RefreshReason::NoUsableKeys, None).await;
                }
            });
            cancelled.abort();
            assert!(are_served(&[one.await.expect("no panic"), other.await.expect("no panic")]));
            impatient.await.expect("no panic");
        });
        assert_eq!(cell.seen.fetches(), 1);
    });
}

#[test]
fn s4_21_after_a_failure_nothing_is_fetched_during_the_back_off_in_every_order() {
    in_every_order(|| {
        let cell = Cell::new(patient());
        cell.seen.fails.store(true, Ordering::SeqCst);
        let outcomes = at_once(&cell, 3, RefreshReason::NoUsableKeys);
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Failed { error: Some("down"), .. })));
        assert_eq!(cell.seen.fetches(), 1);
        cell.pass(2);
        cell.seen.fails.store(false, Ordering::SeqCst);
        assert!(are_served(&at_once(&cell, 3, RefreshReason::NoUsableKeys)));
        assert_eq!(cell.seen.fetches(), 2);
    });
}

/// Time limits may pass at any moment: no two fetches at once, no older value after a newer one, no endless wait.
#[test]
fn s4_17_cancelled_fetches_leave_a_consistent_cache_in_every_order() {
    in_every_order(|| {
        let hurried = RefreshPolicy { timeout: Duration::from_secs(5), max_wait: Duration::from_secs(1), ..patient() };
        let cell = Cell::new(hurried);
        for _ in 0..3 {
            at_once(&cell, 2, RefreshReason::MissingKey);
            cell.pass(61); // past every back-off
        }
        let fetches = cell.seen.fetches();
        assert!(fetches <= 6, "{fetches}");
    });
}

#[test]
fn the_refresh_task_and_callers_take_turns_and_the_task_ends_with_the_cache_in_every_order() {
    in_every_order(|| {
        let cell = Cell::new(patient());
        cell.cache.spawn_refresh_task();
        cell.cache.spawn_refresh_task(); // no second task
        assert!(are_served(&at_once(&cell, 2, RefreshReason::NoUsableKeys)));
        cell.pass(500); // due: the refresh task fetches while callers ask for a refresh
        at_once(&cell, 2, RefreshReason::MissingKey);
        if let Some(value) = cell.cache.usable() {
            cell.cache.invalidate(&value);
        }
        assert!(are_served(&at_once(&cell, 2, RefreshReason::NoUsableKeys)));
        let fetches = cell.seen.fetches();
        assert!((2..=5).contains(&fetches), "{fetches}");
        // The cache is dropped here: a refresh task that continued would keep shuttle from ending.
    });
}
