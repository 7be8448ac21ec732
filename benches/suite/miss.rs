//! A token never seen before: ours and the peers' over the raw signature check, in one run.

use std::collections::HashMap;
use std::hint::black_box;

use countersign_benches::jsonwebtoken::Jsonwebtoken;
use countersign_benches::measure::{Contender, Figure, Plan, by_two_threads, interleave};
use countersign_benches::report::{Report, short};
use countersign_benches::sample::{self, ALGORITHMS, AUDIENCE, ISSUER, OwnClaims, Raw};
use countersign_benches::services::{Bare, call, now, request};
use countersign_core::key::Algorithm;
use countersign_core::mint::Signer;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use jwt_authorizer::{IntoLayer, JwtAuthorizer};
use tower_layer::Layer;
use tower_oauth2_resource_server::server::OAuth2ResourceServer;
use tower_oauth2_resource_server::tenant::TenantConfiguration;
use tower_oauth2_resource_server::validation::ClaimsValidationSpec;
use tower_service::Service;

use crate::answer::{Answer, BareAnswer};

const RAW: &str = "raw aws-lc-rs";
const OURS: &str = "Countersign";
const OURS_TYPED: &str = "Countersign, typed claims";
const JSONWEBTOKEN: &str = "jsonwebtoken 11, key prepared";
const JSONWEBTOKEN_BY_KID: &str = "jsonwebtoken 11, end to end";
const JSONWEBTOKEN_12: &str = "jsonwebtoken 12, end to end";
const BARE: &str = "bare service";

pub(crate) fn run(plan: &Plan, report: &mut Report) {
    let mut rows = Vec::new();
    for algorithm in ALGORITHMS {
        let signer = sample::signer(algorithm);
        let token = sample::token(&signer, ISSUER, 1);
        let figures = interleave(plan, contenders(&signer, &token));
        let bare = figures.iter().find(|figure| figure.name == BARE).cloned();
        for figure in figures.iter().filter(|figure| figure.name != BARE) {
            let figure = without(figure, bare.as_ref().filter(|_| figure.name.ends_with("layer")), figures[0].nanos);
            if figure.name != RAW {
                report.bar(algorithm.name(), &figure.name, figure.ratio);
            }
            rows.push(vec![
                algorithm.name().into(),
                figure.name.clone(),
                short(figure.nanos / 1000.0),
                format!("{:.3}", figure.ratio),
                format!("{:.0}", figure.over),
                short(figure.allocations),
            ]);
        }
        goals(report, algorithm, &figures);
    }
    let note = "One token of 17 claims, about 1,000 bytes, without the cache. The time of a bare service call is \
                subtracted from layers. Differences and ratios are medians over rounds.";
    let head = ["algorithm", "", "µs", "over raw", "ns over raw", "Rust allocations"];
    report.table("A new token", note, &head, rows);
    two_threads(plan, report);
}

/// Each thread verifies the same token, so that issuer, key and header are shared.
fn two_threads(plan: &Plan, report: &mut Report) {
    let figures = ALGORITHMS.into_iter().map(|algorithm| {
        let signer = sample::signer(algorithm);
        let verifier = sample::verifier(&signer, 0);
        let token = sample::token(&signer, ISSUER, 1);
        let once = || drop(black_box(sample::verified(&verifier, black_box(&token))));
        let raw = Raw::of(&signer, &token);
        (algorithm, by_two_threads(plan, &once), by_two_threads(plan, &|| assert!(black_box(&raw).check())))
    });
    let rows = figures.map(|(algorithm, (alone, both), (raw_alone, raw_both))| {
        let times = |slower: f64, faster: f64| format!("{:.2}", slower / faster);
        let micros = |nanos: f64| short(nanos / 1000.0);
        vec![algorithm.name().into(), micros(alone), micros(both), times(both, alone), times(raw_both, raw_alone)]
    });
    let note = "Each of two threads, compared with a single thread. Both may share one core; compare with raw.";
    let head = ["algorithm", "µs, one thread", "µs, each of two", "two over one", "raw, two over one"];
    report.table("A new token, two threads", note, &head, rows.collect());
}

/// A layer's figure less what the request and the innermost service cost anyway.
fn without(figure: &Figure, bare: Option<&Figure>, raw: f64) -> Figure {
    let Some(bare) = bare else { return figure.clone() };
    Figure {
        name: figure.name.clone(),
        nanos: figure.nanos - bare.nanos,
        over: figure.over - bare.nanos,
        ratio: figure.ratio - bare.nanos / raw,
        allocations: figure.allocations - bare.allocations,
    }
}

