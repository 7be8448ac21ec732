//! The whole layer over the service it wraps: a token seen before, with a guard, with typed claims, beside the peers.

use countersign::authenticate::AuthenticateLayer;
use countersign::guard::require;
use countersign_benches::measure::{Contender, Figure, Plan, interleave};
use countersign_benches::report::{Report, short};
use countersign_benches::revoked;
use countersign_benches::sample::{self, ISSUER};
use countersign_benches::services::{Bare, Extracting, call, request};
use countersign_core::authz::scope;
use countersign_core::key::Algorithm;
use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

const BARE: &str = "the bare service";
const LAYER: &str = "authenticated";
const GUARDED: &str = "authenticated, one guard";
const REVOCABLE: &str = "authenticated, 100 thousand revoked identifiers, a feed";
const TYPED: &str = "authenticated, one guard, Claims<C>";

pub(crate) fn run(plan: &Plan, report: &mut Report) {
    let signer = sample::signer(Algorithm::ES256);
    let token = sample::token(&signer, ISSUER, 1);
    let layer = AuthenticateLayer::new(sample::verifier(&signer, 1 << 20));
    let guard = require(scope("orders:read"));
    let revocable = revoked::layer(sample::verifier(&signer, 1 << 20), 100_000);
    let figures = interleave(
        plan,
        vec![
            contender(BARE, Bare, &token),
            contender(LAYER, layer.clone().layer(Bare), &token),
            contender(REVOCABLE, revocable.layer(Bare), &token),
            contender(GUARDED, layer.clone().layer(guard.clone().layer(Bare)), &token),
            contender(TYPED, layer.layer(guard.layer(Extracting)), &token),
        ],
    );
    let named = |name: &str| figures.iter().find(|figure| figure.name == name).expect("measured above");
    let bare = named(BARE);
    let more = |figure: &Figure| figure.allocations - bare.allocations;
    report.at_most("hit through the layer, over the bare service", " ns", 200.0, named(LAYER).over);
    report.at_most("hit through the layer, over the bare service", " allocations", 3.0, more(named(LAYER)));
    report.at_most("the same with a guard and Claims<C>", " ns", 300.0, named(TYPED).over);
    let of_list = named(REVOCABLE).nanos - named(LAYER).nanos;
    report.at_most("a list of 100 thousand revoked identifiers, over the layer", " ns", 50.0, of_list);
    let more_of_list = more(named(REVOCABLE)) - more(named(LAYER));
    report.at_most("a list of 100 thousand revoked identifiers, over the layer", " allocations", 0.0, more_of_list);
    let rows = figures
        .iter()
        .map(|figure| vec![figure.name.clone(), short(figure.nanos), short(figure.over), short(more(figure))])
        .collect();
    let note = "A new request each time, with a cached token, to a service that answers at once. Claims<C> has \
                17 fields and is parsed once per token.";
    report.table("A cached token, through the layer", note, &["", "ns", "ns over", "allocations over"], rows);
}

fn contender<'a, S, B>(name: &str, mut service: S, token: &str) -> Contender<'a>
where
    S: Service<Request<()>, Response = Response<B>, Error = std::convert::Infallible> + 'a,
{
    let template = request(token);
    assert!(call(&mut service, template.clone()), "{name} refuses a good token");
    Contender::new(name, move || assert!(call(&mut service, template.clone())))
}
