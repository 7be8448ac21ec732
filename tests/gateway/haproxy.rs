//! HAProxy with the guide's script in Lua.

use std::path::Path;

use countersign_gateway::Edge;
use countersign_tests::parts::Part;

use crate::edge::Running;
use crate::matrix;
use crate::world::World;

pub fn set_up(folder: &Path, file: &dyn Fn(&str) -> String) -> Vec<String> {
    let [script, config] = ["countersign.lua", "haproxy.cfg"].map(|name| folder.join(name));
    std::fs::write(&script, file("countersign.lua")).expect("a file");
    let text = file("haproxy.cfg").replace("/etc/haproxy/countersign.lua", script.to_str().expect("text"));
    std::fs::write(&config, text).expect("a file");
    vec!["-db".into(), "-f".into(), config.display().to_string()]
}

async fn haproxy(world: &World) -> Running {
    Running::start(world, Edge::Haproxy, Part::Haproxy, set_up).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_haproxy), ignore = "needs HAProxy: tests/peers/install")]
async fn s9_12_s9_13_haproxy_decides_as_the_library() {
    let world = World::new().await;
    let mut edge = haproxy(&world).await;
    matrix::decides_as_the_library(&edge, &world).await;
    matrix::takes_no_answer_for_a_permission(&edge, &world).await;
    matrix::fails_closed(&mut edge, &world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_haproxy), ignore = "needs HAProxy: tests/peers/install")]
async fn s9_01_s9_02_s9_12_haproxy_passes_no_identity_and_no_other_address_of_a_client() {
    let world = World::new().await;
    let edge = haproxy(&world).await;
    matrix::passes_no_identity_of_a_client(&edge, &world).await;
    matrix::sends_what_was_decided_about(&edge, &world).await;
}
