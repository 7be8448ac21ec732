//! A token that is bound to a key, with its proof, beside a bearer token: both seen before.

use std::sync::Arc;
use std::time::Duration;

use countersign::authenticate::AuthenticateLayer;
use countersign::proof::{Dpop, ProofUse, ReplayOutcome, ReplayQuery, ReplayStore};
use countersign_benches::measure::{Contender, Plan, interleave};
use countersign_benches::report::{Report, short};
use countersign_benches::sample::{self, AUDIENCE, ISSUER, Raw};
use countersign_benches::services::{Bare, call, request};
use countersign_core::clock::{Clock, SystemClock};
use countersign_core::key::Algorithm;
use countersign_core::mint::{Draft, ProofDraft};
use http::Request;
use tower_layer::Layer;

/// The most that a proof may cost over the check of its signature, in nanoseconds.
const GOAL: f64 = 1_500.0;

/// The same in allocations.
const ALLOCATIONS: f64 = 8.0;

/// Says that each proof is new, so that one proof serves all calls.
#[derive(Debug)]
struct Forgetful;

impl ReplayStore for Forgetful {
    fn insert(&self, _: &ProofUse<'_>) -> ReplayQuery {
        ReplayQuery::Known(ReplayOutcome::New)
    }
}

pub(crate) fn run(plan: &Plan, report: &mut Report) {
    let (signer, client) = (sample::signer(Algorithm::ES256), sample::signer(Algorithm::ES256));
    let bearer = sample::token(&signer, ISSUER, 1);
    let now = SystemClock.now();
    let key = client.verifying_key().expect("a key pair");
    let draft = Draft::access_token().issuer(ISSUER).audience(AUDIENCE).subject("ann").client_id("web");
    let draft = draft.issued_at(now).expires_at(now.saturating_add(Duration::from_secs(3600)));
    let cnf = serde_json::json!({ "jkt": key.thumbprint() });
    let bound = draft.claim("jti", "1").claim("cnf", cnf).sign(&signer).expect("a token");
    let proof = ProofDraft::new("GET", "https://api.example.com/orders", now).access_token(&bound);
    let proof = proof.sign(&client).expect("a proof");

    let dpop = Dpop::at("https://api.example.com").max_age(Duration::from_secs(300)).replay_store(Arc::new(Forgetful));
    let layer = AuthenticateLayer::builder(sample::verifier(&signer, 1 << 20)).dpop(dpop).build().expect("a layer");
    let with_proof = Request::get("/orders").header("authorization", format!("DPoP {bound}")).header("dpop", &proof);
    let with_proof = with_proof.body(()).expect("a request");
    let raw = Raw::of(&client, &proof);

    let figures = interleave(
        plan,
        vec![
            contender("a bearer token", &layer, request(&bearer)),
            Contender::new("the signature of a proof by itself", move || assert!(raw.check())),
            contender("a bound token with its proof", &layer, with_proof),
        ],
    );
    let rows = figures
        .iter()
        .map(|figure| vec![figure.name.clone(), short(figure.nanos), short(figure.over), short(figure.allocations)])
        .collect();
    let note = "A new request each time through the layer, to a service that answers at once. Tokens and the client's key were \
                seen before; the store of used proofs says that each is new.";
    report.table("A token that is bound to a key", note, &["", "ns", "ns over", "allocations"], rows);
    if let [bearer, raw, bound] = &figures[..] {
        let over = bound.nanos - bearer.nanos - raw.nanos;
        report.at_most("a proof, over the check of its signature", " ns", GOAL, over);
        report.at_most("allocations of a proof", "", ALLOCATIONS, bound.allocations - bearer.allocations);
    }
}

fn contender<'a>(name: &str, layer: &AuthenticateLayer, template: Request<()>) -> Contender<'a> {
    let mut service = layer.layer(Bare);
    assert!(call(&mut service, template.clone()), "{name} is refused");
    Contender::new(name, move || assert!(call(&mut service, template.clone())))
}
