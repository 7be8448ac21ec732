//! nginx with `auth_request`.

use countersign_test::TestIssuer;
use countersign_tests::parts::Part;

use super::{Edge, Proxy, guide, without_keys};

async fn nginx(check: &str, orders: &str) -> Proxy {
    Proxy::start(Part::Nginx, |folder, port| {
        let servers = guide().file("nginx.conf").replace("127.0.0.1:8080", &format!("127.0.0.1:{port}"));
        let servers = servers.replace("127.0.0.1:9001", check).replace("127.0.0.1:9002", orders);
        let places =
            ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|name| format!("{name}_temp_path {name};"));
        let main = "daemon off; master_process off; pid pid; error_log stderr; events {}";
        let text = format!("{main} http {{ access_log off; {} {servers} }}", places.join(" "));
        std::fs::write(folder.join("nginx.conf"), text).expect("a file");
        vec!["-p".into(), folder.display().to_string(), "-c".into(), "nginx.conf".into()]
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_nginx), ignore = "needs nginx: tests/peers/install")]
async fn s15_09_nginx_asks_for_each_request_and_replaces_what_clients_say_of_themselves() {
    let issuer = TestIssuer::with_system_clock();
    let edge = Edge::start(issuer.verifier_for("orders"), nginx).await;
    edge.lets_only_callers_in(&issuer).await;
    edge.reads_nothing_in_two_ways(&issuer).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_nginx), ignore = "needs nginx: tests/peers/install")]
async fn nginx_lets_nobody_in_while_keys_are_unavailable_or_nobody_can_be_asked() {
    let (verifier, token) = without_keys();
    let mut edge = Edge::start(verifier, nginx).await;
    assert_eq!(edge.without_keys_and_without_check(&token).await, [503, 500], "the guide says so");
}
