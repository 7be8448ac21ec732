//! The next step for a request, and what a request that waits goes on with.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use countersign_core::integration::{Possession, VerificationSpan};
use countersign_core::key::{RefreshOutcome, Thumbprint};
use countersign_core::proof::DpopProof;
use countersign_core::verify::Verified;
use http::Response;

use super::authenticated::Authenticated;
use super::caller_token::CallerToken;
use super::opaque::Answered;
use super::preflight::PreflightFuture;
use crate::proof::ReplayOutcome;
use crate::revocation::RevocationStatus;

/// The next step for a request that is not refused.
pub(super) enum Admission {
    /// Calls the inner service, with this record in the extensions of the request.
    Forward(Authenticated),
    /// Answers with a document of the layer itself.
    Respond(Response<Bytes>),
    /// Answers a CORS preflight with the layer that the service gave for it.
    AnswerPreflight(PreflightFuture),
    /// Waits, and goes on with [`Authenticator::resume`](super::authenticator::Authenticator::resume).
    Await(Wait),
}

/// The future of what a request waits for. It is allocated, as the request is: only few requests wait.
pub(super) type Wait = Pin<Box<dyn Future<Output = Resumption> + Send>>;

/// The end of a wait, with the token that waited.
pub(super) enum Resumption {
    /// The key source has answered.
    Keys(RefreshOutcome, SuspendedToken),
    /// The store of used proofs has answered.
    Replay(ReplayOutcome, ProvenToken),
    /// The introspection endpoint has answered.
    Answer(Answered, AskedToken),
    /// The key source of transaction tokens has answered.
    Transaction(RefreshOutcome, SuspendedTransaction),
    /// The revocation check has answered.
    Revocation(RevocationStatus, VerifiedCaller),
}

/// A token that waits for keys.
pub(super) struct SuspendedToken {
    pub(super) token: String,
    pub(super) span: VerificationSpan,
    /// The caller that a layer before this one verified.
    pub(super) before: Option<Arc<Verified>>,
    pub(super) sender: Sender,
}

/// The proof and the certificate of a request's sender.
pub(super) struct Sender {
    pub(super) proof: Option<Box<DpopProof>>,
    /// On the heap, as the proof is: requests that have none are copied faster.
    pub(super) certificate: Option<Box<Thumbprint>>,
}

/// A verified token whose proof passed all checks but that of its use.
pub(super) struct ProvenToken {
    pub(super) verified: Arc<Verified>,
    pub(super) token: Option<String>,
    pub(super) proof: Box<DpopProof>,
}

/// A token that waits for the answer of an introspection endpoint.
pub(super) struct AskedToken {
    /// Only if it is kept, or not in the `Authorization` header.
    pub(super) token: Option<String>,
    /// The caller of a signed token, which was verified here.
    pub(super) signed: Option<Arc<Verified>>,
    pub(super) sender: Sender,
}

/// A verified caller, with the token if the layer keeps it.
pub(super) struct VerifiedCaller {
    pub(super) verified: Arc<Verified>,
    pub(super) token: Option<CallerToken>,
}

/// A verified caller whose transaction token waits for keys. The token is read from the request again.
pub(super) struct SuspendedTransaction {
    pub(super) caller: VerifiedCaller,
    pub(super) span: VerificationSpan,
}

impl Sender {
    /// The certificate, and the key that the sender claims to possess: the proof is checked after the token.
    pub(super) fn possession(&self) -> Possession {
        possession(self.proof.as_ref().map(|proof| proof.thumbprint()), self.certificate.as_deref())
    }
}

/// The key and the certificate that the sender claims to possess.
pub(super) fn possession(key: Option<Thumbprint>, certificate: Option<&Thumbprint>) -> Possession {
    let certificate = certificate.map(|certificate| Possession::default().with_certificate(*certificate));
    let possession = certificate.unwrap_or_default();
    match key {
        Some(key) => possession.with_key(key),
        None => possession,
    }
}
