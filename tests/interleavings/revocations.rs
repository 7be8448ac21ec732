//! Searches of lists of revocations while the lists grow, in every order that the scheduler tries.

use std::collections::BTreeSet;

use shuttle::sync::atomic::{AtomicBool, Ordering};
use shuttle::sync::{Arc, Mutex};
use shuttle::thread;

use crate::scenarios::in_every_order;
use crate::states::{KnownAbsent, States};

/// A list of revoked identifiers.
struct List {
    revoked: Mutex<BTreeSet<u32>>,
    states: States,
}

impl List {
    fn new(number: u64) -> Self {
        List { revoked: Mutex::default(), states: States::new(number) }
    }

    /// The identifier is revoked when this returns.
    fn revoke(&self, identifier: u32) {
        self.states.grow(|| {
            self.revoked.lock().expect("no panic").insert(identifier);
        });
    }

    /// Returns whether the identifier of the token that remembers `known` is in the list.
    fn has(&self, identifier: u32, known: &KnownAbsent) -> bool {
        let Some(search) = self.states.search(known) else { return false };
        let is_found = self.revoked.lock().expect("no panic").contains(&identifier);
        if !is_found {
            search.found_none();
        }
        is_found
    }
}

/// The identifier of the token, and those of others.
const OWN: u32 = 0;
const OTHERS: [u32; 2] = [1, 2];

/// S11.06. Before the acknowledgement, searches may disagree.
#[test]
fn s11_06_a_token_is_found_from_the_acknowledgement_of_its_revocation_on_in_every_order() {
    in_every_order(|| {
        let shared = Arc::new((List::new(1), KnownAbsent::default(), AtomicBool::new(false)));
        let searches: Vec<_> = (0..2)
            .map(|_| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    let (list, known, is_acknowledged) = &*shared;
                    for _ in 0..3 {
                        let is_revoked = is_acknowledged.load(Ordering::SeqCst);
                        assert!(list.has(OWN, known) || !is_revoked, "a revoked token is accepted");
                    }
                })
            })
            .collect();
        let (list, known, is_acknowledged) = &*shared;
        list.revoke(OTHERS[0]);
        list.revoke(OWN);
        is_acknowledged.store(true, Ordering::SeqCst);
        assert!(list.has(OWN, known), "a revoked token is accepted by the thread that revoked it");
        list.revoke(OTHERS[1]);
        searches.into_iter().for_each(|search| search.join().expect("no panic"));
        assert!(list.has(OWN, known), "a search that began before the revocation hides it");
    });
}

/// S11.06: the lists count their states alike.
#[test]
fn s11_06_a_token_that_one_list_does_not_have_is_found_in_another_in_every_order() {
    in_every_order(|| {
        let shared = Arc::new(([List::new(1), List::new(2)], KnownAbsent::default()));
        let searches: Vec<_> = (0..2)
            .map(|first| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    let (lists, known) = &*shared;
                    let [one, other] = [&lists[first], &lists[1 - first]];
                    let _ = one.has(OWN, known);
                    let _ = other.has(OWN, known);
                })
            })
            .collect();
        let (lists, known) = &*shared;
        lists[0].revoke(OTHERS[0]);
        lists[1].revoke(OWN);
        assert!(lists[1].has(OWN, known) && !lists[0].has(OWN, known), "while others search");
        searches.into_iter().for_each(|search| search.join().expect("no panic"));
        assert!(lists[1].has(OWN, known) && !lists[0].has(OWN, known), "after their searches");
    });
}

/// The memory of a token spares the search: the tests above would also pass with a list that is always searched.
#[test]
fn a_list_is_searched_again_for_a_token_once_it_has_grown() {
    shuttle::check_random(
        || {
            let (list, known) = (List::new(1), KnownAbsent::default());
            assert!(!list.has(OWN, &known) && list.states.search(&known).is_none());
            list.revoke(OTHERS[0]);
            assert!(list.states.search(&known).is_some());
        },
        1,
    );
}
