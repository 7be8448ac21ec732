//! Tokens that are bound to a key of their sender: proofs of possession (DPoP, RFC 9449).
//!
//! A bearer token works for everybody who gets hold of it. A token with `cnf` is bound to a key: its sender signs a proof for each
//! request, and the layer checks it. Without a setting here, a layer refuses bound tokens.
//!
//! ```
//! use axum::{Router, routing::post};
//! use countersign::authz::proof_of_possession;
//! use countersign::error::ConfigError;
//! use countersign::prelude::*;
//! use countersign::proof::Dpop;
//!
//! fn app(verifier: Verifier) -> Result<Router, ConfigError> {
//!     let layer = AuthenticateLayer::builder(verifier).dpop(Dpop::at("https://api.example.com")).build()?;
//!     Ok(Router::new()
//!         .route("/payments", post(|| async { "paid" }).layer(require(proof_of_possession())))
//!         .layer(layer))
//! }
//! # let _ = app;
//! ```

mod check;
mod dpop;
#[cfg(feature = "axum")]
mod forwarded;
mod mark;
mod memory;
mod mutual_tls;
#[cfg(feature = "axum")]
mod peer;
#[cfg(feature = "axum")]
mod read_certificate;
mod replay;
pub(crate) mod replay_counts;
mod replay_stats;
mod used_names;

pub(crate) use check::{ProofChecker, ReadProof};
pub use countersign_core::proof::{
    ExternalUrl, Nonces, PeerCertificate, ProofError, ProofErrorKind, VerifiedCertificate,
};
pub use dpop::Dpop;
pub(crate) use mark::CheckedProof;
pub use memory::MemoryReplays;
pub use mutual_tls::MutualTls;
#[cfg(feature = "axum")]
pub use peer::TlsPeer;
#[cfg(feature = "axum")]
pub use read_certificate::{ReadCertificate, ReadCertificateFuture, ReadCertificateLayer};
pub use replay::{ProofUse, ReplayFuture, ReplayOutcome, ReplayQuery, ReplayStore};
pub use replay_stats::ReplayStats;
