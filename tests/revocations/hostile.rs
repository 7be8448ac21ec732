//! Text in the stream that no publisher wrote: refused, and nothing is taken back by it.

use std::sync::Arc;
use std::time::Duration;

use countersign_issuer::MemoryStore;
use countersign_tests::redis::RedisServer;

use crate::world::{World, entry_keys, settings, until_all};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_redis), ignore = "needs Redis: tests/peers/install")]
async fn s14_12_hostile_entries_are_refused_and_the_stream_is_filled_without_them() {
    let (server, world) = (RedisServer::start(), World::new());
    let sts = world.sts(Arc::new(MemoryStore::new()), settings(&server));
    let services = world.services(&sts, &server);
    let (good, revoked) = (sts.token("ann"), sts.token("ann"));
    until_all(&services, &good, 200).await;
    sts.revoke(&revoked).await;
    until_all(&services, &revoked, 401).await;
    let long = "x".repeat(100_000);
    let deep = "[".repeat(10_000);
    let texts = [
        "",
        "{}",
        "null",
        "\u{fffd}\u{0}",
        long.as_str(),
        deep.as_str(),
        r#"{"iss":"https://other.test","sub":"ann","before":99999999999,"until":99999999999}"#,
        r#"{"iss":"https://id.test","unrevoke":"ann","until":99999999999}"#,
        r#"{"iss":"https://id.test","sub":"ann","before":-1,"until":1}"#,
        r#"{"iss":"https://id.test","sub":"ann","before":0,"until":0}"#,
    ];
    for text in texts {
        let key = entry_keys(&server).pop().expect("an epoch");
        for field in ["n", "m"] {
            let text = text.replace('\0', "");
            server.run(&["XADD", &key, "*", field, &text]);
        }
    }
    let key = entry_keys(&server).pop().expect("an epoch");
    let base = key.split(":entries:").next().expect("a base").to_owned();
    let beats = format!("{base}:beats");
    for fields in [
        &["x", "y"][..],
        &["epoch", "a}b{c", "number", "1", "entries", "0", "last", "0-0"],
        &["epoch", "other", "number", "99999999999999999999", "entries", "0", "last", "0-0"],
        &["epoch", "other", "number", "1", "entries", "-1", "last", "x"],
    ] {
        server.run(&[&["XADD", &beats, "*"], fields].concat());
    }
    let later = world.service(sts.issuer.trusted_for("orders"), settings(&server));
    later.until_complete(&good, &[&revoked]).await;
    for service in &services {
        assert_eq!(service.status(&revoked).await, 401);
        service.until(&good, 200).await;
    }
    // A filled stream has none of it.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let entries: Vec<_> = entry_keys(&server);
    let lengths: Vec<_> = entries.iter().map(|key| server.run(&["XLEN", key])).collect();
    assert!(lengths.iter().any(|length| length.trim().parse::<usize>().is_ok_and(|length| length <= 2)), "{lengths:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_redis), ignore = "needs Redis: tests/peers/install")]
async fn s14_12_keys_of_another_type_confirm_nothing_and_end_nothing() {
    let (server, world) = (RedisServer::start(), World::new());
    let sts = world.sts(Arc::new(MemoryStore::new()), settings(&server));
    let service = world.service(sts.issuer.trusted_for("orders"), settings(&server));
    let (good, revoked) = (sts.token("ann"), sts.token("ann"));
    service.until(&good, 200).await;
    sts.revoke(&revoked).await;
    service.until(&revoked, 401).await;
    let key = entry_keys(&server).pop().expect("an epoch");
    let base = key.split(":entries:").next().expect("a base").to_owned();
    for name in ["state", "beats"] {
        let key = format!("{base}:{name}");
        server.run(&["SET", &key, "x"]);
        let later = world.service(sts.issuer.trusted_for("orders"), settings(&server));
        tokio::time::sleep(Duration::from_millis(1_200)).await; // longer than between two beats
        assert_eq!(later.follower.age(), None, "{name}");
        server.run(&["DEL", &key]);
        later.until_complete(&good, &[&revoked]).await;
    }
}
