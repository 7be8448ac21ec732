//! Valkey in place of Redis.

use std::process::Command;

use countersign_tests::parts::Part;
use countersign_tests::peers;
use countersign_tests::redis::OTHER_SERVER;

/// Runs the tests of this program that need a server once more, with the server of Valkey. Left out are those of Sentinel, which
/// is the one of Redis, and those of TLS, which the package's build lacks.
#[test]
#[cfg_attr(not(all(has_redis, has_valkey)), ignore = "needs Redis and Valkey: tests/peers/install")]
fn s6_11_s6_12_s6_14_s11_11_valkey_serves_as_redis_does() {
    let server = Part::Valkey.find(&peers::folder()).expect("Valkey is missing; run tests/peers/install");
    let version = Command::new(&server).arg("--version").output().expect("it runs");
    assert!(String::from_utf8_lossy(&version.stdout).starts_with("Valkey server v="), "{version:?}");
    let mut tests = Command::new(std::env::current_exe().expect("this program"));
    tests
        .args(["--skip", "valkey", "--skip", "in_memory", "--skip", "_tls_", "--skip", "sentinel"])
        .env(OTHER_SERVER, server);
    let output = tests.output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let passed =
        text.lines().rev().find_map(|line| line.strip_prefix("test result: ok. ")?.split(' ').next()?.parse().ok());
    assert!(passed.is_some_and(|passed: u32| passed > 20), "{text}");
}
