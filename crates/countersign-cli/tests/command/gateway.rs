//! `countersign gateway`, run as a binary, with a real nginx before it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::HeaderMap;
use countersign_test::TestIssuer;
use countersign_tests::guide::Guide;
use countersign_tests::http::Service;
use countersign_tests::parts::Part;
use countersign_tests::ports::free_port;
use countersign_tests::proxy::Proxy;

use crate::run::{Server, TempFile, countersign, file};

/// A gateway as in the guide, whose policy trusts this issuer.
pub(crate) struct World {
    issuer: TestIssuer,
    port: u16,
    policy: TempFile,
    config: TempFile,
}

impl World {
    pub(crate) fn new(edge: &str) -> Self {
        let (issuer, port) = (TestIssuer::with_system_clock(), free_port());
        let policy = file("gateway-policy.toml", &policy(&issuer));
        let text = Guide::read("gateway").file("gateway.toml").replace("127.0.0.1:9001", &format!("127.0.0.1:{port}"));
        let text = text.replace("edge = \"nginx\"", &format!("edge = {edge:?}"));
        let config = file("gateway.toml", &text.replace("\"policy.toml\"", &format!("{:?}", policy.path())));
        World { issuer, port, policy, config }
    }

    fn start(&self) -> Server {
        Server::start("gateway", &["--config", self.config.path()])
    }

    fn bearer(&self, scope: &str) -> String {
        let draft = self.issuer.token().subject("ann").audience("orders").scope(scope);
        format!("Authorization: Bearer {}", draft.sign())
    }
}

fn policy(issuer: &TestIssuer) -> String {
    format!(
        "[[issuers]]\nissuer = {:?}\naudience = \"orders\"\nkeys = {{ inline = '{}' }}\n",
        issuer.name(),
        issuer.jwks()
    )
}

async fn nginx(gateway: u16, orders: &Service) -> Proxy {
    let orders = orders.url().trim_start_matches("http://").to_owned();
    Proxy::start(Part::Nginx, |folder, port| {
        let guide = Guide::read("gateway");
        let servers = guide.file("nginx.conf").replace("127.0.0.1:8080", &format!("127.0.0.1:{port}"));
        let servers =
            servers.replace("127.0.0.1:9001", &format!("127.0.0.1:{gateway}")).replace("127.0.0.1:9002", &orders);
        let places =
            ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|name| format!("{name}_temp_path {name};"));
        let main = "daemon off; master_process off; pid pid; error_log stderr; events {}";
        let text = format!("{main} http {{ access_log off; {} {servers} }}", places.join(" "));
        std::fs::write(folder.join("nginx.conf"), text).expect("a file");
        vec!["-p".into(), folder.display().to_string(), "-c".into(), "nginx.conf".into()]
    })
    .await
}

async fn envoy(gateway: u16, orders: &Service) -> Proxy {
    let orders = orders.url().rsplit(':').next().expect("a port").to_owned();
    Proxy::start(Part::Envoy, |folder, port| {
        let ports = [("8080", port.to_string()), ("9001", gateway.to_string()), ("9002", orders)];
        let text = ports.iter().fold(Guide::read("gateway").file("envoy.yaml").to_owned(), |text, (known, port)| {
            text.replace(&format!("port_value: {known}"), &format!("port_value: {port}"))
        });
        let path = folder.join("envoy.yaml");
        std::fs::write(&path, text).expect("a file");
        let path = path.display().to_string();
        ["-c", &path, "--use-dynamic-base-id", "--concurrency", "1", "-l", "error"].map(str::to_owned).to_vec()
    })
    .await
}

