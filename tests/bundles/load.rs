//! Replacement under load: each request is judged by one revision, from layer to guard.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::get;
use countersign::authenticate::AuthenticateLayer;
use countersign::authz::role;
use countersign::extract::Claims;
use countersign::guard::require;
use countersign::reload::PolicyBundle;
use countersign_tests::repeats;
use tower::ServiceExt;

use crate::world::World;

/// The status that the policy of an even or an odd revision gives to each token. A decision of one half of each differs from
/// both: `both` would get no role, or that of the other policy.
const EXPECTED: [(&str, [&str; 2]); 4] = [
    ("both", ["200 even", "200 odd"]),
    ("even", ["200 even", "401"]),
    ("odd", ["401", "200 odd"]),
    ("crossed", ["403", "403"]),
];

fn lines(side: &str) -> String {
    format!("authorities.roles_at = [\"/roles_of_{side}\"]")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s14_04_each_request_is_judged_by_one_revision() {
    let world = World::new("load");
    let texts: Vec<String> = (1..=repeats(300, 4000) as u64)
        .map(|revision| {
            let side = if revision % 2 == 0 { "even" } else { "odd" };
            world.draft(revision, World::policy(side, &lines(side))).sign(&world.signer).expect("signed")
        })
        .collect();
    world.write("bundle", &texts[0]);
    let settings = world.service(PolicyBundle::from_file(world.file("bundle"), world.pins()));
    let service = settings.build().await.expect("a bundle");
    let guard = require(role("even").or(role("odd")));
    let app = Router::new()
        .route(
            "/",
            get(|claims: Claims| async move { claims.verified().grants().roles.iter().collect::<Vec<_>>().join(" ") })
                .layer(guard),
        )
        .layer(AuthenticateLayer::new(service.verifier().clone()));
    let token = |name: &str, number: u64| {
        let draft = world.issuer.token().claim("jti", format!("{name}-{number}"));
        let roles = |even: &str, odd: &str| draft.clone().claim("roles_of_even", [even]).claim("roles_of_odd", [odd]);
        match name {
            "both" => roles("even", "odd").claim("aud", ["even", "odd"]),
            "even" => roles("even", "odd").audience("even"),
            "odd" => roles("even", "odd").audience("odd"),
            _ => roles("none", "none").claim("aud", ["even", "odd"]),
        }
        .sign()
    };
    let tokens: Vec<(usize, String)> =
        (0..400_usize).map(|number| (number % 4, token(EXPECTED[number % 4].0, number as u64 / 4))).collect();
    // Twice the revision in force, less one while it is replaced.
    let (tokens, stop, latest) = (Arc::new(tokens), Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(2)));
    let mut tasks = Vec::new();
    for task in 0..4_usize {
        let (app, tokens, stop, latest) = (app.clone(), Arc::clone(&tokens), Arc::clone(&stop), Arc::clone(&latest));
        tasks.push(tokio::spawn(async move {
            let mut seen = BTreeMap::<String, usize>::new();
            let mut number = task * 97;
            while !stop.load(Ordering::Relaxed) {
                number += 1;
                let (kind, token) = &tokens[number % tokens.len()];
                let request = Request::get("/").header("authorization", format!("Bearer {token}"));
                let before = latest.load(Ordering::SeqCst);
                let answer =
                    app.clone().oneshot(request.body(Body::empty()).expect("a request")).await.expect("answered");
                let status = answer.status().as_u16();
                let body = axum::body::to_bytes(answer.into_body(), 1024).await.expect("short");
                let after = latest.load(Ordering::SeqCst);
                let got = match status {
                    200 => format!("200 {}", String::from_utf8_lossy(&body)),
                    status => status.to_string(),
                };
                let (name, expected) = EXPECTED[*kind];
                assert!(expected.contains(&&*got), "{name} got {got}: a mixed decision");
                if before == after && before % 2 == 0 {
                    let revision = before / 2; // nobody replaced it meanwhile
                    assert_eq!(got, expected[(revision % 2) as usize], "{name} under revision {revision}");
                }
                *seen.entry(format!("{name} {got}")).or_default() += 1;
                tokio::task::yield_now().await;
            }
            seen
        }));
    }
    for (text, revision) in texts.iter().zip(1_u64..).skip(1) {
        world.write("bundle", text);
        latest.store(2 * revision - 1, Ordering::SeqCst);
        assert_eq!(service.pull().await, Ok(true));
        latest.store(2 * revision, Ordering::SeqCst);
        // What is asked after the replacement is judged by the new policy, cached or not.
        for (kind, token) in tokens[..4].iter().filter(|_| revision % 16 < 2) {
            let request = Request::get("/").header("authorization", format!("Bearer {token}"));
            let answer = app.clone().oneshot(request.body(Body::empty()).expect("a request")).await.expect("answered");
            let (name, expected) = EXPECTED[*kind];
            let expected = expected[(revision % 2) as usize];
            assert_eq!(answer.status().as_u16().to_string(), expected[..3], "{name} under revision {revision}");
        }
        assert_eq!(service.report().revision, revision);
    }
    stop.store(true, Ordering::Relaxed);
    let mut all = BTreeMap::<String, usize>::new();
    for task in tasks {
        for (outcome, count) in task.await.expect("no mixed decision") {
            *all.entry(outcome).or_default() += count;
        }
    }
    // Seven outcomes are possible, and each was seen under load.
    assert_eq!(all.len(), 7, "{all:?}");
    println!("{all:?}");
}
