//! An opaque token that was asked about before, beside a signed one.

use countersign::authenticate::AuthenticateLayer;
use countersign_benches::measure::{Contender, Plan, interleave};
use countersign_benches::opaque;
use countersign_benches::report::{Report, short};
use countersign_benches::sample::{self, ISSUER};
use countersign_benches::services::{Bare, call, calls_by_two_threads, request};
use countersign_core::key::Algorithm;
use tower_layer::Layer;

/// The most that an opaque token may cost more than a signed one, in nanoseconds.
const GOAL: f64 = 150.0;

pub(crate) fn run(plan: &Plan, report: &mut Report) {
    let signer = sample::signer(Algorithm::ES256);
    let signed = sample::token(&signer, ISSUER, 1);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let opaque = opaque::token(0);
    let plain = AuthenticateLayer::new(sample::verifier(&signer, 1 << 20));
    let asking = runtime.block_on(opaque::layer(sample::verifier(&signer, 1 << 20), std::slice::from_ref(&opaque)));

    let figures = interleave(
        plan,
        vec![
            contender("a signed token", &plain, &signed),
            contender("a signed token, in a layer with introspection", &asking, &signed),
            contender("an opaque token", &asking, &opaque),
        ],
    );
    let rows = figures
        .iter()
        .map(|figure| vec![figure.name.clone(), short(figure.nanos), short(figure.over), short(figure.allocations)])
        .collect();
    let note =
        "A new request each time through the layer, to a service that answers at once. The endpoint was asked once.";
    let (alone, both) = calls_by_two_threads(plan, &asking, &opaque);
    report.at_most("an opaque token, two threads, relative to one thread", " ×", 1.6, both / alone);
    report.table("An opaque token that was seen before", note, &["", "ns", "ns over", "allocations"], rows);
    if let [_, _, opaque] = &figures[..] {
        report.at_most("hit of an opaque token, over that of a signed one", " ns", GOAL, opaque.over);
    }
}

fn contender<'a>(name: &str, layer: &AuthenticateLayer, token: &str) -> Contender<'a> {
    let (mut service, template) = (layer.layer(Bare), request(token));
    assert!(call(&mut service, template.clone()), "{name} refuses a good token");
    Contender::new(name, move || assert!(call(&mut service, template.clone())))
}
