//! The kernel of Countersign: verifies tokens, and represents each proof as a type.
//!
//! The modules, in the order in which a token passes them:
//!
//! 1. [`token`]: parses bytes into [`token::Unverified`], of which nothing is trusted.
//! 2. [`policy`]: the trusted issuers, their audiences and their rules.
//! 3. [`key`]: the keys of each issuer.
//! 4. [`verify`]: the [`verify::Verifier`] checks a token and returns [`verify::Verified`].
//! 5. [`claims`]: the claims as the application's own type.
//! 6. [`authz`]: a [`authz::Requirement`] is evaluated against [`authz::Grants`].
//! 7. [`mint`]: signs tokens (feature `sign`).
//! 8. [`inspect`]: takes tokens apart without trusting them, for tools.
//!
//! The proof types follow each other, and none can be made without the one before: `Unverified` → `Signed` → `Verified` → `Claims<C>`
//! (the last in the crate `countersign`). Code that skips a check does not compile:
//!
//! ```compile_fail
//! use countersign_core::verify::Verified;
//!
//! let forged: Verified = serde_json::from_str(r#"{"sub":"admin"}"#).unwrap(); // Verified cannot be deserialised
//! ```
//!
//! This crate opens no socket, reads no file and spawns no task. The crate `countersign` fetches keys.
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `sign` | yes | [`mint`]: signing keys and drafts of tokens |
//! | `config` | no | policies in TOML and in environment variables (JSON needs no feature) |
//! | `bundle` | no | [`bundle`]: signed policies for many services |
//! | `status-list` | no | [`status`]: token status lists (draft-ietf-oauth-status-list-21) |
//! | `jsonwebtoken` | no | conversions from the key types of the `jsonwebtoken` crate |

#![cfg_attr(docsrs, feature(doc_cfg))]
// Links to items of features that are off lead nowhere; with all features they are checked.
#![cfg_attr(
    not(all(
        feature = "sign",
        feature = "config",
        feature = "bundle",
        feature = "status-list",
        feature = "jsonwebtoken"
    )),
    allow(rustdoc::broken_intra_doc_links)
)]

mod algorithm;
pub mod authz;
mod budget;
#[cfg(feature = "bundle")]
pub mod bundle;
mod cache;
pub mod claims;
pub mod clock;
mod counter;
mod digest;
pub mod error;
pub mod fips;
pub mod inspect;
pub mod integration;
pub mod key;
#[cfg(any(feature = "metrics", feature = "otel"))]
mod metrics;
#[cfg(feature = "sign")]
pub mod mint;
pub mod policy;
pub mod proof;
pub mod pseudonym;
mod redact;
pub mod revocation;
pub mod secret;
#[cfg(feature = "status-list")]
pub mod status;
pub mod token;
pub mod verify;
