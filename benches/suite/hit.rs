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
        let (nanos, allocated, comparison) = at_random(plan, live);
        let (goal, name) = match live {
            1_000 => (100.0, "1 thousand"),
            100_000 => (400.0, "100 thousand"),
            _ => (800.0, "1 million"),
        };
        report.at_most(format!("hit, {name} live tokens at random"), " ns", goal, nanos);
        report.at_most(format!("hit, {name} live tokens at random"), " allocations", 0.0, allocated);
        rows.push(vec![format!("{name} live tokens, at random"), short(nanos), short(allocated)]);
        rows.push(vec![format!("comparing a token with one of {name}, at random"), short(comparison), String::new()]);
    }
    let signer = sample::signer(Algorithm::HS256);
    let verifier = sample::verifier(&signer, 1 << 20);
    let token = sample::token(&signer, ISSUER, 1);
    let (alone, both) = by_two_threads(plan, &|| drop(black_box(sample::verified(&verifier, black_box(&token)))));
    report.at_most("hit, two threads on one token, relative to one thread", " ×", 1.6, both / alone);
    rows.push(vec!["one token, one thread".into(), short(alone), String::new()]);
    rows.push(vec!["one token, two threads, each".into(), short(both), String::new()]);
    let note = "Only the function call: lookup, comparison of the whole token, and a new check of times and key. Among many \
                tokens, a hit reads memory that is in none of the processor's caches: 17 lines of a token of 1,000 bytes, and 7 \
                more (2 of the table, 1 or 2 of its entry, 3 or 4 of the result and its count). The rows in between compare two \
                texts and do nothing else: a cache that compares every byte is no faster.";
    report.table("A cached token", note, &["", "ns", "Rust allocations"], rows);
}

/// Nanoseconds and allocations a hit, with so many live tokens, and the nanoseconds of comparing a token alone.
fn at_random(plan: &Plan, live: usize) -> (f64, f64, f64) {
    let signer = sample::signer(Algorithm::HS256); // quick to mint; a hit does not depend on it
    let verifier = sample::verifier(&signer, live * ROOM);
    let tokens: Vec<String> = (0..live).map(|number| sample::token(&signer, ISSUER, number)).collect();
    tokens.iter().for_each(|token| drop(sample::verified(&verifier, token)));
    assert!(verifier.cached_tokens() * 100 >= live * 99, "only {} of {live} are kept", verifier.cached_tokens());

    let mut dice = Dice::new(7);
    let mut window = vec![String::new(); WINDOW];
    let copies: Vec<Box<str>> = tokens.iter().map(|token| token.as_str().into()).collect();
    let (mut rounds, mut comparisons) = (Vec::new(), Vec::new());
    let mut allocated = 0;
    for _ in 0..plan.rounds * 8 {
        fill(&mut window, &tokens, &mut dice);
        let before = (verifier.stats().from_cache, allocations::calls());
        let start = Instant::now();
        window.iter().for_each(|token| drop(black_box(sample::verified(&verifier, black_box(token)))));
        let taken = start.elapsed();
        if verifier.stats().from_cache - before.0 == WINDOW as u64 {
            allocated = allocations::calls() - before.1;
            rounds.push(as_nanos(taken) / WINDOW as f64);
        } // else one of the few that had no room: a miss, not what is asked here

        let chosen = fill(&mut window, &tokens, &mut dice);
        let start = Instant::now();
        window.iter().zip(chosen).for_each(|(token, number)| assert!(black_box(**token == *copies[number])));
        comparisons.push(as_nanos(start.elapsed()) / WINDOW as f64);
    }
    (median(rounds), allocated as f64 / WINDOW as f64, median(comparisons))
}

/// Copies tokens into the window, and returns their numbers.
fn fill(window: &mut [String], tokens: &[String], dice: &mut Dice) -> Vec<usize> {
    let copy = |slot: &mut String| {
        let number = dice.below(tokens.len());
        slot.clear();
        slot.push_str(&tokens[number]);
        number
    };
    window.iter_mut().map(copy).collect()
}
