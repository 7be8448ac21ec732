//! What is counted; all cases are here, so that a change of our API changes one file.
//!
//! A case counts our own code: what would happen without it (the request, the service within) runs in a second loop, whose
//! count is subtracted; calls of aws-lc are left out. Valgrind shows programs a processor without AVX-512, so that the code
//! that other libraries choose at run time is the same on machines with AVX2.

use std::convert::Infallible;
use std::hint::black_box;
use std::iter;
use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, FromRequestParts};
use bytes::Bytes;
use countersign::audit::{AuditEvent, AuditLog, AuditSink};
use countersign::authenticate::AuthenticateLayer;
use countersign::extract::Claims;
use countersign::guard::require;
use countersign::outbound::AttachTokenLayer;
use countersign::pseudonym::Pseudonyms;
use countersign::secret::Secret;
use countersign_benches::api_key;
use countersign_benches::bound::Bound;
use countersign_benches::edge;
use countersign_benches::jsonwebtoken::Jsonwebtoken;
use countersign_benches::refused::{self, Refused};
use countersign_benches::revoked;
use countersign_benches::sample::{self, ISSUER, OwnClaims};
use countersign_benches::services::{Bare, CachedSource, Echo, Extracting, call, now, request};
use countersign_benches::{mcp, opaque};
use countersign_core::authz::scope;
use countersign_core::key::Algorithm;
use countersign_gateway::{Edge, ExtAuthz, ForwardAuth};
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response};
use tower_layer::Layer;
use tower_service::Service;

/// Tokens that hits are spread over: their places in the cache depend on its hash seed, the mean of many does not.
const LIVE: usize = 256;

/// Room for all of them.
const CACHE_BYTES: usize = 4 << 20;

/// The subject of the tokens, which a permission has.
const SUBJECT: &str = "3f1c7a52-9d4e-4b60-8a17-5c2e90d1b3f4";

type Once = Box<dyn FnMut()>;

/// Something to be counted.
pub(crate) struct Case {
    pub(crate) name: String,
    once: Once,
    /// What is subtracted.
    less: Option<Once>,
}

impl Case {
    fn new(name: &str, once: impl FnMut() + 'static) -> Self {
        Case { name: name.into(), once: Box::new(once), less: None }
    }

    fn over(self, less: impl FnMut() + 'static) -> Self {
        Case { less: Some(Box::new(less)), ..self }
    }

    /// Hands over what is counted, then what is subtracted.
    pub(crate) fn each_loop(&mut self, count: &mut dyn FnMut(&mut dyn FnMut())) {
        iter::once(&mut self.once).chain(&mut self.less).for_each(|once| count(once));
    }
}

pub(crate) fn all() -> Vec<Case> {
    let others = vec![proof(), mcp(), outbound()];
    [new_tokens(), hits(), revocations(), other_credentials(), others, gateway(), refusals()]
        .into_iter()
        .flatten()
        .collect()
}

/// The algorithms of new tokens.
const NEW_TOKENS: [Algorithm; 5] =
    [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::EdDSA, Algorithm::HS256];

fn untyped_name(algorithm: Algorithm) -> String {
    format!("new token, {algorithm}")
}

fn typed_name(algorithm: Algorithm) -> String {
    format!("new token, {algorithm}, 17 typed claims")
}

fn peer_name(algorithm: Algorithm) -> String {
    format!("new token, {algorithm}, jsonwebtoken 12")
}

/// Pairs of cases of which the first is stated as a share of the second.
pub(crate) fn shares() -> Vec<(String, String)> {
    let names = |algorithm| [untyped_name(algorithm), typed_name(algorithm)].map(|name| (name, peer_name(algorithm)));
    NEW_TOKENS.into_iter().flat_map(names).collect()
}

