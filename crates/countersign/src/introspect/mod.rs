//! Opaque tokens, by asking the authorization server that issued them (RFC 7662, RFC 9701).
//!
//! [`Introspection`] goes into the [builder](crate::authenticate::AuthenticateLayerBuilder::introspection) of a layer. Signed
//! tokens are verified here as before, and are never sent to the endpoint unless the settings say so. All other credentials of
//! a possible form are asked about. The claims in the answer pass the rules of the issuer's policy like those of a signed token,
//! so that guards, extractors, revocation and logs treat the callers alike;
//! [`Verified::token_kind`](countersign_core::verify::Verified::token_kind) tells the kind.
//!
//! An answer is used for at most a minute, and not beyond `exp`. A revoked token is therefore refused within a minute, or
//! within [`Introspection::max_age`]. If the endpoint cannot be asked, callers with a current answer are served, and others
//! get 503 with `Retry-After`.
//!
//! | bound | default |
//! |---|---|
//! | age of an answer `active: true` | 60 s, and `exp` |
//! | age of any other answer | 10 s |
//! | requests to the endpoint at the same time | 64, half of them for tokens that were never good |
//! | wait of a request for its answer | 5 s |
//! | size of an answer | 64 KiB |
//!
//! ```
//! use countersign::error::ConfigError;
//! use countersign::introspect::Introspection;
//! use countersign::prelude::*;
//! use countersign::secret::Secret;
//!
//! fn layer() -> Result<AuthenticateLayer, ConfigError> {
//!     let verifier = Verifier::new(oidc("https://id.example.com").audience("orders"))?;
//!     let introspection = Introspection::at_issuer("https://id.example.com")
//!         .client("orders", Secret::from_file("/run/secrets/orders-client"));
//!     AuthenticateLayer::builder(verifier).introspection(introspection).build()
//! }
//! # let _ = layer;
//! ```

mod asking;
mod config;
mod introspector;
mod question;
mod reading;
mod settings;
mod token_form;

pub use introspector::IntrospectionStats;
pub(crate) use introspector::{Asked, Introspector};
pub(crate) use question::Answered;
pub use settings::Introspection;