#[test]
fn a_configuration_with_a_fault_is_refused_with_its_field() {
    let world = World::new("nginx");
    let good = std::fs::read_to_string(world.config.path()).expect("text");
    let checked = countersign(&["gateway", "--check", "--config", world.config.path()], "");
    assert_eq!(
        (checked.code, checked.stdout.as_str()),
        (0, "configuration is valid, 3 routes\n"),
        "{}",
        checked.stderr
    );
    for (from, to, expected) in [
        ("edge = \"nginx\"", "edge = \"apache\"", "unknown word, expected one of `nginx`"),
        ("edge = \"nginx\"", "", "missing field `edge`"),
        ("edge = \"nginx\"", "edge = \"nginx\"\nlisten_at = 1", "unknown field `listen_at`"),
        ("listen = \"127.0.0.1:", "listen = \"0.0.0.0:", "trusted_peers: missing, and listen is beyond loopback"),
        ("edge = \"nginx\"", "edge = \"nginx\"\ntrusted_peers = [\"0.0.0.0/0\"]", "every address is trusted"),
        ("x-caller = \"subject\"", "x-caller = \"sub\"", "unknown word, expected one of `issuer`"),
        ("x-caller = \"subject\"", "Authorization = \"subject\"", "identity Authorization: requests need this header"),
        ("path = \"/orders\"", "path = \"orders\"", "does not start with /"),
        ("access = \"public\"", "access = \"open\"", "routes[2]: access: not one of"),
        ("access = \"public\"", "access = \"public\"\nrules = 1", "routes[2]: unknown field `rules`"),
        ("policy_file = ", "policy_file = \"missing.toml\" # ", "policy_file: not readable"),
        ("policy_file = ", "# policy_file = ", "policy: missing"),
        ("policy_file = ", "routes_file = \"routes.json\"\npolicy_file = ", "routes_file: "),
    ] {
        assert!(good.contains(from), "{from}");
        let config = file("faulty.toml", &good.replacen(from, to, 1));
        let answer = countersign(&["gateway", "--check", "--config", config.path()], "");
        assert!(answer.code == 2 && answer.stderr.contains(expected), "{to}: {} {}", answer.code, answer.stderr);
    }
}

/// The figures of one kind of request while the gateway is killed and started again.
#[derive(Default)]
struct Figures {
    passed: AtomicUsize,
    refused: AtomicUsize,
    failed: AtomicUsize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_nginx), ignore = "needs nginx: tests/peers/install")]
async fn s9_12_nginx_lets_nobody_in_while_the_gateway_is_killed_under_load_and_callers_after_it() {
    is_killed_under_load(&World::new("nginx"), nginx).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_envoy), ignore = "needs Envoy: tests/peers/install")]
async fn s9_12_envoy_lets_nobody_in_while_the_gateway_is_killed_under_load_and_callers_after_it() {
    is_killed_under_load(&World::new("envoy"), envoy).await;
}

