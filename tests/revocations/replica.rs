//! Followers that read from a replica of the publisher's server, as large fleets do.

use std::sync::Arc;

use countersign_issuer::MemoryStore;
use countersign_tests::redis::RedisServer;

use crate::world::{EVERYWHERE_WITHIN, World, settings};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s14_12_a_revocation_reaches_a_follower_of_a_replica() {
    let world = World::new();
    let port = countersign_tests::ports::free_port().to_string();
    let primary = RedisServer::with(&["--port", &port, "--bind", "127.0.0.1"]);
    let replica = RedisServer::start();
    primary.run(&["CONFIG", "SET", "repl-diskless-sync-delay", "0"]);
    replica.run(&["REPLICAOF", "127.0.0.1", &port]);
    let sts = world.sts(Arc::new(MemoryStore::new()), settings(&primary));
    let instance = world.service(sts.issuer.trusted_for("orders"), settings(&replica));
    let (good, revoked) = (sts.token("ann"), sts.token("bob"));
    instance.until(&revoked, 200).await;
    sts.revoke(&revoked).await;
    let took = instance.until(&revoked, 401).await;
    assert!(took < EVERYWHERE_WITHIN, "{took:?}");
    assert_eq!(instance.status(&good).await, 200);
}
