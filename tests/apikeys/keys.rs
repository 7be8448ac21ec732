//! Keys themselves: their form, their life.

use std::time::Duration;

use countersign::clock::Clock;
use countersign_apikey::{ApiKeyStore, ApiKeys, MemoryKeyStore, NewApiKey, Pepper};
use countersign_core::secret::Secret;
use countersign_test::TestIssuer;
use std::sync::Arc;

use crate::shop::{AUTHORITY, builder, created, got, in_memory, pepper, service, wanted};

#[tokio::test]
async fn s13_09_the_stored_form_holds_no_secret_and_needs_the_pepper() {
    let store = Arc::new(MemoryKeyStore::new());
    let keys = builder(Arc::clone(&store)).build().expect("keys");
    let created = created(&keys).await;
    let text = created.text().expose();
    let stored = store.changes(0).await.expect("read").keys;
    let written = serde_json::to_string(&stored).expect("JSON");
    let secret = text.rsplit('_').next().expect("a secret");
    assert!(!written.contains(secret) && !written.contains(&secret[..20]), "{written}");
    let plain = countersign_core::integration::sha256(text);
    let plain: String = plain.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_ne!(stored[0].mac, plain, "S8.02");
    for shown in [format!("{created:?}"), format!("{keys:?}"), format!("{stored:?}"), format!("{:?}", pepper())] {
        assert!(!shown.contains(secret) && !shown.contains(&stored[0].mac), "{shown}");
    }

    let issuer = TestIssuer::new();
    let other = Pepper::new(&Secret::new(vec![8; 32])).expect("a pepper");
    let other = ApiKeys::builder(AUTHORITY, store, other).prefix("shop").build().expect("keys");
    let service = service(&other, &issuer).await;
    assert_eq!(got(&service, text).await.status, 401, "another pepper");
}

#[tokio::test]
async fn s13_09_a_wrong_checksum_or_form_is_refused_without_a_look_at_the_store() {
    let issuer = TestIssuer::new();
    let keys = builder(Unreadable).build().expect("keys");
    let service = service(&keys, &issuer).await;
    let (text, _) = real_key().await;
    let typo = format!("{}{}", &text[..text.len() - 1], if text.ends_with('a') { 'b' } else { 'a' });
    let secret = text.rsplit('_').next().expect("a secret").to_owned();
    for wrong in [
        typo.as_str(),
        "shop_",
        "shop_x",
        &text[..40],
        &format!("shop_{}", "a".repeat(4000)),
        &format!("shop__{secret}"),
    ] {
        let answer = got(&service, wrong).await;
        assert_eq!((answer.status, answer.code().as_str()), (401, "token_invalid"), "{wrong}");
    }
    assert_eq!(got(&service, &text).await.status, 503, "only a key of the right form reads the store");
}

#[tokio::test]
async fn s13_09_a_known_id_with_another_secret_is_refused() {
    let issuer = TestIssuer::new();
    let keys = in_memory();
    let service = service(&keys, &issuer).await;
    let good = created(&keys).await;
    assert_eq!(got(&service, good.text().expose()).await.status, 200);
    // The id of the good key before the secret of another one, with the right checksum.
    let other = builder(MemoryKeyStore::new()).build().expect("keys");
    let other = created(&other).await;
    let (id, secret) = (good.key().id(), other.text().expose().rsplit('_').next().expect("a secret").to_owned());
    let mixed = format!("shop_{id}_{}", &secret[..43]);
    let hash = countersign_core::integration::sha256(&mixed);
    let mut rest = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]);
    let digits = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut checksum = Vec::new();
    for _ in 0..6 {
        checksum.insert(0, char::from(digits[(rest % 62) as usize]));
        rest /= 62;
    }
    let mixed = format!("{mixed}{}", checksum.into_iter().collect::<String>());
    assert_eq!(got(&service, &mixed).await.status, 401);
    assert_eq!(got(&service, good.text().expose()).await.status, 200);
}

#[tokio::test]
async fn s13_10_a_client_has_several_keys_each_with_its_own_end_scopes_tenant_and_note() {
    let issuer = TestIssuer::new();
    let keys = in_memory();
    let service = service(&keys, &issuer).await;
    let day = Duration::from_secs(86_400);
    let brief = keys.create(wanted().expires_in(day).note("export").tenant("acme")).await.expect("a key");
    let other = keys.create(NewApiKey::new("reports", "orders").scopes(["other"])).await.expect("a key");
    let elsewhere = keys.create(NewApiKey::new("reports", "billing").scopes(["orders:read"])).await.expect("a key");
    let listed = keys.list().await.expect("listed");
    assert_eq!(listed.len(), 3);
    let shown = listed.iter().find(|key| key.id() == brief.key().id()).expect("listed");
    assert_eq!((shown.client(), shown.note(), shown.tenant()), ("reports", "export", Some("acme")));
    assert_eq!(shown.expires_at(), issuer.clock().now().saturating_add(day));
    assert_eq!(shown.scopes(), ["orders:read"]);

    assert_eq!(got(&service, brief.text().expose()).await.status, 200);
    assert_eq!(got(&service, other.text().expose()).await.status, 403, "without the scope");
    assert_eq!(got(&service, elsewhere.text().expose()).await.status, 401, "of another service");
    issuer.clock().advance(day - Duration::from_secs(1));
    assert_eq!(got(&service, brief.text().expose()).await.status, 200, "until its last second, without leeway");
    issuer.clock().advance(Duration::from_secs(1));
    let ended = got(&service, brief.text().expose()).await;
    assert_eq!((ended.status, ended.code().as_str()), (401, "token_expired"));
}

