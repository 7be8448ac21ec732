//! A running edge, with the gateway that it asks and the service behind.

use std::path::Path;
use std::time::Duration;

use axum::Router;
use countersign_gateway::{Edge, ExtAuthz, ForwardAuth, Gateway, TrustedPeers};
use countersign_tests::http::{Answer, Service, answer_of};
use countersign_tests::parts::Part;
use countersign_tests::proxy::{HOST, Proxy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::backend::Backend;
use crate::world::{World, guide};

/// The longest wait for an answer.
const WAIT: Duration = Duration::from_secs(3);

/// In place of a status, if there is no answer.
const NO_ANSWER: u16 = 599;

/// An edge that asks.
pub struct Running {
    pub proxy: Proxy,
    pub backend: Backend,
    gateway: Option<Service>,
    address: String,
    edge: Edge,
    rules: Gateway,
}

impl Running {
    /// Starts the edge `part` with the arguments that `set_up` makes of a folder and the guide's files, in which the addresses are
    /// those of this test.
    pub async fn start(
        world: &World,
        edge: Edge,
        part: Part,
        set_up: impl FnOnce(&Path, &dyn Fn(&str) -> String) -> Vec<String>,
    ) -> Self {
        Self::with_gateway(world.gateway(), edge, part, set_up).await
    }

    /// Starts it with this gateway.
    pub async fn with_gateway(
        rules: Gateway,
        edge: Edge,
        part: Part,
        set_up: impl FnOnce(&Path, &dyn Fn(&str) -> String) -> Vec<String>,
    ) -> Self {
        let backend = Backend::start().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound").to_string();
        let gateway = serve(listener, edge, &rules);
        let port = |address: &str| address.rsplit(':').next().expect("a port").to_owned();
        let (gateway_port, backend_port) = (port(&address), port(&backend.address));
        let replaced = move |text: &str, own: u16| {
            let text = text
                .replace("127.0.0.1:9001", &address_of(&gateway_port))
                .replace("127.0.0.1:9002", &address_of(&backend_port));
            let text = text.replace("port_value: 9001", &format!("port_value: {gateway_port}"));
            let text = text.replace("port_value: 9002", &format!("port_value: {backend_port}"));
            text.replace("127.0.0.1:8080", &address_of(&own.to_string()))
                .replace("port_value: 8080", &format!("port_value: {own}"))
        };
        let proxy = Proxy::start(part, |folder, port| set_up(folder, &|name| replaced(guide().file(name), port))).await;
        Running { proxy, backend, gateway: Some(gateway), address, edge, rules }
    }

    /// Returns whether it brings addresses into normal form before it asks: the gateway then sees what the service behind sees.
    pub fn normalizes(&self) -> bool {
        self.edge == Edge::Traefik
    }

    /// Sends a request of these header lines.
    pub async fn request(&self, method: &str, target: &str, headers: &[String]) -> Answer {
        let lines: Vec<&str> = headers.iter().map(String::as_str).collect();
        let length = if method == "POST" { &["Content-Length: 0"][..] } else { &[] };
        let (line, lines) = (format!("{method} {target}"), [&lines[..], length].concat());
        // Some requests are no request to some edges, which wait for their end.
        let none = Answer { status: NO_ANSWER, headers: Vec::new(), body: String::new() };
        tokio::time::timeout(WAIT, self.proxy.request(&line, &lines)).await.unwrap_or(none)
    }

    /// Sends a request of this line and `Connection` header, and reads the head of the answer: the connection may stay open.
    pub async fn raw(&self, line: &str, connection: &str, headers: &[String]) -> Answer {
        let lines: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        let request = format!("{line} HTTP/1.1\r\nHost: {HOST}\r\nConnection: {connection}\r\n{lines}\r\n");
        let mut stream = TcpStream::connect(("127.0.0.1", self.proxy.port)).await.expect("connects");
        stream.write_all(request.as_bytes()).await.expect("sends");
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).await.is_ok_and(|read| read == 1) {
            head.push(byte[0]);
        }
        answer_of(&String::from_utf8_lossy(&head))
    }

    /// Ends the gateway, with the connections that the edge keeps open.
    pub async fn stop_gateway(&mut self) {
        self.gateway.take().expect("it runs").stop().await;
    }

    /// Starts it again at the same address.
    pub async fn start_gateway(&mut self) {
        let listener = TcpListener::bind(&self.address).await.expect("its own port");
        self.gateway = Some(serve(listener, self.edge, &self.rules));
    }
}

fn address_of(port: &str) -> String {
    format!("127.0.0.1:{port}")
}

fn serve(listener: TcpListener, edge: Edge, rules: &Gateway) -> Service {
    let (rules, peers) = (rules.clone(), TrustedPeers::loopback());
    let router = match edge {
        Edge::Envoy => ExtAuthz::new(rules).trusted_peers(peers).router(),
        edge => Router::new().fallback_service(ForwardAuth::new(rules, edge).trusted_peers(peers)),
    };
    Service::on_with_peers(listener, router)
}
