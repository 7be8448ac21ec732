//! Every edge, with a gateway of the test's own.

use std::path::Path;

use countersign_gateway::{Edge, Gateway};
use countersign_tests::parts::Part;

use crate::edge::Running;
use crate::{caddy, envoy, haproxy, nginx, traefik};

/// Makes the arguments of an edge of a folder and the guide's files.
type SetUp = fn(&Path, &dyn Fn(&str) -> String) -> Vec<String>;

/// Starts the edge with the guide's files.
pub async fn running(edge: Edge, gateway: Gateway) -> Running {
    running_as(edge, gateway, |_, text| text).await
}

/// Starts the edge with the guide's files, each with its name as `change` changes it.
pub async fn running_as(edge: Edge, gateway: Gateway, change: fn(&str, String) -> String) -> Running {
    let (part, set_up): (Part, SetUp) = match edge {
        Edge::Nginx => (Part::Nginx, nginx::set_up),
        Edge::Caddy => (Part::Caddy, caddy::set_up),
        Edge::Haproxy => (Part::Haproxy, haproxy::set_up),
        Edge::Traefik => (Part::Traefik, traefik::set_up),
        Edge::Envoy => (Part::Envoy, envoy::over_grpc),
        Edge::EnvoyHttp => (Part::Envoy, envoy::over_http),
        other => panic!("{other:?} is not tested"),
    };
    let with_changes = |folder: &Path, file: &dyn Fn(&str) -> String| set_up(folder, &|name| change(name, file(name)));
    let running = Running::with_gateway(gateway, edge, part, with_changes).await;
    if edge == Edge::Traefik {
        traefik::ready(&running).await;
    }
    running
}

/// One test for each edge, named after it, that calls this function with the edge.
macro_rules! on_each_edge {
    ($check:path) => {
        $crate::each::on_each_edge! { $check;
            nginx has_nginx Nginx, caddy has_caddy Caddy, haproxy has_haproxy Haproxy, traefik has_traefik Traefik,
            envoy has_envoy Envoy, envoy_over_http has_envoy EnvoyHttp }
    };
    ($check:path; $($name:ident $cfg:ident $edge:ident),*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            #[cfg_attr(not($cfg), ignore = "needs this edge: tests/peers/install")]
            async fn $name() {
                $check(countersign_gateway::Edge::$edge).await;
            }
        )*
    };
}

pub(crate) use on_each_edge;
