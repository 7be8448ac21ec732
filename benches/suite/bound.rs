//! A token that is bound to a key, with its proof, beside a bearer token: both seen before. And the store of used proofs.

use std::hint::black_box;
use std::time::Instant;

use countersign_benches::bound::{Bound, Records};
use countersign_benches::measure::{Contender, Plan, as_nanos, interleave, median};
use countersign_benches::report::{Report, short};
use countersign_benches::services::{call, request};
use countersign_core::proof::DpopProof;

use crate::bound_peers;

/// The most that a proof may cost over the check of its signature, in nanoseconds.
const GOAL: f64 = 1_500.0;

/// The same in allocations.
const ALLOCATIONS: f64 = 8.0;

/// The most that the record of a used proof may cost, in nanoseconds.
const RECORD_GOAL: f64 = 300.0;

/// The records of one time: few, so that the proofs are in the processor's caches as those of requests are.
const RECORDS: usize = 32;

/// The times of a round.
const TIMES: usize = 64;

pub(crate) fn run(plan: &Plan, report: &mut Report) {
    proofs(plan, report);
    bound_peers::run(plan, report);
    records(plan, report);
}

fn proofs(plan: &Plan, report: &mut Report) {
    let Bound { bearer, with_proof, raw, service, .. } = Bound::new();
    let [mut of_both, mut of_proof, mut of_bearer] = [(); 3].map(|()| service.clone());
    let template = request(&bearer);
    let figures = interleave(
        plan,
        vec![
            // In one loop: the check of the signature displaces what the rest of a request has in the processor's caches.
            Contender::new("a bearer token, and the signature of a proof by itself", || {
                assert!(call(&mut of_both, template.clone()) && raw.check());
            }),
            Contender::new("a bound token with its proof", || assert!(call(&mut of_proof, with_proof.clone()))),
            Contender::new("a bearer token", || assert!(call(&mut of_bearer, template.clone()))),
            Contender::new("the signature of a proof by itself", || assert!(raw.check())),
        ],
    );
    let rows = figures
        .iter()
        .map(|figure| vec![figure.name.clone(), short(figure.nanos), short(figure.over), short(figure.allocations)])
        .collect();
    let note = "A new request each time through the layer, to a service that answers at once. Tokens and the client's key were \
                seen before; the store of used proofs says that each is new.";
    report.table("A token that is bound to a key", note, &["", "ns", "ns over", "allocations"], rows);
    if let [apart, bound, ..] = &figures[..] {
        report.at_most("a proof, over the check of its signature", " ns", GOAL, bound.over);
        report.at_most("allocations of a proof", "", ALLOCATIONS, bound.allocations - apart.allocations);
    }
}

/// The record of new proofs in memory, among so many that still count.
fn records(plan: &Plan, report: &mut Report) {
    let mut records = Records::new(plan.most);
    for _ in 0..plan.most {
        let proof = records.proof();
        records.record(&proof);
    }
    let times = (0..plan.rounds * TIMES).map(|_| {
        let proofs: Vec<DpopProof> = (0..RECORDS).map(|_| records.proof()).collect();
        let start = Instant::now();
        proofs.iter().for_each(|proof| records.record(black_box(proof)));
        as_nanos(start.elapsed()) / RECORDS as f64
    });
    let nanos = median(times.collect());
    let rows = vec![vec![plan.most.to_string(), short(nanos)]];
    let note = "Each proof is a new one of the same caller, and none is forgotten meanwhile. Reading the proof is not counted.";
    report.table("Used proofs in memory", note, &["proofs that still count", "ns to record one"], rows);
    report.at_most("the record of a used proof", " ns", RECORD_GOAL, nanos);
}
