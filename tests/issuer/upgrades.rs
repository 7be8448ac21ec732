//! Secrets of older systems: taken as they are, and kept as Argon2id from their first use on.

use std::sync::Arc;

use countersign_core::secret::Secret;
use countersign_issuer::{Audience, Client, IssuerBuilder, MemoryStore, SecretHash, Store};

use crate::service::Service;

const CC: (&str, &str) = ("grant_type", "client_credentials");

fn with(store: &Arc<dyn Store>, stored: &str) -> impl FnOnce(IssuerBuilder) -> IssuerBuilder {
    let (store, stored) = (Arc::clone(store), SecretHash::parse(stored).expect("a hash"));
    move |builder| {
        let client = Client::new("old").secret(stored).audiences(["billing"]);
        builder.store(store).audience(Audience::new("billing")).client(client)
    }
}

async fn ask(service: &Service, secret: &str) -> u16 {
    service.ask_with("old", secret, &[CC]).await.status.as_u16()
}

#[tokio::test]
async fn s8_01_s8_03_a_bcrypt_hash_is_upgraded_at_its_first_use_and_the_upgrade_is_kept() {
    let secret = "quaint-heron-lifts-49";
    let stored = bcrypt::hash(secret, 10).expect("hashed");
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    // Each service has a name, and so keys, of its own; here only the secrets are shared.
    let upgrades = Arc::new(SecretsOf(Arc::clone(&store)));
    let upgrades: Arc<dyn Store> = upgrades;
    let service = Service::with(with(&upgrades, &stored)).await;
    assert_eq!(ask(&service, "another-secret-of-them").await, 401);
    assert_eq!(store.secrets(), Ok(Vec::new()), "a wrong secret upgrades nothing");
    assert_eq!(ask(&service, secret).await, 200);
    let kept = store.secrets().expect("memory");
    assert!(kept.len() == 1 && kept[0].1.contains(" $argon2id$v=19$m=19456,t=2,p=1$"), "{kept:?}");
    assert_eq!((ask(&service, secret).await, ask(&service, "another-secret-of-them").await), (200, 401));
    assert_eq!(store.secrets(), Ok(kept.clone()), "once is enough");

    let restarted = Service::with(with(&upgrades, &stored)).await;
    assert_eq!((ask(&restarted, secret).await, ask(&restarted, "another-secret-of-them").await), (200, 401));
    assert_eq!(store.secrets(), Ok(kept), "the kept one was read");

    let replaced = SecretHash::of(&Secret::from("a-new-secret-of-theirs")).expect("hashed").to_string();
    let replaced = Service::with(with(&upgrades, &replaced)).await;
    let answers = (ask(&replaced, secret).await, ask(&replaced, "a-new-secret-of-theirs").await);
    assert_eq!(answers, (401, 200), "a new line in the configuration ends the old secret, upgraded or not");
}

/// The upgraded secrets of a store; keys and names of one's own.
#[derive(Debug)]
struct SecretsOf(Arc<dyn Store>);

impl Store for SecretsOf {
    fn keys(&self) -> Result<Option<countersign_issuer::StoredKeys>, countersign_issuer::StoreError> {
        Ok(None)
    }

    fn replace_keys(&self, _: u64, _: &[u8]) -> Result<bool, countersign_issuer::StoreError> {
        Ok(true)
    }

    fn remember(
        &self,
        list: countersign_issuer::List,
        name: &[u8; 32],
        ends: countersign_core::clock::UnixTime,
        now: countersign_core::clock::UnixTime,
    ) -> Result<countersign_issuer::Remembered, countersign_issuer::StoreError> {
        self.0.remember(list, name, ends, now)
    }

    fn remembers(
        &self,
        list: countersign_issuer::List,
        name: &[u8; 32],
    ) -> Result<bool, countersign_issuer::StoreError> {
        self.0.remembers(list, name)
    }

    fn secrets(&self) -> Result<Vec<(String, String)>, countersign_issuer::StoreError> {
        self.0.secrets()
    }

    fn put_secret(&self, client: &str, stored: &str) -> Result<(), countersign_issuer::StoreError> {
        self.0.put_secret(client, stored)
    }
}
