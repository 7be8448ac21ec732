//! API keys for services that authenticate with `countersign`.
//!
//! A key is the credential of a program that cannot fetch tokens. [`ApiKeys`] makes, lists, rotates and revokes keys, and checks
//! them in the layer of a service. Guards, extractors and logs treat their callers as those of tokens.
//!
//! ```text
//! shop_3k0ch5tqd4v8x2mb_<43 characters: the secret><6: a checksum>
//! ```
//!
//! A service holds all keys in memory, as HMAC-SHA-256 under a [`Pepper`], so a request asks no store and a stolen store is of
//! no use. It reads the store again at most every 5 s. A revoked key is refused within that time, in every instance. If the store
//! cannot be read, keys are accepted for up to 60 s more, and then get 503.
//!
//! ```
//! use countersign::prelude::*;
//! use countersign_apikey::{ApiKeys, FileKeyStore, NewApiKey, Pepper};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let pepper = Pepper::from_file("/run/secrets/api-key-pepper")?;
//! let keys = ApiKeys::builder("https://shop.example.com/api-keys", FileKeyStore::new("/var/lib/shop/api-keys.json"), pepper)
//!     .prefix("shop")
//!     .build()?;
//! let created = keys.create(NewApiKey::new("reports", "orders").scopes(["orders:read"])).await?;
//! println!("{}", created.text().expose()); // shown once, to the client
//!
//! let verifier = Verifier::new(keys.issuer("orders"))?;
//! let layer = AuthenticateLayer::builder(verifier).api_keys(keys).build()?;
//! # let _ = layer;
//! # Ok(())
//! # }
//! ```
//!
//! | bound | value |
//! |---|---|
//! | keys of a store | 100,000 |
//! | valid keys of a client | 100 |
//! | reads of the store | one at a time; one a second at most for keys that are not known |
//! | requests that wait for a read | 1,024 |
//! | precision of the latest use | a minute |

mod check;
mod error;
mod form;
mod key;
mod keys;
mod pepper;
mod ring;
#[cfg(feature = "axum")]
mod router;
mod store;

pub use error::{ApiKeyError, ApiKeyErrorKind};
pub use key::{ApiKey, CreatedApiKey, NewApiKey, RotatedApiKey};
pub use keys::{ApiKeys, ApiKeysBuilder};
pub use pepper::Pepper;
#[cfg(feature = "axum")]
pub use router::router;
#[cfg(feature = "postgres")]
pub use store::PostgresKeyStore;
pub use store::{ApiKeyStore, ApiKeyStoreError, Changes, FileKeyStore, MemoryKeyStore, StoreFuture, StoredKey};
