//! `countersign bundle publish`, run as a binary, with a Redis server.

use countersign_tests::ports::free_port;
use countersign_tests::redis::RedisServer;
use countersign_tests::sentinel::{PRIMARY, Sentinel, SentinelSettings};
use serde_json::Value;

use crate::run::{Output, TempFile, assert_form, countersign, countersign_with, file, new_path};

const POLICY: &str = "[[issuers]]\nissuer = \"https://id.example.com\"\naudience = \"orders\"\n";
const FLEET: &str = "shop-production";

/// A key that signs, and the file of its public part.
fn keys() -> (TempFile, TempFile) {
    let key = new_path("bundle-key");
    let pins = countersign(&["bundle", "keygen", "--out", key.path()], "");
    (key, file("pins", &pins.stdout))
}

fn sign(key: &TempFile, policy: &str, more: &[&str]) -> TempFile {
    let out = new_path("bundle");
    let mut arguments = vec!["bundle", "sign", "-", "--key", key.path(), "--fleet", FLEET, "--out", out.path()];
    arguments.extend_from_slice(more);
    let signed = countersign(&arguments, policy);
    assert_eq!(signed.code, 0, "{}", signed.stderr);
    out
}

fn publish(bundle: &TempFile, pins: &TempFile, url: &str, more: &[&str]) -> Output {
    let mut arguments = vec!["bundle", "publish", bundle.path(), "--keys", pins.path(), "--fleet", FLEET];
    arguments.extend_from_slice(&["--redis-env", "TEST_REDIS"]);
    arguments.extend_from_slice(more);
    countersign_with(&arguments, "", &[("TEST_REDIS", url)])
}

#[test]
#[cfg_attr(not(has_redis), ignore = "needs Redis: tests/peers/install")]
fn s14_01_s14_02_a_bundle_is_verified_and_replaces_an_earlier_one_only() {
    let (key, pins) = keys();
    let mut server = RedisServer::start();
    let put = |bundle: &TempFile, more: &[&str]| publish(bundle, &pins, &server.url(), more);
    let (first, second) = (sign(&key, POLICY, &["--revision", "1"]), sign(&key, POLICY, &["--revision", "2"]));
    let shadow = sign(&key, POLICY, &["--revision", "3", "--shadow"]);
    for (bundle, is_new, more) in [
        (&first, true, &["--json"][..]),
        (&second, true, &["--json"]),
        (&second, false, &["--json"]),
        (&shadow, true, &["--json", "--shadow"]),
    ] {
        let output = put(bundle, more);
        assert_form("bundle_publish", &output.json());
        assert_eq!((output.code, &output.json()["is_new"]), (0, &Value::from(is_new)), "{}", output.stdout);
    }
    assert_eq!(put(&second, &[]).stdout, "published before: revision 2 for shop-production\n");

    let foreign = sign(&keys().0, POLICY, &["--revision", "9"]);
    let unsigned = file("policy", POLICY);
    for (code, bundle, more) in [
        ("bundle_older_revision", &first, &["--json"][..]),
        ("bundle_unknown_key", &foreign, &["--json"]),
        ("bundle_malformed", &unsigned, &["--json"]),
        ("bundle_wrong_type", &shadow, &["--json"]),
        ("bundle_wrong_type", &second, &["--json", "--shadow"]),
    ] {
        let output = put(bundle, more);
        assert_form("bundle_publish", &output.json());
        assert_eq!((output.code, &output.json()["code"]), (1, &Value::from(code)), "{}", output.stdout);
    }
    // Under another prefix nothing was published yet.
    assert_eq!(put(&first, &["--redis-prefix", "shop:"]).stdout, "published: revision 1 for shop-production\n");

    let url = format!("{}?pass=s3cret", server.url());
    server.kill();
    let away = publish(&second, &pins, &url, &["--json"]);
    assert_form("bundle_publish", &away.json());
    assert_eq!((away.code, &away.json()["code"]), (3, &Value::from("redis_unavailable")));
    assert!(!format!("{}{}", away.stdout, away.stderr).contains("s3cret"), "{} {}", away.stdout, away.stderr);
    assert_eq!(publish(&second, &pins, "not a URL s3cret", &[]).code, 2);
}

#[test]
#[cfg_attr(not(has_redis), ignore = "needs Redis: tests/peers/install")]
fn s14_02_sentinels_name_the_server() {
    let (key, pins) = keys();
    let bundle = sign(&key, POLICY, &["--revision", "1"]);
    let port = free_port();
    let server = RedisServer::with(&["--port", &port.to_string()]);
    let sentinel = Sentinel::start(&SentinelSettings { primary: port, quorum: 1, ..SentinelSettings::default() });
    let arguments = ["bundle", "publish", bundle.path(), "--keys", pins.path(), "--fleet", FLEET, "--redis-env"];
    let sentinels = format!("redis://127.0.0.1:{} {}", free_port(), sentinel.url());
    let variables = [("TEST_REDIS", &*format!("redis://{PRIMARY}")), ("TEST_SENTINELS", &sentinels)];
    let more = ["TEST_REDIS", "--redis-sentinels-env", "TEST_SENTINELS"];
    let output = countersign_with(&[&arguments[..], &more].concat(), "", &variables);
    assert_eq!((output.code, &*output.stdout), (0, "published: revision 1 for shop-production\n"), "{}", output.stderr);
    assert_eq!(server.run(&["DBSIZE"]).trim(), "2");
}
