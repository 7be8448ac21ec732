//! Cost of a guard and an extractor for a token seen before: with one authority and with 50.

use countersign::authenticate::AuthenticateLayer;
use countersign::guard::require;
use countersign_benches::measure::{Contender, Figure, Plan, interleave};
use countersign_benches::report::{Report, short};
use countersign_benches::sample::{self, AUDIENCE, ISSUER};
use countersign_benches::services::{Bare, Extracting, call, request};
use countersign_core::authz::{Authorities, Requirement, permission, role, scope};
use countersign_core::key::Algorithm;
use countersign_core::mint::Signer;
use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

/// The most that a guard or an extraction may add, in nanoseconds.
const GOAL: f64 = 100.0;

pub(crate) fn run(plan: &Plan, report: &mut Report) {
    let mut rows = Vec::new();
    for count in [1, 50] {
        let [one, five] = guards(plan, count);
        report.at_most(format!("a guard, a token of {count} authorities"), " ns", GOAL, one.over);
        report.at_most(format!("a guard, a token of {count} authorities"), " allocations", 0.0, one.allocations);
        for (name, figure) in [("a role", one), ("five parts", five)] {
            rows.push(vec![format!("{name}, {count} authorities"), short(figure.over), short(figure.allocations)]);
        }
    }
    let extraction = extraction(plan);
    report.at_most("Claims<C>, extracted from a cached token", " ns", GOAL, extraction.over);
    report.at_most("Claims<C>, extracted from a cached token", " allocations", 0.0, extraction.allocations);
    rows.push(vec!["Claims<C> of 17 fields".into(), short(extraction.over), short(extraction.allocations)]);
    let note = "Relative to the layer without it, with a cached token. The guard requires the last of the \
                token's authorities.";
    report.table("Cost of a guard and an extractor", note, &["", "ns", "Rust allocations"], rows);
}

/// A guard of one part, and one of five, over the layer alone; the token has so many roles, permissions and scopes.
fn guards(plan: &Plan, count: usize) -> [Figure; 2] {
    let signer = sample::signer(Algorithm::ES256);
    let authorities = Authorities::new().roles_at("/roles").permissions_at("/permissions");
    let trusted = sample::trusted(&signer, ISSUER).authorities(authorities);
    let layer = AuthenticateLayer::new(sample::builder(1 << 20).trust(trusted).build().expect("a good policy"));
    let last = count - 1;
    let one = role(format!("role-{last}"));
    let five = one
        .clone()
        .and(permission(format!("permission-{last}")))
        .and(scope(format!("scope-{last}")).or(role("none")))
        .and(role("banned").not());
    let guarded = |requirement: Requirement| layer.layer(require(requirement).layer(Bare));
    let token = token_of(&signer, count);
    over_the_first(
        plan,
        vec![
            contender("the layer", layer.layer(Bare), &token),
            contender("a role", guarded(one), &token),
            contender("five parts", guarded(five), &token),
        ],
    )
}

fn extraction(plan: &Plan) -> Figure {
    let signer = sample::signer(Algorithm::ES256);
    let token = sample::token(&signer, ISSUER, 1);
    let layer = AuthenticateLayer::new(sample::verifier(&signer, 1 << 20));
    let [figure] = over_the_first(
        plan,
        vec![
            contender("the layer", layer.layer(Bare), &token),
            contender("Claims<C>", layer.layer(Extracting), &token),
        ],
    );
    figure
}

/// The figures of all but the first, their allocations as what they have more than it.
fn over_the_first<const N: usize>(plan: &Plan, contenders: Vec<Contender<'_>>) -> [Figure; N] {
    let mut figures = interleave(plan, contenders).into_iter();
    let first = figures.next().expect("one to compare with");
    let more: Vec<Figure> =
        figures.map(|figure| Figure { allocations: figure.allocations - first.allocations, ..figure }).collect();
    more.try_into().expect("as many as were given")
}

fn token_of(signer: &Signer, count: usize) -> String {
    let names = |kind: &str| (0..count).map(|number| format!("{kind}-{number}")).collect::<Vec<_>>();
    let claims = serde_json::json!({
        "iss": ISSUER, "sub": "ann", "aud": AUDIENCE, "exp": 4_000_000_000_u64, "scope": names("scope").join(" "),
        "roles": names("role"), "permissions": names("permission"),
    });
    let header = format!(r#"{{"alg":"{}","typ":"at+jwt","kid":"{}"}}"#, signer.algorithm(), signer.key_id());
    signer.sign_compact(header.as_bytes(), claims.to_string().as_bytes()).expect("a token")
}

fn contender<'a, S, B>(name: &str, mut service: S, token: &str) -> Contender<'a>
where
    S: Service<Request<()>, Response = Response<B>, Error = std::convert::Infallible> + 'a,
{
    let template = request(token);
    assert!(call(&mut service, template.clone()), "{name} refuses a good token");
    Contender::new(name, move || assert!(call(&mut service, template.clone())))
}
