//! nginx with `auth_request`.

use std::path::Path;

use countersign_gateway::Edge;
use countersign_tests::parts::Part;

use crate::edge::Running;
use crate::matrix;
use crate::world::World;

pub fn set_up(folder: &Path, file: &dyn Fn(&str) -> String) -> Vec<String> {
    let servers = file("nginx.conf");
    let places = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|name| format!("{name}_temp_path {name};"));
    let main = "daemon off; master_process off; pid pid; error_log stderr; events {}";
    let text = format!("{main} http {{ access_log off; {} {servers} }}", places.join(" "));
    std::fs::write(folder.join("nginx.conf"), text).expect("a file");
    vec!["-p".into(), folder.display().to_string(), "-c".into(), "nginx.conf".into()]
}

async fn nginx(world: &World) -> Running {
    Running::start(world, Edge::Nginx, Part::Nginx, set_up).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_nginx), ignore = "needs nginx: tests/peers/install")]
async fn s9_12_s9_13_nginx_decides_as_the_library() {
    let world = World::new().await;
    let mut edge = nginx(&world).await;
    matrix::decides_as_the_library(&edge, &world).await;
    matrix::takes_no_answer_for_a_permission(&edge, &world).await;
    matrix::fails_closed(&mut edge, &world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_nginx), ignore = "needs nginx: tests/peers/install")]
async fn s9_01_s9_02_s9_12_nginx_passes_no_identity_and_no_other_address_of_a_client() {
    let world = World::new().await;
    let edge = nginx(&world).await;
    matrix::passes_no_identity_of_a_client(&edge, &world).await;
    matrix::sends_what_was_decided_about(&edge, &world).await;
}
