//! The kernel of Countersign: a token in, a proof out.
//!
//! Read the modules in this order; it is the way of a token:
//!
//! 1. [`token`]: bytes become [`token::Unverified`], believed in nothing.
//! 2. [`policy`]: whom we trust, for which audience, under which rules.
//! 3. [`key`]: the key that the issuer's set has for it.
//! 4. [`verify`]: [`verify::Verifier`] puts them together; out comes [`verify::Verified`].
//! 5. [`claims`]: what the token says, in the user's own type.
//! 6. [`authz`]: whether that is enough, as a [`authz::Requirement`] judged over [`authz::Grants`].
//! 7. [`mint`]: making tokens (feature `sign`).
//!
//! The proof types follow each other and none can be made out of turn: `Unverified` → `Signed` → `Verified` → `Claims<C>`
//! (the last in the crate `countersign`). What skips a check does not compile:
//!
//! ```compile_fail
//! use countersign_core::verify::Verified;
//!
//! let forged: Verified = serde_json::from_str(r#"{"sub":"admin"}"#).unwrap(); // Verified cannot be deserialised
//! ```
//!
//! This crate opens no socket, reads no file, spawns no task and has no clock of its own. It does not fetch keys: the
//! crate `countersign` does.
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `sign` | yes | [`mint`]: signing keys and drafts of tokens |
//! | `config` | no | policies in TOML and in environment variables (JSON needs no feature) |
//! | `jsonwebtoken` | no | conversions from the key types of the `jsonwebtoken` crate |

mod algorithm;
pub mod authz;
mod cache;
pub mod claims;
pub mod clock;
mod counter;
mod digest;
pub mod error;
pub mod integration;
pub mod key;
#[cfg(feature = "sign")]
pub mod mint;
pub mod policy;
pub mod pseudonym;
mod redact;
pub mod secret;
pub mod token;
pub mod verify;
