//! Streams that have lost something: never confirmed before they are filled again.

use std::sync::Arc;

use countersign_issuer::MemoryStore;
use countersign_tests::redis::RedisServer;

use crate::relay::Relay;
use crate::world::{AFTER_OUTAGE_WITHIN, World, entry_keys, settings, until_all};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_redis), ignore = "needs Redis: tests/peers/install")]
async fn s14_12_an_emptied_or_shortened_stream_is_filled_again() {
    let (server, world) = (RedisServer::start(), World::new());
    let sts = world.sts(Arc::new(MemoryStore::new()), settings(&server));
    let services = world.services(&sts, &server);
    let (good, one, other) = (sts.token("ann"), sts.token("ann"), sts.token("bob"));
    until_all(&services, &good, 200).await;
    for token in [&one, &other] {
        sts.revoke(token).await;
        until_all(&services, token, 401).await;
    }
    for harm in ["all", "trim", "entries", "base", "part of the base", "state", "beats", "wrong state"] {
        let key = entry_keys(&server).pop().expect("an epoch");
        let base = key.split(":entries:").next().expect("a base").to_owned();
        let (state, beats) = (format!("{base}:state"), format!("{base}:beats"));
        match harm {
            "all" => server.run(&["FLUSHALL"]),
            "trim" => server.run(&["XTRIM", &key, "MAXLEN", "1"]),
            "entries" => server.run(&["DEL", &key]),
            "base" => server.run(&["DEL", &key.replace(":entries:", ":base:")]),
            "part of the base" => server.run(&["HDEL", &key.replace(":entries:", ":base:"), "i"]),
            "state" => server.run(&["DEL", &state]),
            "beats" => server.run(&["DEL", &beats]),
            _ => server.run(&["HSET", &state, "sequence", "1"]),
        };
        let later = world.service(sts.issuer.trusted_for("orders"), settings(&server));
        let time = later.until_complete(&good, &[&one, &other]).await;
        println!("{harm}: complete after {time:?}");
        assert!(time <= AFTER_OUTAGE_WITHIN, "{harm}: {time:?}");
        for service in &services {
            assert_eq!((service.status(&one).await, service.status(&other).await), (401, 401), "{harm}");
        }
    }
}

