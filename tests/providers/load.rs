//! Requests that arrive while something happens to a provider.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign::health::Health;
use countersign::verify::Verifier;

/// Requests by the code that they were answered with.
pub type Codes = BTreeMap<&'static str, usize>;

/// Requests under way: four tasks that verify the current token without a pause.
pub struct Load {
    current: Arc<Mutex<String>>,
    stop: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<Codes>>,
}

impl Load {
    /// Begins once the verifier has its keys.
    pub async fn start(verifier: &Verifier, token: String) -> Self {
        Health::new(verifier).ready_within(Duration::from_secs(20)).await.expect("ready");
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

    /// The token of the requests from now on.
    pub fn send(&self, token: String) {
        *self.current.lock().expect("not poisoned") = token;
    }

    pub async fn end(self) -> Codes {
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

/// Asserts that nobody got a 401, and less than one request in a hundred a 503.
pub fn assert_hardly_any_unavailable(codes: &Codes) {
    assert!(codes.keys().all(|code| ["ok", "keys_unavailable"].contains(code)), "nobody is told 401: {codes:?}");
    let unavailable = codes.get("keys_unavailable").copied().unwrap_or(0);
    assert!(unavailable * 100 < codes.values().sum(), "under one in a hundred: {codes:?}");
}

/// The rotations of a test; `ROTATIONS` sets another number.
pub fn rotations() -> u32 {
    std::env::var("ROTATIONS").map_or(5, |count| count.parse().expect("a number"))
}

/// The `kid` of a token.
pub fn kid(token: &str) -> String {
    let header = token.split('.').next().expect("a header");
    let header = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(header).expect("base64url");
    let header: serde_json::Value = serde_json::from_slice(&header).expect("JSON");
    header["kid"].as_str().expect("a kid").to_owned()
}
