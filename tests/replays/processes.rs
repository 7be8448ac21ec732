//! Three processes of one service behind one Redis, reached over HTTP: each proof counts once.

use std::sync::Arc;
use std::time::Instant;

use countersign::key::{KeySet, StaticKeys};
use countersign::policy::NeedsAudience;
use countersign::prelude::*;
use countersign_redis::{RedisReplays, RedisSettings};
use countersign_tests::http::Service;
use countersign_tests::process::TestProcess;
use countersign_tests::redis::RedisServer;

use crate::world::{Client, SINCE, World, app};

/// The environment variables of an instance.
const REDIS: &str = "COUNTERSIGN_REPLAYS_REDIS";
const ISSUER: &str = "COUNTERSIGN_REPLAYS_ISSUER";
const JWKS: &str = "COUNTERSIGN_REPLAYS_JWKS";

/// Requests at the same time.
const CONCURRENT: usize = 32;

/// Clients, each with a key and a token.
const CLIENTS: usize = 16;

/// An instance in a process of its own. It prints its URL, and ends with its standard input.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by the tests below, in processes of their own"]
async fn part_instance() {
    let Ok(redis) = std::env::var(REDIS) else { return };
    let variable = |name| std::env::var(name).expect("set by the test below");
    let keys = StaticKeys::from_set(KeySet::from_jwks(variable(JWKS).as_bytes()).expect("keys"));
    let verifier =
        Verifier::new(NeedsAudience::new(variable(ISSUER), Arc::new(keys)).audience("api")).expect("a policy");
    let store = RedisReplays::connect(crate::world::patient(RedisSettings::new(redis))).await.expect("a store");
    let service = Service::start(app(verifier, Arc::new(store))).await;
    println!("\nurl {}", service.url());
    let ended = tokio::task::spawn_blocking(|| std::io::read_to_string(std::io::stdin()));
    ended.await.expect("joined").expect("the end of the input");
}

fn start(server: &RedisServer, world: &World) -> TestProcess {
    let variables = [(REDIS, server.url()), (ISSUER, world.issuer.name().to_owned()), (JWKS, world.issuer.jwks())];
    TestProcess::start("processes::part_instance", variables)
}

async fn status(http: &reqwest::Client, url: &str, client: &Client, proof: &str) -> u16 {
    let request = http.get(format!("{url}/r")).header("authorization", format!("DPoP {}", client.token));
    request.header("dpop", proof).send().await.expect("an answer").status().as_u16()
}

/// Sends each proof twice, at the same time, to two of three processes.
async fn each_proof_counts_once(proofs: usize) {
    let server = RedisServer::start();
    let world = Arc::new(World::new());
    let processes = Arc::new([(); 3].map(|()| start(&server, &world)));
    server.remember_since_long_ago(SINCE);
    let clients: Vec<_> = (0..CLIENTS).map(|number| world.client(&format!("client {number}"), "u1")).collect();
    let clients = Arc::new(clients);
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let start = Instant::now();
    let tasks = (0..CONCURRENT).map(|task| {
        let (world, processes, clients, http) =
            (Arc::clone(&world), Arc::clone(&processes), Arc::clone(&clients), http.clone());
        tokio::spawn(async move {
            let (mut accepted, mut refused) = (0, 0);
            for number in (task..proofs).step_by(CONCURRENT) {
                let client = &clients[number % CLIENTS];
                let proof = client.proof(world.now());
                let urls = [&processes[number % 3].url, &processes[(number + 1 + number % 2) % 3].url];
                let (one, other) =
                    tokio::join!(status(&http, urls[0], client, &proof), status(&http, urls[1], client, &proof));
                for status in [one, other] {
                    match status {
                        200 => accepted += 1,
                        401 => refused += 1,
                        _ => panic!("{status}"),
                    }
                }
            }
            (accepted, refused)
        })
    });
    let (mut accepted, mut refused) = (0, 0);
    for task in tasks.collect::<Vec<_>>() {
        let of_task = task.await.expect("no other answer");
        (accepted, refused) = (accepted + of_task.0, refused + of_task.1);
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{proofs} proofs, {accepted} accepted, {refused} refused, {:.0} requests a second",
        2.0 * proofs as f64 / seconds
    );
    assert_eq!((accepted, refused), (proofs, proofs), "replays: {}", accepted - proofs.min(accepted));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_redis), ignore = "needs Redis: tests/peers/install")]
async fn s6_11_s6_12_three_processes_accept_each_of_3_000_proofs_once() {
    each_proof_counts_once(3_000).await;
}

/// `cargo test -p countersign-tests --test replays 100_000 -- --ignored --nocapture`
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes; run it by its name"]
async fn s6_11_s6_12_three_processes_accept_each_of_100_000_proofs_once() {
    each_proof_counts_once(100_000).await;
}
