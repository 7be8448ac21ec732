//! Caddy with `forward_auth`.

use countersign_test::TestIssuer;
use countersign_tests::parts::Part;

use super::{Edge, Proxy, guide, without_keys};

async fn caddy(check: &str, orders: &str) -> Proxy {
    Proxy::start(Part::Caddy, |folder, port| {
        let text = guide().file("Caddyfile").replace("http://:8080", &format!("http://:{port}"));
        let text = text.replace("127.0.0.1:9001", check).replace("127.0.0.1:9002", orders);
        let file = folder.join("Caddyfile");
        std::fs::write(&file, text).expect("a file");
        ["run", "--adapter", "caddyfile", "--config", file.to_str().expect("text")].map(str::to_owned).to_vec()
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_caddy), ignore = "needs Caddy: tests/peers/install")]
async fn s15_09_caddy_asks_for_each_request_and_replaces_what_clients_say_of_themselves() {
    let issuer = TestIssuer::with_system_clock();
    let edge = Edge::start(issuer.verifier_for("orders"), caddy).await;
    edge.lets_only_callers_in(&issuer).await;
    edge.reads_nothing_in_two_ways(&issuer).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_caddy), ignore = "needs Caddy: tests/peers/install")]
async fn caddy_lets_nobody_in_while_keys_are_unavailable_or_nobody_can_be_asked() {
    let (verifier, token) = without_keys();
    let mut edge = Edge::start(verifier, caddy).await;
    assert_eq!(edge.without_keys_and_without_check(&token).await, [503, 502], "passed on");
}
