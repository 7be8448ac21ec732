//! Requests per second over HTTP: a bare service, the same behind our layer, behind a peer's, and behind a layer that does
//! nothing, taking turns.
//!
//! The server has one thread; `wrk` makes the load from its own process over 64 connections that are kept alive.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::mpsc;
use std::thread;

use axum::Router;
use axum::routing::get;
use countersign::app::protect;
use countersign::authenticate::AuthenticateLayer;
use countersign_benches::measure::{Plan, median};
use countersign_benches::report::{Report, short};
use countersign_benches::sample::{self, AUDIENCE, ISSUER, OwnClaims};
use countersign_core::key::Algorithm;
use countersign_core::mint::Signer;
use tokio::net::TcpListener;
use tower_layer::Identity;
use tower_oauth2_resource_server::server::OAuth2ResourceServer;
use tower_oauth2_resource_server::tenant::TenantConfiguration;
use tower_oauth2_resource_server::validation::ClaimsValidationSpec;

const CONNECTIONS: &str = "64";
const NOTHING: &str = "axum with a layer that does nothing";
const PEER: &str = "tower-oauth2-resource-server 0.12";

pub(crate) fn run(plan: &Plan, report: &mut Report) {
    if !has_wrk() {
        return;
    }
    let mut rows = Vec::new();
    for (algorithm, of_bare, over_peer) in [(Algorithm::ES256, 97.0, 9.0), (Algorithm::RS256, 94.0, 4.0)] {
        let signer = sample::signer(algorithm);
        let token = sample::token(&signer, ISSUER, 1);
        let addresses = serve(&signer);
        let headers = [format!("Authorization: Bearer {token}")];
        let mut seen = [const { Vec::new() }; 4];
        for round in 0..plan.rounds.div_ceil(4) {
            for turn in 0..seen.len() {
                let who = (round + turn) % seen.len();
                let url = format!("http://{}/orders", addresses[who]);
                seen[who].push(requests_a_second(&url, &headers, None));
            }
        }
        let of = |who: usize, other: usize| {
            median(seen[who].iter().zip(&seen[other]).map(|(mine, theirs)| mine / theirs).collect())
        };
        report.at_least(
            format!("{algorithm}: requests per second, same token, relative to bare axum"),
            " %",
            of_bare,
            of(1, 0) * 100.0,
        );
        let more = seen[1].iter().zip(&seen[0]).map(|(ours, bare)| 1e6 / ours - 1e6 / bare);
        report.at_most(format!("{algorithm}: additional server time per request"), " µs", 0.5, median(more.collect()));
        report.at_least(format!("{algorithm}: requests per second, relative to {PEER}"), " ×", over_peer, of(1, 2));
        for (name, who) in [("bare axum", 0), (NOTHING, 3), ("Countersign", 1), (PEER, 2)] {
            let all = median(seen[who].clone());
            rows.push(vec![
                algorithm.name().into(),
                name.into(),
                short(all.round()),
                format!("{:.1}", of(who, 0) * 100.0),
            ]);
        }
    }
    let note = "One server thread, 64 keep-alive connections, always the same token; medians of turns of one second. axum \
                calls a route with a layer by two boxes more, whatever the layer does.";
    report.table("Requests per second", note, &["algorithm", "", "a second", "% of bare"], rows);
}

/// Four servers on one thread: bare, ours, the peer's, and with a layer that does nothing.
fn serve(signer: &Signer) -> [SocketAddr; 4] {
    let hello = || Router::new().route("/orders", get(|| async { "ok" }));
    let ours = protect(hello(), AuthenticateLayer::new(sample::verifier(signer, 1 << 20)));
    let jwks = sample::jwks(signer).expect("a public key");
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            let rules = ClaimsValidationSpec::recommended(ISSUER, &vec![AUDIENCE.to_owned()]);
            let tenant = TenantConfiguration::static_builder(jwks).claims_validation(rules).build().expect("a tenant");
            let server =
                OAuth2ResourceServer::<OwnClaims>::builder().add_tenant(tenant).build().await.expect("a server");
            let listen = async || {
                let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
                (listener.local_addr().expect("its address"), listener)
            };
            let (of_ours, listener) = listen().await;
            tokio::spawn(async move { axum::serve(listener, ours).await });
            let mut addresses = Vec::new();
            for router in [hello(), hello().layer(server.into_layer()), hello().layer(Identity::new())] {
                let (address, listener) = listen().await;
                addresses.push(address);
                tokio::spawn(async move { axum::serve(listener, router).await });
            }
            let [bare, peer, nothing] = addresses[..] else { panic!("three routers") };
            tell.send([bare, of_ours, peer, nothing]).expect("the bench waits");
            std::future::pending::<()>().await;
        });
    });
    told.recv().expect("the servers start")
}

/// Whether the program that makes the load is installed.
pub(crate) fn has_wrk() -> bool {
    let found = Command::new("wrk").arg("--version").output().is_ok();
    if !found {
        println!("\nRequests per second: not measured, there is no wrk here (Debian: apt-get install wrk)");
    }
    found
}

/// Requests of one second with these headers, and with the method and body of a script of wrk.
pub(crate) fn requests_a_second(url: &str, headers: &[String], script: Option<&str>) -> f64 {
    let headers = headers.iter().flat_map(|header| ["-H", header]);
    let script = script.into_iter().flat_map(|script| ["-s", script]);
    let output = Command::new("wrk")
        .args(["-t1", "-c", CONNECTIONS, "-d1s"])
        .args(headers)
        .args(script)
        .arg(url)
        .output()
        .expect("wrk runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(!text.contains("Non-2xx"), "{url} refuses a good token: {text}");
    let rate = text.lines().find_map(|line| line.trim().strip_prefix("Requests/sec:"));
    rate.and_then(|rate| rate.trim().parse().ok()).unwrap_or_else(|| panic!("wrk says: {text}"))
}