fn new_tokens() -> Vec<Case> {
    let case = |algorithm: Algorithm, is_typed: bool| {
        let signer = sample::signer(algorithm);
        let (verifier, token) = (sample::verifier(&signer, 0), sample::token(&signer, ISSUER, 1));
        let name = if is_typed { typed_name(algorithm) } else { untyped_name(algorithm) };
        Case::new(&name, move || {
            let verified = sample::verified(&verifier, black_box(&token));
            if is_typed {
                drop(black_box(verified.claims::<OwnClaims>().expect("claims of that type")));
            }
            drop(black_box(verified));
        })
    };
    // What the peer does for the same token outside aws-lc, typed claims included.
    let peer = |algorithm: Algorithm| {
        let signer = sample::signer(algorithm);
        let (peer, token) = (Jsonwebtoken::of(&signer).expect("a key"), sample::token(&signer, ISSUER, 1));
        Case::new(&peer_name(algorithm), move || drop(black_box(peer.decode(black_box(&token)))))
    };
    let both = |algorithm| [case(algorithm, false), case(algorithm, true)];
    NEW_TOKENS.into_iter().flat_map(both).chain(NEW_TOKENS.into_iter().map(peer)).collect()
}

fn hits() -> Vec<Case> {
    let signer = sample::signer(Algorithm::HS256); // quick to sign with; a hit does not depend on it
    let verifier = sample::verifier(&signer, CACHE_BYTES);
    let tokens: Vec<String> = (0..LIVE).map(|number| sample::token(&signer, ISSUER, number)).collect();
    tokens.iter().for_each(|token| drop(sample::verified(&verifier, token)));
    assert_eq!(verifier.cached_tokens(), LIVE, "all tokens are in the cache");

    let layer = AuthenticateLayer::new(verifier.clone());
    let guard = require(scope("orders:read").and(scope("invoices:read")));
    let guarded = layer.layer(guard.layer(Extracting));
    let cases = vec![
        Case::new("hit, layer, over the service", calls(layer.layer(Bare), &tokens)).over(calls(Bare, &tokens)),
        Case::new("hit, guard, over the layer", calls(layer.layer(guard.layer(Bare)), &tokens))
            .over(calls(layer.layer(Bare), &tokens)),
        Case::new("hit, layer, guard and Claims<C>, over the service", calls(guarded, &tokens))
            .over(calls(Bare, &tokens)),
    ];
    let audited = |log: AuditLog| {
        let key = Pseudonyms::new(&Secret::new(vec![7; 32])).expect("long enough");
        AuthenticateLayer::builder(verifier.clone()).log_subjects(key).audit(log).build().expect("a layer")
    };
    let (denied, allowed) = (AuditLog::new("orders", Lines), AuditLog::new("orders", Lines).allowed());
    let audits = vec![
        Case::new(
            "hit, layer with an audit log of refusals, over the layer",
            calls(audited(denied).layer(Bare), &tokens),
        )
        .over(calls(layer.layer(Bare), &tokens)),
        Case::new("hit, layer with an event as JSON, over the layer", calls(audited(allowed).layer(Bare), &tokens))
            .over(calls(layer.layer(Bare), &tokens)),
    ];
    let Ok(mut response) = now(layer.layer(Echo).call(request(&tokens[0])));
    let mut parts = Request::new(()).into_parts().0;
    parts.extensions = std::mem::take(response.extensions_mut());
    let extract =
        move || drop(black_box(now(Claims::<OwnClaims>::from_request_parts(&mut parts, &())).expect("claims")));
    let (again, own) = (tokens[0].clone(), verifier.clone());
    let again = Case::new("hit, the same token again", move || {
        drop(black_box(sample::verified(&own, black_box(&again))));
    });
    let mut next = in_turn(tokens);
    let hit =
        Case::new("hit", move || next(&mut |token| drop(black_box(sample::verified(&verifier, black_box(token))))));
    [hit, again].into_iter().chain(cases).chain([Case::new("hit, only Claims<C>", extract)]).chain(audits).collect()
}