/// Kills the gateway while callers go on, three times in CI.
pub(crate) async fn is_killed_under_load(world: &World, edge: impl AsyncFnOnce(u16, &Service) -> Proxy) {
    let mut gateway = world.start();
    let (seen, nameless) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let orders = Service::start(Router::new().fallback({
        let (seen, nameless) = (Arc::clone(&seen), Arc::clone(&nameless));
        async move |headers: HeaderMap| {
            seen.fetch_add(1, Ordering::Relaxed);
            if headers.get("x-caller").is_none_or(|caller| caller != "ann") {
                nameless.fetch_add(1, Ordering::Relaxed);
            }
        }
    }))
    .await;
    let proxy = Arc::new(edge(world.port, &orders).await);
    let (good, bad) = (Arc::<Figures>::default(), Arc::<Figures>::default());
    let end = Arc::new(AtomicBool::new(false));
    let mut clients = tokio::task::JoinSet::new();
    for (figures, header) in [(&good, world.bearer("orders:read")), (&bad, world.bearer("other"))] {
        for _ in 0..4 {
            let (proxy, figures, header, end) =
                (Arc::clone(&proxy), Arc::clone(figures), header.clone(), Arc::clone(&end));
            clients.spawn(async move {
                while !end.load(Ordering::Relaxed) {
                    match proxy.request("GET /orders", &[&header, "X-Caller: admin"]).await.status {
                        200 => &figures.passed,
                        400..500 => &figures.refused,
                        _ => &figures.failed,
                    }
                    .fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    }
    let wait_for = async |figure: &AtomicUsize, more: usize| {
        let (start, limit) = (figure.load(Ordering::Relaxed), Instant::now() + Duration::from_secs(60));
        while figure.load(Ordering::Relaxed) < start + more {
            assert!(Instant::now() < limit, "no more of them");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    for _ in 0..countersign_tests::repeats(1, 3) {
        wait_for(&good.passed, 200).await;
        wait_for(&bad.refused, 200).await;
        gateway.end();
        wait_for(&good.failed, 100).await;
        wait_for(&bad.failed, 100).await;
        gateway = world.start();
    }
    wait_for(&good.passed, 200).await;
    end.store(true, Ordering::Relaxed);
    while clients.join_next().await.is_some() {}
    let count = |figure: &AtomicUsize| figure.load(Ordering::Relaxed);
    assert_eq!((count(&bad.passed), count(&nameless)), (0, 0), "nobody got in");
    assert_eq!(count(&seen), count(&good.passed));
    eprintln!(
        "{} passed, {} refused, {} answered 5xx while the gateway was gone",
        count(&good.passed),
        count(&bad.refused),
        count(&good.failed) + count(&bad.failed)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_answers_only_the_edge_and_ends_by_a_signal() {
    let world = World::new("nginx");
    let mut gateway = world.start();
    let address = format!("127.0.0.1:{}", world.port);
    let ask = async |line: &str, headers: &[&str]| {
        let mut stream = tokio::net::TcpStream::connect(&address).await.expect("it listens");
        let lines: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        let request = format!("{line} HTTP/1.1\r\nHost: shop.example.com\r\nConnection: close\r\n{lines}\r\n");
        tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.expect("sent");
        countersign_tests::http::read_answer(&mut stream).await
    };
    let bearer = world.bearer("orders:read");
    assert_eq!(ask("GET /live", &[]).await.status, 200);
    let ready = ask("GET /ready", &[]).await;
    assert_eq!((ready.status, ready.json()["status"].as_str()), (200, Some("ready")));
    let allowed = ask("GET /check/GET/orders", &["X-Countersign-Uri: /orders", &bearer]).await;
    assert_eq!((allowed.status, allowed.header("x-caller")), (200, Some("ann")));
    for (line, headers, status) in [
        ("GET /check/GET/orders", vec![bearer.as_str()], 500),
        ("GET /check", vec!["X-Countersign-Uri: /orders", &bearer], 500),
        ("GET /orders", vec!["X-Countersign-Uri: /orders", &bearer], 500),
        ("GET /check/GET/health", vec!["X-Countersign-Uri: /orders"], 400),
        ("GET /check/GET/health", vec!["X-Countersign-Uri: /health", "X-Countersign-Uri: /health"], 400),
        ("GET /check/GET/health#/orders", vec!["X-Countersign-Uri: /health#/orders"], 400),
        ("GET /check/GET/health", vec!["X-Countersign-Uri: /health", "Host: shop.example.com"], 400),
        ("GET /check/GET/health", vec!["X-Countersign-Uri: /health"], 200),
    ] {
        let answer = ask(line, &headers).await;
        assert_eq!(answer.status, status, "{line} {headers:?}: {answer:?}");
    }
    let issuer = world.issuer.name();
    std::fs::write(world.policy.path(), policy(&world.issuer).replace("\"orders\"", "\"stock\"")).expect("written");
    let limit = Instant::now() + Duration::from_secs(60);
    while ask("GET /check/GET/orders", &["X-Countersign-Uri: /orders", &bearer]).await.status != 401 {
        assert!(Instant::now() < limit, "the policy of {issuer} is read again");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let sent = std::process::Command::new("kill").args(["-TERM", &gateway.child.id().to_string()]).status();
    assert!(sent.expect("kill runs").success());
    assert!(gateway.child.wait().expect("an end").success());
}

#[test]
fn explain_tells_the_answer_of_the_edge() {
    let world = World::new("nginx");
    let explained = |path: &str, headers: &[&str], token: Option<&str>| {
        let mut arguments = vec!["explain", "--config", world.config.path(), "--path", path, "--json"];
        headers.iter().for_each(|header| arguments.extend(["--header", header]));
        arguments.push(token.unwrap_or("--no-token"));
        let answer = countersign(&arguments, "");
        let found = answer.json();
        (answer.code, found["status"].as_u64(), found["body"]["code"].as_str().unwrap_or_default().to_owned())
    };
    let token = world.bearer("orders:read");
    let token = token.trim_start_matches("Authorization: Bearer ");
    assert_eq!(explained("/orders?page=2", &[], Some(token)), (0, Some(200), String::new()));
    assert_eq!(explained("/orders", &[], None), (1, Some(401), "no_token".to_owned()));
    assert_eq!(explained("/orders;x", &[], Some(token)), (1, Some(400), "ambiguous_address".to_owned()));
    assert_eq!(explained("/health/../orders", &[], None), (1, Some(400), "ambiguous_address".to_owned()));
    assert_eq!(explained("/orders", &["X_Caller: admin"], Some(token)), (1, Some(400), "reserved_header".to_owned()));
    assert_eq!(explained("/health", &[], None), (0, Some(200), String::new()));
}
