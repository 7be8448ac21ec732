//! Traefik with ForwardAuth.

use std::path::Path;
use std::time::{Duration, Instant};

use countersign_gateway::Edge;
use countersign_tests::parts::Part;

use crate::edge::Running;
use crate::matrix;
use crate::world::World;

pub fn set_up(folder: &Path, file: &dyn Fn(&str) -> String) -> Vec<String> {
    let [main, routes] = ["traefik.yaml", "routes.yaml"].map(|name| folder.join(name));
    std::fs::write(&routes, file("routes.yaml")).expect("a file");
    let text = file("traefik.yaml").replace("/etc/traefik/routes.yaml", routes.to_str().expect("text"));
    std::fs::write(&main, text).expect("a file");
    vec![format!("--configFile={}", main.display())]
}

async fn traefik(world: &World) -> Running {
    let edge = Running::start(world, Edge::Traefik, Part::Traefik, set_up).await;
    ready(&edge).await;
    edge
}

/// Waits for its routes, which it reads after it listens: without them, each request gets 404.
pub async fn ready(edge: &Running) {
    let limit = Instant::now() + Duration::from_secs(30);
    while edge.request("GET", "/health", &[]).await.status == 404 {
        assert!(Instant::now() < limit, "Traefik has no routes");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    edge.backend.seen();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_traefik), ignore = "needs Traefik: tests/peers/install")]
async fn s9_12_s9_13_traefik_decides_as_the_library() {
    let world = World::new().await;
    let mut edge = traefik(&world).await;
    matrix::decides_as_the_library(&edge, &world).await;
    matrix::takes_no_answer_for_a_permission(&edge, &world).await;
    matrix::fails_closed(&mut edge, &world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_traefik), ignore = "needs Traefik: tests/peers/install")]
async fn s9_01_s9_02_s9_12_traefik_passes_no_identity_and_no_other_address_of_a_client() {
    let world = World::new().await;
    let edge = traefik(&world).await;
    matrix::passes_no_identity_of_a_client(&edge, &world).await;
    matrix::sends_what_was_decided_about(&edge, &world).await;
}