fn contenders<'a>(signer: &'a Signer, token: &'a str) -> Vec<Contender<'a>> {
    let raw = Raw::of(signer, token);
    let registered = sample::verifier(signer, 0);
    let typed = registered.clone();
    let mut found = vec![
        Contender::new(RAW, move || assert!(black_box(&raw).check())),
        Contender::new(OURS, move || drop(black_box(sample::verified(&registered, black_box(token))))),
        Contender::new(OURS_TYPED, move || {
            let verified = sample::verified(&typed, black_box(token));
            drop(black_box(verified.claims::<OwnClaims>().expect("claims of that type")));
        }),
    ];
    found.extend(jsonwebtoken(signer, token).into_iter().flatten());
    if let Some(peer) = Jsonwebtoken::of(signer) {
        found.push(Contender::new(JSONWEBTOKEN_12, move || drop(black_box(peer.decode(black_box(token))))));
    }
    let template = request(token);
    let clean = template.clone();
    found.push(Contender::new(BARE, move || assert!(call(&mut Bare, clean.clone()))));
    if let Some(mut service) = oauth2_resource_server(signer) {
        if call(&mut service, template.clone()) {
            let template = template.clone();
            let once = move || assert!(call(&mut service, template.clone()));
            found.push(Contender::new("tower-oauth2-resource-server 0.12, layer", once));
        }
    }
    if let Some(mut service) = authorizer(signer) {
        let mut accepts = move || now(service.call(template.clone())).is_ok_and(|answer| !answer.is_refusal);
        if accepts() {
            found.push(Contender::new("jwt-authorizer 0.15, layer", move || assert!(accepts())));
        }
    }
    found
}

/// With one key at hand; and end to end, as with any key set: the header is read for its `kid`, and the key looked up.
fn jsonwebtoken<'a>(signer: &Signer, token: &'a str) -> Option<[Contender<'a>; 2]> {
    let algorithm: jsonwebtoken::Algorithm = signer.algorithm().name().parse().ok()?;
    let key = match sample::jwks(signer) {
        Some(jwks) => DecodingKey::from_jwk(serde_json::from_str::<JwkSet>(&jwks).ok()?.keys.first()?).ok()?,
        None => DecodingKey::from_secret(signer.private_key().expose()),
    };
    let mut validation = Validation::new(algorithm);
    validation.set_audience(&[AUDIENCE]);
    validation.set_issuer(&[ISSUER]);
    validation.validate_nbf = true;
    validation.leeway = 30;
    let keys = HashMap::from([(signer.key_id().to_owned(), key.clone())]);
    let rules = validation.clone();
    let verify = move |key: &DecodingKey, validation: &Validation| {
        drop(black_box(decode::<OwnClaims>(black_box(token), key, validation).expect("a good token")));
    };
    Some([
        Contender::new(JSONWEBTOKEN, move || verify(&key, &validation)),
        Contender::new(JSONWEBTOKEN_BY_KID, move || {
            let header = decode_header(black_box(token)).expect("a header");
            verify(&keys[&header.kid.expect("a kid")], &rules);
        }),
    ])
}

fn oauth2_resource_server(
    signer: &Signer,
) -> Option<impl Service<http::Request<()>, Response = http::Response<bytes::Bytes>, Error = std::convert::Infallible>>
{
    let rules = ClaimsValidationSpec::recommended(ISSUER, &vec![AUDIENCE.to_owned()]);
    let tenant = TenantConfiguration::static_builder(sample::jwks(signer)?).claims_validation(rules).build().ok()?;
    let server = now(OAuth2ResourceServer::<OwnClaims>::builder().add_tenant(tenant).build()).ok()?;
    Some(server.into_layer().layer(Bare))
}

fn authorizer(signer: &Signer) -> Option<impl Service<http::Request<()>, Response = Answer>> {
    let rules = jwt_authorizer::Validation::new().iss(&[ISSUER]).aud(&[AUDIENCE]).nbf(true).leeway(30);
    let builder = match sample::jwks(signer) {
        Some(jwks) => JwtAuthorizer::<OwnClaims>::from_jwks_text(&jwks),
        None => JwtAuthorizer::from_secret(std::str::from_utf8(signer.private_key().expose()).ok()?),
    };
    let authorizer = now(builder.validation(rules).build()).ok()?;
    Some(vec![authorizer].into_layer().layer(BareAnswer))
}

fn goals(report: &mut Report, algorithm: Algorithm, figures: &[Figure]) {
    let (ratio, typed_ratio) = match algorithm {
        Algorithm::RS256 | Algorithm::PS256 => (1.07, 1.10),
        Algorithm::ES256 => (1.025, 1.05),
        Algorithm::HS256 => (2.2, 2.9),
        _ => (1.03, 1.05),
    };
    let (share, typed_share) = if algorithm == Algorithm::EdDSA { (18.0, 38.0) } else { (15.0, 30.0) };
    let named = |name: &str| figures.iter().find(|figure| figure.name == name);
    if let Some(ours) = named(OURS) {
        report.at_most(format!("{algorithm}, miss, over raw"), " ns", 800.0, ours.over);
        report.at_most(format!("{algorithm}, miss, over raw"), " ×", ratio, ours.ratio);
        report.at_most(format!("{algorithm}, miss"), " allocations", 3.0, ours.allocations);
    }
    if let Some(typed) = named(OURS_TYPED) {
        report.at_most(format!("{algorithm}, miss with 17 typed claims, over raw"), " ns", 1400.0, typed.over);
        report.at_most(format!("{algorithm}, miss with 17 typed claims, over raw"), " ×", typed_ratio, typed.ratio);
    }
    // A peer that must parse a public key for each token does so over the raw check; with HS256 there is none.
    let Some(peer) = named(JSONWEBTOKEN_12).filter(|_| !algorithm.is_symmetric()) else { return };
    for (name, what, share) in [(OURS, "miss", share), (OURS_TYPED, "miss with 17 typed claims", typed_share)] {
        if let Some(ours) = named(name) {
            let what = format!("{algorithm}, {what}, share of what {JSONWEBTOKEN_12}, adds to raw");
            report.at_most(what, " %", share, 100.0 * ours.over / peer.over);
        }
    }
}
