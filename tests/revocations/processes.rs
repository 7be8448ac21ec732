//! Three processes of a service, reached over HTTP, which follow the issuer of this one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign::key::{KeySet, StaticKeys};
use countersign::policy::NeedsAudience;
use countersign::prelude::*;
use countersign::revocation::RevocationList;
use countersign_issuer::MemoryStore;
use countersign_redis::{RedisSettings, RevocationStream};
use countersign_tests::http::Service;
use countersign_tests::process::TestProcess;
use countersign_tests::redis::RedisServer;

use crate::world::{AFTER_OUTAGE_WITHIN, EVERYWHERE_WITHIN, ISSUER, Token, World, app, settings};

/// The environment variables of an instance.
const REDIS: &str = "COUNTERSIGN_REVOCATIONS_REDIS";
const JWKS: &str = "COUNTERSIGN_REVOCATIONS_JWKS";

/// Short, because the clock of a process cannot be moved.
const MAX_AGE: Duration = Duration::from_secs(3);

/// An instance in a process of its own. It prints its URL, and ends with its standard input.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by the test below, in processes of their own"]
async fn part_instance() {
    let Ok(redis) = std::env::var(REDIS) else { return };
    let keys = std::env::var(JWKS).expect("set by the test below");
    let keys = StaticKeys::from_set(KeySet::from_jwks(keys.as_bytes()).expect("keys"));
    let verifier = Verifier::new(NeedsAudience::new(ISSUER, Arc::new(keys)).audience("orders")).expect("a policy");
    let stream = RevocationStream::connect(RedisSettings::new(redis), ISSUER).await.expect("a stream");
    let list = Arc::new(RevocationList::new());
    let _follower = stream.follow(list.feed(MAX_AGE)).expect("a runtime");
    let service = Service::start(app(verifier, list)).await;
    println!("\nurl {}", service.url());
    let ended = tokio::task::spawn_blocking(|| std::io::read_to_string(std::io::stdin()));
    ended.await.expect("joined").expect("the end of the input");
}

/// A process with an instance.
struct Process {
    process: TestProcess,
    http: reqwest::Client,
}

impl Process {
    fn start(server: &RedisServer, jwks: &str) -> Self {
        let variables = [(REDIS, server.url()), (JWKS, jwks.to_owned())];
        let process = TestProcess::start("processes::part_instance", variables);
        Process { process, http: reqwest::Client::builder().no_proxy().build().expect("a client") }
    }

    async fn status(&self, token: &Token) -> u16 {
        let request = self.http.get(format!("{}/r", self.process.url)).bearer_auth(&token.text);
        request.send().await.expect("an answer").status().as_u16()
    }

    async fn until(&self, token: &Token, expected: u16) {
        let start = Instant::now();
        while self.status(token).await != expected {
            assert!(start.elapsed() < Duration::from_secs(30), "not {expected}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn until_all(processes: &[Process], token: &Token, expected: u16) -> Duration {
    let start = Instant::now();
    futures_util::future::join_all(processes.iter().map(|process| process.until(token, expected))).await;
    start.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_redis), ignore = "needs Redis: tests/peers/install")]
async fn s14_09_s14_12_three_processes_refuse_what_one_issuer_revokes_also_after_redis_was_killed() {
    let (mut server, world) = (RedisServer::start(), World::new());
    let sts = world.sts(Arc::new(MemoryStore::new()), settings(&server));
    let jwks = crate::world::jwks(&sts.issuer).await;
    let processes = [(); 3].map(|()| Process::start(&server, &jwks));
    let (good, before, meanwhile) = (sts.token("ann"), sts.token("ann"), sts.token("ann"));
    until_all(&processes, &good, 200).await;
    sts.revoke(&before).await;
    let everywhere = until_all(&processes, &before, 401).await;
    assert!(everywhere <= EVERYWHERE_WITHIN, "{everywhere:?}");

    server.kill();
    sts.revoke(&meanwhile).await;
    until_all(&processes, &good, 503).await;
    for process in &processes {
        assert_eq!((process.status(&before).await, process.status(&meanwhile).await), (401, 503));
    }
    server.start_again();
    let back = until_all(&processes, &meanwhile, 401).await;
    println!("everywhere after {everywhere:?}; after Redis was back {back:?}");
    assert!(back <= AFTER_OUTAGE_WITHIN, "{back:?}");
    until_all(&processes, &good, 200).await;
}
