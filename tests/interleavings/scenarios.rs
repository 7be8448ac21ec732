//! Callers, keepers and ends in every order that the scheduler thinks of.

use std::sync::atomic::Ordering;
use std::time::Duration;

use countersign::key::RefreshReason;

use crate::cell::{Cell, patient};
use crate::refresh::{Look, RefreshPolicy};
use crate::rt;

/// Orders tried of each scenario: at random, and with few but telling changes of task.
const ORDERS: usize = 2_000;

/// Changes of task in the second way.
const DEPTH: usize = 3;

fn in_every_order(scenario: impl Fn() + Clone + Send + Sync + 'static) {
    shuttle::check_random(scenario.clone(), ORDERS);
    shuttle::check_pct(scenario, ORDERS, DEPTH);
}

/// Runs callers at once, each with its own share of the cell, to their ends.
fn at_once(cell: &Cell, callers: usize, reason: RefreshReason) -> Vec<Look<&'static str>> {
    shuttle::future::block_on(async {
        let asking: Vec<_> = (0..callers)
            .map(|_| {
                let refreshed = cell.refreshed.clone();
                shuttle::future::spawn(async move { refreshed.look(reason).await })
            })
            .collect();
        let mut looks = Vec::new();
        for look in asking {
            looks.push(look.await.expect("no caller is cut off"));
        }
        looks
    })
}

fn have_looked(looks: &[Look<&'static str>]) -> bool {
    looks.iter().all(|look| matches!(look, Look::Looked))
}

#[test]
fn s4_17_cold_callers_share_one_flight_in_every_order() {
    in_every_order(|| {
        let cell = Cell::new(patient());
        assert!(have_looked(&at_once(&cell, 3, RefreshReason::NoUsableKeys)));
        assert_eq!(cell.seen.fetches(), 1);
    });
}

#[test]
fn s4_15_callers_who_miss_a_key_share_one_look_and_then_the_cool_down_in_every_order() {
    in_every_order(|| {
        let cell = Cell::new(patient());
        assert!(have_looked(&at_once(&cell, 2, RefreshReason::NoUsableKeys)));
        assert!(have_looked(&at_once(&cell, 3, RefreshReason::MissingKey)));
        assert_eq!(cell.seen.fetches(), 2);
        assert!(have_looked(&at_once(&cell, 3, RefreshReason::MissingKey)), "looked within the cool-down");
        assert_eq!(cell.seen.fetches(), 2);
        cell.pass(11);
        assert!(have_looked(&at_once(&cell, 3, RefreshReason::MissingKey)));
        assert_eq!(cell.seen.fetches(), 3);
    });
}

#[test]
fn a_caller_who_misses_a_key_never_takes_an_older_flight_for_a_look_in_every_order() {
    in_every_order(|| {
        let cell = Cell::new(patient());
        assert!(have_looked(&at_once(&cell, 1, RefreshReason::NoUsableKeys)));
        cell.pass(500); // due, and usable
        shuttle::future::block_on(async {
            let due = cell.refreshed.clone();
            let ahead = shuttle::future::spawn(async move { due.refresh_if_due() });
            let look = cell.refreshed.look(RefreshReason::MissingKey).await;
            assert!(matches!(look, Look::Looked));
            assert!(cell.seen.forced.load(Ordering::SeqCst) >= 2, "the first fetch, and one past stores on the way");
            ahead.await.expect("no panic");
        });
    });
}

#[test]
fn s4_17_callers_who_leave_take_nobody_along_in_every_order() {
    in_every_order(|| {
        let cell = Cell::new(patient());
        shuttle::future::block_on(async {
            let hasty = cell.refreshed.clone();
            let hasty = shuttle::future::spawn(async move {
                rt::within(Duration::ZERO, hasty.look(RefreshReason::NoUsableKeys)).await.is_some()
            });
            let (one, other) = (cell.refreshed.clone(), cell.refreshed.clone());
            let one = shuttle::future::spawn(async move { one.look(RefreshReason::NoUsableKeys).await });
            let other = shuttle::future::spawn(async move { other.look(RefreshReason::NoUsableKeys).await });
            let cut_off = shuttle::future::spawn({
                let refreshed = cell.refreshed.clone();
                async move {
                    let _ = refreshed.look(RefreshReason::NoUsableKeys).await;
                }
            });
            cut_off.abort();
            assert!(matches!(one.await.expect("no panic"), Look::Looked));
            assert!(matches!(other.await.expect("no panic"), Look::Looked));
            hasty.await.expect("no panic");
        });
        assert_eq!(cell.seen.fetches(), 1);
    });
}

#[test]
fn s4_21_after_a_failure_nobody_fetches_before_the_pause_is_over_in_every_order() {
    in_every_order(|| {
        let cell = Cell::new(patient());
        cell.seen.fails.store(true, Ordering::SeqCst);
        let looks = at_once(&cell, 3, RefreshReason::NoUsableKeys);
        assert!(looks.iter().all(|look| matches!(look, Look::Failed { error: Some("down"), .. })));
        assert_eq!(cell.seen.fetches(), 1);
        cell.pass(2);
        cell.seen.fails.store(false, Ordering::SeqCst);
        assert!(have_looked(&at_once(&cell, 3, RefreshReason::NoUsableKeys)));
        assert_eq!(cell.seen.fetches(), 2);
    });
}

/// Time limits that may strike at any moment: no two flights, no older value after a newer, nobody waits for ever.
#[test]
fn s4_17_flights_that_are_cut_off_leave_the_cell_in_order_in_every_order() {
    in_every_order(|| {
        let hurried = RefreshPolicy { timeout: Duration::from_secs(5), max_wait: Duration::from_secs(1), ..patient() };
        let cell = Cell::new(hurried);
        for _ in 0..3 {
            at_once(&cell, 2, RefreshReason::MissingKey);
            cell.pass(61); // past every pause
        }
        let fetches = cell.seen.fetches();
        assert!(fetches <= 6, "{fetches}");
    });
}

#[test]
fn a_keeper_and_callers_fly_by_turns_and_the_keeper_ends_with_its_cell_in_every_order() {
    in_every_order(|| {
        let cell = Cell::new(patient());
        cell.refreshed.keep_fresh();
        cell.refreshed.keep_fresh(); // one keeper is enough
        assert!(have_looked(&at_once(&cell, 2, RefreshReason::NoUsableKeys)));
        cell.pass(500); // due: the keeper fetches, beside callers who look
        at_once(&cell, 2, RefreshReason::MissingKey);
        if let Some(held) = cell.refreshed.usable() {
            cell.refreshed.invalidate(&held);
        }
        assert!(have_looked(&at_once(&cell, 2, RefreshReason::NoUsableKeys)));
        let fetches = cell.seen.fetches();
        assert!((2..=5).contains(&fetches), "{fetches}");
        // Here the cell is dropped: a keeper that went on would keep shuttle from ending.
    });
}
