//! The checks of the proof of a token request.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use countersign_core::clock::Clock;
use countersign_core::key::Algorithm;
use countersign_core::proof::{
    DpopProof, ExternalUrl, Nonces, ProofError, ProofErrorKind as Kind, ProofKeys, ProofRequest, ProofRules, only_proof,
};

use crate::store::{AsyncStore, IdList, Insertion};

/// The header of proofs.
pub(crate) const DPOP: HeaderName = HeaderName::from_static("dpop");

/// The time that a used proof stays stored after its end, for instances whose clocks differ.
const KEPT_AFTER_END: Duration = Duration::from_secs(60);

/// Checks the proofs of token requests, and remembers the used ones in the store of the issuer.
#[derive(Debug)]
pub(crate) struct ProofCheck {
    /// The name of the issuer, above the path of the endpoint.
    issuer: ExternalUrl,
    rules: ProofRules,
    keys: ProofKeys,
    nonces: Option<Nonces>,
    is_demanded: bool,
    clock: Arc<dyn Clock>,
    /// The reading of the monotonic clock at the start.
    started: Duration,
    store: AsyncStore,
}

impl ProofCheck {
    /// With `is_demanded`, every request needs a proof.
    pub(crate) fn new(
        issuer: ExternalUrl,
        nonces: Option<Nonces>,
        is_demanded: bool,
        clock: Arc<dyn Clock>,
        store: AsyncStore,
    ) -> Self {
        let (rules, keys, started) = (ProofRules::default(), ProofKeys::new(), clock.elapsed());
        ProofCheck { issuer, rules, keys, nonces, is_demanded, clock, started, store }
    }

    /// The algorithms of proofs, for the metadata.
    pub(crate) fn algorithms(&self) -> &[Algorithm] {
        self.rules.allowed()
    }

    /// The proof of a request, of which all but its use is checked. `None` if the request has none, and its client need not
    /// send one.
    pub(crate) fn read(&self, headers: &HeaderMap, is_demanded: bool) -> Result<Option<DpopProof>, ProofError> {
        let mut values = headers.get_all(DPOP).iter().map(HeaderValue::as_bytes).peekable();
        if values.peek().is_none() && !is_demanded && !self.is_demanded {
            return Ok(None);
        }
        let (text, now) = (only_proof(values)?, self.clock.now());
        let external_urls = std::slice::from_ref(&self.issuer);
        let request = ProofRequest { method: "POST", external_urls, path: "/token" };
        let mut proof = DpopProof::read(text, &self.rules, &self.keys, request, now)?;
        proof.check_signature()?;
        self.nonces.as_ref().map_or(Ok(()), |nonces| nonces.check(&proof, now))?;
        Ok(Some(proof))
    }

    /// Records the use of a proof, in a place of `client`.
    pub(crate) async fn record(&self, proof: &DpopProof, client: &str) -> Result<(), ProofError> {
        let replayed = |detail: &'static str| Err(ProofError::new(Kind::Replayed, detail));
        // The start, by the wall clock as it is set now. Stores in memory do not know what was used before, and others may be
        // restored from a copy.
        let running = self.clock.elapsed().saturating_sub(self.started);
        if proof.issued_at().as_secs() < self.clock.now().saturating_sub(running).as_secs() {
            return replayed("made before this process started");
        }
        let id = format!("{} {}", proof.thumbprint(), proof.id());
        let until = proof.ends_at().saturating_add(KEPT_AFTER_END);
        match self.store.insert_id(IdList::UsedProofs, client, &id, until).await {
            Ok(Insertion::New) => {
                proof.remember(&self.keys);
                Ok(())
            }
            Ok(Insertion::Present) => replayed("used before"),
            Ok(Insertion::Unknown) => replayed("proofs of that time were removed from the store"),
            Ok(Insertion::Full) | Err(_) => {
                Err(ProofError::new(Kind::Undecided, "the store fails, or the client has its share of it"))
            }
        }
    }

    /// The nonce for proofs that are made now, if nonces are demanded.
    pub(crate) fn nonce(&self) -> Option<String> {
        self.nonces.as_ref().map(|nonces| nonces.current(self.clock.now()))
    }
}