/// The bytes that the server has sent since its statistics were reset.
fn sent(server: &RedisServer) -> u64 {
    let stats = server.run(&["INFO", "stats"]);
    let sent = stats.lines().find_map(|line| line.strip_prefix("total_net_output_bytes:"));
    sent.and_then(|number| number.trim().parse().ok()).expect("a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_redis), ignore = "needs Redis: tests/peers/install")]
async fn s14_12_after_a_loss_a_service_reads_only_what_it_lacks() {
    const REVOKED: u32 = 3_000;
    let (server, world) = (RedisServer::start(), World::new());
    let sts = world.sts(Arc::new(MemoryStore::new()), settings(&server));
    let (good, old, new) = (sts.token("ann"), sts.token("ann"), sts.token("bob"));
    let end = crate::world::end_of(&old);
    for number in 0..REVOKED {
        sts.issuer.revoke_token(&format!("00000000-7c4a-7b21-9e5d-{number:012x}"), end).expect("stored");
    }
    sts.revoke(&old).await;
    let services = world.services(&sts, &server);
    for service in &services {
        service.until_complete(&good, &[&old]).await;
    }
    server.run(&["FLUSHALL"]);
    server.run(&["CONFIG", "RESETSTAT"]);
    sts.revoke(&new).await;
    until_all(&services, &new, 401).await;
    let before = sent(&server);
    let later = world.service(sts.issuer.trusted_for("orders"), settings(&server));
    later.until_complete(&good, &[&old, &new]).await;
    let of_later = sent(&server) - before;
    println!("three services that knew it: {before} bytes; a new one: {of_later}");
    assert!(of_later > u64::from(REVOKED) * 30, "{of_later}: it reads all of them");
    assert!(before < u64::from(REVOKED) * 10, "{before}: they read the index and what is new");
    for service in &services {
        let age = service.follower.age().expect("complete");
        service.until_complete(&good, &[&old, &new]).await;
        assert!(age < crate::world::MAX_AGE);
    }
}

/// A replica that lagged becomes the primary, without what was revoked last.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_redis), ignore = "needs Redis: tests/peers/install")]
async fn s14_12_a_replica_that_lagged_is_filled_before_it_is_believed() {
    let port = countersign_tests::ports::free_port().to_string();
    let (primary, replica, world) = (RedisServer::with(&["--port", &port]), RedisServer::start(), World::new());
    let relay = Relay::to(&primary.url()).await;
    let sts = world.sts(Arc::new(MemoryStore::new()), relay.settings());
    let trusted = || sts.issuer.trusted_for("orders");
    let service = world.service(trusted(), relay.settings());
    let (good, early, late) = (sts.token("ann"), sts.token("ann"), sts.token("ann"));
    service.until(&good, 200).await;
    sts.revoke(&early).await;
    service.until(&early, 401).await;
    replica.run(&["REPLICAOF", "127.0.0.1", &port]);
    while !replica.run(&["INFO", "replication"]).contains("master_link_status:up") || entry_keys(&replica).is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    // It hears nothing more.
    replica.run(&["REPLICAOF", "NO", "ONE"]);
    sts.revoke(&late).await;
    service.until(&late, 401).await;

    relay.lead_to(&replica.url());
    let later = world.service(trusted(), relay.settings());
    let time = later.until_complete(&good, &[&early, &late]).await;
    assert!(time <= AFTER_OUTAGE_WITHIN, "{time:?}");
    assert_eq!((service.status(&early).await, service.status(&late).await), (401, 401), "never forgotten");
    service.until(&good, 200).await;
}

/// A server that starts again with the data of a while ago.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_redis), ignore = "needs Redis: tests/peers/install")]
async fn s14_12_old_data_are_not_believed() {
    let (server, old, world) = (RedisServer::start(), RedisServer::start(), World::new());
    let relay = Relay::to(&server.url()).await;
    let sts = world.sts(Arc::new(MemoryStore::new()), relay.settings());
    let trusted = || sts.issuer.trusted_for("orders");
    let service = world.service(trusted(), relay.settings());
    let (good, early, late) = (sts.token("ann"), sts.token("ann"), sts.token("ann"));
    service.until(&good, 200).await;
    sts.revoke(&early).await;
    service.until(&early, 401).await;
    // A copy of all keys, which have no text that a shell would have to quote.
    let copy = "local all = {} for _, key in ipairs(redis.call('KEYS', '*')) do \
                all[#all + 1] = key all[#all + 1] = redis.call('DUMP', key) end \
                local hex = {} for i = 1, #all do hex[i] = all[i]:gsub('.', function(c) return string.format('%02x', c:byte()) end) end \
                return table.concat(hex, ' ')";
    let paste = "local all = {} for hex in ARGV[1]:gmatch('%x+') do \
                 all[#all + 1] = hex:gsub('..', function(h) return string.char(tonumber(h, 16)) end) end \
                 for i = 1, #all, 2 do redis.call('RESTORE', all[i], 0, all[i + 1]) end return #all";
    let copied = server.run(&["EVAL", copy, "0"]);
    sts.revoke(&late).await;
    service.until(&late, 401).await;
    assert_ne!(old.run(&["EVAL", paste, "0", copied.trim()]).trim(), "0");

    relay.lead_to(&old.url());
    let later = world.service(trusted(), relay.settings());
    let time = later.until_complete(&good, &[&early, &late]).await;
    assert!(time <= AFTER_OUTAGE_WITHIN, "{time:?}");
    assert_eq!((service.status(&early).await, service.status(&late).await), (401, 401));
    service.until(&good, 200).await;
}

/// A store in memory begins an empty list when its process ends: what the stream has stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_redis), ignore = "needs Redis: tests/peers/install")]
async fn s14_12_another_list_takes_no_revocation_away() {
    let (server, world) = (RedisServer::start(), World::new());
    let first = world.sts(Arc::new(MemoryStore::new()), settings(&server));
    let service = world.service(first.issuer.trusted_for("orders"), settings(&server));
    let (good, revoked) = (first.token("ann"), first.token("ann"));
    service.until(&good, 200).await;
    first.revoke(&revoked).await;
    service.until(&revoked, 401).await;
    let trusted = first.issuer.trusted_for("orders");
    drop(first);
    let _second = world.sts(Arc::new(MemoryStore::new()), settings(&server));
    let later = world.service(trusted, settings(&server));
    later.until_complete(&good, &[&revoked]).await;
}
