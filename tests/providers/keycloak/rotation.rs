//! Rotations of signing keys while requests arrive.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign::health::Health;
use countersign::verify::Verifier;
use countersign_test::TestIssuer;

use super::{Keycloak, keycloak, verifier};

/// Requests by the code that they were answered with.
type Codes = BTreeMap<&'static str, usize>;

/// Requests under way: four tasks that verify the current token without a pause.
struct Load {
    current: Arc<Mutex<String>>,
    stop: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<Codes>>,
}

impl Load {
    fn start(verifier: &Verifier, token: String) -> Self {
        let (current, stop) = (Arc::new(Mutex::new(token)), Arc::new(AtomicBool::new(false)));
        let tasks = (0..4).map(|_| {
            let (verifier, current, stop) = (verifier.clone(), Arc::clone(&current), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut codes = Codes::new();
                while !stop.load(Ordering::Relaxed) {
                    let token = current.lock().expect("not poisoned").clone();
                    let code = verifier.verify(&token).await.map_or_else(|error| error.code(), |_| "ok");
                    *codes.entry(code).or_default() += 1;
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                codes
            })
        });
        let tasks = tasks.collect();
        Load { current, stop, tasks }
    }

    fn send(&self, token: String) {
        *self.current.lock().expect("not poisoned") = token;
    }

    async fn end(self) -> Codes {
        self.stop.store(true, Ordering::Relaxed);
        let mut sum = Codes::new();
        for task in self.tasks {
            for (code, count) in task.await.expect("no panic") {
                *sum.entry(code).or_default() += count;
            }
        }
        sum
    }
}

/// The tests of this file take turns: each expects its own key to be the current one.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// A priority above all keys so far.
fn next_priority() -> u32 {
    static LAST: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(200);
    LAST.fetch_add(1, Ordering::Relaxed)
}

async fn rotated(server: &Keycloak) -> String {
    let before = kid(&server.billing("orders:read").await);
    server.rotate(next_priority()).await;
    let token = server.billing("orders:read").await;
    assert_ne!(kid(&token), before, "a new key signs");
    token
}

fn kid(token: &str) -> String {
    let header = token.split('.').next().expect("a header");
    let header = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(header).expect("base64url");
    let header: serde_json::Value = serde_json::from_slice(&header).expect("JSON");
    header["kid"].as_str().expect("a kid").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_keycloak), ignore = "needs Keycloak: tests/peers/install")]
async fn s4_31_rotations_of_keycloak_under_load_fail_no_request() {
    let _turn = TURN.lock().await;
    let server = keycloak().await;
    let verifier = verifier(server);
    Health::new(&verifier).ready_within(Duration::from_secs(20)).await.expect("ready");
    let load = Load::start(&verifier, server.billing("orders:read").await);
    let rotations = std::env::var("ROTATIONS").map_or(5, |count| count.parse().expect("a number"));
    for _ in 0..rotations {
        load.send(rotated(server).await);
        tokio::time::sleep(Duration::from_millis(1100)).await; // longer than the shortest cool-down
    }
    let codes = load.end().await;
    println!("{rotations} rotations of Keycloak: {codes:?}");
    assert!(codes.keys().eq(&["ok"]), "{codes:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_keycloak), ignore = "needs Keycloak: tests/peers/install")]
async fn s4_15_two_rotations_of_keycloak_with_an_invented_kid_between_them_refuse_nobody() {
    let _turn = TURN.lock().await;
    let server = keycloak().await;
    let verifier = verifier(server);
    Health::new(&verifier).ready_within(Duration::from_secs(20)).await.expect("ready");
    let load = Load::start(&verifier, server.billing("orders:read").await);
    for _ in 0..2 {
        load.send(rotated(server).await);
        let stranger = TestIssuer::with_system_clock().with_name(server.issuer("shop"));
        let invented = stranger.token().audience("orders").header("kid", "invented").sign();
        let _ = verifier.verify(&invented).await.expect_err("invented");
        load.send(rotated(server).await);
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    let codes = load.end().await;
    println!("two rotations of Keycloak with an invented kid between them, twice: {codes:?}");
    assert!(codes.keys().all(|code| ["ok", "keys_unavailable"].contains(code)), "nobody is told 401: {codes:?}");
    let unavailable = codes.get("keys_unavailable").copied().unwrap_or(0);
    assert!(unavailable * 100 < codes.values().sum(), "under one in a hundred: {codes:?}");
}
