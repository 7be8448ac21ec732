//! A cached token: one, many at random, and two threads on one.

use std::hint::black_box;
use std::time::Instant;

use countersign_benches::allocations;
use countersign_benches::measure::{Dice, Plan, as_nanos, by_two_threads, median};
use countersign_benches::report::{Report, short};
use countersign_benches::sample::{self, ISSUER};
use countersign_core::key::Algorithm;

/// Tokens looked up in one go. They are copied to a buffer first, untimed: a token that has just arrived is warm, the
/// cache's entry for it is not.
const WINDOW: usize = 512;

/// Room for a token and what is kept of it, in bytes, generously.
const ROOM: usize = 4096;

pub(crate) fn run(plan: &Plan, report: &mut Report) {
    let mut rows = Vec::new();
    for live in [1_000, 100_000, 1_000_000].into_iter().filter(|live| *live <= plan.most) {
        let (nanos, allocated) = at_random(plan, live);
        let (goal, name) = match live {
            1_000 => (100.0, "1 thousand"),
            100_000 => (400.0, "100 thousand"),
            _ => (800.0, "1 million"),
        };
        report.at_most(format!("hit, {name} live tokens at random"), " ns", goal, nanos);
        report.at_most(format!("hit, {name} live tokens at random"), " allocations", 0.0, allocated);
        rows.push(vec![format!("{name} live tokens, at random"), short(nanos), short(allocated)]);
    }
    let signer = sample::signer(Algorithm::HS256);
    let verifier = sample::verifier(&signer, 1 << 20);
    let token = sample::token(&signer, ISSUER, 1);
    let (alone, both) = by_two_threads(plan, &|| drop(black_box(sample::verified(&verifier, black_box(&token)))));
    report.at_most("hit, two threads on one token, relative to one thread", " ×", 1.6, both / alone);
    rows.push(vec!["one token, one thread".into(), short(alone), String::new()]);
    rows.push(vec!["one token, two threads, each".into(), short(both), String::new()]);
    let note = "Only the function call: lookup, comparison of the whole token, and a new check of times and key.";
    report.table("A cached token", note, &["", "ns", "Rust allocations"], rows);
}

/// Nanoseconds and allocations a hit, with so many live tokens.
fn at_random(plan: &Plan, live: usize) -> (f64, f64) {
    let signer = sample::signer(Algorithm::HS256); // quick to mint; a hit does not depend on it
    let verifier = sample::verifier(&signer, live * ROOM);
    let tokens: Vec<String> = (0..live).map(|number| sample::token(&signer, ISSUER, number)).collect();
    tokens.iter().for_each(|token| drop(sample::verified(&verifier, token)));
    assert!(verifier.cached_tokens() * 100 >= live * 99, "only {} of {live} are kept", verifier.cached_tokens());

    let mut dice = Dice::new(7);
    let mut window = vec![String::new(); WINDOW];
    let mut rounds = Vec::new();
    let mut allocated = 0;
    for _ in 0..plan.rounds * 8 {
        for slot in &mut window {
            slot.clear();
            slot.push_str(&tokens[dice.below(live)]);
        }
        let before = (verifier.stats().from_cache, allocations::calls());
        let start = Instant::now();
        window.iter().for_each(|token| drop(black_box(sample::verified(&verifier, black_box(token)))));
        let taken = start.elapsed();
        if verifier.stats().from_cache - before.0 == WINDOW as u64 {
            allocated = allocations::calls() - before.1;
            rounds.push(as_nanos(taken) / WINDOW as f64);
        } // else one of the few that had no room: a miss, not what is asked here
    }
    (median(rounds), allocated as f64 / WINDOW as f64)
}
