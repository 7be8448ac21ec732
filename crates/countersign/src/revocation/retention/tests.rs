//! Retention under clocks that are set.

use countersign_test::ManualClock;

use super::*;

fn attached() -> (Retention, ManualClock) {
    let (retention, clock) = (Retention::default(), ManualClock::new(UnixTime::from_secs(1_000_000)));
    let shared: Arc<dyn Clock> = Arc::new(clock.clone());
    assert!(retention.attach(&shared).is_empty());
    (retention, clock)
}

#[test]
fn a_clock_that_was_set_ahead_counts_after_an_hour_and_one_set_back_at_once() {
    let (retention, clock) = attached();
    clock.step_wall(UnixTime::from_secs(2_000_000));
    assert_eq!(retention.sweep_time().as_secs(), 1_000_000);
    clock.advance(Duration::from_secs(3599));
    assert_eq!(retention.sweep_time().as_secs(), 1_003_599, "it goes on by the monotonic clock");
    clock.advance(Duration::from_secs(3600));
    retention.sweep_time();
    clock.advance(Duration::from_secs(3600));
    assert_eq!(retention.sweep_time().as_secs(), 2_000_000 + 10_799, "now it is the time");
    clock.step_wall(UnixTime::from_secs(500));
    assert_eq!(retention.sweep_time().as_secs(), 500);
}

#[test]
fn a_clock_that_started_in_1970_is_trusted_once_it_was_set() {
    let (retention, clock) = attached();
    clock.step_wall(UnixTime::from_secs(5));
    assert_eq!(retention.sweep_time().as_secs(), 5);
    clock.step_wall(UnixTime::from_secs(1_700_000_000));
    for _ in 0..3 {
        clock.advance(Duration::from_secs(3600));
        retention.sweep_time();
    }
    assert_eq!(retention.sweep_time(), clock.now());
}

#[test]
fn tokens_whose_entries_may_be_gone_are_known() {
    let (retention, clock) = attached();
    let at = UnixTime::from_secs;
    let may_remove =
        |keep_until| retention.may_remove(Term { keep_until, ..retention.term_of(clock.now()) }, clock.now());
    assert!(!may_remove(clock.now()) && !retention.may_have_removed(at(0)));
    assert!(may_remove(at(999_999)));
    assert!(!retention.may_have_forgotten(None));
    assert!(retention.may_have_removed(at(999_699)) && retention.may_have_removed(at(5)));
    let later = at(999_699).saturating_add(Duration::from_millis(1));
    assert!(!retention.may_have_removed(at(999_700)) && !retention.may_have_removed(later), "these expire later");
}

#[test]
fn an_entry_is_kept_for_a_bounded_time_and_tokens_that_outlive_it_are_known() {
    let (retention, clock) = attached();
    let (at, day) = (UnixTime::from_secs, Duration::from_secs(86_400));
    let whole = retention.term(at(1_086_400), None, day);
    assert_eq!((whole.keep_until, whole.bound), (at(1_086_700), None));
    let term = retention.term(UnixTime::MAX, None, day);
    let longest = day + KEEP_AFTER_EXPIRY;
    assert_eq!(term.bound, Some(Bound { longest, meant_until: at(1_000_300) }));
    assert!(retention.outlives(at(1_086_401), day) && !retention.outlives(at(1_086_400), day));
    clock.advance(Duration::from_secs(86_700));
    assert!(!retention.may_remove(term, clock.now()));
    clock.advance(Duration::from_secs(1));
    assert!(!retention.may_have_forgotten(None));
    assert!(retention.may_remove(term, clock.now()));
    assert!(retention.may_have_forgotten(None) && retention.may_have_forgotten(Some(at(1_000_300))));
    let after = at(1_000_300).saturating_add(Duration::from_millis(2)); // two times are rounded up
    assert!(!retention.may_have_forgotten(Some(after)), "issued after the revocation");
}

#[test]
fn an_entry_made_in_1970_is_kept_as_long_as_any_other() {
    let (retention, clock) = attached();
    let (at, day) = (UnixTime::from_secs, Duration::from_secs(86_400));
    clock.step_wall(at(5));
    let term = retention.term(at(1_700_864_000), None, day);
    clock.step_wall(at(1_700_000_000));
    for _ in 0..3 {
        clock.advance(Duration::from_secs(3600));
        assert!(!retention.may_remove(term, retention.sweep_time()));
    }
    clock.advance(day);
    assert!(retention.may_remove(term, retention.sweep_time()));
    assert!(retention.may_have_forgotten(Some(at(1_699_999_000))), "issued before the entry was made");
    assert!(!retention.may_have_forgotten(Some(at(1_700_000_400))), "issued after it");
}

#[test]
fn s14_09_an_age_is_compared_as_it_is_read() {
    let micros = Duration::from_micros;
    for attaches_first in [true, false] {
        let (retention, clock) = (Retention::default(), ManualClock::new(UnixTime::from_secs(1_000_000)));
        clock.advance(micros(5_000_400));
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        if attaches_first {
            retention.attach(&shared);
        }
        let moment = retention.moment();
        retention.attach(&shared);
        for step in [0, 1, 9_998_999, 1, 599, 1, 399, 1_000, 5_000_000] {
            clock.advance(micros(step));
            let (age, moment) = (retention.age(Moment(moment.0)), Moment(moment.0));
            assert_eq!(retention.is_older(moment, 10_000), age > Duration::from_secs(10), "{attaches_first} {age:?}");
        }
    }
}

#[test]
fn entries_made_before_the_clock_is_attached_count_from_then() {
    let retention = Retention::default();
    let term = retention.term(UnixTime::MAX, None, Duration::ZERO);
    let clock = ManualClock::new(UnixTime::from_secs(1_000_000));
    clock.advance(Duration::from_secs(10_000_000));
    let shared: Arc<dyn Clock> = Arc::new(clock.clone());
    assert!(retention.attach(&shared).is_empty() && !retention.may_remove(term, clock.now()));
    clock.advance(KEEP_AFTER_EXPIRY + Duration::from_secs(1));
    assert!(retention.may_remove(term, clock.now()));
}
