//! The contract of a store, which each one meets.

use std::sync::Arc;

use countersign::clock::UnixTime;
use countersign_apikey::{ApiKeyStore, FileKeyStore, MemoryKeyStore, PostgresKeyStore, StoredKey};
use countersign_core::secret::Secret;
use countersign_tests::peers::Postgres;
use serde_json::json;

use crate::instances::folder;

fn key(id: &str, version: u64, note: &str) -> StoredKey {
    let key = json!({
        "id": id, "version": version, "mac": "ab".repeat(32), "client": "reports", "audiences": ["orders"],
        "note": note, "created_at": 1, "expires_at": 2,
    });
    serde_json::from_value(key).expect("a key")
}

async fn ids(store: &impl ApiKeyStore, after: u64) -> Vec<String> {
    let mut ids: Vec<_> = store.changes(after).await.expect("read").keys.into_iter().map(|key| key.id).collect();
    ids.sort();
    ids
}

async fn meets_the_contract(store: impl ApiKeyStore) {
    let store = Arc::new(store);
    store.prepare().await.expect("prepared");
    assert!(store.put(key("a", 1, "")).await.expect("written"));
    assert!(!store.put(key("a", 1, "again")).await.expect("written"), "the id is taken");
    assert!(!store.put(key("b", 2, "")).await.expect("written"), "there is no first version");
    let first = store.changes(0).await.expect("read");
    assert!(first.is_complete && first.revision > 0);
    assert_eq!(first.keys, [key("a", 1, "")]);

    assert!(store.put(key("b", 1, "")).await.expect("written"));
    let second = store.changes(first.revision).await.expect("read");
    assert!(second.revision > first.revision);
    assert!(second.keys.contains(&key("b", 1, "")));
    let none = store.changes(second.revision).await.expect("read");
    assert_eq!((none.revision, none.keys.len(), none.removed.len()), (second.revision, 0, 0));
    assert!(!none.is_complete, "nothing changed");

    assert!(store.put(key("a", 2, "later")).await.expect("written"));
    assert!(!store.put(key("a", 2, "late")).await.expect("written"), "of two changes, one counts");
    let used = |at| vec![("a".to_owned(), UnixTime::from_secs(at)), ("none".to_owned(), UnixTime::from_secs(at))];
    for at in [60, 120, 60] {
        store.record_uses(used(at)).await.expect("recorded");
    }
    assert!(store.put(key("a", 3, "again")).await.expect("written"));
    let a = store.changes(0).await.expect("read").keys.into_iter().find(|key| key.id == "a").expect("there");
    assert_eq!((a.version, a.note.as_str(), a.last_used_at), (3, "again", Some(120)));

    assert!(!store.remove("a".into(), 2).await.expect("removed"), "another version");
    let before = store.changes(0).await.expect("read").revision;
    assert!(store.remove("a".into(), 3).await.expect("removed"));
    let after = store.changes(before).await.expect("read");
    assert!(after.removed.contains(&"a".to_owned()) || after.is_complete && after.keys.iter().all(|key| key.id != "a"));
    assert_eq!(ids(&store, 0).await, ["b"]);
    assert_eq!(ids(&store, u64::MAX / 4).await, ["b"], "a revision that the store never had");

    let writers = (0..20).map(|number| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.put(key(&format!("w{number:02}"), 1, "")).await.expect("written") })
    });
    for writer in writers.collect::<Vec<_>>() {
        assert!(writer.await.expect("an end"));
    }
    let racers = (0..10).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.put(key("b", 2, "race")).await.expect("written") })
    });
    let mut won = 0;
    for racer in racers.collect::<Vec<_>>() {
        won += usize::from(racer.await.expect("an end"));
    }
    assert_eq!(won, 1);
    assert_eq!(ids(&store, 0).await.len(), 21);
}

#[tokio::test]
async fn memory_meets_the_contract() {
    meets_the_contract(MemoryKeyStore::new()).await;
}

#[tokio::test]
async fn a_file_meets_the_contract() {
    meets_the_contract(FileKeyStore::new(folder("contract").join("keys.json"))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_postgres), ignore = "needs PostgreSQL: tests/peers/install")]
async fn postgres_meets_the_contract() {
    let server = Postgres::start();
    meets_the_contract(PostgresKeyStore::connect(&Secret::from(server.settings())).expect("connected")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_postgres), ignore = "needs PostgreSQL: tests/peers/install")]
async fn a_reader_of_postgres_misses_no_change_of_writers_at_the_same_time() {
    let server = Postgres::start();
    let connect = || PostgresKeyStore::connect(&Secret::from(server.settings())).expect("connected");
    let writers = (0..4).map(|writer| {
        let store = connect();
        tokio::spawn(async move {
            for number in 0..50 {
                assert!(store.put(key(&format!("{writer}-{number}"), 1, "")).await.expect("written"));
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    let store = connect();
    let (mut revision, mut seen) = (0, std::collections::HashSet::new());
    loop {
        let is_over = writers.iter().all(tokio::task::JoinHandle::is_finished);
        let changes = store.changes(revision).await.expect("read");
        revision = changes.revision;
        seen.extend(changes.keys.into_iter().map(|key| key.id));
        if is_over {
            break;
        }
    }
    for writer in writers {
        writer.await.expect("an end");
    }
    assert_eq!(seen.len(), 200, "by changes only");
}

#[tokio::test]
async fn a_file_is_never_half_written_private_and_not_taken_if_it_is_something_else() {
    let folder = folder("file");
    let path = folder.join("keys.json");
    let store = FileKeyStore::new(&path);
    let missing = store.changes(0).await.expect_err("there is no file").to_string();
    assert!(missing.contains("there is no file of API keys") && missing.contains("keys.json"), "{missing}");
    assert!(store.put(key("a", 1, "")).await.is_err(), "a change is no reason to create it");
    store.prepare().await.expect("prepared");
    assert!(store.put(key("a", 1, "")).await.expect("written"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    }
    let before = store.changes(0).await.expect("read").revision;
    std::fs::write(&path, r#"{"revision":1,"keys":[{"id":"a","secret":"hunter2"}]}"#).expect("written");
    let other = store.changes(0).await.expect_err("another form").to_string();
    assert!(other.contains("is not a file of API keys: see line 1") && !other.contains("hunter2"), "{other}");
    assert!(store.put(key("b", 1, "")).await.is_err(), "it is not overwritten either");

    std::fs::remove_file(&path).expect("removed");
    assert!(store.changes(before).await.is_err(), "a file that is gone is no file without keys");
    store.prepare().await.expect("prepared");
    assert!(store.put(key("b", 1, "")).await.expect("written"));
    assert_eq!(ids(&store, before).await, ["b"], "another file is read as a whole");
    std::fs::remove_dir_all(&folder).expect("removed");
}
