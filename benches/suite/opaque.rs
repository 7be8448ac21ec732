//! An opaque token that was asked about before, beside a signed one.

use countersign::authenticate::AuthenticateLayer;
use countersign::introspect::Introspection;
use countersign_benches::measure::{Contender, Plan, interleave};
use countersign_benches::report::{Report, short};
use countersign_benches::sample::{self, AUDIENCE, ISSUER};
use countersign_benches::services::{Bare, call, request};
use countersign_core::key::Algorithm;
use tower_layer::Layer;
use tower_service::Service;

/// The most that an opaque token may cost more than a signed one, in nanoseconds.
const GOAL: f64 = 150.0;

/// Of the length that an authorization server gives it.
const TOKEN: &str = "ZvQ2mJr8Lx0aT5cYkWnB3dHsPgUe7iOfQq1R2s3T4u5";

pub(crate) fn run(plan: &Plan, report: &mut Report) {
    let signer = sample::signer(Algorithm::ES256);
    let signed = sample::token(&signer, ISSUER, 1);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let endpoint = runtime.block_on(async {
        let claims =
            format!(r#"{{"active":true,"sub":"ann","aud":"{AUDIENCE}","exp":4000000000,"token_type":"Bearer"}}"#);
        let answer = move || async move { ([("content-type", "application/json")], claims) };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/introspect", listener.local_addr().expect("bound"));
        let router = axum::Router::new().route("/introspect", axum::routing::post(answer));
        tokio::spawn(async move { axum::serve(listener, router).await });
        url
    });
    let plain = AuthenticateLayer::new(sample::verifier(&signer, 1 << 20));
    let settings = Introspection::at_issuer(ISSUER).endpoint(endpoint).client("api", "secret");
    let settings = settings.max_age(std::time::Duration::from_secs(600));
    let asking = AuthenticateLayer::builder(sample::verifier(&signer, 1 << 20)).introspection(settings);
    let asking = asking.build().expect("a layer");
    let mut first = asking.layer(Bare);
    let answer = runtime.block_on(first.call(request(TOKEN))).expect("answered");
    assert!(answer.status().is_success(), "{}", answer.status());

    let figures = interleave(
        plan,
        vec![
            contender("a signed token", &plain, &signed),
            contender("a signed token, in a layer with introspection", &asking, &signed),
            contender("an opaque token", &asking, TOKEN),
        ],
    );
    let rows = figures
        .iter()
        .map(|figure| vec![figure.name.clone(), short(figure.nanos), short(figure.over), short(figure.allocations)])
        .collect();
    let note =
        "A new request each time through the layer, to a service that answers at once. The endpoint was asked once.";
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
