//! The test kit of Countersign: tests sign real tokens with real keys, and no check is skipped.
//!
//! Production code cannot be configured to skip a check, so tests sign real tokens instead. Add this crate only to
//! `[dev-dependencies]`.
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
//! | item | purpose |
//! |---|---|
//! | [`TestIssuer`] | an issuer in memory: keys, tokens, rotation |
//! | [`TokenDraft`] | the draft of one token |
//! | [`TokenDraft::on`] | a token on a request, in one call |
//! | [`TestKey`] | the key of a client: tokens bound to it ([`TokenDraft::bound_to`]), and its proofs (DPoP) |
//! | [`TestProof`] | the draft of one proof, with wrong members on demand |
//! | [`Answer`] | assertions on statuses, problem bodies and challenges |
//! | [`MockService`] | a called service that records the requests and their tokens |
//! | [`Attack`] | all known attacks, to run against your own service in one loop |
//! | [`ProofAttack`] | all known attacks on requests with bound tokens |
//! | [`IntrospectionAttack`] | hostile answers about opaque tokens ([`Provider::hostile_opaque`]) |
//! | [`TransactionAttack`] | all known attacks with transaction tokens ([`TestIssuer::transaction_token`]) |
//! | [`ManualClock`] | a clock that the test moves |
//! | [`Provider`] | discovery, JWKS and opaque tokens on loopback, with faults on demand |
//!
//! The `kid` of every key of this kit begins with [`KEY_ID_PREFIX`]. A verifier built with
//! [`deny_danger`](countersign_core::verify::VerifierBuilder::deny_danger), as in release builds, refuses such keys.

#![allow(clippy::expect_used, clippy::panic, reason = "a test kit reports misuse by failing the test")]

mod answer;
mod clock;
mod draft;
mod hostile;
mod identity;
mod issuer;
mod mock_service;
mod opaque;
mod proof;
mod provider;
mod request;
mod ring;
mod server;

pub use answer::Answer;
pub use clock::ManualClock;
pub use draft::TokenDraft;
pub use hostile::{Attack, HostileRequest, HostileTransaction, IntrospectionAttack, ProofAttack, TransactionAttack};
pub use issuer::TestIssuer;
pub use mock_service::{MockService, RecordedRequest};
pub use proof::{TestKey, TestProof};
pub use provider::Provider;
pub use request::BearerAuth;
pub use ring::KEY_ID_PREFIX;
