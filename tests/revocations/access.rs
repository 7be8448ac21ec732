//! Users with few permissions, and TLS: S10.01.

use std::sync::Arc;

use countersign_issuer::MemoryStore;
use countersign_redis::{RedisSettings, RevocationStream};
use countersign_tests::authority::{authority, certificate};
use countersign_tests::ports::free_port;
use countersign_tests::redis::RedisServer;

use crate::world::{ISSUER, World};

/// The commands that the documentation of `RevocationStream` lists.
const OF_PUBLISHERS: &str =
    "+eval +evalsha +info +time +hlen +hmget +hset +del +xadd +xlen +xrange +xrevrange +expire +persist";
const OF_FOLLOWERS: &str = "+hmget +info +xread +xrevrange";

fn set_user(server: &RedisServer, name: &str, commands: &str) -> RedisSettings {
    let mut rule =
        vec!["ACL", "SETUSER", name, "reset", "on", ">s3cret-of-redis", "~countersign:*", "resetchannels", "-@all"];
    rule.extend(commands.split(' '));
    assert_eq!(server.run(&rule).trim(), "OK");
    RedisSettings::new(format!("{}?user={name}&pass=s3cret-of-redis", server.url()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_redis), ignore = "needs Redis: tests/peers/install")]
async fn s14_12_the_documented_permissions_are_enough_and_followers_cannot_write() {
    let text = include_str!("../../crates/countersign-redis/src/revocations/stream.rs");
    assert!(text.contains(&format!("-@all {OF_PUBLISHERS}\n")) && text.contains(&format!("-@all {OF_FOLLOWERS}\n")));
    let (server, world) = (RedisServer::start(), World::new());
    let publisher = set_user(&server, "issuer", OF_PUBLISHERS);
    let follower = set_user(&server, "orders", OF_FOLLOWERS);
    let sts = world.sts(Arc::new(MemoryStore::new()), publisher);
    let service = world.service(sts.issuer.trusted_for("orders"), follower.clone());
    let (good, revoked) = (sts.token("ann"), sts.token("ann"));
    service.until(&good, 200).await;
    sts.revoke(&revoked).await;
    service.until(&revoked, 401).await;
    // Also to fill it again beside an older epoch.
    let key = crate::world::entry_keys(&server).pop().expect("an epoch");
    server.run(&["XTRIM", &key, "MAXLEN", "0"]);
    let later = world.service(sts.issuer.trusted_for("orders"), follower.clone());
    later.until_complete(&good, &[&revoked]).await;

    let stream = RevocationStream::connect(follower, ISSUER).await.expect("it may read");
    use countersign::revocation::RevocationSink;
    let error = stream.revoke(revoked.notice.clone()).await.expect_err("it may not write");
    assert!(error.to_string().contains("may not run a command"), "{error}");
    let wrong = RedisSettings::new(format!("{}?user=orders&pass=wr0ng", server.url()));
    let error = RevocationStream::connect(wrong, ISSUER).await.expect_err("a wrong password");
    let texts = format!("{error} {error:?} {stream:?} {:?}", service.follower);
    assert!(
        texts.contains("user or password is wrong") && !texts.contains("s3cret") && !texts.contains("wr0ng"),
        "{texts}"
    );
}

/// A user that may not read forward stands for a follower that has not come to the end yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_redis), ignore = "needs Redis: tests/peers/install")]
async fn s14_12_the_newest_revocations_take_effect_before_a_long_stream_has_been_read() {
    let (server, world) = (RedisServer::start(), World::new());
    let sts = world.sts(Arc::new(MemoryStore::new()), crate::world::settings(&server));
    let (good, newest) = (sts.token("ann"), sts.token("ann"));
    for _ in 0..501 {
        sts.revoke(&sts.token("bob")).await;
    }
    sts.revoke(&newest).await;
    let reader = world.service(sts.issuer.trusted_for("orders"), set_user(&server, "orders", OF_FOLLOWERS));
    reader.until_complete(&good, &[&newest]).await;
    let late = set_user(&server, "late", "+hmget +info +xrevrange");
    let late = world.service(sts.issuer.trusted_for("orders"), late);
    late.until(&newest, 401).await;
    assert_eq!((late.status(&good).await, late.follower.age()), (503, None), "it has not read everything");
}

/// All keys of one issuer lie on one node.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_redis), ignore = "needs Redis: tests/peers/install")]
async fn s14_12_a_cluster_serves_as_a_server_does() {
    let (port, bus) = (free_port().to_string(), free_port().to_string());
    let server = RedisServer::with(&["--port", &port, "--cluster-enabled", "yes", "--cluster-port", &bus]);
    assert_eq!(server.run(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]).trim(), "OK");
    while !server.run(&["CLUSTER", "INFO"]).contains("cluster_state:ok") {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let settings = || RedisSettings::cluster([format!("redis://127.0.0.1:{port}")]);
    let world = World::new();
    let sts = world.sts(Arc::new(MemoryStore::new()), settings());
    let service = world.service(sts.issuer.trusted_for("orders"), settings());
    let (good, revoked) = (sts.token("ann"), sts.token("ann"));
    service.until(&good, 200).await;
    sts.revoke(&revoked).await;
    service.until(&revoked, 401).await;
    server.run(&["FLUSHALL"]);
    let later = world.service(sts.issuer.trusted_for("orders"), settings());
    later.until_complete(&good, &[&revoked]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_redis), ignore = "needs Redis: tests/peers/install")]
async fn s14_12_tls_needs_a_trusted_server() {
    let folder = std::env::temp_dir().join(format!("cs-revocations-tls-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let authority = authority("Authority of Redis");
    let (certificate, key) = certificate(&authority, "localhost");
    std::fs::write(path("cert.pem"), certificate).expect("written");
    std::fs::write(path("key.pem"), key).expect("written");
    let port = free_port().to_string();
    let (certificate, key) = (path("cert.pem"), path("key.pem"));
    let server = RedisServer::with(&[
        "--port",
        "0",
        "--tls-port",
        &port,
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &key,
        "--tls-auth-clients",
        "no",
        "--tls-ca-cert-file",
        &certificate,
    ]);
    let settings = || RedisSettings::new(format!("rediss://localhost:{port}")).only_added_roots();
    let trusting = || settings().add_roots(authority.as_ref().pem());
    let world = World::new();
    let sts = world.sts(Arc::new(MemoryStore::new()), trusting());
    let service = world.service(sts.issuer.trusted_for("orders"), trusting());
    let (good, revoked) = (sts.token("ann"), sts.token("ann"));
    service.until(&good, 200).await;
    sts.revoke(&revoked).await;
    service.until(&revoked, 401).await;
    let error = RevocationStream::connect(settings(), ISSUER).await.expect_err("nobody is trusted");
    assert!(error.to_string().contains("no authority is trusted"), "{error}");
    drop(server);
    std::fs::remove_dir_all(&folder).expect("removed");
}