/// Revocations, over the same layer without them. The places of entries in a list depend on a key of the process, so the list
/// has next to none: what a longer one adds is a search of the table, whose length differs from run to run.
fn revocations() -> Vec<Case> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let signer = sample::signer(Algorithm::HS256);
    let verifier = || sample::verifier(&signer, CACHE_BYTES);
    let tokens: Vec<String> = (0..LIVE).map(|number| sample::token(&signer, ISSUER, number)).collect();
    let (status, uri) = runtime.block_on(revoked::status_layer(verifier(), &signer, 1_000_000));
    let listed: Vec<String> =
        (0..LIVE).map(|number| sample::listed_token(&signer, ISSUER, number * revoked::STEP as usize, &uri)).collect();
    let Ok(response) = runtime.block_on(status.layer(Bare).call(request(&listed[0])));
    assert_eq!(response.status(), 200, "the list is in memory");
    // It runs on: a list in memory is kept fresh by a task.
    std::mem::forget(runtime);
    let without = |tokens: &[String]| calls(AuthenticateLayer::new(verifier()).layer(Bare), tokens);
    vec![
        Case::new(
            "hit, layer with a list of revocations, over the layer",
            calls(revoked::layer(verifier(), 2).layer(Bare), &tokens),
        )
        .over(without(&tokens)),
        Case::new("hit, layer with a status list, over the layer", calls(status.layer(Bare), &listed))
            .over(without(&listed)),
    ]
}

/// Credentials that are no signed tokens: opaque tokens and API keys that were seen before, over the service.
fn other_credentials() -> Vec<Case> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let signer = sample::signer(Algorithm::HS256);
    let tokens: Vec<String> = (0..LIVE).map(opaque::token).collect();
    let asking = runtime.block_on(opaque::layer(sample::verifier(&signer, CACHE_BYTES), &tokens));
    let (with_keys, keys) = runtime.block_on(api_key::layer(LIVE, LIVE));
    // It runs on: keys in memory are refreshed by a task.
    std::mem::forget(runtime);
    vec![
        Case::new("hit, opaque token, layer, over the service", calls(asking.layer(Bare), &tokens))
            .over(calls(Bare, &tokens)),
        Case::new("hit, API key, layer, over the service", calls(with_keys.layer(Bare), &keys))
            .over(calls(Bare, &keys)),
    ]
}

/// Makes each event a line, and throws it away.
#[derive(Debug)]
struct Lines;

impl AuditSink for Lines {
    fn record(&self, event: &AuditEvent) {
        black_box(event.to_json());
    }
}

fn proof() -> Case {
    let Bound { service, bearer, with_proof, .. } = Bound::new();
    let (mut with, mut without, bearer) = (service.clone(), service, request(&bearer));
    Case::new("hit, bound token with its proof, over a bearer token", move || {
        assert!(call(&mut with, with_proof.clone()));
    })
    .over(move || assert!(call(&mut without, bearer.clone())))
}

/// A tool that needs a scope and a role: the token, the operation that the headers name, its requirement, and the session.
fn mcp() -> Case {
    let signer = sample::signer(Algorithm::HS256);
    let layer = mcp::layer(&signer, CACHE_BYTES).server_compares_headers_with_body().build().expect("a layer");
    let requests: Vec<_> = (0..LIVE).map(|number| mcp::request(&mcp::token(&signer, number))).collect();
    Case::new("hit, MCP layer and requirement of a tool, over the service", sent(layer.layer(Bare), requests.clone()))
        .over(sent(Bare, requests))
}

