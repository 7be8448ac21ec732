//! A small token service to embed: client credentials, token exchange, JWKS, discovery and key rotation.
//!
//! For services that need tokens for each other and have no identity provider yet, for development and for tests. **It is
//! not a login server**: users log in elsewhere. An application that has authenticated a user may mint a token for them
//! ([`Issuer::mint`]).
//!
//! ```
//! use countersign_issuer::{Audience, Client, Issuer, SecretHash};
//!
//! let (shown_once, stored) = SecretHash::generate()?;
//! let issuer = Issuer::builder("http://127.0.0.1:4000")
//!     .add_audience(Audience::new("billing").scopes(["invoices:read", "invoices:write"]))
//!     .add_client(Client::new("orders").secret(stored).audiences(["billing"]).scopes(["invoices:read"]))
//!     .build()?;
//! let app: axum::Router = issuer.router(); // serve it, or merge it into your own router
//! # let _ = (shown_once, app);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The modules, from the lowest to the highest:
//!
//! 1. `oauth/`: the wire forms of OAuth 2.0: form bodies, client credentials, error responses.
//! 2. `policy/`: [`Audience`] has the scopes of a service, [`ExchangeRule`], [`Federation`] and [`IdentityProvider`] extend who
//!    may request a token. Nothing is allowed that is not named.
//! 3. `store/`: keys, revocations and upgraded secrets in memory, in one file ([`FileStore`], feature `file`, on by
//!    default), or in PostgreSQL for several instances (`PostgresStore`, feature `postgres`).
//! 4. `proof/`: proofs of possession (DPoP), and what tokens are bound to.
//! 5. `rotation/`: signing keys, each pending, then active, then retiring.
//!    `status/`: an index of a status list for each token, and the lists that services fetch ([`StatusListSettings`]).
//! 6. `client/`: [`Client`], its authentication, and its secrets as Argon2id hashes ([`SecretHash`]).
//! 7. `service/`: [`Issuer`], the rules for its own tokens, federation and revocation.
//! 8. `grant/` and `mint/`: the token that a grant allows, and its signature.
//! 9. `endpoint/`: HTTP; `endpoint/token.rs` shows the path of a token request.
//! 10. `builder/` and `config/`: settings in Rust and in TOML.
//!
//! Access tokens follow RFC 9068. There are no refresh tokens: a client requests a new access token. A client that sends a DPoP
//! proof (RFC 9449) gets a token that is bound to its key, and [`Client::certificate_bound_access_tokens`] binds tokens to the
//! certificate of the client (RFC 8705).
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `file` | yes | [`FileStore`]: state in one crash-safe file |
//! | `postgres` | no | `PostgresStore`: state in PostgreSQL, for several instances |
//! | `config` | no | [`IssuerConfig`] from TOML |
//! | `txn` | no | [`TrustDomain`]: transaction tokens (draft-ietf-oauth-transaction-tokens-10) |
//! | `metrics` | no | [`IssuerMetrics`]: numbers for the recorder of the crate `metrics` |
//! | `otel` | no | [`IssuerMetrics`]: numbers for OpenTelemetry's meter provider |

#![cfg_attr(docsrs, feature(doc_cfg))]
// Links to items of features that are off lead nowhere; with all features they are checked.
#![cfg_attr(
    not(all(feature = "file", feature = "postgres", feature = "config", feature = "txn", feature = "metrics")),
    allow(rustdoc::broken_intra_doc_links)
)]

mod audit;
mod builder;
mod client;
mod config;
mod counts;
mod endpoint;
mod file;
mod grant;
mod jti;
#[cfg(any(feature = "metrics", feature = "otel"))]
mod metrics;
mod mint;
mod oauth;
mod policy;
mod proof;
mod rotation;
mod service;
mod status;
mod store;
mod throttle;

pub use builder::IssuerBuilder;
pub use client::{CertificateName, Client, ClientSecret, SecretHash};
pub use config::{
    AudienceConfig, ClientConfig, ExchangeConfig, FederationConfig, IdentityProviderConfig, IssuerConfig,
    PublishedListsConfig, StoreConfig,
};
#[cfg(feature = "txn")]
pub use config::{SubjectIssuerConfig, TransactionConfig, TrustDomainConfig};
#[cfg(any(feature = "metrics", feature = "otel"))]
pub use metrics::{IssuerMetrics, STORE_TIME_BUCKETS};
pub use mint::{MintError, MintedToken};
pub use policy::{Audience, ExchangeRule, Federation, Grant, IdentityProvider};
#[cfg(feature = "txn")]
pub use policy::{TransactionRule, TrustDomain};
pub use rotation::{KeyState, PublishedKey, RotationError};
pub use service::{Issuer, ReceivedRevocations, RevocationError};
pub use status::StatusListSettings;
#[cfg(feature = "file")]
pub use store::FileStore;
#[cfg(feature = "postgres")]
pub use store::PostgresStore;
pub use store::{
    FoundNotices, IdList, Insertion, MemoryStore, NoticePage, StatusStore, Store, StoreError, StoreErrorKind, StoreKey,
    StoredKeys, StoredNotice,
};
