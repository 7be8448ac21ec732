//! Envoy with ext_authz, over gRPC and over HTTP.

use std::path::Path;

use countersign_gateway::Edge;
use countersign_tests::parts::Part;

use crate::edge::Running;
use crate::matrix;
use crate::world::World;

fn write(folder: &Path, text: &str) -> Vec<String> {
    let path = folder.join("envoy.yaml");
    std::fs::write(&path, text).expect("a file");
    ["-c", path.to_str().expect("text"), "--use-dynamic-base-id", "--concurrency", "1", "-l", "warning"]
        .map(str::to_owned)
        .to_vec()
}

pub fn over_grpc(folder: &Path, file: &dyn Fn(&str) -> String) -> Vec<String> {
    write(folder, &file("envoy.yaml"))
}

pub fn over_http(folder: &Path, file: &dyn Fn(&str) -> String) -> Vec<String> {
    let (text, service) = (file("envoy.yaml"), file("envoy_http.yaml"));
    let is_grpc = |line: &&str| line.contains("grpc_service") || line.contains("encode_raw_headers");
    let with_service = text.lines().flat_map(|line| {
        if is_grpc(&line) && line.contains("grpc_service") { service.trim_end() } else { line }.lines()
    });
    let kept: Vec<&str> = with_service.filter(|line| !is_grpc(line)).collect();
    let text = kept.join("\n");
    let start = text.find("    typed_extension_protocol_options").expect("the options");
    let end = text[start..].find("    load_assignment").expect("the end") + start;
    write(folder, &format!("{}{}", &text[..start], &text[end..]))
}

async fn envoy(world: &World, edge: Edge) -> Running {
    match edge {
        Edge::Envoy => Running::start(world, edge, Part::Envoy, over_grpc).await,
        _ => Running::start(world, edge, Part::Envoy, over_http).await,
    }
}

async fn decides(edge: Edge) {
    let world = World::new().await;
    let mut edge = envoy(&world, edge).await;
    matrix::decides_as_the_library(&edge, &world).await;
    matrix::takes_no_answer_for_a_permission(&edge, &world).await;
    matrix::fails_closed(&mut edge, &world).await;
}

async fn passes_nothing(edge: Edge) {
    let world = World::new().await;
    let edge = envoy(&world, edge).await;
    matrix::passes_no_identity_of_a_client(&edge, &world).await;
    matrix::sends_what_was_decided_about(&edge, &world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_envoy), ignore = "needs Envoy: tests/peers/install")]
async fn s9_12_s9_13_envoy_decides_as_the_library_over_grpc() {
    decides(Edge::Envoy).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_envoy), ignore = "needs Envoy: tests/peers/install")]
async fn s9_01_s9_02_s9_12_envoy_passes_no_identity_and_no_other_address_of_a_client_over_grpc() {
    passes_nothing(Edge::Envoy).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_envoy), ignore = "needs Envoy: tests/peers/install")]
async fn s9_12_s9_13_envoy_decides_as_the_library_over_http() {
    decides(Edge::EnvoyHttp).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_envoy), ignore = "needs Envoy: tests/peers/install")]
async fn s9_01_s9_02_s9_12_envoy_passes_no_identity_and_no_other_address_of_a_client_over_http() {
    passes_nothing(Edge::EnvoyHttp).await;
}
