//! Secret hashes of older systems, upgraded to Argon2id at their first use.

use std::sync::Arc;

use countersign_core::clock::UnixTime;
use countersign_core::secret::Secret;
use countersign_issuer::{
    Audience, Client, IdList, Insertion, IssuerBuilder, MemoryStore, SecretHash, Store, StoreError, StoredKeys,
};

use crate::service::Service;

const CC: (&str, &str) = ("grant_type", "client_credentials");

fn with(shared: &Arc<dyn Store>, stored: &str) -> impl FnOnce(IssuerBuilder) -> IssuerBuilder {
    let store = Arc::new(SecretsOf { shared: Arc::clone(shared), own: MemoryStore::new() });
    let stored = SecretHash::parse(stored).expect("a hash");
    move |builder| {
        let client = Client::new("old").secret(stored).audiences(["billing"]);
        builder.store(store).add_audience(Audience::new("billing")).add_client(client)
    }
}

async fn ask(service: &Service, secret: &str) -> u16 {
    service.ask_with("old", secret, &[CC]).await.status.as_u16()
}

#[tokio::test]
async fn s8_01_s8_03_a_bcrypt_hash_is_upgraded_at_its_first_use_and_stored() {
    let secret = "quaint-heron-lifts-49";
    let stored = bcrypt::hash(secret, 10).expect("hashed");
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    // Each service has its own name and keys; they share only the secret hashes.
    let service = Service::with(with(&store, &stored)).await;
    assert_eq!(ask(&service, "another-secret-of-them").await, 401);
    assert_eq!(store.secret_hashes(), Ok(Vec::new()), "a wrong secret upgrades nothing");
    assert_eq!(ask(&service, secret).await, 200);
    let stored_hashes = store.secret_hashes().expect("memory");
    assert!(
        stored_hashes.len() == 1 && stored_hashes[0].1.contains(" $argon2id$v=19$m=19456,t=2,p=1$"),
        "{stored_hashes:?}"
    );
    assert_eq!((ask(&service, secret).await, ask(&service, "another-secret-of-them").await), (200, 401));
    assert_eq!(store.secret_hashes(), Ok(stored_hashes.clone()), "it is upgraded once");

    let restarted = Service::with(with(&store, &stored)).await;
    assert_eq!((ask(&restarted, secret).await, ask(&restarted, "another-secret-of-them").await), (200, 401));
    assert_eq!(store.secret_hashes(), Ok(stored_hashes), "the stored hash was read");

    let replaced = SecretHash::new(&Secret::from("a-new-secret-of-theirs")).expect("hashed").to_string();
    let replaced = Service::with(with(&store, &replaced)).await;
    let answers = (ask(&replaced, secret).await, ask(&replaced, "a-new-secret-of-theirs").await);
    assert_eq!(answers, (401, 200), "a newly configured hash replaces the old one, upgraded or not");
}

/// The upgraded hashes of a store, with keys and ids of its own.
#[derive(Debug)]
struct SecretsOf {
    shared: Arc<dyn Store>,
    own: MemoryStore,
}

impl Store for SecretsOf {
    fn keys(&self) -> Result<Option<StoredKeys>, StoreError> {
        self.own.keys()
    }

    fn replace_keys(&self, expected_version: u64, keys: &[u8]) -> Result<bool, StoreError> {
        self.own.replace_keys(expected_version, keys)
    }

    fn insert_id(
        &self,
        list: IdList,
        client: &str,
        digest: &[u8; 32],
        expires_at: UnixTime,
        expired_before: UnixTime,
    ) -> Result<Insertion, StoreError> {
        self.own.insert_id(list, client, digest, expires_at, expired_before)
    }

    fn contains_id(&self, list: IdList, digest: &[u8; 32], expires_at: UnixTime) -> Result<bool, StoreError> {
        self.own.contains_id(list, digest, expires_at)
    }

    fn secret_hashes(&self) -> Result<Vec<(String, String)>, StoreError> {
        self.shared.secret_hashes()
    }

    fn put_secret_hash(&self, client_id: &str, hash: &str) -> Result<(), StoreError> {
        self.shared.put_secret_hash(client_id, hash)
    }
}
