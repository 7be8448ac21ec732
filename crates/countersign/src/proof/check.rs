//! The checks of a request's proof.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::clock::UnixTime;
use countersign_core::key::Thumbprint;
use countersign_core::proof::{
    DpopProof, ExternalUrl, Nonces, ProofError, ProofErrorKind as Kind, ProofKeys, ProofRequest, ProofRules, only_proof,
};
use countersign_core::verify::Verified;
use http::{HeaderName, HeaderValue, Request, Uri};

use super::replay::{ProofUse, ReplayOutcome, ReplayQuery, ReplayStore};
use crate::rt;

/// The header of proofs.
const DPOP: HeaderName = HeaderName::from_static("dpop");

/// Checks proofs by the settings of a layer.
#[derive(Debug)]
pub(crate) struct ProofChecker {
    pub(super) external_urls: Vec<ExternalUrl>,
    pub(super) rules: ProofRules,
    pub(super) keys: ProofKeys,
    pub(super) nonces: Option<Nonces>,
    pub(super) replays: Arc<dyn ReplayStore>,
    pub(super) timeout: Duration,
}

/// A proof that fits the request; whether it fits the token was not checked.
pub(crate) struct ReadProof(Box<DpopProof>);

impl ReadProof {
    /// The thumbprint of the key with which the proof claims to be signed.
    pub(crate) fn thumbprint(&self) -> Thumbprint {
        self.0.thumbprint()
    }

    /// The proof, if it was made for this token, which may be a verified one.
    pub(crate) fn for_token(self, token: &str, verified: Option<&Verified>) -> Result<Box<DpopProof>, ProofError> {
        match verified {
            Some(verified) => self.0.check_verified_token(verified, token)?,
            None => self.0.check_token(token)?,
        }
        Ok(self.0)
    }
}

impl ProofChecker {
    /// The algorithms for challenges (RFC 9449 §7.1).
    pub(crate) fn algorithms(&self) -> String {
        let names: Vec<&str> = self.rules.allowed().iter().map(|algorithm| algorithm.name()).collect();
        names.join(" ")
    }

    /// The store of used proofs.
    pub(crate) fn replays(&self) -> &Arc<dyn ReplayStore> {
        &self.replays
    }

    /// Reads the proof of a request, and checks what needs neither the token nor the signature.
    pub(crate) fn read<B>(
        &self,
        request: &Request<B>,
        requested: Option<&Uri>,
        now: UnixTime,
    ) -> Result<ReadProof, ProofError> {
        let text = only_proof(request.headers().get_all(DPOP).iter().map(HeaderValue::as_bytes))?;
        let target = ProofRequest {
            method: request.method().as_str(),
            external_urls: &self.external_urls,
            path: requested.map(Uri::path).unwrap_or_default(),
        };
        let proof = DpopProof::read(text, &self.rules, &self.keys, target, now)?;
        Ok(ReadProof(Box::new(proof)))
    }

    /// Checks the signature and the nonce. The key of the proof is that of the token.
    pub(crate) fn check(&self, proof: &mut DpopProof, now: UnixTime) -> Result<(), ProofError> {
        proof.check_fresh(now)?;
        proof.check_signature()?;
        self.nonces.as_ref().map_or(Ok(()), |nonces| nonces.check(proof, now))
    }

    /// Records the use of a proof that passed all checks.
    pub(crate) fn record(&self, proof: &DpopProof, token: &Arc<Verified>, now: UnixTime) -> ReplayQuery {
        match self.replays.insert(&ProofUse::new(proof, token, now)) {
            ReplayQuery::Pending(outcome) => {
                let timeout = self.timeout;
                ReplayQuery::Pending(Box::pin(async move {
                    rt::within(timeout, outcome).await.unwrap_or(ReplayOutcome::Unknown)
                }))
            }
            known => known,
        }
    }

    /// The decision about a proof whose use was recorded with this outcome.
    pub(crate) fn decide(outcome: ReplayOutcome) -> Result<(), ProofError> {
        match outcome {
            ReplayOutcome::New => Ok(()),
            ReplayOutcome::Used => Err(ProofError::new(Kind::Replayed, "the proof was used before")),
            ReplayOutcome::Forgotten => {
                let detail = "the proof is older than what the replay store remembers, so it may have been used before";
                Err(ProofError::new(Kind::Replayed, detail))
            }
            ReplayOutcome::ShareUsedUp => {
                let detail = "the share of this client or subject in the replay store is used up";
                Err(ProofError::new(Kind::ShareUsedUp, detail))
            }
            ReplayOutcome::Unknown => {
                let detail = "the replay store is full or cannot be reached, or the wall clock was set back";
                Err(ProofError::new(Kind::Undecided, detail))
            }
        }
    }

    /// Remembers the key of a proof that was accepted.
    pub(crate) fn remember(&self, proof: &DpopProof) {
        proof.remember(&self.keys);
    }

    /// The nonce for the next proof, if this service demands nonces.
    pub(crate) fn nonce(&self, now: UnixTime) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.nonces.as_ref()?.current(now)).ok()
    }

    /// The nonce for the next proof, if that of this one is no longer the current one.
    pub(crate) fn next_nonce(&self, proof: &DpopProof, now: UnixTime) -> Option<HeaderValue> {
        let is_current = |nonces: &Nonces| proof.nonce().is_some_and(|nonce| nonces.is_current(nonce, now));
        self.nonces.as_ref().filter(|nonces| !is_current(nonces)).and_then(|_| self.nonce(now))
    }
}
