//! A small, correct token service to embed: client credentials, token exchange, JWKS, discovery, key rotation.
//!
//! For services that need tokens for each other and have no identity provider yet, for laptops and for tests. **It is no
//! login server**: people log in elsewhere, and an application that has logged somebody in may have a token minted for
//! them ([`Issuer::mint`]).
//!
//! ```
//! use countersign_issuer::{Audience, Client, Issuer, SecretHash};
//!
//! let (shown_once, stored) = SecretHash::generate()?;
//! let issuer = Issuer::builder("http://127.0.0.1:4000")
//!     .audience(Audience::new("billing").scopes(["invoices:read", "invoices:write"]))
//!     .client(Client::new("orders").secret(stored).audiences(["billing"]).scopes(["invoices:read"]))
//!     .build()?;
//! let app: axum::Router = issuer.router(); // serve it, alone or merged into your own at the top
//! # let _ = (shown_once, app);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Read on in this order:
//!
//! 1. `policy/`: [`Audience`] says what a target takes, [`Client`] what a client may ask, [`ExchangeRule`] who may act for
//!    whom. Nothing is allowed that is not named.
//! 2. `endpoint/`: requests become typed values; `endpoint/token.rs` is the way of a token request on one screen.
//! 3. `client/`: who is asking. Secrets are kept as Argon2id ([`SecretHash`]).
//! 4. `grant/`: what each grant gives.
//! 5. `rotation/`: keys, each pending, then active, then retiring, then gone.
//! 6. `store/`: where keys, revocations and upgraded secrets are kept: in memory, in one file ([`FileStore`], feature `file`,
//!    on by default), or in PostgreSQL for several instances (`PostgresStore`, feature `postgres`).
//!
//! Access tokens follow RFC 9068. There are no refresh tokens: a service asks again.

mod audit;
mod builder;
mod client;
mod config;
mod endpoint;
mod grant;
mod jti;
mod mint;
mod policy;
mod rotation;
mod server;
mod state;
mod store;
mod throttle;

pub use builder::IssuerBuilder;
pub use client::{Client, ClientSecret, SecretHash};
pub use config::{AudienceConfig, ClientConfig, ExchangeConfig, FederationConfig, IssuerConfig, StoreConfig};
pub use grant::Grant;
pub use mint::{MintError, MintedToken};
pub use policy::{Audience, ExchangeRule, Federation};
pub use rotation::{KeyState, PublishedKey, RotationError};
pub use server::{Issuer, RevocationError};
#[cfg(feature = "file")]
pub use store::FileStore;
#[cfg(feature = "postgres")]
pub use store::PostgresStore;
pub use store::{List, MemoryStore, Remembered, Store, StoreError, StoreKey, StoredKeys};
