//! Several instances over one store.

use std::sync::Arc;
use std::time::Duration;

use countersign_apikey::{ApiKeyStore, FileKeyStore, MemoryKeyStore, PostgresKeyStore};
use countersign_core::secret::Secret;
use countersign_test::TestIssuer;
use countersign_tests::peers::Postgres;

use crate::shop::{builder, created, got, later, layer, service, wanted};

/// A folder of its own for a file of keys.
pub fn folder(name: &str) -> std::path::PathBuf {
    let folder =
        std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("api-keys-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

/// Two instances: `one` makes the changes, and `two` has a store of its own over the same place.
async fn two_instances(one: impl ApiKeyStore, two: impl ApiKeyStore) {
    let issuer = TestIssuer::new();
    let (one, two) = (builder(one).build().expect("keys"), builder(two).build().expect("keys"));
    layer(&one, &issuer); // for its clock
    let first = created(&one).await;
    let service = service(&two, &issuer).await;
    assert_eq!(got(&service, first.text().expose()).await.status, 200);
    issuer.clock().advance(Duration::from_secs(1));
    let second = created(&one).await;
    assert_eq!(got(&service, second.text().expose()).await.status, 200, "a new key is good at once");

    one.revoke(first.key().id()).await.expect("revoked");
    later(issuer.clock());
    let refused = got(&service, first.text().expose()).await;
    assert_eq!((refused.status, refused.code().as_str()), (401, "token_invalid"), "within the bound");
    assert_eq!(got(&service, second.text().expose()).await.status, 200);

    one.remove(first.key().id()).await.expect("removed");
    later(issuer.clock());
    assert_eq!(got(&service, first.text().expose()).await.status, 401);
    assert_eq!(one.list().await.expect("listed").len(), 1);
}

#[tokio::test]
async fn s13_10_a_revoked_key_is_refused_by_every_instance_over_memory() {
    let store = Arc::new(MemoryKeyStore::new());
    two_instances(Arc::clone(&store), store).await;
}

#[tokio::test]
async fn s13_10_a_revoked_key_is_refused_by_every_instance_over_a_file() {
    let path = folder("instances").join("keys.json");
    two_instances(FileKeyStore::new(&path), FileKeyStore::new(&path)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_postgres), ignore = "needs PostgreSQL: tests/peers/install")]
async fn s13_10_a_revoked_key_is_refused_by_every_instance_over_postgres() {
    let server = Postgres::start();
    let connect = || PostgresKeyStore::connect(&Secret::from(server.settings())).expect("connected");
    two_instances(connect(), connect()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_postgres), ignore = "needs PostgreSQL: tests/peers/install")]
async fn keys_in_postgres_survive_its_crash_and_are_taken_again_after_it() {
    let mut server = Postgres::start();
    let issuer = TestIssuer::new();
    let store = PostgresKeyStore::connect(&Secret::from(server.settings())).expect("connected");
    let keys = builder(store).build().expect("keys");
    let service = service(&keys, &issuer).await;
    let key = created(&keys).await;
    server.kill();
    later(issuer.clock());
    assert_eq!(got(&service, key.text().expose()).await.status, 200, "of what was read last");
    assert_eq!(keys.create(wanted()).await.expect_err("gone").code(), "store_unavailable");
    issuer.clock().advance(Duration::from_secs(60));
    assert_eq!(got(&service, key.text().expose()).await.status, 503);
    server.start_again();
    issuer.clock().advance(Duration::from_secs(1));
    assert_eq!(got(&service, key.text().expose()).await.status, 200);
    assert_eq!(keys.list().await.expect("listed").len(), 1);
}
