//! Caddy with `forward_auth`.

use std::path::Path;

use countersign_gateway::Edge;
use countersign_tests::parts::Part;

use crate::edge::Running;
use crate::matrix;
use crate::world::World;

pub fn set_up(folder: &Path, file: &dyn Fn(&str) -> String) -> Vec<String> {
    let path = folder.join("Caddyfile");
    let address = file("haproxy.cfg"); // has the address of clients as one text
    let own = address.split("bind 127.0.0.1:").nth(1).and_then(|rest| rest.split_whitespace().next()).expect("a port");
    std::fs::write(&path, file("Caddyfile").replace("http://:8080", &format!("http://:{own}"))).expect("a file");
    vec!["run".into(), "--adapter".into(), "caddyfile".into(), "--config".into(), path.display().to_string()]
}

async fn caddy(world: &World) -> Running {
    Running::start(world, Edge::Caddy, Part::Caddy, set_up).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_caddy), ignore = "needs Caddy: tests/peers/install")]
async fn s9_12_s9_13_caddy_decides_as_the_library() {
    let world = World::new().await;
    let mut edge = caddy(&world).await;
    matrix::decides_as_the_library(&edge, &world).await;
    matrix::takes_no_answer_for_a_permission(&edge, &world).await;
    matrix::fails_closed(&mut edge, &world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_caddy), ignore = "needs Caddy: tests/peers/install")]
async fn s9_01_s9_02_s9_12_caddy_passes_no_identity_and_no_other_address_of_a_client() {
    let world = World::new().await;
    let edge = caddy(&world).await;
    matrix::passes_no_identity_of_a_client(&edge, &world).await;
    matrix::sends_what_was_decided_about(&edge, &world).await;
}
