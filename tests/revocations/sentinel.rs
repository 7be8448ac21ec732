//! A primary that sentinels replace: S14.12.

use std::sync::Arc;

use countersign_issuer::MemoryStore;
use countersign_redis::RedisSettings;
use countersign_tests::sentinel::{PRIMARY, Sentinels};

use crate::world::{World, until_all};

fn settings(servers: &Sentinels) -> RedisSettings {
    RedisSettings::new(format!("redis://{PRIMARY}")).sentinels(servers.urls())
}

/// Revoked before the primary died, while there was none, and after the fail-over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(all(has_redis, is_ci)), ignore = "needs Redis: tests/peers/install; takes long: CI=true runs it")]
async fn s14_09_s14_12_a_failover_forgets_no_revocation() {
    let (mut servers, world) = (Sentinels::start(), World::new());
    let sts = world.sts(Arc::new(MemoryStore::new()), settings(&servers));
    let trusted = || sts.issuer.trusted_for("orders");
    let services = [(); 2].map(|()| world.service(trusted(), settings(&servers)));
    let (good, early, meanwhile, late) = (sts.token("ann"), sts.token("ann"), sts.token("ann"), sts.token("ann"));
    until_all(&services, &good, 200).await;
    sts.revoke(&early).await;
    until_all(&services, &early, 401).await;

    servers.primary.kill();
    sts.revoke(&meanwhile).await;
    let without = world.service(trusted(), settings(&servers));
    assert_eq!(without.status(&good).await, 503, "it decides nothing");
    servers.wait_for_failover();
    let after = std::time::Instant::now();
    let took = until_all(&services, &meanwhile, 401).await;
    println!("revoked while there was no primary: everywhere {took:?} after the fail-over");
    without.until_complete(&good, &[&early, &meanwhile]).await;
    println!("a service that started without a primary decides {:?} after the fail-over", after.elapsed());
    sts.revoke(&late).await;
    until_all(&services, &late, 401).await;
    world.service(trusted(), settings(&servers)).until_complete(&good, &[&early, &meanwhile, &late]).await;

    // The old primary comes back empty, and becomes a replica.
    servers.primary.start_again();
    let last = sts.token("ann");
    sts.revoke(&last).await;
    until_all(&services, &last, 401).await;
    let all = [&early, &meanwhile, &late, &last];
    world.service(trusted(), settings(&servers)).until_complete(&good, &all).await;
}
