//! `countersign gateway` with an embedded issuer, a Unix socket and a page of numbers, behind a real nginx.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use axum::routing::get;
use axum::{Json, Router};
use countersign::policy::Profile;
use countersign::prelude::*;
use countersign_test::TestIssuer;
use countersign_tests::guide::Guide;
use countersign_tests::http::{Answer, Service};
use countersign_tests::parts::Part;
use countersign_tests::ports::free_port;
use countersign_tests::proxy::Proxy;
use serde_json::{Map, Value, json};

use crate::run::{Server, countersign};

/// The longest wait for numbers.
const WAIT: Duration = Duration::from_secs(10);

/// The files of the guide in a folder, removed on drop.
struct World {
    folder: PathBuf,
    users: TestIssuer,
    keys_port: u16,
}

impl World {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("cs-gateway-issuer-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let world = World { folder, users: TestIssuer::with_system_clock(), keys_port: free_port() };
        let guide = Guide::read("gateway");
        let keys = format!("127.0.0.1:{}", world.keys_port);
        let listen = format!("unix:{}", world.socket().display());
        let gateway = guide.file("gateway.toml").replace("127.0.0.1:9001", &listen);
        let mint = guide
            .file("mint.toml")
            .replace("127.0.0.1:9003", &keys)
            .replace("https://id.example.com", world.users.name());
        world.write("gateway.toml", &format!("{gateway}\n{mint}\n[metrics]\nlisten = \"127.0.0.1:0\"\n"));
        world.write("issuer.toml", &guide.file("issuer.toml").replace("127.0.0.1:9003", &keys));
        let users = &world.users;
        let policy = format!(
            "[[issuers]]\nissuer = {:?}\naudience = \"orders\"\nkeys = {{ inline = '{}' }}\n",
            users.name(),
            users.jwks()
        );
        world.write("policy.toml", &policy);
        world.write("issuer.key", "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=");
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(world.folder.join("issuer.key"), private).expect("permissions");
        world
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.join(name), text).expect("a file");
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("gateway.sock")
    }

    fn start(&self) -> Server {
        Server::start_with("gateway", &["--config", &self.path("gateway.toml")], |command| {
            command.stderr(Stdio::null())
        })
    }

    /// The next service, which fetches the keys of the gateway.
    async fn orders(&self) -> Service {
        let trusted =
            oidc(format!("http://127.0.0.1:{}", self.keys_port)).audience("orders").profile(Profile::AccessToken);
        let read = |claims: Claims<Map<String, Value>>| async move { Json(Value::Object((*claims).clone())) };
        let layer = AuthenticateLayer::new(Verifier::new(trusted).expect("a verifier"));
        Service::start(Router::new().route("/orders", get(read)).layer(layer)).await
    }

    fn bearer(&self, subject: &str) -> String {
        format!(
            "Authorization: Bearer {}",
            self.users.token().subject(subject).audience("orders").scope("orders:read").sign()
        )
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

async fn nginx(socket: &Path, orders: &Service) -> Proxy {
    let orders = orders.url().trim_start_matches("http://").to_owned();
    Proxy::start(Part::Nginx, |folder, port| {
        let guide = Guide::read("gateway");
        let line = "proxy_set_header X-Caller $caller;";
        let servers = guide.file("nginx.conf").replace("127.0.0.1:8080", &format!("127.0.0.1:{port}"));
        let servers =
            servers.replace("127.0.0.1:9001", &format!("unix:{}", socket.display())).replace("127.0.0.1:9002", &orders);
        let servers = servers.replace(line, &format!("{line}\n{}", guide.file("swap.conf")));
        let places =
            ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|name| format!("{name}_temp_path {name};"));
        let main = "daemon off; master_process off; pid pid; error_log stderr; events {}";
        let text = format!("{main} http {{ access_log off; {} {servers} }}", places.join(" "));
        std::fs::write(folder.join("nginx.conf"), text).expect("a file");
        vec!["-p".into(), folder.display().to_string(), "-c".into(), "nginx.conf".into()]
    })
    .await
}

async fn asks(edge: &Proxy, authorization: Option<&str>) -> Answer {
    edge.request("GET /orders", &authorization.into_iter().collect::<Vec<_>>()).await
}

/// The page of numbers, once it has this line: they are published every second.
async fn numbers(address: &str, line: &str) -> String {
    let start = Instant::now();
    loop {
        let page =
            reqwest::get(format!("http://{address}/metrics")).await.expect("answered").text().await.expect("text");
        if page.contains(line) || start.elapsed() > WAIT {
            return page;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_nginx), ignore = "needs nginx: tests/peers/install")]
async fn s9_05_s9_03_a_gateway_on_a_socket_mints_tokens_for_the_service_behind_nginx() {
    let world = World::new();
    let checked = countersign(&["gateway", "--check", "--config", &world.path("gateway.toml")], "");
    assert_eq!((checked.code, checked.stdout.as_str()), (0, "configuration is valid, 3 routes\n"));
    let gateway = world.start();
    assert_eq!(gateway.text("address"), format!("unix:{}", world.socket().display()));
    let mode = std::fs::metadata(world.socket()).expect("a socket").permissions().mode() & 0o777;
    assert_eq!(mode, 0o660);
    let orders = world.orders().await;
    let edge = nginx(&world.socket(), &orders).await;

    let answer = asks(&edge, Some(&world.bearer("ann"))).await;
    let claims: Value = serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("{answer:?}"));
    let issuer = format!("http://127.0.0.1:{}", world.keys_port);
    assert_eq!((&claims["iss"], &claims["sub"], &claims["aud"]), (&json!(issuer), &json!("ann"), &json!("orders")));
    assert_eq!(claims["act"], json!({ "sub": "gateway", "iss": issuer }));
    assert_eq!(asks(&edge, None).await.status, 401);

    // Its keys are rotated by the command, although only the gateway may open the store.
    let list = || countersign(&["rotate", "--config", &world.path("issuer.toml"), "--json", "--list"], "").json();
    let first = list()["keys"][0]["kid"].clone();
    assert_eq!(countersign(&["rotate", "--config", &world.path("issuer.toml"), "--now"], "").code, 0);
    assert_ne!(list()["keys"][0]["kid"], first);
    assert_eq!(asks(&edge, Some(&world.bearer("bob"))).await.status, 200, "signed by the new key");

    let allowed = r#"countersign_gateway_decisions_total{edge="nginx",outcome="allowed"} 2"#;
    let numbers = numbers(gateway.text("metrics"), allowed).await;
    for line in [
        allowed,
        r#"countersign_gateway_decisions_total{edge="nginx",outcome="unauthenticated"} 1"#,
        r#"countersign_gateway_swaps_total{swap="/orders",outcome="new"} 2"#,
        r#"countersign_gateway_swap_tokens{swap="/orders"} 2"#,
        r#"countersign_gateway_decision_duration_seconds_count 3"#,
    ] {
        assert!(numbers.contains(line), "{line}: {numbers}");
    }
    assert!(!numbers.contains("ann") && !numbers.contains("bob"), "S10.05");

    // The keys outlive the process, and the socket of one that was killed is replaced.
    let second = list()["keys"][0]["kid"].clone();
    gateway.end();
    assert!(world.socket().exists() && asks(&edge, Some(&world.bearer("ann"))).await.status >= 500);
    let _gateway = world.start();
    assert_eq!(list()["keys"][0]["kid"], second);
    assert_eq!(asks(&edge, Some(&world.bearer("ann"))).await.status, 200);
}
