//! What checks of revocations add to a request with a cached token.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::hint::black_box;
use std::time::Instant;

use countersign::authenticate::AuthenticateLayer;
use countersign_benches::measure::{as_nanos, median};
use countersign_benches::report::{Report, short};
use countersign_benches::revoked;
use countersign_benches::sample::{self, ISSUER};
use countersign_benches::services::{Bare, call, request};
use countersign_core::key::Algorithm;
use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use crate::{Plan, Result};

/// Tokens that the calls are spread over.
const LIVE: usize = 256;

/// Calls of one batch, a few microseconds long: most batches meet no interrupt and no other program.
const BATCH: usize = 16;

const CACHE_BYTES: usize = 4 << 20;

/// The goal: nanoseconds over the same layer without revocations.
const GOAL: f64 = 50.0;

const PLAIN: &str = "no revocations";
const EMPTY: &str = "an empty list";
const LIST: &str = "a list of 100,000 identifiers, a feed";
const STATUS: &str = "a status list of 1,000,000 tokens";

/// One way to check, and its times.
struct Contender {
    name: &'static str,
    call: Box<dyn FnMut(usize)>,
    /// The nanoseconds a call of each batch.
    batches: Vec<f64>,
}

impl Contender {
    fn new(name: &'static str, layer: &AuthenticateLayer, tokens: &[String]) -> Self {
        let mut service = layer.clone().layer(Bare);
        let requests: Vec<Request<()>> = tokens.iter().map(|token| request(token)).collect();
        requests.iter().for_each(|request| assert!(call(&mut service, request.clone()), "{name} refuses a token"));
        Contender { name, call: Box::new(move |at| pass(&mut service, &requests[at % LIVE])), batches: Vec::new() }
    }
}

fn pass<S, B>(service: &mut S, request: &Request<()>)
where
    S: Service<Request<()>, Response = Response<B>, Error = Infallible>,
{
    assert!(call(service, black_box(request.clone())));
}

/// Measures in one process and one run. Every contender has its own verifier and cache, and takes its turn after each batch.
pub(crate) fn run(plan: &Plan, report: &mut Report) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let signer = sample::signer(Algorithm::HS256);
    let tokens: Vec<String> = (0..LIVE).map(|number| sample::token(&signer, ISSUER, number)).collect();
    let verifier = || sample::verifier(&signer, CACHE_BYTES);
    let (status, uri) = runtime.block_on(revoked::status_layer(verifier(), &signer, 1_000_000));
    let listed: Vec<String> =
        (0..LIVE).map(|number| sample::listed_token(&signer, ISSUER, number * revoked::STEP as usize, &uri)).collect();
    let first = status.clone().layer(Bare).call(request(&listed[0]));
    let Ok(response) = runtime.block_on(first);
    if response.status() != 200 {
        return Err("the status list is not usable".into());
    }
    let mut contenders = vec![
        Contender::new(PLAIN, &AuthenticateLayer::new(verifier()), &tokens),
        Contender::new(EMPTY, &revoked::layer(verifier(), 0), &tokens),
        Contender::new(LIST, &revoked::layer(verifier(), 100_000), &tokens),
        Contender::new("the same tokens as below, no revocations", &AuthenticateLayer::new(verifier()), &listed),
        Contender::new(STATUS, &status, &listed),
    ];
    for round in 0..plan.batches {
        for turn in 0..contenders.len() {
            let at = (round + turn) % contenders.len();
            let contender = &mut contenders[at];
            let start = Instant::now();
            (0..BATCH).for_each(|number| (contender.call)(round * BATCH + number));
            contender.batches.push(as_nanos(start.elapsed()) / BATCH as f64);
        }
    }
    write(&contenders, report);
    Ok(())
}

fn write(contenders: &[Contender], report: &mut Report) {
    let base = |name| if name == STATUS { 3 } else { 0 };
    let mut over = BTreeMap::new();
    let rows = contenders.iter().map(|contender| {
        let without = &contenders[base(contender.name)];
        let of_pairs = contender.batches.iter().zip(&without.batches).map(|(with, without)| with - without);
        let between = median(of_pairs.collect());
        let of_best = fastest(&contender.batches) - fastest(&without.batches);
        over.insert(contender.name, between);
        vec![contender.name.into(), short(fastest(&contender.batches)), short(of_best), short(between)]
    });
    let rows = rows.collect();
    let note = "Nanoseconds of a request through the layer. Differences are those of the fastest tenth of the batches, and \
                the medians between neighboring batches.";
    report.table("A cached token, with revocations", note, &["", "fastest", "over it", "median over"], rows);
    for name in [LIST, STATUS] {
        report.at_most(format!("a cached token, {name}, over none"), " ns", GOAL, over[name]);
    }
}

/// The time below which a tenth of the batches are: what the processor can do without other programs.
fn fastest(batches: &[f64]) -> f64 {
    let mut sorted = batches.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 10).copied().unwrap_or(f64::NAN)
}
