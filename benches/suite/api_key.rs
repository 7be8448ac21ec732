//! An API key that is in memory, beside a signed token that was seen before.

use countersign::authenticate::AuthenticateLayer;
use countersign_benches::api_key;
use countersign_benches::measure::{Contender, Plan, interleave};
use countersign_benches::report::{Report, short};
use countersign_benches::sample::{self, ISSUER};
use countersign_benches::services::{Bare, call, calls_by_two_threads, request};
use countersign_core::key::Algorithm;
use tower_layer::Layer;

/// The most that an API key may cost, in nanoseconds.
const GOAL: f64 = 1_000.0;

/// The keys in memory.
const KEYS: usize = 1_000;

pub(crate) fn run(plan: &Plan, report: &mut Report) {
    let signer = sample::signer(Algorithm::ES256);
    let signed = sample::token(&signer, ISSUER, 1);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let _guard = runtime.enter(); // reads of the store run on it
    let (layer, known) = runtime.block_on(api_key::layer(KEYS, 1));
    let key = &known[0];
    let plain = AuthenticateLayer::new(sample::verifier(&signer, 1 << 20));
    let mut nothing = (Bare, request(key));
    let figures = interleave(
        plan,
        vec![
            Contender::new("no layer", move || assert!(call(&mut nothing.0, nothing.1.clone()))),
            contender("a signed token that was seen before", &plain, &signed),
            contender("an API key", &layer, key),
        ],
    );
    let rows = figures
        .iter()
        .map(|figure| vec![figure.name.clone(), short(figure.nanos), short(figure.over), short(figure.allocations)])
        .collect();
    let note =
        "A new request each time through the layer, to a service that answers at once. A thousand keys are in memory.";
    let (alone, both) = calls_by_two_threads(plan, &layer, key);
    report.at_most("an API key, two threads, relative to one thread", " ×", 1.6, both / alone);
    report.table("An API key", note, &["", "ns", "ns over", "allocations"], rows);
    if let [_, _, key] = &figures[..] {
        report.at_most("API key, over no layer", " ns", GOAL, key.over);
    }
}

fn contender<'a>(name: &str, layer: &AuthenticateLayer, credential: &str) -> Contender<'a> {
    let (mut service, template) = (layer.layer(Bare), request(credential));
    assert!(call(&mut service, template.clone()), "{name} is refused");
    Contender::new(name, move || assert!(call(&mut service, template.clone())))
}
