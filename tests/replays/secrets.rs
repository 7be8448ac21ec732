//! Users with few permissions, TLS, and outputs without credentials: S10.01.

use std::sync::Arc;

use countersign_redis::{RedisReplays, RedisSettings};
use countersign_tests::ports::free_port;
use countersign_tests::redis::RedisServer;

use crate::tls::TlsFiles;
use crate::world::{SINCE, World, assert_accepted, assert_refused, assert_unavailable};

/// The commands that the documentation of `RedisReplays` lists.
pub const COMMANDS: [&str; 9] = ["+eval", "+evalsha", "+info", "+time", "+get", "+set", "+exists", "+incr", "+expire"];

const PASSWORD: &str = "s3cret-of-redis";

/// The URL of this server's socket for the user `orders` with this password.
fn url(server: &RedisServer, password: &str) -> String {
    format!("{}?user=orders&pass={password}", server.url())
}

fn set_user(server: &RedisServer, commands: &[&str]) {
    let password = format!(">{PASSWORD}");
    let mut rule =
        vec!["ACL", "SETUSER", "orders", "reset", "on", &password, "~countersign:*", "resetchannels", "-@all"];
    rule.extend(commands);
    assert_eq!(server.run(&rule).trim(), "OK");
}

#[tokio::test]
#[cfg_attr(not(has_redis), ignore = "needs Redis: tests/peers/install")]
async fn s6_14_the_documented_permissions_are_enough_and_each_is_needed() {
    let text = include_str!("../../crates/countersign-redis/src/replays/redis_replays.rs");
    assert!(text.contains(&format!("~countersign:* resetchannels -@all {}", COMMANDS.join(" "))));
    let server = RedisServer::start();
    let world = World::new();
    for missing in [None].into_iter().chain(COMMANDS.iter().map(Some)) {
        server.run(&["FLUSHALL"]);
        server.run(&["SCRIPT", "FLUSH"]);
        server.remember_since_long_ago(SINCE);
        let commands: Vec<&str> = COMMANDS.iter().filter(|name| Some(*name) != missing).copied().collect();
        set_user(&server, &commands);
        let Ok(store) = RedisReplays::connect(RedisSettings::new(url(&server, PASSWORD))).await else {
            assert!(missing.is_some(), "the documented permissions are not enough");
            continue;
        };
        let instance = world.instance(Arc::new(store));
        let client = world.client("web", "u1");
        let proof = client.proof(world.now());
        match missing {
            None => {
                assert_accepted(&instance.send_of(&client, &proof).await);
                assert_refused(&instance.send_of(&client, &proof).await);
            }
            Some(_) => assert_unavailable(&instance.send_of(&client, &proof).await),
        }
    }
    set_user(&server, &COMMANDS);
    let other = RedisSettings::new(url(&server, PASSWORD)).prefix("other:");
    let error = RedisReplays::connect(other).await.expect_err("not its keys");
    assert!(error.to_string().contains("may not run a command or use a key"), "{error}");
}

#[tokio::test]
#[cfg_attr(not(has_redis), ignore = "needs Redis: tests/peers/install")]
async fn s10_01_a_wrong_password_is_reported_and_no_output_has_it() {
    let server = RedisServer::start();
    set_user(&server, &COMMANDS);
    let settings = RedisSettings::new(url(&server, "wr0ng-password"));
    let error = RedisReplays::connect(settings.clone()).await.expect_err("a wrong password");
    assert!(error.to_string().contains("user or password is wrong"), "{error}");
    let background = RedisReplays::connect_in_background(settings.clone()).expect("sound settings");
    let good = RedisReplays::connect(RedisSettings::new(url(&server, PASSWORD))).await.expect("a store");
    for text in [error.to_string(), format!("{error:?} {settings:?} {background:?} {good:?}")] {
        assert!(!text.contains("wr0ng") && !text.contains(PASSWORD) && !text.contains("redis.sock"), "{text}");
    }
}

#[tokio::test]
#[cfg_attr(not(has_redis), ignore = "needs Redis: tests/peers/install")]
async fn s6_14_tls_needs_a_trusted_server_and_the_certificate_that_it_asks_for() {
    let (files, foreign) = (TlsFiles::new("server"), TlsFiles::new("foreign"));
    let port = free_port();
    let server = RedisServer::with(&files.arguments(port));
    let settings = || RedisSettings::new(format!("rediss://localhost:{port}")).only_added_roots();
    let with_certificate = |settings: RedisSettings| files.with_certificate(settings);
    let trusting = with_certificate(settings().add_roots_file(files.path("ca.pem")));

    let store = RedisReplays::connect(trusting).await.expect("a store");
    server.remember_since_long_ago(SINCE);
    let world = World::new();
    let instance = world.instance(Arc::new(store));
    let client = world.client("web", "u1");
    let proof = client.proof(world.now());
    assert_accepted(&instance.send_of(&client, &proof).await);
    assert_refused(&instance.send_of(&client, &proof).await);

    for (settings, problem) in [
        (with_certificate(settings().add_roots_file(foreign.path("ca.pem"))), "certificate is not trusted"),
        (with_certificate(settings()), "no authority is trusted"),
        (with_certificate(settings().add_roots_file(files.path("none.pem"))), "cannot be read as PEM"),
        (settings().add_roots(files.authority.clone()), "refused the TLS handshake"),
        (
            settings().add_roots(files.authority.clone()).certificate("x", "y".into()),
            "client certificate cannot be read",
        ),
        (RedisSettings::new(format!("redis://localhost:{port}")), "closed the connection"),
    ] {
        let error = RedisReplays::connect(settings).await.expect_err(problem);
        assert!(error.to_string().contains(problem), "{problem}: {error}");
    }
}

#[tokio::test]
#[cfg_attr(not(has_redis), ignore = "needs Redis: tests/peers/install")]
async fn s6_14_settings_that_record_nothing_are_refused_by_the_layer() {
    use countersign::proof::Dpop;

    let server = RedisServer::start();
    let world = World::new();
    let zero = std::time::Duration::ZERO;
    let long = std::time::Duration::from_secs(31);
    let connect = || async { RedisReplays::connect(RedisSettings::new(server.url())).await.expect("a store") };
    for (store, field) in [
        (connect().await.max_proofs(0), "max_proofs"),
        (connect().await.clock_difference(zero), "clock_difference"),
        (connect().await.clock_difference(long), "clock_difference"),
    ] {
        let dpop = Dpop::at("https://api.test").replay_store(Arc::new(store));
        let layer = countersign::authenticate::AuthenticateLayer::builder(world.issuer.verifier_for("api")).dpop(dpop);
        let error = layer.build().expect_err(field);
        assert_eq!(error.faults()[0].field, field);
    }
}
