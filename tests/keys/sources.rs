//! Keys from files, and several sources in order of preference.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use countersign::health::Health;
use countersign::key::{KeyHealth, KeySource};
use countersign::keys::{FailoverKeys, FileKeys, RemoteKeys};
use countersign::policy::NeedsAudience;
use countersign::verify::Verifier;
use countersign_test::TestIssuer;

use crate::server::{answer, ok};
use crate::world::{World, policy, until};

pub fn file(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("keys-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for the test");
    folder.join(name)
}

fn verifier(issuer: &TestIssuer, keys: Arc<dyn KeySource>) -> Verifier {
    let trusted = NeedsAudience::new(issuer.name(), keys).audience("orders");
    Verifier::builder().trust(trusted).clock(Arc::new(issuer.clock().clone())).build().expect("a good policy")
}

#[tokio::test]
async fn s4_30_a_file_is_read_again_and_a_broken_one_changes_nothing() {
    let world = World::honest().await; // for its clock
    let issuer = &world.issuer;
    let path = file("set.json");
    std::fs::write(&path, issuer.jwks()).expect("written");
    let keys = Arc::new(FileKeys::new(&path));
    let verifier = verifier(issuer, keys.clone());
    let old = world.token();
    assert!(verifier.verify(&old).await.is_ok());

    let whole = issuer.jwks();
    std::fs::write(&path, &whole[..whole.len() / 2]).expect("written");
    world.advance(Duration::from_secs(12)).await;
    until("the fault is reported", || matches!(keys.describe().health, KeyHealth::Degraded { .. })).await;
    assert!(verifier.verify(&old).await.is_ok(), "the last good keys");

    issuer.rotate();
    issuer.withdraw_old_keys();
    let mut set: serde_json::Value = serde_json::from_str(&issuer.jwks()).expect("JSON");
    let oct = serde_json::json!({"kty": "oct", "kid": "k9", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"});
    set["keys"].as_array_mut().expect("an array").push(oct);
    std::fs::write(&path, set.to_string()).expect("written");
    world.advance(Duration::from_secs(2)).await;
    assert!(verifier.verify(&world.token()).await.is_ok(), "the new key");
    world.advance(Duration::from_secs(1)).await;
    assert_eq!(verifier.verify(&old).await.expect_err("removed").code(), "unknown_key");
    assert_eq!(keys.cell().current().expect("cached").len(), 1, "the symmetric key is skipped");

    std::fs::remove_file(&path).expect("removed");
    let missing = FileKeys::new(file("missing.json"));
    let verifier = self::verifier(issuer, Arc::new(missing));
    assert!(verifier.verify(&old).await.expect_err("no file").is_unavailable());
}

/// A mounted secret changes by a link that is put in place of another, with the files behind it.
#[cfg(unix)]
#[tokio::test]
async fn s4_30_a_mounted_secret_is_followed_through_its_links() {
    let world = World::honest().await; // for its clock
    let issuer = &world.issuer;
    let mount = file("mount");
    let _ = std::fs::remove_dir_all(&mount);
    let publish = |version: &str| {
        std::fs::create_dir_all(mount.join(version)).expect("a folder");
        std::fs::write(mount.join(version).join("keys.json"), issuer.jwks()).expect("written");
        std::os::unix::fs::symlink(version, mount.join("..new")).expect("linked");
        std::fs::rename(mount.join("..new"), mount.join("..data")).expect("swapped");
    };
    publish("..1");
    std::os::unix::fs::symlink("..data/keys.json", mount.join("keys.json")).expect("linked");
    let keys = Arc::new(FileKeys::new(mount.join("keys.json")));
    let verifier = verifier(issuer, keys.clone());
    let old = world.token();
    assert!(verifier.verify(&old).await.is_ok());

    issuer.rotate();
    issuer.withdraw_old_keys();
    publish("..2");
    std::fs::remove_dir_all(mount.join("..1")).expect("removed");
    world.advance(Duration::from_secs(2)).await;
    assert!(verifier.verify(&world.token()).await.is_ok(), "a token with the new key has the file read at once");
    world.advance(Duration::from_secs(1)).await;
    assert_eq!(verifier.verify(&old).await.expect_err("removed").code(), "unknown_key");

    issuer.rotate();
    let before = keys.cell().current();
    publish("..3");
    world.advance(Duration::from_secs(10)).await;
    let changed = || keys.cell().current().map(|set| set.len()) != before.as_ref().map(|set| set.len());
    until("it was seen without any token", changed).await;
    assert_eq!(keys.describe().health, KeyHealth::Ready);
}

#[tokio::test]
async fn the_next_source_is_used_if_the_preferred_one_is_unavailable() {
    let world = World::honest().await;
    let issuer = world.issuer.clone();
    world.server.now(move |_, path| if path == "/second" { ok(issuer.jwks()) } else { answer(503, &[], "") });
    let source = |path: &str| {
        let keys = RemoteKeys::from_url(format!("{}{path}", world.server.url)).refresh_policy(policy());
        Arc::new(keys) as Arc<dyn KeySource>
    };
    let keys = Arc::new(FailoverKeys::new([source("/first"), source("/second")]));
    let verifier = verifier(&world.issuer, keys.clone());
    let token = world.token();
    assert!(!Health::new(&verifier).is_ready());
    assert!(verifier.verify(&token).await.is_ok(), "by the second source");
    assert!(matches!(keys.describe().health, KeyHealth::Degraded { .. }), "and the health reports it");
    let missing = verifier.verify(&world.with_unknown_key(0)).await.expect_err("it may be new at the first");
    assert_eq!(missing.code(), "keys_unavailable");

    // The first source returns without the old key, which is then unknown, even for cached tokens.
    world.issuer.rotate();
    world.issuer.withdraw_old_keys();
    world.recover();
    world.advance(Duration::from_secs(61)).await;
    until("the first is back", || keys.describe().health == KeyHealth::Ready).await;
    assert!(verifier.verify(&world.token()).await.is_ok());
    world.advance(Duration::from_secs(11)).await;
    assert_eq!(verifier.verify(&token).await.expect_err("withdrawn").code(), "unknown_key");

    let none = NeedsAudience::new("https://id.example", Arc::new(FailoverKeys::new([]))).audience("orders");
    assert!(Verifier::new(none).is_err());
}

#[tokio::test]
async fn one_source_under_two_clocks_is_a_configuration_error() {
    let (one, other) = (countersign_test::TestIssuer::new(), countersign_test::TestIssuer::new());
    let keys = Arc::new(RemoteKeys::from_url("https://id.example/jwks"));
    let built = |clock: &countersign_test::ManualClock| {
        let trusted = NeedsAudience::new("https://id.example", keys.clone()).audience("orders");
        Verifier::builder().trust(trusted).clock(Arc::new(clock.clone())).build()
    };
    assert!(built(one.clock()).is_ok());
    assert!(built(one.clock()).is_ok(), "the same clock again");
    let error = built(other.clock()).expect_err("another clock");
    assert_eq!(error.faults()[0].field, "clock");
}

#[cfg(unix)]
#[tokio::test]
async fn s4_30_a_path_to_a_pipe_a_device_or_a_folder_is_refused_without_waiting() {
    let issuer = TestIssuer::new();
    let token = issuer.token().audience("orders").sign();
    let pipe = file("keys.pipe");
    let _ = std::fs::remove_file(&pipe);
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    let link = file("link-to-pipe");
    let _ = std::fs::remove_file(&link);
    std::os::unix::fs::symlink(&pipe, &link).expect("a link");
    for path in [pipe, link, "/dev/zero".into(), std::env::temp_dir()] {
        let keys = Arc::new(FileKeys::new(&path));
        let began = std::time::Instant::now();
        let verified = verifier(&issuer, keys.clone()).verify(&token).await;
        assert!(verified.is_err_and(|error| error.is_unavailable()), "{}", path.display());
        assert!(began.elapsed() < Duration::from_millis(900), "{} was waited for", path.display());
        let KeyHealth::NotReady { reason } = keys.describe().health else { panic!("{}", path.display()) };
        assert!(reason.contains("no regular file"), "{reason}");
    }
}
