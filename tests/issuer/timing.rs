//! The time of a refusal by its reason, as a report of distributions without assertions (S8.04).

use std::time::{Duration, Instant};

use countersign_core::secret::Secret;
use countersign_issuer::{Audience, Client};

use crate::service::Service;

/// The timed refusals of each reason.
const EACH: usize = 100;

#[tokio::test]
#[ignore = "a report: cargo test -p countersign-tests --test issuer timing -- --ignored --nocapture"]
async fn the_time_of_a_refusal_by_its_reason() {
    let secret = || Secret::from("quaint-heron-lifts-49");
    let service = Service::with(|builder| {
        builder
            .add_audience(Audience::new("billing"))
            .add_client(Client::new("orders").secret(secret()).audiences(["billing"]))
            .add_client(Client::new("locked").secret(secret()).audiences(["billing"]).locked())
            .secret_cache_lifetime(Duration::ZERO)
    })
    .await;
    let cases = [
        ("unknown client", "nobody", "quaint-heron-lifts-50"),
        ("wrong secret", "orders", "quaint-heron-lifts-50"),
        ("locked client, wrong", "locked", "quaint-heron-lifts-50"),
        ("locked client, right", "locked", "quaint-heron-lifts-49"),
        ("right secret", "orders", "quaint-heron-lifts-49"),
    ];
    let mut times = cases.map(|_| Vec::with_capacity(EACH));
    for _ in 0..EACH {
        for ((_, client, secret), times) in cases.iter().zip(&mut times) {
            let start = Instant::now();
            service.ask_with(client, secret, &[("grant_type", "client_credentials")]).await;
            times.push(start.elapsed());
        }
        service.clock.advance(Duration::from_secs(11)); // past the window in which failures are counted
    }
    println!("{:<22}{:>9}{:>9}{:>9}{:>9}  ms", "", "p10", "median", "p90", "p99");
    for ((what, ..), times) in cases.iter().zip(&mut times) {
        times.sort_unstable();
        let at = |share: usize| times[(EACH - 1) * share / 100].as_secs_f64() * 1e3;
        println!("{what:<22}{:>9.2}{:>9.2}{:>9.2}{:>9.2}", at(10), at(50), at(90), at(99));
    }
}
