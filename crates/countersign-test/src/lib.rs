//! The test kit of Countersign: real keys, real signatures, no back door.
//!
//! Production code has no test constructor and no switch that skips a check, so that a test signs real tokens instead.
//! Put this crate into `[dev-dependencies]`, never elsewhere.
//!
//! ```
//! use countersign_test::TestIssuer;
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let issuer = TestIssuer::new();
//! let verifier = issuer.verifier_for("orders");
//!
//! let token = issuer.token().subject("ann").audience("orders").scope("orders:read").sign();
//! assert_eq!(verifier.verify(&token).await.unwrap().subject(), "ann");
//!
//! let token = issuer.token().subject("ann").audience("orders").expired().sign();
//! assert_eq!(verifier.verify(&token).await.unwrap_err().code(), "expired");
//! # });
//! ```
//!
//! | module item | for |
//! |---|---|
//! | [`TestIssuer`] | keys in memory, tokens that read as sentences, rotation |
//! | [`TokenDraft`] | one token to be |
//! | [`TokenDraft::on`] | a caller on a request, in one call |
//! | [`Answer`] | assertions on statuses, problem bodies and challenges |
//! | [`MockService`] | a service that is called, and records which token came with which call |
//! | [`Attack`] | every known way to forge a token, to run against your own service in one loop |
//! | [`ManualClock`] | time that moves when the test says so |
//! | [`Provider`] | discovery and JWKS on loopback, with faults on demand |
//!
//! Every key of this kit has a `kid` that begins with [`KEY_ID_PREFIX`]. A verifier built with
//! [`deny_danger`](countersign_core::verify::VerifierBuilder::deny_danger), as releases should be, takes no such key.

#![allow(clippy::expect_used, clippy::panic, reason = "a test kit tells a misuse by failing the test")]

mod answer;
mod clock;
mod draft;
mod hostile;
mod identity;
mod issuer;
mod mock_service;
mod provider;
mod request;
mod ring;

pub use answer::Answer;
pub use clock::ManualClock;
pub use draft::TokenDraft;
pub use hostile::Attack;
pub use issuer::TestIssuer;
pub use mock_service::{MockService, RecordedRequest};
pub use provider::Provider;
pub use request::BearerAuth;
pub use ring::KEY_ID_PREFIX;
