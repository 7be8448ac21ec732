//! A cluster of three primaries, over which the proofs are spread.

use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign_redis::{RedisReplays, RedisSettings};
use countersign_tests::ports::free_port;
use countersign_tests::redis::{RedisServer, cli};

use crate::tls::TlsFiles;
use crate::world::{World, assert_accepted, assert_unavailable};

/// How long a test waits at most for what must come.
const AT_MOST: Duration = Duration::from_secs(60);

/// Parts of the keys, each with a note of since when it remembers.
const PARTS: u64 = 64;

struct Cluster {
    nodes: Vec<RedisServer>,
    ports: Vec<String>,
}

impl Cluster {
    fn start() -> Self {
        let ports: Vec<_> = (0..3).map(|_| free_port().to_string()).collect();
        let node = |port: &String| {
            let bus = free_port().to_string();
            RedisServer::with(&[
                "--port",
                port,
                "--cluster-enabled",
                "yes",
                "--cluster-port",
                &bus,
                "--cluster-node-timeout",
                "2000",
            ])
        };
        let cluster = Cluster { nodes: ports.iter().map(node).collect(), ports };
        let addresses: Vec<_> = cluster.ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        let mut create = vec!["--cluster", "create"];
        create.extend(addresses.iter().map(String::as_str));
        create.extend(["--cluster-replicas", "0", "--cluster-yes"]);
        let output = cli(&[], &create);
        assert!(output.contains("All 16384 slots covered"), "{output}");
        let start = Instant::now();
        while !cluster.nodes.iter().all(|node| node.run(&["CLUSTER", "INFO"]).contains("cluster_state:ok")) {
            assert!(start.elapsed() < AT_MOST, "no cluster");
            std::thread::sleep(Duration::from_millis(20));
        }
        cluster
    }

    fn settings(&self) -> RedisSettings {
        // Found by one node.
        let settings = RedisSettings::cluster([format!("redis://127.0.0.1:{}", self.ports[0])]);
        settings.timeout(Duration::from_secs(3)).connect_timeout(Duration::from_secs(10))
    }

    fn remember_since_long_ago(&self) {
        for part in 0..PARTS {
            let key = format!("countersign:replays:{{{part}}}:since");
            let owners = self.nodes.iter().filter(|node| !node.run(&["GET", &key]).starts_with("MOVED"));
            let owners: Vec<_> = owners.collect();
            assert_eq!(owners.len(), 1, "{key} is on one node");
            owners[0].remember_since_long_ago(&key);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_redis), ignore = "needs Redis: tests/peers/install")]
async fn s6_11_s6_12_s6_14_a_cluster_accepts_each_proof_once_and_without_a_node_none_of_its_proofs() {
    let mut cluster = Cluster::start();
    let stores = [
        Arc::new(RedisReplays::connect(cluster.settings()).await.expect("a store")),
        Arc::new(RedisReplays::connect(cluster.settings()).await.expect("a store")),
    ];
    cluster.remember_since_long_ago();
    let world = World::new();
    let instances = stores.map(|store| world.instance(store));
    let client = world.client("web", "u1");
    let mut used = Vec::new();
    for _ in 0..300 {
        let proof = client.proof(world.now());
        let (one, other) = tokio::join!(instances[0].send_of(&client, &proof), instances[1].send_of(&client, &proof));
        assert_eq!(one.status + other.status, 601, "exactly one: {one:?} {other:?}");
        used.push(proof);
    }
    let sizes: Vec<usize> =
        cluster.nodes.iter().map(|node| node.run(&["DBSIZE"]).trim().parse().expect("a number")).collect();
    assert!(sizes.iter().all(|size| *size > 50), "each node has its part: {sizes:?}");

    cluster.nodes[2].kill();
    let start = Instant::now();
    let mut outcomes = (0, 0);
    while start.elapsed() < Duration::from_secs(3) || outcomes.1 == 0 {
        assert!(start.elapsed() < AT_MOST, "{outcomes:?}");
        let answer = instances[0].send_of(&client, &client.proof(world.now())).await;
        match answer.status {
            200 => outcomes.0 += 1,
            _ => {
                assert_unavailable(&answer);
                outcomes.1 += 1;
            }
        }
        for proof in used.iter().take(20) {
            let answer = instances[1].send_of(&client, proof).await;
            assert!([401, 503].contains(&answer.status), "{answer:?}");
        }
    }
    println!("with a node down: {} accepted, {} unavailable", outcomes.0, outcomes.1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(all(has_redis, is_ci)), ignore = "needs Redis: tests/peers/install; takes long: CI=true runs it")]
