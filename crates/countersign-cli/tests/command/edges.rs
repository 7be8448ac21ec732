//! `countersign gateway`, killed and started again behind the other edges.

use std::path::Path;

use countersign_tests::guide::Guide;
use countersign_tests::http::Service;
use countersign_tests::parts::Part;
use countersign_tests::proxy::Proxy;

use crate::gateway::{World, is_killed_under_load};

/// The files of the guide, with the addresses of this test.
struct Files {
    guide: Guide,
    gateway: u16,
    orders: u16,
}

impl Files {
    fn new(gateway: u16, orders: &Service) -> Self {
        let orders = orders.url().rsplit(':').next().and_then(|port| port.parse().ok());
        Files { guide: Guide::read("gateway"), gateway, orders: orders.expect("a port") }
    }

    fn text(&self, name: &str, own: u16) -> String {
        let ports = [("8080", own), ("9001", self.gateway), ("9002", self.orders)];
        ports.iter().fold(self.guide.file(name).to_owned(), |text, (known, port)| {
            let text = text.replace(&format!("127.0.0.1:{known}"), &format!("127.0.0.1:{port}"));
            let text = text.replace(&format!("http://:{known}"), &format!("http://:{port}"));
            text.replace(&format!("port_value: {known}"), &format!("port_value: {port}"))
        })
    }

    /// Writes the file into this folder, with `change` made to it, and returns its path.
    fn write(&self, folder: &Path, name: &str, own: u16, change: impl FnOnce(String) -> String) -> String {
        let path = folder.join(name);
        std::fs::write(&path, change(self.text(name, own))).expect("a file");
        path.display().to_string()
    }
}

async fn caddy(gateway: u16, orders: &Service) -> Proxy {
    let files = Files::new(gateway, orders);
    Proxy::start(Part::Caddy, |folder, own| {
        let file = files.write(folder, "Caddyfile", own, |text| text);
        ["run", "--adapter", "caddyfile", "--config", &file].map(str::to_owned).to_vec()
    })
    .await
}

async fn haproxy(gateway: u16, orders: &Service) -> Proxy {
    let files = Files::new(gateway, orders);
    Proxy::start(Part::Haproxy, |folder, own| {
        let script = files.write(folder, "countersign.lua", own, |text| text);
        let with_script = |text: String| text.replace("/etc/haproxy/countersign.lua", &script);
        let file = files.write(folder, "haproxy.cfg", own, with_script);
        ["-db", "-f", &file].map(str::to_owned).to_vec()
    })
    .await
}

async fn traefik(gateway: u16, orders: &Service) -> Proxy {
    let files = Files::new(gateway, orders);
    Proxy::start(Part::Traefik, |folder, own| {
        let routes = files.write(folder, "routes.yaml", own, |text| text);
        let with_routes = |text: String| text.replace("/etc/traefik/routes.yaml", &routes);
        vec![format!("--configFile={}", files.write(folder, "traefik.yaml", own, with_routes))]
    })
    .await
}

async fn envoy_http(gateway: u16, orders: &Service) -> Proxy {
    let files = Files::new(gateway, orders);
    Proxy::start(Part::Envoy, |folder, own| {
        let service = files.text("envoy_http.yaml", own);
        let file = files.write(folder, "envoy.yaml", own, |text| over_http(&text, &service));
        ["-c", &file, "--use-dynamic-base-id", "--concurrency", "1", "-l", "error"].map(str::to_owned).to_vec()
    })
    .await
}

/// Envoy's file with the filter over HTTP, as the guide says.
fn over_http(text: &str, service: &str) -> String {
    let (mut lines, mut is_left_out) = (Vec::new(), false);
    for line in text.lines() {
        is_left_out = match line.trim_start() {
            start if start.starts_with("typed_extension_protocol_options") => true,
            start => is_left_out && !start.starts_with("load_assignment"),
        };
        match line {
            _ if is_left_out || line.contains("encode_raw_headers") => {}
            line if line.contains("grpc_service") => lines.push(service.trim_end()),
            line => lines.push(line),
        }
    }
    lines.join("\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_caddy), ignore = "needs Caddy: tests/peers/install")]
async fn s9_12_caddy_lets_nobody_in_while_the_gateway_is_killed_under_load_and_callers_after_it() {
    is_killed_under_load(&World::new("caddy"), caddy).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_haproxy), ignore = "needs HAProxy: tests/peers/install")]
async fn s9_12_haproxy_lets_nobody_in_while_the_gateway_is_killed_under_load_and_callers_after_it() {
    is_killed_under_load(&World::new("haproxy"), haproxy).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_traefik), ignore = "needs Traefik: tests/peers/install")]
async fn s9_12_traefik_lets_nobody_in_while_the_gateway_is_killed_under_load_and_callers_after_it() {
    is_killed_under_load(&World::new("traefik"), traefik).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_envoy), ignore = "needs Envoy: tests/peers/install")]
async fn s9_12_envoy_lets_nobody_in_while_the_gateway_over_http_is_killed_under_load_and_callers_after_it() {
    is_killed_under_load(&World::new("envoy_http"), envoy_http).await;
}