/// Decisions of the gateway over servers that permit everything, from the parsed request to the response.
fn gateway() -> Vec<Case> {
    let signer = sample::signer(Algorithm::HS256); // quick to sign with; a hit does not depend on it
    let gateway = edge::gateway(&signer);
    let tokens: Vec<String> = (0..LIVE).map(|number| sample::token(&signer, ISSUER, number)).collect();
    let peer = ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 52_114)));
    let checks: Vec<_> = tokens
        .iter()
        .map(|token| {
            let headers = edge::forward_auth_headers(token);
            let request = Request::get(edge::check_path()).extension(peer);
            let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
            (request.body(()).expect("a request"), Bytes::new())
        })
        .collect();
    let frames: Vec<_> = tokens
        .iter()
        .map(|token| {
            let request = Request::post(edge::CHECK_METHOD).extension(peer).header("te", "trailers");
            let request = request.header("content-type", "application/grpc").body(()).expect("a request");
            (request, edge::frame(&edge::check_request(token)))
        })
        .collect();
    vec![
        Case::new(
            "gateway, forward-auth, over a handler that permits",
            checked(ForwardAuth::new(gateway.clone(), Edge::Nginx), checks.clone(), SUBJECT.len()),
        )
        .over(checked(Router::new().fallback(async || ()), checks, 0)),
        // Not over a method that permits: that one reads the whole check, into maps whose order differs from run to run.
        Case::new(
            "gateway, ext_authz, with its method",
            checked(ExtAuthz::new(gateway).router(), frames, SUBJECT.len()),
        ),
    ]
}

/// Calls of `service` with one check after the other.
fn checked<S>(mut service: S, checks: Vec<(Request<()>, Bytes)>, shortest: usize) -> impl FnMut() + use<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + 'static,
{
    let mut next = in_turn(checks);
    move || {
        next(&mut |(request, body): &(Request<()>, Bytes)| {
            let Ok(response) = now(service.call(request.clone().map(|()| Body::from(body.clone()))));
            assert_eq!(response.status(), 200);
            let length: usize = response.headers().values().map(|value| value.len()).sum();
            let body = now(axum::body::to_bytes(response.into_body(), usize::MAX)).expect("a body");
            assert!(length + body.len() >= shortest, "a permission names the caller");
        });
    }
}

fn outbound() -> Case {
    let request = || Request::get("https://billing.test/").body(()).expect("a request");
    let mut attaching =
        AttachTokenLayer::builder().bind("https://billing.test", CachedSource).build().expect("a layer").layer(Bare);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    drop(runtime.block_on(attaching.call(request())));
    let cached = HeaderValue::from_static("Bearer a-token");
    Case::new("outbound call, cached token, over a header set by hand", move || {
        drop(black_box(now(attaching.call(request()))));
    })
    .over(move || {
        let mut request = request();
        request.headers_mut().insert(AUTHORIZATION, cached.clone());
        drop(black_box(now(Bare.call(request))));
    })
}

fn refusals() -> Vec<Case> {
    let signer = sample::signer(Algorithm::RS256);
    let verifier = sample::verifier(&signer, CACHE_BYTES);
    let case = |Refused { name, code, token }: Refused| {
        assert_eq!(refused::code(&verifier, &token), code, "{name}");
        let verifier = verifier.clone();
        Case::new(&format!("refusal, {name}"), move || {
            assert_ne!(black_box(refused::code(&verifier, black_box(&token))), "accepted");
        })
    };
    refused::all(&signer).into_iter().map(case).collect()
}

/// Calls of `service` with one token after the other.
fn calls<S, B>(service: S, tokens: &[String]) -> impl FnMut() + use<S, B>
where
    S: Service<Request<()>, Response = Response<B>, Error = Infallible> + 'static,
{
    sent(service, tokens.iter().map(|token| request(token)).collect())
}

/// Calls of `service` with one request after the other.
fn sent<S, B>(mut service: S, requests: Vec<Request<()>>) -> impl FnMut() + use<S, B>
where
    S: Service<Request<()>, Response = Response<B>, Error = Infallible> + 'static,
{
    let mut next = in_turn(requests);
    move || next(&mut |request: &Request<()>| assert!(call(&mut service, request.clone())))
}

/// Hands over one of `items` at each call, again and again.
fn in_turn<T>(items: Vec<T>) -> impl FnMut(&mut dyn FnMut(&T)) {
    let mut at = 0;
    move |take| {
        take(&items[at]);
        at = (at + 1) % items.len();
    }
}