async fn s6_12_a_node_of_a_cluster_that_was_started_again_accepts_no_proof_twice() {
    let mut cluster = Cluster::start();
    let store =
        RedisReplays::connect(cluster.settings()).await.expect("a store").clock_difference(Duration::from_secs(1));
    cluster.remember_since_long_ago();
    let world = World::new();
    let instance = world.instance(Arc::new(store));
    let client = world.client("web", "u1");
    let mut used = Vec::new();
    for number in 0..60 {
        let proof = client.proof(world.now() + number % 11);
        assert_accepted(&instance.send_of(&client, &proof).await);
        used.push(proof);
    }
    cluster.nodes[1].kill();
    cluster.nodes[1].start_again();
    let start = Instant::now();
    // Until proofs are accepted in every part again.
    let mut in_a_row = 0;
    while in_a_row < 100 {
        assert!(start.elapsed() < AT_MOST, "not accepted again");
        let answer = instance.send_of(&client, &client.proof(world.now() + 10)).await;
        in_a_row = if answer.status == 200 { in_a_row + 1 } else { 0 };
        for proof in &used {
            let answer = instance.send_of(&client, proof).await;
            assert!([401, 503].contains(&answer.status), "{answer:?}");
        }
    }
    println!("accepted again after {:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_redis), ignore = "needs Redis: tests/peers/install")]
async fn s6_14_the_documented_permissions_are_enough_for_a_cluster() {
    let cluster = Cluster::start();
    let set_user = |more: &[&str]| {
        for node in &cluster.nodes {
            let mut rule =
                vec!["ACL", "SETUSER", "orders", "reset", "on", ">s3cret", "~countersign:*", "resetchannels"];
            rule.extend(["-@all"].into_iter().chain(crate::secrets::COMMANDS).chain(more.iter().copied()));
            assert_eq!(node.run(&rule).trim(), "OK");
        }
    };
    let url = |password: &str| format!("redis://orders:{password}@127.0.0.1:{}", cluster.ports[1]);
    let connect = async |password: &str| RedisReplays::connect(RedisSettings::cluster([url(password)])).await;
    set_user(&[]);
    assert!(connect("s3cret").await.is_err(), "the nodes are not found without CLUSTER SLOTS");
    set_user(&["+cluster|slots"]);
    assert!(connect("wr0ng").await.is_err());
    let store = connect("s3cret").await.expect("the documented permissions are enough");
    cluster.remember_since_long_ago();
    let world = World::new();
    let instance = world.instance(Arc::new(store));
    let client = world.client("web", "u1");
    for _ in 0..50 {
        let proof = client.proof(world.now());
        assert_accepted(&instance.send_of(&client, &proof).await);
        assert_eq!(instance.send_of(&client, &proof).await.status, 401);
    }
}

/// A cluster of one node, which takes TLS only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_redis), ignore = "needs Redis: tests/peers/install")]
async fn s6_14_tls_to_a_cluster_needs_a_trusted_node_and_the_certificate_that_it_asks_for() {
    let (files, foreign) = (TlsFiles::new("cluster"), TlsFiles::new("foreign-cluster"));
    let port = free_port();
    let mut arguments = files.arguments(port);
    let of_cluster = ["--tls-cluster", "yes", "--cluster-enabled", "yes", "--cluster-port"];
    arguments.extend(of_cluster.map(str::to_owned).into_iter().chain([free_port().to_string()]));
    let node = RedisServer::with(&arguments);
    assert_eq!(node.run(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]).trim(), "OK");
    let start = Instant::now();
    while !node.run(&["CLUSTER", "INFO"]).contains("cluster_state:ok") {
        assert!(start.elapsed() < AT_MOST, "no cluster");
        std::thread::sleep(Duration::from_millis(20));
    }

    let settings = || RedisSettings::cluster([format!("rediss://127.0.0.1:{port}")]).only_added_roots();
    let with_certificate = |settings: RedisSettings| files.with_certificate(settings);
    for untrusted in [
        with_certificate(settings()),
        with_certificate(settings().add_roots(foreign.authority.clone())),
        settings().add_roots(files.authority.clone()),
    ] {
        assert!(RedisReplays::connect(untrusted).await.is_err());
    }
    let trusting = with_certificate(settings().add_roots_file(files.path("ca.pem")));
    let store = RedisReplays::connect(trusting).await.expect("a store");
    for part in 0..PARTS {
        node.remember_since_long_ago(&format!("countersign:replays:{{{part}}}:since"));
    }
    let world = World::new();
    let instance = world.instance(Arc::new(store));
    let client = world.client("web", "u1");
    let proof = client.proof(world.now());
    assert_accepted(&instance.send_of(&client, &proof).await);
    assert_eq!(instance.send_of(&client, &proof).await.status, 401);
}
