//! Secret hashes of older systems, upgraded to Argon2id at their first use.

use std::sync::Arc;

use countersign_core::clock::UnixTime;
use countersign_core::secret::Secret;
use countersign_issuer::{
    Audience, Client, IdList, Insertion, IssuerBuilder, MemoryStore, SecretHash, Store, StoreError, StoredKeys,
};

use crate::service::Service;

const CC: (&str, &str) = ("grant_type", "client_credentials");

fn with(store: &Arc<dyn Store>, stored: &str) -> impl FnOnce(IssuerBuilder) -> IssuerBuilder {
    let (store, stored) = (Arc::clone(store), SecretHash::parse(stored).expect("a hash"));
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
    let upgrades = Arc::new(SecretsOf(Arc::clone(&store)));
    let upgrades: Arc<dyn Store> = upgrades;
    let service = Service::with(with(&upgrades, &stored)).await;
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

    let restarted = Service::with(with(&upgrades, &stored)).await;
    assert_eq!((ask(&restarted, secret).await, ask(&restarted, "another-secret-of-them").await), (200, 401));
    assert_eq!(store.secret_hashes(), Ok(stored_hashes), "the stored hash was read");

    let replaced = SecretHash::new(&Secret::from("a-new-secret-of-theirs")).expect("hashed").to_string();
    let replaced = Service::with(with(&upgrades, &replaced)).await;
    let answers = (ask(&replaced, secret).await, ask(&replaced, "a-new-secret-of-theirs").await);
    assert_eq!(answers, (401, 200), "a newly configured hash replaces the old one, upgraded or not");
}

/// The upgraded hashes of a store, with keys and ids of its own.
#[derive(Debug)]
struct SecretsOf(Arc<dyn Store>);

impl Store for SecretsOf {
    fn keys(&self) -> Result<Option<StoredKeys>, StoreError> {
        Ok(None)
    }

    fn replace_keys(&self, _: u64, _: &[u8]) -> Result<bool, StoreError> {
        Ok(true)
    }

    fn insert_id(
        &self,
        list: IdList,
        client: &str,
        digest: &[u8; 32],
        expires_at: UnixTime,
        expired_before: UnixTime,
    ) -> Result<Insertion, StoreError> {
        self.0.insert_id(list, client, digest, expires_at, expired_before)
    }

    fn contains_id(&self, list: IdList, digest: &[u8; 32]) -> Result<bool, StoreError> {
        self.0.contains_id(list, digest)
    }

    fn secret_hashes(&self) -> Result<Vec<(String, String)>, StoreError> {
        self.0.secret_hashes()
    }

    fn put_secret_hash(&self, client_id: &str, hash: &str) -> Result<(), StoreError> {
        self.0.put_secret_hash(client_id, hash)
    }
}
