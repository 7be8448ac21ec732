//! What an outage leaves in the log: a line, and one when it is over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign_redis::{RedisReplays, RedisSettings};
use countersign_tests::log::Log;
use countersign_tests::redis::RedisServer;

use crate::world::{SINCE, World, assert_unavailable};

#[tokio::test]
#[cfg_attr(not(has_redis), ignore = "needs Redis: tests/peers/install")]
async fn s6_14_s10_01_an_outage_is_logged_once_with_its_reason_and_without_the_password() {
    countersign_tests::events::enable_events_on_every_thread();
    let log = Log::default();
    let _listening = tracing::subscriber::set_default(log.subscriber()); // of this thread, on which the store runs as well
    let mut server = RedisServer::with(&["--port", "0", "--requirepass", "s3cret-of-redis"]);
    let url = format!("{}?pass=s3cret-of-redis", server.url());
    let store = RedisReplays::connect(RedisSettings::new(url)).await.expect("a store");
    let world = World::new();
    let instance = world.instance(Arc::new(store));
    let client = world.client("web", "u1");
    server.kill();
    for _ in 0..50 {
        assert_unavailable(&instance.send_of(&client, &client.proof(world.now())).await);
        tokio::task::yield_now().await;
    }
    let outages = |text: &str| text.matches("Redis cannot be used; requests that need it get 503").count();
    assert_eq!(outages(&log.text()), 1, "{}", log.text());
    assert!(log.text().contains("reason=\"the server closed the connection\""), "{}", log.text());

    server.start_again();
    let start = Instant::now();
    while !log.text().contains("Redis can be used again") {
        assert!(start.elapsed() < Duration::from_secs(30), "not connected again: {}", log.text());
        tokio::time::sleep(Duration::from_millis(20)).await; // until the store has connected
    }
    assert_eq!(outages(&log.text()), 1, "{}", log.text());
    assert!(!log.text().contains("s3cret") && !log.text().contains(SINCE), "{}", log.text());
}