#[tokio::test]
async fn s13_10_a_rotated_key_overlaps_with_the_next_one_for_as_long_as_is_said() {
    let issuer = TestIssuer::new();
    let keys = in_memory();
    let service = service(&keys, &issuer).await;
    let old = created(&keys).await;
    let rotated = keys.rotate(old.key().id(), Duration::from_secs(3600)).await.expect("the next key");
    let (next, ending) = (rotated.created(), rotated.old_key().expect("the old key"));
    assert_eq!(
        (ending.id(), ending.expires_at()),
        (old.key().id(), issuer.clock().now().saturating_add(Duration::from_secs(3600)))
    );
    assert_eq!(next.key().scopes(), old.key().scopes());
    assert_ne!(next.key().id(), old.key().id());
    for key in [&old, next] {
        assert_eq!(got(&service, key.text().expose()).await.status, 200);
    }
    issuer.clock().advance(Duration::from_secs(3600));
    assert_eq!(got(&service, old.text().expose()).await.status, 401, "the overlap is over");
    assert_eq!(got(&service, next.text().expose()).await.status, 200);
    let again = keys.rotate(old.key().id(), Duration::ZERO).await.expect_err("it has ended");
    assert_eq!(again.code(), "ended");

    keys.revoke(next.key().id()).await.expect("revoked");
    assert_eq!(got(&service, next.text().expose()).await.status, 401);
    keys.remove(next.key().id()).await.expect("removed");
    assert_eq!(keys.get(next.key().id()).await.expect_err("gone").code(), "not_found");
}

#[tokio::test]
async fn s13_10_uses_are_recorded_to_the_minute() {
    let issuer = TestIssuer::new();
    let keys = in_memory();
    let service = service(&keys, &issuer).await;
    let key = created(&keys).await;
    assert_eq!(keys.get(key.key().id()).await.expect("listed").last_used_at(), None);
    for _ in 0..3 {
        assert_eq!(got(&service, key.text().expose()).await.status, 200);
    }
    keys.record_uses().await;
    let used_at = keys.get(key.key().id()).await.expect("listed").last_used_at().expect("used");
    let now = issuer.clock().now().as_secs();
    assert_eq!(used_at.as_secs(), now / 60 * 60);
}

#[tokio::test]
async fn faults_of_a_new_key_are_all_told_and_clients_have_a_bound() {
    let keys = in_memory();
    let faulty = NewApiKey::new(" ", "orders").scopes(["a b"]).tenant("Acme GmbH").expires_in(Duration::ZERO);
    let error = keys.create(faulty).await.expect_err("faulty");
    assert_eq!(error.code(), "invalid");
    for field in ["client", "scopes", "tenant", "expires_in"] {
        assert!(error.to_string().contains(field), "{error}");
    }
    for _ in 0..100 {
        created(&keys).await;
    }
    assert_eq!(keys.create(wanted()).await.expect_err("too many").code(), "too_many_keys");
    keys.create(NewApiKey::new("other", "orders")).await.expect("another client has room");
}

/// A key of the prefix that no store has.
async fn real_key() -> (String, String) {
    let created = created(&in_memory()).await;
    (created.text().expose().clone(), created.key().id().to_owned())
}

/// A store that is never readable.
#[derive(Debug)]
pub struct Unreadable;

impl ApiKeyStore for Unreadable {
    fn changes(&self, _: u64) -> countersign_apikey::StoreFuture<countersign_apikey::Changes> {
        Box::pin(async { Err(countersign_apikey::ApiKeyStoreError::new("unreadable")) })
    }

    fn put(&self, _: countersign_apikey::StoredKey) -> countersign_apikey::StoreFuture<bool> {
        Box::pin(async { Err(countersign_apikey::ApiKeyStoreError::new("unreadable")) })
    }

    fn remove(&self, _: String, _: u64) -> countersign_apikey::StoreFuture<bool> {
        Box::pin(async { Err(countersign_apikey::ApiKeyStoreError::new("unreadable")) })
    }

    fn record_uses(&self, _: Vec<(String, countersign::clock::UnixTime)>) -> countersign_apikey::StoreFuture<()> {
        Box::pin(async { Err(countersign_apikey::ApiKeyStoreError::new("unreadable")) })
    }
}
