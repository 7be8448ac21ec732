//! State of Countersign that several instances share, in Redis or Valkey.
//!
//! [`RedisReplays`] remembers used proofs (DPoP, RFC 9449), so that a copied proof counts once for all instances behind one
//! address:
//!
//! ```no_run
//! use std::sync::Arc;
//! use countersign::error::ConfigError;
//! use countersign::prelude::*;
//! use countersign::proof::Dpop;
//! use countersign::secret::Secret;
//! use countersign_redis::{RedisReplays, RedisSettings};
//!
//! # async fn layer(verifier: Verifier) -> Result<AuthenticateLayer, ConfigError> {
//! let settings = RedisSettings::new(Secret::from_env("REDIS_URL")?); // rediss://orders:password@redis.internal:6379
//! let replays = RedisReplays::connect(settings).await?;
//! let dpop = Dpop::at("https://api.example.com").replay_store(Arc::new(replays));
//! AuthenticateLayer::builder(verifier).dpop(dpop).build()
//! # }
//! # let _ = layer;
//! ```
//!
//! [`RevocationStream`] tells revocations to all instances of all services within a second or two.
//!
//! `RedisBundles` (feature `bundle`) hands out the signed policy of a fleet, and hints as soon as there is another one.
//!
//! The modules, from the lowest to the highest:
//!
//! 1. `settings/`: [`RedisSettings`]: address, credential, TLS and time limits.
//! 2. `link/`: the connection, which is replaced when it breaks, and the log of outages.
//! 3. `replays/`: [`RedisReplays`] and its script, `insert.lua`.
//! 4. `revocations/`: [`RevocationStream`], its publisher and its followers; `append.lua` adds to it.
//! 5. `bundles/`: `RedisBundles`, its reads, its hints, and `replace.lua`, which publishes.
//!
//! Every wait has a limit, and nothing that the server does lets a request in: without a clear answer it gets 503.
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `bundle` | no | `RedisBundles`: signed policies for many services, from one key |
//! | `cluster` | no | `RedisSettings::cluster`: a cluster, over which the proofs are spread |

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "bundle")]
mod bundles;
mod link;
mod replays;
mod revocations;
mod settings;

#[cfg(feature = "bundle")]
pub use bundles::{BundlePublishError, BundlePublishErrorKind, RedisBundles};
pub use replays::RedisReplays;
pub use revocations::{RevocationFollower, RevocationPublisher, RevocationStream};
pub use settings::RedisSettings;
